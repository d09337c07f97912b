//! Leases, queues, tickets, joiners, successors.

use std::time::Duration;

use attune::domain::id::{SessionId, SessionKey};
use attune::domain::safety::Level;
use attune::domain::session::{Event, Session};
use attune::store::{Abandon, Begin, Begun, Claim, Committed, Gate, Limits, Raise};

use crate::world::{Adapter, DAY, Desk, PATIENCE, begun, client, handed, key, limits, reply, used};

pub async fn fifty_at_once_come_in_order<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let first = desk.begun("s").await;
    let mut tickets = Vec::new();
    for _ in 0..49 {
        tickets.push(desk.queued(desk.request("s")).await);
    }
    let order = std::sync::Mutex::new(Vec::new());
    let waiters = tickets.into_iter().enumerate().map(|(place, ticket)| {
        let (desk, order) = (&desk, &order);
        async move {
            let begun = handed(desk.claim(ticket).await);
            order.lock().expect("no panic").push(place);
            desk.turn_of("s", &begun).await;
        }
    });
    let waiters = futures_util::future::join_all(waiters);
    tokio::join!(waiters, desk.turn_of("s", &first));
    assert_eq!(order.into_inner().expect("no panic"), (0..49).collect::<Vec<_>>());
    assert_eq!(desk.session("s").await.turn_count, 50);
}

pub async fn those_in_danger_go_first<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let mut holder = desk.begun("s").await;
    let ordinary = desk.queued(desk.request("s")).await;
    let danger = desk.queued(desk.danger("s")).await;
    let more_danger = desk.queued(desk.danger("s")).await;
    for ticket in [danger, more_danger, ordinary] {
        let (next, _) = tokio::join!(desk.claim(ticket), desk.turn_of("s", &holder));
        holder = handed(next);
    }
}

pub async fn a_repeated_begin_has_the_same_lease<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let request = desk.request("s");
    let first = begun(desk.ask(request.clone()).await);
    let again = begun(desk.ask(request).await);
    assert_eq!(first.lease, again.lease);
    desk.turn_of("s", &again).await;
}

pub async fn a_repeated_begin_has_the_same_place<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    let request = desk.request("s");
    let first = desk.queued(request.clone()).await;
    desk.queued(desk.request("s")).await;
    let again = desk.queued(request.clone()).await;
    assert_eq!(first.id, again.id);
    desk.turn_of("s", &holder).await;
    // Handed over by now, though nobody has claimed: the repeat finds the lease.
    let found = begun(desk.ask(request).await);
    assert_eq!(handed(desk.claim(again).await).lease, found.lease);
}

pub async fn a_claim_that_is_dropped_leaves_the_queue<A: Adapter>() {
    let adapter = A::open(Limits { rate_limit: 3, ..limits() }).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    let leaver = desk.queued(desk.request("s")).await;
    let stayer = desk.queued(desk.request("s")).await;
    assert!(matches!(desk.ask(desk.request("s")).await, Gate::Limited(_)));
    {
        let mut leaving = Box::pin(adapter.store().claim(leaver, PATIENCE));
        assert!(futures_util::poll!(&mut leaving).is_pending());
    }
    // The permit comes back, and the place is free for the next.
    let newcomer = loop {
        if let Gate::Queued(ticket) = desk.ask(desk.request("s")).await {
            break ticket;
        }
        tokio::task::yield_now().await;
    };
    let (next, _) = tokio::join!(desk.claim(stayer), desk.turn_of("s", &holder));
    let next = handed(next);
    let (last, _) = tokio::join!(desk.claim(newcomer), desk.turn_of("s", &next));
    desk.turn_of("s", &handed(last)).await;
}

pub async fn a_claim_that_waited_long_enough_is_told_busy<A: Adapter>() {
    let adapter = A::open(Limits { rate_limit: 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    for _ in 0..3 {
        let ticket = desk.queued(desk.request("s")).await;
        let claim = adapter.store().claim(ticket, Duration::ZERO).await.expect("it is there");
        let Claim::Busy { retry_after } = claim else { panic!("{claim:?}") };
        assert_eq!(retry_after, limits().lease_ttl);
    }
    desk.turn_of("s", &holder).await;
    desk.turn("s").await;
}

pub async fn a_waiter_gets_a_lease_that_ran_out<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let dead = desk.begun("s").await;
    let ticket = desk.queued(desk.request("s")).await;
    let poke = async {
        adapter.wind(limits().lease_ttl).await;
        adapter.store().sweep().await.expect("it is there");
    };
    let (next, ()) = tokio::join!(desk.claim(ticket), poke);
    let next = handed(next);
    assert_eq!(desk.commit(desk.commit_of("s", &dead)).await, Committed::Lost);
    desk.turn_of("s", &next).await;
    assert_eq!(desk.turns("s").await, [1]);
}

pub async fn a_hand_over_nobody_comes_for_goes_on<A: Adapter>() {
    let adapter = A::open(Limits { rate_limit: 3, ..limits() }).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    let absent = desk.queued(desk.request("s")).await;
    let present = desk.queued(desk.request("s")).await;
    desk.turn_of("s", &holder).await;
    let poke = async {
        adapter.wind(limits().claim_ttl).await;
        adapter.store().sweep().await.expect("it is there");
    };
    let (next, ()) = tokio::join!(desk.claim(present), poke);
    assert!(matches!(desk.claim(absent).await, Claim::Busy { .. }));
    desk.turn_of("s", &handed(next)).await;
    desk.turn("s").await;
    assert!(matches!(desk.ask(desk.request("s")).await, Gate::Limited(_)));
}

pub async fn newcomers_queue_while_anyone_waits<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    let waiting = desk.queued(desk.request("s")).await;
    desk.turn_of("s", &holder).await;
    let newcomer = desk.queued(desk.request("s")).await;
    let first = handed(desk.claim(waiting).await);
    let (next, _) = tokio::join!(desk.claim(newcomer), desk.turn_of("s", &first));
    desk.turn_of("s", &handed(next)).await;
}

