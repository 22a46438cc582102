//! How much may be asked of tables: each number's bounds stand once, for HTTP, the command line and who calls this
//! crate. What a request only reads costs what is there; these say how much is *made*.

use crate::pair::MOST_ROWS;

/// What a number may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Bound {
    /// What it is called, in a request's fields and in the recipe.
    pub name: &'static str,
    /// Both included.
    pub least: usize,
    /// Both included.
    pub most: usize,
}

/// Pairs of each kind that begin at one concept. Of a hundred siblings more say what those before have said, and with a
/// hundred of each kind a taxonomy of four thousand concepts is a table as large as a table may be.
pub const PER_CONCEPT: Bound = Bound { name: "per_concept", least: 1, most: 100 };

/// Pairs of each kind. No table has more rows.
pub const PER_KIND: Bound = Bound { name: "per_kind", least: 1, most: MOST_ROWS };

/// Negatives for each text and one that belongs to it.
pub const PER_TEXT: Bound = Bound { name: "per_text", least: 1, most: 10 };

/// A number that may not be asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{asked} is outside {} to {}", .bound.least, .bound.most)]
pub struct OutOfBounds {
    /// What it may be.
    pub bound: Bound,
    /// What was asked for.
    pub asked: usize,
}

impl Bound {
    /// The number, where it may be asked for.
    ///
    /// # Errors
    /// Where it lies outside.
    pub fn check(self, asked: usize) -> Result<usize, OutOfBounds> {
        let fits = (self.least..=self.most).contains(&asked);
        fits.then_some(asked).ok_or(OutOfBounds { bound: self, asked })
    }
}
