//! `/v1/fine_tuning/jobs`: our jobs as OpenAI's clients see them, the same ones as at `/jobs`.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::{Request, State};
use serde::de::IntoDeserializer;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use utoipa::ToSchema;

use super::events::{FineTuningEvent, event};
use super::fine_tuning_body::{CreateJobBody, Metadata, check_metadata};
use super::page::{Page, PageQuery, seconds, unknown_cursor};
use crate::bounds::{OpenAiPage, Reference};
use crate::datasets::Upload;
use crate::http::auth::caller::Caller;
use crate::http::datasets::{self, upload};
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::idempotency::{Idempotency, idempotency_key, sha256};
use crate::http::extract::{self, Path, Query, content_type};
use crate::http::jobs;
use crate::http::jobs::body::CreateBody;
use crate::http::jobs::create;
use crate::http::models::find::resolve;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use crate::jobs::QueueError;
use crate::keys::Scope;
use crate::ml::train::RecipeFacts;
use crate::store::{Dataset, Job, OpenAiNotes, Purpose, Status, now};

#[derive(Serialize, ToSchema)]
pub(super) struct FineTuningJob {
    /// `job_..`: also at `/jobs/{id}`, which tells more.
    id: String,
    #[schema(example = "fine_tuning.job")]
    object: &'static str,
    /// The base model's id.
    model: String,
    /// Unix seconds.
    created_at: i64,
    finished_at: Option<i64>,
    /// The tuned model's name, once it is there: it goes into a request's `model`.
    fine_tuned_model: Option<String>,
    #[schema(example = "local")]
    organization_id: &'static str,
    /// None: `/jobs/{id}` has the report, `/jobs/{id}/metrics` the curves.
    result_files: Vec<String>,
    /// `queued`, `running`, `succeeded`, `failed` or `cancelled`.
    #[schema(value_type = String, example = "running")]
    status: Status,
    validation_file: Option<String>,
    training_file: String,
    hyperparameters: HyperparametersBody,
    /// Not counted.
    trained_tokens: Option<i64>,
    error: Option<JobErrorBody>,
    seed: u64,
    /// Unix seconds; of a running job, if it goes on as it goes.
    estimated_finish: Option<i64>,
    method: MethodBody,
    metadata: Option<BTreeMap<String, String>>,
    #[schema(value_type = Vec<Object>)]
    integrations: Vec<Value>,
    /// This server's own: the name of the settings.
    recipe: String,
    /// This server's own: the alias that means the tuned model in the end.
    alias: Option<String>,
}

#[derive(Clone, Serialize, ToSchema)]
struct HyperparametersBody {
    n_epochs: usize,
    batch_size: usize,
    /// As it was asked for; `"auto"` where it was not.
    #[schema(schema_with = crate::http::reply::schema::number_or_auto)]
    learning_rate_multiplier: Value,
}

#[derive(Serialize, ToSchema)]
struct MethodBody {
    #[schema(example = "supervised")]
    r#type: &'static str,
    supervised: SupervisedBody,
}

#[derive(Serialize, ToSchema)]
struct SupervisedBody {
    hyperparameters: HyperparametersBody,
}

#[derive(Serialize, ToSchema)]
struct JobErrorBody {
    code: String,
    /// What happened, why, and what to do.
    message: String,
    param: Option<String>,
}

