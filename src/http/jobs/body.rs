//! Bodies of jobs: what a client asks for, as JSON or as a form, and what it is told.

use std::borrow::Cow;

use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value};
use utoipa::openapi::schema::{Object, ObjectBuilder, Schema, SchemaFormat, SchemaType, Type};
use utoipa::openapi::{KnownFormat, RefOr};
use utoipa::{PartialSchema, ToSchema};

use crate::bounds::{Reference, Titles};
use crate::http::datasets::body::PairRows;
use crate::http::datasets::json_body::{JsonBody, SentPairs};
use crate::http::datasets::options::{self, OptionsBody};
use crate::http::error::{ApiError, Result};
use crate::http::extract;
use crate::http::extract::names::UserName;
use crate::http::reply::rfc3339;
use crate::http::state::AppState;
use crate::jobs::{Estimate, Report, model_id};
use crate::ml::train::{Recipe, TrainConfig};
use crate::store::{AliasGate, AliasResult, Job, JobConfig, JobError, Phase, Progress, Status, WaitReason, now};

/// What a client asks for. A form has the same fields as parts, and the table as the part `file`. How a table that
/// comes with the request is to be read may be said too, in the fields of `POST /datasets`.
#[derive(Default, Deserialize, ToSchema)]
#[schema(as = CreateJob)]
pub(crate) struct CreateBody {
    /// The table to learn; or send `pairs`.
    #[serde(alias = "dataset")]
    #[schema(inline)]
    pub(crate) dataset_id: Option<Reference>,
    /// The rows to learn; or name a dataset.
    #[serde(default, deserialize_with = "on_the_disk")]
    #[schema(inline, value_type = Option<PairRows>)]
    pub(crate) pairs: Option<SentPairs>,
    /// The model to tune: an id, name or alias; by default `default`.
    #[serde(alias = "base_model")]
    #[schema(inline)]
    pub(crate) model: Option<Reference>,
    /// The tuned model's name.
    #[schema(inline, value_type = Option<UserName>)]
    pub(crate) name: Option<String>,
    /// The settings to begin with; `recommended` unless said.
    pub(crate) recipe: Option<Recipe>,
    /// Settings in the place of the recipe's. What is left out is the recipe's; the defaults that are
    /// noted are those of `tutorial`.
    #[schema(value_type = Option<TrainConfig>)]
    pub(crate) config: Option<Value>,
    /// A dataset that measures general ability before and after.
    #[serde(alias = "benchmark")]
    #[schema(inline)]
    pub(crate) benchmark_id: Option<Reference>,
    /// A dataset that is learnt beside, against forgetting.
    #[serde(alias = "replay")]
    #[schema(inline)]
    pub(crate) replay_id: Option<Reference>,
    /// A dataset that validates: it is judged after each epoch and before and after, and all rows of the table are
    /// learnt. Without it a part of the table is held out.
    #[serde(alias = "validation")]
    #[schema(inline)]
    pub(crate) validation_id: Option<Reference>,
    /// 2 to 50 texts for the heatmap.
    #[schema(inline)]
    pub(crate) titles: Option<Titles>,
    /// Points at the tuned model when the job succeeds.
    #[schema(inline, value_type = Option<UserName>)]
    pub(crate) alias: Option<String>,
    /// `win`: the alias moves only if the report's verdict is one.
    pub(crate) alias_if: Option<AliasGate>,
    /// How the table is to be read (see `Wishes`), and names that nobody knows.
    #[serde(flatten)]
    #[schema(value_type = OptionsBody)]
    pub(crate) reading: Map<String, Value>,
}

/// Pairs are taken out of a body while it arrives: none is left among its fields.
fn on_the_disk<'de, D: Deserializer<'de>>(_: D) -> std::result::Result<Option<SentPairs>, D::Error> {
    Ok(None)
}

/// The same as a form: the table is a part of it, and no rows inside JSON.
pub(super) struct CreateForm;

impl PartialSchema for CreateForm {
    fn schema() -> RefOr<Schema> {
        let mut schema = CreateBody::schema();
        if let RefOr::T(Schema::AllOf(whole)) = &mut schema {
            whole.description =
                Some("A job as a form. `config` and `titles` are JSON; the table may be a part too.".to_owned());
        }
        if let Some(fields) = own_fields(&mut schema) {
            let file = ObjectBuilder::new()
                .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
                .format(Some(SchemaFormat::KnownFormat(KnownFormat::Binary)))
                .description(Some("The table, as `POST /datasets` reads it; or name a dataset."));
            fields.properties.remove("pairs");
            fields.properties.insert("file".to_owned(), file.into());
        }
        schema
    }
}

impl ToSchema for CreateForm {
    fn name() -> Cow<'static, str> {
        "CreateJobForm".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        CreateBody::schemas(schemas);
    }
}

/// Those of the schema's fields that are a job's alone.
fn own_fields(schema: &mut RefOr<Schema>) -> Option<&mut Object> {
    let RefOr::T(Schema::AllOf(whole)) = schema else { return None };
    whole.items.iter_mut().find_map(|part| match part {
        RefOr::T(Schema::Object(fields)) => Some(fields),
        _ => None,
    })
}

impl CreateBody {
    pub(super) fn only_known(&self) -> Result<()> {
        let Some(unknown) = self.reading.keys().find(|name| !options::READING.contains(&name.as_str())) else {
            return Ok(());
        };
        let mut schema = CreateForm::schema();
        let fields = own_fields(&mut schema).map(|fields| fields.properties.keys().map(String::as_str));
        let known: Vec<&str> = fields.into_iter().flatten().chain(["pairs"]).chain(options::READING).collect();
        Err(ApiError::unknown_field(unknown, &known))
    }

