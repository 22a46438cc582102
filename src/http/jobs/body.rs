//! Bodies of jobs: what a client asks for, as JSON or as a form, and what it is told.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::ToSchema;

use crate::http::datasets::body::PairRow;
use crate::http::datasets::options::{self, Wishes};
use crate::http::error::{ApiError, Result};
use crate::http::extract;
use crate::http::reply::rfc3339;
use crate::http::state::AppState;
use crate::jobs::{Estimate, Report, model_id};
use crate::ml::train::{Recipe, TrainConfig};
use crate::store::{AliasGate, AliasResult, Job, JobError, Phase, Progress, Status, now};

/// What a client asks for. A form has the same fields as parts, and the table as the part `file`. How a table that
/// comes with the request is to be read may be said too, in the fields of `POST /datasets`.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = CreateJob)]
pub(crate) struct CreateBody {
    /// The table to learn; or send `pairs`.
    #[serde(alias = "dataset")]
    pub(crate) dataset_id: Option<String>,
    /// The rows to learn; or name a dataset.
    #[serde(default, deserialize_with = "extract::some_pairs")]
    #[schema(value_type = Vec<PairRow>)]
    pub(crate) pairs: Option<Vec<Value>>,
    /// The model to tune: an id, name or alias; by default `default`.
    #[serde(alias = "base_model")]
    pub(crate) model: Option<String>,
    /// The tuned model's name.
    pub(crate) name: Option<String>,
    /// The settings to begin with; `recommended` unless said.
    pub(crate) recipe: Option<Recipe>,
    /// Settings in the place of the recipe's. What is left out is the recipe's; the defaults that are
    /// noted are those of `tutorial`.
    #[schema(value_type = Option<TrainConfig>)]
    pub(crate) config: Option<Value>,
    /// A dataset that measures general ability before and after.
    #[serde(alias = "benchmark")]
    pub(crate) benchmark_id: Option<String>,
    /// A dataset that is learnt beside, against forgetting.
    #[serde(alias = "replay")]
    pub(crate) replay_id: Option<String>,
    /// 2 to 50 texts for the heatmap.
    pub(crate) titles: Option<Vec<String>>,
    /// Points at the tuned model when the job succeeds.
    pub(crate) alias: Option<String>,
    /// `win`: the alias moves only if the report's verdict is one.
    pub(crate) alias_if: Option<AliasGate>,
    /// How the table is to be read (see [`Wishes`]), and names that nobody knows.
    #[serde(flatten)]
    #[schema(value_type = Wishes)]
    pub(crate) reading: Map<String, Value>,
}

/// A job as a form.
#[derive(ToSchema)]
#[schema(as = CreateJobForm)]
#[expect(dead_code, reason = "describes what requests hold")]
pub(super) struct CreateForm {
    /// The table, as `POST /datasets` reads it; or name a dataset.
    #[schema(value_type = Option<String>, format = Binary)]
    file: Option<Vec<u8>>,
    dataset_id: Option<String>,
    model: Option<String>,
    name: Option<String>,
    recipe: Option<Recipe>,
    /// JSON.
    config: Option<TrainConfig>,
    benchmark_id: Option<String>,
    replay_id: Option<String>,
    /// A JSON list.
    titles: Option<Vec<String>>,
    alias: Option<String>,
    /// `win`: the alias moves only if the report's verdict is one.
    alias_if: Option<AliasGate>,
    #[serde(flatten)]
    reading: Wishes,
}

/// The names of the form's parts.
const PARTS: [&str; 11] = [
    "file",
    "dataset_id",
    "model",
    "name",
    "recipe",
    "config",
    "benchmark_id",
    "replay_id",
    "titles",
    "alias",
    "alias_if",
];

impl CreateBody {
    /// Refuses fields that nobody knows.
    pub(super) fn only_known(&self) -> Result<()> {
        options::only_known(self.reading.keys(), &[&PARTS, &["pairs"], &options::READING])
    }

    /// Out of a form's parts.
    pub(super) fn of_form(parts: Vec<extract::Part>) -> Result<Self> {
        let mut body = Self::default();
        for part in parts {
            match part.name.as_str() {
                "dataset_id" => body.dataset_id = Some(part.text()?),
                "model" => body.model = Some(part.text()?),
                "name" => body.name = Some(part.text()?),
                "recipe" => {
                    let quoted = Value::from(part.text()?).to_string();
                    body.recipe =
                        Some(extract::parse(quoted.as_bytes()).map_err(|error: ApiError| error.param("recipe"))?);
                }
                "config" => body.config = Some(part.json()?),
                "benchmark_id" => body.benchmark_id = Some(part.text()?),
                "replay_id" => body.replay_id = Some(part.text()?),
                "titles" => body.titles = Some(part.json()?),
                "alias" => body.alias = Some(part.text()?),
                "alias_if" => {
                    let text = part.text()?;
                    if !text.trim().is_empty() {
                        let quoted = Value::from(text).to_string();
                        let gate =
                            extract::parse(quoted.as_bytes()).map_err(|error: ApiError| error.param("alias_if"))?;
                        body.alias_if = Some(gate);
                    }
                }
                reading if options::READING.contains(&reading) => {
                    body.reading.insert(reading.to_owned(), part.text()?.into());
                }
                other => return Err(ApiError::unknown_field(other, &[&PARTS[..], &options::READING].concat())),
            }
        }
        // A browser's form sends fields that were left empty.
        let Self { dataset_id, model, name, benchmark_id, replay_id, alias, .. } = &mut body;
        for field in [dataset_id, model, name, benchmark_id, replay_id, alias] {
            field.take_if(|text| text.trim().is_empty());
        }
        Ok(body)
    }
}

