//! The command line and the environment. The only file that reads either.

/// Making and revoking keys.
pub mod key;
/// What bounds connections and callers.
pub mod limits;
/// Backups, restoring, looking, forgetting.
pub mod upkeep;

use std::ffi::OsString;
use std::net::IpAddr;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use clap::builder::{FalseyValueParser, RangedU64ValueParser};
use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::bounds;

/// Tunes sentence encoders to a domain and serves them over HTTP.
#[derive(Debug, Parser)]
#[command(name = "shamisen", version, about)]
pub struct Cli {
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

fn within<T: TryFrom<u64> + Clone + Send + Sync>(range: &RangeInclusive<u64>) -> RangedU64ValueParser<T> {
    RangedU64ValueParser::new().range(range.clone())
}

fn at_least_one() -> RangedU64ValueParser<usize> {
    RangedU64ValueParser::new().range(1..)
}

fn seconds() -> RangedU64ValueParser<u64> {
    within(&bounds::SECONDS)
}

/// Texts of one request, as the API's description bounds them.
fn texts() -> RangedU64ValueParser<usize> {
    within(&(1..=*bounds::TEXTS.end() as u64))
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Serve models and run training jobs.
    Serve(Serve),
    /// Tune a model to a table of pairs, without a server.
    Train(Box<Train>),
    /// Import base models, export models.
    Model {
        /// What to do with models.
        #[command(subcommand)]
        command: ModelCommand,
    },
    /// Print the API's description (OpenAPI 3.1), as a server answers it at /openapi.json.
    Openapi,
    /// Print a page of docs/ that the program writes itself; `make docs` does.
    #[command(hide = true)]
    Docs {
        /// Which page.
        #[arg(value_enum)]
        page: DocsPage,
    },
    /// Measure a model on a benchmark: correlation of the cosine with graded pairs.
    Eval(Eval),
    /// Make a table of pairs of a taxonomy: ESCO's or O*NET's tables, SKOS, a spreadsheet of one's own.
    Pairs(Box<Pairs>),
    /// Copy the data folder, also while a server runs.
    Backup(upkeep::Backup),
    /// Make a data folder of a backup.
    Restore(upkeep::Restore),
    /// Say what is wrong with a data folder, also while a server runs, and what to do; 1 where anything is.
    Doctor(upkeep::Doctor),
    /// Make, list and revoke API keys, also while a server runs.
    Key {
        /// What to do with keys.
        #[command(subcommand)]
        command: key::KeyCommand,
    },
}

/// A page of docs/.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum DocsPage {
    /// Every route.
    Api,
    /// Every flag and variable.
    Settings,
}

/// `shamisen serve`
#[derive(Clone, Debug, Args)]
pub struct Serve {
    /// The folder of the database, datasets, models and runs; one server at a time.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
    /// The address to listen on.
    #[arg(long, env = "SHAMISEN_HOST", default_value = "127.0.0.1")]
    pub host: IpAddr,
    /// The port to listen on; 0 takes a free one.
    #[arg(long, env = "SHAMISEN_PORT", default_value_t = 8080)]
    pub port: u16,
    /// Answer other machines too where there are no keys: whoever reaches the port may do anything, so let a proxy or a
    /// firewall decide who does.
    #[arg(long, env = "SHAMISEN_ALLOW_ANYONE", value_parser = FalseyValueParser::new())]
    pub allow_anyone: bool,
    /// A table of graded sentence pairs that measures every job's models before and after.
    #[arg(long, env = "SHAMISEN_STS")]
    pub sts: Option<OsString>,
    /// Inference threads; by default one for each core.
    #[arg(long, env = "SHAMISEN_THREADS", value_parser = within::<usize>(&bounds::THREADS))]
    pub threads: Option<usize>,
    /// Texts in one request.
    #[arg(long, env = "SHAMISEN_MAX_TEXTS", value_parser = texts(), default_value_t = 2048)]
    pub max_texts: usize,
    /// Texts that may wait for the inference threads; more are answered 503.
    #[arg(long, env = "SHAMISEN_MAX_WAITING", value_parser = within::<usize>(&bounds::WAITING), default_value_t = 8192)]
    pub max_waiting: usize,
    /// Bytes of vectors that are kept for texts that come again; 0 keeps none.
    #[arg(long, env = "SHAMISEN_VECTOR_CACHE_BYTES", value_parser = within::<u64>(&bounds::MEMORY), default_value_t = 0)]
    pub vector_cache_bytes: u64,
    /// Tuned models kept in memory; the least recently used goes first.
    #[arg(long, env = "SHAMISEN_MAX_MODELS", value_parser = within::<usize>(&bounds::LOADED), default_value_t = 16)]
    pub max_models: usize,
    /// Bytes of tuned models kept in memory, without what they share with their bases; the least recently used
    /// goes first.
    #[arg(long, env = "SHAMISEN_MAX_MODEL_BYTES", value_parser = within::<u64>(&bounds::MEMORY), default_value_t = 2 << 30)]
    pub max_model_bytes: u64,
    /// Bytes of an uploaded table, which goes to the disk as it comes.
    #[arg(long, env = "SHAMISEN_MAX_UPLOAD", value_parser = within::<usize>(&bounds::UPLOAD), default_value_t = 512 << 20)]
    pub max_upload: usize,
    /// Bytes of any other request body, unpacked. As many texts as one request may have fit in it, when each fills the
    /// window of a model that reads 512 tokens, also where a client writes its characters as \uXXXX.
    #[arg(long, env = "SHAMISEN_MAX_BODY", value_parser = within::<usize>(&bounds::BODY), default_value_t = 32 << 20)]
    pub max_body: usize,
    /// Seconds between two checkpoints of a job; a stopped server's job goes on from the last one.
    #[arg(long, env = "SHAMISEN_CHECKPOINT_SECONDS", value_parser = within::<u64>(&bounds::SECONDS_OR_NONE), default_value_t = 30)]
    pub checkpoint_seconds: u64,
    /// Seconds that a job's trainer may give no sign of life; then it is ended, and the job goes on from its last
    /// checkpoint.
    #[arg(long, env = "SHAMISEN_TRAINER_SILENCE", value_parser = seconds(), default_value_t = 600)]
    pub trainer_silence: u64,
    /// What to log, as in `info` or `shamisen=debug`.
    #[arg(long, env = "SHAMISEN_LOG", default_value = "info")]
    pub log: String,
    /// How to write the log.
    #[arg(long, env = "SHAMISEN_LOG_FORMAT", value_enum, default_value_t)]
    pub log_format: LogFormat,
    /// The OpenTelemetry collector that gets a span for each request (OTLP over HTTP), as in http://127.0.0.1:4318.
    #[cfg(feature = "otel")]
    #[arg(long, env = "SHAMISEN_OTLP_ENDPOINT")]
    pub otlp_endpoint: Option<String>,
    /// What is forgotten.
    #[command(flatten)]
    pub retention: upkeep::Retention,
    /// How connections and requests are bounded.
    #[command(flatten)]
    pub connections: limits::Connections,
    /// What a key may use.
    #[command(flatten)]
    pub allowance: limits::Allowance,
}

