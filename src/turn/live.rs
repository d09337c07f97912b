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

use super::feed::{Feed, Following};
use crate::domain::id::SessionKey;
use crate::store::Idempotency;

/// How long what a turn said is kept for those who lost their connection, and for how many turns.
const KEPT_FOR: Duration = Duration::from_mins(2);
const KEPT_MAX: u64 = 10_000;

/// The feed that a request is answered from.
#[derive(Clone)]
struct Heard {
    feed: Arc<Feed>,
    /// Whether an earlier request began it. A turn that is run anew says something else.
    is_repeat: bool,
}

/// What is shared between a turn's task and those who wait for it.
#[derive(Clone, Default)]
pub struct Line {
    /// The feed to follow, once it is known which one that is: this turn's own, or that of the request that this one
    /// repeats.
    heard: Arc<watch::Sender<Option<Heard>>>,
    /// The caller's wish that the turn ends now.
    pub stop: CancellationToken,
    /// Something more important waits: the words have to be found without a model.
    pub hurry: CancellationToken,
}

impl Line {
    fn hear(&self, feed: &Arc<Feed>, is_repeat: bool) {
        self.heard.send_replace(Some(Heard { feed: Arc::clone(feed), is_repeat }));
    }

    /// The feed to follow, from its beginning, where that is known.
    pub fn following_now(&self) -> Option<Following> {
        let heard = self.heard.borrow();
        heard.as_ref().map(|heard| heard.feed.follow(heard.is_repeat))
    }

    /// Waits until it is known. A turn that fails before that never tells.
    pub async fn following(&self) -> Following {
        let mut heard = self.heard.subscribe();
        loop {
            if let Some(following) = self.following_now() {
                return following;
            }
            // The sender is this line's own.
            drop(heard.changed().await);
        }
    }

    /// Whether anybody follows what is said.
    fn is_followed(&self) -> bool {
        self.heard.borrow().as_ref().is_some_and(|heard| heard.feed.is_followed())
    }

    /// Has the turn end when the guard is dropped and nobody else follows it.
    pub fn stop_on_leave(&self) -> StopOnLeave {
        StopOnLeave(Some(self.clone()))
    }
}

/// Stops a turn that nobody waits for any more.
pub struct StopOnLeave(Option<Line>);

impl StopOnLeave {
    /// The answer is there.
    pub fn disarm(mut self) {
        self.0 = None;
    }
}

impl Drop for StopOnLeave {
    fn drop(&mut self) {
        if let Some(line) = self.0.take().filter(|line| !line.is_followed()) {
            line.stop.cancel();
        }
    }
}

/// A feed that a turn speaks into. Dropped before the turn was stored (an error, a panic), nobody follows it any more:
/// a repeat of the request will say something else.
pub(super) struct OpenFeed {
    live: Arc<Live>,
    same: Option<Idempotency>,
    feed: Arc<Feed>,
    is_whole: bool,
}

impl OpenFeed {
    pub fn say(&self, turn: u32, text: &str) {
        self.feed.say(turn, text);
    }

    /// The turn is stored, and `rest` is what was not said yet.
    pub fn end(&mut self, turn: u32, rest: &str) {
        self.is_whole = true;
        self.feed.end(turn, rest);
    }
}

impl Drop for OpenFeed {
    fn drop(&mut self) {
        if self.is_whole {
            return;
        }
        self.feed.end(0, "");
        let is_ours = |feed: Arc<Feed>| Arc::ptr_eq(&feed, &self.feed);
        if let Some(same) = self.same.as_ref().filter(|same| self.live.feeds.get(*same).is_some_and(is_ours))
        {
            self.live.feeds.invalidate(same);
        }
    }
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
            feeds: moka::sync::Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT_FOR).build(),
            is_hurried: AtomicBool::new(false),
        }
    }
}

