//! A store that goes on while Redis is away: turns of the sessions that this server knows, and of new ones, are kept in a
//! journal of its own, an embedded store, and Redis is told of them when it is back, in order, each once.
//!
//! | asked | while Redis is away |
//! |---|---|
//! | begin, claim, renew, commit, abandon | in the journal, where the session is known here or new; else refused |
//! | create | the same, for an id that nobody has |
//! | raise | logged for any session; what stands of it here pauses at once |
//! | read, history, line | of sessions that are known here; an id that nobody has is not there |
//! | say | counted on and logged, where the chat's number is known here or the id is new |
//! | notices, and who leads in telling them | in the journal: people are told of the alerts that rise meanwhile |
//! | events, other leads and marks | refused: what happens meanwhile is told when Redis is told of it |
//! | hear, tell | among the connections of this server |
//! | nudge | nobody hears it: no other server works on what is local |
//! | count | kept until Redis is back, as ever |
//! | sweep | waits: what is idle may have had turns here |
//! | health, storage | well, and local |
//! | an audit entry of the switch | logged in the journal: the switch is what ends it |
//! | everything else | refused: lists, alerts, credentials, changes outside of turns, removal, the audit |
//!
//! Never lets a turn that was acknowledged out of the log before Redis has it, and never tells Redis of one twice: a turn is
//! told under the lease that it was decided under, and a session remembers the leases of its latest commits.

mod beside;
mod chats;
mod contract;
mod hand;
mod known;
mod local;
mod look;
mod merge;
mod tend;
mod turns;

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};

use self::known::Known;
use self::local::{Local, away};
use self::look::Look;
use super::{
    Abandon, Acknowledge, Acknowledged, AlertPage, AlertQuery, Begin, Claim, Commit, Committed, Consented,
    Counter, Create, Created, DailyCounters, Gate, HistoryPage, Lease, ListPage, ListQuery, Lower, Lowered,
    Nudge, ProtocolVersion, Raise, Raised, Receipt, Remaining, Report, Reported, Snapshot, Store, StoreError,
    Swept, Ticket, Transition, Transitioned, YearlyCounters,
};
use crate::clock::Clock;
use crate::domain::consent::ConsentChange;
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::session::Event;
use crate::domain::time::Timestamp;
use crate::store::embedded::EmbeddedStore;
use crate::store::redis::RedisStore;
use crate::tasks::Tasks;

pub use merge::MERGED_AT;

pub use contract::{Fallback, FallbackRule, FallbackStanding, StoreMode, Switch};

pub struct FallbackOptions {
    pub primary: RedisStore,
    /// Over the same Redis without a limit on turns: what it is told of later was admitted already.
    pub telling: RedisStore,
    /// `None`: nothing goes on without Redis.
    pub journal: Option<EmbeddedStore>,
    pub rule: FallbackRule,
    pub clock: Arc<dyn Clock>,
    /// Tasks that end with the store.
    pub tasks: Tasks,
    pub recent_max: u32,
    pub warm_bytes: u64,
}

pub struct FallbackStore(Arc<Inner>);

/// Shared with the tasks that work behind the calls.
struct Inner {
    primary: RedisStore,
    telling: RedisStore,
    journal: Option<EmbeddedStore>,
    rule: FallbackRule,
    clock: Arc<dyn Clock>,
    tasks: Tasks,
    known: Known,
    /// Sessions that are local. A plain mutex: held for a look-up, never across an await.
    locals: Mutex<HashMap<SessionKey, Arc<Local>>>,
    turns_waiting: AtomicU64,
    hand: Mutex<Option<Switch>>,
    others: Mutex<Option<u64>>,
    /// A call found that Redis is away, and nobody has found yet that it is back.
    is_troubled: AtomicBool,
    trouble: Notify,
    /// Redis could not be told of a session at the last try.
    is_stuck: AtomicBool,
    /// Something was written into the journal since it was last clean.
    is_used: AtomicBool,
    /// Held by whoever counts a message of a chat here.
    counting: tokio::sync::Mutex<()>,
    /// Read by who takes a session over, written by who cleans the journal.
    cleaning: tokio::sync::RwLock<()>,
}

