//! Small transformers, written to disk as people publish them.

use std::collections::BTreeMap;
use std::path::Path;

use half::{bf16, f16};
use safetensors::tensor::{Dtype, TensorView};
use serde_json::{Value, json};

/// The sizes of a BERT.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sizes {
    pub(crate) vocabulary: usize,
    pub(crate) positions: usize,
    pub(crate) layers: usize,
    pub(crate) hidden: usize,
}

/// Tensors by name: shape and numbers.
pub(crate) type Tensors = BTreeMap<String, (Vec<usize>, Vec<f32>)>;

/// A tensor as it stands in a file.
pub(crate) type Stored = (Dtype, Vec<usize>, Vec<u8>);

impl Sizes {
    /// The tensors of such a model, each number by its tensor's place, its own place and its tensor's name.
    pub(crate) fn tensors(self, number: impl Fn(usize, usize, &str) -> f32) -> Tensors {
        let (h, i) = (self.hidden, 2 * self.hidden);
        let mut shapes: Vec<(String, Vec<usize>)> = vec![
            ("embeddings.word_embeddings.weight".to_owned(), vec![self.vocabulary, h]),
            ("embeddings.position_embeddings.weight".to_owned(), vec![self.positions, h]),
            ("embeddings.token_type_embeddings.weight".to_owned(), vec![2, h]),
        ];
        let mut norms = vec!["embeddings.LayerNorm".to_owned()];
        for layer in 0..self.layers {
            let layer = format!("encoder.layer.{layer}");
            for (name, out, into) in [
                ("attention.self.query", h, h),
                ("attention.self.key", h, h),
                ("attention.self.value", h, h),
                ("attention.output.dense", h, h),
                ("intermediate.dense", i, h),
                ("output.dense", h, i),
            ] {
                shapes.push((format!("{layer}.{name}.weight"), vec![out, into]));
                shapes.push((format!("{layer}.{name}.bias"), vec![out]));
            }
            norms.extend([format!("{layer}.attention.output.LayerNorm"), format!("{layer}.output.LayerNorm")]);
        }
        for norm in norms {
            shapes.push((format!("{norm}.weight"), vec![h]));
            shapes.push((format!("{norm}.bias"), vec![h]));
        }
        shapes.push(("pooler.dense.weight".to_owned(), vec![h, h]));
        shapes.push(("pooler.dense.bias".to_owned(), vec![h]));
        let numbers = |(tensor, (name, shape)): (usize, (String, Vec<usize>))| {
            let size = shape.iter().product();
            let numbers = (0..size).map(|place| number(tensor, place, &name)).collect();
            (name, (shape, numbers))
        };
        shapes.into_iter().enumerate().map(numbers).collect()
    }

    /// Writes such a model as `transformers` saves it.
    pub(crate) fn save(self, folder: &Path, tensors: &Tensors, tokenizer: &Value) {
        std::fs::create_dir_all(folder).unwrap();
        write_weights(&folder.join("model.safetensors"), &stored(Dtype::F32, tensors));
        let config = json!({
            "model_type": "bert", "vocab_size": self.vocabulary, "hidden_size": self.hidden,
            "num_hidden_layers": self.layers, "num_attention_heads": 2, "intermediate_size": 2 * self.hidden,
            "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": self.positions,
            "type_vocab_size": 2, "pad_token_id": 0
        });
        write_json(&folder.join("config.json"), &config);
        write_json(&folder.join("tokenizer.json"), tokenizer);
    }

    /// Adds the modules that sentence-transformers saves with it.
    pub(crate) fn save_modules(self, folder: &Path) {
        let of = [
            ("", "sentence_transformers.models.Transformer"),
            ("1_Pooling", "sentence_transformers.models.Pooling"),
            ("2_Normalize", "sentence_transformers.models.Normalize"),
        ];
        write_json(&folder.join("modules.json"), &modules(&of));
        let pooling = json!({
            "word_embedding_dimension": self.hidden, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true
        });
        write_json(&folder.join("1_Pooling/config.json"), &pooling);
    }
}

/// A `tokenizer.json` that puts the second and third of the special tokens around a text.
pub(crate) fn tokenizer(pre_tokenizer: &Value, model: &Value) -> Value {
    let special = |name: &str, id: usize| json!({ "id": name, "ids": [id], "tokens": [name] });
    let piece = |name: &str| json!({ "SpecialToken": { "id": name, "type_id": 0 } });
    json!({
        "version": "1.0", "truncation": null, "padding": null, "added_tokens": [], "normalizer": null,
        "pre_tokenizer": pre_tokenizer,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [piece("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, piece("[SEP]")],
            "pair": [piece("[CLS]"), { "Sequence": { "id": "A", "type_id": 0 } }, piece("[SEP]"),
                     { "Sequence": { "id": "B", "type_id": 1 } }],
            "special_tokens": { "[CLS]": special("[CLS]", 2), "[SEP]": special("[SEP]", 3) }
        },
        "decoder": null, "model": model
    })
}

pub(crate) fn stored(dtype: Dtype, tensors: &Tensors) -> BTreeMap<String, Stored> {
    let bytes = |number: &f32| match dtype {
        Dtype::F16 => f16::from_f32(*number).to_le_bytes().to_vec(),
        Dtype::BF16 => bf16::from_f32(*number).to_le_bytes().to_vec(),
        Dtype::F64 => f64::from(*number).to_le_bytes().to_vec(),
        _ => number.to_le_bytes().to_vec(),
    };
    let store = |(name, (shape, numbers)): (&String, &(Vec<usize>, Vec<f32>))| {
        (name.clone(), (dtype, shape.clone(), numbers.iter().flat_map(bytes).collect()))
    };
    tensors.iter().map(store).collect()
}

pub(crate) fn write_weights(path: &Path, tensors: &BTreeMap<String, Stored>) {
    let views = tensors
        .iter()
        .map(|(name, (dtype, shape, bytes))| (name, TensorView::new(*dtype, shape.clone(), bytes).unwrap()));
    std::fs::write(path, safetensors::serialize(views, None).unwrap()).unwrap();
}

pub(crate) fn write_json(path: &Path, value: &Value) {
    std::fs::create_dir_all(path.parent().unwrap()).unwrap();
    std::fs::write(path, value.to_string()).unwrap();
}

pub(crate) fn modules(of: &[(&str, &str)]) -> Value {
    let module = |(place, (path, class)): (usize, &(&str, &str))| json!({ "idx": place, "name": place.to_string(), "path": path, "type": class });
    of.iter().enumerate().map(module).collect()
}