impl From<Job> for FineTuningJob {
    fn from(job: Job) -> Self {
        // A job of /jobs may have a benchmark too.
        let notes =
            job.openai.unwrap_or_else(|| OpenAiNotes { validation_file: job.benchmark_id, ..OpenAiNotes::default() });
        let hyperparameters = HyperparametersBody {
            n_epochs: job.config.settings.epochs,
            batch_size: job.config.settings.batch_size,
            learning_rate_multiplier: notes.learning_rate_multiplier.map_or("auto".into(), Value::from),
        };
        let progress = job.progress.filter(|_| job.status == Status::Running);
        let milliseconds_left = progress.map(|progress| (progress.seconds_remaining * 1000.0) as i64);
        Self {
            object: "fine_tuning.job",
            model: job.base_model,
            created_at: seconds(job.created_at),
            finished_at: job.finished_at.map(seconds),
            fine_tuned_model: (job.status == Status::Succeeded).then_some(job.name),
            organization_id: "local",
            result_files: Vec::new(),
            status: job.status,
            validation_file: notes.validation_file,
            training_file: job.dataset_id,
            hyperparameters: hyperparameters.clone(),
            trained_tokens: None,
            error: job.error.map(|error| JobErrorBody {
                code: error.code.clone(),
                message: format!("{} {}", error.message, error.hint),
                param: None,
            }),
            seed: job.config.settings.seed,
            estimated_finish: milliseconds_left.map(|left| seconds(now() + left)),
            method: MethodBody { r#type: "supervised", supervised: SupervisedBody { hyperparameters } },
            metadata: notes.metadata,
            integrations: Vec::new(),
            recipe: job.recipe,
            alias: job.alias,
            id: job.job_id,
        }
    }
}

/// Tune a model on a file of pairs. With an `Idempotency-Key` a repeated request gives the same job.
#[utoipa::path(post, path = "/v1/fine_tuning/jobs", tag = "OpenAI",
    params(Idempotency),
    request_body(content = CreateJobBody, example = json!({
        "model": "default", "training_file": "ds_01980f3e5c7a7d0e8a1b2c3d4e5f6071", "suffix": "occupations"
    })),
    responses(
        (status = 200, description = "The job, queued.", body = FineTuningJob),
        (status = 404, description = "There is no such model or file."),
        (status = 409, description = "A name is taken."),
        (status = 422, description = "Something that is asked for cannot be done."),
    ))]
pub(super) async fn create_fine_tuning_job(
    State(state): State<AppState>,
    caller: Caller,
    request: Request,
) -> Reply<FineTuningJob> {
    let key = idempotency_key(request.headers())?;
    let kind = content_type(request.headers());
    if kind != "application/json" {
        return Err(ApiError::media_type(&kind, "application/json"));
    }
    let bytes = extract::body(request, &state).await?;
    let idempotency = key.map(|key| (key, sha256([b"fine_tuning", &bytes[..]])));
    let body: CreateJobBody = extract::large_object(bytes).await?;
    if body.alias.is_some() {
        caller.require(Scope::Admin, "\"alias\"")?;
    }

    let settings = body.settings()?;
    let asked = Value::from(settings.config.clone());
    let wanted = create::settings(settings.recipe, RecipeFacts::default(), Some(&asked))?;
    wanted.check_ranges().map_err(|error| in_their_words(error.into()))?;
    let name = body.model_name()?;
    let model = resolve(&state, &body.model).await?;
    let dataset = datasets::find(&state, &body.training_file, "training_file").await?;
    let mut config = settings.config;
    if let Some(multiplier) = settings.learning_rate_multiplier {
        let table = dataset.facts(state.models.is_transformer(&model));
        let others = Value::from(config.clone());
        let usual = create::settings(settings.recipe, table, Some(&others))?;
        config.insert("learning_rate".to_owned(), json!(usual.learning_rate * multiplier));
    }
    let benchmark = match &body.validation_file {
        Some(id) => Some(Reference::known(benchmark(&state, id, &dataset).await?.dataset_id)),
        None => None,
    };
    let request = CreateBody {
        dataset_id: Some(Reference::known(dataset.dataset_id)),
        model: Some(Reference::known(model.model_id)),
        name,
        recipe: Some(settings.recipe),
        config: Some(config.into()),
        benchmark_id: benchmark,
        alias: body.alias,
        ..CreateBody::default()
    };
    let (mut request, _) = create::resolve_request(&state, request, None, idempotency, false).await?;
    request.caller = caller.of_jobs();
    request.openai = Some(OpenAiNotes {
        metadata: body.metadata,
        validation_file: body.validation_file.map(Reference::into_inner),
        learning_rate_multiplier: settings.learning_rate_multiplier,
    });
    let (job, _new) = state.queue.enqueue(request).await.map_err(in_their_words)?;
    Ok(axum::Json(job.into()))
}

