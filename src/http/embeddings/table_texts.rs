//! The pairs of a table that a model is asked about, and a model's vectors of their texts.

use std::collections::HashMap;
use std::fs::File;
use std::io::BufReader;
use std::sync::Arc;

use crate::datasets::ShelfError;
use crate::http::auth::caller::Caller;
use crate::http::embeddings::texts::{self, Reading};
use crate::http::error::{ApiError, Result};
use crate::http::state::AppState;
use crate::ml::dataset::stored::{self, StoredPair};
use crate::ml::eval::baseline::draw;
use crate::serving::ServedModel;
use crate::store::{Dataset, ModelRow};

/// Texts that are embedded at once, so that other requests come in between.
const AT_ONCE: usize = 256;

/// At most `most` of a table's pairs, drawn by the seed and in the order of the file, and how many it has.
pub(crate) async fn drawn(
    state: &AppState,
    dataset: &Dataset,
    most: usize,
    seed: u64,
) -> Result<(Vec<StoredPair>, usize)> {
    over_pairs(state, dataset, move |pairs| {
        // A row that cannot be read ends the draw.
        let mut failed = None;
        let sound = pairs.map_while(|pair| pair.map_err(|error| failed = Some(error)).ok());
        let drawn = draw(sound, most, seed);
        failed.map_or(Ok(drawn), Err)
    })
    .await
}

/// What the pairs of a table have to do with some texts.
pub(crate) async fn over_pairs<T: Send + 'static>(
    state: &AppState,
    dataset: &Dataset,
    work: impl FnOnce(&mut dyn Iterator<Item = Result<StoredPair, ShelfError>>) -> Result<T, ShelfError> + Send + 'static,
) -> Result<T> {
    let file = state.datasets.pairs_file(dataset);
    let work = move || {
        let pairs = stored::pairs(BufReader::new(File::open(file)?));
        work(&mut pairs.map(|pair| pair.map_err(ShelfError::from)))
    };
    Ok(tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)??)
}

/// Different texts in the order in which they first come, with their places.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    pub(crate) texts: Vec<String>,
    places: HashMap<String, usize>,
}

impl Texts {
    /// The place of a text, which is added where it is new.
    pub(crate) fn add(&mut self, text: &str) -> usize {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }

    /// The place of a text, if it is there.
    pub(crate) fn place(&self, text: &str) -> Option<usize> {
        self.places.get(text).copied()
    }
}

/// One model's vectors `(N, D)` of many texts, of length 1, row after row.
pub(crate) struct Embedded {
    pub(crate) model: Arc<ServedModel>,
    pub(crate) vectors: Vec<f32>,
    pub(crate) dimensions: usize,
}

impl Embedded {
    /// A text's vector.
    pub(crate) fn vector(&self, place: usize) -> &[f32] {
        &self.vectors[place * self.dimensions..][..self.dimensions]
    }
}

/// A model's vectors of many texts, a part at a time: requests that people wait for come in between.
pub(crate) async fn embed(state: &AppState, caller: &Caller, row: &ModelRow, texts: &[String]) -> Result<Embedded> {
    let dimensions = row.dimensions as usize;
    let model = state.pool.serve(row).await?;
    let mut vectors = Vec::with_capacity(texts.len() * dimensions);
    for part in texts.chunks(AT_ONCE) {
        let part = texts::embed_with(state, caller, row, part.to_vec(), Reading::default()).await?;
        part.vectors.iter().for_each(|vector| vectors.extend_from_slice(vector));
    }
    Ok(Embedded { model, vectors, dimensions })
}

/// Work that takes a processor for a while, on one thread of its own.
pub(crate) async fn compute<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T> {
    let work = move || {
        // OpenMP keeps this number for each thread that calls it; the other cores serve.
        tch::set_num_threads(1);
        work()
    };
    tokio::task::spawn_blocking(work).await.map_err(ApiError::internal)
}
