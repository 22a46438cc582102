//! What judges a job: a table of one's own, and a benchmark that must not hold what trains.

use serde_json::{Value, json};

use crate::app::{App, few, strangers};
use crate::shared;

fn notes(report: &Value) -> Vec<(&str, &str)> {
    let notes = report["notes"].as_array().unwrap();
    notes.iter().map(|note| (note["code"].as_str().unwrap(), note["message"].as_str().unwrap())).collect()
}

/// Rows of the example pairs after the first `skipped`.
fn later(skipped: usize, rows: usize) -> Vec<u8> {
    let text = String::from_utf8(few(skipped + rows)).unwrap();
    let (head, pairs) = text.split_once('\n').unwrap();
    let kept: Vec<&str> = pairs.lines().skip(skipped).collect();
    format!("{head}\n{}\n", kept.join("\n")).into_bytes()
}

#[tokio::test]
async fn a_table_of_ones_own_validates_and_nothing_is_held_out() {
    let app = App::start();
    let validation = app.post_csv("/datasets", later(40, 15)).await.text("id");
    let fields = [("config", r#"{"epochs": 2}"#), ("validation_id", &*validation), ("name", "judged")];
    let posted = app.post_job(few(40), &fields).await;
    assert_eq!((posted.status, posted.text("validation_id")), (202, validation.clone()), "{}", posted.body);
    let job = app.finished(&posted.text("id")).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let (report, rows) = (&job["report"], &job["report"]["rows"]);
    assert_eq!((&rows["training"], &rows["validation"]), (&json!(40), &json!(15)));
    assert_eq!(report["verdict"]["domain"]["n"], 15);
    // The rows that moved are that table's, with its texts.
    let own = String::from_utf8(later(40, 15)).unwrap();
    for mover in report["movers"]["toward"].as_array().unwrap() {
        let (row, text) = (mover["row"].as_u64().unwrap() as usize, mover["left"].as_str().unwrap());
        assert!(own.lines().nth(row - 1).unwrap().contains(text), "{mover}");
    }
    let card = app.get("/models/judged/card").await;
    assert!(card.body.as_str().unwrap().contains("| validation |"), "{}", card.body);
    // It cannot go while a job needs it, and the job says which it was.
    assert_eq!(app.get(&format!("/jobs/{}", posted.text("id"))).await.body["validation_id"], validation);
}

#[tokio::test]
async fn a_table_that_cannot_judge_what_is_learnt_is_refused_with_the_reason() {
    let app = shared::tiny();
    let training = app.post_csv("/datasets", few(30)).await.text("id");
    let post = async |validation: &str, config: Value| {
        let body = json!({ "dataset_id": training, "validation_id": validation, "config": config });
        app.post("/jobs?dry_run=true", body).await
    };
    let other = async |query: &str, csv: Vec<u8>| app.post_csv(&format!("/datasets{query}"), csv).await.text("id");
    let positive = b"anchor,positive\nnurse,caregiver\ncook,chef\nclerk,office worker\n".to_vec();
    for (validation, code) in [
        (training.clone(), "validation_file_is_training_file"),
        (other("?benchmark=true", strangers(12)).await, "validation_not_usable"),
        (other("", positive).await, "validation_not_usable"),
        (other("?lowest_means=opposite", later(60, 12)).await, "validation_not_usable"),
    ] {
        let refused = post(&validation, json!({ "epochs": 1 })).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (422, code), "{}", refused.body);
        assert_eq!(refused.text("param"), "validation_id");
    }
    let fits = other("", later(80, 12)).await;
    let refused = post(&fits, json!({ "epochs": 1, "validation_split": 0.3 })).await;
    assert_eq!(refused.text("param"), "config.validation_split", "{}", refused.body);
    let planned = post(&fits, json!({ "epochs": 1 })).await;
    assert_eq!((planned.status, &planned.body["rows"]["training"]), (200, &json!(30)), "{}", planned.body);
}

#[tokio::test]
async fn rows_of_a_benchmark_that_train_are_told_and_not_counted() {
    let app = App::start();
    // Twenty rows of the table itself, one of them the other way round, and sixteen that no job has seen.
    let text = String::from_utf8(few(20)).unwrap();
    let turned = |line: &str| {
        let cells: Vec<&str> = line.split(',').collect();
        format!("{},{},{}", cells[1], cells[0], cells[2])
    };
    let seen: Vec<String> = text.lines().skip(1).map(turned).collect();
    let unseen = String::from_utf8(strangers(16)).unwrap();
    let (head, unseen) = unseen.split_once('\n').unwrap();
    let benchmark = format!("{head}\n{}\n{unseen}", seen.join("\n"));
    let benchmark = app.post_csv("/datasets?benchmark=true&name=mixed", benchmark).await.text("id");
    let validation = app.post_csv("/datasets", later(40, 12)).await.text("id");
    let fields = [("config", r#"{"epochs": 1}"#), ("benchmark_id", &*benchmark), ("validation_id", &*validation)];
    let id = app.post_job(few(20), &fields).await.text("id");
    let job = app.finished(&id).await;
    let report = &job["report"];
    let told = notes(report).into_iter().find(|(code, _)| *code == "benchmark_overlaps").expect("it is told").1;
    assert!(told.starts_with("20 of the 36 rows of the benchmark \"mixed\" are pairs that train."), "{told}");
    assert_eq!(
        (&report["verdict"]["general"]["n"], &report["verdict"]["general"]["name"]),
        (&json!(16), &json!("mixed"))
    );

    // Where nothing else is left, it is no benchmark.
    let known = app.post_csv("/datasets?benchmark=true&name=known", few(20)).await.text("id");
    let fields = [("config", r#"{"epochs": 1}"#), ("benchmark_id", &*known), ("validation_id", &*validation)];
    let id = app.post_job(few(20), &fields).await.text("id");
    let report = app.finished(&id).await["report"].clone();
    assert_eq!(
        (&report["before"]["benchmark"], &report["verdict"]["general"]["name"]),
        (&Value::Null, &json!("shamisen-retention"))
    );
    let told = notes(&report).into_iter().find(|(code, _)| *code == "benchmark_overlaps").expect("it is told").1;
    assert!(told.contains("With the other 0 nothing can be measured"), "{told}");
}
