//! Clinicians: a name, a password, a cookie.

use std::time::Duration;

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::clinic::{self, Clinic, Login, PASSWORD, as_admin, log_in};
use crate::process;
use crate::server::{Answer, Server};

async fn shut() -> Server {
    let server = clinic::shut(&[]).await;
    for (name, role) in [("ana", "clinician"), ("root", "admin")] {
        let asked = json!({ "name": name, "role": role, "password": PASSWORD });
        as_admin(&server, Method::POST, "/clinicians", &asked).await.ok();
    }
    server
}

fn credentials(answer: &Answer) -> (String, String) {
    let Login { cookie, csrf } = Login::by(answer);
    (cookie, csrf)
}

fn caller(server: &Server, cookie: &str) -> RequestBuilder {
    server.request(Method::GET, "/caller").header("cookie", cookie)
}

#[tokio::test]
async fn a_login_is_a_cookie_that_no_script_reads_and_no_other_site_sends() {
    let server = shut().await;
    let answer = log_in(&server, "Ana", PASSWORD).await;
    let set = answer.header("set-cookie").expect("a cookie").to_owned();
    for part in ["HttpOnly", "SameSite=Strict", "Path=/", "Max-Age=43200"] {
        assert!(set.contains(part), "{part}");
    }
    assert!(!set.contains("Secure"), "this machine alone reaches a loopback address");
    let (cookie, _) = credentials(&answer);
    let ana = server.send(caller(&server, &cookie)).await.ok();
    assert_eq!((&ana["role"], &ana["name"]), (&json!("clinician"), &json!("ana")));
    let bare = cookie.split_once('=').expect("a value").1;
    let bearer = server.request(Method::GET, "/caller").bearer_auth(bare);
    server.send(bearer).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn whatever_changes_something_needs_the_token_beside_the_cookie() {
    let server = shut().await;
    let (cookie, csrf) = credentials(&log_in(&server, "root", PASSWORD).await);
    let create = |token: Option<&str>| {
        let request = server.request(Method::POST, "/keys").json(&json!({ "label": "x" }));
        let request = request.header("cookie", &cookie);
        token.map_or_else(
            || request.try_clone().expect("small"),
            |token| request.try_clone().expect("small").header("x-csrf-token", token),
        )
    };
    for bad in [None, Some(""), Some("x"), Some(&csrf[1..])] {
        server.send(create(bad)).await.problem(403, "forbidden");
    }
    server.send(create(Some(&csrf))).await.ok();
    let (_, others) = credentials(&log_in(&server, "root", PASSWORD).await);
    server.send(create(Some(&others))).await.problem(403, "forbidden");
}

#[tokio::test]
async fn a_wrong_name_a_wrong_password_and_a_locked_name_are_answered_alike() {
    let server = shut().await;
    let mut told = Vec::new();
    for (name, password) in
        [("nobody", PASSWORD), ("no name at all", PASSWORD), ("ana", "wrong wrong wrong"), ("ana", "")]
    {
        let mut body = log_in(&server, name, password).await.problem(401, "login_failed");
        body["instance"] = Value::Null;
        told.push(body);
    }
    for _ in 0..4 {
        log_in(&server, "ana", "wrong wrong wrong").await.problem(401, "login_failed");
    }
    let mut locked = log_in(&server, "ana", PASSWORD).await.problem(401, "login_failed");
    locked["instance"] = Value::Null;
    told.push(locked);
    assert!(told.windows(2).all(|pair| pair[0] == pair[1]));
    server.clock.advance(Duration::from_mins(16));
    log_in(&server, "ana", PASSWORD).await.ok();
}

#[tokio::test]
async fn an_admin_lets_in_again_whoever_is_locked_out() {
    let server = shut().await;
    for _ in 0..6 {
        log_in(&server, "ana", "wrong wrong wrong").await.problem(401, "login_failed");
    }
    let reset = as_admin(&server, Method::POST, "/clinicians/ana/reset", &json!({})).await.ok();
    let password = reset["password"].as_str().expect("shown once").to_owned();
    log_in(&server, "ana", PASSWORD).await.problem(401, "login_failed");
    log_in(&server, "ana", &password).await.ok();
    let listed = as_admin(&server, Method::GET, "/clinicians", &Value::Null).await.ok();
    assert!(!listed.to_string().contains("argon2") && !listed.to_string().contains(&password));
}

#[tokio::test]
async fn a_login_ends_idle_at_its_end_and_by_logging_out() {
    let server = shut().await;
    let (idle, _) = credentials(&log_in(&server, "ana", PASSWORD).await);
    let (busy, csrf) = credentials(&log_in(&server, "ana", PASSWORD).await);
    for _ in 0..2 {
        server.clock.advance(Duration::from_mins(10));
        server.send(caller(&server, &busy)).await.ok();
    }
    server.send(caller(&server, &idle)).await.problem(401, "unauthorized");
    let logout =
        server.request(Method::POST, "/logout").header("cookie", &busy).header("x-csrf-token", &csrf);
    let answer = server.send(logout).await;
    answer.ok();
    assert!(answer.header("set-cookie").is_some_and(|set| set.contains("Max-Age=0")));
    server.send(caller(&server, &busy)).await.problem(401, "unauthorized");
    let (long, _) = credentials(&log_in(&server, "ana", PASSWORD).await);
    for _ in 0..71 {
        server.clock.advance(Duration::from_mins(10));
        server.send(caller(&server, &long)).await.ok();
    }
    server.clock.advance(Duration::from_mins(11));
    server.send(caller(&server, &long)).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn another_password_ends_every_login() {
    let server = shut().await;
    let (elsewhere, _) = credentials(&log_in(&server, "ana", PASSWORD).await);
    let (cookie, csrf) = credentials(&log_in(&server, "ana", PASSWORD).await);
    let change = |old: &str, new: &str| {
        let body = json!({ "password": old, "new_password": new });
        let request = server.request(Method::POST, "/password").json(&body);
        request.header("cookie", &cookie).header("x-csrf-token", &csrf)
    };
    server.send(change("wrong wrong wrong", "another password")).await.problem(401, "login_failed");
    let short = server.send(change(PASSWORD, "short")).await.problem(422, "invalid_request");
    assert_eq!(short["errors"][0]["field"], "new_password");
    assert!(!short.to_string().contains("short\""));
    server.send(change(PASSWORD, "another password")).await.ok();
    for ended in [&elsewhere, &cookie] {
        server.send(caller(&server, ended)).await.problem(401, "unauthorized");
    }
    log_in(&server, "ana", PASSWORD).await.problem(401, "login_failed");
    log_in(&server, "ana", "another password").await.ok();
}

/// A login takes its time over the password: one that is set, or somebody who is removed, meanwhile ends it all the same.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_login_and_a_new_password_at_once_no_login_by_the_old_one_is_left() {
    let server = shut().await;
    for round in 0..6 {
        let (name, is_removed) = (format!("ben{round}"), round % 2 == 0);
        let asked = json!({ "name": name, "password": PASSWORD });
        as_admin(&server, Method::POST, "/clinicians", &asked).await.ok();
        let (method, path) = if is_removed {
            (Method::DELETE, format!("/clinicians/{name}"))
        } else {
            (Method::POST, format!("/clinicians/{name}/reset"))
        };
        let change = async {
            // So that they end at about the same time, whichever takes longer.
            tokio::time::sleep(Duration::from_millis(if is_removed { 15 * (round + 1) } else { 0 })).await;
            let body = if is_removed { Value::Null } else { json!({ "password": "another password" }) };
            as_admin(&server, method, &path, &body).await.ok()
        };
        let (login, _) = tokio::join!(log_in(&server, &name, PASSWORD), change);
        if login.status == 200 {
            let (cookie, _) = credentials(&login);
            server.send(caller(&server, &cookie)).await.problem(401, "unauthorized");
        } else {
            login.problem(401, "login_failed");
        }
    }
}

#[tokio::test]
async fn a_removed_clinician_is_out_at_once() {
    let server = shut().await;
    let (cookie, _) = credentials(&log_in(&server, "ana", PASSWORD).await);
    as_admin(&server, Method::DELETE, "/clinicians/ana", &Value::Null).await.ok();
    server.send(caller(&server, &cookie)).await.problem(401, "unauthorized");
    log_in(&server, "ana", PASSWORD).await.problem(401, "login_failed");
    as_admin(&server, Method::DELETE, "/clinicians/ana", &Value::Null).await.problem(404, "not_found");
}

#[tokio::test]
async fn what_does_not_fit_a_clinician_is_refused_and_told_why() {
    let server = shut().await;
    for (asked, field) in [
        (json!({ "name": "" }), "name"),
        (json!({ "name": "a b" }), "name"),
        (json!({ "name": "x".repeat(65) }), "name"),
        (json!({ "name": "x", "role": "app" }), "role"),
        (json!({ "name": "x", "password": "eleven char" }), "password"),
        (json!({ "name": "x", "password": "x".repeat(257) }), "password"),
    ] {
        let answer = as_admin(&server, Method::POST, "/clinicians", &asked).await;
        assert_eq!(answer.problem(422, "invalid_request")["errors"][0]["field"], field);
    }
    let taken = json!({ "name": "ANA", "password": PASSWORD });
    as_admin(&server, Method::POST, "/clinicians", &taken).await.problem(409, "name_taken");
}

#[tokio::test]
async fn an_acknowledged_alert_names_the_clinician_who_is_logged_in() {
    let server = shut().await;
    let key = as_admin(&server, Method::POST, "/keys", &json!({ "label": "app" })).await.ok();
    let said = json!({ "session_id": "s", "user_input": "I am going to kill myself tonight" });
    let app = key["key"].as_str().expect("a key");
    server.send(server.request(Method::POST, "/api/v1/input").bearer_auth(app).json(&said)).await.ok();
    let (cookie, csrf) = credentials(&log_in(&server, "ana", PASSWORD).await);
    let get = server.request(Method::GET, "/alerts").header("cookie", &cookie);
    let alert = server.send(get).await.ok()["alerts"][0]["id"].as_str().expect("an alert").to_owned();
    let path = format!("/alerts/{alert}/acknowledge");
    let seen = server.request(Method::POST, &path).header("cookie", &cookie).header("x-csrf-token", &csrf);
    let seen = server.send(seen.json(&json!({ "by": "somebody else" }))).await.ok();
    assert_eq!(seen["alert"]["acknowledged_by"], "ana");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_command_line_logs_in_for_one_command_and_out_again() {
    let clinic = Clinic::open(&[]).await;
    clinic.say("s", "I am going to kill myself tonight").await;
    let home = process::directory();
    let url = clinic.server.url("");
    let run = |password: &str, arguments: &[&str]| {
        let variables =
            [("ATTUNE_URL", url.as_str()), ("ATTUNE_LOGIN", "ana"), ("ATTUNE_PASSWORD", password)];
        let output = process::run(home.path(), &variables, arguments);
        let told = [output.stdout, output.stderr].concat();
        (output.status.success(), String::from_utf8_lossy(&told).into_owned())
    };
    let (is_done, told) = run(PASSWORD, &["alerts", "list"]);
    assert!(is_done && told.contains("crisis"), "{told}");
    let (is_done, told) = run("wrong wrong wrong", &["alerts", "list"]);
    assert!(!is_done && told.contains("not let in") && !told.contains("wrong wrong"), "{told}");
    let (is_done, told) = run(PASSWORD, &["keys", "list"]);
    assert!(!is_done && told.contains("admin"), "a clinician makes no keys: {told}");
    let records = clinic.records().await;
    let of = |action: &str| records.iter().filter(|record| record["action"] == action).count();
    // The clinic's own, and one for each command that was let in.
    assert_eq!((of("log_in"), of("log_out")), (4, 2));
}
