//! `config.json` of a transformer: every key is used, known to change nothing here, or refused.

use serde_json::{Map, Value};

use super::activation::Activation;
use super::keys::Keys;

/// The values of `model_type` that are supported.
const KINDS: [&str; 6] = ["bert", "roberta", "xlm-roberta", "distilbert", "mpnet", "modernbert"];

/// MPNet tells this many kinds of distance apart, whatever its configuration says.
const RELATIVE_BUCKETS: i64 = 32;

/// The architectures of the family of BERT, and ModernBERT.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Architecture {
    Bert,
    /// RoBERTa and XLM-RoBERTa: BERT whose positions count from the padding id on.
    Roberta,
    DistilBert,
    MpNet,
    ModernBert,
}

/// What ModernBERT has beyond the others.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct ModernBertConfig {
    pub(crate) norm_bias: bool,
    pub(crate) attention_bias: bool,
    pub(crate) mlp_bias: bool,
    pub(crate) layers: Vec<ModernBertLayerConfig>,
    pub(crate) mlp_dropout: f64,
}

/// How one layer of ModernBERT sees.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct ModernBertLayerConfig {
    /// The base of the rotary angles.
    pub(crate) rope_theta: f64,
    /// How many tokens away a token sees; `None` for all.
    pub(crate) reach: Option<i64>,
}

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct TransformerConfig {
    pub(crate) architecture: Architecture,
    /// V
    pub(crate) vocab_size: i64,
    /// H
    pub(crate) hidden_size: i64,
    pub(crate) layers: usize,
    pub(crate) heads: i64,
    pub(crate) intermediate_size: i64,
    pub(crate) activation: Activation,
    pub(crate) layer_norm_eps: f64,
    pub(crate) max_position_embeddings: i64,
    /// The row of a text's first token.
    pub(crate) first_position: i64,
    /// Rows of the table of segments; 0 for no such table.
    pub(crate) type_vocab_size: i64,
    pub(crate) hidden_dropout: f64,
    pub(crate) attention_dropout: f64,
    /// MPNet: how many kinds of distance between two tokens are told apart.
    pub(crate) relative_buckets: i64,
    pub(crate) modernbert: Option<ModernBertConfig>,
}

impl TransformerConfig {
    pub(crate) fn parse(json: &[u8]) -> Result<Self, String> {
        let keys: Map<String, Value> = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let mut keys = Keys(keys);
        let kind: String = keys.peek("model_type")?;
        let architecture = match kind.as_str() {
            "bert" => Architecture::Bert,
            "roberta" | "xlm-roberta" => Architecture::Roberta,
            "distilbert" => Architecture::DistilBert,
            "mpnet" => Architecture::MpNet,
            "modernbert" => Architecture::ModernBert,
            other => {
                return Err(format!("models of the kind {other:?} are not supported; {} are", KINDS.join(", ")));
            }
        };
        keys.only("is_decoder", &Value::Bool(false))?;
        keys.only("is_encoder_decoder", &Value::Bool(false))?;
        keys.only("add_cross_attention", &Value::Bool(false))?;
        keys.only("cross_attention_hidden_size", &Value::Null)?;
        keys.only("pruned_heads", &Value::Object(Map::new()))?;
        keys.only("position_embedding_type", &Value::from("absolute"))?;
        let config = match architecture {
            Architecture::DistilBert => Self::distilbert(&mut keys)?,
            Architecture::ModernBert => Self::modernbert(&mut keys)?,
            _ => Self::bert(&mut keys, architecture)?,
        };
        keys.finish()?;
        config.check()
    }

    fn bert(keys: &mut Keys, architecture: Architecture) -> Result<Self, String> {
        let of_mpnet = architecture == Architecture::MpNet;
        let first_position = match architecture {
            Architecture::Roberta => keys.peek_or("pad_token_id", 1)? + 1,
            Architecture::MpNet => 2, // whatever its padding id
            _ => 0,
        };
        keys.only("relative_attention_num_buckets", &Value::from(RELATIVE_BUCKETS))?;
        let hidden_size = keys.take("hidden_size")?;
        if keys.peek_or("embedding_size", hidden_size)? != hidden_size {
            return Err("embedding_size differs from hidden_size, which BERT knows no use of".to_owned());
        }
        Ok(Self {
            architecture,
            vocab_size: keys.take("vocab_size")?,
            hidden_size,
            layers: keys.take("num_hidden_layers")?,
            heads: keys.take("num_attention_heads")?,
            intermediate_size: keys.take("intermediate_size")?,
            activation: keys.activation("hidden_act")?,
            layer_norm_eps: keys.take_or("layer_norm_eps", 1e-12)?,
            max_position_embeddings: keys.take("max_position_embeddings")?,
            first_position,
            type_vocab_size: if of_mpnet { 0 } else { keys.take_or("type_vocab_size", 2)? },
            hidden_dropout: keys.take_or("hidden_dropout_prob", 0.1)?,
            attention_dropout: keys.take_or("attention_probs_dropout_prob", 0.1)?,
            relative_buckets: if of_mpnet { RELATIVE_BUCKETS } else { 0 },
            modernbert: None,
        })
    }

