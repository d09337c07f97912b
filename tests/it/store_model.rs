//! Any order of calls, lost answers, crashes and expiries keeps the invariants. The model knows only what was
//! acknowledged.

use std::collections::BTreeMap;
use std::time::Duration;

use attune::domain::alert::{Alert, AlertState};
use attune::domain::id::OrgId;
use attune::domain::safety::Level;
use attune::domain::session::Event;
use attune::domain::time::Timestamp;
use attune::store::{
    Abandon, Acknowledge, Acknowledged, AlertOrder, AlertQuery, Begin, BeginId, Begun, Claim, Commit,
    Committed, Gate, Limits, Raised, Ticket, Transitioned,
};
use proptest::prelude::*;

use crate::redis_world::Redis;
use crate::world::{Adapter, DAY, Desk, Embedded, everything, key, limits};

const SESSIONS: [&str; 2] = ["a", "b"];
const RATE: usize = 4;
const WINDOW: Duration = Duration::from_mins(1);

#[derive(Debug, Clone)]
enum Step {
    Begin { session: usize, again: bool },
    Claim { which: usize },
    Renew { which: usize },
    Commit { which: usize, level: Option<Level> },
    CommitAgain { which: usize },
    Abandon { which: usize, failed: bool },
    Raise { session: usize, level: Level },
    Transition { session: usize, event: Event },
    Wind { millis: u64 },
    Sweep,
    Delete { session: usize },
    Acknowledge { which: usize },
    Crash,
}

fn level() -> impl Strategy<Value = Level> {
    prop::sample::select(Level::ALL.to_vec())
}

fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS.len();
    let which = 0..8_usize;
    let event = prop::sample::select(vec![Event::Pause, Event::Resume, Event::Clear, Event::Complete]);
    let millis = prop::sample::select(vec![100, 5_000, 10_000, 60_000, DAY.as_secs() * 1_000]);
    prop_oneof![
        8 => (session.clone(), any::<bool>()).prop_map(|(session, again)| Step::Begin { session, again }),
        4 => which.clone().prop_map(|which| Step::Claim { which }),
        1 => which.clone().prop_map(|which| Step::Renew { which }),
        8 => (which.clone(), prop::option::weighted(0.2, level()))
            .prop_map(|(which, level)| Step::Commit { which, level }),
        2 => which.clone().prop_map(|which| Step::CommitAgain { which }),
        2 => (which, any::<bool>()).prop_map(|(which, failed)| Step::Abandon { which, failed }),
        1 => (session.clone(), level()).prop_map(|(session, level)| Step::Raise { session, level }),
        2 => (session.clone(), event).prop_map(|(session, event)| Step::Transition { session, event }),
        3 => millis.prop_map(|millis| Step::Wind { millis }),
        1 => Just(Step::Sweep),
        1 => session.prop_map(|session| Step::Delete { session }),
        1 => (0..4_usize).prop_map(|which| Step::Acknowledge { which }),
        1 => Just(Step::Crash),
    ]
}

/// A turn that somebody works on, as far as they know.
struct Turn {
    session: usize,
    id: BeginId,
    begun: Begun,
    /// When its permit was taken.
    permit_at: Timestamp,
    /// When its lease ends, unless it is renewed.
    until: Timestamp,
    is_over: bool,
}

/// What has been acknowledged.
#[derive(Default)]
struct Known {
    turns: Vec<Turn>,
    tickets: Vec<(usize, BeginId, Ticket)>,
    /// When the permits of those who wait were taken.
    permits: BTreeMap<u128, Timestamp>,
    begins: Vec<(usize, Begin)>,
    commits: Vec<(usize, Commit, Committed)>,
    /// Turns that stand, per session; empty when it went.
    stand: BTreeMap<usize, u32>,
    expires_at: BTreeMap<usize, Timestamp>,
    level: Level,
    /// The levels of the rises that nobody has acknowledged or cleared.
    open: Vec<Level>,
    /// When the permits of committed ordinary turns were taken.
    admitted: BTreeMap<usize, Vec<Timestamp>>,
}

struct Run<A: Adapter> {
    adapter: A,
    known: Known,
    ids: u128,
}

