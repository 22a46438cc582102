//! What happened to jobs.

use serde_json::Value;
use sqlx::types::Json;
use sqlx::{Sqlite, Transaction};

use super::{Result, Store, now};

/// Something that happened to a job.
#[derive(Clone, Debug, PartialEq, sqlx::FromRow)]
pub struct Event {
    /// From 1, without gaps.
    pub seq: i64,
    /// Milliseconds.
    pub at: i64,
    /// What kind of thing.
    pub r#type: String,
    /// The particulars.
    #[sqlx(json)]
    pub data: Value,
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
