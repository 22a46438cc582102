//! What a job's figures mean, out of what the base and the tuned model say of the same pairs.

use serde::{Deserialize, Serialize};
use tables::PairDataset;
use tables::choices::LowestMeans;

use super::bootstrap::{Difference, Metric, difference};
use super::calibration::{Calibration, Uncalibrated};
use super::collapse::{Collapse, EmbeddingStats};
use super::labels::{LabelDifferences, LabelJudgements};
use super::movers::Movers;
use super::verdict::{Axis, Verdict, Verdicts, overall};
use crate::ml::pairs::TokenPair;
use crate::ml::target::ScoreTarget;
use crate::ml::train::LossKind;

/// The pairs that both models are asked.
#[derive(Clone, Copy, Debug)]
pub struct EvalPairs<'a> {
    /// The job's table, and its name.
    pub table: (&'a str, &'a PairDataset),
    /// What its lowest score says, if somebody said so.
    pub lowest_means: Option<LowestMeans>,
    /// The rows of it that validate.
    pub validation: &'a [TokenPair],
    /// The user's benchmark and its name.
    pub benchmark: Option<(&'a str, &'a [TokenPair])>,
    /// Shamisen's own general pairs and their name.
    pub retention: (&'a str, &'a [TokenPair]),
    /// What was trained with.
    pub loss: LossKind,
    /// Of every draw.
    pub seed: u64,
}

/// What one model says.
#[derive(Clone, Debug, PartialEq)]
pub struct Predictions {
    /// The validation pairs' similarities on the measure of the loss.
    pub validation: Vec<f64>,
    /// The benchmark pairs' cosines.
    pub benchmark: Option<Vec<f64>>,
    /// The general pairs' cosines.
    pub retention: Vec<f64>,
    /// What labelled texts come to, of the validation rows and of the benchmark.
    pub labels: [Option<LabelJudgements>; 2],
    /// How the vectors of the table's texts lie.
    pub spread: EmbeddingStats,
}

/// What it comes to.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Assessment {
    /// Whether the tuned model is better.
    pub verdict: Verdicts,
    /// Pearson's correlations before and after, with intervals.
    pub pearson: Differences,
    /// The validation pairs that tell most.
    pub movers: Movers,
    /// From the tuned model's similarity to the user's scale, and where to cut it.
    pub calibration: Option<Calibration>,
    /// Where there is no calibration, why.
    pub uncalibrated: Option<Uncalibrated>,
    /// How the vectors lie.
    pub spread: EmbeddingStatsChange,
    /// How well labelled texts find their like, before and after; reports on other tables lack it.
    #[serde(default, skip_serializing_if = "LabelChanges::is_empty")]
    #[schema(required = false)]
    pub labels: LabelChanges,
}

/// How well labelled texts find their like, before and after.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct LabelChanges {
    /// Of the validation rows, where the job's table is one of labelled texts.
    pub validation: Option<LabelDifferences>,
    /// Of the user's benchmark, where it is.
    pub benchmark: Option<LabelDifferences>,
}

impl LabelChanges {
    fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// One metric on each table.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
pub struct Differences {
    /// On the validation pairs.
    pub validation: Difference,
    /// On the user's benchmark.
    pub benchmark: Option<Difference>,
    /// On Shamisen's own general pairs.
    pub retention: Difference,
}

/// How the vectors of the table's texts lie.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, utoipa::ToSchema)]
#[schema(as = Spreads)]
pub struct EmbeddingStatsChange {
    /// The base's.
    pub before: EmbeddingStats,
    /// The tuned model's.
    pub after: EmbeddingStats,
    /// How the tuned model has collapsed, if it has.
    pub collapsed: Option<Collapse>,
}

impl EvalPairs<'_> {
    /// Compares the base with the tuned model.
    pub fn assess(&self, before: &Predictions, after: &Predictions) -> Assessment {
        let target = ScoreTarget { measure: self.loss.measure(), lowest_means: self.lowest_means };
        let collapsed = after.spread.collapsed(&before.spread);
        let on = |metric, before: &[f64], after: &[f64], pairs: &[TokenPair]| {
            difference(metric, before, after, &scores(pairs), self.seed)
        };
        let on_validation = |metric| on(metric, &before.validation, &after.validation, self.validation);
        let on_benchmark = |metric| {
            let (name, pairs) = self.benchmark?;
            Some((name, on(metric, before.benchmark.as_ref()?, after.benchmark.as_ref()?, pairs)))
        };
        let on_labels =
            |part: usize| Some(before.labels[part].as_ref()?.against(after.labels[part].as_ref()?, self.seed));
        let labels = LabelChanges { validation: on_labels(0), benchmark: on_labels(1) };
        let on_retention = |metric| on(metric, &before.retention, &after.retention, self.retention.1);

        // Of labelled texts the order of all others tells most: accuracies are as good as they can be long before.
        let domain = match labels.validation {
            Some(found) => found.mean_average_precision,
            None => on_validation(self.domain_metric()),
        };
        let domain = Axis::new(self.table.0, domain);
        // A benchmark of labelled texts tells of labels; of everything else the general pairs do.
        let of_labels = self.benchmark.zip(labels.benchmark);
        let of_labels = of_labels.map(|((name, _), found)| Axis::new(name, found.mean_average_precision));
        let (name, general) =
            on_benchmark(Metric::Spearman).unwrap_or_else(|| (self.retention.0, on_retention(Metric::Spearman)));
        let general = Axis::new(name, general);
        let lost = of_labels.as_ref().is_some_and(|axis| axis.verdict == Verdict::Regression);
        let calibration = Calibration::fit(self.loss.measure(), &after.validation, &scores(self.validation));
        Assessment {
            verdict: Verdicts {
                overall: overall(domain.verdict, general.verdict, lost || collapsed.is_some()),
                domain,
                general,
                labels: of_labels,
            },
            pearson: Differences {
                validation: on_validation(Metric::Pearson),
                benchmark: on_benchmark(Metric::Pearson).map(|(_, difference)| difference),
                retention: on_retention(Metric::Pearson),
            },
            movers: Movers::find(self.validation, &before.validation, &after.validation, self.table.1, target),
            uncalibrated: calibration.as_ref().err().copied(),
            calibration: calibration.ok(),
            spread: EmbeddingStatsChange { before: before.spread, after: after.spread, collapsed },
            labels,
        }
    }

