//! One multiplexed connection that everybody shares, and that mends itself.
//!
//! A call is repeated where its answer was lost, so everything that is sent has to be safe to repeat. While Redis is
//! away calls fail at once instead of waiting for their timeout; the link alone tries, and pings what looks dead.

use std::sync::Arc;
use std::time::Duration;

use redis::aio::{ConnectionLike as _, MultiplexedConnection};
use redis::io::tcp::TcpSettings;
use redis::{
    AsyncConnectionConfig, Client, IntoConnectionInfo as _, Pipeline, RedisError, ServerError, Value,
};
use secrecy::{ExposeSecret as _, SecretString};
use tokio::sync::{Notify, watch};
use tokio::time::{Instant, sleep, timeout, timeout_at};

use super::Script;
use crate::clock::Entropy;
use crate::tasks::Tasks;

/// A connection that nothing went wrong with is pinged so often.
const PING_EVERY: Duration = Duration::from_secs(30);
/// The first pause between two tries to connect; it doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(250);
/// A connection that was lost a moment ago is mostly there again in another: calls wait so long for it.
const GRACE: Duration = Duration::from_millis(500);

pub struct LinkOptions {
    /// `redis://[user[:password]@]host[:port][/database]`.
    pub url: SecretString,
    /// Wins over the one in the URL.
    pub password: Option<SecretString>,
    /// The longest that a call may take, its repeats included.
    pub timeout: Duration,
    pub connect_timeout: Duration,
    /// How often a call is repeated whose answer was lost.
    pub retries: u32,
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LinkError {
    /// The configuration is wrong. Never repeats the URL, which may hold a password.
    #[error("the Redis URL is not usable: {0}")]
    Url(&'static str),
    /// No answer. Whether the call took effect is unknown.
    #[error("{0}")]
    Away(String),
    /// Redis answered that it will not do it; the code is its own.
    #[error("Redis refused: {0}")]
    Refused(String),
}

/// How the link stands, as health and metrics show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LinkState {
    Up,
    Away { reason: String },
}

#[derive(Clone)]
enum Line {
    Up { connection: MultiplexedConnection, number: u64 },
    Away { reason: String, since: Instant },
}

/// Cheap to clone; all clones are one link.
#[derive(Clone)]
pub struct Link(Arc<Shared>);

struct Shared {
    client: Client,
    options: LinkOptions,
    entropy: Arc<Entropy>,
    line: watch::Sender<Line>,
    /// Somebody's call found the line dead.
    trouble: Notify,
}

impl Link {
    /// Starts to connect. Does not wait: the first calls do.
    pub fn open(options: LinkOptions, entropy: Arc<Entropy>, tasks: &Tasks) -> Result<Self, LinkError> {
        let client = client_of(&options)?;
        let away = Line::Away {
            reason: "not connected yet".to_owned(),
            since: Instant::now() + options.connect_timeout,
        };
        let line = watch::Sender::new(away);
        let shared = Arc::new(Shared { client, options, entropy, line, trouble: Notify::new() });
        let (tended, closing) = (Arc::clone(&shared), tasks.clone());
        drop(tasks.spawn(async move {
            tokio::select! {
                () = tend(&tended) => {}
                () = closing.closing() => {}
            }
        }));
        Ok(Self(shared))
    }

    #[must_use]
    pub fn state(&self) -> LinkState {
        match &*self.0.line.borrow() {
            Line::Up { .. } => LinkState::Up,
            Line::Away { reason, .. } => LinkState::Away { reason: reason.clone() },
        }
    }

    #[must_use]
    pub fn is_up(&self) -> bool {
        self.0.is_up()
    }

    /// Waits until Redis is there.
    pub async fn until_up(&self) {
        let mut line = self.0.line.subscribe();
        // The sender lives as long as the link.
        let _stands = line.wait_for(|line| matches!(line, Line::Up { .. })).await;
    }

    /// How many connections there have been.
    #[must_use]
    pub fn connections(&self) -> u64 {
        match &*self.0.line.borrow() {
            Line::Up { number, .. } => *number,
            Line::Away { .. } => 0,
        }
    }

    /// For connections of another kind, as subscriptions are.
    pub(super) fn client(&self) -> &Client {
        &self.0.client
    }

