//! What writes with a model: prompts, rail, examples and servers put together.

use std::sync::Arc;

use parking_lot::Mutex;

use crate::clock::Entropy;
use crate::config::{Config, ModelApi};
use crate::domain::prompt::{self, Budget, Prompts, Truncation};
use crate::domain::safety::{Rail, Secrets};
use crate::retrieval::Retrieval;
use crate::tasks::Tasks;
use crate::telemetry::Metrics;
use crate::turn::{Author, KnowledgeError};

use super::{StartError, open_models};

/// Digits of the mark in the system prompt.
const CANARY_DIGITS: usize = 24;

/// `None` where the script writes everything. The models' servers are looked after by a task that ends with the others.
pub fn open_author(
    config: &Config,
    retrieval: impl FnOnce() -> Result<Arc<Retrieval>, StartError>,
    entropy: &Entropy,
    (tasks, metrics): (&Tasks, &Arc<Metrics>),
) -> Result<Option<Arc<Author>>, StartError> {
    let Some(model) = &config.model else { return Ok(None) };
    let models = Arc::new(open_models(model)?);
    drop(tasks.spawn(Arc::clone(&models).tend(tasks.clone())));
    let mut canary = entropy.hex_id();
    canary.truncate(CANARY_DIGITS);
    let prompts = Prompts::parse(prompt::ENGLISH).map_err(|faults| KnowledgeError::of(&faults))?;
    let instructions = prompts.instructions().collect::<Vec<_>>().join("\n");
    Ok(Some(Arc::new(Author {
        service: match model.api {
            ModelApi::Ollama => "ollama",
            ModelApi::OpenAi => "openai",
        },
        models,
        retrieval: retrieval()?,
        rail: Arc::new(Rail::embedded().map_err(|faults| KnowledgeError::of(&faults))?),
        secrets: Arc::new(Secrets::new(&canary, &instructions)),
        prompts,
        canary,
        budget: Budget { context_tokens: model.context_tokens, reply_tokens: model.reply_tokens },
        total: model.total,
        truncation: Mutex::new(Truncation::default()),
        metrics: Arc::clone(metrics),
    })))
}
