//! Every key in Redis is spelled here, and in no other file. The layout is public: other programs read and write it.
//!
//! An organisation other than the default has `{prefix}{org}:` in the place of `{prefix}`. What is shared by all
//! servers and organisations of a deployment stands under the bare prefix.

mod audit;
mod chats;
mod credentials;
mod errands;

use crate::domain::alert::{AlertId, AlertState};
use crate::domain::id::{ClientKey, OrgId, SessionKey};
use crate::domain::safety::Level;

/// The prefix of all keys, as configured; `trt:` by default.
#[derive(Debug, Clone)]
pub struct Keys {
    prefix: String,
}

/// What a key is for, as far as a look over all keys has to know.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    State,
    /// Stands beside the state under this key, and never without it.
    Beside(String),
    /// Has to run out.
    Counter,
    Other,
}

/// What follows a session's own prefix.
pub const STATE: &str = "state";
pub const HISTORY: &str = "history";
pub const META: &str = "meta";
/// Exchanges that raised the level, kept beyond the history's window until it is cleared.
pub const PINNED: &str = "pinned";
/// Which of its stored replies a session has.
pub const IDEMS: &str = "idems";
pub const IDEM: &str = "idem:";
/// The order of those who wait, and what is known of each.
pub const QUEUE: &str = "queue";
pub const TICKETS: &str = "tickets";
/// The alerts that tell of it.
pub const ALERTS: &str = "alerts";
/// The credentials of its client.
pub const CREDENTIALS: &str = "credentials";
/// The number of the newest successor.
pub const NEWEST: &str = "newest";
/// What follows a chat's own key: what was said, how much, what is known of the chat and of the latest messages, and where
/// lies what nobody could read.
pub const MESSAGES: &str = "messages";
pub const COUNT: &str = "count";
pub const ABOUT: &str = "about";
pub const SAID: &str = "said";
pub const UNREADABLE: &str = "unreadable";
pub const UNREADABLE_MESSAGES: &str = "unreadable_messages";
/// Behind a client's set of sessions: those that have gone, and still tell that they were this client's.
const FORMER: &str = "former";

impl Keys {
    #[must_use]
    pub fn new(prefix: impl Into<String>) -> Self {
        Self { prefix: prefix.into() }
    }

    /// What stands before every key of an organisation.
    #[must_use]
    pub fn of_org(&self, org: &OrgId) -> String {
        if *org == OrgId::default() {
            self.prefix.clone()
        } else {
            format!("{}{}:", self.prefix, org.as_str())
        }
    }

    /// What stands before every key of a session but its lock and its limiter.
    #[must_use]
    pub fn of_session(&self, key: &SessionKey) -> String {
        format!("{}session:{}:", self.of_org(&key.org), key.id)
    }

    #[must_use]
    pub fn session(&self, key: &SessionKey, what: &str) -> String {
        format!("{}session:{}:{what}", self.of_org(&key.org), key.id)
    }

    /// What stands before a session's id in its keys; a script that finds ids in an index puts them behind it.
    #[must_use]
    pub fn sessions_prefix(&self, org: &OrgId) -> String {
        format!("{}session:", self.of_org(org))
    }

    #[must_use]
    pub fn lock(&self, key: &SessionKey) -> String {
        format!("{}lock:{}", self.of_org(&key.org), key.id)
    }

    /// The times of the latest admissions.
    #[must_use]
    pub fn recent(&self, key: &SessionKey) -> String {
        format!("{}ratelimit:{}:recent", self.of_org(&key.org), key.id)
    }

    /// The same for the lane of danger.
    #[must_use]
    pub fn danger(&self, key: &SessionKey) -> String {
        format!("{}ratelimit:{}:danger", self.of_org(&key.org), key.id)
    }

    /// The counter of a minute since 1970, which other programs read.
    #[must_use]
    pub fn minute(&self, key: &SessionKey, minute: i64) -> String {
        format!("{}ratelimit:{}:{minute}", self.of_org(&key.org), key.id)
    }

    /// All sessions by their last interaction, in seconds.
    #[must_use]
    pub fn active(&self, org: &OrgId) -> String {
        format!("{}active_sessions", self.of_org(org))
    }

    /// What stands before the sets by status and by level, and before those by time below.
    #[must_use]
    pub fn index_prefix(&self, org: &OrgId) -> String {
        format!("{}sessions:", self.of_org(org))
    }

    /// The sessions of one status or level, by their last interaction.
    #[must_use]
    pub fn index(&self, org: &OrgId, status_or_level: &str) -> String {
        format!("{}sessions:{status_or_level}", self.of_org(org))
    }

    /// Sessions by the millisecond in which they end.
    #[must_use]
    pub fn expires(&self, org: &OrgId) -> String {
        self.index(org, "expires")
    }

