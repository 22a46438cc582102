//! A job's events in OpenAI's form: a sentence, and figures where it is about some.

use serde::Serialize;
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::page::seconds;
use crate::jobs::{JobEvent, Message};
use crate::store::{Event, Phase, Progress, QueueEvent};

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

pub(super) fn event(job_id: &str, event: Event) -> FineTuningEvent {
    let told = JobEvent::from(&event);
    let Event { seq, at, r#type: kind, data } = event;
    let level = match &told {
        JobEvent::Queue(QueueEvent::Failed(_)) => "error",
        JobEvent::Queue(QueueEvent::Requeued { .. }) | JobEvent::Trainer(Message::Warning(_)) => "warn",
        _ => "info",
    };
    let message = message(&told).unwrap_or_else(|| format!("Event: {kind}."));
    let (r#type, data) = match figures(&told) {
        Some(figures) => ("metrics", figures),
        None => ("message", data),
    };
    let data = if data.as_object().is_some_and(serde_json::Map::is_empty) { Value::Null } else { data };
    let id = format!("{job_id}-{seq}");
    FineTuningEvent { id, object: "fine_tuning.job.event", created_at: seconds(at), level, message, r#type, data }
}

fn figures(told: &JobEvent) -> Option<Value> {
    match told {
        JobEvent::Trainer(Message::Progress(Progress { step, total_steps, epoch, loss, .. })) => {
            Some(json!({ "step": step, "total_steps": total_steps, "epoch": epoch, "train_loss": loss }))
        }
        JobEvent::Trainer(Message::Epoch { record, .. }) => Some(json!({
            "epoch": record.epoch, "train_loss": record.loss, "valid_loss": record.val_loss,
            "learning_rate": record.learning_rate,
        })),
        _ => None,
    }
}

/// An event in words, where there are some.
fn message(told: &JobEvent) -> Option<String> {
    Some(match told {
        JobEvent::Queue(event) => match event {
            QueueEvent::Queued {} => "The job waits for its turn.".to_owned(),
            QueueEvent::Started { attempt } => format!("The trainer started (attempt {attempt})."),
            QueueEvent::Checkpoint { step } => format!("The run can go on from step {step}."),
            QueueEvent::Requeued { reason, .. } => format!("The job waits for its turn again: {reason}."),
            QueueEvent::Succeeded { model } => format!("The job succeeded. The tuned model is {model}."),
            QueueEvent::Failed(error) => format!("The job failed. {} {}", error.message, error.hint),
            QueueEvent::Cancelled {} => "The job was cancelled.".to_owned(),
            QueueEvent::Alias { .. } => return None,
        },
        JobEvent::Trainer(message) => match message {
            Message::Phase { phase } => match phase {
                Phase::Loading => "The model and the pairs are read.",
                Phase::BaseEval => "The base model is measured.",
                Phase::Training => "Training began.",
                Phase::Evaluating => "The tuned model is measured.",
                Phase::Saving => "The tuned model is saved.",
            }
            .to_owned(),
            Message::Progress(Progress { step, total_steps, loss, .. }) => {
                format!("Step {step}/{total_steps}: training loss={loss:.5}")
            }
            Message::Epoch { record, .. } => format!(
                "Epoch {} is over: training loss={:.5}, validation loss={:.5}",
                record.epoch, record.loss, record.val_loss
            ),
            Message::Evaluation { when, .. } => format!("The model was measured {when} training."),
            Message::Heatmap { when, .. } => format!("The titles were compared ({when})."),
            Message::Warning(note) => note.message.clone(),
            Message::Resumed { step, .. } => format!("The run goes on after step {step}."),
            Message::Checkpoint { .. } | Message::Alive(_) | Message::Done { .. } | Message::Failed(_) => return None,
        },
        JobEvent::Other => return None,
    })
}
