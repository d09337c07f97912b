//! A look over a whole Redis for `attune doctor`: how it is set up, and whether what lies in it belongs together.
//!
//! The only place that walks over all keys. Names no session: it counts. Changes nothing.

use redis::{Cmd, Pipeline, Value};

use super::keys::Kind;
use super::{Keys, Link, LinkError};

/// Scripts use what this version brought.
const VERSION_MIN: u32 = 7;
/// Keys that are looked at, and steps that the walk makes among keys of others; beyond them it says that there is more.
const KEYS_MAX: usize = 200_000;
const STEPS_MAX: usize = 4_000;
const SCAN_COUNT: usize = 500;
/// Levels at which a session has no end.
const HELD: [&str; 2] = ["high", "crisis"];

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Remark {
    Well(String),
    /// Works, but see what to do.
    Warning(String, &'static str),
    Fault(String, &'static str),
}

use Remark::{Fault, Warning, Well};

/// Looks at the server, then at all keys.
pub async fn survey(link: &Link, keys: &Keys) -> Result<Vec<Remark>, LinkError> {
    let mut remarks = vec![version(link).await?];
    remarks.extend(settings(link).await?);
    remarks.extend(secret(link, keys).await?);
    remarks.extend(walk(link, keys).await?);
    Ok(remarks)
}

async fn ask(link: &Link, call: Cmd) -> Result<Value, LinkError> {
    let mut calls = Pipeline::with_capacity(1);
    calls.add_command(call);
    Ok(link.ask(&calls, &[]).await?.into_iter().next().unwrap_or(Value::Nil))
}

async fn version(link: &Link) -> Result<Remark, LinkError> {
    let mut call = redis::cmd("INFO");
    call.arg("server");
    let info = match ask(link, call).await {
        Ok(info) => text_of(info),
        Err(LinkError::Refused(code)) => return Ok(not_allowed("version", "INFO", &code)),
        Err(error) => return Err(error),
    };
    let version =
        info.lines().find_map(|line| line.strip_prefix("redis_version:")).unwrap_or("unknown").trim();
    Ok(version_remark(version))
}

fn version_remark(version: &str) -> Remark {
    let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
    match major {
        Some(VERSION_MIN..) => Well(format!("redis: version {version}")),
        Some(_) => Fault(format!("redis: version {version} is too old"), "install Redis 7.0 or newer"),
        None => Warning(
            "redis: it does not tell its version".to_owned(),
            "make sure that it does what Redis 7.0 does",
        ),
    }
}

fn not_allowed(what: &str, command: &str, code: &str) -> Remark {
    let line = format!("redis: {what} could not be checked ({command} is refused: {code})");
    Warning(line, "check it by hand, or let this user run the command while the doctor looks")
}

/// How Redis keeps what it is given.
#[derive(Debug, Default)]
struct Settings {
    maxmemory: String,
    policy: String,
    appendonly: String,
    appendfsync: String,
}

async fn settings(link: &Link) -> Result<Vec<Remark>, LinkError> {
    let mut settings = Settings::default();
    let wanted = [
        ("maxmemory", &mut settings.maxmemory),
        ("maxmemory-policy", &mut settings.policy),
        ("appendonly", &mut settings.appendonly),
        ("appendfsync", &mut settings.appendfsync),
    ];
    for (name, value) in wanted {
        let mut call = redis::cmd("CONFIG");
        call.arg("GET").arg(name);
        match ask(link, call).await {
            Ok(answer) => *value = list_of(answer).into_iter().nth(1).unwrap_or_default(),
            Err(LinkError::Refused(code)) => {
                return Ok(vec![not_allowed("eviction and durability", "CONFIG", &code)]);
            }
            Err(error) => return Err(error),
        }
    }
    Ok(vec![eviction(&settings), durability(&settings)])
}

fn eviction(settings: &Settings) -> Remark {
    match (settings.maxmemory.as_str(), settings.policy.as_str()) {
        (_, "noeviction") => Well("redis: evicts nothing".to_owned()),
        ("0" | "", policy) => Well(format!("redis: memory is not bounded, so {policy} evicts nothing")),
        (_, policy) => Fault(
            format!(
                "redis: maxmemory-policy {policy} throws sessions and safety memories away when memory is short"
            ),
            "set maxmemory-policy noeviction",
        ),
    }
}

fn durability(settings: &Settings) -> Remark {
    match (settings.appendonly.as_str(), settings.appendfsync.as_str()) {
        ("yes", "no") => Warning(
            "redis: appendfsync no leaves it to the system when turns reach the disk".to_owned(),
            "set appendfsync everysec, or always",
        ),
        ("yes", fsync) => Well(format!("redis: append-only file, appendfsync {fsync}")),
        _ => Warning(
            "redis: without an append-only file a crash loses the turns since the last snapshot".to_owned(),
            "set appendonly yes",
        ),
    }
}

async fn secret(link: &Link, keys: &Keys) -> Result<Option<Remark>, LinkError> {
    let mut call = redis::cmd("EXISTS");
    call.arg(keys.secret());
    let lies_there = number_of(&ask(link, call).await?) == 1;
    Ok(lies_there.then(|| {
        Warning(
            "redis: the secret lies beside what it protects".to_owned(),
            "set ATTUNE_SECRET to it on every server, then remove the key",
        )
    }))
}

/// What a walk over all keys has counted.
#[derive(Debug, Default, PartialEq, Eq)]
struct Tally {
    keys: usize,
    sessions: usize,
    without_state: usize,
    sessions_without_end: usize,
    counters_without_end: usize,
    is_cut: bool,
}

async fn walk(link: &Link, keys: &Keys) -> Result<Vec<Remark>, LinkError> {
    match tally(link, keys).await {
        Ok(tally) => Ok(tally.remarks()),
        Err(LinkError::Refused(code)) => {
            Ok(vec![not_allowed("the keys", "SCAN, PTTL, HGET or EXISTS", &code)])
        }
        Err(error) => Err(error),
    }
}

async fn tally(link: &Link, keys: &Keys) -> Result<Tally, LinkError> {
    let (mut tally, mut cursor) = (Tally::default(), "0".to_owned());
    for _ in 0..STEPS_MAX {
        let mut call = redis::cmd("SCAN");
        call.arg(&cursor).arg("MATCH").arg(keys.everything()).arg("COUNT").arg(SCAN_COUNT);
        let (next, met) = page_of(ask(link, call).await?);
        look_at(link, keys, &met, &mut tally).await?;
        if next == "0" {
            return Ok(tally);
        }
        if tally.keys >= KEYS_MAX {
            break;
        }
        cursor = next;
    }
    Ok(Tally { is_cut: true, ..tally })
}

/// The next cursor, and the keys.
fn page_of(answer: Value) -> (String, Vec<String>) {
    let Value::Array(parts) = answer else { return ("0".to_owned(), Vec::new()) };
    let mut parts = parts.into_iter();
    let cursor = parts.next().map_or_else(|| "0".to_owned(), text_of);
    (cursor, parts.next().map(list_of).unwrap_or_default())
}

async fn look_at(link: &Link, keys: &Keys, met: &[String], tally: &mut Tally) -> Result<(), LinkError> {
    let kinds: Vec<Kind> = met.iter().map(|key| keys.kind(key)).collect();
    let mut calls = Pipeline::new();
    for (key, kind) in met.iter().zip(&kinds) {
        ask_about(&mut calls, key, kind);
    }
    tally.keys += met.len();
    if calls.is_empty() {
        return Ok(());
    }
    let mut answers = link.ask(&calls, &[]).await?.into_iter();
    let mut answer = || answers.next().unwrap_or(Value::Nil);
    for kind in kinds {
        match kind {
            Kind::State => tally.add_state(number_of(&answer()), &text_of(answer())),
            Kind::Beside(_) => tally.add_beside(number_of(&answer()) == 1, number_of(&answer()) == 1),
            Kind::Counter => tally.counters_without_end += usize::from(number_of(&answer()) == -1),
            Kind::Other => {}
        }
    }
    Ok(())
}

fn ask_about(calls: &mut Pipeline, key: &str, kind: &Kind) {
    match kind {
        Kind::State => {
            calls.cmd("PTTL").arg(key).cmd("HGET").arg(key).arg("safety_level");
        }
        // A key that has gone since is nobody's.
        Kind::Beside(state) => {
            calls.cmd("EXISTS").arg(state).cmd("EXISTS").arg(key);
        }
        Kind::Counter => {
            calls.cmd("PTTL").arg(key);
        }
        Kind::Other => {}
    }
}

impl Tally {
    fn add_state(&mut self, remaining_ms: i64, level: &str) {
        self.sessions += usize::from(remaining_ms != -2);
        self.sessions_without_end += usize::from(remaining_ms == -1 && !HELD.contains(&level));
    }

    fn add_beside(&mut self, has_state: bool, is_there: bool) {
        self.without_state += usize::from(is_there && !has_state);
    }

    fn remarks(&self) -> Vec<Remark> {
        let faults = [
            (
                self.without_state,
                "keys of sessions that have no state",
                "remove them: they may hold what a person said",
            ),
            (
                self.sessions_without_end,
                "sessions without an end and without danger",
                "have the program that wrote them set a TTL, or extend or delete them through Attune",
            ),
            (
                self.counters_without_end,
                "counters without an end",
                "have the program that wrote them set a TTL, or remove them",
            ),
        ];
        let faults = faults.into_iter().filter(|(count, _, _)| *count > 0);
        let mut remarks: Vec<Remark> =
            faults.map(|(count, what, mend)| Warning(format!("redis: {count} {what}"), mend)).collect();
        let seen = format!("redis: {} keys, {} sessions", self.keys, self.sessions);
        remarks.push(if self.is_cut {
            Well(format!("{seen}, and more that were not looked at"))
        } else {
            Well(seen)
        });
        remarks
    }
}

fn text_of(value: Value) -> String {
    match value {
        Value::BulkString(bytes) => String::from_utf8_lossy(&bytes).into_owned(),
        Value::SimpleString(text) | Value::VerbatimString { text, .. } => text,
        _ => String::new(),
    }
}

/// The parts of a list; a map's names and values in turn.
fn list_of(value: Value) -> Vec<String> {
    match value {
        Value::Array(parts) => parts.into_iter().map(text_of).collect(),
        Value::Map(pairs) => {
            pairs.into_iter().flat_map(|(name, value)| [text_of(name), text_of(value)]).collect()
        }
        _ => Vec::new(),
    }
}

fn number_of(value: &Value) -> i64 {
    match value {
        Value::Int(number) => *number,
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn set(maxmemory: &str, policy: &str, appendonly: &str, appendfsync: &str) -> Settings {
        Settings {
            maxmemory: maxmemory.to_owned(),
            policy: policy.to_owned(),
            appendonly: appendonly.to_owned(),
            appendfsync: appendfsync.to_owned(),
        }
    }

    #[test]
    fn a_version_that_is_too_old_is_a_fault() {
        assert!(matches!(version_remark("7.0.15"), Well(_)));
        assert!(matches!(version_remark("10.1"), Well(_)));
        assert!(matches!(version_remark("6.2.14"), Fault(..)));
        assert!(matches!(version_remark("unknown"), Warning(..)));
    }

    #[test]
    fn an_eviction_that_can_happen_is_a_fault() {
        assert!(matches!(eviction(&set("100", "allkeys-lru", "", "")), Fault(..)));
        assert!(matches!(eviction(&set("100", "volatile-ttl", "", "")), Fault(..)));
        assert!(matches!(eviction(&set("100", "noeviction", "", "")), Well(_)));
        assert!(matches!(eviction(&set("0", "allkeys-lru", "", "")), Well(_)));
    }

    #[test]
    fn turns_that_may_not_reach_the_disk_are_told() {
        assert!(matches!(durability(&set("", "", "no", "always")), Warning(..)));
        assert!(matches!(durability(&set("", "", "yes", "no")), Warning(..)));
        assert!(matches!(durability(&set("", "", "yes", "everysec")), Well(_)));
    }

    #[test]
    fn only_what_does_not_belong_together_is_counted() {
        let mut tally = Tally::default();
        tally.add_state(-1, "crisis");
        tally.add_state(5, "none");
        tally.add_beside(true, true);
        tally.add_beside(false, false);
        assert_eq!(tally, Tally { sessions: 2, ..Tally::default() });
        assert_eq!(tally.remarks().len(), 1);
        tally.add_state(-1, "none");
        tally.add_beside(false, true);
        assert_eq!((tally.sessions_without_end, tally.without_state), (1, 1));
        assert_eq!(tally.remarks().len(), 3);
    }
}
