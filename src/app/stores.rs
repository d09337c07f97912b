//! Which store, and the secret that belongs to it. The only match on the kind of store.

use std::path::PathBuf;
use std::sync::Arc;

use base64::Engine as _;

use crate::access::{KeyFileError, Secret};
use crate::clock::{Clock, Entropy};
use crate::config::{Config, RedisConfig, decode_secret};
use crate::domain::protocol::Protocols;
use crate::redis::{Keys, Link, LinkError, LinkOptions, agreed, keys, standing};
use crate::store::Store;
pub use crate::store::embedded::OpenError;
use crate::store::embedded::{EmbeddedStore, OpenOptions};
use crate::store::redis::{RedisOptions, RedisStore};
use crate::tasks::Tasks;

/// Memory for blocks read from disk.
const CACHE_BYTES: u64 = 32 * 1024 * 1024;

/// Why a store could not be opened.
#[derive(Debug, thiserror::Error)]
pub enum StoreFault {
    #[error(transparent)]
    KeyFile(#[from] KeyFileError),
    #[error(transparent)]
    Embedded(#[from] OpenError),
    #[error(transparent)]
    Redis(#[from] LinkError),
    #[error("the secret in Redis is not 32 bytes in base64")]
    SpoiltSecret,
    #[error("the other servers on this Redis have an ATTUNE_SECRET: this one needs the same")]
    NoSecret,
    #[error("ATTUNE_SECRET is not the secret of the other servers on this Redis")]
    OtherSecret,
}

/// A store and the secret under which its data stand.
pub struct Opened {
    pub store: Arc<dyn Store>,
    pub secret: Secret,
    /// The store's link to Redis, where it has one, for caches beside it.
    pub link: Option<Link>,
}

/// Opens the store that the configuration names. Has to be called on the runtime on which turns run.
pub async fn open_store(
    config: &Config,
    protocols: &Arc<Protocols>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<Entropy>,
) -> Result<Opened, StoreFault> {
    match &config.redis {
        Some(redis) => open_redis(config, redis, protocols, clock, entropy).await,
        None => open_embedded(config, clock, entropy),
    }
}

fn open_embedded(
    config: &Config,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<Entropy>,
) -> Result<Opened, StoreFault> {
    let secret = key_file_secret(config, entropy)?;
    let options = OpenOptions {
        limits: config.limits.clone(),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        secret_fingerprint: secret.fingerprint(),
        cache_bytes: CACHE_BYTES,
    };
    let store = EmbeddedStore::open(&store_directory(config), options)?;
    Ok(Opened { store: Arc::new(store), secret, link: None })
}

/// The deployment's secret alone, for which no store is opened.
pub async fn secret(config: &Config, entropy: &Arc<Entropy>) -> Result<Secret, StoreFault> {
    let Some(redis) = &config.redis else { return Ok(key_file_secret(config, entropy)?) };
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let link = link(redis, entropy, &tasks)?;
    let found = shared_secret(config, &link, &Keys::new(&redis.prefix), entropy).await;
    tasks.close();
    found.map(|(secret, _)| secret)
}

/// The configured secret, else the one in the key file. None is made where data are already: it would not be theirs, and
/// whoever looked for the lost one would find it in its place.
fn key_file_secret(config: &Config, entropy: &Entropy) -> Result<Secret, KeyFileError> {
    match &config.secret {
        Some(bytes) => Ok(Secret::new(Arc::clone(bytes))),
        None if store_directory(config).exists() && !config.key_file.exists() => {
            Err(KeyFileError::Missing(config.key_file.display().to_string()))
        }
        None => Secret::from_key_file(&config.key_file, entropy),
    }
}

/// The embedded store has a directory of its own, beside the key file.
pub fn store_directory(config: &Config) -> PathBuf {
    config.data.join("store")
}

async fn open_redis(
    config: &Config,
    redis: &RedisConfig,
    protocols: &Arc<Protocols>,
    clock: &Arc<dyn Clock>,
    entropy: &Arc<Entropy>,
) -> Result<Opened, StoreFault> {
    let tasks = Tasks::on(tokio::runtime::Handle::current());
    let link = link(redis, entropy, &tasks)?;
    let keys = Keys::new(&redis.prefix);
    let (secret, agreed) = shared_secret(config, &link, &keys, entropy).await?;
    let store = RedisStore::open(RedisOptions {
        link: link.clone(),
        keys,
        limits: config.limits.clone(),
        secret: secret.clone(),
        protocols: Arc::clone(protocols),
        clock: Arc::clone(clock),
        entropy: Arc::clone(entropy),
        agreed,
        tasks,
        wait_max: config.limits.lease_wait.max(config.turn_deadline),
        warm_bytes: redis.warm_bytes,
    });
    Ok(Opened { store: Arc::new(store), secret, link: Some(link) })
}

pub fn link(redis: &RedisConfig, entropy: &Arc<Entropy>, tasks: &Tasks) -> Result<Link, LinkError> {
    let options = LinkOptions {
        url: redis.url.clone(),
        password: redis.password.clone(),
        timeout: redis.timeout,
        connect_timeout: redis.connect_timeout,
        retries: redis.retries,
    };
    Link::open(options, Arc::clone(entropy), tasks)
}

/// The configured secret, where it is the deployment's; else the one that the first server made and left in Redis. And
/// what has to stand in Redis for it.
async fn shared_secret(
    config: &Config,
    link: &Link,
    keys: &Keys,
    entropy: &Entropy,
) -> Result<(Secret, Vec<(String, String)>), StoreFault> {
    let mut standing = Vec::new();
    let secret = if let Some(bytes) = &config.secret {
        Secret::new(Arc::clone(bytes))
    } else {
        let made = made_secret(link, keys, entropy).await?;
        let secret = Secret::new(Arc::new(decode_secret(&made).ok_or(StoreFault::SpoiltSecret)?));
        standing.push((keys.secret(), made));
        secret
    };
    let own = keys::hex(&secret.fingerprint());
    if agreed(link, &keys.fingerprint(), &own).await? != own {
        return Err(StoreFault::OtherSecret);
    }
    standing.push((keys.fingerprint(), own));
    Ok((secret, standing))
}

/// The secret that lies in Redis. None is made where the servers have one of their own.
async fn made_secret(link: &Link, keys: &Keys, entropy: &Entropy) -> Result<String, StoreFault> {
    if let Some(secret) = standing(link, &keys.secret()).await? {
        return Ok(secret);
    }
    if standing(link, &keys.fingerprint()).await?.is_some() {
        return Err(StoreFault::NoSecret);
    }
    let mut made = [0; 32];
    entropy.fill(&mut made);
    let made = base64::engine::general_purpose::STANDARD.encode(made);
    Ok(agreed(link, &keys.secret(), &made).await?)
}
