//! Lists in pages, and times, as OpenAI tells them.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

use crate::bounds::{OpenAiPage, Reference};
use crate::http::error::words::shown;
use crate::http::error::{ApiError, Code};
use crate::store::{Rows, UnreadableRow};

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
    /// Those of this page that are there and cannot be read: damaged rows, or another version's.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(super) unreadable: Vec<UnreadableRow>,
}

impl<T> Page<T> {
    /// Of rows of which one more than `limit` was asked for.
    pub(super) fn of(mut data: Vec<T>, limit: usize, id: impl Fn(&T) -> &str) -> Self {
        let has_more = data.len() > limit;
        data.truncate(limit);
        let (first_id, last_id) =
            (data.first().map(|row| id(row).to_owned()), data.last().map(|row| id(row).to_owned()));
        Self { object: "list", data, first_id, last_id, has_more, unreadable: Vec::new() }
    }

    /// The same of rows of which some may not be readable.
    pub(super) fn of_rows<R>(rows: Rows<R>, limit: usize, id: impl Fn(&T) -> &str) -> Self
    where
        T: From<R>,
    {
        let (rows, has_more) = rows.first(limit);
        let unreadable = rows.unreadable.clone();
        let page = Self::of(rows.into_iter().map(T::from).collect(), limit, id);
        // A page on which no row can be read leads on all the same.
        let last_id = page.last_id.or_else(|| unreadable.last().map(|row| row.id.clone()));
        Self { last_id, has_more, unreadable, ..page }
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