impl<A: Adapter> Run<A> {
    fn now(&self) -> Timestamp {
        self.adapter.now()
    }

    async fn step(&mut self, step: Step) {
        match step {
            Step::Begin { session, again } => self.begin(session, again).await,
            Step::Claim { which } => self.claim(which).await,
            Step::Renew { which } => self.renew(which).await,
            Step::Commit { which, level } => self.commit(which, level).await,
            Step::CommitAgain { which } => self.commit_again(which).await,
            Step::Abandon { which, failed } => self.abandon(which, failed).await,
            Step::Raise { session, level } => self.raise(session, level).await,
            Step::Transition { session, event } => self.transition(session, event).await,
            Step::Wind { millis } => self.adapter.wind(Duration::from_millis(millis)).await,
            Step::Sweep => {
                self.adapter.store().sweep().await.expect("it is there");
            }
            Step::Delete { session } => self.delete(session).await,
            Step::Acknowledge { which } => self.acknowledge(which).await,
            Step::Crash => {
                self.adapter.reopen().await;
                self.known.tickets.clear();
                self.known.begins.clear();
                self.known.permits.clear();
                self.known.turns.iter_mut().for_each(|turn| turn.is_over = true);
            }
        }
        self.check().await;
    }

    async fn begin(&mut self, session: usize, again: bool) {
        // Nobody repeats a begin whose turn is over: its answer was not lost.
        let is_over = |id| self.known.turns.iter().any(|turn| turn.id == id && turn.is_over);
        let repeat = self.known.begins.last().filter(|(_, begin)| again && !is_over(begin.id)).cloned();
        self.ids += 1;
        let fresh = Begin { id: BeginId(self.ids), ..Desk::of(&self.adapter).request(SESSIONS[session]) };
        let (session, request) = repeat.unwrap_or((session, fresh));
        let id = request.id;
        self.known.begins.push((session, request.clone()));
        match Desk::of(&self.adapter).ask(request).await {
            Gate::Begun(begun) => self.got(session, id, *begun),
            Gate::Queued(ticket) | Gate::Running(ticket) => {
                let now = self.now();
                self.known.permits.entry(id.0).or_insert(now);
                self.known.tickets.push((session, id, ticket));
            }
            Gate::Limited(_)
            | Gate::Busy { .. }
            | Gate::QueueFull { .. }
            | Gate::KeyReused
            | Gate::Replay(_)
            | Gate::Gone { .. } => {}
        }
    }

    /// Never two live leases on one session.
    fn got(&mut self, session: usize, id: BeginId, begun: Begun) {
        let now = self.now();
        let until = now.plus(begun.lease_ttl);
        let same = |turn: &&mut Turn| turn.session == session && turn.begun.lease == begun.lease;
        if let Some(turn) = self.known.turns.iter_mut().find(same) {
            turn.until = until; // A repeat: the lease stands for its whole time from here.
            return;
        }
        let rival = |turn: &Turn| turn.session == session && !turn.is_over && now < turn.until;
        assert!(!self.known.turns.iter().any(rival), "two leases live at once");
        let permit_at = self.known.permits.remove(&id.0).unwrap_or(now);
        self.known.turns.push(Turn { session, id, begun, permit_at, until, is_over: false });
    }

    async fn claim(&mut self, which: usize) {
        if self.known.tickets.is_empty() {
            return;
        }
        let (session, id, ticket) = self.known.tickets.remove(which % self.known.tickets.len());
        let claim = self.adapter.store().claim(ticket, Duration::ZERO).await.expect("it is there");
        match claim {
            Claim::Begun(begun) => self.got(session, id, *begun),
            Claim::Busy { .. } | Claim::Gone { .. } | Claim::Replay(_) => {
                self.known.permits.remove(&id.0);
            }
        }
    }

    fn pick(&self, which: usize) -> Option<usize> {
        let count = self.known.turns.len();
        // The latest are the ones that still work.
        (count > 0).then(|| count - 1 - which % count.min(3))
    }

