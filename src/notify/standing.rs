//! Whether notices arrive, kept where every server sees it: the one that sends is rarely the one that is asked.

use std::collections::BTreeSet;

use super::{Missed, Notifier};
use crate::domain::notice::Channel;
use crate::store::{NOTICES_FAILING, StoreError};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nobody is told.
    NotConfigured,
    Ready,
    /// The last try over one of the channels did not arrive.
    Failing,
}

impl Standing {
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::NotConfigured => "not_configured",
            Self::Ready => "ready",
            Self::Failing => "failing",
        }
    }
}

impl Notifier {
    pub async fn standing(&self) -> Result<Standing, StoreError> {
        if self.outlets.is_empty() {
            return Ok(Standing::NotConfigured);
        }
        // A channel that is configured no more fails nobody.
        let is_failing = self.failing().await?.iter().any(|channel| self.outlets.contains_key(channel));
        Ok(if is_failing { Standing::Failing } else { Standing::Ready })
    }

    /// Counts what became of a try. A failure is logged when it begins and when it ends.
    pub(super) async fn fared(
        &self,
        channel: Channel,
        outcome: Result<(), Missed>,
    ) -> Result<(), StoreError> {
        self.metrics.notice(channel, outcome.is_ok());
        let mut failing = self.failing().await?;
        let name = channel.as_str();
        let is_news = match outcome {
            Ok(()) => failing.remove(&channel),
            Err(_) => failing.insert(channel),
        };
        if !is_news {
            return Ok(());
        }
        match outcome {
            Ok(()) => tracing::info!(channel = name, "notices of alerts arrive again"),
            Err(why) => {
                tracing::error!(channel = name, %why, "notices of alerts do not arrive; they are tried again until they do");
            }
        }
        let names: Vec<&str> = failing.into_iter().map(Channel::as_str).collect();
        self.store.set_mark(NOTICES_FAILING, &names.join(" ")).await
    }

    async fn failing(&self) -> Result<BTreeSet<Channel>, StoreError> {
        let marked = self.store.mark(NOTICES_FAILING).await?.unwrap_or_default();
        Ok(marked.split_whitespace().filter_map(Channel::parse).collect())
    }
}
