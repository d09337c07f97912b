//! The composition root: from a [`Config`] to a running server. The only place that names concrete adapters.

mod author;
mod consent;
mod models;
mod notify;
mod protocol;
mod retrieval;
mod stores;

use std::collections::BTreeMap;
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::time::Duration;

use actix_cors::Cors;
use actix_web::dev::ServerHandle;
use actix_web::middleware::{Compress, from_fn};
use actix_web::{App as ActixApp, HttpServer, web};
use rustix::net::sockopt::set_tcp_user_timeout;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use tokio::task::JoinHandle;

use crate::audit::{self, Auditor};
use crate::clock::{Clock, Entropy, SystemClock};
use crate::config::{AccessConfig, Auth, Config};
use crate::domain::id::{OrgId, SessionKey};
use crate::http::{self, State};
use crate::llm::ClientFault;
use crate::llm::ModelError;
use crate::notify::{Notifier, NotifyFault, Webhooks};
use crate::retrieval::file::CorpusError;
use crate::store::{Counter, Store, StoreError};
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::turn::{Knowledge, KnowledgeError, Settings, Turns, Unraised, Unstored, Untold};

pub use self::author::open_author;
pub use self::models::{open_models, open_servers};
pub use self::protocol::{open_knowledge, protocol_source};
pub use self::retrieval::open_retrieval;
pub use self::stores::{
    OpenError, Opened, Purpose, StoreFault, journals, link, open_store, secret, store_directory,
};

/// How long a crisis reply waits for its commit.
const CRISIS_WAIT: Duration = Duration::from_millis(150);
/// What running turns get in any case after SIGTERM.
const LAST_MOMENT: Duration = Duration::from_millis(500);
/// How long the other end of a connection may leave what it is sent unread, before the system ends it.
const UNREAD_MAX: Duration = Duration::from_secs(30);
/// Files that the store may need at once. Connections leave so many to it.
const STORE_FILES: u64 = 1_024;
/// The most connections that a worker holds, however many files may be open.
const CONNECTIONS_MAX: usize = 25_600;

