use futures_util::StreamExt as _;

use crate::config::{ModelApi, ModelConfig};
use crate::llm::ollama::Ollama;
use crate::llm::{Chunk, ClientFault, Model, ModelError, client};

use super::raw::{Act, Heard, Raw, begun, status, streamed};
use super::{config, request, whole};

fn model(url: &str) -> Ollama {
    let config = config(ModelApi::Ollama, url);
    Ollama::new(client(&config).expect("a client"), url, &config).expect("a model")
}

const REPLY: &[u8] = b"{\"message\":{\"content\":\"Hi\"},\"done\":true}\n";

#[tokio::test]
async fn a_status_alone_says_what_went_wrong() {
    let refused = [302, 400, 401, 403, 404, 405, 413, 422].map(|code| (code, ModelError::Refused(code)));
    let busy = [429, 503].map(|code| (code, ModelError::Overloaded));
    let failed = [408, 425, 499, 500, 502, 504, 599].map(|code| (code, ModelError::Failed));
    for (code, error) in refused.into_iter().chain(busy).chain(failed) {
        let raw = Raw::start(vec![Act::Say(status(code))]).await;
        let read = whole(model(&raw.url).generate(request())).await;
        assert_eq!(read, (String::new(), Err(error)), "{code}");
    }
}

#[tokio::test]
async fn no_redirect_is_followed() {
    let elsewhere = Raw::start(vec![Act::Say(streamed(&[REPLY]))]).await;
    let head =
        format!("HTTP/1.1 307 Go\r\nlocation: {}/api/chat\r\ncontent-length: 0\r\n\r\n", elsewhere.url);
    let raw = Raw::start(vec![Act::Say(head.into_bytes())]).await;
    let read = whole(model(&raw.url).generate(request())).await;
    assert_eq!(read.1, Err(ModelError::Refused(307)));
}

#[tokio::test]
async fn nobody_listening_is_away() {
    let read = whole(model("http://127.0.0.1:1").generate(request())).await;
    assert_eq!(read, (String::new(), Err(ModelError::Away)));
}

#[tokio::test]
async fn nothing_is_asked_before_the_stream_is_polled() {
    let mut raw = Raw::start(vec![Act::Say(streamed(&[REPLY]))]).await;
    let chunks = model(&raw.url).generate(request());
    assert!(raw.heard.try_recv().is_err());
    assert_eq!(whole(chunks).await.0, "Hi");
    raw.request().await;
}

#[tokio::test]
async fn dropping_the_stream_closes_the_connection() {
    let said = begun(&[b"{\"message\":{\"content\":\"Hi\"},\"done\":false}\n"]);
    for (bytes, first) in [(said, true), (Vec::new(), false)] {
        let mut raw = Raw::start(vec![Act::SayAndHold(bytes)]).await;
        let mut chunks = model(&raw.url).generate(request());
        if first {
            assert_eq!(chunks.next().await, Some(Ok(Chunk::Delta("Hi".to_owned()))));
            raw.request().await;
        } else {
            tokio::select! {
                _ = chunks.next() => panic!("there is no answer"),
                _ = raw.request() => {}
            }
        }
        drop(chunks);
        assert_eq!(raw.heard.recv().await, Some(Heard::Closed));
    }
}

#[tokio::test]
async fn a_connection_is_used_again_after_a_whole_reply() {
    let mut raw = Raw::start(vec![Act::Say(streamed(&[REPLY])); 3]).await;
    let model = model(&raw.url);
    for _ in 0..3 {
        assert_eq!(whole(model.generate(request())).await.0, "Hi");
        assert_eq!(raw.request().await.0, 0);
    }
}

#[test]
fn a_url_that_is_none_is_told_at_the_start() {
    let config = config(ModelApi::Ollama, "http://here:99999");
    let opened = Ollama::new(client(&config).expect("a client"), &config.servers[0], &config);
    assert_eq!(opened.err(), Some(ClientFault::Url));
}

#[test]
fn one_client_serves_plain_and_verified_servers() {
    let servers = vec!["https://models.example.com/v1".to_owned(), "http://127.0.0.1:1".to_owned()];
    assert!(client(&ModelConfig { servers, ..config(ModelApi::OpenAi, "") }).is_ok());
}