impl FallbackStore {
    /// Takes up what an earlier run has left in the journal, and says to the other servers that this one is there.
    ///
    /// # Errors
    /// When the journal cannot be read, or Redis is away.
    pub async fn open(options: FallbackOptions) -> Result<Self, StoreError> {
        let known = if options.journal.is_some() { options.warm_bytes } else { 0 };
        let inner = Arc::new(Inner {
            primary: options.primary,
            telling: options.telling,
            journal: options.journal,
            rule: options.rule,
            clock: options.clock,
            tasks: options.tasks,
            known: Known::bounded(known, options.recent_max),
            locals: Mutex::default(),
            turns_waiting: AtomicU64::new(0),
            hand: Mutex::default(),
            others: Mutex::default(),
            is_troubled: AtomicBool::new(false),
            trouble: Notify::new(),
            is_stuck: AtomicBool::new(false),
            is_used: AtomicBool::new(true),
            counting: tokio::sync::Mutex::default(),
            cleaning: tokio::sync::RwLock::default(),
        });
        Inner::recover(&inner).await?;
        inner.beat().await?;
        let tended = Arc::clone(&inner);
        drop(inner.tasks.spawn(async move {
            tokio::select! {
                () = Inner::tend(&tended) => {}
                () = tended.tasks.closing() => {}
            }
        }));
        Ok(Self(inner))
    }
}

impl Drop for FallbackStore {
    fn drop(&mut self) {
        self.0.tasks.close();
    }
}

/// What a read finds, wherever the session is: in Redis, or when that goes away under the question in the journal.
macro_rules! looked {
    ($this:expr, $key:expr, $nowhere:expr, $read:ident($($argument:expr),*)) => {{
        let mut look = Inner::look($this, $key).await?;
        if let Look::Redis = look {
            match $this.primary.$read($($argument),*).await {
                Err(StoreError::Away(why)) => {
                    if !$this.goes_on_without().await {
                        return Err(StoreError::Away(why));
                    }
                    look = $this.look_locally($key).await?;
                }
                found => return found,
            }
        }
        match look {
            Look::Journal(_held) => $this.journal()?.$read($($argument),*).await,
            Look::Nowhere => Ok($nowhere),
            Look::Redis => Err(away()),
        }
    }};
}

#[async_trait]
impl Store for FallbackStore {
    async fn create(&self, request: Create) -> Result<Created, StoreError> {
        Inner::create(&self.0, request).await
    }

    async fn begin(&self, request: Begin) -> Result<Gate, StoreError> {
        Inner::begin(&self.0, request).await
    }

