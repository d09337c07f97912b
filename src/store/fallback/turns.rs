//! Turns: begun in Redis or in the journal, and moved from one to the other where Redis goes away under them.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use tokio::time::Instant;

use super::Inner;
use super::local::{Local, Way};
use crate::domain::id::SessionKey;
use crate::store::{
    Abandon, Begin, Claim, Commit, Committed, Create, Created, Gate, Lane, Lease, Raise, Raised, Store as _,
    StoreError, Ticket,
};

/// Names every ticket of Redis: whoever has one is found there by the id of its begin. Those of the journal begin at 1.
const OF_REDIS: u64 = 0;

impl Inner {
    pub async fn begin(this: &Arc<Self>, request: Begin) -> Result<Gate, StoreError> {
        match Self::way(this, &request.session, request.lane).await? {
            Way::Redis => match this.primary.begin(request.clone()).await {
                Err(StoreError::Away(why)) => {
                    if !this.goes_on_without().await {
                        return Err(StoreError::Away(why));
                    }
                }
                gate => return Ok(this.noted(&request, gate?)),
            },
            Way::Away => {}
            Way::Journal(_held) => return this.journal()?.begin(request).await,
        }
        let _held = this.take_over(&request.session, &request.client).await?;
        this.journal()?.begin(request).await
    }

    fn noted(&self, request: &Begin, gate: Gate) -> Gate {
        let of_redis = |ticket: Ticket| Ticket { id: OF_REDIS, ..ticket };
        match gate {
            Gate::Begun(begun) => {
                self.known.begun(request, &begun);
                Gate::Begun(begun)
            }
            Gate::Queued(ticket) => Gate::Queued(of_redis(ticket)),
            Gate::Running(ticket) => Gate::Running(of_redis(ticket)),
            Gate::Gone { successor } => {
                self.known.take(&request.session);
                Gate::Gone { successor }
            }
            other @ (Gate::Limited(_)
            | Gate::Busy { .. }
            | Gate::QueueFull { .. }
            | Gate::KeyReused
            | Gate::Replay(_)) => other,
        }
    }

