//! The commit of a turn.

use std::sync::Arc;
use std::time::Duration;

use redis::Cmd;

use super::Inner;
use super::gate::idem_args;
use super::held::{Ground, Warm};
use super::lineage::place_in_line;
use super::record::{Mark, Record, changing_fields, json, lasting_fields, meta_fields, transitions_field};
use super::value::{Parts, millis};
use crate::domain::exchange::Exchange;
use crate::domain::id::SessionKey;
use crate::domain::safety::Level;
use crate::domain::session::Session;
use crate::domain::time::Timestamp;
use crate::redis::keys;
use crate::store::{Commit, Committed, Reloaded, StoreError};

/// A commit as its script is given it.
struct Draft {
    session: Session,
    is_pinned: bool,
    /// The level to which the turn raises its client's memory.
    raises: Option<Level>,
}

impl Inner {
    pub(super) async fn commit(this: &Arc<Self>, commit: Commit) -> Result<Committed, StoreError> {
        // Without a ground the lease was settled here: the script knows whether this very commit stands.
        let held = this.held.ground(commit.lease);
        let is_settled = held.is_none();
        let ground = held.unwrap_or_default();
        let draft = this.draft(&commit, &ground);
        let call = this.commit_call(&commit, &ground, &draft)?;
        let mut parts = Parts::of(this.run(&this.scripts.commit, call).await?)?;
        match parts.text()?.as_str() {
            "committed" => {
                let revision = parts.number()?;
                if !is_settled {
                    Self::settle(this, commit, &ground, draft, revision);
                }
                Ok(Committed::Committed { revision })
            }
            "lost" => {
                this.held.settle(commit.lease);
                Ok(Committed::Lost)
            }
            "overtaken" => this.anew(&commit).await.map(Committed::Overtaken),
            "changed" => this.anew(&commit).await.map(Committed::Changed),
            "misshapen" => commit.check_shape(ground.session.as_deref()).map(|()| Committed::Lost),
            _ => Err(StoreError::Corrupt("a commit has an unknown answer".to_owned())),
        }
    }

    /// The session as it is written: laid under its client's memory, which this turn may raise.
    fn draft(&self, commit: &Commit, ground: &Ground) -> Draft {
        let now = self.clock.now();
        let raised = commit.raised(&ground.memory, now);
        let before = ground.session.as_ref().map_or(Level::None, |session| session.level);
        let mut session = commit.session.clone();
        session.ttl = ground.session.as_ref().map_or(session.ttl, |stored| stored.ttl);
        session.align(&raised, now);
        let is_pinned = commit.pin(&mut session, before);
        let raises = (raised.level > ground.memory.level).then_some(raised.level);
        Draft { session, is_pinned, raises }
    }

    fn commit_call(&self, commit: &Commit, ground: &Ground, draft: &Draft) -> Result<Cmd, StoreError> {
        let (key, session, limits) = (&commit.key, &draft.session, &self.limits);
        let successor = place_in_line(&key.id, session.successor_of.as_ref());
        let names =
            self.commit_keys(key, session, successor.as_ref().map(|(root, _)| key.with_id(root.clone())));
        let (idem, body) = idem_args(commit.reply.as_ref().map(|(used, _)| used));
        let reply: &[u8] = commit.reply.as_ref().map_or(&[], |(_, reply)| reply);
        let flag = |is: bool| if is { "1" } else { "0" };
        let mut call = self.seat_call(&self.scripts.commit, &names, key, commit.lease.0);
        call.arg(revision_of(commit, ground))
            .arg(&ground.mark.turn_count)
            .arg(&ground.mark.last_interaction)
            .arg(rank(commit.decided_under))
            .arg(session.status.as_str())
            .arg(session.level.as_str())
            .arg(session.id.as_str())
            .arg(seconds(session.last_interaction))
            .arg(json(&commit.exchange)?)
            .arg(limits.history_max)
            .arg(session.created_at.millis())
            .arg(millis(limits.session_max_age))
            .arg(millis(session.ttl))
            .arg(flag(draft.is_pinned))
            .arg(idem)
            .arg(body)
            .arg(reply)
            .arg(millis(limits.idempotency_ttl))
            .arg(millis(self.idle_of(session.ttl)))
            .arg(self.keys.index_prefix(&key.org))
            .arg(successor.map_or_else(|| "-".to_owned(), |(_, number)| number.to_string()))
            .arg(key.org.as_str())
            .arg(flag(ground.is_first))
            .arg(draft.raises.map_or("-", Level::as_str))
            .arg(commit.why.join(" "))
            .arg(session.client.as_str())
            .arg(flag(commit.check_shape(ground.session.as_deref()).is_ok()))
            .arg(epoch_of(commit, ground))
            .arg(self.keys.alerts_prefix(&key.org));
        let shown = ground.session.as_deref().filter(|_| ground.is_shown);
        let substate = Some(commit.exchange.current_substate.as_str());
        let mut fields = changing_fields(session, shown, substate, &self.protocols)?;
        let before = ground.session.as_ref().map(|session| &session.transitions);
        if shown.is_none() || before.is_none_or(|before| *before != session.transitions) {
            fields.extend(transitions_field(session)?);
        }
        if ground.is_first {
            fields.extend(lasting_fields(session, &self.protocols));
        }
        call.arg(fields.len()).arg(fields);
        if ground.session.is_none() {
            call.arg(meta_fields(session));
        }
        Ok(call)
    }

