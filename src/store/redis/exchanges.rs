//! Exchanges as they lie in Redis, where other programs write them with fewer fields and without numbers.

use serde_json::{Map, Value};

use crate::domain::exchange::{Exchange, Responder};
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;

/// Reads entries, newest first in and out. What is no exchange is passed over.
///
/// An entry keeps its own number where that is above the one before it, and has the next one else; the first numbers
/// are those that lead up to the first own one, or to `turn_count`, the number of turns that the session counts.
pub(super) fn decode(raw: &[String], turn_count: u32) -> Vec<Exchange> {
    let mut exchanges: Vec<Exchange> = raw.iter().rev().filter_map(|entry| read(entry)).collect();
    let mut number = before_first(&exchanges, turn_count);
    for exchange in &mut exchanges {
        number = if exchange.turn > number { exchange.turn } else { number.saturating_add(1) };
        exchange.turn = number;
    }
    exchanges.reverse();
    exchanges
}

/// How many turns there are, with those that another program wrote and did not count. `exchanges` are newest first.
pub(super) fn counted(exchanges: &[Exchange], turn_count: u32) -> u32 {
    exchanges.first().map_or(turn_count, |newest| turn_count.max(newest.turn))
}

/// The number before that of the oldest.
fn before_first(oldest_first: &[Exchange], turn_count: u32) -> u32 {
    let known = oldest_first.iter().zip(1..).find(|(exchange, _)| exchange.turn > 0);
    let (number, place) =
        known.map_or((turn_count, number_of(oldest_first.len())), |(exchange, place)| (exchange.turn, place));
    number.saturating_sub(place)
}

fn number_of(count: usize) -> u32 {
    u32::try_from(count).unwrap_or(u32::MAX)
}

/// Number 0 stands for none.
fn read(entry: &str) -> Option<Exchange> {
    if let Ok(own) = serde_json::from_str(entry) {
        return Some(own);
    }
    let Value::Object(fields) = serde_json::from_str(entry).ok()? else { return None };
    let text = |name: &str| text(&fields, name).map(str::to_owned);
    Some(Exchange {
        was_turn: None,
        turn: fields.get("turn").and_then(Value::as_u64).and_then(|turn| turn.try_into().ok()).unwrap_or(0),
        timestamp: text("timestamp").and_then(|at| Timestamp::parse(&at).ok()).unwrap_or_default(),
        client_input: text("client_input").unwrap_or_default(),
        therapist_response: text("therapist_response").unwrap_or_default(),
        navigation_decision: text("navigation_decision").unwrap_or_default(),
        rag_query: text("rag_query"),
        current_substate: text("current_substate").unwrap_or_default(),
        safety_level: text("safety_level").and_then(|level| Level::parse(&level)).unwrap_or_default(),
        responder: responder(&fields),
        told: None,
    })
}

fn text<'a>(fields: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    fields.get(name)?.as_str()
}

fn responder(fields: &Map<String, Value>) -> Responder {
    let known = fields.get("responder").and_then(|name| serde_json::from_value(name.clone()).ok());
    known.unwrap_or(Responder::Scripted)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn foreign(said: &str) -> String {
        format!(
            r#"{{"timestamp":"2025-10-15T09:15:23","client_input":"{said}","therapist_response":"r","navigation_decision":"d"}}"#
        )
    }

    fn numbered(turn: u32) -> String {
        format!(r#"{{"turn":{turn},"client_input":"own"}}"#)
    }

    fn numbers(raw: &[String], turn_count: u32) -> Vec<u32> {
        decode(raw, turn_count).iter().map(|exchange| exchange.turn).collect()
    }

    fn unnumbered(count: usize) -> Vec<String> {
        vec![foreign("x"); count]
    }

    #[test]
    fn what_attune_wrote_is_read_field_by_field() {
        let exchange = Exchange {
            was_turn: None,
            turn: 7,
            timestamp: Timestamp::from_micros(1_760_518_523_000_001),
            client_input: "in".to_owned(),
            therapist_response: "out".to_owned(),
            navigation_decision: "hold".to_owned(),
            rag_query: Some("q".to_owned()),
            current_substate: "1.1".to_owned(),
            safety_level: Level::High,
            responder: Responder::Crisis,
            told: None,
        };
        let raw = serde_json::to_string(&exchange).expect("it has a stored form");
        assert_eq!(decode(&[raw], 7), [exchange]);
    }

    #[test]
    fn what_another_program_left_out_has_defaults() {
        let read = &decode(&[foreign("hello")], 1)[0];
        assert_eq!(Timestamp::parse("2025-10-15T09:15:23+00:00"), Ok(read.timestamp));
        assert_eq!((read.client_input.as_str(), read.therapist_response.as_str()), ("hello", "r"));
        assert_eq!((read.navigation_decision.as_str(), read.current_substate.as_str()), ("d", ""));
        assert_eq!(
            (read.rag_query.as_ref(), read.safety_level, read.responder),
            (None, Level::None, Responder::Scripted)
        );
    }

    #[test]
    fn a_field_of_another_type_counts_as_left_out() {
        let raw = r#"{"turn":"one","client_input":5,"responder":"parrot","safety_level":null,"more":[1]}"#;
        let read = &decode(&[raw.to_owned()], 3)[0];
        assert_eq!((read.turn, read.client_input.as_str(), read.responder), (3, "", Responder::Scripted));
    }

    #[test]
    fn what_is_no_exchange_is_passed_over() {
        let raw = ["not JSON".to_owned(), "[1]".to_owned(), foreign("x"), "7".to_owned()];
        assert_eq!(numbers(&raw, 1), [1]);
    }

    #[test]
    fn entries_without_numbers_end_at_the_turn_count() {
        assert_eq!(numbers(&unnumbered(3), 3), [3, 2, 1]);
        assert_eq!(numbers(&unnumbered(3), 60), [60, 59, 58]);
        assert_eq!(numbers(&unnumbered(3), 0), [3, 2, 1]);
        assert!(numbers(&[], 4).is_empty());
    }

    #[test]
    fn entries_on_top_go_on_from_the_last_number() {
        let raw = [foreign("x"), foreign("x"), numbered(9), numbered(8)];
        assert_eq!(numbers(&raw, 9), [11, 10, 9, 8]);
    }

    #[test]
    fn entries_below_lead_up_to_the_first_number() {
        let raw = [foreign("x"), numbered(12), foreign("x"), foreign("x")];
        assert_eq!(numbers(&raw, 12), [13, 12, 11, 10]);
        let low = [numbered(2), foreign("x"), foreign("x")];
        assert_eq!(numbers(&low, 2), [3, 2, 1], "no number comes twice");
    }

    #[test]
    fn a_number_that_does_not_rise_is_not_believed() {
        assert_eq!(numbers(&[numbered(5), numbered(5), numbered(3)], 5), [6, 5, 3]);
        assert_eq!(numbers(&[numbered(1), numbered(u32::MAX)], 1).len(), 2);
    }

    #[test]
    fn entries_that_nobody_counted_are_counted() {
        let exchanges = decode(&[foreign("x"), numbered(4)], 4);
        assert_eq!(counted(&exchanges, 4), 5);
        assert_eq!(counted(&exchanges, 9), 9);
        assert_eq!(counted(&[], 2), 2);
    }
}
