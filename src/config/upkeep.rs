//! The commands that look after a data folder, and what the server forgets by itself.

use std::path::PathBuf;

use clap::Args;
use clap::builder::RangedU64ValueParser;

fn days() -> RangedU64ValueParser<u32> {
    RangedU64ValueParser::new().range(1..=36_500)
}

/// What `shamisen serve` forgets by itself; nothing unless said.
#[derive(Clone, Copy, Debug, Args)]
pub struct Retention {
    /// Days after a job's end when its events go; how it ended stays. Kept for ever unless said.
    #[arg(long, env = "SHAMISEN_KEEP_EVENTS_DAYS", value_parser = days())]
    pub keep_events_days: Option<u32>,
    /// Days after a job's end when it goes, with its events and its report; its model and its datasets stay. Kept for ever
    /// unless said.
    #[arg(long, env = "SHAMISEN_KEEP_JOBS_DAYS", value_parser = days())]
    pub keep_jobs_days: Option<u32>,
}

/// `shamisen backup`
#[derive(Debug, Args)]
pub struct Backup {
    /// Where it goes: a new file whose name ends in .tar, or a new folder.
    #[arg(long)]
    pub to: PathBuf,
    /// Into a folder on the same disk: share the files with the data folder instead of copying them. Quick, and no help
    /// against a broken disk.
    #[arg(long)]
    pub hard_links: bool,
    /// The data folder, also one that a server works in.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// `shamisen restore`
#[derive(Debug, Args)]
pub struct Restore {
    /// The backup: a folder or a .tar file.
    #[arg(long)]
    pub from: PathBuf,
    /// Move what is in the data folder aside, to DATA.replaced-TIME beside it.
    #[arg(long)]
    pub replace: bool,
    /// The data folder that is to be made.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// `shamisen doctor`
#[derive(Debug, Args)]
pub struct Doctor {
    /// Mend what can be mended without a loss; no server may work in the folder.
    #[arg(long)]
    pub repair: bool,
    /// Tell it as JSON.
    #[arg(long)]
    pub json: bool,
    /// The data folder, also one that a server works in.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}
