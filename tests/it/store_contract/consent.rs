//! What a client consented to.

use attune::domain::consent::{Consent, ConsentChange};
use attune::domain::id::SessionId;
use attune::domain::session::Event;
use attune::store::{Begin, Committed, Consented, Reloaded};

use crate::world::{Adapter, Desk, HOUR, begun, key, limits};

fn give(version: &str) -> ConsentChange {
    ConsentChange::Give { version: version.to_owned(), hash: format!("hash of {version}") }
}

async fn change<A: Adapter>(desk: &Desk<'_, A>, id: &str, change: ConsentChange) -> Consented {
    desk.store().consent(&key(id), change).await.expect("the store is there")
}

/// What stands in a session that there is.
async fn consent<A: Adapter>(desk: &Desk<'_, A>, id: &str) -> Option<Consent> {
    match change(desk, id, ConsentChange::None).await {
        Consented::Of(consent) => consent,
        Consented::Absent => panic!("{id} is absent"),
    }
}

pub async fn a_consent_is_given_and_withdrawn_and_a_second_time_changes_nothing<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    assert_eq!(consent(&desk, "s").await, None);
    assert_eq!(change(&desk, "s", ConsentChange::Revoke).await, Consented::Of(None));
    let given = Consent::to("1", "hash of 1", adapter.now());
    for _ in 0..3 {
        assert_eq!(change(&desk, "s", give("1")).await, Consented::Of(Some(given.clone())));
        adapter.wind(HOUR / 60).await;
    }
    let revoked = Consent { revoked_at: Some(adapter.now()), ..given };
    for _ in 0..3 {
        assert_eq!(change(&desk, "s", ConsentChange::Revoke).await, Consented::Of(Some(revoked.clone())));
        adapter.wind(HOUR / 60).await;
    }
    let revision = desk.session("s").await.revision;
    assert_eq!(revision, 3, "what changed nothing was not written");
    let anew = Consent::to("1", "hash of 1", adapter.now());
    assert_eq!(change(&desk, "s", give("1")).await, Consented::Of(Some(anew)), "it can be given again");
    let other = Consent::to("2", "hash of 2", adapter.now());
    assert_eq!(change(&desk, "s", give("2")).await, Consented::Of(Some(other.clone())));
    assert_eq!(desk.session("s").await.consent, Some(other));
}

pub async fn a_consent_outlives_a_crash_and_the_next_turns<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let given = Some(Consent::to("1", "hash of 1", adapter.now()));
    assert_eq!(change(&desk, "s", give("1")).await, Consented::Of(given.clone()));
    desk.turn("s").await;
    assert_eq!(consent(&desk, "s").await, given);
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    assert_eq!(consent(&desk, "s").await, given);
    desk.turn("s").await;
    assert_eq!(desk.session("s").await.consent, given);
}

pub async fn consent_in_no_session_makes_none<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for asked in [ConsentChange::None, give("1"), ConsentChange::Revoke] {
        assert_eq!(change(&desk, "s", asked).await, Consented::Absent);
    }
    assert!(desk.read("s").await.is_none());
    assert!(desk.begun("s").await.session.is_none());
}

/// The turn that was begun before the consent changed, and what it is told.
async fn told<A: Adapter>(desk: &Desk<'_, A>, asked: ConsentChange) -> Box<Reloaded> {
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    change(desk, "s", asked).await;
    let told = match desk.commit(commit.clone()).await {
        Committed::Changed(reloaded) => reloaded,
        other => panic!("not changed but {other:?}"),
    };
    let again = attune::store::Begun { session: told.session.clone(), ..begun };
    let commit = attune::store::Commit { lease: commit.lease, ..desk.commit_of("s", &again) };
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    told
}

pub async fn a_turn_in_flight_overwrites_no_consent<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let given = told(&desk, give("1")).await.session.expect("it stands").consent.clone();
    assert!(given.as_ref().is_some_and(|consent| consent.revoked_at.is_none()));
    assert_eq!(desk.session("s").await.consent, given);
    let revoked = told(&desk, ConsentChange::Revoke).await.session.expect("it stands").consent.clone();
    assert!(revoked.as_ref().is_some_and(|consent| consent.revoked_at.is_some()));
    assert_eq!(desk.session("s").await.consent, revoked);
    assert_eq!(desk.session("s").await.turn_count, 3);
}

pub async fn a_consent_changes_in_all_that_stands_of_a_line<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    change(&desk, "s", give("1")).await;
    for (id, before) in [("s.2", "s"), ("s.3", "s.2")] {
        desk.transition(before, Event::Expire).await;
        let begun = begun(desk.ask(Begin { predecessor: Some(key(before)), ..desk.request(id) }).await);
        let before = begun.predecessor.clone().expect("there is one");
        let mut commit = desk.commit_of(id, &begun);
        commit.session.successor_of = Some(SessionId::parse("s").expect("an id"));
        commit.session.consent = before.consent.clone();
        assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    }
    for (asked, stands) in [("s", false), ("s.2", true), ("s.3", false)] {
        let to = if stands { give("1") } else { ConsentChange::Revoke };
        change(&desk, asked, to).await;
        for id in ["s", "s.2", "s.3"] {
            let own = desk.session(id).await.consent.clone().expect("one");
            assert_eq!(own.revoked_at.is_none(), stands, "{id}, asked for in {asked}");
            assert_eq!(consent(&desk, id).await, Some(own));
        }
    }
}

pub async fn of_many_changes_at_once_each_is_whole<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let all = (0..8).map(|at| {
        let asked = if at % 4 == 3 { ConsentChange::Revoke } else { give(&at.to_string()) };
        change(&desk, "s", asked)
    });
    futures_util::future::join_all(all).await;
    let last = consent(&desk, "s").await.expect("one was given");
    assert_eq!(last.hash, format!("hash of {}", last.version));
    assert_eq!(desk.session("s").await.consent, Some(last));
}
