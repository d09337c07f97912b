//! People outside of Attune are told of open alerts: at once, once each time, again until somebody has looked, and by one
//! server alone.

use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hmac::{Hmac, KeyInit, Mac};
use reqwest::Method;
use serde_json::{Value, json};
use sha2::Sha256;

use crate::process::{self, Process, directory, run};
use crate::receivers::{Answer, Got, MailAnswer, MailServer, Receiver, until};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

const INTENT: &str = "I am going to kill myself tonight";
const REPEAT: Duration = Duration::from_mins(10);
const ESCALATE: Duration = Duration::from_mins(30);
/// Longer than whoever sends a notice may take.
const SENDING: Duration = Duration::from_secs(31);

fn mail_variables(server: &MailServer) -> [(&'static str, String); 3] {
    [
        ("ALERT_SMTP_URL", server.url()),
        ("ALERT_MAIL_FROM", "attune@example.com".to_owned()),
        ("ALERT_MAIL_TO", "duty@example.com,night@example.com".to_owned()),
    ]
}

fn pairs<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'a str, &'a str)> {
    variables.iter().map(|(name, value)| (*name, value.as_str())).collect()
}

async fn hooked(receiver: &Receiver) -> Server {
    Server::with(&[("ALERT_WEBHOOK_URL", &receiver.url())]).await
}

async fn alerts(server: &Server) -> Vec<Value> {
    server.get("/alerts?limit=500").await.ok()["alerts"].as_array().cloned().expect("a list")
}

/// The alert of a session, as soon as there is one.
async fn alert_of(server: &Server, session: &str) -> Value {
    let mut found = Value::Null;
    until(async || {
        let alerts = alerts(server).await;
        found = alerts.into_iter().find(|alert| alert["session_id"] == session).unwrap_or_default();
        found != Value::Null
    })
    .await;
    found
}

async fn id_of(server: &Server, session: &str) -> String {
    alert_of(server, session).await["id"].as_str().expect("an id").to_owned()
}

/// What is kept of the alert of the session `s` over a channel.
async fn notice(server: &Server, channel: &str) -> Value {
    let alert = alert_of(server, "s").await;
    let notices = alert["notices"].as_array().expect("a list");
    notices.iter().find(|notice| notice["channel"] == channel).cloned().unwrap_or_default()
}

async fn until_notice(server: &Server, channel: &str, number: u64, delivery: &str) {
    until(async || {
        let notice = notice(server, channel).await;
        notice["number"] == number && notice["delivery"] == delivery
    })
    .await;
}

async fn acknowledge(server: &Server, alert: &str) {
    server.post(&format!("/alerts/{alert}/acknowledge"), &json!({})).await.ok();
}

