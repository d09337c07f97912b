//! The keys of plain chats. Other programs know them without a prefix, so under the default prefix they have none; a
//! deployment under a prefix of its own has it before these too, and shares no chat with another.

use super::{Keys, MESSAGES};
use crate::domain::id::{OrgId, SessionId, SessionKey};

const DEFAULT_PREFIX: &str = "trt:";

impl Keys {
    /// What stands before an id in the keys of an organisation's chats.
    #[must_use]
    pub fn chats_prefix(&self, org: &OrgId) -> String {
        if self.prefix != DEFAULT_PREFIX {
            return self.sessions_prefix(org);
        }
        if *org == OrgId::default() { "session:".to_owned() } else { format!("{}:session:", org.as_str()) }
    }

    #[must_use]
    pub fn chat(&self, key: &SessionKey) -> String {
        format!("{}{}", self.chats_prefix(&key.org), key.id)
    }

    #[must_use]
    pub fn beside_chat(&self, key: &SessionKey, what: &str) -> String {
        format!("{}:{what}", self.chat(key))
    }

    #[must_use]
    pub fn chat_messages(&self, key: &SessionKey) -> String {
        self.beside_chat(key, MESSAGES)
    }

    /// An organisation's chats by the millisecond in which they end.
    #[must_use]
    pub fn chats(&self, org: &OrgId) -> String {
        format!("{}chats", self.of_org(org))
    }

    /// The channel of what is said in a session.
    #[must_use]
    pub fn heard(&self, key: &SessionKey) -> String {
        format!("{}:{}", self.heard_by_all(&key.org), key.id)
    }

    /// The channel of what is said to everybody of an organisation.
    #[must_use]
    pub fn heard_by_all(&self, org: &OrgId) -> String {
        format!("{}heard:{}", self.prefix, org.as_str())
    }

    /// Whether a channel is an organisation's or a session's.
    #[must_use]
    pub fn heard_in(&self, channel: &str) -> Option<(OrgId, Option<SessionId>)> {
        let named = channel.strip_prefix(self.prefix.as_str())?.strip_prefix("heard:")?;
        match named.split_once(':') {
            None => Some((OrgId::parse(named).ok()?, None)),
            Some((org, id)) => {
                let id = SessionId::parse(id).ok()?;
                Some((OrgId::parse(org).ok()?, Some(id)))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(org: OrgId) -> SessionKey {
        SessionKey::new(org, SessionId::parse("my-session-id").expect("an id"))
    }

    #[test]
    fn the_keys_of_chats_are_those_that_other_programs_know() {
        let keys = Keys::new("trt:");
        assert_eq!(keys.chat(&key(OrgId::default())), "session:my-session-id");
        assert_eq!(keys.chat_messages(&key(OrgId::default())), "session:my-session-id:messages");
        let clinic = OrgId::parse("clinic").expect("an id");
        assert_eq!(keys.chat(&key(clinic.clone())), "clinic:session:my-session-id");
        assert_eq!(keys.chats(&clinic), "trt:clinic:chats");
        assert_eq!(Keys::new("x:").chat(&key(OrgId::default())), "x:session:my-session-id");
        assert!(OrgId::parse("trt").is_err(), "its chats would lie among the sessions");
    }

    #[test]
    fn a_channel_tells_whose_it_is() {
        let (keys, key) = (Keys::new("trt:"), key(OrgId::default()));
        assert_eq!(keys.heard_in(&keys.heard(&key)), Some((key.org.clone(), Some(key.id.clone()))));
        assert_eq!(keys.heard_in(&keys.heard_by_all(&key.org)), Some((key.org, None)));
        assert_eq!(keys.heard_in("trt:wake:all"), None);
    }
}
