//! Alerts, reports and what is told of danger in public, over HTTP and from the command line.

use std::path::Path;
use std::time::Duration;

use reqwest::Method;
use serde_json::{Value, json};

use crate::process::{Process, directory, get, input, run};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

const INTENT: &str = "I am going to kill myself tonight";
const DAY: u64 = 86_400;

async fn alerts(server: &Server, query: &str) -> Vec<Value> {
    let page = server.get(&format!("/api/v1/alerts{query}")).await.ok();
    page["alerts"].as_array().cloned().expect("a list")
}

fn id(alert: &Value) -> String {
    alert["id"].as_str().expect("an id").to_owned()
}

#[tokio::test]
async fn a_crisis_message_is_one_alert_however_often_it_is_sent() {
    let server = Server::start().await;
    server.create(&json!({"session_id": "s", "client_id": "someone's name"})).await.ok();
    assert!(alerts(&server, "").await.is_empty());
    for _ in 0..2 {
        server.input_with_key("s", INTENT, "k").await.ok();
    }
    server.input("s", INTENT).await.ok();
    server.create(&json!({"session_id": "t", "client_id": "someone's name"})).await.ok();
    server.input("t", INTENT).await.ok();
    let found = alerts(&server, "").await;
    assert_eq!(found.len(), 1, "{found:?}");
    let alert = &found[0];
    assert_eq!((&alert["kind"], &alert["state"]), (&json!("level_rose"), &json!("open")));
    assert_eq!((&alert["level"], &alert["session_id"]), (&json!("crisis"), &json!("s")));
    assert!(alert["why"].as_array().is_some_and(|why| !why.is_empty()));
    let text = alert.to_string();
    assert!(!text.contains("tonight") && !text.contains("someone"), "neither words nor names: {text}");
}

#[tokio::test]
async fn elevated_is_no_alert() {
    let server = Server::start().await;
    let turn = server.input("s", "I feel hopeless and I wish I wasn't here").await.ok();
    assert_eq!(turn["safety"]["level"], "elevated");
    assert!(alerts(&server, "").await.is_empty());
}

#[tokio::test]
async fn an_alert_is_acknowledged_under_both_bases_and_by_one_alone() {
    let server = Server::start().await;
    server.input("s", INTENT).await.ok();
    let id = id(&alerts(&server, "?state=open").await[0]);
    let path = format!("/alerts/{id}/acknowledge");
    let seen = server.post(&path, &json!({"by": "Ada", "note": "contacted"})).await.ok();
    assert_eq!((&seen["already"], &seen["alert"]["state"]), (&json!(false), &json!("acknowledged")));
    assert_eq!(
        (&seen["alert"]["acknowledged_by"], &seen["alert"]["note"]),
        (&json!("Ada"), &json!("contacted"))
    );
    let again = server.post(&format!("/api/v1{path}"), &json!({"by": "Ben"})).await.ok();
    assert_eq!((&again["already"], &again["alert"]), (&json!(true), &seen["alert"]));
    assert_eq!(server.session("s").await["safety_level"], "crisis", "the level is somebody's to clear");
    assert!(alerts(&server, "?state=open").await.is_empty());
    assert_eq!(server.get("/alerts").await.ok()["open_alerts"], 0);
    let nobody = server.send(server.request(Method::POST, &path)).await.ok();
    assert_eq!(nobody["already"], true, "a body is not asked for");
}

#[tokio::test]
async fn what_does_not_fit_is_told_and_what_is_not_there_is_not_found() {
    let server = Server::start().await;
    for query in ["state=seen", "level=mild", "order=oldest", "limit=0", "limit=501", "cursor=AAAA"] {
        server.get(&format!("/api/v1/alerts?{query}")).await.problem(422, "invalid_request");
    }
    let unknown = format!("/alerts/{:016}-{:032x}/acknowledge", 7, 7);
    for path in [unknown.as_str(), "/alerts/nonsense/acknowledge"] {
        server.post(path, &json!({})).await.problem(404, "not_found");
    }
    server.input("s", INTENT).await.ok();
    let path = format!("/alerts/{}/acknowledge", id(&alerts(&server, "").await[0]));
    for body in [json!({"by": "a".repeat(81)}), json!({"by": "a\nb"}), json!({"note": "she is fine now"})] {
        let problem = server.post(&path, &body).await.problem(422, "invalid_request");
        assert!(!problem.to_string().contains("fine now"), "what was sent is not repeated");
    }
    assert_eq!(alerts(&server, "?state=open").await.len(), 1);
}