    async fn claim(&self, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError> {
        Inner::claim(&self.0, ticket, wait).await
    }

    async fn renew(&self, session: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        self.0.renew(session, lease).await
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.0.commit(commit).await
    }

    async fn nudge(&self, session: &SessionKey, nudge: Nudge) -> Result<bool, StoreError> {
        match self.0.seeded(session) {
            Some(_) => Ok(false),
            None => self.0.primary.nudge(session, nudge).await,
        }
    }

    fn nudges(&self) -> broadcast::Receiver<(SessionKey, Nudge)> {
        self.0.primary.nudges()
    }

    async fn abandon(&self, session: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError> {
        self.0.abandon(session, lease, why).await
    }

    async fn raise(&self, raise: Raise) -> Result<Raised, StoreError> {
        Inner::raise(&self.0, raise).await
    }

    async fn lower(&self, lower: Lower) -> Result<Lowered, StoreError> {
        let key = lower.session.clone();
        Inner::settled(&self.0, &key).await?;
        let lowered = self.0.primary.lower(lower).await;
        self.0.know_again(&key).await;
        lowered
    }

    async fn transition(&self, transition: Transition) -> Result<Transitioned, StoreError> {
        let (key, event) = (transition.session.clone(), transition.event);
        Inner::settled(&self.0, &key).await?;
        let transitioned = self.0.primary.transition(transition).await;
        if event == Event::Fault {
            self.0.known.forget(&key);
        } else {
            self.0.know_again(&key).await;
        }
        transitioned
    }

    async fn consent(&self, session: &SessionKey, change: ConsentChange) -> Result<Consented, StoreError> {
        Inner::settled(&self.0, session).await?;
        let consented = self.0.primary.consent(session, change).await;
        self.0.know_again(session).await;
        // It changes the whole line, which is read here no further.
        for other in self.0.primary.line(session).await.unwrap_or_default() {
            if other != *session {
                self.0.known.forget(&other);
            }
        }
        consented
    }

    async fn read(&self, session: &SessionKey) -> Result<Option<Snapshot>, StoreError> {
        looked!(&self.0, session, None, read(session))
    }

    async fn line(&self, session: &SessionKey) -> Result<Vec<SessionKey>, StoreError> {
        looked!(&self.0, session, Vec::new(), line(session))
    }

    async fn history(
        &self,
        session: &SessionKey,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<HistoryPage>, StoreError> {
        looked!(&self.0, session, None, history(session, before, limit))
    }

    async fn list(&self, query: ListQuery) -> Result<ListPage, StoreError> {
        self.0.primary.list(query).await
    }

    async fn extend(&self, session: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError> {
        Inner::settled(&self.0, session).await?;
        let extended = self.0.primary.extend(session, ttl).await;
        self.0.know_again(session).await;
        extended
    }

    async fn delete(&self, session: &SessionKey) -> Result<Option<Receipt>, StoreError> {
        Inner::settled(&self.0, session).await?;
        self.0.known.forget(session);
        self.0.known.forget_count(session);
        let deleted = self.0.primary.delete(session).await;
        self.0.known.forget(session);
        deleted
    }

    async fn delete_idle(
        &self,
        session: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        Inner::settled(&self.0, session).await?;
        let deleted = self.0.primary.delete_idle(session, before).await;
        self.0.know_again(session).await;
        deleted
    }

    async fn count(&self, org: &OrgId, events: Vec<Counter>) -> Result<(), StoreError> {
        self.0.primary.count(org, events).await
    }

    async fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError> {
        self.0.primary.daily(org, from, to).await
    }

    async fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError> {
        self.0.primary.yearly(org, year).await
    }

    async fn alerts(&self, query: AlertQuery) -> Result<AlertPage, StoreError> {
        self.0.primary.alerts(query).await
    }

    async fn acknowledge(&self, acknowledge: Acknowledge) -> Result<Acknowledged, StoreError> {
        self.0.primary.acknowledge(acknowledge).await
    }

    async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        Inner::settled(&self.0, &report.session).await?;
        self.0.primary.report(report).await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        let is_stuck = self.0.is_stuck.load(Ordering::Acquire);
        let is_being_told = !self.0.locals.lock().is_empty() && !is_stuck;
        if is_being_told || (self.0.is_away() && self.0.is_going_on()) {
            return Ok(Swept::default());
        }
        if let Some(journal) = &self.0.journal
            && let Err(error) = journal.sweep().await
        {
            tracing::warn!(%error, "the journal could not be swept");
        }
        let swept = self.0.primary.sweep().await?;
        for key in &swept.expired {
            self.0.known.forget(key);
        }
        Ok(swept)
    }

    async fn keep_protocol(&self, version: ProtocolVersion) -> Result<(), StoreError> {
        self.0.primary.keep_protocol(version).await
    }

    async fn protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> {
        self.0.primary.protocols().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        if self.0.is_away() && self.0.is_going_on() {
            return self.0.journal()?.health().await;
        }
        match self.0.primary.health().await {
            Err(StoreError::Away(why)) => {
                if self.0.goes_on_without().await {
                    self.0.journal()?.health().await
                } else {
                    Err(StoreError::Away(why))
                }
            }
            health => health,
        }
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.0.close().await
    }

    fn name(&self) -> &'static str {
        self.0.primary.name()
    }

    fn storage(&self, session: &SessionKey) -> &'static str {
        match self.0.seeded(session) {
            Some(_) => "local",
            None => self.name(),
        }
    }

    fn fallback(&self) -> Option<&dyn Fallback> {
        Some(self)
    }
}

#[async_trait]
impl Fallback for FallbackStore {
    fn standing(&self) -> FallbackStanding {
        self.0.standing()
    }

    async fn switch(&self, switch: Switch) -> Result<FallbackStanding, StoreError> {
        self.0.switch(switch)
    }
}
