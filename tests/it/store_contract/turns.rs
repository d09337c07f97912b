//! Commits, stored replies, history.

use std::time::Duration;

use attune::domain::consent::Consent;
use attune::domain::safety::Level;
use attune::domain::session::{MetaValue, Session};
use attune::store::{Abandon, Begin, Committed, Created, Gate, Limits, StoreError};

use crate::world::{Adapter, DAY, Desk, HOUR, begun, exchange, is_left, key, limits, reply, used};

pub async fn what_is_saved_is_loaded_field_by_field<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.meta.insert("ratio".to_owned(), MetaValue::Number(0.1 + 0.2));
    commit.session.meta.insert("whole".to_owned(), MetaValue::Number(2.0));
    commit.session.meta.insert("big".to_owned(), MetaValue::Integer(i64::MIN));
    commit.session.meta.insert("minor".to_owned(), MetaValue::Flag(true));
    commit.session.meta.insert("country".to_owned(), MetaValue::Text("\0 \u{1f642}".to_owned()));
    commit.session.consent =
        Some(Consent { revoked_at: Some(adapter.now()), ..Consent::to("1", "ab", adapter.now()) });
    commit.session.completed_at = Some(adapter.now());
    let expected = Session { revision: 1, ..commit.session.clone() };
    let told = commit.exchange.clone();
    desk.commit(commit).await;
    assert_eq!(*desk.session("s").await, expected);
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    assert_eq!(*desk.session("s").await, expected);
    let page = adapter.store().history(&key("s"), None, 1).await.expect("it is there");
    assert_eq!(page.expect("it stands").exchanges, [told]);
}

pub async fn a_turn_is_there_after_a_crash<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    for turn in 1..=3 {
        Desk::of(&adapter).turn("s").await;
        adapter.reopen().await;
        let desk = Desk::of(&adapter);
        assert_eq!(desk.session("s").await.turn_count, turn);
        assert_eq!(desk.turns("s").await, (1..=turn).collect::<Vec<_>>());
    }
}

pub async fn turns_are_numbered_without_gap<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for revision in 1..=7 {
        assert_eq!(desk.turn("s").await, revision);
    }
    assert_eq!(desk.turns("s").await, [1, 2, 3, 4, 5, 6, 7]);
}

pub async fn a_commit_whose_answer_was_lost_is_told_that_it_stands<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    let first = desk.commit(commit.clone()).await;
    assert_eq!(desk.commit(commit).await, first);
    assert_eq!(desk.turns("s").await, [1]);
}

pub async fn a_lost_answer_is_still_known_after_a_crash<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    let first = desk.commit(commit.clone()).await;
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    assert_eq!(desk.commit(commit).await, first);
    assert_eq!(desk.turns("s").await, [1]);
}

pub async fn a_lost_answer_is_still_known_after_the_next_turns<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    let first = desk.commit(commit.clone()).await;
    for _ in 0..3 {
        desk.turn("s").await;
    }
    assert_eq!(desk.commit(commit).await, first);
    assert_eq!(desk.turns("s").await, [1, 2, 3, 4]);
}

pub async fn a_lease_that_ran_out_cannot_commit<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let late = desk.begun("s").await;
    adapter.wind(limits().lease_ttl).await;
    assert_eq!(desk.commit(desk.commit_of("s", &late)).await, Committed::Lost);
    assert!(desk.read("s").await.is_none());
    desk.turn("s").await;
    assert_eq!(desk.commit(desk.commit_of("s", &late)).await, Committed::Lost);
    assert!(!adapter.store().renew(&key("s"), late.lease).await.expect("it is there"));
    assert_eq!(desk.turns("s").await, [1]);
}

pub async fn a_renewed_lease_can<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    adapter.wind(Duration::from_secs(9)).await;
    assert!(adapter.store().renew(&key("s"), begun.lease).await.expect("it is there"));
    adapter.wind(Duration::from_secs(9)).await;
    desk.turn_of("s", &begun).await;
}

pub async fn a_session_written_meanwhile_is_decided_anew<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.base_revision = 7;
    let Committed::Changed(reloaded) = desk.commit(commit).await else { panic!("it was written") };
    assert_eq!(reloaded.session.expect("it stands").revision, 1);
    assert_eq!(reloaded.recent.len(), 1);
    desk.turn_of("s", &begun).await;
}

pub async fn a_turn_that_skips_a_number_is_refused<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.exchange = exchange(2, adapter.now());
    let refused = adapter.store().commit(commit).await;
    assert!(matches!(refused, Err(StoreError::Corrupt(_))));
    desk.turn_of("s", &begun).await;
}

pub async fn an_abandoned_turn_leaves_nothing<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    desk.abandon("s", begun.lease, Abandon::Failed).await;
    assert!(desk.read("s").await.is_none());
    assert_eq!(desk.commit(desk.commit_of("s", &begun)).await, Committed::Lost);
    desk.abandon("s", begun.lease, Abandon::Failed).await;
    desk.turn("s").await;
}

pub async fn the_stored_ttl_outlives_the_turns_own<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    let before = desk.session("s").await.revision;
    let extended = adapter.store().extend(&key("s"), HOUR * 48).await.expect("it is there");
    assert!(is_left(extended, HOUR * 48));
    assert_eq!(desk.session("s").await.revision, before);
    desk.turn_of("s", &begun).await;
    let snapshot = desk.read("s").await.expect("it stands");
    assert_eq!(snapshot.session.ttl, HOUR * 48);
    assert!(is_left(Some(snapshot.remaining), HOUR * 48));
}

