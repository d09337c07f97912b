//! Who may call, and how long credentials stand.

use std::time::Duration;

use secrecy::{ExposeSecret as _, SecretString};

use super::reader::Reader;
use crate::access::{Kind, RawCredential};
use crate::domain::id::{ClinicianName, OrgId};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);
const YEAR: Duration = Duration::from_hours(24 * 365);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Auth {
    /// Whoever reaches the server may do everything.
    Open,
    Required,
}

#[derive(Debug)]
pub struct AccessConfig {
    pub auth: Auth,
    /// Whether `ATTUNE_AUTH` was written out. Where it was not, API keys in the store make it required too.
    pub is_written_out: bool,
    /// An admin's key that is stored nowhere, to begin with.
    pub bootstrap_key: Option<RawCredential>,
    pub lifetimes: Lifetimes,
}

/// How long credentials stand.
#[derive(Debug, Clone)]
pub struct Lifetimes {
    pub token: Duration,
    /// Without a use.
    pub token_idle: Duration,
    pub ticket: Duration,
    pub login: Duration,
    /// Without a use.
    pub login_idle: Duration,
}

/// `is_local`: nobody but this machine reaches the address, and no proxy is named that lets others through.
pub(super) fn read(reader: &mut Reader, is_local: bool) -> AccessConfig {
    let chosen = reader.choice("ATTUNE_AUTH", &[("open", Auth::Open), ("required", Auth::Required)]);
    let bootstrap_key = bootstrap_key(reader);
    let unset = if is_local && bootstrap_key.is_none() { Auth::Open } else { Auth::Required };
    AccessConfig {
        auth: chosen.unwrap_or(unset),
        is_written_out: chosen.is_some(),
        bootstrap_key,
        lifetimes: Lifetimes {
            token: reader.duration("TOKEN_TTL", MINUTE..=YEAR).unwrap_or(DAY * 30),
            token_idle: reader.duration("TOKEN_IDLE", MINUTE..=YEAR).unwrap_or(DAY * 7),
            ticket: reader
                .duration("TICKET_TTL", Duration::from_secs(1)..=MINUTE * 10)
                .unwrap_or(Duration::from_secs(30)),
            login: reader.duration("LOGIN_TTL", MINUTE..=DAY * 7).unwrap_or(DAY / 2),
            login_idle: reader.duration("LOGIN_IDLE", MINUTE..=DAY).unwrap_or(MINUTE * 15),
        },
    }
}

/// A clinician's name, as the command line logs in by it.
#[derive(Debug)]
pub struct LoginName {
    /// `None`: the default one.
    pub organisation: Option<String>,
    pub name: String,
    /// `None`: it is asked for.
    pub password: Option<SecretString>,
}

/// `NAME` or `ORGANISATION:NAME`.
pub(super) fn read_login(reader: &mut Reader) -> Option<LoginName> {
    let password = reader.value_or_file("ATTUNE_PASSWORD");
    let text = reader.text("ATTUNE_LOGIN")?;
    let (organisation, name) = match text.split_once(':') {
        Some((organisation, name)) => (Some(organisation.to_owned()), name.to_owned()),
        None => (None, text),
    };
    if organisation.as_ref().is_some_and(|org| OrgId::parse(org.clone()).is_err())
        || ClinicianName::parse(&name).is_err()
    {
        reader.fault("ATTUNE_LOGIN", "a clinician's name, or ORGANISATION:NAME");
    }
    Some(LoginName { organisation, name, password })
}

fn bootstrap_key(reader: &mut Reader) -> Option<RawCredential> {
    let key = reader.value_or_file("ATTUNE_BOOTSTRAP_KEY")?;
    let key = RawCredential::parse(key.expose_secret()).filter(|key| key.kind() == Kind::Key);
    if key.is_none() {
        reader.fault("ATTUNE_BOOTSTRAP_KEY", "a key as `attune keys bootstrap` prints one");
    }
    key
}
