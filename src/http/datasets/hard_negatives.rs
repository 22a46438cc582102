//! From pairs to triplets: texts that a model finds near and that do not belong.

use std::collections::HashSet;

use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;

use crate::datasets::{Around, ShelfError, Upload};
use crate::http::auth::caller::Caller;
use crate::http::datasets;
use crate::http::datasets::verdict::meaning;
use crate::http::embeddings::table_texts::{self, Texts};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Json, Path, names};
use crate::http::models::find::resolve;
use crate::http::state::AppState;
use crate::ml::dataset::TableKind;
use crate::ml::dataset::reading::{Choices, Column, Mapping};
use crate::ml::dataset::source::{Encoding, FileFormat, ReadAs};
use crate::ml::dataset::stored::StoredPair;
use crate::ml::eval::baseline::{ScoredPair, related, scored_pairs};
use crate::ml::eval::mining::{Found, Mining, groups, hard_negatives};
use crate::registry::DEFAULT_ALIAS;
use crate::store::{Dataset, Purpose};

pub(crate) fn router() -> OpenApiRouter<AppState> {
    OpenApiRouter::new().routes(routes!(mine_negatives))
}

/// Rows that are looked at; of a larger table so many are drawn.
const MOST_PAIRS: usize = 5000;
/// Draws the same rows each time.
const SEED: u64 = 42;
/// Negatives for each pair.
const MOST_PER_TEXT: usize = 10;

#[derive(Deserialize, ToSchema)]
#[schema(as = MineNegatives)]
#[serde(deny_unknown_fields)]
struct MineBody {
    /// The model that says what is near: an id, name or alias; without one, the alias `default`.
    model: Option<String>,
    /// Negatives for each text and one that belongs to it, 1 to 10.
    #[schema(default = 1, minimum = 1, maximum = 10)]
    per_text: Option<usize>,
    /// A negative's cosine is at most the positive's less this part of it, 0 to 1: what is nearer may belong, too.
    #[schema(default = 0.05, minimum = 0, maximum = 1)]
    margin: Option<f64>,
    /// What lists show of the new dataset.
    name: Option<String>,
}

/// How the search went.
#[derive(Serialize, ToSchema)]
struct MinedNegatives {
    /// The dataset that the pairs come from.
    from: String,
    /// The id of the model that said what is near.
    model: String,
    model_fingerprint: String,
    /// Pairs that belong together, each counted once.
    pairs: usize,
    /// Different texts that were searched.
    texts: usize,
    /// Pairs for which there was no negative.
    without: usize,
    /// Texts that were passed over, counted for each pair: so near that they may belong.
    suspected: usize,
    /// Whether the table was larger than what was searched: at most 5,000 rows are.
    sampled: bool,
}

/// A new table of triplets.
#[derive(Serialize, ToSchema)]
struct MinedBody {
    #[serde(flatten)]
    dataset: datasets::DatasetBody,
    mined: MinedNegatives,
}

/// Find hard negatives: make triplets of a table's pairs.
///
/// For each text and one that belongs to it, the nearest other texts of the table, as the model sees them, that are not
/// known to belong: neither directly nor through others. Texts nearly as near as the one that belongs are passed over.
/// The triplets become a dataset of their own.
#[utoipa::path(post, path = "/datasets/{id}/hard-negatives", tag = "Data",
    params(("id" = String, Path, description = "The dataset's id.")),
    request_body(content = MineBody, example = json!({ "model": "default", "per_text": 1, "margin": 0.05 })),
    responses((status = 201, description = "The triplets are stored.", body = MinedBody,
            headers(("Location" = String, description = "The new dataset's path."))),
        (status = 200, description = "The same triplets were there already.", body = MinedBody,
            headers(("Location" = String, description = "The dataset's path."))),
        (status = 404, description = "There is no such dataset or model."),
        (status = 422, description = "A field cannot be used, or the table has no negatives to give."),
        (status = 503, description = "Too many texts are waiting, or a model's files cannot be read now.")))]
