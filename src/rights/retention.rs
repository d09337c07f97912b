//! How long what is kept is kept: one table, by which the answer and the documentation are made.

use std::fmt::Write as _;
use std::time::Duration;

use crate::store::Limits;

/// The times that a server is configured with.
pub struct Times {
    pub limits: Limits,
    /// Of a session token.
    pub token: Duration,
    /// Of a plain chat.
    pub chat: Duration,
}

/// One kind of data.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    pub kind: &'static str,
    /// The variable that sets it.
    pub variable: Option<&'static str>,
    /// From when on the time counts, and what else ends it or holds it.
    pub meaning: &'static str,
    /// `None`: for good.
    pub kept: fn(&Times) -> Option<Duration>,
}

/// All kinds, a person's words first.
pub const RULES: &[Rule] = &[
    Rule {
        kind: "sessions",
        variable: Some("SESSION_TTL"),
        meaning: "from the last turn: words, state, consent, disclosures and notes together; an app may set another time for one session; danger, and a report that nobody has seen, hold it",
        kept: |times| Some(times.limits.session_ttl),
    },
    Rule {
        kind: "sessions_at_most",
        variable: Some("SESSION_MAX_AGE"),
        meaning: "from when a session was made, however much it is used; danger holds it all the same",
        kept: |times| Some(times.limits.session_max_age),
    },
    Rule {
        kind: "stored_replies",
        variable: Some("IDEMPOTENCY_TTL"),
        meaning: "from the reply, for a repeat of its request; never longer than the session",
        kept: |times| Some(times.limits.idempotency_ttl),
    },
    Rule {
        kind: "chats",
        variable: Some("REDIS_SESSION_TTL"),
        meaning: "from the last plain message: words, count and times together; a client may set another time for one chat; beside a therapy session it goes with that, and keeps no word of the client's",
        kept: |times| Some(times.chat),
    },
    Rule {
        kind: "session_tokens",
        variable: Some("TOKEN_TTL"),
        meaning: "from when it was made, less where it is not used for `TOKEN_IDLE`; ends with an erasure; ids and a hash, so that who comes back after the session's end is let in",
        kept: |times| Some(times.token),
    },
    Rule {
        kind: "clinicians",
        variable: None,
        meaning: "until an admin removes them: name, role, hash of the password",
        kept: |_| None,
    },
    Rule {
        kind: "alerts",
        variable: Some("ALERT_TTL"),
        meaning: "from when it was dealt with: acknowledged, and its level cleared; rule ids and names, no words",
        kept: |times| Some(times.limits.alert_ttl),
    },
    Rule {
        kind: "events",
        variable: Some("EVENTS_TTL"),
        meaning: "from when it happened, and of `EVENTS_MAX` the latest; ids of sessions, statuses, levels and numbers of turns, no words; an erasure leaves them",
        kept: |times| Some(times.limits.events_ttl),
    },
    Rule {
        kind: "safety_memory",
        variable: Some("SAFETY_MEMORY_TTL"),
        meaning: "from when the level was cleared; before, nothing ends it; rule ids under a keyed hash, no words",
        kept: |times| Some(times.limits.memory_ttl),
    },
    Rule {
        kind: "daily_counters",
        variable: Some("DAILY_COUNTERS_TTL"),
        meaning: "from the day; numbers of nobody",
        kept: |times| Some(times.limits.daily_ttl),
    },
    Rule {
        kind: "yearly_counters",
        variable: None,
        meaning: "numbers of nobody: how often resources were shown, and the emergency number told",
        kept: |_| None,
    },
    Rule {
        kind: "audit",
        variable: None,
        meaning: "ids, names and codes, no words; a record that could be taken out would prove nothing",
        kept: |_| None,
    },
];

/// The table as the documentation shows it.
#[must_use]
pub fn markdown() -> String {
    let mut table = "| kind | set by | how long |\n|---|---|---|\n".to_owned();
    for rule in RULES {
        let set_by = rule.variable.map_or("-".to_owned(), |variable| format!("`{variable}`"));
        let how_long = if rule.variable.is_some() { "" } else { "no time: " };
        let _ = writeln!(table, "| `{}` | {set_by} | {how_long}{} |", rule.kind, rule.meaning);
    }
    table
}
