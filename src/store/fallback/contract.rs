//! What is asked of a store that goes on while the one under it is away, beside the store's own contract.

use async_trait::async_trait;

use super::super::StoreError;

/// What becomes of turns while Redis is away, as it is configured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum FallbackRule {
    /// Local where this server is the only one on its Redis, reject where several share it.
    #[default]
    Auto,
    Local,
    Reject,
}

/// What somebody switches by hand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Switch {
    /// To Redis as soon as it answers, and from then on by the rule.
    Reconnect,
    /// To the journal, whether Redis answers or not: for work on it that was planned.
    Local,
    /// Refuses while Redis is away, whatever the rule says.
    Reject,
}

impl Switch {
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        match text {
            "reconnect" => Some(Self::Reconnect),
            "local" => Some(Self::Local),
            "reject" => Some(Self::Reject),
            _ => None,
        }
    }
}

/// Where turns are kept now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StoreMode {
    Redis,
    /// Redis is away, and turns go on in the journal.
    Local,
    /// Redis is away, and turns are refused.
    Reject,
}

impl StoreMode {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Redis => "redis",
            Self::Local => "local",
            Self::Reject => "reject",
        }
    }
}

/// How a store with a fallback stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FallbackStanding {
    pub mode: StoreMode,
    /// Whether somebody has switched it by hand.
    pub is_by_hand: bool,
    /// Turns in the journal that Redis has not been told of.
    pub turns_waiting: u64,
    /// Whether the journal's disk failed: what waits in it is told after the next start.
    pub journal_stopped: bool,
    /// Whether ids that nobody has are told from those that are taken, so that new sessions may begin without Redis.
    pub knows_new: bool,
    /// Other servers on the same Redis, as they were last seen; `None` before they were.
    pub other_servers: Option<u64>,
}

/// The part of a store that goes on while the one under it is away.
#[async_trait]
pub trait Fallback: Send + Sync {
    fn standing(&self) -> FallbackStanding;

    /// Switches by hand. What was answered holds until it is switched again, or the server ends.
    ///
    /// # Errors
    /// When there is no journal to go on in.
    async fn switch(&self, switch: Switch) -> Result<FallbackStanding, StoreError>;
}
