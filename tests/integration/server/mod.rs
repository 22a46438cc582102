//! What is the same for every route: connections, errors, keys, figures, the page, the description.

mod connections;
mod cors;
mod errors;
mod keys;
mod lifecycle;
mod log;
mod metrics;
mod openapi;
mod page;
mod torture;
