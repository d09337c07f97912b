//! The answers with vectors, in both forms.

use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde::Serialize;
use serde_json::{Value, json as object};

use super::asked::tokens;
use super::embed::vector;
use super::wire::{Frame, json};

#[derive(Serialize)]
struct Answer<'a> {
    model: &'a str,
    embeddings: Vec<Vec<f32>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    total_duration: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    load_duration: Option<u128>,
    #[serde(skip_serializing_if = "Option::is_none")]
    prompt_eval_count: Option<u32>,
}

/// One text or several; nothing where it is neither.
pub fn input(body: &Value) -> Option<Vec<String>> {
    match &body["input"] {
        Value::Null => Some(Vec::new()),
        Value::String(text) if text.is_empty() => Some(Vec::new()),
        Value::String(text) => Some(vec![text.clone()]),
        Value::Array(texts) => texts.iter().map(|text| text.as_str().map(str::to_owned)).collect(),
        Value::Bool(_) | Value::Number(_) | Value::Object(_) => None,
    }
}

fn all(texts: &[String], body: &Value) -> Vec<Vec<f32>> {
    let dimensions = body["dimensions"].as_u64().and_then(|number| usize::try_from(number).ok());
    texts.iter().map(|text| vector(text, dimensions.filter(|number| *number > 0))).collect()
}

fn count(texts: &[String]) -> u32 {
    texts.iter().map(|text| tokens(text)).sum()
}

pub fn of_ollama(model: &str, texts: &[String], body: &Value, load: Duration) -> Frame {
    let read = count(texts);
    let load = load.as_nanos();
    let total = load + u128::from(read) * 100_000;
    json(&Answer {
        model,
        embeddings: all(texts, body),
        total_duration: (total > 0).then_some(total),
        load_duration: (load > 0).then_some(load),
        prompt_eval_count: (read > 0).then_some(read),
    })
}

#[derive(Serialize)]
struct List<'a> {
    object: &'static str,
    data: Vec<Entry>,
    model: &'a str,
    usage: Value,
}

#[derive(Serialize)]
struct Entry {
    object: &'static str,
    embedding: Vector,
    index: usize,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Vector {
    Numbers(Vec<f32>),
    Base64(String),
}

impl Vector {
    fn of(numbers: Vec<f32>, format: &Value) -> Self {
        if format != "base64" {
            return Self::Numbers(numbers);
        }
        let bytes: Vec<u8> = numbers.iter().flat_map(|number| number.to_le_bytes()).collect();
        Self::Base64(STANDARD.encode(bytes))
    }
}

pub fn of_openai(model: &str, texts: &[String], body: &Value) -> Frame {
    let vectors = all(texts, body).into_iter().map(|numbers| Vector::of(numbers, &body["encoding_format"]));
    let entry = |(index, embedding)| Entry { object: "embedding", embedding, index };
    let read = count(texts);
    let usage = object!({ "prompt_tokens": read, "total_tokens": read });
    json(&List { object: "list", data: vectors.enumerate().map(entry).collect(), model, usage })
}
