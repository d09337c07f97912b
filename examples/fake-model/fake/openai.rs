//! The OpenAI-compatible API: server-sent events, and bodies that hold an error as an object.

use chrono::Utc;
use serde::Serialize;
use serde_json::{Value, json as object};

use super::asked::{Asked, messages, one_of};
use super::told::{Finish, Oddity, Told};
use super::wire::{Frame, TOOL, Wire, json};

pub struct OpenAi {
    pub id: String,
    pub model: String,
    pub with_usage: bool,
}

#[derive(Serialize)]
struct Completion<'a, C> {
    id: &'a str,
    object: &'static str,
    created: i64,
    model: &'a str,
    system_fingerprint: &'static str,
    choices: Vec<C>,
    /// Null in every chunk but the last, where it was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    usage: Option<Nullable<Usage>>,
}

/// A field that is there, with a value or without one.
#[derive(Serialize)]
#[serde(untagged)]
enum Nullable<T> {
    Value(T),
    Null,
}

impl<T> From<Option<T>> for Nullable<T> {
    fn from(value: Option<T>) -> Self {
        value.map_or(Self::Null, Self::Value)
    }
}

#[derive(Serialize)]
struct ChunkChoice<'a> {
    index: u32,
    delta: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize)]
struct WholeChoice<'a> {
    index: u32,
    message: Delta<'a>,
    finish_reason: Option<&'static str>,
}

#[derive(Serialize, Default)]
struct Delta<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    role: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    content: Option<Nullable<&'a str>>,
    #[serde(skip_serializing_if = "str::is_empty")]
    reasoning: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Value>,
}

#[derive(Serialize)]
#[expect(clippy::struct_field_names, reason = "the wire's names")]
struct Usage {
    prompt_tokens: u32,
    completion_tokens: u32,
    total_tokens: u32,
}

impl Usage {
    fn of(told: &Told) -> Self {
        let total_tokens = told.prompt_tokens.saturating_add(told.reply_tokens);
        Self { prompt_tokens: told.prompt_tokens, completion_tokens: told.reply_tokens, total_tokens }
    }
}

impl OpenAi {
    fn completion<C>(
        &self,
        object: &'static str,
        choices: Vec<C>,
        usage: Option<Nullable<Usage>>,
    ) -> Completion<'_, C> {
        Completion {
            id: &self.id,
            object,
            created: Utc::now().timestamp(),
            model: &self.model,
            system_fingerprint: "fp_ollama",
            choices,
            usage,
        }
    }

    fn chunk(&self, delta: Delta, finish_reason: Option<&'static str>) -> Frame {
        let usage = self.with_usage.then_some(Nullable::Null);
        let choices = vec![ChunkChoice { index: 0, delta, finish_reason }];
        event(&json(&self.completion("chat.completion.chunk", choices, usage)))
    }

    fn usage_chunk(&self, told: &Told) -> Frame {
        let none: Vec<ChunkChoice> = Vec::new();
        event(&json(&self.completion("chat.completion.chunk", none, Some(Nullable::Value(Usage::of(told))))))
    }
}

fn event(data: &[u8]) -> Frame {
    [b"data: ", data, b"\n\n"].concat()
}

fn finish_reason(told: &Told) -> &'static str {
    match (told.oddity, told.finish) {
        (Some(Oddity::ToolCall), _) => "tool_calls",
        (_, Finish::Length) => "length",
        (_, Finish::Stop | Finish::Load | Finish::Unload) => "stop",
    }
}

fn tool_calls() -> Value {
    let function = object!({ "name": TOOL, "arguments": "{\"city\":\"Vienna\"}" });
    object!([{ "id": "call_1", "index": 0, "type": "function", "function": function }])
}

impl Wire for OpenAi {
    fn stream_type(&self) -> &'static str {
        "text/event-stream"
    }

    fn opening(&self) -> Vec<Frame> {
        vec![self.chunk(
            Delta { role: Some("assistant"), content: Some(Nullable::Value("")), ..Delta::default() },
            None,
        )]
    }

    fn thought(&self, text: &str) -> Frame {
        self.chunk(Delta { reasoning: text, ..Delta::default() }, None)
    }

    fn delta(&self, text: Option<&str>) -> Frame {
        self.chunk(Delta { content: Some(text.into()), ..Delta::default() }, None)
    }

    fn tool_call(&self) -> Frame {
        self.chunk(Delta { tool_calls: Some(tool_calls()), ..Delta::default() }, None)
    }

    fn closing(&self, told: &Told) -> Vec<Frame> {
        let finish = self.chunk(Delta::default(), Some(finish_reason(told)));
        let usage = self.with_usage.then(|| self.usage_chunk(told));
        [finish].into_iter().chain(usage).chain([event(b"[DONE]")]).collect()
    }

    fn whole(&self, told: &Told) -> Frame {
        let content = (told.oddity != Some(Oddity::NullContent)).then_some(told.text.as_str());
        let tool_calls = (told.oddity == Some(Oddity::ToolCall)).then(tool_calls);
        let message = Delta {
            role: Some("assistant"),
            content: Some(content.into()),
            reasoning: &told.thinking,
            tool_calls,
        };
        let choices = vec![WholeChoice { index: 0, message, finish_reason: Some(finish_reason(told)) }];
        json(&self.completion("chat.completion", choices, Some(Nullable::Value(Usage::of(told)))))
    }

    fn error_line(&self, message: &str) -> Frame {
        event(&error(500, message))
    }
}

#[derive(Serialize)]
struct Refusal<'a> {
    error: Reason<'a>,
}

#[derive(Serialize)]
struct Reason<'a> {
    message: &'a str,
    r#type: &'static str,
    param: Option<&'static str>,
    code: Option<&'static str>,
}

pub fn error(status: u16, message: &str) -> Frame {
    let kind = match status {
        400 => "invalid_request_error",
        404 => "not_found_error",
        _ => "api_error",
    };
    json(&Refusal { error: Reason { message, r#type: kind, param: None, code: None } })
}

/// Reads the body of `/v1/chat/completions`.
pub fn asked(body: &Value) -> Asked {
    let number = |name: &str| body[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let format = &body["response_format"];
    Asked {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        messages: messages(body),
        stream: body["stream"] == true,
        think: body["reasoning_effort"].as_str().map(|effort| effort != "none"),
        one_of: one_of(&format["json_schema"]["schema"]),
        json: format["type"].as_str().is_some_and(|kind| kind != "text"),
        reply_tokens: number("max_completion_tokens").or_else(|| number("max_tokens")),
        with_usage: body["stream_options"]["include_usage"] == true,
        ..Asked::default()
    }
}

pub fn models(names: impl Iterator<Item = String>) -> Value {
    let created = Utc::now().timestamp();
    let model =
        |name: String| object!({ "id": name, "object": "model", "created": created, "owned_by": "library" });
    object!({ "object": "list", "data": names.map(model).collect::<Vec<_>>() })
}
