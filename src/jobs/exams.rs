//! The tables that measure a model before and after.

use super::message::Evaluation;
use super::run::{RunSpec, read};
use crate::ml::Result;
use crate::ml::dataset::PairDataset;
use crate::ml::encoder::{Encoder, Model};
use crate::ml::eval::{self, Assessment, EvalPairs, Predictions, RETENTION_NAME, token_pairs};
use crate::ml::target::ScoreTarget;
use crate::ml::train::{Split, TokenPair};

/// All that a model is asked.
pub(super) struct Exams {
    /// The validation rows as pairs with scores.
    validation: Vec<TokenPair>,
    benchmark: Option<(String, Vec<TokenPair>)>,
    retention: Vec<TokenPair>,
}

impl Exams {
    pub(super) fn read(model: &Model, spec: &RunSpec, table: &PairDataset, split: &Split) -> Result<Self> {
        let benchmark = match &spec.benchmark {
            Some(table) => Some((table.name.clone(), token_pairs(model, &read(table)?))),
            None => None,
        };
        let validation = eval::scored_pairs(&split.validation, table.kind);
        Ok(Self { validation, benchmark, retention: token_pairs(model, &eval::retention_pairs()) })
    }

    /// What general ability is measured with.
    pub(super) fn general(&self) -> &[TokenPair] {
        self.benchmark.as_ref().map_or(&self.retention, |(_, pairs)| pairs)
    }

    pub(super) fn take(&self, encoder: &dyn Encoder, spec: &RunSpec, split: &Split) -> (Evaluation, Predictions) {
        let target = ScoreTarget { measure: spec.config.loss.measure(), lowest_means: spec.dataset.lowest_means };
        let (validation, on_validation) = eval::validate_each(encoder, &self.validation, target);
        let benchmark = self.benchmark.as_ref().map(|(name, pairs)| eval::benchmark_each(encoder, name, pairs));
        let (benchmark, on_benchmark) = benchmark.unzip();
        let (retention, on_retention) = eval::benchmark_each(encoder, RETENTION_NAME, &self.retention);
        let texts: Vec<&[u32]> = split.training.iter().chain(&split.validation).flat_map(TokenPair::texts).collect();
        let predictions = Predictions {
            validation: on_validation,
            benchmark: on_benchmark,
            retention: on_retention,
            spread: eval::embedding_stats(encoder, &texts, spec.config.seed),
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
