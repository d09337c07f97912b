//! What a turn has said so far, however often it has to be decided anew: what is out cannot be taken back.

use super::live::OpenFeed;
use crate::domain::exchange::Written;

/// The words of one turn on their way out.
pub(super) struct Speech {
    feed: OpenFeed,
    turn: u32,
    out: String,
    /// What stands before the first word, where nothing is out yet.
    head: Option<&'static str>,
    /// Whitespace behind the last word: it goes out with the next one, so that no reply ends in it.
    held: String,
    /// What a model made of which decision, once it is done.
    pub done: Option<Done>,
    /// How a model read an open answer.
    pub choice: Option<String>,
}

/// A reply that was written already.
#[derive(Clone)]
pub(super) struct Done {
    /// The decision's name, and the texts in which the script says it.
    pub decision: (String, Vec<String>),
    pub text: String,
    pub written: Written,
    pub stopped: bool,
}

impl Speech {
    pub fn new(feed: OpenFeed, turn: u32) -> Self {
        Self { feed, turn, out: String::new(), head: None, held: String::new(), done: None, choice: None }
    }

    /// Says more. It cannot be taken back.
    pub fn say(&mut self, text: &str) {
        let text = if self.out.is_empty() { text.trim_start() } else { text };
        let words = text.trim_end();
        if words.is_empty() {
            self.held.push_str(text);
            return;
        }
        let held = std::mem::take(&mut self.held);
        let delta = if self.out.is_empty() { self.followed_by(words) } else { held + words };
        self.held.push_str(&text[words.len()..]);
        self.out.push_str(&delta);
        self.feed.say(self.turn, &delta);
    }

    pub fn is_silent(&self) -> bool {
        self.out.is_empty()
    }

    pub fn text(&self) -> &str {
        &self.out
    }

    /// Has these words stand before the first one, unless something is out.
    pub fn lead(&mut self, head: Option<&'static str>) {
        self.head = head;
    }

    /// What is out, else its head, with something behind it.
    pub fn followed_by(&self, text: &str) -> String {
        match self.head {
            _ if !self.out.is_empty() => format!("{} {text}", self.out),
            Some(head) => format!("{head} {text}"),
            None => text.to_owned(),
        }
    }

    /// Whether the caller ended it before its last word.
    pub fn was_stopped(&self) -> bool {
        self.done.as_ref().is_some_and(|done| done.stopped)
    }

    /// The turn is stored with `reply`, which begins with what is out.
    pub fn end(&mut self, turn: u32, reply: &str) {
        self.feed.end(turn, reply.strip_prefix(self.out.as_str()).unwrap_or_default());
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::super::live::{Line, Live};
    use super::*;

    fn speech(line: &Line) -> Speech {
        Speech::new(Arc::new(Live::default()).open(None, Some(line)), 3)
    }

    #[tokio::test]
    async fn deltas_put_together_are_the_reply_without_space_at_its_ends() {
        let line = Line::default();
        let mut speech = speech(&line);
        for part in [" \n", "  I hear you. ", "", "\n", "What now? \n"] {
            speech.say(part);
        }
        assert_eq!(speech.text(), "I hear you. \nWhat now?");
        speech.end(3, "I hear you. \nWhat now? One more.");
        let heard: Vec<(u32, String)> = line
            .following()
            .await
            .ready()
            .into_iter()
            .map(|delta| (delta.seq, delta.text.to_string()))
            .collect();
        let deltas = [(1, "I hear you."), (2, " \nWhat now?"), (3, " One more.")];
        assert_eq!(heard, deltas.map(|(seq, text)| (seq, text.to_owned())));
    }

    #[test]
    fn a_head_goes_out_with_the_first_words_and_not_alone() {
        let line = Line::default();
        let mut speech = speech(&line);
        speech.lead(Some("Head."));
        assert_eq!((speech.is_silent(), speech.followed_by("Script.").as_str()), (true, "Head. Script."));
        speech.say(" \n");
        assert!(speech.is_silent());
        speech.say("One.");
        speech.lead(Some("Late."));
        speech.say(" Two.");
        assert_eq!(speech.text(), "Head. One. Two.");
        assert_eq!(speech.followed_by("Three."), "Head. One. Two. Three.");
    }

    #[test]
    fn what_follows_is_set_apart_where_something_is_out() {
        let mut speech = speech(&Line::default());
        assert_eq!(speech.followed_by("Next."), "Next.");
        speech.say("First.");
        assert_eq!(speech.followed_by("Next."), "First. Next.");
    }
}