    async fn renew(&mut self, which: usize) {
        let Some(at) = self.pick(which) else { return };
        let now = self.now();
        let turn = &mut self.known.turns[at];
        let renewed = self.adapter.store().renew(&key(SESSIONS[turn.session]), turn.begun.lease).await;
        if renewed.expect("it is there") {
            assert!(!turn.is_over && now < turn.until, "a lease that ended was renewed");
            turn.until = now.plus(turn.begun.lease_ttl);
        }
    }

    async fn commit(&mut self, which: usize, level: Option<Level>) {
        let Some(at) = self.pick(which) else { return };
        let session = self.known.turns[at].session;
        let mut commit = Desk::of(&self.adapter).commit_of(SESSIONS[session], &self.known.turns[at].begun);
        if let Some(level) = level {
            commit.session.level = commit.session.level.max(level);
            commit.why = vec!["rule.1".to_owned()];
        }
        let committed = Desk::of(&self.adapter).commit(commit.clone()).await;
        self.committed(at, &commit, &committed);
        match &committed {
            Committed::Changed(reloaded) | Committed::Overtaken(reloaded) => {
                let begun = &mut self.known.turns[at].begun;
                begun.session.clone_from(&reloaded.session);
                begun.memory = reloaded.memory.clone();
            }
            Committed::Committed { .. } | Committed::Lost | Committed::Moved => {}
        }
        self.known.commits.push((session, commit, committed));
    }

    fn committed(&mut self, at: usize, commit: &Commit, committed: &Committed) {
        let now = self.now();
        let turn = &mut self.known.turns[at];
        let session = turn.session;
        if !matches!(committed, Committed::Committed { .. }) {
            return;
        }
        if self.known.commits.iter().any(|(_, before, done)| {
            before.lease == commit.lease && matches!(done, Committed::Committed { .. })
        }) {
            return; // Told again that it stands.
        }
        assert!(!turn.is_over && now < turn.until, "a lease that ended has committed");
        turn.is_over = true;
        let stand = self.known.stand.entry(session).or_default();
        *stand += 1;
        assert_eq!(commit.exchange.turn, *stand, "a gap or a repeat");
        if turn.begun.quota.limit as usize == RATE {
            self.known.admitted.entry(session).or_default().push(turn.permit_at);
        }
        self.known.expires_at.insert(session, now.plus(DAY));
        if !commit.why.is_empty() {
            self.rose_to(commit.session.level);
        }
    }

    async fn commit_again(&mut self, which: usize) {
        let count = self.known.commits.len();
        if count == 0 {
            return;
        }
        let (session, commit, first) = self.known.commits[count - 1 - which % count.min(2)].clone();
        let before = Desk::of(&self.adapter).read(SESSIONS[session]).await;
        if !matches!(first, Committed::Committed { .. }) {
            return;
        }
        let again = Desk::of(&self.adapter).commit(commit).await;
        assert!(again == first || again == Committed::Lost, "{again:?}");
        let after = Desk::of(&self.adapter).read(SESSIONS[session]).await;
        assert_eq!(before.map(|read| read.session), after.map(|read| read.session));
    }

    async fn abandon(&mut self, which: usize, failed: bool) {
        let Some(at) = self.pick(which) else { return };
        let why = if failed { Abandon::Failed } else { Abandon::Stopped };
        let turn = &mut self.known.turns[at];
        turn.is_over = true;
        let lease = turn.begun.lease;
        Desk::of(&self.adapter).abandon(SESSIONS[turn.session], lease, why).await;
    }

    async fn raise(&mut self, session: usize, level: Level) {
        let raised = Desk::of(&self.adapter).raise(SESSIONS[session], level).await;
        let expected = self.known.level.max(level);
        assert_eq!(raised, Raised { level: expected, rose: level > self.known.level });
        self.rose_to(level);
    }

    /// Each rise that pauses is one alert.
    fn rose_to(&mut self, level: Level) {
        if level > self.known.level && level.pauses() {
            self.known.open.push(level);
        }
        self.known.level = self.known.level.max(level);
    }

    async fn open_alerts(&self) -> Vec<Alert> {
        let (org, state) = (OrgId::default(), Some(AlertState::Open));
        let (order, limit) = (AlertOrder::Danger, 100);
        let query = AlertQuery { org, state, level: None, order, limit, cursor: None };
        self.adapter.store().alerts(query).await.expect("it is there").rows
    }

