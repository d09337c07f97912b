//! Where a sentence ends while it is still being written. It looks at what is there and never guesses what will come:
//! an answer, once given, holds whatever is written behind it.

/// The most that is held back without the end of a sentence in it, in bytes.
pub(super) const HELD_MAX: usize = 600;

/// Behind these, a full stop ends no sentence.
const TITLES: [&str; 9] = ["dr", "mr", "mrs", "ms", "prof", "st", "vs", "approx", "cf"];
/// Behind these, it may.
const ABBREVIATIONS: [&str; 9] = ["etc", "inc", "dept", "min", "sec", "fig", "ca", "al", "ed"];

/// Where the first sentence of `held` ends, in bytes; `None` while that is not known.
pub(super) fn end_of_first(held: &str) -> Option<usize> {
    // Only as much as may be held is looked at, so that the answer is the same however much came at once.
    let window = &held[..held.floor_char_boundary(HELD_MAX)];
    let is_full = window.len() < held.len();
    known_end(window).or_else(|| is_full.then(|| end_of_last_word(window)))
}

fn end_of_last_word(window: &str) -> usize {
    let gap = window.char_indices().rfind(|(at, letter)| *at > 0 && letter.is_whitespace());
    gap.map_or(window.len(), |(at, _)| at)
}

fn known_end(window: &str) -> Option<usize> {
    let mut open = Open::default();
    let mut not_before = 0;
    for (at, letter) in window.char_indices() {
        open.see(letter);
        let after = at + letter.len_utf8();
        if letter == '\n' {
            return Some(after);
        }
        if after <= not_before || !is_stop(letter) {
            continue;
        }
        match judge(&window[..at], letter, &window[after..], open.any()) {
            Stop::Ends { closers } => return Some(after + closers),
            Stop::GoesOn { closers } => not_before = after + closers,
            Stop::Unknown => return None,
        }
    }
    None
}

const fn is_stop(letter: char) -> bool {
    matches!(letter, '.' | '!' | '?' | '\u{2026}' | '\u{3002}')
}

/// Quotation marks and brackets that are open.
#[derive(Default)]
struct Open {
    quoted: bool,
    brackets: u32,
}

impl Open {
    const fn see(&mut self, letter: char) {
        match letter {
            '"' => self.quoted = !self.quoted,
            '(' | '[' | '\u{201c}' => self.brackets += 1,
            ')' | ']' | '\u{201d}' => self.brackets = self.brackets.saturating_sub(1),
            _ => {}
        }
    }

    const fn any(&self) -> bool {
        self.quoted || self.brackets > 0
    }
}

/// What a full stop, or a mark like it, does. Closers are the bytes of closing quotation marks and brackets behind it.
enum Stop {
    Ends { closers: usize },
    GoesOn { closers: usize },
    Unknown,
}

fn judge(before: &str, stop: char, rest: &str, is_open: bool) -> Stop {
    let last = if stop == '.' { Last::of(before) } else { Last::Word };
    if matches!(last, Last::Word) && !is_open {
        return Stop::Ends { closers: 0 };
    }
    let behind = rest.trim_start_matches(['"', ')', ']', '\u{201d}', '\'', '\u{2019}']);
    let closers = rest.len() - behind.len();
    let Some(next) = behind.chars().next() else { return Stop::Unknown };
    let ends = match last {
        Last::Word => true,
        Last::Number { alone } => next == '\n' || (next.is_whitespace() && !alone),
        Last::Title => next == '\n',
        Last::Short if !next.is_whitespace() => !next.is_alphanumeric(),
        Last::Short => {
            let gap = &behind[..behind.len() - behind.trim_start().len()];
            let following = behind.trim_start().chars().next();
            match following {
                _ if gap.contains('\n') => true,
                None => return Stop::Unknown,
                Some(following) => !following.is_lowercase() && !following.is_numeric(),
            }
        }
    };
    if ends { Stop::Ends { closers } } else { Stop::GoesOn { closers } }
}

/// What stands before a full stop.
enum Last {
    /// Clearly a word.
    Word,
    /// Digits; alone where nothing stands before them, as in a list.
    Number {
        alone: bool,
    },
    Title,
    /// A single letter, an abbreviation, or something like it.
    Short,
}

impl Last {
    fn of(before: &str) -> Self {
        let is_inside = |letter: char| letter.is_alphanumeric() || matches!(letter, '.' | '\'' | '\u{2019}');
        let word = &before[before.trim_end_matches(is_inside).len()..];
        let lower = word.to_lowercase();
        if word.chars().next_back().is_some_and(char::is_numeric) {
            return Self::Number { alone: before.trim() == word };
        }
        if TITLES.contains(&lower.as_str()) {
            return Self::Title;
        }
        let letters = lower.chars().count();
        let has_vowel = lower.chars().any(|letter| !letter.is_ascii() || "aeiouy".contains(letter));
        let is_short = letters == 1
            || lower.trim_matches('.').contains('.')
            || ABBREVIATIONS.contains(&lower.as_str())
            || (letters > 0 && !has_vowel && lower.chars().any(char::is_alphabetic));
        if is_short { Self::Short } else { Self::Word }
    }
}

#[cfg(test)]
mod tests {
    use super::{HELD_MAX, end_of_first};

    fn first(held: &str) -> Option<&str> {
        end_of_first(held).map(|end| &held[..end])
    }

    #[test]
    fn a_word_and_a_mark_end_a_sentence_at_once() {
        for whole in ["I hear you.", "Really?", "Yes!", "It's so…", "That is (in a way) good."] {
            assert_eq!(first(whole), Some(whole));
        }
    }

    #[test]
    fn numbers_letters_and_abbreviations_wait_for_what_follows() {
        for unknown in
            ["At 3.", "So do I.", "Such as e.g.", "In the U.S.", "With Dr.", "He said \"yes.", "(Or so."]
        {
            assert_eq!(first(unknown), None, "{unknown}");
        }
        assert_eq!(first("From 0 to 10. And"), Some("From 0 to 10."));
        assert_eq!(first("At 3.5 it is. So"), Some("At 3.5 it is."));
        assert_eq!(first("So do I. And"), Some("So do I."));
        assert_eq!(first("Rest, e.g. now."), Some("Rest, e.g. now."));
        assert_eq!(first("Ask Dr. Brown."), Some("Ask Dr. Brown."));
        assert_eq!(first("1. One thing."), Some("1. One thing."));
    }

    #[test]
    fn closing_marks_belong_to_the_sentence() {
        assert_eq!(first("You said \"no.\" And"), Some("You said \"no.\""));
        assert_eq!(first("(It hurts.) Where"), Some("(It hurts.)"));
    }

    #[test]
    fn a_line_ends_a_sentence() {
        assert_eq!(first("One thing\nand more"), Some("One thing\n"));
    }

    #[test]
    fn what_never_ends_is_cut_between_words() {
        let endless = "word ".repeat(200);
        let cut = first(&endless).unwrap();
        assert!(cut.len() <= HELD_MAX && cut.ends_with("word"));
        let unbroken = "é".repeat(400);
        assert_eq!(first(&unbroken).unwrap().len(), HELD_MAX);
    }
}
