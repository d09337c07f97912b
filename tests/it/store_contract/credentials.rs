//! Credentials: issued, presented, rotated, revoked, ended.

use std::time::Duration;

use attune::access::{CredentialHash, Kind, Role};
use attune::domain::id::{ClinicianName, OrgId};
use attune::store::{CREDENTIALS_MAX, Credential, Holder};

use crate::world::{Adapter, DAY, Desk, key, limits};

const HOUR: Duration = Duration::from_hours(1);

fn hash(n: u8) -> CredentialHash {
    CredentialHash([n; 32])
}

/// A token of the session `s`.
pub fn token(adapter: &impl Adapter, n: u8) -> Credential {
    Credential {
        id: format!("id{n}"),
        kind: Kind::Session,
        org: OrgId::default(),
        role: Role::Client,
        label: String::new(),
        clinician: None,
        session: Some(key("s").id),
        made_at: adapter.now(),
        ends_at: Some(adapter.now().plus(DAY)),
        idle: Some(HOUR),
        behind: None,
    }
}

fn api_key(adapter: &impl Adapter, n: u8, org: &str) -> Credential {
    Credential {
        kind: Kind::Key,
        org: OrgId::parse(org).expect("an id"),
        role: Role::App,
        label: "a backend".to_owned(),
        session: None,
        ends_at: None,
        idle: None,
        ..token(adapter, n)
    }
}

pub(super) async fn issue(adapter: &impl Adapter, n: u8, credential: Credential) {
    let is_issued = adapter.store().issue(hash(n), credential).await.expect("the store is there");
    assert!(is_issued);
}

async fn present(adapter: &impl Adapter, n: u8) -> Option<Credential> {
    adapter.store().present(hash(n)).await.expect("the store is there")
}

async fn ids(adapter: &impl Adapter, holder: Holder) -> Vec<String> {
    let standing = adapter.store().credentials(holder).await.expect("the store is there");
    standing.into_iter().map(|credential| credential.id).collect()
}

fn of_session() -> Holder {
    Holder::Session(key("s"))
}

/// One with the session `s`.
async fn open<A: Adapter>() -> A {
    let adapter = A::open(limits()).await;
    Desk::of(&adapter).turn("s").await;
    adapter
}

pub async fn a_credential_is_presented_as_it_was_issued_and_outlives_a_crash<A: Adapter>() {
    let mut adapter = open::<A>().await;
    let (token, backend) = (token(&adapter, 1), api_key(&adapter, 2, "clinic"));
    issue(&adapter, 1, token.clone()).await;
    issue(&adapter, 2, backend.clone()).await;
    adapter.reopen().await;
    assert_eq!(present(&adapter, 1).await, Some(token));
    assert_eq!(present(&adapter, 2).await, Some(backend));
    assert_eq!(present(&adapter, 3).await, None);
}

pub async fn a_credential_ends_when_it_is_not_used_and_at_its_end_however_much_it_is<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    issue(&adapter, 2, token(&adapter, 2)).await;
    issue(&adapter, 3, api_key(&adapter, 3, "default")).await;
    for _ in 0..47 {
        adapter.wind(HOUR / 2).await;
        assert!(present(&adapter, 1).await.is_some());
    }
    assert_eq!(present(&adapter, 2).await, None, "unused");
    adapter.wind(HOUR / 2).await;
    assert_eq!(present(&adapter, 1).await, None, "at its end");
    adapter.wind(DAY * 400).await;
    adapter.store().sweep().await.expect("the store is there");
    assert!(ids(&adapter, of_session()).await.is_empty());
    assert!(present(&adapter, 3).await.is_some(), "a key without an end stands");
}

pub async fn a_used_credential_stands_for_its_whole_idle_time_again<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    for _ in 0..20 {
        adapter.wind(HOUR - Duration::from_mins(5)).await;
        adapter.store().sweep().await.expect("the store is there");
        assert!(present(&adapter, 1).await.is_some());
    }
}

pub async fn a_ticket_is_good_once_however_many_present_it<A: Adapter>() {
    let adapter = open::<A>().await;
    let ticket = Credential { kind: Kind::Ticket, idle: None, ..token(&adapter, 1) };
    issue(&adapter, 1, ticket.clone()).await;
    let all = (0..20).map(|_| present(&adapter, 1));
    let let_in: Vec<Credential> = futures_util::future::join_all(all).await.into_iter().flatten().collect();
    assert_eq!(let_in, [ticket]);
    assert!(ids(&adapter, of_session()).await.is_empty());
}

pub async fn a_rotated_credential_is_refused_and_its_successor_is_the_only_one<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    let store = adapter.store();
    assert_eq!(store.rotate(hash(1), (hash(2), token(&adapter, 2))).await, Ok(true));
    assert_eq!(present(&adapter, 1).await, None);
    assert!(present(&adapter, 2).await.is_some());
    assert_eq!(store.rotate(hash(1), (hash(3), token(&adapter, 3))).await, Ok(false));
    assert_eq!(present(&adapter, 3).await, None);
    assert_eq!(ids(&adapter, of_session()).await, ["id2"]);
}

pub async fn of_two_who_rotate_the_same_credential_one_does<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    let rotate = |n: u8| adapter.store().rotate(hash(1), (hash(n), token(&adapter, n)));
    let rotated = futures_util::future::join_all((2..12).map(rotate)).await;
    assert_eq!(rotated.iter().filter(|done| **done == Ok(true)).count(), 1);
    assert_eq!(ids(&adapter, of_session()).await.len(), 1);
}

