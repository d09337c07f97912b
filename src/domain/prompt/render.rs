//! A prompt out of what a turn knows, cut to what a model can read.

use super::tokens;
use super::{Message, Prompts, Role};
use crate::domain::exchange::Exchange;

/// What a reply is to be written from.
#[derive(Clone, Copy)]
pub struct Ask<'a> {
    pub decision: &'a str,
    /// The script's own wording, with nothing of the client in it.
    pub draft: &'a str,
    pub examples: &'a [Example<'a>],
    /// The latest exchanges, oldest first.
    pub recent: &'a [Exchange],
    /// What the client said now.
    pub text: &'a str,
    pub canary: &'a str,
}

/// How somebody invented was answered.
#[derive(Debug, Clone, Copy)]
pub struct Example<'a> {
    pub client: &'a str,
    pub therapist: &'a str,
}

/// How much fits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Budget {
    /// The model's whole context, in tokens.
    pub context_tokens: u32,
    /// What of it is left for the reply.
    pub reply_tokens: u32,
}

/// A prompt that fits its budget by a careful estimate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Prompt {
    pub messages: Vec<Message>,
    /// How many of the examples are in it, from the first on.
    pub examples_seen: usize,
    /// How many of the recent exchanges are in it.
    pub exchanges_seen: u32,
    /// The estimate, on the high side.
    pub tokens: u32,
    /// Whether an exchange, an example or a part of the client's text had to be left out.
    pub truncated: bool,
}

impl Prompts {
    /// The prompt for a reply; `None` where the decision is left to the script.
    ///
    /// The system's message is always whole. What does not fit is left out in this order: the oldest exchanges, the
    /// last examples, the middle of the client's text.
    #[must_use]
    pub fn reply(&self, ask: &Ask<'_>, budget: Budget) -> Option<Prompt> {
        let task = self.tasks.get(ask.decision)?;
        let room = budget.context_tokens.saturating_sub(budget.reply_tokens);
        let bare = self.system(task, ask, &[]);
        let bare_tokens = tokens::of_message(&bare);
        let text = cut_middle(ask.text, room.saturating_sub(bare_tokens));
        let text_tokens = tokens::of_message(&text);
        let mut left = room.saturating_sub(bare_tokens + text_tokens);
        let examples = fitting(ask.examples.iter().map(|example| tokens::of_text(&line(example))), &mut left);
        let newest_first = ask.recent.iter().rev().map(of_exchange);
        let seen = fitting(newest_first, &mut left);
        let system = self.system(task, ask, ask.examples.get(..examples).unwrap_or_default());
        let recent = ask.recent.get(ask.recent.len() - seen..).unwrap_or_default();
        Some(Prompt {
            examples_seen: examples,
            exchanges_seen: u32::try_from(seen).unwrap_or(u32::MAX),
            tokens: room - left,
            truncated: seen < ask.recent.len()
                || examples < ask.examples.len()
                || text.len() < ask.text.len(),
            messages: messages(system, recent, &text),
        })
    }

    /// The messages for an open choice: Attune's last words, the client's answer, and a closed list.
    #[must_use]
    pub fn choice<'a>(
        &self,
        options: impl Iterator<Item = (&'a str, &'a str)>,
        recent: &[Exchange],
        text: &str,
        canary: &str,
        budget: Budget,
    ) -> Vec<Message> {
        let options: Vec<String> = options.map(|(name, meaning)| format!("- {name}: {meaning}")).collect();
        let system = self.choose.replace("{options}", &options.join("\n")).replace("{canary}", canary);
        let last = recent.last().map(|last| last.therapist_response.as_str());
        let asked = last.map_or(0, tokens::of_message);
        let taken = tokens::of_message(&system) + asked + budget.reply_tokens;
        let text = cut_middle(text, budget.context_tokens.saturating_sub(taken));
        let message = |role, text| Message { role, text };
        [message(Role::System, system)]
            .into_iter()
            .chain(last.map(|last| message(Role::Assistant, last.to_owned())))
            .chain([message(Role::User, text)])
            .collect()
    }

    fn system(&self, task: &str, ask: &Ask<'_>, examples: &[Example<'_>]) -> String {
        let lines: String = examples.iter().map(line).collect();
        let examples = if lines.is_empty() {
            String::new()
        } else {
            format!("Replies to others at this point:\n{lines}")
        };
        self.system
            .replace("{canary}", ask.canary)
            .replace("{task}", task)
            .replace("{draft}", ask.draft)
            .replace("{examples}", &examples)
    }
}

fn line(example: &Example<'_>) -> String {
    format!("- somebody said: \"{}\" and was answered: \"{}\"\n", example.client, example.therapist)
}

fn of_exchange(exchange: &Exchange) -> u32 {
    tokens::of_message(&exchange.client_input) + tokens::of_message(&exchange.therapist_response)
}

/// How many of these costs, from the first on, fit into what is left; takes them off it.
fn fitting(costs: impl Iterator<Item = u32>, left: &mut u32) -> usize {
    let mut count = 0;
    for cost in costs {
        let Some(rest) = left.checked_sub(cost) else { break };
        (*left, count) = (rest, count + 1);
    }
    count
}

fn messages(system: String, recent: &[Exchange], text: &str) -> Vec<Message> {
    let mut messages = Vec::with_capacity(recent.len() * 2 + 2);
    messages.push(Message { role: Role::System, text: system });
    for exchange in recent {
        messages.push(Message { role: Role::User, text: said(&exchange.client_input) });
        messages.push(Message { role: Role::Assistant, text: exchange.therapist_response.clone() });
    }
    messages.push(Message { role: Role::User, text: said(text) });
    messages
}

/// Some servers refuse a message without a word.
fn said(text: &str) -> String {
    if text.trim().is_empty() { "(silence)".to_owned() } else { text.to_owned() }
}

const GAP: &str = " [...] ";

/// The text, or its beginning and its end where it has more tokens than that.
fn cut_middle(text: &str, tokens_max: u32) -> String {
    if tokens::of_message(text) <= tokens_max {
        return text.to_owned();
    }
    let half = tokens_max.saturating_sub(tokens::of_message(GAP)) / 2;
    let (head, tail) = (tokens::head(text, half), tokens::tail(text, half));
    format!("{head}{GAP}{tail}")
}
