//! A table's rows as a model reads them.

/// A row whose texts are tokens already: once, not once an epoch.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TokenPair {
    /// The left text's ids.
    pub left: Vec<u32>,
    /// The right text's ids.
    pub right: Vec<u32>,
    /// Of a triplet, the ids of the text that does not belong.
    pub negative: Option<Vec<u32>>,
    /// How alike left and right are, 0 to 1, as the table says it;
    /// [`ScoreTarget`](crate::ml::target::ScoreTarget) knows which similarity that asks for.
    pub score: f64,
    /// The row as a spreadsheet counts it.
    pub row: usize,
}

impl TokenPair {
    /// The row's texts as the model reads them: texts that become the same tokens are the same.
    pub fn texts(&self) -> impl Iterator<Item = &[u32]> {
        [self.left.as_slice(), &self.right].into_iter().chain(self.negative.as_deref())
    }
}
