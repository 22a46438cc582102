//! What the inference threads are asked for and what they answer.

use std::sync::Arc;
use std::time::Duration;

use crate::ml::encoder::TruncationDirection;

/// How texts are read.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash)]
pub(crate) struct EncodeOptions {
    /// What stands in front of each text.
    pub(crate) prompt: String,
    /// Which end of a text that is too long is cut.
    pub(crate) truncation: TruncationDirection,
    /// A text that is too long gets no vector.
    pub(crate) refuse_long: bool,
}

/// What became of a text.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct EncodedText {
    /// Its vector as the model makes it; `None` where it is too long and [`EncodeOptions::refuse_long`] is set.
    pub(crate) vector: Option<Arc<[f32]>>,
    /// Tokens that were read.
    pub(crate) tokens: usize,
    /// Tokens that were not.
    pub(crate) dropped: usize,
}

/// What became of a request's texts.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Encoded {
    pub(crate) texts: Vec<EncodedText>,
    /// How long the last of the request's parts waited for a thread.
    pub(crate) queue: Duration,
    /// How long cutting its batch into tokens took.
    pub(crate) tokenize: Duration,
    /// How long the batch's forward pass took.
    pub(crate) infer: Duration,
}

/// Why texts have no vectors.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum EngineError {
    /// Too much waits already: `seconds` until it is computed, at the rate of the last passes.
    #[error("{waiting} texts are waiting")]
    Overloaded { waiting: usize, seconds: u64 },
    #[error("the server is stopping")]
    Closed,
    #[error("{0}")]
    Failed(String),
}
