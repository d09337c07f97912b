//! Turns while they run: what they have said so far, for whoever follows them, and the ways to stop them.
//!
//! Of this server alone. Nothing here is an acknowledgement: what was said counts once the turn is stored.

use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::domain::id::SessionKey;
use crate::store::Idempotency;

/// How long what a turn said is kept for those who lost their connection, and for how many turns.
const KEPT_FOR: Duration = Duration::from_mins(2);
const KEPT_MAX: u64 = 10_000;

/// A part of a reply, as it was released.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delta {
    /// The turn that it belongs to.
    pub turn: u32,
    /// Counts from 1 in a turn.
    pub seq: u32,
    pub text: Arc<str>,
}

/// What one turn has said so far. Its deltas, put together, are the reply.
pub struct Feed(watch::Sender<Said>);

#[derive(Default)]
struct Said {
    deltas: Vec<Delta>,
    ended: bool,
}

impl Default for Feed {
    fn default() -> Self {
        Self(watch::Sender::new(Said::default()))
    }
}

impl Feed {
    pub(super) fn say(&self, turn: u32, text: &str) {
        self.0.send_modify(|said| said.say(turn, text));
    }

    /// Nothing more will be said but this, which may be empty.
    pub(super) fn end(&self, turn: u32, rest: &str) {
        self.0.send_modify(|said| {
            said.say(turn, rest);
            said.ended = true;
        });
    }

    /// Follows the feed from its beginning.
    pub fn follow(self: &Arc<Self>) -> Following {
        Following { said: self.0.subscribe(), next: 0 }
    }
}

impl Said {
    fn say(&mut self, turn: u32, text: &str) {
        if text.is_empty() {
            return;
        }
        let seq = self.deltas.last().map_or(0, |last| last.seq) + 1;
        self.deltas.push(Delta { turn, seq, text: Arc::from(text) });
    }
}

/// A reader of a feed.
pub struct Following {
    said: watch::Receiver<Said>,
    next: usize,
}

impl Following {
    /// What was said and not read yet; does not wait.
    pub fn ready(&mut self) -> Vec<Delta> {
        let said = self.said.borrow_and_update();
        let deltas = said.deltas.get(self.next..).unwrap_or_default().to_vec();
        self.next = said.deltas.len();
        deltas
    }

    /// Waits for more. `None` once the feed has ended.
    pub async fn more(&mut self) -> Option<Vec<Delta>> {
        loop {
            let deltas = self.ready();
            if !deltas.is_empty() {
                return Some(deltas);
            }
            if self.said.borrow().ended || self.said.changed().await.is_err() {
                return Some(self.ready()).filter(|last| !last.is_empty());
            }
        }
    }
}

/// What is shared between a turn's task and those who wait for it.
#[derive(Clone)]
pub struct Line {
    pub feed: Arc<Feed>,
    /// Whether the feed is this turn's own, and not that of an earlier request with the same key.
    pub is_own: bool,
    /// The caller's wish that the turn ends now.
    pub stop: CancellationToken,
    /// Something more important waits: the words have to be found without a model.
    pub hurry: CancellationToken,
}

/// How a running turn ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Ended {
    /// Whether the wish to stop it came in time.
    pub stopped: bool,
    /// Its number, where it was stored.
    pub turn: Option<u32>,
}

/// A turn at work, as others see it.
struct Running {
    line: Line,
    turn: u32,
    ended: watch::Sender<Option<Ended>>,
}

/// All turns at work on this server, and what the latest ones said.
pub struct Live {
    /// By session: at most one turn of each is at work. A plain mutex: held for a look-up, never across an await.
    running: Mutex<HashMap<SessionKey, Arc<Running>>>,
    feeds: moka::sync::Cache<Idempotency, Arc<Feed>>,
    /// Whether every turn hurries, as when the server stops.
    is_hurried: AtomicBool,
}

impl Default for Live {
    fn default() -> Self {
        Self {
            running: Mutex::default(),
            feeds: moka::sync::Cache::builder().max_capacity(KEPT_MAX).time_to_idle(KEPT_FOR).build(),
            is_hurried: AtomicBool::new(false),
        }
    }
}

impl Live {
    /// What a turn needs before it runs. A repeat of a request follows the feed of the first one.
    pub(super) fn line(&self, idempotency: Option<&Idempotency>) -> Line {
        let (feed, is_own) = match idempotency {
            Some(same) => {
                let entry = self.feeds.entry_by_ref(same).or_default();
                let is_own = entry.is_fresh();
                (entry.into_value(), is_own)
            }
            None => (Arc::default(), true),
        };
        Line { feed, is_own, stop: CancellationToken::new(), hurry: CancellationToken::new() }
    }

    /// Nobody may follow what a failed turn said: its repeat will say something else.
    pub(super) fn fail(&self, line: &Line, idempotency: Option<&Idempotency>) {
        if !line.is_own {
            return;
        }
        line.feed.end(0, "");
        if let Some(same) = idempotency {
            self.feeds.invalidate(same);
        }
    }

