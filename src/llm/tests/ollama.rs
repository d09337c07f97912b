use std::time::Duration;

use serde_json::{Value, json};

use crate::config::{ModelApi, ModelConfig};
use crate::llm::ollama::Ollama;
use crate::llm::{End, Finish, Loaded, Model, ModelError, client};

use super::raw::{Act, Raw, begun, status, streamed};
use super::{config, request, whole};

const HERE: &str = "http://127.0.0.1:11434";

fn at(config: &ModelConfig) -> Ollama {
    Ollama::new(client(config).expect("a client"), &config.servers[0], config).expect("a model")
}

fn at_url(url: &str) -> Ollama {
    at(&config(ModelApi::Ollama, url))
}

/// What comes of a body.
async fn read(pieces: &[&str]) -> (String, Result<End, ModelError>) {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    let raw = Raw::start(vec![Act::Say(streamed(&pieces))]).await;
    whole(at_url(&raw.url).generate(request())).await
}

const SAID: &str =
    "{\"model\":\"m\",\"message\":{\"role\":\"assistant\",\"content\":\"Hi\"},\"done\":false}\n";
const DONE: &str = "{\"message\":{\"role\":\"assistant\",\"content\":\"\"},\"done\":true}\n";

#[test]
fn a_reply_is_asked_for_with_the_configured_settings() {
    let model = at_url(HERE);
    let body = serde_json::to_string(&model.chat_body(&request())).expect("JSON");
    let expected = json!({
        "model": "m",
        "messages": [
            { "role": "system", "content": "be kind" },
            { "role": "assistant", "content": "hello" },
            { "role": "user", "content": "say \"hm\"\n" },
        ],
        "stream": true,
        "think": false,
        "keep_alive": 1800,
        "options": { "num_ctx": 4096, "num_predict": 200, "temperature": 0.6 },
    });
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
}

#[test]
fn one_word_of_a_list_is_asked_for_with_a_schema() {
    let mut request = request();
    request.one_of = Some(vec!["yes".to_owned(), "no".to_owned()]);
    let body = serde_json::to_value(at_url(HERE).chat_body(&request)).expect("JSON");
    let schema = json!({
        "type": "object",
        "properties": { "choice": { "type": "string", "enum": ["yes", "no"] } },
        "required": ["choice"],
    });
    assert_eq!(body["format"], schema);
}

#[test]
fn the_model_is_kept_as_long_as_configured() {
    let kept = |keep_alive| {
        let model = at(&ModelConfig { keep_alive, ..config(ModelApi::Ollama, HERE) });
        serde_json::to_value(model.chat_body(&request())).expect("JSON")["keep_alive"].clone()
    };
    assert_eq!(kept(None), json!(-1));
    assert_eq!(kept(Some(Duration::ZERO)), json!(0));
    assert_eq!(kept(Some(Duration::from_millis(1_500))), json!(2));
}

#[test]
fn loading_sends_no_message_and_the_context_of_later_replies() {
    let mut expected = json!({
        "model": "m", "messages": [], "stream": false, "keep_alive": 1800, "options": { "num_ctx": 4096 },
    });
    assert_eq!(at_url(HERE).load_body(Loaded::Yes), expected);
    expected["keep_alive"] = json!(0);
    assert_eq!(at_url(HERE).load_body(Loaded::No), expected);
}

#[tokio::test]
async fn the_deltas_are_the_reply_and_thoughts_and_tools_are_no_part_of_it() {
    let (text, end) = read(&[
        "{\"message\":{\"role\":\"assistant\",\"content\":\"\",\"thinking\":\"hm\"},\"done\":false}\n",
        "{\"message\":{\"content\":\"\",\"tool_calls\":[{\"function\":{\"name\":\"x\",\"arguments\":{}}}]},\"done\":false}\n",
        "{\"message\":{\"content\":\"<thi\"},\"done\":false}\n{\"message\":{\"content\":\"nk>a</think>\"},\"done\":false}\n",
        "\n{\"message\":{\"content\":\"\\n\\nH\u{e4}\"},\"done\":false}\r\n{\"message\":{\"content\":null}",
        "}\n{\"message\":{\"content\":\" you\"},\"done\":true,\"done_reason\":\"stop\",\"total_duration\":9,",
        "\"load_duration\":1500000000,\"prompt_eval_count\":26,\"prompt_eval_duration\":1,\"eval_count\":3}\n",
    ])
    .await;
    let expected = End {
        finish: Finish::Stop,
        prompt_tokens: Some(26),
        reply_tokens: Some(3),
        load: Some(Duration::from_millis(1_500)),
    };
    assert_eq!((text.as_str(), end), ("H\u{e4} you", Ok(expected)));
}

#[tokio::test]
async fn counts_and_the_reason_may_be_absent() {
    assert_eq!(read(&[SAID, DONE]).await, ("Hi".to_owned(), Ok(End::default())));
}