#[tokio::test]
async fn pages_of_alerts_follow_each_other_the_most_danger_first() {
    let server = Server::start().await;
    let thought = "I keep thinking about killing myself";
    for (id, text) in [("a", thought), ("b", INTENT), ("c", thought), ("d", INTENT)] {
        server.input(id, text).await.ok();
        server.clock.advance(Duration::from_secs(1));
    }
    for (order, expected) in [("danger", ["d", "b", "c", "a"]), ("newest", ["d", "c", "b", "a"])] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = server.get(&format!("/api/v1/alerts?limit=1&order={order}{cursor}")).await.ok();
            assert_eq!(page["open_alerts"], 4);
            seen.extend(page["alerts"][0]["session_id"].as_str().map(str::to_owned));
            let Some(next) = page["next_cursor"].as_str() else { break };
            cursor = format!("&cursor={next}");
        }
        assert_eq!(seen, expected, "{order}");
    }
    assert_eq!(alerts(&server, "?level=high").await.len(), 2);
}

#[tokio::test]
async fn a_deleted_session_leaves_its_alert_without_a_name() {
    let server = Server::start().await;
    server.input("secret-name", INTENT).await.ok();
    server.delete("/session/secret-name").await.ok();
    let page = server.get("/alerts").await.ok();
    assert_eq!((&page["alerts"][0]["session_id"], &page["open_alerts"]), (&Value::Null, &json!(1)));
    assert!(!page.to_string().contains("secret-name"));
}

#[tokio::test]
async fn a_client_reports_a_turn_once_and_in_every_status() {
    let server = Server::start().await;
    server.input("s", "I want to feel calm").await.ok();
    let report = json!({"turn": 1, "reason": "rude"});
    for base in ["/session", "/api/v1/session", "/session"] {
        let reported = server.post(&format!("{base}/s/report"), &report).await.ok();
        assert_eq!(reported, json!({"session_id": "s", "turn": 1, "reason": "rude", "kept": true}));
    }
    let found = alerts(&server, "").await;
    assert_eq!(found.len(), 1);
    assert_eq!((&found[0]["kind"], &found[0]["reason"]), (&json!("report"), &json!("rude")));
    assert_eq!((&found[0]["turn"], &found[0]["level"]), (&json!(1), &json!("none")));
    server.post("/session/s/complete", &json!({})).await.ok();
    server.post("/session/s/report", &json!({"reason": "other"})).await.ok();
    server.input("s", INTENT).await.ok();
    server.post("/session/s/report", &json!({"reason": "harmful", "words": "ignored"})).await.ok();
    assert_eq!(alerts(&server, "?level=crisis").await.len(), 2);
    let counted = server.get("/analytics/daily").await.ok()["days"][0]["counts"].clone();
    assert_eq!((&counted["event:report:rude"], &counted["event:report:other"]), (&json!(1), &json!(1)));
}

#[tokio::test]
async fn a_report_of_nothing_and_one_in_own_words_are_refused() {
    let server = Server::start().await;
    server.post("/session/nobody/report", &json!({"reason": "rude"})).await.problem(404, "not_found");
    server.input("s", "hello").await.ok();
    for body in [json!({}), json!({"reason": "it was awful"}), json!({"reason": "rude", "turn": 2})] {
        server.post("/session/s/report", &body).await.problem(422, "invalid_request");
    }
    server
        .post("/session/s/report", &json!({"reason": "rude", "turn": 0}))
        .await
        .problem(422, "invalid_request");
    assert!(alerts(&server, "").await.is_empty());
}

