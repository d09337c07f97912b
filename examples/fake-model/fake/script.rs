//! What the fake says and how: values that may be changed while it runs. What was asked before a change is answered as
//! it was then.

use std::sync::Arc;
use std::time::Duration;

use super::asked::Asked;
use super::fault::Fault;

/// The behaviour of a fake. The default is a model that is loaded at once and answers without faults.
#[derive(Clone)]
pub struct Script {
    pub reply: Reply,
    /// The answer to a closed list of words. By itself one of the list; this one even where it is not on it.
    pub choice: Option<String>,
    /// What the model thinks first. With none it cannot think, and says so to whoever asks for it.
    pub thinking: Option<String>,
    /// The names that are known; `:latest` is understood. Those that hold `embed` make vectors and do not talk.
    pub models: Vec<String>,
    /// What a caller has to present as `Authorization: Bearer`, if anything.
    pub bearer: Option<String>,
    /// The longest prompt in tokens that is read, whatever `num_ctx` asks for.
    pub cuts_at: Option<u32>,
    /// How long nothing is sent, not even headers.
    pub delay: Duration,
    /// How much longer where the model is not loaded.
    pub load: Duration,
    /// How long nothing is sent between two chunks.
    pub pause: Duration,
    pub pieces: Pieces,
    pub writes: Writes,
    pub fault: Option<Fault>,
    /// How many chunks come before a fault, or how many requests fail.
    pub after: usize,
}

impl Default for Script {
    fn default() -> Self {
        Self {
            reply: Reply::Gentle,
            choice: None,
            thinking: None,
            models: vec!["llama3.1:latest".to_owned(), "nomic-embed-text:latest".to_owned()],
            bearer: None,
            cuts_at: None,
            delay: Duration::ZERO,
            load: Duration::ZERO,
            pause: Duration::ZERO,
            pieces: Pieces::Tokens,
            writes: Writes::Lines,
            fault: None,
            after: 2,
        }
    }
}

impl Script {
    /// The known model that is meant, by its full name.
    pub fn knows(&self, model: &str) -> Option<&str> {
        let same = |known: &&String| known.trim_end_matches(":latest") == model.trim_end_matches(":latest");
        self.models.iter().find(same).map(String::as_str)
    }
}

pub type Author = Arc<dyn Fn(&Asked) -> String + Send + Sync>;

/// The words of a reply.
#[derive(Clone)]
pub enum Reply {
    /// A few kind sentences; which of them, the last message decides.
    Gentle,
    /// One after the other, and from the start again.
    Listed(Vec<String>),
    Written(Author),
}

impl Reply {
    pub fn always(text: &str) -> Self {
        Self::Listed(vec![text.to_owned()])
    }

    pub fn written(author: impl Fn(&Asked) -> String + Send + Sync + 'static) -> Self {
        Self::Written(Arc::new(author))
    }
}

/// How a reply is cut into chunks of text.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Pieces {
    /// Of four characters.
    Tokens,
    Chars,
    Whole,
    /// Before these characters.
    At(Vec<usize>),
}

/// How a body is cut into writes on the wire, each a chunk of HTTP.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Writes {
    /// One line or event each, as the real servers do.
    Lines,
    /// Splits lines, and characters of more than one byte.
    Bytes,
    Whole,
    /// Before these bytes.
    At(Vec<usize>),
}
