//! The forward pass of weights that do not change any more.
//!
//! Everything in the network before the first sum *over neighbours* depends on one token alone: its vector,
//! the three projections with their LayerNorm, and what each slot of a window makes of it. A window's
//! convolution is the sum of its slots' products,
//!
//!     window(x) @ w = sum over slots s of x[i + s - left] @ w[s]
//!
//! so these products are made once for each distinct token and kept in a [`TokenCache`]; the first
//! convolution is then a sum of n rows. What it gives depends on n tokens, so the second one's products are
//! made once for each distinct n-gram of a batch. The numbers are those of the plain pass within 1e-6: only the order of
//! sums differs.

use std::collections::HashMap;
use std::sync::Arc;

use foldhash::fast::RandomState;
use pulp::Arch;
use tch::{Kind, Tensor};

use super::network::{NGRAMS, Network, NgramOrder};
use super::token_cache::TokenCache;
use crate::ml::encoder::embedding_table::EmbeddingTable;
use crate::ml::encoder::ragged::RaggedBatch;
use crate::ml::encoder::transformer::Packed;
use crate::ml::memory::numbers_mut;
use crate::ml::vectors::numbers;

/// Stands for a neighbour outside the text.
const OUTSIDE: u32 = u32::MAX;
/// Tokens of the longest window.
const LONGEST: usize = 5;

/// What is prepared of weights for inference.
#[derive(Debug)]
pub(super) struct InferenceCache {
    tokens: Arc<TokenCache>,
    model: u64,
    orders: Vec<PreparedOrder>,
    gamma: Arc<[f32]>, // (E + 3H,)
    beta: Arc<[f32]>,  // (E + 3H,)
}

#[derive(Debug)]
struct PreparedOrder {
    n: usize,
    left: usize,
    conv_1: SlotProducts,
    conv_1_bias: Arc<[f32]>, // (H,)
}

/// The kernel of a convolution `(n * H, H)` turned so that one product gives all slots': `(H, n * H)`.
#[derive(Debug)]
enum SlotProducts {
    Packed(Packed),
    Plain(Tensor),
}

impl SlotProducts {
    fn new(kernel: &Tensor, n: i64) -> Self {
        let columns = kernel.size()[1];
        let turned = kernel.view([n, columns, columns]).permute([0, 2, 1]).reshape([n * columns, columns]); // (n * H, H)
        match Packed::new(&turned, None) {
            Some(packed) => Self::Packed(packed),
            None => Self::Plain(turned.tr()),
        }
    }

    /// `(U, H)` to `(U, n * H)`
    fn of(&self, x: &Tensor) -> Tensor {
        match self {
            // What was packed has run once.
            Self::Packed(packed) => packed.forward(x).expect("a packed layer runs"),
            Self::Plain(kernel) => x.matmul(kernel),
        }
    }

    fn shallow_clone(&self) -> Self {
        match self {
            Self::Packed(packed) => Self::Packed(packed.shallow_clone()),
            Self::Plain(kernel) => Self::Plain(kernel.shallow_clone()),
        }
    }
}

/// The texts of a pass.
struct Tokens {
    /// For each token, N, the place of its row.
    places: Vec<u32>,
    /// The rows of the distinct tokens; see [`Columns`].
    rows: Vec<Arc<[f32]>>,
    /// Each text's first token and the one behind its last, B.
    spans: Vec<(usize, usize)>,
}

impl Tokens {
    fn row(&self, token: usize) -> &[f32] {
        &self.rows[self.places[token] as usize]
    }
}

/// Where a token's own numbers stand in its row of the cache: its vector (E), x of each order (H), then for
/// each order its product in each slot (n * H), the first convolution's bias added in its own slot.
struct Columns {
    e: usize,
    h: usize,
}

impl Columns {
    fn x(&self, order: usize) -> usize {
        self.e + order * self.h
    }

    fn product(&self, order: usize, slot: usize) -> usize {
        let earlier: usize = NGRAMS[..order].iter().map(|(n, _)| *n as usize).sum();
        self.e + (NGRAMS.len() + earlier + slot) * self.h
    }
}

impl InferenceCache {
    pub(super) fn new(network: &Network, tokens: &Arc<TokenCache>) -> Self {
        let _guard = tch::no_grad_guard();
        let order = |order: &NgramOrder| PreparedOrder {
            n: order.n as usize,
            left: order.left as usize,
            conv_1: SlotProducts::new(&order.conv_1.kernel, order.n),
            conv_1_bias: numbers(&order.conv_1.bias).into(),
        };
        Self {
            tokens: Arc::clone(tokens),
            model: tokens.new_model(),
            orders: network.ngram_orders.iter().map(order).collect(),
            gamma: numbers(&network.layer_norm.gamma).into(),
            beta: numbers(&network.layer_norm.beta).into(),
        }
    }

    pub(super) fn shallow_clone(&self) -> Self {
        let order = |order: &PreparedOrder| PreparedOrder {
            n: order.n,
            left: order.left,
            conv_1: order.conv_1.shallow_clone(),
            conv_1_bias: Arc::clone(&order.conv_1_bias),
        };
        Self {
            tokens: Arc::clone(&self.tokens),
            model: self.model,
            orders: self.orders.iter().map(order).collect(),
            gamma: Arc::clone(&self.gamma),
            beta: Arc::clone(&self.beta),
        }
    }

