//! What follows the transformer: pooling, and modules over the text's vector, as sentence-transformers
//! keeps them (Reimers and Gurevych 2019).

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::layer::{LayerNorm, Linear, Shape, Tensors};
use crate::ml::vectors::normalize;

/// How the vectors of a text's tokens become one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum PoolingMode {
    /// The first token's.
    Cls,
    /// The largest number of each column.
    Max,
    /// The mean.
    Mean,
    /// The sum divided by the square root of the number of tokens.
    MeanSqrtLenTokens,
    /// The mean, a token weighing as much as its place, from 1.
    Weightedmean,
    /// The last token's.
    Lasttoken,
}

/// `1_Pooling/config.json`: one vector for each mode, one beside the other.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Pooling(pub(crate) Vec<PoolingMode>);

/// Both forms of the file: a mode by name (sentence-transformers from 6 on), or a flag for each.
#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct PoolingFile {
    #[serde(alias = "embedding_dimension")]
    word_embedding_dimension: Option<i64>,
    pooling_mode: Option<OneOrMore>,
    pooling_mode_cls_token: bool,
    pooling_mode_max_tokens: bool,
    pooling_mode_mean_tokens: bool,
    pooling_mode_mean_sqrt_len_tokens: bool,
    pooling_mode_weightedmean_tokens: bool,
    pooling_mode_lasttoken: bool,
    #[serde(default = "yes")]
    include_prompt: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum OneOrMore {
    One(PoolingMode),
    More(Vec<PoolingMode>),
}

fn yes() -> bool {
    true
}

impl Pooling {
    /// Reads the file for a transformer with `columns` columns.
    pub(super) fn parse(json: &[u8], columns: i64) -> Result<Self, String> {
        let file: PoolingFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if !file.include_prompt {
            return Err("include_prompt is false, which is not supported: a prompt's tokens are pooled".to_owned());
        }
        if file.word_embedding_dimension.is_some_and(|found| found != columns) {
            return Err(format!("it pools another number of columns than the transformer's {columns}"));
        }
        let flags = [
            (file.pooling_mode_cls_token, PoolingMode::Cls),
            (file.pooling_mode_max_tokens, PoolingMode::Max),
            (file.pooling_mode_mean_tokens, PoolingMode::Mean),
            (file.pooling_mode_mean_sqrt_len_tokens, PoolingMode::MeanSqrtLenTokens),
            (file.pooling_mode_weightedmean_tokens, PoolingMode::Weightedmean),
            (file.pooling_mode_lasttoken, PoolingMode::Lasttoken),
        ];
        let modes = match file.pooling_mode {
            Some(OneOrMore::One(mode)) => vec![mode],
            Some(OneOrMore::More(modes)) => modes,
            None => flags.into_iter().filter_map(|(set, mode)| set.then_some(mode)).collect(),
        };
        Ok(Self(if modes.is_empty() { vec![PoolingMode::Mean] } else { modes }))
    }

    /// Tokens `(N, H)`, the texts' lengths `(B,)`, each token's text and place in it `(N,)`, to
    /// `(B, H * modes)`. By tensor operations alone: it can be recorded.
    pub(super) fn forward(&self, x: &Tensor, lengths: &Tensor, texts: &Tensor, positions: &Tensor) -> Tensor {
        let count = (lengths * 1.0).unsqueeze(1); // (B, 1)
        let sum = |x: &Tensor| count.zeros_like().expand([-1, x.size()[1]], false).index_add(0, texts, x);
        let ends = || lengths.cumsum(0, Kind::Int64);
        let pooled = |mode: &PoolingMode| match mode {
            PoolingMode::Cls => x.index_select(0, &(ends() - lengths)),
            PoolingMode::Lasttoken => x.index_select(0, &(ends() - 1)),
            PoolingMode::Mean => sum(x) / &count,
            PoolingMode::MeanSqrtLenTokens => sum(x) / count.sqrt(),
            PoolingMode::Weightedmean => {
                let weights = ((positions + 1) * 1.0).unsqueeze(1); // (N, 1)
                sum(&(x * &weights)) / sum(&weights)
            }
            PoolingMode::Max => {
                let none = None::<&Tensor>;
                Tensor::segment_reduce(x, "max", Some(lengths), none, none, 0, false, f64::NEG_INFINITY)
            }
        };
        let mut pooled: Vec<Tensor> = self.0.iter().map(pooled).collect();
        if pooled.len() == 1 { pooled.remove(0) } else { Tensor::cat(&pooled, 1) }
    }
}

/// A module over the texts' vectors.
#[derive(Debug)]
pub(super) enum Module {
    Dense {
        linear: Linear,
        activation: DenseActivation,
    },
    LayerNorm(LayerNorm),
    /// To length 1.
    Normalize,
}

/// What a module is before it has its tensors.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum ModuleConfig {
    /// `N_Dense`
    Dense { path: String, inputs: i64, outputs: i64, bias: bool, activation: DenseActivation },
    /// `N_LayerNorm`
    LayerNorm { path: String, columns: i64 },
    /// `N_Normalize`
    Normalize,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum DenseActivation {
    Identity,
    Tanh,
    Relu,
    Gelu,
    Silu,
    Sigmoid,
}

