//! A job's events in OpenAI's form: a sentence, and figures where it is about some.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::page::seconds;
use crate::store::Event;

#[derive(Serialize, ToSchema)]
pub(super) struct FineTuningEvent {
    pub(super) id: String,
    #[schema(example = "fine_tuning.job.event")]
    object: &'static str,
    /// Unix seconds.
    created_at: i64,
    /// `info`, `warn` or `error`.
    #[schema(example = "info")]
    level: &'static str,
    message: String,
    /// `metrics` where `data` holds figures of training, else `message`.
    #[schema(example = "message")]
    r#type: &'static str,
    /// Figures by OpenAI's names; else the particulars as `/jobs/{id}/events` tells them.
    #[schema(value_type = Option<Object>)]
    data: Value,
}

impl FineTuningEvent {
    /// The number of a job's event in its id.
    pub(super) fn seq(id: &str, job_id: &str) -> Option<i64> {
        id.strip_prefix(job_id)?.strip_prefix('-')?.parse().ok()
    }
}

/// An event's form and words.
pub(super) fn event(job_id: &str, event: Event) -> FineTuningEvent {
    let Event { seq, at, r#type: kind, data } = event;
    let level = match kind.as_str() {
        "failed" => "error",
        "warning" | "requeued" => "warn",
        _ => "info",
    };
    let message = message(&kind, &data);
    let (r#type, data) = match figures(&kind, &data) {
        Some(figures) => ("metrics", figures),
        None => ("message", data),
    };
    let data = if data.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { data };
    let id = format!("{job_id}-{seq}");
    FineTuningEvent { id, object: "fine_tuning.job.event", created_at: seconds(at), level, message, r#type, data }
}

fn figures(kind: &str, data: &Value) -> Option<Value> {
    match kind {
        "progress" => Some(json!({
            "step": data["step"], "total_steps": data["total_steps"], "epoch": data["epoch"], "train_loss": data["loss"],
        })),
        "epoch" => Some(json!({
            "epoch": data["epoch"], "train_loss": data["loss"], "valid_loss": data["val_loss"],
            "learning_rate": data["learning_rate"],
        })),
        _ => None,
    }
}

fn message(kind: &str, data: &Value) -> String {
    let text = |name: &str| data[name].as_str().unwrap_or_default().to_owned();
    let number = |name: &str| data[name].as_f64().map_or_else(|| "unknown".to_owned(), |number| format!("{number:.5}"));
    match kind {
        "queued" => "The job waits for its turn.".to_owned(),
        "started" => format!("The trainer started (attempt {}).", data["attempt"]),
        "phase" => match data["phase"].as_str().unwrap_or_default() {
            "loading" => "The model and the pairs are read.".to_owned(),
            "base_eval" => "The base model is measured.".to_owned(),
            "training" => "Training began.".to_owned(),
            "evaluating" => "The tuned model is measured.".to_owned(),
            "saving" => "The tuned model is saved.".to_owned(),
            other => format!("The job is in the phase {other}."),
        },
        "progress" => format!("Step {}/{}: training loss={}", data["step"], data["total_steps"], number("loss")),
        "epoch" => format!(
            "Epoch {} is over: training loss={}, validation loss={}",
            data["epoch"],
            number("loss"),
            number("val_loss")
        ),
        "evaluation" => format!("The model was measured {} training.", text("when")),
        "heatmap" => format!("The titles were compared ({}).", text("when")),
        "warning" => text("message"),
        "checkpoint" => format!("The run can go on from step {}.", data["step"]),
        "resumed" => format!("The run goes on after step {}.", data["step"]),
        "requeued" => format!("The job waits for its turn again: {}.", text("reason")),
        "succeeded" => format!("The job succeeded. The tuned model is {}.", text("model")),
        "failed" => format!("The job failed. {} {}", text("message"), text("hint")),
        "cancelled" => "The job was cancelled.".to_owned(),
        other => format!("Event: {other}."),
    }
}
