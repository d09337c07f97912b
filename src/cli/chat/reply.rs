//! One reply as it grows on the screen: from what is heard of a turn to what is shown. Pure.

use super::flow::{Flow, wrap};
use super::page::{self, ATTUNE, Line, Tone};
use super::telling::Heard;
use super::wire::{Resource, Turn};

/// What is shown next.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Shown {
    /// Goes on where the reply stands.
    pub text: String,
    /// Lines of their own, behind it.
    pub lines: Vec<Line>,
}

pub struct Reply {
    session: String,
    /// Crisis lines that the turn before has shown.
    known: Vec<Resource>,
    width: usize,
    flow: Flow,
    /// The words so far, put together.
    told: String,
    is_lost: bool,
}

impl Reply {
    /// To what was written to a session.
    pub fn new(session: String, known: Vec<Resource>, width: usize) -> Self {
        Self {
            session,
            known,
            width,
            flow: Flow::new(width, ATTUNE.len()),
            told: String::new(),
            is_lost: false,
        }
    }

    pub fn hear(&mut self, heard: &Heard) -> Shown {
        match heard {
            Heard::Delta(text) => Shown { text: self.go_on(text), lines: Vec::new() },
            Heard::Turn(turn) => self.end(turn),
            Heard::Refused(problem) => self.behind(page::problem(problem, self.width)),
            Heard::Lost => self.behind(page::lost(self.width)),
            Heard::Again if std::mem::replace(&mut self.is_lost, true) => Shown::default(),
            Heard::Again => self.note("[the connection was lost; trying again]"),
        }
    }

    /// Something to know in the middle of it.
    pub fn note(&mut self, note: &str) -> Shown {
        if !self.told.is_empty() {
            self.flow.begin_line();
        }
        Shown { text: String::new(), lines: page::text(Tone::Dim, note, self.width) }
    }

    fn go_on(&mut self, text: &str) -> String {
        let name = if self.told.is_empty() { ATTUNE } else { "" };
        self.told.push_str(text);
        format!("{name}{}", self.flow.push(text))
    }

    /// The turn counts: what was told before it is its beginning, or of an attempt that failed.
    fn end(&mut self, turn: &Turn) -> Shown {
        let words = &turn.therapist_response;
        let Some(rest) = words.strip_prefix(self.told.as_str()) else {
            let mut lines = page::text(Tone::Dim, "[that was cut off; this is the whole reply]", self.width);
            lines.extend(wrap(&format!("{ATTUNE}{words}"), self.width, 0).into_iter().map(Line::plain));
            lines.extend(page::behind(turn, &self.session, &self.known, self.width));
            return self.behind(lines);
        };
        let text = if rest.is_empty() { String::new() } else { self.go_on(rest) };
        let mut shown = self.behind(page::behind(turn, &self.session, &self.known, self.width));
        shown.text.insert_str(0, &text);
        shown
    }

    fn behind(&mut self, lines: Vec<Line>) -> Shown {
        Shown { text: self.flow.finish(), lines }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::chat::wire::Problem;

    fn turn(words: &str) -> Heard {
        let turn = Turn { therapist_response: words.to_owned(), turn: Some(1), ..Turn::default() };
        Heard::Turn(Box::new(turn))
    }

    fn delta(text: &str) -> Heard {
        Heard::Delta(text.to_owned())
    }

    /// Everything that is shown, line by line.
    fn shown(width: usize, heard: &[Heard]) -> Vec<String> {
        let mut reply = Reply::new("s".to_owned(), Vec::new(), width);
        let mut all = String::new();
        for heard in heard {
            let Shown { text, lines } = reply.hear(heard);
            all.push_str(&text);
            for line in lines {
                if !all.is_empty() && !all.ends_with('\n') {
                    all.push('\n');
                }
                all.push_str(&line.text);
                all.push('\n');
            }
        }
        all.lines().map(str::to_owned).collect()
    }

    #[test]
    fn deltas_become_one_wrapped_reply_with_its_line_behind_it() {
        let heard = [delta("I hear"), delta(" you. What"), delta(" now?"), turn("I hear you. What now?")];
        assert_eq!(shown(20, &heard), ["Attune: I hear you.", "What now?", "[turn 1]"]);
    }

    #[test]
    fn a_turn_without_deltas_has_all_its_words_itself() {
        assert_eq!(shown(80, &[turn("I hear you")]), ["Attune: I hear you", "[turn 1]"]);
        assert_eq!(shown(80, &[delta("I hear"), turn("I hear you")]), ["Attune: I hear you", "[turn 1]"]);
    }

    #[test]
    fn a_lost_connection_is_told_once_and_no_word_twice() {
        let heard =
            [delta("One two."), Heard::Again, Heard::Again, delta(" Three."), turn("One two. Three.")];
        let note = "[the connection was lost; trying again]";
        assert_eq!(shown(80, &heard), ["Attune: One two.", note, "Three.", "[turn 1]"]);
        let heard = [delta("One tw"), Heard::Again, delta("o three"), turn("One two three")];
        assert_eq!(shown(80, &heard), ["Attune: One", note, "two three", "[turn 1]"], "words stay whole");
        let early = [Heard::Again, delta("One."), turn("One.")];
        assert_eq!(shown(80, &early), [note, "Attune: One.", "[turn 1]"]);
    }

    #[test]
    fn words_of_an_attempt_that_failed_are_replaced_by_the_ones_that_count() {
        let heard = [delta("Something el"), turn("I hear you.")];
        let note = "[that was cut off; this is the whole reply]";
        assert_eq!(shown(80, &heard), ["Attune: Something el", note, "Attune: I hear you.", "[turn 1]"]);
    }

    #[test]
    fn a_refusal_in_the_middle_stands_behind_what_was_said() {
        let problem =
            Problem { error: "stopped".to_owned(), message: "Stopped.".to_owned(), ..Problem::default() };
        let lines = shown(80, &[delta("Some words"), Heard::Refused(problem)]);
        assert_eq!(lines[..2], ["Attune: Some words", "Stopped."]);
        assert!(shown(80, &[delta("Some words"), Heard::Lost])[1].contains("/again"));
    }
}
