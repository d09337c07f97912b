//! What one turn has said so far, for whoever follows it.

use std::sync::Arc;

use tokio::sync::watch;

/// A part of a reply, as it was released.
#[derive(Clone, PartialEq, Eq)]
pub struct Delta {
    /// The turn that it belongs to.
    pub turn: u32,
    /// Counts from 1 in a turn.
    pub seq: u32,
    pub text: Arc<str>,
}

/// What is said to a person has no debug output.
impl std::fmt::Debug for Delta {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "delta {}.{} of {} bytes", self.turn, self.seq, self.text.len())
    }
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

    /// Follows the feed from its beginning. `is_repeat`: an earlier request was told the same.
    pub(super) fn follow(&self, is_repeat: bool) -> Following {
        Following { said: self.0.subscribe(), next: 0, is_repeat }
    }

    pub(super) fn is_followed(&self) -> bool {
        self.0.receiver_count() > 0
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
    /// Whether an earlier request was told the same.
    pub is_repeat: bool,
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

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(deltas: &[Delta]) -> Vec<&str> {
        deltas.iter().map(|delta| &*delta.text).collect()
    }

    #[tokio::test]
    async fn whoever_comes_late_hears_all_of_it_and_its_end() {
        let feed = Arc::new(Feed::default());
        feed.say(1, "One.");
        let mut following = feed.follow(false);
        assert_eq!(texts(&following.more().await.expect("more")), ["One."]);
        feed.say(1, " Two.");
        feed.end(1, " Three.");
        assert_eq!(texts(&following.more().await.expect("more")), [" Two.", " Three."]);
        assert_eq!(following.more().await, None);
        assert_eq!(feed.follow(false).more().await.map(|all| all.len()), Some(3));
    }
}
