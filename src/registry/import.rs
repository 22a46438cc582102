//! A model on its way in: a file of a stranger's, read by a process that may die of it.
//!
//! Readers of archives, tensors and tokenizers are large, and a file can be made to use up whatever they
//! use. So the same program is started again for each file, under limits of the system's own, and says
//! what came of it in one line. However it ends, the models that are there stay as they were.

use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Resource, Rlimit, setrlimit};
use serde::{Deserialize, Serialize};
use tokio::io::AsyncReadExt;
use tokio::process::Command;

use crate::ml::encoder::{self, GoldenVectors, Imported, ModelCard, Origin, PoolingMode, evenly_spaced};
use crate::ml::eval::retention_pairs;
use crate::ml::files::{PassingFolder, put_in_place};
use crate::ml::{Error, Result};
use crate::store;

/// What the reader may take before a byte is counted: libtorch alone reserves about 2 GiB of addresses.
const OWN_BYTES: u64 = 3 << 30;
/// Bytes that a byte of the source may take: half precision becomes single in a file that is mapped and in
/// memory, and the source is mapped too.
const BYTES_PER_BYTE: u64 = 10;
/// Of heap, likewise.
const HEAP_PER_BYTE: u64 = 4;
/// Processor seconds for any file, and for how many bytes there is another one.
const SECONDS: u64 = 120;
const BYTES_PER_SECOND: u64 = 8 << 20;
/// The reader may wait for the disk this many times as long as it may compute.
const WAIT: u64 = 3;
const MOST_WORDS: u64 = 1 << 20;

/// What is asked of the reader.
#[derive(Debug, Serialize, Deserialize)]
struct ImportTask {
    /// The folder, archive or ONNX file.
    source: PathBuf,
    work: Work,
    limits: Limits,
}

#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Work {
    /// Make a model's folder of it.
    Import {
        /// Where; nothing is there yet.
        target: PathBuf,
        name: String,
        pooling: Option<PoolingMode>,
    },
    /// It is a model's folder: see whether it can be used.
    Check,
}

/// What the reader may use.
#[derive(Clone, Copy, Debug, Serialize, Deserialize)]
struct Limits {
    /// Bytes of address space.
    addresses: u64,
    /// Bytes of heap.
    heap: u64,
    /// Bytes of a file that it writes.
    file: u64,
    /// Processor seconds.
    seconds: u64,
}

/// What the reader says, as one JSON line.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum ImportAnswer {
    /// The model is where it was to be, and this was assumed.
    Imported {
        card: ModelCard,
        notes: Vec<String>,
    },
    Refused(String),
}

/// What is imported.
#[derive(Clone, Debug)]
pub struct ImportRequest {
    /// A folder or file.
    pub source: PathBuf,
    /// The model's id.
    pub name: String,
    /// For a transformer without `modules.json`.
    pub pooling: Option<PoolingMode>,
}

/// What fetches the model NAME or NAME@REVISION of the Hugging Face hub into FOLDER, on any machine.
pub fn download_command(wanted: &str) -> String {
    match wanted.split_once('@') {
        Some((name, revision)) => format!("hf download {name} --revision {revision} --local-dir FOLDER"),
        None => format!("hf download {wanted} --local-dir FOLDER"),
    }
}

/// Imports a model into a folder of models, with `program` as its reader. The model's card, and what was
/// assumed.
///
/// # Errors
/// Where there is a model of that id, the source is no model that is supported, or it made the reader stop.
pub async fn import(program: &Path, models: &Path, request: ImportRequest) -> anyhow::Result<(ModelCard, Vec<String>)> {
    let ImportRequest { source, name, pooling } = request;
    let place = models.join(&name);
    if place.symlink_metadata().is_ok() {
        anyhow::bail!("{}: there is a model of this id already; choose another with --name", place.display());
    }
    let io = |path: &Path| {
        let path = path.to_owned();
        move |error| Error::file(&path, error)
    };
    std::fs::create_dir_all(models).map_err(io(models))?;
    // Under a name that the next start of a server removes, should this process not live to do so.
    let draft = PassingFolder(models.join(format!("{}.draft", store::new_id("import"))));
    std::fs::create_dir(&draft.0).map_err(io(&draft.0))?;
    let target = draft.0.join("model");
    let imported = ask(program, source, Work::Import { target: target.clone(), name, pooling }).await?;
    put_in_place(&target, &place).map_err(io(&place))?;
    Ok(imported)
}

