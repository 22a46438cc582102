//! "Do you need to train at all?": what a model says of a table's pairs before it has learned any of them.

use std::sync::Arc;

use tables::TableKind;
use tables::choices::LowestMeans;

use super::answers::Answer;
use super::{Analysis, Result};
use crate::ml::eval::baseline::{Baseline, ScoredPair, check, scored_pairs};
use crate::store::{Dataset, ModelRow};

/// Pairs that a model is asked about: a correlation of so many is known within 0.02.
pub(crate) const MOST_PAIRS: usize = 2000;
/// Draws the same pairs each time.
pub(super) const SEED: u64 = 42;

impl Answer for Baseline {
    const MOST_BYTES: u64 = 2 << 20;
    const USUAL_BYTES: u64 = 4 << 10;

    fn bytes(&self) -> usize {
        let gaps: usize = self.gaps.iter().map(|gap| size_of_val(gap) + gap.left.len() + gap.right.len()).sum();
        // The facts by name: some forty numbers.
        size_of::<Self>() + self.message.len() + self.hint.len() + gaps + 2048
    }
}

impl Analysis {
    /// Whether a table's pairs need training.
    pub(crate) async fn baseline(
        &self,
        dataset: &Dataset,
        row: &ModelRow,
        caller: Option<&Arc<str>>,
    ) -> Result<Arc<Baseline>> {
        let key = (dataset.dataset_id.clone(), row.fingerprint.clone());
        let (analysis, dataset, row, caller) = (self.clone(), dataset.clone(), row.clone(), caller.cloned());
        let work = async move {
            let (pairs, base) = analysis.judged(&dataset, &row, MOST_PAIRS, caller.as_ref()).await?;
            let meaning = meaning(&dataset);
            analysis.compute(move |_| check(&pairs, &base, meaning)).await
        };
        self.baselines.once(key, work).await
    }

    /// At most so many of a table's pairs, and a model's cosines of them.
    pub(super) async fn judged(
        &self,
        dataset: &Dataset,
        row: &ModelRow,
        most: usize,
        caller: Option<&Arc<str>>,
    ) -> Result<(Vec<ScoredPair>, Vec<f64>)> {
        let (rows, _) = self.drawn(dataset, most, SEED).await?;
        let pairs = scored_pairs(&rows, dataset.kind);
        let texts: Vec<(&str, &str)> = pairs.iter().map(|pair| (&*pair.left, &*pair.right)).collect();
        let cosines = self.cosines(row, &texts, caller).await?;
        Ok((pairs, cosines))
    }
}

/// What the lowest score of a table means to a model: a table without scores has 1 for what belongs together and 0
/// for what does not.
pub(super) fn meaning(dataset: &Dataset) -> Option<LowestMeans> {
    match dataset.kind {
        TableKind::PairPositive | TableKind::Triplet | TableKind::Labelled => Some(LowestMeans::Unrelated),
        TableKind::PairScore | TableKind::PairClass => dataset.lowest_means,
    }
}
