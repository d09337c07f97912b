//! What somebody does with the store by hand: switches it, and ends it.

use std::sync::atomic::Ordering;
use std::time::Duration;

use super::Inner;
use super::contract::{FallbackStanding, Switch};
use super::tend::SILENCE;
use crate::store::{Store as _, StoreError};

/// Bounds what a server that takes its leave waits for.
const LEAVE_MAX: Duration = Duration::from_millis(500);

impl Inner {
    pub async fn close(&self) -> Result<(), StoreError> {
        self.tasks.close();
        if self.primary.is_up() {
            // One that does not hear it sees it by the silence.
            let _silence = tokio::time::timeout(LEAVE_MAX, self.primary.leave(SILENCE)).await;
        }
        self.tasks.finish(LEAVE_MAX).await;
        let told = self.telling.close().await;
        let closed = self.primary.close().await;
        if let Some(journal) = &self.journal {
            journal.close().await?;
        }
        closed.and(told)
    }

    pub fn switch(&self, switch: Switch) -> Result<FallbackStanding, StoreError> {
        if switch == Switch::Local && self.journal.is_none() {
            return Err(StoreError::Corrupt("this server has no journal".to_owned()));
        }
        *self.hand.lock() = match switch {
            Switch::Reconnect => None,
            Switch::Local | Switch::Reject => Some(switch),
        };
        tracing::warn!(
            ?switch,
            turns_waiting = self.turns_waiting.load(Ordering::Acquire),
            "switched by hand"
        );
        self.trouble.notify_one();
        Ok(self.standing())
    }
}