/// Looks at a transformer's folder that somebody put among the models, with `program` as its reader.
pub(super) async fn check(program: &Path, folder: &Path) -> anyhow::Result<()> {
    ask(program, folder.to_owned(), Work::Check).await.map(|_| ())
}

impl Limits {
    fn of(bytes: u64) -> Self {
        let times = |factor: u64| OWN_BYTES + bytes.saturating_mul(factor);
        Self {
            addresses: times(BYTES_PER_BYTE),
            heap: times(HEAP_PER_BYTE),
            file: times(HEAP_PER_BYTE),
            seconds: SECONDS + bytes / BYTES_PER_SECOND,
        }
    }

    /// Holds this process to them, for good.
    fn hold(self) -> std::io::Result<()> {
        let limits = [
            (Resource::As, self.addresses),
            (Resource::Data, self.heap),
            (Resource::Fsize, self.file),
            (Resource::Cpu, self.seconds),
            (Resource::Core, 0),
        ];
        for (resource, most) in limits {
            // A moment between the two, in which the system says which limit it was.
            let last = if resource == Resource::Cpu { most + 5 } else { most };
            setrlimit(resource, Rlimit { current: Some(most), maximum: Some(last) })?;
        }
        Ok(())
    }
}

/// The bytes of a file, or of the weights in a folder.
fn weight(source: &Path) -> Result<u64> {
    let io = |error| Error::file(source, error);
    let metadata = std::fs::metadata(source).map_err(io)?;
    if !metadata.is_dir() {
        return Ok(metadata.len());
    }
    let mut bytes = 0;
    for entry in std::fs::read_dir(source).map_err(io)? {
        let path = entry.map_err(io)?.path();
        if path.extension().is_some_and(|extension| extension == "safetensors") {
            bytes += std::fs::metadata(&path).map_or(0, |file| file.len());
        }
    }
    Ok(bytes)
}

/// Starts the reader and hears it out: the model's card, and what was assumed.
async fn ask(program: &Path, source: PathBuf, work: Work) -> anyhow::Result<(ModelCard, Vec<String>)> {
    let task = ImportTask { limits: Limits::of(weight(&source)?), source, work };
    let source = &task.source;
    let failed = |error: std::io::Error| Error::model(source, format!("its reader cannot be started: {error}"));
    let words = serde_json::to_string(&task).map_err(|error| failed(error.into()))?;
    let mut child = Command::new(program)
        .args(["model", "import", "--task", &words])
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .process_group(0)
        .kill_on_drop(true)
        .spawn()
        .map_err(failed)?;
    let (stdout, stderr) = (child.stdout.take(), child.stderr.take());
    // Held open: its end is the reader's sign that nobody waits for it.
    let _stdin = child.stdin.take();
    let hear = async {
        let (said, complaints) = tokio::join!(all(stdout), all(stderr));
        Ok((child.wait().await?, said, complaints))
    };
    let longest = Duration::from_secs(task.limits.seconds * WAIT);
    let Ok(heard) = tokio::time::timeout(longest, hear).await else {
        let minutes = longest.as_secs().div_ceil(60);
        return Err(stopped(source, &format!("it was not done after {minutes} minutes"), "").into());
    };
    let (status, said, complaints) = heard.map_err(failed)?;
    match serde_json::from_slice(&said) {
        Ok(ImportAnswer::Imported { card, notes }) if status.success() => Ok((card, notes)),
        Ok(ImportAnswer::Refused(reason)) if status.success() => anyhow::bail!("{reason}"),
        _ => Err(stopped(source, &ending(status), &String::from_utf8_lossy(&complaints)).into()),
    }
}

