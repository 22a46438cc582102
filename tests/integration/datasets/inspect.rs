//! `POST /datasets/inspect`: what a domain expert sees of her table before it is stored.

use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};

use super::files;
use crate::api::{Api, Reply};
use crate::app::App;
use crate::shared;

/// The table of a job-matching specialist, as her spreadsheet saves "CSV": Windows-31J, her own column names, scores
/// from 0 to 5, two marks, an empty cell, a full-width number, and a 4/5 that became a date.
fn spreadsheet() -> Vec<u8> {
    let mut table = "職種A,職種B,点数,メモ\r\n".to_owned();
    for row in 0..30 {
        table += &format!("職種その{row},仕事その{},{},\r\n", row * 7 % 30, row % 6);
    }
    table += "看護師,看護助手,1,要確認\r\n看護師,ナース,○,\r\n営業,運転手,×,\r\n";
    table += "保健師,産業保健師,４．５,\r\n准看護師,看護師,4月5日,\r\n医師,ドクター,,\r\n";
    encoding_rs::SHIFT_JIS.encode(&table).0.into_owned()
}

async fn send(app: &Api, route: &str, table: Vec<u8>, fields: &[(&'static str, &'static str)]) -> Reply {
    let file = Part::bytes(table).file_name("職種ペア_v3_最終.csv");
    let form = fields.iter().fold(Form::new(), |form, (name, value)| form.text(*name, *value));
    app.send(app.request("POST", route).multipart(form.part("file", file))).await
}

#[tokio::test]
async fn a_spreadsheets_table_goes_from_the_first_look_to_a_dataset_and_back() {
    let app = App::start();
    let seen = send(&app, "/datasets/inspect", spreadsheet(), &[]).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    let seen = seen.body;
    assert_eq!(seen["file"]["name"], "職種ペア_v3_最終.csv");
    assert_eq!((&seen["dialect"]["encoding"], &seen["dialect"]["delimiter"]), (&json!("windows-31j"), &json!(",")));
    let becomes: Vec<&Value> = seen["columns"].as_array().unwrap().iter().map(|column| &column["becomes"]).collect();
    assert_eq!(becomes, [&json!("text_a"), &json!("text_b"), &json!("score"), &json!(null)]);
    assert_eq!((&seen["scale"]["lowest"], &seen["scale"]["highest"]), (&json!(0.0), &json!(5.0)));
    assert_eq!(seen["scale"]["words"]["○"], json!(1.0));
    assert_eq!(seen["lowest_means"]["question"], true);
    assert_eq!(seen["rows"], json!({ "read": 36, "usable": 34, "bad": 2, "fixed_out": 0 }));
    let problem = |code: &str| {
        let problems = seen["problems"].as_array().unwrap();
        problems.iter().find(|problem| problem["code"] == code).unwrap_or_else(|| panic!("no {code}: {seen}")).clone()
    };
    let date = problem("score_is_a_date");
    assert_eq!((&date["row"], &date["value"], &date["suggestion"]), (&json!(36), &json!("4月5日"), &json!("0.8")));
    assert_eq!(problem("score_missing")["row"], 37);
    assert_eq!(seen["blocked_by"], json!(["rows_have_problems"]));
    assert_eq!(files(&app), 0, "nothing is stored");

    let refused = send(&app, "/datasets", spreadsheet(), &[]).await;
    assert_eq!((refused.status, refused.text("code").as_str()), (422, "rows_have_problems"), "{}", refused.body);
    assert_eq!(files(&app), 0);

    let answers = [("lowest_means", "unrelated"), ("apply", "dates_as_fractions"), ("on_bad_row", "skip")];
    let stored = send(&app, "/datasets", spreadsheet(), &answers).await;
    assert_eq!(stored.status, 201, "{}", stored.body);
    assert_eq!((&stored.body["rows"], &stored.body["skipped"]), (&json!(35), &json!(1)));
    assert_eq!(stored.body["columns"], json!(["職種A", "職種B", "点数"]));
    let id = stored.text("id");
    let rows = app.get(&format!("/datasets/{id}/rows?q=%E5%87%86%E7%9C%8B%E8%AD%B7%E5%B8%AB")).await;
    assert_eq!((&rows.body["rows"][0]["row"], &rows.body["rows"][0]["score"]), (&json!(36), &json!(0.8)));
    // What was found out is said again: the same table, the same dataset.
    let choices = &stored.body["choices"];
    assert_eq!(choices["lowest_means"], "unrelated");
    assert_eq!(send(&app, "/datasets", spreadsheet(), &answers).await.text("id"), id);

    let own = app.request("GET", &format!("/datasets/{id}/file")).send().await.unwrap();
    assert!(own.headers()["content-disposition"].to_str().unwrap().contains("filename*=UTF-8''%E8%81%B7"));
    assert_eq!(own.bytes().await.unwrap(), spreadsheet());
}

