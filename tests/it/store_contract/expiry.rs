//! TTLs, holds, the sweep, deletion.

use std::time::Duration;

use attune::domain::safety::Level;
use attune::domain::session::{Event, Status};
use attune::store::{Begun, Claim, Committed, Limits, Remaining, Swept};

use crate::world::{Adapter, DAY, Desk, HOUR, begun, everything, handed, is_left, key, limits, reply, used};

async fn remaining<A: Adapter>(desk: &Desk<'_, A>, id: &str) -> Option<Remaining> {
    desk.read(id).await.map(|snapshot| snapshot.remaining)
}

async fn sweep<A: Adapter>(adapter: &A) -> Swept {
    adapter.store().sweep().await.expect("it is there")
}

pub async fn a_session_ends_with_its_ttl<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.wind(DAY - Duration::from_millis(1)).await;
    assert!(is_left(remaining(&desk, "s").await, Duration::from_millis(1)));
    adapter.wind(Duration::from_millis(1)).await;
    assert_eq!(remaining(&desk, "s").await, None);
    let history = adapter.store().history(&key("s"), None, 5).await.expect("it is there");
    assert!(history.is_none());
    assert_eq!(desk.transition("s", Event::Pause).await, attune::store::Transitioned::Absent);
    assert!(adapter.store().extend(&key("s"), HOUR).await.expect("it is there").is_none());
    assert!(adapter.store().delete(&key("s")).await.expect("it is there").is_none());
}

pub async fn a_turn_slides_the_ttl_and_a_read_does_not<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.wind(HOUR * 20).await;
    desk.read("s").await;
    assert!(is_left(remaining(&desk, "s").await, HOUR * 4));
    desk.turn("s").await;
    assert!(is_left(remaining(&desk, "s").await, DAY));
}

pub async fn no_session_outlives_the_greatest_age<A: Adapter>() {
    let adapter = A::open(Limits { session_max_age: HOUR * 30, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.wind(HOUR * 20).await;
    desk.turn("s").await;
    assert!(is_left(remaining(&desk, "s").await, HOUR * 10));
    let extended = adapter.store().extend(&key("s"), DAY * 5).await.expect("it is there");
    assert!(is_left(extended, HOUR * 10));
    adapter.wind(HOUR * 10).await;
    assert_eq!(remaining(&desk, "s").await, None);
}

pub async fn an_extension_is_kept_by_later_turns<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.store().extend(&key("s"), HOUR).await.expect("it is there");
    assert!(is_left(remaining(&desk, "s").await, HOUR));
    adapter.wind(HOUR / 2).await;
    desk.turn("s").await;
    assert!(is_left(remaining(&desk, "s").await, HOUR));
    adapter.wind(HOUR).await;
    assert_eq!(sweep(&adapter).await.removed, 1, "its entry came earlier with it");
    assert!(adapter.store().extend(&key("none"), HOUR).await.expect("it is there").is_none());
}

pub async fn danger_holds_and_clearing_lets_go_for_a_whole_ttl<A: Adapter>() {
    let adapter = A::open(Limits { session_max_age: DAY * 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    assert_eq!(remaining(&desk, "s").await, Some(Remaining::Held));
    for _ in 0..5 {
        adapter.wind(DAY).await;
        assert_eq!(sweep(&adapter).await, Swept::default());
    }
    assert_eq!(adapter.store().extend(&key("s"), HOUR * 2).await.expect("there"), Some(Remaining::Held));
    desk.transition("s", Event::Clear).await;
    assert!(is_left(remaining(&desk, "s").await, HOUR * 2));
    desk.turn("s").await;
    assert!(is_left(remaining(&desk, "s").await, HOUR * 2));
    adapter.wind(HOUR * 2).await;
    assert_eq!(remaining(&desk, "s").await, None);
}

pub async fn a_hold_does_not_bring_back_what_had_ended<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.wind(DAY).await;
    desk.turn("t").await;
    desk.raise("t", Level::High).await;
    assert!(desk.read("s").await.is_none());
    desk.transition("t", Event::Clear).await;
    assert!(desk.read("s").await.is_none());
}

pub async fn an_idle_session_expires_once<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("done").await;
    desk.transition("done", Event::Complete).await;
    adapter.wind(HOUR * 22).await;
    desk.turn("busy").await;
    assert_eq!(sweep(&adapter).await, Swept::default());
    adapter.wind(HOUR).await;
    assert_eq!(sweep(&adapter).await, Swept { expired: vec![key("s")], ..Swept::default() });
    assert_eq!(sweep(&adapter).await, Swept::default());
    assert_eq!(desk.session("s").await.status, Status::Expired);
    assert_eq!(desk.session("done").await.status, Status::Completed);
    adapter.wind(HOUR).await;
    assert_eq!(sweep(&adapter).await.removed, 2);
    let early = A::open(Limits { session_idle: Some(HOUR), ..limits() }).await;
    Desk::of(&early).turn("s").await;
    early.wind(HOUR).await;
    assert_eq!(sweep(&early).await.expired, [key("s")]);
}

pub async fn the_sweep_removes_everything_of_a_dead_session<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["a", "b"] {
        let begun = begun(desk.ask(desk.keyed(id, used(1, 1))).await);
        let mut commit = desk.commit_of(id, &begun);
        commit.reply = Some((used(1, 1), reply("a")));
        desk.commit(commit).await;
    }
    adapter.wind(DAY).await;
    assert_eq!(sweep(&adapter).await.removed, 2);
    assert_eq!(sweep(&adapter).await, Swept::default());
    let page = adapter.store().list(everything()).await.expect("it is there");
    assert_eq!((page.rows.len(), page.total), (0, 0));
}

