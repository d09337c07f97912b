//! The embedded store: durable, in process, on an LSM tree.
//!
//! One writer thread owns all coordination and all writes; the methods here send it work and wait for what it decided.
//! It works in groups: each command's batch is applied at once, one sync makes the group durable, a snapshot of it is
//! published for the readers, and only then is anybody answered. So nothing is answered, replayed or read that a power
//! loss could take back.
//!
//! Leases, queues and running turns live in memory only: a crash ends all turns.

mod alerts;
mod care;
mod chats;
mod clinicians;
mod command;
mod commit;
mod consent;
mod counters;
mod credentials;
mod draft;
mod errands;
mod events;
mod former;
mod gate;
mod index;
mod ledger;
mod lifecycle;
mod lineage;
mod notices;
mod open;
mod reads;
mod record;
mod removal;
mod seat;
mod tables;
mod waiting;
mod writer;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::thread::JoinHandle;
use std::time::Duration;

use async_trait::async_trait;
use parking_lot::Mutex;
use tokio::sync::broadcast;

use self::command::{Channel, ClaimReply, Command, State};
use self::errands::Leads;
use self::open::Ground;
use self::reads::{Published, View};
use self::waiting::Call;
use super::{
    Abandon, Acknowledge, Acknowledged, AlertPage, AlertQuery, Begin, Claim, Commit, Committed, Consented,
    Counter, Create, Created, DailyCounters, Gate, HistoryPage, Lease, Limits, ListPage, ListQuery, Lower,
    Lowered, Nudge, ProtocolVersion, Raise, Raised, Receipt, Remaining, Report, Reported, Snapshot, Store,
    StoreError, Swept, Ticket, Transition, Transitioned, YearlyCounters,
};
use crate::clock::Clock;
use crate::domain::consent::ConsentChange;
use crate::domain::id::{OrgId, SessionKey};
use crate::domain::time::Timestamp;
use crate::store::rooms::Rooms;

pub use self::open::{OpenError, OpenOptions};

pub struct EmbeddedStore {
    /// `None` once it is closed, so that the writer sees the end. A lock, because closing takes it away from the rest.
    channel: parking_lot::RwLock<Option<Arc<Channel>>>,
    state: Arc<State>,
    published: Arc<Published>,
    clock: Arc<dyn Clock>,
    limits: Limits,
    rooms: Rooms,
    writer: Mutex<Option<JoinHandle<()>>>,
    leads: Leads,
}

impl EmbeddedStore {
    /// Opens a directory, or makes it. Reads the disk: call it before serving.
    pub fn open(directory: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        let tables = open::tables(directory, &options)?;
        let (state, published) = (Arc::<State>::default(), Arc::<Published>::default());
        let (channel, commands) = Channel::open(Arc::clone(&state));
        let (clock, limits) = (Arc::clone(&options.clock), options.limits.clone());
        let writer =
            open::writer(tables, Ground::of(directory), options, Arc::clone(&state), Arc::clone(&published));
        let newest = writer.newest_event().map_err(|error| OpenError::Corrupt(error.to_string()))?;
        state.recent_events.begin(newest);
        let thread = std::thread::Builder::new()
            .name("attune-store".to_owned())
            .spawn(move || open::work(writer, &commands))
            .map_err(|error| OpenError::Io(error.to_string()))?;
        let channel = parking_lot::RwLock::new(Some(Arc::new(channel)));
        let (rooms, leads, writer) = (Rooms::default(), Leads::default(), Mutex::new(Some(thread)));
        Ok(Self { channel, state, published, clock, limits, rooms, leads, writer })
    }

    fn channel(&self) -> Result<Arc<Channel>, StoreError> {
        self.channel.read().clone().ok_or_else(|| self.state.silence())
    }

    async fn read_off_thread<T: Send + 'static>(
        &self,
        read: impl FnOnce(&View) -> Result<T, StoreError> + Send + 'static,
    ) -> Result<T, StoreError> {
        if let Some(reason) = self.state.poison.lock().clone() {
            return Err(reason);
        }
        let view = self.published.view().ok_or_else(|| self.state.silence())?;
        let read = tokio::task::spawn_blocking(move || read(&view)).await;
        read.unwrap_or_else(|_| Err(StoreError::Away("a read was stopped".to_owned())))
    }
}