pub async fn revoking_ends_one_or_all_of_a_holder_and_nobody_elses<A: Adapter>() {
    let adapter = open::<A>().await;
    for n in 1..=3 {
        issue(&adapter, n, token(&adapter, n)).await;
    }
    issue(&adapter, 4, api_key(&adapter, 4, "default")).await;
    issue(&adapter, 5, api_key(&adapter, 5, "clinic")).await;
    let store = adapter.store();
    assert_eq!(store.revoke(of_session(), Some("id2".to_owned())).await, Ok(1));
    assert_eq!(store.revoke(of_session(), Some("id2".to_owned())).await, Ok(0));
    assert_eq!(ids(&adapter, of_session()).await, ["id1", "id3"]);
    assert_eq!(store.revoke(of_session(), None).await, Ok(2));
    for n in 1..=3 {
        assert_eq!(present(&adapter, n).await, None);
    }
    let default = Holder::Keys(OrgId::default());
    assert_eq!(store.revoke(default.clone(), Some("id5".to_owned())).await, Ok(0), "another's");
    assert_eq!(store.revoke(default, Some("id4".to_owned())).await, Ok(1));
    assert!(present(&adapter, 5).await.is_some());
}

pub async fn a_removed_session_lets_nobody_in<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    let receipt = adapter.store().delete(&key("s")).await.expect("the store is there");
    assert!(receipt.is_some_and(|receipt| receipt.verified));
    assert_eq!(present(&adapter, 1).await, None);
}

pub async fn a_session_has_so_many_credentials_and_the_oldest_make_room<A: Adapter>() {
    let adapter = open::<A>().await;
    let most = u8::try_from(CREDENTIALS_MAX).expect("few");
    for n in 1..=most + 2 {
        adapter.wind(Duration::from_secs(1)).await;
        issue(&adapter, n, token(&adapter, n)).await;
        issue(&adapter, 100 + n, api_key(&adapter, 100 + n, "default")).await;
    }
    assert_eq!(ids(&adapter, of_session()).await.len(), CREDENTIALS_MAX);
    for n in 1..=2 {
        assert_eq!(present(&adapter, n).await, None);
    }
    let keys = ids(&adapter, Holder::Keys(OrgId::default())).await;
    assert_eq!(keys.len(), CREDENTIALS_MAX + 2, "no key ends by itself");
}

pub async fn that_there_are_keys_is_known_in_every_organisation<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    assert_eq!(adapter.store().has_keys().await, Ok(false));
    issue(&adapter, 2, api_key(&adapter, 2, "clinic")).await;
    assert_eq!(adapter.store().has_keys().await, Ok(true));
}

pub async fn for_what_is_not_there_nothing_is_issued<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let login =
        Credential { session: None, clinician: ClinicianName::parse("ana").ok(), ..token(&adapter, 2) };
    for (n, credential) in [(1, token(&adapter, 1)), (2, login)] {
        assert_eq!(adapter.store().issue(hash(n), credential).await, Ok(false));
        assert_eq!(present(&adapter, n).await, None);
    }
    let desk = Desk::of(&adapter);
    for round in 10..60 {
        desk.turn("s").await;
        let issued = adapter.store().issue(hash(round), token(&adapter, round));
        let session = key("s");
        let (issued, gone) = tokio::join!(issued, adapter.store().delete(&session));
        assert!(issued.is_ok() && gone.is_ok_and(|receipt| receipt.is_some()));
        assert_eq!(present(&adapter, round).await, None, "it outlived its session");
    }
}

pub async fn those_that_have_ended_make_room_and_none_that_stands<A: Adapter>() {
    let adapter = open::<A>().await;
    for n in 0..4 {
        issue(&adapter, n, token(&adapter, n)).await;
    }
    adapter.wind(HOUR * 2).await;
    let most = u8::try_from(CREDENTIALS_MAX).expect("few");
    for n in 4..=most {
        issue(&adapter, n, token(&adapter, n)).await;
    }
    assert_eq!(ids(&adapter, of_session()).await.len(), CREDENTIALS_MAX - 3);
    for n in 4..=most {
        assert!(present(&adapter, n).await.is_some(), "{n} was thrown out though nothing was full");
    }
}

pub async fn an_id_like_no_other_revokes_nothing<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 1, token(&adapter, 1)).await;
    for id in ["-", "", "*", "id", "id1 "] {
        assert_eq!(adapter.store().revoke(of_session(), Some(id.to_owned())).await, Ok(0), "{id:?}");
    }
    assert!(present(&adapter, 1).await.is_some());
}

pub async fn whoever_held_a_token_is_not_let_into_a_later_session_of_the_id<A: Adapter>() {
    let adapter = open::<A>().await;
    let lasting =
        Credential { idle: None, ends_at: Some(adapter.now().plus(DAY * 30)), ..token(&adapter, 1) };
    issue(&adapter, 1, lasting).await;
    adapter.wind(DAY * 2).await;
    assert!(present(&adapter, 1).await.is_some(), "it outlives its session, for who comes back");
    Desk::of(&adapter).create("s", None).await;
    assert_eq!(present(&adapter, 1).await, None);
}

pub async fn unused_tickets_make_room_before_any_token<A: Adapter>() {
    let adapter = open::<A>().await;
    issue(&adapter, 0, token(&adapter, 0)).await;
    for n in 1..=2 * u8::try_from(CREDENTIALS_MAX).expect("few") {
        adapter.wind(Duration::from_secs(1)).await;
        let ticket = Credential { kind: Kind::Ticket, idle: None, ..token(&adapter, n) };
        issue(&adapter, n, ticket).await;
    }
    assert!(present(&adapter, 0).await.is_some(), "whoever asked for them is put out");
    assert_eq!(ids(&adapter, of_session()).await.len(), CREDENTIALS_MAX);
}
