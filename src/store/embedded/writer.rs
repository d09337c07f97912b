//! The writer thread: the only one that coordinates and writes. It takes commands in groups; each applies its own batch
//! at once, one sync stands for the group, then a fresh snapshot is published, and only then are the answers sent.

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError};
use std::time::Duration;

use fjall::PersistMode;

use super::command::{Answer, ClaimReply, Sent, State, Unclaimed};
use super::counters::Counters;
use super::draft::{Draft, load_memory, load_recent, load_record};
use super::index::Change;
use super::open::Ground;
use super::reads::Published;
use super::record::Record;
use super::seat::Seat;
use super::tables::{Tables, away, stopped};
use crate::clock::{Clock, Entropy};
use crate::domain::event::SessionEvent;
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::domain::time::Timestamp;
use crate::store::{Abandon, Lease, Limits, StoreError};

/// Commands that share one sync.
const GROUP_MAX: usize = 256;
/// Sessions that stay in memory between turns.
const HOT_MAX: usize = 4_096;
/// Beyond so many, seats that remember nothing but permits are dropped too.
const SEATS_MAX: usize = 65_536;
/// Counters reach the disk at least this often.
const COUNTERS_FLUSH: Duration = Duration::from_secs(1);

pub(super) struct Writer {
    pub tables: Tables,
    pub ground: Ground,
    pub limits: Limits,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    pub state: Arc<State>,
    pub published: Arc<Published>,
    pub memory: Memory,
    /// Logs what another store has to be told.
    pub is_journal: bool,
}

/// What the writer knows apart from the disk.
#[derive(Default)]
pub(super) struct Memory {
    pub seats: HashMap<SessionKey, Seat<ClaimReply>>,
    /// Leases with somebody waiting for their end.
    pub deadlines: BTreeSet<(Timestamp, SessionKey)>,
    pub last_ticket: u64,
    pub counters: Counters,
    hot: HashMap<SessionKey, Hot>,
    /// In which order seats and records are looked over for dropping.
    shelf: VecDeque<SessionKey>,
    answers: Vec<Answer>,
    /// Events of the group.
    told: Vec<Arc<SessionEvent>>,
    is_written: bool,
    failed: Option<StoreError>,
    is_closing: bool,
}

/// A session as it stands on disk, kept for its next turn.
#[derive(Clone)]
pub(super) struct Hot {
    pub record: Record,
    recent: Option<Arc<Vec<Exchange>>>,
}

impl Writer {
    /// Works until the store is closed or dropped, or the disk fails.
    pub fn run(mut self, commands: &Receiver<Sent>) {
        while let Next::Group(first) = self.next(commands) {
            if let Some(first) = first {
                self.group(first, commands);
            }
            self.hand_over_due();
            self.flush_counters_when_due();
            if !self.finish_group() {
                return;
            }
        }
        let _ = self.flush_counters();
        self.finish_group();
    }

