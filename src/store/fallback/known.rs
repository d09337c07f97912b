//! What this server knows of sessions while Redis is there, so that it can go on with them when it is not. Decides nothing.
//!
//! A session is known from its turns here. What else changes it here is read again behind the change; where that fails, it
//! is known no more, for going on with what no longer holds would be worse than a refusal.

use std::collections::{HashMap, HashSet};
use std::hash::{BuildHasher as _, RandomState};
use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use parking_lot::Mutex;

use crate::domain::exchange::Exchange;
use crate::domain::id::{ClientKey, SessionId, SessionKey};
use crate::domain::safety::{Level, SafetyMemory};
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::store::{Begin, Begun, Commit, Idempotency, Lease, Reloaded, Snapshot, StoredReply};

/// What people wrote does not lie in memory for longer without a turn.
const IDLE_MAX: Duration = Duration::from_mins(15);
/// Of a session so many of the latest keyed replies are at hand for a repeat.
const REPLIES_MAX: usize = 8;
const MEMORIES_MAX: u64 = 100_000;
/// Ids that are told apart from new ones. Where there are more, no id counts as new.
const ROSTER_MAX: usize = 4_000_000;

/// A session as its last turn here left it.
#[derive(Clone)]
pub(super) struct Acquaintance {
    pub session: Arc<Session>,
    pub recent: Arc<Vec<Exchange>>,
    pub replies: Vec<(Idempotency, StoredReply)>,
}

impl Acquaintance {
    /// About as much memory as it takes.
    fn bytes(&self) -> usize {
        let texts =
            |exchange: &Exchange| 250 + exchange.client_input.len() + exchange.therapist_response.len();
        let replies: usize = self.replies.iter().map(|(_, reply)| 50 + reply.len()).sum();
        let place = &self.session.place;
        let facts: usize = place.facts.values().map(|fact| 60 + fact.len()).sum();
        let names = 60 * (place.counters.len() + place.flags.len() + self.session.meta.len());
        let turns: usize = self.recent.iter().map(texts).sum();
        1_500 + facts + names + 150 * self.session.transitions.len() + turns + replies
    }
}

/// A turn that was begun in Redis and has not ended.
#[derive(Clone)]
pub(super) struct AtWork {
    pub begin: Box<Begin>,
    pub lease: Lease,
    pub client: ClientKey,
    pub session: Option<Arc<Session>>,
    pub memory: SafetyMemory,
    pub recent: Arc<Vec<Exchange>>,
}

pub(super) struct Known {
    sessions: Cache<SessionKey, Arc<Acquaintance>>,
    /// What is remembered of clients' danger, as it was last told or changed here.
    memories: Cache<ClientKey, SafetyMemory>,
    /// How far chats have counted that somebody spoke in here.
    counts: Cache<SessionKey, u64>,
    /// Whoever begins commits or abandons, so this holds as many as there are turns at work. A plain mutex: held for a
    /// look-up, never across an await.
    at_work: Mutex<HashMap<SessionKey, AtWork>>,
    roster: Mutex<Roster>,
    hasher: RandomState,
    recent_max: usize,
}

/// The ids that are taken, by a hash. One that is gone may stand in it: then it does not count as new.
#[derive(Default)]
struct Roster {
    taken: HashSet<u64>,
    is_complete: bool,
}

impl Known {
    pub fn bounded(bytes: u64, recent_max: u32) -> Self {
        let weigh = |_: &SessionKey, it: &Arc<Acquaintance>| u32::try_from(it.bytes()).unwrap_or(u32::MAX);
        Self {
            sessions: Cache::builder().max_capacity(bytes).weigher(weigh).time_to_idle(IDLE_MAX).build(),
            memories: Cache::builder().max_capacity(MEMORIES_MAX).time_to_idle(IDLE_MAX).build(),
            counts: Cache::builder().max_capacity(MEMORIES_MAX).time_to_idle(IDLE_MAX).build(),
            at_work: Mutex::default(),
            roster: Mutex::default(),
            hasher: RandomState::new(),
            recent_max: recent_max as usize,
        }
    }

    pub fn session(&self, key: &SessionKey) -> Option<Arc<Acquaintance>> {
        self.sessions.get(key)
    }

    pub fn at_work(&self, key: &SessionKey) -> Option<AtWork> {
        self.at_work.lock().get(key).cloned()
    }

    /// The number of the latest message of a chat, where that is known. Beside a session it counts on from its turns.
    pub fn count(&self, key: &SessionKey) -> Option<u64> {
        let turns = || self.session(key).map(|known| u64::from(known.session.turn_count));
        self.counts.get(key).or_else(turns).or_else(|| self.is_new(key).then_some(0))
    }

    pub fn counted(&self, key: &SessionKey, count: u64) {
        self.take(key);
        self.counts.insert(key.clone(), count);
    }

    pub fn forget_count(&self, key: &SessionKey) {
        self.counts.invalidate(key);
    }

    pub fn forget(&self, key: &SessionKey) {
        self.sessions.invalidate(key);
    }

    /// A turn was begun in Redis.
    pub fn begun(&self, begin: &Begin, begun: &Begun) {
        self.take(&begin.session);
        self.memories.insert(begun.client.clone(), begun.memory.clone());
        let at_work = AtWork {
            begin: Box::new(begin.clone()),
            lease: begun.lease,
            client: begun.client.clone(),
            session: begun.session.clone(),
            memory: begun.memory.clone(),
            recent: Arc::clone(&begun.recent),
        };
        self.at_work.lock().insert(begin.session.clone(), at_work);
    }

