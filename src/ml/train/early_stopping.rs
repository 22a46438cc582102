//! Keras' `EarlyStopping`, on any metric of an epoch.

use serde::{Deserialize, Serialize};

use super::EpochRecord;
use super::options::{EarlyStoppingConfig, Monitor};
use crate::ml::{Error, Result};

/// Counts the epochs since the metric last got better by more than `min_delta`.
#[derive(Debug)]
pub(crate) struct EarlyStopping {
    config: EarlyStoppingConfig,
    pub(crate) waiting: Waiting,
}

/// What it remembers from epoch to epoch.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct Waiting {
    /// The best value so far, lower being better.
    best: Option<f64>,
    waited: usize,
}

/// What an epoch means for the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Judgement {
    pub(crate) best: bool,
    pub(crate) stop: bool,
}

impl EarlyStopping {
    pub(crate) fn new(config: EarlyStoppingConfig) -> Self {
        Self { config, waiting: Waiting::default() }
    }

    pub(crate) fn judge(&mut self, record: &EpochRecord) -> Result<Judgement> {
        // Lower is better; a correlation is turned round.
        let metric = match self.config.monitor {
            Monitor::Loss => Some(record.loss),
            Monitor::ValLoss => Some(record.val_loss),
            Monitor::ValMae => Some(record.val_mae),
            Monitor::ValPearson => record.val_pearson.map(|pearson| -pearson),
            Monitor::ValSpearman => record.val_spearman.map(|spearman| -spearman),
            Monitor::ValMrr => record.val_mrr.map(|mrr| -mrr),
            Monitor::ValMap => record.val_map.map(|precision| -precision),
        };
        let metric = metric.ok_or_else(|| {
            let reason = "this cannot be measured on these validation rows: a correlation needs scores that differ, val_mrr two pairs that belong together; watch val_loss, or choose another split";
            Error::config("early_stopping.monitor", reason)
        })?;
        let best = self.waiting.best.is_none_or(|known| metric + self.config.min_delta < known);
        self.waiting = match best {
            true => Waiting { best: Some(metric), waited: 0 },
            false => Waiting { waited: self.waiting.waited + 1, ..self.waiting },
        };
        Ok(Judgement { best, stop: self.waiting.waited >= self.config.patience })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(value: f64) -> EpochRecord {
        EpochRecord {
            epoch: 1,
            loss: value,
            val_loss: value,
            val_mae: value,
            val_spearman: Some(value),
            ..EpochRecord::default()
        }
    }

    /// The place of the epoch that ends the run, and of the best.
    fn run(monitor: Monitor, values: &[f64]) -> (Option<usize>, Option<usize>) {
        let mut stopping = EarlyStopping::new(EarlyStoppingConfig { monitor, ..EarlyStoppingConfig::default() });
        let judged: Vec<Judgement> = values.iter().map(|&value| stopping.judge(&record(value)).unwrap()).collect();
        (judged.iter().position(|epoch| epoch.stop), judged.iter().rposition(|epoch| epoch.best))
    }

    #[test]
    fn a_run_stops_after_patience_epochs_without_a_large_enough_fall() {
        let losses = [0.01, 0.005, 0.0045, 0.0042, 0.0035, 0.003, 0.0029, 0.0028];
        // 0.0035 is the last that is better than the best (0.005) by more than 0.001.
        assert_eq!(run(Monitor::Loss, &losses), (Some(7), Some(4)));
        assert_eq!(run(Monitor::ValLoss, &losses), (Some(7), Some(4)));
    }

    #[test]
    fn a_correlation_is_better_when_it_is_higher_and_must_be_there() {
        assert_eq!(run(Monitor::ValSpearman, &[0.5, 0.6, 0.7, 0.65, 0.7, 0.7]), (Some(5), Some(2)));
        let config = EarlyStoppingConfig { monitor: Monitor::ValPearson, ..EarlyStoppingConfig::default() };
        assert!(EarlyStopping::new(config).judge(&record(0.5)).is_err());
    }
}
