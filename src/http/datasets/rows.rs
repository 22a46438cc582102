//! A table's pairs, a page at a time.

use axum::extract::State;
use serde::{Deserialize, Serialize};
use utoipa::openapi::RefOr;
use utoipa::openapi::schema::Schema;
use utoipa::{IntoParams, PartialSchema, ToSchema};

use crate::bounds::{self, Offset, Page, ReferenceOrNone, Search, Word};
use crate::datasets::{RowsWanted, Sort};
use crate::http::auth::caller::Caller;
use crate::http::datasets::find;
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Path, Query};
use crate::http::models::find::resolve;
use crate::http::reply::Reply;
use crate::http::state::AppState;
use tables::TableKind;
use tables::stored::StoredPair;

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(crate) struct RowsQuery {
    /// Rows to leave out at the beginning.
    #[param(inline)]
    offset: Option<Offset>,
    /// At most so many: 100 unless said, 1000 at most.
    #[param(inline)]
    limit: Option<Page>,
    /// Only rows one of whose texts holds this, whatever the case and width of its letters.
    #[param(inline)]
    q: Option<Search>,
    /// Only rows whose score is this or lies between two: `0.2-0.3`, both included.
    #[param(inline, value_type = Option<ScoreRange>)]
    score: Option<Word>,
    /// In which order: `row` unless said.
    #[serde(default)]
    #[param(inline)]
    sort: SortWish,
    /// A model's id, name or alias: its cosine of each row's texts is told.
    #[param(inline)]
    base: Option<ReferenceOrNone>,
}

/// An order of rows.
#[derive(Clone, Copy, Debug, Default, Deserialize, ToSchema)]
enum SortWish {
    /// As the file has them.
    #[default]
    #[serde(rename = "row")]
    Row,
    /// The lowest score first.
    #[serde(rename = "score")]
    Score,
    /// The highest score first.
    #[serde(rename = "-score")]
    ScoreDown,
}

/// A row of a table.
#[derive(Serialize, ToSchema)]
#[schema(as = DatasetRow)]
pub(crate) struct RowBody {
    /// As a spreadsheet counts it, from 1 and the header included.
    row: usize,
    /// As a text editor counts it, from 1.
    line: usize,
    /// The left text; a labelled text.
    left: String,
    /// The right text; its label.
    right: String,
    /// The text of a triplet that does not belong to the left one.
    negative: Option<String>,
    /// 0 to 1; a benchmark's on its own scale.
    score: f64,
    /// The model's cosine of left and right, where a model was named.
    #[serde(skip_serializing_if = "Option::is_none")]
    base: Option<f64>,
}

#[derive(Serialize, ToSchema)]
#[schema(as = DatasetRows)]
pub(crate) struct Rows {
    rows: Vec<RowBody>,
    /// How many rows the table has.
    total: i64,
    /// How many of them fit what was asked for.
    matching: usize,
}

