//! What depends on how many sessions there are: lists, restarts, and the cost of a turn.

use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::CLIENTS;
use super::client::Client;
use super::figures::{median, millis, percentile};
use super::load::{Load, id};
use super::server::Server;

const PAGES: usize = 200;
const RESTARTS: usize = 5;
/// Sessions of the small store.
const FEW: u64 = 1_000;
/// How many turns each session of a growth round gets.
const TURNS_EACH: u64 = 5;
/// Sessions that a growth round visits in the large store: more than any cache of them holds.
const VISITED: u64 = 20_000;

pub async fn lists_and_restarts(sessions: u64) {
    let directory = tempfile::tempdir().expect("a directory");
    let server = Server::start(directory.path()).await;
    let since = create(&server, sessions).await;
    println!("{sessions} sessions: {:.1} MiB resident", server.memory_mib());
    lists(&server, &since).await;
    server.stop();
    for (how, end) in [("a clean stop", Server::stop as fn(Server)), ("kill -9", Server::kill)] {
        let mut times = Vec::new();
        for _ in 0..RESTARTS {
            let server = Server::start(directory.path()).await;
            times.push(millis(server.ready_after));
            end(server);
        }
        println!(
            "ready with {sessions} sessions after {how}: {times:.0?} ms, median {:.0}",
            median(times.clone())
        );
    }
}

/// Makes sessions `0..sessions`; the time at which nine tenths of them were there.
async fn create(server: &Server, sessions: u64) -> String {
    let (start, addr) = (Instant::now(), server.addr);
    let since = LocalSet::new()
        .run_until(async move {
            let mut tasks = JoinSet::new();
            for client in 0..CLIENTS {
                tasks.spawn_local(async move {
                    let mut connection = Client::connect(addr).await;
                    let mut since = String::new();
                    for session in (client..sessions).step_by(usize::try_from(CLIENTS).expect("few")) {
                        let body = format!("{{\"session_id\":\"{}\"}}", id(session));
                        let created = connection.post("/api/v1/session/create", &body).await;
                        assert_eq!(created.status, 200);
                        if since.is_empty() && session >= sessions / 10 * 9 {
                            created.json()["created_at"].as_str().expect("a time").clone_into(&mut since);
                        }
                    }
                    since
                });
            }
            tasks.join_all().await
        })
        .await;
    let rate = sessions as f64 / start.elapsed().as_secs_f64();
    println!("{sessions} sessions created, {rate:.0} a second");
    since.into_iter().max().unwrap_or_default()
}

async fn lists(server: &Server, since: &str) {
    let mut connection = Client::connect(server.addr).await;
    let since = since.replace('+', "%2B");
    let deep = deep_cursor(&mut connection).await;
    for (name, query) in [
        ("first page", String::new()),
        ("deep page", format!("?cursor={deep}")),
        ("by status", "?status=active".to_owned()),
        ("by status, none fits", "?status=paused".to_owned()),
        ("by safety level", "?safety_level=none".to_owned()),
        ("since the last tenth", format!("?active_since={since}")),
        ("since the beginning", "?active_since=2020-01-01T00:00:00Z".to_owned()),
        ("part of an id", "?q=bench-77".to_owned()),
        ("part of no id", "?q=nobody".to_owned()),
    ] {
        let mut times = Vec::new();
        for _ in 0..PAGES {
            let start = Instant::now();
            let page = connection.get(&format!("/api/v1/sessions{query}")).await;
            times.push(millis(start.elapsed()));
            assert_eq!(page.status, 200, "{name}");
        }
        let p99 = percentile(times.clone(), 99);
        println!("list, {name}: p50 {:.2} ms, p99 {p99:.2} ms", median(times));
    }
}

/// Goes a tenth of the way down.
async fn deep_cursor(connection: &mut Client) -> String {
    let mut cursor = String::new();
    for _ in 0..20 {
        let page = connection.get(&format!("/api/v1/sessions?limit=500{cursor}")).await.json();
        let Some(next) = page["next_cursor"].as_str() else { break };
        cursor = format!("&cursor={next}");
    }
    cursor.trim_start_matches("&cursor=").to_owned()
}

/// The same turns in a small and in a large store.
pub async fn growth(sessions: u64) {
    let mut costs = Vec::new();
    for (stored, visited) in [(FEW, FEW), (sessions, VISITED.min(sessions))] {
        let directory = tempfile::tempdir().expect("a directory");
        let server = Server::start(directory.path()).await;
        create(&server, stored).await;
        // What the creation left to be tidied away is not the turns' cost.
        tokio::time::sleep(Duration::from_secs(2)).await;
        let every = usize::try_from(stored / visited).expect("few");
        let load = Load::rounds(&server, (0..stored).step_by(every).collect(), TURNS_EACH, CLIENTS).await;
        println!("{TURNS_EACH} turns in {visited} of {stored} sessions: {}", load.line());
        load.check(&server).await;
        costs.push((load.per_second(), load.cpu_us_per_turn()));
        println!("{stored} sessions: {:.1} MiB resident", server.memory_mib());
        server.stop();
    }
    if let [few, many] = costs.as_slice() {
        println!(
            "turn cost, large store against small: {:.2} (CPU), {:.2} (rate)",
            many.1 / few.1,
            few.0 / many.0
        );
    }
}