pub async fn history_is_paged_newest_first<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for _ in 0..5 {
        desk.turn("s").await;
    }
    let mut seen = Vec::new();
    let mut before = None;
    loop {
        let page = adapter.store().history(&key("s"), before, 2).await.expect("it is there");
        let page = page.expect("it stands");
        assert!(!page.trimmed);
        seen.push(page.exchanges.iter().map(|exchange| exchange.turn).collect::<Vec<_>>());
        before = page.next_before;
        if before.is_none() {
            break;
        }
    }
    assert_eq!(seen, [vec![5, 4], vec![3, 2], vec![1]]);
    assert!(adapter.store().history(&key("none"), None, 2).await.expect("it is there").is_none());
}

pub async fn history_keeps_to_its_window<A: Adapter>() {
    let adapter = A::open(Limits { history_max: 3, ..limits() }).await;
    let desk = Desk::of(&adapter);
    for _ in 0..6 {
        desk.turn("s").await;
    }
    assert_eq!(desk.turns("s").await, [4, 5, 6]);
    let page = adapter.store().history(&key("s"), None, 9).await.expect("it is there");
    let page = page.expect("it stands");
    assert!(page.trimmed && page.next_before.is_none());
}

pub async fn the_latest_exchanges_come_with_the_lease<A: Adapter>() {
    let mut adapter = A::open(Limits { recent_max: 2, ..limits() }).await;
    for _ in 0..4 {
        Desk::of(&adapter).turn("s").await;
    }
    for _ in 0..2 {
        let desk = Desk::of(&adapter);
        let begun = desk.begun("s").await;
        let turns: Vec<u32> = begun.recent.iter().map(|exchange| exchange.turn).collect();
        assert_eq!(turns, [3, 4]);
        adapter.reopen().await;
    }
}

pub async fn a_repeat_is_answered_with_the_same_bytes<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let mut commit = desk.commit_of("s", &begun);
    commit.reply = Some((used(1, 1), reply("{\"turn\":1}")));
    desk.commit(commit).await;
    for _ in 0..2 {
        let desk = Desk::of(&adapter);
        let gate = desk.ask(desk.keyed("s", used(1, 1))).await;
        assert!(matches!(&gate, Gate::Replay(bytes) if **bytes == *b"{\"turn\":1}"), "{gate:?}");
        assert_eq!(desk.turns("s").await, [1]);
        adapter.reopen().await;
    }
}

pub async fn a_key_with_another_body_is_refused<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    assert!(matches!(desk.ask(desk.keyed("s", used(1, 2))).await, Gate::KeyReused));
    let mut commit = desk.commit_of("s", &begun);
    commit.reply = Some((used(1, 1), reply("a")));
    desk.commit(commit).await;
    assert!(matches!(desk.ask(desk.keyed("s", used(1, 2))).await, Gate::KeyReused));
}

pub async fn a_stored_reply_goes_with_its_time<A: Adapter>() {
    let adapter = A::open(Limits { idempotency_ttl: HOUR, ..limits() }).await;
    let desk = Desk::of(&adapter);
    let first = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let mut commit = desk.commit_of("s", &first);
    commit.reply = Some((used(1, 1), reply("a")));
    desk.commit(commit).await;
    adapter.wind(HOUR).await;
    let again = begun(desk.ask(desk.keyed("s", used(1, 2))).await);
    desk.abandon("s", again.lease, Abandon::Failed).await;
    adapter.store().sweep().await.expect("it is there");
    let receipt = adapter.store().delete(&key("s")).await.expect("it is there");
    assert_eq!(receipt.expect("it stood").stored_replies, 0);
}

pub async fn a_create_is_repeated_by_its_key<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let created = Desk::of(&adapter).create("s", Some(used(1, 1))).await;
    let Created::Created(session) = created else { panic!("{created:?}") };
    assert_eq!((session.revision, session.turn_count), (1, 0));
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    let again = desk.create("s", Some(used(1, 1))).await;
    assert!(matches!(&again, Created::Replay(bytes) if **bytes == *b"s"), "{again:?}");
    assert!(matches!(desk.create("s", Some(used(1, 2))).await, Created::KeyReused));
    assert!(matches!(desk.create("s", Some(used(2, 1))).await, Created::Exists));
    let receipt = adapter.store().delete(&key("s")).await.expect("it is there").expect("it stood");
    assert_eq!((receipt.stored_replies, receipt.verified), (1, true));
    assert!(matches!(desk.create("s", Some(used(1, 1))).await, Created::Created(_)));
}

pub async fn a_session_cannot_be_created_twice<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    assert!(matches!(desk.create("s", None).await, Created::Created(_)));
    assert!(matches!(desk.create("s", None).await, Created::Exists));
    desk.turn("t").await;
    assert!(matches!(desk.create("t", None).await, Created::Exists));
    adapter.wind(DAY).await;
    assert!(matches!(desk.create("s", None).await, Created::Created(_)));
}

pub async fn a_turn_begun_before_its_session_was_created_is_decided_anew<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    assert!(begun.session.is_none());
    desk.create("s", None).await;
    let Committed::Changed(reloaded) = desk.commit(desk.commit_of("s", &begun)).await else {
        panic!("it was written over")
    };
    assert_eq!(reloaded.session.as_ref().map(|session| session.level), Some(Level::None));
    let again = attune::store::Begun { session: reloaded.session, ..begun };
    desk.turn_of("s", &again).await;
    let request: Begin = desk.request("s");
    assert!(matches!(desk.ask(request).await, Gate::Begun(_)));
}
