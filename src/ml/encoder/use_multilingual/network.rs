//! The network, top to bottom, in the checkpoint's own names.

use serde::{Deserialize, Serialize};
use tch::{Kind, Tensor};

use super::batch_index::BatchIndex;

/// What the tensors' names begin with.
pub(crate) const CNN: &str = "EncoderDNN/CNN_layers";
pub(crate) const DNN: &str = "EncoderDNN/DNN";

/// An n-gram layer's order, and how many of its n tokens stand left of the token that it is about.
pub(crate) const NGRAMS: [(i64, i64); 3] = [(2, 0), (3, 1), (5, 2)];

/// Keeps a vector of length zero from dividing by zero.
pub(crate) const SMALLEST_NORM: f64 = 1e-6;

/// `config.json` of the model's folder. Every key is used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct UseMultilingualConfig {
    /// `use_multilingual`.
    pub model_type: String,
    /// Rows of the table, V.
    pub vocab_size: i64,
    /// Columns of the table, E.
    pub embedding_size: i64,
    /// Columns of an n-gram layer, H.
    pub ngram_size: i64,
    /// Columns of the residual network's first two layers.
    pub hidden_size: i64,
    /// Dimensions of a text's vector, D.
    pub dimensions: i64,
    /// Epsilon of every LayerNorm.
    pub layer_norm_eps: f64,
    /// Tokens of a text that are read, `<s>` and `</s>` included; the rest is cut.
    pub max_seq_length: usize,
    /// How many shards the published checkpoint keeps the table in: piece `i` is row `i / 17` of
    /// shard `i % 17`. Keras clips each as a variable of its own.
    pub table_shards: i64,
}

impl Default for UseMultilingualConfig {
    /// The published model's sizes.
    fn default() -> Self {
        Self {
            model_type: "use_multilingual".to_owned(),
            vocab_size: 128_010,
            embedding_size: 512,
            ngram_size: 256,
            hidden_size: 320,
            dimensions: 512,
            layer_norm_eps: 1e-12,
            max_seq_length: 512,
            table_shards: 17,
        }
    }
}

/// `kernel` (in, out) and `bias`.
#[derive(Debug)]
pub(super) struct Dense {
    pub(super) kernel: Tensor,
    pub(super) bias: Tensor,
}

#[derive(Debug)]
pub(super) struct LayerNorm {
    pub(super) gamma: Tensor,
    pub(super) beta: Tensor,
}

/// `ngram_order_n`: a projection, then two convolutions over windows of n tokens.
#[derive(Debug)]
pub(super) struct NgramOrder {
    pub(super) n: i64,
    pub(super) left: i64,
    input_size_projection: Dense, // (E, H)
    layer_norm: LayerNorm,        // (H,)
    pub(super) conv: Dense,       // (n * H, H)
    pub(super) conv_1: Dense,     // (n * H, H)
}

/// Every layer above the vocabulary's table. See the module's documentation.
#[derive(Debug)]
pub(super) struct Network {
    pub(super) config: UseMultilingualConfig,
    /// All of them in the order of [`shapes`]; the layers share them.
    pub(super) tensors: Vec<Tensor>,
    pub(super) ngram_orders: Vec<NgramOrder>,
    pub(super) layer_norm: LayerNorm, // (E + 3H,)
    pub(super) dense: Dense,          // (E + 3H, D)
    residual_hidden_0: Tensor,        // (D, hidden)
    residual_hidden_1: [Tensor; 2],   // AdjustDepth/projection (D, hidden), dense (hidden, hidden)
    residual_hidden_2: Tensor,        // (hidden, D)
    residual_hidden_3: [Tensor; 2],   // AdjustDepth/projection (hidden, D), dense (D, D)
}

/// Every tensor but the table, with its shape, in the order of the forward pass.
pub(crate) fn shapes(config: &UseMultilingualConfig) -> Vec<(String, Vec<i64>)> {
    let UseMultilingualConfig { embedding_size, ngram_size, hidden_size, dimensions, .. } = *config;
    let mut shapes = Vec::new();
    for (n, _) in NGRAMS {
        let order = format!("{CNN}/ngram_order_{n}");
        shapes.extend([
            (format!("{order}/input_size_projection/dense/kernel"), vec![embedding_size, ngram_size]),
            (format!("{order}/input_size_projection/dense/bias"), vec![ngram_size]),
            (format!("{order}/LayerNorm/gamma"), vec![ngram_size]),
            (format!("{order}/LayerNorm/beta"), vec![ngram_size]),
        ]);
        for conv in ["Conv", "Conv_1"] {
            shapes.push((format!("{order}/Ngram-{n}-{conv}/weights"), vec![n * ngram_size, ngram_size]));
            shapes.push((format!("{order}/Ngram-{n}-{conv}/bias"), vec![1, ngram_size]));
        }
    }
    let joint = embedding_size + 3 * ngram_size;
    shapes.extend([
        (format!("{CNN}/LayerNorm/gamma"), vec![joint]),
        (format!("{CNN}/LayerNorm/beta"), vec![joint]),
        (format!("{CNN}/dense/kernel"), vec![joint, dimensions]),
        (format!("{CNN}/dense/bias"), vec![dimensions]),
        (format!("{DNN}/ResidualHidden_0/dense/kernel"), vec![dimensions, hidden_size]),
        (format!("{DNN}/ResidualHidden_1/AdjustDepth/projection/kernel"), vec![dimensions, hidden_size]),
        (format!("{DNN}/ResidualHidden_1/dense/kernel"), vec![hidden_size, hidden_size]),
        (format!("{DNN}/ResidualHidden_2/dense/kernel"), vec![hidden_size, dimensions]),
        (format!("{DNN}/ResidualHidden_3/AdjustDepth/projection/kernel"), vec![hidden_size, dimensions]),
        (format!("{DNN}/ResidualHidden_3/dense/kernel"), vec![dimensions, dimensions]),
    ]);
    shapes
}

