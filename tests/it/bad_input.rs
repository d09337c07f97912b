//! Wrong input of every kind: a clear problem, nothing stored, never a 500.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;

use reqwest::Method;
use serde_json::{Value, json};

use crate::server::{Answer, Server};

const INPUT: &str = "/api/v1/input";

async fn nothing_is_stored(server: &Server) {
    assert_eq!(server.get("/sessions").await.ok()["total_sessions"], 0);
}

fn assert_resources(problem: &Value) {
    assert!(
        problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()),
        "every refusal has lines"
    );
}

fn fields(problem: &Value) -> Vec<String> {
    let errors = problem["errors"].as_array().cloned().unwrap_or_default();
    errors.iter().filter_map(|error| error["field"].as_str().map(str::to_owned)).collect()
}

#[tokio::test]
async fn every_refused_input_names_its_problem_and_carries_crisis_lines() {
    let server = Server::start().await;
    for body in ["", "{", "nope", "{\"session_id\":\"s\",\"user_input\":\"a\"", "\u{0}"] {
        assert_resources(&server.post_bytes(INPUT, body).await.problem(400, "invalid_json"));
    }
    let not_utf8 = server.post_bytes(INPUT, b"{\"session_id\":\"s\",\"x\":\"\xff\"}".to_vec()).await;
    assert_eq!(not_utf8.status.as_u16() / 100, 4);
    let wrong: [(Value, &str); 9] = [
        (json!({"user_input": "a"}), "session_id"),
        (json!({"session_id": "s"}), "user_input"),
        (json!({"session_id": "s", "user_input": null}), "user_input"),
        (json!({"session_id": "s", "user_input": 5}), "user_input"),
        (json!({"session_id": 5, "user_input": "a"}), "session_id"),
        (json!({"session_id": "", "user_input": "a"}), "session_id"),
        (json!({"session_id": "a b", "user_input": "a"}), "session_id"),
        (json!({"session_id": "create", "user_input": "a"}), "session_id"),
        (json!({"session_id": "x".repeat(129), "user_input": "a"}), "session_id"),
    ];
    for (body, field) in wrong {
        let problem = server.post(INPUT, &body).await.problem(422, "invalid_request");
        assert_eq!(fields(&problem), [field], "{body}");
        assert_resources(&problem);
    }
    for body in [json!([]), json!("text"), json!(null), json!(["s", "a"])] {
        server.post(INPUT, &body).await.problem(422, "invalid_request");
    }
    let plain = server.request(Method::POST, INPUT).header("content-type", "text/plain").body("hello");
    assert_resources(&server.send(plain).await.problem(415, "unsupported_media_type"));
    let packed = server.request(Method::POST, INPUT).header("content-encoding", "gzip").body("\u{1f}");
    assert_resources(&server.send(packed).await.problem(415, "unsupported_media_type"));
    assert_resources(&server.post("/api/v1/input/", &json!({})).await.problem(404, "not_found"));
    let huge = json!({"session_id": "s", "user_input": "a".repeat(300_000)});
    assert_resources(&server.post(INPUT, &huge).await.problem(413, "body_too_large"));
    let long = json!({"session_id": "s", "user_input": "word ".repeat(2_000)});
    assert_resources(&server.post(INPUT, &long).await.problem(422, "text_too_long"));
    assert_resources(&server.get(INPUT).await.problem(405, "method_not_allowed"));
    let key = server.input_with_key("s", "hello", "").await.problem(422, "invalid_request");
    assert_eq!(fields(&key), ["Idempotency-Key"]);
    nothing_is_stored(&server).await;
}

#[tokio::test]
async fn the_id_in_the_path_and_in_the_body_must_agree() {
    let server = Server::start().await;
    let other = json!({"session_id": "b", "user_input": "a"});
    let problem = server.post("/session/a/input", &other).await.problem(422, "invalid_request");
    assert_eq!(fields(&problem), ["session_id"]);
    server.post("/session/a%20b/input", &json!({"user_input": "a"})).await.problem(404, "not_found");
    nothing_is_stored(&server).await;
}

