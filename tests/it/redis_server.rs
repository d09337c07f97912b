//! A real redis-server for one test: on a port and in a directory of its own, on the machine's clock or on one that
//! stands still until the test winds it. Every acknowledged write is on the disk, so killing it loses nothing.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant, SystemTime};

use attune::domain::time::Timestamp;
use parking_lot::Mutex;
use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use tempfile::TempDir;

use crate::ports::Port;
use crate::resp::{Client, Reply};

/// Longer than any start takes, and any answer.
const PATIENCE: Duration = Duration::from_secs(30);
const MISSING: &str =
    "redis-server and libfaketime are needed: apt-get install redis-server faketime, or scripts/test";

/// A running redis-server. Killed when it goes out of scope.
pub struct RedisServer {
    child: Child,
    port: Port,
    directory: TempDir,
    clock: Option<StandingClock>,
}

impl RedisServer {
    /// On the machine's clock.
    pub fn start() -> Self {
        Self::run(tempfile::tempdir().expect("a temporary directory"), None)
    }

    /// On a clock that shows `start` until [`RedisServer::wind`] moves it, exact to the microsecond. What Redis does
    /// by the machine's monotonic clock goes on: its cron, the time limit of scripts. What it does by the time of day
    /// does not: the timeout of a blocking command ends when the clock is wound past it, and every command seems to
    /// have taken no time.
    pub fn with_clock(start: Timestamp) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let clock = StandingClock::at(start, directory.path().join("clock"));
        Self::run(directory, Some(clock))
    }

    fn run(directory: TempDir, clock: Option<StandingClock>) -> Self {
        let port = Port::free();
        let child = spawn(&port, directory.path(), clock.as_ref());
        let mut server = Self { child, port, directory, clock };
        server.wait_until_loaded();
        server
    }

    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port())
    }

    pub fn port(&self) -> u16 {
        self.port.number
    }

    /// What the clock of this server shows.
    pub fn now(&self) -> Timestamp {
        match &self.clock {
            Some(clock) => *clock.shown.lock(),
            None => machine_time(),
        }
    }

    /// The very next command sees the new time. Time passes for a frozen or killed server, too.
    pub fn wind(&self, by: Duration) {
        self.clock.as_ref().expect("a server with a clock of its own").wind(by);
    }

    /// Sends one command on a connection of its own. Panics when no answer comes.
    pub fn command(&self, words: &[&str]) -> Reply {
        let answer = self.try_command(words, PATIENCE);
        answer.unwrap_or_else(|error| panic!("{} got no answer: {error}", words[0]))
    }

    pub fn try_command(&self, words: &[&str], patience: Duration) -> io::Result<Reply> {
        Client::open(self.port(), patience)?.ask(words)
    }

    /// As by `kill -9`: at once, with nothing said to anybody.
    /// All keys and all that they hold, in one text.
    pub fn dump(&self) -> Vec<u8> {
        let mut dumped = String::new();
        for key in self.command(&["KEYS", "*"]).texts() {
            let held = match self.command(&["TYPE", &key]).text() {
                "string" => vec![self.command(&["GET", &key]).text().to_owned()],
                "hash" => self.command(&["HGETALL", &key]).texts(),
                "list" => self.command(&["LRANGE", &key, "0", "-1"]).texts(),
                "zset" => self.command(&["ZRANGE", &key, "0", "-1"]).texts(),
                "set" => self.command(&["SMEMBERS", &key]).texts(),
                "stream" => {
                    let entries = self.command(&["XRANGE", &key, "-", "+"]);
                    entries.list().iter().flat_map(|entry| entry.list()[1].texts()).collect()
                }
                other => panic!("{key} is a {other}"),
            };
            dumped.extend([&key, "\n", &held.join("\n"), "\n"]);
        }
        dumped.into_bytes()
    }

    pub fn kill(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        self.child.wait().expect("a killed process ends");
        self.sweep();
    }

    /// Begins again at the same port with what its directory holds.
    pub fn restart(&mut self) {
        self.kill();
        self.child = spawn(&self.port, self.directory.path(), self.clock.as_ref());
        self.wait_until_loaded();
    }

    /// Takes connections and bytes (the kernel does) but answers nothing until [`RedisServer::thaw`].
    pub fn freeze(&self) {
        let pid = Pid::from_child(&self.child);
        kill_process(pid, Signal::STOP).expect("it runs");
        // The signal takes a moment to arrive.
        let (_, status) = waitpid(Some(pid), WaitOptions::UNTRACED).expect("a child").expect("a change");
        assert!(status.stopped(), "redis-server ended");
    }

    pub fn thaw(&self) {
        kill_process(Pid::from_child(&self.child), Signal::CONT).expect("it runs");
    }

    fn wait_until_loaded(&mut self) {
        let deadline = Instant::now() + PATIENCE;
        loop {
            if matches!(self.try_command(&["PING"], PATIENCE), Ok(Reply::Text(pong)) if pong == "PONG") {
                return;
            }
            let ended = self.child.try_wait().expect("a child");
            let late = Instant::now() > deadline;
            assert!(ended.is_none() && !late, "redis-server does not start ({ended:?}):\n{}", self.log());
            std::thread::sleep(Duration::from_millis(2));
        }
    }

    /// What the server said of itself; the names and values of keys are not in it.
    fn log(&self) -> String {
        let read = |name| fs::read_to_string(self.directory.path().join(name)).unwrap_or_default();
        format!("{}{}", read("log"), read("errors"))
    }

    /// A killed process leaves libfaketime's shared memory behind.
    fn sweep(&self) {
        for name in ["faketime_shm_", "sem.faketime_sem_"] {
            // There is none without a clock.
            let _none = fs::remove_file(format!("/dev/shm/{name}{}", self.child.id()));
        }
    }
}

