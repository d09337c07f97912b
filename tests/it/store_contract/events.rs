//! What subscribers are told: each change once, in the same step, in order.

use std::sync::Arc;

use attune::domain::consent::ConsentChange;
use attune::domain::event::{EventId, EventKind, SessionEvent};
use attune::domain::safety::Level;
use attune::domain::session::Event;
use attune::store::{Begin, Committed, Lane, Limits, Raise, Store};

use crate::world::{Adapter, DAY, Desk, HOUR, PATIENCE, begun, client, key, limits};

async fn behind(store: &dyn Store, after: EventId) -> Vec<Arc<SessionEvent>> {
    store.events(after, 1_000).await.expect("the store is there")
}

/// Kind and session of all that was told.
async fn told(adapter: &impl Adapter) -> Vec<(EventKind, String)> {
    let events = behind(adapter.store(), EventId::default()).await;
    events.iter().map(|event| (event.kind, event.session.to_string())).collect()
}

fn of(kinds: &[EventKind]) -> Vec<(EventKind, String)> {
    kinds.iter().map(|kind| (*kind, "s".to_owned())).collect()
}

const TURN: [EventKind; 2] = [EventKind::TurnCompleted, EventKind::ReplyReady];

pub async fn each_change_is_told_once_with_what_it_changed<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let store = adapter.store();
    desk.create("s", None).await;
    desk.turn("s").await;
    desk.transition("s", Event::Pause).await;
    desk.transition("s", Event::Resume).await;
    store.extend(&key("s"), HOUR * 9).await.expect("the store is there");
    let give = ConsentChange::Give { version: "1".to_owned(), hash: "h".to_owned() };
    store.consent(&key("s"), give).await.expect("the store is there");
    desk.raise("s", Level::Crisis).await;
    desk.transition("s", Event::Clear).await;
    desk.transition("s", Event::Complete).await;
    store.delete(&key("s")).await.expect("the store is there");
    let events = behind(store, EventId::default()).await;
    let shown: Vec<String> = events
        .iter()
        .map(|event| {
            let code = |text: &Option<String>| text.clone().unwrap_or_else(|| "-".to_owned());
            let turn = event.turn.map_or("-".to_owned(), |turn| turn.to_string());
            let [status, level, was] = [&event.status, &event.level, &event.was].map(code);
            format!("{} {turn} {status} {level} {was}", event.kind.as_str())
        })
        .collect();
    let expected = [
        "session_created - active none -",
        "turn_completed 1 active none -",
        "reply_ready 1 active none -",
        "session_updated - paused - active",
        "session_updated - active - paused",
        "session_updated - active - -",
        "session_updated - active - -",
        "safety_raised - - crisis none",
        "session_updated - paused - active",
        "safety_cleared - - none crisis",
        "session_updated - active - paused",
        "session_updated - completed - active",
        "session_deleted - - - -",
    ];
    assert_eq!(shown, expected);
    assert!(events.windows(2).all(|pair| pair[0].id < pair[1].id), "not in order");
    assert!(events.iter().all(|event| event.session == key("s").id && event.org == key("s").org));
}

pub async fn what_is_repeated_or_changes_nothing_is_not_told_again<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    for _ in 0..3 {
        assert!(matches!(desk.commit(commit.clone()).await, Committed::Committed { .. }));
    }
    for level in [Level::High, Level::High, Level::Elevated] {
        desk.raise("s", level).await;
    }
    for _ in 0..2 {
        adapter.store().sweep().await.expect("the store is there");
        desk.read("s").await;
        desk.transition("s", Event::Clear).await;
    }
    let mut expected = of(&[EventKind::SessionCreated]);
    expected.extend(of(&TURN));
    expected.extend(of(&[EventKind::SafetyRaised, EventKind::SessionUpdated]));
    expected.extend(of(&[EventKind::SafetyCleared, EventKind::SessionUpdated]));
    assert_eq!(told(&adapter).await, expected);
}

pub async fn a_turn_that_raises_the_level_tells_so<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = begun(desk.ask(Begin { lane: Lane::Danger, ..desk.request("s") }).await);
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::Elevated;
    commit.why = vec!["a_rule".to_owned()];
    desk.commit(commit).await;
    let kinds: Vec<EventKind> = told(&adapter).await.into_iter().map(|(kind, _)| kind).collect();
    assert!(kinds.contains(&EventKind::SafetyRaised), "{kinds:?}");
    assert_eq!(kinds.iter().filter(|kind| **kind == EventKind::SafetyRaised).count(), 1);
}

