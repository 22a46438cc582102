//! `shamisen serve`

use std::fs::File;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;
use tracing_subscriber::EnvFilter;

use crate::config::Serve;
use crate::datasets::{DatasetShelf, Upload};
use crate::http::{self, AppState, Limits};
use crate::jobs::{JobQueue, Planner, Supervisor, SupervisorConfig};
use crate::ml::dataset::Format;
use crate::registry::{DEFAULT_ALIAS, ModelRegistry};
use crate::serving::{Engine, ModelPool};
use crate::store::{Purpose, Store};

pub(super) fn serve(config: &Serve) -> anyhow::Result<ExitCode> {
    let filter =
        EnvFilter::try_new(&config.log).with_context(|| format!("SHAMISEN_LOG {:?} cannot be read", config.log))?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(std::io::stderr).init();
    if !config.host.is_loopback() && !config.allow_anyone {
        bail!(
            "{} can be reached from other machines, and there are no keys yet. Listen on 127.0.0.1, or set SHAMISEN_ALLOW_ANYONE=true where a proxy or a firewall decides who may call",
            config.host
        );
    }
    let _lock = own(&config.data)?;
    // The trainer is a process of its own; here only the inference threads compute.
    tch::set_num_interop_threads(1);
    tokio::runtime::Builder::new_multi_thread().enable_all().build()?.block_on(run(config))?;
    Ok(ExitCode::SUCCESS)
}

/// Makes the data folder and keeps every other server out of it for as long as the file is open.
fn own(data: &Path) -> anyhow::Result<File> {
    for folder in ["datasets", "models", "runs"] {
        let folder = data.join(folder);
        std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    }
    let lock = File::create(data.join("LOCK"))?;
    if flock(&lock, FlockOperation::NonBlockingLockExclusive).is_err() {
        bail!(
            "another server works in {}. Stop it, or give this one a folder of its own with SHAMISEN_DATA",
            data.display()
        );
    }
    Ok(lock)
}

async fn run(config: &Serve) -> anyhow::Result<()> {
    let data = std::path::absolute(&config.data)?;
    let store = Store::open(&data.join("shamisen.db")).await.context("the database cannot be opened")?;
    let program = std::env::current_exe()?;
    let models = ModelRegistry::new(store.clone(), data.join("models"), program.clone());
    models.take_stock().await.context("the models cannot be read")?;
    if models.find(DEFAULT_ALIAS).await?.is_none() {
        bail!(
            "there is no model in {}. Run `make deps` and `shamisen model import SOURCE` first; `make serve` does both",
            data.join("models").display()
        );
    }
    let datasets = DatasetShelf::new(store.clone(), data.join("datasets"));
    datasets.take_stock().await.context("the datasets cannot be read")?;
    // An empty variable is one that is not set.
    let default_benchmark = match config.sts.as_deref().filter(|file| !file.is_empty()).map(Path::new) {
        Some(file) => Some(benchmark(&datasets, file).await?),
        None => None,
    };
    let threads = config.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let stop = CancellationToken::new();
    let queue = JobQueue::new(store.clone(), datasets, models.clone());
    let plans = data.join("plans");
    let _ = std::fs::remove_dir_all(&plans);
    let state = AppState {
        planner: Planner::new(queue.clone(), program.clone(), plans),
        queue,
        pool: Arc::new(ModelPool::new(models, config.max_models)),
        engine: Arc::new(Engine::start(threads, config.max_waiting)?),
        tokenizing: Arc::new(Semaphore::new(threads)),
        exporting: Arc::new(Semaphore::new(2)),
        limits: Arc::new(Limits {
            max_texts: config.max_texts,
            max_waiting: config.max_waiting,
            threads,
            max_upload: config.max_upload,
            max_body: config.max_body,
            this_machine_only: !config.allow_anyone,
            default_benchmark,
        }),
        stop: stop.clone(),
    };
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on; SHAMISEN_PORT chooses another port"))?;
    let address = listener.local_addr()?;
    state.pool.get(DEFAULT_ALIAS).await.context("the default model cannot be loaded")?;
    let supervisor = Supervisor::new(
        state.queue.clone(),
        SupervisorConfig { program, runs: data.join("runs"), checkpoint_seconds: config.checkpoint_seconds },
    );
    let supervised = supervisor.run(stop.clone());
    // A server whose queue has stopped, for whatever reason, stops too, and is seen to.
    let ended = stop.clone().drop_guard();
    let supervisor = tokio::spawn(async move {
        let _ended = ended;
        supervised.await
    });
    tokio::spawn(stop_on_signal(stop.clone()));

    tracing::info!(%address, "listening");
    greet(address);
    http::serve(listener, state).await?;
    stop.cancel();
    supervisor.await??;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Stores the operator's benchmark; its id.
async fn benchmark(datasets: &DatasetShelf, file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("SHAMISEN_STS: {} cannot be read", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let format = Format::of(Some(&name), &bytes);
    let upload = Upload { name, purpose: Purpose::Benchmark, format, bytes };
    let stored = datasets.add(upload).await;
    Ok(stored.with_context(|| format!("SHAMISEN_STS: {}", file.display()))?.0.dataset_id)
}

async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be received; the server will not stop politely");
        return;
    };
    tokio::select! {
        _ = interrupt.recv() => {}
        _ = terminate.recv() => {}
    }
    tracing::info!("stopping; a running job goes on at the next start");
    stop.cancel();
}

/// The three calls to try.
#[expect(clippy::print_stdout, reason = "the greeting is this command's output")]
fn greet(address: SocketAddr) {
    println!(
        r#"
Shamisen listens on http://{address}/  (open it in a browser)

Try:
  curl -s http://{address}/similarity -H 'Content-Type: application/json' \
       -d '{{"source_sentence": "data scientist", "sentences": ["data analyst", "看護師"]}}'
  curl -s http://{address}/jobs -F file=@examples/occupations.csv -F name=occupations
  curl -s http://{address}/jobs
"#
    );
}
