//! What the sources and the documents promise.

mod documents;
mod imports;
mod layers;
mod readme;
