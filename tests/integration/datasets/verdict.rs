//! Whether a table needs training at all.

use std::time::Instant;

use serde_json::{Value, json};

use crate::app::{App, example, few};
use crate::fixtures::public_data;
use crate::shared;
use crate::tiny::TINY;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn the_tutorials_file_is_nearly_told_apart_without_training_and_what_is_left_to_learn_is_named() {
    let Some(tutorial) = public_data("data/tutorial/training_data.csv") else { return };
    let app = shared::real();
    let id = app.post_csv("/datasets?name=tutorial", tutorial).await.text("id");
    let verdict = app.get(&format!("/datasets/{id}/verdict")).await.body;
    assert_eq!(verdict["lowest_means"], "angular", "{verdict}");
    assert_eq!((&verdict["pairs"], &verdict["sampled"]), (&json!(98), &json!(false)));
    assert!((number(&verdict["agreement"]["pearson"]) - 0.831).abs() < 0.005, "{verdict}");
    let separation = &verdict["separation"];
    // Row 11, a data analyst and a bacteriology technician, is the one that is nearer than a title and its definition.
    assert_eq!((&separation["right"], &separation["of"]), (&json!(97), &json!(98)), "{separation}");
    assert_eq!((&separation["found"], &separation["wrongly"]), (&json!(35), &json!(1)), "{separation}");
    assert_eq!((&separation["related"], &separation["unrelated"]), (&json!(35), &json!(63)));
    assert!((number(&separation["cut"]) - 0.37).abs() < 0.01, "{separation}");
    assert!(number(&separation["auc"]) > 0.999);
    // A title against its own definition: the real lesson of that file.
    let gaps = verdict["gaps"].as_array().unwrap();
    assert_eq!(gaps.len(), 10);
    let rows: Vec<u64> = gaps.iter().map(|gap| gap["row"].as_u64().unwrap()).collect();
    assert!([65, 66, 67, 68].iter().all(|row| rows[..4].contains(row)), "{rows:?}");
    assert!((number(&gaps[0]["wanted"]) - 1.0).abs() < 1e-9);
    // From a cell with a line break in it on, lines are one ahead of rows.
    assert_eq!(number(&gaps[0]["line"]), number(&gaps[0]["row"]) + 1.0);
    assert_eq!((&verdict["verdict"], &verdict["measured_by"]), (&json!("worth_it"), &json!("lowest_means")));
    let message = verdict["message"].as_str().unwrap();
    assert!(message.contains("at 0.83") && message.contains("97 of 98 pairs (cut at 0.37)"), "{message}");
    assert!(message.contains("most of all in rows 65, 66, 67 and 68"), "{message}");
}

#[tokio::test]
async fn a_verdict_tells_the_models_own_similarities_and_is_the_same_the_next_time() {
    let app = shared::tiny();
    let id = app.post_csv("/datasets", example()).await.text("id");
    let path = format!("/datasets/{id}/verdict");
    let verdict = app.get(&path).await.body;
    let gaps = verdict["gaps"].as_array().unwrap();
    let pairs: Vec<Value> = gaps.iter().map(|gap| json!([gap["left"], gap["right"]])).collect();
    let answer = app.post("/similarity", json!({ "pairs": pairs })).await.body;
    assert_eq!((&answer["model"], &answer["fingerprint"]), (&verdict["model"], &verdict["model_fingerprint"]));
    let mut farthest = f64::INFINITY;
    for (gap, cosine) in gaps.iter().zip(answer["scores"].as_array().unwrap()) {
        assert!((number(&gap["base"]) - number(cosine)).abs() < 1e-5, "{gap}: {cosine}");
        let far = number(&gap["gap"]);
        assert!((far - (number(&gap["wanted"]) - number(&gap["base"])).abs()).abs() < 1e-9 && far <= farthest);
        farthest = far;
    }
    // Of the two at once, and of one that asks again under the model's own name, none is computed anew.
    let under_its_name = format!("{path}?base={TINY}");
    let (again, named) = tokio::join!(app.get(&path), app.get(&under_its_name));
    assert_eq!((&again.body, &named.body), (&verdict, &verdict));
    assert_eq!(app.get(&format!("{path}?base=nobody")).await.text("code"), "model_not_found");
    assert_eq!(app.get(&format!("{path}?bas=default")).await.text("code"), "unknown_field");
    assert_eq!(app.get("/datasets/ds_nobody/verdict").await.text("code"), "dataset_not_found");
}

#[tokio::test]
async fn scores_that_run_backwards_and_tables_without_scores_are_judged_too() {
    let app = shared::real();
    let judge = async |csv: String| {
        let reply = app.post_csv("/datasets", csv).await;
        assert_eq!(reply.status, 201, "{}", reply.body);
        app.get(&format!("/datasets/{}/verdict", reply.text("id"))).await.body
    };
    let words = ["nurse", "teacher", "carpenter", "pilot", "baker", "lawyer", "painter", "farmer", "driver", "singer"];
    let mut distances = "text_a,text_b,score\n".to_owned();
    let mut together = "anchor,positive\n".to_owned();
    for (place, word) in words.iter().enumerate() {
        let other = words[(place + 3) % words.len()];
        distances.push_str(&format!("{word},a {word},0\n{word},the history of the {other},1\n"));
        together.push_str(&format!("{word},a {word}\n"));
    }
    let reversed = judge(distances).await;
    assert_eq!((&reversed["verdict"], &reversed["reason"]), (&json!("look_at_data"), &json!("reversed")));
    // Strangers are drawn for pairs that only belong together, and no row is told that holds none of them.
    let together = judge(together).await;
    assert_eq!((&together["separation"]["related"], &together["separation"]["unrelated"]), (&json!(10), &json!(10)));
    assert_eq!(together["verdict"], "probably_not", "{together}");
    assert!(together["gaps"].as_array().unwrap().iter().all(|gap| gap["score"] == 1.0));
}

#[tokio::test]
async fn a_question_does_not_wait_for_a_verdict() {
    let app = App::real();
    let long = "A sentence about the work of people who do this and that every day. ".repeat(8);
    let rows: String =
        (0..700).map(|row| format!("{row} {long},{long} {row},{}\n", f64::from(row % 5) / 4.0)).collect();
    let id = app.post_csv("/datasets", format!("text_a,text_b,score\n{rows}")).await.text("id");
    let path = format!("/datasets/{id}/verdict");
    let verdict = async {
        let reply = app.get(&path).await;
        (reply.status, Instant::now())
    };
    let question = async {
        // The verdict's texts are in the queue by then.
        let waiting = |metrics: &Value| {
            let depth = metrics.as_str().and_then(|text| text.split("\nshamisen_queue_texts ").nth(1));
            depth.is_some_and(|depth| !depth.starts_with("0\n"))
        };
        app.wait_for("/metrics", waiting).await;
        let reply = app.post("/embed", json!({ "inputs": "看護師" })).await;
        (reply.status, Instant::now())
    };
    let (verdict, question) = tokio::join!(verdict, question);
    assert_eq!((verdict.0, question.0), (200, 200));
    assert!(question.1 < verdict.1, "the question was answered after the verdict");
}

#[tokio::test]
async fn a_table_with_few_rows_sends_the_user_to_the_data() {
    let app = shared::tiny();
    let id = app.post_csv("/datasets", few(8)).await.text("id");
    let verdict = app.get(&format!("/datasets/{id}/verdict")).await.body;
    assert_eq!((&verdict["verdict"], &verdict["reason"]), (&json!("look_at_data"), &json!("few_pairs")));
}
