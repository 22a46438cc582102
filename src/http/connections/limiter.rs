//! How many connections there are, and whose.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::activity::{Activity, Holds, Wait};
use super::limits::ConnectionLimits;

/// A part of the places, one of so many, is for connections whose request has not come yet: those with a request that
/// could do without its place make room for each other before they take it.
const RESERVED: usize = 8;

/// The connections that there are. Where one is too many, the one whose client the server has waited for longest makes
/// room: without a request, with a body that does not come, with an answer that is not read. Where there is none, one
/// does that waits for something to happen. A crowd that only holds connections open, however it goes about it, keeps
/// nobody out.
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
    /// Whether another had to leave for it.
    pub(super) took_room: bool,
}

impl Limiter {
    pub(super) fn new(limits: ConnectionLimits) -> Self {
        Self { limits, members: Mutex::default() }
    }

    fn lock(&self) -> MutexGuard<'_, Members> {
        self.members.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place for a connection; `None` where all are taken by clients that wait for the server.
    pub(super) fn enter(self: &Arc<Self>, address: IpAddr) -> Option<Permit> {
        let address = network(address);
        let mut members = self.lock();
        let ConnectionLimits { most, most_of_an_address, .. } = self.limits;
        let of_this = members.seats.values().filter(|member| member.address == address).count();
        let mut took_room = false;
        if of_this >= most_of_an_address {
            members.make_room(most_of_an_address, |member| member.address == address)?;
            took_room = true;
        }
        if members.seats.len() >= most {
            members.make_room(most, |_| true)?;
            took_room = true;
        }
        members.last += 1;
        let (activity, wanted) = (Arc::new(Activity::default()), CancellationToken::new());
        let number = members.last;
        let member = Member { address, activity: Arc::clone(&activity), wanted: wanted.clone() };
        members.seats.insert(number, member);
        metrics::gauge!("shamisen_connections").set(members.seats.len() as f64);
        Some(Permit { number, limiter: Arc::clone(self), activity, wanted, took_room })
    }
}

impl Members {
    /// Sends the one away that could have been without its place for longest.
    fn make_room(&mut self, most: usize, among: impl Fn(&Member) -> bool) -> Option<()> {
        use Holds::{Nothing, Request, Watch};
        let now = Instant::now();
        let members = self.seats.iter().filter(|(_, member)| among(member));
        let waiting: Vec<(Wait, u64)> =
            members.filter_map(|(number, member)| Some((member.activity.wait(now)?, *number))).collect();
        let longest = |holds: &[Holds]| {
            let some = waiting.iter().filter(|(wait, _)| wait.seconds >= 0.0 && holds.contains(&wait.holds));
            // Of equally long ones the first that came.
            some.min_by(|(a, first), (b, second)| b.seconds.total_cmp(&a.seconds).then(first.cmp(second)))
        };
        let with_request = waiting.iter().filter(|(wait, _)| wait.holds != Nothing).count();
        let crowded = with_request > most - most / RESERVED;
        let (first, then) = if crowded { ([Request, Watch], Nothing) } else { ([Nothing, Request], Watch) };
        let leaves = longest(&first).or_else(|| longest(&[then]))?;
        self.seats.remove(&leaves.1)?.wanted.cancel();
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
    use super::super::limits::BodyPace;
    use super::*;

    fn limiter(most: usize, most_of_an_address: usize) -> Arc<Limiter> {
        let second = Duration::from_secs(1);
        let pace = BodyPace { stands_still: second, grace: second, rate: 1.0 };
        let limits = ConnectionLimits { most, most_of_an_address, head: second, idle: second, pace, drain: second };
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
    fn a_request_whose_body_does_not_come_makes_room_before_those_that_have_none_yet() {
        let limiter = limiter(16, 16);
        let seats: Vec<Permit> = (0..16).map(|_| limiter.enter(A).unwrap()).collect();
        // Fifteen owe a body, the fourth most of it; one has not asked yet, and is the oldest.
        let requests: Vec<InFlight> = seats[1..].iter().map(busy).collect();
        for (number, request) in (1..).zip(&requests) {
            request.asked().waits_for_body(if number == 4 { 3.0 } else { 0.0 });
        }
        let gone = || seats.iter().enumerate().filter(|(_, seat)| seat.wanted.is_cancelled()).map(|(i, _)| i);
        let _new = limiter.enter(A).unwrap();
        assert_eq!(gone().collect::<Vec<_>>(), [4]);
        // Whoever pays for the time that the body takes is not sent away.
        let good = limiter.enter(A).unwrap();
        let upload = busy(&good);
        upload.asked().waits_for_body(-100.0);
        let _others: Vec<Permit> = (0..40).map(|_| limiter.enter(A).unwrap()).collect();
        assert!(!good.wanted.is_cancelled());
        drop(requests);
    }

    fn watch(permit: &Permit) -> InFlight {
        let request = busy(permit);
        request.asked().watches();
        request
    }

    #[test]
    fn who_watches_makes_room_where_all_others_are_answered() {
        let limiter = limiter(2, 2);
        let (first, second) = (limiter.enter(A).unwrap(), limiter.enter(A).unwrap());
        let requests = [watch(&first), busy(&second)];
        let idle = limiter.enter(A).unwrap();
        assert!(first.wanted.is_cancelled() && !second.wanted.is_cancelled());
        let stream = watch(&idle);
        let third = limiter.enter(A).unwrap();
        assert!(idle.wanted.is_cancelled() && !second.wanted.is_cancelled());
        let all = [busy(&third), stream];
        assert!(limiter.enter(A).is_none());
        drop((requests, all));
    }

    #[test]
    fn many_that_watch_make_room_before_those_that_have_not_asked_yet() {
        let limiter = limiter(16, 16);
        let seats: Vec<Permit> = (0..16).map(|_| limiter.enter(A).unwrap()).collect();
        let streams: Vec<InFlight> = seats[1..].iter().map(watch).collect();
        let new = limiter.enter(A).unwrap();
        assert!(seats[1].wanted.is_cancelled() && !seats[0].wanted.is_cancelled());
        // A few that watch keep their places before whoever asks for nothing.
        let few: Vec<InFlight> = streams.into_iter().take(5).collect();
        let newer = limiter.enter(A).unwrap();
        assert!(seats[0].wanted.is_cancelled() && !new.wanted.is_cancelled() && !newer.wanted.is_cancelled());
        assert!(!seats[2].wanted.is_cancelled());
        drop(few);
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
