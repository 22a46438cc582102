//! Names for settings. What was tried, and why these, is in `docs/recipes.md`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use tables::{PairDataset, TableKind};

use super::config::TrainConfig;
use super::loss::LossKind;
use super::options::{
    ClipKind, ContrastConfig, EarlyStoppingConfig, EpsilonMode, ForgettingAction, ForgettingConfig, GeneralMetric,
    Monitor, OptimizerKind, Schedule, SplitKind,
};

/// A named set of settings: `recommended`, `tutorial` (to the letter), `gentle` (a quarter of the rate, a
/// narrow budget of forgetting) or `thorough` (twice the epochs, within a budget).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Recipe {
    /// What did best on texts that were held out, for search and for scores, while general ability held.
    #[default]
    Recommended,
    /// The tutorial's settings to the letter, Keras' meaning of each included.
    Tutorial,
    /// `recommended` at a quarter of its rate, within a narrow budget of forgetting.
    Gentle,
    /// `recommended` for twice as many epochs, the best one kept, within a budget of forgetting.
    Thorough,
}

/// Steps that a run wants to have: fewer rows are read more often.
const STEPS: usize = 350;

/// What a recipe depends on.
#[derive(Clone, Copy, Debug, Default, Serialize, Deserialize)]
pub struct RecipeFacts {
    /// What the table's rows are.
    pub kind: TableKind,
    /// How many.
    pub rows: usize,
    /// Rows whose score is that of a positive pair: at least 0.7.
    pub positives: usize,
    /// Whether the model is a transformer.
    #[serde(default)]
    pub transformer: bool,
}

impl RecipeFacts {
    /// Of a table that was read, and of a transformer or another model.
    pub fn of(table: &PairDataset, transformer: bool) -> Self {
        let positive_from = TrainConfig::default().positive_from;
        let positives = table.pairs.iter().filter(|pair| pair.score >= positive_from).count();
        Self { kind: table.kind, rows: table.pairs.len(), positives, transformer }
    }
}

impl Recipe {
    /// The settings that the name stands for, with others in the place of some: a JSON object in which
    /// nested objects may be partial. A recipe's `contrast` belongs to its loss: with another loss it goes,
    /// unless it is given, too.
    pub fn settings(self, table: RecipeFacts, others: &Map<String, Value>) -> Value {
        let mut settings = serde_json::to_value(self.config(table)).expect("plain structs become JSON");
        let another = others.get("loss").is_some_and(|loss| *loss != settings["loss"]);
        if another && !others.contains_key("contrast") {
            settings["contrast"] = Value::Null;
        }
        for (name, value) in others {
            match (settings.get_mut(name), value) {
                (Some(Value::Object(inner)), Value::Object(value)) => inner.extend(value.clone()),
                (Some(place), value) => *place = value.clone(),
                (None, value) => settings[name] = value.clone(),
            }
        }
        settings
    }

    /// The settings that the name stands for.
    pub fn config(self, table: RecipeFacts) -> TrainConfig {
        match self {
            Self::Recommended => recommended(table),
            Self::Tutorial => TrainConfig::default(),
            Self::Gentle => {
                let usual = recommended(table);
                TrainConfig { learning_rate: usual.learning_rate / 4.0, forgetting: Some(budget(0.005)), ..usual }
            }
            Self::Thorough => {
                let usual = recommended(table);
                TrainConfig { epochs: usual.epochs * 2, forgetting: Some(budget(0.01)), ..usual }
            }
        }
    }
}

fn budget(max_drop: f64) -> ForgettingConfig {
    ForgettingConfig { metric: GeneralMetric::Pearson, max_drop, action: ForgettingAction::Interpolate }
}