    /// Sends calls together and returns their answers in order: one round trip. Where Redis does not know a script,
    /// it is loaded and the whole is sent again.
    pub async fn ask(&self, calls: &Pipeline, scripts: &[&Script]) -> Result<Vec<Value>, LinkError> {
        let deadline = Instant::now() + self.0.options.timeout;
        let mut tried = 0;
        loop {
            let lost = match self.ask_once(calls, scripts, deadline).await {
                Err(LinkError::Away(reason)) => reason,
                answer => return answer,
            };
            tried += 1;
            if tried > self.0.options.retries || Instant::now() >= deadline || !self.is_promising() {
                return Err(LinkError::Away(lost));
            }
            sleep(self.0.jittered(PAUSE_FIRST * 2_u32.pow(tried.min(5) - 1))).await;
        }
    }

    pub async fn ping(&self) -> Result<(), LinkError> {
        let mut ping = Pipeline::with_capacity(1);
        ping.cmd("PING");
        self.ask(&ping, &[]).await.map(drop)
    }

    /// Whether trying again soon makes sense.
    fn is_promising(&self) -> bool {
        match &*self.0.line.borrow() {
            Line::Up { .. } => true,
            Line::Away { since, .. } => Instant::now() < *since + GRACE,
        }
    }

    async fn ask_once(
        &self,
        calls: &Pipeline,
        scripts: &[&Script],
        deadline: Instant,
    ) -> Result<Vec<Value>, LinkError> {
        let (mut connection, number) = self.connection(deadline).await?;
        let mut answers = self.send(&mut connection, number, calls, deadline).await?;
        if answers.iter().any(is_unknown_script) {
            let mut load = Pipeline::with_capacity(scripts.len());
            for script in scripts {
                load.cmd("SCRIPT").arg("LOAD").arg(script.source());
            }
            refusal(self.send(&mut connection, number, &load, deadline).await?)?;
            answers = self.send(&mut connection, number, calls, deadline).await?;
        }
        if answers.iter().any(is_demoted) {
            self.0.lose(number, "Redis is not the one that writes");
        }
        refusal(answers)
    }

    /// The connection that stands. One that is being mended is waited for a moment.
    async fn connection(&self, deadline: Instant) -> Result<(MultiplexedConnection, u64), LinkError> {
        let mut line = self.0.line.subscribe();
        loop {
            let since = match &*line.borrow_and_update() {
                Line::Up { connection, number } => return Ok((connection.clone(), *number)),
                Line::Away { reason, since } if Instant::now() >= *since + GRACE => {
                    return Err(LinkError::Away(reason.clone()));
                }
                Line::Away { since, .. } => *since,
            };
            if timeout_at(deadline.min(since + GRACE), line.changed()).await.is_err() {
                return Err(LinkError::Away(self.reason()));
            }
        }
    }

    fn reason(&self) -> String {
        match self.state() {
            LinkState::Up => "Redis has only just come back".to_owned(),
            LinkState::Away { reason } => reason,
        }
    }

    async fn send(
        &self,
        connection: &mut MultiplexedConnection,
        number: u64,
        calls: &Pipeline,
        deadline: Instant,
    ) -> Result<Vec<Value>, LinkError> {
        match timeout_at(deadline, connection.req_packed_commands(calls, 0, calls.len())).await {
            Ok(Ok(answers)) => Ok(answers),
            Ok(Err(error)) if error.is_io_error() || error.is_unrecoverable_error() => {
                self.0.lose(number, &reason_of(&error));
                Err(LinkError::Away("the connection to Redis was lost".to_owned()))
            }
            Ok(Err(error)) => Err(LinkError::Refused(error.code().unwrap_or("no answer").to_owned())),
            Err(_elapsed) => {
                self.0.trouble.notify_one();
                Err(LinkError::Away("Redis did not answer in time".to_owned()))
            }
        }
    }
}

fn client_of(options: &LinkOptions) -> Result<Client, LinkError> {
    let url = options.url.expose_secret();
    if url.starts_with("rediss:") {
        return Err(LinkError::Url("TLS (rediss://) is not spoken by this version"));
    }
    let unusable = |_| LinkError::Url("it has the form redis://[user[:password]@]host[:port][/database]");
    let mut info = url.into_connection_info().map_err(unusable)?;
    if let Some(password) = &options.password {
        let settings = info.redis_settings().clone().set_password(password.expose_secret());
        info = info.set_redis_settings(settings);
    }
    Client::open(info.set_tcp_settings(TcpSettings::default().set_nodelay(true))).map_err(unusable)
}

/// What Redis answers while it is there and yet is not.
const AWAY: [&str; 10] = [
    "LOADING",
    "READONLY",
    "MASTERDOWN",
    "BUSY",
    "TRYAGAIN",
    "OOM",
    "MISCONF",
    "NOREPLICAS",
    "NOAUTH",
    "NOPERM",
];
/// Of these, the ones of a server that may have ceased to be the one we mean: its address is asked again.
const DEMOTED: [&str; 3] = ["LOADING", "READONLY", "MASTERDOWN"];

fn is_demoted(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if DEMOTED.contains(&error.code()))
}

