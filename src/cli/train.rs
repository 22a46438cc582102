//! `shamisen train`: the trainer, as the server starts it for a job and as a command of its own.

use std::io::{BufWriter, Read, Write};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use anyhow::{Context, bail};
use rustix::process::{Signal, getpid, kill_process, nice};
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::model_name;
use super::progress::{self, Bar};
use crate::config::Train;
use crate::jobs::{self, Message, Plan, RunSpec, Saved, Table};
use crate::ml::encoder::is_transformer;
use crate::ml::eval::TITLES;
use crate::ml::files::put_in_place;
use crate::ml::sha256::Sha256Hex;
use crate::ml::train::{Recipe, RecipeFacts, TrainConfig};
use crate::registry;
use tables::Scores;
use tables::choices::{LowestMeans, TableOptions};
use tables::inspect::{InspectContext, inspect, store};
use tables::source::Input;

/// What a run on the command line remembers of its checkpoints, in its folder.
const CHECKPOINTS: &str = "checkpoints.json";
/// Checkpoints that are kept.
const KEPT: usize = 2;
/// Seconds between two.
const CHECKPOINT_SECONDS: u64 = 30;

pub(super) fn train(config: &Train) -> anyhow::Result<ExitCode> {
    tracing_subscriber::fmt().with_writer(std::io::stderr).with_ansi(false).without_time().init();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_interop_threads(1);
    tch::set_num_threads(i32::try_from(threads)?);
    match &config.run {
        Some(folder) => of_server(folder, config.plan),
        None => of_user(config),
    }
}

/// A job's run: messages as JSON lines.
fn of_server(folder: &Path, plan: bool) -> anyhow::Result<ExitCode> {
    yield_to_others();
    end_with_the_server();
    if plan {
        let plan = jobs::plan(folder);
        writeln!(std::io::stdout(), "{}", serde_json::to_string(&plan)?)?;
        return Ok(ExitCode::SUCCESS);
    }
    // Asked to end, the trainer saves its run first.
    let end = Arc::new(AtomicBool::new(false));
    signal_hook::flag::register(signal_hook::consts::SIGTERM, Arc::clone(&end))?;
    let say = |message: &Message| {
        let line = serde_json::to_string(message)?;
        let mut out = std::io::stdout().lock();
        writeln!(out, "{line}")?;
        out.flush()
    };
    std::thread::spawn(move || jobs::tell_signs_of_life(say));
    let succeeded = jobs::run(folder, &end, &mut |message| say(message))?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets serving go first on the processors, and this process first where memory runs out. Where the
/// system refuses, training still works.
fn yield_to_others() {
    let _ = nice(19);
    let _ = std::fs::write("/proc/self/oom_score_adj", "800");
}

/// The server holds the other end of standard input. When that ends, the server is gone, however it
/// went: another one will run this job, and nobody reads what this process computes.
pub(super) fn end_with_the_server() {
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        let _ = kill_process(getpid(), Signal::KILL);
    });
}

/// A run from the command line. Interrupted, it is saved; the same command then goes on.
#[expect(clippy::print_stdout, reason = "what was made is this command's output")]
fn of_user(config: &Train) -> anyhow::Result<ExitCode> {
    let name = config.name.as_deref().context("--name is needed")?;
    model_name::check(name)?;
    let data = std::path::absolute(&config.data)?;
    super::folder::private(&data);
    let models = data.join("models");
    let model = registry::find_folder(&models, &config.model)?;
    let target = models.join(name);
    if target.exists() {
        bail!("{} exists already; choose another --name", target.display());
    }
    // The server gives these names to others, and would serve the model under none.
    if registry::find_folder(&models, name).is_ok() {
        bail!("--name {name:?} is taken: a model of {} has it; choose another", models.display());
    }
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?
        .block_on(model_name::check_free(&data, name))?;
    let folder = data.join("training").join(name);
    std::fs::create_dir_all(&folder).with_context(|| format!("{} cannot be made", folder.display()))?;
    // A checkpoint in it is safe only where the way to it is.
    for above in folder.ancestors().skip(1).take(2) {
        std::fs::File::open(above)?.sync_all()?;
    }
    let mut saved: Vec<Saved> = match std::fs::read(folder.join(CHECKPOINTS)) {
        Ok(bytes) => serde_json::from_slice(&bytes)?,
        Err(_) => Vec::new(),
    };
    let spec = spec(config, name, model, &folder, saved.clone())?;
    spec.write(&folder)?;
    if config.dry_run {
        let plan = jobs::plan(&folder);
        std::fs::remove_dir_all(&folder)?;
        return tell(&plan, spec.benchmark.as_ref().map(|table| table.name.as_str()));
    }
    // What an interrupted run left beside its checkpoints is made anew.
    for leftover in ["model", "tensorboard"] {
        let _ = std::fs::remove_dir_all(folder.join(leftover));
    }
    let end = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGTERM, signal_hook::consts::SIGINT] {
        signal_hook::flag::register(signal, Arc::clone(&end))?;
    }
    let bar = Bar::new();
    let mut say = |message: &Message| {
        if let Message::Checkpoint { step, manifest_sha256 } = message {
            let newest =
                Saved { folder: folder.join(format!("ckpt-{step}")), manifest_sha256: manifest_sha256.clone() };
            saved.insert(0, newest);
            let forgotten = saved.split_off(KEPT.min(saved.len()));
            remember(&folder, &saved)?;
            for old in forgotten {
                let _ = std::fs::remove_dir_all(old.folder);
            }
        }
        bar.show(message);
        Ok(())
    };
    let succeeded = jobs::run(&folder, &end, &mut say)?;
    if !succeeded {
        if end.load(std::sync::atomic::Ordering::Relaxed) {
            println!("Saved. The same command goes on from here; {} holds what is needed.", folder.display());
        }
        return Ok(ExitCode::FAILURE);
    }
    put_in_place(&RunSpec::finished(&folder), &target)?;
    std::fs::remove_dir_all(&folder)?;
    println!(
        "{name} is in {}. A server over {} serves it, also one that runs already.",
        target.display(),
        data.display()
    );
    Ok(ExitCode::SUCCESS)
}

