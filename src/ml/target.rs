//! Which similarity a pair's score asks for.

use tables::choices::LowestMeans;
use tables::similarity::Similarity;

/// From a table's scores, 0 to 1, to similarities on a loss's measure.
///
/// A score means a cosine: which one depends on what the lowest score says (see [`LowestMeans`]). That cosine, on the
/// loss's measure, is what the loss and the errors compare with. Where nobody said, the score is taken as a similarity
/// on the measure itself.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct ScoreTarget {
    /// What similarities are on.
    pub measure: Similarity,
    /// What the lowest score says, if somebody said so.
    pub lowest_means: Option<LowestMeans>,
}

impl ScoreTarget {
    /// The similarity that a score asks for. A score that is on the measure already stays as it is, to the last bit.
    pub fn similarity(self, score: f64) -> f64 {
        let cosine = match (self.lowest_means, self.measure) {
            (None, _)
            | (Some(LowestMeans::Unrelated), Similarity::Cosine)
            | (Some(LowestMeans::Angular), Similarity::Angular) => return score,
            (Some(LowestMeans::Unrelated), _) => score,
            (Some(LowestMeans::Opposite), _) => 2.0 * score - 1.0,
            (Some(LowestMeans::Angular), _) => Similarity::Angular.to_cosine(score),
        };
        self.measure.of_cosine(cosine)
    }
}

impl From<Similarity> for ScoreTarget {
    /// Scores that are on the measure already.
    fn from(measure: Similarity) -> Self {
        Self { measure, lowest_means: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_score_asks_for_the_cosine_that_its_table_means() {
        let of = |measure, means, score| ScoreTarget { measure, lowest_means: means }.similarity(score);
        let close = |a: f64, b: f64| assert!((a - b).abs() < 1e-12, "{a} {b}");
        // No relation is 0 as a cosine, and a half as an angle.
        close(of(Similarity::Angular, Some(LowestMeans::Unrelated), 0.0), 0.5);
        close(of(Similarity::Cosine, Some(LowestMeans::Opposite), 0.0), -1.0);
        close(of(Similarity::Cosine, Some(LowestMeans::Opposite), 0.5), 0.0);
        close(of(Similarity::Angular, Some(LowestMeans::Opposite), 0.0), 0.0);
        close(of(Similarity::Cosine, Some(LowestMeans::Angular), 0.7468166888933649), 0.7);
        close(of(Similarity::Angular, Some(LowestMeans::Unrelated), 1.0), 1.0);
    }

    #[test]
    fn a_score_on_the_measure_already_stays_to_the_last_bit() {
        for score in [0.0, 0.1, 0.74681668889, 1.0] {
            let same = [
                (Similarity::Angular, Some(LowestMeans::Angular)),
                (Similarity::Cosine, Some(LowestMeans::Unrelated)),
                (Similarity::Angular, None),
                (Similarity::Cosine, None),
            ];
            for (measure, lowest_means) in same {
                assert_eq!(ScoreTarget { measure, lowest_means }.similarity(score).to_bits(), score.to_bits());
            }
        }
    }
}
