//! A table of labelled texts becomes a model.

use serde_json::{Value, json};

use crate::app::App;
use crate::shared;

/// Twelve things that somebody may want done, or as many of them as are asked for, in eight sentences each.
pub(crate) fn requests(labels: std::ops::Range<usize>) -> String {
    let wishes = [
        ("water_plants", "water the plants"),
        ("book_table", "book a table for two"),
        ("call_taxi", "call a taxi to the station"),
        ("lamp_on", "switch the lamp on"),
        ("play_song", "play a quiet song"),
        ("set_alarm", "wake me at seven"),
        ("read_mail", "read my letters aloud"),
        ("bake_bread", "start the bread machine"),
        ("close_blinds", "close the blinds upstairs"),
        ("feed_cat", "feed the cat tonight"),
        ("weather", "tell me whether it rains"),
        ("shopping", "put milk on the list"),
    ];
    let ways = [
        "please {}",
        "could you {}",
        "I would like you to {}",
        "{} now",
        "is it possible to {}",
        "kindly {} for me",
        "can somebody {}",
        "it is time to {}",
    ];
    let rows = wishes[labels]
        .iter()
        .flat_map(|(label, wish)| ways.iter().map(move |way| format!("{},{label}\n", way.replace("{}", wish))));
    std::iter::once("utterance,intent\n".to_owned()).chain(rows).collect()
}

