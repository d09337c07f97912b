//! Waiting: a claim looks whether its turn has come, when it is told to and now and then by itself.

use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

use super::Inner;
use super::gate::{idem_args, letter};
use super::ground::{Facts, Reads, kept};
use super::orphan::{Orphan, Pending};
use super::value::{Parts, millis};
use crate::domain::id::ClientKey;
use crate::domain::quota::Quota;
use crate::redis::keys;
use crate::store::{Begin, Begun, Claim, Gate, Lane, Lease, StoreError, Ticket};

/// One who waits looks for itself so often: messages can be lost, and holders die.
const LOOK_EVERY: Duration = Duration::from_millis(500);
/// Redis keeps a lock through the millisecond in which it ends.
const A_MOMENT: Duration = Duration::from_millis(1);

pub(super) enum Withdrawn {
    /// The lease was handed over in the meantime.
    Held,
    Gone {
        retry_after: Duration,
    },
}

enum Look {
    Begun(Box<Begun>),
    /// How long the lock still stands, where that is known.
    Waiting(Option<Duration>),
    Replay(Vec<u8>),
    Gone,
    Lost,
    /// The session went, and was this client's, who is in danger: look as that one.
    As(ClientKey),
}

impl Inner {
    /// Waits for a message, the lock's end or the next look, until the turn has come or `wait` is over.
    pub(super) async fn claim(this: &Arc<Self>, ticket: Ticket, wait: Duration) -> Result<Claim, StoreError> {
        let Ticket { mut request, quota, .. } = ticket;
        let deadline = Instant::now() + wait;
        let listening = this.wakes.listen(request.id.0);
        let mut pending = Pending::of(this, &request);
        let mut has_news = false;
        loop {
            let lock = match this.look(&request, quota, has_news).await? {
                Look::Waiting(lock) => lock,
                Look::As(client) => {
                    request.client = client;
                    continue;
                }
                Look::Begun(begun) => {
                    pending.settle();
                    return Ok(Claim::Begun(begun));
                }
                // Danger that came a moment late for its hand-over waits on: what was said is to be stored.
                Look::Lost if request.lane == Lane::Danger && Instant::now() < deadline => {
                    match this.gate(&request).await? {
                        Some(Gate::Queued(_)) => continue,
                        Some(Gate::Begun(begun)) => {
                            pending.settle();
                            return Ok(Claim::Begun(begun));
                        }
                        Some(_) | None => {
                            pending.settle();
                            return this.without_lease(&request, Look::Lost).await;
                        }
                    }
                }
                other => {
                    pending.settle();
                    return this.without_lease(&request, other).await;
                }
            };
            if Instant::now() >= deadline {
                match this.withdraw(&Orphan::of(&request), true).await? {
                    Withdrawn::Held => continue,
                    Withdrawn::Gone { retry_after } => {
                        pending.settle();
                        return Ok(Claim::Busy { retry_after });
                    }
                }
            }
            let nap = lock.map_or(LOOK_EVERY, |lock| lock.saturating_add(A_MOMENT).min(LOOK_EVERY));
            has_news = tokio::select! {
                () = listening.heard() => true,
                () = sleep_until(deadline.min(Instant::now() + nap)) => false,
            };
        }
    }

    async fn without_lease(&self, request: &Begin, look: Look) -> Result<Claim, StoreError> {
        match look {
            Look::Replay(reply) => Ok(Claim::Replay(reply.into())),
            Look::Gone => match self.successor(&request.session).await? {
                Some(successor) => Ok(Claim::Gone { successor }),
                None => Ok(Claim::Busy { retry_after: Duration::ZERO }),
            },
            Look::Lost | Look::As(_) | Look::Waiting(_) | Look::Begun(_) => {
                Ok(Claim::Busy { retry_after: Duration::ZERO })
            }
        }
    }

    async fn look(&self, request: &Begin, quota: Quota, has_news: bool) -> Result<Look, StoreError> {
        let key = &request.session;
        let warm = self.held.warm(key);
        let mut names = self.seat_keys(key).to_vec();
        names.extend([
            self.keys.session(key, keys::STATE),
            self.keys.session(key, keys::NEWEST),
            self.keys.safety(&key.org, &request.client),
            self.keys.session(key, keys::META),
            self.keys.session(key, keys::HISTORY),
            self.keys.clients(&key.org),
        ]);
        names.extend(self.idem_key(key, request.idempotency.as_ref()));
        let (idem, body) = idem_args(request.idempotency.as_ref());
        let mut call = self.seat_call(&self.scripts.claim, &names, key, request.id.0);
        call.arg(&self.server)
            .arg(millis(self.limits.lease_ttl))
            .arg(self.keys.safety_prefix(&key.org))
            .arg(request.client.as_str())
            .arg(idem)
            .arg(body)
            .arg(letter(request.lane))
            .arg(kept(warm.as_deref()))
            .arg(self.last_place())
            .arg(key.id.as_str());
        let (answer, reads) =
            self.with_reads(&self.scripts.claim, call, key, has_news && warm.is_none()).await?;
        let mut parts = Parts::of(answer)?;
        Ok(match parts.text()?.as_str() {
            "begun" => {
                let facts = Facts::of(&mut parts)?;
                let reads = reads.or(Reads::of(&mut parts)?);
                Look::Begun(self.begun(request, quota, facts, warm, reads).await?)
            }
            "waiting" => Look::Waiting(u64::try_from(parts.number::<i64>()?).ok().map(Duration::from_millis)),
            "replay" => Look::Replay(parts.bytes()?),
            "gone" => Look::Gone,
            "lost" => Look::Lost,
            "client" => Look::As(parts.client()?),
            _ => return Err(StoreError::Corrupt("a claim has an unknown answer".to_owned())),
        })
    }

    pub(super) async fn withdraw(&self, orphan: &Orphan, keeps_lease: bool) -> Result<Withdrawn, StoreError> {
        let key = &orphan.session;
        let mut names = self.seat_keys(key).to_vec();
        names.extend(self.idem_key(key, orphan.idempotency.as_ref()));
        let mut call = self.seat_call(&self.scripts.withdraw, &names, key, orphan.id);
        call.arg(&self.server).arg(u8::from(keeps_lease));
        let mut parts = Parts::of(self.run(&self.scripts.withdraw, call).await?)?;
        if parts.text()? == "held" {
            return Ok(Withdrawn::Held);
        }
        self.held.settle(Lease(orphan.id));
        Ok(Withdrawn::Gone { retry_after: Duration::from_millis(parts.number()?) })
    }
}
