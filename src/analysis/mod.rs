//! A table asks a model: whether it needs training at all, which of its texts are near, what to label next.
//!
//! A table's texts are embedded in parts, each of them once, so that requests that people wait for come in between.
//! What took long is kept. Nothing here knows of HTTP.

mod answers;
pub(crate) mod baseline;
pub(crate) mod compare;
mod error;
pub(crate) mod negatives;
pub(crate) mod neighbours;
pub(crate) mod ranking;
pub(crate) mod suggestions;
pub(crate) mod taxonomy;
mod texts;

use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use answers::Answers;
use serde::Serialize;
use tables::Stop;
use tables::choices::{Encoding, FileFormat, FileOptions};
use tables::draws::sample;
use tables::similarity::cosine;
use tables::stored::{self, StoredPair};
use texts::{Embedded, TableVectors, Texts};
use utoipa::ToSchema;

use crate::datasets::{DatasetError, DatasetStore, Turns};
use crate::ml::eval::baseline::Baseline;
use crate::serving::{self, EmbedOptions, Engine, ModelPool};
use crate::store::{Dataset, ModelRow};

pub(crate) use error::AnalysisError;

type Result<T, E = AnalysisError> = std::result::Result<T, E>;

/// Texts that are embedded at once: more than an interactive request has, so that those go first.
const AT_ONCE: usize = 256;
/// Pieces of work that take a processor each.
const COMPUTED_AT_ONCE: usize = 2;
/// Pairs whose vectors are in memory at a time.
const PAIRS_AT_ONCE: usize = 4096;

/// Tables, the models that are asked about them, and what these said lately.
#[derive(Clone)]
pub struct Analysis {
    datasets: DatasetStore,
    pool: Arc<ModelPool>,
    engine: Arc<Engine>,
    baselines: Arc<Answers<Baseline>>,
    neighbourhoods: Arc<Answers<TableVectors>>,
    computing: Turns,
    /// Taxonomies wait for a model while they have one of the turns of tables: one at a time, so that others are left.
    taxonomies: Turns,
}

/// A model that answered.
#[derive(Serialize, ToSchema)]
#[schema(as = Answering)]
struct ModelRef {
    /// Its id.
    model: String,
    name: String,
    fingerprint: String,
}

impl From<&ModelRow> for ModelRef {
    fn from(row: &ModelRow) -> Self {
        Self { model: row.model_id.clone(), name: row.name.clone(), fingerprint: row.fingerprint.clone() }
    }
}

impl Analysis {
    pub fn new(datasets: DatasetStore, pool: Arc<ModelPool>, engine: Arc<Engine>) -> Self {
        let (computing, taxonomies) = (Turns::new(COMPUTED_AT_ONCE), Turns::new(1));
        let (baselines, neighbourhoods) = (Arc::default(), Arc::default());
        Self { datasets, pool, engine, baselines, neighbourhoods, computing, taxonomies }
    }

    /// Forgets what models said of tables.
    pub(crate) fn forget(&self) {
        self.baselines.forget();
        self.neighbourhoods.forget();
    }

    /// A model's cosine of each pair's texts.
    pub(crate) async fn cosines(
        &self,
        row: &ModelRow,
        pairs: &[(&str, &str)],
        caller: Option<&Arc<str>>,
    ) -> Result<Vec<f64>> {
        let mut cosines = Vec::with_capacity(pairs.len());
        for some in pairs.chunks(PAIRS_AT_ONCE) {
            let mut texts = Texts::default();
            let places: Vec<(usize, usize)> =
                some.iter().map(|(left, right)| (texts.add(left), texts.add(right))).collect();
            let embedded = self.embed(row, &texts.texts, caller).await?;
            let of = move |&(left, right): &(usize, usize)| cosine(embedded.vector(left), embedded.vector(right));
            cosines.extend(self.compute(move |_| places.iter().map(of).collect::<Vec<f64>>()).await?);
        }
        Ok(cosines)
    }

    /// A model's vectors of many texts, a part at a time.
    async fn embed(
        &self,
        row: &ModelRow,
        texts: &[impl AsRef<str> + Sync],
        caller: Option<&Arc<str>>,
    ) -> Result<Embedded> {
        let dimensions = row.dimensions as usize;
        let (mut vectors, mut tokens) = (Vec::with_capacity(texts.len() * dimensions), 0);
        for part in texts.chunks(AT_ONCE) {
            let part = part.iter().map(|text| text.as_ref().to_owned()).collect();
            let options = EmbedOptions::default();
            let part = serving::embed(&self.pool, &self.engine, row, part, &options, caller).await?;
            part.vectors.iter().for_each(|vector| vectors.extend_from_slice(vector));
            tokens += part.tokens.iter().sum::<usize>();
        }
        Ok(Embedded { vectors, dimensions, tokens })
    }

    /// At most `most` of a table's pairs, drawn by the seed and in the order of the file, and how many it has.
    async fn drawn(&self, dataset: &Dataset, most: usize, seed: u64) -> Result<(Vec<StoredPair>, usize)> {
        self.over_pairs(dataset, move |pairs| {
            // A row that cannot be read ends the draw.
            let mut failed = None;
            let sound = pairs.map_while(|pair| pair.map_err(|error| failed = Some(error)).ok());
            let drawn = sample(sound, most, seed);
            failed.map_or(Ok(drawn), Err)
        })
        .await
    }

    /// What the pairs of a table have to do with some texts.
    async fn over_pairs<T: Send + 'static>(
        &self,
        dataset: &Dataset,
        work: impl FnOnce(&mut dyn Iterator<Item = Result<StoredPair, DatasetError>>) -> Result<T, DatasetError>
        + Send
        + 'static,
    ) -> Result<T> {
        let file = self.datasets.pairs_file(dataset);
        let work = move |stop: &Stop| {
            let pairs = stored::pairs(BufReader::new(File::open(file)?));
            work(&mut pairs.map(|pair| Ok(stop.check().and(pair)?)))
        };
        Ok(self.datasets.look(work).await?)
    }

    /// Work that takes a processor for a while, on one thread of its own.
    async fn compute<T: Send + 'static>(&self, work: impl FnOnce(&Stop) -> T + Send + 'static) -> Result<T> {
        let work = |stop: &Stop| {
            // OpenMP keeps this number for each thread that calls it; the other cores serve.
            tch::set_num_threads(1);
            work(stop)
        };
        Ok(self.computing.work(work).await?)
    }
}

/// How a table that was written here is read, whatever its texts look like.
fn written_here() -> FileOptions {
    FileOptions {
        format: Some(FileFormat::Csv),
        encoding: Some(Encoding::Utf8),
        delimiter: Some(','),
        header: Some(true),
        header_row: None,
        sheet: None,
    }
}
