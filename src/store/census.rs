//! Counts for whoever watches the server.

use super::{Progress, Result, Status, Store};

impl Store {
    /// How many jobs there are of each status that has any.
    pub async fn job_counts(&self) -> Result<Vec<(Status, i64)>> {
        let counts = sqlx::query("select status, count(*) from job group by status");
        Ok(self.each("status", counts).await?.into_iter().collect())
    }

    /// How far the running job's training is, where one trains.
    pub async fn training_progress(&self) -> Result<Option<Progress>> {
        let row: Option<String> = sqlx::query_scalar(
            "select progress from job
              where status = 'running' and phase = 'training' and progress is not null limit 1",
        )
        .fetch_optional(&self.reader)
        .await?;
        Ok(row.and_then(|progress| serde_json::from_str(&progress).ok()))
    }

    /// Whether a table can be read.
    pub async fn answers(&self) -> Result<()> {
        sqlx::query("select model_id from model limit 1").fetch_optional(&self.reader).await?;
        Ok(())
    }
}