    fn distilbert(keys: &mut Keys) -> Result<Self, String> {
        Ok(Self {
            architecture: Architecture::DistilBert,
            vocab_size: keys.take("vocab_size")?,
            hidden_size: keys.take("dim")?,
            layers: keys.take("n_layers")?,
            heads: keys.take("n_heads")?,
            intermediate_size: keys.take("hidden_dim")?,
            activation: keys.activation("activation")?,
            layer_norm_eps: 1e-12,
            max_position_embeddings: keys.take("max_position_embeddings")?,
            first_position: 0,
            type_vocab_size: 0,
            hidden_dropout: keys.take_or("dropout", 0.1)?,
            attention_dropout: keys.take_or("attention_dropout", 0.1)?,
            relative_buckets: 0,
            modernbert: None,
        })
    }

    fn modernbert(keys: &mut Keys) -> Result<Self, String> {
        // Some files have it; the norms follow norm_eps.
        let _: Option<f64> = keys.take_or("layer_norm_eps", None)?;
        let layers: usize = keys.take("num_hidden_layers")?;
        let heads: i64 = keys.take("num_attention_heads")?;
        Ok(Self {
            architecture: Architecture::ModernBert,
            vocab_size: keys.take("vocab_size")?,
            hidden_size: keys.take("hidden_size")?,
            layers,
            heads,
            intermediate_size: keys.take("intermediate_size")?,
            activation: keys.activation("hidden_activation")?,
            layer_norm_eps: keys.take_or("norm_eps", 1e-5)?,
            max_position_embeddings: keys.take("max_position_embeddings")?,
            first_position: 0,
            type_vocab_size: 0,
            hidden_dropout: keys.take_or("embedding_dropout", 0.0)?,
            attention_dropout: keys.take_or("attention_dropout", 0.0)?,
            relative_buckets: 0,
            modernbert: Some(ModernBertConfig {
                norm_bias: keys.take_or("norm_bias", false)?,
                attention_bias: keys.take_or("attention_bias", false)?,
                mlp_bias: keys.take_or("mlp_bias", false)?,
                layers: modernbert_layers(keys, layers)?,
                mlp_dropout: keys.take_or("mlp_dropout", 0.0)?,
            }),
        })
    }

    /// Sizes that make sense together, so that none of them can ask for absurd memory.
    fn check(self) -> Result<Self, String> {
        let sizes = [
            ("the vocabulary's size", self.vocab_size, 4_000_000),
            ("the hidden size", self.hidden_size, 16_384),
            ("the number of layers", self.layers as i64, 200),
            ("the number of heads", self.heads, 256),
            ("the intermediate size", self.intermediate_size, 131_072),
            ("the number of positions", self.max_position_embeddings, 1_000_000),
        ];
        for (what, size, most) in sizes {
            if !(1..=most).contains(&size) {
                return Err(format!("{what} is {size}, and must lie between 1 and {most}"));
            }
        }
        if self.hidden_size % self.heads != 0 {
            return Err(format!("{} heads do not share {} columns evenly", self.heads, self.hidden_size));
        }
        let even = self.modernbert.is_none() || self.head_size() % 2 == 0;
        let mlp_dropout = self.modernbert.as_ref().map_or(0.0, |modern| modern.mlp_dropout);
        let rates = [self.hidden_dropout, self.attention_dropout, mlp_dropout];
        let probabilities = rates.iter().all(|rate| (0.0..1.0).contains(rate));
        let rules = [
            (even, "rotary positions need an even number of columns in a head"),
            ((0..=16).contains(&self.type_vocab_size), "type_vocab_size must lie between 0 and 16"),
            (probabilities, "a rate of dropout must lie between 0 and 1, 1 excluded"),
            ((0.0..1.0).contains(&self.layer_norm_eps), "the epsilon of the norms must lie between 0 and 1"),
            ((0..self.max_position_embeddings).contains(&self.first_position), "pad_token_id leaves no positions"),
        ];
        let broken = rules.iter().find(|(holds, _)| !holds);
        broken.map_or(Ok(self), |(_, reason)| Err((*reason).to_owned()))
    }

    pub(crate) fn head_size(&self) -> i64 {
        self.hidden_size / self.heads
    }