impl Drop for EmbeddedStore {
    /// Without close: what was accepted is still finished, and the directory is free when this returns.
    fn drop(&mut self) {
        self.channel.write().take();
        if let Some(writer) = self.writer.lock().take() {
            let _ = writer.join();
        }
        self.published.close();
    }
}

/// Gives a ticket up when its claim is dropped before it was answered. Where the channel has no room, the hand-over
/// finds the claim closed instead.
struct Withdrawal {
    channel: Arc<Channel>,
    ticket: Option<(SessionKey, u64, Call)>,
}

impl Drop for Withdrawal {
    fn drop(&mut self) {
        if let Some((key, ticket, call)) = self.ticket.take() {
            let withdraw: Command = Box::new(move |writer| writer.withdraw(&key, ticket, Some(call)));
            self.channel.send_now(withdraw);
        }
    }
}

#[async_trait]
impl Store for EmbeddedStore {
    async fn create(&self, request: Create) -> Result<Created, StoreError> {
        self.channel()?.ask(move |writer| writer.create(request)).await
    }

    async fn begin(&self, request: Begin) -> Result<Gate, StoreError> {
        self.channel()?.ask_for(move |writer, reply| writer.begin(&request, reply)).await
    }

    async fn claim(&self, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError> {
        let channel = self.channel()?;
        let (key, id, call) = (ticket.request.session, ticket.id, self.state.next_call());
        let mut withdrawal =
            Withdrawal { channel: Arc::clone(&channel), ticket: Some((key.clone(), id, call)) };
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let claimed = key.clone();
        let attach: Command = Box::new(move |writer| writer.claim(&claimed, id, call, ClaimReply(reply)));
        channel.send(attach).await?;
        let claim = if let Ok(claim) = tokio::time::timeout(wait, &mut answer).await {
            claim.unwrap_or_else(|_| Err(self.state.silence()))
        } else {
            let retry_after = channel.ask(move |writer| Ok(writer.give_up(&key, id, call))).await?;
            // What was handed over meanwhile was answered before the giving up was.
            answer.try_recv().unwrap_or(Ok(Claim::Busy { retry_after }))
        };
        withdrawal.ticket = None;
        claim
    }

    async fn renew(&self, session: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        let key = session.clone();
        self.channel()?.ask(move |writer| Ok(writer.renew(&key, lease))).await
    }

    /// There is no other server.
    async fn nudge(&self, _session: &SessionKey, _nudge: Nudge) -> Result<bool, StoreError> {
        Ok(false)
    }

    fn nudges(&self) -> broadcast::Receiver<(SessionKey, Nudge)> {
        broadcast::channel(1).1
    }

    async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        self.channel()?.ask(move |writer| writer.commit(commit)).await
    }

