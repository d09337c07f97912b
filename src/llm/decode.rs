//! Bytes of a stream, cut anywhere, to lines and to server-sent events. Knows no model and never blocks.
//!
//! Whoever pushes bytes takes everything that is ready before pushing more, so that no more than one line is held.

use std::fmt;

/// The longest line, and the most data of one event. No reply of a sane server comes near it.
pub const LINE_BYTES_MAX: usize = 256 * 1024;

/// The bytes are no text, or a line has no end. What comes after it is of no use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the stream is unreadable")]
pub struct Unreadable;

/// Bytes to lines. A line ends with LF, CR or both, and comes without its end.
#[derive(Default)]
pub struct Lines {
    held: Vec<u8>,
    /// Where the first line begins that was not taken.
    begin: usize,
    /// Up to here no line ends; never before `begin`.
    searched: usize,
    /// The last line ended with CR: an LF that comes next belongs to that end.
    after_cr: bool,
}

impl Lines {
    pub fn push(&mut self, bytes: &[u8]) {
        self.held.drain(..self.begin);
        self.searched -= self.begin;
        self.begin = 0;
        self.held.extend_from_slice(bytes);
    }

    /// The next whole line, if it is there.
    pub fn next_line(&mut self) -> Option<Result<&str, Unreadable>> {
        self.pass_line_feed();
        let Some(length) = self.held[self.searched..].iter().position(|byte| matches!(byte, b'\n' | b'\r'))
        else {
            self.searched = self.held.len();
            return (self.searched - self.begin > LINE_BYTES_MAX).then_some(Err(Unreadable));
        };
        let (begin, end) = (self.begin, self.searched + length);
        self.after_cr = self.held[end] == b'\r';
        self.begin = end + 1;
        self.searched = self.begin;
        let line = &self.held[begin..end];
        let is_bounded = line.len() <= LINE_BYTES_MAX;
        Some(std::str::from_utf8(line).ok().filter(|_| is_bounded).ok_or(Unreadable))
    }

    fn pass_line_feed(&mut self) {
        if !self.after_cr {
            return;
        }
        if let Some(byte) = self.held.get(self.begin) {
            self.after_cr = false;
            self.begin += usize::from(*byte == b'\n');
            self.searched = self.searched.max(self.begin);
        }
    }
}

/// A server-sent event.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    /// `None`: `message`.
    pub name: Option<String>,
    /// The latest id that the stream told, with this event or before it.
    pub id: Option<String>,
    /// Its lines, with LF between them.
    pub data: String,
}

/// Data may be what people wrote.
impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "event {:?} of {} bytes", self.name, self.data.len())
    }
}

/// Bytes to server-sent events, by the WHATWG's rules; `retry` is passed over. An event that lacks the empty line
/// behind it does not come out.
#[derive(Default)]
pub struct Events {
    lines: Lines,
    has_begun: bool,
    forming: Forming,
}

/// What was read of the event that comes next.
#[derive(Default)]
struct Forming {
    name: Option<String>,
    id: Option<String>,
    data: Option<String>,
}

impl Events {
    pub fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    /// The next whole event, if it is there.
    pub fn next_event(&mut self) -> Option<Result<Event, Unreadable>> {
        loop {
            let line = match self.lines.next_line()? {
                Ok(line) if self.has_begun => line,
                Ok(line) => line.strip_prefix('\u{feff}').unwrap_or(line),
                Err(unreadable) => return Some(Err(unreadable)),
            };
            self.has_begun = true;
            if line.is_empty() {
                if let Some(event) = self.forming.take() {
                    return Some(Ok(event));
                }
            } else if self.forming.read(line).is_err() {
                return Some(Err(Unreadable));
            }
        }
    }
}

impl Forming {
    /// Comments have an empty name and end up with the fields that nobody knows.
    fn read(&mut self, line: &str) -> Result<(), Unreadable> {
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => self.add(value)?,
            "event" => self.name = Some(value.to_owned()).filter(|name| !name.is_empty()),
            "id" if !value.contains('\0') => self.id = Some(value.to_owned()),
            _ => {}
        }
        Ok(())
    }

    fn add(&mut self, value: &str) -> Result<(), Unreadable> {
        let Some(data) = &mut self.data else {
            self.data = Some(value.to_owned());
            return Ok(());
        };
        if data.len() + value.len() >= LINE_BYTES_MAX {
            return Err(Unreadable);
        }
        data.push('\n');
        data.push_str(value);
        Ok(())
    }

    /// Without data there is no event, and its name is forgotten.
    fn take(&mut self) -> Option<Event> {
        let name = self.name.take();
        let data = self.data.take()?;
        Some(Event { name, id: self.id.clone(), data })
    }
}
