//! `POST /jobs`: a job begins.

use axum::extract::{Request, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::Value;
use utoipa::IntoParams;

use crate::bounds::{CELLS, Reference, Title, Titles};
use crate::datasets::PairsDraft;
use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::datasets::json_body::{self, SentPairs};
use crate::http::datasets::options::{self, DatasetMeta, OptionsBody};
use crate::http::datasets::table::Table;
use crate::http::datasets::upload;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::idempotency::{Idempotency, idempotency_key, sha256};
use crate::http::extract::{self, Query, content_type, names};
use crate::http::jobs::body::{CreateBody, CreateForm, JobBody, JobOrEstimate};
use crate::http::models::find::resolve_or_default;
use crate::http::state::AppState;
use crate::jobs::{Plan, QueueError};
use crate::keys::Scope;
use crate::ml::eval::TITLES;
use crate::ml::train::{Recipe, RecipeFacts, TrainConfig};
use crate::registry::Named;
use crate::store::{Dataset, JobCaller, JobRequest};

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct CreateQuery {
    /// Only say what the job would take.
    #[serde(default)]
    dry_run: bool,
}

/// Tune a model.
///
/// 202 and where to watch. With an `Idempotency-Key` a repeated request gives the same job, as 200. With
/// `?dry_run=true` nothing is queued or kept, and the answer is what it would take.
#[utoipa::path(
    post,
    path = "/jobs",
    tag = "Training",
    params(
        CreateQuery,
        Idempotency,
    ),
    request_body(content(
        (CreateBody = "application/json", example = json!({
            "dataset_id": "ds_01980f3e5c7a7d0e8a1b2c3d4e5f6071", "name": "occupations", "config": { "epochs": 5 }
        })),
        (CreateForm = "multipart/form-data"),
    )),
    responses(
        (status = 202, description = "The job waits for its turn.", body = JobBody,
            headers(("Location" = String, description = "The job's path."))),
        (status = 200, description = "What the job would take; or the job that an earlier request made.", body = JobOrEstimate),
        (status = 404, description = "The model or a dataset is not there."),
        (status = 409, description = "The name is taken."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
pub(crate) async fn create_job(
    State(state): State<AppState>,
    Query(query): Query<CreateQuery>,
    caller: Caller,
    request: Request,
) -> Result<Response> {
    let key = idempotency_key(request.headers())?;
    let (body, file, request_sha256) = match content_type(request.headers()).as_str() {
        "application/json" => {
            let mut body = json_body::read(&state, request.into_body()).await?;
            let hash = std::mem::take(&mut body.sha256);
            (CreateBody::of_json(body)?, None, hash)
        }
        "multipart/form-data" => {
            let (file, parts) = upload::form(&state, request).await?;
            let of_file = file.as_ref().map_or("", |file| &file.received.sha256);
            let fields = parts.iter().flat_map(|part| [part.name.as_bytes(), &part.bytes[..]]);
            let hash = sha256(fields.chain([of_file.as_bytes()]));
            (CreateBody::of_form(parts)?, file, hash)
        }
        other => return Err(ApiError::media_type(other, "application/json or multipart/form-data")),
    };
    body.only_known()?;
    if body.alias.is_some() {
        caller.require(Scope::Admin, "\"alias\"")?;
    }
    let idempotency = key.map(|key| (key, request_sha256));
    let (mut request, _draft) = resolve_request(&state, body, file, idempotency, query.dry_run).await?;
    request.caller = caller.of_jobs();
    if query.dry_run {
        return match state.planner.plan(&request).await? {
            Plan::Feasible(estimate) => Ok(axum::Json(estimate).into_response()),
            Plan::Failed { error } => Err(ApiError::infeasible(error)),
        };
    }
    let (job, new) = state.queue.enqueue(request).await?;
    let location = [(header::LOCATION, format!("/jobs/{}", job.job_id))];
    let status = if new { StatusCode::ACCEPTED } else { StatusCode::OK };
    Ok((status, location, axum::Json(JobBody::one(&state, job).await?)).into_response())
}

/// A setting of what is held out has no effect where a table of its own validates.
fn holds_nothing_out(config: Option<&Value>) -> Result<()> {
    match ["validation_split", "split"].into_iter().find(|field| config.is_some_and(|config| config.get(field).is_some())) {
        None => Ok(()),
        Some(field) => Err(ApiError::about(
            Code::ConfigNotUsable,
            format!("config.{field}"),
            format!("{field} says what is held out of the table, and validation_id names a table that validates: nothing is held out."),
        )
        .hint("Leave one of the two out.")),
    }
}

/// Finds what a request names, and stores the table that it brings; for a dry run, its pairs are there for as long as
/// the draft lives.
pub(crate) async fn resolve_request(
    state: &AppState,
    body: CreateBody,
    file: Option<Table>,
    idempotency: Option<(String, String)>,
    dry_run: bool,
) -> Result<(JobRequest, Option<PairsDraft>)> {
    for (name, param, of) in [(&body.name, "name", Named::Model), (&body.alias, "alias", Named::Alias)] {
        if let Some(name) = name {
            names::check(name, param, of)?;
        }
    }
    if body.alias_if.is_some() && body.alias.is_none() {
        return Err(ApiError::of(Code::AliasMissing).param("alias_if"));
    }
    let recipe = body.recipe.unwrap_or_default();
    // Wrong settings are told before a table is stored; what a recipe is depends on the table.
    let wanted_settings = settings(recipe, RecipeFacts::default(), body.config.as_ref())?;
    wanted_settings.check_ranges().map_err(QueueError::from)?;
    let titles = titles(body.titles);
    heatmaps(&titles, wanted_settings.epochs)?;
    let model = resolve_or_default(state, body.model.as_deref()).await?;
    let table = async |id: Option<&str>, param| match id {
        Some(id) => datasets::find(state, id, param).await.map(Some),
        None => Ok(None),
    };
    let benchmark = body.benchmark_id.as_deref().or(state.limits.default_benchmark.as_deref());
    let benchmark = table(benchmark, "benchmark_id").await?;
    let replay = table(body.replay_id.as_deref(), "replay_id").await?;
    let validation = table(body.validation_id.as_deref(), "validation_id").await?;
    if validation.is_some() {
        holds_nothing_out(body.config.as_ref())?;
    }
    let wanted = options::read(&body.reading)?;
    let (dataset, draft) = dataset(state, body.dataset_id, body.pairs, file, wanted, dry_run).await?;
    let config = settings(recipe, dataset.facts(state.models.is_transformer(&model)), body.config.as_ref())?;
    let request = JobRequest {
        model,
        dataset,
        benchmark,
        replay,
        validation,
        name: body.name,
        recipe: tables::choices::name_of(&recipe),
        config,
        titles,
        alias: body.alias,
        alias_if: body.alias_if,
        idempotency,
        openai: None,
        caller: JobCaller::default(),
    };
    Ok((request, draft))
}

/// The recipe's settings with the request's in their place.
pub(crate) fn settings(recipe: Recipe, table: RecipeFacts, others: Option<&Value>) -> Result<TrainConfig> {
    let none = serde_json::Map::new();
    let others = match others {
        None => &none,
        Some(Value::Object(others)) => others,
        Some(_) => {
            return Err(ApiError::about(Code::WrongType, "config", "\"config\" is no object.")
                .hint("Send {\"epochs\": 20, ..}."));
        }
    };
    let bytes = recipe.settings(table, others).to_string();
    extract::parse(bytes.as_bytes()).map_err(|error: ApiError| error.within("config"))
}

fn titles(titles: Option<Titles>) -> Vec<String> {
    let given = titles.map(|titles| titles.into_inner().into_iter().map(Title::into_inner).collect());
    given.unwrap_or_else(|| TITLES.map(str::to_owned).to_vec())
}

/// Refuses heatmaps that would fill the database.
fn heatmaps(titles: &[String], epochs: usize) -> Result<()> {
    let cells = epochs * titles.len().pow(2);
    if cells <= CELLS {
        return Ok(());
    }
    let what = format!("{} titles in each of {epochs} epochs make {cells} cells, which is above {CELLS}", titles.len());
    Err(ApiError::out_of_range("titles", &what).hint("Send fewer titles, or fewer epochs."))
}

/// The table to learn; of a dry run, one that is new is not stored.
async fn dataset(
    state: &AppState,
    id: Option<Reference>,
    pairs: Option<SentPairs>,
    file: Option<Table>,
    mut wanted: OptionsBody,
    dry_run: bool,
) -> Result<(Dataset, Option<PairsDraft>)> {
    let table = match (id, pairs, file) {
        (Some(_), None, None) if wanted != OptionsBody::default() => {
            return Err(ApiError::of(Code::FormUnclear)
                .param("dataset_id")
                .detail("The dataset is there already, and was read as its \"choices\" say.")
                .hint("Send its file with the new choices to POST /datasets, and name the dataset that this makes."));
        }
        (Some(id), None, None) => return Ok((datasets::find(state, &id, "dataset_id").await?, None)),
        (None, Some(pairs), None) => {
            wanted.header = wanted.header.or(pairs.header);
            pairs.table
        }
        (None, None, Some(file)) => file,
        (None, None, None) => {
            return Err(ApiError::about(Code::MissingField, "dataset_id", "There is nothing to learn.")
                .hint("Send \"dataset_id\", \"pairs\", or a form with the table as the part \"file\"."));
        }
        _ => {
            return Err(ApiError::of(Code::FormUnclear)
                .param("dataset_id")
                .detail("More than one of a dataset, pairs and a file are given.")
                .hint("Send one of them."));
        }
    };
    if dry_run {
        let part = table.part;
        let upload = upload::upload_of(state, table, DatasetMeta::default(), wanted).await?;
        return state.datasets.try_out(upload).await.map_err(|error| ApiError::of_table(error, part));
    }
    Ok((upload::store(state, table, DatasetMeta::default(), wanted, None).await?.0, None))
}
