//! Folders that others put among the models: looked for, looked at, given rows.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant, SystemTime};

use super::names::{self, Named};
use super::{DEFAULT_ALIAS, ModelRegistry, folder_size, import, root_folder};
use crate::ml::encoder;
use crate::store::{self, Kind, ModelRow, Status, StoreError};

/// The model that a fresh data folder's default alias means, where it is there.
const FIRST_DEFAULT: &str = "use-multilingual-v3";
/// Between two looks, unless a folder came or went.
const PAUSE: Duration = Duration::from_secs(1);

/// What came of looking for folders.
#[derive(Debug, Default)]
pub(super) struct Scanned {
    /// When it was last done, and the state of the folder of all models then.
    last: Option<(Instant, Option<SystemTime>)>,
    /// Folders that cannot be served, as they were when that was found.
    refused: HashMap<PathBuf, State>,
}

impl Scanned {
    /// Whether it is time to look; then it is taken to be done now.
    fn is_due(&mut self, changed: Option<SystemTime>) -> bool {
        let due = self.last.is_none_or(|(at, then)| then != changed || at.elapsed() >= PAUSE);
        if due {
            self.last = Some((Instant::now(), changed));
        }
        due
    }
}

/// By what a folder that has changed since is told: when its entries did, and its bytes.
type State = (Option<SystemTime>, i64);

struct Candidate {
    id: String,
    folder: PathBuf,
    state: State,
}

impl ModelRegistry {
    /// Gives every base model in the folder a row, points the default alias at the first one where
    /// it points nowhere yet, and removes what an interrupted job left behind. A folder that is
    /// neither stays where it is, with a word in the log.
    pub async fn reconcile(&self) -> anyhow::Result<()> {
        let rows = self.store.models().await?;
        let mut scanned = self.scanned.lock().await;
        for candidate in self.candidates(|_| true).await? {
            let Candidate { id, folder, .. } = &candidate;
            if is_draft(id) {
                tokio::fs::remove_dir_all(folder).await?;
            } else if is_of_job(id) {
                if !rows.iter().any(|row| row.model_id == *id) {
                    self.tidy(id, folder).await?;
                }
            } else {
                self.try_to_register(candidate, &rows, &mut scanned).await?;
            }
        }
        Ok(())
    }

    /// Gives a row to each model that was imported or tuned on the command line since the last look. What
    /// could not be served then is tried again only when its folder has changed.
    pub async fn rescan(&self) -> store::Result<()> {
        // Whoever waits here finds what the one before saw.
        let mut scanned = self.scanned.lock().await;
        let changed = tokio::fs::metadata(&self.folder).await.and_then(|metadata| metadata.modified()).ok();
        if !scanned.is_due(changed) {
            return Ok(());
        }
        let rows = self.store.models().await?;
        let known: Vec<String> = rows.iter().map(|row| row.model_id.clone()).collect();
        // Drafts and jobs' models are the affair of whoever is making them.
        let new = move |id: &str| !is_draft(id) && !is_of_job(id) && !known.iter().any(|known| known == id);
        // A folder that cannot be read holds nothing new.
        for candidate in self.candidates(new).await.unwrap_or_default() {
            if let Err(error) = self.try_to_register(candidate, &rows, &mut scanned).await {
                tracing::warn!(%error, "new models cannot be registered now");
                break;
            }
        }
        Ok(())
    }

    /// The folders here whose names are `wanted`: full models first, since a tuned model's row points at its
    /// base's, and of these the one first that should be the default.
    async fn candidates(&self, wanted: impl Fn(&str) -> bool + Send + 'static) -> std::io::Result<Vec<Candidate>> {
        let models = self.folder.clone();
        let look = move || {
            let mut found = Vec::new();
            for entry in std::fs::read_dir(&models)? {
                let folder = entry?.path();
                let id = folder.file_name().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
                if wanted(&id) && folder.is_dir() {
                    let changed = std::fs::metadata(&folder).and_then(|metadata| metadata.modified()).ok();
                    let state = (changed, folder_size(&folder).unwrap_or_default());
                    found.push(Candidate { id, folder, state });
                }
            }
            found.sort_by_cached_key(|Candidate { id, folder, .. }| {
                let tuned = encoder::read_card(folder).is_ok_and(|card| card.base_fingerprint.is_some());
                (tuned, id != FIRST_DEFAULT, id.clone())
            });
            Ok(found)
        };
        tokio::task::spawn_blocking(look).await.map_err(std::io::Error::other)?
    }

