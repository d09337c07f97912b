//! What servers ask of each other while a turn runs.

use redis::Pipeline;

use super::Inner;
use crate::domain::id::{OrgId, SessionId, SessionKey};
use crate::redis::Message;
use crate::store::{Nudge, StoreError};

impl Inner {
    /// Two plain calls: a nudge that comes too late does nothing.
    pub(super) async fn nudge(&self, key: &SessionKey, nudge: Nudge) -> Result<bool, StoreError> {
        let word = match nudge {
            Nudge::Stop => "stop",
            Nudge::Hurry => "hurry",
        };
        let mut calls = Pipeline::with_capacity(2);
        calls.cmd("EXISTS").arg(self.keys.lock(key)).cmd("PUBLISH").arg(self.keys.wake_all()).arg(format!(
            "{word} {}:{}",
            key.org.as_str(),
            key.id
        ));
        let answers = self.ask(&calls, &[]).await?;
        let mut answers = answers.into_iter();
        Ok(matches!(answers.next(), Some(redis::Value::Int(1))))
    }

    /// What another server said to all.
    pub(super) fn told(&self, message: Message) {
        match message {
            Message::Forget(session) => self.held.forget(&session),
            Message::Stop(session) => self.pass_on(&session, Nudge::Stop),
            Message::Hurry(session) => self.pass_on(&session, Nudge::Hurry),
            Message::Look(id) => self.wakes.look(id),
            Message::Hello(server) if server != self.server => self.newcomers.notify_one(),
            Message::Hello(_) => {}
        }
    }

    fn pass_on(&self, session: &str, nudge: Nudge) {
        let Some((org, id)) = session.split_once(':') else { return };
        if let (Ok(org), Ok(id)) = (OrgId::parse(org), SessionId::parse(id)) {
            // Nobody listens yet: no turn runs here either.
            let _unheard = self.nudges.send((SessionKey::new(org, id), nudge));
        }
    }
}
