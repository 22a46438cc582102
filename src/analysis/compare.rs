//! Base against tuned, by texts of one's own.

use std::sync::Arc;

use serde::Serialize;
use utoipa::ToSchema;

use super::{Analysis, Result};
use crate::ml::eval::each_with_each;
use crate::store::ModelRow;

/// Pairs of texts that are told as movers.
const MOST_MOVERS: usize = 10;

/// Two models' cosines of the same texts.
pub(crate) struct Compared {
    /// The base's cosine of each text with each.
    pub(crate) before: Vec<Vec<f64>>,
    /// The tuned model's.
    pub(crate) after: Vec<Vec<f64>>,
    /// The pairs of texts that moved most, the farthest first.
    pub(crate) moved: Vec<Moved>,
}

/// A pair of texts.
#[derive(Serialize, ToSchema)]
pub(crate) struct Moved {
    left: String,
    right: String,
    before: f64,
    after: f64,
    change: f64,
}

impl Analysis {
    /// What two models say of the same few texts.
    pub(crate) async fn compare(
        &self,
        [base, tuned]: [&ModelRow; 2],
        texts: &[String],
        caller: Option<&Arc<str>>,
    ) -> Result<Compared> {
        let both = tokio::try_join!(self.embed(base, texts, caller), self.embed(tuned, texts, caller))?;
        let [before, after] =
            [both.0, both.1].map(|embedded| each_with_each(&embedded.rows().collect::<Vec<&[f32]>>()));
        Ok(Compared { moved: moved(texts, &before, &after), before, after })
    }
}

/// The pairs of different texts that moved most; of equally far ones the first.
fn moved(texts: &[String], before: &[Vec<f64>], after: &[Vec<f64>]) -> Vec<Moved> {
    let pairs = (0..texts.len()).flat_map(|left| (left + 1..texts.len()).map(move |right| (left, right)));
    let pair = |(left, right): (usize, usize)| Moved {
        left: texts[left].clone(),
        right: texts[right].clone(),
        before: before[left][right],
        after: after[left][right],
        change: after[left][right] - before[left][right],
    };
    let mut moved: Vec<Moved> = pairs.map(pair).collect();
    moved.sort_by(|a, b| b.change.abs().total_cmp(&a.change.abs()));
    moved.truncate(MOST_MOVERS);
    moved
}