pub async fn danger_in_a_session_that_is_not_there_yet_is_told<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let raise =
        Raise { session: key("s"), client: client("c"), level: Level::High, why: vec!["a_rule".to_owned()] };
    adapter.store().raise(raise).await.expect("the store is there");
    assert_eq!(told(&adapter).await, of(&[EventKind::SafetyRaised]));
}

pub async fn an_end_is_told_once_however_it_comes<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("idle").await;
    adapter.wind(HOUR * 23).await;
    for _ in 0..3 {
        adapter.store().sweep().await.expect("the store is there");
    }
    desk.turn("late").await;
    desk.turn("done").await;
    desk.transition("done", Event::Complete).await;
    // Nobody sweeps before their data are gone.
    adapter.wind(DAY * 2).await;
    for _ in 0..3 {
        adapter.store().sweep().await.expect("the store is there");
        desk.read("late").await;
    }
    let ended = told(&adapter).await.into_iter().filter(|(kind, _)| *kind == EventKind::SessionExpired);
    let mut ended: Vec<String> = ended.map(|(_, session)| session).collect();
    ended.sort();
    // The one of the first day has left the log by now, or not, as its time is a day.
    ended.retain(|session| session != "idle");
    assert_eq!(ended, ["done", "late"]);
}

pub async fn an_idle_session_is_told_as_expired_once<A: Adapter>() {
    let adapter = A::open(Limits { events_ttl: DAY * 9, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    for hours in [23, 2, 24, 24] {
        adapter.wind(HOUR * hours).await;
        adapter.store().sweep().await.expect("the store is there");
    }
    let mut expected = of(&[EventKind::SessionCreated]);
    expected.extend(of(&TURN));
    expected.extend(of(&[EventKind::SessionExpired]));
    assert_eq!(told(&adapter).await, expected);
}

pub async fn the_log_outlives_a_crash_and_goes_on_behind_its_end<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    Desk::of(&adapter).turn("s").await;
    let before = behind(adapter.store(), EventId::default()).await;
    adapter.reopen().await;
    let last = before.last().expect("some").id;
    assert_eq!(behind(adapter.store(), EventId::default()).await, before);
    assert_eq!(adapter.store().newest_event().await, Ok(last));
    Desk::of(&adapter).turn("s").await;
    let after = behind(adapter.store(), last).await;
    assert_eq!(
        after.iter().map(|event| (event.kind, event.turn)).collect::<Vec<_>>(),
        TURN.map(|kind| (kind, Some(2)))
    );
    assert!(after[0].id > last);
    assert_eq!(behind(adapter.store(), after[0].id).await, after[1..]);
    let two = adapter.store().events(EventId::default(), 2).await.expect("the store is there");
    assert_eq!(two, before[..2]);
}

pub async fn who_waits_for_an_event_hears_of_it<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let mut heard = adapter.store().heard_events();
    let mut after = EventId::default();
    for turn in 1..=20 {
        desk.turn("s").await;
        let newest = adapter.store().newest_event().await.expect("the store is there");
        let coming = tokio::time::timeout(PATIENCE, heard.wait_for(|heard| *heard >= newest));
        coming.await.expect("it is heard of").expect("the store stands");
        let events = behind(adapter.store(), after).await;
        assert_eq!(events.last().map(|event| (event.id, event.turn)), Some((newest, Some(turn))));
        after = newest;
    }
}

pub async fn the_log_is_bounded_in_time<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("old").await;
    adapter.wind(DAY / 2).await;
    desk.turn("young").await;
    adapter.wind(DAY / 2 + HOUR).await;
    adapter.store().sweep().await.expect("the store is there");
    adapter.wind(HOUR).await;
    // Read from the log itself, as another server does.
    let told = told(&adapter).await;
    let newest = adapter.store().newest_event().await.expect("the store is there");
    assert!(newest > EventId::default());
    let is_told = |session: &str, kind| told.contains(&(kind, session.to_owned()));
    assert!(is_told("young", EventKind::TurnCompleted), "{told:?}");
    assert!(!is_told("old", EventKind::TurnCompleted), "{told:?}");
}
