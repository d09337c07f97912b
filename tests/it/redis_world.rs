//! The Redis store under test: on a redis-server of its own, whose clock the test winds.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use attune::access::Secret;
use attune::clock::{Clock as _, Entropy, ManualClock};
use attune::domain::protocol::{Protocol, Protocols, TRT_STAGE_1};
use attune::domain::time::Timestamp;
use attune::redis::{Keys, Link, LinkOptions};
use attune::store::redis::{RedisOptions, RedisStore};
use attune::store::{Limits, Store};
use attune::tasks::Tasks;
use secrecy::SecretBox;

use crate::redis_server::RedisServer;
use crate::world::{Adapter, START};

/// Redis keeps a key through the millisecond in which it ends: whoever winds to it has to wind past it.
const PAST: Duration = Duration::from_millis(1);

pub struct Redis {
    pub server: RedisServer,
    pub clock: ManualClock,
    pub limits: Limits,
    store: Option<RedisStore>,
}

/// A store as one server of several opens it.
pub fn server_on(url: &str, limits: &Limits, clock: &ManualClock) -> RedisStore {
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let entropy = Arc::new(Entropy::system());
    let options = LinkOptions {
        url: url.into(),
        password: None,
        timeout: Duration::from_secs(5),
        connect_timeout: Duration::from_secs(5),
        retries: 3,
    };
    let link = Link::open(options, Arc::clone(&entropy), &tasks).expect("a sound URL");
    let protocol = Protocol::parse(TRT_STAGE_1).expect("sound");
    RedisStore::open(RedisOptions {
        link,
        keys: Keys::new("trt:"),
        limits: limits.clone(),
        secret: Secret::new(Arc::new(SecretBox::new(Box::new([1; 32])))),
        protocols: Arc::new(Protocols::of(protocol)),
        clock: Arc::new(clock.clone()),
        entropy,
        agreed: Vec::new(),
        tasks,
        wait_max: Duration::from_secs(60),
        warm_bytes: 8 << 20,
    })
}

impl Redis {
    pub fn another_server(&self) -> RedisStore {
        server_on(&self.server.url(), &self.limits, &self.clock)
    }
}

#[async_trait]
impl Adapter for Redis {
    async fn open(limits: Limits) -> Self {
        let (server, clock) = (RedisServer::with_clock(START), ManualClock::at(START));
        let store = server_on(&server.url(), &limits, &clock);
        Self { server, clock, limits, store: Some(store) }
    }

    fn store(&self) -> &dyn Store {
        self.store.as_ref().expect("it is open")
    }

    fn now(&self) -> Timestamp {
        self.clock.now()
    }

    async fn wind(&self, by: Duration) {
        self.server.wind(by + PAST);
        self.clock.advance(by + PAST);
    }

    /// Redis and the server both end at once; leases run out by themselves.
    async fn reopen(&mut self) {
        drop(self.store.take());
        self.server.kill();
        self.server.restart();
        self.wind(self.limits.lease_ttl).await;
        self.store = Some(self.another_server());
    }
}
