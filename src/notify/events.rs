//! Tells other programs of what happens: every event to every receiver, signed, by one server for all of them.
//!
//! How far a receiver was told is written down after each event, so that a restart or another server goes on behind it. An
//! event is sent until the receiver has it, or refuses it, or the log no longer holds it. Those of one session come in
//! order; those of different sessions may overtake each other. A receiver that hangs keeps no other waiting.

mod progress;

use std::collections::BTreeMap;
use std::hash::Hasher as _;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use futures_util::stream::FuturesUnordered;
use parking_lot::Mutex;
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::json;
use tokio::time::Instant;

use self::progress::Progress;
use super::webhook::{Endpoint, Posted};
use super::{Ground, NotifyFault, key};
use crate::config::Config;
use crate::domain::event::{EventKind, SessionEvent};
use crate::domain::fnv::Fnv;
use crate::domain::time::Timestamp;
use crate::events::{EventBody, Subscription};
use crate::store::StoreError;

/// A server that ended without a word is followed by another after so long.
const LEAD: Duration = Duration::from_secs(5);
const RENEW: Duration = Duration::from_secs(1);
/// Sessions that one receiver is told of at once.
const LANES: u64 = 8;
const PAUSE_FIRST: Duration = Duration::from_millis(500);
const PAUSE_LONGEST: Duration = Duration::from_mins(5);
/// How long one event may hold up its session while the receiver takes others.
const STUCK_MAX: Duration = Duration::from_mins(10);
/// What is on its way gets at the end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

/// All receivers of a deployment.
pub struct Webhooks {
    receivers: Vec<Arc<Receiver>>,
    ground: Arc<Ground>,
}

struct Receiver {
    endpoint: Endpoint,
    /// Names it among the others without its address: its place in the configuration may change.
    name: String,
    kinds: Vec<EventKind>,
    ground: Arc<Ground>,
    /// This server's name among those who may lead.
    holder: String,
    events_ttl: Duration,
    /// When it took something last. A plain mutex: held for a look.
    delivered: Mutex<Option<Instant>>,
}

/// Of one session or a few, oldest first.
type Lane = std::vec::IntoIter<Arc<SessionEvent>>;

impl Webhooks {
    pub fn open(config: &Config, ground: Ground) -> Result<Self, NotifyFault> {
        let key = key(&config.alerts, &ground.secret);
        let ground = Arc::new(ground);
        let receiver = |url: &SecretString| -> Result<_, NotifyFault> {
            let fault = |fault| NotifyFault::Webhook { variable: "WEBHOOK_URLS", fault };
            Ok(Arc::new(Receiver {
                endpoint: Endpoint::open(url.expose_secret(), Arc::clone(&key)).map_err(fault)?,
                name: ground.secret.receiver(url.expose_secret()),
                kinds: config.webhooks.kinds.clone(),
                ground: Arc::clone(&ground),
                holder: ground.entropy.hex_id(),
                events_ttl: config.limits.events_ttl,
                delivered: Mutex::new(None),
            }))
        };
        let receivers = config.webhooks.urls.iter().map(receiver).collect::<Result<_, _>>()?;
        Ok(Self { receivers, ground })
    }

    /// Begins to tell each receiver, on a task of its own.
    pub fn begin(&self) {
        for receiver in &self.receivers {
            drop(self.ground.tasks.spawn(Arc::clone(receiver).run()));
        }
    }

    /// Waits a moment for what is on its way, and lets another server go on.
    pub async fn stop(&self) {
        let _all = self.ground.tasks.finish(2 * LAST_MOMENT).await;
    }
}

impl Receiver {
    async fn run(self: Arc<Self>) {
        let mut is_well = true;
        while !self.ground.tasks.is_closing() {
            let outcome = self.lead().await;
            if let (Err(error), true) = (&outcome, is_well) {
                tracing::warn!(receiver = self.name, %error, "a webhook waits for the store");
            }
            is_well = outcome.is_ok();
            self.rest(RENEW).await;
        }
        let role = self.role();
        let yielding = self.ground.store.yield_lead(&role, &self.holder);
        let _away = tokio::time::timeout(LAST_MOMENT, yielding).await;
    }

    fn role(&self) -> String {
        format!("webhook:{}", self.name)
    }

