//! The plain chat over HTTP, as its older clients ask for it: under `/api` and `/chat/api`, with and without a slash at
//! the end. Beside a therapy session it shows that session, and what is done to the one is done to the other.

use std::time::Duration;

use actix_web::web::{Data, Payload};
use actix_web::{HttpRequest, HttpResponse};

use crate::access::Caller;
use crate::domain::chat::{
    BROADCAST_MAX_CHARS, Broadcast, BroadcastLevel, Chat, ChatMessage, ChatVoice, MESSAGES_MAX,
    TITLE_MAX_CHARS,
};
use crate::domain::exchange::Exchange;
use crate::domain::id::{SessionId, SessionKey};
use crate::domain::time::Timestamp;
use crate::store::{Remaining, Snapshot, StoreMode};

use super::body::{self, OTHER_MAX_BYTES};
use super::guard::Reached;
use super::health::is_well;
use super::problem::{Body, Code, Problem};
use super::query::Query;
use super::session::{TTL_SECONDS, erase_line};
use super::state::State;
use super::wire::chats::{
    BroadcastBody, BroadcastSentBody, ChatBody, ChatDeletedBody, ChatEnvelope, ChatExtendedBody,
    ChatMessageBody, ChatMessagesBody, ExtendChatBody, RedisStatusBody,
};

const MESSAGES_DEFAULT: usize = 100;
/// Exchanges of a session that are read for its messages.
const EXCHANGES_MAX: usize = 1_000;

/// The members that every refusal on these paths has beside a problem's own. `None`: it is no path of theirs.
pub fn beside_a_problem(path: &str) -> Option<String> {
    let path = path.trim_end_matches('/');
    let path = path.strip_prefix("/chat/api/").or_else(|| path.strip_prefix("/api/"))?;
    if path == "redis/status" {
        return Some("\"success\":false,\"redis_connected\":false".to_owned());
    }
    if path == "broadcast" {
        return Some("\"success\":false".to_owned());
    }
    let id = path.strip_prefix("sessions/")?.split('/').next()?;
    // What is no id may be anything, words too.
    let id = SessionId::parse(id).ok();
    Some(id.map_or_else(
        || "\"success\":false".to_owned(),
        |id| format!("\"success\":false,\"session_id\":\"{id}\""),
    ))
}

/// Here a value that does not fit is a 400, as its clients know it.
fn unfit(problem: Problem) -> Problem {
    let code = if problem.code == Code::InvalidRequest { Code::BadRequest } else { problem.code };
    Problem { code, ..problem }
}

fn invalid(field: &str, message: &str) -> Problem {
    unfit(Problem::invalid(field, message))
}

/// Whether Redis is there. Not told: what is in it.
#[utoipa::path(
    get, path = "/api/redis/status/", tag = "chats",
    responses((status = 200, description = "It is there, or nothing is kept in it", body = RedisStatusBody))
)]
pub async fn redis_status(state: Data<State>) -> Result<HttpResponse, Problem> {
    let storage = state.store().name();
    let is_connected = storage == "redis";
    let is_away = state.standing().is_some_and(|standing| standing.mode != StoreMode::Redis);
    if is_connected && (is_away || !is_well(&state).await) {
        return Err(Problem::new(Code::StoreUnavailable, "Redis is away"));
    }
    Ok(HttpResponse::Ok().json(RedisStatusBody {
        success: true,
        redis_connected: is_connected,
        storage,
        redis_url: state.redis_url.clone(),
        default_ttl: state.chat_ttl.as_secs(),
    }))
}

/// A chat: how much was said, when, and how long it stands.
#[utoipa::path(
    get, path = "/api/sessions/{id}/", tag = "chats", params(("id" = String, Path)),
    responses((status = 200, description = "The chat", body = ChatBody))
)]
pub async fn read(state: Data<State>, Reached(key): Reached) -> Result<HttpResponse, Problem> {
    let chat = state.store().chat(&key).await?;
    let session = state.store().read(&key).await?;
    let (chat, remaining) = shown(chat, session).ok_or_else(Problem::not_found)?;
    let data = ChatEnvelope::of(&chat, remaining);
    Ok(HttpResponse::Ok().json(ChatBody { success: true, session_id: key.id.to_string(), data }))
}

