//! The nearest texts of a table, as one model or several see them.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use tokio::sync::Mutex;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::embeddings::texts::{self, Reading};
use crate::http::embeddings::{several, text_list};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::Query;
use crate::http::models::compare::Answering;
use crate::http::models::find::resolve;
use crate::http::state::AppState;
use crate::ml::similarity::cosine;
use crate::registry::DEFAULT_ALIAS;
use crate::store::{Dataset, ModelRow};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(list_neighbours))
}

/// Different texts of a table that are searched: the first ones.
const MOST_TEXTS: usize = 5000;
/// Texts that are embedded at once, so that other requests come in between.
const AT_ONCE: usize = 256;
/// Tables, each with one model's vectors, that are kept.
const KEPT: usize = 4;
/// Neighbours that are told.
const MOST_NEIGHBOURS: usize = 50;

/// A table's texts and one model's vectors of them.
struct Neighbourhood {
    /// The model's fingerprint and the table's SHA-256.
    key: (String, String),
    texts: Vec<String>,
    vectors: Vec<Vec<f32>>,
    /// Different texts in the table.
    total: usize,
}

/// The vectors of tables whose texts were searched lately, the last one first. Held while one is made: the same
/// table is embedded once.
#[derive(Default)]
pub struct Neighbourhoods(Mutex<VecDeque<Arc<Neighbourhood>>>);

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
struct NeighboursQuery {
    /// The text whose neighbours are looked for.
    text: String,
    /// A model's id, name or alias; without one, the alias `default`.
    model: Option<String>,
    /// Two to four models with commas between; `base` is the base of the others.
    models: Option<String>,
    /// How many, 1 to 50; without it, 10.
    k: Option<usize>,
    /// The table to search, by its id; without it, the one that the first tuned model learned from.
    dataset: Option<String>,
}

/// The nearest texts of a table.
#[derive(Serialize, ToSchema)]
struct Neighbours {
    text: String,
    dataset_id: String,
    dataset_name: String,
    /// Different texts of the table that were searched, the first 5,000 at most.
    searched: usize,
    /// Different texts of the table.
    total: usize,
    /// In the order of the request.
    models: Vec<OfModel>,
}

#[derive(Serialize, ToSchema)]
struct OfModel {
    #[serde(flatten)]
    model: Answering,
    /// The nearest first; of equally near ones the first of the table.
    neighbours: Vec<Neighbour>,
}

#[derive(Serialize, ToSchema)]
struct Neighbour {
    text: String,
    /// The cosine.
    score: f64,
    /// Behind the first of several models: by how many places it rose (or, negative, fell) against that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank_change: Option<i64>,
}

/// The texts of a model's training table that are nearest to a text, as one model or several see them.
#[utoipa::path(get, path = "/neighbours", tag = "Models", params(NeighboursQuery),
    responses((status = 200, description = "The nearest texts.", body = Neighbours), (status = 404, description = "There is no such model or dataset."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now."),
        (status = 422, description = "There is no table to search, or a field cannot be used.")))]
