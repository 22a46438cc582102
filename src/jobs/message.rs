//! What the trainer tells the supervisor: one JSON object a line.

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::ml::encoder::ModelCard;
use crate::ml::eval::{Assessment, Benchmark, Validation};
use crate::ml::train::{EpochRecord, TrainReport};
use crate::store::{JobError, Phase, Progress};

/// A line of the trainer's.
#[derive(Clone, Debug, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub enum Message {
    /// The trainer does something else now.
    Phase {
        /// What.
        phase: Phase,
    },
    /// How far it is.
    Progress(Progress),
    /// How good the model is.
    Evaluation {
        /// `before` or `after`.
        when: String,
        /// What was measured.
        #[serde(flatten)]
        evaluation: Evaluation,
    },
    /// The cosine of each title with each.
    Heatmap {
        /// `before`, `epoch` or `after`.
        when: String,
        /// 0 before training.
        epoch: usize,
        /// The texts.
        titles: Vec<String>,
        /// `(T, T)`
        cosine: Vec<Vec<f64>>,
    },
    /// An epoch is over.
    Epoch {
        /// What it came to.
        #[serde(flatten)]
        record: EpochRecord,
        /// Each step's loss, before its update.
        step_losses: Vec<f64>,
    },
    /// The user should know this.
    Warning(Note),
    /// The run can go on from here: the folder `ckpt-<step>` is complete.
    Checkpoint {
        /// Steps done.
        step: usize,
        /// Of the folder's manifest.
        manifest_sha256: String,
    },
    /// The run goes on where an earlier process left it.
    Resumed {
        /// Steps that are done already.
        step: usize,
        /// Bit by bit as if it had never stopped; not so where threads, libtorch or processor differ.
        exact: bool,
    },
    /// The model is saved in the run's folder.
    Done {
        /// Its card.
        card: ModelCard,
        /// For the job's row.
        report: Box<Report>,
    },
    /// The run cannot be done.
    Failed(JobError),
}

impl Message {
    /// The event's type and its particulars.
    pub fn event(&self) -> (String, Value) {
        let mut value = serde_json::to_value(self).expect("messages are plain structs");
        let kind = value.as_object_mut().and_then(|fields| fields.remove("type"));
        (kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(), value)
    }
}

/// How good a model is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Evaluation {
    /// On the job's own validation pairs.
    pub validation: Validation,
    /// On the user's benchmark.
    pub benchmark: Option<Benchmark>,
    /// On Shamisen's own general sentence pairs.
    pub retention: Benchmark,
}

/// What a job came to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Report {
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
pub struct Heatmaps {
    /// The texts.
    pub titles: Vec<String>,
    /// `(T, T)`, of the base.
    pub before: Vec<Vec<f64>>,
    /// `(T, T)`, of the tuned model.
    pub after: Vec<Vec<f64>>,
}
