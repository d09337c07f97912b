//! Clients that each say turn after turn in sessions of their own, and what they were answered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::task::{JoinSet, LocalSet};

use super::client::Client;
use super::figures::{median, millis, percentile};
use super::server::Server;
use super::talk;

/// As much of an answer as is counted.
#[derive(Deserialize)]
struct Answer {
    responder: String,
    context: Context,
}

#[derive(Deserialize)]
struct Context {
    fallback: Option<String>,
}

impl Answer {
    /// Who wrote it, and why not, or not only, the model.
    fn author(self) -> String {
        match self.context.fallback {
            Some(cause) => format!("{} ({cause})", self.responder),
            None => self.responder,
        }
    }
}

/// What came of it.
#[derive(Default)]
pub struct Crowd {
    turn_ms: Vec<f64>,
    /// By author, or by the status of what was refused.
    answers: BTreeMap<String, u64>,
    /// How many turns of each session were acknowledged.
    acknowledged: BTreeMap<String, usize>,
    per_second: f64,
    cpu_us: f64,
}

impl Crowd {
    /// Every client waits for its answer before it says the next thing. The rate is the sum of the clients' own, each
    /// over the time of its own turns, so that the turns that run when the time is over do not count against it.
    pub async fn talks(server: &Server, clients: usize, round: u64, span: Duration) -> Self {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Client::connect(server.addr).await);
        }
        let crowd = Rc::new(RefCell::new(Self::default()));
        let cpu_us = server.cpu_us();
        let talks = async {
            let mut tasks = JoinSet::new();
            for (client, connection) in connections.into_iter().enumerate() {
                tasks.spawn_local(talk(
                    connection,
                    format!("words-{round}-{client}"),
                    Rc::clone(&crowd),
                    span,
                ));
            }
            tasks.join_all().await;
        };
        LocalSet::new().run_until(talks).await;
        let mut crowd = crowd.take();
        crowd.cpu_us = server.cpu_us() - cpu_us;
        crowd
    }

    pub const fn per_second(&self) -> f64 {
        self.per_second
    }

    pub fn turns_line(&self) -> String {
        let at = |hundredth| percentile(self.turn_ms.clone(), hundredth);
        format!(
            "{} turns, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms; server CPU {:.0} us/turn",
            self.turn_ms.len(),
            median(self.turn_ms.clone()),
            at(99),
            at(100),
            self.cpu_us / self.turn_ms.len().max(1) as f64
        )
    }

    pub fn answers_line(&self) -> String {
        let all: u64 = self.answers.values().sum();
        let share = |(author, count): (&String, &u64)| {
            format!("{author} {count} ({:.1} %)", *count as f64 * 100.0 / all as f64)
        };
        self.answers.iter().map(share).collect::<Vec<_>>().join(", ")
    }

    /// All of it has to be the model's, and in the store, no turn more and none less.
    pub async fn check(&self, server: &Server) {
        assert_eq!(self.answers.keys().collect::<Vec<_>>(), ["model"], "answers of others than the model");
        let mut connection = Client::connect(server.addr).await;
        for (session, turns) in &self.acknowledged {
            let stored = connection.get(&format!("/api/v1/session/{session}")).await.json();
            assert_eq!(stored["turn_count"].as_u64(), u64::try_from(*turns).ok(), "turns of {session}");
        }
    }

    fn note(&mut self, session: &str, answer: &super::client::Response, took: Duration) {
        let author = if answer.status == 200 {
            *self.acknowledged.entry(session.to_owned()).or_default() += 1;
            self.turn_ms.push(millis(took));
            serde_json::from_slice::<Answer>(&answer.body).expect("a turn").author()
        } else {
            format!("status {}", answer.status)
        };
        *self.answers.entry(author).or_default() += 1;
    }
}

async fn talk(mut connection: Client, name: String, crowd: Rc<RefCell<Crowd>>, span: Duration) {
    let (start, mut said) = (Instant::now(), 0);
    while start.elapsed() < span {
        let session = format!("{name}-{}", said / talk::TURNS);
        let body = serde_json::json!({ "session_id": session, "user_input": talk::words(said) }).to_string();
        let asked = Instant::now();
        let answer = connection.post("/api/v1/input", &body).await;
        crowd.borrow_mut().note(&session, &answer, asked.elapsed());
        said += 1;
    }
    crowd.borrow_mut().per_second += said as f64 / start.elapsed().as_secs_f64();
}