/// Read a table's rows.
///
/// At most 1000 at once; all of them, or those with a text or a score.
#[utoipa::path(
    get,
    path = "/datasets/{id}/rows",
    tag = "Data",
    params(("id" = String, Path, description = "The dataset's id."), RowsQuery),
    responses(
        (status = 200, description = "The rows.", body = Rows, example = json!({
            "rows": [{
                "row": 2, "line": 2, "left": "Data Scientist", "right": "Data Analyst", "negative": null, "score": 0.7468
            }],
            "total": 374, "matching": 374
        })),
        (status = 404, description = "There is no such dataset."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
pub(crate) async fn list_rows(
    State(state): State<AppState>,
    caller: Caller,
    Path(id): Path<String>,
    Query(query): Query<RowsQuery>,
) -> Reply<Rows> {
    let dataset = find(&state, &id, "id").await?;
    let scores = match query.score.as_deref().filter(|score| !score.is_empty()) {
        Some(score) => Some(scores(score).ok_or_else(|| no_range(score))?),
        None => None,
    };
    let wanted = RowsWanted {
        offset: query.offset.map_or(0, Offset::size),
        limit: query.limit.unwrap_or(Page::of(100)).size(),
        text: query.q.map(Search::into_inner),
        scores,
        sort: match query.sort {
            SortWish::Row => Sort::Row,
            SortWish::Score => Sort::Lowest,
            SortWish::ScoreDown => Sort::Highest,
        },
    };
    let found = state.datasets.rows(&dataset, wanted).await?;
    // A text and its label have no similarity.
    let asked = query.base.as_deref().filter(|_| dataset.kind != TableKind::Labelled);
    let base = match asked.filter(|model| !model.trim().is_empty()) {
        Some(model) => similarities(&state, &caller, model, &found.rows).await?.into_iter().map(Some).collect(),
        None => vec![None; found.rows.len()],
    };
    let body = |(StoredPair { pair, line }, base)| RowBody {
        row: pair.row,
        line,
        left: pair.left,
        right: pair.right,
        negative: pair.negative,
        score: pair.score,
        base,
    };
    let rows = found.rows.into_iter().zip(base).map(body).collect();
    Ok(axum::Json(Rows { rows, total: dataset.rows, matching: found.matching }))
}

/// A model's cosine of each pair's left and right text.
pub(crate) async fn similarities(
    state: &AppState,
    caller: &Caller,
    model: &str,
    pairs: &[StoredPair],
) -> Result<Vec<f64>> {
    let row = resolve(state, model).await?;
    let texts: Vec<(&str, &str)> = pairs.iter().map(|StoredPair { pair, .. }| (&*pair.left, &*pair.right)).collect();
    Ok(state.analysis.cosines(&row, &texts, caller.key.as_ref()).await?)
}

/// A score or two, as the API's description tells it.
struct ScoreRange;

impl PartialSchema for ScoreRange {
    fn schema() -> RefOr<Schema> {
        let number = r"-?[0-9]{1,9}(\.[0-9]{1,17})?";
        let pattern = format!(r"^({number}((-|\.\.){number})?)?$");
        bounds::text_schema(&Word::RANGE, false).pattern(Some(pattern)).build().into()
    }
}

impl ToSchema for ScoreRange {}

/// `0.2-0.3`, `0.2..0.3`, `0.5`. The lower end may stand last.
fn scores(text: &str) -> Option<(f64, f64)> {
    let number = |text: &str| {
        let (whole, part) = text.strip_prefix('-').unwrap_or(text).split_once('.').unwrap_or((text, "0"));
        let whole = whole.strip_prefix('-').unwrap_or(whole);
        let digits = |text: &str, most| (1..=most).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
        if digits(whole, 9) && digits(part, 17) { text.parse::<f64>().ok() } else { None }
    };
    if let Some(number) = number(text) {
        return Some((number, number));
    }
    let (low, high) = match text.split_once("..") {
        Some(both) => both,
        // A dash that stands first is a sign.
        None => {
            let (place, _) = text.char_indices().skip(1).find(|(_, c)| *c == '-')?;
            (&text[..place], &text[place + 1..])
        }
    };
    let range = (number(low)?, number(high)?);
    Some((range.0.min(range.1), range.0.max(range.1)))
}

fn no_range(score: &str) -> ApiError {
    ApiError::of(Code::WrongType)
        .param("score")
        .detail(format!("{:?} is no range of scores.", crate::http::error::words::shown(score)))
        .hint("Write the lowest and the highest, as in score=0.2-0.3, or one score.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_of_scores_is_two_numbers_or_one() {
        assert_eq!(scores("0.2-0.3"), Some((0.2, 0.3)));
        assert_eq!(scores("-1..-0.5"), Some((-1.0, -0.5)));
        assert_eq!(scores("-1--0.5"), Some((-1.0, -0.5)));
        assert_eq!(scores("0.5"), Some((0.5, 0.5)));
        assert_eq!(scores("0.3-0.2"), Some((0.2, 0.3)));
        for wrong in ["", "a-b", "NaN", "inf", "1e5", " 0.5", "0.5-", "--1", "0..", "1234567890"] {
            assert_eq!(scores(wrong), None, "{wrong}");
        }
    }
}