#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error(transparent)]
    Store(#[from] StoreFault),
    #[error(transparent)]
    Knowledge(#[from] KnowledgeError),
    #[error(transparent)]
    Corpus(#[from] CorpusError),
    #[error("the client for the embedding model could not be made: {0}")]
    Embed(ModelError),
    #[error(transparent)]
    Unready(#[from] StoreError),
    #[error(transparent)]
    Model(#[from] ClientFault),
    #[error(transparent)]
    Notify(#[from] NotifyFault),
    #[error(
        "ATTUNE_AUTH=required, and there is no API key: nobody could get in; make one with `attune keys create --role admin --label NAME`, or set ATTUNE_BOOTSTRAP_KEY"
    )]
    NoCredentials,
    #[error("cannot listen on {addr}: {source}")]
    Listen { addr: SocketAddr, source: std::io::Error },
    #[error(
        "ATTUNE_PROTOCOL: {named} is no protocol inside of the binary, and cannot be read as a file: {source}"
    )]
    Protocol { named: String, source: std::io::Error },
    #[error("ATTUNE_CONSENT_FILE: {file} cannot be used: {fault}")]
    Consent { file: String, fault: String },
    #[error("the HTTP server could not be started: {0}")]
    Http(std::io::Error),
}

/// A server that listens and answers, until [`App::stop`].
pub struct App {
    pub addr: SocketAddr,
    state: web::Data<State>,
    server: ServerHandle,
    serving: JoinHandle<std::io::Result<()>>,
    /// What goes on beside the turns: sweeping, and hearing other servers.
    beside: [JoinHandle<()>; 4],
    notifier: Arc<Notifier>,
    webhooks: Webhooks,
    shutdown: Duration,
}

impl App {
    /// Binds, opens the store, and serves. Has to be called on a tokio runtime of several threads.
    pub async fn start(config: &Config) -> Result<Self, StartError> {
        Self::start_with(config, Arc::new(SystemClock), Arc::new(Entropy::system())).await
    }

    /// The same with the time and randomness of a test.
    pub async fn start_with(
        config: &Config,
        clock: Arc<dyn Clock>,
        entropy: Arc<Entropy>,
    ) -> Result<Self, StartError> {
        let listener = listen(config.addr)?;
        let addr = listener.local_addr().map_err(StartError::Http)?;
        let turns = Arc::new(turns(config, clock, entropy).await?);
        let auth = auth(&config.access, &*turns.store).await?;
        let (notifier, webhooks) = notify::open(config, &turns)?;
        let state = web::Data::new(State::new(Arc::clone(&turns), Arc::clone(&notifier), config, auth));
        let server = http_server(&state, config, listener)?;
        let handle = server.handle();
        #[expect(clippy::disallowed_methods, reason = "the tasks that are no turns; stop ends them")]
        let (serving, sweeping, hearing) = (
            tokio::spawn(server),
            tokio::spawn(sweep(Arc::clone(&turns), config.sweep_every)),
            tokio::spawn(Arc::clone(&turns).hear_nudges()),
        );
        #[expect(clippy::disallowed_methods, reason = "no turn; stop ends it")]
        let (sealing, notifying) =
            (tokio::spawn(audit::tend(auditor(&turns))), tokio::spawn(Arc::clone(&notifier).run()));
        let beside = [sweeping, hearing, sealing, notifying];
        webhooks.begin();
        let shutdown = config.shutdown;
        Ok(Self { addr, state, server: handle, serving, beside, notifier, webhooks, shutdown })
    }

    /// Stops accepting, lets running turns finish, syncs the store. False when turns had to be left behind.
    pub async fn stop(self) -> bool {
        let deadline = tokio::time::Instant::now() + self.shutdown;
        self.state.drain();
        self.server.pause().await;
        let hurrying = hurry_later(Arc::clone(&self.state.turns), self.shutdown * 7 / 10);
        self.server.stop(true).await;
        // What the connections took of the time is the turns' no more, but for a moment that everything gets.
        let left = deadline.saturating_duration_since(tokio::time::Instant::now()).max(LAST_MOMENT);
        let finished = self.state.turns.tasks.finish(left).await;
        hurrying.abort();
        // Behind the turns: what the last of them raised is told of too.
        let left = deadline.saturating_duration_since(tokio::time::Instant::now()).max(LAST_MOMENT);
        let telling = async { tokio::join!(self.notifier.stop(), self.webhooks.stop()) };
        // What is cut off is told again under the same id, by another server or after the next start.
        let _cut_off = tokio::time::timeout(left, telling).await;
        self.beside.iter().for_each(JoinHandle::abort);
        if let Err(error) = self.state.store().close().await {
            tracing::error!(%error, "the store did not close cleanly");
        }
        if let Ok(Err(error)) = self.serving.await {
            tracing::error!(%error, "the HTTP server ended with an error");
        }
        finished
    }
}

fn auditor(turns: &Turns) -> Auditor {
    Auditor { store: Arc::clone(&turns.store), secret: turns.secret.clone() }
}

/// Whether credentials are needed. Whoever has made some, and did not write out that it is open, means them. A server that
/// lets nobody in is a mistake, and best told at once.
async fn auth(access: &AccessConfig, store: &dyn Store) -> Result<Auth, StartError> {
    let AccessConfig { auth, is_written_out, bootstrap_key, .. } = access;
    let has_keys = bootstrap_key.is_some() || store.has_keys().await?;
    match auth {
        Auth::Open if has_keys && !is_written_out => Ok(Auth::Required),
        Auth::Open => Ok(Auth::Open),
        Auth::Required if has_keys => Ok(Auth::Required),
        Auth::Required => Err(StartError::NoCredentials),
    }
}

/// Turns that still wait for a model when most of the time is over are answered by the script.
#[expect(clippy::disallowed_methods, reason = "no turn; stop ends it")]
fn hurry_later(turns: Arc<Turns>, wait: Duration) -> JoinHandle<()> {
    tokio::spawn(async move {
        tokio::time::sleep(wait).await;
        turns.live.hurry_all();
    })
}

fn listen(addr: SocketAddr) -> Result<TcpListener, StartError> {
    let listener = TcpListener::bind(addr).map_err(|source| StartError::Listen { addr, source })?;
    // The system ends connections whose other end does not read; nobody else can, while there is something to write.
    let unread_ms = u32::try_from(UNREAD_MAX.as_millis()).unwrap_or(u32::MAX);
    if let Err(error) = set_tcp_user_timeout(&listener, unread_ms) {
        tracing::warn!(%error, "connections that are not read may stay for long");
    }
    Ok(listener)
}

async fn turns(config: &Config, clock: Arc<dyn Clock>, entropy: Arc<Entropy>) -> Result<Turns, StartError> {
    let knowledge = open_knowledge(config)?;
    let Opened { store, secret, link } =
        open_store(config, Purpose::Serve, &knowledge.protocols, (&clock, &entropy)).await?;
    take_up_protocols(&knowledge, &*store).await?;
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let metrics = Arc::new(Metrics::default());
    let retrieval = || open_retrieval(config, &secret, link, &tasks);
    let author = open_author(config, retrieval, &entropy, (&tasks, &metrics))?;
    Ok(Turns {
        store,
        knowledge,
        secret,
        clock,
        entropy,
        tasks,
        metrics,
        live: Arc::default(),
        author,
        settings: Settings {
            deadline: config.turn_deadline,
            lease_wait: config.limits.lease_wait,
            crisis_wait: CRISIS_WAIT,
            session_ttl: config.limits.session_ttl,
            country: config.country.clone(),
            duty: config.duty.clone(),
            mode: config.mode,
            consent: config.consent,
        },
        unraised: Unraised::default(),
        unstored: Unstored::default(),
        untold: Untold::default(),
    })
}

/// Takes up the protocol versions that stored sessions still follow, and leaves the newest for others.
pub async fn take_up_protocols(knowledge: &Knowledge, store: &dyn Store) -> Result<(), StoreError> {
    store.keep_protocol(knowledge.version()).await?;
    for version in store.protocols().await? {
        if !knowledge.take_up(&version) {
            let hash = version.hash;
            tracing::warn!(
                hash,
                "an older protocol does not fit this binary; its sessions go on in successors"
            );
        }
    }
    Ok(())
}

fn http_server(
    state: &web::Data<State>,
    config: &Config,
    listener: TcpListener,
) -> Result<actix_web::dev::Server, StartError> {
    let for_workers = state.clone();
    let mut server = HttpServer::new(move || {
        ActixApp::new()
            .app_data(for_workers.clone())
            .wrap(from_fn(http::guard))
            .wrap(cors(&for_workers.cors_origins))
            .wrap(from_fn(http::edge))
            .wrap(Compress::default())
            .configure(http::routes)
    })
    .max_connections(connections_max(config.workers))
    // Who closes has gone: a caller that asked for it has its turn stopped.
    .h1_allow_half_closed(false)
    .client_request_timeout(config.slow_sender)
    .shutdown_timeout(workers_end(config.shutdown))
    .disable_signals();
    if let Some(workers) = config.workers {
        server = server.workers(workers);
    }
    Ok(server.listen(listener).map_err(StartError::Http)?.run())
}

/// In seconds: connections that do not end leave a moment of the time to the turns and the store.
fn workers_end(shutdown: Duration) -> u64 {
    let most = shutdown * 9 / 10;
    most.as_secs() + u64::from(most.subsec_nanos() > 0)
}

/// How many connections each worker may hold; more wait to be accepted. A store that cannot open a file has failed for
/// good, so strangers must not be able to use up what the process may open.
fn connections_max(workers: Option<usize>) -> usize {
    let cores = || std::thread::available_parallelism().map_or(1, usize::from);
    let files = open_files_max();
    let connections = files.saturating_sub(STORE_FILES).max(files / 2);
    let connections = usize::try_from(connections).unwrap_or(usize::MAX);
    (connections / workers.unwrap_or_else(cores)).clamp(1, CONNECTIONS_MAX)
}

/// How many files may be open, after asking for as many as the system grants.
fn open_files_max() -> u64 {
    let given = getrlimit(Resource::Nofile);
    // Where it is not granted, what was given stands.
    let _refused = setrlimit(Resource::Nofile, Rlimit { current: given.maximum, ..given });
    getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX)
}

