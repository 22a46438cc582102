//! What a tuned model takes on disk.

use std::collections::BTreeSet;

use super::TrainData;
use super::config::TrainConfig;
use super::layers::LayerShares;
use super::optimizer::Lora;
use crate::ml::Result;
use crate::ml::encoder::Encoder;
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
