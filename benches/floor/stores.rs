//! Stores as a server opens them, with the settings that a server has where none is set.

use std::collections::BTreeMap;
use std::sync::Arc;

use attune::access::Secret;
use attune::clock::{Entropy, SystemClock};
use attune::config::Config;
use attune::domain::protocol::{Protocol, Protocols, TRT_STAGE_1};
use attune::redis::{Keys, Link, LinkOptions};
use attune::store::Limits;
use attune::store::redis::{RedisOptions, RedisStore};
use attune::tasks::Tasks;
use secrecy::SecretBox;

use super::instance::Redis;

/// What a server keeps of its last sessions where nothing is set, and where nothing may be kept.
pub const WARM: u64 = 64 << 20;
pub const NOTHING: u64 = 0;

pub fn limits() -> Limits {
    Config::from_variables(BTreeMap::new()).expect("sound by itself").limits
}

pub fn store(redis: &Redis, limits: Limits, warm_bytes: u64) -> Arc<RedisStore> {
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let entropy = Arc::new(Entropy::system());
    let protocol = Protocol::parse(TRT_STAGE_1).expect("sound");
    Arc::new(RedisStore::open(RedisOptions {
        link: link(redis, &entropy, &tasks),
        keys: Keys::new("trt:"),
        wait_max: limits.lease_wait,
        limits,
        secret: Secret::new(Arc::new(SecretBox::new(Box::new([1; 32])))),
        protocols: Arc::new(Protocols::of(protocol)),
        clock: Arc::new(SystemClock),
        entropy,
        agreed: Vec::new(),
        tasks,
        warm_bytes,
    }))
}

pub fn link(redis: &Redis, entropy: &Arc<Entropy>, tasks: &Tasks) -> Link {
    let config = BTreeMap::from([("REDIS_URL".to_owned(), redis.url())]);
    let config = Config::from_variables(config).expect("sound").redis.expect("it names a Redis");
    let options = LinkOptions {
        url: config.url,
        password: None,
        timeout: config.timeout,
        connect_timeout: config.connect_timeout,
        retries: config.retries,
    };
    Link::open(options, Arc::clone(entropy), tasks).expect("a sound URL")
}
