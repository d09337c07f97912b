//! Who writes the words, and where that somebody is found.

use std::path::{Path, PathBuf};
use std::time::Duration;

use secrecy::SecretString;

use super::reader::{Reader, parse_duration};
use super::{HOUR, YEAR};

/// How a model's server speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModelApi {
    /// `/api/chat`, lines of JSON.
    Ollama,
    /// `/chat/completions`, server-sent events.
    OpenAi,
}

/// A model that writes replies.
#[derive(Debug, Clone)]
pub struct ModelConfig {
    pub api: ModelApi,
    /// Base URLs without a slash at the end; at least one.
    pub servers: Vec<String>,
    pub api_key: Option<SecretString>,
    pub name: String,
    pub context_tokens: u32,
    pub reply_tokens: u32,
    pub temperature: f32,
    /// `None`: for ever.
    pub keep_alive: Option<Duration>,
    pub connect: Duration,
    pub first_chunk: Duration,
    pub between: Duration,
    pub total: Duration,
    pub parallel: usize,
    pub queue: usize,
}

/// How examples are found.
#[derive(Debug, Clone)]
pub struct RetrievalConfig {
    /// The model for embeddings, and the servers that run it.
    pub embed: Option<(String, Vec<String>)>,
    pub cache_ttl: Duration,
    /// A user's own corpus; the default one need not exist.
    pub corpus: PathBuf,
    pub corpus_is_named: bool,
}

const OLLAMA_HERE: &str = "http://127.0.0.1:11434";

#[derive(Clone, Copy)]
enum Chosen {
    Auto,
    Scripted,
    Api(ModelApi),
}

/// `None`: the script.
pub(super) fn read(reader: &mut Reader, ollama: &[String]) -> Option<ModelConfig> {
    let openai = read_servers(reader, "OPENAI_BASE_URL");
    let tuned = read_tuning(reader);
    match (choice(reader), ollama.is_empty(), openai.is_empty()) {
        (Chosen::Scripted, _, _) | (Chosen::Auto, true, true) => None,
        (Chosen::Auto, false, _) | (Chosen::Api(ModelApi::Ollama), _, _) => of_ollama(reader, ollama, tuned),
        (Chosen::Auto | Chosen::Api(ModelApi::OpenAi), _, false) => of_openai(reader, openai, tuned),
        (Chosen::Api(ModelApi::OpenAi), _, true) => {
            reader.fault("OPENAI_BASE_URL", "a URL, because ATTUNE_RESPONDER is openai");
            None
        }
    }
}

fn choice(reader: &mut Reader) -> Chosen {
    let words = [
        ("auto", Chosen::Auto),
        ("scripted", Chosen::Scripted),
        ("ollama", Chosen::Api(ModelApi::Ollama)),
        ("openai", Chosen::Api(ModelApi::OpenAi)),
    ];
    reader.choice("ATTUNE_RESPONDER", &words).unwrap_or(Chosen::Auto)
}

fn of_ollama(reader: &Reader, servers: &[String], tuned: ModelConfig) -> Option<ModelConfig> {
    let servers = or_here(servers);
    let name = reader.text("OLLAMA_MODEL")?;
    Some(ModelConfig { api: ModelApi::Ollama, servers, name, ..tuned })
}

fn of_openai(reader: &mut Reader, servers: Vec<String>, mut tuned: ModelConfig) -> Option<ModelConfig> {
    let Some(name) = reader.text("OPENAI_MODEL") else {
        reader.fault("OPENAI_MODEL", "the name of a model that the server has");
        return None;
    };
    tuned.api_key = reader.value_or_file("OPENAI_API_KEY");
    Some(ModelConfig { api: ModelApi::OpenAi, servers, name, ..tuned })
}

/// What holds for every kind of server; the rest stands in for what the caller knows.
fn read_tuning(reader: &mut Reader) -> ModelConfig {
    let temperature = reader.parse::<f32>("MODEL_TEMPERATURE", "a number from 0 to 2").unwrap_or(0.6);
    if !(0.0..=2.0).contains(&temperature) {
        reader.fault("MODEL_TEMPERATURE", "a number from 0 to 2");
    }
    ModelConfig {
        api: ModelApi::Ollama,
        servers: Vec::new(),
        api_key: None,
        name: String::new(),
        context_tokens: reader.whole("MODEL_CONTEXT_TOKENS", 2_048..=1_048_576).unwrap_or(4_096),
        reply_tokens: reader.whole("MODEL_REPLY_TOKENS", 32..=1_024).unwrap_or(200),
        temperature,
        keep_alive: read_keep_alive(reader),
        connect: reader.millis("MODEL_CONNECT_MS", 10..=60_000),
        first_chunk: reader.millis("MODEL_FIRST_CHUNK_MS", 10..=600_000),
        between: reader.millis("MODEL_BETWEEN_MS", 10..=600_000),
        total: reader.millis("MODEL_TOTAL_MS", 50..=600_000),
        parallel: reader.whole("MODEL_PARALLEL", 1..=4_096).unwrap_or(64),
        queue: reader.whole("MODEL_QUEUE", 0..=65_536).unwrap_or(256),
    }
}

fn read_keep_alive(reader: &mut Reader) -> Option<Duration> {
    let text = reader.text("MODEL_KEEP_ALIVE").unwrap_or_default();
    if text == "forever" {
        return None;
    }
    let duration = parse_duration(&text).filter(|duration| *duration <= YEAR);
    if duration.is_none() {
        reader.fault("MODEL_KEEP_ALIVE", "a time like 30m, or forever");
    }
    Some(duration.unwrap_or_default())
}

pub(super) fn read_ollama(reader: &mut Reader) -> Vec<String> {
    read_servers(reader, "OLLAMA_BASE_URL")
}

/// The servers that are named, else the one on this machine.
fn or_here(servers: &[String]) -> Vec<String> {
    if servers.is_empty() { vec![OLLAMA_HERE.to_owned()] } else { servers.to_vec() }
}

fn read_servers(reader: &mut Reader, name: &str) -> Vec<String> {
    let urls: Vec<String> = reader.list(name, "a URL");
    if !urls.iter().all(|url| is_base_url(url)) {
        reader.fault(name, "URLs like http://127.0.0.1:11434, without a user, a query or a fragment");
    }
    urls.iter().map(|url| url.trim_end_matches('/').to_owned()).collect()
}

fn is_base_url(url: &str) -> bool {
    let rest = url.strip_prefix("http://").or_else(|| url.strip_prefix("https://"));
    rest.is_some_and(|rest| {
        let host = rest.split('/').next().unwrap_or_default();
        !host.is_empty() && !rest.contains(|c: char| c.is_whitespace() || "@?#".contains(c))
    })
}

pub(super) fn read_retrieval(reader: &mut Reader, data: &Path, ollama: &[String]) -> RetrievalConfig {
    let named = reader.text("ATTUNE_CORPUS").map(PathBuf::from);
    RetrievalConfig {
        embed: reader.text("EMBED_MODEL").map(|model| (model, or_here(ollama))),
        cache_ttl: reader.duration("RAG_CACHE_TTL", Duration::from_secs(1)..=24 * HOUR).unwrap_or(HOUR),
        corpus_is_named: named.is_some(),
        corpus: named.unwrap_or_else(|| data.join("corpus.jsonl")),
    }
}
