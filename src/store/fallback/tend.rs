//! What goes on beside the calls: other servers are counted, ids that are taken are noted, and when Redis is back it is told
//! of what waits.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures_util::StreamExt as _;
use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep, timeout};

use super::local::Local;
use super::{Inner, merge};
use crate::domain::id::OrgId;
use crate::store::redis::Walk;
use crate::store::{Store as _, StoreError, Switch};

/// How often a server says that it is there.
const BEAT_EVERY: Duration = Duration::from_secs(2);
/// One that was silent for so long is gone.
pub(super) const SILENCE: Duration = Duration::from_secs(10);
/// How often it is looked whether Redis is back.
const LOOK_EVERY: Duration = Duration::from_millis(100);
/// How long Redis may take to say that it is.
const LOOK_MAX: Duration = Duration::from_secs(2);
/// Sessions of which Redis is told at once, and in one go.
const TOLD_AT_ONCE: usize = 8;
const TOLD_IN_A_GO: usize = 256;
/// After one that could not be told.
const TELL_AGAIN: Duration = Duration::from_secs(2);
/// Pages of ids that are read before it is looked after other things.
const PAGES_AT_ONCE: usize = 200;

/// How far the ids that are taken have been noted.
enum Roster {
    Walking {
        orgs: Vec<OrgId>,
        walk: Walk,
    },
    /// Up to which second since 1970 in each organisation; in one that has come since, from `begun` on.
    Followed {
        seen: HashMap<OrgId, f64>,
        begun: f64,
    },
}

impl Inner {
    /// Takes up what an earlier run has left in the journal.
    pub async fn recover(this: &Arc<Self>) -> Result<(), StoreError> {
        let Some(journal) = &this.journal else { return Ok(()) };
        let waiting = journal.waiting().await?;
        if waiting.is_empty() {
            return Ok(());
        }
        let turns = waiting.iter().map(|session| session.turns).sum();
        tracing::warn!(
            sessions = waiting.len(),
            turns,
            "an earlier run has left turns that Redis is told of now"
        );
        this.turns_waiting.store(turns, Ordering::Release);
        for session in waiting {
            let is_there = journal.read(&session.session).await?.is_some();
            let local = if is_there { Local::seeded() } else { Local::default() };
            local.turns.store(session.turns, Ordering::Release);
            this.locals.lock().insert(session.session, Arc::new(local));
        }
        Ok(())
    }

    pub async fn tend(this: &Arc<Self>) {
        let mut roster = None;
        let mut next_beat = Instant::now();
        let mut telling: Option<JoinHandle<()>> = None;
        loop {
            let is_used = this.journal.is_some() && this.is_used.load(Ordering::Acquire);
            let is_waiting = this.is_away() || is_used;
            let pause = if is_waiting { LOOK_EVERY } else { BEAT_EVERY };
            tokio::select! {
                () = this.trouble.notified() => {}
                () = this.primary.newcomer() => next_beat = Instant::now(),
                () = sleep(pause) => {}
                () = sleep(LOOK_EVERY), if matches!(roster, Some(Roster::Walking { .. })) => {}
            }
            this.look_whether_it_is_back().await;
            if this.is_away() {
                continue;
            }
            // On a task of its own: what takes long must not keep this server from saying that it is there.
            if is_used && !this.is_stopped() && telling.as_ref().is_none_or(JoinHandle::is_finished) {
                let inner = Arc::clone(this);
                telling = Some(this.tasks.spawn(async move { Self::tell_all(&inner).await }));
            }
            if Instant::now() >= next_beat {
                // Where it fails, the last view stands.
                let _unheard = this.beat().await;
                next_beat = Instant::now() + BEAT_EVERY;
            }
            if this.journal.is_some() {
                roster = this.note_ids(roster).await;
            }
        }
    }

