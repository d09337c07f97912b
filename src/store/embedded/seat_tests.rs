use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use super::*;
use crate::domain::id::ClientKey;
use crate::store::Idempotency;

/// Somebody who can leave.
#[derive(Debug, Clone, Default)]
struct Person(Rc<Cell<bool>>);

impl Claimer for Person {
    fn is_gone(&self) -> bool {
        self.0.get()
    }
}

struct Room {
    seat: Seat<Person>,
    limits: Limits,
    now: Timestamp,
    last: u64,
}

fn room(rate_limit: u32) -> Room {
    let second = Duration::from_secs(1);
    let limits = Limits {
        session_ttl: second,
        session_max_age: second,
        session_idle: None,
        history_max: 1,
        recent_max: 1,
        rate_limit,
        rate_window: second * 60,
        danger_limit: 60,
        lease_ttl: second * 10,
        claim_ttl: second,
        lease_wait: second,
        queue_max: 3,
        count_max: 4,
        idempotency_ttl: second,
        alert_ttl: second,
        memory_ttl: second,
        daily_ttl: second,
        events_ttl: second,
        events_max: 1_000,
    };
    Room { seat: Seat::new(Vec::new()), limits, now: Timestamp::from_millis(0), last: 0 }
}

impl Room {
    fn request(&mut self, lane: Lane, key: Option<u8>) -> Request {
        let permit = self.seat.take_permit(lane, &self.limits, self.now).expect("there is one");
        self.request_with(permit, lane, key)
    }

    fn request_with(&mut self, permit: Permit, lane: Lane, key: Option<u8>) -> Request {
        self.last += 1;
        let idempotency = key.map(|key| Idempotency { key: [key; 16], body: [0; 16] });
        let client = ClientKey::from_mac(b"c");
        Request { begin: BeginId(self.last.into()), lane, client, predecessor: None, idempotency, permit }
    }

    /// Arrives with a ticket of the request's own number.
    fn arrive(&mut self, lane: Lane, key: Option<u8>) -> (u64, Arrival) {
        let request = self.request(lane, key);
        let lease = Lease(self.last.into());
        (self.last, self.seat.arrive(request, self.last, lease, &self.limits, self.now))
    }

    fn join(&mut self, key: u8) -> u64 {
        let quota = Quota { limit: 0, remaining: 0, reset: Duration::ZERO };
        let request = self.request_with(Permit { at: None, quota }, Lane::Ordinary, Some(key));
        assert!(self.seat.join(request, self.last, &self.limits));
        self.last
    }

    fn claim(&mut self, ticket: u64) -> Person {
        let person = Person::default();
        self.seat.claim(ticket, ticket, person.clone(), &self.limits, self.now);
        person
    }

    fn release(&mut self, end: End) -> Vec<Woken<Person>> {
        self.last += 1;
        self.seat.release(end, Lease(self.last.into()), &self.limits, self.now)
    }

    fn permits(&self) -> usize {
        self.seat.permits().len()
    }
}

#[test]
fn who_has_left_is_passed_over_and_its_permit_is_free() {
    let mut room = room(4);
    assert_eq!(room.arrive(Lane::Ordinary, None).1, Arrival::Holds);
    let tickets: Vec<u64> = (0..3).map(|_| room.arrive(Lane::Ordinary, None).0).collect();
    let people: Vec<Person> = tickets.iter().map(|ticket| room.claim(*ticket)).collect();
    people[0].0.set(true);
    people[1].0.set(true);
    assert_eq!(room.permits(), 4);
    let woken = room.release(End::Committed(None));
    assert!(matches!(woken.as_slice(), [Woken::Handed(person)] if Rc::ptr_eq(&person.0, &people[2].0)));
    assert_eq!(room.permits(), 2);
}

#[test]
fn those_who_left_make_room_in_a_full_queue() {
    let mut room = room(0);
    room.arrive(Lane::Ordinary, None);
    let tickets: Vec<u64> = (0..3).map(|_| room.arrive(Lane::Ordinary, None).0).collect();
    assert_eq!(room.arrive(Lane::Ordinary, None).1, Arrival::Full);
    room.claim(tickets[1]).0.set(true);
    assert_eq!(room.arrive(Lane::Ordinary, None).1, Arrival::Queued);
}

