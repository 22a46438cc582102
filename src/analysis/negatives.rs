//! From pairs to triplets: texts that a model finds near and that do not belong.

use std::collections::HashSet;
use std::sync::Arc;

use serde::Serialize;
use tables::choices::{Column, Mapping, TableOptions};
use tables::mining::{Found, Mining, groups, mine_triplets};
use tables::{Stop, TableKind};
use utoipa::ToSchema;

use super::baseline::{SEED, meaning};
use super::texts::Texts;
use super::{Analysis, AnalysisError, Result, written_here};
use crate::datasets::{DatasetError, Upload};
use crate::ml::eval::baseline::{ScoredPair, related, scored_pairs};
use crate::store::{Dataset, ModelRow, Purpose};
use tables::inspect::InspectContext;

/// Rows that are looked at; of a larger table so many are drawn.
const MOST_PAIRS: usize = 5000;

/// How the search went.
#[derive(Serialize, ToSchema)]
pub(crate) struct MinedNegatives {
    /// The dataset that the pairs come from.
    from: String,
    /// The id of the model that said what is near.
    model: String,
    model_fingerprint: String,
    /// Pairs that belong together, each counted once.
    pairs: usize,
    /// Different texts that were searched.
    texts: usize,
    /// Pairs for which there was no negative.
    without: usize,
    /// Texts that were passed over, counted for each pair: so near that they may belong.
    suspected: usize,
    /// Whether the table was larger than what was searched: at most 5,000 rows are.
    sampled: bool,
}

/// A table's texts and which belong together.
struct Relations {
    texts: Texts,
    /// Pairs that belong together, each once, in the order of the file.
    pairs: Vec<(usize, usize)>,
    /// The same, and pairs that may.
    together: Vec<(usize, usize)>,
    sampled: bool,
}

impl Analysis {
    /// Makes triplets of a table's pairs and stores them as a table of their own. The flag says whether it is new.
    pub(crate) async fn mine_negatives(
        &self,
        dataset: &Dataset,
        row: &ModelRow,
        mining: Mining,
        name: String,
        caller: Option<&Arc<str>>,
    ) -> Result<(Dataset, bool, MinedNegatives)> {
        let table = self.relations(dataset).await?;
        if table.pairs.is_empty() {
            return Err(AnalysisError::NothingToMine("No two texts of the table belong together."));
        }
        let embedded = self.embed(row, &table.texts.texts, caller).await?;
        let work = move |stop: &Stop| {
            let groups = groups(table.texts.texts.len(), &table.together);
            let mining = Mining { stop: stop.clone(), ..mining };
            let found = mine_triplets(&embedded.vectors, embedded.dimensions, &table.pairs, &groups, mining)?;
            let csv = triplets(&found, &table.texts.texts);
            Ok::<_, AnalysisError>((table, found, csv))
        };
        let (table, found, csv) = self.compute(work).await??;
        if found.triplets.is_empty() {
            return Err(AnalysisError::NothingToMine(
                "Each text that is far enough from a pair belongs to it, directly or through others.",
            ));
        }
        let upload = Upload {
            name,
            purpose: Purpose::Training,
            table: self.datasets.receive_bytes(&csv.map_err(DatasetError::from)?).await?,
            choices: as_triplets(),
            context: InspectContext::default(),
            version_of: None,
        };
        let (made, new) = self.datasets.add(upload).await?;
        self.datasets.record_descent(&made, dataset).await?;
        let mined = MinedNegatives {
            from: dataset.dataset_id.clone(),
            model: row.model_id.clone(),
            model_fingerprint: row.fingerprint.clone(),
            pairs: table.pairs.len(),
            texts: table.texts.texts.len(),
            without: found.without,
            suspected: found.suspected,
            sampled: table.sampled,
        };
        Ok((made, new, mined))
    }

    async fn relations(&self, dataset: &Dataset) -> Result<Relations> {
        let (rows, total) = self.drawn(dataset, MOST_PAIRS, SEED).await?;
        let sampled = total > rows.len();
        // The strangers that join pairs without scores are no rows of the table.
        let pairs = scored_pairs(&rows, dataset.kind).into_iter();
        let pairs: Vec<ScoredPair> = pairs.filter(|pair| pair.place.is_some()).collect();
        let sides = related(&pairs, meaning(dataset));
        let mut found = Relations { texts: Texts::default(), pairs: Vec::new(), together: Vec::new(), sampled };
        let mut seen = HashSet::new();
        let mut lowest = f64::INFINITY;
        for (pair, side) in pairs.iter().zip(sides) {
            let places = (found.texts.add(&pair.left), found.texts.add(&pair.right));
            if side == Some(true) && places.0 != places.1 && seen.insert(places) {
                found.pairs.push(places);
            }
            if side != Some(false) {
                found.together.push(places);
                lowest = lowest.min(pair.score);
            }
        }
        if !sampled {
            return Ok(found);
        }
        // Rows that were not drawn may say that drawn texts belong together.
        self.over_pairs(dataset, move |rows| {
            found.together.clear();
            for row in rows {
                let pair = row?.pair;
                let places = (found.texts.place(&pair.left), found.texts.place(&pair.right));
                if let ((Some(left), Some(right)), true) = (places, pair.score >= lowest) {
                    found.together.push((left, right));
                }
            }
            Ok(found)
        })
        .await
    }
}

fn triplets(found: &Found, texts: &[String]) -> std::io::Result<Vec<u8>> {
    let mut out = csv::Writer::from_writer(Vec::new());
    out.write_record(["anchor", "positive", "negative"])?;
    for triplet in &found.triplets {
        out.write_record([&texts[triplet.anchor], &texts[triplet.positive], &texts[triplet.negative]])?;
    }
    out.into_inner().map_err(|error| std::io::Error::other(error.to_string()))
}

/// How that table is read: nothing is left to be found out.
fn as_triplets() -> TableOptions {
    let mapping = Mapping {
        text_a: Some(Column::Number(1)),
        text_b: Some(Column::Number(2)),
        negative: Some(Column::Number(3)),
        ..Mapping::default()
    };
    TableOptions { read_as: written_here(), mapping, kind: Some(TableKind::Triplet), ..TableOptions::default() }
}