/// Two looks later: whatever was due when this is called has been sent.
async fn looked_twice(server: &Server, receiver: &Receiver, name: &str) {
    for n in 0..2 {
        let session = format!("{name}-{n}");
        server.input(&session, INTENT).await.ok();
        let newest = id_of(server, &session).await;
        until(async || receiver.ids().contains(&format!("{newest}-1"))).await;
        acknowledge(server, &newest).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_told_of_at_once_on_either_store_with_no_text_and_no_name() {
    let redis = RedisServer::with_clock(start());
    for url in [None, Some(redis.url())] {
        let (receiver, mails) = (Receiver::start().await, MailServer::start().await);
        let mut variables = mail_variables(&mails).to_vec();
        variables.push(("ALERT_WEBHOOK_URL", receiver.url()));
        variables.extend(url.clone().map(|url| ("REDIS_URL", url)));
        let server = Server::with(&pairs(&variables)).await;
        server.create(&json!({"session_id": "jane.doe", "client_id": "jane@example.com"})).await.ok();
        let begun = Instant::now();
        server.input("jane.doe", INTENT).await.ok();
        let got = receiver.wait_for(1).await.remove(0);
        let mail = mails.wait_for(1).await.remove(0);
        assert!(begun.elapsed() < Duration::from_millis(1_500), "{url:?} {:?}", begun.elapsed());
        let alert = alert_of(&server, "jane.doe").await;
        let id = alert["id"].as_str().expect("an id");
        assert_eq!(got.id(), format!("{id}-1"));
        assert_eq!(
            got.json(),
            json!({"type": "alert.open", "timestamp": alert["at"], "data": {
                "alert": id, "kind": "level_rose", "level": "crisis", "organisation": "default",
                "at": alert["at"], "number": 1, "second_address": false, "open_alerts": 1,
            }})
        );
        assert_eq!(mail.to, ["duty@example.com", "night@example.com"]);
        assert!(mail.data.contains(&format!("Message-ID: <{id}-1@attune.invalid>")), "{}", mail.data);
        assert!(mail.data.contains(id) && mail.data.contains("crisis"), "{}", mail.data);
        let all = format!("{}{}{}", got.head, got.json(), mail.data).to_lowercase();
        for hidden in ["kill", "tonight", "jane", "hidden-password", alert["client"].as_str().expect("a key")]
        {
            assert!(!all.contains(hidden), "{hidden}: {all}");
        }
        until(async || {
            let alert = alert_of(&server, "jane.doe").await;
            (0..2).all(|n| alert["notices"][n]["delivery"] == "delivered")
        })
        .await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_receiver_refuses_for_a_while_it_gets_once_and_under_the_same_id() {
    let receiver = Receiver::start().await;
    receiver.answer(&[500, 503, 404, 429].map(Answer::Status));
    let server = hooked(&receiver).await;
    server.input("s", INTENT).await.ok();
    for tries in 1..=4_u32 {
        until(async || {
            let notice = notice(&server, "webhook").await;
            notice["tries"] == tries && notice["delivery"] == "failed"
        })
        .await;
        assert_eq!(server.get("/health").await.ok()["services"]["alerts"], "failing");
        server.clock.advance(Duration::from_secs(2) * 2_u32.pow(tries));
    }
    until_notice(&server, "webhook", 1, "delivered").await;
    assert_eq!(notice(&server, "webhook").await["tries"], 5);
    let health = server.get("/health").await.ok();
    assert_eq!((&health["services"]["alerts"], &health["status"]), (&json!("ready"), &json!("healthy")));
    looked_twice(&server, &receiver, "other").await;
    let id = format!("{}-1", id_of(&server, "s").await);
    let ids = receiver.ids();
    assert_eq!(ids.iter().filter(|known| **known == id).count(), 5, "{ids:?}");
    let metrics = String::from_utf8(server.get("/metrics").await.bytes).expect("text");
    assert!(metrics.contains("attune_notices_total{channel=\"webhook\",outcome=\"failed\"} 4"), "{metrics}");
    assert!(
        metrics.contains("attune_notices_total{channel=\"webhook\",outcome=\"delivered\"} 3"),
        "{metrics}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_is_repeated_until_somebody_has_seen_it_and_never_after() {
    let receiver = Receiver::start().await;
    let server = hooked(&receiver).await;
    server.input("s", INTENT).await.ok();
    let alert = id_of(&server, "s").await;
    for number in 1..=4 {
        until_notice(&server, "webhook", number, "delivered").await;
        server.clock.advance(REPEAT - Duration::from_secs(1));
        looked_twice(&server, &receiver, &format!("early-{number}")).await;
        let of_it = receiver.ids().iter().filter(|id| id.starts_with(&alert)).count() as u64;
        assert_eq!(of_it, number, "not before its time");
        server.clock.advance(Duration::from_secs(1));
    }
    until_notice(&server, "webhook", 5, "delivered").await;
    acknowledge(&server, &alert).await;
    let told = || receiver.ids().iter().filter(|id| id.starts_with(&alert)).cloned().collect::<Vec<_>>();
    let expected: Vec<String> = (1..=5).map(|number| format!("{alert}-{number}")).collect();
    assert_eq!(told(), expected);
    for n in 0..3 {
        server.clock.advance(REPEAT);
        looked_twice(&server, &receiver, &format!("late-{n}")).await;
    }
    assert_eq!(told(), expected);
    // A report is told of too.
    server.post("/session/s/report", &json!({"reason": "harmful"})).await.ok();
    let is_report = |alert: &&Value| alert["kind"] == "report";
    let report = alerts(&server).await.iter().find(is_report).expect("it is there")["id"].clone();
    until(async || receiver.ids().contains(&format!("{}-1", report.as_str().expect("an id")))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_second_addresses_are_told_when_nobody_has_looked_for_long() {
    let (first, second, mails) =
        (Receiver::start().await, Receiver::start().await, MailServer::start().await);
    let mut variables = mail_variables(&mails).to_vec();
    variables.push(("ALERT_WEBHOOK_URL", first.url()));
    variables.push(("ALERT_WEBHOOK_URL_2", second.url()));
    variables.push(("ALERT_MAIL_TO_2", "head@example.com".to_owned()));
    let server = Server::with(&pairs(&variables)).await;
    server.input("s", INTENT).await.ok();
    let alert = id_of(&server, "s").await;
    for channel in ["webhook", "mail"] {
        until_notice(&server, channel, 1, "delivered").await;
    }
    for channel in ["webhook_2", "mail_2"] {
        until_notice(&server, channel, 0, "waiting").await;
    }
    server.clock.advance(ESCALATE - Duration::from_secs(1));
    until_notice(&server, "webhook", 2, "delivered").await;
    looked_twice(&server, &first, "other").await;
    assert!(second.got().is_empty() && mails.mails().iter().all(|mail| mail.to[0] != "head@example.com"));
    server.clock.advance(Duration::from_secs(1));
    let got = second.wait_for(1).await.remove(0);
    assert_eq!(got.id(), format!("{alert}-second-1"));
    assert_eq!(
        (&got.json()["data"]["second_address"], &got.json()["data"]["number"]),
        (&json!(true), &json!(1))
    );
    until(async || mails.mails().iter().any(|mail| mail.to == ["head@example.com"])).await;
    acknowledge(&server, &alert).await;
    server.clock.advance(REPEAT);
    looked_twice(&server, &first, "late").await;
    assert_eq!(second.ids(), [format!("{alert}-second-1")]);
}

fn signature(key: &[u8], got: &Got, body: &[u8]) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(key).expect("any key");
    let signed = [got.id().as_bytes(), b".", got.header("webhook-timestamp").as_bytes(), b".", body].concat();
    mac.update(&signed);
    format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_receiver_can_tell_a_webhook_of_ours_from_any_other() {
    let receiver = Receiver::start().await;
    let key = [9_u8; 32];
    let secret = format!("whsec_{}", STANDARD.encode(key));
    let variables = [("ALERT_WEBHOOK_URL", receiver.url()), ("ALERT_WEBHOOK_SECRET", secret)];
    let server = Server::with(&pairs(&variables)).await;
    server.input("s", INTENT).await.ok();
    let got = receiver.wait_for(1).await.remove(0);
    assert_eq!(got.header("webhook-signature"), signature(&key, &got, &got.body));
    assert_eq!(got.header("webhook-timestamp"), (start().millis() / 1_000).to_string());
    assert_eq!(got.header("content-type"), "application/json");
    let mut changed = got.body.clone();
    changed[10] ^= 1;
    assert_ne!(got.header("webhook-signature"), signature(&key, &got, &changed));
    assert_ne!(got.header("webhook-signature"), signature(&[8; 32], &got, &got.body));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_redirect_is_followed_and_no_body_read() {
    let (receiver, elsewhere) = (Receiver::start().await, Receiver::start().await);
    receiver.answer(&[Answer::Redirect(elsewhere.url()), Answer::Endless]);
    let server = hooked(&receiver).await;
    server.input("s", INTENT).await.ok();
    until_notice(&server, "webhook", 1, "failed").await;
    server.clock.advance(Duration::from_secs(2));
    until_notice(&server, "webhook", 1, "delivered").await;
    assert_eq!((receiver.got().len(), elsewhere.got().len()), (2, 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_channel_that_hangs_keeps_no_other_waiting_and_no_new_alert_from_the_rest() {
    let (receiver, second, mails) =
        (Receiver::start().await, Receiver::start().await, MailServer::start().await);
    receiver.always(Answer::Hang);
    let mut variables = mail_variables(&mails).to_vec();
    variables.push(("ALERT_WEBHOOK_URL", receiver.url()));
    variables.push(("ALERT_WEBHOOK_URL_2", second.url()));
    variables.push(("ALERT_ESCALATE_AFTER", "1s".to_owned()));
    let server = Server::with(&pairs(&variables)).await;
    let begun = Instant::now();
    for n in 0..8 {
        server.input(&format!("s{n}"), INTENT).await.ok();
    }
    mails.wait_for(8).await;
    assert_eq!(receiver.got().len(), 4, "so many at once, and no more");
    server.clock.advance(Duration::from_secs(1));
    second.wait_for(8).await;
    assert!(begun.elapsed() < Duration::from_secs(9), "nobody has given up yet: {:?}", begun.elapsed());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_server_that_hangs_keeps_no_webhook_waiting() {
    let (receiver, mails) = (Receiver::start().await, MailServer::start().await);
    mails.answer(&vec![MailAnswer::Hang; 8]);
    let mut variables = mail_variables(&mails).to_vec();
    variables.push(("ALERT_WEBHOOK_URL", receiver.url()));
    let server = Server::with(&pairs(&variables)).await;
    for n in 0..8 {
        server.input(&format!("s{n}"), INTENT).await.ok();
    }
    receiver.wait_for(8).await;
    assert_eq!(mails.mails().len(), 4, "so many at once, and no more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_from_before_there_were_notices_are_told_of_too() {
    let receiver = Receiver::start().await;
    let mut server = Server::start().await;
    server.input("s", INTENT).await.ok();
    let alert = id_of(&server, "s").await;
    server.stop().await;
    forget_notices(&server.store_directory());
    let server = server.restart_with(&[("ALERT_WEBHOOK_URL", &receiver.url())]).await;
    assert_eq!(receiver.wait_for(1).await[0].id(), format!("{alert}-1"));
    until_notice(&server, "webhook", 1, "delivered").await;
}

/// As an earlier version left the files: no index, and no mark that there is one.
fn forget_notices(store: &std::path::Path) {
    use fjall::Readable as _;
    let database = fjall::Database::builder(store).open().expect("it opens");
    let table =
        |name: &str| database.keyspace(name, fjall::KeyspaceCreateOptions::default).expect("it is there");
    let (index, about) = (table("alert_index"), table("about"));
    let keys: Vec<_> =
        database.snapshot().prefix(&index, b"n").map(|entry| entry.key().expect("a key")).collect();
    assert_eq!(keys.len(), 4, "one for each channel");
    for key in keys {
        index.remove(key).expect("removed");
    }
    about.remove(b"notices").expect("removed");
    database.persist(fjall::PersistMode::SyncAll).expect("synced");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_becomes_of_the_sets_in_redis_keeps_nobody_from_being_told() {
    let (redis, receiver, second) =
        (RedisServer::with_clock(start()), Receiver::start().await, Receiver::start().await);
    let server = Server::with(&[("REDIS_URL", &redis.url())]).await;
    server.input("s", INTENT).await.ok();
    let alert = id_of(&server, "s").await;
    redis.command(&["DEL", "trt:alerts:notices:webhook", "trt:alerts:notices:webhook_2"]);
    redis.command(&["SET", "trt:alerts:notices:webhook_2", "spoilt"]);
    redis.command(&[
        "HSET",
        &format!("trt:alerts:{alert}"),
        "notice:webhook",
        "spoilt",
        "notice:webhook:stamp",
        "x",
    ]);
    let (first_url, second_url) = (receiver.url(), second.url());
    let hooks = [("ALERT_WEBHOOK_URL", first_url.as_str()), ("ALERT_WEBHOOK_URL_2", second_url.as_str())];
    let server = server.restart_with(&hooks).await;
    assert_eq!(receiver.wait_for(1).await[0].id(), format!("{alert}-1"));
    until_notice(&server, "webhook_2", 0, "waiting").await;
    redis.wind(ESCALATE);
    server.clock.advance(ESCALATE);
    assert_eq!(second.wait_for(1).await[0].id(), format!("{alert}-second-1"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_mail_that_is_refused_is_sent_again_as_the_same() {
    let mails = MailServer::start().await;
    mails.answer(&[MailAnswer::Refused(451), MailAnswer::Refused(554)]);
    let server = Server::with(&pairs(&mail_variables(&mails))).await;
    server.input("s", INTENT).await.ok();
    for tries in 1..=2_u32 {
        until(async || {
            let notice = notice(&server, "mail").await;
            notice["tries"] == tries && notice["delivery"] == "failed"
        })
        .await;
        server.clock.advance(Duration::from_secs(2) * tries);
    }
    until_notice(&server, "mail", 1, "delivered").await;
    let mails = mails.mails();
    let id = |n: usize| {
        mails[n].data.lines().find(|line| line.starts_with("Message-ID")).expect("an id").to_owned()
    };
    assert_eq!(mails.len(), 3);
    assert!(id(0) == id(1) && id(1) == id(2));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn neither_password_nor_mail_goes_to_a_server_that_does_not_speak_tls_where_it_has_to() {
    let mails = MailServer::start().await;
    let mut variables = mail_variables(&mails).to_vec();
    variables[0].1.push_str("?tls=required");
    let server = Server::with(&pairs(&variables)).await;
    let tested = server.post("/alerts/test", &json!({})).await.ok();
    assert_eq!(
        (&tested["channels"][0]["channel"], &tested["channels"][0]["delivered"]),
        (&json!("mail"), &json!(false))
    );
    let said = mails.said().join("\n");
    assert!(said.contains("EHLO") && !said.contains("AUTH") && !said.contains("MAIL"), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn after_a_restart_it_goes_on_and_does_not_begin_anew() {
    let receiver = Receiver::start().await;
    let server = hooked(&receiver).await;
    server.input("s", INTENT).await.ok();
    until_notice(&server, "webhook", 1, "delivered").await;
    let server = server.restart().await;
    looked_twice(&server, &receiver, "other").await;
    let alert = receiver.ids()[0].strip_suffix("-1").expect("the first").to_owned();
    assert_eq!(receiver.ids().iter().filter(|id| id.starts_with(&alert)).count(), 1);
    server.clock.advance(REPEAT);
    until(async || receiver.ids().contains(&format!("{alert}-2"))).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_on_its_way_when_the_server_stopped_is_sent_again_under_the_same_id() {
    let receiver = Receiver::start().await;
    receiver.answer(&[Answer::Hang]);
    let server = hooked(&receiver).await;
    server.input("s", INTENT).await.ok();
    receiver.wait_for(1).await;
    let begun = Instant::now();
    let server = server.restart().await;
    assert!(begun.elapsed() < Duration::from_secs(8), "nobody waits for a receiver: {:?}", begun.elapsed());
    assert_eq!(notice(&server, "webhook").await["delivery"], "sending");
    server.clock.advance(SENDING);
    until_notice(&server, "webhook", 1, "delivered").await;
    let ids = receiver.ids();
    assert!(ids.len() == 2 && ids[0] == ids[1], "{ids:?}");
}

/// How many webhooks were delivered by each server that has delivered any.
async fn tellers(servers: &[Server]) -> Vec<u64> {
    let mut tellers = Vec::new();
    for server in servers {
        let metrics = String::from_utf8(server.get("/metrics").await.bytes).expect("text");
        let delivered = "attune_notices_total{channel=\"webhook\",outcome=\"delivered\"} ";
        tellers.extend(metrics.lines().filter_map(|line| line.strip_prefix(delivered)?.parse::<u64>().ok()));
    }
    tellers
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_three_servers_on_one_redis_one_tells_and_when_it_stops_another_goes_on() {
    let (redis, receiver) = (RedisServer::with_clock(start()), Receiver::start().await);
    let variables = [("REDIS_URL", redis.url()), ("ALERT_WEBHOOK_URL", receiver.url())];
    let mut servers = vec![Server::with(&pairs(&variables)).await];
    for _ in 0..2 {
        // Each beside the one before: no two have the same randomness.
        let another = servers.last().expect("one").another().await;
        servers.push(another);
    }
    let wind = |by: Duration, server: &Server| {
        redis.wind(by);
        server.clock.advance(by);
    };
    for n in 0..12 {
        servers[n % 3].input(&format!("s{n}"), INTENT).await.ok();
    }
    let delivered = async |server: &Server, number: u64| {
        until(async || {
            let alerts = alerts(server).await;
            let told = alerts.iter().filter(|alert| {
                let notice = &alert["notices"][0];
                notice["number"] == number && notice["delivery"] == "delivered"
            });
            told.count() == 12
        })
        .await;
    };
    for number in 1..=3 {
        delivered(servers.last().expect("one"), number).await;
        let mut ids = receiver.ids();
        ids.sort();
        ids.dedup();
        assert_eq!((ids.len() as u64, receiver.got().len() as u64), (12 * number, 12 * number));
        if number == 1 {
            // Counted a moment after it is kept.
            until(async || tellers(&servers).await.iter().sum::<u64>() == 12).await;
            assert_eq!(tellers(&servers).await.len(), 1, "one of them has told all");
        }
        if number < 3 {
            wind(REPEAT, &servers[0]);
            servers.remove(0).stop().await;
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn when_the_server_that_tells_is_killed_another_takes_over_and_does_not_begin_anew() {
    let (redis, receiver, client) = (RedisServer::start(), Receiver::start().await, process::client());
    let (redis_url, hook) = (redis.url(), receiver.url());
    let variables = [("REDIS_URL", redis_url.as_str()), ("ALERT_WEBHOOK_URL", &hook), ("ALERT_REPEAT", "8s")];
    let (one_home, other_home) = (directory(), directory());
    let one = Process::start(one_home.path(), &variables);
    assert!(process::input(&client, &one.url, "s", INTENT).await.is_some());
    receiver.wait_for(1).await;
    let other = Process::start(other_home.path(), &variables);
    until(async || {
        let alerts = process::get(&client, &other.url, "/alerts").await;
        alerts["alerts"][0]["notices"][0]["delivery"] == "delivered"
    })
    .await;
    one.kill();
    assert!(process::input(&client, &other.url, "t", INTENT).await.is_some());
    // The new one first, once the lead ran out; the other in its time.
    let got = receiver.wait_for(3).await;
    let ids: Vec<String> = got.iter().map(Got::id).collect();
    let first = ids[0].strip_suffix("-1").expect("the first").to_owned();
    assert!(ids[1].ends_with("-1") && !ids[1].starts_with(&first), "{ids:?}");
    assert_eq!(ids[2], format!("{first}-2"), "{ids:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_of_every_organisation_are_told_of_and_name_it() {
    let receiver = Receiver::start().await;
    let bootstrap = format!("attune_key_{}", "A".repeat(43));
    let hook = receiver.url();
    let variables = [
        ("ATTUNE_AUTH", "required"),
        ("ATTUNE_BOOTSTRAP_KEY", bootstrap.as_str()),
        ("ALERT_WEBHOOK_URL", &hook),
    ];
    let server = Server::with(&variables).await;
    let send = async |key: &str, path: &str, body: Value| {
        server.send(server.request(Method::POST, path).bearer_auth(key).json(&body)).await
    };
    for org in ["clinic", "practice"] {
        let made = send(&bootstrap, "/keys", json!({"label": "an app", "organisation": org})).await.ok();
        let key = made["key"].as_str().expect("a key").to_owned();
        send(&key, "/api/v1/input", json!({"session_id": "s", "user_input": INTENT})).await.ok();
    }
    let got = receiver.wait_for(2).await;
    let mut told: Vec<String> =
        got.iter().map(|got| got.json()["data"]["organisation"].to_string()).collect();
    told.sort();
    assert_eq!(told, ["\"clinic\"", "\"practice\""]);
    // The addresses are the deployment's: another organisation's admin does not try them.
    let admin =
        send(&bootstrap, "/keys", json!({"label": "an admin", "role": "admin", "organisation": "clinic"}))
            .await;
    let admin = admin.ok()["key"].as_str().expect("a key").to_owned();
    send(&admin, "/alerts/test", json!({})).await.problem(403, "forbidden");
    let tested = send(&bootstrap, "/alerts/test", json!({})).await.ok();
    assert_eq!(tested, json!({"channels": [{"channel": "webhook", "delivered": true, "why": null}]}));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_operator_tries_every_channel_and_is_told_which_does_not_work() {
    let (receiver, mails, home) = (Receiver::start().await, MailServer::start().await, directory());
    let mut variables = mail_variables(&mails).to_vec();
    variables.push(("ALERT_WEBHOOK_URL", receiver.url()));
    let server = Process::start(home.path(), &pairs(&variables));
    variables.push(("ATTUNE_URL", server.url.clone()));
    let alerts = |argument: &str| run(home.path(), &pairs(&variables), &["alerts", argument]);
    let tried = alerts("test");
    let said = String::from_utf8(tried.stdout).expect("text");
    assert!(tried.status.success() && said == "webhook    delivered\nmail       delivered\n", "{said}");
    let got = receiver.wait_for(1).await.remove(0);
    assert_eq!((&got.json()["type"], &got.json()["data"]), (&json!("alert.test"), &json!({})));
    assert!(got.id().starts_with("test-"));
    let secret = String::from_utf8(alerts("secret").stdout).expect("text");
    let key = STANDARD.decode(secret.trim().strip_prefix("whsec_").expect("a key")).expect("base64");
    assert_eq!(got.header("webhook-signature"), signature(&key, &got, &got.body));
    receiver.answer(&[Answer::Status(410)]);
    let tried = alerts("test");
    let said = String::from_utf8(tried.stdout).expect("text");
    assert!(!tried.status.success(), "{said}");
    assert_eq!(said, "webhook    FAILED: the answer was 410\nmail       delivered\n");
    let doctor = run(home.path(), &pairs(&variables), &["doctor"]);
    let found = String::from_utf8(doctor.stdout).expect("text");
    assert!(found.contains("ok    alerts: told by webhook, mail"), "{found}");
    assert!(found.contains("warn  alerts: the last notice did not arrive"), "{found}");
    assert!(!found.contains("hidden"), "{found}");
    let untold = run(home.path(), &[("ATTUNE_URL", &server.url), ("ATTUNE_MODE", "supervised")], &["doctor"]);
    let found = String::from_utf8(untold.stdout).expect("text");
    assert!(found.contains("warn  nobody is told of alerts"), "{found}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failure_is_logged_once_until_it_ends_and_neither_words_nor_addresses_are() {
    let (receiver, mails, home) = (Receiver::start().await, MailServer::start().await, directory());
    receiver.answer(&[
        Answer::Status(500),
        Answer::Status(500),
        Answer::Redirect("http://hidden.example".to_owned()),
    ]);
    let mut variables = mail_variables(&mails).to_vec();
    variables.push(("ALERT_WEBHOOK_URL", receiver.url()));
    let log = home.path().join("log");
    let server = Process::start_logging(home.path(), &pairs(&variables), &log);
    assert!(process::input(&process::client(), &server.url, "s", INTENT).await.is_some());
    until(async || {
        let alerts = process::get(&process::client(), &server.url, "/alerts").await;
        alerts["alerts"][0]["notices"][0]["delivery"] == "delivered"
    })
    .await;
    assert_eq!(receiver.got().len(), 4);
    mails.wait_for(1).await;
    let log = server.end_of_log(&log);
    assert_eq!(log.matches("notices of alerts do not arrive").count(), 1, "once until it ends");
    assert_eq!(log.matches("notices of alerts arrive again").count(), 1);
    for hidden in ["hidden", "kill myself", "duty@example.com", "attune@example.com", "/hook"] {
        assert!(
            !log.contains(hidden),
            "{hidden}: {}",
            log.lines().find(|line| line.contains(hidden)).unwrap_or("")
        );
    }
}
