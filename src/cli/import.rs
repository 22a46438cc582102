//! `shamisen model import SOURCE`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::{Context, bail};

use super::model_name;
use super::train::end_with_the_server;
use crate::config::{Import, ImportPooling};
use crate::ml::encoder::PoolingMode;
use crate::registry::{self, ImportRequest};

/// What the set-up's ONNX file, which has no telling name, is called.
const USE_MULTILINGUAL: &str = "use-multilingual-v3";

#[expect(clippy::print_stdout, reason = "what was imported is this command's output")]
pub(super) fn import(config: &Import) -> anyhow::Result<ExitCode> {
    if let Some(task) = &config.task {
        end_with_the_server();
        println!("{}", serde_json::to_string(&registry::read_import(task))?);
        return Ok(ExitCode::SUCCESS);
    }
    super::folder::private(&config.data);
    let wanted = config.source.as_deref().context("what is to be imported is missing")?;
    let name = config.name.clone().unwrap_or_else(|| name_of(wanted));
    model_name::check(&name)?;
    let source = locate(wanted)?;
    let pooling = config.pooling.map(pooling);
    let program = std::env::current_exe()?;
    let models = std::path::absolute(&config.data)?.join("models");
    let request = ImportRequest { source, name, pooling };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (card, notes) = runtime.block_on(async {
        model_name::check_free(&config.data, &request.name).await?;
        tokio::select! {
            imported = registry::import(&program, &models, request) => imported,
            _ = tokio::signal::ctrl_c() => bail!("interrupted; nothing was imported"),
        }
    })?;
    for note in notes {
        println!("{note}");
    }
    println!("{}: {} dimensions, fingerprint {}", card.name, card.dimensions, card.fingerprint);
    Ok(ExitCode::SUCCESS)
}

fn pooling(mode: ImportPooling) -> PoolingMode {
    match mode {
        ImportPooling::Cls => PoolingMode::Cls,
        ImportPooling::Mean => PoolingMode::Mean,
        ImportPooling::Max => PoolingMode::Max,
        ImportPooling::MeanSqrtLen => PoolingMode::MeanSqrtLenTokens,
        ImportPooling::WeightedMean => PoolingMode::Weightedmean,
        ImportPooling::LastToken => PoolingMode::Lasttoken,
    }
}

/// A model's id out of its path or name: the last part, in small letters, without an archive's ending.
fn name_of(wanted: &str) -> String {
    let path = Path::new(wanted);
    if path.extension().is_some_and(|extension| extension == "onnx") {
        return USE_MULTILINGUAL.to_owned();
    }
    // "." and ".." have a name only when they are resolved; a link is called by its own.
    let named = path.file_name().is_some() && !wanted.ends_with('.');
    let last = if named { path.to_owned() } else { path.canonicalize().unwrap_or_default() };
    let last = last.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
    let stem = [".tar.gz", ".tgz", ".tar", ".zip"].iter().find_map(|ending| last.strip_suffix(ending));
    let stem = stem.unwrap_or(&last);
    let stem = if path.exists() { stem } else { stem.split('@').next().unwrap_or_default() };
    let clean = |character: char| {
        if character.is_ascii_alphanumeric() || matches!(character, '.' | '_') { character } else { '-' }
    };
    stem.chars().map(clean).collect::<String>().trim_matches(['-', '.']).to_owned()
}

/// The folder or file that is meant.
fn locate(wanted: &str) -> anyhow::Result<PathBuf> {
    let path = std::path::absolute(wanted)?;
    if path.exists() {
        return Ok(path);
    }
    if !is_hub_name(wanted) {
        bail!("there is no file or folder {wanted:?}");
    }
    fetch(wanted)
}

/// Whether a text can be a name on the hub: OWNER/NAME or NAME, and perhaps @REVISION.
fn is_hub_name(wanted: &str) -> bool {
    let name = wanted.split('@').next().unwrap_or_default();
    let fine = |character: char| character.is_ascii_alphanumeric() || matches!(character, '.' | '_' | '-');
    let is_part = |part: &str| part.starts_with(|first: char| first.is_ascii_alphanumeric()) && part.chars().all(fine);
    name.split('/').count() <= 2 && name.split('/').all(is_part)
}

#[cfg(feature = "hub")]
fn fetch(wanted: &str) -> anyhow::Result<PathBuf> {
    registry::fetch(wanted)
}

#[cfg(not(feature = "hub"))]
fn fetch(wanted: &str) -> anyhow::Result<PathBuf> {
    bail!(
        "there is no file or folder {wanted:?}. If it is the name of a model on the Hugging Face hub: this shamisen was built without the hub. Build it with `cargo build --release --features hub`; or fetch the model with `{}`, on any machine, and import FOLDER",
        registry::download_command(wanted)
    )
}