impl Drop for RedisServer {
    fn drop(&mut self) {
        let _gone = self.child.kill();
        let _gone = self.child.wait();
        self.sweep();
    }
}

fn spawn(port: &Port, directory: &Path, clock: Option<&StandingClock>) -> Child {
    let mut command = Command::new("redis-server");
    command.args(["--bind", "127.0.0.1", "--port", &port.number.to_string(), "--logfile", "log"]);
    command.args(["--appendonly", "yes", "--appendfsync", "always", "--save", ""]);
    // A rewrite would come at a moment of its own.
    command.args(["--auto-aof-rewrite-percentage", "0"]).current_dir(directory);
    let errors = fs::File::create(directory.join("errors")).expect("a file");
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(errors);
    if let Some(clock) = clock {
        clock.govern(&mut command);
    }
    command.spawn().unwrap_or_else(|error| panic!("{MISSING} ({error})"))
}

fn machine_time() -> Timestamp {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("after 1970");
    Timestamp::default().plus(since)
}

/// A time of day kept in a file, which libfaketime reads whenever Redis asks for the time.
struct StandingClock {
    shown: Mutex<Timestamp>,
    file: PathBuf,
}

impl StandingClock {
    fn at(start: Timestamp, file: PathBuf) -> Self {
        let clock = Self { shown: Mutex::new(start), file };
        clock.wind(Duration::ZERO);
        clock
    }

    fn wind(&self, by: Duration) {
        let mut shown = self.shown.lock();
        *shown = shown.plus(by);
        // 2026-01-31 12:00:00.000001500: no T, no zone, and half a microsecond more, since libfaketime reads the fraction
        // as a float and cuts off what is below the microsecond.
        let text = format!("{}500", shown.to_string()[..26].replace('T', " "));
        // Renamed into place, so that nobody reads half a time.
        let next = self.file.with_extension("next");
        fs::write(&next, text).expect("a new time");
        fs::rename(&next, &self.file).expect("the new time in its place");
    }

    fn govern(&self, command: &mut Command) {
        // Debian's redis-server takes its memory from jemalloc, which asks for the time before libfaketime is ready
        // and hangs; with libc in front of it memory comes from there.
        command.env("LD_PRELOAD", format!("{}:libc.so.6", libfaketime().display()));
        command.env("FAKETIME_TIMESTAMP_FILE", &self.file).env("TZ", "UTC");
        // The second name is that of older versions.
        for switch in
            ["FAKETIME_NO_CACHE", "FAKETIME_DONT_FAKE_MONOTONIC", "DONT_FAKE_MONOTONIC", "NO_FAKE_STAT"]
        {
            command.env(switch, "1");
        }
    }
}

/// Wherever this system keeps it: Debian's directory bears the machine's name.
fn libfaketime() -> PathBuf {
    let mut places =
        vec![PathBuf::from("/usr/lib64"), PathBuf::from("/usr/lib"), PathBuf::from("/usr/local/lib")];
    let below = fs::read_dir("/usr/lib").into_iter().flatten().flatten().map(|entry| entry.path());
    places.extend(below.filter(|path| path.is_dir()));
    let found = places.iter().map(|place| place.join("faketime/libfaketime.so.1")).find(|file| file.exists());
    found.unwrap_or_else(|| panic!("{MISSING}"))
}
