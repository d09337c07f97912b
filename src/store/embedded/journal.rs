//! A store that keeps turns for another one which is away: with each of them it logs, in the same change, what the other
//! has to be told once it is back.
//!
//! What stands in it beside the log is what the turns are worked on with, and is good for one outage. An ordinary store
//! logs nothing. The log lies in the table `about`, for no other store has one.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::draft::Draft;
use super::errands::Leads;
use super::open::{self, Ground, OpenError, OpenOptions};
use super::record::{Record, ReplyRecord, decode, encode};
use super::tables::{self, Due, Tables, key_of, pair_of};
use super::waiting::Request;
use super::writer::Writer;
use super::{Channel, EmbeddedStore, Published, State};
use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::quota::{Permit, Quota};
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::Session;
use crate::store::rooms::Rooms;
use crate::store::{
    Begin, Commit, Counter, Created, Idempotency, Lease, Raise, Saying, StoreError, StoredReply,
};

/// What has to be told of a session, in order.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub enum Logged {
    Created(Box<Session>),
    Raised {
        client: ClientKey,
        level: Level,
        why: Vec<String>,
    },
    Turn(Box<LoggedTurn>),
    /// A message of its plain chat.
    Said {
        name: [u8; 16],
        content: String,
        ttl: Duration,
    },
}

/// A turn, and what it made of its session.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct LoggedTurn {
    lease: [u8; 16],
    /// The session on which it was decided; `None` where it is the first.
    pub before: Option<Session>,
    pub after: Session,
    pub exchange: Exchange,
    pub decided_under: Level,
    pub why: Vec<String>,
    reply: Option<LoggedReply>,
    pub counters: Vec<Counter>,
}

#[derive(Debug, Clone, Serialize, Deserialize)]
struct LoggedReply {
    key: [u8; 16],
    body: [u8; 16],
    /// JSON, as it was sent.
    reply: String,
}

impl LoggedTurn {
    fn of(commit: &Commit, before: Option<&Session>) -> Self {
        let reply = commit.reply.as_ref().map(|(used, reply)| LoggedReply {
            key: used.key,
            body: used.body,
            reply: String::from_utf8_lossy(reply).into_owned(),
        });
        Self {
            lease: commit.lease.0.to_be_bytes(),
            before: before.cloned(),
            after: commit.session.clone(),
            exchange: commit.exchange.clone(),
            decided_under: commit.decided_under,
            why: commit.why.clone(),
            reply,
            counters: commit.counters.clone(),
        }
    }

    #[must_use]
    pub fn lease(&self) -> Lease {
        Lease(u128::from_be_bytes(self.lease))
    }

    #[must_use]
    pub fn reply(&self) -> Option<(Idempotency, StoredReply)> {
        let logged = self.reply.as_ref()?;
        let used = Idempotency { key: logged.key, body: logged.body };
        Some((used, logged.reply.as_bytes().into()))
    }
}

/// What a journal is told of a session that it is to go on with.
pub struct Seed {
    pub key: SessionKey,
    pub session: Option<Arc<Session>>,
    pub client: ClientKey,
    pub memory: SafetyMemory,
    /// The latest exchanges, oldest first.
    pub recent: Arc<Vec<Exchange>>,
    pub replies: Vec<(Idempotency, StoredReply)>,
    /// A turn that is at work on it already.
    pub holder: Option<(Lease, Box<Begin>)>,
}

/// A session of the log, and how much waits of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiting {
    pub session: SessionKey,
    pub turns: u64,
    pub others: u64,
}

impl EmbeddedStore {
    /// Opens a directory as a journal, or makes it.
    pub fn open_journal(directory: &Path, options: OpenOptions) -> Result<Self, OpenError> {
        Self::open_as(directory, options, true)
    }

    /// How many turns wait in a journal that nobody has open.
    pub fn turns_waiting(directory: &Path) -> Result<u64, OpenError> {
        let tables = open::tables_of_any(directory)?;
        let waiting = waiting(&tables).map_err(|error| OpenError::Corrupt(error.to_string()))?;
        Ok(waiting.iter().map(|session| session.turns).sum())
    }

    pub(super) fn open_as(
        directory: &Path,
        options: OpenOptions,
        is_journal: bool,
    ) -> Result<Self, OpenError> {
        let tables = open::tables(directory, &options)?;
        let (state, published) = (Arc::<State>::default(), Arc::<Published>::default());
        let (channel, commands) = Channel::open(Arc::clone(&state));
        let (clock, limits) = (Arc::clone(&options.clock), options.limits.clone());
        let ground = Ground::of(directory);
        let mut writer = open::writer(tables, ground, options, Arc::clone(&state), Arc::clone(&published));
        writer.is_journal = is_journal;
        let newest = writer.newest_event().map_err(|error| OpenError::Corrupt(error.to_string()))?;
        state.recent_events.begin(newest);
        let thread = std::thread::Builder::new()
            .name("attune-store".to_owned())
            .spawn(move || open::work(writer, &commands))
            .map_err(|error| OpenError::Io(error.to_string()))?;
        let channel = parking_lot::RwLock::new(Some(Arc::new(channel)));
        let writer = parking_lot::Mutex::new(Some(thread));
        let (rooms, leads) = (Rooms::default(), Leads::default());
        Ok(Self { channel, state, published, clock, limits, rooms, writer, leads })
    }

