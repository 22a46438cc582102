//! What connections may do.

use std::time::Duration;

/// How many connections there may be, and how patient the server is with them.
#[derive(Clone, Copy, Debug)]
pub struct ConnectionLimits {
    /// In all.
    pub most: usize,
    /// From one address; a network of 64 bits counts as one in IPv6.
    pub most_of_an_address: usize,
    /// From a connection's or a head's first byte to the head's end.
    pub head: Duration,
    /// Without a request, and without progress where the client does not read its answer.
    pub idle: Duration,
    /// For requests in flight when the server stops.
    pub drain: Duration,
}
