//! Messages between servers: who is next in a queue, whose reply is there, which session is no more, whose turn has to
//! end.
//!
//! A message may be lost. Whoever waits for one looks for itself now and then, so that a lost one costs time alone.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::StreamExt as _;
use parking_lot::Mutex;
use redis::RedisError;
use tokio::sync::Notify;
use tokio::time::{sleep, timeout};

use super::{Keys, Link};

/// A subscription that hears nothing is pinged so often: nothing else tells a dead one from a quiet one.
const PING_EVERY: Duration = Duration::from_secs(5);
const SUBSCRIBE_TIMEOUT: Duration = Duration::from_secs(5);
const PING_TIMEOUT: Duration = Duration::from_secs(2);
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(250);

/// What one server tells another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Message {
    /// The waiter of this begin has something to look at.
    Look(u128),
    /// A session was removed: its organisation and id, joined by a colon.
    Forget(String),
    /// The turn that is at work on such a session has to end.
    Stop(String),
    /// The turn that is at work on such a session keeps somebody in danger waiting.
    Hurry(String),
    /// A server has come.
    Hello(String),
}

impl Message {
    /// Reads a payload; `None` for one that a newer server sends.
    #[must_use]
    pub fn parse(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        match text.split_once(' ')? {
            ("look", id) => u128::from_str_radix(id, 16).ok().map(Self::Look),
            ("forget", session) => Some(Self::Forget(session.to_owned())),
            ("stop", session) => Some(Self::Stop(session.to_owned())),
            ("hurry", session) => Some(Self::Hurry(session.to_owned())),
            ("hello", server) => Some(Self::Hello(server.to_owned())),
            _ => None,
        }
    }
}

/// Those who wait on this server. A plain mutex: it is held for a look-up, never across an await.
#[derive(Debug, Clone, Default)]
pub struct Wakes(Arc<Mutex<HashMap<u128, Arc<Notify>>>>);

impl Wakes {
    /// Has messages for this waiter heard until the guard is dropped.
    #[must_use]
    pub fn listen(&self, id: u128) -> Listening {
        let notify = Arc::new(Notify::new());
        self.0.lock().insert(id, Arc::clone(&notify));
        Listening { wakes: self.clone(), id, notify }
    }

    pub fn look(&self, id: u128) {
        if let Some(notify) = self.0.lock().get(&id) {
            notify.notify_one();
        }
    }

    /// Has everybody look: messages may have been missed.
    pub fn look_all(&self) {
        self.0.lock().values().for_each(|notify| notify.notify_one());
    }
}

/// Hears what is said to `server` and to all, for ever: connects again whenever the subscription breaks.
pub async fn hear(link: &Link, keys: &Keys, server: &str, wakes: &Wakes, told: impl Fn(Message)) {
    let mut pause = PAUSE_FIRST;
    loop {
        if let Ok(()) = hear_once(link, keys, server, wakes, &told).await {
            pause = PAUSE_FIRST;
        }
        sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// Ok when it had begun to hear.
async fn hear_once(
    link: &Link,
    keys: &Keys,
    server: &str,
    wakes: &Wakes,
    told: &impl Fn(Message),
) -> Result<(), RedisError> {
    let subscribing = async {
        let mut subscription = link.client().get_async_pubsub().await?;
        subscription.subscribe(&[keys.wake(server), keys.wake_all()][..]).await?;
        Ok::<_, RedisError>(subscription)
    };
    let Ok(subscribed) = timeout(SUBSCRIBE_TIMEOUT, subscribing).await else { return Ok(()) };
    let subscription = subscribed?;
    // What was said while nobody listened is lost.
    wakes.look_all();
    let (mut sink, mut messages) = subscription.split();
    loop {
        let payload = tokio::select! {
            message = messages.next() => match message {
                Some(message) => message,
                None => return Ok(()),
            },
            () = sleep(PING_EVERY) => match timeout(PING_TIMEOUT, sink.ping::<redis::Value>()).await {
                Ok(Ok(_)) => continue,
                Ok(Err(_)) | Err(_) => return Ok(()),
            },
        };
        if let Some(message) = Message::parse(payload.get_payload_bytes()) {
            told(message);
        }
    }
}

pub struct Listening {
    wakes: Wakes,
    id: u128,
    notify: Arc<Notify>,
}

impl Listening {
    /// Waits for a message; one that came already counts.
    pub async fn heard(&self) {
        self.notify.notified().await;
    }
}

impl Drop for Listening {
    fn drop(&mut self) {
        let mut waiting = self.wakes.0.lock();
        // A second claim of the same begin listens under the same id.
        if waiting.get(&self.id).is_some_and(|notify| Arc::ptr_eq(notify, &self.notify)) {
            waiting.remove(&self.id);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_that_nobody_knows_is_passed_over() {
        assert_eq!(Message::parse(b"look 0a"), Some(Message::Look(10)));
        assert_eq!(Message::parse(b"forget default:s"), Some(Message::Forget("default:s".to_owned())));
        assert_eq!(Message::parse(b"stop default:s"), Some(Message::Stop("default:s".to_owned())));
        assert_eq!(Message::parse(b"hurry default:s"), Some(Message::Hurry("default:s".to_owned())));
        assert_eq!(Message::parse(b"hello s1"), Some(Message::Hello("s1".to_owned())));
        assert_eq!(Message::parse(b"dance"), None);
        assert_eq!(Message::parse(b"look \xff"), None);
    }

    #[tokio::test]
    async fn a_message_that_comes_before_the_wait_counts() {
        let wakes = Wakes::default();
        let listening = wakes.listen(7);
        wakes.look(7);
        wakes.look(8);
        listening.heard().await;
        drop(listening);
        assert!(wakes.0.lock().is_empty());
    }
}
