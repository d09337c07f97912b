//! What happens on the wire, step by step: an answer cut into writes, and what a fault makes of it. Nothing here touches
//! a socket.

use std::time::Duration;

use super::fault::{FLOOD_BYTES, Fault};
use super::http;
use super::script::{Script, Writes};
use super::told::parts;
use super::wire::{Frame, Wire};

/// Between two bytes that drip.
const DRIP: Duration = Duration::from_millis(20);
const FLOOD_WRITE_BYTES: usize = 16 << 10;
const PAGE: &[u8] =
    b"<!DOCTYPE html>\n<html><head><title>Welcome</title></head>\n<body>It works!</body></html>\n";
const GARBAGE: &[u8] =
    b"\x00\xff\xfe\x80\x81\n\xc3\x28\xa0\n\x1f\x8b\x08\x00\xf0\x28\x8c\xbc\n\n\xff\xff\xff\xff";

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    Wait(Duration),
    /// Headers, and what ends a body.
    Frame(Vec<u8>),
    /// A chunk of the body.
    Chunk(Vec<u8>),
    /// This chunk again and again, until so many bytes of it were sent.
    Flood(Vec<u8>, usize),
    /// Nothing more comes, and the connection stays.
    Stall,
    Close,
}

/// A sound answer.
pub struct Answer {
    pub status: u16,
    pub content_type: &'static str,
    pub is_stream: bool,
    pub frames: Vec<Frame>,
    /// How many of the frames close the stream.
    pub closing: usize,
}

impl Answer {
    pub fn whole(status: u16, content_type: &'static str, body: Frame) -> Self {
        Self { status, content_type, is_stream: false, frames: vec![body], closing: 1 }
    }

    /// As it is meant to be.
    pub fn steps(self, script: &Script) -> Vec<Step> {
        let mut steps = self.begun(&self.frames, script);
        steps.extend(self.ended());
        steps
    }

    /// As the fault of the script has it.
    pub fn faulty(mut self, script: &Script, wire: &dyn Wire) -> Vec<Step> {
        let Some(fault) = script.fault else { return self.steps(script) };
        let after = script.after.min(self.frames.len().saturating_sub(1));
        match fault {
            Fault::StallBeforeHeaders => return vec![Step::Stall],
            Fault::StallMidStream => return self.broken(after, script, Step::Stall),
            Fault::CutConnection => return self.cut(after, script),
            Fault::HugeReply => return self.flood(&[], &wire.delta(Some("and so on "))),
            Fault::HugeLine => return self.flood(&line_opening(wire), &[b'a'; FLOOD_WRITE_BYTES]),
            Fault::SlowDrip => return self.drip(script),
            Fault::EndsWithoutDone => self.frames.truncate(self.frames.len() - self.closing),
            Fault::ErrorLine => {
                self.frames.truncate(after);
                self.frames.push(wire.error_line("an error was encountered while running the model"));
            }
            Fault::WrongJson => self.frames.insert(after, broken_line(wire)),
            Fault::Garbage => self.frames = vec![GARBAGE.to_vec()],
            Fault::HtmlPage => {
                self.content_type = "text/html";
                self.frames = vec![PAGE.to_vec()];
            }
            Fault::WrongContentType => self.content_type = "application/octet-stream",
            // Refused before, or told: not a matter of how the bytes are sent.
            Fault::Status(_)
            | Fault::FirstFail
            | Fault::EmptyReply
            | Fault::OnlyThinking
            | Fault::ThinkingThenReply
            | Fault::InlineThinking
            | Fault::NullContent
            | Fault::ToolCalls => {}
        }
        self.steps(script)
    }

    /// The headers of the whole answer, and the first of its frames.
    fn begun(&self, frames: &[Frame], script: &Script) -> Vec<Step> {
        let mut steps = vec![self.head()];
        let writes = if self.is_stream { &script.writes } else { &Writes::Whole };
        for (at, write) in shaped(frames, writes).into_iter().enumerate() {
            if at > 0 && !script.pause.is_zero() {
                steps.push(Step::Wait(script.pause));
            }
            steps.push(Step::Chunk(self.enveloped(&write)));
        }
        steps
    }

    fn head(&self) -> Step {
        let length = (!self.is_stream).then(|| self.frames.iter().map(Vec::len).sum());
        Step::Frame(http::head(self.status, self.content_type, length))
    }

    fn enveloped(&self, write: &[u8]) -> Vec<u8> {
        if self.is_stream { http::chunk(write) } else { write.to_vec() }
    }

    fn ended(&self) -> Option<Step> {
        self.is_stream.then(|| Step::Frame(http::LAST_CHUNK.to_vec()))
    }

    fn broken(&self, after: usize, script: &Script, how: Step) -> Vec<Step> {
        let mut steps = self.begun(&self.frames[..after], script);
        steps.push(how);
        steps
    }

    fn cut(&self, after: usize, script: &Script) -> Vec<Step> {
        let mut steps = self.broken(after, script, Step::Close);
        let next = self.frames.get(after).map(|frame| self.enveloped(frame)).unwrap_or_default();
        let half = next[..next.len() / 2].to_vec();
        steps.insert(steps.len() - 1, Step::Chunk(half));
        steps
    }

    fn flood(mut self, opening: &[u8], wave: &[u8]) -> Vec<Step> {
        // How long it gets nobody says.
        self.is_stream = true;
        let mut steps = vec![self.head()];
        if !opening.is_empty() {
            steps.push(Step::Chunk(self.enveloped(opening)));
        }
        steps.push(Step::Flood(self.enveloped(wave), FLOOD_BYTES));
        steps.extend(self.ended());
        steps
    }

    fn drip(self, script: &Script) -> Vec<Step> {
        let pause = script.pause.max(DRIP);
        let mut steps = vec![self.head()];
        for byte in self.frames.concat() {
            steps.extend([Step::Chunk(self.enveloped(&[byte])), Step::Wait(pause)]);
        }
        steps.extend(self.ended());
        steps
    }
}

fn shaped(frames: &[Frame], writes: &Writes) -> Vec<Vec<u8>> {
    let bytes = frames.concat();
    let list: Vec<Vec<u8>> = match writes {
        Writes::Lines => frames.to_vec(),
        Writes::Bytes => bytes.iter().map(|byte| vec![*byte]).collect(),
        Writes::Whole => vec![bytes],
        Writes::At(points) => parts(&bytes, points).map(<[u8]>::to_vec).collect(),
    };
    // An empty chunk would be the last one.
    list.into_iter().filter(|write| !write.is_empty()).collect()
}

/// A sound line up to where its text begins.
fn line_opening(wire: &dyn Wire) -> Vec<u8> {
    let line = wire.delta(Some(""));
    let field = b"\"content\":\"";
    let at = line.windows(field.len()).position(|window| window == field);
    line[..at.map_or(0, |at| at + field.len())].to_vec()
}

/// The first half of a line, ended as if it were one.
fn broken_line(wire: &dyn Wire) -> Vec<u8> {
    let line = wire.delta(Some("words"));
    let end = line.iter().rposition(|byte| *byte != b'\n').map_or(0, |last| last + 1);
    [&line[..end / 2], &line[end..]].concat()
}
