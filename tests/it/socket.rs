//! Live connections: what clients from before see, what the typed dialect promises, and what nobody may do over either.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use futures_util::SinkExt as _;
use reqwest::Method;
use serde_json::{Value, json};
use tokio_tungstenite::tungstenite::Message;

use crate::clinic::{Clinic, shut, text};
use crate::fake::{FakeModel, Reply, Script};
use crate::model_rig::{Pair, Scene, messages, until};
use crate::process::{Process, directory};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};
use crate::socket_client::{Raw, Socket, end_of, frame};

const GOAL: &str = "I want to feel calm and free";
const DANGER: &str = "I am going to kill myself tonight";
const PATH: &str = "/ws/chat/?session=s";
const THERAPY: &str = "/ws/chat/?session=s&mode=therapy";

async fn open(server: &Server, path: &str) -> Socket {
    Socket::open(server.addr(), path).await
}

/// One that takes long for each reply.
fn slow(seconds: u64) -> Script {
    let reply = Reply::always("I hear that you want to feel calm.");
    Script { delay: Duration::from_secs(seconds), reply, ..Script::default() }
}

/// The replies that the model was asked for.
async fn asked(scene: &Scene, count: usize) {
    scene.fake.wait_for(|seen| seen.iter().filter(|seen| !messages(seen).is_empty()).count() >= count).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_client_counts_on_after_it_came_back_and_after_a_restart() {
    let server = Server::start().await;
    for path in ["/ws/chat/", "/ws/chat", "/chat/ws/chat/", "/chat/ws/chat"] {
        let mut socket = open(&server, &format!("{path}?session=s&redis_persistence=true")).await;
        socket.count("hello").await;
        socket.close().await;
    }
    let mut socket = open(&server, PATH).await;
    assert_eq!(socket.count("again").await, 5);
    let echo = {
        socket.say("to the letter \u{1f642} \"quoted\"").await;
        socket.hear().await
    };
    assert_eq!(echo, json!({ "count": 6, "echo": "to the letter \u{1f642} \"quoted\"" }));
    let shown = async |server: &Server| server.get("/api/sessions/s/").await.ok()["data"]["data"].clone();
    assert_eq!(
        (&shown(&server).await["count"], &shown(&server).await["disconnected_at"]),
        (&json!(6), &Value::Null)
    );
    socket.close().await;
    until("it is noted who left", async || shown(&server).await["disconnected_at"].is_f64()).await;
    server.post("/api/sessions/s/extend/", &json!({ "ttl": 7_200 })).await.ok();
    let server = server.restart().await;
    let mut socket = open(&server, PATH).await;
    until("it is noted who is back", async || shown(&server).await["disconnected_at"].is_null()).await;
    assert_eq!(socket.count("after").await, 7);
    assert_eq!(
        server.get("/api/sessions/s/").await.ok()["data"]["remaining_ttl"],
        7_200,
        "a message keeps it"
    );
    let messages = server.get("/api/sessions/s/messages/").await.ok();
    assert_eq!(messages["messages"].as_array().map(Vec::len), Some(7));
    server.delete("/api/sessions/s/delete/").await.ok();
    assert_eq!(socket.end().await.1, 4404);
    server.get("/api/sessions/s/").await;
    assert_eq!(open(&server, PATH).await.count("anew").await, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_redis_two_servers_give_one_row_of_numbers_and_each_socket_hears_the_other() {
    let redis = RedisServer::with_clock(start());
    let first = Server::with(&[("REDIS_URL", &redis.url())]).await;
    let second = first.another().await;
    let (mut one, mut other) = (open(&first, PATH).await, open(&second, PATH).await);
    let mut numbers = BTreeSet::new();
    // A server hears a session from the other one a moment after somebody there does.
    let mut heard = Value::Null;
    while heard.is_null() {
        numbers.insert(one.count("are you there?").await);
        let listening = tokio::time::timeout(Duration::from_millis(200), other.hear());
        heard = listening.await.unwrap_or_default();
    }
    assert_eq!((&heard["type"], &heard["content"]), (&json!("message"), &json!("are you there?")));
    assert_eq!((&heard["sessionId"], heard["timestamp"].is_i64()), (&json!("s"), true));
    for _ in 0..10 {
        one.say("from one").await;
        other.say("from the other").await;
        for (socket, own) in [(&mut one, "from one"), (&mut other, "from the other")] {
            let mut both = [socket.hear().await, socket.hear().await];
            both.sort_by_key(|frame| frame["type"].is_string());
            assert_eq!((&both[0]["echo"], both[1]["type"].as_str()), (&json!(own), Some("message")));
            assert_ne!(both[0]["count"], both[1]["count"]);
            numbers.extend(both.iter().map(|frame| frame["count"].as_u64().expect("a number")));
        }
    }
    let expected: BTreeSet<u64> = (1..=numbers.len() as u64).collect();
    assert_eq!(numbers, expected, "no gap and no repeat");
    drop((one, other));
    let second = second.restart().await;
    assert_eq!(open(&second, PATH).await.count("on").await, expected.len() as u64 + 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_sockets_on_one_session_each_hears_the_other_and_one_that_goes_leaves_the_other_its_heartbeat()
{
    let server = Server::with(&[("SOCKET_HEARTBEAT_MS", "400")]).await;
    let (mut one, mut other) = (open(&server, PATH).await, open(&server, PATH).await);
    assert_eq!(one.count("a").await, 1);
    assert_eq!(other.hear().await["content"], "a");
    assert_eq!(other.count("b").await, 2);
    assert_eq!(one.hear().await["content"], "b");
    // Read all the while: a ping is answered where somebody reads.
    let closing = tokio::spawn(one.close());
    for _ in 0..3 {
        other.beat().await;
    }
    closing.await.expect("no panic");
    assert_eq!(other.count("c").await, 3);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_that_is_not_kept_counts_for_itself_and_leaves_nothing() {
    let mut server = Server::start().await;
    let path = "/ws/chat/?session=s&redis_persistence=false";
    let (mut one, mut other) = (open(&server, path).await, open(&server, path).await);
    assert_eq!((one.count("zebrafinch").await, one.count("zebrafinch").await), (1, 2));
    assert_eq!(other.count("mine").await, 1, "and nobody hears it");
    one.say(&format!("zebrafinch {DANGER}")).await;
    assert_eq!(one.hear().await["count"], 3);
    let reply = one.hear_of("reply").await;
    assert_eq!((&reply["responder"], &reply["storage"]), (&json!("crisis"), &json!("none")));
    server.get("/session/s").await.problem(404, "not_found");
    let refused = Socket::with(server.addr(), "/ws/chat/?redis_persistence=false&mode=therapy", &[]).await;
    assert_eq!(refused.err(), Some(422));
    assert!(!server.tables().await.contains("zebrafinch"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_that_is_made_for_a_connection_is_told() {
    let server = Server::start().await;
    let mut socket = open(&server, "/ws/chat/").await;
    let id = socket.headers["x-session-id"].to_str().expect("plain").to_owned();
    socket.say("hello").await;
    assert_eq!(socket.hear().await, json!({ "count": 1, "echo": "hello", "sessionId": id }));
    socket.say("hello").await;
    assert_eq!(socket.hear().await, json!({ "count": 2, "echo": "hello" }));
    let (_socket, hello) = Socket::typed(server.addr(), "/ws/chat/").await;
    assert!(hello["session"].as_str().is_some_and(|made| made != id && made.len() == 32));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn in_therapy_a_plain_text_is_a_turn_and_its_reply_follows_its_number() {
    let server = Server::start().await;
    let (mut socket, mut other) = (open(&server, THERAPY).await, open(&server, THERAPY).await);
    socket.say(GOAL).await;
    assert_eq!(socket.hear().await, json!({ "count": 1, "echo": GOAL }));
    let reply = socket.hear().await;
    let stored = server.get("/session/s/turn/1").await.ok();
    assert_eq!(
        (&reply["type"], &reply["turn"], &reply["replayed"]),
        (&json!("reply"), &json!(1), &json!(false))
    );
    assert_eq!(reply["therapist_response"], stored["therapist_response"]);
    assert_eq!(other.hear().await["content"], GOAL);
    assert_eq!(other.hear_of("reply").await["therapist_response"], stored["therapist_response"]);
    socket.say(&"long ".repeat(2_000)).await;
    let problem = socket.hear().await;
    assert_eq!((&problem["type"], &problem["error"]), (&json!("problem"), &json!("text_too_long")));
    assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_ticket_opens_one_connection_and_is_never_told_back() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", "hello").await;
    let server = &clinic.server;
    let ticket =
        async || text(&clinic.as_app(Method::POST, "/session/s/ticket", &json!({})).await.ok(), "ticket");
    let offer = async |ticket: &str, dialect: &str, path: &str| {
        let protocols = [dialect, &format!("ticket.{ticket}")].join(", ");
        let offer = [("sec-websocket-protocol", protocols.trim_start_matches(", "))];
        Socket::with(server.addr(), path, &offer).await
    };
    for dialect in ["attune.v1", "attune.plain"] {
        let ticket = ticket().await;
        let socket = offer(&ticket, dialect, "/ws/chat/").await.expect("let in");
        assert_eq!(socket.headers["sec-websocket-protocol"], dialect);
        assert!(!format!("{:?}", socket.headers).contains(&ticket));
        assert_eq!(offer(&ticket, dialect, "/ws/chat/").await.err(), Some(401), "a second time");
    }
    assert_eq!(offer(&ticket().await, "", "/ws/chat/").await.err(), Some(422), "with no dialect beside it");
    assert_eq!(offer(&ticket().await, "attune.v1", "/ws/chat/?session=other").await.err(), Some(404));
    assert_eq!(offer("attune_ticket_x", "attune.v1", "/ws/chat/").await.err(), Some(401));
    // A ticket is let in as the session's client: what it says are turns.
    let mut socket = offer(&ticket().await, "attune.plain", "/ws/chat/").await.expect("let in");
    socket.say("hello").await;
    assert_eq!(socket.hear_of("reply").await["session_id"], "s");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_connect_and_from_which_page() {
    let clinic = Clinic::open(&[("ATTUNE_CORS_ORIGINS", "https://app.example.com")]).await;
    let addr = clinic.server.addr().to_owned();
    let with = async |headers: &[(&str, &str)], path: &str| Socket::with(&addr, path, headers).await.err();
    let key = ("x-api-key", clinic.app.as_str());
    assert_eq!(with(&[], PATH).await, Some(401));
    assert_eq!(with(&[("cookie", &clinic.ana.cookie)], PATH).await, Some(403), "a clinician's login");
    assert_eq!(with(&[("x-api-key", crate::clinic::BOOTSTRAP)], PATH).await, Some(403), "an admin");
    assert_eq!(with(&[key], "/ws/chat/?session=no%20id").await, Some(422));
    for (origin, expected) in [
        (format!("http://{addr}"), None),
        ("https://app.example.com".to_owned(), None),
        ("https://evil.example.com".to_owned(), Some(403)),
        ("https://app.example.com.evil.com".to_owned(), Some(403)),
        ("null".to_owned(), Some(403)),
    ] {
        assert_eq!(with(&[key, ("origin", &origin)], PATH).await, expected, "{origin}");
    }
    let plain = clinic.as_app(Method::GET, "/ws/chat/?session=s", &Value::Null).await;
    plain.problem(426, "upgrade_required");
    assert_eq!(plain.header("upgrade"), Some("websocket"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_from_before_get_in_without_a_credential_only_where_that_is_written_out_and_to_no_therapy() {
    let without = shut(&[]).await;
    assert_eq!(Socket::with(without.addr(), PATH, &[]).await.err(), Some(401));
    let clinic = Clinic::open(&[("ATTUNE_AUTH_LEGACY_WS", "1")]).await;
    clinic.say("theirs", GOAL).await;
    let server = &clinic.server;
    let mut socket = open(server, PATH).await;
    assert_eq!(socket.count("hello").await, 1);
    socket.say(DANGER).await;
    assert_eq!(socket.hear().await["count"], 2);
    let reply = socket.hear().await;
    assert_eq!((&reply["responder"], &reply["storage"]), (&json!("crisis"), &json!("none")));
    for path in
        [THERAPY, "/ws/chat/?session=theirs", "/ws/chat/?session=s&redis_persistence=false&mode=therapy"]
    {
        let refused = Socket::with(server.addr(), path, &[]).await.err();
        assert!(matches!(refused, Some(401 | 422)), "{path}: {refused:?}");
    }
    let typed = Socket::with(server.addr(), PATH, &[("sec-websocket-protocol", "attune.v1")]).await;
    assert_eq!(typed.err(), Some(401));
    // Nor do they stay where therapy begins.
    let (mut listening, mut speaking) = (open(server, PATH).await, socket);
    clinic.say("s", GOAL).await;
    let key = [("x-api-key", clinic.app.as_str())];
    let mut app = Socket::with(server.addr(), THERAPY, &key).await.expect("let in");
    app.say("a secret").await;
    speaking.say("hello").await;
    for socket in [&mut listening, &mut speaking] {
        let (frames, code) = socket.end().await;
        assert!(code == 4401 && !json!(frames).to_string().contains("a secret"), "{frames:?}");
    }
    server.get("/session/s").await.problem(401, "unauthorized");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_input_is_accepted_told_in_parts_and_acknowledged_by_its_turn() {
    let scene = Scene::with(slow(0), &[]).await;
    let (mut socket, hello) = Socket::typed(scene.server.addr(), PATH).await;
    assert_eq!(
        hello,
        json!({ "type": "hello", "session": "s", "turn": 0, "status": null, "missed": [], "truncated": false })
    );
    socket.input("one", GOAL).await;
    let mut said = String::new();
    let mut kinds = Vec::new();
    let turn = loop {
        let frame = socket.hear().await;
        assert_eq!(frame["id"], "one");
        kinds.push(frame["type"].as_str().expect("a type").to_owned());
        match kinds.last().map(String::as_str) {
            Some("delta") => said.push_str(frame["text"].as_str().expect("text")),
            Some("turn") => break frame,
            _ => {}
        }
    };
    assert_eq!(
        (&kinds[..2], kinds.contains(&"delta".to_owned())),
        (&["accepted".to_owned(), "typing".to_owned()][..], true)
    );
    assert_eq!((turn["therapist_response"].as_str(), &turn["turn"]), (Some(said.as_str()), &json!(1)));
    socket.send(&json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await, json!({ "type": "pong" }));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_comes_twice_is_one_turn_on_whichever_server() {
    let Pair { servers: [first, second], .. } = &Pair::with(slow(0), &[]).await;
    let (mut one, _) = Socket::typed(first.addr(), PATH).await;
    one.input("same", GOAL).await;
    one.input("same", GOAL).await;
    let (turn, again) = (one.hear_of("turn").await, one.hear_of("turn").await);
    assert_eq!((&turn["replayed"], &again["replayed"]), (&json!(false), &json!(true)));
    let (mut other, hello) = Socket::typed(second.addr(), PATH).await;
    assert_eq!(hello["turn"], 1);
    other.input("same", GOAL).await;
    let elsewhere = other.hear_of("turn").await;
    assert_eq!((&elsewhere["turn"], &elsewhere["replayed"]), (&json!(1), &json!(true)));
    assert_eq!(elsewhere["therapist_response"], turn["therapist_response"]);
    other.input("same", "something else").await;
    assert_eq!(other.hear_of("problem").await["error"], "idempotency_key_reused");
    assert_eq!(second.session("s").await["turn_count"], 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_outlives_its_connection_and_is_told_to_who_comes_back() {
    let scene = Scene::with(slow(1), &[]).await;
    let addr = scene.server.addr();
    let (mut lost, _) = Socket::typed(addr, PATH).await;
    lost.input("one", GOAL).await;
    asked(&scene, 1).await;
    drop(lost);
    let (mut back, _) = Socket::typed(addr, &format!("{PATH}&last_turn=0")).await;
    let turn = back.hear_of("turn").await;
    assert_eq!((&turn["turn"], &turn["id"]), (&json!(1), &Value::Null), "as one of another connection's");
    for _ in 0..2 {
        scene.server.input("s", "I see a lake").await.ok();
    }
    back.send(&json!({ "type": "resume", "last_turn": 1 })).await;
    let hello = back.hear_of("hello").await;
    let missed: Vec<u64> =
        hello["missed"].as_array().expect("a list").iter().filter_map(|turn| turn["turn"].as_u64()).collect();
    assert_eq!((missed, &hello["turn"], &hello["truncated"]), (vec![2, 3], &json!(3), &json!(false)));
    let (_again, hello) = Socket::typed(addr, &format!("{PATH}&last_turn=2")).await;
    assert_eq!(hello["missed"].as_array().map(Vec::len), Some(1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_stopped_says_so_and_the_queue_behind_it_has_a_bound() {
    let scene = Scene::with(slow(60), &[]).await;
    let (mut socket, _) = Socket::typed(scene.server.addr(), PATH).await;
    for number in 0..=17 {
        socket.input(&number.to_string(), GOAL).await;
    }
    let full = socket.hear_of("problem").await;
    assert_eq!(
        (&full["error"], &full["id"], full["retry_after"].is_u64()),
        (&json!("queue_full"), &json!("17"), true)
    );
    asked(&scene, 1).await;
    socket.send(&json!({ "type": "stop", "turn": 7 })).await;
    socket.send(&json!({ "type": "ping" })).await;
    assert_eq!(socket.hear().await["type"], "pong", "another turn than the one at work is not stopped");
    socket.send(&json!({ "type": "stop", "turn": 1 })).await;
    let stopped = socket.hear().await;
    assert_eq!((&stopped["error"], &stopped["id"]), (&json!("stopped"), &json!("0")));
    assert_eq!(socket.hear().await, json!({ "type": "typing", "id": "1" }));
    // Danger does not wait for those sixteen, and they are answered as it is from then on.
    socket.input("danger", DANGER).await;
    let mut turn = socket.hear_of("turn").await;
    while turn["id"] != "danger" {
        turn = socket.hear_of("turn").await;
    }
    assert_eq!(turn["responder"], "crisis");
    assert_eq!(socket.hear_of("paused").await["level"], "crisis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_is_answered_over_every_limit_in_both_dialects() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let addr = server.addr();
    let mut plain = open(&server, "/ws/chat/?session=plain").await;
    for _ in 0..150 {
        plain.say("hello").await;
    }
    assert_eq!(plain.hear_of("problem").await["error"], "flooded");
    plain.say(DANGER).await;
    assert_eq!(plain.hear_of("reply").await["responder"], "crisis");
    assert_eq!(server.session("plain").await["safety_level"], "crisis", "an echo alone helps nobody");
    let (mut typed, _) = Socket::typed(addr, "/ws/chat/?session=typed").await;
    typed.input("a", "hello").await;
    typed.hear_of("turn").await;
    typed.input("b", "hello").await;
    assert_eq!(typed.hear_of("problem").await["error"], "rate_limited");
    let long = format!("{} {DANGER} {}", "ä ".repeat(50_000), "b ".repeat(40_000));
    typed.send(&json!({ "type": "input", "id": 7, "text": long })).await;
    let turn = typed.hear_of("turn").await;
    assert_eq!((&turn["responder"], &turn["truncated"]), (&json!("crisis"), &json!(true)));
    typed.input("c", &"long ".repeat(2_000)).await;
    assert_eq!(typed.hear_of("problem").await["error"], "text_too_long");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stopping_server_finishes_the_turns_of_its_connections_and_still_answers_danger() {
    let mut scene = Scene::with(slow(60), &[("SHUTDOWN_MS", "4000")]).await;
    let addr = scene.server.addr().to_owned();
    let (mut typed, _) = Socket::typed(&addr, "/ws/chat/?session=typed").await;
    let mut plain = Socket::open(&addr, "/ws/chat/?session=plain&mode=therapy").await;
    let mut idle = Socket::open(&addr, "/ws/chat/?session=idle").await;
    idle.count("one").await;
    typed.input("one", GOAL).await;
    plain.count(GOAL).await;
    asked(&scene, 2).await;
    let stopping = tokio::spawn(async move {
        scene.server.stop().await;
        scene
    });
    let (frames, code) = idle.end().await;
    assert_eq!((code, &frames[0]["bye"], &frames[0]["total"]), (1001, &json!(true), &json!(1)));
    typed.input("two", "hello").await;
    assert_eq!(typed.hear_of("problem").await["error"], "shutting_down");
    typed.input("three", DANGER).await;
    assert_eq!(typed.hear_of("turn").await["responder"], "crisis");
    let (frames, code) = typed.end().await;
    let last = frames.last().expect("a last word");
    assert_eq!(
        (code, &last["type"], frames.iter().filter(|frame| frame["type"] == "turn").count()),
        (1001, &json!("bye"), 1)
    );
    let (frames, code) = plain.end().await;
    assert_eq!((code, &frames[0]["type"], &frames[1]["bye"]), (1001, &json!("reply"), &json!(true)));
    stopping.await.expect("it stops");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_kind_of_bad_frame_ends_the_connection_with_its_code() {
    let server = Server::start().await;
    let large = |first| frame(first, &vec![b'a'; 1_000_000]);
    for protocol in ["attune.plain", "attune.v1"] {
        for (bytes, code) in [
            (frame(0x81, b"\xff"), 1007),
            (frame(0x82, b"a"), 1003),
            (frame(0xc1, b"a"), 1002),
            (frame(0x80, b"a"), 1002),
            (frame(0x83, b"a"), 1002),
            (frame(0x09, b"a"), 1002),
            (vec![0x81, 1, b'a'], 1002),
            (large(0x81), 1009),
            ([frame(0x01, &vec![b'a'; 200_000]), frame(0x80, &vec![b'a'; 100_000])].concat(), 1009),
            (frame(0x88, &1000_u16.to_be_bytes()), 1000),
        ] {
            let mut raw = Raw::open(server.addr(), PATH, protocol).await;
            raw.send(&bytes).await;
            assert_eq!(raw.end().await, code, "{protocol} {:?}", &bytes[..1]);
        }
    }
    let (mut typed, _) = Socket::typed(server.addr(), PATH).await;
    for (sent, error) in [
        ("nonsense", "invalid_json"),
        ("[1]", "invalid_request"),
        ("{\"type\":\"dance\"}", "invalid_request"),
        ("{\"type\":\"input\",\"id\":\"a\"}", "invalid_request"),
        ("{\"type\":\"input\",\"text\":\"hello\"}", "invalid_request"),
        ("{\"type\":\"resume\",\"last_turn\":\"x\"}", "invalid_request"),
    ] {
        typed.say(sent).await;
        let problem = typed.hear().await;
        assert_eq!((&problem["type"], &problem["error"]), (&json!("problem"), &json!(error)), "{sent}");
        assert!(problem["resources"].is_array());
    }
    let (flooding, _) = Socket::typed(server.addr(), "/ws/chat/?session=flood").await;
    let (mut flood, heard) = flooding.split();
    let flooding = tokio::spawn(async move {
        // Until the other end has heard enough.
        while flood.send(Message::text("nonsense")).await.is_ok() {}
    });
    assert_eq!(end_of(heard).await, Some(1008));
    flooding.await.expect("no panic");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_gives_no_sign_of_life_is_let_go_and_who_does_not_read_is_cut_off() {
    let server = Server::with(&[
        ("SOCKET_HEARTBEAT_MS", "300"),
        ("SLOW_READER_MS", "300"),
        ("CONNECTIONS_PER_CALLER", "2"),
    ])
    .await;
    let mut silent = Raw::open(server.addr(), "/ws/chat/?session=silent", "attune.plain").await;
    assert_eq!(silent.end().await, 4408);
    let deaf = Raw::open(server.addr(), PATH, "attune.plain").await;
    let mut loud = open(&server, PATH).await;
    assert_eq!(Socket::with(server.addr(), PATH, &[]).await.err(), Some(429), "both places are taken");
    let words = "a".repeat(8_000);
    let (addr, mut said) = (server.addr(), 0);
    until("the place of the one that does not read is free", async || {
        if said < 90 {
            loud.count(&words).await;
            said += 1;
        }
        Socket::with(addr, PATH, &[]).await.is_ok()
    })
    .await;
    drop(deaf);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn connections_have_bounds_in_all_and_from_an_address_and_places_come_free() {
    for (name, value) in
        [("CONNECTIONS_MAX", "2"), ("CONNECTIONS_PER_ADDRESS", "2"), ("CONNECTIONS_PER_CALLER", "2")]
    {
        let server = Server::with(&[(name, value)]).await;
        let (one, two) = (open(&server, PATH).await, open(&server, PATH).await);
        assert_eq!(Socket::with(server.addr(), PATH, &[]).await.err(), Some(429), "{name}");
        one.close().await;
        until("a place is free", async || Socket::with(server.addr(), PATH, &[]).await.is_ok()).await;
        drop(two);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_ends_with_its_session_and_with_what_let_it_in() {
    let clinic = Clinic::open(&[("SOCKET_HEARTBEAT_MS", "50")]).await;
    let addr = clinic.server.addr().to_owned();
    let made = async |id: &str| {
        let created = clinic.as_app(Method::POST, "/session/create", &json!({ "session_id": id })).await.ok();
        text(&created, "session_token")
    };
    let connect = async |token: &str| {
        let headers =
            [("authorization", &*format!("Bearer {token}")), ("sec-websocket-protocol", "attune.v1")];
        let mut socket = Socket::with(&addr, "/ws/chat/", &headers).await.expect("let in");
        socket.hear_of("hello").await;
        socket
    };
    let mut removed = connect(&made("removed").await).await;
    let mut by_app =
        Socket::with(&addr, "/ws/chat/?session=removed", &[("x-api-key", &clinic.app)]).await.expect("in");
    clinic.as_app(Method::DELETE, "/session/removed", &Value::Null).await.ok();
    assert!(matches!(removed.end().await.1, 4401 | 4404));
    assert_eq!(by_app.end().await.1, 4404);
    let mut revoked = connect(&made("revoked").await).await;
    let ticket =
        text(&clinic.as_app(Method::POST, "/session/revoked/ticket", &json!({})).await.ok(), "ticket");
    let offer = [("sec-websocket-protocol", &*format!("attune.plain, ticket.{ticket}"))];
    let mut by_ticket = Socket::with(&addr, "/ws/chat/", &offer).await.expect("let in");
    clinic.as_app(Method::DELETE, "/session/revoked/tokens", &Value::Null).await.ok();
    assert_eq!((revoked.end().await.1, by_ticket.end().await.1), (4401, 4401));
    // Nobody tells of a key that is revoked: it is asked for with each heartbeat.
    let key = clinic.as_admin(Method::POST, "/keys", &json!({ "label": "b" })).await.ok();
    let mut by_key = Socket::with(&addr, PATH, &[("x-api-key", &text(&key, "key"))]).await.expect("let in");
    clinic.as_admin(Method::DELETE, &format!("/keys/{}", text(&key, "id")), &Value::Null).await.ok();
    let (frames, code) = by_key.end().await;
    assert_eq!((code, &frames[0]["error"]), (4401, &json!("unauthorized")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_connections_hear_bye_and_their_turns_ends_within_ten_seconds_of_sigterm() {
    const CONNECTIONS: usize = 500;
    const TALKING: usize = 10;
    let (home, fake) = (directory(), FakeModel::with(slow(60)).await);
    let process = Process::start(home.path(), &[("OLLAMA_BASE_URL", &fake.url())]);
    let addr = process.url.trim_start_matches("http://").to_owned();
    let mut sockets = Vec::new();
    for number in 0..CONNECTIONS {
        let mode = if number < TALKING { "&mode=therapy" } else { "" };
        let mut socket = Socket::open(&addr, &format!("/ws/chat/?session=s{number}{mode}")).await;
        if number < TALKING {
            socket.count(GOAL).await;
        }
        sockets.push(socket);
    }
    fake.wait_for(|seen| seen.iter().filter(|seen| !messages(seen).is_empty()).count() >= TALKING).await;
    let begun = Instant::now();
    let ending = tokio::task::spawn_blocking(move || process.terminate());
    let mut replies = 0;
    for mut socket in sockets {
        let (frames, code) = socket.end().await;
        assert_eq!((code, &frames.last().expect("a last word")["bye"]), (1001, &json!(true)));
        replies += frames.iter().filter(|frame| frame["type"] == "reply").count();
    }
    assert_eq!((replies, ending.await.expect("no panic")), (TALKING, Some(0)));
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_is_answered_while_redis_is_frozen_and_the_connection_stays() {
    let redis = RedisServer::with_clock(start());
    let server = Server::with(&[("REDIS_URL", &redis.url()), ("ATTUNE_STORE_FALLBACK", "reject")]).await;
    let mut plain = open(&server, THERAPY).await;
    plain.count(GOAL).await;
    plain.hear_of("reply").await;
    let (mut typed, _) = Socket::typed(server.addr(), "/ws/chat/?session=typed").await;
    redis.freeze();
    let begun = Instant::now();
    plain.say(DANGER).await;
    typed.input("a", DANGER).await;
    for reply in [plain.hear_of("reply").await, typed.hear_of("turn").await] {
        assert_eq!((&reply["responder"], &reply["storage"]), (&json!("crisis"), &json!("none")));
    }
    assert!(begun.elapsed() < Duration::from_secs(2), "{:?}", begun.elapsed());
    plain.say("hello").await;
    assert_eq!(plain.hear_of("problem").await["error"], "store_unavailable");
    redis.thaw();
    until("the store is back", async || {
        plain.say("hello").await;
        loop {
            let frame = plain.hear().await;
            if frame["echo"] == "hello" || frame["error"] == "store_unavailable" {
                break frame["echo"] == "hello";
            }
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_to_everybody_reach_every_connection_and_say_once_that_there_is_something_new() {
    let server = Server::start().await;
    let mut plain = open(&server, PATH).await;
    let (mut typed, _) = Socket::typed(server.addr(), "/ws/chat/?session=typed").await;
    let words = json!({ "message": "Back in an hour", "title": "Maintenance", "level": "warning" });
    server.post("/api/broadcast/", &words).await.ok();
    let expected = json!({
        "type": "broadcast", "message": "Back in an hour", "title": "Maintenance", "level": "warning",
        "timestamp": start().millis()
    });
    assert_eq!((plain.hear().await, typed.hear().await), (expected.clone(), expected));
    let new = plain.hear().await;
    assert_eq!((&new["type"], &new["sessionId"]), (&json!("new_messages_available"), &json!("s")));
    assert_eq!(plain.count("thanks").await, 1, "and nothing more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_looks_after_people_hears_of_danger_as_it_shows_and_of_no_word() {
    let clinic = Clinic::open(&[("SOCKET_HEARTBEAT_MS", "100")]).await;
    let addr = clinic.server.addr();
    let duty = async |path: &str| {
        let headers = [("cookie", clinic.ana.cookie.as_str()), ("sec-websocket-protocol", "attune.v1")];
        Socket::with(addr, path, &headers).await
    };
    let app = format!("Bearer {}", clinic.app);
    let refused = Socket::with(addr, "/ws/alerts/", &[("authorization", app.as_str())]).await;
    assert_eq!(refused.err(), Some(403), "an app has no alerts");
    let mut ana = duty("/ws/alerts/").await.expect("she is let in");
    ana.hear_of("hello").await;
    clinic.say("calm", GOAL).await;
    clinic.say("s", &format!("quoll {DANGER}")).await;
    let alert = ana.hear_of("alert").await;
    assert_eq!(
        (&alert["session"], &alert["level"], &alert["was"]),
        (&json!("s"), &json!("crisis"), &json!("none"))
    );
    assert!(!alert.to_string().contains("quoll"));
    ana.say("{\"type\":\"input\",\"id\":\"1\",\"text\":\"hello\"}").await;
    assert_eq!(ana.hear_of("problem").await["error"], "invalid_request");
    ana.say("{\"type\":\"ping\"}").await;
    ana.hear_of("pong").await;
    ana.close().await;
    clinic.say("t", DANGER).await;
    let seen = text(&alert, "event");
    let mut again = duty(&format!("/ws/alerts?after={seen}")).await.expect("she is let in");
    assert_eq!(again.hear_of("alert").await["session"], "t", "what was missed comes, and nothing twice");
    clinic.as_clinician(Method::POST, "/logout", &json!({})).await.ok();
    assert_eq!(again.end().await.1, 4401);
    let records = clinic.records().await;
    let heard = records.iter().filter(|record| record["action"] == "hear_alerts");
    assert!(heard.count() >= 3, "who listens is written down, and who may not");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_plain_chat_in_which_danger_showed_is_therapy_for_all_who_are_in_it_and_who_come_back() {
    let server = Server::start().await;
    let (mut one, mut other) = (open(&server, PATH).await, open(&server, PATH).await);
    one.count("hello").await;
    one.say(DANGER).await;
    assert_eq!(one.hear_of("reply").await["responder"], "crisis");
    assert_eq!(other.hear_of("reply").await["responder"], "crisis", "the other one sees it too");
    other.say("yes").await;
    assert_eq!(other.hear_of("reply").await["responder"], "crisis");
    one.close().await;
    let mut again = open(&server, PATH).await;
    again.say("yes, maybe").await;
    assert_eq!(again.hear_of("reply").await["responder"], "crisis", "nobody is left with an echo");
    let mut third = open(&server, "/ws/chat/?session=http").await;
    third.count("hello").await;
    server.input("http", DANGER).await.ok();
    third.say("yes").await;
    assert_eq!(third.hear_of("reply").await["responder"], "crisis");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_connection_by_a_ticket_stands_as_long_as_what_minted_it() {
    let clinic = Clinic::open(&[("SOCKET_HEARTBEAT_MS", "100"), ("TOKEN_TTL", "2h")]).await;
    clinic.say("s", GOAL).await;
    let minted = clinic.as_app(Method::POST, "/session/s/tokens", &json!({})).await.ok();
    let token = text(&minted, "session_token");
    let ticket = clinic.server.request(Method::POST, "/session/s/ticket").bearer_auth(&token);
    let ticket = text(&clinic.server.send(ticket).await.ok(), "ticket");
    let offer = format!("attune.v1, ticket.{ticket}");
    let headers = [("sec-websocket-protocol", offer.as_str())];
    let mut socket = Socket::with(clinic.server.addr(), PATH, &headers).await.expect("it is let in");
    socket.input("1", GOAL).await;
    socket.hear_of("turn").await;
    clinic.server.clock.advance(Duration::from_hours(3));
    assert_eq!(socket.end().await.1, 4401);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_came_by_another_credential_stays_when_a_sessions_tokens_are_revoked() {
    let clinic = Clinic::open(&[("SOCKET_HEARTBEAT_MS", "100")]).await;
    clinic.say("s", GOAL).await;
    let minted = clinic.as_app(Method::POST, "/session/s/tokens", &json!({})).await.ok();
    let (by_token, by_app) =
        (format!("Bearer {}", text(&minted, "session_token")), format!("Bearer {}", clinic.app));
    let connect = async |bearer: &str| {
        let headers = [("authorization", bearer), ("sec-websocket-protocol", "attune.v1")];
        Socket::with(clinic.server.addr(), PATH, &headers).await.expect("it is let in")
    };
    let (mut token, mut app) = (connect(&by_token).await, connect(&by_app).await);
    clinic.as_app(Method::DELETE, "/session/s/tokens", &Value::Null).await.ok();
    assert_eq!(token.end().await.1, 4401);
    app.input("1", GOAL).await;
    app.hear_of("turn").await;
}
