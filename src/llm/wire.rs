//! What both APIs share on the wire: the client, what a status means, and a reply's way from bytes to chunks.
//!
//! Bodies of errors are never read: they may repeat what a person wrote.

use std::collections::VecDeque;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use reqwest::{Client, ClientBuilder, RequestBuilder, Response, Url, redirect};

use crate::config::ModelConfig;

use super::think::Spoken;
use super::{Chunk, Chunks, End, ModelError};

/// Servers close idle connections; the hastiest common ones after five seconds. A request on a connection that closes
/// under it would fail for nothing.
const IDLE: Duration = Duration::from_secs(4);
/// How long a whole reply is kept back until its body ends too: with it come late counts, and the connection can be
/// used again.
const LINGER: Duration = Duration::from_millis(100);
/// The most characters that a token stands for, with room to spare.
const TOKEN_CHARS_MAX: usize = 16;
const REPLY_CHARS_SPARE: usize = 1_024;

/// Why a model's server cannot even be asked. Told at the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ClientFault {
    #[error("a model's server has no valid URL")]
    Url,
    #[error("the API key of the model's server has characters that no header can hold")]
    Key,
    #[error("no certificates were found on this machine: a model's server behind https cannot be verified")]
    Certificates,
}

/// One client for all servers: it pools their connections, follows no redirect and uses no proxy.
pub fn client(config: &ModelConfig) -> Result<Client, ClientFault> {
    let builder = Client::builder()
        .connect_timeout(config.connect)
        .redirect(redirect::Policy::none())
        .no_proxy()
        .pool_idle_timeout(IDLE);
    trusting(builder, &config.servers).build().map_err(|_| ClientFault::Certificates)
}

/// With the machine's certificates where a server needs them: where none does, a small image without any is enough.
pub fn trusting(builder: ClientBuilder, servers: &[String]) -> ClientBuilder {
    let is_plain = servers.iter().all(|server| server.starts_with("http://"));
    if is_plain { builder.tls_certs_only([]) } else { builder }
}

pub(super) fn url(base: &str, path: &str) -> Result<Url, ClientFault> {
    Url::parse(&format!("{base}{path}")).map_err(|_| ClientFault::Url)
}

/// Sends, and judges by the status alone.
pub(super) async fn send(request: RequestBuilder) -> Result<Response, ModelError> {
    let response = request.send().await.map_err(|_| ModelError::Away)?;
    match refusal(response.status().as_u16()) {
        Some(error) => Err(error),
        None => Ok(response),
    }
}

/// A whole body, or `too_long` where it is longer than that.
pub(super) async fn body(
    mut response: Response,
    bytes_max: usize,
    too_long: ModelError,
) -> Result<Vec<u8>, ModelError> {
    let mut body = Vec::new();
    while let Some(bytes) = response.chunk().await.map_err(|_| ModelError::Cut)? {
        body.extend_from_slice(&bytes);
        if body.len() > bytes_max {
            return Err(too_long);
        }
    }
    Ok(body)
}

/// 499 is what Ollama says when it gave up by itself; 408 and 425 come from proxies that did.
const fn refusal(status: u16) -> Option<ModelError> {
    match status {
        200..=299 => None,
        429 | 503 => Some(ModelError::Overloaded),
        408 | 425 | 499 => Some(ModelError::Failed),
        300..=498 => Some(ModelError::Refused(status)),
        _ => Some(ModelError::Failed),
    }
}

/// What the bytes of an API say.
pub(super) trait Reading: Send + 'static {
    fn push(&mut self, bytes: &[u8]);

    /// The next piece of text, perhaps empty. `None`: more bytes are needed, or the reply is whole.
    fn next_text(&mut self) -> Option<Result<String, ModelError>>;

    /// There as soon as the reply is whole; what comes later can only add counts.
    fn end(&self) -> Option<End>;
}

/// Asks, and reads the reply as it comes.
pub(super) fn reply<R: Reading>(request: RequestBuilder, reading: R, reply_tokens: u32) -> Chunks {
    let room = TOKEN_CHARS_MAX.saturating_mul(usize::try_from(reply_tokens).unwrap_or(usize::MAX));
    let reply = Reply {
        stage: Stage::Asking(request),
        reading,
        spoken: Spoken::default(),
        room: room.saturating_add(REPLY_CHARS_SPARE),
        has_bytes: false,
        has_words: false,
        ready: VecDeque::new(),
    };
    stream::unfold(reply, async |mut reply| {
        let item = reply.next().await?;
        Some((item, reply))
    })
    .boxed()
}

struct Reply<R> {
    stage: Stage,
    reading: R,
    spoken: Spoken,
    /// Characters that may still come.
    room: usize,
    has_bytes: bool,
    has_words: bool,
    ready: VecDeque<Chunk>,
}

enum Stage {
    Asking(RequestBuilder),
    Reading(Response),
    /// What is ready goes out, then this.
    Over(Option<ModelError>),
}

impl<R: Reading> Reply<R> {
    async fn next(&mut self) -> Option<Result<Chunk, ModelError>> {
        loop {
            if let Some(chunk) = self.ready.pop_front() {
                return Some(Ok(chunk));
            }
            let step = match std::mem::replace(&mut self.stage, Stage::Over(None)) {
                Stage::Asking(request) => send(request).await.map(Stage::Reading),
                Stage::Reading(response) => self.read(response).await,
                Stage::Over(error) => return error.map(Err),
            };
            self.stage = step.unwrap_or_else(|error| Stage::Over(Some(error)));
        }
    }

    async fn read(&mut self, mut response: Response) -> Result<Stage, ModelError> {
        match response.chunk().await {
            Ok(Some(bytes)) => self.take(&bytes)?,
            Ok(None) => return self.close(),
            Err(_) if self.has_bytes => return Err(ModelError::Cut),
            Err(_) => return Err(ModelError::Away),
        }
        if self.reading.end().is_none() {
            return Ok(Stage::Reading(response));
        }
        // Whatever happens to it now, the reply is whole.
        let _lingered = tokio::time::timeout(LINGER, self.linger(response)).await;
        self.finish()
    }

    fn take(&mut self, bytes: &[u8]) -> Result<(), ModelError> {
        self.has_bytes = true;
        self.reading.push(bytes);
        while let Some(text) = self.reading.next_text() {
            if let Some(said) = self.spoken.push(text?) {
                self.say(said)?;
            }
        }
        Ok(())
    }

    fn say(&mut self, text: String) -> Result<(), ModelError> {
        self.room = self.room.checked_sub(text.chars().count()).ok_or(ModelError::Endless)?;
        self.has_words = true;
        self.ready.push_back(Chunk::Delta(text));
        Ok(())
    }

    /// The body ended. Its last line may lack an end; half a line is what a cut looks like.
    fn close(&mut self) -> Result<Stage, ModelError> {
        match self.take(b"\n\n") {
            Err(ModelError::Garbled) => Err(ModelError::Cut),
            Err(error) => Err(error),
            Ok(()) => self.finish(),
        }
    }

    async fn linger(&mut self, mut response: Response) {
        while let Ok(Some(bytes)) = response.chunk().await {
            self.reading.push(&bytes);
            while let Some(Ok(_)) = self.reading.next_text() {}
        }
    }

    fn finish(&mut self) -> Result<Stage, ModelError> {
        let end = self.reading.end().ok_or(ModelError::Cut)?;
        if let Some(rest) = self.spoken.rest() {
            self.say(rest)?;
        }
        if !self.has_words {
            return Err(ModelError::Empty);
        }
        self.ready.push_back(Chunk::End(end));
        Ok(Stage::Over(None))
    }
}
