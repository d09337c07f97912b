//! What the embedded store promises beyond the contract: its directory, its format, its end.

use attune::clock::ManualClock;
use attune::domain::id::OrgId;
use attune::domain::safety::Level;
use attune::store::embedded::{EmbeddedStore, OpenError, OpenOptions};
use attune::store::{Counter, Gate, Store, StoreError};

use crate::world::{Adapter, Desk, Embedded, begun, key, limits, options};

async fn opened() -> Embedded {
    Embedded::open(limits()).await
}

#[tokio::test]
async fn a_directory_is_open_once_at_a_time() {
    let mut adapter = opened().await;
    assert_eq!(adapter.try_open().err(), Some(OpenError::Locked));
    adapter.take().expect("it is open").close().await.expect("it closes");
    assert!(adapter.try_open().is_ok());
}

#[tokio::test]
async fn a_store_that_is_dropped_frees_its_directory() {
    let mut adapter = opened().await;
    Desk::of(&adapter).turn("s").await;
    drop(adapter.take());
    let store = adapter.try_open().expect("it is free");
    assert!(store.read(&key("s")).await.expect("it is there").is_some());
}

#[tokio::test]
async fn another_secret_is_refused_and_changes_nothing() {
    let mut adapter = opened().await;
    drop(adapter.take());
    let other = OpenOptions { secret_fingerprint: [2; 16], ..options(&limits(), &adapter.clock) };
    let refused = EmbeddedStore::open(adapter.directory.path(), other);
    assert_eq!(refused.err(), Some(OpenError::OtherSecret));
    assert!(adapter.try_open().is_ok());
}

/// Opens the directory below the store, to put something there that no store of ours writes.
fn tamper(adapter: &Embedded, table: &str, entry: &[u8], value: &[u8]) {
    let database = fjall::Database::builder(adapter.directory.path()).open().expect("it is free");
    let table = database.keyspace(table, fjall::KeyspaceCreateOptions::default).expect("a table");
    table.insert(entry, value).expect("it writes");
    database.persist(fjall::PersistMode::SyncAll).expect("it syncs");
}

#[tokio::test]
async fn a_newer_format_is_refused() {
    let mut adapter = opened().await;
    drop(adapter.take());
    tamper(&adapter, "about", b"version", &[9]);
    assert_eq!(adapter.try_open().err(), Some(OpenError::Version(9)));
}

#[tokio::test]
async fn a_file_in_the_place_of_the_directory_is_an_io_error() {
    let directory = tempfile::tempdir().expect("a directory");
    let file = directory.path().join("file");
    std::fs::write(&file, b"here").expect("it writes");
    let opened = EmbeddedStore::open(&file, options(&limits(), &ManualClock::at(crate::world::START)));
    assert!(matches!(opened.err(), Some(OpenError::Io(_))));
}

#[tokio::test]
async fn a_record_of_a_newer_version_is_reported_and_left_alone() {
    let mut adapter = opened().await;
    Desk::of(&adapter).turn("s").await;
    drop(adapter.take());
    let newer = b"\x02{\"of\":\"the future\"}";
    tamper(&adapter, "sessions", b"default\0s", newer);
    let store = adapter.try_open().expect("the directory is known");
    let corrupt = |error: &StoreError| matches!(error, StoreError::Corrupt(_));
    let request = Desk::of(&opened().await).request("s");
    assert!(store.begin(request).await.is_err_and(|error| corrupt(&error)));
    assert!(store.read(&key("s")).await.is_err_and(|error| corrupt(&error)));
    assert!(store.delete(&key("s")).await.is_err_and(|error| corrupt(&error)));
    adapter.wind(limits().session_max_age).await;
    store.sweep().await.expect("others are swept");
    store.close().await.expect("it closes");
    let database = fjall::Database::builder(adapter.directory.path()).open().expect("it is free");
    let sessions = database.keyspace("sessions", fjall::KeyspaceCreateOptions::default).expect("a table");
    assert_eq!(sessions.get(b"default\0s").expect("it reads").as_deref(), Some(newer.as_slice()));
}

