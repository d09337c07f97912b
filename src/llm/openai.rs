//! The API that OpenAI made and many servers speak: `/chat/completions`, server-sent events.

use futures_util::FutureExt as _;
use futures_util::future::{self, BoxFuture};
use reqwest::header::{AUTHORIZATION, HeaderValue};
use reqwest::{Client, RequestBuilder, Url};
use secrecy::{ExposeSecret as _, SecretString};
use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::config::ModelConfig;

use super::decode::{Event, Events};
use super::wire::{self, ClientFault, Reading};
use super::{Chunks, End, Finish, Loaded, Model, ModelError, Request, WireMessage};

/// One server that speaks OpenAI's API.
pub struct OpenAi {
    client: Client,
    completions: Url,
    models: Url,
    /// Marked as sensitive: no debug output shows it.
    authorization: Option<HeaderValue>,
    model: String,
    temperature: f32,
}

impl OpenAi {
    /// `server`: one of the configured base URLs.
    pub fn new(client: Client, server: &str, config: &ModelConfig) -> Result<Self, ClientFault> {
        Ok(Self {
            client,
            completions: wire::url(server, "/chat/completions")?,
            models: wire::url(server, "/models")?,
            authorization: config.api_key.as_ref().map(bearer).transpose()?,
            model: config.name.clone(),
            temperature: config.temperature,
        })
    }

    pub(super) fn body<'a>(&'a self, request: &'a Request) -> Body<'a> {
        Body {
            model: &self.model,
            messages: request.messages.iter().map(WireMessage::of).collect(),
            stream: true,
            stream_options: StreamOptions { include_usage: true },
            max_tokens: request.reply_tokens,
            temperature: self.temperature,
            response_format: request.one_of.as_deref().map(choice_format),
        }
    }

    fn authorized(&self, request: RequestBuilder) -> RequestBuilder {
        match &self.authorization {
            Some(value) => request.header(AUTHORIZATION, value.clone()),
            None => request,
        }
    }
}

fn bearer(key: &SecretString) -> Result<HeaderValue, ClientFault> {
    let value = format!("Bearer {}", key.expose_secret());
    let mut value = HeaderValue::from_str(&value).map_err(|_| ClientFault::Key)?;
    value.set_sensitive(true);
    Ok(value)
}

fn choice_format(words: &[String]) -> Value {
    json!({
        "type": "json_schema",
        "json_schema": {
            "name": "choice",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": { "choice": { "type": "string", "enum": words } },
                "required": ["choice"],
                "additionalProperties": false,
            },
        },
    })
}

impl Model for OpenAi {
    fn generate(&self, request: Request) -> Chunks {
        let asked = self.client.post(self.completions.clone()).json(&self.body(&request));
        wire::reply(self.authorized(asked), OpenAiReading::default(), request.reply_tokens)
    }

    /// There is no such thing in this API.
    fn load(&self, _wanted: Loaded) -> BoxFuture<'static, Result<(), ModelError>> {
        future::ready(Ok(())).boxed()
    }

    fn probe(&self) -> BoxFuture<'static, Result<(), ModelError>> {
        let asked = self.authorized(self.client.get(self.models.clone()));
        let answers = |answer| match answer {
            // Some servers have no list of models, but are there.
            Ok(_) | Err(ModelError::Refused(404 | 405)) => Ok(()),
            Err(error) => Err(error),
        };
        async move { answers(wire::send(asked).await) }.boxed()
    }
}

#[derive(Serialize)]
pub(super) struct Body<'a> {
    model: &'a str,
    messages: Vec<WireMessage<'a>>,
    stream: bool,
    stream_options: StreamOptions,
    max_tokens: u32,
    temperature: f32,
    #[serde(skip_serializing_if = "Option::is_none")]
    response_format: Option<Value>,
}

#[derive(Serialize)]
struct StreamOptions {
    include_usage: bool,
}

/// The data of an event. Reasoning, refusals and calls of tools are not even kept.
#[derive(Deserialize)]
struct Part {
    choices: Option<Vec<Choice>>,
    usage: Option<Usage>,
    error: Option<IgnoredAny>,
    object: Option<String>,
}

#[derive(Deserialize)]
struct Choice {
    delta: Option<Delta>,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Delta {
    content: Option<String>,
}

#[derive(Deserialize)]
struct Usage {
    prompt_tokens: Option<u32>,
    completion_tokens: Option<u32>,
}

#[derive(Default)]
struct OpenAiReading {
    events: Events,
    finish: Option<Finish>,
    usage: Option<Usage>,
}

impl Reading for OpenAiReading {
    fn push(&mut self, bytes: &[u8]) {
        self.events.push(bytes);
    }

    fn next_text(&mut self) -> Option<Result<String, ModelError>> {
        let is_whole = self.finish.is_some();
        match self.events.next_event()? {
            Ok(event) if is_whole => Some(Ok(self.read(&event).unwrap_or_default())),
            Ok(event) => Some(self.read(&event)),
            Err(_) => (!is_whole).then_some(Err(ModelError::Garbled)),
        }
    }

    fn end(&self) -> Option<End> {
        let (finish, usage) = (self.finish?, self.usage.as_ref());
        Some(End {
            finish,
            prompt_tokens: usage.and_then(|usage| usage.prompt_tokens),
            reply_tokens: usage.and_then(|usage| usage.completion_tokens),
            load: None,
        })
    }
}

impl OpenAiReading {
    /// After the reply's end, text counts no more.
    fn read(&mut self, event: &Event) -> Result<String, ModelError> {
        if event.data.trim() == "[DONE]" {
            return Ok(String::new());
        }
        let part: Part = serde_json::from_str(&event.data).map_err(|_| ModelError::Garbled)?;
        if part.is_error() || event.name.as_deref() == Some("error") {
            return Err(ModelError::Failed);
        }
        self.usage = part.usage.or(self.usage.take());
        let choice = part.choices.into_iter().flatten().next();
        match choice {
            Some(choice) if self.finish.is_none() => self.choose(choice),
            Some(_) | None => Ok(String::new()),
        }
    }

    fn choose(&mut self, choice: Choice) -> Result<String, ModelError> {
        self.finish = choice.finish_reason.as_deref().map(finish_of).transpose()?;
        Ok(choice.delta.and_then(|delta| delta.content).unwrap_or_default())
    }
}

impl Part {
    /// Some servers wrap an error, some send it bare.
    fn is_error(&self) -> bool {
        self.error.is_some() || self.object.as_deref() == Some("error")
    }
}

/// The server's own filter, or its giving up, leaves half a reply. Reasons that nobody knows stand for an ordinary end.
fn finish_of(reason: &str) -> Result<Finish, ModelError> {
    match reason {
        "length" => Ok(Finish::Length),
        "content_filter" | "abort" | "error" => Err(ModelError::Cut),
        _ => Ok(Finish::Stop),
    }
}
