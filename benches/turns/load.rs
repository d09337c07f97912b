//! Turns put to a server by clients that each work on sessions of their own, and whether all that was acknowledged is
//! stored.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio::task::{JoinSet, LocalSet};

use super::client::Client;
use super::figures::{millis, percentile};
use super::server::Server;
use super::walk;

/// Connections of a paced load: more than can be busy at once.
const PACED_CONNECTIONS: u64 = 128;
/// Ids are dealt to each client from a range of its own.
const PER_CLIENT: u64 = 10_000;

/// What came of it.
#[derive(Default)]
pub struct Load {
    latencies: Vec<f64>,
    failures: u64,
    elapsed: Duration,
    cpu_us: f64,
    /// How many turns of each session were acknowledged.
    acknowledged: BTreeMap<u64, u64>,
}

/// What to say next: conversation after conversation.
struct Talk {
    session: u64,
    said: u64,
}

impl Talk {
    fn next(&mut self) -> (u64, u64) {
        if self.said == walk::TURNS {
            (self.session, self.said) = (self.session + 1, 0);
        }
        self.said += 1;
        (self.session, self.said - 1)
    }
}

impl Load {
    /// Every client waits for its answer before it says the next thing.
    pub async fn conversations(server: &Server, clients: u64, first: u64, span: Duration) -> Self {
        Self::measured(server, |addr, load| async move {
            let until = Instant::now() + span;
            let mut tasks = JoinSet::new();
            for client in 0..clients {
                let load = Rc::clone(&load);
                tasks.spawn_local(async move {
                    let mut connection = Client::connect(addr).await;
                    let mut talk = Talk { session: first + client * PER_CLIENT, said: 0 };
                    while Instant::now() < until {
                        let (session, n) = talk.next();
                        say(&mut connection, &load, session, n, Instant::now()).await;
                    }
                });
            }
            tasks.join_all().await;
        })
        .await
    }

    /// Turns fall due at fixed times; each is measured from its time, also when no connection was free.
    pub async fn paced(server: &Server, per_second: u32, first: u64, span: Duration) -> Self {
        let (due, dues) = async_dues(per_second, span);
        Self::measured(server, |addr, load| async move {
            let dues = Rc::new(tokio::sync::Mutex::new(dues));
            let mut tasks = JoinSet::new();
            for client in 0..PACED_CONNECTIONS {
                let (load, dues) = (Rc::clone(&load), Rc::clone(&dues));
                let mut connection = Client::connect(addr).await;
                let mut talk = Talk { session: first + client * PER_CLIENT, said: 0 };
                tasks.spawn_local(async move {
                    loop {
                        let Some(due) = dues.lock().await.recv().await else { return };
                        let (session, n) = talk.next();
                        say(&mut connection, &load, session, n, due).await;
                    }
                });
            }
            due.start();
            tasks.join_all().await;
        })
        .await
    }

    /// So many rounds of turns through the given sessions.
    pub async fn rounds(server: &Server, sessions: Vec<u64>, rounds: u64, clients: u64) -> Self {
        let clients = usize::try_from(clients).expect("few");
        Self::measured(server, |addr, load| async move {
            let sessions = Rc::new(sessions);
            let mut tasks = JoinSet::new();
            for client in 0..clients {
                let (load, sessions) = (Rc::clone(&load), Rc::clone(&sessions));
                tasks.spawn_local(async move {
                    let mut connection = Client::connect(addr).await;
                    for n in 0..rounds {
                        for &session in sessions.iter().skip(client).step_by(clients) {
                            say(&mut connection, &load, session, n, Instant::now()).await;
                        }
                    }
                });
            }
            tasks.join_all().await;
        })
        .await
    }

    async fn measured<F: Future<Output = ()>>(
        server: &Server,
        work: impl FnOnce(SocketAddr, Rc<RefCell<Self>>) -> F,
    ) -> Self {
        let load = Rc::new(RefCell::new(Self::default()));
        let (start, cpu_us) = (Instant::now(), server.cpu_us());
        LocalSet::new().run_until(work(server.addr, Rc::clone(&load))).await;
        let mut load = load.take();
        (load.elapsed, load.cpu_us) = (start.elapsed(), server.cpu_us() - cpu_us);
        load
    }

    #[allow(dead_code, reason = "for the floor, which shares this")]
    pub fn turns(&self) -> f64 {
        self.latencies.len() as f64
    }

    pub fn per_second(&self) -> f64 {
        self.latencies.len() as f64 / self.elapsed.as_secs_f64()
    }

    pub fn cpu_us_per_turn(&self) -> f64 {
        self.cpu_us / self.latencies.len() as f64
    }

    pub fn line(&self) -> String {
        let at = |hundredth| percentile(self.latencies.clone(), hundredth);
        format!(
            "{:.0} turns/s, p50 {:.2} ms, p99 {:.2} ms, server CPU {:.0} us/turn, {} failed",
            self.per_second(),
            at(50),
            at(99),
            self.cpu_us_per_turn(),
            self.failures
        )
    }

    /// Asks the server for every session: what was acknowledged is stored, and nothing besides.
    pub async fn check(&self, server: &Server) {
        let mut connection = Client::connect(server.addr).await;
        for (session, turns) in &self.acknowledged {
            let stored = connection.get(&format!("/api/v1/session/{}", id(*session))).await.json();
            assert_eq!(stored["turn_count"].as_u64(), Some(*turns), "turns of session {session}");
        }
        println!(
            "  {} turns in {} sessions: all stored, once",
            self.latencies.len(),
            self.acknowledged.len()
        );
    }
}

pub fn id(session: u64) -> String {
    format!("bench-{session}")
}

async fn say(connection: &mut Client, load: &RefCell<Load>, session: u64, n: u64, since: Instant) {
    let body =
        format!("{{\"session_id\":\"{}\",\"user_input\":\"{}\"}}", id(session), walk::words(session, n));
    let response = connection.post("/api/v1/input", &body).await;
    let mut load = load.borrow_mut();
    if response.status == 200 {
        load.latencies.push(millis(since.elapsed()));
        *load.acknowledged.entry(session).or_default() += 1;
    } else {
        load.failures += 1;
    }
}

/// Tells at which times turns fall due. A thread, because the runtime's timers are no finer than a millisecond.
struct Pace {
    per_second: u32,
    span: Duration,
    sender: tokio::sync::mpsc::Sender<Instant>,
}

fn async_dues(per_second: u32, span: Duration) -> (Pace, tokio::sync::mpsc::Receiver<Instant>) {
    let (sender, dues) = tokio::sync::mpsc::channel(100_000);
    (Pace { per_second, span, sender }, dues)
}

impl Pace {
    fn start(self) {
        std::thread::spawn(move || {
            let start = Instant::now();
            let gap = Duration::from_secs(1) / self.per_second;
            let mut due = start;
            while due < start + self.span {
                std::thread::sleep(due.saturating_duration_since(Instant::now()));
                if self.sender.blocking_send(due).is_err() {
                    return;
                }
                due += gap;
            }
        });
    }
}
