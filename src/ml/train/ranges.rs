//! The least and the most of every number and list among a run's settings, and what the most costs.

use std::ops::RangeInclusive;

/// Between what a number lies.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Range {
    /// The least, or what it is above.
    pub least: f64,
    /// Whether the least is excluded.
    pub above: bool,
    /// The most, or what it is below.
    pub most: f64,
    /// Whether the most is excluded.
    pub below: bool,
}

const fn within(least: f64, most: f64) -> Range {
    Range { least, above: false, most, below: false }
}

const fn above(least: f64, most: f64) -> Range {
    Range { above: true, ..within(least, most) }
}

const fn below(least: f64, most: f64) -> Range {
    Range { below: true, ..within(least, most) }
}

/// Each setting that is a number; one inside another is named as in `lora.rank`.
pub const NUMBERS: [(&str, Range); 30] = [
    ("scale", above(0.0, 1000.0)),
    ("margin", above(0.0, 2.0)),
    ("contrast.weight", above(0.0, 1000.0)),
    ("contrast.scale", above(0.0, 1000.0)),
    ("positive_from", within(0.0, 1.0)),
    ("guide", within(-2.0, 2.0)),
    ("self_distillation", above(0.0, 1000.0)),
    // Rows of the replayed table that are encoded for each training row.
    ("replay", above(0.0, 10.0)),
    // Each epoch is an event with its curve and a heatmap of 50 kB: 50 MB at the most.
    // Each is an event with its curve. What all of them hold is bounded besides: steps here, heatmaps in `bounds.rs`.
    ("epochs", within(1.0, 10_000.0)),
    // A batch's texts are in memory with all that their gradients need.
    ("batch_size", within(1.0, 4096.0)),
    ("accumulation", within(1.0, 4096.0)),
    ("mini_batch", within(1.0, 4096.0)),
    ("learning_rate", above(0.0, 1.0)),
    ("layer_decay", above(0.0, 1.0)),
    // Beyond a model's own layers, all learn.
    ("last_layers", within(1.0, 1000.0)),
    // Two factors for each kernel, as wide as this.
    ("lora.rank", within(1.0, 1024.0)),
    ("lora.alpha", above(0.0, 10_000.0)),
    ("dropout", below(0.0, 1.0)),
    ("weight_decay", above(0.0, 1.0)),
    ("warmup", below(0.0, 1.0)),
    ("beta_1", below(0.0, 1.0)),
    ("beta_2", below(0.0, 1.0)),
    ("epsilon", above(0.0, 1.0)),
    ("clipnorm", above(0.0, 1e9)),
    ("validation_split", Range { least: 0.0, above: true, most: 1.0, below: true }),
    // What every JSON reader reads exactly.
    ("seed", within(0.0, 9_007_199_254_740_991.0)),
    ("early_stopping.patience", within(1.0, 10_000.0)),
    ("early_stopping.min_delta", within(0.0, 1e9)),
    ("forgetting.max_drop", within(0.0, 1.0)),
    // A loss for each of them: sixteen times the work after the encoder.
    ("matryoshka", within(2.0, 65_536.0)),
];

/// What a recipe's learning rate may be multiplied with.
pub const LEARNING_RATE_MULTIPLIER: Range = above(0.0, 1e6);

/// Steps of a run: each one's loss is kept in memory and in the job's events, 100 MB at the most.
pub const MOST_STEPS: usize = 5_000_000;

/// Characters of the names in a list.
pub const NAME: RangeInclusive<usize> = 1..=200;

/// Each setting that is a list, and how many it may hold.
pub const LISTS: [(&str, RangeInclusive<usize>); 3] =
    [("matryoshka", 1..=16), ("freeze", 0..=64), ("lora.targets", 0..=64)];

impl Range {
    /// Of a setting.
    ///
    /// # Panics
    /// Where no setting has this name.
    pub fn of(setting: &str) -> Self {
        NUMBERS.into_iter().find(|(name, _)| *name == setting).expect("every number has its range").1
    }

    /// Whether a number lies within.
    pub fn holds(&self, number: f64) -> bool {
        let least = if self.above { number > self.least } else { number >= self.least };
        let most = if self.below { number < self.most } else { number <= self.most };
        least && most
    }
}

impl std::fmt::Display for Range {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { least, above, most, below } = self;
        match (above, below) {
            (false, false) => write!(f, "must lie between {least} and {most}"),
            (true, false) => write!(f, "must lie above {least} and not above {most}"),
            (false, true) => write!(f, "must lie between {least} and {most}, {most} excluded"),
            (true, true) => write!(f, "must lie between {least} and {most}, both excluded"),
        }
    }
}
