//! The example clients in `examples/clients`, run as their readers would.

use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use serde_json::Value;

use crate::ports::Port;
use crate::process::{Process, client, directory, get};

fn example(name: &str) -> String {
    format!("{}/examples/clients/{name}", env!("CARGO_MANIFEST_DIR"))
}

/// The client in Python, at its standard input and output.
struct Talk {
    child: Child,
    says: ChildStdin,
    hears: BufReader<ChildStdout>,
}

impl Talk {
    fn begin(home: &Path, url: &str, token: &str) -> Self {
        let mut command = Command::new("python3");
        command
            .arg("-B")
            .arg(example("attune.py"))
            .args([url, "s"])
            .current_dir(home)
            .env("ATTUNE_TOKEN", token);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("python runs");
        let (says, hears) = (child.stdin.take().expect("piped"), child.stdout.take().expect("piped"));
        Self { child, says, hears: BufReader::new(hears) }
    }

    fn say(&mut self, text: &str) {
        writeln!(self.says, "{text}").expect("it reads");
    }

    fn hear(&mut self) -> String {
        let mut line = String::new();
        self.hears.read_line(&mut line).expect("it writes");
        line
    }

    fn kill(mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_python_says_everything_once_and_in_order_while_servers_and_itself_come_and_go() {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let variables = [("ATTUNE_ADDR", addr.as_str())];
    let url = format!("http://{addr}");
    // Written before any server is there.
    let mut talk = Talk::begin(home.path(), &url, "");
    talk.say("I want to feel calm");
    let server = Process::start(home.path(), &variables);
    assert!(talk.hear().starts_with("[1] "));
    server.kill();
    talk.say("I see myself laughing with my friends");
    let server = Process::start(home.path(), &variables);
    assert!(talk.hear().starts_with("[2] "));
    server.kill();
    // Written, not sent, and the app is killed.
    talk.say("My chest is light");
    let queue = home.path().join("attune-s.queue");
    while !std::fs::read_to_string(&queue).is_ok_and(|waiting| waiting.contains("chest")) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
    }
    talk.kill();
    let server = Process::start(home.path(), &variables);
    let mut talk = Talk::begin(home.path(), &url, "");
    talk.say("It feels warm");
    assert!(talk.hear().starts_with("[3] ") && talk.hear().starts_with("[4] "));
    let history = get(&client(), &server.url, "/session/s/history?limit=50").await;
    let said: Vec<&str> = history["exchanges"]
        .as_array()
        .expect("a list")
        .iter()
        .rev()
        .filter_map(|exchange| exchange["client_input"].as_str())
        .collect();
    let expected = [
        "I want to feel calm",
        "I see myself laughing with my friends",
        "My chest is light",
        "It feels warm",
    ];
    assert_eq!(said, expected);
    assert_eq!(
        std::fs::read_to_string(&queue).expect("it is there"),
        "",
        "no word is kept that was answered"
    );
    talk.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_python_tells_a_refusal_with_the_lines_that_come_with_it() {
    let home = directory();
    let server = Process::start(home.path(), &[("ATTUNE_CONSENT", "required"), ("ATTUNE_COUNTRY", "US")]);
    let mut talk = Talk::begin(home.path(), &server.url, "");
    talk.say("I want to feel calm");
    let told: Vec<String> = (0..2).map(|_| talk.hear()).collect();
    assert!(!told[0].starts_with('[') && told[1].contains("988"), "{told:?}");
    // Danger is not refused.
    talk.say("I am going to kill myself tonight");
    while !talk.hear().starts_with("[None] ") {}
    talk.kill();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_with_curl_waits_for_a_server_and_sends_a_message_once() {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let url = format!("http://{addr}");
    let say = || {
        let mut command = Command::new("bash");
        command.arg(example("attune.sh")).args([&url, "s", "I \"want\" to feel calm\n"]);
        command.env("KEY", "the-same-key").stdout(Stdio::piped()).spawn().expect("bash runs")
    };
    let early = say();
    let server = Process::start(home.path(), &[("ATTUNE_ADDR", addr.as_str())]);
    let first = early.wait_with_output().expect("it ends");
    let second = say().wait_with_output().expect("it ends");
    let turns: Vec<Value> = [first, second]
        .iter()
        .map(|output| serde_json::from_slice(&output.stdout).expect("a turn"))
        .collect();
    assert_eq!(
        (&turns[0]["turn"], &turns[1]["turn"], &turns[1]["replayed"]),
        (&1.into(), &1.into(), &true.into())
    );
    drop(server);
}
