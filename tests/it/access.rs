//! Who is let in, as whom, and to what.

use std::time::Duration;

use attune::access::{Access, Grant, Kind, Operation, RawCredential, Role};
use attune::clock::Entropy;
use attune::domain::consent::ConsentText;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::clinic::{BOOTSTRAP, Login, PASSWORD, shut, text};
use crate::process;
use crate::redis_server::RedisServer;
use crate::server::{Answer, Server};

async fn send(server: &Server, request: RequestBuilder, credential: &str) -> Answer {
    server.send(request.bearer_auth(credential)).await
}

async fn get(server: &Server, path: &str, credential: &str) -> Answer {
    send(server, server.request(Method::GET, path), credential).await
}

async fn post(server: &Server, path: &str, credential: &str, body: &Value) -> Answer {
    send(server, server.request(Method::POST, path).json(body), credential).await
}

async fn delete(server: &Server, path: &str, credential: &str) -> Answer {
    send(server, server.request(Method::DELETE, path), credential).await
}

async fn api_key(server: &Server, role: &str, org: &str) -> String {
    let asked = json!({ "label": "a test", "role": role, "organisation": org });
    text(&post(server, "/keys", BOOTSTRAP, &asked).await.ok(), "key")
}

/// A session of an app's, and the token that comes with it.
async fn session(server: &Server, app: &str, id: &str) -> String {
    let created = post(server, "/session/create", app, &json!({ "session_id": id })).await.ok();
    text(&created, "session_token")
}

/// A request for an operation, with a body that it takes.
fn request(server: &Server, operation: Operation, session: &str) -> RequestBuilder {
    let row = operation.row();
    let base = if operation == Operation::Input { "/api/v1" } else { "" };
    let path = row.path.replace("/alerts/{id}", "/alerts/none").replace("/keys/{id}", "/keys/none");
    let path = path.replace("/clinicians/{name}", "/clinicians/nobody");
    let path = format!("{base}{}", path.replace("{id}", session).replace("{n}", "1"));
    let method = Method::from_bytes(row.method.as_bytes()).expect("a method");
    let request = server.request(method, &path);
    let body = match operation {
        Operation::Input => json!({ "session_id": session, "user_input": "hello" }),
        Operation::SessionInput => json!({ "user_input": "hello" }),
        Operation::CreateSession => json!({ "session_id": format!("{session}-new") }),
        Operation::Extend | Operation::ExtendChat => json!({ "ttl": 3600 }),
        Operation::Broadcast => json!({ "message": "hello" }),
        Operation::Report => json!({ "reason": "other" }),
        Operation::GiveConsent => {
            let text = ConsentText::embedded().expect("sound");
            json!({ "version": text.version, "hash": text.hash })
        }
        Operation::Clear => json!({ "reason": "seen today", "basis": "none.0.0" }),
        Operation::AddNote => json!({ "text": "a note" }),
        Operation::Purge => json!({ "older_than_days": 90, "dry_run": true }),
        Operation::CreateKey => json!({ "label": "made" }),
        Operation::AddClinician => json!({ "name": "made", "password": "twelve letters" }),
        Operation::LogIn => json!({ "name": "nobody", "password": "twelve letters" }),
        Operation::ChangePassword => json!({ "password": "twelve letters", "new_password": "twelve others" }),
        _ => return request,
    };
    request.json(&body)
}

struct Bearer {
    role: Option<Role>,
    credential: Option<String>,
    /// Of a clinician.
    login: Option<Login>,
    /// A session of its own, and one that is not.
    own: &'static str,
    foreign: &'static str,
}

/// A server with one bearer of every kind, each with a session of its own where it has any.
async fn bearers(server: &Server) -> Vec<Bearer> {
    let (app, other) = (api_key(server, "app", "default").await, api_key(server, "app", "clinic").await);
    let client = session(server, &app, "ours").await;
    session(server, &app, "another").await;
    session(server, &other, "theirs").await;
    let bearer = |role, credential, own, foreign| Bearer { role, credential, login: None, own, foreign };
    let ana = Login::of(server, "ana", "clinician").await;
    vec![
        bearer(None, None, "ours", "theirs"),
        bearer(Some(Role::Client), Some(client), "ours", "another"),
        bearer(Some(Role::App), Some(app), "ours", "theirs"),
        bearer(Some(Role::App), Some(other), "theirs", "ours"),
        Bearer { login: Some(ana), ..bearer(Some(Role::Clinician), None, "ours", "theirs") },
        bearer(Some(Role::Admin), Some(BOOTSTRAP.to_owned()), "ours", "theirs"),
    ]
}

