//! The command line and the environment. The only file that reads either.

use std::ffi::OsString;
use std::net::IpAddr;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, RangedU64ValueParser};
use clap::{Args, Parser, Subcommand};

/// Tunes sentence encoders to a domain and serves them over HTTP.
#[derive(Debug, Parser)]
#[command(name = "shamisen", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve models and run training jobs.
    Serve(Serve),
    /// Run one training job from its folder (the server starts this by itself).
    Train(Train),
    /// Import base models.
    Model {
        /// What to do with models.
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Measure a model on a benchmark: correlation of the cosine with graded pairs.
    Eval(Eval),
}

/// `shamisen serve`
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The folder of the database, datasets, models and runs.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
    /// The address to listen on.
    #[arg(long, env = "SHAMISEN_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "SHAMISEN_PORT", default_value_t = 8080)]
    pub port: u16,
    /// Answer other machines too. There are no keys yet: whoever reaches the port may do anything.
    #[arg(long, env = "SHAMISEN_ALLOW_ANYONE", value_parser = FalseyValueParser::new())]
    pub allow_anyone: bool,
    /// A table of graded sentence pairs (CSV) that measures every job's models before and after.
    #[arg(long, env = "SHAMISEN_STS")]
    pub sts: Option<OsString>,
    /// Inference threads; by default one for each core.
    #[arg(long, env = "SHAMISEN_THREADS", value_parser = at_least_one())]
    pub threads: Option<usize>,
    /// Texts in one request.
    #[arg(long, env = "SHAMISEN_MAX_TEXTS", value_parser = at_least_one(), default_value_t = 1024)]
    pub max_texts: usize,
    /// Texts that may wait for the inference threads; more are answered 503.
    #[arg(long, env = "SHAMISEN_MAX_WAITING", value_parser = at_least_one(), default_value_t = 8192)]
    pub max_waiting: usize,
    /// Tuned models kept in memory; the least recently used goes first.
    #[arg(long, env = "SHAMISEN_MAX_MODELS", value_parser = at_least_one(), default_value_t = 16)]
    pub max_models: usize,
    /// Bytes of an uploaded table.
    #[arg(long, env = "SHAMISEN_MAX_UPLOAD", value_parser = at_least_one(), default_value_t = 64 << 20)]
    pub max_upload: usize,
    /// Bytes of any other request body.
    #[arg(long, env = "SHAMISEN_MAX_BODY", value_parser = at_least_one(), default_value_t = 2 << 20)]
    pub max_body: usize,
    /// What to log, as in `info` or `shamisen=debug`.
    #[arg(long, env = "SHAMISEN_LOG", default_value = "info")]
    pub log: String,
}

/// `shamisen train`
#[derive(Debug, Args)]
pub struct Train {
    /// The run's folder.
    #[arg(long)]
    pub run: PathBuf,
}

/// `shamisen model ..`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Import Universal Sentence Encoder multilingual v3 from its 8-bit ONNX file.
    Import(Import),
}

/// `shamisen model import`
#[derive(Debug, Args)]
pub struct Import {
    /// The ONNX file.
    pub file: PathBuf,
    /// The model's id.
    #[arg(long, default_value = "use-multilingual-v3")]
    pub name: String,
    /// The data folder of the server that will serve it.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// `shamisen eval`
#[derive(Debug, Args)]
pub struct Eval {
    /// The graded pairs: a CSV with a header, or three columns text, text, number.
    #[arg(long)]
    pub benchmark: PathBuf,
    /// The model's id in the data folder.
    #[arg(long, default_value = "use-multilingual-v3")]
    pub model: String,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}
