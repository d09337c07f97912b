//! What all servers of a deployment have to agree on.

use redis::{Pipeline, Value};

use super::{Link, LinkError};

/// What stands under a key, if anything does.
pub async fn standing(link: &Link, key: &str) -> Result<Option<String>, LinkError> {
    let mut calls = Pipeline::with_capacity(1);
    calls.cmd("GET").arg(key);
    match link.ask(&calls, &[]).await?.pop() {
        Some(Value::BulkString(bytes)) => Ok(Some(String::from_utf8_lossy(&bytes).into_owned())),
        _ => Ok(None),
    }
}

/// What stands under a key for good: the first who offers a value sets it, and everybody is told the one that stands.
pub async fn agreed(link: &Link, key: &str, offer: &str) -> Result<String, LinkError> {
    let mut calls = Pipeline::with_capacity(2);
    calls.cmd("SET").arg(key).arg(offer).arg("NX").cmd("GET").arg(key);
    match link.ask(&calls, &[]).await?.pop() {
        Some(Value::BulkString(bytes)) => {
            String::from_utf8(bytes).map_err(|_| LinkError::Refused(format!("{key} is no text")))
        }
        _ => Err(LinkError::Refused(format!("{key} holds nothing"))),
    }
}