#[tokio::test]
async fn what_cannot_be_meant_is_told_with_the_nearest_name() {
    let app = shared::tiny();
    let table = || b"left,right,score\na,b,1\nc,d,0\n".to_vec();
    let told = async |fields: &[(&'static str, &'static str)]| {
        let reply = send(&app, "/datasets/inspect", table(), fields).await;
        assert_eq!(reply.status, 422, "{}", reply.body);
        (reply.text("code"), reply.text("detail"))
    };
    let (code, detail) = told(&[("encodng", "utf-8")]).await;
    assert!(code == "unknown_field" && detail.contains("\"encoding\"?"), "{detail}");
    let (code, detail) = told(&[("encoding", "shift-jis")]).await;
    assert!(code == "unknown_value", "{detail}");
    let (code, detail) = told(&[("mapping", r#"{"text_a":"lft"}"#)]).await;
    assert!(code == "column_not_found" && detail.contains("\"left\""), "{detail}");
}

#[tokio::test]
async fn hostile_files_are_refused_with_their_place_and_leave_nothing() {
    let app = App::start();
    let cell = "x".repeat(2 << 20);
    let cases: [(&str, Vec<u8>, &str); 6] = [
        ("an open quote", b"left,right,score\na,b,1\n\"c,d,0\n".to_vec(), "quote_not_closed"),
        ("a cell without end", format!("left,right,score\n{cell},b,1\n").into_bytes(), "line_too_long"),
        ("half of a packed file", b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03\x4b".to_vec(), "pack_damaged"),
        ("nothing", Vec::new(), "no_rows"),
        ("many columns", [b"a,".repeat(2000), b"b\n".to_vec()].concat(), "too_many_columns"),
        ("a document", b"%PDF-1.7\n%....\n".to_vec(), "not_a_table"),
    ];
    for (what, bytes, code) in cases {
        for route in ["/datasets/inspect", "/datasets"] {
            let request = app.request("POST", route).header("content-type", "application/octet-stream");
            let reply = app.send(request.body(bytes.clone())).await;
            assert_eq!((reply.status, reply.text("code").as_str()), (422, code), "{what}: {}", reply.body);
        }
    }
    assert_eq!(files(&app), 0);
}

#[tokio::test]
async fn pairs_inside_json_are_looked_at_too() {
    let app = shared::tiny();
    let pairs = json!([["Nurse", "看護師", 5], ["Nurse", "Driver", 0], ["Nurse", "nurse", "much"]]);
    let seen =
        app.post("/datasets/inspect", json!({ "pairs": pairs, "scale": "0-5", "lowest_means": "unrelated" })).await;
    assert_eq!(seen.status, 200, "{}", seen.body);
    assert_eq!(seen.body["rows"]["usable"], 2);
    assert_eq!(seen.body["lowest_means"]["question"], false);
    let list = app.post("/datasets/inspect", json!([["a", "b", 1], ["c", "d", 0]])).await;
    assert_eq!((list.status, &list.body["dialect"]["format"]), (200, &json!("json")), "{}", list.body);
}
