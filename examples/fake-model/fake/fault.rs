//! The list of what may go wrong with a model's server. Requests that ask for something (POST) meet them, whichever API
//! they speak; what only looks (GET) does not. A server that is away is no fault but `FakeModel::stop`.

use std::fmt;

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Fault {
    /// Takes the request, and never answers.
    StallBeforeHeaders,
    /// Falls silent after some chunks and keeps the connection open.
    StallMidStream,
    /// Closes the connection in the middle of a chunk.
    CutConnection,
    /// The body ends as HTTP wants it, but without its last lines.
    EndsWithoutDone,
    /// Status 200, some chunks, then an error instead of the rest.
    ErrorLine,
    /// Refuses with this status.
    Status(u16),
    /// Some requests fail with 503, those after them do not.
    FirstFail,
    EmptyReply,
    /// All is thought, nothing said.
    OnlyThinking,
    ThinkingThenReply,
    /// The thought stands in the reply, between `<think>` tags.
    InlineThinking,
    /// A chunk whose content is `null` comes before the reply; an answer in one piece has no other content.
    NullContent,
    /// The model calls a tool that nobody offered, and says nothing.
    ToolCalls,
    /// Chunks without end, until the client goes or [`FLOOD_BYTES`] were sent.
    HugeReply,
    /// One line that does not end, up to as many bytes.
    HugeLine,
    /// A line that breaks off, among sound ones.
    WrongJson,
    /// Bytes that are no text.
    Garbage,
    /// A page for people, with status 200: somebody else's server, or a proxy.
    HtmlPage,
    /// The right bytes, said to be something else.
    WrongContentType,
    /// A byte at a time.
    SlowDrip,
}

/// More than this is never sent.
pub const FLOOD_BYTES: usize = 10 << 20;

impl Fault {
    pub const ALL: [Self; 27] = [
        Self::StallBeforeHeaders,
        Self::StallMidStream,
        Self::CutConnection,
        Self::EndsWithoutDone,
        Self::ErrorLine,
        Self::Status(400),
        Self::Status(401),
        Self::Status(403),
        Self::Status(404),
        Self::Status(429),
        Self::Status(499),
        Self::Status(500),
        Self::Status(503),
        Self::FirstFail,
        Self::EmptyReply,
        Self::OnlyThinking,
        Self::ThinkingThenReply,
        Self::InlineThinking,
        Self::NullContent,
        Self::ToolCalls,
        Self::HugeReply,
        Self::HugeLine,
        Self::WrongJson,
        Self::Garbage,
        Self::HtmlPage,
        Self::WrongContentType,
        Self::SlowDrip,
    ];

    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|fault| fault.to_string() == name)
    }
}

/// The name of a fault on the command line.
impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::StallBeforeHeaders => "stall-before-headers",
            Self::StallMidStream => "stall-mid-stream",
            Self::CutConnection => "cut-connection",
            Self::EndsWithoutDone => "ends-without-done",
            Self::ErrorLine => "error-line",
            Self::Status(status) => return write!(f, "status-{status}"),
            Self::FirstFail => "first-fail",
            Self::EmptyReply => "empty-reply",
            Self::OnlyThinking => "only-thinking",
            Self::ThinkingThenReply => "thinking-then-reply",
            Self::InlineThinking => "inline-thinking",
            Self::NullContent => "null-content",
            Self::ToolCalls => "tool-calls",
            Self::HugeReply => "huge-reply",
            Self::HugeLine => "huge-line",
            Self::WrongJson => "wrong-json",
            Self::Garbage => "garbage",
            Self::HtmlPage => "html-page",
            Self::WrongContentType => "wrong-content-type",
            Self::SlowDrip => "slow-drip",
        })
    }
}