    async fn look_whether_it_is_back(&self) {
        if *self.hand.lock() == Some(Switch::Local) || !self.primary.is_up() {
            return;
        }
        if self.is_troubled.load(Ordering::Acquire)
            && matches!(timeout(LOOK_MAX, self.primary.health()).await, Ok(Ok(())))
        {
            self.is_troubled.store(false, Ordering::Release);
        }
    }

    pub async fn beat(&self) -> Result<(), StoreError> {
        let others = self.primary.beat(SILENCE).await?;
        *self.others.lock() = Some(others);
        Ok(())
    }

    /// Tells Redis of the sessions that are local, some in a go.
    async fn tell_all(this: &Arc<Self>) {
        let locals: Vec<_> = {
            let locals = this.locals.lock();
            locals.iter().take(TOLD_IN_A_GO).map(|(key, local)| (key.clone(), Arc::clone(local))).collect()
        };
        if locals.is_empty() {
            return this.clean().await;
        }
        let told = futures_util::stream::iter(locals).map(|(key, local)| async move {
            let told = merge::tell(this, &key, &local).await;
            if let Err(error) = &told {
                tracing::warn!(session = %key.id, %error, "Redis could not be told of a session's turns yet");
            }
            told.is_ok()
        });
        let has_failed = told.buffer_unordered(TOLD_AT_ONCE).any(|told| async move { !told }).await;
        this.is_stuck.store(has_failed, Ordering::Release);
        if has_failed {
            sleep(TELL_AGAIN).await;
        }
    }

    /// Nothing waits any more: what the outage was worked on with is forgotten.
    async fn clean(&self) {
        let Some(journal) = self.journal.as_ref().filter(|_| self.is_used.load(Ordering::Acquire)) else {
            return;
        };
        let _cleaning = self.cleaning.write().await;
        if !self.locals.lock().is_empty() {
            return;
        }
        let cleaned = match self.hand_entries_on().await {
            Ok(()) => journal.forget_all().await,
            Err(error) => Err(error),
        };
        match cleaned {
            Ok(()) => self.is_used.store(false, Ordering::Release),
            Err(error) => tracing::warn!(%error, "the journal could not be cleaned"),
        }
    }

    /// Notes some more of the ids that are taken. A break begins anew.
    async fn note_ids(&self, roster: Option<Roster>) -> Option<Roster> {
        let noted = match roster {
            None => self.begin_roster().await,
            Some(Roster::Walking { orgs, walk }) => self.walk_on(orgs, walk).await,
            Some(Roster::Followed { seen, begun }) => self.follow(seen, begun).await,
        };
        noted.ok()
    }

    async fn begin_roster(&self) -> Result<Roster, StoreError> {
        let orgs = self.primary.organisations().await?;
        Ok(Roster::Walking { orgs, walk: Walk::start() })
    }

    async fn walk_on(&self, mut orgs: Vec<OrgId>, mut walk: Walk) -> Result<Roster, StoreError> {
        // Clocks differ, and a turn may be stored a while after it was made.
        let now_s = u32::try_from(self.clock.now().millis() / 1_000).unwrap_or_default();
        let since = f64::from(now_s.saturating_sub(3_600));
        for _ in 0..PAGES_AT_ONCE {
            let Some(org) = orgs.last() else { break };
            for key in self.primary.walk(org, &mut walk).await? {
                self.known.take(&key);
            }
            if walk.is_done() {
                orgs.pop();
                walk = Walk::start();
            }
        }
        if !orgs.is_empty() {
            return Ok(Roster::Walking { orgs, walk });
        }
        self.known.complete();
        Ok(Roster::Followed { seen: HashMap::new(), begun: since })
    }

    /// What other servers and programs begin.
    async fn follow(&self, mut seen: HashMap<OrgId, f64>, begun: f64) -> Result<Roster, StoreError> {
        for org in self.primary.organisations().await? {
            let since = seen.get(&org).copied().unwrap_or(begun);
            let (keys, last) = self.primary.active_since(&org, since).await?;
            for key in &keys {
                self.known.take(key);
            }
            seen.insert(org, last.max(since));
        }
        Ok(Roster::Followed { seen, begun })
    }
}
