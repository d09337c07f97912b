//! The audit in a store without a server.

use serde_json::Value;

use super::Offline;
use super::credentials::org_of;
use crate::access::Operation;
use crate::audit;
use crate::cli::Failure;
use crate::domain::audit::{Entry, Outcome};
use crate::domain::id::{OrgId, SessionKey};
use crate::http::wire::audit::{AuditBody, VerifiedBody, noted};

/// Who needs no credential, having the store.
pub(super) const OPERATOR: &str = "operator";

impl Offline {
    /// Writes down what is about to be done by whoever has the store itself.
    pub(super) async fn enter(
        &self,
        org: &OrgId,
        operation: Operation,
        on: (Option<&SessionKey>, Option<&str>),
    ) -> Result<(), Failure> {
        let (session, object) = on;
        let entry = Entry {
            at_us: self.clock.now().micros(),
            action: operation.name(),
            outcome: Some(Outcome::Asked),
            role: Some(OPERATOR.to_owned()),
            session: session.map(|session| session.id.to_string()),
            object: object.map(str::to_owned),
            ..Entry::default()
        };
        self.store.enter(org, entry).await.map_err(Failure::of)
    }

    pub async fn audit(&self, from: u64, limit: usize, org: Option<&str>) -> Result<Value, Failure> {
        let org = org_of(org)?;
        let records = self.store.chain(&org, from, limit).await.map_err(Failure::of)?;
        let head = self.store.head(&org).await.map_err(Failure::of)?;
        serde_json::to_value(AuditBody::of(&records, &head)).map_err(Failure::of)
    }

    pub async fn verify_audit(&self, text: Option<&str>, org: Option<&str>) -> Result<Value, Failure> {
        let unfit = || Failure::Said("--noted is a number and a hash, like 12:0a1b".to_owned());
        let noted = text.map(|text| noted(text).ok_or_else(unfit)).transpose()?;
        let found = audit::verify(&*self.store, &self.secret, &org_of(org)?, noted.as_ref()).await;
        serde_json::to_value(VerifiedBody::of(found.map_err(Failure::of)?)).map_err(Failure::of)
    }
}
