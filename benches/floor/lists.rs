//! Pages of a long list of sessions.

use std::sync::Arc;
use std::time::{Duration, Instant};

use attune::domain::id::OrgId;
use attune::domain::safety::Level;
use attune::domain::session::{Session, Status};
use attune::domain::time::Timestamp;
use attune::store::redis::RedisStore;
use attune::store::{Create, Created, Cursor, ListQuery, Store as _};
use tokio::task::JoinSet;

use super::CLIENTS;
use super::figures::{median, millis, percentile};
use super::instance::{IN_MEMORY, Redis};
use super::stores::{self, WARM};
use super::talk::{self, Said};

const PAGES: usize = 200;
const ROWS: usize = 100;
/// One session in ten is completed, one in ten elevated.
const ONE_IN: u64 = 10;
/// A second lies between one session's last interaction and the next one's.
const GAP: Duration = Duration::from_secs(1);

pub async fn measure(sessions: u64) {
    let redis = Redis::start(IN_MEMORY);
    let said = talk::recorded(&redis, 5).await.pop().expect("five turns");
    let store = stores::store(&redis, stores::limits(), WARM);
    let filling = Instant::now();
    fill(&store, Arc::new(said), sessions).await;
    println!("{sessions} sessions made in {:.1} s", filling.elapsed().as_secs_f64());
    redis.reset();
    let page = ListQuery::of(OrgId::default(), ROWS);
    let down = |tenths: u64| Some(cursor(sessions - sessions * tenths / 10));
    let since = |tenths: u64| Some(at(sessions - sessions * tenths / 10));
    let tenth = sessions / ONE_IN;
    for (name, query, total) in [
        ("first page", page.clone(), Some(sessions)),
        ("half-way down", ListQuery { cursor: down(5), ..page.clone() }, Some(sessions)),
        ("nine tenths down", ListQuery { cursor: down(9), ..page.clone() }, Some(sessions)),
        ("completed", ListQuery { status: Some(Status::Completed), ..page.clone() }, Some(tenth)),
        ("elevated", ListQuery { level: Some(Level::Elevated), ..page.clone() }, Some(tenth)),
        (
            "active and elevated",
            ListQuery { status: Some(Status::Active), level: Some(Level::Elevated), ..page.clone() },
            None,
        ),
        ("active since a tenth", ListQuery { active_since: since(1), ..page.clone() }, Some(tenth)),
        ("active since nine tenths", ListQuery { active_since: since(9), ..page.clone() }, None),
        (
            "completed, active since a tenth, half-way down it",
            ListQuery {
                status: Some(Status::Completed),
                active_since: since(1),
                cursor: Some(cursor(sessions - sessions / 20)),
                ..page.clone()
            },
            None,
        ),
    ] {
        pages(&redis, &store, name, &query, total).await;
    }
    redis.print_commands("all pages", (PAGES * 9) as f64);
    let looks = |name: &str| matches!(name, "keys" | "scan");
    assert!(redis.commands().iter().all(|(name, ..)| !looks(name)), "a list looks through all keys");
}

fn at(number: u64) -> Timestamp {
    let seconds = i64::try_from(number * GAP.as_secs()).expect("not long");
    Timestamp::from_millis(1_790_000_000_000 + seconds * 1_000)
}

fn id(number: u64) -> String {
    format!("listed-{number:08}")
}

fn cursor(number: u64) -> Cursor {
    Cursor { last_interaction: at(number), id: talk::key(&id(number)).id }
}

async fn fill(store: &Arc<RedisStore>, said: Arc<Said>, sessions: u64) {
    let mut tasks = JoinSet::new();
    for first in 0..CLIENTS {
        let (store, said) = (Arc::clone(store), Arc::clone(&said));
        tasks.spawn(async move {
            for number in (first..sessions).step_by(usize::try_from(CLIENTS).expect("few")) {
                let request = Create {
                    key: talk::key(&id(number)),
                    session: session(&said.session, number),
                    idempotency: None,
                    reply: |_| Arc::from(Vec::new()),
                };
                let created = store.create(request).await.expect("it is there");
                assert!(matches!(created, Created::Created(_)));
            }
        });
    }
    tasks.join_all().await;
}

fn session(like: &Session, number: u64) -> Session {
    let id = id(number);
    let mut session = Session { id: talk::key(&id).id, client: talk::client(&id), ..like.clone() };
    session.last_interaction = at(number);
    match number % ONE_IN {
        0 => session.status = Status::Completed,
        1 => session.level = Level::Elevated,
        _ => {}
    }
    session
}

async fn pages(redis: &Redis, store: &RedisStore, name: &str, query: &ListQuery, total: Option<u64>) {
    let (mut times, before) = (Vec::new(), redis.meter());
    for _ in 0..PAGES {
        let start = Instant::now();
        let page = store.list(query.clone()).await.expect("it is there");
        times.push(millis(start.elapsed()));
        assert_eq!(page.rows.len(), ROWS, "{name}");
        assert!(total.is_none_or(|total| page.total == total), "{name}: {}", page.total);
    }
    let spent = redis.meter().since(&before);
    let (trips, cpu_ms) = (spent.reads / PAGES as f64, spent.cpu_us / 1_000.0 / PAGES as f64);
    println!(
        "list, {name}: {trips:.2} round trips, p50 {:.2} ms, p99 {:.2} ms, Redis {cpu_ms:.2} ms",
        median(times.clone()),
        percentile(times, 99)
    );
}
