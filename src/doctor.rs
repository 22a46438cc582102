//! What is wrong with a data folder, in plain words, and what to do about it. Looking changes nothing, so that it may be
//! done beside a server.

mod files;

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use serde::Serialize;

use crate::store::{self, Contents, Examination};
use files::{datasets, leftovers, models};

/// The database in a data folder.
const DATABASE: &str = "shamisen.db";
/// Free bytes below which a job may not find the room for its checkpoints.
const LITTLE_ROOM: u64 = 1 << 30;

/// How much a finding matters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Level {
    /// Something is lost, or will be, or is open to others.
    Problem,
    /// Worth knowing.
    Note,
}

/// What `--repair` can do about a finding without a loss.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Remedy {
    None,
    /// The data folder gets this mode.
    Close(u32),
    /// Remove what nothing needs, below the data folder.
    Remove(String),
    /// Give a model's folder another name, by which the next server finds it.
    Rename(String, String),
}

/// Something that was found.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    /// For programs.
    pub(crate) code: &'static str,
    pub(crate) level: Level,
    /// For people, without a full stop.
    pub(crate) what: String,
    /// What to do; empty where nothing is to be done.
    pub(crate) advice: String,
    pub(crate) mended: bool,
    #[serde(skip)]
    remedy: Remedy,
}

impl Finding {
    fn problem(code: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        let (what, advice) = (what.into(), advice.into());
        Self { code, level: Level::Problem, what, advice, mended: false, remedy: Remedy::None }
    }

    fn remark(code: &'static str, what: impl Into<String>, advice: impl Into<String>) -> Self {
        Self { level: Level::Note, ..Self::problem(code, what, advice) }
    }

    fn with(self, remedy: Remedy) -> Self {
        Self { remedy, ..self }
    }
}

/// Looks at a data folder. `served`: a server works there, and drafts and runs are its own affair.
pub(crate) async fn examine(data: &Path, served: bool) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    access(data, &mut findings)?;
    room(data, &mut findings)?;
    let Some(contents) = database(data, &mut findings).await else { return Ok(findings) };
    datasets(data, &contents, &mut findings)?;
    models(data, &contents, &mut findings)?;
    if !served {
        leftovers(data, &contents, &mut findings)?;
    }
    Ok(findings)
}

/// Mends what can be mended. Only who keeps servers out of the folder may call this.
pub(crate) fn repair(data: &Path, findings: &mut [Finding]) -> anyhow::Result<()> {
    for finding in findings {
        match &finding.remedy {
            Remedy::None => continue,
            Remedy::Close(mode) => std::fs::set_permissions(data, std::fs::Permissions::from_mode(*mode))?,
            Remedy::Remove(path) => {
                let path = data.join(path);
                if path.is_dir() { std::fs::remove_dir_all(path)? } else { std::fs::remove_file(path)? }
            }
            Remedy::Rename(from, to) => std::fs::rename(data.join(from), data.join(to))?,
        }
        finding.mended = true;
    }
    Ok(())
}

/// Whose the folder is, and who else can look into it.
fn access(data: &Path, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    let metadata = std::fs::metadata(data)?;
    let me = rustix::process::geteuid();
    if metadata.uid() != me.as_raw() {
        findings.push(Finding::remark(
            "other_owner",
            format!("the data folder belongs to the user {}, and this is the user {}", metadata.uid(), me.as_raw()),
            "Run the server and this command as the folder's owner",
        ));
    }
    let mode = metadata.mode() & 0o7777;
    if mode & 0o007 != 0 {
        let found = Finding::problem(
            "open_to_others",
            format!(
                "other users of this machine can look into the data folder (its mode is {mode:o}), which holds texts and hashes of keys"
            ),
            format!("`chmod o-rwx {}` keeps them out, and so does --repair", data.display()),
        );
        // A folder such as /tmp is not a server's alone.
        let of_all = mode & 0o1000 != 0;
        findings.push(if of_all { found } else { found.with(Remedy::Close(mode & 0o7770)) });
    } else if mode & 0o070 != 0 {
        findings.push(Finding::remark(
            "open_to_group",
            format!("the users of the group {} can look into the data folder (its mode is {mode:o})", metadata.gid()),
            format!("`chmod 700 {}` keeps them out, where they are not meant to", data.display()),
        ));
    }
    Ok(())
}

fn room(data: &Path, findings: &mut Vec<Finding>) -> anyhow::Result<()> {
    let disk = rustix::fs::statvfs(data)?;
    let free = disk.f_bavail * disk.f_frsize;
    if free < LITTLE_ROOM {
        findings.push(Finding::problem(
            "little_room",
            format!(
                "only {} MB are free on the data folder's disk: a job may not find the room for its checkpoints",
                free >> 20
            ),
            "Make room; docs/operations.md tells what may go",
        ));
    }
    Ok(())
}

/// Looks at the database. What it holds, where that can be told.
async fn database(data: &Path, findings: &mut Vec<Finding>) -> Option<Contents> {
    let path = data.join(DATABASE);
    if !path.exists() {
        findings.push(Finding::problem(
            "no_database",
            format!("there is no {DATABASE}"),
            "Where there was one, restore a backup with `shamisen restore`; a server that starts now begins a new one, without jobs, datasets and keys",
        ));
        return None;
    }
    let remedy = "Stop the server, move the folder aside and restore the newest backup (`shamisen restore --replace`)";
    let (damage, contents, schema) = match store::examine(&path).await {
        Ok(Examination { damage, contents, schema }) => (damage, contents, schema),
        Err(error) => (vec![error.to_string()], None, None),
    };
    for line in damage {
        findings.push(Finding::problem("database_damaged", format!("the database is damaged: {line}"), remedy));
    }
    match schema {
        Some(found) if found > store::newest_schema() => findings.push(Finding::problem(
            "newer_schema",
            format!(
                "a newer Shamisen wrote the database (schema {found}; this is version {}, schema {})",
                env!("CARGO_PKG_VERSION"),
                store::newest_schema()
            ),
            "Use that version or a newer one, or restore a copy from before the upgrade (docs/operations.md)",
        )),
        Some(found) if found < store::newest_schema() => findings.push(Finding::remark(
            "older_schema",
            format!(
                "an older Shamisen wrote the database (schema {found}; this one has schema {})",
                store::newest_schema()
            ),
            "The next server of this version brings it up to date, and keeps a copy beside it",
        )),
        _ => {}
    }
    contents
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_folder_that_others_can_look_into_is_told_and_closed_but_not_one_of_all_users() {
        for (before, after) in [(0o755, 0o750), (0o2775, 0o2770), (0o750, 0o750), (0o700, 0o700), (0o1777, 0o1777)] {
            let folder = tempfile::TempDir::new().unwrap();
            std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(before)).unwrap();
            let mut findings = Vec::new();
            access(folder.path(), &mut findings).unwrap();
            assert_eq!(findings.iter().any(|finding| finding.code == "open_to_others"), before & 0o007 != 0);
            repair(folder.path(), &mut findings).unwrap();
            assert_eq!(std::fs::metadata(folder.path()).unwrap().mode() & 0o7777, after);
        }
    }
}
