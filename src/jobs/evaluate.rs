//! The tables that measure a model before and after, and what the user should know about the figures.

use std::collections::{BTreeSet, HashSet};

use super::message::{Evaluation, Note};
use super::spec::RunSpec;
use crate::ml::Result;
use crate::ml::encoder::{Encoder, Model};
use crate::ml::eval::{self, Assessment, Benchmark, EvalPairs, Predictions, RETENTION_NAME, token_pairs};
use crate::ml::target::ScoreTarget;
use crate::ml::train::{LossKind, Split, TokenPair};
use tables::checks::{FEWEST_PAIRS, pair_key, text_key};
use tables::{Pair, PairDataset, TableKind};

/// All that a model is asked.
pub(super) struct EvalSuite {
    /// The validation rows as pairs with scores.
    validation: Vec<TokenPair>,
    benchmark: Option<Named>,
    /// Rows of the benchmark, and those of them that train.
    overlap: Option<(usize, usize)>,
    retention: Vec<TokenPair>,
}

impl EvalSuite {
    pub(super) fn read(model: &Model, spec: &RunSpec, table: &PairDataset, split: &Split) -> Result<Self> {
        let (mut benchmark, mut overlap) = (None, None);
        if let Some(given) = &spec.benchmark {
            let whole = given.read()?;
            let rows = whole.pairs.len();
            let left = unseen(whole, table, &split.training);
            let seen = rows - left.pairs.len();
            overlap = (seen > 0).then_some((rows, seen));
            if seen == 0 || left.pairs.len() >= FEWEST_PAIRS {
                benchmark = Some((given.name.clone(), token_pairs(model, &left)));
            }
        }
        let validation = eval::scored_pairs(&split.validation, table.kind);
        Ok(Self { validation, benchmark, overlap, retention: token_pairs(model, &eval::retention_pairs()) })
    }

    /// What general ability is measured with.
    pub(super) fn general(&self) -> &[TokenPair] {
        // A benchmark of labelled texts has no correlation.
        let scored = self.benchmark.as_ref().filter(|(_, pairs)| pairs.iter().all(|pair| pair.labels.is_none()));
        scored.map_or(&self.retention, |(_, pairs)| pairs)
    }

    pub(super) fn evaluate(&self, encoder: &dyn Encoder, spec: &RunSpec, split: &Split) -> (Evaluation, Predictions) {
        let target = ScoreTarget { measure: spec.config.loss.measure(), lowest_means: spec.dataset.lowest_means };
        let (mut validation, on_validation) = eval::validate_each(encoder, &self.validation, target);
        let labels = eval::label_scores_each(encoder, &split.validation);
        let (scores, of_validation) = labels.map_or((None, None), |(scores, each)| (scores, Some(each)));
        validation.labels = scores;
        let (mut benchmark, mut on_benchmark, mut of_benchmark) = (None, None, None);
        if let Some((name, pairs)) = &self.benchmark {
            if let Some((labels, each)) = eval::label_scores_each(encoder, pairs) {
                let (name, pairs) = (name.clone(), pairs.len());
                benchmark = Some(Benchmark { name, pairs, pearson: None, spearman: None, labels });
                of_benchmark = Some(each);
            } else {
                let (told, cosines) = eval::benchmark_each(encoder, name, pairs);
                (benchmark, on_benchmark) = (Some(told), Some(cosines));
            }
        }
        let (retention, on_retention) = eval::benchmark_each(encoder, RETENTION_NAME, &self.retention);
        let texts: Vec<&[u32]> = split.training.iter().chain(&split.validation).flat_map(TokenPair::texts).collect();
        let predictions = Predictions {
            validation: on_validation,
            benchmark: on_benchmark,
            retention: on_retention,
            spread: eval::embedding_stats(encoder, &texts, spec.config.seed),
            labels: [of_validation, of_benchmark],
        };
        (Evaluation { validation, benchmark, retention }, predictions)
    }

