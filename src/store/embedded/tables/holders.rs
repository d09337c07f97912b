//! The keys of what belongs to somebody: credentials, and whose a gone session was.

use super::{joined, memory, of_client, session};
use crate::access::CredentialHash;
use crate::domain::id::{ClientKey, ClinicianName, OrgId, SessionKey};
use crate::store::Holder;

/// Stands before the API keys of every organisation.
pub const KEYS_OF_ALL: &[u8] = b"k";

/// Tells whose a gone session was.
pub fn former(key: &SessionKey) -> Vec<u8> {
    joined(&[b"s", &session(key)])
}

/// Stands before the gone sessions of a client.
pub fn of_former(client: &ClientKey) -> Vec<u8> {
    joined(&[b"c", &of_client(memory(client))])
}

pub fn credential(hash: CredentialHash) -> Vec<u8> {
    joined(&[b"h", &hash.0])
}

/// Stands before the ids of a holder's credentials.
pub fn of_holder(holder: &Holder) -> Vec<u8> {
    match holder {
        Holder::Keys(org) => joined(&[KEYS_OF_ALL, org.as_str().as_bytes(), b"\0"]),
        Holder::Session(key) => joined(&[b"s", &session(key), b"\0"]),
        Holder::Clinician(org, name) => {
            joined(&[b"l", org.as_str().as_bytes(), b"\0", name.as_str().as_bytes(), b"\0"])
        }
    }
}

/// Stands before the names of an organisation's clinicians.
pub fn of_clinicians(org: &OrgId) -> Vec<u8> {
    joined(&[b"p", org.as_str().as_bytes(), b"\0"])
}

pub fn clinician(org: &OrgId, name: &ClinicianName) -> Vec<u8> {
    joined(&[&of_clinicians(org), name.as_str().as_bytes()])
}

pub fn held(holder: &Holder, id: &str) -> Vec<u8> {
    joined(&[&of_holder(holder), id.as_bytes()])
}
