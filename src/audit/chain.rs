//! Sealing entries into the chain, and walking it.

use crate::access::{Secret, is_same};
use crate::domain::audit::{Entry, Head, Sealed};
use crate::domain::id::{OrgId, SessionKey};
use crate::store::{Store, StoreError};

/// Records that are looked at together.
const STEP: usize = 1_000;

/// Seals entries behind a head. The new head with them.
pub(super) fn seal(secret: &Secret, org: &OrgId, before: &Head, entries: Vec<String>) -> (Vec<Sealed>, Head) {
    let (mut seq, mut mac) = (before.seq, before.mac.clone());
    let mut sealed = Vec::with_capacity(entries.len());
    for entry in entries {
        seq += 1;
        mac = record_mac(secret, org, seq, &mac, &entry);
        sealed.push(Sealed { seq, entry, mac: mac.clone() });
    }
    let seal = head_seal(secret, org, seq, &mac);
    (sealed, Head { seq, mac, seal })
}

fn record_mac(secret: &Secret, org: &OrgId, seq: u64, before: &str, entry: &str) -> String {
    let parts = [org.as_str().as_bytes(), &seq.to_be_bytes(), before.as_bytes(), entry.as_bytes()];
    secret.audit("record", &parts)
}

fn head_seal(secret: &Secret, org: &OrgId, seq: u64, mac: &str) -> String {
    secret.audit("head", &[org.as_str().as_bytes(), &seq.to_be_bytes(), mac.as_bytes()])
}

/// The first thing that is wrong with a chain.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Broken {
    #[error("record {0} is missing: another one stands in its place")]
    Misplaced(u64),
    #[error("record {0} is not as it was sealed")]
    Changed(u64),
    #[error("records {from} to {to} are missing at the end")]
    Cut { from: u64, to: u64 },
    #[error("record {0} is not the one that was noted, or is missing")]
    Rewound(u64),
    #[error("where the chain ends is not as it was sealed, at record {0}")]
    Head(u64),
}

impl Broken {
    /// The first record that is wrong.
    #[must_use]
    pub const fn record(&self) -> u64 {
        match self {
            Self::Misplaced(seq) | Self::Changed(seq) | Self::Rewound(seq) | Self::Head(seq) => *seq,
            Self::Cut { from, .. } => *from,
        }
    }
}

/// What a walk along the whole chain found.
#[derive(Debug)]
pub struct Verified {
    /// Sound records, from the first.
    pub records: u64,
    /// The hash of the last of them.
    pub mac: String,
    pub broken: Option<Broken>,
}

/// Walks an organisation's chain, and compares it with a record that was noted before, as its number and its hash.
///
/// # Errors
/// The store's. What is wrong with the chain is what was found.
pub async fn verify(
    store: &dyn Store,
    secret: &Secret,
    org: &OrgId,
    noted: Option<&(u64, String)>,
) -> Result<Verified, StoreError> {
    // Read before the chain, which goes on growing.
    let head = store.head(org).await?;
    let mut walk = Walk::new(secret, org);
    let mut broken = None;
    while broken.is_none() && walk.seq < head.seq {
        let most = STEP.min(usize::try_from(head.seq - walk.seq).unwrap_or(STEP));
        let records = store.chain(org, walk.seq + 1, most).await?;
        if records.is_empty() {
            break;
        }
        broken = records.iter().find_map(|sealed| walk.take(sealed, noted).err());
    }
    let (records, mac) = (walk.seq, walk.mac.clone());
    let broken = broken.or_else(|| walk.end(&head, noted).err());
    Ok(Verified { records, mac, broken })
}

/// What the chain holds of a session. Looks through all of it: an export is rare.
///
/// # Errors
/// The store's.
pub async fn of_session(store: &dyn Store, key: &SessionKey) -> Result<Vec<Sealed>, StoreError> {
    let is_its = |sealed: &Sealed| {
        // Few are: most need not be read.
        let entry =
            sealed.entry.contains(key.id.as_str()).then(|| serde_json::from_str::<Entry>(&sealed.entry));
        entry.is_some_and(|entry| entry.is_ok_and(|entry| entry.session.as_deref() == Some(key.id.as_str())))
    };
    let (mut found, mut from) = (Vec::new(), 1);
    loop {
        let records = store.chain(&key.org, from, STEP).await?;
        let (count, last) = (records.len(), records.last().map_or(0, |last| last.seq));
        found.extend(records.into_iter().filter(is_its));
        if count < STEP {
            return Ok(found);
        }
        // Behind the last one, also where one is missing.
        from = (from + count as u64).max(last + 1);
    }
}

/// A walk along a chain, record by record from the first.
struct Walk<'a> {
    secret: &'a Secret,
    org: &'a OrgId,
    seq: u64,
    mac: String,
}

impl<'a> Walk<'a> {
    fn new(secret: &'a Secret, org: &'a OrgId) -> Self {
        Self { secret, org, seq: 0, mac: String::new() }
    }

    /// Takes the next record.
    ///
    /// # Errors
    /// What is wrong with it.
    fn step(&mut self, sealed: &Sealed) -> Result<(), Broken> {
        let seq = self.seq + 1;
        if sealed.seq != seq {
            return Err(Broken::Misplaced(seq));
        }
        let mac = record_mac(self.secret, self.org, seq, &self.mac, &sealed.entry);
        if !is_same(mac.as_bytes(), sealed.mac.as_bytes()) {
            return Err(Broken::Changed(seq));
        }
        (self.seq, self.mac) = (seq, mac);
        Ok(())
    }

