//! `attune model check|load|unload`: whether the configured model can write, and making it ready before people come.

use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::{Instant, timeout};

use crate::app::open_servers;
use crate::config::{Config, ModelApi, ModelConfig};
use crate::domain::prompt::{Message, Role};
use crate::llm::generations::{Bounds, Generations, Measured};
use crate::llm::{Loaded, Model as Server, ModelError, Request, Waiting};

use super::{Failure, Model, say};

/// For saying that it is there, beside the time to connect.
const PROBE_MAX: Duration = Duration::from_secs(5);
/// Large models on slow disks take minutes.
const LOAD_MAX: Duration = Duration::from_mins(10);

pub(super) async fn run(config: &Config, command: Model) -> Result<ExitCode, Failure> {
    let Some(config) = &config.model else {
        let advice = "set OLLAMA_BASE_URL or OPENAI_BASE_URL";
        return Err(Failure::Said(format!(
            "no model is configured, the script writes the replies: {advice}"
        )));
    };
    let servers = open_servers(config).map_err(Failure::of)?;
    match command {
        Model::Check => check(config, servers).await,
        Model::Load => load(config, servers, Loaded::Yes).await,
        Model::Unload => load(config, servers, Loaded::No).await,
    }
}

/// Fails when no server works; the others are told all the same.
async fn check(config: &ModelConfig, servers: Vec<(String, Arc<dyn Server>)>) -> Result<ExitCode, Failure> {
    let mut works = false;
    for (url, server) in servers {
        say(format_args!("{url} ({}, {})", api_name(config.api), config.name))?;
        works |= check_server(config, url, server).await?;
    }
    Ok(if works { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn check_server(config: &ModelConfig, url: String, server: Arc<dyn Server>) -> Result<bool, Failure> {
    let probe = timeout(config.connect + PROBE_MAX, server.probe()).await;
    if let Err(error) = probe.unwrap_or(Err(ModelError::Away)) {
        row("reachable", probe_advice(config, error))?;
        return Ok(false);
    }
    row("reachable", "yes")?;
    match sentence(config, url, server).await {
        Ok(measured) => tell(config, &measured).map(|()| true),
        Err(error) => row("model", advice(config, error)).map(|()| false),
    }
}

/// One short sentence, with the settings that turns have.
async fn sentence(
    config: &ModelConfig,
    url: String,
    server: Arc<dyn Server>,
) -> Result<Measured, ModelError> {
    let generations = Generations::new(vec![(url, server)], Bounds::of(config));
    let message = |role, text: &str| Message { role, text: text.to_owned() };
    let request = Request {
        messages: vec![
            message(Role::System, "Answer with one short sentence."),
            message(Role::User, "What does the sea sound like?"),
        ],
        reply_tokens: config.reply_tokens,
        one_of: None,
    };
    let mut generation = generations.begin(request, Instant::now() + config.total).await?;
    while let Some(item) = generation.next().await {
        item?;
    }
    Ok(generation.measured())
}

fn tell(config: &ModelConfig, measured: &Measured) -> Result<(), Failure> {
    row("model", "there")?;
    let first = measured.first_chunk.unwrap_or_default();
    row("first word", format_args!("after {} ms", first.as_millis()))?;
    match speed(measured) {
        Some(speed) => row("speed", format_args!("{speed:.1} tokens/s"))?,
        None => row("speed", "the reply was too short to tell")?,
    }
    let end = measured.end.unwrap_or_default();
    if let Some(load) = end.load.filter(|load| *load > Duration::from_secs(1)) {
        row("loading", format_args!("{} ms of that; `attune model load` does it before", load.as_millis()))?;
    }
    let of_context = format!("{} tokens (MODEL_CONTEXT_TOKENS)", config.context_tokens);
    match config.api {
        ModelApi::Ollama => row("context", of_context),
        ModelApi::OpenAi => row("context", format_args!("{of_context}; the server sets its own")),
    }
}

/// Tokens a second after the first.
fn speed(measured: &Measured) -> Option<f64> {
    let tokens = measured.end?.reply_tokens.unwrap_or(measured.deltas).checked_sub(1)?;
    let took = measured.latest_chunk?.checked_sub(measured.first_chunk?)?;
    let is_telling = tokens > 0 && took > Duration::from_millis(1);
    is_telling.then(|| f64::from(tokens) / took.as_secs_f64())
}

async fn load(
    config: &ModelConfig,
    servers: Vec<(String, Arc<dyn Server>)>,
    wanted: Loaded,
) -> Result<ExitCode, Failure> {
    if config.api == ModelApi::OpenAi {
        let why = "servers that speak OpenAI's API load their models themselves";
        return Err(Failure::Said(why.to_owned()));
    }
    let done = match wanted {
        Loaded::Yes => "loaded",
        Loaded::No => "unloaded",
    };
    let mut code = ExitCode::SUCCESS;
    for (url, server) in servers {
        let began = Instant::now();
        let slow = Err(ModelError::Slow(Waiting::Whole));
        match timeout(LOAD_MAX, server.load(wanted)).await.unwrap_or(slow) {
            Ok(()) => say(format_args!("{url}: {done} after {} ms", began.elapsed().as_millis()))?,
            Err(error) => {
                say(format_args!("{url}: {}", advice(config, error)))?;
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

fn row(name: &str, told: impl std::fmt::Display) -> Result<(), Failure> {
    say(format_args!("  {name:<11} {told}"))
}

const fn api_name(api: ModelApi) -> &'static str {
    match api {
        ModelApi::Ollama => "Ollama",
        ModelApi::OpenAi => "OpenAI's API",
    }
}

/// What a failed probe means; it names no model, so a 404 is about the URL.
fn probe_advice(config: &ModelConfig, error: ModelError) -> String {
    match error {
        ModelError::Refused(404 | 405) => format!("something is, but not {}", api_name(config.api)),
        error => advice(config, error),
    }
}

/// What went wrong, and what to look at.
fn advice(config: &ModelConfig, error: ModelError) -> String {
    let look = match (error, config.api) {
        (ModelError::Away, ModelApi::Ollama) => "is Ollama running, and OLLAMA_BASE_URL right?",
        (ModelError::Away, ModelApi::OpenAi) => "is OPENAI_BASE_URL right?",
        (ModelError::Refused(300..=399), _) => "it redirects: write the URL that it redirects to",
        (ModelError::Refused(404), ModelApi::Ollama) => {
            return format!("{error}: it has no such model; run `ollama pull {}`", config.name);
        }
        (ModelError::Refused(404), ModelApi::OpenAi) => {
            "is OPENAI_MODEL right, and does OPENAI_BASE_URL end with the version, like /v1?"
        }
        (ModelError::Refused(401 | 403), ModelApi::OpenAi) if config.api_key.is_none() => {
            "set OPENAI_API_KEY"
        }
        (ModelError::Refused(401 | 403), ModelApi::OpenAi) => "is OPENAI_API_KEY right?",
        (ModelError::Refused(403), ModelApi::Ollama) => "Ollama lets this host name in with OLLAMA_HOST",
        (ModelError::Garbled | ModelError::Cut, _) => "does the URL belong to such a server?",
        (ModelError::Slow(Waiting::FirstChunk), ModelApi::Ollama) => {
            "`attune model load` loads it before; MODEL_FIRST_CHUNK_MS is how long a turn waits"
        }
        (ModelError::Slow(_), _) => "see MODEL_FIRST_CHUNK_MS, MODEL_BETWEEN_MS and MODEL_TOTAL_MS",
        (ModelError::Empty, _) => "perhaps it only thinks; MODEL_REPLY_TOKENS counts thoughts too",
        (error, _) => return error.to_string(),
    };
    format!("{error}: {look}")
}
