//! Notes beside a session, and whose an alert is.

use attune::domain::alert::AlertId;
use attune::domain::id::OrgId;
use attune::domain::note::{NOTES_MAX, Note, NoteKind};
use attune::domain::safety::Level;
use attune::store::{AlertOrder, AlertQuery, Noted};

use crate::world::{Adapter, DAY, Desk, key, limits};

pub fn note(adapter: &impl Adapter, n: usize) -> Note {
    Note {
        id: format!("{n:032x}"),
        at: adapter.now(),
        by: "ana".to_owned(),
        kind: NoteKind::Note,
        text: format!("line one of {n}\nline \"two\" \u{1F33B}"),
    }
}

async fn write(adapter: &impl Adapter, n: usize) -> Noted {
    adapter.store().note(&key("s"), note(adapter, n)).await.expect("the store is there")
}

async fn notes(adapter: &impl Adapter) -> Option<Vec<Note>> {
    adapter.store().notes(&key("s")).await.expect("the store is there")
}

pub async fn notes_are_kept_in_order_once_each_and_outlive_a_crash_and_turns<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    assert_eq!(write(&adapter, 0).await, Noted::Absent);
    assert_eq!(notes(&adapter).await, None);
    Desk::of(&adapter).turn("s").await;
    assert_eq!(notes(&adapter).await, Some(Vec::new()));
    let expected: Vec<Note> = (0..3).map(|n| note(&adapter, n)).collect();
    for n in [0, 1, 1, 2, 0] {
        assert_eq!(write(&adapter, n).await, Noted::Kept);
    }
    Desk::of(&adapter).turn("s").await;
    adapter.reopen().await;
    assert_eq!(notes(&adapter).await, Some(expected));
}

pub async fn a_session_has_so_many_notes_and_no_more<A: Adapter>() {
    let adapter = A::open(limits()).await;
    Desk::of(&adapter).turn("s").await;
    for n in 0..NOTES_MAX {
        assert_eq!(write(&adapter, n).await, Noted::Kept);
    }
    assert_eq!(write(&adapter, NOTES_MAX).await, Noted::TooMany);
    assert_eq!(write(&adapter, 5).await, Noted::Kept, "it is there");
}

pub async fn notes_go_with_their_session_by_removal_and_by_time<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    write(&adapter, 0).await;
    let receipt = adapter.store().delete(&key("s")).await.expect("the store is there");
    assert!(receipt.is_some_and(|receipt| receipt.verified));
    desk.turn("s").await;
    assert_eq!(notes(&adapter).await, Some(Vec::new()));
    write(&adapter, 1).await;
    adapter.wind(DAY * 2).await;
    assert_eq!(notes(&adapter).await, None);
    adapter.store().sweep().await.expect("the store is there");
    desk.turn("s").await;
    assert_eq!(notes(&adapter).await, Some(Vec::new()));
}

pub async fn an_alert_is_somebodys_until_it_is_anothers_or_nobodys<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    let query = || AlertQuery {
        org: OrgId::default(),
        state: None,
        level: None,
        order: AlertOrder::Danger,
        limit: 10,
        cursor: None,
    };
    let (store, org) = (adapter.store(), OrgId::default());
    let alert = store.alerts(query()).await.expect("the store is there").rows[0].clone();
    for owner in [Some("ana"), Some("ben"), None] {
        let owner = owner.map(str::to_owned);
        let owned = store.own(&org, &alert.id, owner.clone()).await.expect("the store is there");
        assert_eq!(owned.expect("it is there").owner, owner);
        assert_eq!(store.alerts(query()).await.expect("the store is there").rows[0].owner, owner);
    }
    let nobodys = AlertId::new(adapter.now(), 99);
    assert_eq!(store.own(&org, &nobodys, Some("ana".to_owned())).await, Ok(None));
    let clinic = OrgId::parse("clinic").expect("an id");
    assert_eq!(store.own(&clinic, &alert.id, Some("ana".to_owned())).await, Ok(None));
}