    fn commit_keys(&self, key: &SessionKey, session: &Session, root: Option<SessionKey>) -> Vec<String> {
        let org = &key.org;
        let mut names = self.seat_keys(key).to_vec();
        let own = [keys::STATE, keys::HISTORY, keys::META, keys::IDEMS, keys::PINNED];
        names.extend(own.map(|what| self.keys.session(key, what)));
        names.extend([
            self.keys.active(org),
            self.keys.expires(org),
            self.keys.idle(org),
            self.keys.client(org, &session.client),
            self.keys.safety(org, &session.client),
            self.keys.orgs(),
            self.keys.forgettable(org),
            self.keys.session(key, keys::ALERTS),
        ]);
        names.extend(root.map(|root| self.keys.session(&root, keys::NEWEST)));
        names
    }

    /// Idle time after which the sweep expires a session.
    pub(super) fn idle_of(&self, ttl: Duration) -> Duration {
        self.limits.session_idle.unwrap_or_else(|| ttl.saturating_sub(ttl / 24))
    }

    /// Keeps the session for its next turn, and has the rest of its client's sessions follow a level that rose. The
    /// memory stands by then, and every read goes by it: what is left is what indices and other programs see.
    fn settle(this: &Arc<Self>, commit: Commit, ground: &Ground, draft: Draft, revision: u64) {
        this.held.settle(commit.lease);
        this.count(&commit.key.org, &commit.counters);
        let mut session = draft.session;
        session.revision = revision;
        let mark = Mark {
            revision: revision.to_string(),
            turn_count: session.turn_count.to_string(),
            last_interaction: session.last_interaction.to_string(),
        };
        let recent = with(&ground.recent, commit.exchange.clone(), this.limits.recent_max as usize);
        this.held.keep(&commit.key, Warm { record: Record::written(session, mark), recent });
        if let Some(level) = draft.raises {
            let inner = Arc::clone(this);
            drop(this.tasks.spawn(async move {
                if let Err(error) = inner.align_others(&commit, level).await {
                    tracing::warn!(%error, "a client's other sessions follow its level with its next rise");
                }
            }));
        }
    }

    /// What a turn that cannot be written decides on anew.
    async fn anew(&self, commit: &Commit) -> Result<Box<Reloaded>, StoreError> {
        let ground = self.reload(&commit.key, &commit.session.client).await?;
        self.held.stand(commit.lease, ground.clone());
        Ok(Box::new(Reloaded { session: ground.session, memory: ground.memory, recent: ground.recent }))
    }
}

/// The epoch of the memory on which the turn was decided. One that was decided in spite of a level that pauses was
/// decided on none, and is looked at closely.
fn epoch_of(commit: &Commit, ground: &Ground) -> i64 {
    let counts = ground.session.as_ref().map_or(ground.memory.level, |session| session.level);
    let is_blind = counts.pauses() && !commit.decided_under.pauses();
    if is_blind { -1 } else { i64::try_from(ground.memory.epoch).unwrap_or(i64::MAX) }
}

/// The revision on which the turn was decided, as Redis spells it: one that another program wrote has none.
fn revision_of(commit: &Commit, ground: &Ground) -> String {
    let stands = ground.mark.revision.parse().unwrap_or(0) == commit.base_revision;
    if stands { ground.mark.revision.clone() } else { commit.base_revision.to_string() }
}

/// The latest exchanges with one more.
fn with(recent: &Arc<Vec<Exchange>>, exchange: Exchange, most: usize) -> Arc<Vec<Exchange>> {
    let skipped = (recent.len() + 1).saturating_sub(most);
    Arc::new(recent.iter().skip(skipped).cloned().chain([exchange]).collect())
}

pub(super) fn rank(level: Level) -> u8 {
    match level {
        Level::None => 0,
        Level::Elevated => 1,
        Level::High => 2,
        Level::Crisis => 3,
    }
}

/// A score of the indices: seconds since 1970, as other programs write it.
pub(super) fn seconds(at: Timestamp) -> String {
    let (sign, micros) = (if at.micros() < 0 { "-" } else { "" }, at.micros().unsigned_abs());
    format!("{sign}{}.{:06}", micros / 1_000_000, micros % 1_000_000)
}
