//! `shamisen backup --to FILE.tar|FOLDER`

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use anyhow::bail;
use indicatif::{ProgressBar, ProgressStyle};

use super::folder;
use crate::backup::{self, Made};
use crate::config::upkeep::Backup;
use crate::store::Status;

#[expect(clippy::print_stdout, reason = "what was made is this command's output")]
pub(super) fn backup(config: &Backup) -> anyhow::Result<ExitCode> {
    folder::private(&config.data);
    let (to, data) = (absolute(&config.to)?, absolute(&config.data)?);
    if to.starts_with(&data) {
        bail!("{} is in the data folder; a backup belongs elsewhere", to.display());
    }
    let (bar, mut tell) = bar();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    // Ctrl-C ends it as it ends any program: what was begun keeps a draft's name.
    let making = backup::make(&data, &to, config.hard_links, &mut tell);
    let Made { files, bytes, contents, left_out } = runtime.block_on(making)?;
    bar.finish_and_clear();
    let unfinished = contents.jobs.iter().filter(|(_, status)| !status.is_terminal()).count();
    let running = contents.jobs.iter().filter(|(_, status)| *status == Status::Running).count();
    println!(
        "{}: {files} files, {} MB: {} jobs ({unfinished} of them not over), {} datasets, {} models, {} aliases, {} keys.",
        to.display(),
        bytes.div_ceil(1 << 20),
        contents.jobs.len(),
        contents.datasets.len(),
        contents.models.len(),
        contents.aliases,
        contents.keys
    );
    if running > 0 {
        println!(
            "Checkpoints are no part of it: where it is restored, a job that runs now begins with its first step."
        );
    }
    for left in left_out {
        println!("Not in it: {left}.");
    }
    Ok(ExitCode::SUCCESS)
}

/// A bar with the bytes and the time that are left, and what moves it.
pub(super) fn bar() -> (ProgressBar, impl FnMut(u64, u64)) {
    let bar = ProgressBar::no_length();
    let style = ProgressStyle::with_template("{bar:40} {bytes} of {total_bytes}, {eta} left");
    bar.set_style(style.expect("the template is fine"));
    let moved = bar.clone();
    let tell = move |done, all| {
        moved.set_length(all);
        moved.set_position(done);
    };
    (bar, tell)
}

/// A path as a whole one, without a slash at the end, which would make a draft a part of its target.
pub(super) fn absolute(path: &Path) -> std::io::Result<PathBuf> {
    Ok(std::path::absolute(path)?.components().collect())
}
