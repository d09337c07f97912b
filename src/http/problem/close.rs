//! With which code a WebSocket ends for each problem. The same table as for HTTP; here stands one more column.

use super::Code;

impl Code {
    /// The code with which a WebSocket is ended for it: the protocol's own where there is one, else 4000 and the status.
    pub const fn close(self) -> u16 {
        match self {
            Self::ShuttingDown => 1001,
            Self::BadFrame => 1002,
            Self::BinaryFrame => 1003,
            Self::BadText => 1007,
            Self::Forbidden | Self::Flooded => 1008,
            Self::BodyTooLarge => 1009,
            Self::Internal => 1011,
            Self::InvalidJson
            | Self::BadRequest
            | Self::Unauthorized
            | Self::LoginFailed
            | Self::NotFound
            | Self::MethodNotAllowed
            | Self::SlowSender
            | Self::SlowReader
            | Self::SessionExists
            | Self::NameTaken
            | Self::TooManyNotes
            | Self::Overtaken
            | Self::Busy
            | Self::Lifecycle
            | Self::Stopped
            | Self::ConsentOutdated
            | Self::PathTooLong
            | Self::UnsupportedMediaType
            | Self::InvalidRequest
            | Self::TextTooLong
            | Self::IdempotencyKeyReused
            | Self::UpgradeRequired
            | Self::ConsentRequired
            | Self::RateLimited
            | Self::QueueFull
            | Self::AddressLimited
            | Self::LoginsFull
            | Self::ConnectionsFull
            | Self::HeadersTooLarge
            | Self::UnavailableHere
            | Self::StoreUnavailable
            | Self::Deadline => 4_000 + self.row().status,
        }
    }
}
