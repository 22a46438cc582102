//! What happened to jobs.

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::types::Json;
use sqlx::{FromRow, Row, Sqlite, Transaction};

use super::rows::name_of;
use super::{Result, Store, StoreError, now};

/// Why a job failed, in the user's words.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct JobError {
    /// For programs.
    pub code: String,
    /// What happened and why.
    pub message: String,
    /// What to do.
    pub hint: String,
}

/// Whether a job's alias was moved to its model in the end.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct AliasResult {
    /// Whether it was.
    pub moved: bool,
    /// For programs: `moved`, `not_a_win`, or why the model cannot be served.
    pub code: String,
    /// For people.
    pub message: String,
}

/// Why a queued job that was begun is not at work.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
#[sqlx(rename_all = "snake_case")]
pub enum WaitReason {
    /// The server stopped, or nobody worked on it.
    #[default]
    Interrupted,
    /// Its trainer died.
    Retry,
    /// Memory ran out.
    Memory,
    /// The disk has no room for it.
    DiskFull,
    /// A file cannot be read or written.
    IoError,
}

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: i64,
    /// Milliseconds.
    pub at: i64,
    pub r#type: String,
    /// `{"unreadable": true}` where it cannot be read: what came after it has its place all the same.
    pub data: Value,
}

impl FromRow<'_, SqliteRow> for Event {
    fn from_row(row: &SqliteRow) -> sqlx::Result<Self> {
        let told = row.try_get("type").and_then(|kind| Ok((kind, row.try_get::<Json<Value>, _>("data")?.0)));
        let (r#type, data) = told.unwrap_or_else(|_| (name_of(row, "type"), json!({ "unreadable": true })));
        Ok(Self { seq: row.try_get("seq")?, at: row.try_get("at")?, r#type, data })
    }
}

impl Event {
    /// What it tells, as a type whose tag is `type`. `None` where it is none of its variants.
    pub fn told<T: DeserializeOwned>(&self) -> Option<T> {
        let mut fields = self.data.as_object()?.clone();
        fields.insert("type".to_owned(), Value::from(self.r#type.as_str()));
        serde_json::from_value(fields.into()).ok()
    }

    /// Whether a job tells nothing after it.
    pub fn is_last(&self) -> bool {
        matches!(self.r#type.as_str(), "succeeded" | "failed" | "cancelled")
    }
}

/// What the queue tells of a job. What its trainer says stands beside it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "lowercase")]
pub(crate) enum QueueEvent {
    /// It waits for its turn.
    Queued {},
    /// A trainer works on it.
    Started { attempt: i64 },
    /// The run can go on from here.
    Checkpoint { step: i64 },
    /// It waits for its turn again.
    Requeued {
        /// In words.
        reason: String,
        #[serde(default)]
        code: WaitReason,
        /// It has no turn for so long.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        seconds: Option<i64>,
    },
    /// What became of the alias that was to mean its model.
    Alias {
        alias: String,
        #[serde(flatten)]
        result: AliasResult,
    },
    /// It is over, and its model is there.
    Succeeded { model: String },
    /// It cannot be done.
    Failed(JobError),
    /// The user ended it.
    Cancelled {},
}

/// An event's type and its particulars, of a type whose tag is `type`.
pub(crate) fn parts(event: &impl Serialize) -> serde_json::Result<(String, Value)> {
    let mut data = serde_json::to_value(event)?;
    let kind = data.as_object_mut().and_then(|fields| fields.remove("type"));
    Ok((kind.and_then(|kind| kind.as_str().map(str::to_owned)).unwrap_or_default(), data))
}

pub(super) async fn tell(tx: &mut Transaction<'static, Sqlite>, job_id: &str, event: &QueueEvent) -> Result<()> {
    let (kind, data) = parts(event).map_err(StoreError::other)?;
    append(tx, job_id, &kind, &data).await
}

pub(super) async fn append(
    tx: &mut Transaction<'static, Sqlite>,
    job_id: &str,
    kind: &str,
    data: &Value,
) -> Result<()> {
    sqlx::query(
        "insert into job_event (job_id, seq, at, type, data)
         values ($1, (select coalesce(max(seq), 0) + 1 from job_event where job_id = $1), $2, $3, $4)",
    )
    .bind(job_id)
    .bind(now())
    .bind(kind)
    .bind(Json(data))
    .execute(&mut **tx)
    .await?;
    Ok(())
}

impl Store {
    /// A job's events after a sequence number, the oldest first.
    pub async fn events_after(&self, job_id: &str, seq: i64, limit: i64) -> Result<Vec<Event>> {
        let events = sqlx::query_as(
            "select seq, at, type, data from job_event where job_id = $1 and seq > $2 order by seq limit $3",
        );
        Ok(events.bind(job_id).bind(seq).bind(limit).fetch_all(&self.reader).await?)
    }

    /// A job's events before a sequence number, the newest first.
    pub async fn events_before(&self, job_id: &str, seq: Option<i64>, limit: usize) -> Result<Vec<Event>> {
        let events = sqlx::query_as(
            "select seq, at, type, data from job_event where job_id = $1 and seq < $2 order by seq desc limit $3",
        );
        let events = events.bind(job_id).bind(seq.unwrap_or(i64::MAX)).bind(limit as i64);
        Ok(events.fetch_all(&self.reader).await?)
    }

    /// The events of one type of a job's present attempt, the oldest first.
    pub async fn events_of_attempt(&self, job_id: &str, kind: &str) -> Result<Vec<Event>> {
        let events = sqlx::query_as(
            "select seq, at, type, data from job_event
              where job_id = $1 and type = $2
                and seq > (select coalesce(max(seq), 0) from job_event where job_id = $1 and type = 'started')
              order by seq",
        );
        Ok(events.bind(job_id).bind(kind).fetch_all(&self.reader).await?)
    }
}
