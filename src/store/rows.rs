//! Rows one by one, so that one that cannot be read hides no other.

use std::ops::{Deref, DerefMut};
use std::sync::PoisonError;

use serde::Serialize;
use sqlx::query::Query;
use sqlx::sqlite::{SqliteArguments, SqliteRow};
use sqlx::{FromRow, Row, Sqlite};

use super::{Result, Store};

/// A row that is there and that this program cannot read.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, utoipa::ToSchema)]
pub struct UnreadableRow {
    /// Its id, as far as it can be read.
    #[schema(example = "job_01980f3e5c7a7d0e8a1b2c3d4e5f6071")]
    pub id: String,
    /// What of it cannot be read.
    #[schema(example = "Its config cannot be read.")]
    pub detail: String,
    /// Its place among those that were asked for.
    #[serde(skip)]
    pub(super) place: usize,
}

/// Rows in their order, and beside them those that cannot be read.
#[derive(Clone, Debug)]
pub struct Rows<T> {
    rows: Vec<T>,
    pub unreadable: Vec<UnreadableRow>,
}

impl<T> Rows<T> {
    /// The first so many, and whether there are more.
    pub fn first(mut self, limit: usize) -> (Self, bool) {
        let more = self.rows.len() + self.unreadable.len() > limit;
        self.unreadable.retain(|row| row.place < limit);
        self.rows.truncate(limit - self.unreadable.len());
        (self, more)
    }

    pub fn map<U>(self, with: impl FnMut(T) -> U) -> Rows<U> {
        Rows { rows: self.rows.into_iter().map(with).collect(), unreadable: self.unreadable }
    }

    /// Whether there is no row, readable or not.
    pub fn is_none(&self) -> bool {
        self.rows.is_empty() && self.unreadable.is_empty()
    }
}

impl<T> Deref for Rows<T> {
    type Target = Vec<T>;

    fn deref(&self) -> &Vec<T> {
        &self.rows
    }
}

impl<T> DerefMut for Rows<T> {
    fn deref_mut(&mut self) -> &mut Vec<T> {
        &mut self.rows
    }
}

impl<T> IntoIterator for Rows<T> {
    type Item = T;
    type IntoIter = std::vec::IntoIter<T>;

    fn into_iter(self) -> Self::IntoIter {
        self.rows.into_iter()
    }
}

impl Store {
    /// Reads the rows of a query. `id` is the column that names them.
    pub(super) async fn each<T>(&self, id: &str, query: Query<'_, Sqlite, SqliteArguments>) -> Result<Rows<T>>
    where
        T: for<'r> FromRow<'r, SqliteRow>,
    {
        let mut read = Rows { rows: Vec::new(), unreadable: Vec::new() };
        for (place, row) in query.fetch_all(&self.reader).await?.iter().enumerate() {
            match T::from_row(row) {
                Ok(row) => read.rows.push(row),
                Err(error) => {
                    let unreadable = UnreadableRow { id: name_of(row, id), detail: lament(&error), place };
                    self.tell_once(&unreadable);
                    read.unreadable.push(unreadable);
                }
            }
        }
        Ok(read)
    }

    /// Lists are asked for every second.
    fn tell_once(&self, row: &UnreadableRow) {
        let mut told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        if told.insert(row.id.clone()) {
            tracing::error!(row = row.id, "a row of the database cannot be read. {}", row.detail);
        }
    }
}

/// What a row is called, also where a byte of that is damaged.
pub(super) fn name_of(row: &SqliteRow, id: &str) -> String {
    row.try_get::<Vec<u8>, _>(id).map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).unwrap_or_default()
}

/// What of a row cannot be read. What stands there is the user's, and is not told.
pub(super) fn lament(error: &sqlx::Error) -> String {
    match error {
        sqlx::Error::ColumnDecode { index, .. } => format!("Its {} cannot be read.", index.trim_matches('"')),
        _ => "It cannot be read.".to_owned(),
    }
}
