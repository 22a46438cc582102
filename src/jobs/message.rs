//! What the trainer tells the supervisor: one JSON object a line.

use serde::{Deserialize, Serialize};

use crate::ml::encoder::ModelCard;
use crate::ml::eval::{Assessment, Benchmark, Validation};
use crate::ml::train::{EpochRecord, TrainReport};
use crate::store::{Event, JobError, Phase, Progress, QueueEvent};

/// A line of the trainer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum Message {
    /// The trainer does something else now.
    Phase { phase: Phase },
    /// How far it is.
    Progress(Progress),
    /// How good the model is.
    Evaluation {
        /// `before` or `after`.
        when: String,
        #[serde(flatten)]
        evaluation: Box<Evaluation>,
    },
    /// The cosine of each title with each.
    Heatmap {
        /// `before`, `epoch` or `after`.
        when: String,
        /// 0 before training.
        epoch: usize,
        titles: Vec<String>,
        /// `(T, T)`
        cosine: Vec<Vec<f64>>,
    },
    /// An epoch is over.
    Epoch {
        #[serde(flatten)]
        record: EpochRecord,
        /// Each step's loss, before its update.
        step_losses: Vec<f64>,
    },
    /// The user should know this.
    Warning(Note),
    /// The run can go on from here: the folder `ckpt-<step>` is complete.
    Checkpoint { step: usize, manifest_sha256: String },
    /// The run goes on where an earlier process left it.
    Resumed {
        /// Steps that are done already.
        step: usize,
        /// Bit by bit as if it had never stopped; not so where threads, libtorch or processor differ.
        exact: bool,
    },
    /// The run gets on. For the supervisor alone.
    Alive(MemoryUse),
    /// The model is saved in the run's folder.
    Done { card: ModelCard, report: Box<Report> },
    /// The run cannot be done.
    Failed(JobError),
}

/// What happened to a job.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum JobEvent {
    /// What the queue did with it.
    Queue(QueueEvent),
    /// What its trainer said.
    Trainer(Message),
    /// What this program does not know.
    #[serde(skip)]
    Other,
}

impl From<&Event> for JobEvent {
    fn from(event: &Event) -> Self {
        event.told().unwrap_or(Self::Other)
    }
}

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Evaluation {
    /// On the job's own validation pairs.
    pub validation: Validation,
    /// On the user's benchmark.
    pub benchmark: Option<Benchmark>,
    /// On Shamisen's own general sentence pairs.
    pub retention: Benchmark,
}

/// What a job came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Report {
    /// How many rows trained and validated.
    pub rows: Rows,
    /// The epochs, why training ended, and what was kept.
    #[serde(flatten)]
    pub trained: TrainReport,
    /// Seconds from the trainer's start to the saved model.
    pub seconds: f64,
    /// The base.
    pub before: Evaluation,
    /// The tuned model.
    pub after: Evaluation,
    /// What both come to: verdict, movers, calibration, spread.
    #[serde(flatten)]
    pub assessment: Assessment,
    /// The titles' cosines.
    pub heatmap: Heatmaps,
    /// What the user should know.
    pub notes: Vec<Note>,
}

/// What a trainer took of the memory that it may have.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct MemoryUse {
    /// Bytes, at the most so far.
    pub peak: u64,
    /// Bytes that it may have.
    pub limit: u64,
    /// What that limit is.
    pub of: String,
}

/// Something that the user should know about the numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Note {
    /// For programs, and for the page's languages.
    pub code: String,
    /// For people.
    pub message: String,
}

/// How many rows trained and validated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Rows {
    /// Rows that trained.
    pub training: usize,
    /// Rows that validated.
    pub validation: usize,
    /// Validation rows of which at least one text was trained on too.
    pub leaking: usize,
}

/// The titles' cosines before and after.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub(crate) struct Heatmaps {
    /// The texts.
    pub titles: Vec<String>,
    /// `(T, T)`, of the base.
    pub before: Vec<Vec<f64>>,
    /// `(T, T)`, of the tuned model.
    pub after: Vec<Vec<f64>>,
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    #[test]
    fn an_event_is_read_as_what_it_tells_and_one_that_nobody_knows_is_another() {
        let read = |kind: &str, data: Value| JobEvent::from(&Event { seq: 1, at: 0, r#type: kind.to_owned(), data });
        let progress = json!({
            "epoch": 1, "epochs": 2, "step": 3, "total_steps": 8, "loss": 0.25, "fraction": 0.375, "seconds_remaining": 1.5
        });
        assert!(matches!(
            read("progress", progress),
            JobEvent::Trainer(Message::Progress(Progress { step: 3, loss: 0.25, .. }))
        ));
        let phase = json!({ "phase": "base_eval" });
        assert!(matches!(read("phase", phase), JobEvent::Trainer(Message::Phase { phase: Phase::BaseEval })));
        assert!(matches!(read("queued", json!({})), JobEvent::Queue(QueueEvent::Queued {})));
        let checkpoint = read("checkpoint", json!({ "step": 3 }));
        assert!(matches!(checkpoint, JobEvent::Queue(QueueEvent::Checkpoint { step: 3 })));
        let alias = json!({ "alias": "prod", "moved": true, "code": "moved", "message": "" });
        assert!(matches!(read("alias", alias), JobEvent::Queue(QueueEvent::Alias { .. })));
        assert!(matches!(read("weather", json!({ "rain": true })), JobEvent::Other));
        // Of another version of this program.
        assert!(matches!(read("phase", json!({ "phase": "polishing" })), JobEvent::Other));
    }

    #[test]
    fn what_a_trainer_says_is_kept_by_its_type_and_read_as_it_was_said() {
        let said = Message::Warning(Note { code: "no_benchmark".to_owned(), message: "None was given.".to_owned() });
        let (kind, data) = crate::store::event_parts(&said).unwrap();
        let expected = json!({ "code": "no_benchmark", "message": "None was given." });
        assert_eq!((kind.as_str(), &data), ("warning", &expected));
        let event = Event { seq: 1, at: 0, r#type: kind, data };
        assert!(!event.is_last());
        assert!(
            matches!(JobEvent::from(&event), JobEvent::Trainer(Message::Warning(note)) if note.code == "no_benchmark")
        );
        let failed = json!({ "code": "disk_full", "message": "", "hint": "" });
        assert!(Event { r#type: "failed".to_owned(), data: failed, ..event }.is_last());
    }
}