/// Of a therapy session its own figures are the truth; its chat tells of more that was sent, and of its connections.
fn shown(chat: Option<(Chat, Remaining)>, session: Option<Snapshot>) -> Option<(Chat, Remaining)> {
    let Some(Snapshot { session, remaining, .. }) = session else { return chat };
    let chat = chat.map(|(chat, _)| chat);
    let of_session = Chat {
        count: session.turn_count.into(),
        created_at: session.created_at,
        last_activity: session.last_interaction,
        disconnected_at: None,
        shutdown_reason: None,
        ttl: session.ttl,
    };
    let shown = match chat {
        None => of_session,
        Some(chat) => Chat {
            count: chat.count.max(of_session.count),
            last_activity: chat.last_activity.max(of_session.last_activity),
            disconnected_at: chat.disconnected_at,
            shutdown_reason: chat.shutdown_reason,
            ..of_session
        },
    };
    Some((shown, remaining))
}

/// Set how long a chat stands; it sets, and does not add. Later messages keep it.
#[utoipa::path(
    post, path = "/api/sessions/{id}/extend/", tag = "chats", request_body = Option<ExtendChatBody>,
    params(("id" = String, Path)),
    responses((status = 200, description = "Set", body = ChatExtendedBody))
)]
pub async fn extend(
    state: Data<State>,
    request: HttpRequest,
    Reached(key): Reached,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let asked: Option<ExtendChatBody> = body::decode_if_any(&bytes).map_err(unfit)?;
    let default = state.chat_ttl.as_secs();
    let seconds = asked.and_then(|asked| asked.ttl).unwrap_or(default);
    if !(1..=*TTL_SECONDS.end()).contains(&seconds) {
        return Err(invalid("ttl", "must be from 1 to 2592000 seconds"));
    }
    let is_short = seconds < *TTL_SECONDS.start();
    if is_short && state.store().read(&key).await?.is_some() {
        return Err(invalid("ttl", "must be from 60 to 2592000 seconds for a therapy session"));
    }
    let remaining = extended(&state, &key, Duration::from_secs(seconds)).await?;
    let remaining = remaining.ok_or_else(Problem::not_found)?;
    Ok(HttpResponse::Ok().json(ChatExtendedBody::of(key.id.to_string(), remaining)))
}

async fn extended(state: &State, key: &SessionKey, ttl: Duration) -> Result<Option<Remaining>, Problem> {
    if let Some(remaining) = state.store().extend(key, ttl).await? {
        return Ok(Some(remaining));
    }
    Ok(state.store().extend_chat(key, ttl).await?)
}

/// Remove a chat with all that was said in it, and the therapy session where it stands beside one.
#[utoipa::path(
    delete, path = "/api/sessions/{id}/delete/", tag = "chats", params(("id" = String, Path)),
    responses((status = 200, description = "Removed", body = ChatDeletedBody))
)]
pub async fn delete(
    state: Data<State>,
    caller: Caller,
    Reached(key): Reached,
) -> Result<HttpResponse, Problem> {
    let of_session = erase_line(&state, &caller, &key).await?.is_some();
    let of_chat = state.store().delete_chat(&key).await?;
    if !of_session && !of_chat {
        return Err(Problem::not_found());
    }
    let session_id = key.id.to_string();
    Ok(HttpResponse::Ok().json(ChatDeletedBody { success: true, message: "Session deleted", session_id }))
}

/// The same.
#[utoipa::path(
    delete, path = "/api/sessions/{id}/", tag = "chats", params(("id" = String, Path)),
    responses((status = 200, description = "Removed", body = ChatDeletedBody))
)]
pub async fn erase(state: Data<State>, caller: Caller, reached: Reached) -> Result<HttpResponse, Problem> {
    delete(state, caller, reached).await
}

