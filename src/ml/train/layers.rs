//! Which layers learn, and how fast.

use super::checks::{check, meant};
use super::config::TrainConfig;
use super::options::ClipTable;
use crate::ml::encoder::Encoder;
use crate::ml::{Error, Result};

/// The part of the learning rate that each layer gets; `None` for one that does not learn.
pub(super) struct LayerShares(Vec<Option<f64>>);

impl LayerShares {
    pub(super) fn new(encoder: &dyn Encoder, config: &TrainConfig) -> Result<Self> {
        let layers = encoder.layers();
        let count = layers.len();
        let refuse = |field, reason: &str| Err(Error::config(field, reason));
        if let Some(name) = config.freeze.iter().find(|name| !layers.iter().any(|layer| *layer == **name)) {
            let reason = format!("this model has no layer {name:?}; its layers are {}", layers.join(", "));
            return refuse("freeze", &reason);
        }
        let top = config.last_layers.unwrap_or(count);
        if config.last_layers.is_some_and(|top| top >= count) {
            let reason = format!(
                "must be below {count}, for this model has {count} layers: {}; leave it out to let all learn",
                layers.join(", ")
            );
            return refuse("last_layers", &reason);
        }
        let named = |layer: usize| config.freeze.iter().any(|name| layers[layer] == *name);
        check(!(0..count).all(named), "freeze", "leaves no layer that learns")?;
        if let Some(both) = config.last_layers.and_then(|top| (count - top..count).find(|&layer| named(layer))) {
            let reason = format!("names {:?}, one of the top {top} layers, which last_layers lets learn", layers[both]);
            return refuse("freeze", &reason);
        }

        let alone = !config.head_only || (config.last_layers.is_none() && config.lora.is_none());
        check(alone, "head_only", "has no meaning beside last_layers or lora, which say what else learns")?;
        let head = config.head_only.then(|| encoder.head_layer().unwrap_or(count - 1));
        check(!head.is_some_and(named), "freeze", "names the head, which alone is to learn")?;
        let below_head = |layer: usize| head.is_some_and(|head| layer != head);
        let learns = |layer: usize| {
            !below_head(layer) && layer >= count - top && !named(layer) && (layer > 0 || config.lora.is_none())
        };
        let share = |layer: usize| config.layer_decay.powi((count - 1 - layer) as i32);
        let shares: Vec<Option<f64>> = (0..count).map(|layer| learns(layer).then(|| share(layer))).collect();
        let decays = config.layer_decay >= 1.0 || shares.iter().flatten().any(|&share| share != 1.0);
        meant(decays, "layer_decay", "where the top layer alone learns")?;
        let has_shards = config.clip_table == ClipTable::Shards || shares[0].is_some();
        meant(has_shards, "clip_table", "where the vocabulary's table does not learn")?;
        Ok(Self(shares))
    }

    /// Whether the encoder's head learns and nothing below it does.
    pub(super) fn head_alone(&self, encoder: &dyn Encoder) -> bool {
        let learns: Vec<usize> = (0..self.0.len()).filter(|&layer| self.0[layer].is_some()).collect();
        encoder.head_layer().is_some_and(|head| learns == [head])
    }

    /// A layer's part of the learning rate, if it learns.
    pub(super) fn of(&self, layer: usize) -> Option<f64> {
        self.0[layer]
    }

    pub(super) fn of_embeddings(&self) -> Option<f64> {
        self.0[0]
    }
}