    /// What the head reads of each text: token ids to `(B, D)`.
    pub(super) fn features(&self, network: &Network, embeddings: &EmbeddingTable, batch: &RaggedBatch) -> Tensor {
        let config = &network.config;
        let columns = Columns { e: config.embedding_size as usize, h: config.ngram_size as usize };
        let (places, rows) = self.token_rows(network, embeddings, &batch.ids);
        let tokens = Tokens { places, rows, spans: spans(&batch.lengths) };
        let mut convolved = vec![0.0_f32; tokens.places.len() * NGRAMS.len() * columns.h]; // (N, 3H)
        // The loops over rows are compiled once for each kind of vector unit; this takes the widest that there is.
        let sums = Arch::new().dispatch(|| {
            for number in 0..self.orders.len() {
                self.convolve(number, &columns, &tokens, &mut convolved);
            }
            self.sums(&columns, &tokens, &convolved, config.layer_norm_eps as f32)
        });
        let lengths = Tensor::from_slice(&batch.lengths).to_kind(Kind::Float).unsqueeze(1); // (B, 1)
        network.project_sums(&Tensor::from_slice(&sums).view([tokens.spans.len() as i64, -1]), &lengths)
    }

    /// For each token of the batch the place of its row, and the rows of the distinct tokens.
    fn token_rows(&self, network: &Network, embeddings: &EmbeddingTable, ids: &[i64]) -> (Vec<u32>, Vec<Arc<[f32]>>) {
        let mut distinct: HashMap<i64, u32, RandomState> =
            HashMap::with_capacity_and_hasher(ids.len(), RandomState::default());
        let mut rows: Vec<Option<Arc<[f32]>>> = Vec::new();
        let (mut missing, mut at) = (Vec::new(), Vec::new());
        let places = ids.iter().map(|&id| {
            *distinct.entry(id).or_insert_with(|| {
                let row = self.tokens.get(self.model, id as u32);
                if row.is_none() {
                    missing.push(id);
                    at.push(rows.len());
                }
                rows.push(row);
                rows.len() as u32 - 1
            })
        });
        let places = places.collect();
        if !missing.is_empty() {
            for ((id, at), row) in missing.iter().zip(at).zip(network.of_single_tokens(embeddings.lookup(&missing))) {
                self.tokens.insert(self.model, *id as u32, Arc::clone(&row));
                rows[at] = Some(row);
            }
        }
        (places, rows.into_iter().flatten().collect())
    }

    /// Both convolutions of one order: fills its H columns of `convolved` `(N, 3H)`.
    #[inline(always)]
    fn convolve(&self, number: usize, columns: &Columns, tokens: &Tokens, convolved: &mut [f32]) {
        let order = &self.orders[number];
        let h = columns.h;
        let (grams, first) = distinct_ngrams(tokens, order.n, order.left);

        let height = padded(first.len());
        let mut hidden = Tensor::empty([height as i64, h as i64], (Kind::Float, tch::Device::Cpu)); // (U, H)
        {
            let [hidden] = numbers_mut([&mut hidden]).expect("a new tensor is plain");
            hidden[first.len() * h..].fill(0.0);
            for (&(token, start, end), hidden) in first.iter().zip(hidden.chunks_exact_mut(h)) {
                let own = tokens.row(token);
                let product = columns.product(number, order.left);
                hidden.copy_from_slice(&own[product..product + h]);
                for (slot, neighbour) in neighbours(order, token, start, end) {
                    if slot != order.left {
                        let product = columns.product(number, slot);
                        add(hidden, &tokens.row(neighbour)[product..product + h]);
                    }
                }
                relu_and_add(hidden, &own[columns.x(number)..columns.x(number) + h]);
            }
        }
        let mut products = order.conv_1.of(&hidden); // (U, n * H)
        let [products, hidden] = numbers_mut([&mut products, &mut hidden]).expect("new tensors are plain");
        let width = NGRAMS.len() * h;
        for &(start, end) in &tokens.spans {
            for token in start..end {
                let from = token * width + number * h;
                let convolved = &mut convolved[from..from + h];
                convolved.copy_from_slice(&order.conv_1_bias);
                for (slot, neighbour) in neighbours(order, token, start, end) {
                    let product = (grams[neighbour] as usize * order.n + slot) * h;
                    add(convolved, &products[product..product + h]);
                }
                let own = grams[token] as usize * h;
                relu_and_add(convolved, &hidden[own..own + h]);
            }
        }
    }

