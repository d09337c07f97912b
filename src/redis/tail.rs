//! Follows a stream as it grows, on a connection of its own: Redis answers as soon as there is something.
//!
//! Nothing is lost where the connection is: it goes on behind the last entry that it brought.

use std::time::Duration;

use redis::aio::MultiplexedConnection;
use redis::{AsyncConnectionConfig, RedisError, Value, from_redis_value};
use tokio::time::{sleep, timeout};

use super::Link;

/// How long Redis waits for something new before it says that there is nothing.
const BLOCK_MS: u64 = 5_000;
/// Beyond that the connection counts as dead.
const PATIENCE: Duration = Duration::from_secs(2);
/// Entries that are brought at once.
const AT_ONCE: usize = 500;
const PAUSE_FIRST: Duration = Duration::from_millis(10);
const PAUSE_LONGEST: Duration = Duration::from_millis(250);

/// An entry: its id, and the value of its only field.
pub type Entry = (String, Vec<u8>);

/// An entry's fields, by name.
type Fields = Vec<(String, Vec<u8>)>;

/// Who is told what the stream holds.
pub trait Follower {
    /// From here on all is told. Called again where the stream began anew.
    fn begin(&self, newest: &str);
    /// What came next, oldest first.
    fn take(&self, entries: Vec<Entry>);
}

/// Follows the stream under `key` for ever, from its end at the first connection on.
pub async fn follow(link: &Link, key: &str, follower: &impl Follower) {
    let (mut at, mut pause) = (None, PAUSE_FIRST);
    loop {
        link.until_up().await;
        let began = at.clone();
        let _lost = follow_once(link, key, follower, &mut at).await;
        pause = if at == began { (pause * 2).min(PAUSE_LONGEST) } else { PAUSE_FIRST };
        sleep(pause).await;
    }
}

async fn follow_once(
    link: &Link,
    key: &str,
    follower: &impl Follower,
    at: &mut Option<String>,
) -> Result<(), RedisError> {
    let mut connection = connect(link).await?;
    let newest = newest(&mut connection, key).await?;
    // A stream that lost its data begins anew, and what was read of the old one is no place in it.
    let mut place = at.take().filter(|at| place_of(at) <= place_of(&newest)).unwrap_or_else(|| {
        follower.begin(&newest);
        newest
    });
    loop {
        *at = Some(place.clone());
        let mut read = redis::cmd("XREAD");
        read.arg("BLOCK").arg(BLOCK_MS).arg("COUNT").arg(AT_ONCE).arg("STREAMS").arg(key).arg(&place);
        let answer = timeout(Duration::from_millis(BLOCK_MS) + PATIENCE, read.query_async(&mut connection));
        let Ok(answer) = answer.await else { return Ok(()) };
        let entries = entries_of(answer?)?;
        if let Some((last, _)) = entries.last() {
            place.clone_from(last);
            follower.take(entries);
        }
    }
}

async fn connect(link: &Link) -> Result<MultiplexedConnection, RedisError> {
    let config =
        AsyncConnectionConfig::new().set_connection_timeout(Some(PATIENCE)).set_response_timeout(None);
    link.client().get_multiplexed_async_connection_with_config(&config).await
}

async fn newest(connection: &mut MultiplexedConnection, key: &str) -> Result<String, RedisError> {
    let mut last = redis::cmd("XREVRANGE");
    last.arg(key).arg("+").arg("-").arg("COUNT").arg(1);
    let Ok(answer) = timeout(PATIENCE, last.query_async::<Value>(connection)).await else {
        return Err(RedisError::from((redis::ErrorKind::Io, "no answer in time")));
    };
    Ok(stream_entries(answer?)?.pop().map_or_else(|| "0-0".to_owned(), |(id, _)| id))
}

/// Ids in the order of the stream.
fn place_of(id: &str) -> Option<(u64, u64)> {
    let (ms, number) = id.split_once('-')?;
    Some((ms.parse().ok()?, number.parse().ok()?))
}

/// What `XREAD` of one stream answers: nothing, or the stream's name and its entries.
fn entries_of(answer: Value) -> Result<Vec<Entry>, RedisError> {
    if answer == Value::Nil {
        return Ok(Vec::new());
    }
    let streams: Vec<(String, Value)> = from_redis_value(answer)?;
    streams.into_iter().next().map_or_else(|| Ok(Vec::new()), |(_, entries)| stream_entries(entries))
}

/// What `XRANGE` answers. One without a field is none of ours.
pub fn stream_entries(answer: Value) -> Result<Vec<Entry>, RedisError> {
    let entries: Vec<(String, Fields)> = from_redis_value(answer)?;
    let entry = |(id, fields): (String, Fields)| Some((id, fields.into_iter().next()?.1));
    Ok(entries.into_iter().filter_map(entry).collect())
}
