//! What a run may cost: general ability, and the spread of the vectors.

use super::config::TrainConfig;
use super::options::{ForgettingAction, ForgettingConfig, GeneralMetric};
use super::report::{EpochRecord, Stopped, SweepPoint};
use super::snapshot::Snapshot;
use crate::ml::encoder::Encoder;
use crate::ml::eval;
use crate::ml::pairs::TokenPair;
use crate::ml::{Error, Result};

pub(super) struct ForgettingMonitor<'a> {
    forgetting: Option<ForgettingConfig>,
    general: &'a [TokenPair],
    /// General ability of the base.
    before: Option<f64>,
    collapse: Option<CollapseAlarm<'a>>,
}

/// Spearman's correlation and the loss on the validation rows.
type Validate<'a> = dyn Fn(&dyn Encoder) -> (Option<f64>, f64) + 'a;

struct CollapseAlarm<'a> {
    texts: Vec<&'a [u32]>,
    seed: u64,
    before: eval::EmbeddingStats,
}

impl<'a> ForgettingMonitor<'a> {
    /// Measures the base.
    pub(super) fn new(
        encoder: &dyn Encoder,
        training: &'a [TokenPair],
        general: &'a [TokenPair],
        config: &TrainConfig,
    ) -> Result<Self> {
        let mut monitor = Self { forgetting: config.forgetting, general, before: None, collapse: None };
        if monitor.forgetting.is_some() {
            monitor.before = Some(monitor.measure(encoder)?);
        }
        if config.collapse_alarm {
            let texts: Vec<&[u32]> = training.iter().flat_map(TokenPair::texts).collect();
            let before = eval::embedding_stats(encoder, &texts, config.seed);
            monitor.collapse = Some(CollapseAlarm { texts, seed: config.seed, before });
        }
        Ok(monitor)
    }

    /// General ability by the budget's metric.
    fn measure(&self, encoder: &dyn Encoder) -> Result<f64> {
        let benchmark = eval::benchmark(encoder, "", self.general);
        let value = match self.forgetting.map(|forgetting| forgetting.metric) {
            Some(GeneralMetric::Spearman) => benchmark.spearman,
            _ => benchmark.pearson,
        };
        let reason = "general ability cannot be measured: no benchmark whose scores differ was given";
        value.ok_or_else(|| Error::config("forgetting", reason))
    }

    /// Notes in the epoch's record what was measured. `Some` where the run must end.
    pub(super) fn judge(&self, encoder: &dyn Encoder, record: &mut EpochRecord) -> Result<Option<Stopped>> {
        if let Some(CollapseAlarm { texts, seed, before }) = &self.collapse {
            let stats = eval::embedding_stats(encoder, texts, *seed);
            let collapsed = stats.collapsed(before).is_some();
            record.spread = Some(stats);
            if collapsed {
                return Ok(Some(Stopped::Collapse));
            }
        }
        let Some(forgetting) = &self.forgetting else { return Ok(None) };
        let general = self.measure(encoder)?;
        record.general = Some(general);
        let over = !self.within(general) && forgetting.action != ForgettingAction::Interpolate;
        Ok(over.then_some(Stopped::Forgetting))
    }

    fn within(&self, general: f64) -> bool {
        match (&self.forgetting, self.before) {
            (Some(forgetting), Some(before)) => general >= before - forgetting.max_drop,
            _ => true,
        }
    }

    /// Whether a run that ended for this reason goes back to its last sound epoch.
    pub(super) fn goes_back(&self, stopped: Stopped) -> bool {
        match stopped {
            Stopped::Collapse => true,
            Stopped::Forgetting => self.forgetting.is_some_and(|budget| budget.action == ForgettingAction::Rollback),
            Stopped::MaxEpochs | Stopped::EarlyStopping => false,
        }
    }

    /// Mixes the base's weights with the tuned, from all base to all tuned in tenths, and leaves the mix in
    /// the encoder that is best on the validation rows and within the budget. Gives the mixes and the
    /// chosen part of the tuned weights, where the budget asks for that.
    pub(super) fn interpolate(
        &self,
        encoder: &mut dyn Encoder,
        [base, tuned]: [&Snapshot; 2],
        validate: &Validate<'_>,
    ) -> Result<(Vec<SweepPoint>, Option<f64>)> {
        let asked = self.forgetting.is_some_and(|budget| budget.action == ForgettingAction::Interpolate);
        if !asked {
            return Ok((Vec::new(), None));
        }
        let mut points = Vec::new();
        for tenths in 0..=10 {
            let alpha = f64::from(tenths) / 10.0;
            tuned.mix(base, alpha, encoder)?;
            let (val_spearman, val_loss) = validate(encoder);
            points.push(SweepPoint { alpha, val_spearman, val_loss, general: self.measure(encoder)? });
        }
        let worth = |point: &SweepPoint| point.val_spearman.unwrap_or(-point.val_loss);
        let within = points.iter().filter(|point| self.within(point.general));
        let chosen = within.max_by(|a, b| worth(a).total_cmp(&worth(b))).map_or(0.0, |point| point.alpha);
        tuned.mix(base, chosen, encoder)?;
        Ok((points, Some(chosen)))
    }
}
