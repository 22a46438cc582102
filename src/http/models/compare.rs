//! Base against tuned: what the job measured, and the same for texts of one's own.

use axum::extract::State;
use axum::response::{IntoResponse, Response};
use serde_json::Value;
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::{ArrayBuilder, Schema};
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::analysis::compare::Comparison;
use crate::bounds::{COMPARED, Reference};
use crate::http::auth::caller::Caller;
use crate::http::embeddings::text_list;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::Query;
use crate::http::models::find::{resolve, resolve_id, resolve_or_default};
use crate::http::reply::schema;
use crate::http::state::AppState;
use crate::keys::Scope;
use crate::ml::eval::TITLES;
use crate::registry::ModelRegistry;

const PARAMETERS: [&str; 3] = ["base", "tuned", "text"];

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "describes a query that is read by hand")]
struct CompareQuery {
    /// Without it, the tuned model's base.
    #[param(inline)]
    base: Option<Reference>,
    /// Without it, the alias `default`.
    #[param(inline)]
    tuned: Option<Reference>,
    /// Two to fifty texts; without them, the titles of the job's report, or for a key without the scope `train` the usual ones.
    #[param(inline)]
    text: Option<Compared>,
}

/// Texts that are compared with each other.
struct Compared;

impl PartialSchema for Compared {
    fn schema() -> RefOr<Schema> {
        let (least, most) = COMPARED.into_inner();
        ArrayBuilder::new().items(schema::text()).min_items(Some(least)).max_items(Some(most)).build().into()
    }
}

impl ToSchema for Compared {}

/// What the query asks for.
#[derive(Default)]
struct Asked {
    base: Option<String>,
    tuned: Option<String>,
    texts: Vec<String>,
}

/// A base and a tuned model side by side: the cosines of texts, and what the job measured.
#[utoipa::path(get, path = "/compare", tag = "Models",
    params(CompareQuery),
    responses((status = 200, description = "Both models' cosines.", body = Comparison), (status = 404, description = "There is no such model."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now."),
        (status = 422, description = "There is nothing to compare, or a text cannot be used.")))]
pub(super) async fn compare(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<Vec<(String, String)>>,
) -> Result<Response> {
    let Asked { base, tuned, texts } = asked(query)?;
    let trains = caller.may(Scope::Train);
    let tuned = resolve_or_default(&state, tuned.as_deref()).await?;
    let base = match base.as_deref() {
        Some(base) => resolve(&state, base).await?,
        None => resolve_id(&state, ModelRegistry::root(&tuned)).await?,
    };
    if base.model_id == tuned.model_id {
        return Err(ApiError::of(Code::NothingToCompare)
            .param("tuned")
            .detail(format!("{} would be compared with itself.", tuned.name)));
    }
    let job = match &tuned.job_id {
        Some(job) => state.store.job(job).await?,
        None => None,
    };
    let texts = match (texts.is_empty(), &job) {
        (false, _) => text_list::texts(&Value::from(texts), "text")?,
        // The job's titles, and the pairs that moved, are texts of those who may train.
        (true, Some(job)) if trains => job.titles.clone(),
        (true, _) => TITLES.map(str::to_owned).into(),
    };
    let mut report = match &job {
        Some(job) => state.store.report(&job.job_id).await?,
        None => None,
    };
    if let Some(Value::Object(report)) = report.as_mut().filter(|_| !trains) {
        report.retain(|part, _| part == "verdict");
    }
    let models = [&base, &tuned];
    let compared = state.analysis.compare(models, texts, report.as_ref(), caller.key.as_ref()).await?;
    let took = [("x-compute-tokens", compared.tokens.to_string())];
    Ok((took, axum::Json(compared)).into_response())
}

/// A query in which a name may stand several times.
fn asked(query: Vec<(String, String)>) -> Result<Asked> {
    let mut asked = Asked::default();
    for (name, value) in query {
        match name.as_str() {
            "base" => asked.base = Some(value),
            "tuned" => asked.tuned = Some(value),
            "text" => asked.texts.push(value),
            other => return Err(ApiError::unknown_field(other, &PARAMETERS)),
        }
    }
    if !asked.texts.is_empty() && !COMPARED.contains(&asked.texts.len()) {
        let (least, most) = COMPARED.into_inner();
        let what = format!("a list of {} is outside {least} to {most}", asked.texts.len());
        let hint = "Send ?text=..&text=..; without any, the titles of the job's report are compared.";
        return Err(ApiError::out_of_range("text", &what).hint(hint));
    }
    Ok(asked)
}