    /// LayerNorm of `[e, h_2, h_3, h_5]`, summed over each text: `(B, E + 3H)`.
    #[inline(always)]
    fn sums(&self, columns: &Columns, tokens: &Tokens, convolved: &[f32], epsilon: f32) -> Vec<f32> {
        let (e, width) = (columns.e, NGRAMS.len() * columns.h);
        let mut sums = vec![0.0_f32; tokens.spans.len() * (e + width)];
        for (&(start, end), sums) in tokens.spans.iter().zip(sums.chunks_exact_mut(e + width)) {
            let (sums_e, sums_h) = sums.split_at_mut(e);
            for token in start..end {
                let of_token = &tokens.row(token)[..e];
                let of_window = &convolved[token * width..(token + 1) * width];
                let count = (e + width) as f32;
                let mean = (sum(of_token, |x| x) + sum(of_window, |x| x)) / count;
                let square = |x: f32| (x - mean) * (x - mean);
                let variance = (sum(of_token, square) + sum(of_window, square)) / count;
                let scale = 1.0 / (variance + epsilon).sqrt();
                add_normalized(sums_e, of_token, mean, scale);
                add_normalized(sums_h, of_window, mean, scale);
            }
            let count = (end - start) as f32;
            for ((sum, gamma), beta) in sums.iter_mut().zip(&*self.gamma).zip(&*self.beta) {
                *sum = *sum * gamma + count * beta;
            }
        }
        sums
    }
}

impl Network {
    /// All that depends on one token alone, a row for each of the tokens `(U, E)`. See [`Columns`].
    fn of_single_tokens(&self, tokens: Tensor) -> Vec<Arc<[f32]>> {
        let (mut xs, mut products) = (Vec::new(), Vec::new());
        for order in &self.ngram_orders {
            let x = self.project_tokens(order, &tokens); // (U, H)
            let columns = x.size()[1];
            for slot in 0..order.n {
                let kernel = order.conv.kernel.narrow(0, slot * columns, columns); // (H, H)
                let product = x.matmul(&kernel);
                products.push(if slot == order.left { product + &order.conv.bias } else { product });
            }
            xs.push(x);
        }
        let mut parts = vec![tokens];
        parts.append(&mut xs);
        parts.append(&mut products);
        let mut all = Tensor::cat(&parts, 1).contiguous();
        let width = all.size()[1] as usize;
        let [all] = numbers_mut([&mut all]).expect("a new tensor is plain");
        all.chunks_exact(width).map(Arc::from).collect()
    }
}

/// A height of at least `rows` that few different ones have: a product of packed weights is compiled for each height
/// that it meets, and the machine's cache of these is small. The rows that are too many are zeros.
fn padded(rows: usize) -> usize {
    let step = (rows / 8).next_power_of_two().clamp(1, 64);
    rows.next_multiple_of(step)
}

/// Each text's first token and the one behind its last.
fn spans(lengths: &[i64]) -> Vec<(usize, usize)> {
    let mut end = 0;
    let span = |length: &i64| {
        let start = end;
        end += *length as usize;
        (start, end)
    };
    lengths.iter().map(span).collect()
}

/// For each token the place of its n-gram, and for each distinct n-gram a token that has it, with its text's span.
fn distinct_ngrams(tokens: &Tokens, n: usize, left: usize) -> (Vec<u32>, Vec<(usize, usize, usize)>) {
    let Tokens { places, spans, .. } = tokens;
    let mut known: HashMap<[u32; LONGEST], u32, RandomState> =
        HashMap::with_capacity_and_hasher(places.len(), RandomState::default());
    let mut first = Vec::new();
    let mut grams = Vec::with_capacity(places.len());
    for &(start, end) in spans {
        for token in start..end {
            let mut gram = [OUTSIDE; LONGEST];
            for (slot, gram) in gram.iter_mut().enumerate().take(n) {
                let neighbour = (token + slot).wrapping_sub(left);
                if (start..end).contains(&neighbour) {
                    *gram = places[neighbour];
                }
            }
            grams.push(*known.entry(gram).or_insert_with(|| {
                first.push((token, start, end));
                first.len() as u32 - 1
            }));
        }
    }
    (grams, first)
}

/// The slots of a token's window that lie in its text, and the tokens there.
fn neighbours(order: &PreparedOrder, token: usize, start: usize, end: usize) -> impl Iterator<Item = (usize, usize)> {
    let left = order.left;
    let slots = (start + left).saturating_sub(token)..order.n.min(end + left - token);
    slots.map(move |slot| (slot, token + slot - left))
}

#[inline(always)]
fn add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += from;
    }
}

#[inline(always)]
fn relu_and_add(to: &mut [f32], from: &[f32]) {
    for (to, from) in to.iter_mut().zip(from) {
        *to = to.max(0.0) + from;
    }
}

#[inline(always)]
fn add_normalized(to: &mut [f32], from: &[f32], mean: f32, scale: f32) {
    for (to, from) in to.iter_mut().zip(from) {
        *to += (from - mean) * scale;
    }
}

/// The sum of `of(x)` in eight running sums, which a processor keeps side by side.
#[inline(always)]
fn sum(numbers: &[f32], of: impl Fn(f32) -> f32) -> f32 {
    let mut sums = [0.0_f32; 8];
    let (chunks, rest) = numbers.as_chunks::<8>();
    for chunk in chunks {
        for (sum, x) in sums.iter_mut().zip(chunk) {
            *sum += of(*x);
        }
    }
    sums.iter().sum::<f32>() + rest.iter().map(|x| of(*x)).sum::<f32>()
}
