//! What is the same for every route: connections, errors, keys, figures, the page, the description.

mod allowance;
mod connections;
mod cors;
mod database;
mod errors;
mod heads;
mod keys;
mod lifecycle;
mod log;
mod metrics;
mod openapi;
mod page;
mod slow_bodies;
mod stop;
mod texts;
mod torture;
