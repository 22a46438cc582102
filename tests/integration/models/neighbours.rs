//! The nearest texts of a table, asked of an encoder that takes its time.

use std::collections::HashSet;
use std::time::Instant;

use serde_json::Value;
use tempfile::TempDir;

use crate::app::{App, few};

/// The value of a figure, with its labels.
fn figure(figures: &Value, name: &str) -> f64 {
    let line = figures.as_str().unwrap().lines().find_map(|line| line.strip_prefix(name));
    line.map_or(0.0, |value| value.trim().parse().unwrap())
}

const TEXTS: &str = "shamisen_texts_total{model=\"use-multilingual-v3\"} ";

#[tokio::test]
async fn a_slow_encoder_answers_beside_others_and_nothing_is_embedded_twice_though_a_client_went_away() {
    let app = App::over(TempDir::new().unwrap(), &["--threads", "1", "--request-timeout", "1"]);
    let long = "A sentence about the work of people who do this and that every day. ".repeat(12);
    let rows: String =
        (0..500).map(|row| format!("{row} {long},{long} {row},{}\n", f64::from(row % 5) / 4.0)).collect();
    let large = app.post_csv("/datasets", format!("text_a,text_b,score\n{rows}")).await.text("id");
    let small = app.post_csv("/datasets", few(20)).await.text("id");
    let path = |dataset: &str| format!("/neighbours?text=nurse&k=3&dataset={dataset}");
    let before = figure(&app.get("/metrics").await.body, TEXTS);

    let begun = app.wait_for("/metrics", |figures| figure(figures, "shamisen_queue_texts ") > 0.0);
    let (of_large, of_small) = (path(&large), path(&small));
    tokio::select! {
        reply = app.get(&of_large) => panic!("the table is too small to be waited for: {reply:?}"),
        _ = begun => {}
    }
    let timed = async |path: &str| (app.get(path).await, Instant::now());
    let (slow, quick) = tokio::join!(timed(&of_large), timed(&of_small));
    assert_eq!((slow.0.status, quick.0.status), (200, 200), "{} {}", slow.0.body, quick.0.body);
    assert!(quick.1 < slow.1, "a small table was answered after a large one");

    let few = String::from_utf8(few(20)).unwrap();
    let cells = few.lines().skip(1).flat_map(|line| line.split(',').take(2));
    let different = 1000 + cells.collect::<HashSet<_>>().len();
    assert_eq!(slow.0.body["searched"], 1000);
    // And the text itself, twice.
    let embedded = figure(&app.get("/metrics").await.body, TEXTS) - before;
    assert_eq!(embedded, (different + 2) as f64);
    assert_eq!(app.get(&of_large).await.status, 200);
    assert_eq!(figure(&app.get("/metrics").await.body, TEXTS) - before, embedded + 1.0, "the vectors were not kept");
}
