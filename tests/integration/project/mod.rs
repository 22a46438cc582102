//! What the sources and the documents promise.

mod layers;
mod readme;