    /// The same, and whether it is the one that was noted, where that is its number.
    fn take(&mut self, sealed: &Sealed, noted: Option<&(u64, String)>) -> Result<(), Broken> {
        self.step(sealed)?;
        let is_other = noted.is_some_and(|(seq, mac)| *seq == self.seq && *mac != self.mac);
        if is_other { Err(Broken::Rewound(self.seq)) } else { Ok(()) }
    }

    /// Ends the walk: whether the chain ends where its head says, and reaches what was noted of it before.
    ///
    /// # Errors
    /// What is wrong with the end.
    fn end(self, head: &Head, noted: Option<&(u64, String)>) -> Result<u64, Broken> {
        if let Some((seq, _)) = noted.filter(|(seq, _)| *seq > self.seq) {
            return Err(Broken::Rewound((self.seq + 1).min(*seq)));
        }
        if head.seq > self.seq {
            return Err(Broken::Cut { from: self.seq + 1, to: head.seq });
        }
        let is_sound = head.seq == 0 && head.seal.is_empty()
            || is_same(
                head_seal(self.secret, self.org, head.seq, &head.mac).as_bytes(),
                head.seal.as_bytes(),
            );
        if !is_sound || head.seq < self.seq || head.mac != self.mac {
            return Err(Broken::Head(head.seq));
        }
        Ok(self.seq)
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use secrecy::SecretBox;

    use super::*;

    fn secret() -> Secret {
        Secret::new(Arc::new(SecretBox::new(Box::new([7; 32]))))
    }

    fn chain(count: usize) -> (Vec<Sealed>, Head) {
        let entries = (0..count).map(|n| format!("{{\"at_us\":{n},\"action\":\"x\"}}")).collect();
        seal(&secret(), &OrgId::default(), &Head::default(), entries)
    }

    fn verify(sealed: &[Sealed], head: &Head) -> Result<u64, Broken> {
        let (secret, org) = (secret(), OrgId::default());
        let mut walk = Walk::new(&secret, &org);
        sealed.iter().try_for_each(|sealed| walk.step(sealed))?;
        walk.end(head, None)
    }

    #[test]
    fn a_chain_that_nobody_touched_is_whole_also_where_it_was_sealed_piece_by_piece() {
        let (sealed, head) = chain(9);
        assert_eq!(verify(&sealed, &head), Ok(9));
        let (more, longer) = seal(&secret(), &OrgId::default(), &head, vec!["{}".to_owned()]);
        assert_eq!(verify(&[sealed, more].concat(), &longer), Ok(10));
        assert_eq!(verify(&[], &Head::default()), Ok(0));
    }

    #[test]
    fn the_first_record_that_was_flipped_removed_swapped_or_cut_off_is_named() {
        let (sealed, head) = chain(9);
        let mut flipped = sealed.clone();
        flipped[4].entry = flipped[4].entry.replace("\"x\"", "\"y\"");
        assert_eq!(verify(&flipped, &head), Err(Broken::Changed(5)));
        let mut renumbered = sealed.clone();
        renumbered.remove(2);
        assert_eq!(verify(&renumbered, &head), Err(Broken::Misplaced(3)));
        renumbered.iter_mut().skip(2).for_each(|sealed| sealed.seq -= 1);
        assert_eq!(verify(&renumbered, &head), Err(Broken::Changed(3)), "with numbers put right");
        let mut swapped = sealed.clone();
        swapped.swap(6, 7);
        assert_eq!(verify(&swapped, &head), Err(Broken::Misplaced(7)));
        assert_eq!(verify(&sealed[..6], &head), Err(Broken::Cut { from: 7, to: 9 }));
        let shorter = Head { seq: 6, mac: sealed[5].mac.clone(), ..head.clone() };
        assert_eq!(verify(&sealed[..6], &shorter), Err(Broken::Head(6)), "the seal does not fit");
        let lost = Head::default();
        assert_eq!(verify(&sealed, &lost), Err(Broken::Head(0)));
    }

    #[test]
    fn a_tail_that_was_cut_off_with_its_old_head_is_missed_by_who_noted_the_newer() {
        let (sealed, head) = chain(9);
        let (earlier, old) = chain(6);
        assert_eq!(verify(&earlier, &old), Ok(6), "nothing in the store tells");
        let (secret, org) = (secret(), OrgId::default());
        let mut walk = Walk::new(&secret, &org);
        earlier.iter().try_for_each(|sealed| walk.step(sealed)).expect("each is sound");
        assert_eq!(walk.end(&old, Some(&(head.seq, head.mac))), Err(Broken::Rewound(7)));
        assert_eq!(sealed.len(), 9);
    }

    #[test]
    fn anothers_chain_is_no_ones_own() {
        let (sealed, head) = chain(2);
        let (secret, org) = (secret(), OrgId::parse("clinic").expect("an id"));
        let mut walk = Walk::new(&secret, &org);
        assert_eq!(walk.step(&sealed[0]), Err(Broken::Changed(1)));
        assert!(walk.end(&head, None).is_err());
    }
}