#[test]
fn an_earlier_claim_has_no_say_over_a_later_one() {
    let mut room = room(2);
    room.arrive(Lane::Ordinary, None);
    let (ticket, _) = room.arrive(Lane::Ordinary, None);
    room.seat.claim(ticket, 1, Person::default(), &room.limits, room.now);
    room.seat.claim(ticket, 2, Person::default(), &room.limits, room.now);
    assert_eq!(room.seat.withdraw(ticket, Some(1)), None);
    assert_eq!(room.permits(), 2);
    assert_eq!(room.seat.withdraw(ticket, Some(2)), None);
    assert_eq!(room.seat.withdraw(ticket, Some(2)), None);
    assert_eq!(room.permits(), 1);
}

#[test]
fn a_withdrawn_runner_in_the_queue_leaves_its_place_to_one_who_joined() {
    let mut room = room(3);
    room.arrive(Lane::Ordinary, None);
    let (runner, _) = room.arrive(Lane::Ordinary, Some(7));
    let (behind, _) = room.arrive(Lane::Ordinary, None);
    let heir = room.join(7);
    let (heir_person, behind_person) = (room.claim(heir), room.claim(behind));
    room.seat.withdraw(runner, None);
    assert_eq!(room.permits(), 3, "the permit went over with the place");
    let woken = room.release(End::Committed(None));
    assert!(matches!(woken.as_slice(), [Woken::Handed(person)] if Rc::ptr_eq(&person.0, &heir_person.0)));
    let woken = room.release(End::Abandoned(Abandon::Failed));
    assert!(matches!(woken.as_slice(), [Woken::Handed(person)] if Rc::ptr_eq(&person.0, &behind_person.0)));
    assert_eq!(room.permits(), 2);
}

#[test]
fn a_parked_hand_over_has_a_short_time_and_uses_nothing() {
    let mut room = room(2);
    room.arrive(Lane::Ordinary, None);
    let (ticket, _) = room.arrive(Lane::Ordinary, None);
    assert!(room.release(End::Committed(None)).is_empty());
    assert_eq!(room.seat.deadline(), Some(Timestamp::from_millis(1_000)));
    room.now = Timestamp::from_millis(1_000);
    assert!(room.seat.expire(Lease(99), &room.limits, room.now).is_empty());
    assert_eq!(room.permits(), 1);
    let late = Person::default();
    assert!(matches!(room.seat.claim(ticket, 1, late, &room.limits, room.now), Claimed::Unknown(_)));
}

#[test]
fn a_claim_in_time_has_the_whole_lease() {
    let mut room = room(0);
    room.arrive(Lane::Ordinary, None);
    let (ticket, _) = room.arrive(Lane::Ordinary, None);
    room.release(End::Committed(None));
    room.now = Timestamp::from_millis(999);
    let claimed = room.seat.claim(ticket, 1, Person::default(), &room.limits, room.now);
    assert!(matches!(claimed, Claimed::Holds(_)));
    assert_eq!(room.seat.deadline(), Some(Timestamp::from_millis(10_999)));
}

#[test]
fn danger_stands_ahead_and_in_order_among_itself() {
    let mut room = room(0);
    room.arrive(Lane::Ordinary, None);
    let ordinary = room.arrive(Lane::Ordinary, None).0;
    let first = room.arrive(Lane::Danger, None).0;
    let second = room.arrive(Lane::Danger, None).0;
    let people: Vec<Person> = [first, second, ordinary].map(|ticket| room.claim(ticket)).to_vec();
    for expected in &people {
        let woken = room.release(End::Committed(None));
        assert!(matches!(woken.as_slice(), [Woken::Handed(person)] if Rc::ptr_eq(&person.0, &expected.0)));
    }
}

#[test]
fn a_seat_with_unsaved_permits_is_kept_until_they_have_passed() {
    let mut room = room(2);
    room.arrive(Lane::Ordinary, None);
    room.release(End::Abandoned(Abandon::Stopped));
    assert!(!room.seat.is_idle(&room.limits, room.now));
    room.now = Timestamp::from_millis(60_000);
    assert!(room.seat.is_idle(&room.limits, room.now));
}
