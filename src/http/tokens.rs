//! What lets a client into its own session: tokens that an app's server mints, and tickets for one use.

use std::collections::BTreeSet;

use actix_web::HttpResponse;
use actix_web::web::Data;

use crate::access::{Caller, Kind, RawCredential, Role, Who};
use crate::config::Auth;
use crate::domain::id::SessionKey;
use crate::store::{Credential, Heard, Holder};

use super::credentials::{PresentedBy, refused};
use super::guard::Reached;
use super::problem::{Code, Problem};
use super::state::State;
use super::wire::credentials::{RevokedBody, TicketBody, TokenBody};

/// Mint a token for the session's client: its app's server asks, and hands it to the app.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/tokens", tag = "credentials", params(("id" = String, Path)),
    responses((status = 200, description = "Shown this once", body = TokenBody))
)]
pub async fn mint(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    Ok(HttpResponse::Ok().json(mint_token(&state, &key).await?))
}

/// A new token of a session.
pub async fn mint_token(state: &State, key: &SessionKey) -> Result<TokenBody, Problem> {
    let (raw, token) = made(state, key, Kind::Session);
    let body = TokenBody::of(&raw, &token);
    // A token for a session that is not there would let a client into one that somebody makes later.
    let is_issued = state.store().issue(raw.hash(), token).await?;
    if is_issued { Ok(body) } else { Err(Problem::not_found()) }
}

/// Put a new token in the place of the one that asks. The old one is refused from then on.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/tokens/refresh", tag = "credentials", params(("id" = String, Path)),
    responses((status = 200, description = "Shown this once", body = TokenBody))
)]
pub async fn refresh(
    state: Data<State>,
    caller: Caller,
    by: PresentedBy,
    Reached(_): Reached,
) -> Result<HttpResponse, Problem> {
    let Who::Client(session) = caller.who else {
        return Err(Problem::invalid("credential", "only a session token is refreshed"));
    };
    if by.kind != Kind::Session {
        return Err(Problem::invalid("credential", "a ticket is not refreshed; mint another"));
    }
    // A token stays what it was made for, whatever successor of its session it reaches.
    let key = SessionKey::new(caller.org, session);
    let (raw, token) = made(&state, &key, Kind::Session);
    let body = TokenBody::of(&raw, &token);
    if state.store().rotate(by.hash, (raw.hash(), token)).await? {
        return Ok(HttpResponse::Ok().json(body));
    }
    Err(refused())
}

/// Revoke all tokens and tickets of the session and of its whole line, any of which may reach it: nobody who holds one is let
/// in any more.
#[utoipa::path(
    delete, path = "/api/v1/session/{id}/tokens", tag = "credentials", params(("id" = String, Path)),
    responses((status = 200, description = "How many were revoked", body = RevokedBody))
)]
pub async fn revoke(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let named = state.store().read(&key).await?.map(|snapshot| snapshot.session);
    let mut line: BTreeSet<SessionKey> = state.store().line(&key).await?.into_iter().collect();
    let is_there = !line.is_empty();
    // Tokens may outlive their session: those of the first of the line too, and of the named one.
    let first = named.and_then(|session| session.successor_of.clone());
    line.extend(first.map(|first| key.with_id(first)));
    line.insert(key);
    let mut revoked = 0;
    for key in line {
        revoked += state.store().revoke(Holder::Session(key.clone()), None).await?;
        if state.auth == Auth::Required {
            // Connections that they let in end. Best effort: the next heartbeat would end them too.
            let _unheard = state.store().tell(&key, Heard::Removed).await;
        }
    }
    // Where there is neither, there is nothing here.
    if revoked == 0 && !is_there {
        return Err(Problem::not_found());
    }
    Ok(HttpResponse::Ok().json(RevokedBody { revoked }))
}

/// Mint a ticket for one use within a moment, for where no header can be set.
#[utoipa::path(
    post, path = "/api/v1/session/{id}/ticket", tag = "credentials", params(("id" = String, Path)),
    responses((status = 200, description = "Shown this once", body = TicketBody))
)]
pub async fn ticket(
    state: Data<State>,
    by: Option<PresentedBy>,
    Reached(key): Reached,
) -> Result<HttpResponse, Problem> {
    // Else one use would be as many as anybody likes.
    if by.as_ref().is_some_and(|by| by.kind == Kind::Ticket) {
        return Err(Problem::new(Code::Forbidden, "a ticket mints no other"));
    }
    let (raw, ticket) = made(&state, &key, Kind::Ticket);
    let behind = by.filter(|by| by.id.is_some()).map(|by| by.hash);
    let ticket = Credential { behind, ..ticket };
    let body = TicketBody { ticket: raw.expose().to_owned(), expires_at: ticket.ends_at };
    let is_issued = state.store().issue(raw.hash(), ticket).await?;
    if is_issued { Ok(HttpResponse::Ok().json(body)) } else { Err(Problem::not_found()) }
}

fn made(state: &State, key: &SessionKey, kind: Kind) -> (RawCredential, Credential) {
    let (entropy, now, lifetimes) = (&state.turns.entropy, state.turns.clock.now(), &state.lifetimes);
    let (ends, idle) = match kind {
        Kind::Ticket => (lifetimes.ticket, None),
        Kind::Session | Kind::Key | Kind::Login => (lifetimes.token, Some(lifetimes.token_idle)),
    };
    let credential = Credential {
        id: entropy.hex_id(),
        kind,
        org: key.org.clone(),
        role: Role::Client,
        label: String::new(),
        clinician: None,
        session: Some(key.id.clone()),
        made_at: now,
        ends_at: Some(now.plus(ends)),
        idle,
        behind: None,
    };
    (RawCredential::make(kind, entropy), credential)
}
