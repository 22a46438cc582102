//! What the engine tells of its work. The names are told in `http/prometheus.rs`.

/// A forward pass takes these.
pub(super) fn pass(texts: usize, tokens: usize) {
    metrics::histogram!("shamisen_batch_texts").record(texts as f64);
    metrics::histogram!("shamisen_batch_tokens").record(tokens as f64);
}
