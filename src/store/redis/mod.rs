//! The Redis store: many servers over one Redis, in a layout that other programs read and write.
//!
//! One method is one script, and a script is all or nothing. Coordination lies in Redis: the lock, the queue, the
//! permits; this side keeps only what makes the next turn cheaper, and believes it only when the gate says the same.
//! Every call may be repeated: the link does so when an answer was lost.

mod scripts;
mod value;

mod alerts;
mod care;
mod chats;
mod claim;
mod clinicians;
mod commit;
mod consent;
mod counters;
mod credentials;
mod errands;
mod events;
mod exchanges;
mod fall;
mod gate;
mod ground;
mod held;
mod ledger;
mod lifecycle;
mod lineage;
mod listing;
mod notices;
mod nudge;
mod orphan;
mod reads;
mod record;
mod removal;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use redis::{Cmd, Pipeline, Value};
use tokio::sync::broadcast;

use self::chats::Names;
use self::counters::Counters;
use self::held::Held;
use self::record::Reader;
use self::scripts::Scripts;
use super::{
    Abandon, Acknowledge, Acknowledged, AlertPage, AlertQuery, Begin, Claim, Commit, Committed, Consented,
    Counter, Create, Created, DailyCounters, Gate, HistoryPage, Lease, Limits, ListPage, ListQuery, Lower,
    Lowered, Nudge, ProtocolVersion, Raise, Raised, Receipt, Remaining, Report, Reported, Snapshot, Store,
    StoreError, Swept, Ticket, Transition, Transitioned, YearlyCounters,
};
use crate::access::Secret;
use crate::clock::{Clock, Entropy};
use crate::domain::consent::ConsentChange;
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::protocol::Protocols;
use crate::domain::time::Timestamp;
use crate::redis::{Ears, Keys, Link, LinkError, Script, Wakes, hear};
use crate::store::rooms::Rooms;
use crate::tasks::Tasks;

/// What the adapter is opened with. All servers of a deployment have the same secret, prefix and limits.
pub struct RedisOptions {
    pub link: Link,
    pub keys: Keys,
    pub limits: Limits,
    pub secret: Secret,
    pub protocols: Arc<Protocols>,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    /// Keys and values that stand for good and are the same for every server. What was lost is put back; where another
    /// value stands, the servers are not of one deployment any more, and this store stops.
    pub agreed: Vec<(String, String)>,
    /// Tasks that end with the store: it hears messages and writes counters on them.
    pub tasks: Tasks,
    /// The longest that anybody waits for a turn.
    pub wait_max: Duration,
    /// What is kept of sessions that had their last turn here.
    pub warm_bytes: u64,
}

pub struct RedisStore(Arc<Inner>);

/// Shared with the tasks that work behind the calls.
struct Inner {
    link: Link,
    keys: Keys,
    limits: Limits,
    secret: Secret,
    protocols: Arc<Protocols>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    tasks: Tasks,
    wait_max: Duration,
    /// This server's name among the others.
    server: String,
    scripts: Scripts,
    wakes: Wakes,
    nudges: broadcast::Sender<(SessionKey, Nudge)>,
    recent_events: super::events::Recent,
    held: Held,
    rooms: Rooms,
    ears: Ears,
    heard: Mutex<Names>,
    /// Values of chats that nobody could read.
    set_aside: std::sync::atomic::AtomicU64,
    counters: Counters,
    agreed: Vec<(String, String)>,
    closed: std::sync::atomic::AtomicBool,
    /// Another deployment's data lie in Redis.
    estranged: std::sync::atomic::AtomicBool,
}

/// Nudges that may wait to be looked at.
const NUDGES_MAX: usize = 1_024;
/// How long the store's own tasks may take to end.
const CLOSE_MAX: Duration = Duration::from_secs(2);
/// How often it is looked whether Redis is still this deployment's.
const GUARD_EVERY: Duration = Duration::from_secs(2);

