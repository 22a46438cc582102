//! The vectors of any number of texts, on all cores that libtorch may use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tch::Tensor;

use super::{Encoder, RaggedBatch, encode_raw, features};
use crate::ml::pulse;

/// Tokens that one forward pass takes. Five hundred keep the matrix products large and the intermediate
/// tensors in the cache.
const TOKENS_PER_PASS: usize = 512;

/// The vectors of any number of texts, of length 1, `(B, D)`.
pub fn encode_all(encoder: &dyn Encoder, texts: &[&[u32]]) -> Tensor {
    encoder.unit(encode_all_raw(encoder, texts))
}

/// The same as the model makes them, of whatever length.
///
/// Texts of like length go into one pass, a text that stands several times is computed once, and the
/// passes are shared by as many threads as libtorch would use for one: each computes on one core, which
/// wastes less than two cores on one product.
pub fn encode_all_raw(encoder: &dyn Encoder, texts: &[&[u32]]) -> Tensor {
    in_passes(encoder, texts, encode_raw)
}

/// What the head reads of any number of texts, `(B, F)`.
pub(crate) fn encode_features(encoder: &dyn Encoder, texts: &[&[u32]]) -> Tensor {
    in_passes(encoder, texts, features)
}

type OnePass = fn(&dyn Encoder, &RaggedBatch) -> Tensor;

fn in_passes(encoder: &dyn Encoder, texts: &[&[u32]], pass: OnePass) -> Tensor {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&text| (texts[text].len(), texts[text]));
    let mut distinct: Vec<&[u32]> = Vec::new();
    let mut rows = vec![0_i64; texts.len()];
    for place in order {
        if distinct.last() != Some(&texts[place]) {
            distinct.push(texts[place]);
        }
        rows[place] = distinct.len() as i64 - 1;
    }
    let threads = tch::get_num_threads().max(1) as usize;
    let batches = batches(&distinct, threads);
    let vectors = match threads.min(batches.len()) {
        1 => Tensor::cat(&batches.iter().map(|batch| alive(pass(encoder, batch))).collect::<Vec<_>>(), 0),
        threads => shared(encoder, &batches, threads, pass),
    };
    tch::no_grad(|| vectors.index_select(0, &Tensor::from_slice(&rows)))
}

fn alive(vectors: Tensor) -> Tensor {
    pulse::beat();
    vectors
}

/// Texts in batches of about [`TOKENS_PER_PASS`] tokens, as many for each thread.
fn batches(texts: &[&[u32]], threads: usize) -> Vec<RaggedBatch> {
    let tokens: usize = texts.iter().map(|text| text.len()).sum();
    let passes = tokens.div_ceil(TOKENS_PER_PASS);
    let passes = if passes < threads { passes } else { passes.next_multiple_of(threads) };
    let at_most = tokens.div_ceil(passes.max(1));
    let mut batches = vec![RaggedBatch::default()];
    let mut taken = 0;
    for text in texts {
        // The sums of all batches together follow their part of the tokens, so that the last is no larger.
        if taken >= at_most * batches.len() {
            batches.push(RaggedBatch::default());
        }
        taken += text.len();
        if let Some(batch) = batches.last_mut() {
            batch.push(text);
        }
    }
    batches
}

/// The long passes first, so that no thread waits long for the last one.
fn shared(encoder: &dyn Encoder, batches: &[RaggedBatch], threads: usize, pass: OnePass) -> Tensor {
    let left = AtomicUsize::new(batches.len());
    let done: Mutex<Vec<Option<Tensor>>> = Mutex::new(batches.iter().map(|_| None).collect());
    let work = |encoder: Box<dyn Encoder>| {
        // OpenMP keeps this number for each thread that calls it.
        tch::set_num_threads(1);
        while let Ok(behind) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            let vectors = alive(pass(&*encoder, &batches[behind - 1]));
            done.lock().unwrap_or_else(PoisonError::into_inner)[behind - 1] = Some(vectors);
        }
    };
    // A tensor may move between threads and not be shared: each thread gets its own handles to the weights.
    std::thread::scope(|scope| {
        for _ in 0..threads {
            let encoder = encoder.shallow_clone();
            let work = &work;
            scope.spawn(move || work(encoder));
        }
    });
    let done = done.into_inner().unwrap_or_else(PoisonError::into_inner);
    // Each is there: a thread that panicked has ended this one too.
    Tensor::cat(&done.into_iter().flatten().collect::<Vec<_>>(), 0)
}
