//! Texts of different lengths in one batch, without padding.

/// The token ids of all texts one after another, `(N,)`, and each text's length, `(B,)`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RaggedBatch {
    /// `(N,)`
    pub ids: Vec<i64>,
    /// `(B,)`, each at least 1, in sum N.
    pub lengths: Vec<i64>,
}

impl RaggedBatch {
    /// Puts texts' ids one after another.
    pub fn new<'a>(texts: impl IntoIterator<Item = &'a [u32]>) -> Self {
        let mut batch = Self::default();
        for text in texts {
            batch.push(text);
        }
        batch
    }

    /// Adds one text.
    pub fn push(&mut self, ids: &[u32]) {
        self.ids.extend(ids.iter().map(|&id| i64::from(id)));
        self.lengths.push(ids.len() as i64);
    }

    /// How many texts, B.
    pub fn texts(&self) -> usize {
        self.lengths.len()
    }

    /// How many tokens, N.
    pub fn tokens(&self) -> usize {
        self.ids.len()
    }
}