fn is_granted(operation: Operation, role: Option<Role>) -> bool {
    match (operation.row().access, role) {
        (Access::Anyone, _) => true,
        (Access::Roles(_), None) => false,
        (Access::Roles(grants), Some(role)) => grants.of(role) == Grant::Own,
    }
}

#[tokio::test]
async fn every_role_does_what_the_matrix_grants_it_to_its_own_and_nothing_else() {
    let mut tried = 0;
    for &operation in Operation::ALL {
        let server = shut(&[]).await;
        for bearer in bearers(&server).await {
            let role = bearer.role;
            let sent = |session| {
                let request = request(&server, operation, session);
                match (&bearer.credential, &bearer.login) {
                    (Some(credential), _) => request.bearer_auth(credential),
                    (None, Some(login)) => login.on(request),
                    (None, None) => request,
                }
            };
            let foreign = server.send(sent(bearer.foreign)).await;
            let unknown = server.send(sent("nobody")).await;
            let own = server.send(sent(bearer.own)).await;
            tried += 3;
            if operation == Operation::LogOut && is_granted(operation, role) {
                // The first one has ended the login.
                let expected = if bearer.login.is_some() { 200 } else { 403 };
                assert_eq!(foreign.status, expected);
                continue;
            }
            // Its own answer to a wrong password.
            if matches!(operation, Operation::LogIn | Operation::ChangePassword)
                && own.status == 401
                && is_granted(operation, role)
            {
                own.problem(401, "login_failed");
                continue;
            }
            if !is_granted(operation, role) {
                let (status, error) = if role.is_none() { (401, "unauthorized") } else { (403, "forbidden") };
                for answer in [own, foreign, unknown] {
                    answer.problem(status, error);
                }
                continue;
            }
            assert!(own.status != 401 && own.status != 403, "{operation:?} {role:?}: {}", own.status);
            let is_of_session =
                ["/session/{id}", "/sessions/{id}"].iter().any(|part| operation.row().path.contains(part))
                    || operation == Operation::Input;
            // An app's server may begin a session by its first words.
            let makes = matches!(operation, Operation::Input | Operation::SessionInput);
            if is_of_session && !(makes && role == Some(Role::App)) {
                assert_eq!(foreign.status, unknown.status, "{operation:?} {role:?}");
                assert!(
                    !foreign.status.is_success() || operation == Operation::StopTurn,
                    "{operation:?} {role:?}"
                );
            }
        }
    }
    println!("{tried} requests");
}

#[tokio::test]
async fn an_unknown_and_a_foreign_session_are_answered_with_the_same_body() {
    let server = shut(&[]).await;
    for bearer in bearers(&server).await {
        // A clinician's is the same by a cookie.
        let Some(credential) = bearer.credential else { continue };
        for path in ["", "/status", "/history", "/turn/1"] {
            let shown = async |id: &str| {
                let mut answer = get(&server, &format!("/session/{id}{path}"), &credential).await.json();
                for own in ["instance", "timestamp"] {
                    answer[own] = Value::Null;
                }
                answer
            };
            assert_eq!(shown(bearer.foreign).await, shown("nobody").await);
        }
    }
}

