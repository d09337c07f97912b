//! What servers tell each other of examples that they found. A cache: it may lose everything at any time.
//!
//! What comes from it is believed for ids, order and scores only. Words are taken from the server's own corpus, so that
//! nobody who can write there can put words into a prompt.

use std::time::Duration;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use super::{FOUND_MAX, Scored};
use crate::redis::{Keys, Link, LinkError, cache, cached};

/// A cache that several servers share.
#[async_trait]
pub trait Shared: Send + Sync + 'static {
    async fn read(&self, label: &str, key: &[u8; 16]) -> Result<Option<Vec<u8>>, SharedError>;

    /// Keeps a value for a time.
    async fn write(
        &self,
        label: &str,
        key: &[u8; 16],
        value: &[u8],
        ttl: Duration,
    ) -> Result<(), SharedError>;
}

#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the shared cache is away: {0}")]
pub struct SharedError(String);

impl SharedError {
    pub fn new(why: impl Into<String>) -> Self {
        Self(why.into())
    }
}

/// The cache in Redis, in the layout that other programs know.
pub struct RedisShared {
    pub link: Link,
    pub keys: Keys,
}

#[async_trait]
impl Shared for RedisShared {
    async fn read(&self, label: &str, key: &[u8; 16]) -> Result<Option<Vec<u8>>, SharedError> {
        self.standing()?;
        cached(&self.link, &self.keys.passages(label, key)).await.map_err(away)
    }

    async fn write(
        &self,
        label: &str,
        key: &[u8; 16],
        value: &[u8],
        ttl: Duration,
    ) -> Result<(), SharedError> {
        self.standing()?;
        cache(&self.link, &self.keys.passages(label, key), value, ttl).await.map_err(away)
    }
}

impl RedisShared {
    /// A link that is being mended is not waited for.
    fn standing(&self) -> Result<(), SharedError> {
        if self.link.is_up() { Ok(()) } else { Err(SharedError::new("Redis is away")) }
    }
}

#[expect(clippy::needless_pass_by_value, reason = "the form that map_err asks for")]
fn away(error: LinkError) -> SharedError {
    SharedError::new(error.to_string())
}

/// What is written, for readers of other programs too.
#[derive(Serialize)]
struct Shown<'a> {
    id: &'a str,
    label: &'a str,
    situation: &'a str,
    client: &'a str,
    therapist: &'a str,
    score: f32,
}

/// What is read of it.
#[derive(Deserialize)]
pub(super) struct Named {
    pub id: String,
    pub score: f32,
}

pub(super) fn encode(found: &[Scored]) -> Vec<u8> {
    let rows: Vec<Shown<'_>> = found.iter().map(shown).collect();
    // Strings and finite numbers always become JSON.
    serde_json::to_vec(&rows).unwrap_or_default()
}

fn shown(Scored { passage, score }: &Scored) -> Shown<'_> {
    Shown {
        id: &passage.id,
        label: &passage.label,
        situation: &passage.situation,
        client: &passage.client,
        therapist: &passage.therapist,
        score: *score,
    }
}

/// `None` where it is not what [`encode`] writes.
pub(super) fn decode(value: &[u8]) -> Option<Vec<Named>> {
    let rows: Vec<Named> = serde_json::from_slice(value).ok()?;
    let is_sound = rows.len() <= FOUND_MAX && rows.iter().all(|row| row.score.is_finite());
    is_sound.then_some(rows)
}
