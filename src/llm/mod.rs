//! What writes replies: the script, and models behind one contract.
//!
//! A model is handed messages and streams a reply. It learns nothing of sessions, steps or levels, and nothing that it
//! says reaches them: text comes out, and numbers about it.

pub mod breaker;
pub mod decode;
pub mod embed;
pub mod generations;
pub mod ollama;
pub mod openai;
pub mod scripted;
mod tend;
mod think;
mod wire;

#[cfg(test)]
mod tests;

use std::sync::Arc;
use std::time::Duration;

use futures_util::stream::BoxStream;

use crate::domain::prompt::Message;

pub use self::wire::{ClientFault, client, trusting};

/// One reply asked for.
#[derive(Debug, Clone)]
pub struct Request {
    /// The system's message first, the client's words last.
    pub messages: Vec<Message>,
    /// The longest reply, in tokens.
    pub reply_tokens: u32,
    /// Not free text but one word of this closed list, as `{"choice": "<word>"}`.
    pub one_of: Option<Vec<String>>,
}

/// A message as both APIs write it.
#[derive(serde::Serialize)]
struct WireMessage<'a> {
    role: &'static str,
    content: &'a str,
}

impl<'a> WireMessage<'a> {
    fn of(message: &'a Message) -> Self {
        Self { role: message.role.as_str(), content: &message.text }
    }
}

/// What a model's server sends. The deltas, put together, are the reply.
#[derive(Clone, PartialEq, Eq)]
pub enum Chunk {
    /// Never empty, and never a part of what the model only thought.
    Delta(String),
    /// The last chunk of a whole reply. A stream that ends without it was cut off.
    End(End),
}

/// What a model writes is about a person, so it has no debug output.
impl std::fmt::Debug for Chunk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Delta(text) => write!(f, "delta of {} bytes", text.len()),
            Self::End(end) => end.fmt(f),
        }
    }
}

/// How a reply ended, and what it took.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct End {
    pub finish: Finish,
    /// Tokens that the server read, where it tells.
    pub prompt_tokens: Option<u32>,
    /// Tokens that it wrote, where it tells.
    pub reply_tokens: Option<u32>,
    /// How long it loaded the model before, where it tells.
    pub load: Option<Duration>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Finish {
    #[default]
    Stop,
    /// At the longest that was asked for, in the middle of a sentence perhaps.
    Length,
}

/// A reply on its way. It ends after a [`Chunk::End`] or an error. Dropping it stops the model.
pub type Chunks = BoxStream<'static, Result<Chunk, ModelError>>;

/// A server that runs a model.
pub trait Model: Send + Sync + 'static {
    /// Asks for a reply. Nothing happens before the stream is first polled; the first item may take as long as loading
    /// the model does. Knows no deadline: who waits sets one.
    fn generate(&self, request: Request) -> Chunks;

    /// Asks the server to load the model (`keep_alive` as configured), or to forget it. Servers that cannot do so
    /// answer at once.
    fn load(&self, wanted: Loaded) -> futures_util::future::BoxFuture<'static, Result<(), ModelError>>;

    /// Whether the server answers at all.
    fn probe(&self) -> futures_util::future::BoxFuture<'static, Result<(), ModelError>>;
}

/// The servers of one model, each with its base URL.
pub type Servers = Vec<(String, Arc<dyn Model>)>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Loaded {
    Yes,
    No,
}

/// Why there is no reply, or no whole one. None of them holds a word of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, thiserror::Error)]
pub enum ModelError {
    /// No connection, or it broke before the first chunk.
    #[error("the model's server cannot be reached")]
    Away,
    /// The server has too much to do (429, 503).
    #[error("the model's server is busy")]
    Overloaded,
    /// The server will not, as it is configured now (400, 401, 403, 404): asking again helps nobody.
    #[error("the model's server refuses with status {0}")]
    Refused(u16),
    /// The server failed (500 and its like), or an error came instead of the reply's end.
    #[error("the model's server failed")]
    Failed,
    /// The stream ended before the reply did.
    #[error("the reply was cut off")]
    Cut,
    /// Bytes that are no reply.
    #[error("the model's server sent something unreadable")]
    Garbled,
    /// A reply without a word.
    #[error("the model said nothing")]
    Empty,
    /// More than any reply that was asked for can be.
    #[error("the model does not come to an end")]
    Endless,
    /// A deadline passed.
    #[error("the model took too long {0}")]
    Slow(Waiting),
    /// As many wait for a model as may.
    #[error("too many wait for a model")]
    QueueFull,
    /// Every server has failed too often of late; none is asked until its pause is over.
    #[error("no model's server is healthy")]
    Resting,
}

/// What was waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Waiting {
    Queue,
    FirstChunk,
    NextChunk,
    Whole,
}

impl std::fmt::Display for Waiting {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Queue => "to become free",
            Self::FirstChunk => "to begin",
            Self::NextChunk => "to go on",
            Self::Whole => "in all",
        })
    }
}

impl ModelError {
    /// A name for metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Away => "away",
            Self::Overloaded => "overloaded",
            Self::Refused(_) => "refused",
            Self::Failed => "failed",
            Self::Cut => "cut",
            Self::Garbled => "garbled",
            Self::Empty => "empty",
            Self::Endless => "endless",
            Self::Slow(Waiting::Queue) => "slow_queue",
            Self::Slow(Waiting::FirstChunk) => "slow_first_chunk",
            Self::Slow(Waiting::NextChunk) => "slow_next_chunk",
            Self::Slow(Waiting::Whole) => "slow_whole",
            Self::QueueFull => "queue_full",
            Self::Resting => "resting",
        }
    }
}
