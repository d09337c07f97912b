//! `attune chat`: a conversation in the terminal, with a running server. Keeps nothing on disk and logs nothing.
//!
//! A line is read (`input`), understood (`command`) and sent (`server`); the turn is heard event by event (`telling`), becomes
//! text and lines (`reply`, `page`, `flow`), and is shown (`screen`).

mod command;
mod flow;
mod input;
mod page;
mod reply;
mod screen;
mod server;
mod telling;
mod wire;

use std::io::Stdout;
use std::pin::{Pin, pin};
use std::process::ExitCode;
use std::time::Duration;

use futures_util::{StreamExt as _, stream};
use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::clock::Entropy;
use crate::config::Config;
use crate::domain::id::SessionId;

use self::command::{Composer, Typed};
use self::input::Input;
use self::page::{Line, STOPPED, Tone};
use self::reply::{Reply, Shown};
use self::screen::Screen;
use self::server::{Said, Server, Unanswered};
use self::telling::{Heard, Telling};
use self::wire::Resource;

use super::Failure;

/// Exchanges that are shown on coming back.
const LATEST: u32 = 2;
/// A turn that is still on its way to its start cannot be stopped yet, so it is asked for again.
const STOP_EVERY: Duration = Duration::from_millis(200);
const STOPS_MAX: u32 = 25;

pub(super) async fn run(config: &Config, id: Option<String>) -> Result<ExitCode, Failure> {
    let id = id.map(SessionId::parse).transpose();
    let id = id.map_err(|error| Failure::Said(format!("a session id {error}")))?;
    let server = Server::at(config).map_err(Failure::of)?;
    let mut desk = Desk { server, screen: Screen::of_terminal(config.plain), entropy: Entropy::system() };
    let session = desk.open(id.as_ref().map(SessionId::as_str)).await?;
    let interrupts = signal(SignalKind::interrupt())?;
    let input = Input::of_stdin();
    let chat =
        Chat { desk, session, input, interrupts, resources: Vec::new(), unanswered: None, has_failed: false };
    chat.converse().await
}

/// Whom the chat asks, and where it shows the answer.
struct Desk {
    server: Server,
    screen: Screen<Stdout>,
    entropy: Entropy,
}

impl Desk {
    /// Comes back to a session, or opens one; gives its id.
    async fn open(&mut self, id: Option<&str>) -> Result<String, Failure> {
        let Some(id) = id else { return self.create(None).await };
        match self.server.session(id).await {
            Ok(Some(_)) => {
                self.resume(id).await?;
                Ok(id.to_owned())
            }
            Ok(None) => {
                let line = format!("There is no session {id}. This opens one with that id.");
                self.screen.show(&page::text(Tone::Plain, &line, self.screen.width()))?;
                self.create(Some(id)).await
            }
            Err(unanswered) => Err(self.failure(&unanswered)),
        }
    }

    async fn create(&mut self, id: Option<&str>) -> Result<String, Failure> {
        let created = self.server.create(id, &self.entropy.hex_id()).await;
        let created = created.map_err(|unanswered| self.failure(&unanswered))?;
        self.screen.show(&page::opening(&created, self.screen.width()))?;
        Ok(created.session_id)
    }

    async fn resume(&mut self, id: &str) -> Result<(), Failure> {
        let lines = self.standing(id, Some(LATEST)).await;
        let lines = lines.map_err(|unanswered| self.failure(&unanswered))?;
        Ok(self.screen.show(&lines)?)
    }

    /// Where a session stands, with its latest exchanges on coming back, and who listens where danger is remembered.
    async fn standing(&self, id: &str, latest: Option<u32>) -> Result<Vec<Line>, Unanswered> {
        let width = self.screen.width();
        let Some(session) = self.server.session(id).await? else { return Ok(gone(width)) };
        let mut lines = match latest {
            Some(latest) => {
                let history = self.server.history(id, latest).await?.unwrap_or_default();
                page::resumed(&session, &history.exchanges, width)
            }
            None => page::state(&session, width),
        };
        if ["elevated", "high", "crisis"].contains(&session.safety_level.as_str()) {
            lines.extend(page::resources(&self.server.resources(&session.meta.country).await?, width));
        }
        Ok(lines)
    }

