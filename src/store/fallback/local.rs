//! Which way a call goes: to Redis, or to the journal; and how a session is taken over into it.
//!
//! A session is local from when the journal took it over until Redis was told of everything that is logged of it. While it
//! is local every call goes to the journal, where the leases lie too. Nothing here waits without a bound.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock};
use tokio::time::{Instant, sleep, timeout};

use super::contract::{FallbackRule, FallbackStanding, StoreMode, Switch};
use super::known::{Acquaintance, AtWork};
use super::{Inner, merge};
use crate::domain::id::{ClientKey, SessionKey};
use crate::domain::safety::SafetyMemory;
use crate::store::embedded::{EmbeddedStore, Seed};
use crate::store::{Lane, Lease, Store as _, StoreError};

/// How long a call waits while its session is taken over or told of.
const SETTLE_WAIT: Duration = Duration::from_secs(5);
/// How long a call waits where much has to be told of its session, and how often it looks.
const MUCH_WAIT: Duration = Duration::from_millis(300);
const LOOK_EVERY: Duration = Duration::from_millis(10);
/// How long Redis may take to show that it is there after all, where a call found that it is not.
const PROBE: Duration = Duration::from_millis(250);
/// Sessions that are local at once, and turns that wait.
const LOCALS_MAX: usize = 200_000;
const WAITING_MAX: u64 = 5_000_000;
/// How often a session is found to have changed its place meanwhile.
const TRIES_MAX: usize = 3;

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Phase {
    /// Something is logged of it, and nothing else is known here.
    #[default]
    Unknown,
    /// The journal goes on with it.
    Seeded,
    /// Redis was told of everything: whoever waited looks again.
    Over,
}

/// A session that is local. The lock is read by whoever comes to the session anew, and written by who takes it over or
/// tells Redis of it: a turn that is at work needs neither.
#[derive(Default)]
pub(super) struct Local {
    pub phase: Arc<RwLock<Phase>>,
    /// What comes with a lease goes by this alone.
    is_seeded: AtomicBool,
    /// Turns that are logged of it.
    pub turns: AtomicU64,
    /// Held by who tells Redis of it.
    pub telling: tokio::sync::Mutex<()>,
    /// A turn that was begun in Redis, and has not heard yet that it is kept here.
    untold: Mutex<Option<Lease>>,
}

impl Local {
    pub fn seeded() -> Self {
        Self {
            phase: Arc::new(RwLock::new(Phase::Seeded)),
            is_seeded: AtomicBool::new(true),
            ..Self::default()
        }
    }

    /// True once for a turn that has to be told anew where it is kept.
    pub fn is_news_to(&self, lease: Lease) -> bool {
        let mut untold = self.untold.lock();
        let is_it = *untold == Some(lease);
        if is_it {
            *untold = None;
        }
        is_it
    }
}

/// Which way a call goes.
pub(super) enum Way {
    Redis,
    /// Redis is away, and the session is not local yet.
    Away,
    Journal(Held),
}

/// Keeps a session local for as long as it is held.
pub(super) type Held = OwnedRwLockReadGuard<Phase>;

pub(super) fn away() -> StoreError {
    StoreError::Away("Redis is away, and this server does not know the session".to_owned())
}

impl Inner {
    /// What is done while Redis is away, as of now.
    pub fn is_going_on(&self) -> bool {
        let rule = match *self.hand.lock() {
            Some(Switch::Local) => FallbackRule::Local,
            Some(Switch::Reject) => FallbackRule::Reject,
            Some(Switch::Reconnect) | None => self.rule,
        };
        let is_alone = || *self.others.lock() == Some(0);
        self.journal.as_ref().is_some_and(|journal| !journal.is_stopped())
            && match rule {
                FallbackRule::Local => true,
                FallbackRule::Reject => false,
                FallbackRule::Auto => is_alone(),
            }
    }

    /// Whether Redis is away, or is taken to be.
    pub fn is_away(&self) -> bool {
        *self.hand.lock() == Some(Switch::Local)
            || self.is_troubled.load(Ordering::Acquire)
            || !self.primary.is_up()
    }

    pub fn standing(&self) -> FallbackStanding {
        let mode = match (self.is_away(), self.is_going_on()) {
            (false, _) => StoreMode::Redis,
            (true, true) => StoreMode::Local,
            (true, false) => StoreMode::Reject,
        };
        FallbackStanding {
            mode,
            is_by_hand: self.hand.lock().is_some(),
            journal_stopped: self.is_stopped(),
            turns_waiting: self.turns_waiting.load(Ordering::Acquire),
            knows_new: self.known.is_complete(),
            other_servers: *self.others.lock(),
        }
    }