    /// Sessions by the millisecond in which the sweep has to look whether they are idle.
    #[must_use]
    pub fn idle(&self, org: &OrgId) -> String {
        self.index(org, "idle")
    }

    /// Whose client each session is, so that what is left of one can be found when its hash has gone; and whose it was
    /// while that client is in danger.
    #[must_use]
    pub fn clients(&self, org: &OrgId) -> String {
        self.index(org, "clients")
    }

    /// Cleared safety memories by the millisecond in which they may go.
    #[must_use]
    pub fn forgettable(&self, org: &OrgId) -> String {
        self.index(org, "forgettable")
    }

    #[must_use]
    pub fn safety_prefix(&self, org: &OrgId) -> String {
        format!("{}safety:", self.of_org(org))
    }

    #[must_use]
    pub fn safety(&self, org: &OrgId, client: &ClientKey) -> String {
        format!("{}{}", self.safety_prefix(org), client.as_str())
    }

    #[must_use]
    pub fn clients_prefix(&self, org: &OrgId) -> String {
        format!("{}client:", self.of_org(org))
    }

    /// A client's sessions, by when they were made.
    #[must_use]
    pub fn client(&self, org: &OrgId, client: &ClientKey) -> String {
        format!("{}{}", self.clients_prefix(org), client.as_str())
    }

    #[must_use]
    pub fn creates_prefix(&self, org: &OrgId) -> String {
        format!("{}{IDEM}", self.of_org(org))
    }

    /// The stored reply of a create.
    #[must_use]
    pub fn create(&self, org: &OrgId, key: &[u8; 16]) -> String {
        format!("{}{}", self.creates_prefix(org), hex(key))
    }

    #[must_use]
    pub fn daily(&self, org: &OrgId, date: &str) -> String {
        format!("{}analytics:daily:{date}", self.of_org(org))
    }

    /// Counted over a year.
    #[must_use]
    pub fn yearly(&self, org: &OrgId, year: &str) -> String {
        format!("{}analytics:yearly:{year}", self.of_org(org))
    }

    /// What stands before an alert's id, and before the names of the sets of alerts.
    #[must_use]
    pub fn alerts_prefix(&self, org: &OrgId) -> String {
        format!("{}alerts:", self.of_org(org))
    }

    #[must_use]
    pub fn alert(&self, org: &OrgId, id: &AlertId) -> String {
        format!("{}{id}", self.alerts_prefix(org))
    }

    /// The alerts of one state and level.
    #[must_use]
    pub fn alerts(&self, org: &OrgId, state: AlertState, level: Level) -> String {
        format!("{}{}:{}", self.alerts_prefix(org), state.as_str(), level.as_str())
    }

    /// The name of the last batch of counts that a server has written.
    #[must_use]
    pub fn counted_by(&self, server: &str) -> String {
        format!("{}analytics:by:{server}", self.prefix)
    }

    /// Examples that were found under a label. All organisations have the same ones.
    #[must_use]
    pub fn passages(&self, label: &str, md5: &[u8; 16]) -> String {
        format!("{}rag_cache:{label}:{}", self.prefix, hex(md5))
    }

    /// The organisations that have sessions, so that a sweep finds them.
    #[must_use]
    pub fn orgs(&self) -> String {
        format!("{}orgs", self.prefix)
    }

    /// The channel of one server.
    #[must_use]
    pub fn wake(&self, server: &str) -> String {
        format!("{}{server}", self.wake_prefix())
    }

    #[must_use]
    pub fn wake_prefix(&self) -> String {
        format!("{}wake:", self.prefix)
    }

    /// The channel that every server hears.
    #[must_use]
    pub fn wake_all(&self) -> String {
        self.wake("all")
    }

    /// Sources of protocol versions, by hash.
    #[must_use]
    pub fn protocols(&self) -> String {
        format!("{}protocols", self.prefix)
    }

    /// The secret that a deployment made for itself.
    #[must_use]
    pub fn secret(&self) -> String {
        format!("{}secret", self.prefix)
    }

    /// Tells whether a server's secret is the deployment's, without telling the secret.
    #[must_use]
    pub fn fingerprint(&self) -> String {
        format!("{}fingerprint", self.prefix)
    }

    /// Tells keys apart that were met in a look over all.
    #[must_use]
    pub fn kind(&self, key: &str) -> Kind {
        let Some(rest) = key.strip_prefix(self.prefix.as_str()) else { return Kind::Other };
        let is_of_session = rest.starts_with("session:") || rest.contains(":session:");
        match key.rsplit_once(':') {
            Some((_, STATE)) if is_of_session => Kind::State,
            Some((session, HISTORY | META | PINNED)) if is_of_session => {
                Kind::Beside(format!("{session}:{STATE}"))
            }
            _ if rest.contains("ratelimit:") || rest.contains("analytics:daily:") => Kind::Counter,
            _ => Kind::Other,
        }
    }

