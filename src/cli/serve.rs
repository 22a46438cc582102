//! `shamisen serve`

use std::fs::File;
use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::fs::{FlockOperation, flock};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::{folder, log};
use crate::analysis::Analysis;
use crate::config::{Connections, Serve};
use crate::datasets::{DatasetStore, Upload};
use crate::http::{self, App, AppState, ConnectionLimits, Lifecycle, Limits, Recorder};
use crate::jobs::{JobQueue, MakeReady, Note, Planner, Retention, Supervisor};
use crate::keys::Keyring;
use crate::registry::{DEFAULT_ALIAS, ModelRegistry};
use crate::serving::{Engine, LoadFailure, ModelPool, PoolError, PoolLimits};
use crate::store::{Purpose, Store};
use tables::choices::TableOptions;
use tables::inspect::InspectContext;

pub(super) fn serve(config: &Serve) -> anyhow::Result<ExitCode> {
    let _log = log::start(config)?;
    if let Some(wrong) = cors_origins(config).find(|origin| !http::is_origin(origin)) {
        bail!(
            "SHAMISEN_CORS_ORIGIN: {wrong:?} is no origin. Write scheme, host and port as browsers do, as in https://app.example or http://localhost:3000, or * for all"
        );
    }
    folder::private(&config.data);
    let _lock = own(&config.data)?;
    folder::tell_who_can_read(&config.data);
    // The trainer is a process of its own; here only the inference threads compute.
    tch::set_num_interop_threads(1);
    allow_many_files();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    let ended = runtime.block_on(run(config));
    // A model that is still being read must not hold a server that was stopped.
    runtime.shutdown_timeout(Duration::from_secs(5));
    ended.map(|()| ExitCode::SUCCESS)
}