#[tokio::test]
async fn a_report_holds_the_session_until_somebody_has_seen_it() {
    let server = Server::with(&[("INDEX_SWEEP_MS", "10")]).await;
    server.input("s", "hello").await.ok();
    server.post("/session/s/report", &json!({"turn": 1, "reason": "wrong"})).await.ok();
    assert_eq!(server.session("s").await["remaining_ttl"], Value::Null);
    server.clock.advance(Duration::from_secs(3 * DAY));
    assert_eq!(server.session("s").await["status"], "active");
    let path = format!("/alerts/{}/acknowledge", id(&alerts(&server, "").await[0]));
    server.post(&path, &json!({})).await.ok();
    assert_eq!(server.session("s").await["remaining_ttl"], DAY);
    server.clock.advance(Duration::from_secs(DAY));
    assert_eq!(server.get("/session/s").await.status, 404);
}

#[tokio::test]
async fn the_figures_tell_of_alerts_and_name_nobody() {
    let server = Server::start().await;
    server.create(&json!({"session_id": "named-session", "client_id": "named-client"})).await.ok();
    server.input("named-session", INTENT).await.ok();
    server.post("/session/named-session/report", &json!({"reason": "privacy"})).await.ok();
    let metrics = || async { String::from_utf8(server.get("/metrics").await.bytes).expect("text") };
    let before = metrics().await;
    for line in [
        "attune_alerts_total{level=\"crisis\"} 1",
        "attune_alerts_open 2",
        "attune_reports_total{reason=\"privacy\"} 1",
    ] {
        assert!(before.lines().any(|found| found == line), "{line} is missing");
    }
    let listed = alerts(&server, "").await;
    for alert in &listed {
        server.post(&format!("/alerts/{}/acknowledge", id(alert)), &json!({"by": "named-person"})).await.ok();
    }
    let after = metrics().await;
    assert!(after.contains("attune_alerts_open 0") && after.contains("attune_alerts_acknowledged_total 2"));
    for name in ["named-", listed[0]["client"].as_str().expect("a key"), id(&listed[0]).as_str()] {
        assert!(!after.contains(name), "{name}");
    }
}

#[tokio::test]
async fn referrals_are_counted_by_the_year_and_by_level() {
    let server = Server::with(&[("ATTUNE_COUNTRY", "US")]).await;
    server.input("calm", "I want to feel calm").await.ok();
    let mut expected: [u64; 4] = [0; 4];
    for (session, text) in [
        ("a", INTENT),
        ("b", INTENT),
        ("c", "I keep thinking about killing myself"),
        ("d", "I wish I wasn't here"),
    ] {
        let turn = server.input(session, text).await.ok();
        let level = turn["safety"]["level"].as_str().expect("a level");
        let shows = turn["safety"]["resources"].as_array().is_some_and(|lines| !lines.is_empty());
        let place = ["none", "elevated", "high", "crisis"].iter().position(|known| *known == level);
        expected[place.expect("known")] += u64::from(shows);
    }
    assert_eq!(expected[3], 2);
    for path in ["/analytics/yearly", "/api/v1/analytics/yearly?year=2026"] {
        let year = server.get(path).await.ok();
        assert_eq!(year["year"], "2026");
        for (level, count) in ["none", "elevated", "high", "crisis"].iter().zip(expected) {
            assert_eq!(year["resources_shown"][level], count, "{level}");
        }
        assert_eq!(
            (&year["emergency_told"]["crisis"], &year["emergency_told"]["none"]),
            (&json!(2), &json!(0))
        );
    }
    assert_eq!(server.get("/analytics/yearly?year=2025").await.ok()["resources_shown"]["crisis"], 0);
    for year in ["26", "year", "2026-01"] {
        server.get(&format!("/analytics/yearly?year={year}")).await.problem(422, "invalid_request");
    }
}

#[tokio::test]
async fn a_crisis_reply_that_no_turn_follows_is_counted_as_a_referral_too() {
    let server = Server::with(&[("ATTUNE_COUNTRY", "US")]).await;
    for _ in 0..61 {
        server.input("s", INTENT).await.ok();
    }
    let shown = server.get("/analytics/yearly").await.ok()["resources_shown"]["crisis"].clone();
    let stored =
        server.history("s").await.iter().filter(|turn| turn["told"]["resources"] == true).count() as u64;
    assert!(stored < 61);
    let all = server.get("/api/v1/session/s").await.ok()["turn_count"].as_u64().expect("a number");
    assert_eq!(all, 60);
    assert!(shown.as_u64().is_some_and(|shown| shown > stored), "{shown} of {stored} stored");
}

