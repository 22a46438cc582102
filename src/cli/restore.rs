//! `shamisen restore --from BACKUP`

use std::process::ExitCode;

use super::backup::{absolute, bar};
use super::folder;
use crate::backup::{self, Restored};
use crate::config::upkeep::Restore;
use crate::store::Status;

#[expect(clippy::print_stdout, reason = "what was made is this command's output")]
pub(super) fn restore(config: &Restore) -> anyhow::Result<ExitCode> {
    folder::private(&config.data);
    let data = absolute(&config.data)?;
    let (bar, mut tell) = bar();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let restoring = backup::restore(&config.from, &data, config.replace, &mut tell);
    let Restored { contents, made_at, replaced } = runtime.block_on(restoring)?;
    bar.finish_and_clear();
    let of = |wanted: Status| contents.jobs.iter().filter(|(_, status)| *status == wanted).count();
    println!(
        "{} holds the backup of {}: {} jobs, {} datasets, {} models, {} aliases, {} keys. Each file is what was put into it.",
        data.display(),
        super::key::minute(made_at),
        contents.jobs.len(),
        contents.datasets.len(),
        contents.models.len(),
        contents.aliases,
        contents.keys
    );
    let (queued, running) = (of(Status::Queued), of(Status::Running));
    if queued + running > 0 {
        println!(
            "A server over it goes on with {queued} queued jobs, and with {running} that were running, from their first step."
        );
    }
    if contents.keys > 0 {
        println!("Keys that were revoked since the backup are good again: `shamisen key list` shows them.");
    }
    if let Some(before) = replaced {
        println!("What was there before is in {}.", before.display());
    }
    Ok(ExitCode::SUCCESS)
}
