//! The fake model's server without faults: what it sends equals what the real ones send, byte for byte, and what it saw
//! is what was asked.

use std::time::{Duration, Instant};

use reqwest::{Client, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};

use crate::fake::{Ended, FakeModel, Fault, Pieces, Reply, Script, Writes, vector};

/// Long enough for what comes at once, on a machine that is busy.
const SOON: Duration = Duration::from_millis(500);
/// Longer than any test.
const EVER: Duration = Duration::from_secs(600);

fn saying(text: &str) -> Script {
    Script { reply: Reply::always(text), ..Script::default() }
}

fn hello() -> Value {
    json!({ "model": "llama3.1", "messages": [
        { "role": "system", "content": "Be kind." },
        { "role": "user", "content": "I feel tense." },
    ] })
}

fn with(mut body: Value, name: &str, value: Value) -> Value {
    body[name] = value;
    body
}

fn chat(fake: &FakeModel, body: &Value) -> RequestBuilder {
    Client::new().post(format!("{}/api/chat", fake.url())).json(body)
}

fn completions(fake: &FakeModel, body: &Value) -> RequestBuilder {
    Client::new().post(format!("{}/chat/completions", fake.openai_url())).json(body)
}

async fn send(request: RequestBuilder) -> Response {
    request.send().await.expect("an answer")
}

async fn text(request: RequestBuilder) -> String {
    send(request).await.text().await.expect("a whole body")
}

async fn answer(request: RequestBuilder) -> (u16, String) {
    let response = send(request).await;
    (response.status().as_u16(), response.text().await.expect("a whole body"))
}

/// Times of day, which differ each time, become a word and a zero.
fn timeless(text: &str) -> String {
    let without_text = replaced(text, "\"created_at\":\"", |part| {
        let (time, rest) = part.split_once('"').expect("a text");
        assert!(time.ends_with('Z') && chrono::DateTime::parse_from_rfc3339(time).is_ok(), "{time}");
        format!("T\"{rest}")
    });
    replaced(&without_text, "\"created\":", |part| {
        format!("0{}", part.trim_start_matches(|c: char| c.is_ascii_digit()))
    })
}

/// What stands behind each of these openings, changed.
fn replaced(text: &str, opening: &str, change: impl Fn(&str) -> String) -> String {
    let part = |(at, part): (usize, &str)| if at == 0 { part.to_owned() } else { change(part) };
    text.split(opening).enumerate().map(part).collect::<Vec<_>>().join(opening)
}

/// The words of a stream or of a whole answer of Ollama, and whether it came to its end.
fn told(lines: &str) -> (String, bool) {
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).expect("JSON")).collect();
    let words = lines.iter().filter_map(|line| line["message"]["content"].as_str()).collect();
    (words, lines.last().is_some_and(|line| line["done"] == true))
}

#[tokio::test]
async fn a_stream_of_ollama_is_that_of_the_reference() {
    let fake = FakeModel::with(saying("Thank you")).await;
    let response = send(chat(&fake, &hello())).await;
    assert_eq!(response.headers()["content-type"], "application/x-ndjson");
    assert_eq!(response.headers()["transfer-encoding"], "chunked");
    let expected = concat!(
        r#"{"model":"llama3.1","created_at":"T","message":{"role":"assistant","content":"Than"},"done":false}"#,
        "\n",
        r#"{"model":"llama3.1","created_at":"T","message":{"role":"assistant","content":"k yo"},"done":false}"#,
        "\n",
        r#"{"model":"llama3.1","created_at":"T","message":{"role":"assistant","content":"u"},"done":false}"#,
        "\n",
        r#"{"model":"llama3.1","created_at":"T","message":{"role":"assistant","content":""},"done":true,"#,
        r#""done_reason":"stop","total_duration":74000000,"prompt_eval_count":14,"#,
        r#""prompt_eval_duration":14000000,"eval_count":3,"eval_duration":60000000}"#,
        "\n",
    );
    assert_eq!(timeless(&response.text().await.expect("a body")), expected);
}

#[tokio::test]
async fn an_answer_of_ollama_in_one_piece_is_that_of_the_reference() {
    let script =
        Script { load: Duration::from_millis(1), thinking: Some("Hm.".to_owned()), ..saying("Yes.") };
    let fake = FakeModel::with(script).await;
    let response = send(chat(&fake, &with(hello(), "stream", json!(false)))).await;
    assert_eq!(response.headers()["content-type"], "application/json; charset=utf-8");
    let expected = concat!(
        r#"{"model":"llama3.1","created_at":"T","message":{"role":"assistant","content":"Yes.","thinking":"Hm."},"#,
        r#""done":true,"done_reason":"stop","total_duration":55000000,"load_duration":1000000,"#,
        r#""prompt_eval_count":14,"prompt_eval_duration":14000000,"eval_count":2,"eval_duration":40000000}"#,
    );
    assert_eq!(timeless(&response.text().await.expect("a body")), expected);
}

