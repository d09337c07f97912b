//! Rights in a store without a server.

use serde_json::{Value, json};

use super::audit::OPERATOR;
use super::credentials::{fault, org_of};
use super::{Offline, key};
use crate::access::Operation;
use crate::cli::Failure;
use crate::domain::audit::Entry;
use crate::http::wire::cursor::decode_cursor;
use crate::http::wire::rights::{ExportBody, PurgeBody, PurgedBody};
use crate::rights::{self, Purge};

impl Offline {
    pub async fn export(&self, id: &str) -> Result<Option<Value>, Failure> {
        let key = key(id)?;
        self.enter(&key.org, Operation::Export, (Some(&key), None)).await?;
        let held = rights::gather(&*self.store, &key).await.map_err(Failure::of)?;
        let body = held.map(|held| ExportBody::of(held, &self.knowledge, self.storage(), self.clock.now()));
        body.map(|body| serde_json::to_value(body).map_err(Failure::of)).transpose()
    }

    pub async fn erase(&self, id: &str) -> Result<Option<Value>, Failure> {
        let key = key(id)?;
        self.enter(&key.org, Operation::Erase, (Some(&key), None)).await?;
        let receipt = self.store.delete(&key).await.map_err(Failure::of)?;
        Ok(receipt.map(|receipt| json!({ "message": format!("Session {id} deleted"), "receipt": receipt })))
    }

    pub async fn purge(&self, asked: Value) -> Result<Value, Failure> {
        let asked: PurgeBody = serde_json::from_value(asked).map_err(Failure::of)?;
        let org = org_of(asked.organisation.as_deref())?;
        self.enter(&org, Operation::Purge, (None, None)).await?;
        let purge = Purge {
            org,
            before: asked.before(self.clock.now()).map_err(fault)?,
            is_trial: asked.dry_run,
            after: asked.cursor.as_deref().and_then(decode_cursor),
            by: Entry {
                action: Operation::Erase.name(),
                role: Some(OPERATOR.to_owned()),
                ..Entry::default()
            },
        };
        let purged = rights::purge(&*self.store, &*self.clock, &purge).await.map_err(Failure::of)?;
        serde_json::to_value(PurgedBody::of(purged, asked.dry_run)).map_err(Failure::of)
    }
}
