//! What every client that holds a conversation withstands: no server, servers that are killed, its own end, and refusals.

use std::time::Duration;

use super::talk::{Client, Talk};
use super::{history, until_holds};
use crate::ports::Port;
use crate::process::{Process, directory};

/// Said before there is a server, between two, and by an app that is killed before it could send it.
async fn says_everything_once_and_in_order(client: Client) {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let variables = [("ATTUNE_ADDR", addr.as_str())];
    let url = format!("http://{addr}");
    let mut talk = Talk::begin(client, home.path(), &url);
    talk.say("I want to feel calm");
    let server = Process::start(home.path(), &variables);
    talk.hear_of("[1] ");
    server.kill();
    talk.say("I see myself laughing with my friends");
    let server = Process::start(home.path(), &variables);
    talk.hear_of("[2] ");
    server.kill();
    talk.say("My chest is light");
    let queue = client.queue(home.path());
    until_holds(&queue, "chest", || false).await;
    let rest = talk.kill();
    assert!(!rest.iter().any(|line| line.starts_with('[')), "{rest:?}");
    let server = Process::start(home.path(), &variables);
    let mut talk = Talk::begin(client, home.path(), &url);
    talk.say("It feels warm");
    let told: Vec<String> = (0..2).map(|_| talk.hear_of("] ")).collect();
    assert!(told[0].starts_with("[3] ") && told[1].starts_with("[4] "), "{told:?}");
    let said = [
        "I want to feel calm",
        "I see myself laughing with my friends",
        "My chest is light",
        "It feels warm",
    ];
    assert_eq!(history(&server.url).await, said);
    for _ in 0..3_000 {
        if said.iter().all(|text| !std::fs::read_to_string(&queue).expect("it is there").contains(text)) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    panic!("a word is kept that was answered");
}

const ROUNDS: usize = 6;
const EACH: usize = 3;

/// Servers are killed again and again while it talks, and every other time it is killed itself.
async fn loses_and_doubles_nothing_in_a_storm(client: Client) {
    let (home, port) = (directory(), Port::free());
    let addr = format!("127.0.0.1:{}", port.number);
    let variables = [("ATTUNE_ADDR", addr.as_str())];
    let url = format!("http://{addr}");
    let (mut said, mut told) = (Vec::new(), Vec::new());
    let mut talk = Talk::begin(client, home.path(), &url);
    for round in 0..ROUNDS {
        let server = Process::start(home.path(), &variables);
        for n in 0..EACH {
            let text = format!("I want to feel calm, as on day {}", 100 + round * EACH + n);
            talk.say(&text);
            said.push(text);
        }
        // Some rounds end before an answer, some in the middle of them, some behind them.
        tokio::time::sleep(Duration::from_millis(23 * round as u64)).await;
        server.kill();
        if round % 2 == 1 {
            let last = format!("[{}] ", said.len());
            until_holds(&client.queue(home.path()), &said[said.len() - 1], || {
                told.extend(talk.heard());
                told.iter().any(|line| line.starts_with(&last))
            })
            .await;
            told.extend(talk.kill());
            talk = Talk::begin(client, home.path(), &url);
        }
    }
    let server = Process::start(home.path(), &variables);
    let last = format!("[{}] ", said.len());
    while !told.iter().any(|line| line.starts_with(&last)) {
        told.push(talk.hear());
    }
    assert_eq!(history(&server.url).await, said);
    let number = |line: &String| line.strip_prefix('[')?.split(']').next()?.parse::<usize>().ok();
    let mut numbers: Vec<usize> = told.iter().filter_map(number).collect();
    // One that was killed in the middle of telling tells again.
    numbers.dedup();
    assert_eq!(numbers, (1..=said.len()).collect::<Vec<_>>());
}

/// A refusal comes with the lines, and stands in the way of nobody in danger.
#[expect(clippy::unused_async, reason = "told like the others, which wait")]
async fn tells_a_refusal_and_lets_danger_through(client: Client) {
    let home = directory();
    let server = Process::start(home.path(), &[("ATTUNE_CONSENT", "required"), ("ATTUNE_COUNTRY", "US")]);
    let mut talk = Talk::begin(client, home.path(), &server.url);
    talk.say("I want to feel calm");
    let told = [talk.hear(), talk.hear()];
    assert!(told.iter().any(|line| line.contains("988")), "{told:?}");
    assert!(!told.iter().any(|line| line.starts_with('[')), "{told:?}");
    talk.say("I am going to kill myself tonight");
    let told = talk.hear_of("[");
    assert!(told.starts_with("[None] ") || told.starts_with("[null] "), "{told}");
}

/// A test for each client of the list, by its name.
macro_rules! withstood {
    ($($name:ident: $run:ident($client:expr);)*) => {
        $(#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
        async fn $name() {
            $run($client).await;
        })*
    };
}

withstood! {
    the_client_in_python_says_everything_once_and_in_order_while_servers_and_itself_come_and_go:
        says_everything_once_and_in_order(Client::Python);
    the_client_in_typescript_says_everything_once_and_in_order_over_http:
        says_everything_once_and_in_order(Client::TypeScript("http"));
    the_client_in_typescript_says_everything_once_and_in_order_over_events:
        says_everything_once_and_in_order(Client::TypeScript("sse"));
    the_client_in_python_says_everything_once_and_in_order_over_a_socket:
        says_everything_once_and_in_order(Client::LivePython);
    the_client_in_typescript_says_everything_once_and_in_order_over_a_socket:
        says_everything_once_and_in_order(Client::TypeScript("socket"));
    the_client_in_typescript_loses_and_doubles_nothing_in_a_storm_over_a_socket:
        loses_and_doubles_nothing_in_a_storm(Client::TypeScript("socket"));
    the_client_in_typescript_loses_and_doubles_nothing_in_a_storm_over_http:
        loses_and_doubles_nothing_in_a_storm(Client::TypeScript("http"));
    the_client_in_typescript_loses_and_doubles_nothing_in_a_storm_over_events:
        loses_and_doubles_nothing_in_a_storm(Client::TypeScript("sse"));
    the_client_in_python_tells_a_refusal_with_the_lines_that_come_with_it_and_lets_danger_through:
        tells_a_refusal_and_lets_danger_through(Client::Python);
    the_client_in_typescript_tells_a_refusal_with_the_lines_that_come_with_it_and_lets_danger_through:
        tells_a_refusal_and_lets_danger_through(Client::TypeScript("sse"));
    the_client_in_python_lets_danger_through_over_a_socket:
        tells_a_refusal_and_lets_danger_through(Client::LivePython);
    the_client_in_typescript_lets_danger_through_over_a_socket:
        tells_a_refusal_and_lets_danger_through(Client::TypeScript("socket"));
}
