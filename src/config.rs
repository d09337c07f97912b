//! Every variable, parsed and checked once. All problems are reported together; nothing else reads the environment.
//!
//! Durations whose name does not end in `_MS` are seconds and take `ms`, `s`, `m`, `h` or `d` behind the number.

mod access;
mod alerts;
mod link;
mod model;
mod reader;
mod socket;
mod variables;
mod webhooks;

use std::collections::BTreeMap;
use std::fmt;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;
use secrecy::{SecretBox, SecretString};

use crate::domain::consent::ConsentRule;
use crate::domain::safety::{DutyHours, Mode, Resources};
use crate::store::Limits;

pub use access::{AccessConfig, Auth, Lifetimes, LoginName};
pub use alerts::{AlertConfig, MailConfig};
pub use link::RedisConfig;
pub use model::{ModelApi, ModelConfig, RetrievalConfig};
use reader::Reader;
pub use reader::{decode_secret, parse_duration};
pub use socket::SocketConfig;
use variables::unknown_names;
pub use variables::{VARIABLES, Variable};
pub use webhooks::WebhookConfig;

/// The keyed-hash secret.
pub type SecretBytes = SecretBox<[u8; 32]>;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LogFormat {
    Text,
    Json,
}

/// The checked configuration.
#[derive(Debug)]
pub struct Config {
    pub addr: SocketAddr,
    pub data: PathBuf,
    /// `None`: the embedded store.
    pub redis: Option<RedisConfig>,
    /// `None`: the scripted responder.
    pub model: Option<ModelConfig>,
    pub retrieval: RetrievalConfig,
    pub access: AccessConfig,
    /// Who is told of open alerts.
    pub alerts: AlertConfig,
    /// Who is told of what happens.
    pub webhooks: WebhookConfig,
    pub secret: Option<Arc<SecretBytes>>,
    /// What the command line presents to a server.
    pub api_key: Option<SecretString>,
    /// As whom the command line logs in, in the place of that key.
    pub login: Option<LoginName>,
    pub key_file: PathBuf,
    pub url: String,
    /// Whether whoever sits at the terminal wants no escape codes: `NO_COLOR`, or a `TERM` that knows none.
    pub plain: bool,
    /// The protocol that new sessions follow, by its id or its file. `None`: stage 1.
    pub protocol: Option<String>,
    pub country: Option<String>,
    /// How people reach whoever runs this server; public.
    pub contact: Option<String>,
    pub mode: Mode,
    pub consent: ConsentRule,
    /// The text that people consent to. `None`: the one inside of the binary.
    pub consent_file: Option<PathBuf>,
    pub duty: DutyHours,
    pub cors_origins: Vec<String>,
    pub workers: Option<usize>,
    pub log: String,
    pub log_format: LogFormat,
    pub limits: Limits,
    /// How long a plain chat stands without a message.
    pub chat_ttl: Duration,
    pub turn_deadline: Duration,
    pub sweep_every: Duration,
    /// `None`: no limit.
    pub address_rate: Option<AddressRate>,
    pub trusted_proxies: Vec<IpNet>,
    /// Nobody but this machine reaches the address, and no proxy is named that lets others through.
    pub is_local: bool,
    pub slow_sender: Duration,
    pub heartbeat: Duration,
    pub sockets: SocketConfig,
    pub shutdown: Duration,
    /// Things worth telling that do not stop the start.
    pub warnings: Vec<Warning>,
}

/// What works, and is hardly meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Warning {
    pub what: String,
    pub mend: &'static str,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct AddressRate {
    pub per_second: std::num::NonZeroU32,
    pub burst: std::num::NonZeroU32,
}

/// Everything that is wrong with the configuration, a line each.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(pub Vec<String>);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the configuration has {} problem(s):", self.0.len())?;
        self.0.iter().try_for_each(|line| write!(f, "\n  - {line}"))
    }
}

impl std::error::Error for ConfigError {}

impl Config {
    /// Reads `.env` in the working directory, then the environment, which wins.
    pub fn from_environment() -> Result<Self, ConfigError> {
        let mut variables = BTreeMap::new();
        let mut faults = Vec::new();
        read_dotenv(Path::new(".env"), &mut variables, &mut faults);
        #[expect(clippy::disallowed_methods, reason = "the one place that reads the environment")]
        let environment = std::env::vars_os();
        for (name, value) in environment {
            if let (Ok(name), Ok(value)) = (name.into_string(), value.into_string()) {
                variables.insert(name, value);
            }
        }
        match (Self::from_variables(variables), faults.is_empty()) {
            (Ok(config), true) => Ok(config),
            (Ok(_), false) => Err(ConfigError(faults)),
            (Err(error), _) => Err(ConfigError(faults.into_iter().chain(error.0).collect())),
        }
    }

    /// Checks a set of variables.
    pub fn from_variables(variables: BTreeMap<String, String>) -> Result<Self, ConfigError> {
        let mut reader = Reader { variables, faults: Vec::new() };
        let config = read(&mut reader);
        if reader.faults.is_empty() { Ok(config) } else { Err(ConfigError(reader.faults)) }
    }
}

