//! What stands around all handlers.

pub(crate) mod cors;
pub(crate) mod deadline;
pub(crate) mod json_text;
pub(crate) mod lifecycle;
pub(crate) mod metrics;
pub(crate) mod query;
pub(crate) mod recorder;
pub(crate) mod trace;
