//! What a caller asks for, read out of the bodies of both APIs, and what of a prompt fits.

use serde_json::Value;

/// A reply asked for. Nothing of it depends on the API that it came through.
#[derive(Clone, Debug, Default)]
#[expect(clippy::struct_excessive_bools, reason = "switches of the wire")]
pub struct Asked {
    pub model: String,
    pub messages: Vec<Said>,
    pub stream: bool,
    /// Whether the model should think, where the caller says.
    pub think: Option<bool>,
    /// The words to choose from, and the name of the field that holds the choice.
    pub one_of: Option<(String, Vec<String>)>,
    /// JSON of any other shape is wanted.
    pub json: bool,
    pub context_tokens: Option<u32>,
    pub reply_tokens: Option<u32>,
    /// A prompt that does not fit is refused, not cut.
    pub keep_whole: bool,
    /// OpenAI: a last chunk with the numbers of tokens.
    pub with_usage: bool,
    /// Ollama: the model is forgotten after the reply.
    pub forget: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Said {
    pub role: String,
    pub content: String,
}

impl Said {
    pub fn tokens(&self) -> u32 {
        tokens(&self.content) + 4
    }
}

/// About as many as a real tokenizer finds in English.
pub fn tokens(text: &str) -> u32 {
    u32::try_from(text.chars().count().div_ceil(4)).unwrap_or(u32::MAX)
}

impl Asked {
    pub fn last_words(&self) -> &str {
        let of_user = self.messages.iter().rev().find(|said| said.role == "user");
        of_user.map(|said| said.content.as_str()).unwrap_or_default()
    }

    pub fn prompt_tokens(&self) -> u32 {
        self.messages.iter().map(Said::tokens).sum()
    }

    /// Forgets the oldest messages until the prompt fits; the system's words and the last message stay. Tokens that are
    /// too many even so are cut from their head: how many are read is what it returns.
    pub fn cut_to(&mut self, limit: Option<u32>) -> u32 {
        let limit = limit.unwrap_or(u32::MAX);
        while self.prompt_tokens() > limit {
            let before_last = self.messages.len().saturating_sub(1);
            let Some(oldest) = self.messages[..before_last].iter().position(|said| said.role != "system")
            else {
                break;
            };
            self.messages.remove(oldest);
        }
        self.prompt_tokens().min(limit)
    }
}

pub fn messages(body: &Value) -> Vec<Said> {
    let said = |message: &Value| Said {
        role: message["role"].as_str().unwrap_or_default().to_owned(),
        content: content(&message["content"]),
    };
    body["messages"].as_array().map(|all| all.iter().map(said).collect()).unwrap_or_default()
}

/// A text, or OpenAI's list of parts of one.
fn content(content: &Value) -> String {
    let parts = content.as_array().into_iter().flatten().filter_map(|part| part["text"].as_str());
    content.as_str().map_or_else(|| parts.collect(), str::to_owned)
}

/// The first property of a JSON schema that is a choice between words.
pub fn one_of(schema: &Value) -> Option<(String, Vec<String>)> {
    let choice = |(name, property): (&String, &Value)| {
        let words = property["enum"].as_array()?.iter().filter_map(Value::as_str).map(str::to_owned);
        Some((name.clone(), words.collect()))
    };
    schema["properties"].as_object()?.iter().find_map(choice)
}