pub async fn what_comes_due_at_once_is_swept_at_once<A: Adapter>() {
    const SESSIONS: u64 = 1_500;
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let ids: Vec<String> = (0..SESSIONS).map(|n| format!("s{n}")).collect();
    futures_util::future::join_all(ids.iter().map(|id| desk.create(id, None))).await;
    adapter.wind(DAY).await;
    let mut removed = 0;
    loop {
        let swept = sweep(&adapter).await;
        removed += swept.removed;
        if !swept.has_more {
            break;
        }
    }
    assert_eq!(removed, SESSIONS);
}

pub async fn a_dead_session_begins_anew<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let first = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let mut commit = desk.commit_of("s", &first);
    commit.reply = Some((used(1, 1), reply("a")));
    desk.commit(commit).await;
    adapter.wind(DAY).await;
    let anew = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    assert!(anew.session.is_none() && anew.recent.is_empty());
    desk.turn_of("s", &anew).await;
    assert_eq!(desk.turns("s").await, [1]);
    assert_eq!(sweep(&adapter).await, Swept::default());
    let page = adapter.store().list(everything()).await.expect("it is there");
    assert_eq!(page.total, 1);
}

pub async fn a_session_that_ends_in_a_turn_is_decided_anew<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.wind(DAY - Duration::from_secs(1)).await;
    let late = desk.begun("s").await;
    adapter.wind(Duration::from_secs(1)).await;
    let Committed::Changed(reloaded) = desk.commit(desk.commit_of("s", &late)).await else {
        panic!("the dead were written")
    };
    assert!(reloaded.session.is_none() && reloaded.recent.is_empty());
    desk.turn_of("s", &Begun { session: None, ..late }).await;
    assert_eq!(desk.turns("s").await, [1]);
}

pub async fn a_cleared_memory_goes_in_its_time<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    adapter.wind(DAY * 100).await;
    sweep(&adapter).await;
    desk.transition("s", Event::Clear).await;
    adapter.wind(DAY).await;
    sweep(&adapter).await;
    assert_eq!(desk.begun("s").await.memory.cleared_epoch, 2);
    adapter.wind(DAY * 29).await;
    sweep(&adapter).await;
    assert_eq!(desk.begun("s").await.memory.cleared_epoch, 0);
}

pub async fn a_memory_stays_while_a_session_remembers_it<A: Adapter>() {
    let adapter = A::open(Limits { memory_ttl: HOUR, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    desk.transition("s", Event::Clear).await;
    adapter.wind(HOUR).await;
    sweep(&adapter).await;
    let begun = desk.begun("s").await;
    assert_eq!(begun.memory.cleared_epoch, 2, "a session's epoch is compared with it");
    desk.turn_of("s", &begun).await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    adapter.wind(HOUR).await;
    sweep(&adapter).await;
    assert_eq!(desk.begun("s").await.memory.cleared_epoch, 0);
}

pub async fn a_delete_leaves_nothing_and_says_so<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let first = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let mut commit = desk.commit_of("s", &first);
    commit.reply = Some((used(1, 1), reply("a")));
    desk.commit(commit).await;
    let receipt = adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    assert_eq!((receipt.exchanges, receipt.stored_replies, receipt.verified), (2, 1, true));
    assert!(adapter.store().delete(&key("s")).await.expect("it is there").is_none());
    assert!(desk.read("s").await.is_none());
    let anew = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    assert!(anew.session.is_none() && anew.recent.is_empty());
}

pub async fn a_deleted_sessions_turn_is_lost<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    assert_eq!(desk.commit(desk.commit_of("s", &begun)).await, Committed::Lost);
    assert!(desk.read("s").await.is_none());
}

pub async fn a_delete_sends_the_queue_away_but_for_danger<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.begun("s").await;
    let ordinary = desk.queued(desk.request("s")).await;
    let danger = desk.queued(desk.danger("s")).await;
    let unclaimed = desk.queued(desk.request("s")).await;
    let session = key("s");
    let (ordinary, danger, _) =
        tokio::join!(desk.claim(ordinary), desk.claim(danger), adapter.store().delete(&session));
    assert!(matches!(ordinary, Claim::Busy { .. }), "it must not bring the session back");
    assert!(matches!(desk.claim(unclaimed).await, Claim::Busy { .. }));
    let danger = handed(danger);
    assert!(danger.session.is_none());
    desk.turn_of("s", &danger).await;
    assert_eq!(desk.turns("s").await, [1]);
}
