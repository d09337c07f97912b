//! Whether the time of an answer tells an unknown session from somebody else's: pairs of requests, one after the other, in
//! an order that is drawn, and a rank test over their times. And what a credential costs a turn: the same turns at a server
//! that asks for one and at one that is open, again in pairs.
//!
//! `cargo bench --bench access`; `ACCESS_BENCH_PAIRS` sets how many pairs, `ACCESS_BENCH_REDIS` names a Redis to be used in
//! the place of the embedded store.
#![allow(
    clippy::print_stdout,
    clippy::expect_used,
    clippy::disallowed_methods,
    clippy::cast_precision_loss,
    reason = "a measurement"
)]

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use attune::access::{Kind, RawCredential};
use attune::app::App;
use attune::clock::{Entropy, SystemClock};
use attune::config::Config;
use reqwest::Client;
use serde_json::{Value, json};

const PAIRS: usize = 2_000;
const WARM_UP: usize = 500;

fn main() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("a runtime").block_on(measure());
}

async fn measure() {
    let entropy = Arc::new(Entropy::system());
    let bootstrap = RawCredential::make(Kind::Key, &entropy);
    let home = tempfile::tempdir().expect("a directory");
    let config = config(home.path(), "required", bootstrap.expose());
    let app = App::start_with(&config, Arc::new(SystemClock), Arc::clone(&entropy)).await.expect("it starts");
    let desk = Desk { client: Client::new(), base: format!("http://{}", app.addr) };
    let ours = desk.key(bootstrap.expose(), "default").await;
    let theirs = desk.key(bootstrap.expose(), "clinic").await;
    let token = desk.session(&ours, "mine").await;
    desk.session(&theirs, "foreign").await;
    desk.session(&ours, "another").await;
    let pairs = std::env::var("ACCESS_BENCH_PAIRS").ok().and_then(|text| text.parse().ok()).unwrap_or(PAIRS);
    for (who, credential, foreign) in [("an app", &ours, "foreign"), ("a client", &token, "another")] {
        let (unknown, foreign) = desk.pairs(credential, ("unknown", foreign), pairs, &entropy).await;
        tell(who, &unknown, &foreign);
    }
    let open_home = tempfile::tempdir().expect("a directory");
    let config = self::config(open_home.path(), "open", bootstrap.expose());
    let open =
        App::start_with(&config, Arc::new(SystemClock), Arc::clone(&entropy)).await.expect("it starts");
    let open_desk = Desk { client: Client::new(), base: format!("http://{}", open.addr) };
    for (who, credential, session) in [("an app", &ours, "another"), ("a client", &token, "mine")] {
        cost(who, (&desk, credential), &open_desk, session, (pairs, &entropy)).await;
    }
    app.stop().await;
    open.stop().await;
}

/// Turns at a server that asks for a credential and at one that does not, in pairs whose order is drawn.
async fn cost(
    who: &str,
    (shut, credential): (&Desk, &str),
    open: &Desk,
    session: &str,
    (pairs, entropy): (usize, &Entropy),
) {
    let (mut with, mut without) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
    for n in 0..pairs + WARM_UP {
        let is_shut_first = entropy.u64() & 1 == 0;
        for is_shut in [is_shut_first, !is_shut_first] {
            let (desk, times) = if is_shut { (shut, &mut with) } else { (open, &mut without) };
            let took = desk.turn(is_shut.then_some(credential), session).await;
            if n >= WARM_UP {
                times.push(took);
            }
        }
    }
    let (shut, open) = (Spread::of(&mut with), Spread::of(&mut without));
    println!(
        "{who}: {pairs} turns with a credential p50 {:?} p99 {:?}, open p50 {:?} p99 {:?}: {:.3} times at p50",
        shut.p50,
        shut.p99,
        open.p50,
        open.p99,
        shut.p50.as_secs_f64() / open.p50.as_secs_f64()
    );
}

struct Spread {
    p50: Duration,
    p99: Duration,
}

impl Spread {
    fn of(times: &mut [Duration]) -> Self {
        times.sort_unstable();
        Self { p50: times[times.len() / 2], p99: times[times.len() * 99 / 100] }
    }
}

