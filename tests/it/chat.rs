//! `attune chat` as people run it, through pipes: against a server in this process, a fake model, and a wire that breaks.

use std::io::{Read as _, Write as _};
use std::process::{Child, ChildStderr, ChildStdin, Command, Stdio};
use std::sync::Arc;
use std::time::Duration;

use parking_lot::{Condvar, Mutex};
use serde_json::json;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use crate::fake::{FakeModel, Reply, Script};
use crate::lifecycle::wait_for_status;
use crate::process::{attune, directory};
use crate::server::Server;

const PATIENCE: Duration = Duration::from_secs(30);

/// A running `attune chat`. Killed when it goes out of scope.
struct Chat {
    child: Child,
    stdin: Option<ChildStdin>,
    stderr: ChildStderr,
    shown: Arc<(Mutex<Shown>, Condvar)>,
    /// Up to here it was waited for.
    seen: usize,
    _home: TempDir,
}

#[derive(Default)]
struct Shown {
    text: String,
    has_ended: bool,
}

impl Chat {
    fn start(url: &str, arguments: &[&str]) -> Self {
        let home = directory();
        // A terminal that could do everything, if there were one.
        let mut command = attune(home.path(), &[("ATTUNE_URL", url), ("TERM", "xterm-256color")]);
        command
            .arg("chat")
            .args(arguments)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        let mut child = command.spawn().expect("it starts");
        let (stdin, stderr) = (child.stdin.take(), child.stderr.take().expect("piped"));
        let mut stdout = child.stdout.take().expect("piped");
        let shown = Arc::new((Mutex::new(Shown::default()), Condvar::new()));
        let reading = Arc::clone(&shown);
        std::thread::spawn(move || {
            let (mut bytes, mut all) = ([0; 4096], Vec::new());
            while let Ok(count @ 1..) = stdout.read(&mut bytes) {
                all.extend_from_slice(&bytes[..count]);
                let Ok(text) = std::str::from_utf8(&all) else { continue };
                reading.0.lock().text = text.to_owned();
                reading.1.notify_all();
            }
            reading.0.lock().has_ended = true;
            reading.1.notify_all();
        });
        Self { child, stdin, stderr, shown, seen: 0, _home: home }
    }

    fn of(server: &Server, arguments: &[&str]) -> Self {
        Self::start(&server.url(""), arguments)
    }

    fn write(&mut self, lines: &str) {
        let stdin = self.stdin.as_mut().expect("still open");
        stdin.write_all(lines.as_bytes()).expect("it listens");
        stdin.flush().expect("it listens");
    }

    /// Waits until this is shown behind what was waited for before; gives what stands up to there.
    fn wait_for(&mut self, text: &str) -> String {
        let mut shown = self.shown.0.lock();
        loop {
            if let Some(at) = shown.text[self.seen..].find(text) {
                let (from, to) = (self.seen, self.seen + at + text.len());
                self.seen = to;
                return shown.text[from..to].to_owned();
            }
            assert!(!shown.has_ended, "{text:?} was not shown behind:\n{}", shown.text);
            let is_late = self.shown.1.wait_for(&mut shown, PATIENCE).timed_out();
            assert!(!is_late, "{text:?} was not shown in time behind:\n{}", shown.text);
        }
    }

    fn interrupt(&self) {
        let status = Command::new("kill").args(["-INT", &self.child.id().to_string()]).status();
        assert!(status.expect("kill runs").success());
    }

    /// No more is written; how it ended, all that it showed, and what it complained of.
    fn end(mut self) -> (Option<i32>, String, String) {
        drop(self.stdin.take());
        let mut complaint = String::new();
        self.stderr.read_to_string(&mut complaint).expect("readable");
        let code = self.child.wait().expect("it ends").code();
        let mut shown = self.shown.0.lock();
        while !shown.has_ended {
            assert!(!self.shown.1.wait_for(&mut shown, PATIENCE).timed_out());
        }
        let text = shown.text.clone();
        drop(shown);
        assert!(!text.contains('\u{1b}'), "no escape code goes into a pipe");
        (code, text, complaint)
    }
}

impl Drop for Chat {
    fn drop(&mut self) {
        // Already gone is as good.
        let _gone = self.child.kill();
        let _gone = self.child.wait();
    }
}

