//! Looks at a session, wherever it is.

use std::sync::Arc;

use super::Inner;
use super::local::{Held, Way, away};
use crate::domain::id::SessionKey;
use crate::store::{Lane, Store as _, StoreError};

/// Where a look at a session goes.
pub(super) enum Look {
    Redis,
    Journal(Held),
    /// Nobody has this id.
    Nowhere,
}

impl Inner {
    pub async fn look(this: &Arc<Self>, key: &SessionKey) -> Result<Look, StoreError> {
        match Self::way(this, key, Lane::Ordinary).await? {
            Way::Redis => Ok(Look::Redis),
            Way::Journal(held) => Ok(Look::Journal(held)),
            Way::Away => this.look_locally(key).await,
        }
    }

    pub async fn look_locally(&self, key: &SessionKey) -> Result<Look, StoreError> {
        self.going_on()?;
        match self.known.session(key) {
            Some(known) => self.take_over(key, &known.session.client).await.map(Look::Journal),
            None if self.known.is_new(key) => Ok(Look::Nowhere),
            None => Err(away()),
        }
    }

    /// Reads a session behind a change to it, so that what is known of it holds.
    pub async fn know_again(&self, key: &SessionKey) {
        if self.known.session(key).is_none() {
            return;
        }
        match self.primary.read(key).await {
            Ok(snapshot) => self.known.read_again(key, snapshot),
            Err(_) => self.known.forget(key),
        }
    }
}
