//! Tells people of open alerts until somebody has seen them. One server does it for all; the queue is the store.
//!
//! Before a notice goes out it is written down that it does, and afterwards what became of it: whoever takes over knows
//! what was told, and sends what may have been lost again under the same id. Each channel has places of its own, so that
//! one that hangs keeps no other waiting.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use parking_lot::Mutex;
use tokio_util::sync::CancellationToken;

use super::message::Message;
use super::open::Outlet;
use super::{Missed, NotifyFault, outlets};
use crate::access::Secret;
use crate::clock::{Clock, Entropy};
use crate::config::AlertConfig;
use crate::domain::alert::AlertId;
use crate::domain::id::OrgId;
use crate::domain::notice::{Channel, Delivery, Notice, Schedule, Step};
use crate::domain::time::Timestamp;
use crate::store::{ALERTS, AlertQuery, DueNotice, KeepNotice, KeptNotice, Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;

/// How often it is looked for what is due: told within a second of the rise, with time to spare.
const EVERY: Duration = Duration::from_millis(500);
/// A server that ended without a word is followed by another after so long.
const LEAD: Duration = Duration::from_secs(5);
/// Notices on their way over one channel at once.
const AT_ONCE: usize = 4;
/// A test that takes longer than this has failed: somebody waits for it.
const TEST_MAX: Duration = Duration::from_secs(8);
/// What notices on their way get at the end.
const LAST_MOMENT: Duration = Duration::from_secs(1);

pub struct Notifier {
    pub(super) outlets: BTreeMap<Channel, Outlet>,
    pub(super) store: Arc<dyn Store>,
    pub(super) metrics: Arc<Metrics>,
    clock: Arc<dyn Clock>,
    entropy: Arc<Entropy>,
    schedule: Schedule,
    /// This server's name among those who may lead.
    holder: String,
    /// What is on its way. A plain mutex: held for a look, never across an await.
    sending: Mutex<BTreeSet<(Channel, AlertId)>>,
    tasks: Tasks,
    /// Cuts off what is still on its way when the last moment is over.
    cut: CancellationToken,
}

/// What the notifier works with beside its configuration.
pub struct Ground {
    pub store: Arc<dyn Store>,
    pub secret: Secret,
    pub clock: Arc<dyn Clock>,
    pub entropy: Arc<Entropy>,
    pub metrics: Arc<Metrics>,
    /// Notices on their way run on these, and on no others'.
    pub tasks: Tasks,
}

impl Notifier {
    pub fn open(config: &AlertConfig, ground: Ground) -> Result<Self, NotifyFault> {
        let Ground { store, secret, clock, entropy, metrics, tasks } = ground;
        Ok(Self {
            outlets: outlets(config, &secret)?,
            holder: entropy.hex_id(),
            schedule: config.schedule,
            sending: Mutex::default(),
            cut: CancellationToken::new(),
            store,
            metrics,
            clock,
            entropy,
            tasks,
        })
    }

    /// Works until it is stopped. Where nobody is to be told it only waits for that.
    pub async fn run(self: Arc<Self>) {
        let mut ticks = tokio::time::interval(EVERY);
        ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut is_well = true;
        while !self.outlets.is_empty() {
            tokio::select! {
                _ = ticks.tick() => {}
                () = self.tasks.closing() => return,
            }
            is_well = match self.round().await {
                Ok(()) => true,
                Err(StoreError::Closed) => is_well,
                Err(error) => {
                    if is_well {
                        tracing::error!(%error, "nobody can be told of alerts while the store is away");
                    }
                    false
                }
            };
        }
    }

    /// Looks once more, waits a moment for what is on its way, and lets another server lead. What is cut off is sent again
    /// under the same id, by that one or after the next start.
    pub async fn stop(self: &Arc<Self>) {
        self.tasks.close();
        if self.outlets.is_empty() {
            return;
        }
        let ending = async {
            let _next = self.round().await;
            self.tasks.finish(LAST_MOMENT).await;
        };
        // What does not end well here goes on elsewhere.
        let _in_time = tokio::time::timeout(LAST_MOMENT, ending).await;
        self.cut.cancel();
        let _away = tokio::time::timeout(LAST_MOMENT / 4, self.store.yield_lead(ALERTS, &self.holder)).await;
    }

    /// Tells everybody that this is a test, and what came of it over each channel.
    pub async fn test(&self) -> Vec<(Channel, Result<(), Missed>)> {
        let message = Message::test(&self.entropy.hex_id(), self.clock.now());
        let tell = async |channel: Channel, outlet: &Outlet| {
            let telling = outlet.tell(&message, self.clock.now());
            let outcome = tokio::time::timeout(TEST_MAX, telling).await.unwrap_or(Err(Missed::TimedOut));
            // Whoever asked is told in any case.
            let _unmarked = self.fared(channel, outcome).await;
            (channel, outcome)
        };
        join_all(self.outlets.iter().map(|(channel, outlet)| tell(*channel, outlet))).await
    }

    /// Sends what is due, where this server leads.
    async fn round(self: &Arc<Self>) -> Result<(), StoreError> {
        if !self.store.lead(ALERTS, &self.holder, LEAD).await? {
            return Ok(());
        }
        let channels: Vec<Channel> =
            self.outlets.keys().copied().filter(|channel| self.places(*channel) > 0).collect();
        let now = self.clock.now();
        // Those on their way may be among them.
        let mut due = self.store.due_notices(&channels, now, 2 * AT_ONCE).await?;
        // What nobody was told of comes first, then the most danger.
        due.sort_by_key(|due| {
            let last = due.alert.notices.get(&due.channel);
            let told = last.map_or((0, 0), |last| (last.number, last.tries));
            (told, std::cmp::Reverse(due.alert.level), due.alert.id.clone())
        });
        for due in due {
            match self.schedule.step(&due.alert, due.channel, now) {
                Step::Never => {}
                Step::NotBefore(until) => self.put_off(&due, until, now).await?,
                Step::Send { number, tries } => self.begin(due, (number, tries)),
            }
        }
        Ok(())
    }

    fn places(&self, channel: Channel) -> usize {
        let sending = self.sending.lock();
        AT_ONCE.saturating_sub(sending.iter().filter(|(taken, _)| *taken == channel).count())
    }

    /// The store's index named one too early: it is told when.
    async fn put_off(&self, due: &DueNotice, until: Timestamp, now: Timestamp) -> Result<(), StoreError> {
        let last = due.alert.notices.get(&due.channel);
        let stamp = self.entropy.hex_id();
        let notice = match last {
            // Whoever sends it writes down what became of it.
            Some(last) if last.delivery == Delivery::Sending => return Ok(()),
            Some(last) => Notice { stamp, ..last.clone() },
            None => Notice::waiting(until, now, stamp),
        };
        self.keep(&due.org, &due.alert.id, due.channel, (last, notice)).await.map(drop)
    }

    /// Has a notice sent, where the channel has a place and the alert is not on its way already.
    fn begin(self: &Arc<Self>, due: DueNotice, count: (u32, u32)) {
        let place = (due.channel, due.alert.id.clone());
        if self.places(due.channel) == 0 || !self.sending.lock().insert(place.clone()) {
            return;
        }
        let on_its_way = OnItsWay { notifier: Arc::clone(self), place };
        drop(self.tasks.spawn(async move {
            let notifier = Arc::clone(&on_its_way.notifier);
            let sent = tokio::select! {
                sent = notifier.send(&due, count) => sent,
                () = notifier.cut.cancelled() => Ok(()),
            };
            if let Err(error) = sent {
                tracing::warn!(%error, "what became of a notice could not be written down; it is sent again");
            }
            drop(on_its_way);
        }));
    }

    async fn send(&self, due: &DueNotice, count: (u32, u32)) -> Result<(), StoreError> {
        let DueNotice { channel, org, alert } = due;
        let Some(outlet) = self.outlets.get(channel) else { return Ok(()) };
        let last = alert.notices.get(channel);
        let sending = Notice::sending(last, count, self.clock.now(), self.entropy.hex_id());
        if self.keep(org, &alert.id, *channel, (last, sending.clone())).await? != KeptNotice::Kept {
            // Somebody else sends it, or somebody has seen it meanwhile.
            return Ok(());
        }
        let message = Message::of(alert, org, *channel, count.0, self.open_alerts(org).await);
        let outcome = outlet.tell(&message, self.clock.now()).await;
        let (now, stamp) = (self.clock.now(), self.entropy.hex_id());
        let notice = match outcome {
            Ok(()) => sending.delivered(now, self.schedule.repeat, stamp),
            Err(_) => sending.failed(now, self.entropy.u64(), stamp),
        };
        self.keep(org, &alert.id, *channel, (Some(&sending), notice)).await?;
        self.fared(*channel, outcome).await
    }

    /// A number beside the point: where the store does not tell it, there is this one.
    async fn open_alerts(&self, org: &OrgId) -> u64 {
        self.store.alerts(AlertQuery::count(org.clone())).await.map_or(1, |page| page.open)
    }

    async fn keep(
        &self,
        org: &OrgId,
        alert: &AlertId,
        channel: Channel,
        (last, notice): (Option<&Notice>, Notice),
    ) -> Result<KeptNotice, StoreError> {
        let before = last.map(|last| last.stamp.clone());
        let (org, alert) = (org.clone(), alert.clone());
        self.store.keep_notice(KeepNotice { org, alert, channel, before, notice }).await
    }
}

/// A notice's place, given back whatever happens to it.
struct OnItsWay {
    notifier: Arc<Notifier>,
    place: (Channel, AlertId),
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.notifier.sending.lock().remove(&self.place);
    }
}
