//! The ratchet, clearing, and the lifecycle outside of turns.

use std::time::Duration;

use attune::domain::safety::{Basis, Level, Negative};
use attune::domain::session::{Event, Party, Refusal, Status};
use attune::store::{
    Abandon, Begun, Committed, Created, Limits, ListQuery, Lower, Lowered, Raised, Transition, Transitioned,
};
use futures_util::future::join_all;

use crate::world::{Adapter, DAY, Desk, everything, is_left, key, limits};

pub async fn raising_pauses_at_once_and_overtakes_the_turn<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    assert_eq!(desk.raise("s", Level::High).await, Raised { level: Level::High, rose: true });
    let session = desk.session("s").await;
    assert_eq!((session.status, session.paused_by), (Status::Paused, Some(Party::Safety)));
    let Committed::Overtaken(reloaded) = desk.commit(commit).await else { panic!("it was written") };
    let anew = Begun { session: reloaded.session, memory: reloaded.memory, ..begun };
    desk.turn_of("s", &anew).await;
    assert_eq!(desk.turns("s").await, [1, 2]);
}

pub async fn a_lower_raise_changes_nothing<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::Crisis).await;
    let revision = desk.session("s").await.revision;
    assert_eq!(desk.raise("s", Level::High).await, Raised { level: Level::Crisis, rose: false });
    assert_eq!(desk.raise("s", Level::Crisis).await, Raised { level: Level::Crisis, rose: false });
    let session = desk.session("s").await;
    assert_eq!((session.level, session.revision), (Level::Crisis, revision));
}

pub async fn a_level_counts_for_all_of_a_clients_sessions<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::High).await;
    assert_eq!(desk.session("t").await.status, Status::Paused);
    let begun = desk.begun("t").await;
    assert_eq!(begun.session.expect("it stands").level, Level::High);
    assert_eq!(begun.memory.level, Level::High);
}

pub async fn a_new_session_begins_under_the_remembered_level<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    assert!(desk.raise("s", Level::Crisis).await.rose);
    let begun = desk.begun("s").await;
    assert!(begun.session.is_none() && begun.memory.level == Level::Crisis);
    let mut blind = desk.commit_of("s", &begun);
    blind.decided_under = Level::None;
    assert!(matches!(desk.commit(blind).await, Committed::Overtaken(_)));
    let mut commit = desk.commit_of("s", &begun);
    commit.decided_under = begun.memory.level;
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    assert_eq!(desk.session("s").await.status, Status::Paused);
    let created = desk.create("t", None).await;
    assert!(matches!(created, Created::Created(session) if session.status == Status::Paused));
}

pub async fn a_turn_that_finds_danger_raises_the_memory<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("t").await;
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::High;
    commit.why = vec!["si.active.1".to_owned()];
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    let session = desk.session("s").await;
    assert_eq!((session.status, session.pins.as_slice()), (Status::Paused, [1].as_slice()));
    assert_eq!(desk.session("t").await.status, Status::Paused);
    assert_eq!(desk.begun("t").await.memory.why, ["si.active.1"]);
}

pub async fn clearing_lets_the_session_go_on<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::High).await;
    let refused = desk.transition("s", Event::Resume).await;
    assert_eq!(refused, Transitioned::Refused(Refusal::Level(Level::High)));
    assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Done(Status::Active));
    for id in ["s", "t"] {
        let session = desk.session(id).await;
        assert_eq!((session.status, session.level), (Status::Active, Level::None));
    }
    assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Done(Status::Active));
    desk.turn("s").await;
    assert!(desk.raise("s", Level::High).await.rose);
}

pub async fn a_turn_from_before_the_clearing_raises_nothing<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    desk.transition("s", Event::Clear).await;
    let Committed::Changed(reloaded) = desk.commit(commit.clone()).await else { panic!("it was written") };
    // Decided anew by somebody who keeps the old level and epoch: it counts no more.
    let mut again = commit;
    again.base_revision = reloaded.session.expect("it stands").revision;
    assert!(matches!(desk.commit(again).await, Committed::Committed { .. }));
    let session = desk.session("s").await;
    assert_eq!((session.status, session.level), (Status::Active, Level::None));
}