fn remember(folder: &Path, saved: &[Saved]) -> std::io::Result<()> {
    let draft = folder.join("checkpoints.draft");
    let mut file = std::fs::File::create(&draft)?;
    file.write_all(&serde_json::to_vec_pretty(saved)?)?;
    file.sync_all()?;
    std::fs::rename(draft, folder.join(CHECKPOINTS))?;
    std::fs::File::open(folder)?.sync_all()
}

/// The pairs of a user's table, in the run's folder.
fn table(file: &Path, scores: Scores, lowest_means: Option<LowestMeans>, pairs: PathBuf) -> anyhow::Result<Table> {
    let name = file.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let mut hash = Sha256Hex::default();
    let read = std::fs::File::open(file).and_then(|file| hash.update_from(file));
    read.with_context(|| format!("{} cannot be read", file.display()))?;
    let input = Input::file(std::path::absolute(file)?);
    let context = InspectContext { scores, ..InspectContext::default() };
    let make = || -> anyhow::Result<_> {
        let inspection = inspect(&input, &TableOptions { lowest_means, ..TableOptions::default() }, &context)?;
        let mut out = BufWriter::new(std::fs::File::create(&pairs)?);
        store(&input, &inspection, &mut out)?;
        out.flush()?;
        Ok(inspection)
    };
    let inspection = make().with_context(|| format!("{} cannot be used", file.display()))?;
    Ok(Table {
        name,
        file: pairs,
        kind: inspection.kind.unwrap_or_default(),
        lowest_means: inspection.choices.lowest_means,
        format: inspection.dialect.format,
        sha256: hash.finish(),
    })
}

/// What a flag's word means.
fn chosen<T: DeserializeOwned>(flag: &str, word: Option<&str>) -> anyhow::Result<Option<T>> {
    let chosen = word.map(|word| serde_json::from_value(word.into()).with_context(|| format!("{flag} {word:?}")));
    chosen.transpose()
}

fn spec(config: &Train, name: &str, model: PathBuf, folder: &Path, resume: Vec<Saved>) -> anyhow::Result<RunSpec> {
    let lowest_means = chosen("--lowest-means", config.lowest_means.as_deref())?;
    let pairs = config.pairs.as_ref().context("--pairs is needed")?;
    let dataset = table(pairs, Scores::Unit, lowest_means, folder.join("dataset.pairs"))?;
    let other = |file: &Option<PathBuf>, scores, lowest_means, name: &str| {
        file.as_ref().map(|file| table(file, scores, lowest_means, folder.join(name))).transpose()
    };
    let validation = other(&config.validation, Scores::Unit, lowest_means, "validation.pairs")?;
    if let Some(validation) = &validation
        && validation.kind != dataset.kind
        && !(validation.kind.scored() && dataset.kind.scored())
    {
        anyhow::bail!("--validation is of another kind than --pairs: both are scored, or neither");
    }
    let rows = dataset.read()?;
    let recipe: Recipe = chosen("--recipe", config.recipe.as_deref())?.unwrap_or_default();
    let root = registry::root_folder(&model)?;
    Ok(RunSpec {
        name: name.to_owned(),
        model,
        dataset,
        benchmark: other(&config.benchmark, Scores::Any, None, "benchmark.pairs")?,
        replay: other(&config.replay, Scores::Unit, None, "replay.pairs")?,
        validation,
        titles: TITLES.map(str::to_owned).to_vec(),
        recipe: tables::choices::name_of(&recipe),
        config: settings(recipe, RecipeFacts::of(&rows, is_transformer(&root)), &config.settings)?,
        root,
        micro_batch: None,
        checkpoint_seconds: CHECKPOINT_SECONDS,
        resume,
    })
}

/// The recipe's settings with those of the command line in their place.
fn settings(recipe: Recipe, table: RecipeFacts, given: &[String]) -> anyhow::Result<TrainConfig> {
    let mut others = serde_json::Map::new();
    for setting in given {
        let (name, value) = setting.split_once('=').with_context(|| format!("--set {setting:?} is not NAME=VALUE"))?;
        // What is no JSON is a word.
        let value = serde_json::from_str(value).unwrap_or_else(|_| Value::from(value));
        match name.split_once('.') {
            None => others.insert(name.to_owned(), value),
            Some((outer, inner)) => {
                let place = others.entry(outer).or_insert_with(|| Value::Object(serde_json::Map::new()));
                place.as_object_mut().and_then(|place| place.insert(inner.to_owned(), value))
            }
        };
    }
    let config: TrainConfig = serde_json::from_value(recipe.settings(table, &others)).context("--set")?;
    config.check()?;
    Ok(config)
}

/// The plan for programs, and beside it for people.
#[expect(clippy::print_stdout, reason = "the plan is this command's output")]
fn tell(plan: &Plan, benchmark: Option<&str>) -> anyhow::Result<ExitCode> {
    if let Plan::Feasible(estimate) = plan {
        eprintln!("{}", progress::estimate(estimate, benchmark));
    }
    println!("{}", serde_json::to_string_pretty(plan)?);
    Ok(ExitCode::SUCCESS)
}