async fn all(stream: Option<impl tokio::io::AsyncRead + Unpin>) -> Vec<u8> {
    let mut bytes = Vec::new();
    if let Some(stream) = stream {
        // What was heard until an error is all there is.
        let _ = stream.take(MOST_WORDS).read_to_end(&mut bytes).await;
    }
    bytes
}

/// Why a process that said nothing ended.
fn ending(status: ExitStatus) -> String {
    use std::os::unix::process::ExitStatusExt;
    match status.signal() {
        Some(6) => "it gave up (out of memory, most likely)".to_owned(),
        Some(9) => "it was killed (out of memory, most likely)".to_owned(),
        Some(11) => "it crashed".to_owned(),
        Some(24) => "it computed for too long".to_owned(),
        Some(25) => "it wrote too much".to_owned(),
        _ => format!("it ended early ({status})"),
    }
}

fn stopped(source: &Path, why: &str, complaints: &str) -> Error {
    // A panic's reason follows the line that tells where it was.
    let mut lines = complaints.lines().filter(|line| !line.trim().is_empty() && !line.starts_with("note:"));
    let panicked = lines.clone().skip_while(|line| !line.contains("panicked at")).nth(1);
    let last = panicked.or_else(|| lines.next_back()).map(|line| line.chars().take(300).collect::<String>());
    let last = last.map(|line| format!(" Its last words: {line}")).unwrap_or_default();
    Error::model(
        source,
        format!(
            "this made the reader stop: {why}. Nothing was imported; the file is damaged or made to do harm, unless the machine is short of memory.{last}"
        ),
    )
}

/// The reader's side: takes on the limits, then does what is asked.
pub(crate) fn read_import(task: &str) -> ImportAnswer {
    let answer = || -> anyhow::Result<ImportAnswer> {
        let task: ImportTask = serde_json::from_str(task)?;
        task.limits.hold()?;
        Ok(read(&task).unwrap_or_else(|error| ImportAnswer::Refused(in_source(&task, &error.to_string()))))
    };
    answer().unwrap_or_else(|error| ImportAnswer::Refused(format!("{error:#}")))
}

fn read(task: &ImportTask) -> Result<ImportAnswer> {
    let source = &task.source;
    let Imported { card, notes } = match &task.work {
        Work::Check => Imported { card: encoder::check_transformer(source)?, notes: Vec::new() },
        Work::Import { target, name, .. } if source.extension().is_some_and(|extension| extension == "onnx") => {
            let card = encoder::import_use_multilingual(source, target, name)?;
            Imported { card, notes: Vec::new() }
        }
        Work::Import { target, name, pooling } => encoder::import_transformer(source, target, name, *pooling)?,
    };
    if let Work::Import { target, .. } = &task.work {
        remember(target)?;
    }
    Ok(ImportAnswer::Imported { card, notes })
}

/// General texts whose vectors an imported model is held to.
const GOLDEN_TEXTS: usize = 12;

/// Writes down what a new model says of general texts: one that lost something since is found out when it is loaded.
fn remember(folder: &Path) -> Result<()> {
    let model = encoder::load(folder)?;
    let texts = retention_pairs().pairs.into_iter().map(|pair| (Origin::General, pair.left));
    GoldenVectors::of(&model, evenly_spaced(texts.collect(), GOLDEN_TEXTS))?.write(folder)
}

/// A reason with the names that the user knows in the place of the draft's.
fn in_source(task: &ImportTask, reason: &str) -> String {
    let Work::Import { target, .. } = &task.work else { return reason.to_owned() };
    let (draft, source) = (format!("{}.draft", target.display()), task.source.display().to_string());
    reason.replace(&format!("{draft}/unpacked"), &source).replace(&draft, &source)
}