    /// Takes a session over as it is known. What stood of it here before is forgotten.
    pub async fn seed(&self, seed: Seed) -> Result<(), StoreError> {
        self.channel()?.ask(move |writer| writer.seed(seed)).await
    }

    /// Whether a write failed: until it is opened anew nothing goes into it or comes out.
    #[must_use]
    pub fn is_stopped(&self) -> bool {
        self.state.poison.lock().is_some()
    }

    /// The sessions of the log.
    pub async fn waiting(&self) -> Result<Vec<Waiting>, StoreError> {
        self.channel()?.ask(|writer| waiting(&writer.tables)).await
    }

    /// What has to be told of a session, in order, with the number of each.
    pub async fn logged(&self, key: &SessionKey) -> Result<Vec<(u64, Logged)>, StoreError> {
        let key = key.clone();
        self.channel()?.ask(move |writer| writer.logged(&key)).await
    }

    /// Logs a message of a chat, and no more: its number is known elsewhere.
    pub async fn log_said(&self, saying: Saying) -> Result<(), StoreError> {
        let Saying { session, name, content, ttl, .. } = saying;
        let said = Logged::Said { name: name.to_be_bytes(), content, ttl };
        self.channel()?.ask(move |writer| writer.change(|draft| draft.log(&session, &said))).await
    }

    /// Takes out of the log what was told.
    pub async fn told(&self, key: &SessionKey, numbers: Vec<u64>) -> Result<(), StoreError> {
        let key = key.clone();
        let told = move |writer: &mut Writer| {
            writer.change(|draft| {
                for number in numbers {
                    let entry = tables::logged(&key, number);
                    draft.change.batch.remove(&draft.change.tables.about, entry);
                }
                Ok(())
            })
        };
        self.channel()?.ask(told).await
    }

    /// The answer to a create that was answered before under the same key.
    pub async fn created_before(&self, used: &Idempotency) -> Result<Option<Created>, StoreError> {
        let used = used.clone();
        self.channel()?.ask(move |writer| writer.repeated(&used)).await
    }

    /// Whether nobody works on a session, or waits for it.
    pub async fn is_at_rest(&self, key: &SessionKey) -> Result<bool, StoreError> {
        let key = key.clone();
        let now = self.clock.now();
        self.channel()?.ask(move |writer| Ok(writer.seat(&key).is_vacant(now))).await
    }

    /// Forgets what stands of a session. What of it is logged stays.
    pub async fn forget(&self, key: &SessionKey) -> Result<(), StoreError> {
        let key = key.clone();
        self.channel()?.ask(move |writer| writer.forget(&key)).await
    }

    /// Forgets all but the log and the replies of creates.
    pub async fn forget_all(&self) -> Result<(), StoreError> {
        self.channel()?.ask(Writer::forget_all).await
    }
}

fn waiting(tables: &Tables) -> Result<Vec<Waiting>, StoreError> {
    let mut all: Vec<Waiting> = Vec::new();
    for entry in tables.about.prefix(tables::LOG) {
        let (key, value) = pair_of(entry)?;
        let (session, _) = tables::parse_logged(&key)?;
        let is_turn = matches!(decode(&value, "a logged change")?, Logged::Turn(_));
        if all.last().is_none_or(|last| last.session != session) {
            all.push(Waiting { session, turns: 0, others: 0 });
        }
        if let Some(last) = all.last_mut() {
            *(if is_turn { &mut last.turns } else { &mut last.others }) += 1;
        }
    }
    Ok(all)
}

impl Writer {
    fn logged(&self, key: &SessionKey) -> Result<Vec<(u64, Logged)>, StoreError> {
        let entries = self.tables.about.prefix(tables::log_of(key)).map(|entry| {
            let (key, value) = pair_of(entry)?;
            Ok((tables::parse_logged(&key)?.1, decode(&value, "a logged change")?))
        });
        entries.collect()
    }

