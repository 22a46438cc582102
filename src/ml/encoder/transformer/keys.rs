//! The keys of a `config.json`: each is taken, or known to change nothing, or refused.

use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::activation::Activation;

/// Keys that say nothing of the vectors: where the file comes from, heads that an encoder has not, memory,
/// how weights were drawn before training, how other models write texts.
const WITHOUT_EFFECT: [&str; 82] = [
    "_attn_implementation_autoset",
    "_name_or_path",
    "architectures",
    "auto_map",
    "bad_words_ids",
    "begin_suppress_tokens",
    "bos_token_id",
    "chunk_size_feed_forward",
    "classifier_activation",
    "classifier_bias",
    "classifier_dropout",
    "classifier_pooling",
    "cls_token_id",
    "decoder_bias",
    "decoder_start_token_id",
    "deterministic_flash_attn",
    "directionality",
    "diversity_penalty",
    "do_sample",
    "dtype",
    "early_stopping",
    "embedding_size",
    "encoder_no_repeat_ngram_size",
    "eos_token_id",
    "exponential_decay_length_penalty",
    "finetuning_task",
    "forced_bos_token_id",
    "forced_eos_token_id",
    "gradient_checkpointing",
    "id2label",
    "initializer_cutoff_factor",
    "initializer_range",
    "label2id",
    "length_penalty",
    "mask_token_id",
    "max_length",
    "min_length",
    "model_type",
    "no_repeat_ngram_size",
    "num_beam_groups",
    "num_beams",
    "num_labels",
    "num_return_sequences",
    "output_attentions",
    "output_hidden_states",
    "output_past",
    "output_scores",
    "pad_token_id",
    "pooler_fc_size",
    "pooler_num_attention_heads",
    "pooler_num_fc_layers",
    "pooler_size_per_head",
    "pooler_type",
    "prefix",
    "problem_type",
    "qa_dropout",
    "reference_compile",
    "remove_invalid_values",
    "repad_logits_with_grad",
    "repetition_penalty",
    "return_dict",
    "return_dict_in_generate",
    "sep_token_id",
    "seq_classif_dropout",
    "sinusoidal_pos_embds",
    "sparse_pred_ignore_index",
    "sparse_prediction",
    "suppress_tokens",
    "task_specific_params",
    "temperature",
    "tf_legacy_loss",
    "tie_weights_",
    "tie_word_embeddings",
    "tokenizer_class",
    "top_k",
    "top_p",
    "torch_dtype",
    "torchscript",
    "transformers_version",
    "typical_p",
    "use_bfloat16",
    "use_cache",
];

/// The keys that are not read yet.
pub(super) struct Keys(pub(super) Map<String, Value>);

impl Keys {
    fn value<T: DeserializeOwned>(key: &str, value: Value) -> Result<T, String> {
        serde_json::from_value(value).map_err(|error| format!("{key}: {error}"))
    }

    /// A key's value, which stays: `finish` must know the key.
    pub(super) fn peek<T: DeserializeOwned>(&self, key: &str) -> Result<T, String> {
        Self::value(key, self.0.get(key).cloned().ok_or_else(|| format!("the key {key:?} is missing"))?)
    }

    pub(super) fn peek_or<T: DeserializeOwned>(&self, key: &str, or: T) -> Result<T, String> {
        self.0.get(key).filter(|value| !value.is_null()).map_or(Ok(or), |value| Self::value(key, value.clone()))
    }

    pub(super) fn take<T: DeserializeOwned>(&mut self, key: &str) -> Result<T, String> {
        Self::value(key, self.0.remove(key).ok_or_else(|| format!("the key {key:?} is missing"))?)
    }

    pub(super) fn take_or<T: DeserializeOwned>(&mut self, key: &str, or: T) -> Result<T, String> {
        self.0.remove(key).map_or(Ok(or), |value| Self::value(key, value))
    }

    /// A key that may be there with one value alone.
    pub(super) fn only(&mut self, key: &str, value: &Value) -> Result<(), String> {
        match self.0.remove(key) {
            Some(found) if found != *value && !found.is_null() => {
                Err(format!("{key} is {found}; only {value} is supported"))
            }
            _ => Ok(()),
        }
    }

    pub(super) fn activation(&mut self, key: &str) -> Result<Activation, String> {
        match self.take_or(key, "gelu".to_owned())?.as_str() {
            "gelu" | "gelu_python" => Ok(Activation::Gelu),
            "gelu_new" | "gelu_pytorch_tanh" | "gelu_fast" | "gelu_python_tanh" => Ok(Activation::GeluTanh),
            "relu" => Ok(Activation::Relu),
            "silu" | "swish" => Ok(Activation::Silu),
            other => {
                let known = "gelu, gelu_new, gelu_pytorch_tanh, relu and silu";
                Err(format!("{key} is {other:?}; {known} are supported"))
            }
        }
    }

    /// Refuses a key that was not read and is not known to change nothing.
    pub(super) fn finish(self) -> Result<(), String> {
        match self.0.keys().find(|key| !WITHOUT_EFFECT.contains(&key.as_str())) {
            None => Ok(()),
            Some(key) => Err(format!("the key {key:?} is not known, and it might change the vectors")),
        }
    }
}