pub async fn a_clearing_is_seen_by_the_first_turn_of_a_new_session<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("old").await;
    desk.raise("old", Level::High).await;
    let begun = desk.begun("new").await;
    let mut commit = desk.commit_of("new", &begun);
    commit.session.align(&begun.memory, adapter.now());
    commit.decided_under = begun.memory.level;
    desk.transition("old", Event::Clear).await;
    if let Committed::Changed(reloaded) = desk.commit(commit).await {
        let anew = Begun { session: reloaded.session, memory: reloaded.memory, ..begun };
        desk.turn_of("new", &anew).await;
    }
    let read = desk.read("new").await.expect("it stands");
    assert_eq!((read.session.level, read.session.status), (Level::None, Status::Active));
    assert!(is_left(Some(read.remaining), DAY), "it ends like any other");
}

pub async fn what_raised_a_level_is_kept_until_it_is_cleared<A: Adapter>() {
    let adapter = A::open(Limits { history_max: 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    let mut commit = desk.commit_of("s", &begun);
    commit.session.level = Level::High;
    desk.commit(commit).await;
    for _ in 0..4 {
        desk.turn("s").await;
    }
    assert_eq!(desk.turns("s").await, [2, 5, 6]);
    desk.transition("s", Event::Clear).await;
    assert_eq!(desk.turns("s").await, [5, 6]);
    let receipt = adapter.store().delete(&key("s")).await.expect("it is there");
    assert!(receipt.expect("it stood").exchanges >= 2);
}

pub async fn an_own_pause_outlives_the_clearing<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    assert_eq!(desk.transition("s", Event::Pause).await, Transitioned::Done(Status::Paused));
    desk.raise("s", Level::High).await;
    assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Done(Status::Paused));
    assert_eq!(desk.transition("s", Event::Resume).await, Transitioned::Done(Status::Active));
}

pub async fn a_level_outlives_a_delete_and_a_crash<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.raise("s", Level::High).await;
    adapter.store().delete(&key("s")).await.expect("it is there");
    adapter.reopen().await;
    let begun = Desk::of(&adapter).begun("s").await;
    assert!(begun.session.is_none() && begun.memory.level == Level::High);
}

pub async fn the_lifecycle_says_no_with_a_reason<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    assert_eq!(desk.transition("s", Event::Pause).await, Transitioned::Absent);
    assert_eq!(desk.transition("s", Event::Clear).await, Transitioned::Absent);
    desk.turn("s").await;
    desk.transition("s", Event::Pause).await;
    let resume = Transition {
        session: key("s"),
        event: Event::Resume,
        by: Party::Client,
        reason: String::new(),
        seen: None,
    };
    let refused = adapter.store().transition(resume).await.expect("it is there");
    assert_eq!(refused, Transitioned::Refused(Refusal::PausedByAnother));
    assert_eq!(desk.session("s").await.status, Status::Paused);
    assert_eq!(desk.transition("s", Event::Complete).await, Transitioned::Done(Status::Completed));
    let session = desk.session("s").await;
    assert!(session.completed_at.is_some());
    let refused = desk.transition("s", Event::Pause).await;
    assert_eq!(refused, Transitioned::Refused(Refusal::Status(Status::Completed)));
    assert_eq!(desk.session("s").await, session);
    // Danger still counts, and the status stays.
    desk.raise("s", Level::Crisis).await;
    let session = desk.session("s").await;
    assert_eq!((session.status, session.level), (Status::Completed, Level::Crisis));
}

pub async fn a_transition_is_seen_by_the_turn_in_flight<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    let begun = desk.begun("s").await;
    let commit = desk.commit_of("s", &begun);
    desk.transition("s", Event::Pause).await;
    assert!(matches!(desk.commit(commit).await, Committed::Changed(_)));
}

/// 1,000 raises while 100,000 reads go on.
pub async fn a_hundred_thousand_reads_never_see_a_session_going_on_in_danger<A: Adapter>() {
    const SESSIONS: usize = 1_000;
    const READS: usize = 100_000;
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let ids: Vec<String> = (0..SESSIONS).map(|n| format!("s{n}")).collect();
    for id in &ids {
        desk.create(id, None).await;
    }
    let raising = async {
        for (n, id) in ids.iter().enumerate() {
            desk.raise(id, [Level::High, Level::Crisis][n % 2]).await;
        }
    };
    let read = |n: usize| desk.session(&ids[(n * 7) % SESSIONS]);
    assert!(join_all((0..100).map(read)).await.iter().all(|session| !session.level.pauses()));
    let reading = async {
        let mut in_danger = 0;
        for first in (0..READS).step_by(100) {
            for session in join_all((first..first + 100).map(read)).await {
                assert!(!(session.level.pauses() && session.status.is_going_on()), "{}", session.id);
                in_danger += usize::from(session.level.pauses());
            }
        }
        in_danger
    };
    let ((), in_danger) = tokio::join!(raising, reading);
    assert!(in_danger > 0, "the reads saw both sides of a raise");
}