pub async fn with_waiting_switched_off_nobody_does<A: Adapter>() {
    let off = Limits { lease_wait: Duration::ZERO, rate_limit: 2, ..limits() };
    let adapter = A::open(off).await;
    let desk = Desk::of(&adapter);
    let holder = desk.begun("s").await;
    for _ in 0..3 {
        let gate = desk.ask(desk.request("s")).await;
        assert!(matches!(gate, Gate::Busy { retry_after } if retry_after == limits().lease_ttl));
    }
    desk.turn_of("s", &holder).await;
    desk.turn("s").await;
}

pub async fn a_full_queue_refuses_all_but_danger<A: Adapter>() {
    let adapter = A::open(Limits { queue_max: 1, rate_limit: 3, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.begun("s").await;
    desk.queued(desk.request("s")).await;
    for _ in 0..3 {
        assert!(matches!(desk.ask(desk.request("s")).await, Gate::QueueFull { .. }));
    }
    for _ in 0..5 {
        desk.queued(desk.danger("s")).await;
    }
}

pub async fn the_same_request_joins_the_one_that_runs<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let runner = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let Gate::Running(ticket) = desk.ask(desk.keyed("s", used(1, 1))).await else { panic!("it ran twice") };
    let mut commit = desk.commit_of("s", &runner);
    commit.reply = Some((used(1, 1), reply("done")));
    let (claim, _) = tokio::join!(desk.claim(ticket), desk.commit(commit));
    assert!(matches!(&claim, Claim::Replay(bytes) if **bytes == *b"done"), "{claim:?}");
    assert_eq!(desk.turns("s").await, [1]);
}

pub async fn one_who_joined_takes_over_when_the_turn_fails<A: Adapter>() {
    let adapter = A::open(Limits { rate_limit: 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    let runner = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let joined = desk.queued(desk.keyed("s", used(1, 1))).await;
    let also = desk.queued(desk.keyed("s", used(1, 1))).await;
    let waiting = desk.queued(desk.request("s")).await;
    let (heir, ()) = tokio::join!(desk.claim(joined), desk.abandon("s", runner.lease, Abandon::Failed));
    let heir = handed(heir);
    // One permit for the request, however often it was sent; the other waits with its own.
    assert!(matches!(desk.ask(desk.request("s")).await, Gate::Limited(_)));
    let mut commit = desk.commit_of("s", &heir);
    commit.reply = Some((used(1, 1), reply("done")));
    let (replay, next, _) = tokio::join!(desk.claim(also), desk.claim(waiting), desk.commit(commit));
    assert!(matches!(replay, Claim::Replay(_)));
    desk.turn_of("s", &handed(next)).await;
}

pub async fn one_who_joined_takes_over_when_the_lease_dies<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let joined = desk.queued(desk.keyed("s", used(1, 1))).await;
    let poke = async {
        adapter.wind(limits().lease_ttl).await;
        adapter.store().health().await.expect("it is there");
    };
    let (heir, ()) = tokio::join!(desk.claim(joined), poke);
    desk.turn_of("s", &handed(heir)).await;
}

pub async fn a_joined_turn_can_be_claimed_late<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let runner = begun(desk.ask(desk.keyed("s", used(1, 1))).await);
    let ticket = desk.queued(desk.keyed("s", used(1, 1))).await;
    let mut commit = desk.commit_of("s", &runner);
    commit.reply = Some((used(1, 1), reply("done")));
    desk.commit(commit).await;
    assert!(matches!(desk.claim(ticket).await, Claim::Replay(_)));
}

/// Opens the successor that the gate names and commits a turn in it.
async fn succeed<A: Adapter>(desk: &Desk<'_, A>, root: &str, id: &str, before: &str) -> Begun {
    let predecessor = Some(key(before));
    let begun = begun(desk.ask(Begin { predecessor, ..desk.request(id) }).await);
    let mut commit = desk.commit_of(id, &begun);
    commit.session.successor_of = Some(SessionId::parse(root).expect("an id"));
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    begun
}

async fn gone<A: Adapter>(desk: &Desk<'_, A>, id: &str) -> SessionKey {
    match desk.ask(desk.request(id)).await {
        Gate::Gone { successor } => successor,
        other => panic!("not gone but {other:?}"),
    }
}

pub async fn a_session_that_is_gone_names_its_successor<A: Adapter>() {
    let adapter = A::open(Limits { rate_limit: 1, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.transition("s", Event::Expire).await;
    for _ in 0..3 {
        assert_eq!(gone(&desk, "s").await, key("s.2"));
    }
    succeed(&desk, "s", "s.2", "s").await;
    assert_eq!(gone(&desk, "s").await, key("s.2"));
    assert_eq!(desk.session("s").await.turn_count, 1, "the old id means the old record");
}

pub async fn a_line_goes_on_from_its_newest<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.transition("s", Event::Expire).await;
    succeed(&desk, "s", "s.2", "s").await;
    desk.transition("s.2", Event::Fault).await;
    assert_eq!(gone(&desk, "s").await, key("s.3"));
    assert_eq!(gone(&desk, "s.2").await, key("s.3"));
    succeed(&desk, "s", "s.3", "s.2").await;
    assert_eq!(gone(&desk, "s").await, key("s.3"));
    assert_eq!(gone(&desk, "s.2").await, key("s.3"));
    adapter.store().delete(&key("s.3")).await.expect("it is there");
    assert_eq!(gone(&desk, "s").await, key("s.3"), "the number is free again");
}

pub async fn a_vanished_session_still_leads_to_its_successor<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.transition("s", Event::Expire).await;
    adapter.wind(DAY / 2).await;
    succeed(&desk, "s", "s.2", "s").await;
    adapter.wind(DAY / 2).await;
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    assert!(desk.read("s").await.is_none());
    assert_eq!(gone(&desk, "s").await, key("s.2"));
    adapter.wind(DAY / 2).await;
    assert!(begun(desk.ask(desk.request("s")).await).session.is_none(), "both are past");
}

pub async fn danger_at_a_vanished_session_counts_for_its_successors_client<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.transition("s", Event::Expire).await;
    adapter.wind(DAY / 2).await;
    succeed(&desk, "s", "s.2", "s").await;
    adapter.wind(DAY / 2).await;
    assert!(desk.read("s").await.is_none());
    let raise = Raise { session: key("s"), client: client("s"), level: Level::High, why: Vec::new() };
    assert!(adapter.store().raise(raise).await.expect("the store is there").rose);
    assert_eq!(desk.session("s.2").await.level, Level::High);
}

