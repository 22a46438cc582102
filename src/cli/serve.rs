//! `shamisen serve`

use std::io::Write;
use std::net::SocketAddr;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Semaphore;
use tokio_util::sync::CancellationToken;

use super::lock::DataLock;
use super::patience::patiently;
use super::{folder, log};
use crate::analysis::Analysis;
use crate::config::Serve;
use crate::config::limits::{Allowance, Connections};
use crate::datasets::{DatasetStore, Upload};
use crate::http::{self, App, AppState, BodyPace, ConnectionLimits, Lifecycle, Limits, Recorder};
use crate::jobs::{JobQueue, MakeReady, Note, Planner, Retention, Supervisor};
use crate::keys::{KeyLimits, Keyring};
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
    let _lock = DataLock::take(&config.data)?;
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

/// Each connection is an open file, and systems begin with few of them. What cannot be had is not missed yet.
fn allow_many_files() {
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, maximum: limit.maximum });
}

async fn run(config: &Serve) -> anyhow::Result<()> {
    let data = std::path::absolute(&config.data)?;
    let file = data.join("shamisen.db");
    let store = patiently(async || Store::open(&file).await.context("the database cannot be opened")).await?;
    let large = std::fs::metadata(&file)?.len() > CHECKED_FIRST;
    let checked = if large {
        let store = store.clone();
        Some(tokio::spawn(async move { store.check().await }))
    } else {
        patiently(async || Ok(store.check().await?)).await?;
        None
    };
    let keys = Arc::new(Keyring::with_limits(store.clone(), key_limits(&config.allowance)));
    let in_use = patiently(async || Ok(keys.in_use().await?)).await?;
    if !config.host.is_loopback() && !config.allow_anyone && !in_use {
        bail!(
            "{} can be reached from other machines, and there are no keys. Make one with `shamisen key create --name admin --scope admin`, listen on 127.0.0.1, or set SHAMISEN_ALLOW_ANYONE=true where a proxy or a firewall decides who may call",
            config.host
        );
    }
    let recorder = Recorder::install()?;
    tokio::spawn(recorder.clone().keep_up());
    let program = std::env::current_exe()?;
    let models = ModelRegistry::new(store.clone(), data.join("models"), program.clone());
    patiently(async || models.reconcile().await.context("the models cannot be read")).await?;
    if patiently(async || Ok(models.find(DEFAULT_ALIAS).await?)).await?.is_none() {
        bail!(
            "there is no model in {}. Run `make deps` and `shamisen model import SOURCE` first; `make serve` does both",
            data.join("models").display()
        );
    }
    let datasets = DatasetStore::new(store.clone(), data.join("datasets"));
    patiently(async || datasets.reconcile().await.context("the datasets cannot be read")).await?;
    // An empty variable is one that is not set.
    let default_benchmark = match config.sts.as_deref().filter(|file| !file.is_empty()).map(Path::new) {
        Some(file) => Some(patiently(async || benchmark(&datasets, file).await).await?),
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
            body_pace: connection_limits(&config.connections).pace,
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
    let watched = store.clone();
    let watch = tokio::spawn(async move { watched.watch().await });
    let prepared = async {
        let without_default = patiently(async || load_models(&state).await).await?;
        if let Some(checked) = checked {
            checked.await??;
        }
        anyhow::Ok(without_default)
    };
    let without_default = tokio::select! {
        prepared = prepared => prepared?,
        () = stop.cancelled() => {
            server.await??;
            return Ok(());
        }
    };
    let supervisor = Supervisor {
        queue: state.queue.clone(),
        program,
        runs: data.join("runs"),
        checkpoint_seconds: config.checkpoint_seconds,
        trainer_silence: config.trainer_silence,
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
    match without_default {
        None => say("Shamisen is ready: its models are loaded."),
        Some(why) => say(&format!("Shamisen is ready for requests that name another model: {why}.")),
    }

    let served = server.await;
    stop.cancel();
    supervisor.await??;
    served??;
    watch.abort();
    store.close().await;
    tracing::info!("stopped");
    Ok(())
}

/// Up to this size the database is looked through before anything is read of it, in a third of a second. A larger one
/// is looked through beside the loading of models, and before the server is ready.
const CHECKED_FIRST: u64 = 128 << 20;

/// Loads what must be there before requests are answered. Why the default model cannot be loaded, where it cannot:
/// the other models, the tables and the jobs are there all the same.
async fn load_models(state: &AppState) -> anyhow::Result<Option<String>> {
    let failure = match state.pool.get(DEFAULT_ALIAS).await {
        Ok(_) => None,
        Err(failure @ PoolError::Failed { .. }) => {
            tracing::error!("the default model cannot be served: {failure}");
            Some(format!("the default model {failure}"))
        }
        Err(other) => return Err(other).context("the default model cannot be looked for"),
    };
    state.pool.load_pinned().await?;
    Ok(failure)
}

fn connection_limits(config: &Connections) -> ConnectionLimits {
    ConnectionLimits {
        most: config.max_connections,
        most_of_an_address: config.max_connections_of_address,
        head: Duration::from_secs(config.head_timeout),
        idle: Duration::from_secs(config.idle_timeout),
        pace: BodyPace {
            stands_still: Duration::from_secs(config.body_timeout),
            grace: Duration::from_secs(config.body_grace),
            rate: config.body_rate as f64,
        },
        drain: Duration::from_secs(config.drain),
    }
}

/// What a key may use that has no limits of its own.
fn key_limits(config: &Allowance) -> KeyLimits {
    let some = |limit: u32| Some(limit).filter(|limit| *limit > 0);
    KeyLimits {
        tokens_per_minute: some(config.tokens_per_minute),
        requests_at_once: some(config.requests_at_once),
        jobs_waiting: some(config.jobs_waiting),
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
