//! Where Redis is, and how it is spoken with.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::reader::Reader;

#[derive(Debug, Clone)]
pub struct RedisConfig {
    pub url: SecretString,
    /// Wins over the one in the URL.
    pub password: Option<SecretString>,
    pub prefix: String,
    pub timeout: Duration,
    pub connect_timeout: Duration,
    pub retries: u32,
    pub warm_bytes: u64,
}

impl RedisConfig {
    /// The URL as it may be shown: never with credentials, and without the server's place where others might see it.
    #[must_use]
    pub fn shown_url(&self, with_its_place: bool) -> String {
        let url = self.url.expose_secret();
        let (scheme, rest) = url.split_once("://").unwrap_or(("redis", ""));
        if !with_its_place {
            return format!("{scheme}://***");
        }
        // What stands before the last of these may be a password, whatever is in it.
        let (credentials, place) = rest.rsplit_once('@').map_or(("", rest), |(_, place)| ("***@", place));
        let place = place.split(['?', '#']).next().unwrap_or_default();
        format!("{scheme}://{credentials}{place}")
    }
}

/// The password alone names no Redis: a file `.env` that is shared with other programs may hold it.
pub(super) fn read(reader: &mut Reader) -> Option<RedisConfig> {
    let password = reader.value_or_file("REDIS_PASSWORD");
    let timeout = reader.millis("REDIS_TIMEOUT_MS", 10..=60_000);
    let connect_timeout = reader.millis("REDIS_CONNECT_MS", 10..=60_000);
    let retries = reader.whole("REDIS_RETRIES", 0..=10).unwrap_or(3);
    let warm_mib: u64 = reader.whole("WARM_MIB", 0..=65_536).unwrap_or(64);
    let url =
        reader.value_or_file("REDIS_URL").or_else(|| reader.text("CHANNEL_REDIS_URL").map(Into::into))?;
    let prefix = reader.text("REDIS_PREFIX").unwrap_or_default();
    if prefix.len() > 64
        || !prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":_.-".contains(&byte))
    {
        reader.fault("REDIS_PREFIX", "up to 64 letters, digits and : _ . -");
    }
    Some(RedisConfig { url, password, prefix, timeout, connect_timeout, retries, warm_bytes: warm_mib << 20 })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shown_url_has_no_credentials_and_to_strangers_no_place() {
        let shown = |url: &str, with_its_place| {
            RedisConfig {
                url: url.into(),
                password: None,
                prefix: String::new(),
                timeout: Duration::ZERO,
                connect_timeout: Duration::ZERO,
                retries: 0,
                warm_bytes: 0,
            }
            .shown_url(with_its_place)
        };
        assert_eq!(shown("redis://localhost:6379/0", true), "redis://localhost:6379/0");
        assert_eq!(shown("redis://me:se@cret@host:1/2?a=b", true), "redis://***@host:1/2");
        assert_eq!(shown("redis://:pass/w?o#rd@host/0", true), "redis://***@host/0");
        assert_eq!(shown("redis://me:secret@host", false), "redis://***");
        assert_eq!(shown("nonsense:secret", true), "redis://");
    }
}