    /// It stands on other ground now.
    pub fn reloaded(&self, key: &SessionKey, reloaded: &Reloaded) {
        if let Some(at_work) = self.at_work.lock().get_mut(key) {
            at_work.session.clone_from(&reloaded.session);
            at_work.memory = reloaded.memory.clone();
            at_work.recent = Arc::clone(&reloaded.recent);
        }
    }

    /// It has ended. What it stood on, where it was this lease's.
    pub fn ended(&self, key: &SessionKey, lease: Lease) -> Option<AtWork> {
        let mut at_work = self.at_work.lock();
        let is_its = at_work.get(key).is_some_and(|it| it.lease == lease);
        if is_its { at_work.remove(key) } else { None }
    }

    /// A commit stands in Redis.
    pub fn committed(&self, commit: &Commit, ground: &AtWork, revision: u64, now: Timestamp) {
        let memory = commit.raised(&ground.memory, now);
        let before = ground.session.as_ref().map_or(Level::None, |session| session.level);
        let mut session = commit.session.clone();
        session.ttl = ground.session.as_ref().map_or(session.ttl, |stored| stored.ttl);
        session.align(&memory, now);
        commit.pin(&mut session, before);
        session.revision = revision;
        self.memories.insert(session.client.clone(), memory);
        let known = self.sessions.get(&commit.key);
        let mut replies = known.map(|known| known.replies.clone()).unwrap_or_default();
        replies.extend(commit.reply.clone());
        replies.drain(..replies.len().saturating_sub(REPLIES_MAX));
        let skipped = (ground.recent.len() + 1).saturating_sub(self.recent_max);
        let recent = ground.recent.iter().skip(skipped).cloned().chain([commit.exchange.clone()]).collect();
        let acquaintance = Acquaintance { session: Arc::new(session), recent: Arc::new(recent), replies };
        self.sessions.insert(commit.key.clone(), Arc::new(acquaintance));
    }

    /// A session was opened here, ahead of its first turn.
    pub fn created(&self, key: &SessionKey, session: &Arc<Session>) {
        self.take(key);
        let acquaintance =
            Acquaintance { session: Arc::clone(session), recent: Arc::default(), replies: Vec::new() };
        self.sessions.insert(key.clone(), Arc::new(acquaintance));
    }

    /// The session was read behind a change to it.
    pub fn read_again(&self, key: &SessionKey, snapshot: Option<Snapshot>) {
        let known = self.sessions.get(key);
        let (Some(known), Some(snapshot)) = (known, snapshot) else {
            self.forget(key);
            return;
        };
        let memory = SafetyMemory {
            level: snapshot.basis.level,
            epoch: snapshot.basis.epoch,
            signs: snapshot.basis.signs,
            ..SafetyMemory::default()
        };
        self.memories.insert(snapshot.session.client.clone(), memory);
        let acquaintance = Acquaintance { session: snapshot.session, ..Acquaintance::clone(&known) };
        self.sessions.insert(key.clone(), Arc::new(acquaintance));
    }

    /// A level rose, or a sign was seen. `client`: whose it is where the session is not known.
    pub fn raised(
        &self,
        key: &SessionKey,
        client: &ClientKey,
        (level, why): (Level, &[String]),
        now: Timestamp,
    ) {
        let client = self.sessions.get(key).map_or_else(|| client.clone(), |it| it.session.client.clone());
        let mut memory = self.memories.get(&client).unwrap_or_default();
        memory.raise(level, why, now);
        self.memories.insert(client, memory);
    }

    /// What is remembered of a session's client: the later of what was told of it, and what the session shows.
    pub fn memory_for(&self, session: &Session) -> SafetyMemory {
        let known = self.memories.get(&session.client);
        let shown =
            SafetyMemory { level: session.level, epoch: session.safety_epoch, ..SafetyMemory::default() };
        known.filter(|known| known.epoch >= shown.epoch).unwrap_or(shown)
    }

    /// Notes that an id is taken, and that of the line that it belongs to.
    pub fn take(&self, key: &SessionKey) {
        let mut roster = self.roster.lock();
        let root = root_of(&key.id).map(|root| self.hash(&key.with_id(root)));
        for hash in [Some(self.hash(key)), root].into_iter().flatten() {
            if roster.taken.len() < ROSTER_MAX {
                roster.taken.insert(hash);
            } else if !roster.taken.contains(&hash) {
                roster.is_complete = false;
            }
        }
    }

    /// All ids have been noted, as of some moment since the last break.
    pub fn complete(&self) {
        let mut roster = self.roster.lock();
        roster.is_complete = roster.taken.len() < ROSTER_MAX;
    }

    pub fn is_complete(&self) -> bool {
        self.roster.lock().is_complete
    }

    /// Whether nobody has this id, as far as can be told.
    pub fn is_new(&self, key: &SessionKey) -> bool {
        let roster = self.roster.lock();
        roster.is_complete && !roster.taken.contains(&self.hash(key))
    }

    fn hash(&self, key: &SessionKey) -> u64 {
        self.hasher.hash_one(key)
    }
}

/// The first of the line of a successor.
fn root_of(id: &SessionId) -> Option<SessionId> {
    let (root, digits) = id.as_str().rsplit_once('.')?;
    let is_number = !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| SessionId::parse(root).ok()).flatten()
}
