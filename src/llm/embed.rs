//! Vectors of texts, from Ollama's `/api/embed`. Knows no example and keeps nothing.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use reqwest::Client;
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use tokio::time::timeout;

use super::wire::{self, trusting};
use super::{ModelError, Waiting};

/// The longest answer for each text: far more numbers than any model has.
const BYTES_PER_TEXT: usize = 256 * 1024;
/// A model that is asked now and then should not be loaded anew each time.
const KEEP_ALIVE: &str = "30m";

/// Something that makes vectors of texts.
#[async_trait]
pub trait Embed: Send + Sync + 'static {
    /// The model's name: vectors of two models cannot be compared.
    fn model(&self) -> &str;

    /// A vector for each text, in their order, within the deadline.
    async fn embed(&self, texts: &[&str], deadline: Duration) -> Result<Vec<Vec<f32>>, ModelError>;
}

/// One or several Ollama servers that have the same model.
pub struct OllamaEmbed {
    client: Client,
    servers: Vec<String>,
    model: String,
    /// The server that answered last.
    preferred: AtomicUsize,
}

#[derive(Serialize)]
struct Asked<'a> {
    model: &'a str,
    input: &'a [&'a str],
    keep_alive: &'a str,
}

#[derive(Deserialize)]
struct Answered {
    embeddings: Vec<Vec<f32>>,
}

impl OllamaEmbed {
    /// Base URLs without a slash at the end.
    ///
    /// # Errors
    /// When the HTTP client cannot be made.
    pub fn new(model: String, servers: Vec<String>) -> Result<Self, ModelError> {
        // What somebody wrote goes where the configuration says, and nowhere else.
        let client = trusting(Client::builder().no_proxy().redirect(Policy::none()), &servers).build();
        let client = client.map_err(|_| ModelError::Failed)?;
        Ok(Self { client, servers, model, preferred: AtomicUsize::new(0) })
    }

    /// Asks one server after the other, from the one that answered last.
    async fn ask_all(&self, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let first = self.preferred.load(Ordering::Relaxed);
        let mut last = ModelError::Away;
        for offset in 0..self.servers.len() {
            let place = (first + offset) % self.servers.len();
            // Where this one keeps silent until the deadline, the next call begins with its neighbour.
            self.preferred.store(place + 1, Ordering::Relaxed);
            match self.ask(&self.servers[place], texts).await {
                Ok(vectors) => {
                    self.preferred.store(place, Ordering::Relaxed);
                    return Ok(vectors);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    async fn ask(&self, server: &str, texts: &[&str]) -> Result<Vec<Vec<f32>>, ModelError> {
        let asked = Asked { model: &self.model, input: texts, keep_alive: KEEP_ALIVE };
        let response = wire::send(self.client.post(format!("{server}/api/embed")).json(&asked)).await?;
        let bytes_max = BYTES_PER_TEXT * texts.len().max(1);
        let body = wire::body(response, bytes_max, ModelError::Endless).await?;
        let answered: Answered = serde_json::from_slice(&body).map_err(|_| ModelError::Garbled)?;
        if answered.embeddings.len() == texts.len() {
            Ok(answered.embeddings)
        } else {
            Err(ModelError::Garbled)
        }
    }
}

#[async_trait]
impl Embed for OllamaEmbed {
    fn model(&self) -> &str {
        &self.model
    }

    async fn embed(&self, texts: &[&str], deadline: Duration) -> Result<Vec<Vec<f32>>, ModelError> {
        timeout(deadline, self.ask_all(texts)).await.unwrap_or(Err(ModelError::Slow(Waiting::Whole)))
    }
}

#[cfg(test)]
#[path = "embed_tests.rs"]
mod tests;