    async fn abandon(&self, session: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError> {
        let key = session.clone();
        self.channel()?
            .ask(move |writer| {
                writer.abandon(&key, lease, why);
                Ok(())
            })
            .await
    }

    async fn raise(&self, raise: Raise) -> Result<Raised, StoreError> {
        self.channel()?.ask(move |writer| writer.raise(&raise)).await
    }

    async fn lower(&self, lower: Lower) -> Result<Lowered, StoreError> {
        self.channel()?.ask(move |writer| writer.lower(&lower)).await
    }

    async fn transition(&self, transition: Transition) -> Result<Transitioned, StoreError> {
        self.channel()?.ask(move |writer| writer.transition(&transition)).await
    }

    async fn consent(&self, session: &SessionKey, change: ConsentChange) -> Result<Consented, StoreError> {
        let key = session.clone();
        self.channel()?.ask(move |writer| writer.consent(&key, &change)).await
    }

    async fn read(&self, session: &SessionKey) -> Result<Option<Snapshot>, StoreError> {
        let (key, now) = (session.clone(), self.clock.now());
        self.read_off_thread(move |view| view.read(&key, now)).await
    }

    async fn line(&self, session: &SessionKey) -> Result<Vec<SessionKey>, StoreError> {
        let key = session.clone();
        let line = self.channel()?.ask(move |writer| writer.line(&key)).await?;
        Ok(line.into_iter().map(|(key, _)| key).collect())
    }

    async fn history(
        &self,
        session: &SessionKey,
        before: Option<u32>,
        limit: usize,
    ) -> Result<Option<HistoryPage>, StoreError> {
        let (key, now, limits) = (session.clone(), self.clock.now(), self.limits.clone());
        self.read_off_thread(move |view| view.history(&key, before, limit, &limits, now)).await
    }

    async fn list(&self, query: ListQuery) -> Result<ListPage, StoreError> {
        let (now, count_max) = (self.clock.now(), self.limits.count_max);
        self.read_off_thread(move |view| view.list(&query, count_max, now)).await
    }

    async fn extend(&self, session: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, StoreError> {
        let key = session.clone();
        self.channel()?.ask(move |writer| writer.extend(&key, ttl)).await
    }

    async fn delete(&self, session: &SessionKey) -> Result<Option<Receipt>, StoreError> {
        let key = session.clone();
        let receipt = self.channel()?.ask(move |writer| writer.delete(&key)).await?;
        Ok(self.told_if_removed(session, receipt))
    }

    async fn delete_idle(
        &self,
        session: &SessionKey,
        before: Timestamp,
    ) -> Result<Option<Receipt>, StoreError> {
        let key = session.clone();
        let receipt = self.channel()?.ask(move |writer| writer.delete_idle(&key, before)).await?;
        Ok(self.told_if_removed(session, receipt))
    }

    async fn count(&self, org: &OrgId, events: Vec<Counter>) -> Result<(), StoreError> {
        let org = org.clone();
        self.channel()?
            .ask(move |writer| {
                writer.count(&org, events);
                Ok(())
            })
            .await
    }

    async fn daily(&self, org: &OrgId, from: &str, to: &str) -> Result<Vec<DailyCounters>, StoreError> {
        self.channel()?.ask(writer::Writer::flush_counters).await?;
        let (org, from, to) = (org.clone(), from.to_owned(), to.to_owned());
        self.read_off_thread(move |view| view.daily(&org, &from, &to)).await
    }

    async fn yearly(&self, org: &OrgId, year: &str) -> Result<YearlyCounters, StoreError> {
        self.channel()?.ask(writer::Writer::flush_counters).await?;
        let (org, year) = (org.clone(), year.to_owned());
        self.read_off_thread(move |view| view.yearly(&org, &year)).await
    }

    async fn alerts(&self, query: AlertQuery) -> Result<AlertPage, StoreError> {
        self.read_off_thread(move |view| view.alerts(&query)).await
    }

    async fn acknowledge(&self, acknowledge: Acknowledge) -> Result<Acknowledged, StoreError> {
        self.channel()?.ask(move |writer| writer.acknowledge(&acknowledge)).await
    }

    async fn report(&self, report: Report) -> Result<Reported, StoreError> {
        self.channel()?.ask(move |writer| writer.report(&report)).await
    }

    async fn sweep(&self) -> Result<Swept, StoreError> {
        self.channel()?.ask(writer::Writer::sweep).await
    }

    async fn keep_protocol(&self, version: ProtocolVersion) -> Result<(), StoreError> {
        self.channel()?.ask(move |writer| writer.keep_protocol(&version)).await
    }

    async fn protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> {
        self.read_off_thread(View::protocols).await
    }

    async fn health(&self) -> Result<(), StoreError> {
        self.channel()?
            .ask(|writer| {
                writer.look_to_the_ground();
                Ok(())
            })
            .await
    }

    async fn close(&self) -> Result<(), StoreError> {
        self.state.closed.store(true, Ordering::Release);
        let Some(channel) = self.channel.write().take() else { return Ok(()) };
        let closed = channel
            .ask(|writer| {
                writer.close();
                Ok(())
            })
            .await;
        let writer = self.writer.lock().take();
        // The thread ends by itself; its join alone would block.
        let joined = tokio::task::spawn_blocking(move || writer.map(JoinHandle::join)).await;
        // After the thread's end: it publishes what it wrote last.
        self.published.close();
        closed.and(joined.map(|_| ()).map_err(|_| self.state.silence()))
    }

    fn name(&self) -> &'static str {
        "embedded"
    }
}

#[cfg(test)]
mod tests;
