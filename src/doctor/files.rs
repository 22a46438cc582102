//! Files without rows, rows without files, files that are not what was written.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::File;
use std::path::Path;

use super::{Finding, Remedy};
use crate::ml::encoder::{CARD, integrity, read_card};
use crate::ml::sha256::Sha256Hex;
use crate::store::Contents;

/// What to do about a file that is lost or damaged.
const FROM_BACKUP: &str = "Put it back from a backup";

fn sha256_of(path: &Path) -> std::io::Result<String> {
    let mut hash = Sha256Hex::default();
    hash.update_from(File::open(path)?)?;
    Ok(hash.finish())
}

/// The names in a folder; none where it is not there.
fn names(folder: &Path) -> anyhow::Result<BTreeSet<String>> {
    match std::fs::read_dir(folder) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(BTreeSet::new()),
        entries => {
            let name = |entry: std::io::Result<std::fs::DirEntry>| -> anyhow::Result<String> {
                Ok(entry?.file_name().to_string_lossy().into_owned())
            };
            entries?.map(name).collect()
        }
    }
}

/// Each dataset's file against the hash that is its name.
pub(super) fn datasets(data: &Path, contents: &Contents, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    let folder = data.join("datasets");
    let mut of_file: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (id, sha256) in &contents.datasets {
        of_file.entry(sha256).or_default().push(id);
        if !folder.join(format!("{id}.pairs")).exists() {
            findings.push(Finding::remark(
                "pairs_missing",
                format!("the pairs of the dataset {id} are not there"),
                "The next start of a server makes them anew",
            ));
        }
    }
    for (sha256, ids) in of_file {
        let ids = ids.join(", ");
        let advice = format!("{FROM_BACKUP}, or delete the dataset (DELETE /datasets/ID)");
        match sha256_of(&folder.join(sha256)) {
            Ok(found) if found == sha256 => {}
            Ok(_) => findings.push(Finding::problem(
                "dataset_damaged",
                format!("datasets/{sha256}, the file of {ids}, is not what was sent"),
                advice,
            )),
            Err(error) => findings.push(Finding::problem(
                "dataset_unreadable",
                format!("datasets/{sha256}, the file of {ids}, cannot be read ({error})"),
                advice,
            )),
        }
    }
    Ok(())
}

/// Each model's folder against its row and its card.
pub(super) fn models(data: &Path, contents: &Contents, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    for (id, fingerprint) in &contents.models {
        let folder = data.join("models").join(id);
        let advice = format!("{FROM_BACKUP}, import or train it again, or delete it (DELETE /models/{id})");
        let problem =
            |what: String| Finding::problem("model_damaged", format!("the model {id}: {what}"), advice.clone());
        match read_card(&folder) {
            Err(error) => findings.push(problem(error.to_string())),
            Ok(card) if card.fingerprint != *fingerprint => {
                findings.push(problem("its folder holds another model than was registered".to_owned()));
            }
            Ok(_) => match integrity::check(&folder) {
                Err(error) => findings.push(problem(error.to_string())),
                Ok(damages) => {
                    findings.extend(
                        damages.into_iter().map(|damage| problem(format!("{}: {}", damage.file, damage.reason))),
                    );
                }
            },
        }
    }
    Ok(())
}

/// What is on the disk and nothing points at. No server is there that could still be making it.
pub(super) fn leftovers(data: &Path, contents: &Contents, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    let passing = |path: String| {
        let what = format!("{path} is left of something that was interrupted or deleted");
        let advice = "The next start of a server removes it, and so does --repair";
        Finding::remark("leftover", what, advice).with(Remedy::Remove(path))
    };
    let known: BTreeSet<String> =
        contents.datasets.iter().flat_map(|(id, sha256)| [format!("{id}.pairs"), sha256.clone()]).collect();
    for name in names(&data.join("datasets"))?.into_iter().filter(|name| !known.contains(name)) {
        let path = format!("datasets/{name}");
        if name.len() == 64 {
            let what = format!("{path} is a table that the database does not know");
            let advice = "The next start of a server removes it: copy it elsewhere before, where it may be needed";
            findings.push(Finding::remark("unknown_dataset", what, advice));
        } else {
            findings.push(passing(path));
        }
    }
    findings.extend(names(&data.join("plans"))?.into_iter().map(|name| passing(format!("plans/{name}"))));

    let unfinished: BTreeSet<&str> =
        contents.jobs.iter().filter(|(_, status)| !status.is_terminal()).map(|(id, _)| id.as_str()).collect();
    let over = names(&data.join("runs"))?.into_iter().filter(|name| !unfinished.contains(name.as_str()));
    findings.extend(over.map(|name| passing(format!("runs/{name}"))));

    for name in names(&data.join("models"))? {
        if contents.models.iter().any(|(id, _)| *id == name) {
            continue;
        }
        let job = name.replacen("ft_", "job_", 1);
        if name.ends_with(".draft")
            || contents.deleted_models.contains(&name)
            || name.starts_with("ft_") && unfinished.contains(job.as_str())
        {
            findings.push(passing(format!("models/{name}")));
        } else if let Some(rest) = name.strip_prefix("ft_") {
            findings.push(adoptable(data, &name, &format!("recovered-{rest}")));
        } else if data.join("models").join(&name).join(CARD).exists() {
            let what = format!("models/{name} is new: no server has seen it yet");
            findings.push(Finding::remark(
                "new_model",
                what,
                "The next request for it, or the next start, registers it",
            ));
        } else {
            let what = format!("models/{name} is no model of Shamisen's");
            let advice = "Import it with `shamisen model import`, or move it out of the data folder";
            findings.push(Finding::remark("no_model", what, advice));
        }
    }
    for name in names(&data.join("training"))? {
        let what =
            format!("training/{name} is a run of `shamisen train` that was interrupted; it holds texts of its table");
        let advice = "The same command goes on with it; remove the folder where it is not wanted any more";
        findings.push(Finding::remark("interrupted_run", what, advice));
    }
    for copy in names(data)?.into_iter().filter(|name| name.contains(".db.before-")) {
        let what = format!("{copy} is the database from before an upgrade, with what has been deleted since");
        findings.push(Finding::remark("copy_before_upgrade", what, "Remove it when the upgrade has proved good"));
    }
    Ok(())
}

/// A tuned model whose job the database does not know: the database was lost, or is older than the model.
fn adoptable(data: &Path, name: &str, other: &str) -> Finding {
    let what = format!("models/{name} is a tuned model that the database does not know, as after a lost database");
    if read_card(&data.join("models").join(name)).is_err() {
        return Finding::problem(
            "unknown_model",
            format!("{what}, and it has no card that can be read"),
            "Move it out of the data folder",
        );
    }
    let advice = format!(
        "Under another name it is served by the next server: `mv` it to models/{other}, as --repair does, or restore a backup"
    );
    let remedy = Remedy::Rename(format!("models/{name}"), format!("models/{other}"));
    Finding::problem("unknown_model", what, advice).with(remedy)
}
