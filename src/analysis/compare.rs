//! Base against tuned, by texts of one's own.

use std::sync::Arc;

use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use super::{Analysis, ModelRef, Result};
use crate::ml::eval::each_with_each;
use crate::store::ModelRow;

const MOST_MOVERS: usize = 10;

/// Two models' cosines of the same texts, and what the tuned one's job measured.
#[derive(Serialize, ToSchema)]
pub(crate) struct Comparison {
    base: ModelRef,
    tuned: ModelRef,
    texts: Vec<String>,
    /// The base's cosine of each text with each.
    before: Vec<Vec<f64>>,
    /// The tuned model's.
    after: Vec<Vec<f64>>,
    /// The pairs of texts that moved most, at most ten, the farthest first.
    moved: Vec<Moved>,
    /// The verdict in the report of the tuned model's job; `null` where it was made without one.
    verdict: Option<Value>,
    /// The validation pairs in that report that came nearer to their scores, went away, or are farthest from them; `null`
    /// for a key without the scope `train` too.
    movers: Option<Value>,
    /// What both models have read of the texts.
    #[serde(skip)]
    pub(crate) tokens: usize,
}

/// A pair of texts.
#[derive(Serialize, ToSchema)]
struct Moved {
    left: String,
    right: String,
    before: f64,
    after: f64,
    change: f64,
}

impl Analysis {
    /// What two models say of the same few texts, beside a job's report.
    pub(crate) async fn compare(
        &self,
        [base, tuned]: [&ModelRow; 2],
        texts: Vec<String>,
        report: Option<&Value>,
        caller: Option<&Arc<str>>,
    ) -> Result<Comparison> {
        let (before, after) = tokio::try_join!(self.embed(base, &texts, caller), self.embed(tuned, &texts, caller))?;
        let tokens = before.tokens + after.tokens;
        let [before, after] = [before, after].map(|embedded| each_with_each(&embedded.rows().collect::<Vec<&[f32]>>()));
        let part = |name: &str| report.and_then(|report| report.get(name)).cloned();
        Ok(Comparison {
            base: base.into(),
            tuned: tuned.into(),
            moved: moved(&texts, &before, &after),
            verdict: part("verdict"),
            movers: part("movers"),
            texts,
            before,
            after,
            tokens,
        })
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
