//! The part of the store that knows of which open alerts a notice is due, and what became of each.

use async_trait::async_trait;

use super::StoreError;
use crate::domain::alert::{Alert, AlertId};
use crate::domain::id::OrgId;
use crate::domain::notice::{Channel, Notice};
use crate::domain::time::Timestamp;

/// An open alert of which a channel may have to tell.
#[derive(Debug, Clone, PartialEq)]
pub struct DueNotice {
    pub channel: Channel,
    pub org: OrgId,
    pub alert: Alert,
}

/// A notice to be kept with its alert.
#[derive(Debug, Clone)]
pub struct KeepNotice {
    pub org: OrgId,
    pub alert: AlertId,
    pub channel: Channel,
    /// The stamp of the notice that it follows; `None`: there was none.
    pub before: Option<String>,
    pub notice: Notice,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum KeptNotice {
    Kept,
    /// Somebody else has written another meanwhile: nothing was changed.
    Overtaken,
    /// The alert is not open any more, and nobody is to be told of it: nothing was changed. How one fared that was on its
    /// way is kept all the same.
    Closed,
    /// No such alert.
    Absent,
}

/// Every alert that opens is due on every channel at once, whatever brings it about; one that is not open any more is
/// due on none.
#[async_trait]
pub trait Notices: Send + Sync {
    /// Open alerts whose [`Notice::next`] on one of the channels is `now` or earlier, those without a notice first; `most`
    /// of each channel and organisation. It may name some that are not due: the alert tells.
    async fn due_notices(
        &self,
        channels: &[Channel],
        now: Timestamp,
        most: usize,
    ) -> Result<Vec<DueNotice>, StoreError>;

    /// Keeps a notice where the one that it follows still stands. Safe to repeat: its stamp tells it from every other.
    async fn keep_notice(&self, keep: KeepNotice) -> Result<KeptNotice, StoreError>;
}
