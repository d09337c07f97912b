//! The plain dialect: bare text in, as clients from before speak it. Every text is counted and answered with its number first;
//! where it is a turn, the reply follows.

use std::sync::Arc;
use std::time::Duration;

use super::End;
use super::outgoing::Outgoing;
use super::talk::Talk;
use super::wire;
use crate::domain::chat::MESSAGE_MAX_CHARS;
use crate::http::problem::Problem;
use crate::store::{Heard, Saying, StoreError};
use crate::turn::{self, Answer, Refused};

/// How long danger waits for its number. It is counted all the same when that takes longer.
const NUMBER_WAIT: Duration = Duration::from_millis(50);

pub async fn text(talk: &mut Talk, out: &mut Outgoing, text: String) -> Result<(), End> {
    let screened = turn::screen(&talk.state.turns.knowledge.safety, text.clone());
    let is_in_danger = screened.shows_danger();
    if !talk.lets_in(out, is_in_danger, None).await? {
        return Ok(());
    }
    talk.look_for_therapy().await;
    let admitted = match talk.admit(screened, &text, None) {
        Ok(admitted) => admitted,
        Err(refused) => return talk.refuse(out, refused.into(), None).await,
    };
    let said = text.char_indices().nth(MESSAGE_MAX_CHARS).map_or(text.as_str(), |(end, _)| &text[..end]);
    let counted = if is_in_danger {
        let counted = count_in_time(talk, said).await;
        // Before a word goes out: who does not read is answered too, and looked after.
        talk.answer_danger(admitted, None);
        counted
    } else {
        match count(talk, said).await {
            Ok(count) => {
                queue(talk, out, (count, said), admitted).await?;
                return Ok(());
            }
            Err(error) => return talk.refuse(out, error.into(), None).await,
        }
    };
    match counted {
        Some(count) => tell_count(talk, out, count, said).await,
        None => Ok(()),
    }
}

async fn queue(
    talk: &mut Talk,
    out: &mut Outgoing,
    (count, said): (u64, &str),
    admitted: turn::Admitted,
) -> Result<(), End> {
    tell_count(talk, out, count, said).await?;
    if !talk.is_therapy {
        return Ok(());
    }
    match talk.queue(admitted, None) {
        Ok(_) => Ok(()),
        Err(refused) => talk.refuse(out, refused.into(), None).await,
    }
}

async fn tell_count(talk: &mut Talk, out: &mut Outgoing, count: u64, said: &str) -> Result<(), End> {
    talk.count = Some(count);
    let is_untold = std::mem::take(&mut talk.is_untold);
    out.text(wire::echo(count, said, is_untold.then(|| talk.key.id.as_str()))).await
}

fn saying(talk: &Talk, said: &str) -> Saying {
    Saying {
        session: talk.key.clone(),
        name: talk.state.turns.entropy.u128(),
        content: said.to_owned(),
        connection: talk.id,
        ttl: talk.state.chat_ttl,
    }
}

/// The number of a message: of the session, or where nothing is kept of the connection.
async fn count(talk: &Talk, said: &str) -> Result<u64, StoreError> {
    if talk.is_kept {
        return talk.state.store().say(saying(talk, said)).await;
    }
    Ok(talk.count.unwrap_or_default() + 1)
}

/// The same where nobody can wait for it.
async fn count_in_time(talk: &Talk, said: &str) -> Option<u64> {
    if !talk.is_kept {
        return count(talk, said).await.ok();
    }
    let (store, saying) = (Arc::clone(&talk.state.turns.store), saying(talk, said));
    let counting = talk.state.turns.tasks.spawn(async move { store.say(saying).await });
    match tokio::time::timeout(NUMBER_WAIT, counting).await {
        Ok(Ok(Ok(count))) => Some(count),
        Ok(Ok(Err(_)) | Err(_)) | Err(_) => None,
    }
}

pub async fn answer(talk: &Talk, out: &mut Outgoing, answer: Result<Answer, Refused>) -> Result<(), End> {
    match answer {
        Ok(answer) => out.text(wire::reply("reply", None, &answer.body, answer.replayed)).await,
        Err(refused) => talk.refuse(out, Problem::from(refused), None).await,
    }
}

/// What others said.
pub async fn heard(talk: &Talk, out: &mut Outgoing, heard: &Heard) -> Result<(), End> {
    let session = talk.key.id.as_str();
    match heard {
        Heard::Message { count, message, .. } => {
            out.text(wire::message(*count, &message.content, message.at, session)).await
        }
        Heard::Turn { reply, .. } => out.text(wire::reply("reply", None, reply, false)).await,
        Heard::Broadcast(words) => {
            out.text(wire::broadcast(words)).await?;
            out.text(wire::new_messages(session, words.at)).await
        }
        Heard::Removed => Ok(()),
    }
}