    async fn history(&self, id: &str, count: u32) -> Result<Vec<Line>, Unanswered> {
        let width = self.screen.width();
        Ok(match self.server.history(id, count).await? {
            None => gone(width),
            Some(history) if history.exchanges.is_empty() => {
                page::text(Tone::Dim, "[nothing was said yet]", width)
            }
            Some(history) => page::history(&history.exchanges, width),
        })
    }

    /// What was looked up, or why not.
    fn show(&mut self, looked_up: Result<Vec<Line>, Unanswered>) -> Result<(), Failure> {
        let width = self.screen.width();
        let lines = looked_up.unwrap_or_else(|unanswered| match unanswered {
            Unanswered::Refused(problem) => page::problem(&problem, width),
            Unanswered::Away | Unanswered::Lost => page::text(Tone::Plain, &self.away(), width),
        });
        Ok(self.screen.show(&lines)?)
    }

    /// Why there can be no conversation.
    fn failure(&self, unanswered: &Unanswered) -> Failure {
        Failure::Said(match unanswered {
            Unanswered::Away | Unanswered::Lost => {
                format!("{}; start one with `attune serve`, or set ATTUNE_URL", self.away())
            }
            Unanswered::Refused(problem) => {
                format!(
                    "the server at {} refused: {} ({})",
                    self.server.url(),
                    problem.message,
                    problem.error
                )
            }
        })
    }

    fn away(&self) -> String {
        format!("no server answers at {}", self.server.url())
    }
}

fn gone(width: usize) -> Vec<Line> {
    page::text(Tone::Plain, "This session is not there any more. What you write opens it anew.", width)
}

struct Chat {
    desk: Desk,
    session: String,
    input: Input,
    interrupts: Signal,
    /// The crisis lines that the latest turn showed.
    resources: Vec<Resource>,
    /// For `/again`: with the same key, nothing is said twice.
    unanswered: Option<Said>,
    /// Whether the latest words were not answered, though nobody stopped that.
    has_failed: bool,
}

/// What somebody asks for while a reply is written.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Wish {
    None,
    Stop,
    /// Ctrl-C: stops the reply; a second one leaves.
    Out,
}

/// Whether the conversation goes on.
#[derive(PartialEq, Eq)]
enum Next {
    GoOn,
    Leave,
}

impl Chat {
    async fn converse(mut self) -> Result<ExitCode, Failure> {
        let mut composer = Composer::default();
        let mut next = Next::GoOn;
        while next == Next::GoOn {
            let prompt = if composer.has_begun() { page::PROMPT_GOES_ON } else { page::PROMPT };
            let line = tokio::select! {
                line = next_line(&mut self.desk.screen, &mut self.input, prompt) => line?,
                _ = self.interrupts.recv() => {
                    self.desk.screen.leave_prompt();
                    break;
                }
            };
            let typed = match &line {
                Some(line) => composer.take(line),
                None => composer.rest(),
            };
            if let Some(typed) = typed {
                next = self.act(typed).await?;
            }
            if line.is_none() {
                self.desk.screen.leave_prompt();
                return self.leave(self.has_failed);
            }
        }
        self.leave(false)
    }

    fn leave(&mut self, has_failed: bool) -> Result<ExitCode, Failure> {
        let width = self.desk.screen.width();
        self.desk.screen.show(&page::goodbye(&self.session, width))?;
        Ok(if has_failed { ExitCode::FAILURE } else { ExitCode::SUCCESS })
    }

    async fn act(&mut self, typed: Typed) -> Result<Next, Failure> {
        let width = self.desk.screen.width();
        match typed {
            Typed::Words(text) => return self.say(text).await,
            Typed::Again => match self.unanswered.take() {
                Some(said) => return self.tell(said).await,
                None => self.remark("Everything was answered.")?,
            },
            Typed::Quit => return Ok(Next::Leave),
            Typed::Nothing => {}
            Typed::Help => self.desk.screen.show(&page::help(width))?,
            Typed::State => {
                let standing = self.desk.standing(&self.session, None).await;
                self.desk.show(standing)?;
            }
            Typed::History(count) => {
                let history = self.desk.history(&self.session, count).await;
                self.desk.show(history)?;
            }
            Typed::Stop => self.remark("There is no reply to stop.")?,
            Typed::Unknown => {
                self.remark(
                    "That is no command, and was not sent. Two slashes send a text that begins with one.",
                )?;
                self.desk.screen.show(&page::help(width))?;
            }
        }
        Ok(Next::GoOn)
    }

