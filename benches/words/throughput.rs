//! Turns a second beside what the model's time allows: a server that took no time would answer as many as there are
//! places for replies, or clients where they are fewer, divided by the time of a reply.

use std::process::{Command, Stdio};
use std::time::Duration;

use tokio::runtime::Handle;

use super::crowd::Crowd;
use super::fake::FakeModel;
use super::figures::{median, millis};
use super::instance::{IN_MEMORY, Redis};
use super::model::{self, Api, NOMINAL, Work};
use super::pulse::Pulse;
use super::server::Server;

struct Case {
    clients: u32,
    /// Replies that may be written at once.
    places: u32,
    queue: u32,
}

const CASES: [Case; 3] = [
    Case { clients: 64, places: 64, queue: 256 },
    Case { clients: 256, places: 64, queue: 256 },
    Case { clients: 1_000, places: 1_000, queue: 256 },
];

pub async fn measure(models: &Handle, span: Duration, rounds: u64) {
    for case in &CASES {
        case.measure(models, "the embedded store", None, span, rounds).await;
    }
    if !has_redis() {
        println!("no redis-server here: nothing is measured on Redis");
        return;
    }
    let redis = Redis::start(IN_MEMORY);
    for case in &CASES {
        redis.flush();
        case.measure(models, "Redis", Some(redis.url()), span, rounds).await;
    }
}

fn has_redis() -> bool {
    let asked = Command::new("redis-server").arg("--version").stdout(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

impl Case {
    async fn measure(
        &self,
        models: &Handle,
        store: &str,
        redis: Option<String>,
        span: Duration,
        rounds: u64,
    ) {
        println!("{} clients, {} places for replies, {store}:", self.clients, self.places);
        let fake = model::start(models, model::steady()).await;
        let directory = tempfile::tempdir().expect("a directory");
        let mut settings = Api::Ollama.settings(&fake);
        settings.push(("MODEL_PARALLEL", self.places.to_string()));
        settings.push(("MODEL_QUEUE", self.queue.to_string()));
        settings.extend(redis.map(|url| ("REDIS_URL", url)));
        let settings: Vec<_> = settings.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let server = Server::start_with(directory.path(), &settings).await;
        model::wait_until_loaded(&server, &fake).await;
        let mut shares = Vec::new();
        for round in 1..=rounds {
            shares.push(self.round(&server, &fake, round, span).await);
        }
        let (own, nominal): (Vec<f64>, Vec<f64>) = shares.into_iter().unzip();
        println!("  medians: {:.1} % and {:.1} % of the most", median(own), median(nominal));
        println!(
            "  server: {:.0} MiB resident; {} replies at once",
            server.memory_mib(),
            fake.generations_peak()
        );
        server.stop();
    }

    /// The share of the most that could be, by the model's own time and by its nominal one, in percent.
    async fn round(&self, server: &Server, fake: &FakeModel, round: u64, span: Duration) -> (f64, f64) {
        let before = model::latest(fake);
        let pulse = Pulse::take(server.addr);
        let crowd = Crowd::talks(server, self.clients, round, span).await;
        let pulse = pulse.stop();
        let work = Work::since(fake, before);
        let share = |reply: Duration| crowd.per_second() * 100.0 / self.most_per_second(reply);
        let shares = (share(work.mean()), share(NOMINAL));
        println!(
            "  round {round}: {:.0} turns/s, {:.1} % of the most at the model's own {:.1} ms, {:.1} % at {:.0} ms",
            crowd.per_second(),
            shares.0,
            millis(work.mean()),
            shares.1,
            millis(NOMINAL)
        );
        println!("    {}", crowd.turns_line());
        println!("    CPU: {}", crowd.cpu_line());
        println!("    model: {}", work.line());
        println!("    answers: {}", crowd.answers_line());
        println!("    /health: {pulse}");
        crowd.check(server).await;
        shares
    }

    fn most_per_second(&self, reply: Duration) -> f64 {
        f64::from(self.clients.min(self.places)) / reply.as_secs_f64()
    }
}