    /// Gives a folder a row, or says why it has none. An error where the database is away: that is no fault of the
    /// folder's.
    async fn try_to_register(
        &self,
        candidate: Candidate,
        rows: &[ModelRow],
        scanned: &mut Scanned,
    ) -> store::Result<()> {
        let Candidate { id, folder, state } = candidate;
        if scanned.refused.get(&folder) == Some(&state) {
            return Ok(());
        }
        match self.register(&id, &folder, rows).await.map_err(anyhow::Error::downcast::<StoreError>) {
            Err(Ok(away @ StoreError::Unavailable(_))) => return Err(away),
            Err(Ok(error)) => tracing::warn!(model = id, "this folder is not served: {error}"),
            Err(Err(error)) => tracing::warn!(model = id, "this folder is not served: {error:#}"),
            Ok(()) => return Ok(()),
        }
        scanned.refused.insert(folder, state);
        Ok(())
    }

    async fn register(&self, id: &str, folder: &Path, rows: &[ModelRow]) -> anyhow::Result<()> {
        names::meaning(id, Named::Folder).map_err(|why| anyhow::anyhow!("{why}; rename the folder"))?;
        if self.store.alias(id).await?.is_some() {
            anyhow::bail!("an alias has its name, and requests for {id} mean the alias's model; rename the folder");
        }
        let (row, transformer) = {
            let (id, folder) = (id.to_owned(), folder.to_owned());
            tokio::task::spawn_blocking(move || describe(&id, &folder)).await??
        };
        let known = rows.iter().any(|known| known.model_id == id && known.fingerprint == row.fingerprint);
        if !known && transformer {
            import::check(&self.reader, folder).await?;
        }
        match self.store.upsert_model(&row).await {
            Err(StoreError::Taken { .. }) => anyhow::bail!("a tuned model has its name; rename the folder"),
            other => other?,
        }
        self.store.set_first_alias(DEFAULT_ALIAS, id).await?;
        Ok(())
    }

    /// A tuned model without a row: its job was interrupted and will make it again, or the database
    /// was lost, and then the model is all that is left.
    async fn tidy(&self, id: &str, folder: &Path) -> anyhow::Result<()> {
        let job = self.store.job(&id.replacen("ft_", "job_", 1)).await?;
        if self.store.was_deleted(id).await? {
            tracing::info!(model = id, "removing the folder of a deleted model");
            tokio::fs::remove_dir_all(folder).await?;
        } else if job.is_some_and(|job| job.status != Status::Succeeded) {
            tracing::info!(model = id, "removing the folder of an unfinished model");
            tokio::fs::remove_dir_all(folder).await?;
        } else {
            tracing::warn!(model = id, "this tuned model is not in the database; its folder stays");
        }
        Ok(())
    }
}

fn is_draft(id: &str) -> bool {
    id.ends_with(".draft")
}

fn is_of_job(id: &str) -> bool {
    id.starts_with("ft_")
}

/// The row of a model's folder, and whether it is a transformer's.
fn describe(id: &str, folder: &Path) -> anyhow::Result<(ModelRow, bool)> {
    if !folder.join(encoder::CARD).exists() {
        anyhow::bail!("it is no model of Shamisen's yet; `shamisen model import FOLDER` makes one of it");
    }
    let card = encoder::read_card(folder)?;
    // A tuned model that was made without a job.
    let base_model = match card.base_fingerprint {
        Some(_) => root_folder(folder)?.file_name().map(|name| name.to_string_lossy().into_owned()),
        None => None,
    };
    let row = ModelRow {
        model_id: id.to_owned(),
        name: id.to_owned(),
        kind: if base_model.is_some() { Kind::Tuned } else { Kind::Base },
        base_model,
        job_id: None,
        fingerprint: card.fingerprint,
        dimensions: card.dimensions,
        max_tokens: card.max_tokens as i64,
        bytes: folder_size(folder)?,
        created_at: store::now(),
        pinned: false,
    };
    Ok((row, encoder::is_transformer(folder)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folders_are_looked_for_once_a_second_or_when_one_came() {
        let mut scanned = Scanned::default();
        let (before, after) = (Some(SystemTime::UNIX_EPOCH), Some(SystemTime::UNIX_EPOCH + PAUSE));
        assert!(scanned.is_due(before));
        assert!(!scanned.is_due(before), "a name that nobody has costs no look");
        assert!(scanned.is_due(after), "a model that was imported just now is found");
        assert!(!scanned.is_due(after));
        scanned.last = Instant::now().checked_sub(PAUSE).map(|then| (then, after));
        assert!(scanned.is_due(after), "a folder that was mended is found a second later");
    }
}