fn config(home: &std::path::Path, auth: &str, bootstrap: &str) -> Config {
    let mut variables: BTreeMap<String, String> = [
        ("ATTUNE_ADDR", "127.0.0.1:0"),
        ("ATTUNE_AUTH", auth),
        ("RATE_LIMIT_PER_MINUTE", "0"),
        ("ATTUNE_WORKERS", "1"),
        ("ATTUNE_LOG", "off"),
        ("ATTUNE_BOOTSTRAP_KEY", bootstrap),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .into();
    variables.insert("ATTUNE_DATA".to_owned(), home.display().to_string());
    if let Ok(url) = std::env::var("ACCESS_BENCH_REDIS") {
        variables.insert("REDIS_URL".to_owned(), url);
        variables.insert("REDIS_PREFIX".to_owned(), format!("access-bench-{auth}:"));
    }
    Config::from_variables(variables).expect("a sound configuration")
}

struct Desk {
    client: Client,
    base: String,
}

impl Desk {
    async fn post(&self, path: &str, credential: &str, body: &Value) -> Value {
        let request = self.client.post(format!("{}{path}", self.base)).bearer_auth(credential).json(body);
        request.send().await.expect("it answers").json().await.expect("JSON")
    }

    async fn key(&self, bootstrap: &str, org: &str) -> String {
        let made = self.post("/keys", bootstrap, &json!({ "label": "bench", "organisation": org })).await;
        made["key"].as_str().expect("a key").to_owned()
    }

    async fn session(&self, app: &str, id: &str) -> String {
        let made = self.post("/session/create", app, &json!({ "session_id": id })).await;
        made["session_token"].as_str().unwrap_or_default().to_owned()
    }

    async fn time(&self, credential: &str, id: &str) -> Duration {
        let request = self.client.get(format!("{}/session/{id}", self.base)).bearer_auth(credential);
        let began = Instant::now();
        let answer = request.send().await.expect("it answers");
        assert_eq!(answer.status(), 404, "it must not be the caller's own");
        let _body = answer.bytes().await.expect("a whole body");
        began.elapsed()
    }

    async fn turn(&self, credential: Option<&str>, session: &str) -> Duration {
        let body = json!({ "session_id": session, "user_input": "I want to feel calmer" });
        let request = self.client.post(format!("{}/api/v1/input", self.base)).json(&body);
        let request = credential.into_iter().fold(request, reqwest::RequestBuilder::bearer_auth);
        let began = Instant::now();
        let answer = request.send().await.expect("it answers");
        assert_eq!(answer.status(), 200);
        let _body = answer.bytes().await.expect("a whole body");
        began.elapsed()
    }

    /// Times of the first and of the second, in pairs whose order is drawn.
    async fn pairs(
        &self,
        credential: &str,
        ids: (&str, &str),
        pairs: usize,
        entropy: &Entropy,
    ) -> (Vec<Duration>, Vec<Duration>) {
        let (mut first, mut second) = (Vec::with_capacity(pairs), Vec::with_capacity(pairs));
        for n in 0..pairs + WARM_UP {
            let (one, other) = if entropy.u64() & 1 == 0 {
                let one = self.time(credential, ids.0).await;
                (one, self.time(credential, ids.1).await)
            } else {
                let other = self.time(credential, ids.1).await;
                (self.time(credential, ids.0).await, other)
            };
            if n >= WARM_UP {
                first.push(one);
                second.push(other);
            }
        }
        (first, second)
    }
}

fn tell(who: &str, unknown: &[Duration], foreign: &[Duration]) {
    let middle = |times: &[Duration]| Spread::of(&mut times.to_vec()).p50;
    let z = mann_whitney(unknown, foreign);
    println!(
        "{who}: {} pairs, unknown p50 {:?}, foreign p50 {:?}, Mann-Whitney z {z:+.2} (told apart at 1 % beyond 2.58): {}",
        unknown.len(),
        middle(unknown),
        middle(foreign),
        if z.abs() < 2.58 { "not told apart" } else { "TOLD APART" }
    );
}

/// How far the ranks of two samples lie apart, in standard deviations.
fn mann_whitney(one: &[Duration], other: &[Duration]) -> f64 {
    let mut all: Vec<(Duration, bool)> =
        one.iter().map(|time| (*time, true)).chain(other.iter().map(|time| (*time, false))).collect();
    all.sort_unstable();
    let mut rank_sum = 0.0;
    let mut at = 0;
    while at < all.len() {
        let end = at + all[at..].iter().take_while(|(time, _)| *time == all[at].0).count();
        // Equal times share their ranks.
        let rank = (at + 1 + end) as f64 / 2.0;
        rank_sum += rank * all[at..end].iter().filter(|(_, is_one)| *is_one).count() as f64;
        at = end;
    }
    let (n, m) = (one.len() as f64, other.len() as f64);
    let u = rank_sum - n * (n + 1.0) / 2.0;
    (u - n * m / 2.0) / (n * m * (n + m + 1.0) / 12.0).sqrt()
}
