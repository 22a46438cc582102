//! What a job would take: measured by a trainer that does not train.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::Arc;
use std::time::Duration;

use tokio::process::Command;
use tokio::sync::Semaphore;

use super::plan::Plan;
use super::queue::{JobQueue, JobRequest, QueueError};
use super::supervisor::trainer;
use crate::store;

/// A plan loads the model, measures the base and does some steps; more is a sign of trouble.
const LONGEST: Duration = Duration::from_secs(300);

/// Plans one job at a time.
#[derive(Clone, Debug)]
pub struct Planner {
    queue: JobQueue,
    program: PathBuf,
    /// Where plans are described while they are made.
    folder: PathBuf,
    turn: Arc<Semaphore>,
}

/// Why there is no plan.
#[derive(Debug, thiserror::Error)]
pub enum PlanError {
    /// The job would be refused.
    #[error(transparent)]
    Queue(#[from] QueueError),
    /// The trainer could not be asked.
    #[error("the job could not be planned: {0:#}")]
    Trainer(#[from] anyhow::Error),
}

impl Planner {
    /// Over the queue that would take the job.
    pub fn new(queue: JobQueue, program: PathBuf, folder: PathBuf) -> Self {
        Self { queue, program, folder, turn: Arc::new(Semaphore::new(1)) }
    }

    /// What the job would take. Nothing is queued and nothing kept.
    ///
    /// # Errors
    /// Where the job would be refused.
    pub async fn plan(&self, request: &JobRequest) -> Result<Plan, PlanError> {
        self.queue.check(request).await?;
        let _turn = self.turn.acquire().await.map_err(anyhow::Error::from)?;
        let folder = self.folder.join(store::new_id("plan"));
        let plan = self.ask(request, &folder).await;
        // What stays costs only space, until the next start.
        let _ = tokio::fs::remove_dir_all(&folder).await;
        Ok(plan?)
    }

    async fn ask(&self, request: &JobRequest, folder: &Path) -> anyhow::Result<Plan> {
        let recipe = request.recipe_name();
        let spec = self.queue.spec(&request.parts(&recipe));
        tokio::fs::create_dir_all(folder).await?;
        spec.write(folder)?;
        let mut command: Command = trainer(&self.program, folder);
        let mut child = command.arg("--plan").stderr(Stdio::inherit()).spawn()?;
        // Held open: its end is the trainer's sign that the server is gone.
        let _stdin = child.stdin.take();
        let output = tokio::time::timeout(LONGEST, child.wait_with_output()).await??;
        Ok(serde_json::from_slice(&output.stdout)?)
    }
}