    pub(crate) fn max_tokens(&self) -> usize {
        (self.max_position_embeddings - self.first_position) as usize
    }
}

/// The layers' ways to see: by `layer_types` and `rope_parameters` (transformers from 5 on) or by
/// `global_attn_every_n_layers` and two thetas.
fn modernbert_layers(keys: &mut Keys, layers: usize) -> Result<Vec<ModernBertLayerConfig>, String> {
    let local_attention: i64 = keys.take_or("local_attention", 128)?;
    let every: usize = keys.take_or("global_attn_every_n_layers", 3)?;
    let types: Option<Vec<String>> = keys.take_or("layer_types", None)?;
    let mut global: f64 = keys.take_or("global_rope_theta", 160_000.0)?;
    let mut local: f64 = keys.take_or::<Option<f64>>("local_rope_theta", Some(10_000.0))?.unwrap_or(global);
    if let Some(parameters) = keys.take_or::<Option<Map<String, Value>>>("rope_parameters", None)? {
        (global, local) = rope_thetas(&parameters, (global, local))?;
    }
    if local_attention < 0 || every == 0 || !(global > 1.0 && local > 1.0) {
        return Err("local_attention, global_attn_every_n_layers or a rope theta is out of bounds".to_owned());
    }
    let is_global = |layer: usize| match &types {
        None => Ok(layer.is_multiple_of(every)),
        Some(types) => match types.get(layer).map(String::as_str) {
            Some("full_attention") => Ok(true),
            Some("sliding_attention") => Ok(false),
            other => Err(format!("layer_types: {other:?} of layer {layer} is not supported")),
        },
    };
    let layer = |layer: usize| {
        Ok(match is_global(layer)? {
            true => ModernBertLayerConfig { rope_theta: global, reach: None },
            false => ModernBertLayerConfig { rope_theta: local, reach: Some(local_attention / 2) },
        })
    };
    (0..layers).map(layer).collect()
}

/// The thetas of full and sliding attention out of `rope_parameters`.
fn rope_thetas(parameters: &Map<String, Value>, (global, local): (f64, f64)) -> Result<(f64, f64), String> {
    let theta = |name: &str, or: f64| -> Result<f64, String> {
        let Some(of_kind) = parameters.get(name) else { return Ok(or) };
        let mut keys = Keys(of_kind.as_object().cloned().ok_or("rope_parameters is not an object of objects")?);
        keys.only("rope_type", &Value::from("default"))?;
        let theta = keys.take_or("rope_theta", or)?;
        match keys.0.keys().next() {
            None => Ok(theta),
            Some(key) => Err(format!("rope_parameters: the key {key:?} is not supported")),
        }
    };
    if let Some(other) = parameters.keys().find(|key| !matches!(key.as_str(), "full_attention" | "sliding_attention")) {
        return Err(format!("rope_parameters: the key {other:?} is not supported"));
    }
    Ok((theta("full_attention", global)?, theta("sliding_attention", local)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn minilm() -> Value {
        serde_json::json!({
            "_name_or_path": "x", "architectures": ["BertModel"], "attention_probs_dropout_prob": 0.1,
            "gradient_checkpointing": false, "hidden_act": "gelu", "hidden_dropout_prob": 0.1, "hidden_size": 384,
            "initializer_range": 0.02, "intermediate_size": 1536, "layer_norm_eps": 1e-12,
            "max_position_embeddings": 512, "model_type": "bert", "num_attention_heads": 12,
            "num_hidden_layers": 6, "pad_token_id": 0, "position_embedding_type": "absolute",
            "transformers_version": "4.8.2", "type_vocab_size": 2, "use_cache": true, "vocab_size": 30522
        })
    }

    fn refusal(key: &str, value: Value) -> String {
        let mut config = minilm();
        config[key] = value;
        TransformerConfig::parse(config.to_string().as_bytes()).unwrap_err()
    }

    #[test]
    fn each_key_is_used_or_refused() {
        let config = TransformerConfig::parse(minilm().to_string().as_bytes()).unwrap();
        assert_eq!((config.layers, config.head_size(), config.max_tokens()), (6, 32, 512));
        assert!(
            refusal("model_type", "t5".into()).contains("bert, roberta, xlm-roberta, distilbert, mpnet, modernbert")
        );
        assert!(refusal("position_embedding_type", "relative_key".into()).contains("relative_key"));
        assert!(refusal("adapter_size", 8.into()).contains("adapter_size"));
        assert!(refusal("hidden_act", "tanh".into()).contains("silu"));
        assert!(refusal("hidden_size", 1_000_000_000_000_i64.into()).contains("16384"));
        assert!(refusal("num_attention_heads", 7.into()).contains("evenly"));
    }
}