#[tokio::test]
async fn a_table_of_labels_is_inspected_stored_and_shown_as_one() {
    let app = shared::tiny();
    let look = app.post_csv("/datasets/inspect", requests(0..12)).await;
    assert_eq!((look.status, look.text("kind").as_str()), (200, "labelled"), "{}", look.body);
    let becomes: Vec<_> = look.body["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| one["becomes"].as_str().unwrap_or_default())
        .collect();
    assert_eq!((becomes, &look.body["scale"]), (vec!["text", "label"], &Value::Null));
    let stored = app.post_csv("/datasets?name=wishes", requests(0..12)).await;
    assert_eq!(
        (stored.body["kind"].as_str(), &stored.body["columns"]),
        (Some("labelled"), &json!(["utterance", "intent"]))
    );
    let id = stored.text("id");
    let rows = app.get(&format!("/datasets/{id}/rows?limit=1")).await.body;
    assert_eq!(
        (&rows["rows"][0]["left"], &rows["rows"][0]["right"]),
        (&json!("please water the plants"), &json!("water_plants"))
    );

    // Said in words; and what does not go together is refused.
    let said = app
        .post_csv(
            "/datasets/inspect?kind=labelled&mapping=%7B%22text%22%3A2%2C%22label%22%3A1%7D",
            "a,b\nx,one\nx,two\ny,three\n",
        )
        .await;
    assert_eq!((said.status, said.text("kind").as_str()), (200, "labelled"), "{}", said.body);
    let torn = app.post_csv("/datasets/inspect?kind=pair_score&mapping=%7B%22label%22%3A2%7D", requests(0..3)).await;
    assert_eq!((torn.status, torn.text("code").as_str()), (422, "columns_unclear"));
}

#[tokio::test]
async fn a_job_on_labels_is_judged_on_labels_that_it_has_not_seen() {
    let app = App::start();
    let dataset = app.post_csv("/datasets?name=wishes", requests(0..12)).await.text("id");
    // Other words for five of the labels, and a label's texts that train.
    let trained = requests(10..11).replace("utterance,intent\n", "");
    let others =
        requests(2..7).replace(" now,", " now or never,").replace("please", "Please do").replace("you ", "you all ");
    let others = others
        .replace("possible", "in order")
        .replace("kindly", "gladly")
        .replace("body", "one")
        .replace("time", "high time");
    let benchmark = app.post_csv("/datasets?name=others&benchmark=true", others + &trained).await;
    assert_eq!((benchmark.status, benchmark.text("kind").as_str()), (201, "labelled"), "{}", benchmark.body);
    let request = json!({
        "dataset_id": dataset, "benchmark_id": benchmark.text("id"), "recipe": "recommended", "name": "wishes-tuned",
        "config": { "epochs": 2 },
    });
    let plan = app.post("/jobs?dry_run=true", request.clone()).await;
    assert_eq!((plan.status, &plan.body["config"]["loss"]), (200, &json!("mnrl")), "{}", plan.body);
    let posted = app.post("/jobs", request).await;
    assert_eq!(posted.status, 202, "{}", posted.body);
    let job = app.finished(&posted.text("id")).await;
    assert_eq!(job["status"], "succeeded", "{job}");

    // A fifth of 96 rows are three labels of eight.
    let report = &job["report"];
    assert_eq!((&report["rows"]["training"], &report["rows"]["validation"]), (&json!(72), &json!(24)));
    let codes: Vec<&Value> = report["notes"].as_array().unwrap().iter().map(|note| &note["code"]).collect();
    assert!(codes.contains(&&json!("judged_by_unseen_labels")), "{codes:?}");
    assert!(codes.contains(&&json!("benchmark_of_labels")), "{codes:?}");
    let overlap = report["notes"].as_array().unwrap().iter().find(|note| note["code"] == "benchmark_overlaps");
    assert!(
        overlap.is_some_and(|note| note["message"].as_str().unwrap().starts_with("8 of the 48 rows")),
        "{overlap:?}"
    );
    for (part, texts, labels) in [("validation", 24, 3), ("benchmark", 40, 5)] {
        for when in ["before", "after"] {
            let told = &report[when][part]["labels"];
            assert_eq!((&told["texts"], &told["labels"]), (&json!(texts), &json!(labels)), "{report}");
        }
        let change = &report["labels"][part];
        for measure in ["nearest_neighbour", "nearest_centre", "mean_average_precision"] {
            let (one, before) = (&change[measure], &report["before"][part]["labels"][measure]);
            assert_eq!((&one["metric"], &one["n"]), (&json!(measure), &json!(texts)));
            assert!((one["before"].as_f64().unwrap() - before.as_f64().unwrap()).abs() < 1e-9);
            assert!(one["low"].as_f64().unwrap() <= one["high"].as_f64().unwrap());
        }
    }
    let verdict = &report["verdict"];
    assert_eq!(verdict["domain"]["metric"], "mean_average_precision");
    assert_eq!(
        (&verdict["labels"]["metric"], &verdict["labels"]["name"]),
        (&json!("mean_average_precision"), &json!("others"))
    );
    let curves = app.get(&format!("/jobs/{}/metrics", job["id"].as_str().unwrap())).await.body;
    for curve in ["val_nearest_neighbour", "val_map"] {
        assert_eq!(curves["series"][curve].as_array().unwrap().len(), 2, "{curve}");
    }
    // A mover's texts are two of the table's, and no label.
    let mover = &report["movers"]["worst"][0];
    assert!(mover["right"].as_str().unwrap().contains(' '), "{mover}");
}

#[tokio::test]
async fn every_recipe_takes_labels_and_few_labels_are_judged_by_texts() {
    let app = App::start();
    for recipe in ["tutorial", "gentle", "thorough"] {
        let posted = app.post_job(requests(0..4), &[("recipe", recipe), ("config", r#"{"epochs": 1}"#)]).await;
        assert_eq!(posted.status, 202, "{}", posted.body);
        let job = app.finished(&posted.text("id")).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        if recipe == "gentle" {
            let notes = job["report"]["notes"].to_string();
            assert!(notes.contains("judged_by_unseen_texts"), "{notes}");
            let judged = job["report"]["before"]["validation"]["labels"]["labels"].as_u64().unwrap();
            assert!((2..=4).contains(&judged), "{judged}");
        }
    }
    // Pairs need what a benchmark of labels does not have, and the other way round: each judges by its own measure.
    let pairs = app.post_csv("/datasets?name=pairs", crate::app::few(30)).await.text("id");
    let labels = app.post_csv("/datasets?name=labels", requests(0..4)).await.text("id");
    let request = json!({ "dataset_id": pairs, "replay_id": labels, "config": { "replay": 0.5 } });
    let refused = app.post("/jobs", request).await;
    assert_eq!(refused.status, 422, "{}", refused.body);
    assert!(refused.text("detail").contains("labelled"), "{}", refused.body);
}

#[tokio::test]
async fn what_else_a_table_can_be_asked_is_answered_of_labels() {
    let app = App::start();
    let id = app.post_csv("/datasets?name=wishes", requests(0..12)).await.text("id");
    let verdict = app.get(&format!("/datasets/{id}/verdict")).await;
    assert_eq!(verdict.status, 200, "{}", verdict.body);
    // Two questions a text.
    assert_eq!(verdict.body["facts"]["pairs"], 192, "{}", verdict.body);
    let mined = app.post(&format!("/datasets/{id}/hard-negatives"), json!({})).await;
    assert_eq!((mined.status, &mined.body["kind"]), (201, &json!("triplet")), "{}", mined.body);
    let rows = app.get(&format!("/datasets/{}/rows?limit=1000", mined.text("id"))).await.body;
    for row in rows["rows"].as_array().unwrap() {
        let texts = ["left", "right", "negative"].map(|side| row[side].as_str().unwrap());
        assert!(texts.iter().all(|text| text.contains(' ')), "a label is no text: {row}");
    }
}