/// An error about a setting names it as the client did.
fn in_their_words(error: QueueError) -> ApiError {
    let theirs = match &error {
        QueueError::Config(crate::ml::Error::Config { field: "epochs", .. }) => Some("n_epochs"),
        QueueError::Config(crate::ml::Error::Config { field: "batch_size", .. }) => Some("batch_size"),
        QueueError::Config(crate::ml::Error::Config { field: "learning_rate", .. }) => Some("learning_rate_multiplier"),
        QueueError::NotForTraining(_) | QueueError::TooFewPairs { .. } => Some("training_file"),
        _ => None,
    };
    let error = ApiError::from(error);
    match theirs {
        Some(param) => error.param(param),
        None => error,
    }
}

/// The table that a validation file is measured as. A file that was sent for training is stored once more as
/// one that measures: it is read on its own scale then, and never trained on by this job.
async fn benchmark(state: &AppState, id: &str, training: &Dataset) -> Result<Dataset> {
    let file = datasets::find(state, id, "validation_file").await?;
    if file.sha256 == training.sha256 {
        return Err(ApiError::of(Code::ValidationFileIsTrainingFile).param("validation_file").detail(
            "The validation file is the training file: what a model learned from says nothing about what it knows.",
        ));
    }
    if file.purpose == Purpose::Benchmark {
        return Ok(file);
    }
    // The same columns, each score on its own scale.
    let mut choices = file.choices()?;
    (choices.scale, choices.lowest_means) = (None, None);
    let upload = Upload {
        table: state.datasets.receive_again(&file).await?,
        name: file.name,
        purpose: Purpose::Benchmark,
        choices,
        context: upload::inspect_context(state, false).await?,
        version_of: None,
    };
    let stored = state.datasets.add(upload).await;
    Ok(stored.map_err(|error| ApiError::of_table(error, "validation_file"))?.0)
}

/// `after`, `limit` and `metadata[key]`, whose key is a part of the parameter's name.
#[derive(Default)]
struct JobsQuery {
    after: Option<String>,
    limit: Option<OpenAiPage>,
    metadata: BTreeMap<String, String>,
}

impl JobsQuery {
    fn of(query: BTreeMap<String, String>) -> Result<Self> {
        let mut found = Self::default();
        for (name, value) in query {
            let key = name.strip_prefix("metadata[").and_then(|rest| rest.strip_suffix(']'));
            match (name.as_str(), key) {
                ("after", _) => found.after = Some(value),
                ("limit", _) => {
                    let number = value.parse().map_err(|_| "invalid type: string, expected usize".to_owned());
                    let limit = number.and_then(|number: u64| {
                        OpenAiPage::deserialize(number.into_deserializer())
                            .map_err(|error: serde::de::value::Error| error.to_string())
                    });
                    found.limit = Some(limit.map_err(|reason| extract::data_error(&reason, "limit"))?);
                }
                (_, Some(key)) => {
                    found.metadata.insert(key.to_owned(), value);
                }
                ("metadata", _) => {
                    let detail = format!("\"metadata={}\" names no key.", shown(&value));
                    return Err(ApiError::about(Code::WrongType, "metadata", detail).hint("Send metadata[key]=value."));
                }
                _ => return Err(ApiError::unknown_field(&name, &["after", "limit", "metadata"])),
            }
        }
        check_metadata(&found.metadata)?;
        Ok(found)
    }
}

