//! An end to sessions that nobody uses, and what its receipt says.

use attune::domain::alert::ReportReason;
use attune::domain::safety::Level;
use attune::domain::session::Event;
use attune::store::{Abandon, Limits, Receipt};

use super::alerts::report;
use super::care::note;
use super::credentials::{issue, token};
use crate::world::{Adapter, DAY, Desk, HOUR, begun, key, limits, reply, used};

async fn delete_idle(adapter: &impl Adapter, id: &str) -> Option<Receipt> {
    adapter.store().delete_idle(&key(id), adapter.now().minus(HOUR)).await.expect("the store is there")
}

pub async fn an_idle_session_goes_and_its_receipt_counts_all_that_went_with_it<A: Adapter>() {
    let mut adapter = A::open(Limits { history_max: 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let dangerous = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &dangerous);
    commit.session.level = Level::Elevated;
    desk.commit(commit).await;
    // As many as the Redis store lets stand beyond the window before it trims.
    for _ in 0..8 {
        desk.turn("s").await;
    }
    let keyed = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let mut commit = desk.commit_of("s", &keyed);
    commit.reply = Some((used(1, 1), reply("a reply")));
    desk.commit(commit).await;
    for n in 0..3 {
        adapter.store().note(&key("s"), note(&adapter, n)).await.expect("the store is there");
    }
    for n in 0..2 {
        issue(&adapter, n, token(&adapter, n)).await;
    }
    let kept = u64::try_from(desk.turns("s").await.len()).expect("a few");
    assert!(kept > 2, "nothing is pinned beyond the window");
    adapter.wind(HOUR * 2).await;
    issue(&adapter, 9, token(&adapter, 9)).await;
    let receipt = delete_idle(&adapter, "s").await.expect("it is idle");
    let expected = Receipt {
        exchanges: kept,
        stored_replies: 1,
        notes: 3,
        // The others have not been used for so long that they had ended.
        credentials: 1,
        messages: 0,
        safety_memory_kept: true,
        verified: true,
    };
    assert_eq!(receipt, expected);
    adapter.reopen().await;
    assert!(Desk::of(&adapter).read("s").await.is_none());
    assert_eq!(delete_idle(&adapter, "s").await, None);
}

pub async fn what_was_used_since_or_is_held_or_worked_on_stays<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    for id in ["idle", "reported", "worked", "used"] {
        desk.turn(id).await;
    }
    report(&adapter, "reported", Some(1), ReportReason::Other).await;
    adapter.wind(HOUR * 2).await;
    desk.turn("used").await;
    let worked = desk.begun("worked").await;
    for id in ["reported", "worked", "used", "never"] {
        assert_eq!(delete_idle(&adapter, id).await, None, "{id}");
    }
    desk.abandon("worked", worked.lease, Abandon::Failed).await;
    desk.raise("idle", Level::High).await;
    for id in ["idle", "worked", "used"] {
        assert_eq!(delete_idle(&adapter, id).await, None, "{id} is its client's, who is in danger");
    }
    desk.transition("idle", Event::Clear).await;
    for id in ["idle", "worked"] {
        assert!(delete_idle(&adapter, id).await.is_some(), "{id}");
    }
    assert_eq!(desk.turns("used").await, [1, 2]);
    assert_eq!(desk.turns("reported").await, [1]);
}

pub async fn of_an_end_and_a_beginning_at_once_one_comes_first<A: Adapter>() {
    let adapter = A::open(Limits { session_ttl: DAY * 20, ..limits() }).await;
    let desk = Desk::of(&adapter);
    for round in 0..50 {
        let id = format!("s{round}");
        desk.turn(&id).await;
        adapter.wind(HOUR * 2).await;
        let (receipt, begun) = tokio::join!(delete_idle(&adapter, &id), desk.begun(&id));
        assert_eq!(receipt.is_some(), begun.session.is_none(), "a turn began in what was on its way out");
        let revision = desk.turn_of(&id, &begun).await;
        assert!(revision > 0);
        assert_eq!(desk.turns(&id).await.len(), if receipt.is_some() { 1 } else { 2 });
    }
}