    /// Notes that a turn is at work, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, key: &SessionKey, turn: u32, line: &Line) -> AtWork {
        let running = Arc::new(Running { line: line.clone(), turn, ended: watch::Sender::new(None) });
        self.running.lock().insert(key.clone(), Arc::clone(&running));
        if self.is_hurried.load(Ordering::SeqCst) {
            line.hurry.cancel();
        }
        AtWork { live: Arc::clone(self), key: key.clone(), running }
    }

    /// The number of the turn that is at work on a session.
    pub fn turn_at_work(&self, key: &SessionKey) -> Option<u32> {
        self.running.lock().get(key).map(|running| running.turn)
    }

    /// Asks the turn at work to stop, and waits for its end. `None`: none is at work here.
    pub async fn stop(&self, key: &SessionKey) -> Option<Ended> {
        let running = self.running.lock().get(key).cloned()?;
        let mut ended = running.ended.subscribe();
        running.line.stop.cancel();
        // The guard tells an end in any case.
        ended.wait_for(Option::is_some).await.ok().and_then(|ended| *ended)
    }

    /// The same without waiting.
    pub fn ask_to_stop(&self, key: &SessionKey) {
        if let Some(running) = self.running.lock().get(key) {
            running.line.stop.cancel();
        }
    }

    /// Asks the turn at work to do without a model from now on. False: none is at work here.
    pub fn hurry(&self, key: &SessionKey) -> bool {
        let running = self.running.lock().get(key).cloned();
        running.is_some_and(|running| {
            running.line.hurry.cancel();
            true
        })
    }

    /// Asks every turn, also those that begin later.
    pub fn hurry_all(&self) {
        self.is_hurried.store(true, Ordering::SeqCst);
        self.running.lock().values().for_each(|running| running.line.hurry.cancel());
    }
}

/// Keeps a turn known as being at work.
pub(super) struct AtWork {
    live: Arc<Live>,
    key: SessionKey,
    running: Arc<Running>,
}

impl AtWork {
    pub fn ended(self, ended: Ended) {
        self.running.ended.send_replace(Some(ended));
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut running = self.live.running.lock();
        if running.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.running)) {
            running.remove(&self.key);
        }
        drop(running);
        self.running.ended.send_if_modified(|ended| {
            let is_open = ended.is_none();
            *ended = ended.or(Some(Ended { stopped: false, turn: None }));
            is_open
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{OrgId, SessionId};

    fn key() -> SessionKey {
        SessionKey::new(OrgId::default(), SessionId::parse("s").expect("an id"))
    }

    fn texts(deltas: &[Delta]) -> Vec<&str> {
        deltas.iter().map(|delta| &*delta.text).collect()
    }

    #[tokio::test]
    async fn whoever_comes_late_hears_all_of_it_and_its_end() {
        let feed = Arc::new(Feed::default());
        feed.say(1, "One.");
        let mut following = feed.follow();
        assert_eq!(texts(&following.more().await.expect("more")), ["One."]);
        feed.say(1, " Two.");
        feed.end(1, " Three.");
        assert_eq!(texts(&following.more().await.expect("more")), [" Two.", " Three."]);
        assert_eq!(following.more().await, None);
        assert_eq!(feed.follow().more().await.map(|all| all.len()), Some(3));
    }

    #[test]
    fn a_repeat_follows_the_feed_of_the_first_and_a_failed_turn_is_followed_by_nobody() {
        let live = Live::default();
        let same = Idempotency { key: [1; 16], body: [2; 16] };
        let first = live.line(Some(&same));
        let repeat = live.line(Some(&same));
        assert!(first.is_own && !repeat.is_own && Arc::ptr_eq(&first.feed, &repeat.feed));
        live.fail(&repeat, Some(&same));
        assert!(!live.line(Some(&same)).is_own, "a repeat that fails takes nothing away");
        live.fail(&first, Some(&same));
        assert!(live.line(Some(&same)).is_own);
        let other = Idempotency { key: [1; 16], body: [3; 16] };
        assert!(live.line(Some(&other)).is_own, "other bytes are another request");
    }

    #[tokio::test]
    async fn a_turn_that_ends_without_a_word_is_told_to_have_ended() {
        let live = Arc::new(Live::default());
        let line = live.line(None);
        let at_work = live.enter(&key(), 3, &line);
        assert_eq!(live.turn_at_work(&key()), Some(3));
        let stopping = {
            let live = Arc::clone(&live);
            async move { live.stop(&key()).await }
        };
        let ending = async {
            line.stop.cancelled().await;
            drop(at_work);
        };
        let (ended, ()) = tokio::join!(stopping, ending);
        assert_eq!(ended, Some(Ended { stopped: false, turn: None }));
        assert_eq!((live.turn_at_work(&key()), live.stop(&key()).await), (None, None));
    }

    #[test]
    fn a_turn_that_begins_when_all_were_told_to_hurry_hurries() {
        let live = Arc::new(Live::default());
        live.hurry_all();
        let line = live.line(None);
        let _at_work = live.enter(&key(), 1, &line);
        assert!(line.hurry.is_cancelled());
    }
}