    fn remark(&mut self, text: &str) -> Result<(), Failure> {
        let width = self.desk.screen.width();
        Ok(self.desk.screen.show(&page::text(Tone::Plain, text, width))?)
    }

    async fn say(&mut self, text: String) -> Result<Next, Failure> {
        let key = self.desk.entropy.hex_id();
        self.tell(Said { session: self.session.clone(), text, key }).await
    }

    /// Sends something, and shows the reply while it comes.
    async fn tell(&mut self, said: Said) -> Result<Next, Failure> {
        let Self { desk, input, interrupts, resources, .. } = self;
        let mut reply = Reply::new(said.session.clone(), resources.clone(), desk.screen.width());
        let telling = stream::unfold(Telling::of(desk.server.clone(), said.clone()), Telling::step);
        let mut telling = pin!(telling);
        let mut stopping: Option<Pin<Box<dyn Future<Output = ()>>>> = None;
        let mut latest = None;
        loop {
            let wish = tokio::select! {
                biased;
                _ = interrupts.recv() => Wish::Out,
                () = input.stop_asked() => Wish::Stop,
                () = at_work(&mut stopping) => Wish::None,
                heard = telling.next() => {
                    let Some(heard) = heard else { break };
                    show(&mut desk.screen, &reply.hear(&heard))?;
                    latest = Some(heard);
                    Wish::None
                }
            };
            if wish == Wish::Out && stopping.is_some() {
                return Ok(Next::Leave);
            }
            if wish != Wish::None {
                show(&mut desk.screen, &reply.note("[stopping]"))?;
                stopping = Some(Box::pin(stop(desk.server.clone(), said.session.clone())));
            }
        }
        self.keep(said, latest);
        Ok(Next::GoOn)
    }

    /// What a turn leaves behind for the next one.
    fn keep(&mut self, said: Said, latest: Option<Heard>) {
        match latest {
            Some(Heard::Turn(turn)) => {
                (self.unanswered, self.has_failed) = (None, false);
                self.resources = turn.safety.resources;
                if !turn.session_id.is_empty() {
                    self.session = turn.session_id;
                }
            }
            Some(Heard::Refused(problem)) => {
                (self.unanswered, self.has_failed) = (Some(said), problem.error != STOPPED);
            }
            Some(Heard::Delta(_) | Heard::Again | Heard::Lost) | None => {
                (self.unanswered, self.has_failed) = (Some(said), true);
            }
        }
    }
}

/// The next line that was typed. One that was typed while a reply came is shown where it belongs.
async fn next_line(
    screen: &mut Screen<Stdout>,
    input: &mut Input,
    prompt: &str,
) -> Result<Option<String>, Failure> {
    if let Some(line) = input.waiting_line() {
        screen.repeat(&page::text(Tone::Plain, &format!("{prompt}{line}"), screen.width()))?;
        return Ok(Some(line));
    }
    screen.prompt(prompt)?;
    Ok(input.next_line().await)
}

fn show(screen: &mut Screen<Stdout>, shown: &Shown) -> Result<(), Failure> {
    screen.add(&shown.text)?;
    if !shown.lines.is_empty() {
        screen.show(&shown.lines)?;
    }
    Ok(())
}

/// Asks until the turn is stopped. The turn itself tells how it ended.
async fn stop(server: Server, session: String) {
    for _ in 0..STOPS_MAX {
        if matches!(server.stop(&session).await, Ok(true)) {
            return;
        }
        tokio::time::sleep(STOP_EVERY).await;
    }
}

/// Once what it waits for is done, it waits for ever.
async fn at_work(work: &mut Option<Pin<Box<dyn Future<Output = ()>>>>) {
    match work {
        Some(running) => running.await,
        None => std::future::pending().await,
    }
    *work = Some(Box::pin(std::future::pending()));
}
