//! The binary as people run it: started, killed, stopped, asked.

use std::collections::BTreeMap;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::fake::{FakeModel, Fault, Reply, Script};
use crate::redis_server::RedisServer;
use crate::socket_client::{Raw, Socket, frame};

/// A running `attune serve`. Killed when it goes out of scope.
pub struct Process {
    child: Child,
    pub url: String,
}

impl Process {
    pub fn start(data: &Path, variables: &[(&str, &str)]) -> Self {
        Self::spawn(attune(data, variables))
    }

    fn spawn(mut command: Command) -> Self {
        let mut child = command.stdout(Stdio::piped()).spawn().expect("it starts");
        let mut line = String::new();
        let stdout = child.stdout.take().expect("piped");
        BufReader::new(stdout).read_line(&mut line).expect("it says where it listens");
        let url = line.split_whitespace().find(|word| word.starts_with("http://"));
        let url = url.unwrap_or_else(|| panic!("no address in {line:?}")).to_owned();
        Self { child, url }
    }

    /// Writes everything that it logs into a file.
    pub fn start_logging(data: &Path, variables: &[(&str, &str)], log: &Path) -> Self {
        let logs = [("ATTUNE_LOG", "trace"), ("ATTUNE_LOG_FORMAT", "json")];
        let mut command = attune(data, &[&logs, variables].concat());
        command.stderr(std::fs::File::create(log).expect("a file"));
        Self::spawn(command)
    }

    /// Stops it, and reads its log to the end.
    pub fn end_of_log(mut self, log: &Path) -> String {
        self.signal("-TERM");
        self.child.wait().expect("it ends");
        std::fs::read_to_string(log).expect("readable")
    }

    /// May open only so many files.
    fn start_limited(data: &Path, files: usize) -> Self {
        let mut limited = Command::new("sh");
        let line = format!("ulimit -n {files}; exec \"$0\"");
        limited.args(["-c", &line, env!("CARGO_BIN_EXE_attune")]);
        Self::spawn(of_env(limited, data, &[]))
    }

