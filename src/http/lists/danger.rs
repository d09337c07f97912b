//! Sessions with the most danger first: one level after the other, the highest first, in each the latest.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::domain::safety::Level;
use crate::http::wire::cursor::{decode_cursor, encode_cursor};
use crate::store::{Cursor, ListPage, ListQuery, Store, StoreError};

/// Where a page begins: behind a row of a level, or at the level's first.
pub struct Place {
    level: Level,
    behind: Option<Cursor>,
}

impl Place {
    fn encode(&self) -> String {
        let behind = self.behind.as_ref().map(encode_cursor).unwrap_or_default();
        URL_SAFE_NO_PAD.encode(format!("{} {behind}", self.level.as_str()))
    }

    pub fn decode(text: &str) -> Option<Self> {
        let decoded = String::from_utf8(URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let (level, behind) = decoded.split_once(' ')?;
        let behind = if behind.is_empty() { None } else { Some(decode_cursor(behind)?) };
        Some(Self { level: Level::parse(level)?, behind })
    }
}

/// A page, and the cursor of the next.
pub async fn page(
    store: &dyn Store,
    query: ListQuery,
    place: Option<Place>,
) -> Result<(ListPage, Option<String>), StoreError> {
    let highest = query.level.unwrap_or(Level::Crisis);
    let mut place = place.unwrap_or(Place { level: highest, behind: None });
    // The total is of all levels, and one row costs least.
    let mut all = store.list(ListQuery { limit: 1, ..query.clone() }).await?;
    all.rows.clear();
    loop {
        let left = query.limit - all.rows.len();
        if left == 0 {
            return Ok((all, Some(place.encode())));
        }
        let of_level =
            ListQuery { level: Some(place.level), limit: left, cursor: place.behind.take(), ..query.clone() };
        let found = store.list(of_level).await?;
        all.rows.extend(found.rows);
        if found.next.is_some() {
            place.behind = found.next;
            return Ok((all, Some(place.encode())));
        }
        match below(place.level).filter(|_| query.level.is_none()) {
            Some(level) => place.level = level,
            None => return Ok((all, None)),
        }
    }
}

const fn below(level: Level) -> Option<Level> {
    match level {
        Level::Crisis => Some(Level::High),
        Level::High => Some(Level::Elevated),
        Level::Elevated => Some(Level::None),
        Level::None => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_survives_the_way_out_and_back() {
        let cursor = decode_cursor("MTIzIHMuMg").expect("a cursor");
        for behind in [None, Some(cursor)] {
            let place = Place { level: Level::High, behind: behind.clone() };
            let back = Place::decode(&place.encode()).expect("its own form");
            assert_eq!((back.level, back.behind), (Level::High, behind));
        }
        for bad in ["", "!!", "aGlnaA", "eCA"] {
            assert!(Place::decode(bad).is_none(), "{bad}");
        }
    }
}