impl RedisStore {
    /// Makes the store and begins to listen. Does not wait for Redis.
    #[must_use]
    pub fn open(options: RedisOptions) -> Self {
        let inner = Arc::new(Inner {
            server: options.entropy.hex_id(),
            scripts: Scripts::with(&options.keys.lua_log(options.limits.events_max)),
            wakes: Wakes::default(),
            nudges: broadcast::Sender::new(NUDGES_MAX),
            recent_events: super::events::Recent::default(),
            held: Held::bounded(options.warm_bytes),
            rooms: Rooms::default(),
            ears: Ears::default(),
            heard: Mutex::default(),
            set_aside: std::sync::atomic::AtomicU64::new(0),
            counters: Counters::default(),
            agreed: options.agreed,
            estranged: std::sync::atomic::AtomicBool::new(false),
            closed: std::sync::atomic::AtomicBool::new(false),
            link: options.link,
            keys: options.keys,
            limits: options.limits,
            secret: options.secret,
            protocols: options.protocols,
            clock: options.clock,
            entropy: options.entropy,
            tasks: options.tasks,
            wait_max: options.wait_max,
        });
        let (hearing, writing) = (Arc::clone(&inner), Arc::clone(&inner));
        drop(inner.tasks.spawn(async move { hearing.until_closed(hearing.hear()).await }));
        drop(inner.tasks.spawn(async move { writing.until_closed(writing.write_counters()).await }));
        let (following, attending) = (Arc::clone(&inner), Arc::clone(&inner));
        drop(inner.tasks.spawn(async move { following.until_closed(following.follow_events()).await }));
        drop(inner.tasks.spawn(async move { attending.until_closed(attending.attend()).await }));
        let guarding = Arc::clone(&inner);
        drop(inner.tasks.spawn(async move { guarding.until_closed(guarding.guard()).await }));
        Self(inner)
    }
}

impl Drop for RedisStore {
    fn drop(&mut self) {
        self.0.tasks.close();
    }
}

impl Inner {
    fn reader(&self) -> Reader<'_> {
        Reader { protocols: &self.protocols, secret: &self.secret, session_ttl: self.limits.session_ttl }
    }

    async fn until_closed(&self, work: impl Future<Output = ()>) {
        tokio::select! {
            () = work => {}
            () = self.tasks.closing() => {}
        }
    }

    async fn hear(&self) {
        hear(&self.link, &self.keys, &self.server, &self.wakes, |told| self.told(told)).await;
    }

    /// Sends one call.
    async fn run(&self, script: &Script, call: Cmd) -> Result<Value, StoreError> {
        let mut calls = Pipeline::with_capacity(1);
        calls.add_command(call);
        let answers = self.ask(&calls, &[script]).await?;
        answers.into_iter().next().ok_or_else(|| StoreError::Away("Redis gave no answer".to_owned()))
    }

    /// Sends calls together.
    async fn ask(&self, calls: &Pipeline, scripts: &[&Script]) -> Result<Vec<Value>, StoreError> {
        if self.closed.load(std::sync::atomic::Ordering::Acquire) {
            return Err(StoreError::Closed);
        }
        if self.estranged.load(std::sync::atomic::Ordering::Acquire) {
            return Err(StoreError::Stopped("the data in Redis are another deployment's".to_owned()));
        }
        self.link.ask(calls, scripts).await.map_err(|error| match error {
            LinkError::Away(reason) => StoreError::Away(reason),
            refused @ (LinkError::Refused(_) | LinkError::Url(_)) => {
                let names: Vec<&str> = scripts.iter().map(|script| script.name()).collect();
                tracing::error!(scripts = names.join(","), %refused, "Redis does not do what it is asked");
                StoreError::Corrupt(refused.to_string())
            }
        })
    }

    /// Looks now and then whether Redis is still this deployment's: its data may be lost, and another server may have
    /// begun anew with a secret of its own.
    async fn guard(&self) {
        loop {
            tokio::time::sleep(GUARD_EVERY).await;
            // Away is no news: the next look tells.
            let _away = self.agree().await;
        }
    }

    /// Puts back what every server agrees on. As it writes, it also tells whether Redis takes a write.
    async fn agree(&self) -> Result<(), StoreError> {
        let mut calls = Pipeline::with_capacity(self.agreed.len() * 2 + 1);
        calls.cmd("PING");
        for (key, value) in &self.agreed {
            calls.cmd("SET").arg(key).arg(value).arg("NX").cmd("GET").arg(key);
        }
        let answers = self.ask(&calls, &[]).await?;
        let standing = answers.into_iter().skip(2).step_by(2).map(value::text);
        for ((_, own), standing) in self.agreed.iter().zip(standing) {
            if standing? != *own {
                tracing::error!(
                    "the data in Redis are another deployment's: stop this server, or give it its secret"
                );
                self.estranged.store(true, std::sync::atomic::Ordering::Release);
                return Err(StoreError::Stopped("the data in Redis are another deployment's".to_owned()));
            }
        }
        Ok(())
    }

    /// 32 hexadecimal digits that no other call has.
    fn nonce(&self) -> String {
        self.entropy.hex_id()
    }
}

