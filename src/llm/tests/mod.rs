//! Tests of the models: bytes on a real wire for the adapters, models of the test's own for what stands above them.
#![allow(clippy::disallowed_methods, reason = "a server of a test may run on a task of its own")]

mod breaker;
mod decode;
mod double;
mod generations;
mod ollama;
mod openai;
mod raw;
mod tend;
mod think;
mod wire;

use std::time::Duration;

use futures_util::StreamExt as _;

use crate::config::{ModelApi, ModelConfig};
use crate::domain::prompt::{Message, Role};

use super::{Chunk, Chunks, End, ModelError, Request};

fn config(api: ModelApi, server: &str) -> ModelConfig {
    ModelConfig {
        api,
        servers: vec![server.to_owned()],
        api_key: None,
        name: "m".to_owned(),
        context_tokens: 4_096,
        reply_tokens: 200,
        temperature: 0.6,
        keep_alive: Some(Duration::from_mins(30)),
        connect: Duration::from_secs(2),
        first_chunk: Duration::from_secs(20),
        between: Duration::from_secs(5),
        total: Duration::from_secs(25),
        parallel: 2,
        queue: 2,
    }
}

fn request() -> Request {
    let message = |role, text: &str| Message { role, text: text.to_owned() };
    let messages = vec![
        message(Role::System, "be kind"),
        message(Role::Assistant, "hello"),
        message(Role::User, "say \"hm\"\n"),
    ];
    Request { messages, reply_tokens: 200, one_of: None }
}

/// The text, and how it ended.
async fn whole(mut chunks: Chunks) -> (String, Result<End, ModelError>) {
    let mut text = String::new();
    let mut ended = None;
    while let Some(item) = chunks.next().await {
        assert_eq!(ended, None, "nothing comes after the end");
        match item {
            Ok(Chunk::Delta(delta)) => {
                assert!(!delta.is_empty());
                text.push_str(&delta);
            }
            Ok(Chunk::End(end)) => ended = Some(Ok(end)),
            Err(error) => ended = Some(Err(error)),
        }
    }
    (text, ended.expect("an end or an error"))
}

#[test]
fn no_debug_output_shows_what_was_said() {
    let chunk = Chunk::Delta("my secret".to_owned());
    assert_eq!(format!("{chunk:?}"), "delta of 9 bytes");
    assert!(!format!("{:?}", request()).contains("kind"));
}
