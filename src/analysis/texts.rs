//! Different texts of a table, each once, and their vectors.

use std::collections::HashMap;

use tables::{Pair, TableKind};

use super::answers::Answer;

/// Different texts in the order in which they first come, with their places.
#[derive(Debug, Default)]
pub(super) struct Texts {
    pub(super) texts: Vec<String>,
    places: HashMap<String, usize>,
}

impl Texts {
    /// The place of a text, which is added where it is new.
    pub(super) fn add(&mut self, text: &str) -> usize {
        if let Some(&place) = self.places.get(text) {
            return place;
        }
        self.texts.push(text.to_owned());
        self.places.insert(text.to_owned(), self.texts.len() - 1);
        self.texts.len() - 1
    }

    pub(super) fn place(&self, text: &str) -> Option<usize> {
        self.places.get(text).copied()
    }
}

/// A pair's texts: two, a triplet's three; of a labelled text itself.
pub(super) fn texts_of(pair: &Pair, kind: TableKind) -> impl Iterator<Item = &String> {
    let right = (kind != TableKind::Labelled).then_some(&pair.right);
    [Some(&pair.left), right, pair.negative.as_ref()].into_iter().flatten()
}

/// One model's vectors `(N, D)` of texts, of length 1, row after row.
pub(super) struct Embedded {
    pub(super) vectors: Vec<f32>,
    pub(super) dimensions: usize,
    /// What was read of the texts for them.
    pub(super) tokens: usize,
}

impl Embedded {
    pub(super) fn vector(&self, place: usize) -> &[f32] {
        &self.vectors[place * self.dimensions..][..self.dimensions]
    }

    pub(super) fn rows(&self) -> impl ExactSizeIterator<Item = &[f32]> {
        self.vectors.chunks_exact(self.dimensions)
    }
}

/// A table's first texts and one model's vectors of them.
pub(super) struct TableVectors {
    pub(super) texts: Vec<String>,
    pub(super) embedded: Embedded,
    pub(super) total: usize,
}

impl Answer for TableVectors {
    const MOST_BYTES: u64 = 128 << 20;
    const USUAL_BYTES: u64 = 8 << 20;

    fn bytes(&self) -> usize {
        let texts: usize = self.texts.iter().map(|text| size_of::<String>() + text.len()).sum();
        texts + size_of_val(&*self.embedded.vectors)
    }
}
