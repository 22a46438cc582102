//! Models of the Hugging Face hub, in its own cache on this machine (`HF_HOME`).

use std::path::PathBuf;

use anyhow::Context;
use hf_hub::api::sync::{ApiBuilder, ApiError};
use hf_hub::{Repo, RepoType};

use super::import::download_command;

/// What else a model is published as lies in folders of these names.
const OTHER_FORMATS: &[&str] = &["onnx", "openvino", "coreml"];
const SINGLE: &str = "model.safetensors";

/// Fetches what an import reads of the model NAME or NAME@REVISION; the folder that holds it.
pub fn fetch(wanted: &str) -> anyhow::Result<PathBuf> {
    let (name, revision) = wanted.split_once('@').unwrap_or((wanted, "main"));
    let repo = |revision: &str| Repo::with_revision(name.to_owned(), RepoType::Model, revision.to_owned());
    let api = ApiBuilder::from_env().build().context("the hub cannot be asked")?;
    let info = api.repo(repo(revision)).info().map_err(|error| unreachable(wanted, &error))?;
    let names: Vec<String> = info.siblings.into_iter().map(|file| file.rfilename).collect();
    let single = names.iter().any(|name| name == SINGLE);
    // Of one commit, whatever is published meanwhile.
    let files = api.repo(repo(&info.sha));
    let mut folder = None;
    for name in names.iter().filter(|name| is_wanted(name, single)) {
        let place = files.get(name).map_err(|error| unreachable(wanted, &error))?;
        let depth = name.split('/').count();
        folder = place.ancestors().nth(depth).map(PathBuf::from);
    }
    folder.with_context(|| format!("{wanted} has no file on the hub that an import reads"))
}

/// Whether an import may read a file. Its name is the hub's word, and must not lead out of the cache.
fn is_wanted(name: &str, single: bool) -> bool {
    let parts: Vec<&str> = name.split('/').collect();
    let fine = |part: &&str| !part.is_empty() && !part.starts_with('.') && !part.contains('\\');
    let (Some(first), Some(last)) = (parts.first(), parts.last()) else { return false };
    if parts.len() > 2 || !parts.iter().all(fine) || OTHER_FORMATS.contains(first) {
        return false;
    }
    match last.rsplit_once('.') {
        Some((_, "safetensors")) => *last == SINGLE || (!single && last.starts_with("model-")),
        Some((_, "json" | "txt" | "model")) => true,
        _ => last.starts_with("LICENSE") || *last == "NOTICE",
    }
}

fn unreachable(wanted: &str, error: &ApiError) -> anyhow::Error {
    let told = error.to_string();
    if ["401", "403", "404"].iter().any(|status| told.ends_with(status)) {
        return anyhow::anyhow!(
            "the hub shows no model {wanted} ({told}). Is the name right, and the revision? One that is not public wants a token: `hf auth login`"
        );
    }
    let command = download_command(wanted);
    anyhow::anyhow!(
        "the hub cannot be reached ({told}). Where another machine reaches it, `{command}` fetches the model; import FOLDER then"
    )
}
