//! The inference threads.
//!
//! No tensor of a request crosses a thread: ids go in, numbers come out.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;

use super::ServedModel;
use super::batcher::{Batcher, Work};
use crate::ml::encoder::encode_all_raw;

/// Tokens of one forward pass, over all requests in it.
pub const BATCH_TOKENS: usize = 2048;
/// A request with more tokens is cut into parts of this many, which the threads share.
const PART_TOKENS: usize = 1024;

/// Why texts have no vectors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Too much waits already.
    #[error("{waiting} texts are waiting")]
    Overloaded {
        /// Texts in the queue.
        waiting: usize,
    },
    /// The server is stopping.
    #[error("the server is stopping")]
    Closed,
    /// The forward pass failed.
    #[error("{0}")]
    Failed(String),
}

/// What became of a request's texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Encoded {
    /// The texts' vectors, in their order, as the model makes them.
    pub vectors: Vec<Vec<f32>>,
    /// How long the last of the request's parts waited for a thread.
    pub queue: Duration,
    /// How long the forward pass that it was in took.
    pub infer: Duration,
}

/// A pool of threads that runs every model.
pub struct Engine {
    batcher: Arc<Batcher>,
    threads: Vec<JoinHandle<()>>,
}

impl Engine {
    /// Starts `threads` threads. Each computes on one core (threads x libtorch's own threads stay
    /// within the cores), which gives the highest throughput for short texts.
    ///
    /// # Errors
    /// Where the system gives no more threads.
    pub fn start(threads: usize, max_waiting_texts: usize) -> std::io::Result<Self> {
        let batcher = Arc::new(Batcher::new(max_waiting_texts));
        let start = |index| {
            let batcher = Arc::clone(&batcher);
            std::thread::Builder::new().name(format!("inference-{index}")).spawn(move || {
                // OpenMP keeps this number for each thread that calls it.
                tch::set_num_threads(1);
                while let Some(batch) = batcher.take(BATCH_TOKENS) {
                    run(batch);
                }
            })
        };
        let threads = (0..threads.max(1)).map(start).collect::<std::io::Result<_>>()?;
        Ok(Self { batcher, threads })
    }

    /// The vectors of texts that are token ids already. `caller` is whose they are: callers get equal shares.
    ///
    /// # Errors
    /// Where too much waits or the model fails on the texts.
    pub async fn encode(
        &self,
        model: &Arc<ServedModel>,
        texts: Vec<Vec<u32>>,
        _caller: Option<&str>,
    ) -> Result<Encoded, EngineError> {
        let (work, replies): (Vec<_>, Vec<_>) = parts(texts)
            .into_iter()
            .map(|texts| {
                let (reply, answer) = oneshot::channel();
                (Work { model: Arc::clone(model), texts, pushed: Instant::now(), reply }, answer)
            })
            .unzip();
        self.batcher.push(work)?;
        let mut all = Encoded::default();
        for reply in replies {
            let Encoded { vectors, queue, infer } = reply.await.unwrap_or(Err(EngineError::Closed))?;
            all.vectors.extend(vectors);
            (all.queue, all.infer) = (queue, infer);
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

/// Cuts texts into parts of about [`PART_TOKENS`], in order.
fn parts(texts: Vec<Vec<u32>>) -> Vec<Vec<Vec<u32>>> {
    let mut parts: Vec<Vec<Vec<u32>>> = Vec::new();
    let mut tokens = 0;
    for text in texts {
        tokens += text.len();
        match parts.last_mut() {
            Some(part) if tokens <= PART_TOKENS => part.push(text),
            _ => {
                tokens = text.len();
                parts.push(vec![text]);
            }
        }
    }
    parts
}

/// One forward pass for all of the batch; each client gets its rows.
fn run(batch: Vec<Work>) {
    let encoder = batch[0].model.encoder();
    let texts: Vec<&[u32]> = batch.iter().flat_map(|work| &work.texts).map(Vec::as_slice).collect();
    let started = Instant::now();
    let vectors = catch_unwind(AssertUnwindSafe(|| Vec::<Vec<f32>>::try_from(encode_all_raw(&*encoder, &texts))));
    let vectors = match vectors {
        Ok(Ok(vectors)) => Ok(vectors),
        Ok(Err(error)) => Err(EngineError::Failed(error.to_string())),
        Err(_) => Err(EngineError::Failed("the forward pass panicked".to_owned())),
    };
    match vectors {
        Ok(vectors) => {
            let infer = started.elapsed();
            let mut vectors = vectors.into_iter();
            for work in batch {
                let vectors = vectors.by_ref().take(work.texts.len()).collect();
                // A client that has gone meanwhile needs no answer.
                let _ = work.reply.send(Ok(Encoded { vectors, queue: started - work.pushed, infer }));
            }
        }
        Err(error) => {
            for work in batch {
                let _ = work.reply.send(Err(error.clone()));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_large_request_is_cut_into_parts_in_order() {
        let texts: Vec<Vec<u32>> = (0..100).map(|text| vec![text; 100]).collect();
        let parts = parts(texts.clone());
        assert!(parts.iter().all(|part| part.iter().map(Vec::len).sum::<usize>() <= PART_TOKENS));
        assert_eq!(parts.concat(), texts);
        let long = super::parts(vec![vec![1; 5000], vec![2; 3]]);
        assert_eq!(long.len(), 2);
    }
}