pub async fn a_level_counts_however_many_sessions_a_client_has<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let ids: Vec<String> = (0..250).map(|n| format!("s{n}")).collect();
    for id in &ids {
        desk.create(id, None).await;
    }
    desk.raise("s7", Level::Crisis).await;
    for id in &ids {
        let session = desk.session(id).await;
        assert_eq!((session.level, session.status), (Level::Crisis, Status::Paused), "{id}");
    }
    let active = ListQuery { status: Some(Status::Active), limit: 500, ..everything() };
    assert!(desk.rows(active).await.is_empty());
    assert_eq!(desk.begun("s249").await.session.expect("it stands").status, Status::Paused);
    desk.transition("s7", Event::Clear).await;
    for id in &ids {
        assert_eq!(desk.session(id).await.status, Status::Active, "{id}");
    }
}

/// A negative re-screen made on what the client's memory is now.
async fn negative<A: Adapter>(desk: &Desk<'_, A>, id: u64) -> Negative {
    let begun = desk.begun("s").await;
    desk.abandon("s", begun.lease, Abandon::Failed).await;
    Negative { id, basis: begun.memory.basis(), after: begun.memory.noted.map(|noted| noted.id) }
}

async fn lower<A: Adapter>(desk: &Desk<'_, A>, negative: Negative, apart: Option<Duration>) -> Lowered {
    let lower = Lower { session: key("s"), negative, apart, reason: "rescreen" };
    desk.store().lower(lower).await.expect("the store is there")
}

pub async fn a_negative_rescreen_lowers_elevated_and_is_remembered<A: Adapter>() {
    let mut adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    let absent = lower(&desk, Negative { id: 1, basis: Basis::default(), after: None }, None).await;
    assert_eq!(absent, Lowered::Absent);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::Elevated).await;
    desk.turn("s").await;
    let made = negative(&desk, 1).await;
    assert_eq!(lower(&desk, made, None).await, Lowered::Cleared(Status::Active));
    assert_eq!(
        lower(&desk, made, None).await,
        Lowered::Cleared(Status::Active),
        "a lost answer is told again"
    );
    for id in ["s", "t"] {
        assert_eq!(desk.session(id).await.level, Level::None, "{id}");
        desk.turn(id).await;
    }
    adapter.reopen().await;
    let session = Desk::of(&adapter).session("s").await;
    let last = session.transitions.last().expect("a fall is a transition");
    assert_eq!((last.by, last.why.as_str(), last.to), (Party::Safety, "rescreen", Status::Active));
    assert_eq!(session.transitions.iter().filter(|change| change.why == "rescreen").count(), 1);
    let Created::Created(new) = Desk::of(&adapter).create("new", None).await else {
        panic!("the id is free")
    };
    assert_eq!(new.transitions.len(), 1, "it has nothing to fall from");
}

pub async fn a_rescreen_is_void_when_anything_has_changed_since<A: Adapter>() {
    for level in [Level::Elevated, Level::High, Level::Crisis] {
        let adapter = A::open(limits()).await;
        let desk = Desk::of(&adapter);
        desk.turn("s").await;
        desk.turn("t").await;
        desk.raise("s", Level::Elevated).await;
        let made = negative(&desk, 1).await;
        // In another session of the client; at elevated nothing rises, and the sign counts all the same.
        assert_eq!(desk.raise("t", level).await.rose, level > Level::Elevated);
        let before = desk.session("s").await;
        assert_eq!(lower(&desk, made, None).await, Lowered::Refused);
        assert_eq!(desk.session("s").await, before);
        let others = [
            Basis { level: Level::None, ..negative(&desk, 2).await.basis },
            Basis { epoch: 0, ..negative(&desk, 2).await.basis },
            Basis { signs: 0, ..negative(&desk, 2).await.basis },
        ];
        for basis in others {
            assert_eq!(lower(&desk, Negative { id: 2, basis, after: None }, None).await, Lowered::Refused);
        }
    }
}

pub async fn a_turn_that_finds_the_same_level_again_is_a_sign<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::Elevated).await;
    let made = negative(&desk, 1).await;
    let begun = desk.begun("t").await;
    let mut commit = desk.commit_of("t", &begun);
    commit.why = vec!["answer.to_safety_question".to_owned()];
    assert!(matches!(desk.commit(commit).await, Committed::Committed { .. }));
    assert_eq!(lower(&desk, made, None).await, Lowered::Refused);
    desk.turn("t").await;
    let made = negative(&desk, 2).await;
    desk.turn("t").await;
    assert_eq!(lower(&desk, made, None).await, Lowered::Cleared(Status::Active), "a calm turn is no sign");
}