fn read_dotenv(path: &Path, into: &mut BTreeMap<String, String>, faults: &mut Vec<String>) {
    let Ok(lines) = dotenvy::from_path_iter(path) else { return };
    for line in lines {
        match line {
            Ok((name, value)) => {
                into.insert(name, value);
            }
            // The error's own text repeats the line, which may hold a secret.
            Err(_) => faults.push(".env: a line is not NAME=value".to_owned()),
        }
    }
}

fn read(reader: &mut Reader) -> Config {
    let addr = reader.parse::<SocketAddr>("ATTUNE_ADDR", "an address and port, like 127.0.0.1:8000");
    let addr = addr.unwrap_or(SocketAddr::from(([127, 0, 0, 1], 8000)));
    let data = PathBuf::from(reader.text("ATTUNE_DATA").unwrap_or_default());
    let trusted_proxies: Vec<IpNet> = reader.list("TRUSTED_PROXIES", "a network like 10.0.0.0/8");
    let is_local = addr.ip().is_loopback() && trusted_proxies.is_empty();
    let ollama = model::read_ollama(reader);
    let config = Config {
        redis: link::read(reader),
        model: model::read(reader, &ollama),
        retrieval: model::read_retrieval(reader, &data, &ollama),
        access: access::read(reader, is_local),
        alerts: alerts::read(reader),
        webhooks: webhooks::read(reader),
        secret: reader.secret("ATTUNE_SECRET").map(Arc::new),
        api_key: reader.value_or_file("ATTUNE_API_KEY"),
        login: access::read_login(reader),
        key_file: reader.text("ATTUNE_KEY_FILE").map_or_else(|| data.join("attune.key"), PathBuf::from),
        url: reader.text("ATTUNE_URL").unwrap_or_else(|| format!("http://{addr}")),
        plain: is_plain(reader),
        protocol: reader.text("ATTUNE_PROTOCOL"),
        country: read_country(reader),
        contact: read_contact(reader),
        mode: read_mode(reader),
        consent: reader
            .choice("ATTUNE_CONSENT", &[("off", ConsentRule::Off), ("required", ConsentRule::Required)])
            .unwrap_or_default(),
        consent_file: reader.text("ATTUNE_CONSENT_FILE").map(PathBuf::from),
        duty: read_duty(reader),
        cors_origins: read_origins(reader),
        workers: reader.whole("ATTUNE_WORKERS", 1..=256),
        log: reader.text("ATTUNE_LOG").unwrap_or_default(),
        log_format: reader
            .choice("ATTUNE_LOG_FORMAT", &[("text", LogFormat::Text), ("json", LogFormat::Json)])
            .unwrap_or(LogFormat::Text),
        limits: read_limits(reader),
        chat_ttl: reader.duration("REDIS_SESSION_TTL", Duration::from_secs(1)..=30 * DAY).unwrap_or(HOUR),
        turn_deadline: reader.millis("TURN_DEADLINE_MS", 100..=600_000),
        sweep_every: reader.millis("INDEX_SWEEP_MS", 10..=3_600_000),
        address_rate: read_address_rate(reader, is_local),
        trusted_proxies,
        is_local,
        slow_sender: reader.millis("SLOW_SENDER_MS", 100..=600_000),
        heartbeat: reader.millis("SSE_HEARTBEAT_MS", 10..=30_000),
        sockets: socket::read(reader, is_local),
        shutdown: reader.millis("SHUTDOWN_MS", 100..=600_000),
        warnings: Vec::new(),
        addr,
        data,
    };
    Config { warnings: warnings(&config, reader), ..config }
}

fn warnings(config: &Config, reader: &Reader) -> Vec<Warning> {
    let unread = config.mode == Mode::SelfHelp && config.duty != DutyHours::default();
    let unread = unread.then(|| Warning {
        what: "DUTY_HOURS is set, and with ATTUNE_MODE=self_help there is no team that reads; people in danger are told of one all the same".to_owned(),
        mend: "unset DUTY_HOURS, or set ATTUNE_MODE=supervised",
    });
    let knows = |country: &String| Resources::embedded().is_ok_and(|resources| resources.knows(country));
    let country = config.country.as_ref().filter(|country| !knows(country));
    let without_lines = country.map(|country| Warning {
        what: format!(
            "no crisis lines are known for ATTUNE_COUNTRY={country}; people see the international finder"
        ),
        mend: "unset it, or set a country that prompts/safety/resources.toml has lines for",
    });
    // On a machine that nobody else reaches, and that was not said to be a clinic's, nobody is in danger.
    let has_team =
        config.mode == Mode::Supervised && (!config.is_local || reader.variables.contains_key("ATTUNE_MODE"));
    let untold = alerts::warnings(&config.alerts, has_team);
    unknown_names(&reader.variables).into_iter().chain(unread).chain(without_lines).chain(untold).collect()
}