#[tokio::test]
async fn the_daily_counters_hold_every_event_under_both_bases() {
    let variables =
        [("INDEX_SWEEP_MS", "10"), ("RATE_LIMIT_PER_MINUTE", "3"), ("LOCK_WAIT_MS", "0"), ("QUEUE_MAX", "0")];
    let server = Server::with(&variables).await;
    server.create(&json!({"session_id": "made"})).await.ok();
    for _ in 0..3 {
        server.input("s", "hello").await.ok();
    }
    server.input("s", "hello").await.problem(429, "rate_limited");
    server.input("danger", INTENT).await.ok();
    server.post("/session/s/complete", &json!({})).await.ok();
    server.delete("/session/s").await.ok();
    let today = |base: &'static str| {
        let server = &server;
        async move { server.get(&format!("{base}/analytics/daily")).await.ok()["days"][0]["counts"].clone() }
    };
    let counted = today("").await;
    let named = |name: &str| counted[name].as_u64();
    assert_eq!((named("total_inputs"), named("event:turn")), (Some(4), Some(4)));
    assert_eq!((named("event:session_created"), named("event:limited")), (Some(3), Some(1)));
    assert_eq!((named("event:level:crisis"), named("event:decision:crisis_support")), (Some(1), Some(1)));
    assert_eq!((named("event:scripted"), named("event:completed")), (Some(3), Some(1)));
    assert_eq!((named("event:erased"), named("event:expired")), (Some(1), None));
    assert_eq!(counted, today("/api/v1").await);
    assert!(counted.as_object().is_some_and(|all| !all.keys().any(|name| name.contains("shown"))));
    server.clock.advance(Duration::from_secs(DAY * 47 / 48));
    let expired = async {
        loop {
            let days = server.get("/analytics/daily").await.ok()["days"].clone();
            let days = days.as_array().cloned().unwrap_or_default();
            if let Some(expired) = days.iter().find_map(|day| day["counts"]["event:expired"].as_u64()) {
                return expired;
            }
        }
    };
    assert_eq!(tokio::time::timeout(crate::world::PATIENCE, expired).await, Ok(1));
}

#[tokio::test]
async fn the_public_is_told_what_happens_in_danger() {
    let server = Server::with(&[("ATTUNE_CONTACT", "care@clinic.example")]).await;
    let answer = server.get("/.well-known/crisis-protocol").await;
    let told = answer.ok();
    assert_eq!(answer.header("cache-control"), Some("public, max-age=3600"));
    assert_eq!(told["contact"], "care@clinic.example");
    let levels: Vec<&str> =
        told["levels"].as_array().expect("a list").iter().filter_map(|l| l["level"].as_str()).collect();
    assert_eq!(levels, ["none", "elevated", "high", "crisis"]);
    assert!(told["version"].is_string() && told["date"].is_string());
    let lines = told["resources"]["by_country"].as_object().expect("an object").clone();
    assert!(lines.len() >= 12);
    for (country, path) in lines {
        let found = server.get(path.as_str().expect("a path")).await.ok();
        assert_eq!(found["resources"][0]["country"], country.as_str());
    }
    server.get(told["resources"]["everywhere"].as_str().expect("a path")).await.ok();
    let page = server.request(Method::GET, "/.well-known/crisis-protocol").header("accept", "text/markdown");
    let page = server.send(page).await;
    let words = String::from_utf8(page.bytes.clone()).expect("text");
    assert!(page.header("content-type").is_some_and(|kind| kind.starts_with("text/markdown")));
    assert!(words.contains("| crisis |") && words.contains("care@clinic.example"));
    let refused = server.send(server.request(Method::POST, "/.well-known/crisis-protocol")).await;
    refused.problem(405, "method_not_allowed");
    let other = Server::start().await.get("/.well-known/crisis-protocol").await.ok();
    assert_eq!(other["contact"], Value::Null);
}

