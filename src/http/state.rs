//! What every handler is handed.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;
use tokio_util::sync::CancellationToken;

use crate::access::{Caller, CredentialHash, RawCredential};
use crate::config::{Auth, Config, Lifetimes, SocketConfig};
use crate::domain::safety::Resource;
use crate::domain::time::Timestamp;
use crate::notify::Notifier;
use crate::rights::retention::Times;
use crate::store::{Credential, Fallback, FallbackStanding, Store};
use crate::turn::Turns;

use super::address::AddressLimit;
use super::clients::ClientLimit;
use super::passwords::Passwords;
use super::socket::Places;

/// How many, and for how long, are remembered to have been let in.
const ACQUAINTED_MAX: u64 = 10_000;
/// Streams of events that one server holds open.
const STREAMS_MAX: usize = 1_000;
const ACQUAINTED_FOR: Duration = Duration::from_hours(1);

pub struct State {
    pub turns: Arc<Turns>,
    pub notifier: Arc<Notifier>,
    pub addresses: AddressLimit,
    pub clients: ClientLimit,
    /// How long a body may take to arrive.
    pub patience: Duration,
    /// How long a stream is silent before it says that it is still there.
    pub heartbeat: Duration,
    pub cors_origins: Vec<String>,
    pub auth: Auth,
    bootstrap: Option<CredentialHash>,
    pub lifetimes: Lifetimes,
    /// Who was let in here lately, for input in danger while the store is away, and where turns go on without it for what
    /// [`goes_on_locally`](crate::access::Operation::goes_on_locally). Nothing else goes by it.
    pub acquainted: Cache<CredentialHash, Credential>,
    /// How long what is kept is kept.
    pub kept: Times,
    pub passwords: Passwords,
    /// Nobody but this machine reaches it, by a proxy neither.
    pub is_local: bool,
    /// How people reach whoever runs this server.
    pub contact: Option<String>,
    /// How long a chat stands without a message.
    pub chat_ttl: Duration,
    /// Where Redis is, as far as it is told to anybody.
    pub redis_url: Option<String>,
    pub started: Timestamp,
    /// Who follows events. A bound of their own: they must not take the places of people.
    pub streams: Arc<Places>,
    pub sockets: SocketConfig,
    /// Who is connected.
    pub places: Arc<Places>,
    /// How long what runs may take to end once the server stops.
    pub shutdown: Duration,
    draining: CancellationToken,
}

impl State {
    pub fn new(turns: Arc<Turns>, notifier: Arc<Notifier>, config: &Config, auth: Auth) -> Self {
        let started = turns.clock.now();
        Self {
            turns,
            notifier,
            addresses: AddressLimit::new(config.address_rate, config.trusted_proxies.clone()),
            clients: ClientLimit::default(),
            patience: config.slow_sender,
            heartbeat: config.heartbeat,
            cors_origins: config.cors_origins.clone(),
            auth,
            passwords: Passwords::default(),
            is_local: config.is_local,
            lifetimes: config.access.lifetimes.clone(),
            acquainted: Cache::builder().max_capacity(ACQUAINTED_MAX).time_to_live(ACQUAINTED_FOR).build(),
            kept: Times {
                limits: config.limits.clone(),
                token: config.access.lifetimes.token,
                chat: config.chat_ttl,
            },
            bootstrap: config.access.bootstrap_key.as_ref().map(RawCredential::hash),
            contact: config.contact.clone(),
            chat_ttl: config.chat_ttl,
            redis_url: config.redis.as_ref().map(|redis| redis.shown_url(config.is_local)),
            started,
            streams: Arc::new(Places::new(&SocketConfig {
                connections_max: STREAMS_MAX,
                ..config.sockets.clone()
            })),
            sockets: config.sockets.clone(),
            places: Arc::new(Places::new(&config.sockets)),
            shutdown: config.shutdown,
            draining: CancellationToken::new(),
        }
    }

    pub fn store(&self) -> &dyn Store {
        &*self.turns.store
    }

    /// Forgets who was let in by a credential that has ended: the one of this id, or those of a session's client.
    pub fn forget_acquainted(&self, id: &str) {
        let is_ended = |known: &Credential| {
            known.id == id || known.session.as_ref().is_some_and(|session| session.as_str() == id)
        };
        for (hash, _) in self.acquainted.iter().filter(|(_, known)| is_ended(known)) {
            self.acquainted.invalidate(&*hash);
        }
    }

    /// How the store goes on while what it lies on is away, where it does.
    pub fn standing(&self) -> Option<FallbackStanding> {
        self.store().fallback().map(Fallback::standing)
    }

    /// The admin of the default organisation, where this is the key that the configuration names.
    pub fn bootstrap_caller(&self, raw: &RawCredential) -> Option<Caller> {
        let is_it = self.bootstrap.as_ref().is_some_and(|hash| hash.is(&raw.hash()));
        is_it.then(Caller::bootstrap)
    }

    /// The crisis lines for somebody of whom no country is known.
    pub fn resources(&self) -> &[Resource] {
        self.turns.knowledge.safety.resources.for_country(self.turns.settings.country.as_deref())
    }

    /// From now on connections are closed after their answer, and `/readyz` says so.
    pub fn drain(&self) {
        self.draining.cancel();
    }

    pub fn is_draining(&self) -> bool {
        self.draining.is_cancelled()
    }

    /// Ends when the server begins to stop.
    pub async fn drained(&self) {
        self.draining.cancelled().await;
    }
}
