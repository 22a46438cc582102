//! What is left of runs goes.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use super::journal::checkpoint_folder;
use crate::store::Store;

/// Removes what is left of runs in the folder `runs`, but for the checkpoints that a row knows. Nobody trains meanwhile.
pub(super) async fn tidy(store: &Store, runs: &Path) {
    if let Err(error) = try_tidy(store, runs).await {
        tracing::warn!(%error, "what is left of runs cannot be removed");
    }
}

async fn try_tidy(store: &Store, runs: &Path) -> anyhow::Result<()> {
    store.forget_checkpoints().await?;
    let mut folders = tokio::fs::read_dir(runs).await?;
    while let Some(folder) = folders.next_entry().await? {
        let rows = store.checkpoints(&folder.file_name().to_string_lossy()).await?;
        let known: HashSet<PathBuf> = rows.iter().map(|row| checkpoint_folder(runs, row)).collect();
        // What stays costs only space, until the next time.
        let _ = if known.is_empty() {
            tokio::fs::remove_dir_all(folder.path()).await
        } else {
            remove_others(folder.path(), &known).await
        };
    }
    Ok(())
}

/// Removes all that claims have left in a run's folder but for what is `known`.
async fn remove_others(run: PathBuf, known: &HashSet<PathBuf>) -> std::io::Result<()> {
    let mut claims = tokio::fs::read_dir(run).await?;
    while let Some(claim) = claims.next_entry().await? {
        let mut left = tokio::fs::read_dir(claim.path()).await?;
        while let Some(entry) = left.next_entry().await? {
            if known.contains(&entry.path()) {
                continue;
            }
            if entry.file_type().await?.is_dir() {
                tokio::fs::remove_dir_all(entry.path()).await?;
            } else {
                tokio::fs::remove_file(entry.path()).await?;
            }
        }
    }
    Ok(())
}