    fn next(&mut self, commands: &Receiver<Sent>) -> Next {
        if self.memory.is_closing {
            return Next::End;
        }
        let received = match self.timeout() {
            Some(timeout) => commands.recv_timeout(timeout),
            None => commands.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        match received {
            Ok(sent) => Next::Group(Some(sent)),
            Err(RecvTimeoutError::Timeout) => Next::Group(None),
            Err(RecvTimeoutError::Disconnected) => Next::End,
        }
    }

    /// Until a lease with waiters runs out, or the counters have to be written.
    fn timeout(&self) -> Option<Duration> {
        let now = self.clock.now();
        let lease = self.memory.deadlines.first().map(|(deadline, _)| deadline.since(now));
        let counters = self.memory.counters.is_dirty().then_some(COUNTERS_FLUSH);
        // Never zero: a clock that stands still must not make the thread spin.
        lease.into_iter().chain(counters).min().map(|timeout| timeout.max(Duration::from_millis(1)))
    }

    fn group(&mut self, first: Sent, commands: &Receiver<Sent>) {
        let rest = std::iter::from_fn(|| commands.try_recv().ok()).take(GROUP_MAX - 1);
        for (command, _room) in std::iter::once(first).chain(rest) {
            self.hand_over_due();
            self.tidy();
            command(self);
        }
    }

    /// Stops where the directory was taken away under the open files: what is written then is kept nowhere.
    pub fn look_to_the_ground(&mut self) {
        if !self.ground.stands() {
            self.memory.failed = Some(StoreError::Stopped("its directory is gone".to_owned()));
        }
    }

    /// Holds an answer until the group is synced.
    pub fn answer(&mut self, answer: Answer) {
        self.memory.answers.push(answer);
    }

    /// The group's commands are the last ones.
    pub fn close(&mut self) {
        self.memory.is_closing = true;
    }

    /// Syncs, publishes, answers. False when the disk failed: then nothing of the group stands, and the writer ends.
    fn finish_group(&mut self) -> bool {
        loop {
            let synced = self.sync();
            if let Err(reason) = &synced {
                self.state.poison(reason);
            }
            let answers = std::mem::take(&mut self.memory.answers);
            let lost: Vec<Unclaimed> =
                answers.into_iter().filter_map(|answer| answer(synced.clone())).collect();
            if synced.is_err() {
                return false;
            }
            if lost.is_empty() {
                return true;
            }
            for unclaimed in lost {
                self.take_back(unclaimed);
            }
        }
    }

    fn sync(&mut self) -> Result<(), StoreError> {
        if let Some(reason) = &self.memory.failed {
            return Err(stopped(reason));
        }
        if std::mem::take(&mut self.memory.is_written) {
            self.tables.db.persist(PersistMode::SyncData).map_err(|error| stopped(&away(&error)))?;
            self.published.publish(&self.tables);
            self.state.recent_events.push(self.memory.told.drain(..));
        }
        Ok(())
    }

    /// Whoever was to get it has left.
    fn take_back(&mut self, unclaimed: Unclaimed) {
        match unclaimed {
            Unclaimed::Lease(key, lease) => {
                if !self.seat(&key).is_taken_up(lease) {
                    self.abandon(&key, lease, Abandon::Failed);
                }
            }
            Unclaimed::Ticket(key, ticket) => self.withdraw(&key, ticket, None),
        }
    }

    /// A change that stands or falls as a whole; visible at once to the commands after it.
    pub fn change<T>(
        &mut self,
        make: impl FnOnce(&mut Draft<'_>) -> Result<T, StoreError>,
    ) -> Result<T, StoreError> {
        let now = self.clock.now();
        let Self { tables, limits, memory, .. } = self;
        let mut draft =
            Draft { change: Change::new(tables, limits, now), hot: &memory.hot, kept: HashMap::new() };
        let outcome = make(&mut draft)?;
        let Draft { change, kept, .. } = draft;
        memory.is_written = true;
        let told = change.commit().inspect_err(|reason| memory.failed = Some(reason.clone()))?;
        memory.told.extend(told);
        for (key, record) in kept {
            memory.keep(key, record);
        }
        Ok(outcome)
    }

    #[cfg(test)]
    pub fn fail(&mut self) {
        self.memory.failed = Some(StoreError::Away("the test's disk is full".to_owned()));
    }

    pub fn new_lease(&self) -> Lease {
        Lease(self.entropy.u128())
    }

    pub fn next_ticket(&mut self) -> u64 {
        self.memory.last_ticket += 1;
        self.memory.last_ticket
    }

    /// The record as it stands, dead or not.
    pub fn record(&mut self, key: &SessionKey) -> Result<Option<Record>, StoreError> {
        if let Some(hot) = self.memory.hot.get(key) {
            return Ok(Some(hot.record.clone()));
        }
        let record = load_record(&self.tables, key)?;
        if let Some(record) = &record {
            self.memory.keep(key.clone(), Some(record.clone()));
        }
        Ok(record)
    }

    /// The record where it still counts, with its client's memory. One that is past its deadline is removed first.
    pub fn live(&mut self, key: &SessionKey) -> Result<Option<(Record, SafetyMemory)>, StoreError> {
        let Some(record) = self.record(key)? else { return Ok(None) };
        let memory = load_memory(&self.tables, &record.session.client)?;
        if !record.is_dead(&memory, self.clock.now()) {
            return Ok(Some((record, memory)));
        }
        self.change(|draft| draft.expire_for_good(key, &record, &memory))?;
        Ok(None)
    }

    pub fn memory_of(&self, client: &ClientKey) -> Result<SafetyMemory, StoreError> {
        load_memory(&self.tables, client)
    }

    /// The latest exchanges, oldest first.
    pub fn recent(&mut self, key: &SessionKey) -> Result<Arc<Vec<Exchange>>, StoreError> {
        if let Some(recent) = self.memory.hot.get(key).and_then(|hot| hot.recent.as_ref()) {
            return Ok(Arc::clone(recent));
        }
        let recent = Arc::new(load_recent(&self.tables, key, self.limits.recent_max)?);
        if let Some(hot) = self.memory.hot.get_mut(key) {
            hot.recent = Some(Arc::clone(&recent));
        }
        Ok(recent)
    }

    /// Adds a turn that was just written to what is kept of it.
    pub fn remember_turn(&mut self, key: &SessionKey, exchange: Exchange) {
        let most = self.limits.recent_max as usize;
        let recent = self.memory.hot.get_mut(key).and_then(|hot| hot.recent.as_mut());
        if let Some(recent) = recent.map(Arc::make_mut) {
            recent.push(exchange);
            let surplus = recent.len().saturating_sub(most);
            recent.drain(..surplus);
        }
    }

    /// The seat of a session, made from what its record remembers of permits.
    pub fn seat(&mut self, key: &SessionKey) -> &mut Seat<ClaimReply> {
        let Memory { seats, hot, shelf, .. } = &mut self.memory;
        seats.entry(key.clone()).or_insert_with(|| {
            shelf.push_back(key.clone());
            let permits = hot.get(key).map(|hot| hot.record.permits.as_slice()).unwrap_or_default();
            Seat::new(permits.iter().copied().map(Timestamp::from_micros).collect())
        })
    }

    /// Makes room for what the next command brings.
    fn tidy(&mut self) {
        let now = self.clock.now();
        self.memory.tidy(&self.limits, now);
    }

    /// Keeps the list of deadlines in line with a seat that may have changed.
    pub fn watch(&mut self, key: &SessionKey) {
        let Some(seat) = self.memory.seats.get_mut(key) else { return };
        let due = seat.deadline().filter(|_| seat.is_waited_for());
        if seat.watched == due {
            return;
        }
        if let Some(before) = std::mem::replace(&mut seat.watched, due) {
            self.memory.deadlines.remove(&(before, key.clone()));
        }
        if let Some(due) = due {
            self.memory.deadlines.insert((due, key.clone()));
        }
    }

    fn flush_counters_when_due(&mut self) {
        let since = self.memory.counters.dirty_since();
        if since.is_some_and(|since| self.clock.now().since(since) >= COUNTERS_FLUSH) {
            // A disk that fails here fails the group.
            let _ = self.flush_counters();
        }
    }
}

impl Memory {
    /// Drops all records that are kept, and every seat that nobody is at.
    pub fn forget_sessions(&mut self) {
        self.hot.clear();
        self.shelf.clear();
        self.seats.clear();
        self.deadlines.clear();
    }

    fn keep(&mut self, key: SessionKey, record: Option<Record>) {
        let Some(record) = record else {
            self.hot.remove(&key);
            return;
        };
        match self.hot.entry(key) {
            std::collections::hash_map::Entry::Occupied(mut entry) => entry.get_mut().record = record,
            std::collections::hash_map::Entry::Vacant(entry) => {
                self.shelf.push_back(entry.key().clone());
                entry.insert(Hot { record, recent: None });
            }
        }
    }

    /// Looks over a few of the oldest and drops what nobody needs.
    fn tidy(&mut self, limits: &Limits, now: Timestamp) {
        for _ in 0..4 {
            if self.shelf.len() <= HOT_MAX {
                return;
            }
            let Some(key) = self.shelf.pop_front() else { return };
            let is_crowded = self.seats.len() > SEATS_MAX;
            let is_needed = |seat: &mut Seat<ClaimReply>| {
                !(seat.is_idle(limits, now) || (is_crowded && seat.is_vacant(now)))
            };
            if self.seats.get_mut(&key).is_some_and(is_needed) {
                self.shelf.push_back(key);
            } else {
                self.seats.remove(&key);
                self.hot.remove(&key);
            }
        }
    }
}

enum Next {
    Group(Option<Sent>),
    End,
}
