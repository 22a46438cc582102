//! What a run takes in memory and on disk.

use std::collections::BTreeSet;
use std::path::Path;

use super::TrainData;
use super::config::TrainConfig;
use super::layers::LayerShares;
use super::optimizer::Lora;
use super::options::OptimizerKind;
use crate::ml::Result;
use crate::ml::encoder::{Encoder, numbers_beside_table};
use crate::ml::pairs::TokenPair;

/// Bytes of a float32.
const FLOAT: usize = 4;
/// Bytes of a row's id.
const ID: usize = 8;

/// Bytes of what a run stores: the weights that learn or their factors, and the rows of the table that its
/// texts use. A run that begins with a tuned model (`is_tuned`) stores at most every weight.
///
/// # Errors
/// Where a setting about layers or kernels has no meaning for this encoder.
pub fn stored_bytes(
    encoder: &dyn Encoder,
    is_tuned: bool,
    data: &TrainData<'_>,
    config: &TrainConfig,
) -> Result<usize> {
    let shares = LayerShares::new(encoder, config)?;
    let numbers = |learns: &dyn Fn(&str) -> bool| -> usize {
        let learnt = encoder.variables().into_iter().filter(|(name, _)| learns(name));
        learnt.map(|(_, weights)| weights.numel()).sum()
    };
    let weights = match &config.lora {
        _ if is_tuned => numbers(&|_| true),
        Some(lora) => Lora::new(encoder, lora, &shares)?.numbers(),
        None => numbers(&|name| shares.of(encoder.layer_of(name)).is_some()),
    };
    let mut ids: BTreeSet<i64> = encoder.word_embeddings().tuned_ids().into_iter().collect();
    if shares.of_embeddings().is_some() {
        let texts = data.training.iter().chain(data.replay).flat_map(TokenPair::texts);
        ids.extend(texts.flatten().map(|&id| i64::from(id)));
    }
    Ok(weights * FLOAT + ids.len() * (encoder.word_embeddings().size().1 as usize * FLOAT + ID))
}

/// Bytes that a run takes, whatever its texts are.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeastBytes {
    /// Of memory: weights, their gradients and moments.
    pub memory: u64,
    /// Of disk: two checkpoints and the tuned model.
    pub disk: u64,
}

impl LeastBytes {
    /// Of a run that tunes the full model in a folder, or one that was tuned from it.
    ///
    /// # Errors
    /// Where the folder's weights cannot be read.
    pub fn of(root: &Path, config: &TrainConfig) -> Result<Self> {
        let all_learn =
            config.lora.is_none() && config.freeze.is_empty() && config.last_layers.is_none() && !config.head_only;
        let weights = if all_learn { (numbers_beside_table(root)? * FLOAT) as u64 } else { 0 };
        Ok(Self::of_weights(weights, config.optimizer))
    }

    /// Of so many bytes of weights that learn.
    fn of_weights(weights: u64, optimizer: OptimizerKind) -> Self {
        let moments = if optimizer == OptimizerKind::Sgd { 1 } else { 2 };
        let checkpoint = weights * (1 + moments);
        Self { memory: checkpoint + weights, disk: 2 * checkpoint + weights }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_run_takes_its_weights_with_their_gradients_and_moments() {
        let adam = LeastBytes::of_weights(100, OptimizerKind::AdamW);
        assert_eq!(adam, LeastBytes { memory: 400, disk: 700 });
        assert_eq!(LeastBytes::of_weights(100, OptimizerKind::Sgd), LeastBytes { memory: 300, disk: 500 });
        let frozen = TrainConfig { freeze: vec!["table".to_owned()], ..TrainConfig::default() };
        assert_eq!(LeastBytes::of(Path::new("/there/is/no/model"), &frozen).unwrap(), LeastBytes::default());
    }
}
