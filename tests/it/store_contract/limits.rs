//! The limiter, and the bound of the lane of danger.

use std::time::Duration;

use attune::domain::safety::Level;
use attune::store::{Abandon, Gate, Limits, Remaining};

use crate::world::{Adapter, Desk, begun, is_left, key, limits, reply, used};

const MINUTE: Duration = Duration::from_mins(1);
const SECOND: Duration = Duration::from_secs(1);

fn of(rate_limit: u32) -> Limits {
    Limits { rate_limit, ..limits() }
}

async fn is_limited<A: Adapter>(desk: &Desk<'_, A>) -> bool {
    matches!(desk.ask(desk.request("s")).await, Gate::Limited(_))
}

pub async fn the_one_too_many_is_told_how_long<A: Adapter>() {
    let adapter = A::open(of(2)).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.wind(SECOND * 20).await;
    desk.turn("s").await;
    let Gate::Limited(quota) = desk.ask(desk.request("s")).await else { panic!("a third was let in") };
    assert_eq!((quota.limit, quota.remaining), (2, 0));
    assert!(is_left(Some(Remaining::For(quota.reset)), SECOND * 40));
    adapter.wind(SECOND * 40).await;
    let begun = desk.begun("s").await;
    assert_eq!((begun.quota.limit, begun.quota.remaining), (2, 0));
}

pub async fn a_minutes_edge_lets_no_more_through<A: Adapter>() {
    let adapter = A::open(of(10)).await;
    let desk = Desk::of(&adapter);
    let mut admitted = Vec::new();
    for second in 0..150 {
        if let Gate::Begun(begun) = desk.ask(desk.request("s")).await {
            desk.turn_of("s", &begun).await;
            admitted.push(second);
        }
        adapter.wind(SECOND).await;
    }
    for start in 0..150 {
        assert!(admitted.iter().filter(|at| (start..start + 60).contains(*at)).count() <= 10);
    }
    assert_eq!(admitted.len(), 30);
}

pub async fn permits_come_back_from_what_did_not_run<A: Adapter>() {
    let adapter = A::open(of(1)).await;
    let desk = Desk::of(&adapter);
    for _ in 0..3 {
        let begun = desk.begun("s").await;
        desk.abandon("s", begun.lease, Abandon::Failed).await;
        desk.abandon("s", begun.lease, Abandon::Failed).await;
    }
    desk.turn("s").await;
    assert!(is_limited(&desk).await);
}

pub async fn a_stopped_turn_keeps_its_permit<A: Adapter>() {
    let adapter = A::open(of(1)).await;
    let desk = Desk::of(&adapter);
    let begun = desk.begun("s").await;
    desk.abandon("s", begun.lease, Abandon::Stopped).await;
    assert!(is_limited(&desk).await);
    adapter.wind(MINUTE).await;
    assert!(!is_limited(&desk).await);
}

pub async fn a_repeated_begin_takes_one_permit<A: Adapter>() {
    let adapter = A::open(of(2)).await;
    let desk = Desk::of(&adapter);
    let (first, second) = (desk.request("s"), desk.request("s"));
    for _ in 0..3 {
        assert!(matches!(desk.ask(first.clone()).await, Gate::Begun(_)));
        assert!(matches!(desk.ask(second.clone()).await, Gate::Queued(_)));
    }
    assert!(is_limited(&desk).await);
}

pub async fn replays_and_joins_take_none<A: Adapter>() {
    let adapter = A::open(of(1)).await;
    let desk = Desk::of(&adapter);
    let runner = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    assert!(matches!(desk.ask(desk.keyed("s", used(1, 1))).await, Gate::Running(_)));
    assert!(matches!(desk.ask(desk.keyed("s", used(1, 2))).await, Gate::KeyReused));
    let mut commit = desk.commit_of("s", &runner);
    commit.reply = Some((used(1, 1), reply("a")));
    desk.commit(commit).await;
    assert!(matches!(desk.ask(desk.keyed("s", used(1, 1))).await, Gate::Replay(_)));
    assert!(is_limited(&desk).await);
}

pub async fn the_allowance_outlives_the_process<A: Adapter>() {
    let mut adapter = A::open(of(2)).await;
    for _ in 0..2 {
        Desk::of(&adapter).turn("s").await;
    }
    adapter.reopen().await;
    assert!(is_limited(&Desk::of(&adapter)).await);
    adapter.wind(MINUTE).await;
    assert!(!is_limited(&Desk::of(&adapter)).await);
}

pub async fn danger_has_its_own_bound<A: Adapter>() {
    let adapter = A::open(Limits { danger_limit: 2, ..of(1) }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    assert!(is_limited(&desk).await);
    for _ in 0..2 {
        let begun = begun(desk.ask(desk.danger("s")).await);
        desk.turn_of("s", &begun).await;
    }
    assert!(matches!(desk.ask(desk.danger("s")).await, Gate::Limited(_)));
    adapter.wind(MINUTE).await;
    assert!(matches!(desk.ask(desk.danger("s")).await, Gate::Begun(_)));
}

pub async fn a_session_in_danger_is_always_in_its_lane<A: Adapter>() {
    let adapter = A::open(of(1)).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    for _ in 0..5 {
        desk.turn("s").await;
    }
    desk.raise("new", Level::None).await;
    desk.turn("new").await;
    desk.turn("new").await;
}

pub async fn a_delete_forgets_the_permits<A: Adapter>() {
    let adapter = A::open(of(1)).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    desk.turn("s").await;
}
