//! A model's golden answers: texts and the vectors that the model in memory gave them when it was made.
//!
//! A model that is loaded later, elsewhere, prepared for inference, over a base that somebody exchanged, must give the
//! same ones.
//! Whatever was lost on the way (a tensor, a row of the table, an adapter that nobody applied), shows in them.

use std::collections::BTreeSet;
use std::path::Path;

use serde::{Deserialize, Serialize};
use tables::similarity::cosine;

use super::model_files::seal;
use super::{Encoder, Model, encode_all_raw};
use crate::ml::Result;
use crate::ml::files::write_new;

/// A model's golden answers in its folder.
pub const GOLDEN: &str = "probes.json";
/// The least cosine between a text's vector then and now. Other threads, packed weights and another order of sums
/// stay above 0.9999999; a kernel that is missing falls far below.
pub const LEAST_COSINE: f64 = 0.99999;
/// Characters of a text: what comes behind them is not needed to tell models apart.
const LONGEST: usize = 400;

/// Where a text is from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Origin {
    /// The table that the model learned from: it stays where the model was made.
    Table,
    /// The titles of the report, which the model's card tells too.
    Title,
    /// Shamisen's own general texts.
    General,
}

/// A text and the vector that it has.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct GoldenVector {
    /// Where the text is from.
    pub origin: Origin,
    /// The text.
    pub text: String,
    /// `(D,)`, as the model makes it.
    pub vector: Vec<f32>,
}

/// A model's golden answers.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct GoldenVectors {
    /// Each text with its vector.
    #[serde(rename = "probes")]
    pub vectors: Vec<GoldenVector>,
}

impl GoldenVectors {
    /// What a model that was just made says of texts; long ones are cut.
    pub fn of(model: &Model, texts: Vec<(Origin, String)>) -> Result<Self> {
        let cut = |(origin, text): (Origin, String)| (origin, text.chars().take(LONGEST).collect::<String>());
        let texts: Vec<(Origin, String)> = texts.into_iter().map(cut).collect();
        let vectors = vectors(model, texts.iter().map(|(_, text)| text.as_str()))?;
        let golden = |((origin, text), vector)| GoldenVector { origin, text, vector };
        Ok(Self { vectors: texts.into_iter().zip(vectors).map(golden).collect() })
    }

    /// Those without the texts of the user's table, for a model that is handed on.
    #[must_use]
    pub fn without_table(mut self) -> Self {
        self.vectors.retain(|golden| golden.origin != Origin::Table);
        self
    }

    /// Writes them into a model's folder, whose card vouches for them from then on.
    pub fn write(&self, folder: &Path) -> Result<()> {
        write_new(&folder.join(GOLDEN), &serde_json::to_vec(self).expect("plain structs become JSON"))?;
        seal(folder)
    }

    /// Asks a model for the vectors again.
    ///
    /// # Errors
    /// The first text of which it says something else.
    pub fn check(&self, model: &Model) -> Result<(), String> {
        let now = vectors(model, self.vectors.iter().map(|golden| golden.text.as_str()));
        let now = now.map_err(|error| error.to_string())?;
        for (index, (GoldenVector { vector: then, .. }, now)) in self.vectors.iter().zip(&now).enumerate() {
            let of = format!("the vector of probe {} of {}", index + 1, self.vectors.len());
            let (has, had) = (now.len(), then.len());
            if has != had {
                return Err(format!("{of} has {has} dimensions; it had {had} when the model was made"));
            }
            if !now.iter().all(|number| number.is_finite()) {
                return Err(format!("{of} holds a number that is none"));
            }
            let silent = |vector: &[f32]| vector.iter().all(|&number| number == 0.0);
            let alike = if silent(then) && silent(now) { 1.0 } else { cosine(then, now) };
            // A number in the file that is none fails too.
            if alike.is_nan() || alike < LEAST_COSINE {
                return Err(format!(
                    "{of} has a cosine of {alike:.6} with the one that it had when the model was made; {LEAST_COSINE} is the least"
                ));
            }
        }
        Ok(())
    }
}

/// Texts as a request's are read: tokenized with the default prompt, as the model makes them.
fn vectors<'a>(model: &Model, texts: impl Iterator<Item = &'a str>) -> Result<Vec<Vec<f32>>> {
    let ids: Vec<Vec<u32>> = texts.map(|text| model.tokenize(text).ids).collect();
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let ids: Vec<&[u32]> = ids.iter().map(Vec::as_slice).collect();
    let encoder: &dyn Encoder = &*model.encoder;
    Ok(Vec::try_from(encode_all_raw(encoder, &ids))?)
}

/// At most `count` of `items`, evenly spaced, the first among them.
pub fn evenly_spaced<T>(items: Vec<T>, count: usize) -> Vec<T> {
    let length = items.len();
    let wanted: BTreeSet<usize> = (0..count).map(|place| place * length / count).collect();
    items.into_iter().enumerate().filter(|(place, _)| wanted.contains(place)).map(|(_, item)| item).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_spread_begins_with_the_first_and_is_no_longer_than_asked() {
        assert_eq!(evenly_spaced((0..10).collect(), 4), [0, 2, 5, 7]);
        assert_eq!(evenly_spaced((0..3).collect(), 8), [0, 1, 2]);
        assert_eq!(evenly_spaced(Vec::<u8>::new(), 8), [0_u8; 0]);
    }
}