#[tokio::test]
async fn a_key_works_in_either_header_and_two_credentials_are_one_too_many() {
    let server = shut(&[]).await;
    let app = api_key(&server, "app", "default").await;
    let caller = || server.request(Method::GET, "/caller");
    for request in [
        caller().bearer_auth(&app),
        caller().header("x-api-key", &app),
        caller().header("authorization", format!("bearer  {app}")),
    ] {
        assert_eq!(server.send(request).await.ok()["role"], "app");
    }
    for request in [
        caller(),
        caller().bearer_auth(&app).header("x-api-key", &app),
        caller().header("x-api-key", &app).header("x-api-key", &app),
        caller().header("authorization", format!("Basic {app}")),
        caller().header("authorization", &app),
        caller().bearer_auth(format!("{app}x")),
        caller().bearer_auth(""),
        caller().bearer_auth("attune_key_\u{e4}"),
    ] {
        let answer = server.send(request).await;
        answer.problem(401, "unauthorized");
        assert!(answer.header("www-authenticate").is_some_and(|challenge| challenge.starts_with("Bearer")));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_ten_thousand_credentials_that_are_none_not_one_is_let_in() {
    let server = shut(&[]).await;
    let app = api_key(&server, "app", "default").await;
    let (token, entropy) = (session(&server, &app, "s").await, Entropy::seeded(99));
    let rotated = session(&server, &app, "rotated").await;
    post(&server, "/session/rotated/tokens/refresh", &rotated, &json!({})).await.ok();
    let revoked = session(&server, &app, "revoked").await;
    delete(&server, "/session/revoked/tokens", &app).await.ok();
    let erased = session(&server, &app, "erased").await;
    delete(&server, "/session/erased", &app).await.ok();
    let ticket = text(&post(&server, "/session/s/ticket", &token, &json!({})).await.ok(), "ticket");
    get(&server, "/session/s/status", &ticket).await.ok();
    let late = text(&post(&server, "/session/s/ticket", &token, &json!({})).await.ok(), "ticket");
    server.clock.advance(Duration::from_mins(1));
    let mut guesses = vec![rotated, revoked, erased, ticket, late];
    for (at, valid) in (0..4_000).zip([&app, &token, &BOOTSTRAP.to_owned()].into_iter().cycle()) {
        guesses.push(altered(valid, at));
    }
    for kind in Kind::ALL {
        guesses.extend((0..1_500).map(|_| RawCredential::make(kind, &entropy).expose().to_owned()));
        let swapped = app.replace("_key_", &format!("_{}_", kind.as_str()));
        guesses.extend((swapped != app).then_some(swapped));
    }
    assert!(guesses.len() >= 10_000);
    for guess in &guesses {
        get(&server, "/caller", guess).await.problem(401, "unauthorized");
    }
    for valid in [app, token, BOOTSTRAP.to_owned()] {
        get(&server, "/caller", &valid).await.ok();
    }
}

/// A credential with one thing changed: a character, the case of one, two swapped, one left out or put in.
fn altered(valid: &str, at: usize) -> String {
    let mut bytes = valid.as_bytes().to_vec();
    let place = at / 5 % bytes.len();
    match at % 5 {
        0 => bytes[place] = if bytes[place] == b'B' { b'C' } else { b'B' },
        1 => drop(bytes.remove(place)),
        2 => bytes.insert(place, b'B'),
        3 => bytes.truncate(place),
        _ => bytes[place] ^= 1,
    }
    let altered = String::from_utf8_lossy(&bytes).into_owned();
    if altered == valid { format!("{valid}B") } else { altered }
}

#[tokio::test]
async fn a_token_ends_without_a_use_and_at_its_end_and_when_it_is_refreshed() {
    let server = shut(&[("TOKEN_IDLE", "1h"), ("TOKEN_TTL", "1d"), ("SESSION_TTL", "7d")]).await;
    let app = api_key(&server, "app", "default").await;
    let (used, idle) = (session(&server, &app, "used").await, session(&server, &app, "idle").await);
    for _ in 0..24 {
        server.clock.advance(Duration::from_mins(59));
        get(&server, "/session/used", &used).await.ok();
    }
    get(&server, "/session/idle", &idle).await.problem(401, "unauthorized");
    server.clock.advance(Duration::from_mins(30));
    get(&server, "/session/used", &used).await.problem(401, "unauthorized");
    let minted = text(&post(&server, "/session/used/tokens", &app, &json!({})).await.ok(), "session_token");
    let refreshed = post(&server, "/session/used/tokens/refresh", &minted, &json!({})).await.ok();
    get(&server, "/session/used", &minted).await.problem(401, "unauthorized");
    get(&server, "/session/used", &text(&refreshed, "session_token")).await.ok();
}

#[tokio::test]
async fn a_ticket_is_one_use_and_mints_no_other() {
    let server = shut(&[]).await;
    let app = api_key(&server, "app", "default").await;
    let token = session(&server, &app, "s").await;
    let ticket = async || text(&post(&server, "/session/s/ticket", &token, &json!({})).await.ok(), "ticket");
    let first = ticket().await;
    post(&server, "/session/s/ticket", &first, &json!({})).await.problem(403, "forbidden");
    get(&server, "/session/s", &first).await.problem(401, "unauthorized");
    get(&server, "/session/s", &ticket().await).await.ok();
}

#[tokio::test]
async fn what_is_revoked_on_one_server_is_refused_on_the_next_at_once() {
    let redis = RedisServer::start();
    let one = shut(&[("REDIS_URL", &redis.url())]).await;
    let two = one.another().await;
    let app = api_key(&one, "app", "default").await;
    for round in 0..50 {
        let id = format!("s{round}");
        let token = session(&one, &app, &id).await;
        get(&two, &format!("/session/{id}"), &token).await.ok();
        delete(&one, &format!("/session/{id}/tokens"), &app).await.ok();
        get(&two, &format!("/session/{id}"), &token).await.problem(401, "unauthorized");
    }
    let made = post(&one, "/keys", BOOTSTRAP, &json!({ "label": "short-lived" })).await.ok();
    get(&two, "/caller", &text(&made, "key")).await.ok();
    delete(&one, &format!("/keys/{}", text(&made, "id")), BOOTSTRAP).await.ok();
    get(&two, "/caller", &text(&made, "key")).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn a_clients_token_reaches_what_succeeds_its_session_and_nothing_that_only_looks_so() {
    let server = shut(&[("INDEX_SWEEP_MS", "10"), ("TOKEN_IDLE", "30d")]).await;
    let app = api_key(&server, "app", "default").await;
    let token = session(&server, &app, "s").await;
    session(&server, &app, "s.9").await;
    get(&server, "/session/s.9", &token).await.problem(404, "not_found");
    let said = json!({ "session_id": "s.9", "user_input": "hello" });
    post(&server, "/api/v1/input", &token, &said).await.problem(404, "not_found");
    // 23/24 of its time without a word: it has expired, and its successor answers.
    server.clock.advance(Duration::from_mins(23 * 60 + 30));
    tokio::time::sleep(Duration::from_millis(100)).await;
    let back = json!({ "session_id": "s", "user_input": "hello" });
    let turn = post(&server, "/api/v1/input", &token, &back).await.ok();
    let successor = text(&turn, "session_id");
    assert_ne!(successor, "s");
    get(&server, &format!("/session/{successor}"), &token).await.ok();
    let of_nine = text(&post(&server, "/session/s.9/tokens", &app, &json!({})).await.ok(), "session_token");
    get(&server, &format!("/session/{successor}"), &of_nine).await.problem(404, "not_found");
    delete(&server, &format!("/session/{successor}/tokens"), &app).await.ok();
    get(&server, &format!("/session/{successor}"), &token).await.problem(401, "unauthorized");
}

#[tokio::test]
async fn no_raw_credential_lies_in_the_data_of_either_store() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let server = shut(&[("REDIS_URL", &url)]).await;
        let app = api_key(&server, "app", "default").await;
        let create = server.request(Method::POST, "/session/create").header("idempotency-key", "k");
        let created = send(&server, create.json(&json!({ "session_id": "s" })), &app).await.ok();
        let token = text(&created, "session_token");
        let ticket = text(&post(&server, "/session/s/ticket", &token, &json!({})).await.ok(), "ticket");
        let refreshed = post(&server, "/session/s/tokens/refresh", &token, &json!({})).await.ok();
        let secrets = [app, token, ticket, text(&refreshed, "session_token"), BOOTSTRAP.to_owned()];
        let stored = match &redis {
            Some(redis) => redis.dump(),
            None => server.files(),
        };
        let holds = |bytes: &[u8]| stored.windows(bytes.len()).any(|window| window == bytes);
        assert!(holds(b"a test"), "what is stored is looked through");
        for secret in secrets {
            let plain = secret.splitn(3, '_').last().expect("three parts");
            assert!(!holds(&plain.as_bytes()[..20]), "a raw credential is stored");
        }
    }
}

#[tokio::test]
async fn an_open_server_takes_whoever_comes_and_refuses_a_credential_that_is_none() {
    let server = Server::start().await;
    assert_eq!(server.get("/caller").await.ok()["role"], "anyone");
    get(&server, "/caller", BOOTSTRAP).await.problem(401, "unauthorized");
    let app = text(&server.post("/keys", &json!({ "label": "x" })).await.ok(), "key");
    assert_eq!(get(&server, "/caller", &app).await.ok()["role"], "app");
}

#[tokio::test]
async fn a_person_without_a_credential_is_sent_away_with_crisis_lines() {
    let server = shut(&[]).await;
    let body = json!({ "session_id": "s", "user_input": "I want to die" });
    let problem = server.post("/api/v1/input", &body).await.problem(401, "unauthorized");
    assert!(problem["resources"].as_array().is_some_and(|lines| !lines.is_empty()));
}

#[tokio::test]
async fn a_bad_key_is_asked_for_in_vain_and_told_why() {
    let server = shut(&[]).await;
    let long = "x".repeat(81);
    for (asked, field) in [
        (json!({ "label": "" }), "label"),
        (json!({ "label": long }), "label"),
        (json!({ "label": "a\nb" }), "label"),
        (json!({ "label": "x", "role": "client" }), "role"),
        (json!({ "label": "x", "expires_in_days": 0 }), "expires_in_days"),
        (json!({ "label": "x", "organisation": "Not An Id" }), "organisation"),
    ] {
        let problem = post(&server, "/keys", BOOTSTRAP, &asked).await.problem(422, "invalid_request");
        assert_eq!(problem["errors"][0]["field"], field);
    }
    let admin = api_key(&server, "admin", "default").await;
    let elsewhere = json!({ "label": "x", "organisation": "clinic" });
    post(&server, "/keys", &admin, &elsewhere).await.problem(422, "invalid_request");
    let listed = get(&server, "/keys", &admin).await.ok();
    assert_eq!(listed["keys"].as_array().map(Vec::len), Some(1));
    assert!(!listed.to_string().contains("attune_key_"));
}

/// Everything that is let in and everything that is not, with all that can be logged.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_credential_reaches_the_logs_the_metrics_or_the_body_of_a_refusal() {
    let (home, client) = (process::directory(), process::client());
    let log = home.path().join("log");
    let variables = [("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", BOOTSTRAP)];
    let process = process::Process::start_logging(home.path(), &variables, &log);
    let url = process.url.clone();
    let send = async |method: Method, path: &str, credential: &str, body: Value| {
        let request = client.request(method, format!("{url}{path}")).bearer_auth(credential).json(&body);
        request.send().await.expect("answered").text().await.expect("text")
    };
    let field = |text: &str, name: &str| text_of(text, name);
    let app = field(&send(Method::POST, "/keys", BOOTSTRAP, json!({ "label": "app" })).await, "key");
    let token = field(
        &send(Method::POST, "/session/create", &app, json!({ "session_id": "s" })).await,
        "session_token",
    );
    let added = json!({ "name": "ana", "password": PASSWORD });
    send(Method::POST, "/clinicians", BOOTSTRAP, added.clone()).await;
    send(Method::POST, "/login", "", added).await;
    let guess = RawCredential::make(Kind::Key, &Entropy::seeded(5)).expose().to_owned();
    let mut told = String::new();
    for credential in [app.as_str(), &token, BOOTSTRAP, &guess] {
        for path in ["/session/s", "/keys", "/caller", "/session/nobody", "/metrics"] {
            told.push_str(&send(Method::GET, path, credential, Value::Null).await);
        }
    }
    told.push_str(&process.end_of_log(&log));
    assert!(told.contains("answered") && told.contains("unauthorized"), "it does log, and does refuse");
    for secret in [app.as_str(), &token, BOOTSTRAP, &guess, PASSWORD] {
        let plain = secret.splitn(3, '_').last().expect("the last part");
        assert!(!told.contains(&plain[..plain.len().min(20)]), "a credential is told");
    }
}

fn text_of(body: &str, field: &str) -> String {
    text(&serde_json::from_str(body).expect("JSON"), field)
}
