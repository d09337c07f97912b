//! Logs and metrics. Neither ever holds a word that a person wrote, nor a client's id.
//!
//! Log fields: `request` (id), `method`, `route` (the pattern, not the path), `status`, `ms`, `session` (an id), `error`.

mod words;

use std::io::IsTerminal as _;
use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;
use tracing_subscriber::EnvFilter;

pub use words::Words;

use crate::config::{Config, LogFormat};
use crate::domain::alert::ReportReason;
use crate::domain::exchange::Responder;
use crate::domain::notice::Channel;
use crate::domain::safety::Level;

/// Sends logs to standard error. Does nothing when a subscriber is set already, as in tests.
///
/// # Errors
/// When the filter cannot be read.
pub fn start_logs(config: &Config) -> Result<(), String> {
    let filter = filter(config)?;
    let logs = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_ansi(std::io::stderr().is_terminal())
        .with_writer(std::io::stderr);
    let started = match config.log_format {
        LogFormat::Text => logs.with_target(false).try_init(),
        LogFormat::Json => logs.json().flatten_event(true).try_init(),
    };
    drop(started);
    Ok(())
}

/// The filter that the configuration asks for.
///
/// # Errors
/// What is wrong with it.
pub fn filter(config: &Config) -> Result<EnvFilter, String> {
    EnvFilter::try_new(&config.log).map_err(|error| format!("ATTUNE_LOG: {error}"))
}

