//! Who hears a session on this server. A room stands while somebody is in it, and is bounded: a slow listener loses the
//! oldest, and is told so.

use std::collections::HashMap;
use std::sync::Arc;

use parking_lot::Mutex;
use tokio::sync::broadcast;

use super::chats::{Heard, Hearing};
use crate::domain::id::{OrgId, SessionKey};

/// What a listener may lag behind.
pub(super) const HEARD_MAX: usize = 64;

struct Room {
    heard: broadcast::Sender<Arc<Heard>>,
    listeners: usize,
}

/// Cheap to clone; all clones are one. A plain mutex: it is held for a look-up, never across an await.
#[derive(Clone, Default)]
pub(super) struct Rooms(Arc<Mutex<HashMap<SessionKey, Room>>>);

impl Rooms {
    /// Enters the room of a session. `beside` is dropped when the listener leaves.
    pub fn hear(&self, session: &SessionKey, beside: impl Send + 'static) -> Hearing {
        let mut rooms = self.0.lock();
        let room = rooms
            .entry(session.clone())
            .or_insert_with(|| Room { heard: broadcast::Sender::new(HEARD_MAX), listeners: 0 });
        room.listeners += 1;
        let heard = room.heard.subscribe();
        let seat = Seat { rooms: self.clone(), session: session.clone() };
        Hearing { heard, guard: Box::new((seat, beside)) }
    }

    /// Tells those who are in the room of a session.
    pub fn tell(&self, session: &SessionKey, heard: Heard) {
        if let Some(room) = self.0.lock().get(session) {
            // Who has just left hears nothing.
            let _unheard = room.heard.send(Arc::new(heard));
        }
    }

    /// Tells everybody of an organisation.
    pub fn tell_all(&self, org: &OrgId, heard: Heard) {
        let heard = Arc::new(heard);
        for (_, room) in self.0.lock().iter().filter(|(session, _)| session.org == *org) {
            let _unheard = room.heard.send(Arc::clone(&heard));
        }
    }

    #[cfg(test)]
    fn len(&self) -> usize {
        self.0.lock().len()
    }
}

struct Seat {
    rooms: Rooms,
    session: SessionKey,
}

impl Drop for Seat {
    fn drop(&mut self) {
        let mut rooms = self.rooms.0.lock();
        let Some(room) = rooms.get_mut(&self.session) else { return };
        room.listeners -= 1;
        if room.listeners == 0 {
            rooms.remove(&self.session);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::id::SessionId;

    #[test]
    fn a_room_stands_while_somebody_is_in_it() {
        let rooms = Rooms::default();
        let key = SessionKey::new(OrgId::default(), SessionId::parse("s").expect("an id"));
        rooms.tell(&key, Heard::Removed);
        let (mut one, two) = (rooms.hear(&key, ()), rooms.hear(&key, ()));
        drop(two);
        assert_eq!(rooms.len(), 1);
        rooms.tell(&key, Heard::Removed);
        assert!(matches!(*one.heard.try_recv().expect("told"), Heard::Removed));
        drop(one);
        assert_eq!(rooms.len(), 0);
    }
}
