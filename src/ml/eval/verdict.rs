//! Whether a tuned model is better: an answer, not a curve.
//!
//! Two questions are answered apart: does it know the domain better, and does it still understand
//! everything else? Each answer rests on the interval of the difference ([`super::bootstrap`]), so that
//! chance is not told as a gain.

use serde::{Deserialize, Serialize};

use super::bootstrap::{Difference, Metric};

/// Fewer pairs than this say nothing: the interval of a bootstrap over so few rows is itself a guess.
pub const FEWEST_PAIRS: usize = 30;
/// The least correlation that is worth the name of a gain: another seed of the same training moves a
/// benchmark by a thousandth or two.
pub const LEAST_GAIN: f64 = 0.005;
/// The same for a mean squared error, whose size depends on the scores: a part of the base's.
pub const LEAST_GAIN_OF_ERROR: f64 = 0.05;
/// An interval that holds 0 and is wider than this says that nobody knows, not that nothing changed: a
/// loss of 0.05 may hide in it, ten times the least gain.
pub const WIDEST: f64 = 0.1;
/// The same for a mean squared error, as a part of the base's.
pub const WIDEST_OF_ERROR: f64 = 0.5;

/// How the tuned model compares with its base.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Better: the interval of the gain lies above 0, and the gain is no trifle.
    Win,
    /// No clear difference: the interval is narrow and holds 0, or the gain is sure and a trifle.
    Marginal,
    /// Worse: the interval of the gain lies below 0.
    Regression,
    /// The pairs cannot tell.
    TooFew,
}

/// Why the pairs cannot tell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Doubt {
    /// Fewer than [`FEWEST_PAIRS`].
    FewPairs,
    /// The interval holds 0 and is wider than [`WIDEST`].
    WideInterval,
    /// The metric or its interval does not exist: nearly all scores are the same.
    NotMeasurable,
}

/// One question's answer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Axis {
    /// The table that was asked.
    pub name: String,
    /// The answer.
    pub verdict: Verdict,
    /// Where it is [`Verdict::TooFew`], why.
    pub doubt: Option<Doubt>,
    /// What it rests on.
    #[serde(flatten)]
    pub difference: Difference,
}

/// Both questions' answers, and what they come to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Verdicts {
    /// The rule is [`overall`]'s.
    pub overall: Verdict,
    /// On the job's own validation pairs.
    pub domain: Axis,
    /// On the user's benchmark of pairs, or on Shamisen's own general pairs.
    pub general: Axis,
    /// On the user's benchmark of labelled texts; a loss on it is a regression, too.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Axis, required = false)]
    pub labels: Option<Axis>,
}

impl Axis {
    /// The answer that a difference gives. See [`Verdict`].
    pub fn new(name: &str, difference: Difference) -> Self {
        let (verdict, doubt) = judge(&difference);
        Self { name: name.to_owned(), verdict, doubt, difference }
    }
}

fn judge(difference: &Difference) -> (Verdict, Option<Doubt>) {
    let doubt = |doubt| (Verdict::TooFew, Some(doubt));
    if difference.n < FEWEST_PAIRS {
        return doubt(Doubt::FewPairs);
    }
    let Difference { before: Some(before), delta: Some(delta), low: Some(low), high: Some(high), .. } = *difference
    else {
        return doubt(Doubt::NotMeasurable);
    };
    // An error's gain is its fall.
    let (gain, low, high, least, widest) = match difference.metric {
        Metric::Mse => (-delta, -high, -low, LEAST_GAIN_OF_ERROR * before, WIDEST_OF_ERROR * before),
        _ => (delta, low, high, LEAST_GAIN, WIDEST),
    };
    if high < 0.0 {
        (Verdict::Regression, None)
    } else if low > 0.0 {
        (if gain >= least { Verdict::Win } else { Verdict::Marginal }, None)
    } else if high - low > widest {
        doubt(Doubt::WideInterval)
    } else {
        (Verdict::Marginal, None)
    }
}