    /// A call to Redis got no answer. True where Redis is away, and turns go on without it: one that is merely busy shows
    /// that it is there.
    pub async fn goes_on_without(&self) -> bool {
        if !self.is_going_on() {
            return false;
        }
        if self.is_away() {
            return true;
        }
        let is_there = matches!(timeout(PROBE, self.primary.health()).await, Ok(Ok(())));
        if !is_there {
            self.is_troubled.store(true, Ordering::Release);
            self.trouble.notify_one();
        }
        !is_there
    }

    /// The journal, where turns go on in it.
    pub fn going_on(&self) -> Result<&EmbeddedStore, StoreError> {
        let has_room = self.turns_waiting.load(Ordering::Acquire) < WAITING_MAX;
        let journal = self.journal.as_ref().filter(|_| has_room && self.is_going_on());
        journal.ok_or_else(away)
    }

    /// The journal of a session that is local: then there is one.
    pub fn journal(&self) -> Result<&EmbeddedStore, StoreError> {
        self.journal.as_ref().ok_or_else(away)
    }

    pub fn local(&self, key: &SessionKey) -> Option<Arc<Local>> {
        self.locals.lock().get(key).cloned()
    }

    /// Whether the journal's disk failed. What waits in it is told after the next start; meanwhile sessions go on in Redis.
    pub fn is_stopped(&self) -> bool {
        self.journal.as_ref().is_some_and(EmbeddedStore::is_stopped)
    }

    /// Where the journal goes on with a session, its place.
    pub fn seeded(&self, key: &SessionKey) -> Option<Arc<Local>> {
        self.local(key).filter(|_| !self.is_stopped()).filter(|local| local.is_seeded.load(Ordering::Acquire))
    }

    /// Which way a call goes that comes to a session anew. Where Redis is back it is told of the session first.
    pub async fn way(this: &Arc<Self>, key: &SessionKey, lane: Lane) -> Result<Way, StoreError> {
        for _ in 0..TRIES_MAX {
            if this.is_stopped() {
                return Ok(Way::Redis);
            }
            let goes_on = this.is_away() && this.is_going_on();
            let Some(local) = this.local(key) else {
                return Ok(if goes_on { Way::Away } else { Way::Redis });
            };
            if goes_on {
                let held = held(&local).await?;
                match *held {
                    Phase::Over => {}
                    Phase::Seeded => return Ok(Way::Journal(held)),
                    Phase::Unknown => return Ok(Way::Away),
                }
            } else if let Err(StoreError::Away(why)) = Self::settle_soon(this, key, &local, lane).await {
                // Where much has to be told, or Redis goes again, turns go on here meanwhile.
                if !this.is_going_on() {
                    return Err(StoreError::Away(why));
                }
                let held = held(&local).await?;
                if *held == Phase::Seeded {
                    return Ok(Way::Journal(held));
                }
            }
        }
        Err(StoreError::Away("the session changes its place all the time".to_owned()))
    }

    /// The same as [`Inner::settle`], where little has to be told. Where much has, that goes on behind the session's back, and
    /// whoever comes to it waits a moment: a session that is talked in without a pause must not outrun it.
    async fn settle_soon(
        this: &Arc<Self>,
        key: &SessionKey,
        local: &Arc<Local>,
        lane: Lane,
    ) -> Result<(), StoreError> {
        let ends = match lane {
            Lane::Ordinary => Instant::now() + MUCH_WAIT,
            Lane::Danger => Instant::now(),
        };
        this.trouble.notify_one();
        while local.turns.load(Ordering::Acquire) > merge::FEW {
            if Instant::now() >= ends {
                return Err(StoreError::Away("its turns are being merged".to_owned()));
            }
            sleep(LOOK_EVERY).await;
        }
        Self::settle(this, key, local).await
    }

    /// Has Redis told of a session before it is touched there.
    pub async fn settled(this: &Arc<Self>, key: &SessionKey) -> Result<(), StoreError> {
        if this.is_away() && this.is_going_on() {
            return Err(away());
        }
        match this.local(key) {
            Some(local) if !this.is_stopped() => Self::settle(this, key, &local).await,
            Some(_) | None => Ok(()),
        }
    }