    /// What happened, for subscribers: one log for all organisations.
    #[must_use]
    pub fn events(&self) -> String {
        format!("{}events", self.prefix)
    }

    /// The log of events as scripts name it, and its bound; and how the organisation is found in a prefix of indices.
    #[must_use]
    pub fn lua_log(&self, events_max: u32) -> String {
        format!(
            "local PREFIX, INDICES_OF, DEFAULT_ORG = '{}', 'sessions:', '{}'\nlocal EVENTS, EVENTS_MAX = '{}', {events_max}\n",
            self.prefix,
            OrgId::default().as_str(),
            self.events(),
        )
    }

    /// Matches every key of every organisation, for a look over all.
    #[must_use]
    pub fn everything(&self) -> String {
        format!("{}*", self.prefix)
    }
}

/// The names behind a session's prefix, for scripts that find ids in an index.
#[must_use]
pub fn lua_names() -> String {
    let names = [
        ("STATE", STATE),
        ("HISTORY", HISTORY),
        ("META", META),
        ("PINNED", PINNED),
        ("IDEMS", IDEMS),
        ("IDEM_OF", IDEM),
        ("QUEUE_OF", QUEUE),
        ("TICKETS_OF", TICKETS),
        ("NEWEST", NEWEST),
        ("ALERTS", ALERTS),
        ("FORMER", FORMER),
        ("CREDENTIALS", CREDENTIALS),
        ("MESSAGES", MESSAGES),
        ("ABOUT", ABOUT),
    ];
    names.map(|(name, key)| format!("local {name} = ':{key}'\n")).concat()
}

/// Lower-case hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    use std::fmt::Write as _;
    let mut text = String::with_capacity(bytes.len() * 2);
    for byte in bytes {
        let _ = write!(text, "{byte:02x}");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SessionId;

    #[test]
    fn the_keys_are_those_that_other_programs_know() {
        let keys = Keys::new("trt:");
        let org = OrgId::default();
        let session = SessionKey::new(org.clone(), SessionId::parse("user_1234").expect("an id"));
        let client = ClientKey::from_mac(&[0xab]);
        assert_eq!(keys.session(&session, STATE), "trt:session:user_1234:state");
        assert_eq!(keys.session(&session, HISTORY), "trt:session:user_1234:history");
        assert_eq!(keys.session(&session, META), "trt:session:user_1234:meta");
        assert_eq!(keys.active(&org), "trt:active_sessions");
        assert_eq!(keys.minute(&session, 29_833_333), "trt:ratelimit:user_1234:29833333");
        assert_eq!(keys.lock(&session), "trt:lock:user_1234");
        assert_eq!(keys.daily(&org, "2026-01-01"), "trt:analytics:daily:2026-01-01");
        assert_eq!(keys.yearly(&org, "2026"), "trt:analytics:yearly:2026");
        assert_eq!(keys.alerts(&org, AlertState::Open, Level::High), "trt:alerts:open:high");
        assert_eq!(keys.safety(&org, &client), "trt:safety:ab");
        assert_eq!(keys.index(&org, "paused"), "trt:sessions:paused");
        assert_eq!(keys.create(&org, &[1; 16]), format!("trt:idem:{}", "01".repeat(16)));
        assert_eq!(keys.wake("s1"), "trt:wake:s1");
        let passages = format!("trt:rag_cache:dr_q_ready:{}", "0a".repeat(16));
        assert_eq!(keys.passages("dr_q_ready", &[0x0a; 16]), passages);
    }

    #[test]
    fn keys_that_are_met_are_told_apart() {
        let keys = Keys::new("trt:");
        assert_eq!(keys.kind("trt:session:a:state"), Kind::State);
        assert_eq!(keys.kind("trt:clinic:session:a:state"), Kind::State);
        assert_eq!(keys.kind("trt:session:a:meta"), Kind::Beside("trt:session:a:state".to_owned()));
        assert_eq!(keys.kind("trt:session:a:newest"), Kind::Other);
        assert_eq!(keys.kind("trt:clinic:ratelimit:a:recent"), Kind::Counter);
        assert_eq!(keys.kind("trt:analytics:daily:2026-01-01"), Kind::Counter);
        assert_eq!(keys.kind("other:session:a:state"), Kind::Other);
    }

    #[test]
    fn another_organisation_and_another_prefix_have_keys_of_their_own() {
        let org = OrgId::parse("clinic").expect("an id");
        let session = SessionKey::new(org.clone(), SessionId::parse("a").expect("an id"));
        assert_eq!(Keys::new("trt:").session(&session, STATE), "trt:clinic:session:a:state");
        assert_eq!(Keys::new("x:").lock(&session), "x:clinic:lock:a");
    }
}