async fn list_neighbours(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<NeighboursQuery>,
) -> Result<axum::Json<Neighbours>> {
    let k = query.k.unwrap_or(10);
    if !(1..=MOST_NEIGHBOURS).contains(&k) {
        let detail = format!("{k} neighbours were asked for.");
        return Err(ApiError::of(Code::KOutOfRange)
            .param("k")
            .detail(detail)
            .hint(format!("Ask for 1 to {MOST_NEIGHBOURS}.")));
    }
    let text = text_list::texts(&Value::from(query.text.as_str()), "text")?;
    let models = models(&state, &query).await?;
    let dataset = table(&state, &query, &models).await?;
    let mut of_models = Vec::new();
    let mut first_ranks: Option<Vec<usize>> = None;
    let (mut searched, mut total) = (0, 0);
    for row in &models {
        let known = neighbourhood(&state, &caller, row, &dataset).await?;
        let asked = texts::embed_with(&state, &caller, row, text.clone(), Reading::default()).await?;
        (searched, total) = (known.texts.len(), known.total);
        let mut scores: Vec<f64> = known.vectors.iter().map(|vector| cosine(&asked.vectors[0], vector)).collect();
        // A text is no neighbour of itself.
        if let Some(itself) = known.texts.iter().position(|text| *text == query.text) {
            scores[itself] = f64::NEG_INFINITY;
        }
        let mut order: Vec<usize> = (0..scores.len()).collect();
        order.sort_by(|&a, &b| scores[b].total_cmp(&scores[a]));
        let near = order.iter().enumerate().take(k).filter(|(_, place)| scores[**place].is_finite());
        let near = near.map(|(rank, &place)| Neighbour {
            text: known.texts[place].clone(),
            score: scores[place],
            rank_change: first_ranks.as_ref().map(|first| first[place] as i64 - rank as i64),
        });
        of_models.push(OfModel { model: Answering::from(row), neighbours: near.collect() });
        first_ranks.get_or_insert_with(|| {
            let mut ranks = vec![0; order.len()];
            order.iter().enumerate().for_each(|(rank, &place)| ranks[place] = rank);
            ranks
        });
    }
    Ok(axum::Json(Neighbours {
        text: query.text,
        dataset_id: dataset.dataset_id,
        dataset_name: dataset.name,
        searched,
        total,
        models: of_models,
    }))
}

async fn models(state: &AppState, query: &NeighboursQuery) -> Result<Vec<ModelRow>> {
    match (&query.model, &query.models) {
        (Some(_), Some(_)) => Err(ApiError::of(Code::FormUnclear)
            .param("models")
            .detail("Both \"model\" and \"models\" are given.")
            .hint("Send one of them.")),
        (_, Some(models)) => {
            let wanted: Vec<String> = models.split(',').map(|name| name.trim().to_owned()).collect();
            several::find(state, &wanted).await
        }
        (model, None) => Ok(vec![resolve(state, model.as_deref().unwrap_or(DEFAULT_ALIAS)).await?]),
    }
}

/// The table to search.
async fn table(state: &AppState, query: &NeighboursQuery, models: &[ModelRow]) -> Result<Dataset> {
    if let Some(id) = &query.dataset {
        return datasets::find(state, id, "dataset").await;
    }
    let Some(job_id) = models.iter().find_map(|row| row.job_id.as_ref()) else {
        return Err(ApiError::of(Code::DatasetMissing).param("dataset"));
    };
    let job = crate::http::jobs::find(state, job_id).await?;
    datasets::find(state, &job.dataset_id, "dataset").await
}

/// A table's texts with a model's vectors, from the last time where they are kept.
async fn neighbourhood(
    state: &AppState,
    caller: &Caller,
    row: &ModelRow,
    dataset: &Dataset,
) -> Result<Arc<Neighbourhood>> {
    let key = (row.fingerprint.clone(), dataset.dataset_id.clone());
    let mut kept = state.neighbourhoods.0.lock().await;
    if let Some(place) = kept.iter().position(|known| known.key == key)
        && let Some(known) = kept.remove(place)
    {
        kept.push_front(Arc::clone(&known));
        return Ok(known);
    }
    let (texts, total) = different_texts(state, dataset).await?;
    let mut vectors = Vec::with_capacity(texts.len());
    for some in texts.chunks(AT_ONCE) {
        vectors.extend(texts::embed_with(state, caller, row, some.to_vec(), Reading::default()).await?.vectors);
    }
    let made = Arc::new(Neighbourhood { key, texts, vectors, total });
    kept.push_front(Arc::clone(&made));
    kept.truncate(KEPT);
    Ok(made)
}

/// A table's first different texts, in its order, and how many there are in all.
async fn different_texts(state: &AppState, dataset: &Dataset) -> Result<(Vec<String>, usize)> {
    let pairs = state.datasets.pairs(dataset, 0, usize::MAX).await?;
    let mut seen = BTreeSet::new();
    let all = pairs.into_iter().flat_map(|pair| [Some(pair.left), Some(pair.right), pair.negative]).flatten();
    let mut different: Vec<String> = all.filter(|text| seen.insert(text.clone())).collect();
    let total = different.len();
    different.truncate(MOST_TEXTS);
    Ok((different, total))
}