/// How the log is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// Lines for people.
    #[default]
    Text,
    /// A JSON object a line.
    Json,
}

/// `shamisen train`
#[derive(Debug, Args)]
pub struct Train {
    /// A run's folder; the server starts its jobs so.
    #[arg(long, hide = true, conflicts_with = "pairs")]
    pub run: Option<PathBuf>,
    /// With --run: measure how long it will take instead.
    #[arg(long, hide = true, requires = "run")]
    pub plan: bool,
    /// The table to learn: CSV, TSV, JSON, JSON Lines, XLSX, XLS, ODS or Parquet with two texts and a score, two texts that
    /// belong together, three texts, or a text and its label.
    #[arg(long, required_unless_present = "run")]
    pub pairs: Option<PathBuf>,
    /// What the table's lowest score says: unrelated, opposite or angular (0.5 is unrelated, 0 opposite).
    #[arg(long)]
    pub lowest_means: Option<String>,
    /// The tuned model's id in the data folder, where a server finds it.
    #[arg(long, required_unless_present = "run")]
    pub name: Option<String>,
    /// A table of graded sentence pairs (CSV) that measures general ability before and after; or of texts with labels
    /// that the model does not learn.
    #[arg(long)]
    pub benchmark: Option<PathBuf>,
    /// A table of graded pairs that is learnt beside, against forgetting.
    #[arg(long)]
    pub replay: Option<PathBuf>,
    /// A table like --pairs that validates; nothing of --pairs is held out then.
    #[arg(long)]
    pub validation: Option<PathBuf>,
    /// The settings to begin with: recommended, tutorial, gentle, thorough.
    #[arg(long)]
    pub recipe: Option<String>,
    /// A setting, as in --set epochs=5 or --set early_stopping.patience=2; as often as needed.
    #[arg(long = "set", value_name = "NAME=VALUE")]
    pub settings: Vec<String>,
    /// The model to tune, by its id or name in the data folder.
    #[arg(long, default_value = "use-multilingual-v3")]
    pub model: String,
    /// Say what it would take, and do nothing.
    #[arg(long)]
    pub dry_run: bool,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// `shamisen model ..`
#[derive(Debug, Subcommand)]
pub enum ModelCommand {
    /// Import a sentence-transformers or transformers model, or Universal Sentence Encoder multilingual v3.
    Import(Import),
    /// Write a model out of the data folder, to use it elsewhere.
    Export(Export),
}

/// `shamisen model import`
#[derive(Debug, Args)]
pub struct Import {
    /// A folder, a .zip, .tar or .tar.gz of one, the 8-bit ONNX file of Universal Sentence Encoder
    /// multilingual v3, or the name of a model on the Hugging Face hub (NAME or NAME@REVISION).
    #[arg(required_unless_present = "task")]
    pub source: Option<String>,
    /// The model's id; by default the last part of its path or name.
    #[arg(long)]
    pub name: Option<String>,
    /// For a transformer without modules.json: how its tokens' vectors become the text's [default: mean].
    #[arg(long, value_enum)]
    pub pooling: Option<ImportPooling>,
    /// What a reader does; the import starts itself so.
    #[arg(long, hide = true, conflicts_with = "source")]
    pub task: Option<String>,
    /// The data folder of the server that will serve it.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// How the tokens' vectors become the text's.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "snake_case")]
pub enum ImportPooling {
    /// The first token's vector.
    Cls,
    /// The mean of the tokens' vectors.
    Mean,
    /// The largest number of each coordinate.
    Max,
    /// The sum over the square root of the number of tokens.
    MeanSqrtLen,
    /// The mean, a token weighing as much as its place.
    #[value(name = "weightedmean")]
    WeightedMean,
    /// The last token's vector.
    #[value(name = "lasttoken")]
    LastToken,
}

/// `shamisen model export`
#[derive(Debug, Args)]
pub struct Export {
    /// The model's id or name.
    pub model: String,
    /// Where it goes: a new folder, or for a card a new file.
    #[arg(long)]
    pub to: PathBuf,
    /// What is written.
    #[arg(long, value_enum, default_value_t)]
    pub format: ExportTo,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}

/// What `shamisen model export` writes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum ExportTo {
    /// A full model in Shamisen's own form: copied into models/ of any data folder, it is a base model.
    #[default]
    Folder,
    /// model.pt for PyTorch, its tokenizer, and how to use them.
    Torchscript,
    /// model.onnx for onnxruntime, its tokenizer, and how to use them.
    Onnx,
    /// The model card in Markdown.
    Card,
}

/// `shamisen pairs`
#[derive(Debug, Args)]
pub struct Pairs {
    /// The taxonomy: a table (id, parent, label, alt_labels, description, or ESCO's or O*NET's own names), or SKOS in
    /// Turtle or JSON-LD. Of several files what belongs to the same concept comes together.
    #[arg(required = true)]
    pub files: Vec<PathBuf>,
    /// Where the pairs go: base,ref,similarity.
    #[arg(long, default_value = "pairs.csv")]
    pub out: PathBuf,
    /// The cosine of each kind of pairs, or none: description=1,alternative=0.7,sibling=0.4,cousin=0.2,far=0; or the
    /// word tutorial, whose file has no siblings and cousins.
    #[arg(long, default_value = "")]
    pub targets: String,
    /// Another seed draws other pairs.
    #[arg(long, default_value_t = 0)]
    pub seed: u64,
    /// Pairs of each kind that begin at one concept, at most.
    #[arg(long, value_parser = at_least_one(), default_value_t = 2)]
    pub per_concept: usize,
    /// Pairs of each kind, at most.
    #[arg(long, value_parser = at_least_one())]
    pub per_kind: Option<usize>,
    /// What is kept from training: a share of the concepts (0.1), in whole groups, or the groups' ids with commas
    /// between.
    #[arg(long)]
    pub held_out: Option<String>,
    /// Where the pairs of what is held out go.
    #[arg(long, requires = "held_out", default_value = "held_out.csv")]
    pub held_out_out: PathBuf,
    /// Add pairs that share no group and that the model takes for alike.
    #[arg(long)]
    pub hard_negatives: bool,
    /// With --hard-negatives: the model's id in the data folder, or its folder.
    #[arg(long, default_value = "use-multilingual-v3")]
    pub model: String,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
    /// One of a SKOS file's languages, as ja; without it, the one that names most concepts.
    #[arg(long)]
    pub language: Option<String>,
    /// Replace files that are there.
    #[arg(long)]
    pub overwrite: bool,
}

/// `shamisen eval`
#[derive(Debug, Args)]
pub struct Eval {
    /// Graded pairs: a CSV with a header, or three columns text, text, number. Correlation of the cosine. Or texts with
    /// labels: how well they find their like.
    #[arg(long, required_unless_present = "retrieval")]
    pub benchmark: Option<PathBuf>,
    /// Pairs that belong together: a CSV with the columns query and positive (or target, answer). How
    /// well the queries find their texts.
    #[arg(long)]
    pub retrieval: Option<PathBuf>,
    /// With --retrieval: a CSV of the texts to search among; by default the second column's.
    #[arg(long, requires = "retrieval")]
    pub corpus: Option<PathBuf>,
    /// The corpus' column.
    #[arg(long, requires = "corpus", default_value = "text")]
    pub corpus_column: String,
    /// The model's id in the data folder.
    #[arg(long, default_value = "use-multilingual-v3")]
    pub model: String,
    /// The data folder.
    #[arg(long, env = "SHAMISEN_DATA", default_value = "data")]
    pub data: PathBuf,
}