    async fn rest(&self, pause: Duration) {
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            () = self.ground.tasks.closing() => {}
        }
    }

    /// Works for as long as this server leads. Ok where another one does.
    async fn lead(&self) -> Result<(), StoreError> {
        let store = &self.ground.store;
        if !store.lead(&self.role(), &self.holder, LEAD).await? {
            return Ok(());
        }
        let leading = async {
            loop {
                tokio::time::sleep(RENEW).await;
                match store.lead(&self.role(), &self.holder, LEAD).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(()),
                    Err(error) => return Err(error),
                }
            }
        };
        tokio::select! {
            lost = leading => lost,
            worked = self.work() => worked,
        }
    }

    async fn work(&self) -> Result<(), StoreError> {
        let store = &self.ground.store;
        let mut progress = match store.mark(&self.role()).await? {
            Some(mark) => Progress::parse(&mark).unwrap_or_default(),
            // Told from now on: what happened before there was a receiver is nothing new.
            None => Progress::at(store.newest_event().await?),
        };
        self.keep(&progress).await?;
        let mut subscription = Subscription::begin(Arc::clone(store), Some(progress.to())).await?;
        loop {
            let events = tokio::select! {
                biased;
                () = self.ground.tasks.closing() => return Ok(()),
                events = subscription.next() => events?,
            };
            let Some(last) = events.last().map(|event| event.id) else { continue };
            if !self.tell(events, &mut progress).await? {
                return Ok(());
            }
            let before = progress.clone();
            progress = Progress::at(last);
            // Where none of them was for this receiver, the place is written down with the next that is.
            if !before.is_only_a_place() {
                self.keep(&progress).await?;
            }
        }
    }

    async fn keep(&self, progress: &Progress) -> Result<(), StoreError> {
        self.ground.store.set_mark(&self.role(), &progress.to_string()).await
    }

    fn is_for_it(&self, event: &SessionEvent) -> bool {
        self.kinds.is_empty() || self.kinds.contains(&event.kind)
    }

    /// Sends events that were not sent before. False where the server stops before all of it was.
    async fn tell(
        &self,
        events: Vec<Arc<SessionEvent>>,
        progress: &mut Progress,
    ) -> Result<bool, StoreError> {
        let is_due = |event: &Arc<SessionEvent>| self.is_for_it(event) && !progress.has(event.id);
        let due: Vec<Arc<SessionEvent>> = events.into_iter().filter(is_due).collect();
        let mut posting: FuturesUnordered<_> = lanes(due).map(|lane| self.next_of(lane)).collect();
        let mut is_whole = true;
        while let Some((sent, lane)) = posting.next().await {
            let Some(event) = sent else {
                is_whole = false;
                continue;
            };
            progress.add(event.id);
            self.keep(progress).await?;
            if lane.len() > 0 {
                posting.push(self.next_of(lane));
            }
        }
        Ok(is_whole)
    }

    /// Sends the next of a lane. None where the server stops before it has arrived.
    async fn next_of(&self, mut lane: Lane) -> (Option<Arc<SessionEvent>>, Lane) {
        let Some(event) = lane.next() else { return (None, lane) };
        let is_done = self.send(&event).await;
        (is_done.then_some(event), lane)
    }

    /// False where the server stops first.
    async fn send(&self, event: &SessionEvent) -> bool {
        let (id, began) = (event.id.to_string(), Instant::now());
        let body = body_of(event);
        let mut pause = PAUSE_FIRST;
        loop {
            if self.ground.tasks.is_closing() {
                return false;
            }
            let posting = self.endpoint.post(&id, self.now(), body.clone());
            let posted = tokio::select! {
                posted = posting => posted,
                // A moment more: what arrives now is not sent again.
                () = self.last_moment() => return false,
            };
            self.ground.metrics.webhook(posted.name());
            match posted {
                Posted::Delivered => {
                    *self.delivered.lock() = Some(Instant::now());
                    return true;
                }
                Posted::GivenUp(missed) => {
                    tracing::warn!(receiver = self.name, event = id, %missed, "a receiver refuses an event");
                    return true;
                }
                Posted::TryAgain(missed) => {
                    if pause == PAUSE_FIRST {
                        tracing::warn!(receiver = self.name, event = id, %missed, "an event did not arrive");
                    }
                }
            }
            if self.is_hopeless(began) {
                self.ground.metrics.webhook("given_up");
                tracing::error!(receiver = self.name, event = id, "an event was given up");
                return true;
            }
            self.rest(self.jittered(pause)).await;
            pause = (pause * 2).min(PAUSE_LONGEST);
        }
    }

    /// Whether an event has been tried for so long that the log no longer holds it; or for a while in which the receiver took
    /// others: then it is the event, and it must not keep the rest from being told.
    fn is_hopeless(&self, began: Instant) -> bool {
        let takes_others = self.delivered.lock().is_some_and(|at| at > began);
        began.elapsed() > if takes_others { STUCK_MAX } else { self.events_ttl }
    }

    async fn last_moment(&self) {
        self.ground.tasks.closing().await;
        tokio::time::sleep(LAST_MOMENT).await;
    }

    /// Half of it to all of it.
    fn jittered(&self, pause: Duration) -> Duration {
        let half = u64::try_from(pause.as_millis() / 2).unwrap_or(u64::MAX).max(1);
        Duration::from_millis(half + self.ground.entropy.u64() % half)
    }

    fn now(&self) -> Timestamp {
        self.ground.clock.now()
    }
}

/// As Standard Webhooks have it: the kind, when, and the event as every subscriber is told it.
fn body_of(event: &SessionEvent) -> Vec<u8> {
    let data = EventBody::from(event);
    let body = json!({ "type": event.kind, "timestamp": event.id.at(), "data": data });
    body.to_string().into_bytes()
}

/// Each session's events in one lane, in order.
fn lanes(events: Vec<Arc<SessionEvent>>) -> impl Iterator<Item = Lane> {
    let mut lanes: BTreeMap<u64, Vec<Arc<SessionEvent>>> = BTreeMap::new();
    for event in events {
        let mut hash = Fnv::default();
        hash.write(event.session.as_str().as_bytes());
        lanes.entry(hash.finish() % LANES).or_default().push(event);
    }
    lanes.into_values().map(Vec::into_iter)
}