fn is_unknown_script(answer: &Value) -> bool {
    matches!(answer, Value::ServerError(error) if error.code() == "NOSCRIPT")
}

/// Answers that are errors end the whole: the first of them.
fn refusal(answers: Vec<Value>) -> Result<Vec<Value>, LinkError> {
    let error = answers.iter().find_map(|answer| match answer {
        Value::ServerError(error) => Some(error),
        _ => None,
    });
    match error {
        None => Ok(answers),
        Some(error) => Err(refused(error)),
    }
}

/// A server that starts, is no master, is full or does not know us will be well again; everything else is an answer.
fn refused(error: &ServerError) -> LinkError {
    let code = error.code();
    if AWAY.contains(&code) {
        return LinkError::Away(format!("Redis answers {code}"));
    }
    // What a script's own fault says holds a line, never an argument. Other details may repeat what was sent.
    let detail = error.details().filter(|detail| detail.contains("user_script")).unwrap_or_default();
    LinkError::Refused(format!("{code} {detail}").trim_end().to_owned())
}

impl Shared {
    /// Takes the line down, unless it is another one by now.
    fn lose(&self, number: u64, reason: &str) {
        let is_lost = self.line.send_if_modified(|line| {
            let is_it = matches!(line, Line::Up { number: standing, .. } if *standing == number);
            if is_it {
                *line = Line::Away { reason: reason.to_owned(), since: Instant::now() };
            }
            is_it
        });
        if is_lost {
            self.trouble.notify_one();
        }
    }

    /// Half of it to all of it, so that servers that lost Redis together do not come back together.
    fn jittered(&self, pause: Duration) -> Duration {
        let half = pause / 2;
        let spread = u64::try_from(half.as_micros()).unwrap_or(u64::MAX).max(1);
        half + Duration::from_micros(self.entropy.u64() % spread)
    }

    async fn connect(&self) -> Result<MultiplexedConnection, String> {
        let config = AsyncConnectionConfig::new().set_connection_timeout(None).set_response_timeout(None);
        let connecting = async {
            let mut connection = self.client.get_multiplexed_async_connection_with_config(&config).await?;
            redis::cmd("PING").exec_async(&mut connection).await?;
            Ok(connection)
        };
        match timeout(self.options.connect_timeout, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(reason_of(&error)),
            Err(_elapsed) => Err("Redis cannot be reached in time".to_owned()),
        }
    }

    fn is_up(&self) -> bool {
        matches!(&*self.line.borrow(), Line::Up { .. })
    }
}

/// Never the error's own text, which may name what was sent.
fn reason_of(error: &RedisError) -> String {
    if error.is_connection_refusal() {
        "Redis refuses the connection".to_owned()
    } else if error.is_io_error() {
        "the connection to Redis was lost".to_owned()
    } else {
        format!("Redis does not let us in: {}", error.code().unwrap_or("wrong credentials"))
    }
}

/// Connects, watches, connects again.
async fn tend(link: &Shared) {
    let (mut number, mut pause) = (0, PAUSE_FIRST);
    loop {
        match link.connect().await {
            Ok(connection) => {
                number += 1;
                if number > 1 {
                    tracing::info!("Redis is there again");
                }
                link.line.send_replace(Line::Up { connection: connection.clone(), number });
                pause = PAUSE_FIRST;
                watch_over(link, connection).await;
            }
            Err(reason) => link.note(&reason),
        }
        sleep(link.jittered(pause)).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// Returns when the connection has to be replaced.
async fn watch_over(link: &Shared, mut connection: MultiplexedConnection) {
    loop {
        tokio::select! {
            () = link.trouble.notified() => {}
            () = sleep(PING_EVERY) => {}
        }
        let ping = redis::cmd("PING");
        let answer = timeout(link.options.timeout, ping.exec_async(&mut connection)).await;
        if !matches!(answer, Ok(Ok(()))) || !link.is_up() {
            link.note("Redis does not answer");
            return;
        }
    }
}

impl Shared {
    /// Notes why Redis is away; since when stays as it was.
    fn note(&self, reason: &str) {
        let first = self.is_up();
        self.line.send_modify(|line| {
            let since = match line {
                Line::Up { .. } => Instant::now(),
                Line::Away { since, .. } => *since,
            };
            *line = Line::Away { reason: reason.to_owned(), since };
        });
        if first {
            tracing::warn!(reason, "Redis is away");
        }
    }
}
