//! What comes in, as frames: whole texts, put together under one bound, and the signs of life between them.
//!
//! A frame that is too large is refused by its head, before a byte of it is kept; nothing is kept between frames. Knows
//! nothing of what a text says.

use actix_web::web::{Buf as _, Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;

use crate::http::body::INPUT_MAX_BYTES;
use crate::http::problem::Code;

/// What a frame of control may hold.
const CONTROL_MAX_BYTES: usize = 125;

pub enum Frame {
    Text(String),
    Ping(Bytes),
    Pong,
    /// The other end says good-bye.
    Close,
}

/// The frames of one connection, in order.
pub struct Frames {
    payload: Payload,
    unread: BytesMut,
    /// The beginning of a text that comes in fragments.
    begun: Option<BytesMut>,
}

impl Frames {
    pub fn of(payload: Payload) -> Self {
        Self { payload, unread: BytesMut::new(), begun: None }
    }

    /// The next one. `None`: the other end is gone. Nothing is lost where the future is dropped.
    ///
    /// # Errors
    /// Why the connection has to end.
    pub async fn next(&mut self) -> Result<Option<Frame>, Code> {
        loop {
            if let Some(frame) = self.parse()? {
                return Ok(Some(frame));
            }
            match self.payload.next().await {
                Some(Ok(bytes)) => self.unread.extend_from_slice(&bytes),
                Some(Err(_)) | None => return Ok(None),
            }
        }
    }

    /// A frame out of what was read, where there is a whole one.
    fn parse(&mut self) -> Result<Option<Frame>, Code> {
        while let Some(head) = Head::read(&self.unread)? {
            let begun = self.begun.as_ref().map(BytesMut::len);
            head.check(begun)?;
            if self.unread.len() < head.bytes + head.length {
                return Ok(None);
            }
            self.unread.advance(head.bytes);
            let mut data = self.unread.split_to(head.length);
            if self.unread.is_empty() {
                self.unread = BytesMut::new();
            }
            head.unmask(&mut data);
            if let Some(frame) = self.take(&head, data)? {
                return Ok(Some(frame));
            }
        }
        Ok(None)
    }

    fn take(&mut self, head: &Head, data: BytesMut) -> Result<Option<Frame>, Code> {
        let whole = match head.kind {
            Kind::Close => return Ok(Some(Frame::Close)),
            Kind::Ping => return Ok(Some(Frame::Ping(data.freeze()))),
            Kind::Pong => return Ok(Some(Frame::Pong)),
            Kind::Binary => return Err(Code::BinaryFrame),
            Kind::Text => data,
            Kind::Continuation => {
                let mut begun = self.begun.take().ok_or(Code::BadFrame)?;
                begun.extend_from_slice(&data);
                begun
            }
        };
        if !head.is_last {
            self.begun = Some(whole);
            return Ok(None);
        }
        String::from_utf8(whole.to_vec()).map(|text| Some(Frame::Text(text))).map_err(|_| Code::BadText)
    }
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Kind {
    fn of(bits: u8) -> Option<Self> {
        match bits {
            0 => Some(Self::Continuation),
            1 => Some(Self::Text),
            2 => Some(Self::Binary),
            8 => Some(Self::Close),
            9 => Some(Self::Ping),
            10 => Some(Self::Pong),
            _ => None,
        }
    }

    fn is_control(self) -> bool {
        match self {
            Self::Close | Self::Ping | Self::Pong => true,
            Self::Continuation | Self::Text | Self::Binary => false,
        }
    }
}

/// The head of a frame (RFC 6455, 5.2).
struct Head {
    kind: Kind,
    is_last: bool,
    length: usize,
    mask: [u8; 4],
    /// Of the head itself.
    bytes: usize,
}

impl Head {
    /// `None` where it is not all there yet.
    fn read(bytes: &[u8]) -> Result<Option<Self>, Code> {
        let &[first, second, ..] = bytes else { return Ok(None) };
        let (reserved, is_masked) = (first & 0x70, second & 0x80 != 0);
        if reserved != 0 || !is_masked {
            return Err(Code::BadFrame);
        }
        let kind = Kind::of(first & 0x0f).ok_or(Code::BadFrame)?;
        let behind = &bytes[2..];
        let (length, wide) = match second & 0x7f {
            126 => match behind.first_chunk::<2>() {
                Some(length) => (u64::from(u16::from_be_bytes(*length)), 2),
                None => return Ok(None),
            },
            127 => match behind.first_chunk::<8>() {
                Some(length) => (u64::from_be_bytes(*length), 8),
                None => return Ok(None),
            },
            short => (u64::from(short), 0),
        };
        let length = usize::try_from(length).map_err(|_| Code::BodyTooLarge)?;
        // What is too large is refused as soon as that is known.
        let mask = match behind[wide..].first_chunk::<4>() {
            Some(mask) => *mask,
            None if length <= INPUT_MAX_BYTES => return Ok(None),
            None => [0; 4],
        };
        Ok(Some(Self { kind, is_last: first & 0x80 != 0, length, mask, bytes: 2 + wide + 4 }))
    }

    /// `begun`: how much there is of a text in fragments.
    fn check(&self, begun: Option<usize>) -> Result<(), Code> {
        if self.kind.is_control() {
            let is_sound = self.is_last && self.length <= CONTROL_MAX_BYTES;
            return if is_sound { Ok(()) } else { Err(Code::BadFrame) };
        }
        if self.kind == Kind::Binary {
            return Err(Code::BinaryFrame);
        }
        if (self.kind == Kind::Continuation) != begun.is_some() {
            return Err(Code::BadFrame);
        }
        let is_too_large = self.length > INPUT_MAX_BYTES - begun.unwrap_or(0).min(INPUT_MAX_BYTES);
        if is_too_large { Err(Code::BodyTooLarge) } else { Ok(()) }
    }

    fn unmask(&self, data: &mut [u8]) {
        for (byte, mask) in data.iter_mut().zip(self.mask.iter().cycle()) {
            *byte ^= mask;
        }
    }
}

#[cfg(test)]
mod tests;