    /// What the base and the tuned model said, in that order, comes to.
    pub(super) fn assess(&self, spec: &RunSpec, table: &PairDataset, [before, after]: [&Predictions; 2]) -> Assessment {
        let asked = EvalPairs {
            table: (&spec.dataset.name, table),
            lowest_means: spec.dataset.lowest_means,
            validation: &self.validation,
            benchmark: self.benchmark.as_ref().map(|(name, pairs)| (name.as_str(), pairs.as_slice())),
            retention: (RETENTION_NAME, &self.retention),
            loss: spec.config.loss,
            seed: spec.config.seed,
        };
        asked.assess(before, after)
    }
}

type Named = (String, Vec<TokenPair>);

/// A benchmark without what trains: pairs in either order, whatever their scores, and labelled texts. What a model says of
/// these tells what it has seen and not what it knows.
fn unseen(benchmark: PairDataset, table: &PairDataset, training: &[TokenPair]) -> PairDataset {
    let rows: HashSet<usize> = training.iter().map(|pair| pair.row).collect();
    let of_labels = benchmark.kind == TableKind::Labelled;
    let keys = |pair: &Pair| {
        let left = text_key(&pair.left);
        let others = [Some(&pair.right), pair.negative.as_ref()].into_iter().flatten().map(|text| text_key(text));
        if of_labels { vec![left] } else { others.map(|other| pair_key(left, other)).collect() }
    };
    if of_labels != (table.kind == TableKind::Labelled) {
        return benchmark;
    }
    let seen: HashSet<u64> = table.pairs.iter().filter(|pair| rows.contains(&pair.row)).flat_map(keys).collect();
    let pairs = benchmark.pairs.into_iter().filter(|pair| !keys(pair).iter().any(|key| seen.contains(key))).collect();
    PairDataset { pairs, ..benchmark }
}

/// What the user should know about the numbers that follow.
pub(super) fn notes(spec: &RunSpec, kind: TableKind, split: &Split, suite: &EvalSuite) -> Vec<Note> {
    let validation = &split.validation;
    let note = |code: &str, message| Note { code: code.to_owned(), message };
    let mut notes = Vec::new();
    if spec.benchmark.is_none() {
        let message = format!(
            "General ability was not measured with a benchmark: none was given. {RETENTION_NAME}, a small built-in set, is the only hint of it."
        );
        notes.push(note("no_benchmark", message));
    }
    if let (Some(table), Some((rows, seen))) = (&spec.benchmark, suite.overlap) {
        let left = rows - seen;
        let counted = match suite.benchmark {
            Some(_) => format!("They are not counted: the figures are of the other {left}."),
            None => format!(
                "With the other {left} nothing can be measured: {RETENTION_NAME}, a small built-in set, is the only hint of general ability."
            ),
        };
        let message =
            format!("{seen} of the {rows} rows of the benchmark {:?} are pairs that train. {counted}", table.name);
        notes.push(note("benchmark_overlaps", message));
    }
    if spec.benchmark.as_ref().is_some_and(|table| table.kind == TableKind::Labelled) {
        let message = format!(
            "The benchmark is one of texts with labels: it tells how well these labels are told apart, and nothing of general ability. {RETENTION_NAME}, a small built-in set, is the only hint of that."
        );
        notes.push(note("benchmark_of_labels", message));
    }
    if kind == TableKind::PairPositive {
        let message = "The table has no scores: each validation pair is judged beside a pair of texts from different rows, which counts as 0.".to_owned();
        notes.push(note("judged_by_strangers", message));
    }
    if kind == TableKind::Labelled {
        notes.push(how_labels_are_judged(split));
    }
    let scored = matches!(kind, TableKind::PairScore | TableKind::PairClass);
    let unsaid = scored && spec.dataset.lowest_means.is_none();
    if unsaid && validation.iter().chain(&split.training).any(|pair| pair.score < 0.5) {
        let message = "Nobody said what the lowest score of this table means: that texts have nothing in common, or that they mean opposite things. The loss took the scores as similarities on its own measure. Send the table again with \"lowest_means\" to say so.".to_owned();
        notes.push(note("lowest_score_not_said", message));
    }
    if unsaid
        && spec.config.loss == LossKind::AngularMse
        && validation.iter().chain(&split.training).any(|pair| pair.score < 0.25)
    {
        let message = "Some scores are below 0.25. This loss reads scores as angular similarities, where 0.5 is unrelated and 0 is opposite: it pulls such texts to opposite sides. If 0 means unrelated in your table, choose the loss \"cosine_mse\".".to_owned();
        notes.push(note("scores_below_unrelated", message));
    }
    if scored && validation.iter().all(|pair| pair.score == validation[0].score) {
        let message = format!(
            "All {} validation rows have the score {}: a correlation cannot be measured, and the validation loss says little. The last rows of the file validate; set \"split\" to \"random\" or \"grouped\" to change that.",
            validation.len(),
            validation[0].score
        );
        notes.push(note("one_validation_score", message));
    }
    if split.leaking > 0 {
        let message = format!(
            "{} of {} validation rows share a text with the training rows: the numbers on them flatter the model.{}",
            split.leaking,
            validation.len(),
            match split.hubs {
                0 => " Set \"split\" to \"grouped\" to keep such rows together.".to_owned(),
                1 => " One text is in so many rows that it stands on both sides.".to_owned(),
                hubs => format!(" {hubs} texts are in so many rows that they stand on both sides."),
            }
        );
        notes.push(note("validation_leaks", message));
    }
    notes
}

