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
    /// How slowly a body may come.
    pub pace: BodyPace,
    /// For requests in flight when the server stops.
    pub drain: Duration,
}

/// How slowly a request's body may come. Only time counts in which the server waits for the client.
#[derive(Clone, Copy, Debug)]
pub struct BodyPace {
    /// The longest that it may stand still, whatever it has sent before.
    pub stands_still: Duration,
    /// What it may make the server wait for before any of its bytes.
    pub grace: Duration,
    /// Bytes that pay for a second more.
    pub rate: f64,
}

impl BodyPace {
    /// The seconds that the server waits for a body's first bytes.
    pub(crate) fn begin(&self) -> f64 {
        self.grace.min(self.stands_still).as_secs_f64()
    }

    /// The seconds that are left after some bytes came.
    pub(crate) fn after(&self, left: f64, waited: Duration, bytes: usize) -> f64 {
        let left = left - waited.as_secs_f64() + bytes as f64 / self.rate;
        left.min(self.stands_still.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const PACE: BodyPace =
        BodyPace { stands_still: Duration::from_secs(20), grace: Duration::from_secs(10), rate: 1000.0 };

    #[test]
    fn a_body_has_a_grace_that_its_bytes_add_to_and_no_burst_buys_more_than_it_may_stand_still() {
        assert_eq!(PACE.begin(), 10.0);
        assert_eq!(PACE.after(10.0, SECOND, 1), 9.001, "one byte a second has hardly more than the grace");
        assert_eq!(PACE.after(5.0, SECOND, 1000), 5.0, "at the least rate nothing is lost");
        assert_eq!(PACE.after(5.0, SECOND, 10_000_000), 20.0);
        let impatient = BodyPace { stands_still: SECOND, ..PACE };
        assert_eq!(impatient.begin(), 1.0);
    }
}
