//! Ports for servers that go away and come back: a number that stays theirs while they are gone.

use std::net::{TcpListener, UdpSocket};
use std::sync::atomic::{AtomicU16, Ordering};

/// Below what the system hands out by itself, so that no passing connection sits on a port whose server is down.
const FIRST: u16 = 20_000;
const COUNT: u16 = 12_000;

/// A free TCP port, kept from every other test of every process on this machine by holding UDP's port of that number.
pub struct Port {
    pub number: u16,
    _held: UdpSocket,
}

impl Port {
    pub fn free() -> Self {
        static NEXT: AtomicU16 = AtomicU16::new(0);
        let start = u16::try_from(std::process::id() % u32::from(COUNT)).expect("below the count");
        (0..COUNT)
            .find_map(|_| Self::hold(FIRST + start.wrapping_add(NEXT.fetch_add(1, Ordering::SeqCst)) % COUNT))
            .expect("one of so many ports is free")
    }

    fn hold(number: u16) -> Option<Self> {
        let held = UdpSocket::bind(("127.0.0.1", number)).ok()?;
        TcpListener::bind(("127.0.0.1", number)).ok()?;
        Some(Self { number, _held: held })
    }
}