    /// Spearman's correlation asks for the order alone, which is what search and ranking use. Where all
    /// scores are the same there is no order, and the error is asked, unless the loss learns the order and
    /// never aimed at the scores themselves.
    fn domain_metric(&self) -> Metric {
        let one_score = self.validation.iter().all(|pair| pair.score == self.validation[0].score);
        let learns_order = matches!(self.loss, LossKind::Cosent | LossKind::Angle | LossKind::Mnrl | LossKind::Triplet);
        if one_score && !learns_order { Metric::Mse } else { Metric::Spearman }
    }
}

fn scores(pairs: &[TokenPair]) -> Vec<f64> {
    pairs.iter().map(|pair| pair.score).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ml::eval::Doubt;
    use tables::{Pair, TableKind};

    const SPREAD: EmbeddingStats =
        EmbeddingStats { texts: 80, pairs: 2000, cosine_mean: 0.2, cosine_std: 0.1, effective_rank: 40.0, clipped: 0 };

    /// Forty pairs whose scores are given by the row.
    fn assessed(score: impl Fn(usize) -> f64, loss: LossKind, collapsed: bool) -> Assessment {
        let text = |row| Pair { left: "a".to_owned(), right: "b".to_owned(), negative: None, score: score(row), row };
        let table = PairDataset { columns: None, kind: TableKind::PairScore, pairs: (2..42).map(text).collect() };
        let tokens =
            |row| TokenPair { left: vec![1], right: vec![2], negative: None, score: score(row), row, labels: None };
        let validation: Vec<TokenPair> = (2..42).map(tokens).collect();
        let asked = EvalPairs {
            table: ("mine", &table),
            lowest_means: None,
            validation: &validation,
            benchmark: None,
            retention: ("general", &validation),
            loss,
            seed: 42,
        };
        // The base sees the scores in reverse, the tuned model nearly as they are.
        let jitter = |row: usize| (row * 7 % 11) as f64 / 1000.0;
        let base: Vec<f64> = (2..42).map(|row| 1.0 - score(row) + jitter(row)).collect();
        let tuned: Vec<f64> = (2..42).map(|row| score(row) + jitter(row)).collect();
        let labels = [None, None];
        let before =
            Predictions { validation: base, benchmark: None, retention: tuned.clone(), spread: SPREAD, labels };
        let spread = EmbeddingStats { effective_rank: if collapsed { 2.0 } else { 39.0 }, ..SPREAD };
        let labels = [None, None];
        asked.assess(
            &before,
            &Predictions { validation: tuned.clone(), benchmark: None, retention: tuned, spread, labels },
        )
    }

    #[test]
    fn a_better_order_wins_and_the_general_side_is_the_built_in_pairs_without_a_benchmark() {
        let found = assessed(|row| (row % 4) as f64 / 4.0, LossKind::AngularMse, false);
        let verdict = &found.verdict;
        assert_eq!((verdict.overall, verdict.domain.verdict), (Verdict::Win, Verdict::Win));
        assert_eq!((verdict.domain.name.as_str(), verdict.general.name.as_str()), ("mine", "general"));
        assert_eq!(verdict.general.verdict, Verdict::Marginal);
        assert_eq!((verdict.domain.difference.metric, verdict.domain.difference.n), (Metric::Spearman, 40));
        assert!(found.calibration.is_some() && found.uncalibrated.is_none());
        assert_eq!(found.movers.toward.len(), 10);
        assert_eq!(serde_json::to_value(verdict).unwrap()["domain"]["verdict"], "win");
    }

    #[test]
    fn one_score_is_judged_by_the_error_unless_the_loss_learns_the_order_alone() {
        let found = assessed(|_| 0.75, LossKind::AngularMse, false);
        assert_eq!(found.verdict.domain.difference.metric, Metric::Mse);
        assert_eq!(found.verdict.domain.verdict, Verdict::Win);
        assert_eq!(found.uncalibrated, Some(Uncalibrated::OneScore));
        let found = assessed(|_| 0.75, LossKind::Cosent, false);
        assert_eq!(found.verdict.domain.doubt, Some(Doubt::NotMeasurable));
    }

    #[test]
    fn a_collapsed_model_has_regressed_whatever_its_pairs_say() {
        let found = assessed(|_| 0.75, LossKind::AngularMse, true);
        assert_eq!(found.verdict.domain.verdict, Verdict::Win);
        assert_eq!(found.spread.collapsed, Some(Collapse::FewDirections));
        assert_eq!(found.verdict.overall, Verdict::Regression);
    }
}
