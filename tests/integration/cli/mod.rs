//! The command-line trainer.

use std::path::Path;
use std::process::{Command, Output};

use serde_json::json;

use crate::app::{App, PROGRAM, few};
use crate::tiny::{self, TINY};

fn shamisen(arguments: &[&str], data: &Path) -> Output {
    let output = Command::new(PROGRAM).args(arguments).arg("--data").arg(data).output();
    output.unwrap()
}

#[tokio::test]
async fn a_model_tuned_on_the_command_line_is_served_after_the_next_start() {
    let data = tempfile::TempDir::new().unwrap();
    tiny::put_into(data.path());
    let pairs = data.path().join("pairs.csv");
    std::fs::write(&pairs, few(30)).unwrap();
    let train = ["train", "--pairs", pairs.to_str().unwrap(), "--name", "mine", "--model", TINY];
    let with = |more: &[&'static str]| [&train[..], more].concat();

    let plan = shamisen(&with(&["--dry-run", "--set", "epochs=2"]), data.path());
    let plan: serde_json::Value = serde_json::from_slice(&plan.stdout).unwrap();
    assert_eq!(plan["config"]["epochs"], 2);

    let made = shamisen(&with(&["--set", "epochs=2", "--set", "early_stopping.patience=1"]), data.path());
    let told = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{told}{}", String::from_utf8_lossy(&made.stderr));
    assert!(told.contains("epoch  1 loss") && told.contains("epoch  2 loss"), "{told}");
    assert!(!data.path().join("training/mine").exists());

    let again = shamisen(&train, data.path());
    assert!(!again.status.success());
    assert!(String::from_utf8_lossy(&again.stderr).contains("exists already"));
    let default =
        shamisen(&["train", "--pairs", pairs.to_str().unwrap(), "--name", "default", "--model", TINY], data.path());
    assert!(!default.status.success());
    assert!(String::from_utf8_lossy(&default.stderr).contains("a word of the API"));
    let wrong = shamisen(
        &["train", "--pairs", pairs.to_str().unwrap(), "--name", "x", "--model", TINY, "--set", "epoch=2"],
        data.path(),
    );
    assert!(!wrong.status.success());
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("epoch"), "{}", String::from_utf8_lossy(&wrong.stderr));

    let app = App::over(data, &[]);
    let model = app.get("/models/mine").await;
    assert_eq!((&model.body["kind"], &model.body["base_model"]), (&json!("tuned"), &json!(TINY)));
    let of = async |model: &str| app.post("/embed", json!({ "inputs": "nurse", "model": model })).await.body;
    assert_ne!(of("mine").await, of("default").await);
}

#[tokio::test]
async fn a_model_tuned_on_the_command_line_is_found_by_a_server_that_runs() {
    let app = App::start();
    let pairs = app.data.path().join("pairs.csv");
    std::fs::write(&pairs, few(30)).unwrap();
    // A name that nobody has yet has been looked for before.
    assert_eq!(app.get("/models/mine").await.status, 404);
    let train = ["train", "--pairs", pairs.to_str().unwrap(), "--name", "mine", "--model", TINY, "--set", "epochs=1"];
    let made = shamisen(&train, app.data.path());
    let told = String::from_utf8_lossy(&made.stdout).into_owned();
    assert!(made.status.success(), "{told}{}", String::from_utf8_lossy(&made.stderr));
    for words in ["validation pairs, held out of the table: rank correlation", "the built-in general pairs"] {
        assert!(told.contains(words), "{told}");
    }
    let found = app.get("/models/mine").await;
    assert_eq!((found.status, &found.body["kind"]), (200, &json!("tuned")), "{}", found.body);
    let reply = app.post("/embed", json!({ "inputs": "nurse", "model": "mine" })).await;
    assert_eq!(reply.status, 200, "{}", reply.body);
}

#[test]
fn a_data_folder_without_models_is_told_with_what_to_do() {
    let data = tempfile::TempDir::new().unwrap();
    let pairs = data.path().join("pairs.csv");
    std::fs::write(&pairs, few(30)).unwrap();
    for make in [false, true] {
        if make {
            std::fs::create_dir(data.path().join("models")).unwrap();
        }
        let refused = shamisen(&["train", "--pairs", pairs.to_str().unwrap(), "--name", "mine"], data.path());
        assert!(!refused.status.success());
        let told = String::from_utf8_lossy(&refused.stderr);
        assert!(told.contains("there is no model here yet") && told.contains("shamisen model import"), "{told}");
        assert!(!data.path().join("training").exists(), "nothing is begun");
    }
}