/// Upper bounds of the buckets, in seconds.
const SECONDS: [f64; 12] = [0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0, 30.0];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct RequestLabels {
    method: String,
    route: String,
    status: u16,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct TurnLabels {
    responder: &'static str,
    decision: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct LevelLabels {
    level: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ReasonLabels {
    reason: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct NoticeLabels {
    channel: &'static str,
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct OutcomeLabels {
    outcome: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct ProblemLabels {
    error: &'static str,
}

/// Every figure at `/metrics`.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    turns: Family<TurnLabels, Counter>,
    crisis_replies_unstored: Counter,
    levels: Family<LevelLabels, Counter>,
    alerts: Family<LevelLabels, Counter>,
    reports: Family<ReasonLabels, Counter>,
    alerts_acknowledged: Counter,
    alerts_open: Gauge,
    notices: Family<NoticeLabels, Counter>,
    webhooks: Family<OutcomeLabels, Counter>,
    falls: Family<LevelLabels, Counter>,
    problems: Family<ProblemLabels, Counter>,
    sessions_expired: Counter,
    words: Words,
    chats_set_aside: Gauge,
    store_up: Gauge,
    connections: Gauge,
    uptime_seconds: Gauge<f64, AtomicU64>,
}

impl Default for Metrics {
    fn default() -> Self {
        let mut metrics = Self {
            registry: Registry::with_prefix("attune"),
            requests: Family::default(),
            request_seconds: Histogram::new(SECONDS),
            turns: Family::default(),
            crisis_replies_unstored: Counter::default(),
            levels: Family::default(),
            alerts: Family::default(),
            reports: Family::default(),
            alerts_acknowledged: Counter::default(),
            alerts_open: Gauge::default(),
            notices: Family::default(),
            webhooks: Family::default(),
            falls: Family::default(),
            problems: Family::default(),
            sessions_expired: Counter::default(),
            words: Words::default(),
            chats_set_aside: Gauge::default(),
            store_up: Gauge::default(),
            connections: Gauge::default(),
            uptime_seconds: Gauge::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register("http_requests", "Requests by method, route and status", self.requests.clone());
        registry.register("http_request_seconds", "Time to answer a request", self.request_seconds.clone());
        registry.register("turns", "Stored turns by responder and decision", self.turns.clone());
        registry.register(
            "crisis_replies_unstored",
            "Crisis replies that went out before, or without, their commit",
            self.crisis_replies_unstored.clone(),
        );
        registry.register("safety_level_rises", "Rises of a client's level", self.levels.clone());
        registry.register("alerts", "Alerts that a level rose, by level", self.alerts.clone());
        registry.register("reports", "What clients reported, by reason", self.reports.clone());
        registry.register(
            "alerts_acknowledged",
            "Alerts that somebody has acknowledged here",
            self.alerts_acknowledged.clone(),
        );
        registry.register("alerts_open", "Alerts that nobody has dealt with", self.alerts_open.clone());
        registry.register(
            "notices",
            "Tries to tell people of an alert, by channel and outcome",
            self.notices.clone(),
        );
        registry.register(
            "webhooks",
            "Tries to tell a receiver of an event, by outcome",
            self.webhooks.clone(),
        );
        registry.register("safety_level_falls", "Levels that re-screens ended", self.falls.clone());
        registry.register("problems", "Problem answers by code", self.problems.clone());
        registry.register(
            "sessions_expired",
            "Sessions that the sweep expired",
            self.sessions_expired.clone(),
        );
        self.words.register(registry);
        registry.register(
            "chats_set_aside",
            "Stored values of chats that nobody could read, since the start",
            self.chats_set_aside.clone(),
        );
        registry.register("connections", "WebSockets that stand", self.connections.clone());
        registry.register("store_up", "1 while the store does its work", self.store_up.clone());
        registry.register("uptime_seconds", "Time since the start", self.uptime_seconds.clone());
    }

    pub fn request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let labels = RequestLabels { method: method.to_owned(), route: route.to_owned(), status };
        self.requests.get_or_create(&labels).inc();
        self.request_seconds.observe(seconds);
    }

    pub fn turn(&self, responder: Responder, decision: &str) {
        let responder = match responder {
            Responder::Model => "model",
            Responder::Scripted => "scripted",
            Responder::Crisis => "crisis",
            Responder::Clinician => "clinician",
            Responder::Pending => "pending",
        };
        self.turns.get_or_create(&TurnLabels { responder, decision: decision.to_owned() }).inc();
    }

    pub fn crisis_reply_unstored(&self) {
        self.crisis_replies_unstored.inc();
    }

    pub fn level_rose(&self, level: Level) {
        self.levels.get_or_create(&LevelLabels { level: level.as_str() }).inc();
    }

    pub fn alert(&self, level: Level) {
        self.alerts.get_or_create(&LevelLabels { level: level.as_str() }).inc();
    }

    pub fn report(&self, reason: ReportReason) {
        self.reports.get_or_create(&ReasonLabels { reason: reason.as_str() }).inc();
    }

    pub fn alert_acknowledged(&self) {
        self.alerts_acknowledged.inc();
    }

    pub fn alerts_open(&self, open: u64) {
        self.alerts_open.set(i64::try_from(open).unwrap_or(i64::MAX));
    }

    pub fn webhook(&self, outcome: &'static str) {
        self.webhooks.get_or_create(&OutcomeLabels { outcome }).inc();
    }

    pub fn notice(&self, channel: Channel, arrived: bool) {
        let outcome = if arrived { "delivered" } else { "failed" };
        self.notices.get_or_create(&NoticeLabels { channel: channel.as_str(), outcome }).inc();
    }

    pub fn level_fell(&self, level: Level) {
        self.falls.get_or_create(&LevelLabels { level: level.as_str() }).inc();
    }

    pub fn problem(&self, error: &'static str) {
        self.problems.get_or_create(&ProblemLabels { error }).inc();
    }

    pub fn chats_set_aside(&self, count: u64) {
        self.chats_set_aside.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn sessions_expired(&self, count: usize) {
        self.sessions_expired.inc_by(count as u64);
    }

    /// Figures about models and examples.
    pub fn words(&self) -> &Words {
        &self.words
    }

    pub fn store_is_up(&self, up: bool) {
        self.store_up.set(i64::from(up));
    }

    pub fn connections(&self, count: usize) {
        self.connections.set(i64::try_from(count).unwrap_or(i64::MAX));
    }

    pub fn uptime(&self, seconds: f64) {
        self.uptime_seconds.set(seconds);
    }

    /// All figures in the `OpenMetrics` text format.
    pub fn render(&self) -> String {
        let mut page = String::new();
        // Writing to a string does not fail.
        let _infallible = text::encode(&mut page, &self.registry);
        page
    }
}
