//! How alike two vectors are.

use serde::{Deserialize, Serialize};

/// The cosine is kept this far inside its range before the arc cosine, whose slope has no bound at
/// the ends. The tutorial's value.
pub const COSINE_LIMIT: f64 = 0.99999;

/// A measure of how alike two vectors are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(feature = "schema", derive(utoipa::ToSchema))]
#[serde(rename_all = "lowercase")]
pub enum Similarity {
    /// The cosine of the angle between the vectors, -1 to 1.
    #[default]
    Cosine,
    /// `1 - angle / pi`, 0 to 1; 0.5 for vectors that have nothing in common. Cer et al. 2018,
    /// "Universal Sentence Encoder".
    Angular,
}

impl Similarity {
    /// The similarity of two vectors. 0 (cosine) where one of them is zero.
    pub fn between(self, a: &[f32], b: &[f32]) -> f64 {
        self.of_cosine(cosine(a, b))
    }

    /// The same measure of a known cosine.
    pub fn of_cosine(self, cosine: f64) -> f64 {
        match self {
            Self::Cosine => cosine,
            Self::Angular => 1.0 - cosine.clamp(-1.0, 1.0).acos() / std::f64::consts::PI,
        }
    }

    /// The cosine that a similarity of this measure stands for.
    pub fn to_cosine(self, similarity: f64) -> f64 {
        match self {
            Self::Cosine => similarity,
            Self::Angular => ((1.0 - similarity) * std::f64::consts::PI).cos(),
        }
    }
}

/// The cosine of two vectors, 0 where one of them is zero.
pub fn cosine(a: &[f32], b: &[f32]) -> f64 {
    let dot = |a: &[f32], b: &[f32]| -> f64 { a.iter().zip(b).map(|(a, b)| f64::from(*a) * f64::from(*b)).sum() };
    let norms = (dot(a, a) * dot(b, b)).sqrt();
    if norms > 0.0 { (dot(a, b) / norms).clamp(-1.0, 1.0) } else { 0.0 }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_measures_agree_with_their_formulas() {
        assert!((cosine(&[1.0, 0.0], &[1.0, 1.0]) - 0.5_f64.sqrt()).abs() < 1e-12);
        assert!((Similarity::Angular.of_cosine(0.7) - 0.7468166888933649).abs() < 1e-12);
        assert_eq!(Similarity::Angular.of_cosine(0.0), 0.5);
        assert_eq!(Similarity::Angular.of_cosine(1.0), 1.0);
        assert!((Similarity::Angular.to_cosine(0.7468166888933649) - 0.7).abs() < 1e-12);
    }

    #[test]
    fn a_zero_vector_is_like_nothing_and_gives_no_nan() {
        assert_eq!(cosine(&[0.0, 0.0], &[1.0, 1.0]), 0.0);
        assert_eq!(Similarity::Angular.between(&[0.0, 0.0], &[1.0, 1.0]), 0.5);
    }
}
