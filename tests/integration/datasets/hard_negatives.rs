//! Triplets out of pairs.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::shared;

/// Two things in several words each, and what lies between. The last row links two words of the first.
const TABLE: &str = "text_a,text_b,score
Registered Nurse,看護師,1
Registered Nurse,hospital nurse,0.9
Data Scientist,データサイエンティスト,1
Data Scientist,machine learning researcher,0.8
Registered Nurse,Data Scientist,0
Medical Assistant,Zookeeper,0
Data Analyst,Zookeeper,0.1
看護師,nurse in a ward,1
";

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("{value} is no number"))
}

#[tokio::test]
async fn triplets_have_near_texts_that_are_not_known_to_belong() {
    let app = shared::real();
    let id = app.post_csv("/datasets?name=words", TABLE).await.text("id");
    let mine = |body: Value| {
        let (app, path) = (&app, format!("/datasets/{id}/hard-negatives"));
        async move { app.post(&path, body).await }
    };
    let made = mine(json!({})).await;
    assert_eq!((made.status, made.text("kind")), (201, "triplet".to_owned()), "{}", made.body);
    assert_eq!(made.text("name"), "words, hard negatives");
    assert_eq!(made.header("location"), format!("/datasets/{}", made.text("id")));
    let mined = &made.body["mined"];
    assert_eq!((&mined["from"], &mined["pairs"], &mined["sampled"]), (&json!(id), &json!(5), &json!(false)));
    assert_eq!(number(&made.body["rows"]) + number(&mined["without"]), 5.0, "{mined}");

    let rows = app.get(&format!("/datasets/{}/rows", made.text("id"))).await.body;
    let rows = rows["rows"].as_array().unwrap();
    assert!(rows.len() >= 3, "{rows:?}");
    let nurse = ["Registered Nurse", "看護師", "hospital nurse", "nurse in a ward"];
    let science = ["Data Scientist", "データサイエンティスト", "machine learning researcher"];
    for row in rows {
        let text = |name: &str| row[name].as_str().unwrap();
        let group: BTreeSet<&str> = [&nurse[..], &science[..]]
            .into_iter()
            .find(|group| group.contains(&text("left")))
            .unwrap()
            .iter()
            .copied()
            .collect();
        assert!(group.contains(text("right")) && !group.contains(text("negative")), "{row}");
        // Nearest of what is left, and not nearer than nineteen twentieths of the one that belongs.
        let all = [&nurse[..], &science[..], &["Medical Assistant", "Zookeeper", "Data Analyst"]].concat();
        let others: Vec<&str> = all.into_iter().filter(|text| !group.contains(text)).collect();
        let asked = json!({ "source_sentence": text("left"), "sentences": others });
        let cosines = app.post("/similarity", asked).await.body["scores"].clone();
        let of = |wanted: &str| number(&cosines[others.iter().position(|other| *other == wanted).unwrap()]);
        let positive = app.post("/similarity", json!({ "pairs": [[text("left"), text("right")]] })).await;
        let limit = 0.95 * number(&positive.body["scores"][0]);
        assert!(of(text("negative")) <= limit + 1e-5, "{row}");
        // Another triplet of the same text may have taken the nearest one.
        let taken: BTreeSet<&str> = rows
            .iter()
            .filter(|other| other["left"] == row["left"] && *other != row)
            .map(|other| other["negative"].as_str().unwrap())
            .collect();
        let nearest = others.iter().copied().filter(|other| of(other) <= limit - 1e-5 && !taken.contains(other));
        assert!(nearest.map(of).fold(f64::NEG_INFINITY, f64::max) <= of(text("negative")) + 1e-5, "{row} {cosines}");
    }

    // The same again is there already; more of them are another table.
    let again = mine(json!({ "model": "use-multilingual-v3", "name": "other" })).await;
    assert_eq!((again.status, again.text("id")), (200, made.text("id")));
    let three = mine(json!({ "per_text": 3, "margin": 0.2, "name": "three" })).await;
    assert_eq!((three.status, three.text("name")), (201, "three".to_owned()));
    assert!(number(&three.body["rows"]) > rows.len() as f64, "{}", three.body);
}

#[tokio::test]
async fn what_cannot_be_mined_says_why() {
    let app = shared::tiny();
    let store = async |query: &str, csv: &str| app.post_csv(&format!("/datasets{query}"), csv).await.text("id");
    let refused = async |id: &str, body: Value| {
        let reply = app.post(&format!("/datasets/{id}/hard-negatives"), body).await;
        assert_eq!(reply.status, 422, "{}", reply.body);
        (reply.text("code"), reply.text("param"))
    };
    let code = |code: &str, param: &str| (code.to_owned(), param.to_owned());
    // All belongs together.
    let one =
        store("", "text_a,text_b,score\nnurse,看護師,1\n看護師,ward nurse,1\nnurse,nurses,0.9\nnurse,a nurse,0.8\n")
            .await;
    assert_eq!(refused(&one, json!({})).await, code("nothing_to_mine", "id"));
    let many = store("", TABLE).await;
    assert_eq!(refused(&many, json!({ "per_text": 0 })).await, code("out_of_range", "per_text"));
    assert_eq!(refused(&many, json!({ "margin": 1.5 })).await, code("out_of_range", "margin"));
    assert_eq!(refused(&many, json!({ "per_txt": 1 })).await.0, "unknown_field");
    let benchmark = store("?benchmark=true", TABLE).await;
    assert_eq!(refused(&benchmark, json!({})).await, code("dataset_is_benchmark", "id"));
    let nobody = app.post("/datasets/ds_nobody/hard-negatives", json!({})).await;
    assert_eq!((nobody.status, nobody.text("code").as_str()), (404, "dataset_not_found"));
}
