//! The release binary as a process: started on a directory, looked at from outside, stopped by its id.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use super::client::Client;

/// What may be tried out by setting it for the benchmark.
const TRIED: [&str; 2] = ["ATTUNE_WORKERS", "TOKIO_WORKER_THREADS"];

/// The unit of the times in `/proc`, which Linux fixes for programs at 100 a second.
const TICK_US: f64 = 10_000.0;

/// A running server. Killed when it goes out of scope.
pub struct Server {
    child: Child,
    /// Kept open: what else the server says must not fail.
    _stdout: BufReader<ChildStdout>,
    pub addr: SocketAddr,
    /// From the start of the process until `/readyz` was answered 200.
    pub ready_after: Duration,
}

impl Server {
    pub async fn start(data: &Path) -> Self {
        Self::start_with(data, &[]).await
    }

    /// With settings of its own.
    pub async fn start_with(data: &Path, settings: &[(&str, &str)]) -> Self {
        let start = Instant::now();
        let mut child = Command::new(env!("CARGO_BIN_EXE_attune"))
            .arg("serve")
            .env_clear()
            .env("ATTUNE_ADDR", "127.0.0.1:0")
            .env("ATTUNE_DATA", data)
            .env("RATE_LIMIT_PER_MINUTE", "0")
            .envs(settings.iter().copied())
            .envs(TRIED.iter().filter_map(|name| Some((name, std::env::var_os(name)?))))
            .current_dir(data)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("the binary starts");
        let mut banner = String::new();
        let mut stdout = BufReader::new(child.stdout.take().expect("piped"));
        stdout.read_line(&mut banner).expect("it says where it listens");
        let addr = banner.split_whitespace().find_map(|word| word.strip_prefix("http://")?.parse().ok());
        let addr = addr.expect("an address in the banner");
        let ready = Client::connect(addr).await.get("/readyz").await;
        assert_eq!(ready.status, 200);
        Self { child, _stdout: stdout, addr, ready_after: start.elapsed() }
    }

    /// Processor time so far, in microseconds.
    pub fn cpu_us(&self) -> f64 {
        cpu_us_of(&self.child.id().to_string())
    }

    /// Resident memory in MiB.
    pub fn memory_mib(&self) -> f64 {
        memory_mib_of(&self.child.id().to_string())
    }

    /// SIGTERM, and the wait until it is gone.
    pub fn stop(mut self) {
        self.signal("-TERM");
        assert!(self.child.wait().expect("it ends").success(), "it did not stop cleanly");
    }

    /// SIGKILL: the next start has to recover.
    pub fn kill(mut self) {
        self.signal("-KILL");
        self.child.wait().expect("it ends");
    }

    fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status();
        assert!(sent.expect("kill runs").success());
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// Processor time of a process so far, in microseconds: `self`, or its id.
pub fn cpu_us_of(process: &str) -> f64 {
    let stat = proc_file(process, "stat");
    // The name in brackets may hold blanks; user and system time are the 12th and 13th behind it.
    let behind = stat.rsplit_once(')').expect("a name in brackets").1;
    let times = behind.split_whitespace().skip(11).take(2);
    times.map(|ticks| ticks.parse::<f64>().expect("a number") * TICK_US).sum()
}

/// Resident memory of a process, in MiB.
pub fn memory_mib_of(process: &str) -> f64 {
    let status = proc_file(process, "status");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    let kib: f64 = line.split_whitespace().next().and_then(|kib| kib.parse().ok()).expect("a number");
    kib / 1_024.0
}

fn proc_file(process: &str, name: &str) -> String {
    std::fs::read_to_string(format!("/proc/{process}/{name}")).expect("it runs")
}

pub fn binary_mib() -> f64 {
    let size = std::fs::metadata(env!("CARGO_BIN_EXE_attune")).expect("the binary").len();
    f64::from(u32::try_from(size >> 10).expect("a small binary")) / 1_024.0
}
