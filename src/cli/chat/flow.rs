//! Text broken at word borders, as it comes. Pure; what a terminal would obey as a command is left out.

/// Breaks one text that comes in parts. A word that is wider than a line stays whole, so that it can be copied.
pub struct Flow {
    width: usize,
    column: usize,
    /// A blank stands between the last word and the next.
    is_apart: bool,
    word: String,
}

impl Flow {
    /// The first line begins behind `column` characters that are there already.
    pub fn new(width: usize, column: usize) -> Self {
        Self { width, column, is_apart: false, word: String::new() }
    }

    /// Takes a part and gives what may be shown: all but a word that may go on in the next part.
    pub fn push(&mut self, part: &str) -> String {
        let mut out = String::new();
        for c in part.chars() {
            match c {
                '\n' => {
                    self.place_word(&mut out);
                    out.push('\n');
                    self.begin_line();
                }
                c if c.is_whitespace() => {
                    self.place_word(&mut out);
                    self.is_apart = true;
                }
                c if c.is_control() => {}
                c => self.word.push(c),
            }
        }
        // Replies come a sentence at a time: its last word must not wait for the next one.
        if self.word.ends_with(['.', '?', '!', ':', '"', '\'', ')', '\u{201d}', '\u{2019}', '\u{2026}']) {
            self.place_word(&mut out);
        }
        out
    }

    /// The last word.
    pub fn finish(&mut self) -> String {
        let mut out = String::new();
        self.place_word(&mut out);
        out
    }

    /// Something else stood in between: what comes next, a word that is not whole yet included, begins a line.
    pub fn begin_line(&mut self) {
        (self.column, self.is_apart) = (0, false);
    }

    fn place_word(&mut self, out: &mut String) {
        let length = self.word.chars().count();
        if length == 0 {
            return;
        }
        if self.is_apart && self.column > 0 {
            let fits = self.column.saturating_add(1 + length) <= self.width;
            out.push(if fits { ' ' } else { '\n' });
            self.column = if fits { self.column + 1 } else { 0 };
        }
        out.push_str(&self.word);
        self.column += length;
        self.is_apart = false;
        self.word.clear();
    }
}

/// A whole text in lines, all but the first with so many blanks before them.
pub fn wrap(text: &str, width: usize, indent: usize) -> Vec<String> {
    let mut flow = Flow::new(width.saturating_sub(indent), 0);
    let broken = flow.push(text.trim()) + &flow.finish();
    let blanks = " ".repeat(indent);
    let line = |(n, line): (usize, &str)| if n == 0 { line.to_owned() } else { format!("{blanks}{line}") };
    broken.split('\n').enumerate().map(line).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flowed(width: usize, parts: &[&str]) -> String {
        let mut flow = Flow::new(width, 0);
        let shown: String = parts.iter().map(|part| flow.push(part)).collect();
        shown + &flow.finish()
    }

    #[test]
    fn however_a_text_is_cut_it_breaks_at_the_same_word_borders() {
        let text = "Where in your body, would you say,\ndo you notice it right now";
        let expected = "Where in your\nbody, would you\nsay,\ndo you notice it\nright now";
        assert_eq!(flowed(16, &[text]), expected);
        for at in (0..text.len()).filter(|at| text.is_char_boundary(*at)) {
            assert_eq!(flowed(16, &[&text[..at], &text[at..]]), expected, "cut at {at}");
        }
    }

    #[test]
    fn a_sentence_is_shown_to_its_end_before_the_next_one_comes() {
        let mut flow = Flow::new(40, 8);
        assert_eq!(flow.push("I hear you."), "I hear you.");
        assert_eq!(flow.push(" What el"), " What");
        assert_eq!(flow.push("se?"), " else?");
        assert_eq!(flow.finish(), "");
    }

    #[test]
    fn a_word_that_is_wider_than_the_line_stays_whole() {
        assert_eq!(flowed(10, &["see https://findahelpline.com now"]), "see\nhttps://findahelpline.com\nnow");
    }

    #[test]
    fn the_first_line_leaves_room_for_what_stands_before_it() {
        let mut flow = Flow::new(12, 8);
        assert_eq!(flow.push("abc defg ") + &flow.finish(), "abc\ndefg");
    }

    #[test]
    fn nothing_that_a_terminal_obeys_comes_through() {
        assert_eq!(flowed(80, &["a\u{1b}[2Jb\u{7}\u{9b}c\td\r"]), "a[2Jbc d");
    }

    #[test]
    fn without_a_width_nothing_is_broken() {
        let long = "word ".repeat(200);
        assert!(!flowed(usize::MAX, &[&long]).contains('\n'));
    }

    #[test]
    fn later_lines_of_a_whole_text_stand_in() {
        assert_eq!(wrap("  one two three ", 9, 2), ["one two", "  three"]);
        assert_eq!(wrap("", 9, 2), [""]);
    }
}
