//! Figures about what writes the words: models, the rail, and the examples they are shown.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

/// Upper bounds of the buckets for waiting on a model, in seconds: loading one takes long.
const MODEL_SECONDS: [f64; 11] = [0.05, 0.1, 0.2, 0.4, 0.8, 1.5, 3.0, 6.0, 12.0, 25.0, 60.0];
const RETRIEVAL_SECONDS: [f64; 7] = [0.000_05, 0.000_1, 0.000_5, 0.001, 0.01, 0.1, 0.5];

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Cause {
    cause: String,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Class {
    class: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Kind {
    kind: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct From {
    from: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Part {
    part: &'static str,
}

#[derive(Debug, Clone, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Server {
    /// Counts from 1 in the order of the configuration.
    server: u32,
}

#[derive(Debug)]
pub struct Words {
    first_token_seconds: Histogram,
    tokens: Family<Kind, Counter>,
    fallbacks: Family<Cause, Counter>,
    forbidden: Family<Class, Counter>,
    prompts_cut: Counter,
    running: Gauge,
    queued: Gauge,
    servers_up: Family<Server, Gauge>,
    retrievals: Family<From, Counter>,
    retrieval_seconds: Histogram,
    retrieval_failures: Family<Part, Counter>,
}

impl Default for Words {
    fn default() -> Self {
        Self {
            first_token_seconds: Histogram::new(MODEL_SECONDS),
            tokens: Family::default(),
            fallbacks: Family::default(),
            forbidden: Family::default(),
            prompts_cut: Counter::default(),
            running: Gauge::default(),
            queued: Gauge::default(),
            servers_up: Family::default(),
            retrievals: Family::default(),
            retrieval_seconds: Histogram::new(RETRIEVAL_SECONDS),
            retrieval_failures: Family::default(),
        }
    }
}

impl Words {
    pub(super) fn register(&self, registry: &mut Registry) {
        registry.register(
            "model_first_token_seconds",
            "Time from asking a model to its first words, waiting for its turn included",
            self.first_token_seconds.clone(),
        );
        registry.register("model_tokens", "Tokens that models read and wrote", self.tokens.clone());
        registry.register(
            "model_fallbacks",
            "Times that the script or a rule stood in for a model, by cause",
            self.fallbacks.clone(),
        );
        registry.register(
            "rail_hits",
            "Sentences of models that were not let out, by class",
            self.forbidden.clone(),
        );
        registry.register(
            "model_prompts_cut",
            "Prompts of which a model's server read less than it was sent",
            self.prompts_cut.clone(),
        );
        registry.register("model_running", "Replies that models write now", self.running.clone());
        registry.register("model_queued", "Turns that wait for a model now", self.queued.clone());
        registry.register("model_server_up", "1 while a model's server is asked", self.servers_up.clone());
        registry.register(
            "retrievals",
            "Searches for examples, by where they were found",
            self.retrievals.clone(),
        );
        registry.register("retrieval_seconds", "Time to find examples", self.retrieval_seconds.clone());
        registry.register(
            "retrieval_failures",
            "Failed calls of the shared cache and of the embedding model",
            self.retrieval_failures.clone(),
        );
    }

    pub fn first_token(&self, seconds: f64) {
        self.first_token_seconds.observe(seconds);
    }

    /// What a server counted of one reply, where it tells.
    pub fn tokens(&self, read: Option<u32>, wrote: Option<u32>) {
        for (kind, count) in [("prompt", read), ("reply", wrote)] {
            self.tokens.get_or_create(&Kind { kind }).inc_by(count.unwrap_or_default().into());
        }
    }

    pub fn fallback(&self, cause: &str) {
        self.fallbacks.get_or_create(&Cause { cause: cause.to_owned() }).inc();
    }

    pub fn forbidden(&self, class: &'static str) {
        self.forbidden.get_or_create(&Class { class }).inc();
    }

    pub fn prompt_cut(&self) {
        self.prompts_cut.inc();
    }

    pub fn load(&self, running: usize, queued: usize) {
        self.running.set(i64::try_from(running).unwrap_or(i64::MAX));
        self.queued.set(i64::try_from(queued).unwrap_or(i64::MAX));
    }

    pub fn server(&self, server: u32, is_asked: bool) {
        self.servers_up.get_or_create(&Server { server }).set(i64::from(is_asked));
    }

    pub fn retrieval(&self, from: &'static str, seconds: f64) {
        self.retrievals.get_or_create(&From { from }).inc();
        self.retrieval_seconds.observe(seconds);
    }

    /// How often calls failed since the start, as whoever makes them has counted.
    pub fn retrieval_failures(&self, shared_cache: u64, embedding: u64) {
        for (part, total) in [("shared_cache", shared_cache), ("embedding", embedding)] {
            let counter = self.retrieval_failures.get_or_create_owned(&Part { part });
            counter.inner().store(total, std::sync::atomic::Ordering::Relaxed);
        }
    }
}
