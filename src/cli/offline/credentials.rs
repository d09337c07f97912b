//! Keys and clinicians in a store without a server.

use secrecy::ExposeSecret as _;
use serde_json::{Value, json};

use super::Offline;
use crate::access::{Kind, Operation, PasswordHash, RawCredential, make_password};
use crate::cli::Failure;
use crate::domain::id::{ClinicianName, OrgId};
use crate::http::problem::FieldError;
use crate::http::wire::clinicians::{AddClinicianBody, AddedClinicianBody, ClinicianBody};
use crate::http::wire::credentials::{CreateKeyBody, KeyBody, NewKeyBody};
use crate::store::{Clinician, Holder};

impl Offline {
    pub async fn create_key(&self, asked: &Value) -> Result<Value, Failure> {
        let asked: CreateKeyBody = serde_json::from_value(asked.clone()).map_err(Failure::of)?;
        let org = org_of(asked.organisation.as_deref())?;
        let key = asked.credential(org, self.entropy.hex_id(), self.clock.now()).map_err(fault)?;
        let raw = RawCredential::make(Kind::Key, &self.entropy);
        let made = NewKeyBody::of(&raw, &key);
        self.enter(&key.org, Operation::CreateKey, (None, Some(&key.id))).await?;
        self.store.issue(raw.hash(), key).await.map_err(Failure::of)?;
        serde_json::to_value(made).map_err(Failure::of)
    }

    pub async fn keys(&self, org: Option<&str>) -> Result<Value, Failure> {
        let org = org_of(org)?;
        self.enter(&org, Operation::ListKeys, (None, None)).await?;
        let keys = self.store.credentials(Holder::Keys(org)).await.map_err(Failure::of)?;
        Ok(json!({ "keys": keys.iter().map(KeyBody::of).collect::<Vec<_>>() }))
    }

    pub async fn revoke_key(&self, id: &str, org: Option<&str>) -> Result<Option<Value>, Failure> {
        let org = org_of(org)?;
        self.enter(&org, Operation::RevokeKey, (None, Some(id))).await?;
        let revoked = self.store.revoke(Holder::Keys(org), Some(id.to_owned())).await;
        let revoked = revoked.map_err(Failure::of)?;
        Ok((revoked > 0).then(|| json!({ "revoked": revoked })))
    }

    pub async fn add_clinician(&self, asked: &Value) -> Result<Value, Failure> {
        let asked: AddClinicianBody = serde_json::from_value(asked.clone()).map_err(Failure::of)?;
        let (name, role) = asked.checked().map_err(fault)?;
        let password = make_password(&self.entropy);
        let clinician = Clinician {
            org: org_of(asked.organisation.as_deref())?,
            name,
            role,
            password: PasswordHash::of(&password, &self.entropy),
            made_at: self.clock.now(),
        };
        let about = ClinicianBody::of(&clinician);
        self.enter(&clinician.org, Operation::AddClinician, (None, Some(&about.name))).await?;
        if !self.store.add_clinician(clinician).await.map_err(Failure::of)? {
            return Err(Failure::Said(format!("somebody is called {} already", about.name)));
        }
        let password = Some(password.expose_secret().to_owned());
        serde_json::to_value(AddedClinicianBody { password, about }).map_err(Failure::of)
    }

    pub async fn clinicians(&self, org: Option<&str>) -> Result<Value, Failure> {
        let org = org_of(org)?;
        self.enter(&org, Operation::ListClinicians, (None, None)).await?;
        let clinicians = self.store.clinicians(&org).await.map_err(Failure::of)?;
        Ok(json!({ "clinicians": clinicians.iter().map(ClinicianBody::of).collect::<Vec<_>>() }))
    }

    pub async fn reset_clinician(&self, name: &str, org: Option<&str>) -> Result<Option<Value>, Failure> {
        let (org, name) = (org_of(org)?, named(name)?);
        self.enter(&org, Operation::ResetClinician, (None, Some(name.as_str()))).await?;
        let password = make_password(&self.entropy);
        let hash = PasswordHash::of(&password, &self.entropy);
        let is_there = self.store.set_password(&org, &name, hash).await.map_err(Failure::of)?;
        Ok(is_there.then(|| json!({ "name": name, "password": password.expose_secret() })))
    }

    pub async fn remove_clinician(&self, name: &str, org: Option<&str>) -> Result<Option<Value>, Failure> {
        let (org, name) = (org_of(org)?, named(name)?);
        self.enter(&org, Operation::RemoveClinician, (None, Some(name.as_str()))).await?;
        let is_there = self.store.remove_clinician(&org, &name).await.map_err(Failure::of)?;
        Ok(is_there.then(|| json!({ "removed": true })))
    }
}

#[expect(clippy::needless_pass_by_value, reason = "stands behind map_err")]
pub(super) fn fault(fault: FieldError) -> Failure {
    Failure::Said(format!("{} {}", fault.field, fault.message))
}

pub(super) fn org_of(named: Option<&str>) -> Result<OrgId, Failure> {
    named.map_or_else(|| Ok(OrgId::default()), |org| OrgId::parse(org).map_err(Failure::of))
}

fn named(name: &str) -> Result<ClinicianName, Failure> {
    ClinicianName::parse(name).map_err(|error| Failure::Said(format!("a clinician's name {error}")))
}
