//! Ollama's own API: lines of JSON, and bodies that hold an error as a text. Numbers that are zero are left out.

use chrono::{SecondsFormat, Utc};
use serde::Serialize;
use serde_json::{Value, json as object};

use super::asked::{Asked, messages, one_of};
use super::told::{Finish, Oddity, Told};
use super::wire::{Frame, TOOL, Wire, json};

/// Pretended pace: what a small model does on a laptop.
const READ_NS: u64 = 1_000_000;
const WRITTEN_NS: u64 = 20_000_000;

pub struct Ollama {
    pub model: String,
}

#[derive(Serialize)]
struct Line<'a> {
    model: &'a str,
    created_at: String,
    message: Message<'a>,
    done: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    done_reason: Option<&'static str>,
    #[serde(flatten)]
    metrics: Metrics,
}

#[derive(Serialize)]
struct Message<'a> {
    role: &'static str,
    content: Option<&'a str>,
    #[serde(skip_serializing_if = "str::is_empty")]
    thinking: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    tool_calls: Option<Value>,
}

impl Default for Message<'_> {
    fn default() -> Self {
        Self { role: "assistant", content: Some(""), thinking: "", tool_calls: None }
    }
}

#[derive(Serialize, Default)]
struct Metrics {
    #[serde(skip_serializing_if = "is_zero")]
    total_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    load_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    prompt_eval_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    prompt_eval_duration: u64,
    #[serde(skip_serializing_if = "is_zero")]
    eval_count: u64,
    #[serde(skip_serializing_if = "is_zero")]
    eval_duration: u64,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "as serde calls it")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

impl Metrics {
    fn of(told: &Told) -> Self {
        let load_duration = u64::try_from(told.load.as_nanos()).unwrap_or(u64::MAX);
        let (read, written) = (u64::from(told.prompt_tokens), u64::from(told.reply_tokens));
        let (prompt_eval_duration, eval_duration) = (read * READ_NS, written * WRITTEN_NS);
        let total_duration = load_duration.saturating_add(prompt_eval_duration + eval_duration);
        Self {
            total_duration,
            load_duration,
            prompt_eval_count: read,
            prompt_eval_duration,
            eval_count: written,
            eval_duration,
        }
    }
}

impl Ollama {
    fn object(&self, message: Message, told: Option<&Told>) -> Frame {
        json(&Line {
            model: &self.model,
            created_at: now(),
            message,
            done: told.is_some(),
            done_reason: told.map(|told| told.finish.as_str()),
            metrics: told.map(Metrics::of).unwrap_or_default(),
        })
    }

    fn line(&self, message: Message, told: Option<&Told>) -> Frame {
        terminated(self.object(message, told))
    }

    /// The answer to a request without messages, which loads the model or forgets it.
    pub fn without_words(&self, finish: Finish) -> Frame {
        self.object(Message::default(), Some(&Told::nothing(finish)))
    }
}

pub fn now() -> String {
    Utc::now().to_rfc3339_opts(SecondsFormat::Nanos, true)
}

fn terminated(mut line: Frame) -> Frame {
    line.push(b'\n');
    line
}

fn tool_calls() -> Value {
    object!([{"function": {"name": TOOL, "arguments": {"city": "Vienna"}}}])
}

impl Wire for Ollama {
    fn stream_type(&self) -> &'static str {
        "application/x-ndjson"
    }

    fn opening(&self) -> Vec<Frame> {
        Vec::new()
    }

    fn thought(&self, text: &str) -> Frame {
        self.line(Message { thinking: text, ..Message::default() }, None)
    }

    fn delta(&self, text: Option<&str>) -> Frame {
        self.line(Message { content: text, ..Message::default() }, None)
    }

    fn tool_call(&self) -> Frame {
        self.line(Message { tool_calls: Some(tool_calls()), ..Message::default() }, None)
    }

    fn closing(&self, told: &Told) -> Vec<Frame> {
        vec![self.line(Message::default(), Some(told))]
    }

    fn whole(&self, told: &Told) -> Frame {
        let content = (told.oddity != Some(Oddity::NullContent)).then_some(told.text.as_str());
        let tool_calls = (told.oddity == Some(Oddity::ToolCall)).then(tool_calls);
        let message = Message { content, thinking: &told.thinking, tool_calls, ..Message::default() };
        self.object(message, Some(told))
    }

    fn error_line(&self, message: &str) -> Frame {
        terminated(error(message))
    }
}

pub fn error(message: &str) -> Frame {
    json(&object!({ "error": message }))
}

/// Reads the body of `/api/chat`. What does not fit is said as a real server says it, with status 400.
pub fn asked(body: &Value) -> Result<Asked, String> {
    let options = &body["options"];
    let number = |name: &str| match &options[name] {
        Value::Null => Ok(None),
        value => value
            .as_f64()
            .map(|_| value.as_i64().and_then(|number| u32::try_from(number).ok()))
            .ok_or_else(|| format!("option \"{name}\" must be of type integer")),
    };
    let format = &body["format"];
    Ok(Asked {
        model: body["model"].as_str().unwrap_or_default().to_owned(),
        messages: messages(body),
        stream: body["stream"].as_bool().unwrap_or(true),
        think: body["think"].as_bool().or_else(|| body["think"].is_string().then_some(true)),
        one_of: one_of(format),
        json: !format.is_null(),
        context_tokens: number("num_ctx")?.filter(|tokens| *tokens > 0),
        // Negative is without a limit.
        reply_tokens: number("num_predict")?,
        keep_whole: body["truncate"] == false,
        with_usage: false,
        forget: keep_alive_is_zero(&body["keep_alive"])?,
    })
}

/// A number of seconds, or a duration as Go writes it.
fn keep_alive_is_zero(keep_alive: &Value) -> Result<bool, String> {
    let Some(text) = keep_alive.as_str() else { return Ok(keep_alive.as_f64() == Some(0.0)) };
    let is_bare = text.parse::<f64>().is_ok_and(|number| number != 0.0);
    if is_bare {
        return Err(format!("time: missing unit in duration {text:?}"));
    }
    let digits = text.trim_start_matches(['-', '+']);
    if text.is_empty() || !digits.starts_with(|c: char| c.is_ascii_digit()) {
        return Err(format!("time: invalid duration {text:?}"));
    }
    Ok(!digits.contains(|c: char| ('1'..='9').contains(&c)))
}

/// The list of models: of those that are there, or of those that are loaded, which have an expiry.
pub fn models(names: impl Iterator<Item = String>, are_loaded: bool) -> Value {
    let details = object!({
        "parent_model": "", "format": "gguf", "family": "llama", "families": ["llama"],
        "parameter_size": "8.0B", "quantization_level": "Q4_K_M",
    });
    let model = |name: String| {
        let mut model =
            object!({ "name": name, "model": name, "size": 0, "digest": "fake", "details": details });
        if are_loaded {
            model["expires_at"] = now().into();
            model["size_vram"] = 0.into();
        } else {
            model["modified_at"] = now().into();
        }
        model
    };
    object!({ "models": names.map(model).collect::<Vec<_>>() })
}