    pub(super) fn of_json(body: JsonBody) -> Result<Self> {
        Ok(Self { pairs: body.pairs, ..options::read(&body.fields)? })
    }

    pub(super) fn of_form(parts: Vec<extract::Part>) -> Result<Self> {
        let mut fields = Map::new();
        for part in parts {
            let value = match part.name.as_str() {
                "config" | "titles" => part.json()?,
                // Rows come as a file, or as JSON.
                "pairs" => return Err(ApiError::unknown_field(&part.name, &["file"])),
                _ => Value::from(part.text()?),
            };
            // A browser's form sends fields that were left empty.
            if value.as_str().is_none_or(|text| !text.trim().is_empty()) {
                fields.insert(part.name, value);
            }
        }
        options::read(&fields)
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
    /// The table that validates, where no rows of `dataset_id` are held out for it.
    validation_id: Option<String>,
    /// The settings that it began with.
    recipe: String,
    /// All settings, resolved.
    #[schema(value_type = TrainConfig)]
    config: JobConfig,
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
    /// Why a queued job that was begun waits: `interrupted`, `retry` after its trainer died, `memory`, `disk_full`,
    /// `io_error`. It goes on by itself, from its last checkpoint.
    wait_reason: Option<WaitReason>,
    /// A queued job is not tried before this.
    #[schema(format = DateTime)]
    next_try_at: Option<String>,
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

impl JobBody {
    pub(super) async fn one(state: &AppState, job: Job) -> Result<Self> {
        let report = if job.status == Status::Succeeded { state.store.report(&job.job_id).await? } else { None };
        let queue = if job.status == Status::Queued { state.store.queued_jobs().await? } else { Vec::new() };
        Ok(Self { report, ..Self::new(job, &queue) })
    }

    /// Without its report. `queue` has the queued jobs' ids in the order of their turns.
    pub(super) fn new(job: Job, queue: &[String]) -> Self {
        let queue_position = match job.status {
            Status::Queued => queue.iter().position(|id| *id == job.job_id).map(|place| place + 1),
            _ => None,
        };
        let progress = job.progress.filter(|_| job.status == Status::Running);
        let seconds = progress.map(|progress| (progress.seconds_remaining * 1000.0) as i64);
        Self {
            model: (job.status == Status::Succeeded).then(|| model_id(&job.job_id)),
            is_terminal: job.status.is_terminal(),
            id: job.job_id,
            status: job.status,
            phase: job.phase,
            name: job.name,
            base_model: job.base_model,
            dataset_name: Some(job.dataset_name),
            dataset_id: job.dataset_id,
            benchmark_id: job.benchmark_id,
            replay_id: job.replay_id,
            validation_id: job.validation_id,
            recipe: job.recipe,
            config: job.config,
            alias: job.alias,
            alias_if: job.alias_if,
            alias_result: job.alias_result,
            created_at: rfc3339(job.created_at),
            started_at: job.started_at.map(rfc3339),
            finished_at: job.finished_at.map(rfc3339),
            cancel_requested_at: job.cancel_requested_at.map(rfc3339),
            queue_position,
            wait_reason: job.wait_reason.filter(|_| job.status == Status::Queued),
            next_try_at: job.next_try_at.filter(|_| job.status == Status::Queued).map(rfc3339),
            attempt: job.attempt,
            progress,
            estimated_finish: seconds.map(|left| rfc3339(now() + left)),
            error: job.error,
            report: None,
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn form(parts: &[(&str, &str)]) -> Result<CreateBody> {
        let part =
            |&(name, text): &(&str, &str)| extract::Part { name: name.to_owned(), bytes: text.to_owned().into() };
        CreateBody::of_form(parts.iter().map(part).collect())
    }

    #[test]
    fn a_form_and_json_ask_for_the_same_job() {
        let of_form = form(&[
            ("dataset_id", "ds_1"),
            ("model", "default"),
            ("name", ""),
            ("recipe", "tutorial"),
            ("config", r#"{"epochs":5}"#),
            ("titles", r#"["a","b"]"#),
            ("alias", "prod"),
            ("alias_if", "win"),
            ("header", "true"),
            ("sheet", " "),
        ]);
        let of_json = json!({
            "dataset_id": "ds_1", "model": "default", "recipe": "tutorial", "config": { "epochs": 5 },
            "titles": ["a", "b"], "alias": "prod", "alias_if": "win", "header": "true",
        });
        let told = |body: CreateBody| {
            let CreateBody { dataset_id, model, name, recipe, config, titles, alias, alias_if, reading, .. } = body;
            (dataset_id, model, name, recipe, config, titles, alias, alias_if, reading)
        };
        assert_eq!(told(of_form.unwrap()), told(serde_json::from_value(of_json).unwrap()));
    }

    #[test]
    fn a_field_that_is_not_as_it_should_be_is_named() {
        let error =
            |parts: &[(&str, &str)]| form(parts).and_then(|body| body.only_known()).unwrap_err().told().1.to_owned();
        assert!(error(&[("recipe", "tutorail")]).contains("recipe cannot be \"tutorail\"; did you mean \"tutorial\"?"));
        assert!(error(&[("alias_if", "wni")]).contains("alias_if"));
        assert!(error(&[("replay", "ds_1"), ("mdel", "x")]).contains("did you mean \"model\"?"));
        assert!(error(&[("fiel", "x")]).contains("did you mean \"file\"?"));
        assert!(error(&[("maping", "{}")]).contains("did you mean \"mapping\"?"));
        assert!(error(&[("pairs", "[]")]).contains("Unknown field \"pairs\""));
    }
}
