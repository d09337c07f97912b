//! The form of an API: how what is told looks on the wire. A frame is what the real server writes at once, a line or an
//! event.

use serde::Serialize;

use super::script::Pieces;
use super::told::{Oddity, Told, pieces};

pub type Frame = Vec<u8>;

pub const JSON: &str = "application/json; charset=utf-8";

/// One answer in the form of one API.
pub trait Wire {
    fn stream_type(&self) -> &'static str;
    /// What comes before the first word.
    fn opening(&self) -> Vec<Frame>;
    fn thought(&self, text: &str) -> Frame;
    fn delta(&self, text: Option<&str>) -> Frame;
    fn tool_call(&self) -> Frame;
    /// What comes behind the last word. A stream without it is none.
    fn closing(&self, told: &Told) -> Vec<Frame>;
    /// All of it in one piece.
    fn whole(&self, told: &Told) -> Frame;
    /// A failure that is found when the stream has begun.
    fn error_line(&self, message: &str) -> Frame;
}

/// The frames of a stream, and how many of them close it.
pub fn stream(wire: &dyn Wire, told: &Told, how: &Pieces) -> (Vec<Frame>, usize) {
    let mut frames = wire.opening();
    frames.extend(pieces(&told.thinking, how).iter().map(|piece| wire.thought(piece)));
    match told.oddity {
        Some(Oddity::NullContent) => frames.push(wire.delta(None)),
        Some(Oddity::ToolCall) => frames.push(wire.tool_call()),
        None => {}
    }
    frames.extend(pieces(&told.text, how).iter().map(|piece| wire.delta(Some(piece))));
    let closing = wire.closing(told);
    let closes = closing.len();
    frames.extend(closing);
    (frames, closes)
}

pub fn json(value: &impl Serialize) -> Frame {
    serde_json::to_vec(value).unwrap_or_default()
}

/// What the model calls where it should not.
pub const TOOL: &str = "look_up_weather";