pub async fn a_waiter_is_told_that_the_session_went<A: Adapter>() {
    let adapter = A::open(Limits { rate_limit: 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let holder = desk.begun("s").await;
    adapter.wind(Duration::from_mins(1)).await;
    adapter.wind(Duration::from_secs(0)).await;
    assert!(!adapter.store().renew(&key("s"), holder.lease).await.expect("it is there"));
    let holder = desk.begun("s").await;
    let ticket = desk.queued(desk.request("s")).await;
    desk.transition("s", Event::Expire).await;
    let (claim, ()) = tokio::join!(desk.claim(ticket), desk.abandon("s", holder.lease, Abandon::Failed));
    assert!(matches!(&claim, Claim::Gone { successor } if *successor == key("s.2")), "{claim:?}");
}

pub async fn a_long_queue_is_told_that_the_session_went<A: Adapter>() {
    const WAITERS: usize = 5_000;
    let adapter = A::open(Limits { queue_max: WAITERS, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let holder = desk.begun("s").await;
    let tickets = (0..WAITERS).map(|_| desk.queued(desk.request("s")));
    let tickets = futures_util::future::join_all(tickets).await;
    let claims = futures_util::future::join_all(tickets.into_iter().map(|ticket| desk.claim(ticket)));
    desk.transition("s", Event::Expire).await;
    let (claims, ()) = tokio::join!(claims, desk.abandon("s", holder.lease, Abandon::Failed));
    assert!(claims.iter().all(|claim| matches!(claim, Claim::Gone { .. })));
}

pub async fn the_successor_knows_its_predecessor<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.transition("s", Event::Expire).await;
    let first = succeed(&desk, "s", "s.2", "s").await;
    assert_eq!(first.predecessor.map(|before| Session::clone(&before).id), Some(key("s").id));
    let second = desk.begun("s.2").await;
    assert!(second.session.is_some() && second.predecessor.is_none());
}

pub async fn leases_do_not_outlive_the_process<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let lost = desk.begun("s").await;
    desk.queued(desk.request("s")).await;
    adapter.reopen().await;
    let desk = Desk::of(&adapter);
    assert_eq!(desk.commit(desk.commit_of("s", &lost)).await, Committed::Lost);
    desk.turn("s").await;
}
