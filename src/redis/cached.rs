//! Values that may be lost: read when they are there, and gone by themselves.

use std::time::Duration;

use redis::{Pipeline, Value};

use super::{Link, LinkError};

/// What stands under a key, if anything does.
pub async fn cached(link: &Link, key: &str) -> Result<Option<Vec<u8>>, LinkError> {
    let mut calls = Pipeline::with_capacity(1);
    calls.cmd("GET").arg(key);
    match link.ask(&calls, &[]).await?.pop() {
        Some(Value::BulkString(bytes)) => Ok(Some(bytes)),
        _ => Ok(None),
    }
}

/// Puts a value under a key for a time, which Redis takes in whole seconds.
pub async fn cache(link: &Link, key: &str, value: &[u8], ttl: Duration) -> Result<(), LinkError> {
    let mut calls = Pipeline::with_capacity(1);
    calls.cmd("SETEX").arg(key).arg(ttl.as_secs().max(1)).arg(value);
    link.ask(&calls, &[]).await.map(drop)
}
