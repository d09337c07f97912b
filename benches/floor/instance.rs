//! A redis-server as a process, on a free port and in a directory of its own, and what it tells of itself.

use std::cell::RefCell;
use std::net::{Ipv4Addr, TcpListener};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use redis::Connection;
use tempfile::TempDir;

pub const IN_MEMORY: &[&str] = &["--save", "", "--appendonly", "no"];
pub const EVERY_SECOND: &[&str] = &["--save", "", "--appendonly", "yes", "--appendfsync", "everysec"];
/// Longer than any start takes.
const PATIENCE: Duration = Duration::from_secs(10);

/// A running redis-server. Killed when it goes out of scope.
pub struct Redis {
    child: Child,
    port: u16,
    connection: RefCell<Connection>,
    _directory: TempDir,
}

/// What has been spent so far, or between two such moments.
pub struct Meter {
    /// Of the thread that runs commands.
    pub cpu_us: f64,
    /// Reads from clients: with one client that waits for each answer, round trips.
    pub reads: f64,
}

impl Meter {
    pub fn since(&self, before: &Self) -> Self {
        // Asking for the later one was a read, too.
        Self { cpu_us: self.cpu_us - before.cpu_us, reads: self.reads - before.reads - 1.0 }
    }
}

impl Redis {
    pub fn start(settings: &[&str]) -> Self {
        let port = free_port();
        let directory = tempfile::tempdir().expect("a directory");
        let child = Command::new("redis-server")
            .args(["--port", &port.to_string(), "--bind", "127.0.0.1"])
            .args(settings)
            .current_dir(directory.path())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("redis-server: apt-get install redis-server");
        let connection = RefCell::new(connect(port));
        Self { child, port, connection, _directory: directory }
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    pub fn port(&self) -> u16 {
        self.port
    }

    /// As `kill` sends it, by the process id.
    pub fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }

    pub fn meter(&self) -> Meter {
        let info = self.ask::<String>(&["INFO", "everything"]);
        let figure = |name: &str| -> f64 {
            let line = info.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
            line.and_then(|value| value.parse().ok()).expect("Redis 7 tells it")
        };
        let seconds = figure("used_cpu_user_main_thread") + figure("used_cpu_sys_main_thread");
        Meter { cpu_us: seconds * 1e6, reads: figure("total_reads_processed") }
    }

    pub fn echo(&self, word: &str) {
        self.ask::<String>(&["ECHO", word]);
    }

    /// Counts commands from now on.
    pub fn reset(&self) {
        self.ask::<()>(&["CONFIG", "RESETSTAT"]);
    }

    pub fn flush(&self) {
        self.ask::<()>(&["FLUSHALL", "SYNC"]);
    }

    /// Name, calls and microseconds of all calls since the last reset, most calls first.
    pub fn commands(&self) -> Vec<(String, f64, f64)> {
        let info = self.ask::<String>(&["INFO", "commandstats"]);
        let lines = info.lines().filter_map(|line| line.strip_prefix("cmdstat_")?.split_once(':'));
        let mut commands: Vec<(String, f64, f64)> = lines
            .map(|(name, figures)| {
                let figure = |wanted: &str| -> f64 {
                    let found = figures.split(',').find_map(|figure| figure.strip_prefix(wanted));
                    found.and_then(|value| value.parse().ok()).expect("a figure")
                };
                (name.to_owned(), figure("calls="), figure("usec="))
            })
            .filter(|(name, ..)| !matches!(name.as_str(), "info" | "config|resetstat"))
            .collect();
        commands.sort_by(|a, b| b.1.total_cmp(&a.1));
        commands
    }

    pub fn print_commands(&self, of: &str, turns: f64) {
        let commands = self.commands();
        println!("  {of}:");
        println!("  {:<22} {:>10} {:>10}", "command", "calls/turn", "us/call");
        for (name, calls, us) in &commands {
            println!("  {name:<22} {:>10.2} {:>10.2}", calls / turns, us / calls);
        }
        let is_inner = |name: &str| !name.starts_with("eval");
        let inner: f64 = commands.iter().filter(|(name, ..)| is_inner(name)).map(|command| command.1).sum();
        println!("  {:<22} {:>10.2}", "all but the scripts", inner / turns);
    }

    fn ask<T: redis::FromRedisValue>(&self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        command.query(&mut *self.connection.borrow_mut()).expect("it answers")
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("bound").port()
}

fn connect(port: u16) -> Connection {
    let client = redis::Client::open(format!("redis://127.0.0.1:{port}")).expect("a sound URL");
    let deadline = Instant::now() + PATIENCE;
    loop {
        if let Ok(connection) = client.get_connection() {
            return connection;
        }
        assert!(Instant::now() < deadline, "redis-server does not start");
        std::thread::sleep(Duration::from_millis(5));
    }
}
