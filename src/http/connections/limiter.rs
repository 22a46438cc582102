//! How many connections there are, and whose.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio_util::sync::CancellationToken;

use super::activity::Activity;
use super::limits::ConnectionLimits;

/// The connections that there are. Where one is too many, the one that has waited longest without a request
/// makes room: a limiter that only holds connections open keeps nobody out.
pub(super) struct Limiter {
    limits: ConnectionLimits,
    members: Mutex<Members>,
}

#[derive(Default)]
struct Members {
    seats: HashMap<u64, Member>,
    last: u64,
}

struct Member {
    address: IpAddr,
    activity: Arc<Activity>,
    wanted: CancellationToken,
}

/// A connection's place, free again when this is dropped.
pub(super) struct Permit {
    number: u64,
    limiter: Arc<Limiter>,
    pub(super) activity: Arc<Activity>,
    /// Cancelled when the place is needed for another.
    pub(super) wanted: CancellationToken,
}

impl Limiter {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, members: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection; `None` where all are taken by connections with requests.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let address = network(address);
        let mut members = self.lock();
        let of_this = members.seats.values().filter(|member| member.address == address).count();
        if of_this >= self.limits.most_of_an_address {
            members.make_room(|member| member.address == address)?;
        }
        if members.seats.len() >= self.limits.most {
            members.make_room(|_| true)?;
        }
        members.last += 1;
        let (activity, wanted) = (Arc::new(Activity::new()), CancellationToken::new());
        let number = members.last;
        let member = Member { address, activity: Arc::clone(&activity), wanted: wanted.clone() };
        members.seats.insert(number, member);
        metrics::gauge!("shamisen_connections").set(members.seats.len() as f64);
        Some(Permit { number, limiter: Arc::clone(self), activity, wanted })
    }
}

impl Members {
    /// Sends the one away that has waited longest.
    fn make_room(&mut self, among: impl Fn(&Member) -> bool) -> Option<()> {
        let waiting = self.seats.iter().filter(|(_, member)| among(member));
        let longest = waiting.filter_map(|(number, member)| Some((member.activity.waiting_since()?, *number))).min()?;
        self.seats.remove(&longest.1)?.wanted.cancel();
        Some(())
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut members = self.limiter.lock();
        members.seats.remove(&self.number);
        metrics::gauge!("shamisen_connections").set(members.seats.len() as f64);
    }
}

/// What counts as one address: whoever has one of IPv6 has 2^64 of them.
fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() >> 64 << 64)),
        address @ IpAddr::V4(_) => address,
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::super::activity::InFlight;
    use super::*;

    fn limiter(most: usize, most_of_an_address: usize) -> Arc<Limiter> {
        let second = Duration::from_secs(1);
        let limits = ConnectionLimits { most, most_of_an_address, head: second, idle: second, drain: second };
        Arc::new(Limiter::new(limits))
    }

    fn busy(permit: &Permit) -> InFlight {
        InFlight::begin(Arc::clone(&permit.activity))
    }

    const A: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const B: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 2));

    #[test]
    fn the_longest_waiting_of_an_address_makes_room_for_it() {
        let limiter = limiter(10, 2);
        let other = limiter.enter(B).unwrap();
        let (first, second) = (limiter.enter(A).unwrap(), limiter.enter(A).unwrap());
        let _request = busy(&first);
        let third = limiter.enter(A).unwrap();
        let wanted = [&other, &first, &second, &third].map(|permit| permit.wanted.is_cancelled());
        assert_eq!(wanted, [false, false, true, false], "the first has a request, the other is another's");
    }

    #[test]
    fn where_all_have_requests_nobody_enters_until_one_leaves() {
        let limiter = limiter(2, 2);
        let seats = [limiter.enter(A).unwrap(), limiter.enter(B).unwrap()];
        let requests = seats.each_ref().map(busy);
        assert!(limiter.enter(A).is_none());
        drop((requests, seats));
        assert!(limiter.enter(A).is_some() && limiter.lock().seats.is_empty());
    }

    #[test]
    fn a_network_of_ipv6_is_one_address() {
        let of = |text: &str| network(text.parse().unwrap());
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), A);
    }
}
