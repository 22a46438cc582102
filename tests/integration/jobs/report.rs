//! What a report says beyond figures.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use shamisen::ml::eval::Calibration;
use tables::{self, Scores};

use crate::app::{App, example, few};
use crate::shared;

#[tokio::test]
async fn a_report_carries_a_verdict_movers_with_their_rows_and_a_calibration() {
    let app = shared::tuned();
    let (job, report) = (app.job, &app.job["report"]);
    let number = |value: &Value| value.as_f64().unwrap_or_else(|| panic!("{value} is no number in {report}"));

    // The verdict rests on the same figures that the report tells. The table has the name under which its bytes came first.
    let verdict = &report["verdict"];
    for (axis, table, n, name) in
        [("domain", "validation", 75, job["dataset_name"].clone()), ("general", "benchmark", 40, json!("general"))]
    {
        let axis = &verdict[axis];
        assert_eq!((&axis["metric"], &axis["n"], &axis["name"]), (&json!("spearman"), &json!(n), &name));
        for when in ["before", "after"] {
            assert!((number(&axis[when]) - number(&report[when][table]["spearman"])).abs() < 1e-9, "{axis}");
        }
        assert!((number(&axis["after"]) - number(&axis["before"]) - number(&axis["delta"])).abs() < 1e-9);
        assert!(number(&axis["low"]) <= number(&axis["delta"]) && number(&axis["delta"]) <= number(&axis["high"]));
    }
    for (axis, overall) in [(&verdict["domain"], false), (&verdict["general"], false), (verdict, true)] {
        let told = axis[if overall { "overall" } else { "verdict" }].as_str().unwrap();
        assert!(["win", "marginal", "regression", "too_few"].contains(&told), "{told}");
    }

    assert!(number(&report["before"]["retention"]["pearson"]) > 0.5);

    // A mover's row is the row of the file, and its similarity is the model's.
    let table = tables::read(&example(), Scores::Unit).unwrap();
    let rows: BTreeMap<usize, _> = table.pairs.iter().map(|pair| (pair.row, pair)).collect();
    for list in ["toward", "away", "worst"] {
        let movers = report["movers"][list].as_array().unwrap();
        assert_eq!(movers.len(), 10, "{list}");
        let mut how_far = f64::INFINITY;
        for mover in movers {
            let pair = rows[&(mover["row"].as_u64().unwrap() as usize)];
            assert_eq!(
                (mover["left"].as_str(), mover["right"].as_str(), number(&mover["score"])),
                (Some(pair.left.as_str()), Some(pair.right.as_str()), pair.score)
            );
            let error = |when: &str| (number(&mover[when]) - pair.score).abs();
            let moved = match list {
                "toward" => error("before") - error("after"),
                "away" => error("after") - error("before"),
                _ => error("after"),
            };
            assert!(moved > 0.0 && moved <= how_far, "{list}: {mover}");
            how_far = moved;
        }
    }
    let worst = &report["movers"]["worst"][0];
    let question = json!({ "pairs": [[worst["left"], worst["right"]]], "model": job["model"], "measure": "angular" });
    let answer = app.post("/similarity", question).await.body;
    assert!((number(&answer["scores"][0]) - number(&worst["after"])).abs() < 1e-4, "{answer} is not {worst}");

    // The calibration is in the report and in the model's folder.
    assert_eq!((&report["calibration"]["pairs"], &report["uncalibrated"]), (&json!(75), &Value::Null));
    assert_eq!(report["calibration"]["measure"], "angular");
    let saved = std::fs::read(app.folder().join("calibration.json")).unwrap();
    let calibration: Calibration = serde_json::from_slice(&saved).unwrap();
    let told: Calibration = serde_json::from_value(report["calibration"].clone()).unwrap();
    assert_eq!(calibration.knots.len(), told.knots.len());
    let knots = calibration.knots.iter().flatten().zip(told.knots.iter().flatten());
    assert!(knots.into_iter().all(|(saved, told)| (saved - told).abs() < 1e-12));
    assert!((0.5..=1.0).contains(&calibration.score(0.0)) && calibration.score(0.0) < calibration.score(1.0));
    // The example's scores are 0.5, 0.631, 0.7468 and 1.
    let cuts: Vec<f64> = calibration.thresholds.iter().map(|cut| cut.score).collect();
    assert_eq!(cuts, [0.631, 0.7468, 1.0]);

    // The model tells texts apart as its base did.
    let spread = &report["spread"];
    let rank = number(&spread["after"]["effective_rank"]) / number(&spread["before"]["effective_rank"]);
    println!("the example's job keeps {rank:.2} of the effective rank");
    assert_eq!(spread["collapsed"], Value::Null);
    assert!(rank > 0.8, "{spread}");
}

#[tokio::test]
async fn few_validation_rows_give_no_verdict_and_no_calibration() {
    let app = App::start();
    let id = app.post_job(few(40), &[("config", r#"{"epochs": 1}"#)]).await.text("id");
    let job = app.finished(&id).await;
    let report = &job["report"];
    let domain = &report["verdict"]["domain"];
    assert_eq!(
        (&domain["verdict"], &domain["doubt"], &domain["n"]),
        (&json!("too_few"), &json!("few_pairs"), &json!(8))
    );
    // Without a benchmark the built-in pairs stand for everything else.
    assert_eq!(report["verdict"]["general"]["name"], "shamisen-retention");
    assert_eq!((&report["calibration"], &report["uncalibrated"]), (&Value::Null, &json!("few_pairs")));
    let folder = app.data.path().join("models").join(job["model"].as_str().unwrap());
    assert!(folder.join("shamisen.json").exists() && !folder.join("calibration.json").exists());
}

#[tokio::test]
async fn a_model_that_finds_all_texts_alike_is_told_as_worse() {
    let app = App::real();
    let table = tables::read(&few(160), Scores::Unit).unwrap();
    let pairs: Vec<Value> = table.pairs.iter().map(|pair| json!([pair.left, pair.right, 1.0])).collect();
    let body = json!({ "pairs": pairs, "recipe": "tutorial", "config": { "epochs": 4, "learning_rate": 1e-3, "collapse_alarm": false } });
    let id = app.post("/jobs", body).await.text("id");
    let job = app.finished(&id).await;
    let report = &job["report"];
    assert_eq!(report["spread"]["collapsed"], "texts_alike", "{job}");
    assert_eq!((&report["verdict"]["overall"], &report["uncalibrated"]), (&json!("regression"), &json!("one_score")));

    // With the alarm, as is usual, such a run ends and goes back to the last sound epoch.
    let body = json!({ "dataset_id": job["dataset_id"], "recipe": "tutorial", "config": { "epochs": 4, "learning_rate": 1e-3 } });
    let id = app.post("/jobs", body).await.text("id");
    let report = &app.finished(&id).await["report"];
    assert_eq!(report["stopped"], "collapse");
    assert_eq!(report["spread"]["collapsed"], Value::Null);
}