async fn mine_negatives(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Json(body): Json<MineBody>,
) -> Result<Response> {
    let wish = wish(&body)?;
    let dataset = datasets::find(&state, &id, "id").await?;
    if dataset.purpose == Purpose::Benchmark {
        return Err(ApiError::of(Code::DatasetIsBenchmark)
            .param("id")
            .detail(format!("{} is a benchmark; what is made of it would be learned and measured.", dataset.name))
            .hint("Name a dataset that was uploaded without benchmark=true."));
    }
    let row = resolve(&state, body.model.as_deref().unwrap_or(DEFAULT_ALIAS)).await?;
    let table = relations(&state, &dataset).await?;
    if table.pairs.is_empty() {
        return Err(nothing_to_mine("No two texts of the table belong together."));
    }
    let embedded = table_texts::embed(&state, &caller, &row, &table.texts.texts).await?;
    let work = move || {
        let groups = groups(table.texts.texts.len(), &table.together);
        let found = hard_negatives(&embedded.vectors, embedded.dimensions, &table.pairs, &groups, wish);
        let csv = triplets(&found, &table.texts.texts);
        (table, found, csv)
    };
    let (table, found, csv) = table_texts::compute(work).await?;
    if found.triplets.is_empty() {
        return Err(nothing_to_mine(
            "Each text that is far enough from a pair belongs to it, directly or through others.",
        ));
    }
    let csv = csv.map_err(ApiError::internal)?;
    let upload = Upload {
        name: names::label(body.name, &format!("{}, hard negatives", dataset.name)),
        purpose: Purpose::Training,
        table: state.datasets.receive_bytes(&csv).await?,
        choices: as_triplets(),
        around: Around::default(),
        version_of: None,
    };
    let (made, new) = state.datasets.add(upload).await?;
    let mined = MinedNegatives {
        from: dataset.dataset_id,
        model: row.model_id,
        model_fingerprint: row.fingerprint,
        pairs: table.pairs.len(),
        texts: table.texts.texts.len(),
        without: found.without,
        suspected: found.suspected,
        sampled: table.sampled,
    };
    let location = [(header::LOCATION, format!("/datasets/{}", made.dataset_id))];
    let status = if new { StatusCode::CREATED } else { StatusCode::OK };
    Ok((status, location, axum::Json(MinedBody { dataset: made.into(), mined })).into_response())
}

fn wish(body: &MineBody) -> Result<Mining> {
    let (per_text, margin) = (body.per_text.unwrap_or(1), body.margin.unwrap_or(0.05));
    if !(1..=MOST_PER_TEXT).contains(&per_text) {
        return Err(ApiError::of(Code::PerTextOutOfRange)
            .param("per_text")
            .detail(format!("{per_text} negatives for each text were asked for.")));
    }
    if !(0.0..=1.0).contains(&margin) {
        return Err(ApiError::of(Code::MarginOutOfRange)
            .param("margin")
            .detail(format!("The margin {margin} is outside 0 to 1.")));
    }
    Ok(Mining { per_text, margin, ..Mining::default() })
}

fn nothing_to_mine(why: &str) -> ApiError {
    ApiError::of(Code::NothingToMine).param("id").detail(format!("There are no hard negatives to find: {why}"))
}

/// A table's texts and which belong together.
struct Relations {
    texts: Texts,
    /// Pairs that belong together, each once, in the order of the file.
    pairs: Vec<(usize, usize)>,
    /// The same, and pairs that may.
    together: Vec<(usize, usize)>,
    sampled: bool,
}

async fn relations(state: &AppState, dataset: &Dataset) -> Result<Relations> {
    let (rows, total) = table_texts::drawn(state, dataset, MOST_PAIRS, SEED).await?;
    let sampled = total > rows.len();
    // The strangers that join pairs without scores are no rows of the table.
    let pairs: Vec<ScoredPair> =
        scored_pairs(&rows, dataset.kind).into_iter().filter(|pair| pair.place.is_some()).collect();
    let sides = related(&pairs, meaning(dataset));
    let mut found = Relations { texts: Texts::default(), pairs: Vec::new(), together: Vec::new(), sampled };
    let mut seen = HashSet::new();
    let mut lowest = f64::INFINITY;
    for (pair, side) in pairs.iter().zip(sides) {
        let places = (found.texts.add(&pair.left), found.texts.add(&pair.right));
        if side == Some(true) && places.0 != places.1 && seen.insert(places) {
            found.pairs.push(places);
        }
        if side != Some(false) {
            found.together.push(places);
            lowest = lowest.min(pair.score);
        }
    }
    if sampled {
        // Rows that were not drawn may say that drawn texts belong together.
        let texts = std::mem::take(&mut found.texts);
        let among = move |pairs: &mut dyn Iterator<Item = std::result::Result<_, ShelfError>>| {
            let mut together = Vec::new();
            for row in pairs {
                let pair: StoredPair = row?;
                let places = (texts.place(&pair.pair.left), texts.place(&pair.pair.right));
                if let ((Some(left), Some(right)), true) = (places, pair.pair.score >= lowest) {
                    together.push((left, right));
                }
            }
            Ok((texts, together))
        };
        (found.texts, found.together) = table_texts::over_pairs(state, dataset, among).await?;
    }
    Ok(found)
}

/// The triplets as a table.
fn triplets(found: &Found, texts: &[String]) -> std::io::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["anchor", "positive", "negative"])?;
    for triplet in &found.triplets {
        out.write_record([&texts[triplet.anchor], &texts[triplet.positive], &texts[triplet.negative]])?;
    }
    out.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

/// How that table is read: nothing is left to be found out, whatever the texts look like.
fn as_triplets() -> Choices {
    let read_as = ReadAs {
        format: Some(FileFormat::Csv),
        encoding: Some(Encoding::Utf8),
        delimiter: Some(','),
        header: Some(true),
        sheet: None,
    };
    let mapping = Mapping {
        text_a: Some(Column::Number(1)),
        text_b: Some(Column::Number(2)),
        negative: Some(Column::Number(3)),
        score: None,
    };
    Choices { read_as, mapping, kind: Some(TableKind::Triplet), ..Choices::default() }
}
