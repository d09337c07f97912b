//! Ollama's own API: `/api/chat`, a line of JSON for each chunk.

use std::time::Duration;

use futures_util::FutureExt as _;
use futures_util::future::BoxFuture;
use reqwest::{Client, Response, Url};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::ModelConfig;

use super::decode::Lines;
use super::wire::{self, ClientFault, Reading};
use super::{Chunks, End, Finish, Loaded, Model, ModelError, Request, WireMessage};

/// The answer to a load is one small object.
const LOAD_ANSWER_BYTES_MAX: usize = 64 * 1024;

/// One server that runs Ollama.
pub struct Ollama {
    client: Client,
    chat: Url,
    version: Url,
    model: String,
    context_tokens: u32,
    temperature: f32,
    keep_alive_s: i64,
}

impl Ollama {
    /// `server`: one of the configured base URLs.
    pub fn new(client: Client, server: &str, config: &ModelConfig) -> Result<Self, ClientFault> {
        Ok(Self {
            client,
            chat: wire::url(server, "/api/chat")?,
            version: wire::url(server, "/api/version")?,
            model: config.name.clone(),
            context_tokens: config.context_tokens,
            temperature: config.temperature,
            keep_alive_s: config.keep_alive.map_or(-1, whole_seconds),
        })
    }

    pub(super) fn chat_body<'a>(&'a self, request: &'a Request) -> ChatBody<'a> {
        ChatBody {
            model: &self.model,
            messages: request.messages.iter().map(WireMessage::of).collect(),
            stream: true,
            think: false,
            keep_alive: self.keep_alive_s,
            options: Options {
                num_ctx: self.context_tokens,
                num_predict: request.reply_tokens,
                temperature: self.temperature,
            },
            format: request.one_of.as_deref().map(choice_schema),
        }
    }

    /// Of the options only the context's size: with another one, Ollama would load the model again for the first reply.
    pub(super) fn load_body(&self, wanted: Loaded) -> Value {
        let keep_alive_s = match wanted {
            Loaded::Yes => self.keep_alive_s,
            Loaded::No => 0,
        };
        json!({
            "model": self.model,
            "messages": [],
            "stream": false,
            "keep_alive": keep_alive_s,
            "options": { "num_ctx": self.context_tokens },
        })
    }
}

/// Rounded up, because 0 would forget the model at once.
fn whole_seconds(duration: Duration) -> i64 {
    let seconds = duration.as_secs() + u64::from(duration.subsec_nanos() > 0);
    i64::try_from(seconds).unwrap_or(i64::MAX)
}

fn choice_schema(words: &[String]) -> Value {
    json!({
        "type": "object",
        "properties": { "choice": { "type": "string", "enum": words } },
        "required": ["choice"],
    })
}

impl Model for Ollama {
    fn generate(&self, request: Request) -> Chunks {
        let asked = self.client.post(self.chat.clone()).json(&self.chat_body(&request));
        wire::reply(asked, OllamaReading::default(), request.reply_tokens)
    }

    fn load(&self, wanted: Loaded) -> BoxFuture<'static, Result<(), ModelError>> {
        let asked = self.client.post(self.chat.clone()).json(&self.load_body(wanted));
        async move { loaded(wire::send(asked).await?).await }.boxed()
    }

    fn probe(&self) -> BoxFuture<'static, Result<(), ModelError>> {
        let asked = self.client.get(self.version.clone());
        async move { wire::send(asked).await.map(|_answers| ()) }.boxed()
    }
}

async fn loaded(response: Response) -> Result<(), ModelError> {
    let body = wire::body(response, LOAD_ANSWER_BYTES_MAX, ModelError::Garbled).await?;
    let line: Line = serde_json::from_slice(&body).map_err(|_| ModelError::Garbled)?;
    if line.done && line.error.is_none() { Ok(()) } else { Err(ModelError::Failed) }
}

#[derive(Serialize)]
pub(super) struct ChatBody<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    think: bool,
    keep_alive: i64,
    options: Options,
    #[serde(skip_serializing_if = "Option::is_none")]
    format: Option<Value>,
}

#[derive(Serialize)]
struct Options {
    num_ctx: u32,
    num_predict: u32,
    temperature: f32,
}

/// A line of the reply. Thoughts and calls of tools are not even kept.
#[derive(Deserialize)]
struct Line {
    message: Option<Said>,
    #[serde(default)]
    done: bool,
    done_reason: Option<String>,
    error: Option<IgnoredAny>,
    load_duration: Option<u64>,
    prompt_eval_count: Option<u32>,
    eval_count: Option<u32>,
}

#[derive(Deserialize)]
struct Said {
    content: Option<String>,
}

#[derive(Default)]
struct OllamaReading {
    lines: Lines,
    end: Option<End>,
}

impl Reading for OllamaReading {
    fn push(&mut self, bytes: &[u8]) {
        self.lines.push(bytes);
    }

    fn next_text(&mut self) -> Option<Result<String, ModelError>> {
        if self.end.is_some() {
            return None;
        }
        loop {
            match self.lines.next_line()? {
                Ok(line) if line.trim().is_empty() => {}
                Ok(line) => {
                    let line = serde_json::from_str(line);
                    return Some(line.map_err(|_| ModelError::Garbled).and_then(|line| self.read(line)));
                }
                Err(_) => return Some(Err(ModelError::Garbled)),
            }
        }
    }

    fn end(&self) -> Option<End> {
        self.end
    }
}

impl OllamaReading {
    fn read(&mut self, line: Line) -> Result<String, ModelError> {
        if line.error.is_some() {
            return Err(ModelError::Failed);
        }
        if line.done {
            self.end = Some(line.end());
        }
        Ok(line.message.and_then(|said| said.content).unwrap_or_default())
    }
}

impl Line {
    /// Older servers give no reason for an ordinary end.
    fn end(&self) -> End {
        let is_length = self.done_reason.as_deref() == Some("length");
        End {
            finish: if is_length { Finish::Length } else { Finish::Stop },
            prompt_tokens: self.prompt_eval_count,
            reply_tokens: self.eval_count,
            load: self.load_duration.map(Duration::from_nanos),
        }
    }
}
