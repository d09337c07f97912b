//! A person's rights: everything in one answer, and nothing left where they want it gone.

use std::time::Duration;

use attune::http::openapi::export_schema;
use reqwest::Method;
use serde_json::{Value, json};

use crate::clinic::{BOOTSTRAP, Clinic};
use crate::process;
use crate::redis_server::RedisServer;

/// A word of its own in everything that is kept of somebody.
const MARKS: usize = 20;
const DAY: Duration = Duration::from_hours(24);

fn mark(n: usize) -> String {
    format!("zephyrine{n:02}quartz")
}

/// A clinic in which somebody has talked, consented, and been looked after, in the session `s`.
async fn lived(variables: &[(&str, &str)]) -> Clinic {
    let clinic = Clinic::open(variables).await;
    let created = json!({
        "session_id": "s", "client_id": mark(0), "metadata": { "platform": mark(1), "country": "DE" }
    });
    clinic.as_app(Method::POST, "/session/create", &created).await.ok();
    let consent = clinic.server.get("/consent").await.ok();
    let given = json!({ "version": consent["version"], "hash": consent["hash"] });
    clinic.as_app(Method::POST, "/session/s/consent", &given).await.ok();
    for n in 2..MARKS - 1 {
        let said = json!({ "user_input": format!("I want to feel calm about {}", mark(n)) });
        let request = clinic.server.request(Method::POST, "/session/s/input").bearer_auth(&clinic.app);
        let request = request.json(&said).header("idempotency-key", format!("key{n}"));
        clinic.server.send(request).await.ok();
    }
    clinic.as_clinician(Method::POST, "/session/s/notes", &json!({ "text": mark(MARKS - 1) })).await.ok();
    clinic.as_clinician(Method::GET, "/session/s/history", &Value::Null).await.ok();
    clinic
}

