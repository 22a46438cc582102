//! What a key uses of what it may: requests at once, tokens a minute.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// What a key may use; `None` sets no limit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyLimits {
    /// Tokens that it may have embedded.
    pub tokens_per_minute: Option<u32>,
    /// Requests for vectors, similarities or tokens in flight.
    pub requests_at_once: Option<u32>,
    /// Jobs that wait for their turn.
    pub jobs_waiting: Option<u32>,
}

impl KeyLimits {
    /// These, and others where there is none.
    pub fn or(self, others: Self) -> Self {
        Self {
            tokens_per_minute: self.tokens_per_minute.or(others.tokens_per_minute),
            requests_at_once: self.requests_at_once.or(others.requests_at_once),
            jobs_waiting: self.jobs_waiting.or(others.jobs_waiting),
        }
    }
}

/// Why a request has to wait.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Excess {
    /// So many are in flight.
    Requests { at_once: u32 },
    /// More tokens than were allowed were embedded; some may be in so long.
    Tokens { per_minute: u32, passes_in: Duration },
}

/// What a key uses at the moment. Tokens come back evenly, up to a minute's. What a request takes is known when it is
/// answered, so one is let in while there is a token left, and those behind it wait until its debt is paid: over any time
/// no more are embedded than are allowed, but for what was in flight.
#[derive(Debug)]
pub struct Meter {
    limits: KeyLimits,
    used: Mutex<Used>,
}

#[derive(Debug)]
struct Used {
    requests: u32,
    /// Tokens that are left, as of a time; in debt, less than none.
    tokens: f64,
    at: Instant,
}

/// What is left of a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Left {
    pub limit: u32,
    pub remaining: u32,
    /// Until all of it is there again, if nothing more is used. A request in flight counts as a second.
    pub whole_in: Duration,
}

impl Meter {
    /// `None` where there is nothing to measure.
    pub fn new(limits: KeyLimits) -> Option<Arc<Self>> {
        let measures = limits.tokens_per_minute.is_some() || limits.requests_at_once.is_some();
        let tokens = limits.tokens_per_minute.unwrap_or_default().into();
        let used = Mutex::new(Used { requests: 0, tokens, at: Instant::now() });
        measures.then(|| Arc::new(Self { limits, used }))
    }

    /// What is used, the tokens that have come back until now included.
    fn used(&self, now: Instant) -> MutexGuard<'_, Used> {
        let mut used = self.used.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(per_minute) = self.limits.tokens_per_minute {
            let back = now.saturating_duration_since(used.at).as_secs_f64() * per_second(per_minute);
            used.tokens = (used.tokens + back).min(per_minute.into());
        }
        used.at = now;
        used
    }

    /// Lets a request in, or says what it has to wait for.
    pub fn enter(self: &Arc<Self>, now: Instant) -> Result<Turn, Excess> {
        let mut used = self.used(now);
        if let Some(at_once) = self.limits.requests_at_once.filter(|most| used.requests >= *most) {
            return Err(Excess::Requests { at_once });
        }
        if let Some(per_minute) = self.limits.tokens_per_minute.filter(|_| used.tokens < 1.0) {
            let passes_in = Duration::from_secs_f64((1.0 - used.tokens) / per_second(per_minute));
            return Err(Excess::Tokens { per_minute, passes_in });
        }
        used.requests += 1;
        Ok(Turn(Arc::clone(self)))
    }

    /// What is left of the requests at once, and of the tokens.
    pub fn left(&self, now: Instant) -> [Option<Left>; 2] {
        let used = self.used(now);
        let requests = self.limits.requests_at_once.map(|limit| Left {
            limit,
            remaining: limit.saturating_sub(used.requests),
            whole_in: Duration::from_secs(u64::from(used.requests > 0)),
        });
        let tokens = self.limits.tokens_per_minute.map(|limit| Left {
            limit,
            remaining: used.tokens.max(0.0) as u32,
            whole_in: Duration::from_secs_f64((f64::from(limit) - used.tokens).max(0.0) / per_second(limit)),
        });
        [requests, tokens]
    }
}

fn per_second(per_minute: u32) -> f64 {
    f64::from(per_minute) / 60.0
}

/// A request that was let in.
#[derive(Debug)]
pub struct Turn(Arc<Meter>);

impl Turn {
    /// Takes the tokens that the request took.
    pub fn spend(&self, tokens: u64, now: Instant) {
        self.0.used(now).tokens -= tokens as f64;
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        let mut used = self.0.used.lock().unwrap_or_else(PoisonError::into_inner);
        used.requests -= 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn meter(tokens_per_minute: Option<u32>, requests_at_once: Option<u32>) -> Arc<Meter> {
        Meter::new(KeyLimits { tokens_per_minute, requests_at_once, jobs_waiting: None }).unwrap()
    }

    #[test]
    fn tokens_are_lent_once_and_paid_back_before_the_next_request() {
        let (meter, start) = (meter(Some(600), None), Instant::now());
        let after = |seconds: u64| start + Duration::from_secs(seconds);
        // Ten come back a second.
        meter.enter(start).unwrap().spend(600 + 90, start);
        let refused = Excess::Tokens { per_minute: 600, passes_in: Duration::from_millis(9100) };
        assert_eq!(meter.enter(start).unwrap_err(), refused);
        assert!(meter.enter(after(9)).is_err() && meter.enter(after(10)).is_ok());
        let [requests, tokens] = meter.left(after(10));
        assert_eq!(requests, None);
        assert_eq!(tokens, Some(Left { limit: 600, remaining: 10, whole_in: Duration::from_secs(59) }));
        let whole = Left { limit: 600, remaining: 600, whole_in: Duration::ZERO };
        assert_eq!(meter.left(after(10_000))[1], Some(whole), "no more than a minute's come back");
    }

    #[test]
    fn a_request_takes_a_place_until_it_is_over() {
        let (meter, now) = (meter(None, Some(2)), Instant::now());
        let turns = [meter.enter(now).unwrap(), meter.enter(now).unwrap()];
        assert_eq!(meter.enter(now).unwrap_err(), Excess::Requests { at_once: 2 });
        let second = Duration::from_secs(1);
        assert_eq!(meter.left(now), [Some(Left { limit: 2, remaining: 0, whole_in: second }), None]);
        drop(turns);
        assert_eq!(meter.left(now)[0].unwrap().remaining, 2);
    }

    #[test]
    fn a_key_without_limits_has_no_meter_and_one_with_some_takes_the_others_from_the_server() {
        assert!(Meter::new(KeyLimits { jobs_waiting: Some(1), ..KeyLimits::default() }).is_none());
        let own = KeyLimits { tokens_per_minute: Some(5), ..KeyLimits::default() };
        let server = KeyLimits { tokens_per_minute: Some(9), requests_at_once: Some(7), jobs_waiting: None };
        assert_eq!(own.or(server), KeyLimits { requests_at_once: Some(7), ..own });
    }
}