    fn seed(&mut self, seed: Seed) -> Result<(), StoreError> {
        self.forget(&seed.key)?;
        let standing = self.memory_of(&seed.client)?;
        // A level that rose here meanwhile counts for every session of its client.
        let mut memory = seed.memory;
        if standing.level > memory.level {
            memory.raise(standing.level, &standing.why, self.clock.now());
        }
        let (key, recent) = (&seed.key, &seed.recent);
        let client = &seed.client;
        self.change(|draft| {
            let table = &draft.change.tables.memories;
            draft.change.batch.insert(table, tables::memory(client), encode(&memory)?);
            match &seed.session {
                Some(session) => draft.seed(key, session, recent, &seed.replies),
                None => Ok(()),
            }
        })?;
        if let Some((lease, begin)) = seed.holder {
            self.seat_holder(key, lease, *begin, client.clone());
        }
        Ok(())
    }

    /// Lets a turn that was begun elsewhere keep its lease.
    fn seat_holder(&mut self, key: &SessionKey, lease: Lease, begin: Begin, client: ClientKey) {
        let (now, limits) = (self.clock.now(), self.limits.clone());
        let quota = Quota { limit: limits.rate_limit, remaining: 0, reset: std::time::Duration::ZERO };
        let request = Request {
            begin: begin.id,
            lane: begin.lane,
            client,
            predecessor: begin.predecessor,
            idempotency: begin.idempotency,
            permit: Permit { at: None, quota },
        };
        let ticket = self.next_ticket();
        // The seat is empty: nobody has come to it since the session was taken over.
        let _holds = self.seat(key).arrive(request, ticket, lease, &limits, now);
        self.watch(key);
    }

    fn forget(&mut self, key: &SessionKey) -> Result<(), StoreError> {
        if let Some(record) = self.record(key)? {
            // As of a client in no danger: what is remembered of one lies in the other store.
            self.change(|draft| draft.purge(key, &record, &SafetyMemory::default()))?;
        }
        let now = self.clock.now();
        if self.seat(key).is_vacant(now) {
            self.memory.seats.remove(key);
        }
        Ok(())
    }

    fn forget_all(&mut self) -> Result<(), StoreError> {
        self.memory.forget_sessions();
        self.change(|draft| {
            let Tables {
                sessions,
                exchanges,
                replies,
                memories,
                clients,
                former,
                pointers,
                index,
                totals,
                alerts,
                alert_index,
                audit,
                ..
            } = draft.change.tables;
            let tables = [sessions, exchanges, replies, memories, clients, former, pointers, index, totals];
            for table in tables.into_iter().chain([alerts, alert_index, audit]) {
                for entry in table.iter() {
                    draft.change.batch.remove(table, key_of(entry)?);
                }
            }
            Ok(())
        })
    }
}

impl Draft<'_> {
    fn seed(
        &mut self,
        key: &SessionKey,
        session: &Session,
        recent: &[Exchange],
        replies: &[(Idempotency, StoredReply)],
    ) -> Result<(), StoreError> {
        let now = self.change.now;
        let mut record = Record::fresh(session.clone(), self.limits(), now);
        // What is older lies in the other store.
        record.trimmed_to = recent.first().map_or(session.turn_count, |oldest| oldest.turn.saturating_sub(1));
        let record = self.put(key, None, record)?;
        self.point(key, &record.session)?;
        for exchange in recent {
            let table = &self.change.tables.exchanges;
            self.change.batch.insert(table, tables::exchange(key, exchange.turn), encode(exchange)?);
        }
        for (used, reply) in replies {
            let expires_at = record.reply_ends(self.limits(), now);
            let stored = ReplyRecord { body: used.body, expires_at, reply: Arc::clone(reply) };
            let place = tables::reply(key, &used.key);
            self.change.insert_due(expires_at, &Due::Reply(place.clone()));
            let table = &self.change.tables.replies;
            self.change.batch.insert(table, place, stored.encode());
        }
        Ok(())
    }

    pub fn log_turn(&mut self, commit: &Commit, before: Option<&Session>) -> Result<(), StoreError> {
        self.log(&commit.key, &Logged::Turn(Box::new(LoggedTurn::of(commit, before))))
    }

    pub fn log_raise(&mut self, raise: &Raise) -> Result<(), StoreError> {
        let Raise { session, client, level, why } = raise;
        self.log(session, &Logged::Raised { client: client.clone(), level: *level, why: why.clone() })
    }

    pub fn log_create(&mut self, key: &SessionKey, session: &Session) -> Result<(), StoreError> {
        self.log(key, &Logged::Created(Box::new(session.clone())))
    }

    /// Behind what is logged of the session already.
    fn log(&mut self, key: &SessionKey, what: &Logged) -> Result<(), StoreError> {
        let table = &self.change.tables.about;
        let last = table.prefix(tables::log_of(key)).next_back();
        let last = last.map(|entry| tables::parse_logged(&key_of(entry)?)).transpose()?;
        let number = last.map_or(1, |(_, number)| number + 1);
        self.change.batch.insert(table, tables::logged(key, number), encode(what)?);
        Ok(())
    }
}