/// What was said, oldest first: the newest of it, or what is older than a time.
#[utoipa::path(
    get, path = "/api/sessions/{id}/messages/", tag = "chats",
    params(
        ("id" = String, Path),
        ("limit" = Option<u32>, Query, description = "1 to 500, by default 100"),
        ("before" = Option<i64>, Query, description = "Only messages before this time, in milliseconds since 1970")
    ),
    responses((status = 200, description = "Messages", body = ChatMessagesBody), (status = 400, description = "The query does not fit", body = Body, content_type = "application/problem+json"))
)]
pub async fn messages(
    state: Data<State>,
    request: HttpRequest,
    Reached(key): Reached,
) -> Result<HttpResponse, Problem> {
    let mut query = Query::of(&request);
    let limit = query.whole("limit", 1..=MESSAGES_MAX).unwrap_or(MESSAGES_DEFAULT);
    let before = query.whole("before", 0..=i64::MAX / 1_000).map(Timestamp::from_millis);
    query.finish().map_err(unfit)?;
    let messages = said(&state, &key, before, limit).await?.ok_or_else(Problem::not_found)?;
    let id = key.id.as_str();
    let messages: Vec<_> = messages.into_iter().map(|message| ChatMessageBody::of(message, id)).collect();
    let (count, session_id) = (messages.len(), id.to_owned());
    Ok(HttpResponse::Ok().json(ChatMessagesBody { success: true, session_id, messages, count }))
}

/// Of a therapy session its history, with the words to everybody that its chat has.
async fn said(
    state: &State,
    key: &SessionKey,
    before: Option<Timestamp>,
    limit: usize,
) -> Result<Option<Vec<ChatMessage>>, Problem> {
    let kept = state.store().messages(key, before, limit).await?;
    let Some(page) = state.store().history(key, None, EXCHANGES_MAX).await? else { return Ok(kept) };
    let turns = page.exchanges.into_iter().rev().flat_map(of_exchange);
    let mut all: Vec<ChatMessage> = turns.chain(kept.unwrap_or_default()).collect();
    all.retain(|message| before.is_none_or(|before| message.at < before));
    // Stable: what has the same time stays in its order.
    all.sort_by_key(|message| message.at);
    all.drain(..all.len().saturating_sub(limit));
    Ok(Some(all))
}

/// What was said in a turn. The reply has a time of its own, behind that of the words it answers.
fn of_exchange(exchange: Exchange) -> [ChatMessage; 2] {
    let at = exchange.timestamp;
    let reply = at.plus(Duration::from_millis(1));
    [
        ChatMessage { content: exchange.client_input, at, from: ChatVoice::Client },
        ChatMessage { content: exchange.therapist_response, at: reply, from: ChatVoice::Reply },
    ]
}

/// Say something to everybody of the organisation who is connected, on every server. It is kept in their chats.
#[utoipa::path(
    post, path = "/api/broadcast/", tag = "chats", request_body = BroadcastBody,
    responses((status = 200, description = "Said", body = BroadcastSentBody))
)]
pub async fn broadcast(
    state: Data<State>,
    caller: Caller,
    request: HttpRequest,
    payload: Payload,
) -> Result<HttpResponse, Problem> {
    let bytes = body::read(&request, payload, OTHER_MAX_BYTES, state.patience).await?;
    let BroadcastBody { message, title, level } = body::decode(&bytes).map_err(unfit)?;
    if message.trim().is_empty() || message.chars().count() > BROADCAST_MAX_CHARS {
        return Err(invalid("message", "must have 1 to 2000 characters, not all of them blank"));
    }
    if title.as_ref().is_some_and(|title| title.chars().count() > TITLE_MAX_CHARS) {
        return Err(invalid("title", "must have at most 120 characters"));
    }
    let level = level.unwrap_or(BroadcastLevel::Info);
    let broadcast = Broadcast { message, title, level, at: state.turns.clock.now() };
    let updated = state.store().broadcast(&caller.org, broadcast.clone()).await?;
    Ok(HttpResponse::Ok().json(BroadcastSentBody::of(broadcast, updated)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_on_these_paths_have_members_of_their_own_and_others_have_none() {
        for path in ["/api/sessions/s/", "/chat/api/sessions/s", "/api/sessions/s/messages/"] {
            let members = beside_a_problem(path).expect("it is one of them");
            assert_eq!(members, r#""success":false,"session_id":"s""#, "{path}");
        }
        assert_eq!(beside_a_problem("/api/sessions/a%20b/").as_deref(), Some(r#""success":false"#));
        assert!(
            beside_a_problem("/api/redis/status").is_some_and(|members| members.contains("redis_connected"))
        );
        for path in ["/api/v1/sessions", "/sessions", "/api/v1/session/s", "/", "/api/sessions"] {
            assert_eq!(beside_a_problem(path), None, "{path}");
        }
    }
}
