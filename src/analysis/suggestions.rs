//! What to label next: pairs whose answer would teach a tuned model most.

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::Serialize;
use tables::Stop;
use tables::draws::sample;
use utoipa::ToSchema;

use super::baseline::meaning;
use super::texts::{Texts, texts_of};
use super::{Analysis, Result};
use crate::ml::eval::baseline::best_threshold;
use crate::ml::eval::suggest::{Known, Suggestion, Why, suggest};
use crate::store::{Dataset, ModelRow};

/// Texts that are put together; of more so many are drawn.
const MOST_TEXTS: usize = 3000;
/// Rows that their texts are drawn from.
const MOST_ROWS: usize = 20_000;
/// Rows on which the threshold of a model without a calibration is found.
const THRESHOLD_ROWS: usize = 500;

/// What pairs are suggested of.
pub(crate) struct Question<'a> {
    /// The table that the tuned model learned from.
    pub(crate) learned: &'a Dataset,
    /// The table whose texts are put together.
    pub(crate) source: &'a Dataset,
    pub(crate) tuned: &'a ModelRow,
    /// Where it is still there.
    pub(crate) base: Option<&'a ModelRow>,
    pub(crate) limit: usize,
    /// Draws the texts of a large table.
    pub(crate) seed: u64,
}

/// Pairs to label.
#[derive(Serialize, ToSchema)]
pub(crate) struct Suggestions {
    /// The id of the tuned model.
    model: String,
    model_fingerprint: String,
    /// The id of its base; `null` where that is gone.
    base: Option<String>,
    /// The dataset whose texts were put together.
    texts_of: String,
    /// Different texts that were.
    texts: usize,
    /// Whether they were drawn from more: at most 3,000 are.
    sampled: bool,
    /// The cosine from which on the tuned model counts texts as alike; `null` where that is not known.
    cut: Option<f64>,
    /// The reasons in turn, each with what it finds best first.
    suggestions: Vec<SuggestedPair>,
}

/// A pair that nobody has labelled.
#[derive(Serialize, ToSchema)]
struct SuggestedPair {
    left: String,
    right: String,
    /// The tuned model's cosine.
    similarity: f64,
    /// The base's; `null` where that is gone.
    base_similarity: Option<f64>,
    /// Where the model has a calibration: the similarity on its training table's scale, as `/similarity` tells it.
    probability: Option<f64>,
    why: Why,
    /// The same in words.
    message: String,
}

impl Analysis {
    /// Pairs of texts that nobody has labelled and whose answer would teach the tuned model most.
    pub(crate) async fn suggestions(&self, question: Question<'_>, caller: Option<&Arc<str>>) -> Result<Suggestions> {
        let Question { learned, source, tuned, base, limit, seed } = question;
        let (texts, sampled) = self.drawn_texts(source, seed).await?;
        let (texts, labelled) = self.labelled(learned, texts).await?;
        let now = self.embed(tuned, &texts.texts, caller).await?;
        let before = match base {
            Some(base) => Some(self.embed(base, &texts.texts, caller).await?),
            None => None,
        };
        let calibration = self.pool.serve(tuned).await?.calibration.clone();
        let threshold = match calibration.as_ref().and_then(|known| known.middle().map(|middle| (known, middle))) {
            Some((known, middle)) => Some(known.measure.to_cosine(middle.best_f1.similarity)),
            None => {
                let (pairs, cosines) = self.judged(learned, tuned, THRESHOLD_ROWS, caller).await?;
                best_threshold(&pairs, &cosines, meaning(learned))
            }
        };
        let work = move |_: &Stop| {
            let base = before.as_ref().map(|before| before.vectors.as_slice());
            let count = texts.texts.len();
            let known = Known { tuned: &now.vectors, base, texts: count, threshold, labelled: &labelled };
            (suggest(&known, limit), texts)
        };
        let (found, texts) = self.compute(work).await?;
        let told = |suggestion: Suggestion| SuggestedPair {
            left: texts.texts[suggestion.left].clone(),
            right: texts.texts[suggestion.right].clone(),
            similarity: suggestion.similarity,
            base_similarity: suggestion.base,
            probability: calibration.as_ref().map(|known| known.score(known.measure.of_cosine(suggestion.similarity))),
            why: suggestion.why,
            message: message(&suggestion, threshold),
        };
        Ok(Suggestions {
            model: tuned.model_id.clone(),
            model_fingerprint: tuned.fingerprint.clone(),
            base: base.map(|base| base.model_id.clone()),
            texts_of: source.dataset_id.clone(),
            texts: texts.texts.len(),
            sampled,
            cut: threshold,
            suggestions: found.into_iter().map(told).collect(),
        })
    }

    /// A table's different texts, drawn where they are many, and whether they were.
    async fn drawn_texts(&self, dataset: &Dataset, seed: u64) -> Result<(Texts, bool)> {
        let (rows, total) = self.drawn(dataset, MOST_ROWS, seed).await?;
        let mut sampled = total > rows.len();
        let mut all = Texts::default();
        rows.iter().flat_map(|row| texts_of(&row.pair, dataset.kind)).for_each(|text| {
            all.add(text);
        });
        if all.texts.len() > MOST_TEXTS {
            sampled = true;
            let (drawn, _) = sample(std::mem::take(&mut all).texts.into_iter(), MOST_TEXTS, seed);
            drawn.iter().for_each(|text| {
                all.add(text);
            });
        }
        Ok((all, sampled))
    }

    /// The pairs of texts that a table has already.
    async fn labelled(&self, dataset: &Dataset, texts: Texts) -> Result<(Texts, BTreeSet<(usize, usize)>)> {
        let kind = dataset.kind;
        self.over_pairs(dataset, move |pairs| {
            let mut labelled = BTreeSet::new();
            for row in pairs {
                let pair = row?.pair;
                let Some(left) = texts.place(&pair.left) else { continue };
                for right in texts_of(&pair, kind).skip(1).filter_map(|right| texts.place(right)) {
                    labelled.insert((left.min(right), left.max(right)));
                }
            }
            Ok((texts, labelled))
        })
        .await
    }
}

fn message(suggestion: &Suggestion, threshold: Option<f64>) -> String {
    let now = suggestion.similarity;
    match (suggestion.why, suggestion.base, threshold) {
        (Why::Undecided, _, Some(least)) => {
            format!("The model is undecided: it says {now:.2}, and counts texts as alike from {least:.2} on.")
        }
        (Why::Undecided, ..) => format!("The model is undecided: it says {now:.2}."),
        (Why::Disagreement, Some(base), _) => {
            format!("Training moved this pair from {base:.2} to {now:.2}. Is that right?")
        }
        (Why::Disagreement, None, _) => format!("Training moved this pair to {now:.2}. Is that right?"),
        (Why::UnknownNeighbour, ..) => {
            format!("The model finds these alike ({now:.2}), and no row of the table has them both. Is that right?")
        }
    }
}