impl Network {
    /// Takes the tensors in the order of [`shapes`].
    pub(super) fn assemble(config: UseMultilingualConfig, tensors: Vec<Tensor>) -> Self {
        let mut parts = tensors.iter().map(Tensor::shallow_clone);
        let mut next = || parts.next().expect("shapes() names every tensor");
        let ngram_orders = NGRAMS
            .map(|(n, left)| NgramOrder {
                n,
                left,
                input_size_projection: Dense { kernel: next(), bias: next() },
                layer_norm: LayerNorm { gamma: next(), beta: next() },
                conv: Dense { kernel: next(), bias: next() },
                conv_1: Dense { kernel: next(), bias: next() },
            })
            .into();
        Self {
            config,
            ngram_orders,
            layer_norm: LayerNorm { gamma: next(), beta: next() },
            dense: Dense { kernel: next(), bias: next() },
            residual_hidden_0: next(),
            residual_hidden_1: [next(), next()],
            residual_hidden_2: next(),
            residual_hidden_3: [next(), next()],
            tensors,
        }
    }

    fn layer_norm(&self, x: &Tensor, layer: &LayerNorm) -> Tensor {
        let size = layer.gamma.size();
        x.layer_norm(size, Some(&layer.gamma), Some(&layer.beta), self.config.layer_norm_eps, false)
    }

    /// Each n-gram layer's n, and how many of the n tokens stand left of the token that it is about.
    pub(super) fn windows(&self) -> Vec<(i64, i64)> {
        self.ngram_orders.iter().map(|order| (order.n, order.left)).collect()
    }

    /// What an n-gram layer begins with: `(N, E)` to `(N, H)`.
    pub(super) fn project_tokens(&self, order: &NgramOrder, tokens: &Tensor) -> Tensor {
        let Dense { kernel, bias } = &order.input_size_projection;
        self.layer_norm(&bias.addmm(tokens, kernel), &order.layer_norm)
    }

    /// One n-gram layer over all texts at once: `(N, E)` to `(N, H)`.
    fn ngram_order(&self, order: &NgramOrder, tokens: &Tensor, neighbours: &Tensor) -> Tensor {
        let x = self.project_tokens(order, tokens); // (N, H)
        let conv = |x: &Tensor, conv: &Dense| {
            let windows = window(x, neighbours, order.n); // (N, n * H)
            conv.bias.addmm(&windows, &conv.kernel).relu() + x // (N, H)
        };
        conv(&conv(&x, &order.conv), &order.conv_1)
    }

    /// The layers over tokens: `(N, E)` to `(B, D)`. Of sizes only columns are read, which are the model's:
    /// the pass can be recorded for any batch.
    pub(super) fn sums(&self, tokens: &Tensor, index: &BatchIndex) -> Tensor {
        let mut joint = vec![tokens.shallow_clone()];
        for (order, neighbours) in self.ngram_orders.iter().zip(&index.neighbours) {
            joint.push(self.ngram_order(order, tokens, neighbours));
        }
        let f = self.layer_norm(&Tensor::cat(&joint, 1), &self.layer_norm); // (N, E + 3H)

        let sums = index.lengths.zeros_like().expand([-1, f.size()[1]], false); // (B, E + 3H)
        self.project_sums(&sums.index_add(0, &index.texts, &f), &index.lengths)
    }

    /// The texts' summed tokens `(B, E + 3H)` and lengths `(B, 1)` to `(B, D)`.
    ///
    /// The checkpoint projects each token, then sums. A projection is linear, so the sum may come first: B rows are
    /// projected and not N. Its bias is then added once for each token.
    pub(super) fn project_sums(&self, sums: &Tensor, lengths: &Tensor) -> Tensor {
        (sums.matmul(&self.dense.kernel) + lengths * &self.dense.bias) / lengths.sqrt()
    }

    /// The residual network over the texts' sums: `(B, D)` to `(B, D)`, of length 1.
    pub(super) fn residual(&self, m: &Tensor) -> Tensor {
        let y0 = m.matmul(&self.residual_hidden_0).relu(); // (B, hidden)
        let [projection, dense] = &self.residual_hidden_1;
        let y1 = (m.matmul(projection) + y0.matmul(dense)).relu(); // (B, hidden)
        let y2 = y1.matmul(&self.residual_hidden_2).relu(); // (B, D)
        let [projection, dense] = &self.residual_hidden_3;
        let z = (y1.matmul(projection) + y2.matmul(dense)).tanh(); // (B, D)
        let norm = z.square().sum_dim_intlist([1].as_slice(), true, Kind::Float).sqrt();
        z / norm.clamp_min(SMALLEST_NORM)
    }
}

/// The n rows of each token's window side by side: `(N, H)` to `(N, n * H)`. A place outside the text is
/// N: there stands a row of zeros.
fn window(x: &Tensor, neighbours: &Tensor, n: i64) -> Tensor {
    let columns = x.size()[1];
    x.constant_pad_nd([0, 0, 0, 1]).index_select(0, neighbours).reshape([-1, n * columns])
}