#[tokio::test]
async fn a_closed_store_says_so() {
    let adapter = opened().await;
    Desk::of(&adapter).turn("s").await;
    adapter.store().close().await.expect("it closes");
    let request = Desk::of(&adapter).request("s");
    assert_eq!(adapter.store().begin(request).await.err(), Some(StoreError::Closed));
    assert_eq!(adapter.store().read(&key("s")).await.err(), Some(StoreError::Closed));
    assert_eq!(adapter.store().health().await, Err(StoreError::Closed));
    assert_eq!(adapter.store().close().await, Ok(()));
}

#[tokio::test]
async fn close_writes_what_was_counted_last() {
    let mut adapter = opened().await;
    let org = OrgId::default();
    adapter.store().count(&org, vec![Counter::Input]).await.expect("it is there");
    adapter.take().expect("it is open").close().await.expect("it closes");
    let store = adapter.try_open().expect("it is free");
    let today = adapter.now().date();
    let days = store.daily(&org, &today, &today).await.expect("it is there");
    assert_eq!(days[0].counts["total_inputs"], 1);
}

#[tokio::test]
async fn a_torn_tail_of_the_journal_is_dropped_and_the_rest_stands() {
    use std::io::Write as _;
    let mut adapter = opened().await;
    for _ in 0..3 {
        Desk::of(&adapter).turn("s").await;
    }
    drop(adapter.take());
    // Opened once more, the journal ends where its last batch does; then comes the head of one that never ended.
    drop(adapter.try_open().expect("it is free"));
    let journal = adapter.directory.path().join("0.jnl");
    let mut file = std::fs::OpenOptions::new().append(true).open(&journal).expect("a journal");
    let whole = std::fs::read(&journal).expect("it reads");
    file.write_all(&whole[..whole.len() / 3]).expect("it writes");
    file.sync_all().expect("it syncs");
    let store = adapter.try_open().expect("what stands opens");
    let session = store.read(&key("s")).await.expect("it is there").expect("it stands").session;
    assert_eq!(session.turn_count, 3);
}

#[tokio::test]
async fn what_was_answered_lies_in_the_files_at_once() {
    let adapter = opened().await;
    let desk = Desk::of(&adapter);
    let running = desk.begun("other").await;
    for turn in 1..=5 {
        desk.turn("s").await;
        let killed = adapter.killed();
        let found = Desk::of(&killed).session("s").await;
        assert_eq!(found.turn_count, turn);
    }
    desk.raise("s", Level::Crisis).await;
    let killed = adapter.killed();
    assert_eq!(Desk::of(&killed).session("s").await.level, Level::Crisis);
    assert!(adapter.store().renew(&key("other"), running.lease).await.expect("it is there"));
    assert!(!killed.store().renew(&key("other"), running.lease).await.expect("it is there"));
}

#[tokio::test]
async fn commits_at_once_from_many_tasks_all_stand() {
    let adapter = std::sync::Arc::new(opened().await);
    let mut tasks = tokio::task::JoinSet::new();
    for n in 0..64 {
        let adapter = std::sync::Arc::clone(&adapter);
        tasks.spawn(async move {
            let id = format!("s{n}");
            for _ in 0..3 {
                Desk::of(&*adapter).turn(&id).await;
            }
        });
    }
    while let Some(done) = tasks.join_next().await {
        done.expect("no panic");
    }
    let killed = adapter.killed();
    for n in 0..64 {
        assert_eq!(Desk::of(&killed).turns(&format!("s{n}")).await, [1, 2, 3]);
    }
}

#[tokio::test]
async fn sessions_that_left_memory_are_as_they_were() {
    let adapter = Embedded::open(attune::store::Limits { rate_limit: 2, ..limits() }).await;
    let desk = Desk::of(&adapter);
    desk.turn("first").await;
    let open = desk.begun("held").await;
    // More than stay in memory.
    for n in 0..5_000 {
        let Gate::Begun(begun) = desk.ask(desk.request(&format!("s{n}"))).await else { panic!("not begun") };
        desk.abandon(&format!("s{n}"), begun.lease, attune::store::Abandon::Failed).await;
    }
    let again = begun(desk.ask(desk.request("first")).await);
    assert_eq!((again.session.as_ref().map(|s| s.turn_count), again.recent.len()), (Some(1), 1));
    assert_eq!(again.quota.remaining, 0);
    desk.turn_of("held", &open).await;
}