/// A job as clients see it.
#[derive(Serialize, ToSchema)]
#[schema(as = Job, example = json!({
    "id": "job_01980f3e5c7a7d0e8a1b2c3d4e5f6071",
    "status": "queued",
    "phase": null,
    "is_terminal": false,
    "name": "occupations",
    "base_model": "use-multilingual-v3",
    "dataset_id": "ds_01980f3e5c7a7d0e8a1b2c3d4e5f6071",
    "dataset_name": "occupations.csv",
    "recipe": "recommended",
    "config": { "epochs": 5 },
    "created_at": "2026-01-31T12:00:00.123Z",
    "queue_position": 1,
    "attempt": 0
}))]
pub(super) struct JobBody {
    /// `job_..`
    id: String,
    /// Where it stands.
    status: Status,
    /// What a running job does.
    phase: Option<Phase>,
    /// Whether it will never change again.
    is_terminal: bool,
    /// The tuned model's name.
    name: String,
    /// The model that is tuned.
    base_model: String,
    /// The table that is learnt.
    dataset_id: String,
    dataset_name: Option<String>,
    /// The table that measures general ability.
    benchmark_id: Option<String>,
    /// The table that is learnt beside, against forgetting.
    replay_id: Option<String>,
    /// The settings that it began with.
    recipe: String,
    /// All settings, resolved.
    config: TrainConfig,
    /// Points at the tuned model in the end.
    alias: Option<String>,
    alias_if: Option<AliasGate>,
    /// Once the job has succeeded: whether the alias moved, and why or why not.
    alias_result: Option<AliasResult>,
    #[schema(format = DateTime)]
    created_at: String,
    #[schema(format = DateTime)]
    started_at: Option<String>,
    #[schema(format = DateTime)]
    finished_at: Option<String>,
    #[schema(format = DateTime)]
    cancel_requested_at: Option<String>,
    /// From 1, of a queued job.
    queue_position: Option<usize>,
    /// How often it was begun.
    attempt: i64,
    /// How far a running job is.
    progress: Option<Progress>,
    #[schema(format = DateTime)]
    estimated_finish: Option<String>,
    /// Why it failed.
    error: Option<JobError>,
    /// The tuned model's id, when there is one.
    model: Option<String>,
    /// What it came to. Lists leave it out.
    #[schema(value_type = Option<Report>)]
    report: Option<Value>,
}

/// What `POST /jobs` answers with 200.
#[derive(ToSchema)]
#[serde(untagged)]
#[expect(dead_code, reason = "describes what replies hold")]
pub(super) enum JobOrEstimate {
    /// The job that an earlier request with this `Idempotency-Key` made.
    Job(Box<JobBody>),
    /// What the job would take.
    Estimate(Box<Estimate>),
}

/// What the bodies of jobs tell beside their rows, read once for all of them.
pub(super) struct Beside {
    dataset_names: HashMap<String, String>,
    /// Job ids in the order of their turns.
    queue: Vec<String>,
}

impl Beside {
    pub(super) async fn read(state: &AppState) -> Result<Self> {
        let store = &state.store;
        Ok(Self { dataset_names: store.dataset_names().await?, queue: store.queued_jobs().await? })
    }
}

impl JobBody {
    pub(super) async fn one(state: &AppState, job: Job) -> Result<Self> {
        Ok(Self::new(job, &Beside::read(state).await?))
    }

    pub(super) fn new(job: Job, beside: &Beside) -> Self {
        let queue_position = match job.status {
            Status::Queued => beside.queue.iter().position(|id| *id == job.job_id).map(|place| place + 1),
            _ => None,
        };
        let progress = job.progress.filter(|_| job.status == Status::Running).map(|progress| progress.0);
        let seconds = progress.map(|progress| (progress.seconds_remaining * 1000.0) as i64);
        Self {
            model: (job.status == Status::Succeeded).then(|| model_id(&job.job_id)),
            is_terminal: job.status.is_terminal(),
            id: job.job_id,
            status: job.status,
            phase: job.phase,
            name: job.name,
            base_model: job.base_model,
            dataset_name: beside.dataset_names.get(&job.dataset_id).cloned(),
            dataset_id: job.dataset_id,
            benchmark_id: job.benchmark_id,
            replay_id: job.replay_id,
            recipe: job.recipe,
            config: job.config.0,
            alias: job.alias,
            alias_if: job.alias_if,
            alias_result: job.alias_result.map(|result| result.0),
            created_at: rfc3339(job.created_at),
            started_at: job.started_at.map(rfc3339),
            finished_at: job.finished_at.map(rfc3339),
            cancel_requested_at: job.cancel_requested_at.map(rfc3339),
            queue_position,
            attempt: job.attempt,
            progress,
            estimated_finish: seconds.map(|left| rfc3339(now() + left)),
            error: job.error.map(|error| error.0),
            report: job.report.map(|report| report.0),
        }
    }
}
