//! The one way out of a connection: the session is told that it left, the other end why.

use std::time::Duration;

use actix_ws::CloseCode;

use super::End;
use super::outgoing::Outgoing;
use super::talk::Talk;
use super::talking::Talking;
use super::wire;
use crate::domain::chat::ShutdownReason;
use crate::http::problem::{Code, Problem};

/// How long the store may take to note that somebody left.
const NOTE_WAIT: Duration = Duration::from_millis(500);
/// How long one that did not read is waited for once more.
const PARTING: Duration = Duration::from_millis(100);

pub struct Leaving {
    talk: Talk,
    out: Outgoing,
    end: End,
}

impl Leaving {
    /// Nothing is heard or read from here on.
    pub fn of(talking: Box<Talking>, end: End) -> Self {
        let Talking { talk, out, .. } = *talking;
        Self { talk, out, end }
    }

    pub async fn run(mut self) {
        self.note().await;
        match self.end {
            End::Gone => {}
            End::Closed => self.out.close(CloseCode::Normal.into(), "").await,
            End::Stopping => {
                let bye = wire::bye(self.talk.total().await);
                let _gone = self.out.text(bye).await;
                close(self.out, Code::ShuttingDown).await;
            }
            End::Fault(Code::SlowReader) => {
                self.out.hurry(PARTING);
                close(self.out, Code::SlowReader).await;
            }
            End::Fault(code) => {
                let problem = Problem::new(code, code.row().title);
                part(&self.talk, self.out, &problem).await;
            }
            End::Refused(ref problem) => part(&self.talk, self.out, problem).await,
        }
    }

    /// Whoever leaves last is noted. Best effort.
    async fn note(&mut self) {
        if !self.talk.place.leave() || !self.talk.is_kept {
            return;
        }
        let why = matches!(self.end, End::Stopping).then_some(ShutdownReason::ServerShutdown);
        let (state, left) = (&self.talk.state, self.talk.state.turns.clock.now());
        let noting = state.store().note_presence(&self.talk.key, Some((left, why)));
        let _late = tokio::time::timeout(NOTE_WAIT, noting).await;
    }
}

async fn part(talk: &Talk, mut out: Outgoing, problem: &Problem) {
    talk.state.turns.metrics.problem(problem.code.row().error);
    let _gone = out.text(talk.problem(problem, None)).await;
    close(out, problem.code).await;
}

async fn close(out: Outgoing, code: Code) {
    out.close(code.close(), code.row().error).await;
}
