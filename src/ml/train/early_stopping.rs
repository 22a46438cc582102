//! Keras' `EarlyStopping(monitor="loss", mode="min")`.

use super::config::EarlyStoppingConfig;

/// Counts the epochs since the loss last fell by more than `min_delta`.
#[derive(Debug)]
pub(crate) struct EarlyStopping {
    config: Option<EarlyStoppingConfig>,
    best: f64,
    waited: usize,
}

impl EarlyStopping {
    pub(crate) fn new(config: Option<EarlyStoppingConfig>) -> Self {
        Self { config, best: f64::INFINITY, waited: 0 }
    }

    /// Whether the run should end after an epoch with this loss.
    pub(crate) fn should_stop(&mut self, loss: f64) -> bool {
        let Some(config) = self.config else { return false };
        if loss + config.min_delta < self.best {
            self.best = loss;
            self.waited = 0;
        } else {
            self.waited += 1;
        }
        self.waited >= config.patience
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_stops_after_patience_epochs_without_a_large_enough_fall() {
        let mut stopping = EarlyStopping::new(Some(EarlyStoppingConfig { patience: 3, min_delta: 0.001 }));
        let losses = [0.01, 0.005, 0.0045, 0.0042, 0.0035, 0.003, 0.0029, 0.0028];
        let stopped = losses.iter().position(|&loss| stopping.should_stop(loss));
        // 0.0035 is the last that is better than the best (0.005) by more than 0.001.
        assert_eq!(stopped, Some(7));
        assert!(!EarlyStopping::new(None).should_stop(1.0));
    }
}