#[tokio::test]
async fn a_stream_of_openai_is_that_of_the_reference() {
    let fake = FakeModel::with(saying("I see.")).await;
    let body = with(with(hello(), "stream", json!(true)), "stream_options", json!({ "include_usage": true }));
    let response = send(completions(&fake, &body)).await;
    assert_eq!(response.headers()["content-type"], "text/event-stream");
    let opening = concat!(
        r#"data: {"id":"chatcmpl-1","object":"chat.completion.chunk","created":0,"model":"llama3.1","#,
        r#""system_fingerprint":"fp_ollama","choices":["#
    );
    let choice = |delta: &str, finish: &str| {
        format!(r#"{opening}{{"index":0,"delta":{delta},"finish_reason":{finish}}}],"usage":null}}"#)
    };
    let expected = [
        choice(r#"{"role":"assistant","content":""}"#, "null"),
        choice(r#"{"content":"I se"}"#, "null"),
        choice(r#"{"content":"e."}"#, "null"),
        choice("{}", r#""stop""#),
        format!(r#"{opening}],"usage":{{"prompt_tokens":14,"completion_tokens":2,"total_tokens":16}}}}"#),
        "data: [DONE]".to_owned(),
    ];
    let events = timeless(&response.text().await.expect("a body"));
    assert_eq!(events, expected.map(|event| event + "\n\n").concat());
    let without = text(completions(&fake, &with(hello(), "stream", json!(true)))).await;
    assert!(!without.contains("usage"), "nobody asked for it");
}

#[tokio::test]
async fn an_answer_of_openai_in_one_piece_is_that_of_the_reference() {
    let fake = FakeModel::with(saying("I see.")).await;
    let expected = concat!(
        r#"{"id":"chatcmpl-1","object":"chat.completion","created":0,"model":"llama3.1","#,
        r#""system_fingerprint":"fp_ollama","choices":[{"index":0,"message":{"role":"assistant","#,
        r#""content":"I see."},"finish_reason":"stop"}],"usage":{"prompt_tokens":14,"completion_tokens":2,"#,
        r#""total_tokens":16}}"#,
    );
    assert_eq!(timeless(&text(completions(&fake, &hello())).await), expected);
}

#[tokio::test]
async fn a_model_is_loaded_and_forgotten_without_a_word() {
    let fake = FakeModel::start().await;
    let wish = json!({ "model": "llama3.1", "messages": [] });
    let said = |reason: &str| {
        format!(
            r#"{{"model":"llama3.1","created_at":"T","message":{{"role":"assistant","content":""}},"done":true,"done_reason":"{reason}"}}"#
        )
    };
    assert_eq!(timeless(&text(chat(&fake, &wish)).await), said("load"));
    assert_eq!(fake.loaded(), ["llama3.1:latest"]);
    let forget = with(wish, "keep_alive", json!(0));
    assert_eq!(timeless(&text(chat(&fake, &forget)).await), said("unload"));
    assert!(fake.loaded().is_empty());
    assert_eq!(fake.generations_peak(), 0);
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_said_as_the_real_servers_say_it() {
    let fake = FakeModel::start().await;
    let refusals = [
        (json!({}), 400, "model is required"),
        (with(hello(), "model", json!("gpt")), 404, "model 'gpt' not found"),
        (with(hello(), "think", json!(true)), 400, "\"llama3.1\" does not support thinking"),
        (
            with(hello(), "model", json!("nomic-embed-text")),
            400,
            "\"nomic-embed-text\" does not support chat",
        ),
        (
            with(hello(), "options", json!({ "num_ctx": "8k" })),
            400,
            "option \"num_ctx\" must be of type integer",
        ),
        (with(hello(), "keep_alive", json!("60")), 400, "time: missing unit in duration \"60\""),
    ];
    for (body, status, error) in refusals {
        assert_eq!(answer(chat(&fake, &body)).await, (status, json!({ "error": error }).to_string()));
    }
    let empty = Client::new().post(format!("{}/api/chat", fake.url()));
    assert_eq!(answer(empty).await, (400, r#"{"error":"missing request body"}"#.to_owned()));
    let unknown = answer(completions(&fake, &with(hello(), "model", json!("gpt")))).await;
    let expected =
        r#"{"error":{"message":"model 'gpt' not found","type":"not_found_error","param":null,"code":null}}"#;
    assert_eq!(unknown, (404, expected.to_owned()));
    fake.change(|script| script.bearer = Some("key".to_owned()));
    assert_eq!(answer(completions(&fake, &hello())).await.0, 401);
    assert_eq!(answer(completions(&fake, &hello()).bearer_auth("key")).await.0, 200);
}

#[tokio::test]
async fn a_closed_list_is_answered_with_one_of_its_words() {
    let fake = FakeModel::start().await;
    let schema = json!({ "type": "object", "properties": { "choice": { "enum": ["stay", "go_on"] } } });
    let ollama = with(with(hello(), "format", schema.clone()), "stream", json!(false));
    let (said, _) = told(&text(chat(&fake, &ollama)).await);
    let choice: Value = serde_json::from_str(&said).expect("JSON");
    assert!(choice == json!({ "choice": "stay" }) || choice == json!({ "choice": "go_on" }));
    fake.change(|script| script.choice = Some("elsewhere".to_owned()));
    let format = json!({ "type": "json_schema", "json_schema": { "name": "choice", "schema": schema } });
    let body: Value =
        send(completions(&fake, &with(hello(), "response_format", format))).await.json().await.expect("JSON");
    assert_eq!(body["choices"][0]["message"]["content"], r#"{"choice":"elsewhere"}"#);
}

#[tokio::test]
async fn what_is_too_long_is_cut_and_told_in_numbers_alone() {
    let fake = FakeModel::with(saying("A reply of some words")).await;
    let body = with(hello(), "options", json!({ "num_ctx": 10, "num_predict": 2 }));
    let lines = text(chat(&fake, &body)).await;
    assert_eq!(told(&lines), ("A reply ".to_owned(), true));
    assert!(lines.contains(r#""done_reason":"length""#) && lines.contains(r#""prompt_eval_count":10,"#));
    let seen = fake.requests();
    assert_eq!(seen[0].body.as_ref().expect("JSON")["messages"].as_array().map(Vec::len), Some(2));
    fake.change(|script| script.cuts_at = Some(12));
    assert!(text(chat(&fake, &hello())).await.contains(r#""prompt_eval_count":12,"#));
    let whole = answer(chat(&fake, &with(hello(), "truncate", json!(false)))).await;
    assert_eq!(whole, (400, r#"{"error":"the input length exceeds the context length"}"#.to_owned()));
}

#[tokio::test]
async fn texts_that_share_words_lie_near_each_other_and_every_vector_has_length_one() {
    let product = |a: &[f32], b: &[f32]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f32>();
    let fake = FakeModel::start().await;
    let input = json!(["my chest feels tight", "a tight feeling in my chest", "we cooked soup with friends"]);
    let body = json!({ "model": "nomic-embed-text", "input": input });
    let post = |path: &str, body: &Value| Client::new().post(format!("{}{path}", fake.url())).json(body);
    let reply: Value = send(post("/api/embed", &body)).await.json().await.expect("JSON");
    let vectors: Vec<Vec<f32>> = serde_json::from_value(reply["embeddings"].clone()).expect("vectors");
    assert!(vectors.iter().all(|vector| (product(vector, vector) - 1.0).abs() < 1e-5));
    assert!(product(&vectors[0], &vectors[1]) > product(&vectors[0], &vectors[2]) + 0.3);
    assert_eq!(vectors[0], vector("my chest feels tight", None));
    let openai: Value = send(post("/v1/embeddings", &body)).await.json().await.expect("JSON");
    assert_eq!(openai["data"][2]["embedding"], reply["embeddings"][2]);
    let none = json!({ "model": "nomic-embed-text", "input": [] });
    let none: Value = send(post("/api/embed", &none)).await.json().await.expect("JSON");
    assert_eq!(none["embeddings"], json!([]));
    let wrong = json!({ "model": "nomic-embed-text", "input": 1 });
    assert_eq!(send(post("/api/embed", &wrong)).await.status(), StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn requests_share_a_connection_and_are_written_down_in_their_order() {
    let fake = FakeModel::start().await;
    let client = Client::new();
    let paths = ["/", "/api/version", "/api/tags", "/api/ps", "/v1/models", "/api/pull"];
    for path in paths {
        let response = client.get(format!("{}{path}", fake.url())).send().await.expect("an answer");
        assert_eq!(response.status().as_u16(), if path == "/api/pull" { 404 } else { 200 });
        response.bytes().await.expect("a body");
        assert_eq!(fake.connections(), 1);
    }
    let body =
        client.post(format!("{}/api/chat", fake.url())).json(&hello()).send().await.expect("an answer");
    body.bytes().await.expect("a body");
    let seen = fake.wait_for(|seen| seen.iter().all(|seen| !seen.is_running())).await;
    assert_eq!(seen.iter().map(|seen| seen.path.as_str()).collect::<Vec<_>>()[..6], paths);
    let last = seen.last().expect("a request");
    assert_eq!((last.number, last.path.as_str(), last.body.as_ref()), (7, "/api/chat", Some(&hello())));
    assert!(matches!(last.ended, Ended::Whole(_)) && last.chunks_at.len() > 5);
    drop(client);
    fake.wait_for_connections(0).await;
}

#[tokio::test]
async fn a_client_that_goes_is_noticed_at_once_whatever_the_fake_waits_for() {
    let waits: [fn(&mut Script); 4] = [
        |script| script.delay = EVER,
        |script| script.pause = EVER,
        |script| script.fault = Some(Fault::StallBeforeHeaders),
        |script| script.fault = Some(Fault::StallMidStream),
    ];
    for (before, wait) in waits.into_iter().enumerate() {
        let mut script = Script::default();
        wait(&mut script);
        let fake = FakeModel::with(script).await;
        let request = tokio::spawn(text(chat(&fake, &hello())));
        let has_come = |seen: &[crate::fake::Seen]| {
            seen.len() == 1 && (before % 2 == 0 || !seen[0].chunks_at.is_empty())
        };
        fake.wait_for(has_come).await;
        assert!(fake.requests()[0].is_running() && fake.generations() == 1);
        let left = Instant::now();
        request.abort();
        let seen = fake.wait_for(|seen| seen[0].gone_at().is_some()).await;
        assert!(seen[0].gone_at().expect("gone").duration_since(left) < SOON);
        assert_eq!((fake.generations(), fake.generations_peak()), (0, 1));
    }
}

#[tokio::test]
async fn generations_at_once_are_counted() {
    let fake = FakeModel::with(Script { pause: EVER, ..Script::default() }).await;
    let (first, second) = (send(chat(&fake, &hello())).await, send(completions(&fake, &hello())).await);
    drop(second);
    assert_eq!(fake.generations_peak(), 2, "one in the middle of a stream, and one that was whole at once");
    drop(first);
    fake.wait_for(|seen| seen.iter().all(|seen| !seen.is_running())).await;
    assert_eq!(fake.generations(), 0);
}

#[tokio::test]
async fn a_stopped_fake_refuses_and_a_restarted_one_answers_at_its_port() {
    let mut fake = FakeModel::with(Script { pause: EVER, ..Script::default() }).await;
    let response = send(chat(&fake, &hello())).await;
    fake.stop().await;
    assert!(response.text().await.is_err(), "running answers are cut off");
    assert!(matches!(fake.requests()[0].ended, Ended::Closed(_)));
    assert!(chat(&fake, &hello()).send().await.is_err_and(|error| error.is_connect()));
    assert_eq!(fake.connections(), 0);
    fake.restart().await;
    assert_eq!(send(Client::new().get(fake.url())).await.status(), StatusCode::OK);
    let addr = fake.url();
    drop(fake);
    tokio::task::yield_now().await;
    assert!(Client::new().get(addr).send().await.is_err());
}

#[tokio::test]
async fn a_reply_is_cut_and_written_as_the_script_says() {
    let fake = FakeModel::with(saying("grüß dich")).await;
    let cuts = [(Pieces::Tokens, 3), (Pieces::Chars, 9), (Pieces::Whole, 1), (Pieces::At(vec![2, 5]), 3)];
    for (pieces, count) in cuts {
        fake.change(|script| script.pieces = pieces);
        let lines = text(chat(&fake, &hello())).await;
        assert_eq!((told(&lines), lines.lines().count()), (("grüß dich".to_owned(), true), count + 1));
    }
    for writes in [Writes::Lines, Writes::Bytes, Writes::Whole, Writes::At(vec![1, 100])] {
        fake.change(|script| script.writes = writes.clone());
        let mut response = send(chat(&fake, &hello())).await;
        let mut chunks: Vec<Vec<u8>> = Vec::new();
        while let Some(chunk) = response.chunk().await.expect("a chunk") {
            chunks.push(chunk.to_vec());
        }
        let body = chunks.concat();
        assert_eq!(told(std::str::from_utf8(&body).expect("text")).0, "grüß dich");
        let most = match writes {
            Writes::Lines => 4,
            Writes::Bytes => body.len(),
            Writes::Whole => 1,
            Writes::At(_) => 3,
        };
        let seen = fake.wait_for(|seen| seen.iter().all(|seen| !seen.is_running())).await;
        assert_eq!(seen.last().expect("a request").chunks_at.len(), most);
    }
}
