//! The connection of somebody who looks after people: it is told of every level of the organisation that rises so far that it
//! pauses, as an `alert`. It belongs to no session, and takes no words.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};
use actix_ws::CloseCode;
use futures_util::FutureExt as _;
use tokio::time::{Instant, sleep};
use utoipa::IntoParams;

use super::End;
use super::flow::Flow;
use super::frames::{Frame, Frames};
use super::join::{check_origin, upgrade};
use super::outgoing::Outgoing;
use super::places::Place;
use super::speaker::Speaker;
use super::wire;
use crate::access::Caller;
use crate::domain::event::{EventId, EventKind, SessionEvent};
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::safety::Level;
use crate::events::Subscription;
use crate::http::credentials::PresentedBy;
use crate::http::edge;
use crate::http::problem::{Body, Code, Problem};
use crate::http::query::Query;
use crate::http::state::State;
use crate::store::StoreError;

/// How long it waits before it asks a store again that is away.
const PAUSE: Duration = Duration::from_secs(1);

#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "it stands in the description alone")]
struct DutyQuery {
    /// The `event` of the alert that was seen last: what rose since is told at once.
    after: Option<String>,
}

/// Hear of danger as it shows, over a WebSocket. The frames are in the documentation: docs/live.md.
#[utoipa::path(
    get, path = "/ws/alerts/", tag = "alerts",
    params(DutyQuery, ("Origin" = Option<String>, Header, description = "A browser's has to be this host, or one of `ATTUNE_CORS_ORIGINS`")),
    responses(
        (status = 101, description = "Connected"),
        (status = 404, description = "Not here", body = Body, content_type = "application/problem+json"),
        (status = 426, description = "No WebSocket is asked for", body = Body, content_type = "application/problem+json")
    )
)]
pub async fn on_duty(
    state: Data<State>,
    caller: Caller,
    by: Option<PresentedBy>,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    if state.is_draining() {
        return Err(Problem::new(Code::ShuttingDown, "try another server, or this one again"));
    }
    check_origin(&state, request.headers())?;
    let mut query = Query::of(&request);
    let seen = query.parse("after", "the id of an event", EventId::parse);
    query.finish()?;
    let household = state.addresses.household(request.peer_addr(), request.headers());
    let place = state.places.take(&named(&state, &caller)?, household)?;
    let subscription = Subscription::begin(Arc::clone(&state.turns.store), seen).await?;
    let (response, frames, out) = upgrade(&state, &request, payload)?;
    let speaker = Speaker::of(&state, caller, by);
    let request_id = edge::id_of(&request);
    let flow = Flow::new(Instant::now());
    let duty =
        Duty { state, speaker, subscription, frames, out, request_id, flow, is_asked: false, _place: place };
    drop(actix_web::rt::spawn(duty.run()));
    Ok(response)
}

/// By whom the bound of one caller's connections counts.
fn named(state: &State, caller: &Caller) -> Result<SessionKey, Problem> {
    let id =
        SessionId::parse(caller.name.clone()).or_else(|_| SessionId::parse(state.turns.entropy.hex_id()));
    let id = id.map_err(|error| Problem::new(Code::Internal, error.to_string()))?;
    Ok(SessionKey::new(caller.org.clone(), id))
}

struct Duty {
    state: Data<State>,
    speaker: Speaker,
    subscription: Subscription,
    frames: Frames,
    out: Outgoing,
    request_id: String,
    flow: Flow,
    /// Whether it was asked for a sign of life and gave none yet.
    is_asked: bool,
    _place: Place,
}

impl Duty {
    async fn run(mut self) {
        let ran = AssertUnwindSafe(self.tell()).catch_unwind().await;
        let end = ran.unwrap_or_else(|_panic| {
            tracing::error!(request = self.request_id, "a connection panicked");
            End::Fault(Code::Internal)
        });
        self.leave(end).await;
    }

    async fn tell(&mut self) -> End {
        let every = self.state.sockets.heartbeat;
        let mut beat = Box::pin(sleep(every));
        let hello = self.out.text(wire::on_duty()).await;
        let mut done = hello;
        while done.is_ok() {
            done = tokio::select! {
                biased;
                () = self.state.drained() => Err(End::Stopping),
                () = beat.as_mut() => {
                    beat.as_mut().reset(Instant::now() + every);
                    self.beat().await
                }
                events = self.subscription.next() => self.events(events).await,
                frame = self.frames.next() => self.frame(frame).await,
            };
        }
        done.err().unwrap_or(End::Gone)
    }

    async fn events(&mut self, events: Result<Vec<Arc<SessionEvent>>, StoreError>) -> Result<(), End> {
        let events = match events {
            Ok(events) => events,
            Err(StoreError::Closed) => return Err(End::Stopping),
            Err(StoreError::Stopped(_)) => return Err(End::Fault(Code::StoreUnavailable)),
            Err(StoreError::Away(_) | StoreError::Corrupt(_)) => {
                sleep(PAUSE).await;
                return Ok(());
            }
        };
        for event in events.iter().filter(|event| event.org == self.speaker.caller.org) {
            let level = event.level.as_deref().and_then(Level::parse);
            if event.kind == EventKind::SafetyRaised && level.is_some_and(Level::pauses) {
                self.out.text(wire::alert(event)).await?;
            }
        }
        Ok(())
    }

    async fn beat(&mut self) -> Result<(), End> {
        if std::mem::replace(&mut self.is_asked, true) {
            return Err(End::Fault(Code::SlowReader));
        }
        self.out.text(wire::heartbeat(self.state.turns.clock.now())).await?;
        match self.speaker.check(&self.state).await {
            Err(problem) if !problem.is_of_store() => return Err(End::Refused(Box::new(problem))),
            // Where the store is away a connection stays.
            Ok(()) | Err(_) => {}
        }
        self.out.ping().await
    }

    async fn frame(&mut self, frame: Result<Option<Frame>, Code>) -> Result<(), End> {
        self.is_asked = false;
        match frame {
            Err(code) => Err(End::Fault(code)),
            Ok(None) => Err(End::Gone),
            Ok(Some(Frame::Close)) => Err(End::Closed),
            Ok(Some(Frame::Pong)) => Ok(()),
            Ok(Some(Frame::Ping(echo))) => self.out.pong(&echo).await,
            Ok(Some(Frame::Text(_))) if !self.flow.take(Instant::now()) => Err(End::Fault(Code::Flooded)),
            Ok(Some(Frame::Text(text))) if wire::is_ping(&text) => self.out.text(wire::pong()).await,
            Ok(Some(Frame::Text(_))) => {
                let problem = Problem::invalid("type", "must be ping: this connection takes no words");
                self.out.text(self.problem(&problem)).await
            }
        }
    }

    fn problem(&self, problem: &Problem) -> String {
        let now = self.state.turns.clock.now();
        wire::problem(problem, None, &self.request_id, (now, self.state.resources()))
    }

    async fn leave(mut self, end: End) {
        let problem = match end {
            End::Gone => return,
            End::Closed => return self.out.close(CloseCode::Normal.into(), "").await,
            End::Stopping => Problem::new(Code::ShuttingDown, "connect again"),
            End::Fault(code) => Problem::new(code, code.row().title),
            End::Refused(problem) => *problem,
        };
        let code = problem.code;
        let last = if code == Code::ShuttingDown { wire::bye(0) } else { self.problem(&problem) };
        let _gone = self.out.text(last).await;
        self.out.close(code.close(), code.row().error).await;
    }
}