pub async fn high_and_crisis_fall_by_two_rescreens_a_day_apart<A: Adapter>() {
    for level in [Level::High, Level::Crisis] {
        let mut adapter = A::open(limits()).await;
        let desk = Desk::of(&adapter);
        desk.turn("s").await;
        desk.raise("s", level).await;
        desk.turn("s").await;
        let made = negative(&desk, 1).await;
        assert_eq!(lower(&desk, made, None).await, Lowered::Refused, "one is never enough");
        assert_eq!(lower(&desk, made, Some(DAY)).await, Lowered::Noted);
        adapter.wind(DAY - Duration::from_secs(1)).await;
        assert_eq!(lower(&desk, negative(&desk, 2).await, Some(DAY)).await, Lowered::Noted);
        adapter.reopen().await;
        let desk = Desk::of(&adapter);
        adapter.wind(Duration::from_secs(2)).await;
        let noted = negative(&desk, 1).await;
        assert_eq!(lower(&desk, noted, Some(DAY)).await, Lowered::Noted, "the same one counts once");
        assert_eq!(desk.session("s").await.status, Status::Paused);
        let second = negative(&desk, 3).await;
        assert_eq!(lower(&desk, second, Some(DAY)).await, Lowered::Cleared(Status::Active));
        let session = desk.session("s").await;
        assert_eq!((session.level, session.status), (Level::None, Status::Active));
        let last = session.transitions.last().expect("a fall is a transition");
        assert_eq!((last.from, last.by), (Status::Paused, Party::Safety));
        assert!(desk.raise("s", Level::High).await.rose);
        assert_eq!(desk.session("s").await.status, Status::Paused);
    }
}

pub async fn a_sign_between_two_rescreens_makes_the_second_the_first<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    desk.turn("t").await;
    desk.raise("s", Level::High).await;
    assert_eq!(lower(&desk, negative(&desk, 1).await, Some(DAY)).await, Lowered::Noted);
    adapter.wind(DAY).await;
    desk.raise("t", Level::Elevated).await;
    assert_eq!(lower(&desk, negative(&desk, 2).await, Some(DAY)).await, Lowered::Noted);
    assert_eq!(desk.session("s").await.level, Level::High);
    desk.transition("s", Event::Clear).await;
    desk.raise("s", Level::High).await;
    adapter.wind(DAY).await;
    let after = lower(&desk, negative(&desk, 3).await, Some(DAY)).await;
    assert_eq!(after, Lowered::Noted, "a clearing forgets what was noted");
}

pub async fn of_a_rescreen_and_a_sign_at_once_the_sign_always_counts<A: Adapter>() {
    for round in 0..40 {
        let adapter = A::open(limits()).await;
        let desk = Desk::of(&adapter);
        desk.turn("s").await;
        desk.raise("s", Level::Elevated).await;
        let made = negative(&desk, round).await;
        let (lowered, _) = if round % 2 == 0 {
            tokio::join!(lower(&desk, made, None), desk.raise("t", Level::Elevated))
        } else {
            let (raised, lowered) = tokio::join!(desk.raise("t", Level::Elevated), lower(&desk, made, None));
            (lowered, raised)
        };
        assert!(matches!(lowered, Lowered::Cleared(_) | Lowered::Refused));
        assert_eq!(desk.session("s").await.level, Level::Elevated, "whichever came first");
    }
}

pub async fn a_clearing_and_danger_at_once_leave_danger<A: Adapter>() {
    let adapter = A::open(limits()).await;
    let desk = Desk::of(&adapter);
    desk.turn("s").await;
    for level in [Level::High, Level::Crisis, Level::Crisis].into_iter().cycle().take(60) {
        desk.raise("s", Level::High).await;
        let seen = Some(desk.read("s").await.expect("it stands").basis);
        let (event, by) = (Event::Clear, Party::Clinician);
        let clear = Transition { session: key("s"), event, by, reason: String::new(), seen };
        let (cleared, _) = tokio::join!(adapter.store().transition(clear), desk.raise("s", level));
        assert!(matches!(cleared, Ok(Transitioned::Done(_) | Transitioned::Overtaken)), "{cleared:?}");
        assert!(desk.session("s").await.level >= level, "it was cleared unseen");
        desk.transition("s", Event::Clear).await;
    }
}
