//! `attune doctor`: what is wrong, and what to do about it. Changes nothing.

mod alerts;

use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use crate::access::Secret;
use crate::app::{self, OpenError, StoreFault};
use crate::clock::{Clock, Entropy, SystemClock};
use crate::config::{Config, ConfigError, ModelConfig, RedisConfig};
use crate::domain::time::Timestamp;
use crate::llm::ModelError;
use crate::redis::{Keys, Link, LinkError, Remark, keys, standing, survey};
use crate::retrieval::file;
use crate::tasks::Tasks;
use crate::telemetry;
use crate::turn::Knowledge;

use super::{Failure, say, to_server};

/// Below this the disk counts as full.
const DISK_FAIL_BYTES: u64 = 100 * 1024 * 1024;
const DISK_WARN_BYTES: u64 = 1024 * 1024 * 1024;
/// Clocks were right after this: 2025-01-01.
const CLOCK_EARLIEST_MICROS: i64 = 1_735_689_600_000_000;
/// A key file may be this much ahead of the clock before something is wrong with one of them.
const CLOCK_SLACK: Duration = Duration::from_mins(5);
const PATIENCE: Duration = Duration::from_secs(5);

enum Finding {
    Well(String),
    /// Works, but see what to do.
    Warning(String, &'static str),
    Fault(String, &'static str),
}

use Finding::{Fault, Warning, Well};

pub(super) async fn examine(config: Result<Config, ConfigError>) -> Result<ExitCode, Failure> {
    let findings = match config {
        Ok(config) => findings(&config).await,
        Err(error) => error.0.into_iter().map(|line| Fault(line, "set the variable right")).collect(),
    };
    for finding in &findings {
        match finding {
            Well(what) => say(format_args!("ok    {what}"))?,
            Warning(what, mend) => say(format_args!("warn  {what}\n      -> {mend}"))?,
            Fault(what, mend) => say(format_args!("FAIL  {what}\n      -> {mend}"))?,
        }
    }
    let faults = findings.iter().filter(|finding| matches!(finding, Fault(..))).count();
    say(format_args!("{} checks, {faults} fault(s)", findings.len()))?;
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn findings(config: &Config) -> Vec<Finding> {
    let mut findings = vec![Well(format!("configuration: listens on {}", config.addr))];
    findings.extend(config.warnings.iter().map(|it| Warning(it.what.clone(), it.mend)));
    findings.extend(telemetry::filter(config).err().map(|fault| Fault(fault, "set the variable right")));
    findings.extend(knowledge(config));
    findings.push(clock(config));
    if let Some(redis) = &config.redis {
        findings.extend(survey_redis(config, redis).await);
    } else {
        findings.push(disk(&config.data));
        findings.extend(privacy(&config.data));
        findings.extend(key_file(config));
    }
    findings.push(store(config).await);
    findings.extend(alerts::findings(config).await);
    if let Some(model) = &config.model {
        findings.extend(models(model).await);
    }
    findings.extend(corpus(config));
    findings
}

/// Whether the models' servers answer. Without them the script does, so it is no fault.
async fn models(config: &ModelConfig) -> Vec<Finding> {
    let servers = match app::open_servers(config) {
        Ok(servers) => servers,
        Err(error) => return vec![Fault(error.to_string(), MODEL_ADVICE)],
    };
    let mut findings = Vec::new();
    for (url, server) in servers {
        let probed = tokio::time::timeout(config.connect + PATIENCE, server.probe()).await;
        findings.push(match probed.unwrap_or(Err(ModelError::Away)) {
            Ok(()) => Well(format!("model: {url} answers; `attune model check` tries {}", config.name)),
            Err(error) => Warning(format!("model: {url}: {error}; the script answers"), MODEL_ADVICE),
        });
    }
    findings
}

const MODEL_ADVICE: &str = "look whether the model's server runs there; `attune model check` says more";

/// A user's own examples, where there are any.
fn corpus(config: &Config) -> Option<Finding> {
    let asked = &config.retrieval;
    let own = file::open(&asked.corpus, asked.corpus_is_named);
    own.err().map(|error| Fault(error.to_string(), "`attune corpus check FILE` names every fault"))
}

/// Looks at Redis itself, and over all of its keys: the one place that does.
async fn survey_redis(config: &Config, redis: &RedisConfig) -> Vec<Finding> {
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let entropy = Arc::new(Entropy::system());
    let surveyed = match app::link(redis, &entropy, &tasks) {
        Ok(link) => look_at_redis(config, &link, &Keys::new(&redis.prefix)).await,
        Err(error) => Err(error),
    };
    tasks.close();
    match surveyed {
        Ok(findings) => findings,
        Err(error) => vec![Fault(format!("redis: {error}"), REDIS_ADVICE)],
    }
}

async fn look_at_redis(config: &Config, link: &Link, keys: &Keys) -> Result<Vec<Finding>, LinkError> {
    let mut findings: Vec<Finding> = survey(link, keys).await?.into_iter().map(Finding::from).collect();
    if let Some(bytes) = &config.secret {
        let own = keys::hex(&Secret::new(Arc::clone(bytes)).fingerprint());
        let deployments = standing(link, &keys.fingerprint()).await?;
        findings.push(if deployments.is_none_or(|deployments| deployments == own) {
            Well("secret: from ATTUNE_SECRET".to_owned())
        } else {
            Fault(StoreFault::OtherSecret.to_string(), SECRET_ADVICE)
        });
    }
    Ok(findings)
}

const REDIS_ADVICE: &str = "look whether Redis runs at REDIS_URL and takes the password";
const SECRET_ADVICE: &str =
    "set ATTUNE_SECRET to the one of the other servers: what is remembered for clients' safety hangs on it";

impl From<Remark> for Finding {
    fn from(remark: Remark) -> Self {
        match remark {
            Remark::Well(what) => Well(what),
            Remark::Warning(what, mend) => Warning(what, mend),
            Remark::Fault(what, mend) => Fault(what, mend),
        }
    }
}

fn knowledge(config: &Config) -> Vec<Finding> {
    let knowledge = match app::open_knowledge(config) {
        Ok(knowledge) => knowledge,
        Err(error) if config.protocol.is_some() => {
            return vec![Fault(
                error.to_string(),
                "`attune protocol check` names every fault of ATTUNE_PROTOCOL",
            )];
        }
        Err(error) => return vec![Fault(error.to_string(), "this binary is spoilt: install it again")],
    };
    let well = Well("protocol, texts and safety data".to_owned());
    let unchecked: Vec<&str> = knowledge.safety.resources.unchecked().collect();
    if unchecked.is_empty() {
        return vec![well];
    }
    let mend =
        "call the lines of the countries you serve, then note the month in prompts/safety/resources.toml";
    vec![well, Warning(format!("crisis lines: nobody has noted a check of {}", unchecked.join(", ")), mend)]
}

fn clock(config: &Config) -> Finding {
    let now = SystemClock.now();
    if now < Timestamp::from_micros(CLOCK_EARLIEST_MICROS) {
        return Fault(format!("clock: it says {now}"), "set the clock (is a time service running?)");
    }
    let written = std::fs::metadata(&config.key_file).and_then(|file| file.modified()).ok();
    let written = written.and_then(|time| time.duration_since(std::time::UNIX_EPOCH).ok());
    let written = written.map(|age| Timestamp::default().plus(age));
    if written.is_some_and(|written| written > now.plus(CLOCK_SLACK)) {
        return Fault(
            "clock: it is behind the time at which the key file was written".to_owned(),
            "set the clock: expiry and limits go by it",
        );
    }
    Well(format!("clock: {now}"))
}

fn disk(data: &Path) -> Finding {
    let place = data.ancestors().find(|path| path.exists()).unwrap_or(Path::new("."));
    let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
    let Ok(stat) = rustix::fs::statvfs(place) else {
        return Fault(
            format!("disk: {} cannot be looked at", place.display()),
            "check ATTUNE_DATA and its mount",
        );
    };
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let line = format!("disk: {} MiB free at {}", free / 1024 / 1024, place.display());
    match free {
        ..DISK_FAIL_BYTES => Fault(line, "make room: without it no turn can be stored"),
        DISK_FAIL_BYTES..DISK_WARN_BYTES => Warning(line, "make room before it is full"),
        _ => Well(line),
    }
}

/// What people said lies in the directory as plain text.
fn privacy(data: &Path) -> Option<Finding> {
    let mode = std::fs::metadata(data).ok()?.permissions().mode();
    let what = format!("data: others on this machine may read {}", data.display());
    (mode & 0o077 != 0).then_some(Fault(what, "chmod 700 it"))
}

fn key_file(config: &Config) -> Vec<Finding> {
    if config.secret.is_some() {
        return vec![Well("secret: from ATTUNE_SECRET".to_owned())];
    }
    let path = &config.key_file;
    let Ok(metadata) = std::fs::metadata(path) else {
        return vec![if app::store_directory(config).exists() {
            Fault(
                format!("key file: {} is not there, but the data are", path.display()),
                "put the key file back from a copy: what is remembered for clients' safety hangs on it",
            )
        } else {
            Well(format!("key file: {} will be made at the first start", path.display()))
        }];
    };
    let mut findings = Vec::new();
    if metadata.permissions().mode() & 0o077 != 0 {
        findings.push(Fault(format!("key file: others may read {}", path.display()), "chmod 600 it"));
    }
    if path.starts_with(&config.data) {
        findings.push(Warning(
            format!("key file: {} lies beside the data", path.display()),
            "keep a copy elsewhere, or set ATTUNE_KEY_FILE or ATTUNE_SECRET_FILE to another place",
        ));
    }
    match Secret::from_key_file(path, &Entropy::system()) {
        Ok(_) => findings.push(Well("key file: readable".to_owned())),
        Err(error) => findings.push(Fault(error.to_string(), "put the right key file back from a copy")),
    }
    findings
}

/// A running server is asked; else the store is opened.
async fn store(config: &Config) -> Finding {
    let url = format!("{}/health", config.url.trim_end_matches('/'));
    let client = to_server(reqwest::Client::builder().timeout(PATIENCE), config).build();
    if let Ok(client) = client
        && let Ok(response) = client.get(&url).send().await
    {
        return if response.status().is_success() {
            Well(format!("store: the server at {} is healthy", config.url))
        } else {
            Fault(
                format!("store: the server at {} answers {}", config.url, response.status()),
                "look at its log; after a disk fault restart it",
            )
        };
    }
    if config.redis.is_some() {
        // To open it would write into it.
        return Well(format!("store: no server answers at {}; Redis was looked at above", config.url));
    }
    if !app::store_directory(config).exists() {
        return Well("store: empty, made at the first start".to_owned());
    }
    open_store(config).await
}

async fn open_store(config: &Config) -> Finding {
    let entropy = Arc::new(Entropy::system());
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let Ok(knowledge) = Knowledge::embedded() else {
        return Fault("store: cannot be opened without its data".to_owned(), "mend the binary first");
    };
    match app::open_store(config, &knowledge.protocols, &clock, &entropy).await {
        Ok(opened) => match opened.store.close().await {
            Ok(()) => Well(format!("store: {} opens", config.data.display())),
            Err(error) => Fault(format!("store: {error}"), "look at the disk's health"),
        },
        Err(error) => Fault(format!("store: {error}"), advice(&error)),
    }
}

fn advice(error: &StoreFault) -> &'static str {
    match error {
        StoreFault::Embedded(error) => advice_on_files(error),
        StoreFault::KeyFile(_) => "mend the key file first",
        StoreFault::Redis(_) => REDIS_ADVICE,
        StoreFault::SpoiltSecret | StoreFault::NoSecret | StoreFault::OtherSecret => SECRET_ADVICE,
    }
}

fn advice_on_files(error: &OpenError) -> &'static str {
    match error {
        OpenError::Locked => "stop the other process, or set ATTUNE_URL to where it listens",
        OpenError::Io(_) => "check the disk, its mount, and that this user owns the directory",
        OpenError::Corrupt(_) => {
            "leave it as it is, set it aside, and put a copy of the whole directory back"
        }
        OpenError::Version(_) => "start the version of Attune that wrote it, or a newer one",
        OpenError::OtherSecret => "put the key file or ATTUNE_SECRET back that it was made under",
    }
}