/// List the jobs, the newest first.
#[utoipa::path(get, path = "/v1/fine_tuning/jobs", tag = "OpenAI",
    params(
        PageQuery,
        ("metadata" = inline(Option<Metadata>), Query, style = DeepObject, explode, description = "Only jobs with these pairs: `metadata[key]=value`."),
    ),
    responses(
        (status = 200, description = "A page of jobs.", body = Page<FineTuningJob>),
        (status = 404, description = "The page before ended with a job that is not there."),
        (status = 422, description = "A parameter's value cannot be used."),
    ))]
pub(super) async fn list_fine_tuning_jobs(
    State(state): State<AppState>,
    Query(query): Query<BTreeMap<String, String>>,
) -> Reply<Page<FineTuningJob>> {
    let query = JobsQuery::of(query)?;
    if let Some(after) = &query.after {
        let found = jobs::find(&state, after).await.map(|_| ());
        found.or_else(ApiError::unless_unreadable).map_err(|error| error.param("after"))?;
    }
    let limit = query.limit.unwrap_or(OpenAiPage::of(20)).size();
    let rows = state.store.jobs_page(query.after.as_deref(), &query.metadata, limit + 1).await?;
    Ok(axum::Json(Page::of_rows(rows, limit, |job: &FineTuningJob| &job.id)))
}

/// Tell of one job.
#[utoipa::path(get, path = "/v1/fine_tuning/jobs/{job_id}", tag = "OpenAI",
    params(("job_id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The job.", body = FineTuningJob),
        (status = 404, description = "There is no such job."),
    ))]
pub(super) async fn find_fine_tuning_job(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Reply<FineTuningJob> {
    Ok(axum::Json(jobs::find(&state, &id).await?.into()))
}

/// How long a cancellation waits for the trainer to end, so that the reply has the job's last status.
const END: Duration = Duration::from_secs(10);

/// End a job. A running one ends within seconds, and the reply waits for it.
#[utoipa::path(post, path = "/v1/fine_tuning/jobs/{job_id}/cancel", tag = "OpenAI",
    params(("job_id" = String, Path, description = "Its id.")),
    responses(
        (status = 200, description = "The job: `cancelled`, or still `running` where its trainer takes long to end.", body = FineTuningJob),
        (status = 404, description = "There is no such job."),
        (status = 409, description = "It was over already."),
    ))]
pub(super) async fn cancel_fine_tuning_job(
    State(state): State<AppState>,
    Path(id): Path<String>,
) -> Reply<FineTuningJob> {
    state.queue.cancel(&id).await?;
    Ok(axum::Json(jobs::find_when_over(&state, &id, END).await?.into()))
}

/// List what happened to a job, the newest first.
#[utoipa::path(get, path = "/v1/fine_tuning/jobs/{job_id}/events", tag = "OpenAI",
    params(("job_id" = String, Path, description = "Its id."), PageQuery),
    responses(
        (status = 200, description = "A page of events.", body = Page<FineTuningEvent>),
        (status = 404, description = "There is no such job."),
        (status = 422, description = "A parameter's value cannot be used, or the page before ended with an event that is not this job's."),
    ))]
pub(super) async fn list_fine_tuning_events(
    State(state): State<AppState>,
    Path(id): Path<String>,
    Query(query): Query<PageQuery>,
) -> Reply<Page<FineTuningEvent>> {
    let job = jobs::find(&state, &id).await?;
    let before = match query.after.as_deref() {
        Some(after) => Some(FineTuningEvent::seq(after, &job.job_id).ok_or_else(|| unknown_cursor(after))?),
        None => None,
    };
    let limit = query.limit.unwrap_or(OpenAiPage::of(20)).size();
    let rows = state.store.events_before(&job.job_id, before, limit + 1).await?;
    let events = rows.into_iter().map(|row| event(&job.job_id, row)).collect();
    Ok(axum::Json(Page::of(events, limit, |event: &FineTuningEvent| &event.id)))
}