    pub fn signal(&self, signal: &str) {
        let status = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// SIGTERM, and the code with which it ends.
    pub fn terminate(mut self) -> Option<i32> {
        self.signal("-TERM");
        self.child.wait().expect("it ends").code()
    }

    pub fn kill(mut self) {
        self.signal("-9");
        assert_eq!(self.child.wait().expect("it ends").signal(), Some(9));
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

pub fn attune(data: &Path, variables: &[(&str, &str)]) -> Command {
    of_env(Command::new(env!("CARGO_BIN_EXE_attune")), data, variables)
}

fn of_env(mut command: Command, data: &Path, variables: &[(&str, &str)]) -> Command {
    command.env_clear().current_dir(data).stderr(Stdio::null());
    command.envs([("ATTUNE_ADDR", "127.0.0.1:0"), ("ATTUNE_WORKERS", "2"), ("RATE_LIMIT_PER_MINUTE", "0")]);
    command.env("ATTUNE_DATA", data.join("data")).envs(variables.iter().copied());
    command
}

pub fn run(data: &Path, variables: &[(&str, &str)], arguments: &[&str]) -> Output {
    attune(data, variables).args(arguments).stderr(Stdio::piped()).output().expect("it runs")
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

pub fn directory() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

/// A client that leaves an idle connection before the server does: nobody's request meets its end.
pub fn client() -> reqwest::Client {
    reqwest::Client::builder().pool_idle_timeout(Duration::from_secs(1)).build().expect("a client")
}

pub async fn input(client: &reqwest::Client, url: &str, session: &str, text: &str) -> Option<Value> {
    let body = json!({"session_id": session, "user_input": text});
    let answer = client.post(format!("{url}/api/v1/input")).json(&body).send().await.ok()?;
    if !answer.status().is_success() {
        return None;
    }
    answer.json().await.ok()
}

pub async fn get(client: &reqwest::Client, url: &str, path: &str) -> Value {
    let answer = client.get(format!("{url}{path}")).send().await.expect("it answers");
    answer.json().await.expect("JSON")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_between_turns_it_goes_on_at_turn_two_with_all_that_it_knew() {
    let (home, client) = (directory(), client());
    let process = Process::start(home.path(), &[]);
    let first = input(&client, &process.url, "s", "I want to feel calm and free").await.expect("answered");
    let before = get(&client, &process.url, "/session/s").await;
    process.kill();
    let process = Process::start(home.path(), &[]);
    let after = get(&client, &process.url, "/session/s").await;
    for field in ["step", "completion_criteria", "turn_count", "created_at", "meta", "protocol", "revision"] {
        assert_eq!(before[field], after[field], "{field}");
    }
    let second =
        input(&client, &process.url, "s", "I see myself laughing with my friends").await.expect("answered");
    assert_eq!((&first["turn"], &second["turn"]), (&json!(1), &json!(2)));
}

/// Acknowledged turns by session: number and reply.
pub type Acknowledged = Arc<Mutex<BTreeMap<String, Vec<(u64, String)>>>>;

async fn load(
    client: reqwest::Client,
    url: String,
    name: String,
    round: usize,
    done: Arc<AtomicBool>,
    acknowledged: Acknowledged,
) {
    while !done.load(Ordering::Relaxed) {
        let Some(turn) = input(&client, &url, &name, &format!("I want to feel calm in round {round}")).await
        else {
            return;
        };
        acknowledge(&acknowledged, &name, &turn);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_twenty_times_no_acknowledged_turn_is_lost_or_doubled() {
    killed_under_load(&[("HISTORY_MAX", "1000")]).await;
}

/// The same over Redis, where leases outlive the server that had them, for as long as they stand.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_under_load_twenty_times_over_redis_no_acknowledged_turn_is_lost_or_doubled() {
    let redis = RedisServer::start();
    killed_under_load(&[("HISTORY_MAX", "1000"), ("REDIS_URL", &redis.url()), ("LOCK_TTL_MS", "500")]).await;
}

pub const SESSIONS: usize = 8;

async fn killed_under_load(variables: &[(&str, &str)]) {
    let home = directory();
    let acknowledged = Acknowledged::default();
    for round in 0..20 {
        let client = client();
        let process = Process::start(home.path(), variables);
        for session in 0..SESSIONS {
            let name = format!("s{session}");
            assert_complete(&client, &process.url, &name, &acknowledged).await;
            let usable = input(&client, &process.url, &name, "I am back").await.expect("usable at once");
            acknowledge(&acknowledged, &name, &usable);
        }
        let done = Arc::new(AtomicBool::new(false));
        let loads = loads(&client, &[&process.url], round, &done, &acknowledged);
        tokio::time::sleep(Duration::from_millis(30 + 7 * round as u64)).await;
        process.kill();
        done.store(true, Ordering::Relaxed);
        for load in loads {
            load.await.expect("not panicked");
        }
    }
}

/// One writer for each session, the servers in turn.
pub fn loads(
    client: &reqwest::Client,
    urls: &[&str],
    round: usize,
    done: &Arc<AtomicBool>,
    acknowledged: &Acknowledged,
) -> Vec<tokio::task::JoinHandle<()>> {
    let load = |n: usize| {
        let (client, url, name) = (client.clone(), urls[n % urls.len()].to_owned(), format!("s{n}"));
        tokio::spawn(load(client, url, name, round, Arc::clone(done), Arc::clone(acknowledged)))
    };
    (0..SESSIONS).map(load).collect()
}

pub fn acknowledge(acknowledged: &Acknowledged, name: &str, turn: &Value) {
    let reply = turn["therapist_response"].as_str().expect("a text").to_owned();
    let number = turn["turn"].as_u64().expect("a number");
    acknowledged.lock().entry(name.to_owned()).or_default().push((number, reply));
}

/// Every acknowledged turn is there once, and numbers have no gap.
pub async fn assert_complete(client: &reqwest::Client, url: &str, name: &str, acknowledged: &Acknowledged) {
    let known = acknowledged.lock().get(name).cloned().unwrap_or_default();
    if known.is_empty() {
        return;
    }
    let mut stored: Vec<(u64, String)> = Vec::new();
    let mut before = String::new();
    loop {
        let page = get(client, url, &format!("/session/{name}/history?limit=50{before}")).await;
        for exchange in page["exchanges"].as_array().expect("exchanges") {
            let reply = exchange["therapist_response"].as_str().expect("a text").to_owned();
            stored.push((exchange["turn"].as_u64().expect("a number"), reply));
        }
        match page["next_before"].as_u64() {
            Some(next) => before = format!("&before={next}"),
            None => break,
        }
    }
    stored.reverse();
    let numbers: Vec<u64> = stored.iter().map(|(number, _)| *number).collect();
    let count = get(client, url, &format!("/session/{name}")).await["turn_count"].as_u64().expect("a number");
    let first = numbers.first().copied().unwrap_or(1);
    assert_eq!(numbers, (first..=count).collect::<Vec<_>>(), "no gap, no repeat");
    for turn in known.iter().filter(|(number, _)| *number >= first) {
        assert!(stored.contains(turn), "an acknowledged turn is lost: {} of {name}", turn.0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_lets_running_turns_finish_and_exits_with_zero() {
    let (home, client) = (directory(), client());
    let mut process = Process::start(home.path(), &[]);
    let running: Vec<_> = (0..20)
        .map(|n| {
            let (client, url) = (client.clone(), process.url.clone());
            tokio::spawn(async move { input(&client, &url, &format!("s{n}"), "I want to feel calm").await })
        })
        .collect();
    input(&client, &process.url, "first", "hello").await.expect("answered");
    process.signal("-TERM");
    let mut answered = Vec::new();
    for turn in running {
        answered.extend(turn.await.expect("not panicked"));
    }
    let status = tokio::task::spawn_blocking(move || process.child.wait().expect("it ends"));
    let status =
        tokio::time::timeout(Duration::from_secs(15), status).await.expect("in time").expect("joined");
    assert_eq!(status.code(), Some(0));
    let process = Process::start(home.path(), &[]);
    for turn in answered {
        let id = turn["session_id"].as_str().expect("an id");
        assert_eq!(get(&client, &process.url, &format!("/session/{id}")).await["turn_count"], turn["turn"]);
    }
}

#[test]
fn a_message_that_is_half_sent_at_sigterm_is_answered_before_the_end() {
    use std::io::{Read as _, Write as _};
    let home = directory();
    let mut process = Process::start(home.path(), &[]);
    let addr = process.url.trim_start_matches("http://").to_owned();
    let mut stream = std::net::TcpStream::connect(&addr).expect("connected");
    let body = r#"{"session_id":"s","user_input":"I want to feel calm"}"#;
    let length = body.len();
    let head = format!("POST /api/v1/input HTTP/1.1\r\nhost: a\r\ncontent-length: {length}\r\n\r\n");
    stream.write_all(head.as_bytes()).expect("written");
    stream.write_all(&body.as_bytes()[..10]).expect("written");
    std::thread::sleep(Duration::from_millis(100));
    process.signal("-TERM");
    // It has heard the signal when it takes nobody new.
    while std::net::TcpStream::connect(&addr).is_ok() {
        std::thread::sleep(Duration::from_millis(10));
    }
    stream.write_all(&body.as_bytes()[10..]).expect("written");
    let mut answer = String::new();
    stream.read_to_string(&mut answer).expect("an answer");
    assert!(answer.starts_with("HTTP/1.1 200") && answer.contains("\"turn\":1"), "{answer}");
    assert_eq!(process.child.wait().expect("it ends").code(), Some(0));
}

#[test]
fn two_servers_on_one_directory_get_a_clear_error() {
    let home = directory();
    let _first = Process::start(home.path(), &[]);
    let second = run(home.path(), &[], &["serve"]);
    assert!(!second.status.success());
    let said = text(&second.stderr);
    assert!(said.contains("another process"), "{said}");
}

#[test]
fn what_was_said_can_be_read_by_its_owner_alone() {
    use std::os::unix::fs::PermissionsExt as _;
    let home = directory();
    drop(Process::start(home.path(), &[]));
    let data = home.path().join("data");
    assert_eq!(std::fs::metadata(&data).expect("made").permissions().mode() & 0o777, 0o700);
    std::fs::set_permissions(&data, std::fs::Permissions::from_mode(0o755)).expect("own");
    let doctor = run(home.path(), &[("ATTUNE_URL", "http://127.0.0.1:1")], &["doctor"]);
    assert!(!doctor.status.success() && text(&doctor.stdout).contains("others on this machine may read"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_directory_that_is_taken_away_under_the_server_is_noticed() {
    let (home, client) = (directory(), client());
    let process = Process::start(home.path(), &[("INDEX_SWEEP_MS", "3600000")]);
    input(&client, &process.url, "s", "hello").await.expect("answered");
    std::fs::remove_dir_all(home.path().join("data")).expect("removed");
    let ready = client.get(format!("{}/readyz", process.url)).send().await.expect("answered");
    assert_eq!(ready.status().as_u16(), 503);
    assert!(input(&client, &process.url, "s", "hello").await.is_none(), "nothing is acknowledged any more");
    let crisis = input(&client, &process.url, "s", "I am going to kill myself tonight").await;
    assert_eq!(crisis.expect("danger is answered")["storage"], "none");
}

#[test]
fn another_secret_on_the_same_data_is_refused() {
    let home = directory();
    drop(Process::start(home.path(), &[]));
    let other = [("ATTUNE_SECRET", "BwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwcHBwc=")];
    let refused = run(home.path(), &other, &["serve"]);
    assert!(!refused.status.success());
    assert!(text(&refused.stderr).contains("ATTUNE_SECRET"), "{}", text(&refused.stderr));
}

#[test]
fn a_lost_key_file_is_not_replaced_where_data_are() {
    let home = directory();
    drop(Process::start(home.path(), &[]));
    let (key_file, copy) = (home.path().join("data/attune.key"), home.path().join("copy"));
    std::fs::rename(&key_file, &copy).expect("moved");
    for arguments in [&["doctor"][..], &["serve"], &["sessions", "list"]] {
        let output = run(home.path(), &[], arguments);
        assert!(!output.status.success(), "{arguments:?}");
        let said = text(&output.stdout) + &text(&output.stderr);
        assert!(said.contains("is not there, but the data are"), "{said}");
        assert!(!key_file.exists(), "{arguments:?} made another one");
    }
    std::fs::rename(&copy, &key_file).expect("moved back");
    drop(Process::start(home.path(), &[]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_flood_of_connections_leaves_the_store_its_files() {
    use std::io::{Read as _, Write as _};
    const FILES: usize = 200;
    let home = directory();
    let process = Process::start_limited(home.path(), FILES);
    let address = process.url.trim_start_matches("http://");
    let mut flood: Vec<_> =
        (0..FILES * 2).filter_map(|_| std::net::TcpStream::connect(address).ok()).collect();
    for connection in flood.iter_mut().take(FILES / 4) {
        connection.write_all(b"GET /livez HTTP/1.1\r\nHost: x\r\n\r\n").expect("sent");
        assert!(connection.read(&mut [0; 64]).expect("answered") > 0);
    }
    let open = std::fs::read_dir(format!("/proc/{}/fd", process.child.id())).expect("it runs").count();
    assert!(open < FILES - 40, "{open} of {FILES} files are open");
}

#[test]
fn the_doctor_says_what_to_do_about_a_damaged_store() {
    let home = directory();
    drop(Process::start(home.path(), &[]));
    let journal = home.path().join("data/store/0.jnl");
    let mut bytes = std::fs::read(&journal).expect("there");
    bytes[40] ^= 1;
    std::fs::write(&journal, bytes).expect("writable");
    let doctor = run(home.path(), &[("ATTUNE_URL", "http://127.0.0.1:1")], &["doctor"]);
    let said = text(&doctor.stdout);
    assert!(!doctor.status.success() && said.contains("is damaged"), "{said}");
    assert!(said.contains("put a copy of the whole directory back"), "{said}");
}

#[test]
fn a_wrong_configuration_stops_the_start_with_every_problem() {
    let home = directory();
    let wrong = [("HISTORY_MAX", "none"), ("SESSION_TTL", "soon")];
    for arguments in [&["serve"][..], &["sessions", "list"], &[]] {
        let refused = run(home.path(), &wrong, arguments);
        let said = text(&refused.stderr);
        assert!(
            !refused.status.success() && said.contains("HISTORY_MAX") && said.contains("SESSION_TTL"),
            "{said}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_are_listed_shown_and_deleted_with_and_without_a_server() {
    let (home, client) = (directory(), client());
    let process = Process::start(home.path(), &[]);
    for id in ["a", "b"] {
        input(&client, &process.url, id, "hello").await.expect("answered");
    }
    let url = process.url.clone();
    let home_path = home.path().to_owned();
    tokio::task::spawn_blocking(move || {
        assert_commands(&home_path, &[("ATTUNE_URL", url.as_str())], "a");
        process.kill();
        assert_commands(&home_path, &[("ATTUNE_URL", "http://127.0.0.1:1")], "b");
    })
    .await
    .expect("not panicked");
}

/// Lists, shows and deletes `id`.
fn assert_commands(home: &Path, variables: &[(&str, &str)], id: &str) {
    let list = run(home, variables, &["sessions", "list", "--status", "active"]);
    assert!(list.status.success() && text(&list.stdout).contains(id), "{}", text(&list.stderr));
    let show = run(home, variables, &["sessions", "show", id]);
    let shown: Value = serde_json::from_slice(&show.stdout).expect("JSON");
    assert_eq!((&shown["session_id"], &shown["turn_count"]), (&json!(id), &json!(1)));
    let delete = run(home, variables, &["erase", id]);
    let deleted: Value = serde_json::from_slice(&delete.stdout).expect("JSON");
    assert_eq!(deleted["receipt"]["verified"], true);
    let again = run(home, variables, &["erase", id]);
    assert!(!again.status.success() && text(&again.stderr).contains("no session"), "{}", text(&again.stderr));
    let wrong = run(home, variables, &["sessions", "list", "--level", "mild"]);
    assert!(!wrong.status.success());
}

#[test]
fn the_doctor_finds_nothing_on_a_sound_machine_and_much_on_a_spoilt_one() {
    let home = directory();
    let well = run(home.path(), &[("ATTUNE_URL", "http://127.0.0.1:1")], &["doctor"]);
    assert!(well.status.success(), "{}", text(&well.stdout));
    drop(Process::start(home.path(), &[]));
    let key = home.path().join("data/attune.key");
    std::fs::write(&key, "spoilt").expect("writable");
    let spoilt = run(home.path(), &[("ATTUNE_URL", "http://127.0.0.1:1")], &["doctor"]);
    assert!(!spoilt.status.success());
    assert!(text(&spoilt.stdout).contains("FAIL  the key file"), "{}", text(&spoilt.stdout));
    std::fs::remove_file(&key).expect("removed");
    let gone = run(home.path(), &[("ATTUNE_URL", "http://127.0.0.1:1")], &["doctor"]);
    assert!(!gone.status.success() && text(&gone.stdout).contains("is not there, but the data are"));
    let start = run(home.path(), &[], &["serve"]);
    assert!(!start.status.success() && text(&start.stderr).contains("put it back from a copy"));
    assert!(!key.exists(), "neither makes a new one in its place");
    let wrong = run(home.path(), &[("HISTORY_MAX", "x")], &["doctor"]);
    assert!(!wrong.status.success() && text(&wrong.stdout).contains("HISTORY_MAX"));
}

#[test]
fn the_doctor_and_the_start_warn_of_duty_hours_without_a_team() {
    let home = directory();
    let unread = [("DUTY_HOURS", "Mon-Fri 09:00-17:00 UTC"), ("ATTUNE_MODE", "self_help")];
    let warned =
        run(home.path(), &[&unread[..], &[("ATTUNE_URL", "http://127.0.0.1:1")]].concat(), &["doctor"]);
    let said = text(&warned.stdout);
    assert!(warned.status.success() && said.contains("warn  DUTY_HOURS is set"), "{said}");
    assert!(said.contains("-> unset DUTY_HOURS, or set ATTUNE_MODE=supervised"), "{said}");
    // A start that gets no further than its warnings.
    let taken = std::net::TcpListener::bind("127.0.0.1:0").expect("a free port");
    let addr = taken.local_addr().expect("bound").to_string();
    let refused = run(home.path(), &[&unread[..], &[("ATTUNE_ADDR", &addr)]].concat(), &["serve"]);
    let said = text(&refused.stdout) + &text(&refused.stderr);
    assert!(said.contains("WARN") && said.contains("DUTY_HOURS is set"), "{said}");
}

#[test]
fn the_shipped_protocol_is_sound_and_a_broken_one_is_told_why() {
    let home = directory();
    let shipped = run(home.path(), &[], &["protocol", "check"]);
    assert!(
        shipped.status.success() && text(&shipped.stdout).contains("18 steps"),
        "{}",
        text(&shipped.stdout)
    );
    let source = include_str!("../../prompts/protocols/trt-stage-1.toml");
    let broken = home.path().join("broken.toml");
    std::fs::write(&broken, source.replacen("to = \"vision\"", "to = \"nowhere\"", 1)).expect("writable");
    let checked = run(home.path(), &[], &["protocol", "check", broken.to_str().expect("plain")]);
    assert!(
        !checked.status.success() && text(&checked.stdout).contains("nowhere"),
        "{}",
        text(&checked.stdout)
    );
}

#[test]
fn it_tells_its_version_and_helps() {
    let home = directory();
    assert!(text(&run(home.path(), &[], &["--version"]).stdout).contains(env!("CARGO_PKG_VERSION")));
    let help = text(&run(home.path(), &[], &["--help"]).stdout);
    for command in ["serve", "chat", "sessions", "doctor", "protocol", "corpus"] {
        assert!(help.contains(command), "{command}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_word_of_a_person_reaches_the_logs() {
    let (home, client) = (directory(), client());
    let log = home.path().join("log");
    let marker = "zebrafinch";
    let fake = FakeModel::with(Script { reply: Reply::always(marker), ..Script::default() }).await;
    let process = Process::start_logging(home.path(), &[("OLLAMA_BASE_URL", &fake.url())], &log);
    for fault in [None, Some(Fault::ErrorLine), Some(Fault::WrongJson), Some(Fault::Status(500))] {
        fake.fail(fault);
        input(&client, &process.url, "m", &format!("{marker} I want to feel calm")).await.expect("answered");
    }
    for words in
        [format!("{marker} I want to feel calm"), format!("{marker} I am going to kill myself tonight")]
    {
        input(&client, &process.url, "s", &words).await.expect("answered");
    }
    let bad = format!("{{\"session_id\":\"s\",\"user_input\":{{\"{marker}\":1}}}}");
    for body in [bad, marker.to_owned(), format!("{{\"user_input\":\"{marker}\"")] {
        let request =
            client.post(format!("{}/api/v1/input", process.url)).header("content-type", "application/json");
        request.body(body).send().await.expect("answered");
    }
    for (path, body) in [
        ("broadcast", format!("{{\"message\":\"{marker}\"}}")),
        ("broadcast", format!("{{\"message\":{{\"{marker}\":1}}}}")),
        ("sessions/s/extend", format!("{{\"ttl\":\"{marker}\"}}")),
    ] {
        let request = client.post(format!("{}/api/{path}/", process.url));
        request.header("content-type", "application/json").body(body).send().await.expect("answered");
    }
    let addr = process.url.trim_start_matches("http://").to_owned();
    let mut plain = Socket::open(&addr, "/ws/chat/?session=plain").await;
    plain.count(marker).await;
    plain.say(&format!("{marker} I am going to kill myself tonight")).await;
    plain.hear_of("reply").await;
    let (mut typed, _) = Socket::typed(&addr, "/ws/chat/?session=typed").await;
    for bad in [marker.to_owned(), format!("{{\"type\":\"{marker}\"}}")] {
        typed.say(&bad).await;
        typed.hear_of("problem").await;
    }
    typed.input(marker, &format!("{marker} I want to feel calm")).await;
    typed.hear_of("turn").await;
    let mut bad = Raw::open(&addr, "/ws/chat/?session=plain", "attune.plain").await;
    bad.send(&frame(0x82, marker.as_bytes())).await;
    assert_eq!(bad.end().await, 1003);
    let metrics = client
        .get(format!("{}/metrics", process.url))
        .send()
        .await
        .expect("answered")
        .text()
        .await
        .expect("text");
    let logged = process.end_of_log(&log);
    assert!(logged.contains("the safety level rose"), "it does log");
    assert!(!fake.requests().is_empty() && !logged.contains(marker) && !metrics.contains(marker));
}
