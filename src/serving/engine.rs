//! The inference threads.
//!
//! No tensor of a request crosses a thread: texts go in, numbers come out. The threads cut texts into tokens, too:
//! the async threads never do.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;

use tokio::sync::oneshot;

use super::batcher::{Batcher, Waiting, Work, cost};
use super::cache::VectorCache;
use super::encoding::{EncodeOptions, Encoded, EncodedText, EngineError};
use super::model::ServedModel;
use crate::ml::encoder::{Tokens, encode_all_raw};

/// Tokens of one forward pass, over all requests in it.
pub(crate) const BATCH_TOKENS: usize = 1024;
/// A request with more tokens is cut into parts of this many, which the threads share. A part is what an
/// interactive request may have to wait for.
const PART_TOKENS: usize = 512;

/// A pool of threads that runs every model.
pub struct Engine {
    batcher: Arc<Batcher>,
    cache: Option<VectorCache>,
    passes: Arc<AtomicU64>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts `threads` threads. Each computes on one core (threads x libtorch's own threads stay
    /// within the cores), which gives the highest throughput for short texts. `cache_bytes` of vectors are
    /// kept; 0 keeps none.
    pub fn start(threads: usize, max_waiting_texts: usize, cache_bytes: u64) -> std::io::Result<Self> {
        let threads = threads.max(1);
        let batcher = Arc::new(Batcher::new(max_waiting_texts, threads));
        let passes = Arc::new(AtomicU64::new(0));
        let start = |index| {
            let (batcher, passes) = (Arc::clone(&batcher), Arc::clone(&passes));
            std::thread::Builder::new().name(format!("inference-{index}")).spawn(move || {
                // OpenMP keeps this number for each thread that calls it.
                tch::set_num_threads(1);
                while let Some(batch) = batcher.take(BATCH_TOKENS) {
                    run(batch, &batcher);
                    passes.fetch_add(1, Ordering::Relaxed);
                }
            })
        };
        let threads = (0..threads).map(start).collect::<std::io::Result<_>>()?;
        let cache = (cache_bytes > 0).then(|| VectorCache::new(cache_bytes));
        Ok(Self { batcher, cache, passes, threads })
    }

    pub fn waiting(&self) -> Waiting {
        self.batcher.waiting()
    }

    /// How many batches were computed: while it grows, the threads work.
    pub(crate) fn passes(&self) -> u64 {
        self.passes.load(Ordering::Relaxed)
    }

    /// Forgets the vectors that are kept, and with them their texts.
    pub fn forget(&self) {
        if let Some(cache) = &self.cache {
            cache.forget();
        }
    }

    /// The vectors that are kept, where any are.
    pub fn cache(&self) -> Option<&VectorCache> {
        self.cache.as_ref()
    }

    /// The vectors of texts. `caller` is whose they are: callers get equal shares.
    pub(crate) async fn encode(
        &self,
        model: &Arc<ServedModel>,
        texts: Vec<String>,
        options: EncodeOptions,
        caller: Option<&Arc<str>>,
    ) -> Result<Encoded, EngineError> {
        let options = Arc::new(options);
        let Some(cache) = &self.cache else { return self.encode_anew(model, texts, &options, caller).await };
        let mut found = cache.look_up(model, &options, &texts);
        let missing: Vec<usize> = (0..texts.len()).filter(|&place| found[place].is_none()).collect();
        let wanted: Vec<String> = missing.iter().map(|&place| texts[place].clone()).collect();
        let mut computed = self.encode_anew(model, wanted, &options, caller).await?;
        for (place, text) in missing.into_iter().zip(std::mem::take(&mut computed.texts)) {
            cache.keep(model, &options, &texts[place], &text);
            found[place] = Some(text);
        }
        Ok(Encoded { texts: found.into_iter().flatten().collect(), ..computed })
    }

    /// The same, computed also where the vectors are kept.
    pub(crate) async fn encode_anew(
        &self,
        model: &Arc<ServedModel>,
        texts: Vec<String>,
        options: &Arc<EncodeOptions>,
        caller: Option<&Arc<str>>,
    ) -> Result<Encoded, EngineError> {
        if texts.is_empty() {
            return Ok(Encoded::default());
        }
        let pushed = Instant::now();
        let mut all = Encoded { texts: Vec::with_capacity(texts.len()), ..Encoded::default() };
        let (work, replies): (Vec<_>, Vec<_>) = parts(texts)
            .into_iter()
            .map(|(tokens, texts)| {
                let (reply, answer) = oneshot::channel();
                let (model, options) = (Arc::clone(model), Arc::clone(options));
                (Work { model, options, texts, tokens, pushed, reply }, answer)
            })
            .unzip();
        self.batcher.push(caller, work)?;
        for reply in replies {
            let mut part = reply.await.unwrap_or(Err(EngineError::Closed))?;
            all.texts.append(&mut part.texts);
            (all.queue, all.tokenize, all.infer) = (part.queue, part.tokenize, part.infer);
        }
        Ok(all)
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.batcher.close();
        for thread in self.threads.drain(..) {
            // A thread that panicked has told its clients already.
            let _ = thread.join();
        }
    }
}

/// Cuts texts into parts of about [`PART_TOKENS`], in order, with about how many tokens each has.
fn parts(texts: Vec<String>) -> Vec<(usize, Vec<String>)> {
    let mut parts: Vec<(usize, Vec<String>)> = Vec::new();
    for text in texts {
        let tokens = cost(&text);
        match parts.last_mut() {
            Some((sum, part)) if *sum + tokens <= PART_TOKENS => {
                *sum += tokens;
                part.push(text);
            }
            _ => parts.push((tokens, vec![text])),
        }
    }
    parts
}

/// One batch: texts to tokens to vectors; each client gets its own. What panics fails the batch, and the
/// thread lives on.
fn run(batch: Vec<Work>, batcher: &Batcher) {
    let started = Instant::now();
    let answers = catch_unwind(AssertUnwindSafe(|| answers(&batch, started)));
    let answers = answers.unwrap_or_else(|_| Err(EngineError::Failed("the forward pass panicked".to_owned())));
    batcher.took(batch.iter().map(|work| work.tokens).sum(), started.elapsed());
    match answers {
        Ok(answers) => {
            for (work, answer) in batch.into_iter().zip(answers) {
                // A client that has gone meanwhile needs no answer.
                let _ = work.reply.send(Ok(answer));
            }
        }
        Err(error) => {
            for work in batch {
                let _ = work.reply.send(Err(error.clone()));
            }
        }
    }
}

fn answers(batch: &[Work], started: Instant) -> Result<Vec<Encoded>, EngineError> {
    let model = &batch[0].model;
    let tokens: Vec<Tokens> = batch
        .iter()
        .flat_map(|work| {
            work.texts.iter().map(|text| model.tokenize(&work.options.prompt, text, work.options.truncation))
        })
        .collect();
    let refuses = batch.iter().flat_map(|work| work.texts.iter().map(|_| work.options.refuse_long));
    let read: Vec<bool> = tokens.iter().zip(refuses).map(|(text, refuse)| !refuse || text.dropped == 0).collect();
    let tokenized = Instant::now();

    let ids: Vec<&[u32]> = tokens.iter().zip(&read).filter(|(_, read)| **read).map(|(text, _)| &text.ids[..]).collect();
    metrics::histogram!("shamisen_batch_texts").record(ids.len() as f64);
    metrics::histogram!("shamisen_batch_tokens").record(ids.iter().map(|ids| ids.len()).sum::<usize>() as f64);
    let vectors = vectors(model, &ids)?;
    let infer = tokenized.elapsed();

    let mut vectors = vectors.into_iter();
    let mut texts = tokens.into_iter().zip(read).map(|(text, read)| EncodedText {
        vector: if read { vectors.next() } else { None },
        tokens: text.ids.len(),
        dropped: text.dropped,
    });
    let answer = |work: &Work| Encoded {
        texts: texts.by_ref().take(work.texts.len()).collect(),
        queue: started - work.pushed,
        tokenize: tokenized - started,
        infer,
    };
    Ok(batch.iter().map(answer).collect())
}

fn vectors(model: &ServedModel, ids: &[&[u32]]) -> Result<Vec<Arc<[f32]>>, EngineError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let vectors = encode_all_raw(&*model.encoder(), ids);
    let dimensions = vectors.size()[1] as usize;
    let numbers = Vec::<f32>::try_from(vectors.view(-1)).map_err(|error| EngineError::Failed(error.to_string()))?;
    Ok(numbers.chunks_exact(dimensions).map(Arc::from).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_request_is_cut_into_parts_in_order() {
        let texts: Vec<String> = (0..100).map(|text| format!("{text} ").repeat(100)).collect();
        let parts = parts(texts.clone());
        assert!(parts.len() > 10);
        assert!(parts.iter().all(|(tokens, part)| *tokens <= PART_TOKENS && !part.is_empty()));
        assert_eq!(parts.into_iter().flat_map(|(_, part)| part).collect::<Vec<_>>(), texts);
        let long = super::parts(vec!["x".repeat(50_000), "y".to_owned()]);
        assert_eq!(long.len(), 2);
    }
}