#[tokio::test]
async fn a_reply_at_its_longest_says_so() {
    let (_, end) = read(&[SAID, "{\"done\":true,\"done_reason\":\"length\"}\n"]).await;
    assert_eq!(end.map(|end| end.finish), Ok(Finish::Length));
}

#[tokio::test]
async fn the_last_line_may_lack_its_end() {
    let (text, end) = read(&[SAID, DONE.trim_end()]).await;
    assert_eq!((text.as_str(), end), ("Hi", Ok(End::default())));
}

#[tokio::test]
async fn what_is_no_whole_reply_says_why() {
    let long = "a".repeat(300 * 1024);
    for (pieces, text, error) in [
        (vec![SAID, "{\"error\":\"an unexpected error\"}\n"], "Hi", ModelError::Failed),
        (vec![SAID], "Hi", ModelError::Cut),
        (vec![SAID, &DONE[..20]], "Hi", ModelError::Cut),
        (vec![], "", ModelError::Cut),
        (vec![SAID, "<html>\n", DONE], "Hi", ModelError::Garbled),
        (vec![SAID, "[1]\n", DONE], "Hi", ModelError::Garbled),
        (vec![SAID, &long], "Hi", ModelError::Garbled),
        (vec![DONE], "", ModelError::Empty),
        (vec!["{\"message\":{\"content\":\" \\n\"},\"done\":true}\n"], "", ModelError::Empty),
        (vec!["{\"message\":{\"content\":\"<think>a\"},\"done\":true}\n"], "", ModelError::Empty),
        (vec!["{\"done\":true,\"done_reason\":\"load\"}"], "", ModelError::Empty),
    ] {
        assert_eq!(read(&pieces).await, (text.to_owned(), Err(error)), "{error}");
    }
}

#[tokio::test]
async fn bytes_that_are_no_text_are_garbled() {
    let raw = Raw::start(vec![Act::Say(streamed(&[SAID.as_bytes(), b"{\"a\":\"\xff\"}\n"]))]).await;
    let read = whole(at_url(&raw.url).generate(request())).await;
    assert_eq!(read, ("Hi".to_owned(), Err(ModelError::Garbled)));
}

#[tokio::test]
async fn a_model_that_never_stops_is_stopped() {
    let line = format!("{{\"message\":{{\"content\":\"{}\"}},\"done\":false}}\n", "a".repeat(1_000));
    let (text, end) = read(&[&line.repeat(10)]).await;
    assert_eq!((text.len(), end), (4_000, Err(ModelError::Endless)), "16 for each of 200 tokens, and 1024");
}

#[tokio::test]
async fn a_connection_that_breaks_is_told_by_when_it_broke() {
    for (bytes, text, error) in [
        (Vec::new(), "", ModelError::Away),
        (b"HTTP/1.1 200".to_vec(), "", ModelError::Away),
        (begun(&[]), "", ModelError::Away),
        (begun(&[SAID.as_bytes()]), "Hi", ModelError::Cut),
    ] {
        let raw = Raw::start(vec![Act::SayAndClose(bytes)]).await;
        let read = whole(at_url(&raw.url).generate(request())).await;
        assert_eq!(read, (text.to_owned(), Err(error)));
    }
}

#[tokio::test]
async fn loading_is_one_answer() {
    let line = b"{\"model\":\"m\",\"message\":{\"content\":\"\"},\"done\":true,\"done_reason\":\"load\"}";
    for (bytes, loaded) in [
        (streamed(&[line]), Ok(())),
        (streamed(&[b"{\"done\":false}"]), Err(ModelError::Failed)),
        (streamed(&[b"{\"error\":\"no memory\",\"done\":true}"]), Err(ModelError::Failed)),
        (streamed(&[b"Ollama is running"]), Err(ModelError::Garbled)),
        (streamed(&[&[b' '; 70_000]]), Err(ModelError::Garbled)),
        (status(404), Err(ModelError::Refused(404))),
    ] {
        let mut raw = Raw::start(vec![Act::SayAndClose(bytes)]).await;
        assert_eq!(at_url(&raw.url).load(Loaded::Yes).await, loaded);
        assert!(raw.request().await.1.starts_with("POST /api/chat HTTP/1.1\r\n"));
    }
}

#[tokio::test]
async fn a_probe_asks_for_the_version() {
    let mut raw = Raw::start(vec![Act::Say(streamed(&[b"{\"version\":\"0.12\"}"]))]).await;
    assert_eq!(at_url(&raw.url).probe().await, Ok(()));
    assert!(raw.request().await.1.starts_with("GET /api/version HTTP/1.1\r\n"));
    assert_eq!(at_url("http://127.0.0.1:1").probe().await, Err(ModelError::Away));
}
