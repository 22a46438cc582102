//! What to label next.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use tables::similarity::Similarity;

use super::ENDLESS;
use crate::api::Api;
use crate::app::{App, few};
use crate::shared;

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

fn pair(row: &Value) -> (String, String) {
    let text = |name: &str| row[name].as_str().unwrap().to_owned();
    (text("left").min(text("right")), text("left").max(text("right")))
}

/// All rows of a table as pairs in either order.
async fn pairs_of(app: &Api, dataset: &str) -> BTreeSet<(String, String)> {
    let rows = app.get(&format!("/datasets/{dataset}/rows?limit=1000")).await.body;
    rows["rows"].as_array().unwrap().iter().map(pair).collect()
}

#[tokio::test]
async fn suggestions_are_new_pairs_with_the_models_own_numbers_and_a_reason() {
    let app = shared::tuned();
    let job = app.job;
    let path = format!("/jobs/{}/suggestions", job["id"].as_str().unwrap());
    let told = app.get(&path).await.body;
    assert_eq!((&told["model"], &told["base"]), (&job["model"], &json!("use-multilingual-v3")), "{told}");
    assert_eq!((&told["texts_of"], &told["sampled"]), (&job["dataset_id"], &json!(false)));
    let suggestions = told["suggestions"].as_array().unwrap();
    assert_eq!(suggestions.len(), 20);

    let labelled = pairs_of(&app, job["dataset_id"].as_str().unwrap()).await;
    let mut seen = BTreeMap::new();
    for suggestion in suggestions {
        let pair = pair(suggestion);
        assert!(pair.0 != pair.1 && !labelled.contains(&pair), "{suggestion} is labelled");
        *seen.entry(pair.0).or_insert(0) += 1;
        *seen.entry(pair.1).or_insert(0) += 1;
    }
    assert!(seen.values().all(|count| *count <= 2), "{seen:?}");

    // The numbers are those of /similarity, the probability with them.
    let pairs: Vec<Value> = suggestions.iter().map(|pair| json!([pair["left"], pair["right"]])).collect();
    let answers = app.post("/similarity", json!({ "pairs": pairs, "models": ["base", job["model"]] })).await.body;
    let [base, tuned] = [&answers["models"][0], &answers["models"][1]];
    for (place, suggestion) in suggestions.iter().enumerate() {
        for (told, known) in [
            ("similarity", &tuned["scores"][place]),
            ("base_similarity", &base["scores"][place]),
            ("probability", &tuned["probability"][place]),
        ] {
            assert!((number(&suggestion[told]) - number(known)).abs() < 1e-3, "{told} of {suggestion}: {known}");
        }
    }
    let cut = number(&told["cut"]);
    assert!((cut - number(&tuned["threshold"]["similarity"])).abs() < 1e-6);

    // Each reason has its share, and is one.
    for why in ["undecided", "disagreement", "unknown_neighbour"] {
        let of: Vec<&Value> = suggestions.iter().filter(|suggestion| suggestion["why"] == why).collect();
        assert!((6..=7).contains(&of.len()), "{} for {why}", of.len());
        let words = match why {
            "undecided" => "undecided",
            "disagreement" => "moved this pair",
            _ => "no row of the table has them both",
        };
        assert!(of.iter().all(|suggestion| suggestion["message"].as_str().unwrap().contains(words)));
        if why == "undecided" {
            assert!((number(&of[0]["similarity"]) - cut).abs() < 0.01, "{}", of[0]);
        }
        if why == "unknown_neighbour" {
            assert!(number(&of[0]["similarity"]) > Similarity::Angular.to_cosine(0.7468), "{}", of[0]);
        }
    }

    // The same texts in the same order give the same; fewer are the first of them; another table has its own texts.
    let five = app.get(&format!("{path}?limit=5")).await.body;
    assert_eq!(five["suggestions"].as_array().unwrap()[..], suggestions[..5]);
    let other = "text_a,text_b,score\nnurse,pilot,0\nbaker,看護師,0\nbread,flour,1\n";
    let other = app.post_csv("/datasets", other).await.text("id");
    let told = app.get(&format!("{path}?texts_of={other}")).await.body;
    let texts = ["nurse", "pilot", "baker", "看護師", "bread", "flour"];
    assert_eq!((&told["texts_of"], &told["texts"]), (&json!(other), &json!(6)));
    let found = told["suggestions"].as_array().unwrap();
    assert!(!found.is_empty() && found.iter().all(|row| texts.contains(&row["left"].as_str().unwrap())), "{told}");
    let nobody = app.get(&format!("{path}?texts_of=ds_nobody")).await;
    assert_eq!((nobody.status, nobody.text("code").as_str()), (404, "dataset_not_found"));
}

#[tokio::test]
async fn a_job_without_a_model_suggests_nothing() {
    let app = App::start();
    let id = app.post_job(few(40), &[ENDLESS]).await.text("id");
    let path = format!("/jobs/{id}/suggestions");
    let early = app.get(&path).await;
    assert_eq!((early.status, early.text("code").as_str()), (409, "job_not_succeeded"));
    assert!(early.text("hint").contains("wait=60"));
    app.send(app.request("POST", &format!("/jobs/{id}/cancel"))).await;
    app.finished(&id).await;
    let late = app.get(&path).await;
    assert_eq!((late.status, late.text("code").as_str()), (409, "job_not_succeeded"));
    assert_eq!(app.get("/jobs/job_nobody/suggestions").await.status, 404);
}
