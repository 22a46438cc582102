//! TensorBoard reads what a job writes.

use std::process::Command;

use serde_json::Value;

use crate::app::{App, few};
use crate::fixtures::python;

#[tokio::test]
async fn tensorboard_reads_a_jobs_curves_with_keras_tags() {
    let app = App::start();
    let id = app.post_job(few(40), &[("config", r#"{"epochs": 3}"#)]).await.text("id");
    let job = app.finished(&id).await;
    let folder = app.data.path().join("models").join(job["model"].as_str().unwrap()).join("tensorboard");
    let script = "import json, sys\n\
        from tensorboard.backend.event_processing.event_accumulator import EventAccumulator\n\
        runs = {}\n\
        for name in ('train', 'validation'):\n\
        \x20   run = EventAccumulator(sys.argv[1] + '/' + name)\n\
        \x20   run.Reload()\n\
        \x20   runs[name] = {tag: [[e.step, e.value] for e in run.Scalars(tag)] for tag in run.Tags()['scalars']}\n\
        json.dump(runs, sys.stdout)";
    let run = Command::new(python("formats")).args(["-c", script]).arg(folder).output().unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let runs: Value = serde_json::from_slice(&run.stdout).unwrap();
    let near = |point: &Value, step: u64, value: &Value| {
        assert_eq!(point[0], step);
        assert!((point[1].as_f64().unwrap() - value.as_f64().unwrap()).abs() < 1e-6 * value.as_f64().unwrap().abs());
    };
    for (at, epoch) in (0..).zip(job["report"]["epochs"].as_array().unwrap()) {
        near(&runs["train"]["epoch_loss"][at as usize], at, &epoch["loss"]);
        near(&runs["validation"]["epoch_loss"][at as usize], at, &epoch["val_loss"]);
        near(&runs["validation"]["epoch_mean_absolute_error"][at as usize], at, &epoch["val_mae"]);
        near(&runs["validation"]["epoch_mean_absolute_percentage_error"][at as usize], at, &epoch["val_mape"]);
    }
    assert_eq!(runs["train"]["batch_loss"].as_array().unwrap().len(), 12);
}