/// Which texts of a table of labelled texts validate.
fn how_labels_are_judged(split: &Split) -> Note {
    let labels = |rows: &[TokenPair]| -> BTreeSet<u32> {
        rows.iter().filter_map(|row| Some(row.labels.as_ref()?.own)).collect()
    };
    let (trained, held_out) = (labels(&split.training), labels(&split.validation));
    let (code, message) = if trained.is_disjoint(&held_out) {
        let message = format!(
            "The model is judged on {} labels that it has not learnt, and learns {} others. Set \"split\" to \"random\" to learn all labels and judge by texts.",
            held_out.len(),
            trained.len()
        );
        ("judged_by_unseen_labels", message)
    } else {
        let message = format!(
            "The model is judged on texts that it has not learnt, of {} labels that it has learnt from other texts: how it does on new labels is not known.",
            held_out.intersection(&trained).count()
        );
        ("judged_by_unseen_texts", message)
    };
    Note { code: code.to_owned(), message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(kind: TableKind, pairs: &[(&str, &str)]) -> PairDataset {
        let pair = |(row, (left, right)): (usize, &(&str, &str))| Pair {
            left: (*left).to_owned(),
            right: (*right).to_owned(),
            negative: None,
            score: 0.5,
            row,
        };
        PairDataset { columns: None, kind, pairs: pairs.iter().enumerate().map(pair).collect() }
    }

    fn left(benchmark: PairDataset, table: &PairDataset, training: &[usize]) -> Vec<usize> {
        let training: Vec<TokenPair> = training.iter().map(|&row| TokenPair { row, ..TokenPair::default() }).collect();
        unseen(benchmark, table, &training).pairs.iter().map(|pair| pair.row).collect()
    }

    #[test]
    fn pairs_that_train_are_seen_in_either_order_and_others_of_their_texts_are_not() {
        let own = table(TableKind::PairScore, &[("nurse", "carer"), ("cook", "chef"), ("pilot", "driver")]);
        let asked = [("carer", "nurse "), ("nurse", "cook"), ("chef", "cook"), ("pilot", "driver")];
        assert_eq!(left(table(TableKind::PairScore, &asked), &own, &[0, 1]), [1, 3]);
    }

    #[test]
    fn a_labelled_text_that_trains_is_seen_whatever_its_label() {
        let own = table(TableKind::Labelled, &[("my card is gone", "card"), ("when do you close", "hours")]);
        let asked = table(TableKind::Labelled, &[("my card is gone", "loss"), ("a new one", "card")]);
        assert_eq!(left(asked.clone(), &own, &[0, 1]), [1]);
        // Pairs say nothing of labels.
        let pairs = table(TableKind::PairScore, &[("my card is gone", "card")]);
        assert_eq!(left(asked, &pairs, &[0]), [0, 1]);
    }
}
