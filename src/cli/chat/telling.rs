//! One turn as it is told, over as many connections as that takes. Gives every delta once.

use std::time::Duration;

use reqwest::Response;

use crate::llm::decode::{Event, Events, Unreadable};

use super::server::{Said, Server, Unanswered};
use super::wire::{Delta, Problem, Turn};

/// How long to wait before each further attempt: seven seconds in all, as a server takes that is started again.
const PAUSES: [Duration; 5] = [
    Duration::from_millis(250),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_millis(3_250),
];

/// What comes next of a turn.
pub enum Heard {
    Delta(String),
    /// The whole turn, last.
    Turn(Box<Turn>),
    /// Last, too.
    Refused(Problem),
    /// The connection was lost, and is tried again.
    Again,
    /// Given up.
    Lost,
}

pub struct Telling {
    server: Server,
    said: Said,
    /// Connections that were lost.
    lost: usize,
    seen: Seen,
    stream: Option<(Response, Events)>,
    is_over: bool,
}

impl Telling {
    pub fn of(server: Server, said: Said) -> Self {
        Self { server, said, lost: 0, seen: Seen::default(), stream: None, is_over: false }
    }

    /// For an unfolded stream, which keeps what is under way when somebody stops waiting for it.
    pub async fn step(mut self) -> Option<(Heard, Self)> {
        if self.is_over {
            return None;
        }
        let heard = match self.hear().await {
            Ok(heard) => heard,
            Err(Unanswered::Refused(problem)) if !self.may_pass(&problem) => Heard::Refused(problem),
            Err(_lost) => self.lose(),
        };
        self.is_over = !matches!(heard, Heard::Delta(_) | Heard::Again);
        Some((heard, self))
    }

    async fn hear(&mut self) -> Result<Heard, Unanswered> {
        loop {
            let Some((response, events)) = &mut self.stream else {
                self.connect().await?;
                continue;
            };
            match events.next_event() {
                Some(Ok(event)) => {
                    if let Some(heard) = self.seen.read(event)? {
                        return Ok(heard);
                    }
                }
                Some(Err(Unreadable)) => return Err(Unanswered::Lost),
                None => match response.chunk().await {
                    Ok(Some(bytes)) => events.push(&bytes),
                    Ok(None) | Err(_) => return Err(Unanswered::Lost),
                },
            }
        }
    }

    /// At once the first time, later after a pause.
    async fn connect(&mut self) -> Result<(), Unanswered> {
        if let Some(pause) = self.lost.checked_sub(1).and_then(|n| PAUSES.get(n)) {
            tokio::time::sleep(*pause).await;
        }
        let response = self.server.say(&self.said, self.seen.id.as_deref()).await?;
        self.stream = Some((response, Events::default()));
        Ok(())
    }

    fn lose(&mut self) -> Heard {
        self.stream = None;
        self.lost += 1;
        if self.lost > PAUSES.len() { Heard::Lost } else { Heard::Again }
    }

    /// Once a connection was lost, or words were heard, only the same key tells what became of the turn, and a server
    /// that comes or goes says for a moment that it cannot.
    fn may_pass(&self, problem: &Problem) -> bool {
        let is_under_way = self.lost > 0 || self.seen.id.is_some();
        let passes = ["busy", "store_unavailable", "shutting_down"].contains(&problem.error.as_str());
        is_under_way && passes && self.lost < PAUSES.len()
    }
}

/// Which events have come.
#[derive(Default)]
struct Seen {
    /// As the server wants to hear it again.
    id: Option<String>,
    latest: Option<(u32, u32)>,
}

impl Seen {
    /// `None`: nothing new.
    fn read(&mut self, event: Event) -> Result<Option<Heard>, Unanswered> {
        let heard = match event.name.as_deref() {
            Some("delta") => {
                let delta: Delta = parse(&event.data)?;
                self.is_new(event.id).then_some(Heard::Delta(delta.text))
            }
            Some("turn") => Some(Heard::Turn(Box::new(parse(&event.data)?))),
            Some("problem") => {
                return Err(Unanswered::Refused(Problem::read(200, None, event.data.as_bytes())));
            }
            // Of a later version.
            _ => None,
        };
        Ok(heard)
    }

