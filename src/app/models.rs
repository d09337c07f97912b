//! Which model, on which servers. The only match on the API that they speak.

use std::sync::Arc;

use crate::config::{ModelApi, ModelConfig};
use crate::llm::generations::{Bounds, Generations};
use crate::llm::ollama::Ollama;
use crate::llm::openai::OpenAi;
use crate::llm::{ClientFault, Model, client};

use super::StartError;

/// All servers of the configured model. Asks none of them yet.
pub fn open_models(config: &ModelConfig) -> Result<Generations, StartError> {
    Ok(Generations::new(open_servers(config)?, Bounds::of(config)))
}

/// Each server with its base URL, in the configured order.
pub fn open_servers(config: &ModelConfig) -> Result<Vec<(String, Arc<dyn Model>)>, ClientFault> {
    let client = client(config)?;
    let open = |server: &String| -> Result<(String, Arc<dyn Model>), ClientFault> {
        let model: Arc<dyn Model> = match config.api {
            ModelApi::Ollama => Arc::new(Ollama::new(client.clone(), server, config)?),
            ModelApi::OpenAi => Arc::new(OpenAi::new(client.clone(), server, config)?),
        };
        Ok((server.clone(), model))
    };
    config.servers.iter().map(open).collect()
}
