//! The core on the real models.

mod delta;
mod lora;
pub(crate) mod train;
pub(crate) mod transformer;
mod use_multilingual;
