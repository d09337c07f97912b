//! What the model answers, before it is put into the form of an API: thoughts, words, and the numbers about them.

use std::time::Duration;

use super::asked::{Asked, tokens};
use super::fault::Fault;
use super::script::{Pieces, Reply, Script};

/// Characters that count as a token.
const TOKEN_CHARS: usize = 4;

const THOUGHT: &str = "They tell me how it is for them. I should stay with the feeling and ask one thing.";

/// The fake's own words.
const GENTLE: [&str; 12] = [
    "Thank you for telling me that. What do you notice in your body as you say it?",
    "That sounds like a lot to carry. Which part of it weighs the most right now?",
    "I'm glad you put it into words. Where do you feel it, if you stay with it for a moment?",
    "Let's take this slowly. What happened just before that feeling came?",
    "It makes sense that this stays with you. What would you need to feel a little safer with it?",
    "I hear how tiring that has been. When was the last time that it was even slightly easier?",
    "You noticed that very precisely. Does it change in any way while we look at it together?",
    "We don't have to solve it at once. What would be a small sign that it is getting lighter?",
    "That took courage to say. How is it for you to hear yourself say it?",
    "Stay with that picture for a breath or two. What comes up first?",
    "There is no hurry. If that tightness could speak, what would it ask for?",
    "I'm with you in this. What would you like to be different by the end of today?",
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Finish {
    Stop,
    Length,
    Load,
    Unload,
}

impl Finish {
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Stop => "stop",
            Self::Length => "length",
            Self::Load => "load",
            Self::Unload => "unload",
        }
    }
}

/// What stands beside the words, or in their place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oddity {
    NullContent,
    ToolCall,
}

#[derive(Clone, Debug)]
pub struct Told {
    pub thinking: String,
    pub text: String,
    pub oddity: Option<Oddity>,
    pub finish: Finish,
    pub prompt_tokens: u32,
    pub reply_tokens: u32,
    pub load: Duration,
}

impl Told {
    /// Composes the reply to what was asked. `turn` says how many there were before.
    pub fn compose(asked: &Asked, script: &Script, turn: usize, prompt_tokens: u32, load: Duration) -> Self {
        let mut text = words(asked, script, turn);
        let mut thinking = script.thinking.clone().filter(|_| asked.think != Some(false)).unwrap_or_default();
        let fails = |fault| script.fault == Some(fault);
        if fails(Fault::InlineThinking) {
            text = format!("<think>\n{THOUGHT}\n</think>\n\n{text}");
        }
        if fails(Fault::EmptyReply) || fails(Fault::OnlyThinking) || fails(Fault::ToolCalls) {
            text.clear();
        }
        if thinking.is_empty() && (fails(Fault::OnlyThinking) || fails(Fault::ThinkingThenReply)) {
            THOUGHT.clone_into(&mut thinking);
        }
        let null = fails(Fault::NullContent).then_some(Oddity::NullContent);
        let oddity = fails(Fault::ToolCalls).then_some(Oddity::ToolCall).or(null);
        let whole =
            Self { thinking, text, oddity, finish: Finish::Stop, prompt_tokens, reply_tokens: 0, load };
        whole.within(asked.reply_tokens)
    }

    /// The answer to a wish without messages: nothing is said.
    pub fn nothing(finish: Finish) -> Self {
        Self {
            thinking: String::new(),
            text: String::new(),
            oddity: None,
            finish,
            prompt_tokens: 0,
            reply_tokens: 0,
            load: Duration::ZERO,
        }
    }

    /// Thoughts count, too: they may leave no room for words.
    fn within(mut self, limit: Option<u32>) -> Self {
        let limit = limit.unwrap_or(u32::MAX);
        let thought = tokens(&self.thinking).min(limit);
        let said = tokens(&self.text).min(limit - thought);
        let is_cut = thought < tokens(&self.thinking) || said < tokens(&self.text);
        self.thinking = head(&self.thinking, thought);
        self.text = head(&self.text, said);
        self.finish = if is_cut { Finish::Length } else { Finish::Stop };
        self.reply_tokens = thought + said;
        self
    }
}

fn head(text: &str, tokens: u32) -> String {
    text.chars().take(tokens as usize * TOKEN_CHARS).collect()
}

fn words(asked: &Asked, script: &Script, turn: usize) -> String {
    if let Some((field, words)) = &asked.one_of {
        let choice = script.choice.clone().unwrap_or_else(|| pick(words, asked.last_words()));
        return serde_json::json!({ field: choice }).to_string();
    }
    let text = match &script.reply {
        Reply::Gentle => pick(&GENTLE, asked.last_words()),
        Reply::Listed(texts) => texts.get(turn % texts.len().max(1)).cloned().unwrap_or_default(),
        Reply::Written(author) => author(asked),
    };
    if asked.json { serde_json::json!({ "text": text }).to_string() } else { text }
}

/// The same for the same words.
fn pick<T: ToString>(list: &[T], words: &str) -> String {
    let at = usize::try_from(hash(words) % list.len().max(1) as u64).unwrap_or_default();
    list.get(at).map(ToString::to_string).unwrap_or_default()
}

/// FNV-1a: the same on every machine and in every version.
pub fn hash(text: &str) -> u64 {
    let mix = |hash: u64, byte: u8| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    text.bytes().fold(0xcbf2_9ce4_8422_2325, mix)
}

pub fn pieces(text: &str, how: &Pieces) -> Vec<String> {
    let chars: Vec<char> = text.chars().collect();
    let size = match how {
        Pieces::Tokens => TOKEN_CHARS,
        Pieces::Chars => 1,
        Pieces::Whole => chars.len().max(1),
        Pieces::At(points) => return parts(&chars, points).map(|part| part.iter().collect()).collect(),
    };
    chars.chunks(size).map(|piece| piece.iter().collect()).collect()
}

/// A list cut before these places; empty parts are left out.
pub fn parts<'a, T>(list: &'a [T], points: &'a [usize]) -> impl Iterator<Item = &'a [T]> {
    let ends = points.iter().copied().chain([list.len()]).map(|end| end.min(list.len()));
    let mut from = 0;
    let cut = move |end: usize| {
        let part = &list[from.min(end)..end];
        from = from.max(end);
        part
    };
    ends.map(cut).filter(|part| !part.is_empty())
}
