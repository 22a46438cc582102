//! Datasets made of taxonomies, over HTTP and on the command line.

use std::collections::HashSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::{Value, json};

use super::files;
use crate::api::Api;
use crate::app::{App, PROGRAM};
use crate::shared;

/// Occupations in three major groups with two unit groups each.
fn occupations() -> String {
    let mut table = "id,parent,label,alt_labels,description\n".to_owned();
    for major in 1..=3 {
        for unit in 1..=2 {
            for place in 1..=4 {
                let code = format!("{major}11{unit}");
                let name = format!("{code} {place}");
                table += &format!("{code}.{place},{code},job {name},work {name}|post {name},Does what {name} does.\n");
            }
        }
    }
    table
}

const SKOS: &str = r#"@prefix skos: <http://www.w3.org/2004/02/skos/core#> .
    @prefix : <http://example.org/> .
    :nurse a skos:Concept ; skos:prefLabel "nurse"@en, "看護師"@ja ; skos:altLabel "ナース"@ja ; skos:broader :health .
    :doctor a skos:Concept ; skos:prefLabel "doctor"@en, "医師"@ja ; skos:broader :health .
    :health a skos:Concept ; skos:prefLabel "health"@en, "医療"@ja ."#;

async fn texts(app: &Api, id: &str) -> HashSet<String> {
    let rows = app.get(&format!("/datasets/{id}/rows?limit=1000")).await.body;
    let rows = rows["rows"].as_array().unwrap();
    rows.iter().flat_map(|row| [&row["left"], &row["right"]]).map(|text| text.as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn a_taxonomy_becomes_a_dataset_and_a_benchmark_that_share_no_text() {
    let app = shared::tiny();
    let made = app.post_csv("/datasets/from-taxonomy?name=jobs&held_out=1112,2112", occupations()).await;
    assert_eq!(made.status, 201, "{}", made.body);
    let body = &made.body;
    assert_eq!(
        (&body["name"], &body["lowest_means"], &body["concepts"]),
        (&json!("jobs"), &json!("angular"), &json!(24))
    );
    let kinds: Vec<&String> = body["made"].as_object().unwrap().keys().collect();
    assert_eq!(kinds, ["alternative", "cousin", "description", "far", "sibling"]);
    assert_eq!(body["made"]["description"], 16);
    let counted: u64 = body["made"].as_object().unwrap().values().filter_map(Value::as_u64).sum();
    assert_eq!(body["rows"], counted);
    let held_out = app.get(&format!("/datasets/{}", body["held_out_id"].as_str().unwrap())).await.body;
    assert_eq!((&held_out["purpose"], &held_out["name"]), (&json!("benchmark"), &json!("jobs (held out)")));
    let (trained, measured) =
        (texts(&app, &made.text("id")).await, texts(&app, held_out["id"].as_str().unwrap()).await);
    assert!(trained.is_disjoint(&measured) && !measured.is_empty());
    let again = app.post_csv("/datasets/from-taxonomy?name=jobs&held_out=1112,2112", occupations()).await;
    assert_eq!(again.text("sha256"), made.text("sha256"), "the same seed makes the same pairs");
    let other = app.post_csv("/datasets/from-taxonomy?seed=1&targets=tutorial", occupations()).await;
    assert_ne!(other.text("sha256"), made.text("sha256"));
    assert!(other.body["made"]["sibling"].is_null() && other.body["held_out_id"].is_null(), "{}", other.body);
}

#[tokio::test]
async fn skos_is_read_in_the_language_that_is_asked_for() {
    let app = shared::tiny();
    let request = app.request("POST", "/datasets/from-taxonomy?language=ja").header("content-type", "text/turtle");
    let made = app.send(request.body(SKOS)).await;
    assert_eq!(made.status, 201, "{}", made.body);
    assert_eq!(made.body["made"], json!({ "alternative": 1, "sibling": 1 }));
    assert!(texts(&app, &made.text("id")).await.contains("ナース"));
}

#[tokio::test]
async fn what_is_no_taxonomy_is_refused_and_nothing_is_left() {
    let app = App::start();
    let cases = [
        ("", "id,parent\n1,2\n", "labels_missing"),
        ("", "foo,bar\n1,2\n", "taxonomy_columns_unclear"),
        ("", "label\nnurse\ndoctor\n", "no_pairs_made"),
        ("?targets=alternative=7", "label,alt_labels\na,b\n", "taxonomy_recipe_unusable"),
        ("?held_out=nowhere", "label,alt_labels\na,b\nc,d\n", "held_out_unusable"),
    ];
    for (query, table, code) in cases {
        let refused = app.post_csv(&format!("/datasets/from-taxonomy{query}"), table).await;
        assert_eq!((refused.status, refused.text("code").as_str()), (422, code), "{}", refused.body);
    }
    let request = app.request("POST", "/datasets/from-taxonomy").header("content-type", "text/turtle");
    let refused = app.send(request.body("@prefix a: <http://a/> .\na:b a:c \"open .\n")).await;
    assert_eq!(refused.text("code"), "taxonomy_malformed");
    assert_eq!(refused.body["errors"][0]["line"], 2, "{}", refused.body);
    assert_eq!(files(&app), 0);
}

#[tokio::test]
async fn more_than_may_be_asked_for_is_refused_with_what_may_be() {
    let app = shared::tiny();
    for (field, asked, most) in [
        ("per_concept", "100000000", "100"),
        ("per_concept", "9223372036854775808", "100"),
        ("per_concept", "0", "100"),
        ("per_kind", "2000001", "2000000"),
    ] {
        let reply = app.post_csv(&format!("/datasets/from-taxonomy?{field}={asked}"), occupations()).await;
        assert_eq!((reply.status, reply.text("code").as_str()), (422, "taxonomy_recipe_unusable"), "{}", reply.body);
        let detail = reply.text("detail");
        assert!(detail.contains(field) && detail.contains(&format!("{asked} is outside 1 to {most}")), "{detail}");
    }
    let most = app.post_csv("/datasets/from-taxonomy?per_concept=100", occupations()).await;
    assert_eq!(most.status, 201, "{}", most.body);
}

fn pairs(folder: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(PROGRAM);
    command.current_dir(folder).arg("pairs").args(arguments).output().unwrap()
}

#[test]
fn the_command_line_writes_pairs_and_does_not_replace_a_file_unasked() {
    let folder = tempfile::TempDir::new().unwrap();
    std::fs::write(folder.path().join("jobs.csv"), occupations()).unwrap();
    let made = pairs(folder.path(), &["jobs.csv", "--held-out", "1112,2112", "--per-kind", "10"]);
    let told = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{told}{}", String::from_utf8_lossy(&made.stderr));
    assert!(told.contains("24 concepts, 24 with a description, 48 alternative labels"), "{told}");
    assert!(told.contains("10 description, 10 alternative"), "{told}");
    let written = std::fs::read_to_string(folder.path().join("pairs.csv")).unwrap();
    assert!(written.starts_with("base,ref,similarity\n") && written.contains(",0.7468166888933649\n"));
    assert!(folder.path().join("held_out.csv").exists());
    let again = pairs(folder.path(), &["jobs.csv"]);
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("--overwrite"));
    assert!(pairs(folder.path(), &["jobs.csv", "--overwrite"]).status.success());
    let wrong = pairs(folder.path(), &["jobs.csv", "--targets", "brother=1"]);
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("brother"));
    let many = pairs(folder.path(), &["jobs.csv", "--overwrite", "--per-concept", "100000000"]);
    let told = String::from_utf8_lossy(&many.stderr).into_owned();
    assert!(told.contains("--per-concept 100000000 is outside 1 to 100"), "{told}");
}

#[tokio::test]
async fn where_one_of_both_tables_cannot_be_stored_neither_is() {
    let app = App::start();
    let database = sqlx::sqlite::SqliteConnectOptions::new().filename(app.data.path().join("shamisen.db"));
    let database = sqlx::SqlitePool::connect_with(database).await.unwrap();
    for refuse in [
        "create trigger refuse before insert on dataset when new.purpose = 'training' begin select raise(abort, 'no'); end",
        "create trigger refuse before insert on dataset when new.purpose = 'benchmark' begin select raise(abort, 'no'); end",
    ] {
        sqlx::query(refuse).execute(&database).await.unwrap();
        let refused = app.post_csv("/datasets/from-taxonomy?held_out=1112,2112", occupations()).await;
        assert_eq!(refused.status, 500, "{}", refused.body);
        assert_eq!(app.get("/datasets").await.body["datasets"], json!([]), "{refuse}");
        sqlx::query("drop trigger refuse").execute(&database).await.unwrap();
    }
    let made = app.post_csv("/datasets/from-taxonomy?held_out=1112,2112", occupations()).await;
    assert_eq!(made.status, 201, "{}", made.body);
}
