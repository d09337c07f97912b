//! What is the Redis store's alone.

mod chats;
mod leftovers;
mod strangers;
mod wires;

use attune::clock::{Clock as _, ManualClock, SystemClock};
use attune::domain::time::Timestamp;
use attune::store::{Begin, Commit, Counter};

use crate::world::{client, exchange, opening};

/// The clock of a server beside a Redis on the machine's own.
pub fn wall_clock() -> ManualClock {
    ManualClock::at(SystemClock.now())
}

/// The next turn of what was begun, as [`Desk::commit_of`] makes it.
pub fn commit_of(begin: &Begin, begun: &attune::store::Begun, now: Timestamp) -> Commit {
    let fresh = || opening(&begin.session, &client("c"), now);
    let mut session = begun.session.as_ref().map_or_else(fresh, |session| (**session).clone());
    let base_revision = session.revision;
    session.turn_count += 1;
    Commit {
        key: begin.session.clone(),
        lease: begun.lease,
        base_revision,
        decided_under: session.level_under(&begun.memory),
        why: Vec::new(),
        exchange: exchange(session.turn_count, now),
        reply: None,
        counters: vec![Counter::Turn],
        session,
    }
}

pub fn field(info: &str, name: &str) -> u64 {
    let line = info.lines().find_map(|line| line.strip_prefix(name)).expect("the field");
    line.split(',').next().unwrap_or_default().trim().parse().expect("a number")
}
