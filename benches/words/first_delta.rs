//! How long it takes from the chunk with which the model ends its first sentence until the client has the first event.
//! And, by turns with it, what a client sees that reads the same chunk from the model itself: the floor.

use std::cell::{Cell, RefCell};
use std::collections::HashMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde_json::json;
use tokio::runtime::Handle;
use tokio::task::{JoinSet, LocalSet};

use super::fake::{FakeModel, Reply, Script};
use super::figures::{median, millis, percentile};
use super::model::{self, Api};
use super::server::Server;
use super::stream::{Body, Stream};

/// The first sentence ends with a chunk, as each has four characters.
const SENTENCE: &str = "I hear how tight that feels.";
const REST: &str = " What would calm be like?";
const CHUNK_CHARS: usize = 4;
const PAUSE: Duration = Duration::from_millis(5);
const ROUNDS: usize = 5;
const CLIENTS: [usize; 2] = [1, 16];

/// Whom the clients ask.
#[derive(Clone, Copy)]
enum Asked {
    Attune,
    /// The model itself.
    Model(Api),
}

pub async fn measure(models: &Handle, turns: u64) {
    let turns = usize::try_from(turns).expect("as many as fit").div_ceil(ROUNDS);
    for api in [Api::Ollama, Api::OpenAi] {
        let reply = Reply::always(&format!("{SENTENCE}{REST}"));
        let fake = model::start(models, Script { reply, pause: PAUSE, ..Script::default() }).await;
        let directory = tempfile::tempdir().expect("a directory");
        let settings = api.settings(&fake);
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = Server::start_with(directory.path(), &settings).await;
        model::wait_until_loaded(&server, &fake).await;
        let bench = Bench { api, fake, server, latest: Rc::default() };
        for clients in CLIENTS {
            bench.compare(clients, turns.div_ceil(clients)).await;
        }
        bench.server.stop();
    }
}

struct Bench {
    api: Api,
    fake: FakeModel,
    server: Server,
    /// Turns have numbers, by which what the model wrote is found again.
    latest: Rc<Cell<usize>>,
}

/// When the numbered turns had what they waited for.
type Heard = Rc<RefCell<HashMap<usize, Instant>>>;

impl Bench {
    async fn compare(&self, clients: usize, turns_each: usize) {
        let (mut through, mut floor) = (Vec::new(), Vec::new());
        for _ in 0..ROUNDS {
            through.extend(self.round(Asked::Attune, clients, turns_each).await);
            floor.extend(self.round(Asked::Model(self.api), clients, turns_each).await);
        }
        println!("{}, {clients} at once, {} turns:", self.api.name(), through.len());
        println!("  from the end of the sentence to the first delta: {}", line(&through));
        println!("  the same chunk, read from the model itself: {}", line(&floor));
    }

    /// The times of a round's turns in milliseconds. The fake notes a chunk when the system has it, which may be a few
    /// microseconds after the client has: such a time is negative.
    async fn round(&self, asked: Asked, clients: usize, turns_each: usize) -> Vec<f64> {
        let before = model::latest(&self.fake);
        let heard = Heard::default();
        let mut tasks = JoinSet::new();
        let addr = match asked {
            Asked::Attune => self.server.addr,
            Asked::Model(_) => self.fake.addr,
        };
        let local = LocalSet::new();
        for _ in 0..clients {
            let turns = turns(addr, asked, turns_each, Rc::clone(&self.latest), Rc::clone(&heard));
            tasks.spawn_local_on(turns, &local);
        }
        local.run_until(tasks.join_all()).await;
        let written = self.written(before);
        heard.borrow().iter().map(|(turn, heard)| signed_millis(written[turn], *heard)).collect()
    }

    /// When the first sentence's last chunk was written, for each turn since the request with the number `before`.
    fn written(&self, before: usize) -> HashMap<usize, Instant> {
        let last_chunk = self.api.opening() + chunks_of_sentence() - 1;
        let all = self.fake.requests();
        let since = all.iter().filter(|seen| seen.number > before);
        since.map(|seen| (number_in(model::last_words(seen)), seen.chunks_at[last_chunk])).collect()
    }
}

fn chunks_of_sentence() -> usize {
    SENTENCE.chars().count().div_ceil(CHUNK_CHARS)
}

/// A rule understands them, and the model is asked for nothing but a reply.
fn words(turn: usize) -> String {
    format!("I want to feel calm, number {turn}")
}

fn number_in(words: Option<&str>) -> usize {
    let number = words.and_then(|words| words.rsplit(' ').next()?.parse().ok());
    number.expect("the words of a turn")
}

async fn turns(addr: SocketAddr, asked: Asked, turns: usize, latest: Rc<Cell<usize>>, heard: Heard) {
    let mut stream = Stream::connect(addr).await;
    for _ in 0..turns {
        let turn = latest.get() + 1;
        latest.set(turn);
        let at = asked.turn(&mut stream, turn).await;
        heard.borrow_mut().insert(turn, at);
    }
}

impl Asked {
    /// When it was heard.
    async fn turn(self, stream: &mut Stream, turn: usize) -> Instant {
        match self {
            Self::Attune => {
                let delta = format!("event: delta\ndata: {}\n", json!({ "text": SENTENCE }));
                let body = json!({ "session_id": format!("words-{turn}"), "user_input": words(turn) });
                let is_there = |answer: &Body| answer.text.contains("event: delta\n");
                let (at, answer) = stream.post("/api/v1/input", &body.to_string(), is_there).await;
                assert!(answer.text.contains(&delta), "the first delta is the sentence");
                assert!(answer.text.contains("\"responder\":\"model\""), "the model's words alone");
                at
            }
            Self::Model(api) => {
                let said = json!([{ "role": "user", "content": words(turn) }]);
                let body = json!({ "model": "llama3.1", "messages": said, "stream": true });
                let chunks = api.opening() + chunks_of_sentence();
                let is_there = |answer: &Body| answer.chunks >= chunks;
                stream.post(api.path(), &body.to_string(), is_there).await.0
            }
        }
    }
}

fn signed_millis(from: Instant, to: Instant) -> f64 {
    millis(to.saturating_duration_since(from)) - millis(from.saturating_duration_since(to))
}

fn line(times: &[f64]) -> String {
    let at = |hundredth| percentile(times.to_vec(), hundredth);
    format!("p50 {:.3} ms, p99 {:.3} ms, longest {:.3} ms", median(times.to_vec()), at(99), at(100))
}