    /// A server that cannot go on behind an event begins anew.
    fn is_new(&mut self, id: Option<String>) -> bool {
        let place = id.as_deref().and_then(|id| id.split_once('.'));
        let place = place.and_then(|(turn, seq)| Some((turn.parse().ok()?, seq.parse().ok()?)));
        if let (Some((turn, seq)), Some((latest_turn, latest_seq))) = (place, self.latest)
            && turn == latest_turn
            && seq <= latest_seq
        {
            return false;
        }
        self.latest = place.or(self.latest);
        self.id = id.or_else(|| self.id.take());
        true
    }
}

fn parse<T: serde::de::DeserializeOwned>(data: &str) -> Result<T, Unanswered> {
    serde_json::from_str(data).map_err(|_| Unanswered::Lost)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;

    fn event(name: &str, id: &str, data: &str) -> Event {
        Event { name: Some(name.to_owned()), id: Some(id.to_owned()), data: data.to_owned() }
    }

    fn text(heard: Result<Option<Heard>, Unanswered>) -> Option<String> {
        match heard {
            Ok(Some(Heard::Delta(text))) => Some(text),
            Ok(_) | Err(_) => None,
        }
    }

    #[test]
    fn what_is_told_again_is_not_heard_again() {
        let mut seen = Seen::default();
        let mut hear =
            |id: &str, words: &str| text(seen.read(event("delta", id, &format!("{{\"text\":\"{words}\"}}"))));
        assert_eq!(hear("4.1", "One").as_deref(), Some("One"));
        assert_eq!(hear("4.2", " two").as_deref(), Some(" two"));
        assert_eq!(hear("4.1", "One"), None);
        assert_eq!(hear("4.2", " two"), None);
        assert_eq!(hear("4.3", " three").as_deref(), Some(" three"));
        assert_eq!(hear("5.1", "Next").as_deref(), Some("Next"), "another turn counts anew");
        assert_eq!(seen.id.as_deref(), Some("5.1"));
    }

    #[test]
    fn what_nobody_knows_is_passed_over_and_what_is_broken_counts_as_lost() {
        let mut seen = Seen::default();
        assert!(matches!(seen.read(event("later", "1.1", "{}")), Ok(None)));
        assert!(matches!(seen.read(event("delta", "1.1", "{")), Err(Unanswered::Lost)));
        assert!(matches!(seen.read(event("turn", "1.2", "{}")), Err(Unanswered::Lost)));
        assert!(matches!(
            seen.read(event("problem", "1.2", "{\"error\":\"busy\"}")),
            Err(Unanswered::Refused(_))
        ));
        assert!(seen.id.is_none(), "nothing of it was heard");
    }

    fn nowhere() -> Config {
        let url = ("ATTUNE_URL".to_owned(), "http://127.0.0.1:1".to_owned());
        Config::from_variables([url].into()).expect("a sound configuration")
    }

    #[test]
    fn a_server_that_comes_or_goes_is_waited_for_once_a_turn_is_under_way() {
        let server = Server::at(&nowhere()).expect("a client");
        let said = Said { session: "s".to_owned(), text: String::new(), key: "k".to_owned() };
        let mut telling = Telling::of(server, said);
        let away = Problem { error: "store_unavailable".to_owned(), ..Problem::default() };
        let limited = Problem { error: "rate_limited".to_owned(), ..Problem::default() };
        assert!(!telling.may_pass(&away), "the first answer stands");
        assert!(matches!(telling.lose(), Heard::Again));
        assert!(telling.may_pass(&away) && !telling.may_pass(&limited));
        for _ in 1..PAUSES.len() {
            assert!(matches!(telling.lose(), Heard::Again));
        }
        assert!(!telling.may_pass(&away), "in the end it is told");
        assert!(matches!(telling.lose(), Heard::Lost));
    }
}
