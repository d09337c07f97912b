//! How many connections there are on this server: in all, of one caller and from one address. Decides who gets in; ends nobody.

use std::collections::HashMap;
use std::hash::Hash;
use std::net::IpAddr;
use std::sync::Arc;

use parking_lot::Mutex;

use crate::config::SocketConfig;
use crate::domain::id::SessionKey;
use crate::http::problem::{Code, Problem};

/// A plain mutex: it is held for a look-up, never across an await.
pub struct Places {
    max: usize,
    per_caller: usize,
    per_address: Option<usize>,
    taken: Mutex<Taken>,
}

#[derive(Default)]
struct Taken {
    all: usize,
    sessions: HashMap<SessionKey, usize>,
    addresses: HashMap<IpAddr, usize>,
}

impl Places {
    pub fn new(config: &SocketConfig) -> Self {
        let SocketConfig { connections_max, per_caller, per_address, .. } = *config;
        Self { max: connections_max, per_caller, per_address, taken: Mutex::default() }
    }

    /// A place until it is dropped.
    ///
    /// # Errors
    /// The problem that refuses it.
    pub fn take(self: &Arc<Self>, session: &SessionKey, address: Option<IpAddr>) -> Result<Place, Problem> {
        let mut taken = self.taken.lock();
        let of_session = taken.sessions.get(session).copied().unwrap_or_default();
        let from = |address| taken.addresses.get(&address).copied().unwrap_or_default();
        let is_crowded = |most| address.is_some_and(|address| from(address) >= most);
        if taken.all >= self.max {
            return Err(full("in all"));
        }
        if of_session >= self.per_caller {
            return Err(full("of this caller"));
        }
        if self.per_address.is_some_and(is_crowded) {
            return Err(full("from this address"));
        }
        taken.all += 1;
        *taken.sessions.entry(session.clone()).or_default() += 1;
        if let Some(address) = address {
            *taken.addresses.entry(address).or_default() += 1;
        }
        Ok(Place { places: Arc::clone(self), session: session.clone(), address, is_left: false })
    }

    pub fn taken(&self) -> usize {
        self.taken.lock().all
    }
}

fn full(where_: &str) -> Problem {
    let wait = std::time::Duration::from_secs(1);
    Problem::new(Code::ConnectionsFull, format!("too many connections {where_}")).retry_after(wait)
}

/// Of one connection.
pub struct Place {
    places: Arc<Places>,
    session: SessionKey,
    address: Option<IpAddr>,
    is_left: bool,
}

impl Place {
    /// Whether no other connection of this server is in the session.
    pub fn is_alone(&self) -> bool {
        self.places.taken.lock().sessions.get(&self.session) == Some(&1)
    }

    /// Gives the place back, once. True where no other connection of this server is left in the session.
    pub fn leave(&mut self) -> bool {
        if std::mem::replace(&mut self.is_left, true) {
            return false;
        }
        let mut taken = self.places.taken.lock();
        taken.all -= 1;
        if let Some(address) = &self.address {
            leave(&mut taken.addresses, address);
        }
        leave(&mut taken.sessions, &self.session)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.leave();
    }
}

/// True where that was the last.
fn leave<K: Hash + Eq>(counts: &mut HashMap<K, usize>, key: &K) -> bool {
    let Some(count) = counts.get_mut(key) else { return false };
    *count -= 1;
    let is_last = *count == 0;
    if is_last {
        counts.remove(key);
    }
    is_last
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::{OrgId, SessionId};

    fn key(id: &str) -> SessionKey {
        SessionKey::new(OrgId::default(), SessionId::parse(id).expect("an id"))
    }

    fn places(max: usize, per_caller: usize, per_address: usize) -> Arc<Places> {
        let per_address = Some(per_address);
        Arc::new(Places { max, per_caller, per_address, taken: Mutex::default() })
    }

    #[test]
    fn each_limit_refuses_by_itself_and_a_place_that_is_left_is_free_again() {
        let here = Some(IpAddr::from([127, 0, 0, 1]));
        for (places, other, address) in
            [(places(1, 9, 9), "b", None), (places(9, 1, 9), "a", None), (places(9, 9, 1), "b", here)]
        {
            let first = places.take(&key("a"), here).expect("free");
            assert!(first.is_alone());
            let refused = places.take(&key(other), address).err().map(|problem| problem.code);
            assert_eq!(refused, Some(Code::ConnectionsFull));
            drop(first);
            drop(places.take(&key(other), address).expect("free again"));
            let taken = places.taken.lock();
            assert!(taken.all == 0 && taken.sessions.is_empty() && taken.addresses.is_empty());
        }
    }
}