    pub async fn claim(this: &Arc<Self>, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError> {
        if ticket.id != OF_REDIS {
            return this.journal()?.claim(ticket, wait).await;
        }
        let (deadline, request) = (Instant::now() + wait, (*ticket.request).clone());
        if this.local(&request.session).is_none() {
            match this.primary.claim(ticket, wait).await {
                Err(StoreError::Away(why)) => {
                    if !this.goes_on_without().await {
                        return Err(StoreError::Away(why));
                    }
                }
                claim => {
                    let claim = claim?;
                    if let Claim::Begun(begun) = &claim {
                        this.known.begun(&request, begun);
                    }
                    return Ok(claim);
                }
            }
        }
        // Who waited in Redis' queue waits on in the journal's, behind the turn that was at work.
        let held = this.take_over(&request.session, &request.client).await?;
        let journal = this.journal()?;
        let ticket = match journal.begin(request).await? {
            Gate::Begun(begun) => return Ok(Claim::Begun(begun)),
            Gate::Replay(reply) => return Ok(Claim::Replay(reply)),
            Gate::Gone { successor } => return Ok(Claim::Gone { successor }),
            Gate::Busy { retry_after } | Gate::QueueFull { retry_after } => {
                return Ok(Claim::Busy { retry_after });
            }
            Gate::Limited(quota) => return Ok(Claim::Busy { retry_after: quota.reset }),
            Gate::KeyReused => return Ok(Claim::Busy { retry_after: Duration::ZERO }),
            Gate::Queued(ticket) | Gate::Running(ticket) => ticket,
        };
        drop(held);
        journal.claim(ticket, deadline.saturating_duration_since(Instant::now())).await
    }

    pub async fn renew(&self, key: &SessionKey, lease: Lease) -> Result<bool, StoreError> {
        match self.seeded(key) {
            Some(_) => self.journal()?.renew(key, lease).await,
            None => self.primary.renew(key, lease).await,
        }
    }

    pub async fn commit(&self, commit: Commit) -> Result<Committed, StoreError> {
        if let Some(local) = self.seeded(&commit.key) {
            return self.commit_locally(&local, commit).await;
        }
        let (key, lease) = (&commit.key, commit.lease);
        match self.primary.commit(commit.clone()).await {
            Err(StoreError::Away(why)) => {
                // It may have taken effect all the same: its lease tells, when Redis is told of it.
                if !self.goes_on_without().await {
                    return Err(StoreError::Away(why));
                }
                let _held = self.take_over(key, &commit.session.client).await?;
                if let Some(local) = self.local(key) {
                    local.is_news_to(lease);
                }
                Ok(Committed::Moved)
            }
            Ok(Committed::Committed { revision }) => {
                if let Some(ground) = self.known.ended(key, lease) {
                    self.known.committed(&commit, &ground, revision, self.clock.now());
                }
                Ok(Committed::Committed { revision })
            }
            Ok(Committed::Lost) => {
                self.known.ended(key, lease);
                Ok(Committed::Lost)
            }
            Ok(Committed::Changed(reloaded)) => {
                self.known.reloaded(key, &reloaded);
                Ok(Committed::Changed(reloaded))
            }
            Ok(Committed::Overtaken(reloaded)) => {
                self.known.reloaded(key, &reloaded);
                Ok(Committed::Overtaken(reloaded))
            }
            Ok(Committed::Moved) => Ok(Committed::Moved),
            Err(error) => Err(error),
        }
    }

    async fn commit_locally(&self, local: &Local, commit: Commit) -> Result<Committed, StoreError> {
        let (key, lease) = (commit.key.clone(), commit.lease);
        if local.is_news_to(lease) {
            return Ok(Committed::Moved);
        }
        let journal = self.journal()?;
        // Ahead: whoever tells Redis of it takes it off as soon as it stands.
        let waiting = [&self.turns_waiting, &local.turns];
        for turns in waiting {
            turns.fetch_add(1, Ordering::AcqRel);
        }
        let committed = journal.commit(commit).await;
        if !matches!(committed, Ok(Committed::Committed { .. })) {
            for turns in waiting {
                turns.fetch_sub(1, Ordering::AcqRel);
            }
        }
        let committed = committed?;
        match &committed {
            Committed::Committed { .. } | Committed::Lost => {
                self.known.ended(&key, lease);
            }
            Committed::Changed(_) | Committed::Overtaken(_) | Committed::Moved => {}
        }
        Ok(committed)
    }

    pub async fn abandon(&self, key: &SessionKey, lease: Lease, why: Abandon) -> Result<(), StoreError> {
        let was_of_redis = self.known.ended(key, lease).is_some();
        if self.seeded(key).is_none() {
            return self.primary.abandon(key, lease, why).await;
        }
        if was_of_redis {
            // What it may hold in Redis is given back there when that is back.
            let _later = self.primary.abandon(key, lease, why).await;
        }
        self.journal()?.abandon(key, lease, why).await
    }

    /// A level is taken of every session: what is logged needs no knowledge of it.
    pub async fn raise(this: &Arc<Self>, raise: Raise) -> Result<Raised, StoreError> {
        let key = raise.session.clone();
        let way = match Self::way(this, &key, Lane::Danger).await {
            // Whatever keeps the journal from being told, a level does not wait for it.
            Err(_) if !this.is_away() => Way::Redis,
            way => way?,
        };
        match way {
            Way::Redis => match this.primary.raise(raise.clone()).await {
                Err(StoreError::Away(why)) => {
                    if !this.goes_on_without().await {
                        return Err(StoreError::Away(why));
                    }
                }
                raised => {
                    let (raised, now) = (raised?, this.clock.now());
                    this.known.raised(&key, &raise.client, (raise.level, &raise.why), now);
                    return Ok(raised);
                }
            },
            Way::Away => {}
            Way::Journal(_held) => return this.journal()?.raise(raise).await,
        }
        let journal = this.going_on()?;
        let _held = match this.take_over(&key, &raise.client).await {
            Ok(held) => held,
            Err(_unknown) => this.note(&key).await?,
        };
        this.known.raised(&key, &raise.client, (raise.level, &raise.why), this.clock.now());
        journal.raise(raise).await
    }

    pub async fn create(this: &Arc<Self>, request: Create) -> Result<Created, StoreError> {
        match Self::way(this, &request.key, Lane::Ordinary).await? {
            Way::Redis => {
                if let Some(created) = this.created_locally(&request).await {
                    return Ok(created);
                }
                match this.primary.create(request.clone()).await {
                    Err(StoreError::Away(why)) => {
                        if !this.goes_on_without().await {
                            return Err(StoreError::Away(why));
                        }
                    }
                    created => {
                        let created = created?;
                        if let Created::Created(session) = &created {
                            this.known.created(&request.key, session);
                        }
                        return Ok(created);
                    }
                }
            }
            Way::Away => {}
            Way::Journal(_held) => return this.journal()?.create(request).await,
        }
        let _held = this.take_over(&request.key, &request.session.client).await?;
        this.journal()?.create(request).await
    }

    /// A create that was answered while Redis was away is repeated: its reply lies here.
    async fn created_locally(&self, request: &Create) -> Option<Created> {
        match (&self.journal, &request.idempotency) {
            (Some(journal), Some(used)) => journal.created_before(used).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "the journal does not tell whether a create was answered in it");
                None
            }),
            (None, _) | (_, None) => None,
        }
    }
}