    async fn acknowledge(&mut self, which: usize) {
        let open = self.open_alerts().await;
        let Some(alert) = open.get(which % open.len().max(1)) else { return };
        let acknowledge = Acknowledge { org: OrgId::default(), id: alert.id.clone(), by: None, note: None };
        let done = self.adapter.store().acknowledge(acknowledge).await.expect("it is there");
        assert!(matches!(done, Acknowledged::Done(_)), "{done:?}");
        let place = self.known.open.iter().position(|level| *level == alert.level);
        self.known.open.remove(place.expect("it is known"));
    }

    async fn transition(&mut self, session: usize, event: Event) {
        let done = Desk::of(&self.adapter).transition(SESSIONS[session], event).await;
        if event == Event::Clear && done != Transitioned::Absent {
            if self.known.level.pauses() {
                let end = self.now().plus(DAY);
                self.known.expires_at.values_mut().for_each(|at| *at = end);
            }
            self.known.level = Level::None;
            self.known.open.clear();
        }
    }

    async fn delete(&mut self, session: usize) {
        let receipt = self.adapter.store().delete(&key(SESSIONS[session])).await.expect("it is there");
        let Some(receipt) = receipt else { return };
        assert!(receipt.verified);
        self.known.stand.remove(&session);
        self.known.admitted.remove(&session);
        let own = |turn: &&mut Turn| turn.session == session;
        self.known.turns.iter_mut().filter(own).for_each(|turn| turn.is_over = true);
    }

    async fn check(&mut self) {
        for (at, id) in SESSIONS.into_iter().enumerate() {
            let desk = Desk::of(&self.adapter);
            let stand = self.known.stand.get(&at).copied().unwrap_or_default();
            if let Some(read) = desk.read(id).await {
                let session = read.session;
                assert!(!(session.level.pauses() && session.status.is_going_on()));
                assert_eq!(session.level, self.known.level, "only clearing lowers a level");
                assert_eq!(session.turn_count, stand);
                assert_eq!(desk.turns(id).await, (1..=stand).collect::<Vec<_>>());
            } else {
                assert!(stand == 0 || self.may_be_gone(at), "an acknowledged turn is missing");
                self.known.stand.remove(&at);
            }
            self.check_limit(at);
        }
        let mut open: Vec<Level> = self.open_alerts().await.iter().map(|alert| alert.level).collect();
        self.known.open.sort();
        open.sort();
        assert_eq!(open, self.known.open, "each rise is one alert");
        let page = self.adapter.store().list(everything()).await.expect("it is there");
        assert!(page.rows.iter().all(|row| !(row.level.pauses() && row.status.is_going_on())));
    }

    /// In no span as long as the window are more than the limit.
    fn check_limit(&self, session: usize) {
        let admitted = self.known.admitted.get(&session).map(Vec::as_slice).unwrap_or_default();
        for end in admitted {
            let inside = |at: &&Timestamp| **at <= *end && end.since(**at) < WINDOW;
            assert!(admitted.iter().filter(inside).count() <= RATE, "too many were let in");
        }
    }

    fn may_be_gone(&self, session: usize) -> bool {
        !self.known.level.pauses()
            && self.known.expires_at.get(&session).is_some_and(|end| self.now() >= *end)
    }
}

fn run<A: Adapter>(steps: Vec<Step>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let rate_limit = u32::try_from(RATE).expect("small");
        let session_max_age = DAY * 1_000;
        let limits = Limits { rate_limit, rate_window: WINDOW, session_max_age, ..limits() };
        let mut run = Run { adapter: A::open(limits).await, known: Known::default(), ids: 1 << 100 };
        for step in steps {
            run.step(step).await;
        }
    });
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, max_shrink_iters: 200, ..ProptestConfig::default() })]

    #[test]
    fn any_order_of_calls_keeps_the_invariants(steps in prop::collection::vec(step(), 1..60)) {
        run::<Embedded>(steps);
    }

    #[test]
    fn any_order_of_calls_keeps_the_invariants_on_redis(steps in prop::collection::vec(step(), 1..60)) {
        run::<Redis>(steps);
    }
}
