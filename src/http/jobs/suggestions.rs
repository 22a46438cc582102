//! What to label next: pairs whose answer would teach a tuned model most.

use std::collections::BTreeSet;

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::datasets::ShelfError;
use crate::http::auth::caller::Caller;
use crate::http::datasets::verdict::meaning;
use crate::http::embeddings::table_texts::{self, Embedded, Texts};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Path, Query};
use crate::http::models::find::resolve;
use crate::http::state::AppState;
use crate::http::{datasets, jobs};
use crate::jobs::model_id;
use crate::ml::dataset::stored::StoredPair;
use crate::ml::eval::baseline::{best_threshold, draw, scored_pairs};
use crate::ml::eval::suggest::{Known, Suggestion, Why, suggest};
use crate::ml::similarity::cosine;
use crate::store::{Dataset, Job, ModelRow, Status};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(suggest_pairs))
}

/// Texts that are put together; of more so many are drawn.
const MOST_TEXTS: usize = 3000;
/// Rows that their texts are drawn from.
const MOST_ROWS: usize = 20_000;
/// Rows on which the cut of a model without a calibration is found.
const CUT_ROWS: usize = 500;
/// Suggestions at once.
const MOST: usize = 200;
const SEED: u64 = 42;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
struct SuggestionsQuery {
    /// At most so many: 20 unless said, 200 at most.
    limit: Option<usize>,
    /// The dataset whose texts are put together; without one, that of the job.
    texts_of: Option<String>,
    /// Draws the texts of a large table: 42 unless said. Another seed, other texts.
    seed: Option<u64>,
}

/// Pairs to label.
#[derive(Serialize, ToSchema)]
struct Suggestions {
    /// The id of the tuned model.
    model: String,
    model_fingerprint: String,
    /// The id of its base; `null` where that is gone.
    base: Option<String>,
    /// The dataset whose texts were put together.
    texts_of: String,
    /// Different texts that were.
    texts: usize,
    /// Whether they were drawn from more: at most 3,000 are.
    sampled: bool,
    /// The cosine from which on the tuned model counts texts as alike; `null` where that is not known.
    cut: Option<f64>,
    /// The reasons in turn, each with what it finds best first.
    suggestions: Vec<SuggestedPair>,
}

/// A pair that nobody has labelled.
#[derive(Serialize, ToSchema)]
struct SuggestedPair {
    left: String,
    right: String,
    /// The tuned model's cosine.
    similarity: f64,
    /// The base's; `null` where that is gone.
    base_similarity: Option<f64>,
    /// Where the model has a calibration: the similarity on its training table's scale, as `/similarity` tells it.
    probability: Option<f64>,
    why: Why,
    /// The same in words.
    message: String,
}