/// By the conventions of terminals: any `NO_COLOR` counts, and a terminal without a name knows nothing.
fn is_plain(reader: &Reader) -> bool {
    let is_dumb = reader.text("TERM").is_none_or(|term| term == "dumb");
    is_dumb || reader.text("NO_COLOR").is_some()
}

fn read_country(reader: &mut Reader) -> Option<String> {
    let country = reader.text("ATTUNE_COUNTRY")?.to_ascii_uppercase();
    if country.len() == 2 && country.bytes().all(|byte| byte.is_ascii_uppercase()) {
        return Some(country);
    }
    reader.fault("ATTUNE_COUNTRY", "a two-letter country code, like US");
    None
}

fn read_contact(reader: &mut Reader) -> Option<String> {
    let contact = reader.text("ATTUNE_CONTACT")?;
    if contact.chars().count() <= 200 && !contact.chars().any(char::is_control) {
        return Some(contact);
    }
    reader.fault("ATTUNE_CONTACT", "at most 200 characters, none of them a control character");
    None
}

fn read_mode(reader: &mut Reader) -> Mode {
    let modes =
        [("supervised", Mode::Supervised), ("self_help", Mode::SelfHelp), ("disabled", Mode::Disabled)];
    reader.choice("ATTUNE_MODE", &modes).unwrap_or_default()
}

fn read_duty(reader: &mut Reader) -> DutyHours {
    let Some(text) = reader.text("DUTY_HOURS") else { return DutyHours::default() };
    DutyHours::parse(&text).unwrap_or_else(|problem| {
        reader.faults.push(format!("DUTY_HOURS: {problem}"));
        DutyHours::default()
    })
}

fn read_origins(reader: &mut Reader) -> Vec<String> {
    let origins: Vec<String> = reader.list("ATTUNE_CORS_ORIGINS", "an origin");
    let is_origin = |origin: &String| {
        let host = origin.strip_prefix("https://").or_else(|| origin.strip_prefix("http://"));
        host.is_some_and(|host| !host.is_empty() && !host.contains('/'))
    };
    if !origins.iter().all(is_origin) {
        reader.fault(
            "ATTUNE_CORS_ORIGINS",
            "origins like https://app.example.com, without a path; * is not taken",
        );
    }
    origins
}

fn read_address_rate(reader: &mut Reader, is_local: bool) -> Option<AddressRate> {
    let unset = if is_local { 0 } else { 50 };
    let per_second = reader.whole("ADDRESS_RATE_PER_SECOND", 0..=1_000_000).unwrap_or(unset);
    let burst = reader.whole("ADDRESS_BURST", 1..=1_000_000).unwrap_or(1);
    Some(AddressRate {
        per_second: std::num::NonZeroU32::new(per_second)?,
        burst: std::num::NonZeroU32::new(burst)?,
    })
}

fn read_limits(reader: &mut Reader) -> Limits {
    let session_ttl = reader.duration("SESSION_TTL", MINUTE..=YEAR).unwrap_or(DAY);
    let session_max_age = reader.duration("SESSION_MAX_AGE", MINUTE..=YEAR).unwrap_or(30 * DAY);
    if session_ttl > session_max_age {
        reader.fault("SESSION_TTL", "at most SESSION_MAX_AGE");
    }
    Limits {
        session_ttl,
        session_max_age,
        session_idle: reader.duration("SESSION_IDLE", Duration::from_secs(1)..=YEAR),
        history_max: reader.whole("HISTORY_MAX", 1..=1_000).unwrap_or(50),
        recent_max: 10,
        rate_limit: reader.whole("RATE_LIMIT_PER_MINUTE", 0..=1_000).unwrap_or(10),
        rate_window: reader.millis("RATE_LIMIT_WINDOW_MS", 10..=3_600_000),
        danger_limit: 60,
        lease_ttl: reader.millis("LOCK_TTL_MS", 50..=600_000),
        claim_ttl: Duration::from_secs(1),
        lease_wait: reader.millis("LOCK_WAIT_MS", 0..=600_000),
        queue_max: reader.whole("QUEUE_MAX", 0..=10_000).unwrap_or(100),
        count_max: 15_000,
        idempotency_ttl: reader.duration("IDEMPOTENCY_TTL", Duration::from_secs(1)..=YEAR).unwrap_or(DAY),
        alert_ttl: reader.duration("ALERT_TTL", HOUR..=KEPT_MAX).unwrap_or(30 * DAY),
        memory_ttl: reader.duration("SAFETY_MEMORY_TTL", HOUR..=KEPT_MAX).unwrap_or(30 * DAY),
        daily_ttl: reader.duration("DAILY_COUNTERS_TTL", DAY..=KEPT_MAX).unwrap_or(30 * DAY),
        events_ttl: reader.duration("EVENTS_TTL", MINUTE..=YEAR).unwrap_or(DAY),
        events_max: reader.whole("EVENTS_MAX", 1_000..=10_000_000).unwrap_or(100_000),
    }
}

const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(366 * 24);
/// The longest that what is kept after a session may be.
const KEPT_MAX: Duration = Duration::from_hours(10 * 366 * 24);

#[cfg(test)]
mod tests;
