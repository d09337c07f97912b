//! The fake model as it is measured with: what it says, how fast, and what it saw of a round.

use std::time::Duration;

use tokio::runtime::Handle;

use super::client::Client;
use super::fake::{Ended, FakeModel, Pieces, Reply, Script, Seen};
use super::figures::{median, millis, percentile};
use super::server::Server;

/// How the server speaks to the model.
#[derive(Clone, Copy)]
pub enum Api {
    Ollama,
    OpenAi,
}

impl Api {
    pub const fn name(self) -> &'static str {
        match self {
            Self::Ollama => "Ollama's API",
            Self::OpenAi => "OpenAI's API",
        }
    }

    pub const fn path(self) -> &'static str {
        match self {
            Self::Ollama => "/api/chat",
            Self::OpenAi => "/v1/chat/completions",
        }
    }

    /// Chunks before the first word.
    pub const fn opening(self) -> usize {
        match self {
            Self::Ollama => 0,
            Self::OpenAi => 1,
        }
    }

    pub fn settings(self, fake: &FakeModel) -> Vec<(&'static str, String)> {
        match self {
            Self::Ollama => vec![("OLLAMA_BASE_URL", fake.url())],
            Self::OpenAi => {
                vec![("OPENAI_BASE_URL", fake.openai_url()), ("OPENAI_MODEL", "llama3.1".to_owned())]
            }
        }
    }
}

const SAID: &str = "That sounds like a lot to carry. What do you notice in your body as you say it?";
/// Nothing for the first half, then so many parts of the reply and the line that ends it, evenly through the second.
const PARTS: usize = 10;
pub const NOMINAL: Duration = Duration::from_millis(200);
/// By how much a sleep of the runtime is too long on an average: it knows whole milliseconds, and rounds up twice.
const OVERSLEPT: Duration = Duration::from_millis(1);

/// A reply in two sentences that takes about [`NOMINAL`] from the request to the last line.
pub fn steady() -> Script {
    let length = SAID.chars().count();
    let half = NOMINAL / 2;
    Script {
        reply: Reply::always(SAID),
        delay: half.saturating_sub(OVERSLEPT),
        pause: (half / u32::try_from(PARTS).expect("few")).saturating_sub(OVERSLEPT),
        pieces: Pieces::At((1..PARTS).map(|part| part * length / PARTS).collect()),
        ..Script::default()
    }
}

/// On the models' runtime, so that what it writes waits for no client.
pub async fn start(models: &Handle, script: Script) -> FakeModel {
    models.spawn(FakeModel::with(script)).await.expect("it starts")
}

/// Waits until the server has found its model and had it loaded.
pub async fn wait_until_loaded(server: &Server, fake: &FakeModel) {
    fake.wait_for(|seen| seen.iter().any(|seen| seen.ended != Ended::NotYet)).await;
    let mut connection = Client::connect(server.addr).await;
    loop {
        let health = connection.get("/health").await.json();
        let services = &health["services"];
        let is_there = ["ollama", "openai"].iter().any(|service| services[service] == "connected");
        if is_there && fake.requests().iter().all(|seen| !seen.is_running()) {
            return;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// Whether a reply was asked for; loading, probing and sorting an answer are none.
fn is_reply(seen: &Seen) -> bool {
    has_words(seen) && !is_choice(seen)
}

fn has_words(seen: &Seen) -> bool {
    seen.body.as_ref().and_then(|body| body["messages"].as_array()).is_some_and(|said| !said.is_empty())
}

fn is_choice(seen: &Seen) -> bool {
    let body = seen.body.as_ref();
    body.is_some_and(|body| !body["format"].is_null() || !body["response_format"].is_null())
}

/// The client's words in a request.
pub fn last_words(seen: &Seen) -> Option<&str> {
    seen.body.as_ref()?["messages"].as_array()?.last()?["content"].as_str()
}

/// What the fake did in a round, by its own clock.
pub struct Work {
    /// From a request's last byte to the reply's.
    took_ms: Vec<f64>,
    choices: usize,
    unended: usize,
    others: usize,
    /// Requests that the fake has forgotten: there were more than it remembers.
    forgotten: usize,
}

impl Work {
    /// Of all requests after the one with number `before`.
    pub fn since(fake: &FakeModel, before: usize) -> Self {
        let all = fake.requests();
        let first = all.first().map_or(0, |seen| seen.number);
        let mut work = Self {
            took_ms: Vec::new(),
            choices: 0,
            unended: 0,
            others: 0,
            forgotten: first.saturating_sub(before + 1),
        };
        all.iter().filter(|seen| seen.number > before).for_each(|seen| work.add(seen));
        work
    }

    fn add(&mut self, seen: &Seen) {
        match seen.ended {
            _ if has_words(seen) && is_choice(seen) => self.choices += 1,
            Ended::Whole(at) if is_reply(seen) => self.took_ms.push(millis(at - seen.at)),
            Ended::NotYet | Ended::Gone(_) | Ended::Closed(_) if is_reply(seen) => self.unended += 1,
            Ended::NotYet | Ended::Whole(_) | Ended::Gone(_) | Ended::Closed(_) => self.others += 1,
        }
    }

    pub fn mean(&self) -> Duration {
        let sum: f64 = self.took_ms.iter().sum();
        Duration::from_secs_f64(sum / self.took_ms.len().max(1) as f64 / 1_000.0)
    }

    pub fn line(&self) -> String {
        let replies = self.took_ms.len();
        let line = format!(
            "{replies} replies, mean {:.1} ms, p50 {:.1} ms, p99 {:.1} ms; {} open choices ({:.3} for each reply)",
            millis(self.mean()),
            median(self.took_ms.clone()),
            percentile(self.took_ms.clone(), 99),
            self.choices,
            self.choices as f64 / replies.max(1) as f64
        );
        let beside = [
            (self.unended, "replies not taken to their end"),
            (self.others, "other requests"),
            (self.forgotten, "requests before these, of which nothing is known"),
        ];
        let beside = beside.into_iter().filter(|(count, _)| *count > 0);
        beside.fold(line, |line, (count, what)| format!("{line}; {count} {what}"))
    }
}

/// The number of the latest request.
pub fn latest(fake: &FakeModel) -> usize {
    fake.requests().last().map_or(0, |seen| seen.number)
}
