//! How the store stands that goes on while Redis is away.

use serde::Serialize;
use utoipa::ToSchema;

use crate::store::FallbackStanding;

#[derive(Debug, Serialize, ToSchema)]
pub struct StoreBody {
    /// `redis`; `local` while turns go on in this server's journal; `reject` while they are refused.
    pub mode: &'static str,
    /// Whether somebody has switched it by hand.
    pub by_hand: bool,
    /// Turns in the journal that Redis has not been told of.
    pub turns_waiting: u64,
    /// The journal's disk failed: what waits in it is told after the next start.
    pub journal_stopped: bool,
    /// Whether new sessions may begin without Redis: this server has seen which ids are taken.
    pub knows_new: bool,
    /// Other servers on the same Redis, as they were last seen.
    pub other_servers: Option<u64>,
}

impl StoreBody {
    pub fn of(standing: &FallbackStanding) -> Self {
        Self {
            mode: standing.mode.as_str(),
            by_hand: standing.is_by_hand,
            turns_waiting: standing.turns_waiting,
            journal_stopped: standing.journal_stopped,
            knows_new: standing.knows_new,
            other_servers: standing.other_servers,
        }
    }
}
