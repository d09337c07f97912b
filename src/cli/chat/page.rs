//! What the chat shows, as lines. Pure: no terminal, no network. Plain words and ASCII, so that it can also be heard.

use super::flow::wrap;
use super::wire::{Created, Exchange, Problem, Resource, Session, Turn};

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Tone {
    Plain,
    Dim,
    Strong,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line {
    pub tone: Tone,
    pub text: String,
}

impl Line {
    pub fn plain(text: impl Into<String>) -> Self {
        Self { tone: Tone::Plain, text: text.into() }
    }

    pub fn dim(text: impl Into<String>) -> Self {
        Self { tone: Tone::Dim, text: text.into() }
    }

    pub fn strong(text: impl Into<String>) -> Self {
        Self { tone: Tone::Strong, text: text.into() }
    }
}

pub const PROMPT: &str = "You: ";
pub const PROMPT_GOES_ON: &str = "...  ";
/// Stands before what Attune says.
pub const ATTUNE: &str = "Attune: ";
/// The edge of the box around crisis lines, where the terminal is not narrower.
const EDGE: usize = 60;

const HELP: [&str; 10] = [
    "Write, and press Enter. A line that ends in \\ goes on in the next one. A line without words is not sent; ... stands for silence.",
    "/help: this.",
    "/state: where the conversation stands.",
    "/history 5: the latest exchanges, up to 50.",
    "/stop: end the reply that is coming. Ctrl-C does the same.",
    "/again: send what was not answered once more.",
    "/quit: leave. Ctrl-D and, at the prompt, Ctrl-C do the same.",
    "//text: say something that begins with /.",
    "The chat writes nothing to the disk of this machine; the server keeps the conversation.",
    "If you are in danger, call your local emergency number or a crisis line now.",
];

/// A text in lines of one tone.
pub fn text(tone: Tone, text: &str, width: usize) -> Vec<Line> {
    wrap(text, width, 0).into_iter().map(|text| Line { tone, text }).collect()
}

pub fn help(width: usize) -> Vec<Line> {
    HELP.iter().flat_map(|line| wrap(line, width, 2)).map(Line::plain).collect()
}

/// Before the first word of a new session.
pub fn opening(created: &Created, width: usize) -> Vec<Line> {
    let mut lines = text(Tone::Plain, &created.disclosure.text, width);
    lines.push(Line::plain(""));
    let id = &created.session_id;
    lines.extend(text(
        Tone::Dim,
        &format!("This is session {id}. To come back to it: attune chat {id}"),
        width,
    ));
    if created.status != "active" && !created.status.is_empty() {
        lines.extend(text(Tone::Dim, &format!("It begins {}.", created.status), width));
    }
    lines.extend(text(
        Tone::Dim,
        "Write, and press Enter. /help says what else there is, /quit leaves.",
        width,
    ));
    lines
}

/// On coming back to a session: `latest` are its last exchanges, the newest first.
pub fn resumed(session: &Session, latest: &[Exchange], width: usize) -> Vec<Line> {
    let mut lines =
        text(Tone::Plain, "Welcome back. Attune is a computer program, an AI, and not a person.", width);
    lines.extend(state(session, width));
    if !latest.is_empty() {
        lines.push(Line::plain(""));
        lines.extend(history(latest, width));
    }
    lines
}

/// Where a session stands.
pub fn state(session: &Session, width: usize) -> Vec<Line> {
    let Session { session_id, status, current_substate, step, turn_count, safety_level, .. } = session;
    let kept = match session.remaining_ttl {
        Some(seconds) => format!("kept for {} without a word", span(seconds)),
        None => "kept until the danger is cleared".to_owned(),
    };
    let first =
        format!("Session {session_id}: {status}, {} so far, level {safety_level}.", turns(*turn_count));
    let second =
        format!("Place: {current_substate}, step {step}. Last word: {}.", moment(&session.last_interaction));
    let third = format!("Storage: {}, {kept}.", session.storage);
    [first, second, third].iter().flat_map(|line| text(Tone::Dim, line, width)).collect()
}

fn turns(count: u32) -> String {
    if count == 1 { "1 turn".to_owned() } else { format!("{count} turns") }
}

/// To the minute, where it is written as Attune does.
fn moment(time: &str) -> String {
    match (time.split_at_checked(16), time.ends_with("+00:00")) {
        (Some((minute, _)), true) => format!("{} UTC", minute.replacen('T', " ", 1)),
        (Some(_) | None, _) => time.to_owned(),
    }
}

/// Roughly, in the largest unit that it fills.
fn span(seconds: u64) -> String {
    let (count, unit) = match seconds {
        ..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        172_800.. => (seconds / 86_400, "day"),
    };
    if count == 1 { format!("1 {unit}") } else { format!("{count} {unit}s") }
}

/// Exchanges, which come newest first, in the order in which they were said.
pub fn history(exchanges: &[Exchange], width: usize) -> Vec<Line> {
    let mut lines = Vec::new();
    for exchange in exchanges.iter().rev() {
        lines.push(Line::dim(format!("[turn {}]", exchange.turn)));
        lines.extend(text(Tone::Plain, &format!("{PROMPT}{}", exchange.client_input), width));
        lines.extend(text(Tone::Plain, &format!("{ATTUNE}{}", exchange.therapist_response), width));
    }
    lines
}

/// Behind a reply: crisis lines where there are any, and where the conversation stands. Those that are `known` from the
/// turn before are told in short, so that the box does not push the reply off the screen.
pub fn behind(turn: &Turn, written_to: &str, known: &[Resource], width: usize) -> Vec<Line> {
    let told = &turn.safety.resources;
    let mut lines = if told == known { resources_again(told, width) } else { resources(told, width) };
    if turn.truncated {
        lines.extend(text(Tone::Dim, "[that was long: only its beginning was kept]", width));
    }
    if !turn.session_id.is_empty() && turn.session_id != written_to {
        let id = &turn.session_id;
        let line = format!("[the session had expired; it goes on in another: attune chat {id}]");
        lines.extend(text(Tone::Dim, &line, width));
    }
    lines.extend(text(Tone::Dim, &standing(turn), width));
    lines
}

fn standing(turn: &Turn) -> String {
    let number = turn.turn.map_or("not stored".to_owned(), |number| format!("turn {number}"));
    let mut parts = vec![turn.session_progress.current_substate.clone(), number];
    if !["", "active"].contains(&turn.status.as_str()) {
        parts.push(turn.status.clone());
    }
    if !["", "none"].contains(&turn.safety.level.as_str()) {
        parts.push(format!("level {}", turn.safety.level));
    }
    parts.push(turn.responder.clone());
    parts.retain(|part| !part.is_empty());
    format!("[{}]", parts.join(", "))
}

/// Crisis lines between two edges. The sides are open: a number can be copied, and a voice reads no strokes.
pub fn resources(resources: &[Resource], width: usize) -> Vec<Line> {
    if resources.is_empty() {
        return Vec::new();
    }
    let mut lines = text(Tone::Strong, "You don't have to be alone with this. Somebody listens here:", width);
    for resource in resources {
        lines.push(Line::plain(""));
        lines.extend(entry(resource, width));
    }
    between_edges(lines, width)
}

fn resources_again(resources: &[Resource], width: usize) -> Vec<Line> {
    let Some(first) = resources.first() else { return Vec::new() };
    let ways: Vec<String> = ways(first).collect();
    let line = format!("Somebody listens, still: {}, {}.", first.name, ways.join(", "));
    let mut lines = text(Tone::Strong, &line, width);
    lines.extend(text(Tone::Plain, "/state shows all lines again.", width));
    between_edges(lines, width)
}

fn between_edges(mut lines: Vec<Line>, width: usize) -> Vec<Line> {
    let edge = Line::strong("=".repeat(width.min(EDGE)));
    lines.splice(0..0, [Line::plain(""), edge.clone()]);
    lines.extend([edge, Line::plain("")]);
    lines
}

fn entry(resource: &Resource, width: usize) -> Vec<Line> {
    let name = if resource.hours.is_empty() {
        resource.name.clone()
    } else {
        format!("{} ({})", resource.name, resource.hours)
    };
    let mut lines = text(Tone::Strong, &name, width);
    let ways = ways(resource).flat_map(|way| wrap(&format!("- {way}"), width, 2));
    lines.extend(ways.map(Line::plain));
    lines
}

/// What one can do to be heard there.
fn ways(resource: &Resource) -> impl Iterator<Item = String> {
    let ways = [("call", &resource.call), ("text", &resource.text), ("write at", &resource.chat)];
    ways.into_iter().filter_map(|(way, place)| Some(format!("{way} {}", place.as_ref()?)))
}

/// A refusal, in words for a person, and what can be done.
pub fn problem(problem: &Problem, width: usize) -> Vec<Line> {
    let mut lines = text(Tone::Plain, &problem.message, width);
    if let Some(hint) = hint(problem) {
        lines.extend(text(Tone::Plain, &hint, width));
    }
    // Who stops a reply asked for that, and was not refused.
    if problem.error != STOPPED {
        lines.extend(resources(&problem.resources, width));
        lines.extend(text(Tone::Dim, &format!("[{}]", problem.error), width));
    }
    lines
}

/// The problem of a turn that was stopped before it said anything.
pub const STOPPED: &str = "stopped";

fn hint(problem: &Problem) -> Option<String> {
    const AGAIN: &str = "/again sends the same words.";
    if let Some(seconds) = problem.retry_after_seconds {
        return Some(format!("In {}, {AGAIN}", span(seconds.max(1))));
    }
    let rows = crate::http::problem::Code::ALL.iter().map(|code| code.row());
    let helps = rows.into_iter().any(|row| row.error == problem.error && row.retry);
    helps.then(|| AGAIN.to_owned())
}

/// The turn's end could not be heard.
pub fn lost(width: usize) -> Vec<Line> {
    let line =
        "The connection to the server is lost. /again asks once more, and does not say anything twice.";
    text(Tone::Plain, line, width)
}

pub fn goodbye(id: &str, width: usize) -> Vec<Line> {
    text(Tone::Plain, &format!("Take care. To go on later: attune chat {id}"), width)
}

#[cfg(test)]
#[path = "page_tests.rs"]
mod tests;
