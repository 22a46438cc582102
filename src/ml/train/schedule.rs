//! The learning rate as a function of the step.

use super::config::TrainConfig;
use super::options::Schedule;

/// The learning rate at each step of a run: a warm-up from zero, then the schedule. The shapes are
/// those of the transformers library's schedules.
#[derive(Clone, Copy, Debug)]
pub(crate) struct LearningRate {
    peak: f64,
    schedule: Schedule,
    warmup_steps: f64,
    total_steps: f64,
}

impl LearningRate {
    pub(crate) fn new(config: &TrainConfig, total_steps: usize) -> Self {
        Self {
            peak: config.learning_rate,
            schedule: config.schedule,
            warmup_steps: (total_steps as f64 * config.warmup).ceil(),
            total_steps: total_steps as f64,
        }
    }

    /// The rate of a step, counted from 1.
    pub(crate) fn at(&self, step: i32) -> f64 {
        let done = f64::from(step - 1);
        if done < self.warmup_steps {
            return self.peak * done / self.warmup_steps;
        }
        let part = (done - self.warmup_steps) / (self.total_steps - self.warmup_steps).max(1.0);
        match self.schedule {
            Schedule::Constant => self.peak,
            Schedule::Linear => self.peak * (1.0 - part).max(0.0),
            Schedule::Cosine => self.peak * 0.5 * (1.0 + (std::f64::consts::PI * part.min(1.0)).cos()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(schedule: Schedule, warmup: f64) -> Vec<f64> {
        let config = TrainConfig { learning_rate: 1.0, schedule, warmup, ..TrainConfig::default() };
        let rate = LearningRate::new(&config, 10);
        (1..=10).map(|step| (rate.at(step) * 1e4).round() / 1e4).collect()
    }

    #[test]
    fn the_rate_follows_its_schedule_at_every_step() {
        assert_eq!(rates(Schedule::Constant, 0.0), [1.0; 10]);
        assert_eq!(rates(Schedule::Linear, 0.0), [1.0, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.1]);
        assert_eq!(rates(Schedule::Constant, 0.2), [0.0, 0.5, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0]);
        assert_eq!(rates(Schedule::Linear, 0.2), [0.0, 0.5, 1.0, 0.875, 0.75, 0.625, 0.5, 0.375, 0.25, 0.125]);
        let cosine = rates(Schedule::Cosine, 0.2);
        assert_eq!((cosine[2], cosine[6], cosine[9]), (1.0, 0.5, 0.0381));
    }
}
