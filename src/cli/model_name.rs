//! What a model that is made on the command line may be called.

use std::path::Path;

use anyhow::{Context, bail};

use crate::registry::{self, Named};
use crate::store::Store;

/// Refuses what is no folder's name, or a word of the API.
pub(super) fn check(name: &str) -> anyhow::Result<()> {
    match registry::check_name(name, Named::Folder) {
        Ok(()) => Ok(()),
        Err(why) => bail!("the name {name:?} cannot be used: {why}; choose another with --name"),
    }
}

/// Refuses a name that an alias or a tuned model of a data folder has, or will have when a job has succeeded: the
/// server would not serve a folder of that name.
pub(super) async fn check_free(data: &Path, name: &str) -> anyhow::Result<()> {
    let database = data.join("shamisen.db");
    if !database.exists() {
        return Ok(());
    }
    let store = Store::open(&database).await.context("the database cannot be opened")?;
    let alias = store.alias_exists(name).await?;
    let model = store.model(name).await?.is_some_and(|model| model.model_id != name);
    store.close().await;
    if alias {
        bail!("--name {name:?} is taken: it is an alias; choose another");
    }
    if model {
        bail!("--name {name:?} is taken: a tuned model has it; choose another");
    }
    Ok(())
}
