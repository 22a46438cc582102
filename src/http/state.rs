//! What handlers share.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use crate::analysis::Analysis;
use crate::datasets::DatasetStore;
use crate::http::connections::BodyPace;
use crate::http::middleware::lifecycle::Lifecycle;
use crate::http::middleware::recorder::Recorder;
use crate::jobs::{JobQueue, Planner};
use crate::keys::Keyring;
use crate::registry::ModelRegistry;
use crate::serving::{Engine, ModelPool};
use crate::store::Store;

/// What handlers share; each request has a handle to it.
pub type AppState = Arc<App>;

/// What handlers share.
pub struct App {
    /// All rows.
    pub store: Store,
    /// The tables.
    pub datasets: DatasetStore,
    /// The models that there are.
    pub models: ModelRegistry,
    /// The jobs that wait.
    pub queue: JobQueue,
    /// What a job would take.
    pub planner: Planner,
    /// The models in memory.
    pub pool: Arc<ModelPool>,
    /// The inference threads.
    pub engine: Arc<Engine>,
    /// A permit for each list of texts that `/tokenize` may work on at once.
    pub tokenizing: Arc<Semaphore>,
    /// A permit for each export that may be on the disk at once.
    pub exporting: Arc<Semaphore>,
    /// What tables ask models.
    pub analysis: Analysis,
    /// What requests may ask for.
    pub limits: Arc<Limits>,
    /// Who may ask.
    pub keys: Arc<Keyring>,
    /// Loading, answering or stopping.
    pub lifecycle: Arc<Lifecycle>,
    /// What is counted and measured.
    pub recorder: Recorder,
    /// Ends streams and waits when the server stops.
    pub stop: CancellationToken,
}

/// What requests may ask for.
#[derive(Clone, Debug)]
pub struct Limits {
    /// Texts in one request.
    pub max_texts: usize,
    /// Texts that may wait for the inference threads.
    pub max_waiting: usize,
    /// Inference threads; as many lists of texts are tokenized at a time.
    pub threads: usize,
    /// Bytes of an uploaded table.
    pub max_upload: usize,
    /// Bytes of any other body.
    pub max_body: usize,
    /// While there are no keys, only requests to this machine's own name are answered.
    pub this_machine_only: bool,
    /// Pages of other sites that may call; `*` for all.
    pub cors_origins: Vec<String>,
    /// To the head of an answer, where the route is none of those that take long.
    pub request_deadline: Duration,
    /// How slowly a body may come.
    pub body_pace: BodyPace,
    /// The dataset that measures general ability where a job names none.
    pub default_benchmark: Option<String>,
}
