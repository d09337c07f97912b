//! The loop of a connection: waits for whatever happens next, and hands it on. Knows frames, and no message.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::broadcast::error::RecvError;
use tokio::time::{Instant, Sleep, sleep};

use super::End;
use super::frames::{Frame, Frames};
use super::outgoing::Outgoing;
use super::talk::Talk;
use super::telling::{self, Said};
use crate::http::problem::Code;
use crate::store::{Heard, Hearing};

/// What is on its way to a server that stops is waited for so long.
const MOMENT: Duration = Duration::from_millis(250);
/// How long a server that stops waits for one that does not read.
const LAST_PATIENCE: Duration = Duration::from_secs(1);

pub struct Talking {
    pub talk: Talk,
    pub out: Outgoing,
    frames: Frames,
    hearing: Hearing,
    /// The next heartbeat, or once the server stops, the next look at what still runs.
    beat: Pin<Box<Sleep>>,
    /// Whether it was asked for a sign of life and gave none yet.
    is_asked: bool,
    leaving: Option<Patience>,
}

/// How long a server that stops waits for a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Patience {
    /// A moment for what is on its way.
    First,
    /// For the turns that run.
    Last,
}

/// What can happen.
enum Event {
    Draining,
    Said(usize, Said),
    Beat,
    Heard(Result<Arc<Heard>, RecvError>),
    Frame(Result<Option<Frame>, Code>),
}

impl Talking {
    pub fn new(talk: Talk, frames: Frames, out: Outgoing) -> Box<Self> {
        let (hearing, beat) = (talk.hear(), Box::pin(sleep(talk.state.sockets.heartbeat)));
        Box::new(Self { talk, out, frames, hearing, beat, is_asked: false, leaving: None })
    }

    /// Until something ends it. What happens seldom has futures of its own, so that an idle connection is a small one.
    pub async fn run(&mut self, last_turn: Option<u32>) -> End {
        if let Err(end) = Box::pin(self.talk.welcome(&mut self.out, last_turn)).await {
            return end;
        }
        loop {
            let event = self.next().await;
            if let Err(end) = Box::pin(self.on(event)).await {
                return end;
            }
        }
    }

    async fn next(&mut self) -> Event {
        let Self { talk, frames, hearing, beat, leaving, .. } = self;
        let (listens, is_staying, works) = (talk.listens(), leaving.is_none(), !talk.turns.is_empty());
        let Talk { state, turns, .. } = talk;
        tokio::select! {
            biased;
            () = state.draining(), if is_staying => Event::Draining,
            () = beat.as_mut() => Event::Beat,
            (at, said) = telling::any(turns), if works => Event::Said(at, said),
            heard = hearing.heard.recv() => Event::Heard(heard),
            frame = frames.next(), if listens => Event::Frame(frame),
        }
    }

    async fn on(&mut self, event: Event) -> Result<(), End> {
        match event {
            Event::Draining => {
                self.leaving = Some(Patience::First);
                self.out.hurry(LAST_PATIENCE);
                self.beat.as_mut().reset(Instant::now() + MOMENT);
                Ok(())
            }
            Event::Beat => match self.leaving {
                None => self.beat().await,
                Some(Patience::First) if !self.talk.is_idle() => {
                    self.leaving = Some(Patience::Last);
                    let rest = (self.talk.state.shutdown * 17 / 20).saturating_sub(MOMENT);
                    self.beat.as_mut().reset(Instant::now() + rest);
                    Ok(())
                }
                Some(Patience::First | Patience::Last) => Err(End::Stopping),
            },
            Event::Said(at, said) => {
                self.talk.said(&mut self.out, at, said).await?;
                let is_done = self.leaving == Some(Patience::Last) && self.talk.is_idle();
                if is_done { Err(End::Stopping) } else { Ok(()) }
            }
            Event::Heard(Ok(heard)) => self.talk.heard(&mut self.out, &heard).await,
            Event::Heard(Err(RecvError::Lagged(_))) => Err(End::Fault(Code::SlowReader)),
            Event::Heard(Err(RecvError::Closed)) => Err(End::Fault(Code::Internal)),
            Event::Frame(Err(code)) => Err(End::Fault(code)),
            Event::Frame(Ok(None)) => Err(End::Gone),
            Event::Frame(Ok(Some(frame))) => self.frame(frame).await,
        }
    }

    async fn frame(&mut self, frame: Frame) -> Result<(), End> {
        // Whatever comes is a sign of life.
        self.is_asked = false;
        match frame {
            Frame::Text(text) => self.talk.text(&mut self.out, text).await,
            Frame::Ping(echo) => self.out.pong(&echo).await,
            Frame::Pong => Ok(()),
            Frame::Close => Err(End::Closed),
        }
    }

    async fn beat(&mut self) -> Result<(), End> {
        if self.is_asked {
            return Err(End::Fault(Code::SlowReader));
        }
        let next = (self.beat.deadline() + self.talk.state.sockets.heartbeat).max(Instant::now());
        self.beat.as_mut().reset(next);
        self.is_asked = true;
        self.talk.beat(&mut self.out).await?;
        self.out.ping().await
    }
}