fn cors(origins: &[String]) -> Cors {
    let cors = Cors::default()
        .allowed_methods(["GET", "POST", "DELETE"])
        .allowed_headers([
            "content-type",
            "idempotency-key",
            "x-request-id",
            "authorization",
            "x-api-key",
            "x-csrf-token",
            "last-event-id",
        ])
        .expose_headers([
            "x-request-id",
            "retry-after",
            "ratelimit-limit",
            "ratelimit-remaining",
            "ratelimit-reset",
        ])
        .max_age(3_600);
    origins.iter().fold(cors, |cors, origin| cors.allowed_origin(origin))
}

async fn sweep(turns: Arc<Turns>, every: Duration) {
    let mut ticks = tokio::time::interval(every);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        ticks.tick().await;
        while sweep_once(&turns).await {}
    }
}

/// True when there is more to sweep at once: what comes due must never pile up behind the ticks.
async fn sweep_once(turns: &Turns) -> bool {
    match turns.store.sweep().await {
        Ok(swept) => {
            turns.metrics.sessions_expired(swept.expired.len());
            count_expired(turns, &swept.expired).await;
            swept.has_more
        }
        Err(StoreError::Closed) => false,
        Err(error) => {
            tracing::warn!(%error, "a sweep failed");
            false
        }
    }
}

/// Best effort, as all counters are.
async fn count_expired(turns: &Turns, expired: &[SessionKey]) {
    let mut by_org: BTreeMap<&OrgId, usize> = BTreeMap::new();
    for key in expired {
        *by_org.entry(&key.org).or_default() += 1;
    }
    for (org, count) in by_org {
        let _lost = turns.store.count(org, vec![Counter::Expired; count]).await;
    }
}

/// What is told at the start.
pub fn banner(app: &App, config: &Config) -> String {
    let addr = app.addr;
    let key = match app.state.auth {
        Auth::Open => "",
        Auth::Required => "-H 'x-api-key: YOUR_KEY' ",
    };
    let mut lines = vec![
        format!("Attune listens on http://{addr} (API page: http://{addr}/docs)"),
        format!(
            "say something: curl http://{addr}/api/v1/input {key}-H 'content-type: application/json' -d '{{\"session_id\":\"me\",\"user_input\":\"I want to feel calmer\"}}'"
        ),
    ];
    if app.state.auth == Auth::Open && !config.is_local {
        lines.push(
            "ATTUNE_AUTH=open: everybody who reaches this address may read and change everything".to_owned(),
        );
    }
    lines.join("\n")
}
