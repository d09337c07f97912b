//! The rest of the clients in Python: following, and the plain dialect.

use std::process::Command;

use super::talk::Talk;
use super::{example, tools};
use crate::ports::Port;
use crate::process::{Process, client, directory, input};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_client_in_python_follows_a_session_while_servers_and_itself_come_and_go() {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let (url, variables) = (format!("http://{addr}"), [("ATTUNE_ADDR", addr.as_str())]);
    let follow = |after: &str| {
        let mut command = Command::new("python3");
        command.arg("-B").arg(example("attune.py")).args([&url, "s", "follow"]).env("AFTER", after);
        Talk::run(command, home.path())
    };
    let say = async |server: &Process| {
        input(&client(), &server.url, "s", "I want to feel calm").await.expect("answered");
    };
    let server = Process::start(home.path(), &variables);
    say(&server).await;
    let talk = follow("0-0");
    talk.hear_of("session_created");
    assert_turn(&talk, 1);
    server.kill();
    let server = Process::start(home.path(), &variables);
    say(&server).await;
    let last = assert_turn(&talk, 2);
    assert_eq!(talk.kill(), Vec::<String>::new());
    say(&server).await;
    assert_turn(&follow(&last), 3);
}

/// The next two events are of this turn. The id of the second.
fn assert_turn(talk: &Talk, turn: u32) -> String {
    let told = [talk.hear(), talk.hear()];
    let ends = [format!("turn_completed {turn}"), format!("reply_ready {turn}")];
    assert!(told.iter().zip(&ends).all(|(line, end)| line.ends_with(end.as_str())), "{told:?}");
    told[1].split(' ').next().expect("an id").to_owned()
}

#[test]
fn the_client_in_python_speaks_plainly_as_older_clients_do() {
    let home = directory();
    let server = Process::start(home.path(), &[]);
    let mut command = Command::new(tools::live_python());
    command.arg("-B").arg(example("live.py")).args([&server.url, "s", "plain"]);
    let mut talk = Talk::run(command, home.path());
    for n in 1..4 {
        talk.say("I want to feel calm");
        assert_eq!(talk.hear(), format!("({n})"));
        assert!(!talk.hear().is_empty());
    }
}
