//! "Do you need to train at all?": what a model says of a table's pairs before it has learned any of them.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use axum::extract::State;
use serde::{Deserialize, Serialize};
use tokio::sync::OnceCell;
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::embeddings::table_texts::{self, Texts};
use crate::http::error::Result;
use crate::http::extract::{Path, Query};
use crate::http::models::find::resolve;
use crate::http::state::AppState;
use crate::ml::dataset::TableKind;
use crate::ml::dataset::reading::LowestMeans;
use crate::ml::eval::baseline::{self, Baseline, scored_pairs};
use crate::ml::similarity::cosine;
use crate::registry::DEFAULT_ALIAS;
use crate::store::{Dataset, ModelRow};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(judge_need))
}

/// Pairs that a model is asked about: a correlation of so many is known within 0.02.
const MOST_PAIRS: usize = 2000;
/// Draws the same pairs each time.
const SEED: u64 = 42;
/// Verdicts that are kept.
const KEPT: usize = 64;

/// The dataset's id and the model's fingerprint.
type Key = (String, String);

/// Verdicts that were asked for lately, the last one first. A verdict is computed once, however many wait for it.
#[derive(Default)]
pub struct Verdicts(Mutex<VecDeque<(Key, Arc<OnceCell<Baseline>>)>>);

impl Verdicts {
    /// The place of a verdict, made or to be made.
    fn place(&self, key: &Key) -> Arc<OnceCell<Baseline>> {
        // Nothing panics while it holds the lock.
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let known = kept.iter().position(|(known, _)| known == key).and_then(|place| kept.remove(place));
        let entry = known.unwrap_or_else(|| (key.clone(), Arc::default()));
        let cell = Arc::clone(&entry.1);
        kept.push_front(entry);
        kept.truncate(KEPT);
        cell
    }
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct VerdictQuery {
    /// The model that is asked: an id, name or alias; without one, the alias `default`.
    base: Option<String>,
}

/// Whether a table's pairs need training, and the figures that say so.
#[derive(Serialize, ToSchema)]
#[schema(as = DatasetVerdict)]
struct VerdictBody {
    dataset_id: String,
    /// The id of the model that was asked.
    model: String,
    model_fingerprint: String,
    /// What the table's lowest score means; `null` where nobody said.
    lowest_means: Option<LowestMeans>,
    /// Rows that the model was asked about.
    pairs: usize,
    /// Whether these were drawn from more: at most 2,000 are asked.
    sampled: bool,
    #[serde(flatten)]
    need: Baseline,
}

/// Ask whether a table needs training at all.
///
/// A model that has not learned from the table says how alike its pairs are. Where it says what the scores say, there
/// is little to learn; the rows where it does not are told: they are what training would teach, or mistakes.
#[utoipa::path(get, path = "/datasets/{id}/verdict", tag = "Data",
    params(("id" = String, Path, description = "The dataset's id."), VerdictQuery),
    responses((status = 200, description = "The verdict and its figures.", body = VerdictBody),
        (status = 404, description = "There is no such dataset or model."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now.")))]
async fn judge_need(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<VerdictQuery>,
) -> Result<axum::Json<VerdictBody>> {
    let dataset = datasets::find(&state, &id, "id").await?;
    let row = resolve(&state, query.base.as_deref().unwrap_or(DEFAULT_ALIAS)).await?;
    let key = (dataset.dataset_id.clone(), row.fingerprint.clone());
    let cell = state.verdicts.place(&key);
    let need = cell.get_or_try_init(|| judge(&state, &caller, &dataset, &row)).await?.clone();
    let rows = dataset.rows as usize;
    Ok(axum::Json(VerdictBody {
        dataset_id: dataset.dataset_id.clone(),
        model: row.model_id,
        model_fingerprint: row.fingerprint,
        lowest_means: dataset.lowest_means,
        pairs: rows.min(MOST_PAIRS),
        sampled: rows > MOST_PAIRS,
        need,
    }))
}

/// What the lowest score of a table means to a model: a table without scores has 1 for what belongs together and 0
/// for what does not.
pub(crate) fn meaning(dataset: &Dataset) -> Option<LowestMeans> {
    match dataset.kind {
        TableKind::PairPositive | TableKind::Triplet => Some(LowestMeans::Unrelated),
        TableKind::PairScore | TableKind::PairClass => dataset.lowest_means,
    }
}

async fn judge(state: &AppState, caller: &Caller, dataset: &Dataset, row: &ModelRow) -> Result<Baseline> {
    let (pairs, _) = table_texts::drawn(state, dataset, MOST_PAIRS, SEED).await?;
    let pairs = scored_pairs(&pairs, dataset.kind);
    let mut texts = Texts::default();
    let places: Vec<(usize, usize)> =
        pairs.iter().map(|pair| (texts.add(&pair.left), texts.add(&pair.right))).collect();
    let embedded = table_texts::embed(state, caller, row, &texts.texts).await?;
    let meaning = meaning(dataset);
    let work = move || {
        let base: Vec<f64> = places.iter().map(|&(a, b)| cosine(embedded.vector(a), embedded.vector(b))).collect();
        baseline::check(&pairs, &base, meaning)
    };
    table_texts::compute(work).await
}