/// Suggest pairs to label next.
///
/// Pairs of texts that nobody has labelled and whose answer would teach the tuned model most: it is undecided, or says
/// something else than its base, or finds texts alike that were never paired.
#[utoipa::path(get, path = "/jobs/{id}/suggestions", tag = "Training",
    params(("id" = String, Path, description = "The job's id."), SuggestionsQuery),
    responses((status = 200, description = "The pairs.", body = Suggestions),
        (status = 404, description = "There is no such job or dataset, or its model was removed."),
        (status = 409, description = "The job has made no model."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now.")))]
async fn suggest_pairs(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<SuggestionsQuery>,
) -> Result<axum::Json<Suggestions>> {
    let limit = query.limit.unwrap_or(20).min(MOST);
    let job = jobs::find(&state, &id).await?;
    if job.status != Status::Succeeded {
        return Err(not_succeeded(&job));
    }
    let learned = datasets::find(&state, &job.dataset_id, "id").await?;
    let source = match &query.texts_of {
        Some(other) => datasets::find(&state, other, "texts_of").await?,
        None => learned.clone(),
    };
    let tuned = resolve(&state, &model_id(&job.job_id)).await?;
    let base = state.models.find(&job.base_model).await?;
    let (texts, sampled) = texts(&state, &source, query.seed.unwrap_or(SEED)).await?;
    let (texts, labelled) = labelled(&state, &learned, texts).await?;
    let now = table_texts::embed(&state, &caller, &tuned, &texts.texts).await?;
    let before = match &base {
        Some(base) => Some(table_texts::embed(&state, &caller, base, &texts.texts).await?),
        None => None,
    };
    let calibration = now.model.calibration.clone();
    let cut = match calibration.as_ref().and_then(|known| known.middle().map(|cut| (known, cut))) {
        Some((known, cut)) => Some(known.measure.to_cosine(cut.best_f1.similarity)),
        None => found_cut(&state, &caller, &learned, &tuned).await?,
    };
    let work = move || {
        let base = before.as_ref().map(|before: &Embedded| before.vectors.as_slice());
        let count = texts.texts.len();
        let known = Known { tuned: &now.vectors, base, texts: count, threshold: cut, labelled: &labelled };
        (suggest(&known, limit), texts)
    };
    let (found, texts) = table_texts::compute(work).await?;
    let told = |suggestion: Suggestion| SuggestedPair {
        left: texts.texts[suggestion.left].clone(),
        right: texts.texts[suggestion.right].clone(),
        similarity: suggestion.similarity,
        base_similarity: suggestion.base,
        probability: calibration.as_ref().map(|known| known.score(known.measure.of_cosine(suggestion.similarity))),
        why: suggestion.why,
        message: message(&suggestion, cut),
    };
    Ok(axum::Json(Suggestions {
        model: tuned.model_id,
        model_fingerprint: tuned.fingerprint,
        base: base.map(|base| base.model_id),
        texts_of: source.dataset_id,
        texts: texts.texts.len(),
        sampled,
        cut,
        suggestions: found.into_iter().map(told).collect(),
    }))
}

fn not_succeeded(job: &Job) -> ApiError {
    let (detail, hint) = if job.status.is_terminal() {
        ("The job ended without a model, so nothing can be suggested.", "Name a job that has succeeded.")
    } else {
        ("The job has made no model yet.", "Ask again when its status is succeeded; GET /jobs/{id}?wait=60 waits.")
    };
    ApiError::of(Code::JobNotSucceeded).detail(detail).hint(hint)
}

/// A table's different texts, drawn where they are many, and whether they were.
async fn texts(state: &AppState, dataset: &Dataset, seed: u64) -> Result<(Texts, bool)> {
    let (rows, total) = table_texts::drawn(state, dataset, MOST_ROWS, seed).await?;
    let mut sampled = total > rows.len();
    let mut all = Texts::default();
    for StoredPair { pair, .. } in &rows {
        for text in [Some(&pair.left), Some(&pair.right), pair.negative.as_ref()].into_iter().flatten() {
            all.add(text);
        }
    }
    if all.texts.len() > MOST_TEXTS {
        sampled = true;
        let (drawn, _) = draw(std::mem::take(&mut all).texts.into_iter(), MOST_TEXTS, seed);
        drawn.iter().for_each(|text| {
            all.add(text);
        });
    }
    Ok((all, sampled))
}

/// The pairs of texts that the job's table has already.
async fn labelled(state: &AppState, dataset: &Dataset, texts: Texts) -> Result<(Texts, BTreeSet<(usize, usize)>)> {
    let among = move |pairs: &mut dyn Iterator<Item = std::result::Result<StoredPair, ShelfError>>| {
        let mut labelled = BTreeSet::new();
        for row in pairs {
            let pair = row?.pair;
            let Some(left) = texts.place(&pair.left) else { continue };
            for right in [Some(&pair.right), pair.negative.as_ref()].into_iter().flatten() {
                if let Some(right) = texts.place(right) {
                    labelled.insert((left.min(right), left.max(right)));
                }
            }
        }
        Ok((texts, labelled))
    };
    table_texts::over_pairs(state, dataset, among).await
}

/// Where a model without a calibration tells the related pairs of its own table from the others.
async fn found_cut(state: &AppState, caller: &Caller, dataset: &Dataset, row: &ModelRow) -> Result<Option<f64>> {
    let (rows, _) = table_texts::drawn(state, dataset, CUT_ROWS, SEED).await?;
    let pairs = scored_pairs(&rows, dataset.kind);
    let mut texts = Texts::default();
    let places: Vec<(usize, usize)> =
        pairs.iter().map(|pair| (texts.add(&pair.left), texts.add(&pair.right))).collect();
    let embedded = table_texts::embed(state, caller, row, &texts.texts).await?;
    let cosines: Vec<f64> =
        places.iter().map(|&(left, right)| cosine(embedded.vector(left), embedded.vector(right))).collect();
    Ok(best_threshold(&pairs, &cosines, meaning(dataset)))
}

fn message(suggestion: &Suggestion, cut: Option<f64>) -> String {
    let now = suggestion.similarity;
    match (suggestion.why, suggestion.base, cut) {
        (Why::Undecided, _, Some(cut)) => {
            format!("The model is undecided: it says {now:.2}, and counts texts as alike from {cut:.2} on.")
        }
        (Why::Undecided, ..) => format!("The model is undecided: it says {now:.2}."),
        (Why::Disagreement, Some(base), _) => {
            format!("Training moved this pair from {base:.2} to {now:.2}. Is that right?")
        }
        (Why::Disagreement, None, _) => format!("Training moved this pair to {now:.2}. Is that right?"),
        (Why::UnknownNeighbour, ..) => {
            format!("The model finds these alike ({now:.2}), and no row of the table has them both. Is that right?")
        }
    }
}
