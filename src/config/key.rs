//! `shamisen key ..`

use std::path::PathBuf;

use clap::{Args, Subcommand, ValueEnum};

/// `shamisen key ..`
#[derive(Debug, Subcommand)]
pub enum KeyCommand {
    /// Make a key. From the first one on, every request to the API needs one.
    Create(KeyCreate),
    /// List the keys, without their secrets.
    List(KeyList),
    /// Revoke a key.
    Revoke(KeyRevoke),
}

/// `shamisen key create`
#[derive(Debug, Args)]
pub struct KeyCreate {
    /// Whose it is, or what for.
    #[arg(long)]
    pub name: String,
    /// What it may do: embed, train, metrics, admin (everything).
    #[arg(long, value_delimiter = ',', required = true, value_enum)]
    pub scope: Vec<KeyScope>,
    /// How long it is good for, as in 90d, 12h, 30m [default: for ever].
    #[arg(long)]
    pub expires: Option<String>,
    /// Tokens a minute that it may have embedded [default: what the server's SHAMISEN_TOKENS_PER_MINUTE says].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub tokens_per_minute: Option<u32>,
    /// Requests for vectors, similarities or tokens that it may have in flight [default: what the server's
    /// SHAMISEN_REQUESTS_AT_ONCE says].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub requests_at_once: Option<u32>,
    /// Jobs that it may have waiting [default: what the server's SHAMISEN_JOBS_WAITING says].
    #[arg(long, value_parser = clap::value_parser!(u32).range(1..))]
    pub jobs_waiting: Option<u32>,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// What a key may do.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum KeyScope {
    /// Embed and compare texts, read models.
    Embed,
    /// Datasets and jobs.
    Train,
    /// Read /metrics.
    Metrics,
    /// Everything.
    Admin,
}

/// `shamisen key list`
#[derive(Debug, Args)]
pub struct KeyList {
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// `shamisen key revoke`
#[derive(Debug, Args)]
pub struct KeyRevoke {
    /// The key's id, as `shamisen key list` shows it.
    pub id: String,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}
