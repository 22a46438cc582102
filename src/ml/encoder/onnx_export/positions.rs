//! Where the tokens of a padded batch stand.

use super::graph::Value;

/// A number for each token of a batch. Tokens are counted, not columns, so that a text may be filled up on
/// either side.
pub(super) struct Positions<'g> {
    /// `(B, S)`, 1 where there is a token, else 0.
    pub(super) mask: Value<'g, i64>,
    /// Each token's number in its text, from 1; 0 for padding. `(B, S)`
    pub(super) number: Value<'g, i64>,
}

impl<'g> Positions<'g> {
    pub(super) fn of(mask: Value<'g, i64>) -> Self {
        Self { mask, number: mask.cumsum(1) * mask }
    }

    /// The columns' numbers from 0, `(S,)`.
    pub(super) fn column(&self) -> Value<'g, i64> {
        self.mask.graph().range(self.mask.size(1))
    }

    /// How far left of each token each other is, `(S, S)`.
    pub(super) fn distance(&self) -> Value<'g, i64> {
        let column = self.column();
        column.unsqueeze(&[1]) - column.unsqueeze(&[0])
    }
}
