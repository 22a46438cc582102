//! Vectors of texts that come again.

use std::sync::Arc;

use quick_cache::Weighter;
use quick_cache::sync::Cache;

use super::encoding::{EncodeOptions, EncodedText};
use super::model::ServedModel;

/// What a vector depends on.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
struct Key {
    /// Equal fingerprints give equal vectors.
    fingerprint: Arc<str>,
    options: Arc<EncodeOptions>,
    text: String,
}

#[derive(Clone)]
struct Bytes;

/// Bytes of an entry beside its text and its numbers: what the map and the allocator take for it.
const OVERHEAD: usize = 200;

impl Weighter<Key, EncodedText> for Bytes {
    fn weight(&self, key: &Key, text: &EncodedText) -> u64 {
        let numbers = text.vector.as_ref().map_or(0, |vector| size_of_val::<[f32]>(vector));
        (OVERHEAD + key.text.len() + numbers) as u64
    }
}

/// Vectors by the model's fingerprint, how the text was read, and the text; bounded in bytes. What was not used for
/// long goes first.
pub struct VectorCache {
    vectors: Cache<Key, EncodedText, Bytes>,
}

impl VectorCache {
    pub(super) fn new(bytes: u64) -> Self {
        let expected = usize::try_from(bytes / 2048).unwrap_or(usize::MAX).clamp(64, 1 << 20);
        Self { vectors: Cache::with_weighter(expected, bytes, Bytes) }
    }

    pub fn bytes(&self) -> u64 {
        self.vectors.weight()
    }

    pub(super) fn forget(&self) {
        self.vectors.clear();
    }

    pub fn hits(&self) -> u64 {
        self.vectors.hits()
    }

    pub fn misses(&self) -> u64 {
        self.vectors.misses()
    }

    /// What is known of each text.
    pub(super) fn look_up(
        &self,
        model: &ServedModel,
        options: &Arc<EncodeOptions>,
        texts: &[String],
    ) -> Vec<Option<EncodedText>> {
        texts.iter().map(|text| self.vectors.get(&key(model, options, text))).collect()
    }

    pub(super) fn keep(&self, model: &ServedModel, options: &Arc<EncodeOptions>, text: &str, encoded: &EncodedText) {
        self.vectors.insert(key(model, options, text), encoded.clone());
    }
}

fn key(model: &ServedModel, options: &Arc<EncodeOptions>, text: &str) -> Key {
    Key { fingerprint: Arc::clone(model.fingerprint()), options: Arc::clone(options), text: text.to_owned() }
}
