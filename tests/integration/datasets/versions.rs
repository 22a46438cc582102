//! A table that is corrected and sent again.

use serde_json::json;

use crate::shared;

#[tokio::test]
async fn a_corrected_table_is_a_new_version_and_the_change_is_told() {
    let app = shared::tiny();
    let first = "base,ref,similarity\nnurse,doctor,0.7\nnurse,driver,0.5\ncook,chef,1\n";
    let first = app.post_csv("/datasets?name=jobs", first).await;
    let one = first.text("id");
    assert_eq!((&first.body["version"], &first.body["latest"]), (&json!(1), &json!(true)));
    let none = app.get(&format!("/datasets/{one}/diff")).await;
    assert_eq!((none.status, none.text("code").as_str()), (404, "no_version_before"));

    let second = "base,ref,similarity\ndoctor,nurse,0.6\ncook,chef,1\ncook,baker,0.8\n";
    let second = app.post_csv(&format!("/datasets?name=jobs&version_of={one}"), second).await;
    assert_eq!((second.status, &second.body["version"], &second.body["version_of"]), (201, &json!(2), &json!(one)));
    let two = second.text("id");
    let versions = app.get(&format!("/datasets/{one}/versions")).await;
    let ids: Vec<&str> =
        versions.body["versions"].as_array().unwrap().iter().map(|version| version["id"].as_str().unwrap()).collect();
    assert_eq!(ids, [&two, &one]);
    assert_eq!(app.get(&format!("/datasets/{one}")).await.body["latest"], false);

    let diff = app.get(&format!("/datasets/{two}/diff")).await;
    assert_eq!(diff.text("against"), one);
    let counts = ["added", "removed", "changed", "unchanged"].map(|name| diff.body[name].as_u64().unwrap());
    assert_eq!(counts, [1, 1, 1, 1], "{}", diff.body);
    let changed = &diff.body["examples"]["changed"][0];
    assert_eq!((&changed["before"], &changed["after"]), (&json!(0.7), &json!(0.6)));

    let nobody = app.post_csv("/datasets?version_of=ds_0", "base,ref,similarity\na,b,1\n").await;
    assert_eq!((nobody.status, nobody.text("code").as_str()), (404, "dataset_not_found"));
    assert_eq!(app.send(app.request("DELETE", &format!("/datasets/{one}"))).await.status, 200);
    assert_eq!(app.get(&format!("/datasets/{two}")).await.body["version_of"], json!(null));
}
