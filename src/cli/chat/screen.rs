//! Where the conversation is shown: lines, and a reply that grows. Writes escape codes only to a terminal that wants them.

use std::io::{IsTerminal as _, Stdout, Write};

use super::page::{Line, Tone};

/// Lines that are wider are hard to read, and narrower ones hold no number to call.
const WIDTH_MAX: usize = 100;
const WIDTH_MIN: usize = 24;
/// Where a terminal does not say.
const WIDTH_UNKNOWN: usize = 80;

pub struct Screen<W> {
    out: W,
    /// Somebody sits before it, and types.
    is_attended: bool,
    is_styled: bool,
    /// Whether what was written last does not end its line.
    is_within_line: bool,
}

impl Screen<Stdout> {
    /// `plain`: no escape codes are wanted.
    pub fn of_terminal(plain: bool) -> Self {
        let out = std::io::stdout();
        let is_terminal = out.is_terminal();
        let is_attended = is_terminal && std::io::stdin().is_terminal();
        Self { is_styled: is_terminal && !plain, is_attended, is_within_line: false, out }
    }

    /// Of the terminal as it is now. What goes elsewhere is not broken.
    pub fn width(&self) -> usize {
        if !self.out.is_terminal() {
            return usize::MAX;
        }
        let columns = rustix::termios::tcgetwinsize(&self.out).map_or(0, |size| size.ws_col);
        let columns = if columns == 0 { WIDTH_UNKNOWN } else { usize::from(columns) };
        columns.clamp(WIDTH_MIN, WIDTH_MAX)
    }
}

impl<W: Write> Screen<W> {
    /// Lines of their own.
    pub fn show(&mut self, lines: &[Line]) -> std::io::Result<()> {
        self.end_line()?;
        for Line { tone, text } in lines {
            match tone {
                Tone::Dim if self.is_styled => writeln!(self.out, "\x1b[2m{text}\x1b[0m")?,
                Tone::Strong if self.is_styled => writeln!(self.out, "\x1b[1m{text}\x1b[0m")?,
                Tone::Plain | Tone::Dim | Tone::Strong => writeln!(self.out, "{text}")?,
            }
        }
        self.out.flush()
    }

    /// A further part of what stands there.
    pub fn add(&mut self, text: &str) -> std::io::Result<()> {
        if let Some(last) = text.bytes().last() {
            self.is_within_line = last != b'\n';
            self.out.write_all(text.as_bytes())?;
        }
        self.out.flush()
    }

    /// Asks for a line, where somebody is there to type it.
    pub fn prompt(&mut self, text: &str) -> std::io::Result<()> {
        self.end_line()?;
        if self.is_attended {
            self.out.write_all(text.as_bytes())?;
        }
        self.out.flush()
    }

    /// Lines that were typed already, where somebody is there who typed them.
    pub fn repeat(&mut self, lines: &[Line]) -> std::io::Result<()> {
        if self.is_attended { self.show(lines) } else { Ok(()) }
    }

    /// Somebody left the prompt without a line.
    pub fn leave_prompt(&mut self) {
        self.is_within_line = self.is_attended;
    }

    fn end_line(&mut self) -> std::io::Result<()> {
        if std::mem::take(&mut self.is_within_line) {
            writeln!(self.out)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn screen(is_styled: bool, is_attended: bool) -> Screen<Vec<u8>> {
        Screen { out: Vec::new(), is_attended, is_styled, is_within_line: false }
    }

    fn shown(screen: Screen<Vec<u8>>) -> String {
        String::from_utf8(screen.out).expect("text")
    }

    #[test]
    fn lines_begin_a_line_of_their_own() {
        let mut screen = screen(false, true);
        screen.add("Hello").expect("written");
        screen.add("").expect("written");
        screen.show(&[Line::dim("[dim]"), Line::strong("Loud")]).expect("written");
        screen.prompt("You: ").expect("written");
        screen.leave_prompt();
        screen.show(&[Line::plain("Bye.")]).expect("written");
        assert_eq!(shown(screen), "Hello\n[dim]\nLoud\nYou: \nBye.\n");
    }

    #[test]
    fn where_nobody_sits_nothing_asks_and_no_line_is_left_empty() {
        let mut screen = screen(false, false);
        screen.prompt("You: ").expect("written");
        screen.repeat(&[Line::plain("You: hello")]).expect("written");
        screen.leave_prompt();
        screen.show(&[Line::plain("Bye.")]).expect("written");
        assert_eq!(shown(screen), "Bye.\n");
    }

    #[test]
    fn tones_are_shown_where_they_are_wanted_and_end_with_their_line() {
        let mut screen = screen(true, true);
        screen.show(&[Line::dim("a"), Line::strong("b"), Line::plain("c")]).expect("written");
        assert_eq!(shown(screen), "\u{1b}[2ma\u{1b}[0m\n\u{1b}[1mb\u{1b}[0m\nc\n");
    }
}