/// A server whose replies a fake model writes.
async fn modelled(script: Script) -> (Server, FakeModel) {
    let fake = FakeModel::with(script).await;
    (Server::with(&[("OLLAMA_BASE_URL", &fake.url())]).await, fake)
}

pub const SENTENCES: &str = "I hear how much you carry. That deserves some room. Let us stay with it for a moment. \
                         There is no hurry at all here. What would you like to feel instead?";

pub fn slow() -> Script {
    Script { reply: Reply::always(SENTENCES), pause: Duration::from_millis(40), ..Script::default() }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_conversation_is_opened_led_looked_at_and_left() {
    let server = Server::start().await;
    let mut chat = Chat::of(&server, &[]);
    assert!(
        chat.wait_for("This is session ").contains("an AI, and not a person"),
        "it says what it is first"
    );
    let id = chat.wait_for(". To come back to it").split('.').next().expect("an id").to_owned();
    chat.write("I want to feel calmer\n");
    chat.wait_for("Attune: ");
    assert!(chat.wait_for("[1.1_goal_and_vision, turn 1, scripted]").contains("calm"));
    chat.write("/state\n");
    chat.wait_for("Place: 1.1_goal_and_vision, step ");
    chat.write("I see myself laughing\\\nwith my daughter\n");
    chat.wait_for(", turn 2, scripted]");
    chat.write("\n  \n/hepl\n//quit is what I want to do\n");
    chat.wait_for("That is no command");
    chat.wait_for(", turn 3, scripted]");
    chat.write("/history 2\n");
    let history = chat.wait_for("[turn 3]");
    assert!(
        history.contains("You: I see myself laughing\nwith my daughter\n") && !history.contains("calmer")
    );
    chat.wait_for("You: /quit is what I want to do\n");
    chat.write("/stop\n/again\n/quit\n");
    chat.wait_for("There is no reply to stop.");
    chat.wait_for("Everything was answered.");
    chat.wait_for(&format!("attune chat {id}"));
    let (code, text, complaint) = chat.end();
    assert_eq!((code, complaint.as_str()), (Some(0), ""));
    let told: Vec<_> = server.history(&id).await;
    assert_eq!(told.len(), 3, "what is a command, or nothing, was not sent");
    for exchange in told {
        let reply = exchange["therapist_response"].as_str().expect("a text");
        assert!(text.contains(&format!("Attune: {reply}\n")), "each reply stands there whole");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn coming_back_shows_where_it_stands_and_what_was_said_last() {
    let server = Server::start().await;
    for text in ["I want to feel calmer", "I see myself laughing", "Yes, you may"] {
        server.input("me", text).await.ok();
    }
    let mut chat = Chat::of(&server, &["me"]);
    chat.wait_for("Session me: active, 3 turns so far, level none.");
    let latest = chat.wait_for("You: Yes, you may");
    assert!(latest.contains("You: I see myself laughing") && !latest.contains("calmer"));
    chat.write("That makes sense");
    let (code, text, _) = chat.end();
    assert!(code == Some(0) && text.contains(", turn 4, scripted]"), "the last line needs no end");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_id_that_is_not_known_opens_a_session_and_says_so() {
    let server = Server::start().await;
    let mut chat = Chat::of(&server, &["tuesday"]);
    chat.wait_for("There is no session tuesday. This opens one with that id.");
    chat.wait_for("This is session tuesday.");
    assert_eq!(chat.end().0, Some(0));
    assert_eq!(server.session("tuesday").await["turn_count"], 0);
    let (code, _, complaint) = Chat::of(&server, &["no/id"]).end();
    assert!(code == Some(1) && complaint.contains("a session id may hold only"), "{complaint}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn danger_shows_who_listens_in_a_box_and_again_on_coming_back() {
    let server = Server::with(&[("ATTUNE_COUNTRY", "US")]).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I am going to kill myself tonight\n");
    chat.wait_for("Attune: ");
    let shown = chat.wait_for("paused, level crisis, crisis]");
    let (edge, line) = ("=".repeat(60), "- call 988\n");
    assert!(shown.matches(&edge).count() == 2 && shown.contains(line), "{shown}");
    chat.write("I don't know\n");
    chat.wait_for("Somebody listens, still: ");
    chat.wait_for("paused, level crisis, crisis]");
    assert_eq!(chat.end().0, Some(0));
    let mut chat = Chat::of(&server, &["s"]);
    chat.wait_for("level crisis.");
    chat.wait_for(line);
    assert_eq!(chat.end().0, Some(0));
}

#[test]
fn without_a_server_it_says_what_to_do() {
    let chat = Chat::start("http://127.0.0.1:1", &["me"]);
    let (code, text, complaint) = chat.end();
    assert_eq!((code, text.as_str()), (Some(1), ""));
    assert!(
        complaint.contains("no server answers at http://127.0.0.1:1") && complaint.contains("attune serve")
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_limit_says_when_to_try_again_and_again_is_then_answered() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I want to feel calmer\nI see myself laughing\n");
    chat.wait_for("turn 1, scripted]");
    let refusal = chat.wait_for("[rate_limited]");
    assert!(refusal.contains("In 60 seconds, /again sends the same words."), "{refusal}");
    assert!(refusal.contains("findahelpline.com"), "nobody is sent away with an error alone");
    server.clock.advance(Duration::from_secs(61));
    chat.write("/again\n");
    chat.wait_for("turn 2, scripted]");
    assert_eq!(chat.end().0, Some(0));
    assert_eq!(server.history("s").await[0]["client_input"], "I see myself laughing");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn words_that_were_never_answered_make_the_end_of_a_script_a_failure() {
    let server = Server::with(&[("RATE_LIMIT_PER_MINUTE", "1")]).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I want to feel calmer\nI see myself laughing\n");
    let (code, text, _) = chat.end();
    assert!(code == Some(1) && text.contains("[rate_limited]"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn stop_ends_a_reply_while_it_streams_and_what_was_said_is_kept() {
    let (server, fake) = modelled(slow()).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I want to feel calmer\n");
    chat.wait_for("Attune: I hear how much you carry.");
    chat.write("/stop\n");
    chat.wait_for("[stopping]");
    chat.wait_for(", turn 1, ");
    fake.wait_for(|seen| seen.iter().any(|seen| seen.gone_at().is_some())).await;
    let (code, text, _) = chat.end();
    assert!(code == Some(0) && !text.contains("What would you like"));
    let told = server.history("s").await;
    let reply = told[0]["therapist_response"].as_str().expect("a text");
    assert!(reply.starts_with("I hear how much you carry.") && !reply.contains("What would you like"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn ctrl_c_stops_a_reply_and_at_the_prompt_it_leaves() {
    let (server, _fake) = modelled(slow()).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I want to feel calmer\n");
    chat.wait_for("Attune: I hear how much you carry.");
    chat.interrupt();
    chat.wait_for("[stopping]");
    chat.wait_for(", turn 1, ");
    chat.write("/state\n");
    chat.wait_for("1 turn so far");
    chat.interrupt();
    chat.wait_for("Take care. To go on later: attune chat s");
    assert!(chat.child.wait().expect("it ends").success(), "though its input is still open");
    let (code, text, _) = chat.end();
    assert!(code == Some(0) && !text.contains("What would you like"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_turn_that_is_stopped_before_its_first_word_can_be_sent_again() {
    let (server, fake) = modelled(Script { delay: Duration::from_secs(20), ..slow() }).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I want to feel calmer\n");
    fake.wait_for(|seen| !seen.is_empty()).await;
    chat.write("/stop\n");
    assert!(!chat.wait_for("/again sends the same words.").contains("Attune: "));
    fake.change(|script| (script.delay, script.pause) = Default::default());
    chat.write("/again\n");
    assert!(chat.wait_for(", turn 1, model]").contains(SENTENCES));
    let (code, text, _) = chat.end();
    assert!(code == Some(0) && !text.contains("===="), "who stops a reply is not refused");
}

/// Between the chat and a server: cuts the connection of an answer right behind a text, once.
pub struct Cutter {
    pub url: String,
    /// What was asked over each connection.
    pub asked: Arc<Mutex<Vec<String>>>,
}

impl Cutter {
    pub async fn at(server: &Server, behind: &'static str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let (asked, addr) = (Arc::default(), server.addr().to_owned());
        let (asking, has_cut) = (Arc::clone(&asked), Arc::new(Mutex::new(false)));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&addr).await.expect("it listens");
                tokio::spawn(carry(client, server, behind, Arc::clone(&asking), Arc::clone(&has_cut)));
            }
        });
        Self { url, asked }
    }
}

async fn carry(
    mut client: TcpStream,
    mut server: TcpStream,
    behind: &str,
    asked: Arc<Mutex<Vec<String>>>,
    has_cut: Arc<Mutex<bool>>,
) {
    let (mut request, mut answer, mut forwarded) = (Vec::new(), Vec::new(), 0);
    loop {
        let asked_before = request.len();
        tokio::select! {
            read = client.read_buf(&mut request) => {
                if read.unwrap_or(0) == 0 { break }
                server.write_all(&request[asked_before..]).await.expect("it listens");
            }
            read = server.read_buf(&mut answer) => {
                if read.unwrap_or(0) == 0 { break }
                let at = answer.windows(behind.len()).position(|part| part == behind.as_bytes());
                let cut = at.filter(|_| !std::mem::replace(&mut *has_cut.lock(), at.is_some()));
                let to = cut.map_or(answer.len(), |at| at + behind.len());
                client.write_all(&answer[forwarded.min(to)..to]).await.expect("it listens");
                forwarded = to;
                if cut.is_some() { break }
            }
        }
    }
    asked.lock().push(String::from_utf8_lossy(&request).into_owned());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_wire_that_is_cut_in_the_middle_of_a_reply_doubles_and_loses_nothing() {
    let (server, _fake) = modelled(slow()).await;
    // In the middle of an event.
    let wire = Cutter::at(&server, "id: 1.3\nevent: del").await;
    let mut chat = Chat::start(&wire.url, &["s"]);
    chat.write("I want to feel calmer\n");
    let shown = chat.wait_for(", turn 1, model]");
    let said = shown.split("Attune: ").nth(1).and_then(|rest| rest.split("\n[1.1").next()).expect("a reply");
    let note = "\n[the connection was lost; trying again]\n";
    assert_eq!(said.matches(note).count(), 1, "{said}");
    assert_eq!(said.replace(note, " "), SENTENCES);
    assert_eq!(chat.end().0, Some(0));
    let asked = wire.asked.lock().clone();
    let inputs: Vec<&String> = asked.iter().filter(|asked| asked.contains("POST /api/v1/input")).collect();
    let key =
        |asked: &str| asked.lines().rfind(|line| line.starts_with("idempotency-key: ")).map(str::to_owned);
    assert_eq!((inputs.len(), key(inputs[0])), (2, key(inputs[1])));
    assert!(inputs[1].contains("last-event-id: 1.2"));
    assert_eq!(server.history("s").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_that_is_lost_before_its_first_word_is_asked_for_again() {
    let server = Server::start().await;
    let wire = Cutter::at(&server, "text/event-stream").await;
    let mut chat = Chat::start(&wire.url, &["s"]);
    chat.write("I want to feel calmer\n");
    chat.wait_for("[the connection was lost; trying again]\n");
    let shown = chat.wait_for(", turn 1, scripted]");
    assert!(shown.starts_with("Attune: ") && shown.matches("Attune: ").count() == 1, "{shown}");
    assert_eq!(chat.end().0, Some(0));
    assert_eq!(server.history("s").await.len(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_expired_session_goes_on_in_its_successor_and_the_chat_with_it() {
    let server = Server::with(&[("SESSION_TTL", "3600"), ("INDEX_SWEEP_MS", "20")]).await;
    let mut chat = Chat::of(&server, &["s"]);
    chat.write("I want to feel calmer\n");
    chat.wait_for("turn 1, scripted]");
    server.clock.advance(Duration::from_secs(3_500));
    wait_for_status(&server, "s", "expired").await;
    chat.write("I am back\n");
    chat.wait_for("it goes on in another: attune chat s.2]");
    chat.write("/state\n");
    chat.wait_for("Session s.2: active");
    assert_eq!(chat.end().0, Some(0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_model_or_a_person_wrote_cannot_steer_the_terminal() {
    let server = Server::start().await;
    server
        .post("/api/v1/input", &json!({"session_id": "s", "user_input": "I \u{1b}[2J want calm"}))
        .await
        .ok();
    let mut chat = Chat::of(&server, &["s"]);
    chat.wait_for("You: I [2J want calm");
    assert_eq!(chat.end().0, Some(0));
}