impl Live {
    /// A turn begins to speak: whoever repeats its request follows this feed from now on.
    pub(super) fn open(self: &Arc<Self>, same: Option<&Idempotency>, follower: Option<&Line>) -> OpenFeed {
        let feed = Arc::new(Feed::default());
        if let Some(same) = same {
            self.feeds.insert(same.clone(), Arc::clone(&feed));
        }
        if let Some(line) = follower {
            line.hear(&feed, false);
        }
        OpenFeed { live: Arc::clone(self), same: same.cloned(), feed, is_whole: false }
    }

    /// A request turns out to be a repeat: its caller follows what the first one was told. False where that is not known
    /// here, or not yet.
    pub(super) fn follow(&self, same: Option<&Idempotency>, line: &Line) -> bool {
        let feed = same.and_then(|same| self.feeds.get(same));
        feed.map(|feed| line.hear(&feed, true)).is_some()
    }

    /// Notes that a turn is at work, until the guard is dropped.
    pub(super) fn enter(self: &Arc<Self>, key: &SessionKey, turn: u32, line: &Line) -> AtWork {
        let running = Arc::new(Running { line: line.clone(), turn, ended: watch::Sender::new(None) });
        self.running.lock().insert(key.clone(), Arc::clone(&running));
        if self.is_hurried.load(Ordering::SeqCst) {
            line.hurry.cancel();
        }
        let ended = Ended { stopped: false, turn: None };
        AtWork { live: Arc::clone(self), key: key.clone(), running, ended }
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
        self.running.lock().get(key).map(|running| running.line.hurry.cancel()).is_some()
    }

    /// Asks every turn, also those that begin later.
    pub fn hurry_all(&self) {
        self.is_hurried.store(true, Ordering::SeqCst);
        self.running.lock().values().for_each(|running| running.line.hurry.cancel());
    }
}

/// Keeps a turn known as being at work, and tells its end when it is dropped.
pub(super) struct AtWork {
    live: Arc<Live>,
    key: SessionKey,
    running: Arc<Running>,
    ended: Ended,
}

impl AtWork {
    pub fn ended(mut self, ended: Ended) {
        self.ended = ended;
    }
}

impl Drop for AtWork {
    fn drop(&mut self) {
        let mut running = self.live.running.lock();
        if running.get(&self.key).is_some_and(|known| Arc::ptr_eq(known, &self.running)) {
            running.remove(&self.key);
        }
        drop(running);
        self.running.ended.send_replace(Some(self.ended));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{OrgId, SessionId};

    fn key() -> SessionKey {
        SessionKey::new(OrgId::default(), SessionId::parse("s").expect("an id"))
    }

    fn texts(deltas: &[super::super::Delta]) -> Vec<&str> {
        deltas.iter().map(|delta| &*delta.text).collect()
    }

    #[tokio::test]
    async fn a_repeat_follows_the_feed_of_the_first_and_a_failed_turn_is_followed_by_nobody() {
        let live = Arc::new(Live::default());
        let (same, first, repeat) =
            (Idempotency { key: [1; 16], body: [2; 16] }, Line::default(), Line::default());
        let mut open = live.open(Some(&same), Some(&first));
        open.say(1, "One.");
        live.follow(Some(&same), &repeat);
        for line in [&first, &repeat] {
            assert_eq!(texts(&line.following().await.ready()), ["One."]);
        }
        open.end(1, "");
        drop(open);
        let late = Line::default();
        live.follow(Some(&same), &late);
        assert!(late.heard.borrow().is_some(), "what was stored may be followed afterwards");
        drop(live.open(Some(&same), Some(&first)));
        let after = Line::default();
        live.follow(Some(&same), &after);
        assert!(after.heard.borrow().is_none(), "the one that failed took the place of the other");
    }

    #[tokio::test]
    async fn a_turn_that_ends_without_a_word_is_told_to_have_ended() {
        let live = Arc::new(Live::default());
        let line = Line::default();
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
        let line = Line::default();
        let _at_work = live.enter(&key(), 1, &line);
        assert!(line.hurry.is_cancelled());
    }
}
