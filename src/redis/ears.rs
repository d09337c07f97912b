//! Channels that somebody on this server hears, over one subscription that is begun anew whenever it breaks.
//!
//! What is said while it is broken is lost: nothing that matters may be told by this alone.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use redis::RedisError;
use redis::aio::PubSubSink;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::Link;

/// A subscription that hears nothing is pinged so often: nothing else tells a dead one from a quiet one.
const PING_EVERY: Duration = Duration::from_secs(5);
const ANSWER_TIMEOUT: Duration = Duration::from_secs(5);
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(250);
/// Channels that are named in one call.
const NAMED_AT_ONCE: usize = 500;

/// Cheap to clone; all clones are one.
#[derive(Clone, Default)]
pub struct Ears(Arc<Shared>);

#[derive(Default)]
struct Shared {
    /// A plain mutex: it is held for a look-up, never across an await.
    wanted: Mutex<Wanted>,
    changed: Notify,
}

#[derive(Default)]
struct Wanted {
    /// How many hear each channel.
    channels: HashMap<String, usize>,
    /// Channels of which that has changed between none and some. At most as many as have been wanted.
    changed: HashSet<String>,
}

impl Ears {
    /// Has a channel heard until the guard is dropped. The subscription follows in a moment.
    #[must_use]
    pub fn want(&self, channel: String) -> Want {
        let mut wanted = self.0.wanted.lock();
        let count = wanted.channels.entry(channel.clone()).or_default();
        *count += 1;
        if *count == 1 {
            wanted.changed.insert(channel.clone());
            self.0.changed.notify_one();
        }
        drop(wanted);
        Want { ears: self.clone(), channel }
    }

    fn leave(&self, channel: &str) {
        let mut wanted = self.0.wanted.lock();
        let Some(count) = wanted.channels.get_mut(channel) else { return };
        *count -= 1;
        if *count == 0 {
            wanted.channels.remove(channel);
            wanted.changed.insert(channel.to_owned());
            self.0.changed.notify_one();
        }
    }

    fn all(&self) -> HashSet<String> {
        let mut wanted = self.0.wanted.lock();
        wanted.changed.clear();
        wanted.channels.keys().cloned().collect()
    }

    /// Channels to join and to leave, where `joined` are heard.
    fn changes(&self, joined: &HashSet<String>) -> (Vec<String>, Vec<String>) {
        let mut wanted = self.0.wanted.lock();
        let changed = std::mem::take(&mut wanted.changed);
        let (wished, unwished): (Vec<_>, Vec<_>) =
            changed.into_iter().partition(|channel| wanted.channels.contains_key(channel));
        let join = wished.into_iter().filter(|channel| !joined.contains(channel)).collect();
        (join, unwished.into_iter().filter(|channel| joined.contains(channel)).collect())
    }
}

/// Somebody hears a channel.
pub struct Want {
    ears: Ears,
    channel: String,
}

impl Drop for Want {
    fn drop(&mut self) {
        self.ears.leave(&self.channel);
    }
}

/// Hears for ever what is said in the wanted channels: connects when there is the first, and again whenever the
/// subscription breaks.
pub async fn attend(link: &Link, ears: &Ears, told: impl Fn(&str, &[u8])) {
    let mut pause = PAUSE_FIRST;
    loop {
        while ears.0.wanted.lock().channels.is_empty() {
            ears.0.changed.notified().await;
        }
        if let Ok(()) = attend_once(link, ears, &told).await {
            pause = PAUSE_FIRST;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// Ok when it had begun to hear.
async fn attend_once(link: &Link, ears: &Ears, told: &impl Fn(&str, &[u8])) -> Result<(), RedisError> {
    let Ok(subscription) = timeout(ANSWER_TIMEOUT, link.client().get_async_pubsub()).await else {
        return Ok(());
    };
    let (mut sink, mut messages) = subscription?.split();
    let mut joined = ears.all();
    let all: Vec<String> = joined.iter().cloned().collect();
    if !change(&mut sink, &all, &[]).await? {
        return Ok(());
    }
    loop {
        let message = tokio::select! {
            message = messages.next() => match message {
                Some(message) => message,
                None => return Ok(()),
            },
            () = ears.0.changed.notified() => {
                let (join, leave) = ears.changes(&joined);
                if !change(&mut sink, &join, &leave).await? {
                    return Ok(());
                }
                joined.retain(|channel| !leave.contains(channel));
                joined.extend(join);
                continue;
            }
            () = sleep(PING_EVERY) => match timeout(ANSWER_TIMEOUT, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => continue,
                Ok(Err(_)) | Err(_) => return Ok(()),
            },
        };
        told(message.get_channel_name(), message.get_payload_bytes());
    }
}

/// False when there was no answer in time.
async fn change(sink: &mut PubSubSink, join: &[String], leave: &[String]) -> Result<bool, RedisError> {
    let changing = async {
        for some in join.chunks(NAMED_AT_ONCE) {
            sink.subscribe(some).await?;
        }
        for some in leave.chunks(NAMED_AT_ONCE) {
            sink.unsubscribe(some).await?;
        }
        Ok::<_, RedisError>(())
    };
    match timeout(ANSWER_TIMEOUT, changing).await {
        Ok(changed) => changed.map(|()| true),
        Err(_elapsed) => Ok(false),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_channel_is_left_when_the_last_who_heard_it_leaves() {
        let ears = Ears::default();
        let (one, two) = (ears.want("a".to_owned()), ears.want("a".to_owned()));
        let mut joined = HashSet::new();
        assert_eq!(ears.changes(&joined), (vec!["a".to_owned()], vec![]));
        joined.insert("a".to_owned());
        drop(one);
        assert_eq!(ears.changes(&joined), (vec![], vec![]));
        drop(two);
        assert_eq!(ears.changes(&joined), (vec![], vec!["a".to_owned()]));
        let again = ears.want("a".to_owned());
        assert_eq!(ears.changes(&joined), (vec![], vec![]), "it is heard still");
        drop(again);
        assert!(ears.0.wanted.lock().channels.is_empty());
    }
}
