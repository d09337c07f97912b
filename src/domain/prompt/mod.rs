//! What a model is told: a bounded list of messages. A person's words are always a message of their own.

mod model;
mod render;
mod tokens;
mod truncation;

pub use model::{ENGLISH, Prompts};
pub use render::{Ask, Budget, Example, Prompt};
pub use truncation::Truncation;

/// Who a message is from, for the model.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    System,
    /// The client.
    User,
    /// Attune.
    Assistant,
}

impl Role {
    /// Its name on every model's wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::System => "system",
            Self::User => "user",
            Self::Assistant => "assistant",
        }
    }
}

/// One message. It holds what people wrote, so it has no debug output of its text.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    pub role: Role,
    pub text: String,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} message of {} bytes", self.role.as_str(), self.text.len())
    }
}

#[cfg(test)]
mod tests;