/// Once what was done is sealed.
async fn export(clinic: &Clinic) -> Value {
    loop {
        let export = clinic.as_app(Method::GET, "/session/s/export", &Value::Null).await.ok();
        let is_read = |record: &Value| record["action"] == "read_history";
        if export["accesses"].as_array().is_some_and(|records| records.iter().any(is_read)) {
            return export;
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_export_holds_everything_and_fits_its_published_schema() {
    let schema = jsonschema::validator_for(&export_schema()).expect("a sound schema");
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let clinic = lived(&[("REDIS_URL", &url)]).await;
        let export = export(&clinic).await;
        let faults: Vec<String> =
            schema.iter_errors(&export).map(|fault| fault.instance_path().to_string()).collect();
        assert!(faults.is_empty(), "{faults:?}");
        let whole = export.to_string();
        for n in 0..MARKS {
            assert!(whole.contains(&mark(n)), "mark {n} is missing");
        }
        let turns = export["turns"].as_array().expect("turns");
        let numbers: Vec<u64> = turns.iter().filter_map(|turn| turn["turn"].as_u64()).collect();
        assert_eq!(numbers, (1..=(MARKS - 3) as u64).collect::<Vec<_>>());
        assert!(turns.iter().all(|turn| turn["navigation_decision"].is_string()));
        assert!(export["consent"]["hash"].is_string() && export["disclosure"]["times_told"] == 1);
        let by_ana = |record: &Value| record["name"] == "ana" && record["action"] == "read_history";
        assert!(export["accesses"].as_array().expect("records").iter().any(by_ana));
        clinic.as_app(Method::GET, "/session/nobody/export", &Value::Null).await.problem(404, "not_found");
    }
}

#[tokio::test]
async fn what_is_no_export_does_not_fit_the_schema() {
    let schema = jsonschema::validator_for(&export_schema()).expect("a sound schema");
    let clinic = lived(&[]).await;
    let export = export(&clinic).await;
    for member in ["format", "turns", "session", "accesses", "notes"] {
        let mut spoilt = export.clone();
        spoilt.as_object_mut().expect("an object").remove(member);
        assert!(!schema.is_valid(&spoilt), "{member} is not needed");
    }
    let mut spoilt = export;
    spoilt["turns"][0]["turn"] = json!("one");
    assert!(!schema.is_valid(&spoilt));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_erasure_leaves_none_of_twenty_marks_in_either_store_or_any_answer_and_a_second_time_is_calm() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let mut clinic = lived(&[("REDIS_URL", &url)]).await;
        let receipt = clinic.as_app(Method::DELETE, "/session/s", &Value::Null).await.ok()["receipt"].clone();
        let expected = json!({
            "exchanges": MARKS - 3, "stored_replies": MARKS - 3, "notes": 1, "credentials": 1, "messages": 0,
            "safety_memory_kept": false, "verified": true
        });
        assert_eq!(receipt, expected);
        for path in ["", "/status", "/history", "/export", "/consent"] {
            let gone = clinic.as_app(Method::GET, &format!("/session/s{path}"), &Value::Null).await;
            gone.problem(404, "not_found");
        }
        clinic.as_app(Method::DELETE, "/session/s", &Value::Null).await.problem(404, "not_found");
        let listed = clinic.as_app(Method::GET, "/sessions", &Value::Null).await.ok().to_string();
        let audit = clinic.server.request(Method::GET, "/audit?limit=500").bearer_auth(BOOTSTRAP);
        let audit = clinic.server.send(audit).await.ok().to_string();
        let stored = match &redis {
            Some(redis) => String::from_utf8_lossy(&redis.dump()).into_owned(),
            None => clinic.server.tables().await,
        };
        for n in 0..MARKS {
            for text in [&listed, &audit, &stored] {
                assert!(!text.contains(&mark(n)), "mark {n} is left");
            }
        }
    }
}

/// Sessions that were used so many days ago, one a day, and last one in danger.
async fn aged(clinic: &Clinic, days: u64) {
    clinic.say("danger", "I am going to kill myself tonight").await;
    for day in 0..days {
        clinic.say(&format!("s{day}"), "I want to feel calm").await;
        clinic.server.clock.advance(DAY);
    }
}

async fn purge(clinic: &Clinic, body: &Value) -> Value {
    clinic.as_admin(Method::POST, "/purge", body).await.ok()
}

#[tokio::test]
async fn a_purge_says_first_what_would_go_then_removes_it_and_keeps_what_danger_holds() {
    let clinic = Clinic::open(&[("SESSION_TTL", "300d"), ("SESSION_MAX_AGE", "300d")]).await;
    aged(&clinic, 10).await;
    let dry = purge(&clinic, &json!({ "older_than_days": 4, "dry_run": true })).await;
    assert_eq!(
        (&dry["sessions"], &dry["held"], &dry["erased"]["exchanges"]),
        (&json!(6), &json!(1), &json!(0))
    );
    let listed = clinic.as_app(Method::GET, "/sessions", &Value::Null).await.ok();
    assert_eq!(listed["total_sessions"], 11);
    let done = purge(&clinic, &json!({ "older_than_days": 4, "dry_run": false })).await;
    assert_eq!(
        (&done["sessions"], &done["held"], &done["erased"]["exchanges"]),
        (&json!(6), &json!(1), &json!(6))
    );
    assert_eq!((&done["erased"]["unverified"], &done["next_cursor"]), (&json!(0), &Value::Null));
    let listed = clinic.as_app(Method::GET, "/sessions", &Value::Null).await.ok();
    let ids: Vec<&str> = listed["sessions"]
        .as_array()
        .expect("rows")
        .iter()
        .filter_map(|row| row["session_id"].as_str())
        .collect();
    assert_eq!(ids, ["s9", "s8", "s7", "s6", "danger"]);
    let again = purge(&clinic, &json!({ "older_than_days": 4, "dry_run": false })).await;
    assert_eq!((&again["sessions"], &again["held"]), (&json!(0), &json!(1)));
    let records = clinic.records().await;
    let of = |action: &str| records.iter().filter(|record| record["action"] == action).collect::<Vec<_>>();
    assert_eq!(of("purge").len(), 3);
    let mut erased: Vec<&str> =
        of("erase").iter().filter_map(|record| record["session_id"].as_str()).collect();
    erased.sort_unstable();
    assert_eq!(erased, ["s0", "s1", "s2", "s3", "s4", "s5"]);
    let by = |record: &&Value| {
        record["role"] == "admin" && record["name"] == "bootstrap" && record["outcome"] == "asked"
    };
    assert!(of("erase").iter().all(by));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_purge_goes_on_page_by_page_over_redis_and_on_the_command_line() {
    for is_redis in [false, true] {
        let redis = is_redis.then(RedisServer::start);
        let url = redis.as_ref().map(RedisServer::url).unwrap_or_default();
        let variables = [("REDIS_URL", url.as_str()), ("SESSION_TTL", "300d"), ("SESSION_MAX_AGE", "300d")];
        let mut clinic = Clinic::open(&variables).await;
        for n in 0..230 {
            clinic
                .as_app(Method::POST, "/session/create", &json!({ "session_id": format!("s{n}") }))
                .await
                .ok();
        }
        let home = process::directory();
        let server = [("ATTUNE_URL", clinic.server.url("")), ("ATTUNE_API_KEY", BOOTSTRAP.to_owned())];
        let server = server.each_ref().map(|(name, value)| (*name, value.as_str()));
        let told = |arguments: &[&str]| {
            let output = process::run(home.path(), &server, arguments);
            assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
            String::from_utf8_lossy(&output.stdout).into_owned()
        };
        let young = told(&["purge", "--older-than", "1"]);
        assert!(young.starts_with("0 sessions"), "{young}");
        // Redis has a time of its own: there every session is aged in its index and in itself.
        match &redis {
            None => clinic.server.clock.advance(DAY * 2),
            Some(redis) => age(redis),
        }
        let dry = told(&["purge", "--older-than", "1", "--dry-run"]);
        assert_eq!(dry.lines().next(), Some("230 sessions without a turn for 1 days would go"));
        let gone = told(&["purge", "--older-than", "1"]);
        assert!(gone.starts_with("230 sessions without a turn for 1 days are gone"), "{gone}");
        assert_eq!(clinic.as_app(Method::GET, "/sessions", &Value::Null).await.ok()["total_sessions"], 0);
        clinic.server.stop().await;
    }
}

/// Makes every session one that was last used in 2020.
fn age(redis: &RedisServer) {
    for id in redis.command(&["ZRANGE", "trt:active_sessions", "0", "-1"]).texts() {
        redis.command(&["ZADD", "trt:active_sessions", "1600000000", &id]);
        let state = format!("trt:session:{id}:state");
        redis.command(&["HSET", &state, "last_interaction", "2020-09-13T12:26:40Z"]);
    }
}

#[tokio::test]
async fn a_purge_that_is_not_understood_removes_nothing() {
    let clinic = Clinic::open(&[("SESSION_TTL", "300d"), ("SESSION_MAX_AGE", "300d")]).await;
    aged(&clinic, 3).await;
    for bad in [
        json!({}),
        json!({ "older_than_days": 1 }),
        json!({ "older_than_days": 0, "dry_run": false }),
        json!({ "older_than_days": 3651, "dry_run": false }),
        json!({ "older_than_days": -1, "dry_run": false }),
        json!({ "older_than_days": 1, "dry_run": "no" }),
        json!({ "older_than_days": 1, "dry_run": false, "cursor": "??" }),
        json!({ "older_than_days": 1, "dry_run": false, "organisation": "not an id" }),
    ] {
        clinic.as_admin(Method::POST, "/purge", &bad).await.problem(422, "invalid_request");
    }
    let elsewhere = json!({ "older_than_days": 1, "dry_run": false, "organisation": "clinic-2" });
    assert_eq!(purge(&clinic, &elsewhere).await["sessions"], 0);
    assert_eq!(clinic.as_app(Method::GET, "/sessions", &Value::Null).await.ok()["total_sessions"], 4);
}

#[tokio::test]
async fn how_long_each_kind_is_kept_is_told_and_set_by_its_variable() {
    let clinic = Clinic::open(&[("ALERT_TTL", "2d"), ("SAFETY_MEMORY_TTL", "3d")]).await;
    let kinds = clinic.as_admin(Method::GET, "/retention", &Value::Null).await.ok();
    let seconds = |kind: &str| {
        let rows = kinds["retention"].as_array().expect("rows");
        rows.iter().find(|row| row["kind"] == kind).expect("a kind")["seconds"].clone()
    };
    assert_eq!(
        ["sessions", "alerts", "safety_memory", "daily_counters", "audit"].map(seconds),
        [json!(86_400), json!(172_800), json!(259_200), json!(2_592_000), Value::Null]
    );
}

#[test]
fn the_command_line_exports_and_erases_without_a_server() {
    let home = process::directory();
    let told = |arguments: &[&str]| {
        let output = process::run(home.path(), &[], arguments);
        (output.status.success(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    assert!(!told(&["export", "s"]).0, "there is no store yet");
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    runtime.block_on(async {
        let server = process::Process::start(home.path(), &[]);
        let body =
            json!({ "session_id": "s", "user_input": format!("I want to feel calm about {}", mark(0)) });
        let sent = process::client().post(format!("{}/api/v1/input", server.url)).json(&body).send().await;
        assert_eq!(sent.expect("answered").status(), 200);
        server.kill();
    });
    let schema = jsonschema::validator_for(&export_schema()).expect("a sound schema");
    let (is_done, exported) = told(&["export", "s"]);
    let exported: Value = serde_json::from_str(&exported).expect("JSON");
    assert!(is_done && schema.is_valid(&exported) && exported.to_string().contains(&mark(0)));
    let (is_done, receipt) = told(&["erase", "s"]);
    let receipt: Value = serde_json::from_str(&receipt).expect("JSON");
    assert!(is_done && receipt["receipt"]["verified"] == true);
    assert!(!told(&["erase", "s"]).0 && !told(&["export", "s"]).0);
    let (_, audit) = told(&["audit", "export"]);
    assert!(audit.contains("\"export\"") && audit.contains("\"erase\"") && !audit.contains(&mark(0)));
}
