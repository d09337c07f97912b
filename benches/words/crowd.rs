//! Clients that each say turn after turn in sessions of their own, and what they were answered.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::rc::Rc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use tokio::task::{JoinSet, LocalSet};

use super::client::Client;
use super::figures::{millis, percentile};
use super::model::NOMINAL;
use super::server::{Server, cpu_us_of};
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
    /// Of this process: the clients and the model share the machine with the server.
    own_cpu_us: f64,
    elapsed: Duration,
}

impl Crowd {
    /// Every client waits for its answer before it says the next thing. The rate is the sum of the clients' own, each from
    /// its first answer to its last: neither the beginning, where nobody waits yet, nor the end, where turns still run
    /// when the time is over, says anything of the rate between. They begin one after the other over a reply's time: those
    /// who begin together go on in step, and people do not.
    pub async fn talks(server: &Server, clients: u32, round: u64, span: Duration) -> Self {
        let mut connections = Vec::new();
        for _ in 0..clients {
            connections.push(Client::connect(server.addr).await);
        }
        let crowd = Rc::new(RefCell::new(Self::default()));
        let start = Instant::now();
        let (cpu_us, own_cpu_us) = (server.cpu_us(), cpu_us_of("self"));
        let talks = async {
            let mut tasks = JoinSet::new();
            for (client, connection) in (0..).zip(connections) {
                let talk = talk(connection, format!("words-{round}-{client}"), Rc::clone(&crowd), span);
                tasks.spawn_local(async move {
                    tokio::time::sleep(NOMINAL * client / clients).await;
                    talk.await;
                });
            }
            tasks.join_all().await;
        };
        LocalSet::new().run_until(talks).await;
        let mut crowd = crowd.take();
        crowd.elapsed = start.elapsed();
        crowd.cpu_us = server.cpu_us() - cpu_us;
        crowd.own_cpu_us = cpu_us_of("self") - own_cpu_us;
        crowd
    }

    pub const fn per_second(&self) -> f64 {
        self.per_second
    }

    pub fn turns_line(&self) -> String {
        let at = |hundredth| percentile(self.turn_ms.clone(), hundredth);
        let turns = self.turn_ms.len();
        format!("{turns} turns, p50 {:.1} ms, p99 {:.1} ms, longest {:.1} ms", at(50), at(99), at(100))
    }

    /// Where the cores have nothing left, it is them that the rate tells of.
    pub fn cpu_line(&self) -> String {
        let turns = self.turn_ms.len() as f64;
        format!(
            "server {:.0} us/turn, clients and model {:.0} us/turn, {:.2} cores busy",
            self.cpu_us / turns,
            self.own_cpu_us / turns,
            (self.cpu_us + self.own_cpu_us) / 1e6 / self.elapsed.as_secs_f64()
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
    let (start, mut said, mut first_answer) = (Instant::now(), 0, None);
    while start.elapsed() < span {
        let session = format!("{name}-{}", said / talk::TURNS);
        let body = serde_json::json!({ "session_id": session, "user_input": talk::words(said) }).to_string();
        let asked = Instant::now();
        let answer = connection.post("/api/v1/input", &body).await;
        crowd.borrow_mut().note(&session, &answer, asked.elapsed());
        first_answer.get_or_insert_with(Instant::now);
        said += 1;
    }
    let since = first_answer.filter(|_| said > 1).expect("time for two turns").elapsed();
    crowd.borrow_mut().per_second += (said - 1) as f64 / since.as_secs_f64();
}
