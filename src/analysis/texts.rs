//! Different texts, each once.

use std::collections::HashMap;

use tables::Pair;

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

    /// The place of a text, if it is there.
    pub(super) fn place(&self, text: &str) -> Option<usize> {
        self.places.get(text).copied()
    }
}

/// A pair's texts: two, a triplet's three.
pub(super) fn texts_of(pair: &Pair) -> impl Iterator<Item = &String> {
    [Some(&pair.left), Some(&pair.right), pair.negative.as_ref()].into_iter().flatten()
}