/// What both answers come to. The domain's holds, since that is what was tuned for, but: a loss on either
/// side is a regression, and a win needs a general side that could be told. `lost`: a model that no longer tells
/// texts apart, or that does worse on a benchmark of labels, has regressed whatever its pairs say.
pub fn overall(domain: Verdict, general: Verdict, lost: bool) -> Verdict {
    match (domain, general) {
        _ if lost => Verdict::Regression,
        (_, Verdict::Regression) => Verdict::Regression,
        (Verdict::Win, Verdict::TooFew) => Verdict::TooFew,
        (domain, _) => domain,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(metric: Metric, n: usize, before: f64, delta: f64, low: f64, high: f64) -> (Verdict, Option<Doubt>) {
        let after = Some(before + delta);
        let (before, delta, low, high) = (Some(before), Some(delta), Some(low), Some(high));
        judge(&Difference { metric, n, before, after, delta, low, high })
    }

    #[test]
    fn a_gain_is_a_win_when_its_interval_lies_above_zero_and_it_is_no_trifle() {
        let spearman = |delta, low, high| told(Metric::Spearman, 200, 0.8, delta, low, high);
        assert_eq!(spearman(0.02, 0.004, 0.04), (Verdict::Win, None));
        assert_eq!(spearman(0.5, 0.3, 0.7), (Verdict::Win, None));
        assert_eq!(spearman(0.003, 0.001, 0.005), (Verdict::Marginal, None));
        assert_eq!(spearman(0.02, -0.001, 0.04), (Verdict::Marginal, None));
        assert_eq!(spearman(-0.02, -0.04, 0.001), (Verdict::Marginal, None));
        assert_eq!(spearman(0.0, 0.0, 0.0), (Verdict::Marginal, None));
        assert_eq!(spearman(-0.02, -0.04, -0.001), (Verdict::Regression, None));
    }

    #[test]
    fn an_error_wins_by_falling() {
        let mse = |delta, low, high| told(Metric::Mse, 200, 0.02, delta, low, high);
        assert_eq!(mse(-0.01, -0.012, -0.008), (Verdict::Win, None));
        assert_eq!(mse(-0.0005, -0.0006, -0.0004), (Verdict::Marginal, None));
        assert_eq!(mse(0.0005, 0.0004, 0.0006), (Verdict::Regression, None));
        assert_eq!(mse(0.001, -0.005, 0.006), (Verdict::TooFew, Some(Doubt::WideInterval)));
    }

    #[test]
    fn what_pairs_cannot_tell_is_not_told() {
        assert_eq!(told(Metric::Spearman, 29, 0.8, 0.2, 0.1, 0.3), (Verdict::TooFew, Some(Doubt::FewPairs)));
        assert_eq!(told(Metric::Spearman, 30, 0.8, 0.02, -0.05, 0.09), (Verdict::TooFew, Some(Doubt::WideInterval)));
        let (before, n) = (Some(0.8), 200);
        let missing =
            Difference { metric: Metric::Spearman, n, before, after: before, delta: Some(0.0), low: None, high: None };
        assert_eq!(judge(&missing), (Verdict::TooFew, Some(Doubt::NotMeasurable)));
    }

    #[test]
    fn what_was_tuned_for_decides_unless_something_is_lost() {
        use Verdict::{Marginal, Regression, TooFew, Win};
        assert_eq!(overall(Win, Marginal, false), Win);
        assert_eq!(overall(Win, Win, false), Win);
        assert_eq!(overall(Win, Regression, false), Regression);
        assert_eq!(overall(Win, TooFew, false), TooFew);
        assert_eq!(overall(Marginal, Win, false), Marginal);
        assert_eq!(overall(TooFew, Regression, false), Regression);
        assert_eq!(overall(TooFew, Win, false), TooFew);
        assert_eq!(overall(Regression, Win, false), Regression);
        assert_eq!(overall(Win, Win, true), Regression);
    }
}
