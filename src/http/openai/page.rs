//! Lists in pages, and times, as OpenAI tells them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::bounds::{OpenAiPage, Reference};
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code};

/// A page of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Page<T> {
    #[schema(example = "list")]
    pub(super) object: &'static str,
    pub(super) data: Vec<T>,
    /// The first entry's id: what comes before this page ends there.
    pub(super) first_id: Option<String>,
    /// The last entry's id: the `after` of the next page.
    pub(super) last_id: Option<String>,
    /// Whether there is a next page.
    pub(super) has_more: bool,
}

impl<T> Page<T> {
    /// Of rows of which one more than `limit` was asked for.
    pub(super) fn of(mut data: Vec<T>, limit: usize, id: impl Fn(&T) -> &str) -> Self {
        let has_more = data.len() > limit;
        data.truncate(limit);
        let (first_id, last_id) =
            (data.first().map(|row| id(row).to_owned()), data.last().map(|row| id(row).to_owned()));
        Self { object: "list", data, first_id, last_id, has_more }
    }
}

#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct PageQuery {
    /// The id of the last entry of the page before.
    #[param(inline)]
    pub(super) after: Option<Reference>,
    /// At most so many; 100 at most.
    #[param(inline)]
    pub(super) limit: Option<OpenAiPage>,
}

pub(super) fn unknown_cursor(after: &str) -> ApiError {
    ApiError::about(Code::CursorNotUsable, "after", format!("{:?} is the id of no entry of this list.", shown(after)))
}

/// Milliseconds as OpenAI tells times.
pub(super) fn seconds(milliseconds: i64) -> i64 {
    milliseconds.div_euclid(1000)
}
