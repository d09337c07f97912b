//! A place in a list of sessions, as a page's end tells it and the next page is asked for. Opaque to callers.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::id::SessionId;
use crate::domain::time::Timestamp;
use crate::store::Cursor;

pub fn encode_cursor(cursor: &Cursor) -> String {
    URL_SAFE_NO_PAD.encode(format!("{} {}", cursor.last_interaction.micros(), cursor.id))
}

pub fn decode_cursor(text: &str) -> Option<Cursor> {
    let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
    let (micros, id) = decoded.split_once(' ')?;
    Some(Cursor {
        last_interaction: Timestamp::from_micros(micros.parse().ok()?),
        id: SessionId::parse(id).ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_survives_the_way_out_and_back() {
        let id = SessionId::parse("a.b-c@d_E.2").expect("a plain id");
        let cursor = Cursor { last_interaction: Timestamp::from_micros(-5), id };
        assert_eq!(decode_cursor(&encode_cursor(&cursor)), Some(cursor));
        for bad in ["", "!!", "AAAA", "Kio"] {
            assert_eq!(decode_cursor(bad), None, "{bad}");
        }
    }
}
