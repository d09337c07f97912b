//! Whose a session was that has gone, while that client is in danger.

use std::sync::Arc;

use attune::domain::safety::Level;
use attune::domain::session::{Event, Session, Status};
use attune::store::{Abandon, Begin, Create, Created, Lane, Raise, Raised};

use crate::world::{Adapter, DAY, Desk, begun, client, handed, key, limits, opening};

/// As one asks who names no client.
fn unnamed(desk: &Desk<'_, impl Adapter>, id: &str) -> Begin {
    Begin { client: client("nobody"), ..desk.request(id) }
}

pub async fn the_id_of_a_gone_session_is_its_clients_while_that_one_is_in_danger<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    let begun = begun(desk.ask(unnamed(&desk, "s")).await);
    assert_eq!((&begun.client, begun.memory.level), (&client("c"), Level::High));
    desk.abandon("s", begun.lease, Abandon::Failed).await;
    let raise = Raise { session: key("s"), client: client("nobody"), level: Level::High, why: Vec::new() };
    assert_eq!(adapter.store().raise(raise).await, Ok(Raised { level: Level::High, rose: false }));
    let mut session = opening(&key("s"), &client("nobody"), adapter.now());
    session.client_id = None;
    let reply = |_: &Session| Arc::from(*b"{}");
    let create = Create { key: key("s"), session, idempotency: None, reply };
    let created = adapter.store().create(create).await.expect("the store is there");
    let Created::Created(session) = created else { panic!("it stood") };
    assert_eq!((&session.client, session.status), (&client("c"), Status::Paused));
}

pub async fn an_id_outlives_its_sessions_end_in_danger<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::Elevated).await;
    adapter.wind(DAY).await;
    for _before_and_after_the_sweep in 0..2 {
        let begun = begun(desk.ask(unnamed(&desk, "s")).await);
        assert!(begun.session.is_none());
        assert_eq!((&begun.client, begun.memory.level), (&client("c"), Level::Elevated));
        desk.abandon("s", begun.lease, Abandon::Failed).await;
        adapter.store().sweep().await.expect("the store is there");
    }
}

pub async fn one_in_danger_who_waits_while_the_session_goes_is_still_its_client<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    desk.begun("s").await;
    let danger = desk.queued(Begin { lane: Lane::Danger, ..unnamed(&desk, "s") }).await;
    let session = key("s");
    let (danger, _) = tokio::join!(desk.claim(danger), adapter.store().delete(&session));
    let danger = handed(danger);
    assert!(danger.session.is_none());
    assert_eq!((&danger.client, danger.memory.level), (&client("c"), Level::High));
}

pub async fn whose_a_gone_session_was_is_forgotten_when_the_level_falls<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["s", "t"] {
        desk.turn(id).await;
    }
    desk.raise("t", Level::High).await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    desk.transition("t", Event::Clear).await;
    desk.raise("t", Level::Crisis).await;
    let begun = begun(desk.ask(unnamed(&desk, "s")).await);
    assert_eq!((&begun.client, begun.memory.level), (&client("nobody"), Level::None));
}

pub async fn an_id_that_was_given_to_another_client_stays_that_ones<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("t").await;
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    let session = opening(&key("s"), &client("other"), adapter.now());
    let reply = |_: &Session| Arc::from(*b"{}");
    let create = Create { key: key("s"), session, idempotency: None, reply };
    let created = adapter.store().create(create).await.expect("the store is there");
    assert!(matches!(created, Created::Created(session) if session.level == Level::None));
    desk.transition("t", Event::Clear).await;
    assert_eq!(begun(desk.ask(unnamed(&desk, "s")).await).client, client("other"));
}
