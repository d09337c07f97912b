//! Where examples are found: the shipped ones with the user's own, the caches, and the model for embeddings.

use std::sync::Arc;

use crate::access::Secret;
use crate::config::Config;
use crate::llm::embed::{Embed, OllamaEmbed};
use crate::redis::{Keys, Link};
use crate::retrieval::{Options, RedisShared, Retrieval, Shared, file};
use crate::tasks::Tasks;

use super::StartError;

/// Opens the examples that the configuration names. Their vectors, where there is a model for them, are worked out by a
/// task that ends with the others. Blocks for as long as reading the user's file takes.
pub fn open_retrieval(
    config: &Config,
    secret: &Secret,
    link: Option<Link>,
    tasks: &Tasks,
) -> Result<Arc<Retrieval>, StartError> {
    let asked = &config.retrieval;
    let corpus = file::open(&asked.corpus, asked.corpus_is_named)?;
    for id in corpus.overridden() {
        tracing::info!(id, "an example of your own stands for the shipped one");
    }
    let options = Options {
        ttl: asked.cache_ttl,
        shared: shared(config, link),
        embed: embed(config)?,
        ..Options::default()
    };
    let has_model = options.embed.is_some();
    let retrieval = Arc::new(Retrieval::new(corpus, secret.clone(), options));
    if has_model {
        learn_beside(Arc::clone(&retrieval), tasks);
    }
    Ok(retrieval)
}

fn shared(config: &Config, link: Option<Link>) -> Option<Arc<dyn Shared>> {
    let (redis, link) = (config.redis.as_ref()?, link?);
    Some(Arc::new(RedisShared { link, keys: Keys::new(&redis.prefix) }))
}

fn embed(config: &Config) -> Result<Option<Arc<dyn Embed>>, StartError> {
    let Some((model, servers)) = &config.retrieval.embed else { return Ok(None) };
    let embed = OllamaEmbed::new(model.clone(), servers.clone()).map_err(StartError::Embed)?;
    Ok(Some(Arc::new(embed)))
}

fn learn_beside(retrieval: Arc<Retrieval>, tasks: &Tasks) {
    let closing = tasks.clone();
    drop(tasks.spawn(async move {
        tokio::select! {
            () = retrieval.learn() => {}
            () = closing.closing() => {}
        }
    }));
}
