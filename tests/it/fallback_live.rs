//! Connections while Redis is away: each stays, is answered, and counts on; afterwards nothing is missing or double.

use serde_json::{Value, json};

use crate::clinic::BOOTSTRAP;
use crate::fallback::Scene;
use crate::process;
use crate::socket_client::Socket;

const GOAL: &str = "I want to feel calm and free";
const INTENT: &str = "I am going to kill myself tonight";

async fn open(scene: &Scene, path: &str) -> Socket {
    Socket::open(scene.url().trim_start_matches("http://"), path).await
}

/// An input and its turn.
async fn turn(socket: &mut Socket, id: &str, text: &str) -> Value {
    socket.input(id, text).await;
    socket.hear_of("turn").await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_connection_stays_and_counts_on_while_redis_is_away_and_afterwards_nothing_is_missing_or_double()
 {
    let mut scene = Scene::with(&[]).await;
    let mut plain = open(&scene, "/ws/chat/?session=p").await;
    let mut beside = open(&scene, "/ws/chat/?session=p").await;
    let mut therapy = open(&scene, "/ws/chat/?session=q&mode=therapy").await;
    let addr = scene.url().trim_start_matches("http://").to_owned();
    let (mut typed, _) = Socket::typed(&addr, "/ws/chat/?session=t").await;
    let (mut danger, _) = Socket::typed(&addr, "/ws/chat/?session=d").await;
    assert_eq!((plain.count("one").await, plain.count("two").await), (1, 2));
    assert_eq!(therapy.count(GOAL).await, 1);
    therapy.hear_of("reply").await;
    for (socket, id) in [(&mut typed, "t1"), (&mut danger, "d1")] {
        assert_eq!(turn(socket, id, GOAL).await["storage"], "redis");
    }
    scene.redis.kill();
    scene.is_local().await;
    assert_eq!((plain.count("three").await, plain.count("four").await), (3, 4));
    for expected in ["one", "two", "three", "four"] {
        assert_eq!(beside.hear_of("message").await["content"], expected, "the other one hears it, once");
    }
    assert_eq!(therapy.count(GOAL).await, 2);
    assert_eq!(therapy.hear_of("reply").await["storage"], "local");
    let said = turn(&mut typed, "t2", GOAL).await;
    assert_eq!((&said["storage"], &said["turn"]), (&json!("local"), &json!(2)));
    turn(&mut danger, "d2", INTENT).await;
    let mut new = open(&scene, "/ws/chat/?session=new").await;
    assert_eq!(new.count("hello").await, 1);
    scene.redis.restart();
    scene.merged().await;
    assert_eq!((plain.count("five").await, new.count("again").await, therapy.count(GOAL).await), (5, 2, 3));
    assert_eq!(turn(&mut typed, "t2", GOAL).await["replayed"], true, "the same input is one turn");
    assert_eq!(turn(&mut typed, "t3", GOAL).await["turn"], 3);
    assert_eq!(beside.hear_of("message").await["content"], "five");
    let messages = process::get(&scene.client, scene.url(), "/api/sessions/p/messages/").await;
    let kept: Vec<&str> = messages["messages"]
        .as_array()
        .expect("a list")
        .iter()
        .filter_map(|message| message["content"].as_str())
        .collect();
    assert_eq!(kept, ["one", "two", "three", "four", "five"]);
    let paused = process::get(&scene.client, scene.url(), "/session/d").await;
    assert_eq!((&paused["status"], &paused["safety_level"]), (&json!("paused"), &json!("crisis")));
    let turns: Vec<Value> =
        scene.history("t").await.iter().rev().map(|exchange| exchange["turn"].clone()).collect();
    assert_eq!(turns, [1, 2, 3]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_chat_that_nobody_spoke_in_here_is_refused_and_its_connection_stays() {
    let mut scene = Scene::with(&[("ATTUNE_STORE_FALLBACK", "local")]).await;
    let mut old = open(&scene, "/ws/chat/?session=old").await;
    old.count("hello").await;
    old.close().await;
    scene.restart().await;
    let mut old = open(&scene, "/ws/chat/?session=old").await;
    scene.redis.kill();
    scene.is_local().await;
    old.say("still there?").await;
    let problem = old.hear_of("problem").await;
    assert_eq!(problem["error"], "store_unavailable");
    assert!(!problem["resources"].as_array().expect("lines").is_empty());
    scene.redis.restart();
    scene.merged().await;
    assert_eq!(old.count("again").await, 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whom_the_server_knows_speaks_and_connects_by_a_token_while_redis_is_away() {
    let required = [("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", BOOTSTRAP)];
    let mut scene = Scene::with(&required).await;
    let asked = async |scene: &Scene, path: &str, by: &str, body: Value| {
        let request = scene.client.post(format!("{}{path}", scene.url())).bearer_auth(by).json(&body);
        request.send().await.expect("it answers").json::<Value>().await.expect("JSON")
    };
    let app = asked(&scene, "/keys", BOOTSTRAP, json!({ "label": "app" })).await;
    let app = app["key"].as_str().expect("a key").to_owned();
    let made = asked(&scene, "/session/create", &app, json!({ "session_id": "s" })).await;
    let bearer = format!("Bearer {}", made["session_token"].as_str().expect("a token"));
    let addr = scene.url().trim_start_matches("http://").to_owned();
    let headers = [("authorization", bearer.as_str()), ("sec-websocket-protocol", "attune.v1")];
    let mut socket = Socket::with(&addr, "/ws/chat/", &headers).await.expect("it is let in");
    assert_eq!(turn(&mut socket, "1", GOAL).await["storage"], "redis");
    scene.redis.kill();
    scene.is_local().await;
    assert_eq!(turn(&mut socket, "2", GOAL).await["storage"], "local");
    socket.close().await;
    let mut again = Socket::with(&addr, "/ws/chat/", &headers).await.expect("it is known here");
    assert_eq!(turn(&mut again, "3", GOAL).await["turn"], 3);
    let stranger = [("authorization", "Bearer attune_session_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")];
    let refused = Socket::with(&addr, "/ws/chat/", &stranger).await;
    assert!(refused.is_err());
    scene.redis.restart();
    scene.merged().await;
    assert_eq!(turn(&mut again, "4", GOAL).await["turn"], 4);
}
