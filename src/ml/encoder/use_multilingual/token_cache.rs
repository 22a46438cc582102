//! What weights that do not change make of a single token, kept for the tokens that come often.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use quick_cache::Weighter;
use quick_cache::sync::Cache;

/// Which model, and which piece of its vocabulary.
type Key = (u64, u32);

/// Rows of numbers by model and token, bounded in bytes and shared by all models and threads. A row that was not
/// used for long goes first.
#[derive(Debug)]
pub struct TokenCache {
    rows: Cache<Key, Arc<[f32]>, Bytes>,
    models: AtomicU64,
}

#[derive(Clone, Debug)]
struct Bytes;

impl Weighter<Key, Arc<[f32]>> for Bytes {
    fn weight(&self, _key: &Key, row: &Arc<[f32]>) -> u64 {
        size_of_val::<[f32]>(row) as u64
    }
}

impl Default for TokenCache {
    /// Of 64 MiB: the rows of some four thousand tokens of Universal Sentence Encoder.
    fn default() -> Self {
        Self::new(64 << 20)
    }
}

impl TokenCache {
    /// Of at most `bytes` bytes of numbers.
    pub fn new(bytes: u64) -> Self {
        // Tens of thousands of rows at most: a number that the map grows to, not one that it keeps free.
        let expected = usize::try_from(bytes / 16_384).unwrap_or(usize::MAX).clamp(64, 65_536);
        Self { rows: Cache::with_weighter(expected, bytes, Bytes), models: AtomicU64::new(0) }
    }

    /// Bytes of the numbers in it.
    pub fn bytes(&self) -> u64 {
        self.rows.weight()
    }

    /// Rows that were found.
    pub fn hits(&self) -> u64 {
        self.rows.hits()
    }

    /// Rows that were not, and were computed.
    pub fn misses(&self) -> u64 {
        self.rows.misses()
    }

    /// A number that tells a model's weights from all others'.
    pub(super) fn new_model(&self) -> u64 {
        self.models.fetch_add(1, Ordering::Relaxed)
    }

    pub(super) fn get(&self, model: u64, token: u32) -> Option<Arc<[f32]>> {
        self.rows.get(&(model, token))
    }

    pub(super) fn insert(&self, model: u64, token: u32, row: Arc<[f32]>) {
        self.rows.insert((model, token), row);
    }
}
