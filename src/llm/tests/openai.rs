use std::time::Duration;

use secrecy::SecretString;
use serde_json::{Value, json};

use crate::config::{ModelApi, ModelConfig};
use crate::llm::openai::OpenAi;
use crate::llm::{ClientFault, End, Finish, Loaded, Model, ModelError, client};

use super::raw::{Act, Raw, begun, status, streamed};
use super::{config, request, whole};

fn at(config: &ModelConfig) -> Result<OpenAi, ClientFault> {
    OpenAi::new(client(config)?, &config.servers[0], config)
}

fn at_url(url: &str) -> OpenAi {
    at(&config(ModelApi::OpenAi, url)).expect("a model")
}

async fn read(pieces: &[&str]) -> (String, Result<End, ModelError>) {
    let pieces: Vec<&[u8]> = pieces.iter().map(|piece| piece.as_bytes()).collect();
    let raw = Raw::start(vec![Act::Say(streamed(&pieces))]).await;
    whole(at_url(&raw.url).generate(request())).await
}

const ROLE: &str = "data: {\"choices\":[{\"index\":0,\"delta\":{\"role\":\"assistant\",\"content\":\"\"},\"finish_reason\":null}]}\n\n";
const SAID: &str = "data: {\"choices\":[{\"delta\":{\"content\":\"Hi\"}}]}\n\n";
const STOP: &str = "data: {\"choices\":[{\"delta\":{},\"finish_reason\":\"stop\"}]}\n\n";
const USAGE: &str = "data: {\"choices\":[],\"usage\":{\"prompt_tokens\":26,\"completion_tokens\":3}}\n\n";
const DONE: &str = "data: [DONE]\n\n";
const COUNTED: End = End { finish: Finish::Stop, prompt_tokens: Some(26), reply_tokens: Some(3), load: None };

#[test]
fn a_reply_is_asked_for_with_the_configured_settings() {
    let model = at_url("http://127.0.0.1:1/v1");
    let body = serde_json::to_string(&model.body(&request())).expect("JSON");
    let expected = json!({
        "model": "m",
        "messages": [
            { "role": "system", "content": "be kind" },
            { "role": "assistant", "content": "hello" },
            { "role": "user", "content": "say \"hm\"\n" },
        ],
        "stream": true,
        "stream_options": { "include_usage": true },
        "max_tokens": 200,
        "temperature": 0.6,
    });
    assert_eq!(serde_json::from_str::<Value>(&body).expect("JSON"), expected);
}

#[test]
fn one_word_of_a_list_is_asked_for_with_a_schema() {
    let mut request = request();
    request.one_of = Some(vec!["yes".to_owned(), "no".to_owned()]);
    let body = serde_json::to_value(at_url("http://127.0.0.1:1").body(&request)).expect("JSON");
    let format = json!({
        "type": "json_schema",
        "json_schema": {
            "name": "choice",
            "strict": true,
            "schema": {
                "type": "object",
                "properties": { "choice": { "type": "string", "enum": ["yes", "no"] } },
                "required": ["choice"],
                "additionalProperties": false,
            },
        },
    });
    assert_eq!(body["response_format"], format);
}

#[tokio::test]
async fn the_key_goes_with_every_request() {
    let mut raw = Raw::start(vec![Act::Say(status(200)), Act::Say(status(200))]).await;
    let base = format!("{}/v1", raw.url);
    let key = Some(SecretString::from("k3y"));
    let model = at(&ModelConfig { api_key: key, ..config(ModelApi::OpenAi, &base) }).expect("a model");
    assert_eq!(model.probe().await, Ok(()));
    let _cut = whole(model.generate(request())).await;
    for line in ["GET /v1/models HTTP/1.1\r\n", "POST /v1/chat/completions HTTP/1.1\r\n"] {
        let (_, text) = raw.request().await;
        assert!(text.starts_with(line) && text.contains("authorization: Bearer k3y\r\n"));
    }
}

#[test]
fn a_key_that_fits_in_no_header_is_told_at_the_start() {
    let api_key = Some(SecretString::from("two\nlines"));
    let opened = at(&ModelConfig { api_key, ..config(ModelApi::OpenAi, "http://127.0.0.1:1") });
    assert_eq!(opened.err(), Some(ClientFault::Key));
}