    /// Goes on behind a caller that does not wait so long.
    async fn settle(this: &Arc<Self>, key: &SessionKey, local: &Arc<Local>) -> Result<(), StoreError> {
        // One tells; whoever else waits for it leaves nothing behind.
        let ends = Instant::now() + SETTLE_WAIT;
        while local.telling.try_lock().is_err() {
            if Instant::now() >= ends {
                return Err(StoreError::Away("its turns are being merged".to_owned()));
            }
            sleep(LOOK_EVERY).await;
        }
        let (inner, key, local) = (Arc::clone(this), key.clone(), Arc::clone(local));
        let telling = this.tasks.spawn(async move { merge::tell(&inner, &key, &local).await });
        match timeout(SETTLE_WAIT, telling).await {
            Ok(Ok(told)) => told,
            Ok(Err(_)) | Err(_) => Err(StoreError::Away("its turns are being merged".to_owned())),
        }
    }

    /// Takes a session over into the journal, where this server knows it or it is new, and holds it there.
    pub async fn take_over(&self, key: &SessionKey, client: &ClientKey) -> Result<Held, StoreError> {
        let journal = self.going_on()?;
        for _ in 0..TRIES_MAX {
            let known = self.known.session(key);
            let at_work = self.known.at_work(key);
            let is_local = self.local(key).is_some();
            if known.is_none() && at_work.is_none() && !is_local && !self.known.is_new(key) {
                return Err(away());
            }
            let _cleaning = self.cleaning.read().await;
            let local = self.enter(key)?;
            let mut phase = written(&local).await?;
            match *phase {
                Phase::Over => continue,
                Phase::Seeded => return Ok(OwnedRwLockWriteGuard::downgrade(phase)),
                Phase::Unknown => {}
            }
            if known.is_none() && at_work.is_none() && !self.known.is_new(key) {
                return Err(away());
            }
            let seed = self.seed_of(key, client, (known, at_work));
            *local.untold.lock() = seed.holder.as_ref().map(|(lease, _)| *lease);
            journal.seed(seed).await?;
            *phase = Phase::Seeded;
            local.is_seeded.store(true, Ordering::Release);
            return Ok(OwnedRwLockWriteGuard::downgrade(phase));
        }
        Err(StoreError::Away("the session changes its place all the time".to_owned()))
    }

    /// A place for something to be logged of a session of which nothing else is known.
    pub async fn note(&self, key: &SessionKey) -> Result<Held, StoreError> {
        let _cleaning = self.cleaning.read().await;
        for _ in 0..TRIES_MAX {
            let held = held(&*self.enter(key)?).await?;
            if *held != Phase::Over {
                return Ok(held);
            }
        }
        Err(StoreError::Away("the session changes its place all the time".to_owned()))
    }

    fn enter(&self, key: &SessionKey) -> Result<Arc<Local>, StoreError> {
        self.is_used.store(true, Ordering::Release);
        let mut locals = self.locals.lock();
        if locals.len() >= LOCALS_MAX && !locals.contains_key(key) {
            return Err(StoreError::Away("too many sessions go on without Redis".to_owned()));
        }
        Ok(Arc::clone(locals.entry(key.clone()).or_default()))
    }

    fn seed_of(
        &self,
        key: &SessionKey,
        client: &ClientKey,
        (known, at_work): (Option<Arc<Acquaintance>>, Option<AtWork>),
    ) -> Seed {
        let replies = known.as_ref().map(|known| known.replies.clone()).unwrap_or_default();
        let holder = at_work.as_ref().map(|it| (it.lease, it.begin.clone()));
        let (session, recent, begun) = match (at_work, known) {
            (Some(it), _) => (it.session, it.recent, Some((it.client, it.memory))),
            (None, Some(known)) => (Some(Arc::clone(&known.session)), Arc::clone(&known.recent), None),
            (None, None) => (None, Arc::default(), None),
        };
        let (client, memory) = match (&session, begun) {
            (Some(session), _) => (session.client.clone(), self.known.memory_for(session)),
            (None, Some((client, memory))) => (client, memory),
            (None, None) => (client.clone(), SafetyMemory::default()),
        };
        Seed { key: key.clone(), session, client, memory, recent, replies, holder }
    }
}

async fn held(local: &Local) -> Result<Held, StoreError> {
    let held = timeout(SETTLE_WAIT, Arc::clone(&local.phase).read_owned()).await;
    held.map_err(|_elapsed| StoreError::Away("its turns are being merged".to_owned()))
}

async fn written(local: &Local) -> Result<OwnedRwLockWriteGuard<Phase>, StoreError> {
    let written = timeout(SETTLE_WAIT, Arc::clone(&local.phase).write_owned()).await;
    written.map_err(|_elapsed| StoreError::Away("its turns are being merged".to_owned()))
}
