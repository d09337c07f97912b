//! Scripted clients of many kinds, each led through stage 1 over HTTP. Their transcripts are written to
//! `target/tmp/transcripts/`, where `scripts/transcripts` prints them for whoever wants to read them as a clinician would.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::path::{Path, PathBuf};

use attune::config::parse_duration;
use attune::domain::protocol::{Protocol, TRT_STAGE_1};
use serde::Deserialize;
use serde_json::Value;

use crate::server::Server;

const CLIENTS: &str = include_str!("../data/clients.toml");
/// So many turns in a row a step may ask in the same manner.
const SAME_APPROACH_MAX: usize = 3;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Clients {
    client: Vec<Client>,
}

/// Somebody invented: what they say at which step, and between which messages time passes.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Client {
    name: String,
    kind: String,
    ends: String,
    cooperative: bool,
    #[serde(default)]
    gaps: BTreeMap<String, String>,
    default: Vec<String>,
    #[serde(default)]
    at: BTreeMap<String, Vec<String>>,
}

/// One message and the reply to it.
struct Turn {
    said: String,
    /// Where the session stood before it, and where it stands after it.
    step: String,
    next: String,
    reply: Value,
}

impl Turn {
    fn text(&self) -> &str {
        self.reply["therapist_response"].as_str().expect("a reply")
    }

    fn decision(&self) -> &str {
        self.reply["navigation"]["decision"].as_str().expect("a decision")
    }

    fn questions(&self) -> impl Iterator<Item = &str> {
        let sentences = self.text().split_inclusive(['.', '?', '!', ':']);
        sentences.map(str::trim).filter(|sentence| sentence.ends_with('?'))
    }
}

fn clients() -> Vec<Client> {
    toml::from_str::<Clients>(CLIENTS).expect("well-formed").client
}

/// Everything that any of them says.
pub fn lines() -> Vec<String> {
    clients()
        .into_iter()
        .flat_map(|client| client.default.into_iter().chain(client.at.into_values().flatten()))
        .collect()
}

fn turns_max() -> usize {
    let bound = Protocol::parse(TRT_STAGE_1).expect("the shipped protocol").turns_max();
    usize::try_from(bound).expect("small")
}

/// Says a client's lines until the session is completed.
async fn converse(server: &Server, client: &Client) -> Vec<Turn> {
    let (mut turns, mut id) = (Vec::new(), client.name.clone());
    let mut spoken: BTreeMap<&str, usize> = BTreeMap::new();
    let mut step = "goal".to_owned();
    while turns.len() < turns_max() {
        if let Some(gap) = client.gaps.get(&(turns.len() + 1).to_string()) {
            server.clock.advance(parse_duration(gap).expect("a duration"));
        }
        let (list, lines) =
            client.at.get_key_value(&step).map_or(("", &client.default), |(at, lines)| (at.as_str(), lines));
        let said = spoken.entry(list).or_default();
        let line = lines[*said % lines.len()].clone();
        *said += 1;
        let reply = server.input(&id, &line).await.ok();
        let before = std::mem::take(&mut step);
        reply["session_id"].as_str().expect("an id").clone_into(&mut id);
        server.session(&id).await["step"].as_str().expect("a step").clone_into(&mut step);
        let is_done = reply["status"] == "completed" || reply["safety"]["level"] != "none";
        turns.push(Turn { said: line, step: before, next: step.clone(), reply });
        if is_done {
            break;
        }
    }
    turns
}

/// The longest run of turns that ask at one step in the same manner.
fn same_approach(turns: &[Turn]) -> (usize, String) {
    let mut longest = (0, String::new());
    let mut run: Vec<(&str, &str)> = Vec::new();
    for turn in turns {
        let manner = (turn.next.as_str(), turn.decision());
        if run.last() != Some(&manner) {
            run.clear();
        }
        run.push(manner);
        if run.len() > longest.0 {
            longest = (run.len(), format!("{manner:?}"));
        }
    }
    longest
}

/// What a conversation was not led as it should be.
fn faults(client: &Client, turns: &[Turn]) -> Vec<String> {
    let mut faults = Vec::new();
    let mut say = |what: String| faults.push(format!("{}: {what}", client.name));
    let last = turns.last().expect("turns");
    if client.ends != "complete" || last.reply["status"] != "completed" {
        say(format!("is not led to the end in {} turns", turns.len()));
    }
    for pair in turns.windows(2).filter(|pair| pair[0].text() == pair[1].text()) {
        say(format!("is told the same twice in a row: {}", pair[0].text()));
    }
    let mut asked = BTreeSet::new();
    for question in turns.iter().flat_map(Turn::questions).filter(|question| !asked.insert(*question)) {
        say(format!("is asked twice: {question}"));
    }
    for turn in turns {
        if turn.text().matches('?').count() > 1 {
            say(format!("is asked two things at once: {}", turn.text()));
        }
        if turn.reply["safety"]["level"] != "none" {
            say(format!("is taken to be in danger: {}", turn.said));
        }
    }
    let (run, manner) = same_approach(turns);
    if run > SAME_APPROACH_MAX {
        say(format!("is asked {run} times in a row in one manner: {manner}"));
    }
    faults
}

/// How many of a conversation's replies affirm and invite, and ask no question.
fn affirming(turns: &[Turn]) -> usize {
    turns.iter().filter(|turn| turn.questions().next().is_none()).count()
}

fn transcript(client: &Client, turns: &[Turn]) -> String {
    let mut page = format!("# {}\n\n{}. {} turns.\n", client.name, client.kind, turns.len());
    for (nth, turn) in (1..).zip(turns) {
        let Turn { said, step, .. } = turn;
        // Writing to a string cannot fail.
        let _written =
            write!(page, "\n{nth}. [{step}] **{said}**\n\n   {}: {}\n", turn.decision(), turn.text());
    }
    page
}

fn transcripts() -> PathBuf {
    Path::new(env!("CARGO_TARGET_TMPDIR")).join("transcripts")
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn clients_of_every_kind_are_led_to_the_end_and_never_asked_twice() {
    let server = Server::with(&[("SESSION_TTL", "30d"), ("SESSION_MAX_AGE", "90d")]).await;
    let clients = clients();
    assert!(clients.len() >= 40, "{} kinds", clients.len());
    std::fs::create_dir_all(transcripts()).expect("a directory");
    let mut talks = Vec::new();
    for client in &clients {
        let turns = converse(&server, client).await;
        let file = transcripts().join(format!("{}.md", client.name));
        std::fs::write(file, transcript(client, &turns)).expect("written");
        talks.push((client, turns));
    }
    let faults: Vec<String> = talks.iter().flat_map(|(client, turns)| faults(client, turns)).collect();
    assert!(faults.is_empty(), "{}", faults.join("\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_gives_body_and_present_is_affirmed_more_often_than_asked() {
    let server = Server::start().await;
    for client in clients().iter().filter(|client| client.cooperative) {
        let turns = converse(&server, client).await;
        let affirmed = affirming(&turns);
        assert!(affirmed * 2 > turns.len(), "{}: {affirmed} of {} turns", client.name, turns.len());
    }
}
