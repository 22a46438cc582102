//! `GET /datasets/{id}/file`: the user's own file comes back.

use serde_json::json;

use super::files;
use crate::app::App;

#[tokio::test]
async fn the_same_rows_come_back_with_what_became_of_them() {
    let app = App::start();
    let table = "文1;文2;点数\r\n看護師;ナース;5\r\n看護師;運転手;多分\r\n営業;営業職;4\r\n営業職;営業;4\r\n";
    let bytes = encoding_rs::SHIFT_JIS.encode(table).0.into_owned();
    let wishes = "scale=0-5&on_bad_row=skip&apply=drop_repeats&lowest_means=unrelated";
    let created = app.post_csv(&format!("/datasets?name=t.csv&{wishes}"), bytes.clone()).await;
    assert_eq!((created.status, &created.body["fixed_out"]), (201, &json!(1)), "{}", created.body);
    let path = format!("/datasets/{}/file", created.text("id"));
    let get = async |query: &str| {
        let reply = app.request("GET", &format!("{path}{query}")).send().await.unwrap();
        assert_eq!(reply.status(), 200);
        reply.bytes().await.unwrap().to_vec()
    };
    assert_eq!(get("").await, bytes);
    let annotated = get("?annotated=1&language=ja&base=default").await;
    let (text, _, broken) = encoding_rs::SHIFT_JIS.decode(&annotated);
    assert!(!broken);
    let lines: Vec<&str> = text.split("\r\n").collect();
    assert_eq!(lines[0], "文1;文2;点数;状態;問題;提案;元のモデルの類似度");
    assert!(lines[1].starts_with("看護師;ナース;5;使用;;;0."), "{}", lines[1]);
    assert!(lines[2].starts_with("看護師;運転手;多分;使用不可;スコアが数ではありません"), "{}", lines[2]);
    assert_eq!(lines[4], "営業職;営業;4;除外;;;");
    let english = get("?annotated=1").await;
    let (text, _, _) = encoding_rs::SHIFT_JIS.decode(&english);
    assert!(text.starts_with("文1;文2;点数;status;problem;suggestion\r\n"), "{text}");
    assert_eq!(files(&app), 2, "the copy is gone");
}
