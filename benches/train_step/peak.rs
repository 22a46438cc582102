//! How near forward and backward come to what this libtorch's sgemm can do on this machine.

use std::hint::black_box;
use std::time::Instant;

use shamisen::ml::encoder::{Encoder, Pass, RaggedBatch};
use shamisen::ml::train::TokenPair;
use shamisen::ml::vectors::angular_similarity;
use tch::{Device, Kind, Tensor};

use super::{median, say};

/// The side of the square product whose speed is the peak. 2048: a few tenths of a second, well out of
/// the caches.
const SIDE: i64 = 2048;

/// A linear layer as the forward pass uses it: `(m, k)` times `(k, n)`.
#[derive(Clone, Copy)]
struct Product {
    m: i64,
    k: i64,
    n: i64,
}

impl Product {
    /// Floating-point operations of the forward product; backward takes two products as large, for the
    /// gradients of the input and of the weights. The first layer's input are the table's rows, so
    /// none can be left out.
    fn flops(self) -> f64 {
        2.0 * (self.m * self.k * self.n) as f64
    }
}

/// The products of one pass over `tokens` tokens of `texts` texts, from the weights' shapes.
fn products(encoder: &dyn Encoder, tokens: i64, texts: i64) -> Vec<Product> {
    let matrices = encoder.variables().into_iter().filter(|(_, tensor)| tensor.dim() == 2 && tensor.size()[0] > 1);
    let product = |(name, tensor): (String, Tensor)| {
        // n-gram layers see every token; what comes after the sum sees texts.
        let m = if name.contains("ngram_order") { tokens } else { texts };
        Product { m, k: tensor.size()[0], n: tensor.size()[1] }
    };
    matrices.map(product).collect()
}

/// A batch as training sees it: all left texts, then all right texts.
struct Batch {
    ragged: RaggedBatch,
    scores: Tensor,
    /// The batch's rows of the table `(U, E)`, and which of them each token is `(N,)`.
    rows: Tensor,
    inverse: Tensor,
}

impl Batch {
    fn new(encoder: &dyn Encoder, pairs: &[TokenPair]) -> Self {
        let left = pairs.iter().map(|pair| pair.left.as_slice());
        let right = pairs.iter().map(|pair| pair.right.as_slice());
        let ragged = RaggedBatch::new(left.chain(right));
        let mut unique = ragged.ids.clone();
        unique.sort_unstable();
        unique.dedup();
        let inverse: Vec<i64> = ragged.ids.iter().map(|id| unique.partition_point(|known| known < id) as i64).collect();
        let scores: Vec<f32> = pairs.iter().map(|pair| pair.score as f32).collect();
        Self {
            rows: encoder.word_embeddings().lookup(&unique).set_requires_grad(true),
            inverse: Tensor::from_slice(&inverse),
            scores: Tensor::from_slice(&scores),
            ragged,
        }
    }

    /// Forward and backward, as a training step does them.
    fn differentiate(&mut self, encoder: &dyn Encoder) -> [f64; 2] {
        let started = Instant::now();
        let vectors = encoder.forward(&self.rows.index_select(0, &self.inverse), &Pass::new(&self.ragged.lengths));
        let columns = vectors.chunk(2, 0);
        let loss = (angular_similarity(&columns[0], &columns[1]) - &self.scores).square().mean(tch::Kind::Float);
        let forward = started.elapsed().as_secs_f64();
        loss.backward();
        let both = started.elapsed().as_secs_f64();
        self.rows.zero_grad();
        [forward, both - forward]
    }
}

/// Prints the rate of forward and backward over all batches, the peak, and their ratio.
pub(crate) fn measure(
    encoder: &dyn Encoder,
    pairs: &[TokenPair],
    batch_size: usize,
    rounds: usize,
) -> anyhow::Result<()> {
    let mut batches: Vec<Batch> = pairs.chunks_exact(batch_size).map(|pairs| Batch::new(encoder, pairs)).collect();
    anyhow::ensure!(!batches.is_empty(), "the table has fewer than {batch_size} pairs");
    let variables: Vec<Tensor> =
        encoder.variables().into_iter().map(|(_, tensor)| tensor.set_requires_grad(true)).collect();
    let layers: Vec<Vec<Product>> = batches
        .iter()
        .map(|batch| products(encoder, batch.ragged.tokens() as i64, batch.ragged.texts() as i64))
        .collect();
    let flops = 3.0 * layers.iter().flatten().map(|product| product.flops()).sum::<f64>();
    let square = Product { m: SIDE, k: SIDE, n: SIDE };

    // Each in turn, so that a neighbour's burst hits all of them.
    let (mut ratios, mut shares, mut own_shares) = (Vec::new(), Vec::new(), Vec::new());
    let (mut peaks, mut forwards, mut backwards) = (Vec::new(), Vec::new(), Vec::new());
    for round in 0..rounds {
        let peak = square.flops() / seconds_of(square);
        let mut spent = [0.0; 2];
        for batch in &mut batches {
            let [forward, backward] = batch.differentiate(encoder);
            spent = [spent[0] + forward, spent[1] + backward];
            for variable in &variables {
                variable.shallow_clone().zero_grad();
            }
        }
        let own: f64 = layers.iter().flatten().map(|&product| three_products(product)).sum();
        if round > 0 {
            let seconds = spent[0] + spent[1];
            ratios.push(flops / seconds / peak);
            shares.push(flops / own / peak);
            own_shares.push(own / seconds);
            peaks.push(peak);
            forwards.push(spent[0]);
            backwards.push(spent[1]);
        }
    }
    say(&serde_json::json!({
        "batch_size": batch_size, "batches": batches.len(),
        "tokens": batches.iter().map(|batch| batch.ragged.tokens()).sum::<usize>(),
        "threads": tch::get_num_threads(), "gflop": flops / 1e9,
        "forward_seconds": median(forwards), "backward_seconds": median(backwards),
        "peak_gflops": median(peaks) / 1e9,
        "share_of_peak": median(ratios),
        "own_shapes_share_of_peak": median(shares),
        "products_share_of_time": median(own_shares),
    }))
}

/// Seconds of a product of random matrices.
fn seconds_of(Product { m, k, n }: Product) -> f64 {
    let (a, b) = (random(m, k), random(k, n));
    let started = Instant::now();
    let _ = black_box(a.matmul(&b));
    started.elapsed().as_secs_f64()
}

/// Seconds of the forward product and of the two of backward, by themselves.
fn three_products(Product { m, k, n }: Product) -> f64 {
    let (x, weights, gradient) = (random(m, k), random(k, n), random(m, n));
    let started = Instant::now();
    let _ = black_box(x.matmul(&weights));
    let _ = black_box(gradient.matmul(&weights.tr()));
    let _ = black_box(x.tr().matmul(&gradient));
    started.elapsed().as_secs_f64()
}

fn random(rows: i64, columns: i64) -> Tensor {
    Tensor::randn([rows, columns], (Kind::Float, Device::Cpu))
}