#[async_trait]
impl Store for RedisStore {
    async fn create(&self, request: Create) -> Result<Created, StoreError> {
        self.0.create(request).await
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

    async fn nudge(&self, session: &SessionKey, nudge: Nudge) -> Result<bool, StoreError> {
        self.0.nudge(session, nudge).await
    }

    fn nudges(&self) -> broadcast::Receiver<(SessionKey, Nudge)> {
        self.0.nudges.subscribe()
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        Inner::commit(&self.0, commit).await
    }

    async fn abandon(&self, session: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError> {
        Inner::abandon(&self.0, session, lease, why).await
    }

    async fn raise(&self, raise: Raise) -> Result<Raised, StoreError> {
        self.0.raise(&raise).await
    }

    async fn lower(&self, lower: Lower) -> Result<Lowered, StoreError> {
        self.0.lower(&lower).await
    }

    async fn transition(&self, transition: Transition) -> Result<Transitioned, StoreError> {
        self.0.transition(&transition).await
    }

    async fn consent(&self, session: &SessionKey, change: ConsentChange) -> Result<Consented, StoreError> {
        self.0.consent(session, &change).await
    }

    async fn read(&self, session: &SessionKey) -> Result<Option<Snapshot>, StoreError> {
        self.0.snapshot(session).await
    }

    async fn line(&self, session: &SessionKey) -> Result<Vec<SessionKey>, StoreError> {
        self.0.standing_line(session).await
    }

    async fn history(
        &self,
        session: &SessionKey,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<HistoryPage>, StoreError> {
        self.0.history(session, before, limit).await
    }

    async fn list(&self, query: ListQuery) -> Result<ListPage, StoreError> {
        self.0.list(&query).await
    }

    async fn extend(&self, session: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError> {
        self.0.extend(session, ttl).await
    }

    async fn delete(&self, session: &SessionKey) -> Result<Option<Receipt>, StoreError> {
        self.0.delete(session).await
    }

    async fn delete_idle(
        &self,
        session: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        self.0.delete_idle(session, before).await
    }

    async fn count(&self, org: &OrgId, events: Vec<Counter>) -> Result<(), StoreError> {
        self.0.count(org, &events);
        Ok(())
    }

    async fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError> {
        self.0.daily(org, from, to).await
    }

    async fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError> {
        self.0.yearly(org, year).await
    }

    async fn alerts(&self, query: AlertQuery) -> Result<AlertPage, StoreError> {
        self.0.alerts(&query).await
    }

    async fn acknowledge(&self, acknowledge: Acknowledge) -> Result<Acknowledged, StoreError> {
        self.0.acknowledge(&acknowledge).await
    }

    async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        self.0.report(&report).await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.0.sweep().await
    }

    async fn keep_protocol(&self, version: ProtocolVersion) -> Result<(), StoreError> {
        self.0.keep_protocol(&version).await
    }

    async fn protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> {
        self.0.stored_protocols().await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.0.agree().await
    }

    async fn close(&self) -> Result<(), StoreError> {
        let written = self.0.flush_counters().await;
        self.0.closed.store(true, std::sync::atomic::Ordering::Release);
        self.0.tasks.finish(CLOSE_MAX).await;
        written
    }

    fn name(&self) -> &'static str {
        "redis"
    }
}
