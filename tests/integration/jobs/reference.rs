//! Jobs that give figures which others published.

use serde_json::{Value, json};
use tables::Scores;

use crate::app::App;
use crate::fixtures::{public_data, public_table};

/// The tutorial's own file with its recipe, and the STS benchmark before and after.
#[tokio::test]
async fn the_tutorials_file_and_the_sts_benchmark_give_the_tutorials_numbers() {
    let (Some(pairs), Some(sts)) =
        (public_data("data/tutorial/training_data.csv"), public_data("data/sts/stsb-en-dev.csv"))
    else {
        return;
    };
    assert_eq!(public_table("data/sts/stsb-en-dev.csv", Scores::Any).unwrap().pairs.len(), 1500);
    let app = App::real();
    let benchmark = app.post_csv("/datasets?name=STS-B%20dev&benchmark=true", sts).await.text("id");
    let started = std::time::Instant::now();
    let id = app.post_job(pairs, &[("recipe", "tutorial"), ("benchmark_id", &benchmark)]).await.text("id");
    let job = app.finished(&id).await;
    let seconds = started.elapsed().as_secs_f64();
    let report = &job["report"];
    assert_eq!(report["rows"], json!({ "training": 78, "validation": 20, "leaking": 11 }), "{job}");
    let pearson = |when: &str| report[when]["benchmark"]["pearson"].as_f64().unwrap();
    println!(
        "the tutorial's job: {} epochs, STS-B dev {:.4} before, {:.4} after, {seconds:.1} s from POST to succeeded",
        report["epochs"].as_array().unwrap().len(),
        pearson("before"),
        pearson("after")
    );
    assert!((pearson("before") - 0.8346).abs() < 0.0005);
    assert!((0.832..0.842).contains(&pearson("after")));
    assert_eq!(report["after"]["validation"]["pearson"], Value::Null);
    assert!(report["notes"].as_array().unwrap().iter().any(|note| note["code"] == "one_validation_score"));
    let first = report["epochs"][0]["val_loss"].as_f64().unwrap() * 1e3;
    assert!((6.0..6.5).contains(&first), "{first}");
}

/// The reference figures of a dense implementation, through the service.
#[tokio::test]
async fn a_job_in_file_order_with_torchs_epsilon_gives_the_reference_losses_step_by_step() {
    let (Some(pairs), Some(golden)) =
        (public_data("data/tutorial/training_data.csv"), public_data("golden/use_m3_training.json"))
    else {
        return;
    };
    let golden: Value = serde_json::from_slice(&golden).unwrap();
    let app = App::real();
    let config = r#"{"epochs": 3, "shuffle": false, "epsilon_mode": "torch", "clip_table": "whole"}"#;
    let id = app.post_job(pairs, &[("config", config)]).await.text("id");
    let events = app.follow(&id, None, |_| false).await;
    let epochs: Vec<&Value> =
        events.iter().filter(|event| event["type"] == "epoch").map(|event| &event["data"]).collect();
    assert_eq!(epochs.len(), 3);
    for (found, expected) in epochs.iter().zip(golden["epochs"].as_array().unwrap()) {
        let losses = |value: &Value| -> Vec<f64> { serde_json::from_value(value["step_losses"].clone()).unwrap() };
        assert_eq!(losses(found).len(), 10);
        for (found, expected) in losses(found).into_iter().zip(losses(expected)) {
            assert!((found - expected).abs() < 1e-5, "{found} is not {expected}");
        }
        let difference = found["val_loss"].as_f64().unwrap() - expected["val_loss"].as_f64().unwrap();
        assert!(difference.abs() < 1e-5);
    }
}
