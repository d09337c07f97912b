//! What a client consented to: given, withdrawn, looked at.

use std::sync::Arc;

use super::Inner;
use super::lifecycle::TRIES_MAX;
use crate::domain::consent::ConsentChange;
use crate::domain::id::SessionKey;
use crate::domain::session::Session;
use crate::store::{Consented, StoreError};

impl Inner {
    /// Each session of the line is changed at once; a line that was changed in part is finished by the repeat.
    pub(super) async fn consent(
        &self,
        key: &SessionKey,
        change: &ConsentChange,
    ) -> Result<Consented, StoreError> {
        let mut sessions = Vec::new();
        for key in self.line(key).await? {
            sessions.extend(self.consent_in(&key, change).await?);
        }
        Ok(Consented::of(&key.id, &sessions))
    }

    /// `None` where there is no such session.
    async fn consent_in(
        &self,
        key: &SessionKey,
        change: &ConsentChange,
    ) -> Result<Option<Arc<Session>>, StoreError> {
        let name = self.nonce();
        for _ in 0..TRIES_MAX {
            let ground = self.reload(key, &self.client_by_id(key)).await?;
            let Some(stored) = &ground.session else { return Ok(None) };
            let mut session = Session::clone(stored);
            if !change.apply(&mut session, self.clock.now())
                || self.rewrite(key, &session, &ground, &name).await?
            {
                return Ok(Some(Arc::new(session)));
            }
        }
        Err(StoreError::Away("the session changes all the time".to_owned()))
    }
}
