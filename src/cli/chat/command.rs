//! What a person typed: words for Attune, or a command of the chat. Pure; sends nothing.

/// The most of one message that is kept, in bytes. Far above what a turn takes, so that the server still sees danger in it.
pub const TEXT_MAX_BYTES: usize = 128 * 1024;
/// Exchanges that `/history` shows by itself, and at most.
const HISTORY_DEFAULT: u32 = 5;
const HISTORY_MAX: u32 = 50;

/// What one message, or one command, comes to.
#[derive(Clone, PartialEq, Eq)]
pub enum Typed {
    /// Words for Attune.
    Words(String),
    /// A line without words, which is not sent: one presses Enter by mistake.
    Nothing,
    Help,
    State,
    /// So many exchanges.
    History(u32),
    Stop,
    /// The words that were not answered, once more.
    Again,
    Quit,
    /// Looks like a command and is none, or has a number that does not fit.
    Unknown,
}

/// Puts lines together where one goes on in the next.
#[derive(Default)]
pub struct Composer {
    begun: Option<String>,
}

impl Composer {
    /// Takes a line without its end. `None`: it goes on in the next one.
    pub fn take(&mut self, line: &str) -> Option<Typed> {
        if self.begun.is_none() && is_command(line) {
            return Some(command(line));
        }
        // A second slash says that the first one is meant as text.
        let line = if self.begun.is_none() && line.starts_with("//") { &line[1..] } else { line };
        let goes_on = goes_on(line);
        self.add(if goes_on { &line[..line.len() - 1] } else { line });
        if goes_on { None } else { self.rest() }
    }

    /// What was begun, when no further line comes.
    pub fn rest(&mut self) -> Option<Typed> {
        let text = self.begun.take()?;
        Some(if text.trim().is_empty() { Typed::Nothing } else { Typed::Words(text) })
    }

    pub fn has_begun(&self) -> bool {
        self.begun.is_some()
    }

    fn add(&mut self, line: &str) {
        let text = self.begun.get_or_insert_default();
        if !text.is_empty() {
            text.push('\n');
        }
        text.push_str(line);
        text.truncate(text.floor_char_boundary(TEXT_MAX_BYTES));
    }
}

/// Whether the line after this one belongs to it.
pub fn goes_on(line: &str) -> bool {
    line.ends_with('\\')
}

/// Whether a line that begins a message asks for the reply to end.
pub fn is_stop(line: &str) -> bool {
    is_command(line) && command(line) == Typed::Stop
}

fn is_command(line: &str) -> bool {
    line.starts_with('/') && !line.starts_with("//")
}

fn command(line: &str) -> Typed {
    let mut words = line.split_whitespace();
    match (words.next().unwrap_or_default(), words.next(), words.next()) {
        ("/help", None, _) => Typed::Help,
        ("/state", None, _) => Typed::State,
        ("/stop", None, _) => Typed::Stop,
        ("/again", None, _) => Typed::Again,
        ("/quit", None, _) => Typed::Quit,
        ("/history", None, _) => Typed::History(HISTORY_DEFAULT),
        ("/history", Some(count), None) => match count.parse() {
            Ok(count @ 1..=HISTORY_MAX) => Typed::History(count),
            Ok(_) | Err(_) => Typed::Unknown,
        },
        _ => Typed::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn typed(lines: &[&str]) -> Vec<Option<Typed>> {
        let mut composer = Composer::default();
        lines.iter().map(|line| composer.take(line)).collect()
    }

    fn words(text: &str) -> Typed {
        Typed::Words(text.to_owned())
    }

    #[test]
    fn a_line_of_words_is_sent_as_it_stands() {
        assert!(typed(&[" I feel 50/50 about it "]) == [Some(words(" I feel 50/50 about it "))]);
    }

    #[test]
    fn commands_are_known_by_their_first_word_and_what_is_none_is_not_sent() {
        let known = [
            ("/help", Typed::Help),
            ("/state ", Typed::State),
            ("/history", Typed::History(5)),
            ("/history 12", Typed::History(12)),
            ("/stop", Typed::Stop),
            ("/again", Typed::Again),
            ("/quit", Typed::Quit),
            ("/history 0", Typed::Unknown),
            ("/history 51", Typed::Unknown),
            ("/history many", Typed::Unknown),
            ("/history 1 2", Typed::Unknown),
            ("/quit now", Typed::Unknown),
            ("/hepl", Typed::Unknown),
            ("/", Typed::Unknown),
            ("/help\\", Typed::Unknown),
        ];
        for (line, expected) in known {
            assert!(typed(&[line]) == [Some(expected)], "{line}");
        }
    }

    #[test]
    fn two_slashes_send_a_text_that_begins_with_one() {
        assert!(typed(&["//help"]) == [Some(words("/help"))]);
        assert!(typed(&["///"]) == [Some(words("//"))]);
    }

    #[test]
    fn a_backslash_at_the_end_goes_on_in_the_next_line() {
        assert!(typed(&["one\\", "/stop\\", "//three"]) == [None, None, Some(words("one\n/stop\n//three"))]);
        assert!(typed(&["one\\", ""]) == [None, Some(words("one\n"))]);
        assert!(typed(&["\\", " "]) == [None, Some(Typed::Nothing)]);
    }

    #[test]
    fn what_was_begun_is_sent_when_no_line_follows() {
        let mut composer = Composer::default();
        assert!(composer.take("one\\").is_none() && composer.has_begun());
        assert!(composer.rest() == Some(words("one")) && composer.rest().is_none());
    }

    #[test]
    fn a_line_without_words_is_nothing() {
        assert!(typed(&["", "  \t"]) == [Some(Typed::Nothing), Some(Typed::Nothing)]);
    }

    #[test]
    fn a_message_is_bounded_and_cut_between_characters() {
        let mut composer = Composer::default();
        let line = "\u{e4}".repeat(TEXT_MAX_BYTES / 2) + "\\";
        assert!(composer.take(&line).is_none());
        let Some(Typed::Words(text)) = composer.take("more") else { panic!("words") };
        assert_eq!(text.len(), TEXT_MAX_BYTES);
    }
}
