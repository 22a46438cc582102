//! What the server forgets by itself: events and jobs of long ago. Little at a time, so that nobody waits for it.

use std::time::Duration;

use tokio_util::sync::CancellationToken;

use super::queue::JobQueue;
use crate::store::{self, JobDeletion};

/// Between two looks.
const INTERVAL: Duration = Duration::from_secs(3600);
/// Between two tries to cut off the log, where somebody has been reading it for long.
const TICK: Duration = Duration::from_secs(30);
/// Between two transactions.
const PAUSE: Duration = Duration::from_millis(20);
/// Jobs that are looked for at once.
const JOBS_AT_ONCE: i64 = 100;

/// What is kept for how many days after a job's end; `None`: for ever.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Retention {
    pub(crate) events_days: Option<u32>,
    pub(crate) jobs_days: Option<u32>,
}

impl Retention {
    /// Works until `stop`.
    pub(crate) async fn run(self, queue: JobQueue, stop: CancellationToken) {
        let work = async {
            let mut ticks: u64 = 0;
            loop {
                if ticks.is_multiple_of(INTERVAL.as_secs() / TICK.as_secs())
                    && let Err(error) = self.forget(&queue).await
                {
                    tracing::warn!(%error, "what is older than is kept cannot be removed now; it is tried again");
                }
                if let Err(error) = queue.store.cut_log_if_due().await {
                    tracing::warn!(%error, "the database's log cannot be cut off now; it is tried again");
                }
                ticks += 1;
                tokio::time::sleep(TICK).await;
            }
        };
        let _: Option<()> = stop.run_until_cancelled(work).await;
    }

    /// Removes what is due now. How many events and jobs.
    async fn forget(self, queue: &JobQueue) -> store::Result<(u64, u64)> {
        let (mut events, mut jobs) = (0, 0);
        if let Some(days) = self.jobs_days {
            let time = before(days);
            loop {
                let due = queue.store.jobs_over_before(time, JOBS_AT_ONCE).await?;
                if due.is_empty() {
                    break;
                }
                for id in due {
                    if let JobDeletion::Deleted(_) = queue.delete(&id).await? {
                        jobs += 1;
                    }
                    tokio::time::sleep(PAUSE).await;
                }
            }
        }
        if let Some(days) = self.events_days {
            let time = before(days);
            loop {
                match queue.store.forget_events(time).await? {
                    0 => break,
                    forgotten => events += forgotten,
                }
                tokio::time::sleep(PAUSE).await;
            }
        }
        if events + jobs > 0 {
            queue.store.cut_log().await?;
            tracing::info!(jobs, events, "what is older than is kept was removed");
        }
        Ok((events, jobs))
    }
}

/// So many days ago, in milliseconds.
fn before(days: u32) -> i64 {
    store::now() - i64::from(days) * 86_400_000
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::datasets::DatasetStore;
    use crate::registry::ModelRegistry;
    use crate::store::Store;

    /// A store as another program left it: five jobs that ended so many days ago, with five events each.
    async fn queue(folder: &std::path::Path) -> JobQueue {
        let store = Store::open(&folder.join("store.db")).await.unwrap();
        store
            .alter(
                "insert into model (model_id, name, kind, fingerprint, dimensions, max_tokens, bytes, created_at)
                 values ('base', 'base', 'base', 'x', 1, 1, 1, 1)",
            )
            .await;
        store
            .alter(
                "insert into dataset (dataset_id, name, purpose, sha256, format, bytes, kind, rows, scores, choices,
                                      skipped, fixed_out, findings, family, version, created_at)
                 values ('ds_1', 'd', 'training', printf('%064d', 1), 'csv', 1, 'pair_score', 1, '{}', '{}', 0, 0, '[]',
                         'ds_1', 1, 1)",
            )
            .await;
        store
            .alter(
                "insert into job (job_id, name, status, base_model, dataset_id, recipe, config, titles, created_at,
                                  finished_at)
                 select 'job_' || value, 'job_' || value, 'failed', 'base', 'ds_1', 'tutorial', '{}', '[]', 1,
                        unixepoch() * 1000 - value * 86400000
                   from json_each('[1, 8, 15, 22, 29]')",
            )
            .await;
        store
            .alter(
                "insert into job_event (job_id, seq, at, type, data)
                 select job_id, value, 1, iif(value = 5, 'cancelled', 'log'), '{}' from job, json_each('[1, 2, 3, 4, 5]')",
            )
            .await;
        let datasets = DatasetStore::new(store.clone(), folder.to_owned());
        let models = ModelRegistry::new(store.clone(), folder.to_owned(), folder.to_owned());
        JobQueue::new(store, datasets, models)
    }

    #[tokio::test]
    async fn jobs_and_events_of_long_ago_go_and_nothing_goes_unless_said() {
        let folder = tempfile::TempDir::new().unwrap();
        let queue = queue(folder.path()).await;
        let kept = Retention { events_days: None, jobs_days: None };
        assert_eq!(kept.forget(&queue).await.unwrap(), (0, 0));
        let kept = Retention { events_days: Some(10), jobs_days: Some(20) };
        // Two of the jobs are older than 20 days, and one that is left is older than 10.
        assert_eq!(kept.forget(&queue).await.unwrap(), (4, 2));
        assert_eq!(kept.forget(&queue).await.unwrap(), (0, 0));
        let left: Vec<String> = queue.store.jobs(None, 10).await.unwrap().into_iter().map(|job| job.job_id).collect();
        assert_eq!(left, ["job_8", "job_15", "job_1"]);
        let told = async |job: &str| queue.store.events_after(job, 0, 10).await.unwrap().len();
        assert_eq!(
            (told("job_1").await, told("job_8").await, told("job_15").await, told("job_22").await),
            (5, 5, 1, 0)
        );
        // A client that follows such a job is told of its end.
        assert!(queue.store.events_after("job_15", 0, 10).await.unwrap()[0].is_last());
    }
}
