//! The audit: entered, sealed, kept.

use attune::domain::audit::{Entry, Head, Sealed};
use attune::domain::id::OrgId;
use attune::domain::safety::Level;
use attune::domain::session::Event;

use crate::world::{Adapter, DAY, Desk, key, limits};

fn org() -> OrgId {
    OrgId::default()
}

fn entry(n: i64) -> Entry {
    Entry { at_us: n, action: "read_history".to_owned(), name: Some("ana".to_owned()), ..Entry::default() }
}

async fn outbox(adapter: &impl Adapter) -> Vec<Entry> {
    let entries = adapter.store().outbox(&org(), 1_000).await.expect("the store is there");
    entries.iter().map(|entry| serde_json::from_str(entry).expect("an entry")).collect()
}

/// What became what, in order.
async fn changes(adapter: &impl Adapter) -> Vec<String> {
    let told = |entry: &Entry| {
        let text = |text: &Option<String>| text.clone().unwrap_or_default();
        let whose = entry.session.clone().or_else(|| entry.client.as_ref().map(|_| "client".to_owned()));
        format!("{} {} {}>{}", entry.action, text(&whose), text(&entry.from), text(&entry.to))
    };
    outbox(adapter).await.iter().map(told).collect()
}

pub fn sealed(before: &Head, entries: &[String]) -> (Vec<Sealed>, Head) {
    let number = |at: usize| before.seq + 1 + at as u64;
    let record = |(at, entry): (usize, &String)| Sealed {
        seq: number(at),
        entry: entry.clone(),
        mac: format!("mac{}", number(at)),
    };
    let sealed: Vec<Sealed> = entries.iter().enumerate().map(record).collect();
    let last = sealed.last().expect("some");
    let head = Head { seq: last.seq, mac: last.mac.clone(), seal: "seal".to_owned() };
    (sealed, head)
}

pub async fn entries_lie_in_the_outbox_in_order_until_they_are_sealed_and_outlive_a_crash<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    for n in 0..5 {
        adapter.store().enter(&org(), entry(n)).await.expect("the store is there");
    }
    adapter.reopen().await;
    adapter.store().enter(&org(), entry(5)).await.expect("the store is there");
    assert_eq!(outbox(&adapter).await, (0..6).map(entry).collect::<Vec<_>>());
    let store = adapter.store();
    let before = store.head(&org()).await.expect("the store is there");
    assert_eq!(before, Head::default());
    let first = store.outbox(&org(), 4).await.expect("the store is there");
    let (records, head) = sealed(&before, &first);
    assert_eq!(store.seal(&org(), &before, records.clone(), head.clone()).await, Ok(true));
    adapter.reopen().await;
    let store = adapter.store();
    assert_eq!(store.head(&org()).await, Ok(head));
    assert_eq!(store.chain(&org(), 1, 10).await, Ok(records.clone()));
    assert_eq!(store.chain(&org(), 3, 1).await, Ok(records[2..3].to_vec()));
    assert_eq!(outbox(&adapter).await, [entry(4), entry(5)]);
}

pub async fn of_two_who_seal_the_same_entries_one_does<A: Adapter>() {
    let adapter = A::open(limits()).await;
    for n in 0..3 {
        adapter.store().enter(&org(), entry(n)).await.expect("the store is there");
    }
    let store = adapter.store();
    let (entries, before) = (store.outbox(&org(), 3).await.expect("there"), Head::default());
    let org = org();
    let seal = || {
        let (records, head) = sealed(&before, &entries);
        store.seal(&org, &before, records, head)
    };
    let done = futures_util::future::join_all((0..5).map(|_| seal())).await;
    assert_eq!(done.iter().filter(|done| **done == Ok(true)).count(), 1);
    assert_eq!(store.chain(&org, 1, 10).await.map(|chain| chain.len()), Ok(3));
    let (records, head) = sealed(&before, &["other".to_owned()]);
    assert_eq!(store.seal(&org, &before, records, head).await, Ok(false), "not the oldest");
}

pub async fn organisations_have_audits_of_their_own<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let clinic = OrgId::parse("clinic").expect("an id");
    adapter.store().enter(&clinic, entry(1)).await.expect("the store is there");
    assert!(outbox(&adapter).await.is_empty());
    assert!(adapter.store().audited().await.expect("the store is there").contains(&clinic));
}

pub async fn every_change_of_a_level_or_a_status_is_entered_with_it<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    assert!(changes(&adapter).await.is_empty(), "a new session is no change");
    desk.transition("s", Event::Pause).await;
    desk.transition("s", Event::Resume).await;
    desk.raise("s", Level::High).await;
    desk.raise("s", Level::High).await;
    desk.transition("s", Event::Clear).await;
    desk.transition("s", Event::Complete).await;
    assert_eq!(
        changes(&adapter).await,
        [
            "state s active>paused",
            "state s paused>active",
            "level client none>high",
            "state s active>paused",
            "level client high>none",
            "state s paused>active",
            "state s active>completed",
        ]
    );
}

pub async fn a_turn_that_raises_the_level_and_a_sweep_that_expires_are_entered<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::Elevated;
    commit.why = vec!["rule.1".to_owned()];
    desk.commit(commit.clone()).await;
    desk.commit(commit).await;
    assert_eq!(changes(&adapter).await, ["level client none>elevated"]);
    adapter.wind(DAY - DAY / 48).await;
    adapter.store().sweep().await.expect("the store is there");
    assert_eq!(changes(&adapter).await.last().map(String::as_str), Some("state s active>expired"));
    adapter.store().delete(&key("s")).await.expect("the store is there");
    assert_eq!(changes(&adapter).await.len(), 2, "an erasure is entered by who asks for it");
}
