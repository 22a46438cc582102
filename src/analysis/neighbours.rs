//! The nearest texts of a table, as one model or several see them.

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

use serde::Serialize;
use tables::Stop;
use tables::similarity::cosine;
use utoipa::ToSchema;

use super::ranking::{order, ranks};
use super::texts::{TableVectors, texts_of};
use super::{Analysis, ModelRef, Result};
use crate::store::{Dataset, ModelRow};

/// Different texts of a table that are searched: the first ones.
const MOST_TEXTS: usize = 5000;

/// The nearest texts of a table.
#[derive(Serialize, ToSchema)]
pub(crate) struct Neighbours {
    text: String,
    dataset_id: String,
    dataset_name: String,
    /// Different texts of the table that were searched, the first 5,000 at most.
    searched: usize,
    /// Different texts of the table.
    total: usize,
    /// In the order of the request.
    models: Vec<OfModel>,
}

#[derive(Serialize, ToSchema)]
struct OfModel {
    #[serde(flatten)]
    model: ModelRef,
    /// The nearest first; of equally near ones the first of the table.
    neighbours: Vec<Neighbour>,
}

#[derive(Debug, PartialEq, Serialize, ToSchema)]
struct Neighbour {
    text: String,
    /// The cosine.
    score: f64,
    /// Behind the first of several models: by how many places it rose (or, negative, fell) against that one.
    #[serde(skip_serializing_if = "Option::is_none")]
    rank_change: Option<i64>,
}

impl Analysis {
    /// The `k` texts of a table that are nearest to a text, as each model sees them.
    pub(crate) async fn neighbours(
        &self,
        dataset: &Dataset,
        models: &[ModelRow],
        text: &str,
        k: usize,
        caller: Option<&Arc<str>>,
    ) -> Result<Neighbours> {
        let (mut searched, mut total, mut of_models) = (0, 0, Vec::new());
        let mut first: Option<Arc<[usize]>> = None;
        for row in models {
            let known = self.table_vectors(dataset, row, caller).await?;
            let asked = self.embed(row, &[text], caller).await?;
            (searched, total) = (known.texts.len(), known.total);
            let (text, before) = (text.to_owned(), first.clone());
            let nearest = move |_: &Stop| known.nearest(&text, asked.vector(0), k, before.as_deref());
            let (near, ranks) = self.compute(nearest).await?;
            of_models.push(OfModel { model: row.into(), neighbours: near });
            first.get_or_insert(ranks.into());
        }
        Ok(Neighbours {
            text: text.to_owned(),
            dataset_id: dataset.dataset_id.clone(),
            dataset_name: dataset.name.clone(),
            searched,
            total,
            models: of_models,
        })
    }

    /// A table's texts with a model's vectors.
    async fn table_vectors(
        &self,
        dataset: &Dataset,
        row: &ModelRow,
        caller: Option<&Arc<str>>,
    ) -> Result<Arc<TableVectors>> {
        let key = (dataset.dataset_id.clone(), row.fingerprint.clone());
        let (analysis, dataset, row, caller) = (self.clone(), dataset.clone(), row.clone(), caller.cloned());
        let work = async move {
            let (texts, total) = analysis.first_texts(&dataset).await?;
            let embedded = analysis.embed(&row, &texts, caller.as_ref()).await?;
            Ok(TableVectors { texts, embedded, total })
        };
        self.neighbourhoods.once(key, work).await
    }

    /// A table's first different texts, in its order, and how many there are in all.
    async fn first_texts(&self, dataset: &Dataset) -> Result<(Vec<String>, usize)> {
        let kind = dataset.kind;
        self.over_pairs(dataset, move |pairs| {
            // Of a large table, eight bytes a text are kept.
            let (state, mut seen, mut texts) = (RandomState::new(), HashSet::new(), Vec::new());
            for pair in pairs {
                for text in texts_of(&pair?.pair, kind) {
                    if seen.insert(state.hash_one(text)) && texts.len() < MOST_TEXTS {
                        texts.push(text.clone());
                    }
                }
            }
            Ok((texts, seen.len()))
        })
        .await
    }
}

impl TableVectors {
    /// The nearest texts, and the rank of each text of the table.
    fn nearest(&self, text: &str, vector: &[f32], k: usize, first: Option<&[usize]>) -> (Vec<Neighbour>, Vec<usize>) {
        let mut scores: Vec<f64> = self.embedded.rows().map(|known| cosine(vector, known)).collect();
        // A text is no neighbour of itself.
        if let Some(itself) = self.texts.iter().position(|known| known == text) {
            scores[itself] = f64::NEG_INFINITY;
        }
        let order = order(&scores);
        let near = order.iter().enumerate().take(k).filter(|(_, place)| scores[**place].is_finite());
        let neighbour = |(rank, &place): (usize, &usize)| Neighbour {
            text: self.texts[place].clone(),
            score: scores[place],
            rank_change: first.map(|first| first[place] as i64 - rank as i64),
        };
        (near.map(neighbour).collect(), ranks(&order))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::analysis::texts::Embedded;

    #[test]
    fn a_text_is_no_neighbour_of_itself_equal_ones_keep_the_tables_order_and_ranks_tell_who_rose() {
        let table = |vectors: [[f32; 2]; 4]| TableVectors {
            texts: ["nurse", "doctor", "chef", "cook"].map(str::to_owned).into(),
            embedded: Embedded { vectors: vectors.concat(), dimensions: 2, tokens: 0 },
            total: 4,
        };
        let before = table([[1.0, 0.0], [0.6, 0.8], [0.8, 0.6], [0.8, 0.6]]);
        let (near, ranks) = before.nearest("nurse", &[1.0, 0.0], 9, None);
        let told = |near: &[Neighbour]| -> Vec<(String, Option<i64>)> {
            near.iter().map(|near| (near.text.clone(), near.rank_change)).collect()
        };
        let text = |text: &str, change| (text.to_owned(), change);
        assert_eq!(told(&near), [text("chef", None), text("cook", None), text("doctor", None)]);
        assert_eq!(ranks, [3, 2, 0, 1]);
        let after = table([[1.0, 0.0], [1.0, 0.0], [0.8, 0.6], [0.6, 0.8]]);
        let (near, _) = after.nearest("nurse", &[1.0, 0.0], 2, Some(&ranks));
        assert_eq!(told(&near), [text("doctor", Some(2)), text("chef", Some(-1))]);
    }
}