#[tokio::test]
async fn nasty_strings_are_taken_as_they_are() {
    let server = Server::start().await;
    let nasty = [
        "\0",
        "\u{1}\u{2}",
        "🙂🙂🏽👩‍👩‍👧",
        "\u{202e}drow",
        "ﷺ",
        "ñ",
        "' OR 1=1 --",
        "<script>alert(1)</script>",
        "{{7*7}}",
        "%s%n",
        "\u{feff}",
        "﷽﷽",
        "null",
        "\\",
        "\"",
        "\u{2028}",
        "a\u{300}\u{301}\u{302}",
        "   ",
        "",
        "...",
    ];
    for (n, text) in nasty.iter().enumerate() {
        let turn = server.input(&format!("s{n}"), text).await.ok();
        assert_eq!(turn["preprocessing"]["original_input"], *text);
        assert_eq!(server.history(&format!("s{n}")).await[0]["client_input"], *text);
    }
    let lone = br#"{"session_id":"lone","user_input":"half \ud83d a smile"}"#.to_vec();
    assert_eq!(server.post_bytes(INPUT, lone).await.ok()["turn"], 1);
    let nested = format!("{}{}", "[".repeat(5_000), "]".repeat(5_000));
    let deep = format!(r#"{{"session_id":"d","user_input":"a","x":{nested}}}"#);
    server.post_bytes(INPUT, deep).await.ok();
    let deep = format!(r#"{{"metadata":{{"a":{nested}}}}}"#);
    server.post_bytes("/session/create", deep).await.problem(400, "invalid_json");
    let wide = format!(r#"{{"session_id":"w","user_input":"a","x":[{}0]}}"#, "0,".repeat(50_000));
    server.post_bytes(INPUT, wide).await.ok();
    let twice = server.post_bytes(INPUT, r#"{"session_id":"t","user_input":"a","user_input":"b"}"#).await;
    assert_eq!(fields(&twice.problem(422, "invalid_request")), ["user_input"]);
}

#[tokio::test]
async fn create_refuses_what_it_can_not_keep() {
    let server = Server::start().await;
    let wrong = [
        (json!({"session_id": "a/b"}), "session_id"),
        (json!({"client_id": ""}), "client_id"),
        (json!({"client_id": "x".repeat(257)}), "client_id"),
        (json!({"client_id": "a\nb"}), "client_id"),
        (json!({"metadata": {"a": [1]}}), "metadata"),
        (json!({"metadata": {"a": null}}), "metadata"),
        (json!({"metadata": {"a": "x".repeat(4_096)}}), "metadata"),
        (json!({"metadata": "text"}), "metadata"),
    ];
    for (body, field) in wrong {
        let problem = server.create(&body).await.problem(422, "invalid_request");
        assert_eq!(fields(&problem), [field], "{body}");
    }
    server.create(&json!({"metadata": {"a": "x".repeat(70_000)}})).await.problem(413, "body_too_large");
    nothing_is_stored(&server).await;
    let request = server.request(Method::POST, "/session/create");
    assert_eq!(server.send(request).await.status, 200, "an empty body opens a session with a made id");
}

#[tokio::test]
async fn unknown_paths_ids_and_methods() {
    let server = Server::start().await;
    for path in [
        "/nothing",
        "/api/v1/session/a/b/c",
        "/session/unknown",
        "/session/a%00b",
        "/session/%ff",
        "/api/v2/input",
    ] {
        server.get(path).await.problem(404, "not_found");
    }
    for action in ["pause", "resume", "complete"] {
        server.post(&format!("/session/unknown/{action}"), &json!({})).await.problem(404, "not_found");
    }
    let answer = server.request(Method::PUT, "/api/v1/session/a");
    let answer = server.send(answer).await;
    answer.problem(405, "method_not_allowed");
    assert_eq!(answer.header("allow"), Some("GET, DELETE"));
    let long = format!("/session/{}", "a".repeat(5_000));
    server.get(&long).await.problem(414, "path_too_long");
    let heavy = server.request(Method::GET, "/sessions").header("x-filler", "a".repeat(17_000));
    server.send(heavy).await.problem(431, "headers_too_large");
}

#[tokio::test]
async fn queries_tell_every_field_that_does_not_fit() {
    let server = Server::start().await;
    let path = "/sessions?limit=0&status=happy&safety_level=mild&active_since=noon&cursor=%21&q=";
    let problem = server.get(path).await.problem(422, "invalid_request");
    let mut wrong = fields(&problem);
    wrong.sort();
    assert_eq!(wrong, ["active_since", "cursor", "limit", "safety_level", "status"]);
    server.input("s", "hello").await.ok();
    for query in ["limit=0", "limit=51", "limit=x", "before=0", "before=-1"] {
        server.get(&format!("/session/s/history?{query}")).await.problem(422, "invalid_request");
    }
    let no_days = ["from=yesterday", "from=2026-02-01&to=2026-01-01", "from=2000-01-01"];
    // Where the calendar ends, nothing can be counted back from.
    let far_days =
        ["to=-262143-01-01", "to=%2B262142-12-31", "to=0000-01-01", "from=0001-01-01&to=%2B10000-01-01"];
    for query in no_days.iter().chain(&far_days) {
        server.get(&format!("/api/v1/analytics/daily?{query}")).await.problem(422, "invalid_request");
    }
}

#[tokio::test]
async fn answers_carry_an_id_and_the_security_headers() {
    let server = Server::start().await;
    let request = server.request(Method::GET, "/livez").header("x-request-id", "abc-123");
    let answer = server.send(request).await;
    assert_eq!(answer.header("x-request-id"), Some("abc-123"));
    assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
    assert_eq!(answer.header("x-frame-options"), Some("DENY"));
    assert_eq!(answer.header("cache-control"), Some("no-store"));
    assert!(
        answer.header("content-security-policy").is_some_and(|policy| policy.contains("default-src 'none'"))
    );
    let bad = server.request(Method::GET, "/livez").header("x-request-id", "a b\"c");
    let made = server.send(bad).await;
    assert_eq!(made.header("x-request-id").map(str::len), Some(32));
    let problem = server.get("/nothing").await;
    assert!(
        problem.json()["instance"]
            .as_str()
            .is_some_and(|id| id.ends_with(problem.header("x-request-id").unwrap_or("-")))
    );
}

#[tokio::test]
async fn only_listed_origins_may_call_from_a_page() {
    let server = Server::with(&[("ATTUNE_CORS_ORIGINS", "https://app.example.com")]).await;
    let ask = async |origin: &str, path: &str| {
        let request = server.request(Method::GET, path).header("origin", origin);
        let answer: Answer = server.send(request).await;
        answer.header("access-control-allow-origin").map(str::to_owned)
    };
    assert_eq!(ask("https://app.example.com", "/livez").await.as_deref(), Some("https://app.example.com"));
    assert_eq!(ask("https://app.example.com", "/nothing").await.as_deref(), Some("https://app.example.com"));
    assert_eq!(ask("https://evil.example.com", "/livez").await, None);
    // Beneath the described operations: asked of the socket, not of the description.
    let preflight = server.client.request(Method::OPTIONS, format!("http://{}/api/v1/input", server.addr()));
    let preflight = preflight.header("origin", "https://evil.example.com");
    let refused = preflight.header("access-control-request-method", "POST").send().await.expect("answered");
    let status = refused.status().as_u16();
    let problem: Value = serde_json::from_slice(&refused.bytes().await.expect("read")).expect("a problem");
    assert_eq!(
        (problem["status"].as_u64(), &problem["error"]),
        (Some(status.into()), &json!("invalid_request"))
    );
    let none = Server::start().await;
    let request = none.request(Method::GET, "/livez").header("origin", "https://app.example.com");
    assert_eq!(none.send(request).await.header("access-control-allow-origin"), None);
}

#[tokio::test]
async fn an_address_that_sends_too_much_waits_but_danger_does_not() {
    let server = Server::with(&[("ADDRESS_RATE_PER_SECOND", "1"), ("ADDRESS_BURST", "3")]).await;
    let mut refused = 0;
    for n in 0..10 {
        let answer = server.input(&format!("s{n}"), "hello").await;
        if answer.status != 200 {
            assert_resources(&answer.problem(429, "address_limited"));
            assert!(answer.header("retry-after").is_some());
            refused += 1;
        }
    }
    assert!(refused >= 5, "{refused} of 10 were refused");
    let danger = server.input("d", "I am going to kill myself tonight").await.ok();
    assert_eq!(danger["responder"], "crisis");
    assert_eq!(server.get("/livez").await.status, 200, "probes are never limited");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_trickles_in_is_cut_off() {
    let server = Server::with(&[("SLOW_SENDER_MS", "200")]).await;
    let addr = server.addr().to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).expect("connected");
        let head = "POST /api/v1/input HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ncontent-length: 50\r\n\r\n{";
        stream.write_all(head.as_bytes()).expect("written");
        let mut answer = [0u8; 4096];
        let read = stream.read(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..read]).into_owned()
    });
    let answer = answer.await.expect("not panicked");
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_body_that_does_not_tell_its_length_is_bounded_too() {
    let server = Server::start().await;
    let addr = server.addr().to_owned();
    let answer = tokio::task::spawn_blocking(move || {
        let mut stream = TcpStream::connect(addr).expect("connected");
        let head = "POST /api/v1/input HTTP/1.1\r\nhost: a\r\ncontent-type: application/json\r\ntransfer-encoding: chunked\r\n\r\n";
        stream.write_all(head.as_bytes()).expect("written");
        let chunk = format!("2000\r\n{}\r\n", "a".repeat(0x2000));
        // The server may hang up before it was told everything.
        let _cut = (0..40).try_for_each(|_| stream.write_all(chunk.as_bytes()));
        let _cut = stream.write_all(b"0\r\n\r\n");
        let mut answer = [0u8; 4096];
        let read = stream.read(&mut answer).expect("an answer");
        String::from_utf8_lossy(&answer[..read]).into_owned()
    });
    let answer = answer.await.expect("not panicked");
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
}

#[tokio::test]
async fn answers_are_compressed_for_those_who_ask() {
    let server = Server::start().await;
    let request = server.request(Method::GET, "/openapi.json").header("accept-encoding", "gzip");
    let answer = server.send(request).await;
    assert_eq!(answer.header("content-encoding"), Some("gzip"));
}