fn recommended(RecipeFacts { kind, rows, positives, transformer }: RecipeFacts) -> TrainConfig {
    // Larger batches hold more negatives; small tables want more steps.
    let batch_size = match rows {
        0..300 => 16,
        300..1000 => 32,
        _ => 64,
    };
    let validation_split = if rows < 1000 { 0.2 } else { 0.1 };
    let steps_of_epoch = ((rows as f64 * (1.0 - validation_split)) as usize).div_ceil(batch_size).max(1);
    // Scores say how near two texts are; in-batch contrast lets each text find its own, and holds what the
    // base knew. Without scores contrast is all there is.
    let contrast = |weight| (positives >= 2).then(|| ContrastConfig { weight, ..ContrastConfig::default() });
    let (loss, contrast) = match kind {
        TableKind::PairScore => (LossKind::AngularMse, contrast(0.1)),
        TableKind::PairClass => (LossKind::CosineMse, contrast(1.0)),
        // A text finds another of its label among those of other labels.
        TableKind::PairPositive | TableKind::Triplet | TableKind::Labelled => (LossKind::Mnrl, None),
    };
    let usual = TrainConfig {
        loss,
        contrast,
        epochs: STEPS.div_ceil(steps_of_epoch).clamp(3, 10),
        batch_size,
        learning_rate: 2e-4,
        schedule: Schedule::Linear,
        validation_split,
        split: SplitKind::Grouped,
        early_stopping: Some(EarlyStoppingConfig {
            patience: 3,
            min_delta: 0.0,
            monitor: Monitor::ValLoss,
            restore_best: true,
        }),
        ..TrainConfig::default()
    };
    if transformer { for_transformer(usual) } else { usual }
}

/// Deep networks are trained by AdamW at a tenth of the rate that Universal Sentence Encoder takes, warmed up,
/// all gradients kept to a bound together (Devlin et al. 2019, and sentence-transformers' defaults).
fn for_transformer(usual: TrainConfig) -> TrainConfig {
    TrainConfig {
        optimizer: OptimizerKind::AdamW,
        learning_rate: 2e-5,
        warmup: 0.1,
        beta_2: 0.999,
        epsilon: 1e-8,
        epsilon_mode: EpsilonMode::Torch,
        clip: ClipKind::Global,
        ..usual
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn every_recipe_suits_every_kind_and_size_of_table() {
        for recipe in [Recipe::Recommended, Recipe::Gentle, Recipe::Thorough] {
            let kinds = [
                TableKind::PairScore,
                TableKind::PairClass,
                TableKind::PairPositive,
                TableKind::Triplet,
                TableKind::Labelled,
            ];
            for kind in kinds {
                for rows in [10, 98, 500, 10_000, 200_000] {
                    for (positives, transformer) in [(0, false), (rows, false), (0, true), (rows, true)] {
                        let config = recipe.config(RecipeFacts { kind, rows, positives, transformer });
                        config.check().unwrap();
                        assert_eq!(config.loss.objection(kind, 0.0, 1.0, 2), None, "{recipe:?} {kind:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_tutorials_recipe_learns_from_labels_as_from_pairs_that_are_the_same_or_unrelated() {
        let config = Recipe::Tutorial.config(RecipeFacts { kind: TableKind::Labelled, ..RecipeFacts::default() });
        assert_eq!(config.loss.objection(TableKind::Labelled, 1.0, 1.0, 1), None);
    }

    #[test]
    fn another_loss_brings_its_own_contrast_or_none() {
        let table = RecipeFacts { rows: 500, positives: 100, ..RecipeFacts::default() };
        let config = |others: Value| -> TrainConfig {
            let others = others.as_object().unwrap().clone();
            serde_json::from_value(Recipe::Recommended.settings(table, &others)).unwrap()
        };
        assert!(config(json!({ "epochs": 1 })).contrast.is_some());
        assert!(config(json!({ "loss": "angular_mse" })).contrast.is_some());
        assert_eq!(config(json!({ "loss": "mnrl" })).contrast, None);
        let both = config(json!({ "loss": "cosent", "contrast": { "weight": 3.0 } }));
        assert_eq!(both.contrast.unwrap().weight, 3.0);
        assert_eq!(config(json!({ "early_stopping": { "patience": 9 } })).early_stopping.unwrap().patience, 9);
    }
}
