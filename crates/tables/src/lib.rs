//! Tables of text pairs with a similarity score, of pairs that belong together, of triplets.

pub mod annotate;
pub mod bounds;
pub mod checks;
pub mod choices;
pub mod diff;
pub mod draws;
pub mod inspect;
pub mod mining;
mod pair;
mod problems;
mod read;
mod reading;
pub mod similarity;
pub mod source;
mod stop;
pub mod stored;
pub mod surrogates;
pub mod taxonomy;
pub mod ties;

pub use pair::{LONGEST_TEXT, MOST_ROWS, Pair, PairDataset, Scores, TableKind};
pub use problems::{Problem, Problems};
pub use read::{read, read_with};
pub use stop::Stop;

#[cfg(test)]
mod tests;