async fn killed_after_a_crisis_reply(variables: &[(&str, &str)]) {
    let (home, client) = (directory(), crate::process::client());
    let process = Process::start(home.path(), variables);
    input(&client, &process.url, "s", INTENT).await.expect("answered");
    let before = get(&client, &process.url, "/alerts").await["alerts"].clone();
    process.kill();
    let process = Process::start(home.path(), variables);
    let after = get(&client, &process.url, "/alerts").await["alerts"].clone();
    assert_eq!(after, before);
    assert_eq!(after.as_array().map(Vec::len), Some(1));
    input(&client, &process.url, "s", INTENT).await.expect("answered");
    assert_eq!(get(&client, &process.url, "/alerts").await["alerts"], before);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_a_crisis_reply_its_alert_stands_once() {
    killed_after_a_crisis_reply(&[]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_after_a_crisis_reply_over_redis_its_alert_stands_once() {
    let redis = RedisServer::start();
    killed_after_a_crisis_reply(&[("REDIS_URL", redis.url().as_str())]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_of_one_server_is_acknowledged_on_another() {
    let redis = RedisServer::with_clock(start());
    let first = Server::with(&[("REDIS_URL", redis.url().as_str())]).await;
    let second = first.another().await;
    let (one, two) = (first.input("s", INTENT), second.input("s", INTENT));
    let (one, two) = tokio::join!(one, two);
    assert_eq!((one.status.as_u16(), two.status.as_u16()), (200, 200));
    let found = alerts(&first, "").await;
    assert_eq!(found.len(), 1, "both raised the level, one did");
    let path = format!("/alerts/{}/acknowledge", id(&found[0]));
    assert_eq!(second.post(&path, &json!({"by": "Ada"})).await.ok()["already"], false);
    assert_eq!(first.post(&path, &json!({"by": "Ben"})).await.ok()["alert"]["acknowledged_by"], "Ada");
    first.post("/session/s/report", &json!({"reason": "other"})).await.ok();
    second.post("/session/s/report", &json!({"reason": "other"})).await.ok();
    assert_eq!(alerts(&second, "?state=open").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_are_listed_and_acknowledged_from_the_command_line_with_and_without_a_server() {
    let (home, client) = (directory(), crate::process::client());
    let process = Process::start(home.path(), &[]);
    for id in ["a", "b"] {
        input(&client, &process.url, id, INTENT).await.expect("answered");
    }
    let (url, home_path) = (process.url.clone(), home.path().to_owned());
    tokio::task::spawn_blocking(move || {
        assert_commands(&home_path, &[("ATTUNE_URL", url.as_str())], 2);
        process.kill();
        assert_commands(&home_path, &[("ATTUNE_URL", "http://127.0.0.1:1")], 1);
    })
    .await
    .expect("not panicked");
}

/// Lists the open alerts, acknowledges the first of them, and does so again in vain.
fn assert_commands(home: &Path, variables: &[(&str, &str)], open: usize) {
    let said = |arguments: &[&str]| {
        let output = run(home, variables, arguments);
        let error = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.success(), "{arguments:?}: {error}");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    let list = said(&["alerts", "list", "--state", "open", "--level", "crisis"]);
    assert!(list.contains(&format!("{open} shown, {open} open")), "{list}");
    let id = list.lines().nth(1).and_then(|row| row.split_whitespace().next()).expect("an id").to_owned();
    let seen = said(&["alerts", "acknowledge", &id, "--by", "Ada", "--note", "contacted"]);
    assert_eq!(seen.trim(), "acknowledged by Ada");
    assert_eq!(said(&["alerts", "acknowledge", &id]).trim(), "it was acknowledged already by Ada");
    let unknown = format!("{:016}-{:032x}", 7, 7);
    for wrong in [["alerts", "acknowledge", unknown.as_str()], ["alerts", "list", "--state=seen"]] {
        assert!(!run(home, variables, &wrong).status.success(), "{wrong:?}");
    }
}