/// The sites whose pages may call. An empty variable is one that is not set.
fn cors_origins(config: &Serve) -> impl Iterator<Item = &String> {
    config.connections.cors_origin.iter().filter(|origin| !origin.is_empty())
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

/// Each connection is an open file, and systems begin with few of them. What cannot be had is not missed yet.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

async fn run(config: &Serve) -> anyhow::Result<()> {
    let data = std::path::absolute(&config.data)?;
    let store = Store::open(&data.join("shamisen.db")).await.context("the database cannot be opened")?;
    let keys = Arc::new(Keyring::new(store.clone()));
    if !config.host.is_loopback() && !config.allow_anyone && !keys.in_use().await? {
        bail!(
            "{} can be reached from other machines, and there are no keys. Make one with `shamisen key create --name admin --scope admin`, listen on 127.0.0.1, or set SHAMISEN_ALLOW_ANYONE=true where a proxy or a firewall decides who may call",
            config.host
        );
    }
    let recorder = Recorder::install()?;
    tokio::spawn(recorder.clone().keep_up());
    let program = std::env::current_exe()?;
    let models = ModelRegistry::new(store.clone(), data.join("models"), program.clone());
    models.reconcile().await.context("the models cannot be read")?;
    if models.find(DEFAULT_ALIAS).await?.is_none() {
        bail!(
            "there is no model in {}. Run `make deps` and `shamisen model import SOURCE` first; `make serve` does both",
            data.join("models").display()
        );
    }
    let datasets = DatasetStore::new(store.clone(), data.join("datasets"));
    datasets.reconcile().await.context("the datasets cannot be read")?;
    // An empty variable is one that is not set.
    let default_benchmark = match config.sts.as_deref().filter(|file| !file.is_empty()).map(Path::new) {
        Some(file) => Some(benchmark(&datasets, file).await?),
        None => None,
    };
    let threads = config.threads.unwrap_or_else(|| std::thread::available_parallelism().map_or(1, usize::from));
    let stop = CancellationToken::new();
    let queue = JobQueue::new(store.clone(), datasets.clone(), models.clone());
    let plans = data.join("plans");
    let _ = std::fs::remove_dir_all(&plans);
    let limits = PoolLimits { models: config.max_models, bytes: config.max_model_bytes };
    let pool = Arc::new(ModelPool::new(models.clone(), limits));
    let engine = Arc::new(Engine::start(threads, config.max_waiting, config.vector_cache_bytes)?);
    let analysis = Analysis::new(datasets.clone(), Arc::clone(&pool), Arc::clone(&engine));
    let state = Arc::new(App {
        store: store.clone(),
        datasets,
        models,
        planner: Planner::new(queue.clone(), program.clone(), plans),
        queue,
        pool,
        engine,
        analysis,
        tokenizing: Arc::new(Semaphore::new(threads)),
        exporting: Arc::new(Semaphore::new(2)),
        limits: Arc::new(Limits {
            max_texts: config.max_texts,
            max_waiting: config.max_waiting,
            threads,
            max_upload: config.max_upload,
            max_body: config.max_body,
            this_machine_only: !config.allow_anyone,
            cors_origins: cors_origins(config).cloned().collect(),
            request_deadline: Duration::from_secs(config.connections.request_timeout),
            body_patience: Duration::from_secs(config.connections.body_timeout),
            default_benchmark,
        }),
        keys,
        lifecycle: Arc::new(Lifecycle::default()),
        recorder,
        stop: stop.clone(),
    });
    let address = SocketAddr::new(config.host, config.port);
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("{address} cannot be listened on; SHAMISEN_PORT chooses another port"))?;
    let address = listener.local_addr()?;
    tokio::spawn(stop_on_signal(Arc::clone(&state.lifecycle), stop.clone(), config.connections.stop_wait));
    tracing::info!(%address, "listening");
    greet(address);
    let server = tokio::spawn(http::serve(listener, state.clone(), connection_limits(&config.connections)));
    tokio::select! {
        loaded = load_models(&state) => loaded?,
        () = stop.cancelled() => {
            server.await??;
            return Ok(());
        }
    }
    let supervisor = Supervisor {
        queue: state.queue.clone(),
        program,
        runs: data.join("runs"),
        checkpoint_seconds: config.checkpoint_seconds,
        make_ready: make_ready(&state.pool),
    };
    let supervised = supervisor.run(stop.clone());
    // A server whose queue has stopped, for whatever reason, stops too, and is seen to.
    let ended = stop.clone().drop_guard();
    let supervisor = tokio::spawn(async move {
        let _ended = ended;
        supervised.await
    });
    let retention =
        Retention { events_days: config.retention.keep_events_days, jobs_days: config.retention.keep_jobs_days };
    tokio::spawn(retention.run(state.queue.clone(), stop.clone()));
    state.lifecycle.begin();
    tracing::info!("ready");
    say("Shamisen is ready: its models are loaded.");

    let served = server.await;
    stop.cancel();
    supervisor.await??;
    served??;
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Loads what must be there before requests are answered.
async fn load_models(state: &AppState) -> anyhow::Result<()> {
    state.pool.get(DEFAULT_ALIAS).await.context("the default model cannot be loaded")?;
    Ok(state.pool.load_pinned().await?)
}

fn connection_limits(config: &Connections) -> ConnectionLimits {
    ConnectionLimits {
        most: config.max_connections,
        most_of_an_address: config.max_connections_of_address,
        head: Duration::from_secs(config.head_timeout),
        idle: Duration::from_secs(config.idle_timeout),
        drain: Duration::from_secs(config.drain),
    }
}

/// Loads and checks a job's model before its alias moves to it.
fn make_ready(pool: &Arc<ModelPool>) -> MakeReady {
    let pool = Arc::clone(pool);
    Arc::new(move |row| {
        let pool = Arc::clone(&pool);
        Box::pin(async move {
            match pool.load(&row).await {
                Ok(_) => Ok(()),
                Err(PoolError::Failed { failure: LoadFailure { fault, message, .. }, .. }) => {
                    let message = format!("the model cannot be served, since {message}.");
                    Err(Note { code: fault.code().to_owned(), message })
                }
                Err(other) => Err(Note { code: "model_broken".to_owned(), message: format!("{other}.") }),
            }
        })
    })
}

/// Stores the operator's benchmark; its id.
async fn benchmark(datasets: &DatasetStore, file: &Path) -> anyhow::Result<String> {
    let bytes = std::fs::read(file).with_context(|| format!("SHAMISEN_STS: {} cannot be read", file.display()))?;
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let upload = Upload {
        name,
        purpose: Purpose::Benchmark,
        table: datasets.receive_bytes(&bytes).await?,
        choices: TableOptions::default(),
        context: InspectContext::default(),
        version_of: None,
    };
    let stored = datasets.add(upload).await;
    Ok(stored.with_context(|| format!("SHAMISEN_STS: {}", file.display()))?.0.dataset_id)
}

/// Stops the server politely at the first signal, and at once at the second. After SIGTERM, which a machine sends,
/// the server goes on for `wait` seconds, so that whoever sends requests here can see that it wants no more.
async fn stop_on_signal(lifecycle: Arc<Lifecycle>, stop: CancellationToken, wait: u64) {
    let (Ok(mut interrupt), Ok(mut terminate)) = (signal(SignalKind::interrupt()), signal(SignalKind::terminate()))
    else {
        tracing::error!("signals cannot be received; the server will not stop politely");
        return;
    };
    let wait = tokio::select! {
        _ = interrupt.recv() => Duration::ZERO,
        _ = terminate.recv() => Duration::from_secs(wait),
    };
    lifecycle.end();
    tracing::info!("stopping; a running job goes on at the next start");
    let again = async {
        tokio::select! {
            _ = interrupt.recv() => {}
            _ = terminate.recv() => {}
        }
    };
    let politely = async {
        tokio::time::sleep(wait).await;
        stop.cancel();
        std::future::pending::<()>().await;
    };
    tokio::select! {
        () = again => {}
        () = politely => {}
    }
    tracing::warn!("stopping at once");
    // The trainer ends when its server does; nothing that was answered is lost.
    std::process::exit(1);
}

/// The three calls to try.
fn greet(address: SocketAddr) {
    say(&format!(
        r#"
Shamisen listens on http://{address}/  (open it in a browser)

Try:
  curl -s http://{address}/similarity -H 'Content-Type: application/json' \
       -d '{{"source_sentence": "data scientist", "sentences": ["data analyst", "看護師"]}}'
  curl -s http://{address}/jobs -F file=@examples/occupations.csv -F name=occupations
  curl -s http://{address}/jobs
"#
    ));
}

/// A line of this command's output. Whoever started the server need not listen to it for as long as it lives.
fn say(words: &str) {
    let _ = writeln!(std::io::stdout(), "{words}");
}
