//! The walk in README.md, word for word, and what docs/training.md says of the settings.

use std::path::Path;
use std::process::Command;

use crate::app::App;

fn file(name: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(name)).unwrap()
}

/// The shell blocks between the walk's marks.
fn walk(readme: &str) -> String {
    let (_, rest) = readme.split_once("<!-- walk -->").expect("the walk begins");
    let (walk, _) = rest.split_once("<!-- end of walk -->").expect("the walk ends");
    walk.split("```").skip(1).step_by(2).map(|block| block.strip_prefix("sh\n").expect("a shell block")).collect()
}

#[test]
fn the_walk_leads_from_a_table_to_similarities_of_the_tuned_model() {
    let commands = walk(&file("README.md"));
    assert!(commands.contains("http://127.0.0.1:8080"));
    let app = App::real();
    let commands = commands.replace("http://127.0.0.1:8080", &app.address);
    let run = Command::new("bash")
        .args(["-euo", "pipefail", "-c", &commands])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    let (out, complaints) = (String::from_utf8_lossy(&run.stdout), String::from_utf8_lossy(&run.stderr));
    assert!(run.status.success(), "{out}\n{complaints}");
    for expected in
        ["event: succeeded", "\"model\":\"use-multilingual-v3\"", "\"model\":\"ft_", "\"scores\":[", "\"embeddings\":["]
    {
        assert!(out.contains(expected), "no {expected} in:\n{out}");
    }
}

#[test]
fn both_readmes_walk_the_same_way() {
    let commands = |name: &str| {
        let lines: Vec<String> =
            walk(&file(name)).lines().filter(|line| !line.trim_start().starts_with('#')).map(str::to_owned).collect();
        lines
    };
    assert_eq!(commands("README.md"), commands("docs/ja/README.md"));
}

#[test]
fn every_setting_of_training_is_told() {
    let told = file("docs/training.md");
    let config = serde_json::to_value(shamisen::ml::train::TrainConfig::default()).unwrap();
    for name in config.as_object().unwrap().keys() {
        assert!(told.contains(&format!("`{name}`")), "docs/training.md does not tell {name}");
    }
    for loss in shamisen::ml::train::LOSSES {
        let name = serde_json::to_value(loss.name).unwrap();
        assert!(told.contains(&format!("| `{}` |", name.as_str().unwrap())), "docs/training.md does not tell {name}");
    }
}