/// Where PyTorch keeps each activation, and what it calls it.
const ACTIVATIONS: [(&str, &str, DenseActivation); 6] = [
    ("linear", "Identity", DenseActivation::Identity),
    ("activation", "Tanh", DenseActivation::Tanh),
    ("activation", "ReLU", DenseActivation::Relu),
    ("activation", "GELU", DenseActivation::Gelu),
    ("activation", "SiLU", DenseActivation::Silu),
    ("activation", "Sigmoid", DenseActivation::Sigmoid),
];

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct DenseFile {
    in_features: i64,
    out_features: i64,
    #[serde(default = "yes")]
    bias: bool,
    activation_function: Option<String>,
    #[serde(default)]
    use_residual: bool,
    module_input_name: Option<String>,
    module_output_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct LayerNormFile {
    dimension: i64,
}

/// The name of what modules hand on.
const SENTENCE: &str = "sentence_embedding";

impl ModuleConfig {
    /// Reads `N_Dense/config.json` for vectors with `columns` columns.
    pub(super) fn dense(path: &str, json: &[u8], columns: i64) -> Result<Self, String> {
        let file: DenseFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        let other = |name: &Option<String>| name.as_ref().is_some_and(|name| name != SENTENCE);
        if other(&file.module_input_name) || other(&file.module_output_name) {
            return Err(format!("a module that reads or writes something other than {SENTENCE} is not supported"));
        }
        if file.use_residual {
            return Err("use_residual is not supported".to_owned());
        }
        if file.in_features != columns || !(1..=65_536).contains(&file.out_features) {
            return Err(format!("it takes {} columns and not the {columns} that come", file.in_features));
        }
        let name = file.activation_function.as_deref().unwrap_or("Tanh");
        let name = name.rsplit('.').next().unwrap_or(name);
        let Some(&(.., activation)) = ACTIVATIONS.iter().find(|(_, known, _)| *known == name) else {
            let known = "Identity, Tanh, ReLU, GELU, SiLU and Sigmoid";
            return Err(format!("the activation {name:?} is not supported; {known} are"));
        };
        let (inputs, outputs, bias) = (file.in_features, file.out_features, file.bias);
        Ok(Self::Dense { path: path.to_owned(), inputs, outputs, bias, activation })
    }

    /// Reads `N_LayerNorm/config.json` for vectors with `columns` columns.
    pub(super) fn layer_norm(path: &str, json: &[u8], columns: i64) -> Result<Self, String> {
        let file: LayerNormFile = serde_json::from_slice(json).map_err(|error| error.to_string())?;
        if file.dimension != columns {
            return Err(format!("it takes {} columns and not the {columns} that come", file.dimension));
        }
        Ok(Self::LayerNorm { path: path.to_owned(), columns })
    }

    /// Columns of what it gives, of `columns` that it takes.
    pub(super) fn columns(&self, columns: i64) -> i64 {
        if let Self::Dense { outputs, .. } = self { *outputs } else { columns }
    }

    /// Its tensors, by their names in its own file.
    pub(super) fn shapes(&self) -> Vec<Shape> {
        match self {
            Self::Dense { inputs, outputs, bias, .. } => Linear::shapes("linear", (*inputs, *outputs), *bias),
            Self::LayerNorm { columns, .. } => LayerNorm::shapes("norm", *columns, true),
            Self::Normalize => Vec::new(),
        }
    }

    /// Its folder; empty where it has no tensors.
    pub(crate) fn path(&self) -> &str {
        match self {
            Self::Dense { path, .. } | Self::LayerNorm { path, .. } => path,
            Self::Normalize => "",
        }
    }

    /// A head's configuration file.
    pub(crate) fn json(&self) -> serde_json::Value {
        let Self::Dense { inputs, outputs, bias, activation, .. } = self else { return serde_json::Value::Null };
        let known = ACTIVATIONS.iter().find(|(.., known)| known == activation);
        let activation = known.map(|(package, name, _)| format!("torch.nn.modules.{package}.{name}"));
        serde_json::json!({
            "in_features": inputs, "out_features": outputs, "bias": bias, "activation_function": activation,
        })
    }

    pub(super) fn take(&self, tensors: &mut Tensors<'_>) -> Module {
        match self {
            Self::Dense { bias, activation, .. } => {
                Module::Dense { linear: Linear::take(tensors, *bias), activation: *activation }
            }
            Self::LayerNorm { .. } => Module::LayerNorm(LayerNorm::take(tensors, true, 1e-5)),
            Self::Normalize => Module::Normalize,
        }
    }
}

impl Module {
    pub(super) fn forward(&self, x: &Tensor) -> Tensor {
        match self {
            Self::Dense { linear, activation } => {
                let x = linear.forward(x);
                match activation {
                    DenseActivation::Identity => x,
                    DenseActivation::Tanh => x.tanh(),
                    DenseActivation::Relu => x.relu(),
                    DenseActivation::Gelu => x.gelu("none"),
                    DenseActivation::Silu => x.silu(),
                    DenseActivation::Sigmoid => x.sigmoid(),
                }
            }
            Self::LayerNorm(norm) => norm.forward(x),
            Self::Normalize => normalize(x),
        }
    }
}
