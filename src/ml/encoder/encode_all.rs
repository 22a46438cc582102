//! The vectors of any number of texts, on all cores that libtorch may use.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tch::Tensor;

use super::{Encoder, RaggedBatch, encode_raw, features};

/// Tokens that one forward pass takes. A thousand keep the matrix products large and the intermediate
/// tensors in the cache.
const TOKENS_PER_PASS: usize = 1024;

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

/// One forward pass of a thread.
type OnePass = fn(&dyn Encoder, &RaggedBatch) -> Tensor;

fn in_passes(encoder: &dyn Encoder, texts: &[&[u32]], pass: OnePass) -> Tensor {
    let mut order: Vec<usize> = (0..texts.len()).collect();
    order.sort_by_key(|&text| (texts[text].len(), texts[text]));
    let mut batches = vec![RaggedBatch::default()];
    let mut rows = vec![0_i64; texts.len()];
    let (mut distinct, mut last) = (0, None);
    for place in order {
        let text = texts[place];
        if last != Some(text) {
            last = Some(text);
            distinct += 1;
            if batches.last().is_some_and(|batch| batch.texts() > 0 && batch.tokens() + text.len() > TOKENS_PER_PASS) {
                batches.push(RaggedBatch::default());
            }
            if let Some(batch) = batches.last_mut() {
                batch.push(text);
            }
        }
        rows[place] = distinct - 1;
    }
    let threads = (tch::get_num_threads().max(1) as usize).min(batches.len());
    let vectors = match threads {
        1 => Tensor::cat(&batches.iter().map(|batch| pass(encoder, batch)).collect::<Vec<_>>(), 0),
        _ => shared(encoder, &batches, threads, pass),
    };
    tch::no_grad(|| vectors.index_select(0, &Tensor::from_slice(&rows)))
}

/// The long passes first, so that no thread waits long for the last one.
fn shared(encoder: &dyn Encoder, batches: &[RaggedBatch], threads: usize, pass: OnePass) -> Tensor {
    let left = AtomicUsize::new(batches.len());
    let done: Mutex<Vec<Option<Tensor>>> = Mutex::new(batches.iter().map(|_| None).collect());
    let work = |encoder: Box<dyn Encoder>| {
        // OpenMP keeps this number for each thread that calls it.
        tch::set_num_threads(1);
        while let Ok(behind) = left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)) {
            let vectors = pass(&*encoder, &batches[behind - 1]);
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
