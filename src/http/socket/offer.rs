//! What a client offers when it connects: dialects, and a ticket where it can set no header.

use actix_web::http::header::{HeaderMap, SEC_WEBSOCKET_PROTOCOL};

use crate::access::{Kind, RawCredential};
use crate::http::credentials::refused;
use crate::http::problem::Problem;

pub const TYPED: &str = "attune.v1";
pub const PLAIN: &str = "attune.plain";
const TICKET: &str = "ticket.";

/// How one talks over a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dialect {
    /// Bare text in, as clients from before speak.
    Plain,
    /// JSON both ways.
    Typed,
}

fn offered(headers: &HeaderMap) -> impl Iterator<Item = &str> {
    let lines = headers.get_all(SEC_WEBSOCKET_PROTOCOL).filter_map(|line| line.to_str().ok());
    lines.flat_map(|line| line.split(',')).map(str::trim)
}

/// The first dialect that is offered, which is the one that the library selects.
///
/// # Errors
/// Where there is a ticket and no dialect beside it: a browser wants one of its offers selected, and a ticket never is.
pub fn dialect(headers: &HeaderMap) -> Result<Dialect, Problem> {
    let known = offered(headers).find_map(|name| match name {
        TYPED => Some(Dialect::Typed),
        PLAIN => Some(Dialect::Plain),
        _ => None,
    });
    let has_ticket = offered(headers).any(|name| name.starts_with(TICKET));
    match known {
        None if has_ticket => Err(Problem::invalid(
            "Sec-WebSocket-Protocol",
            format!("a ticket is offered beside {TYPED} or {PLAIN}"),
        )),
        known => Ok(known.unwrap_or(Dialect::Plain)),
    }
}

/// The ticket among the offers.
///
/// # Errors
/// Where it cannot be one, or there are several.
pub fn ticket(headers: &HeaderMap) -> Result<Option<RawCredential>, Problem> {
    let mut tickets = offered(headers).filter_map(|name| name.strip_prefix(TICKET));
    let Some(ticket) = tickets.next() else { return Ok(None) };
    let ticket = RawCredential::parse(ticket).filter(|raw| raw.kind() == Kind::Ticket);
    if tickets.next().is_some() { Err(refused()) } else { ticket.map(Some).ok_or_else(refused) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::Entropy;
    use actix_web::http::header::HeaderValue;

    fn headers(lines: &[&str]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(SEC_WEBSOCKET_PROTOCOL, HeaderValue::from_str(line).expect("plain"));
        }
        headers
    }

    #[test]
    fn the_first_known_dialect_counts_and_without_one_it_is_plain() {
        for (lines, expected) in [
            (&[][..], Dialect::Plain),
            (&["chat"], Dialect::Plain),
            (&["other, attune.v1, attune.plain"], Dialect::Typed),
            (&["attune.plain", "attune.v1"], Dialect::Plain),
        ] {
            assert_eq!(dialect(&headers(lines)).ok(), Some(expected), "{lines:?}");
        }
    }

    #[test]
    fn a_ticket_stands_beside_a_dialect_and_is_one_alone() {
        let raw = RawCredential::make(Kind::Ticket, &Entropy::seeded(1));
        let offer = format!("ticket.{}", raw.expose());
        assert!(dialect(&headers(&[&offer])).is_err());
        let beside = headers(&["attune.v1", &offer]);
        assert!(dialect(&beside).is_ok());
        assert!(ticket(&beside).is_ok_and(|found| found.is_some_and(|found| found.hash().is(&raw.hash()))));
        assert!(ticket(&headers(&["attune.v1"])).is_ok_and(|none| none.is_none()));
        let token = RawCredential::make(Kind::Session, &Entropy::seeded(1));
        for bad in
            [&[offer.as_str(), offer.as_str()][..], &["ticket.x"], &[&format!("ticket.{}", token.expose())]]
        {
            assert!(ticket(&headers(bad)).is_err(), "{bad:?}");
        }
    }
}