#[tokio::test]
async fn the_deltas_are_the_reply_and_reasoning_is_no_part_of_it() {
    let (text, end) = read(&[
        ": keep-alive\r\n\r\n",
        ROLE,
        "data: {\"choices\":[{\"delta\":{\"reasoning_content\":\"hm\",\"content\":null}}]}\n\n",
        "data:{\"choices\":[{\"delta\":{\"reasoning\":\"hm\"}}],\"usage\":null}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\"<think>a</think>\\nH\"}}]}\r\n\r\n",
        "data: {\"choices\":[{\"delta\":\ndata: {\"content\":\"\u{e4}\"}}]}\n\n",
        "data: {\"choices\":[{\"delta\":{\"content\":\" you\"},\"finish_reason\":\"stop\"}]}\n\n",
        USAGE,
        DONE,
    ])
    .await;
    assert_eq!((text.as_str(), end), ("H\u{e4} you", Ok(COUNTED)));
}

#[tokio::test]
async fn a_reply_that_finished_is_whole_whatever_comes_after() {
    let whole_ones: [(&[&str], End); 6] = [
        (&[SAID, STOP], End::default()),
        (&[SAID, STOP, DONE], End::default()),
        (&[SAID, STOP, USAGE], COUNTED),
        (&[SAID, STOP, SAID, USAGE, "data: {\"err", "or\":1}\n\n"], COUNTED),
        (&[SAID, STOP, "data: {\"error\":{}}\n\ndata: ?\n\n", USAGE, DONE], COUNTED),
        (&[SAID, STOP.trim_end()], End::default()),
    ];
    for (pieces, end) in whole_ones {
        assert_eq!(read(pieces).await, ("Hi".to_owned(), Ok(end)));
    }
}

#[tokio::test]
async fn a_whole_reply_does_not_wait_for_a_connection_that_stays_open() {
    let bytes = begun(&[SAID.as_bytes(), STOP.as_bytes(), USAGE.as_bytes()]);
    let raw = Raw::start(vec![Act::SayAndHold(bytes)]).await;
    let reply = whole(at_url(&raw.url).generate(request()));
    let reply = tokio::time::timeout(Duration::from_secs(5), reply).await.expect("soon");
    assert_eq!(reply, ("Hi".to_owned(), Ok(COUNTED)));
}

#[tokio::test]
async fn how_it_finished_is_told() {
    for (reason, told) in [
        ("stop", Ok(Finish::Stop)),
        ("eos", Ok(Finish::Stop)),
        ("length", Ok(Finish::Length)),
        ("content_filter", Err(ModelError::Cut)),
        ("abort", Err(ModelError::Cut)),
    ] {
        let last = format!("data: {{\"choices\":[{{\"delta\":{{}},\"finish_reason\":\"{reason}\"}}]}}\n\n");
        let (text, end) = read(&[SAID, &last, DONE]).await;
        assert_eq!((text.as_str(), end.map(|end| end.finish)), ("Hi", told), "{reason}");
    }
}

#[tokio::test]
async fn what_is_no_whole_reply_says_why() {
    let tools =
        "data: {\"choices\":[{\"delta\":{\"tool_calls\":[{}]},\"finish_reason\":\"tool_calls\"}]}\n\n";
    let bare = "data: {\"object\":\"error\",\"message\":\"no\",\"code\":400}\n\n";
    for (pieces, text, error) in [
        (vec![SAID, "data: {\"error\":{\"message\":\"no\",\"code\":null}}\n\n"], "Hi", ModelError::Failed),
        (vec![SAID, "event: error\ndata: {\"message\":\"no\"}\n\n"], "Hi", ModelError::Failed),
        (vec![SAID, bare], "Hi", ModelError::Failed),
        (vec![SAID], "Hi", ModelError::Cut),
        (vec![SAID, DONE], "Hi", ModelError::Cut),
        (vec![SAID, &STOP[..30]], "Hi", ModelError::Cut),
        (vec!["{\"choices\":[{\"message\":{\"content\":\"Hi\"}}]}"], "", ModelError::Cut),
        (vec![SAID, "data: <html>\n\n", STOP], "Hi", ModelError::Garbled),
        (vec![ROLE, STOP, DONE], "", ModelError::Empty),
        (vec![ROLE, tools, DONE], "", ModelError::Empty),
    ] {
        assert_eq!(read(&pieces).await, (text.to_owned(), Err(error)), "{error}");
    }
}

#[tokio::test]
async fn a_server_without_a_list_of_models_is_there_all_the_same() {
    for (code, told) in [(200, Ok(())), (404, Ok(())), (405, Ok(())), (401, Err(ModelError::Refused(401)))] {
        let raw = Raw::start(vec![Act::Say(status(code))]).await;
        assert_eq!(at_url(&raw.url).probe().await, told);
    }
}

#[tokio::test]
async fn there_is_nothing_to_load() {
    assert_eq!(at_url("http://127.0.0.1:1").load(Loaded::Yes).await, Ok(()));
}
