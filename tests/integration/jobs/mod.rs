//! `/jobs`: a table becomes a model.

mod labelled;
mod plan;
mod recovery;
mod reference;
mod report;
mod suggestions;
mod validation;
mod waiting;

use serde_json::{Value, json};

use crate::app::{App, example, few};
use crate::shared;
use crate::tiny::TINY;

const SHORT: (&str, &str) = ("config", r#"{"epochs": 2}"#);
/// A job that ends when it is told to.
pub(crate) const ENDLESS: (&str, &str) = ("config", r#"{"epochs": 10000, "early_stopping": null}"#);

#[tokio::test]
async fn a_table_becomes_a_model_that_answers() {
    let app = App::start();
    let posted = app.post_job(few(40), &[("name", "職種"), ("alias", "prod"), SHORT]).await;
    assert_eq!(posted.status, 202, "{}", posted.body);
    let id = posted.text("id");
    assert_eq!(posted.header("location"), format!("/jobs/{id}"));
    assert_eq!(posted.body["config"]["epochs"], 2);
    assert_eq!(
        posted.body["config"]["early_stopping"],
        json!({ "patience": 3, "min_delta": 0.001, "monitor": "loss", "restore_best": false })
    );

    // Serving goes on while the job runs.
    let base = app.post("/similarity", json!({ "pairs": [["data scientist", "data analyst"]] })).await;
    let job = app.finished(&id).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    let model = job["model"].as_str().unwrap();
    assert_eq!((&job["progress"], &job["error"]), (&Value::Null, &Value::Null));

    let report = &job["report"];
    assert_eq!((&report["rows"]["training"], &report["rows"]["validation"]), (&json!(32), &json!(8)));
    assert_eq!(report["epochs"].as_array().unwrap().len(), 2);
    assert_eq!(report["stopped"], "max_epochs");
    assert_eq!(report["before"]["benchmark"], Value::Null);
    assert_eq!(report["notes"][0]["code"], "no_benchmark");
    assert_eq!(report["before"]["retention"]["name"], "shamisen-retention");
    assert_eq!(report["heatmap"]["titles"].as_array().unwrap().len(), 9);
    assert!(report["heatmap"]["after"][0][0].as_f64().unwrap() > 0.9999);

    let tuned = |model: &str| json!({ "pairs": [["data scientist", "data analyst"]], "model": model });
    let by_id = app.post("/similarity", tuned(model)).await;
    assert_eq!((by_id.status, by_id.text("model").as_str()), (200, model));
    assert_ne!(by_id.body["scores"], base.body["scores"]);
    assert_ne!(by_id.body["fingerprint"], base.body["fingerprint"]);
    for name in ["職種", "prod"] {
        assert_eq!(app.post("/similarity", tuned(name)).await.body, by_id.body);
    }
    let found = app.get(&format!("/models/{model}")).await.body;
    assert_eq!((&found["kind"], &found["base_model"], &found["job_id"]), (&json!("tuned"), &json!(TINY), &json!(id)));
    assert_eq!(found["aliases"], json!(["prod"]));

    // The name now belongs to a model.
    let again = app.post_job(few(40), &[("name", "職種")]).await;
    assert_eq!((again.status, again.text("code").as_str()), (409, "name_taken"));
    // A dataset stays for as long as a job needs it.
    let unfinished = app.post_job(few(40), &[ENDLESS]).await;
    let kept = app.send(app.request("DELETE", &format!("/datasets/{}", unfinished.text("dataset_id")))).await;
    assert_eq!((kept.status, kept.text("code").as_str()), (409, "dataset_in_use"));
    let kept = app.send(app.request("DELETE", &format!("/jobs/{}", unfinished.text("id")))).await;
    assert_eq!((kept.status, kept.text("code").as_str()), (409, "job_not_over"));
}

#[tokio::test]
async fn a_tuned_model_survives_a_restart_and_can_be_tuned_again() {
    let app = App::start();
    let dataset = app.post_csv("/datasets", few(20)).await.text("id");
    let request = json!({ "dataset_id": dataset, "name": "first", "config": { "epochs": 1, "learning_rate": 1e-4 } });
    let first = app.post("/jobs", request).await.text("id");
    assert_eq!(app.finished(&first).await["status"], "succeeded");
    let question = |model: &str| json!({ "texts": ["nurse"], "model": model });
    let before = app.post("/embed", question("first")).await.body;

    let (data, status) = app.stop();
    assert!(status.success());
    let app = App::over(data, &[]);
    assert_eq!(app.post("/embed", question("first")).await.body["embeddings"], before["embeddings"]);

    let other = few(60).split_off(few(40).len());
    let other = [b"base,ref,similarity\n".as_slice(), &other].concat();
    let again = app.post_job(other, &[("model", "first"), ("name", "second"), ("config", r#"{"epochs": 1}"#)]).await;
    let job = app.finished(&again.text("id")).await;
    assert_eq!(job["status"], "succeeded", "{job}");
    assert_eq!(job["base_model"].as_str().unwrap().replace("ft_", "job_"), first);
    assert_eq!(app.get("/models/second").await.body["base_model"], TINY);
    let after = app.post("/embed", question("second")).await.body;
    assert_ne!(after["embeddings"], before["embeddings"]);
}

#[tokio::test]
async fn events_are_told_as_a_list_and_as_a_stream_that_goes_on_where_it_broke() {
    let app = App::start();
    let id = app.post_job(few(20), &[SHORT, ("titles", r#"["nurse", "doctor"]"#)]).await.text("id");
    let all = app.follow(&id, None, |_| false).await;
    let kinds: Vec<&str> = all.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(kinds.first(), Some(&"queued"));
    assert_eq!(kinds.last(), Some(&"succeeded"));
    for kind in ["started", "phase", "warning", "evaluation", "heatmap", "progress", "epoch"] {
        assert!(kinds.contains(&kind), "no {kind} in {kinds:?}");
    }
    assert!(all.iter().map(|event| event["seq"].as_i64().unwrap()).eq(1..=all.len() as i64));
    let phases: Vec<&Value> =
        all.iter().filter(|event| event["type"] == "phase").map(|event| &event["data"]["phase"]).collect();
    assert_eq!(phases, ["loading", "base_eval", "training", "evaluating", "saving"]);

    let rest = app.follow(&id, Some(3), |_| false).await;
    assert_eq!(rest, all[3..]);
    assert!(app.follow(&id, Some(all.len() as i64), |_| false).await.is_empty());
    let list = app.get(&format!("/jobs/{id}/events?after=2&limit=4")).await.body;
    assert_eq!((list["events"].as_array().unwrap().as_slice(), &list["last_seq"]), (&all[2..6], &json!(6)));
}

#[tokio::test]
async fn a_running_job_and_a_waiting_one_are_cancelled() {
    let app = App::start();
    let running = app.post_job(example(), &[ENDLESS]).await.text("id");
    app.follow(&running, None, |event| event["type"] == "started").await;
    let waiting = app.post_job(few(20), &[]).await;
    assert_eq!(waiting.body["queue_position"], 1);
    let waiting = waiting.text("id");
    assert_eq!(app.post(&format!("/jobs/{waiting}/cancel"), json!({})).await.text("status"), "cancelled");

    app.follow(&running, None, |event| event["type"] == "epoch").await;
    let asked = app.send(app.request("POST", &format!("/jobs/{running}/cancel"))).await;
    assert_eq!(asked.status, 202);
    let job = app.finished(&running).await;
    assert_eq!((&job["status"], &job["model"], &job["phase"]), (&json!("cancelled"), &Value::Null, &Value::Null));
    let again = app.post(&format!("/jobs/{running}/cancel"), json!({})).await;
    assert_eq!((again.status, again.text("code").as_str()), (409, "job_is_over"));
    assert_eq!(app.get("/models").await.body["models"].as_array().unwrap().len(), 1);
    assert_eq!(app.get("/jobs?status=cancelled").await.body["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_same_key_and_request_are_one_job() {
    let app = App::start();
    let dataset = app.post_csv("/datasets", few(20)).await.text("id");
    let post = |key: &'static str, epochs: usize| {
        let body = json!({ "dataset_id": dataset, "config": { "epochs": epochs } });
        app.send(app.request("POST", "/jobs").header("idempotency-key", key).json(&body))
    };
    let replies = futures_util::future::join_all((0..8).map(|_| post("k1", 1))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 202).count(), 1);
    assert!(replies.iter().all(|reply| reply.text("id") == replies[0].text("id")));
    assert_eq!(post("k1", 2).await.text("code"), "idempotency_key_reused");
    assert_eq!(post("k2", 1).await.status, 202);
    assert_eq!(app.get("/jobs").await.body["jobs"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn of_many_jobs_with_one_name_or_one_key_only_one_is_made() {
    let app = App::start();
    let dataset = app.post_csv("/datasets", few(20)).await.text("id");
    let body = |seed: usize| json!({ "dataset_id": dataset, "name": "one", "config": { "epochs": 1, "seed": seed } });
    let replies = futures_util::future::join_all((0..8).map(|seed| app.post("/jobs", body(seed)))).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 202).count(), 1);
    assert!(replies.iter().all(|reply| reply.status == 202 || reply.text("code") == "name_taken"));

    let body = |seed: usize| json!({ "dataset_id": dataset, "config": { "epochs": 1, "seed": seed } });
    let post = |seed| app.send(app.request("POST", "/jobs").header("idempotency-key", "k").json(&body(seed)));
    let replies = futures_util::future::join_all((0..8).map(post)).await;
    assert_eq!(replies.iter().filter(|reply| reply.status == 202).count(), 1);
    assert!(replies.iter().all(|reply| reply.status == 202 || reply.text("code") == "idempotency_key_reused"));
}

#[tokio::test]
async fn what_a_model_learns_from_is_no_benchmark_and_a_benchmark_is_not_learnt_from() {
    let app = shared::tiny();
    let training = app.post_csv("/datasets", few(20)).await.text("id");
    let benchmark = app.post_csv("/datasets?benchmark=true", few(20)).await.text("id");
    let refused = app.post("/jobs", json!({ "dataset_id": training, "benchmark_id": training })).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (422, "dataset_is_no_benchmark"));
    let refused = app.post("/jobs", json!({ "dataset_id": benchmark })).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (422, "dataset_is_benchmark"));
}

#[tokio::test]
async fn a_loss_that_is_no_number_fails_the_job_in_words() {
    let app = App::start();
    // Momentum over a vanishing second moment: the weights leave the range of numbers.
    let config = ("config", r#"{"learning_rate": 1.0, "clipnorm": null, "epsilon": 1e-38, "beta_2": 0.0}"#);
    let id = app.post_job(few(20), &[config]).await.text("id");
    let job = app.finished(&id).await;
    assert_eq!(job["status"], "failed", "{job}");
    assert_eq!(job["error"]["code"], "loss_not_finite");
    assert!(job["error"]["message"].as_str().unwrap().contains("epoch"), "{job}");
    assert!(job["error"]["hint"].as_str().unwrap().contains("learning_rate"));
}

#[tokio::test]
async fn a_job_with_another_loss_measures_on_that_losss_scale() {
    let app = App::start();
    let config = r#"{"epochs": 1, "loss": "cosent", "scale": 10}"#;
    let id = app.post_job(few(40), &[("config", config)]).await.text("id");
    let job = app.finished(&id).await;
    assert_eq!((&job["status"], &job["config"]["loss"]), (&json!("succeeded"), &json!("cosent")), "{job}");
    assert_eq!(job["report"]["before"]["validation"]["measure"], "cosine");
    let losses = app.get("/losses").await.body;
    let names: Vec<&str> =
        losses["losses"].as_array().unwrap().iter().map(|loss| loss["name"].as_str().unwrap()).collect();
    let pairs = ["angular_mse", "cosine_mse", "cosent", "angle", "contrastive", "online_contrastive"];
    assert_eq!(names, [&pairs[..], &["mnrl", "triplet"]].concat());
}

/// Each kind of table is learnt with a loss that suits it, and refused with one that does not.
#[tokio::test]
async fn tables_without_scores_are_learnt_and_judged() {
    let app = App::start();
    let texts: Vec<(String, String)> = String::from_utf8(few(60))
        .unwrap()
        .lines()
        .skip(1)
        .filter(|line| !line.contains('"'))
        .map(|line| (line.split(',').next().unwrap().to_owned(), line.split(',').nth(1).unwrap().to_owned()))
        .collect();
    let positives = texts.iter().fold("anchor,positive\n".to_owned(), |table, (a, b)| format!("{table}{a},{b}\n"));
    let others = texts.iter().cycle().skip(11);
    let triplets = texts
        .iter()
        .zip(others)
        .fold("anchor,positive,negative\n".to_owned(), |table, ((a, b), (_, c))| format!("{table}{a},{b},{c}\n"));
    for (table, kind, loss) in [(&positives, "pair_positive", "mnrl"), (&triplets, "triplet", "triplet")] {
        let config = format!(r#"{{"epochs": 1, "loss": "{loss}", "split": "random"}}"#);
        let id = app.post_job(table.clone(), &[("recipe", "tutorial"), ("config", &config)]).await.text("id");
        let job = app.finished(&id).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        let dataset = app.get(&format!("/datasets/{}", job["dataset_id"].as_str().unwrap())).await;
        assert_eq!(dataset.body["kind"], kind);
        let validation = &job["report"]["before"]["validation"];
        assert!(validation["spearman"].as_f64().unwrap() > 0.0, "{validation}");
        let refused = app.post_job(table.clone(), &[("recipe", "tutorial")]).await;
        assert_eq!((refused.status, refused.body["param"].as_str()), (422, Some("config.loss")), "{}", refused.body);
        assert!(refused.body["detail"].as_str().unwrap().contains("mnrl"), "{}", refused.body);
    }
}

#[tokio::test]
async fn a_grouped_split_tells_how_much_leaks_and_leaks_less() {
    let app = App::start();
    let leaking = async |split: &str| {
        let config = format!(r#"{{"epochs": 1, "split": "{split}"}}"#);
        let id = app.post_job(example(), &[("config", &config)]).await.text("id");
        let job = app.finished(&id).await;
        assert_eq!(job["status"], "succeeded", "{job}");
        let rows = &job["report"]["rows"];
        assert_eq!(rows["training"].as_u64().unwrap() + rows["validation"].as_u64().unwrap(), 374);
        assert!(rows["validation"].as_u64().unwrap() >= 60, "{rows}");
        let noted = job["report"]["notes"].as_array().unwrap().iter().any(|note| note["code"] == "validation_leaks");
        let leaking = rows["leaking"].as_u64().unwrap();
        assert_eq!(noted, leaking > 0);
        leaking
    };
    let (random, grouped) = (leaking("random").await, leaking("grouped").await);
    println!("of the example's validation rows share a text with training: random {random}, grouped {grouped}");
    assert!(grouped * 4 < random, "random {random}, grouped {grouped}");
}

#[tokio::test]
async fn a_jobs_curves_are_there_as_series() {
    let app = App::start();
    let config = r#"{"epochs": 3, "schedule": "linear", "forgetting": {"max_drop": 1}}"#;
    let id = app.post_job(few(40), &[("config", config)]).await.text("id");
    let job = app.finished(&id).await;
    let series = &app.get(&format!("/jobs/{id}/metrics")).await.body["series"];
    for (at, epoch) in job["report"]["epochs"].as_array().unwrap().iter().enumerate() {
        let same = ["loss", "val_loss", "val_mae", "val_mape", "val_pearson", "val_spearman", "learning_rate"];
        for name in same.into_iter().chain(["val_mrr", "general"]) {
            assert_eq!(series[name][at], json!([at + 1, epoch[name]]), "{name}");
        }
        for (name, figure) in [("random_cosine", "cosine_mean"), ("effective_rank", "effective_rank")] {
            assert_eq!(series[name][at], json!([at + 1, epoch["spread"][figure]]), "{name}");
        }
    }
    assert_eq!(series["step_loss"].as_array().unwrap().len(), 12);
    assert_eq!(series["step_loss"][11][0], 12);
    assert_eq!(app.get("/jobs/job_0/metrics").await.text("code"), "job_not_found");
}
