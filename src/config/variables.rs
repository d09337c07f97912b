//! The table of variables: name, default, meaning. The documentation and `.env.example` are checked against it.

use std::collections::BTreeMap;

use super::Warning;

/// One variable as the documentation shows it.
#[derive(Debug, Clone, Copy)]
pub struct Variable {
    pub name: &'static str,
    /// Empty: unset by default.
    pub default: &'static str,
    pub help: &'static str,
}

const fn variable(name: &'static str, default: &'static str, help: &'static str) -> Variable {
    Variable { name, default, help }
}

/// All variables, in the order of the documentation and of `.env.example`.
pub const VARIABLES: &[Variable] = &[
    variable("ATTUNE_ADDR", "127.0.0.1:8000", "Address and port to listen on; port 0 takes a free one."),
    variable(
        "ATTUNE_DATA",
        "./data",
        "Directory of the embedded store. It must be on a disk that persists. Not used with Redis.",
    ),
    variable(
        "REDIS_URL",
        "",
        "`redis://[user[:password]@]host[:port][/database]`: keeps sessions in Redis 7 or later, for several servers. Also as `REDIS_URL_FILE`. Unset: the embedded store.",
    ),
    variable("CHANNEL_REDIS_URL", "", "Another name for `REDIS_URL`, which wins."),
    variable(
        "REDIS_PASSWORD",
        "",
        "The password for Redis; wins over the one in the URL. Also as `REDIS_PASSWORD_FILE`.",
    ),
    variable("REDIS_PREFIX", "trt:", "What every key in Redis begins with."),
    variable(
        "REDIS_SESSION_TTL",
        "3600",
        "How long a plain chat stands without a message, in either store. Beside a therapy session it stands as long as that.",
    ),
    variable("REDIS_TIMEOUT_MS", "1000", "The longest that a call to Redis may take, its repeats included."),
    variable("REDIS_CONNECT_MS", "2000", "The longest that connecting to Redis may take."),
    variable("REDIS_RETRIES", "3", "How often a call is repeated whose answer was lost."),
    variable(
        "WARM_MIB",
        "64",
        "Memory for sessions in Redis that had their last turn on this server, in MiB; 0 keeps none.",
    ),
    variable(
        "ATTUNE_AUTH",
        "",
        "`open`: whoever reaches the server may do everything. `required`: nobody without a credential. Unset: open on a loopback address where there is no API key, no bootstrap key and no trusted proxy, else required.",
    ),
    variable(
        "ATTUNE_AUTH_LEGACY_WS",
        "0",
        "`1`: whoever presents no credential may use plain chats over a WebSocket all the same, as clients from before do, and reads those whose ids it knows; never a therapy session.",
    ),
    variable(
        "ATTUNE_BOOTSTRAP_KEY",
        "",
        "An admin's key to begin with, as `attune keys bootstrap` prints one. It is stored nowhere, and good while it is set. Also as `ATTUNE_BOOTSTRAP_KEY_FILE`.",
    ),
    variable(
        "ATTUNE_API_KEY",
        "",
        "What the command line presents to a running server. Also as `ATTUNE_API_KEY_FILE`.",
    ),
    variable(
        "ATTUNE_LOGIN",
        "",
        "A clinician's name, or `ORGANISATION:NAME`: the command line logs in with it for each command, in the place of `ATTUNE_API_KEY`.",
    ),
    variable(
        "ATTUNE_PASSWORD",
        "",
        "The password for `ATTUNE_LOGIN`. Also as `ATTUNE_PASSWORD_FILE`. Unset: it is asked for.",
    ),
    variable("TOKEN_TTL", "2592000", "How long a session token stands, however much it is used."),
    variable("TOKEN_IDLE", "604800", "How long a session token stands without a use."),
    variable("TICKET_TTL", "30", "How long a ticket waits for its one use, 1 to 600."),
    variable("LOGIN_TTL", "43200", "How long a clinician's login stands, however much it is used."),
    variable("LOGIN_IDLE", "900", "How long a clinician's login stands without a use."),
    variable(
        "ATTUNE_SECRET",
        "",
        "32 bytes in base64; keys every keyed hash, equal on all servers. Also as `ATTUNE_SECRET_FILE`. Unset: one is made and kept in the key file, or with Redis in Redis.",
    ),
    variable(
        "ATTUNE_KEY_FILE",
        "",
        "Where a made secret is kept. Unset: `attune.key` in the data directory.",
    ),
    variable(
        "ATTUNE_URL",
        "",
        "Where the command line finds a running server. Unset: the listening address.",
    ),
    variable(
        "ATTUNE_RESPONDER",
        "auto",
        "Who writes the words: `scripted`, `ollama`, `openai`, or `auto`: Ollama when `OLLAMA_BASE_URL` is set, else an OpenAI-compatible server when `OPENAI_BASE_URL` is, else scripted.",
    ),
    variable(
        "OLLAMA_BASE_URL",
        "",
        "Where Ollama listens, like `http://127.0.0.1:11434` (which counts when `ATTUNE_RESPONDER=ollama` and this is unset). Several, comma-separated, share the work: the least busy healthy one is asked.",
    ),
    variable("OLLAMA_MODEL", "llama3.1", "The model that Ollama runs."),
    variable(
        "OPENAI_BASE_URL",
        "",
        "Where an OpenAI-compatible server listens, its version path included, like `https://models.example.com/v1`. Several, comma-separated, share the work.",
    ),
    variable("OPENAI_API_KEY", "", "Its key. Also as `OPENAI_API_KEY_FILE`."),
    variable("OPENAI_MODEL", "", "The model to ask it for."),
    variable(
        "MODEL_CONTEXT_TOKENS",
        "4096",
        "The context that a model is run with; a prompt is cut to it, its oldest exchanges first.",
    ),
    variable("MODEL_REPLY_TOKENS", "200", "The longest reply of a model, in tokens."),
    variable("MODEL_TEMPERATURE", "0.6", "How freely a model chooses its words, 0 to 2."),
    variable(
        "MODEL_KEEP_ALIVE",
        "30m",
        "How long Ollama keeps the model loaded after a turn; 0: not at all, `forever`: until Ollama stops.",
    ),
    variable("MODEL_CONNECT_MS", "2000", "The longest that connecting to a model's server may take."),
    variable(
        "MODEL_FIRST_CHUNK_MS",
        "20000",
        "The longest wait for a reply's first word; loading a model belongs to it.",
    ),
    variable("MODEL_BETWEEN_MS", "5000", "The longest pause within a reply."),
    variable(
        "MODEL_TOTAL_MS",
        "25000",
        "The longest that a model may take for a reply, waiting for its turn included; never more than the turn's own time.",
    ),
    variable("MODEL_PARALLEL", "64", "Replies that models write at once."),
    variable("MODEL_QUEUE", "256", "Turns that may wait for a model; beyond it the script answers."),
    variable(
        "EMBED_MODEL",
        "",
        "A model of Ollama for embeddings: examples are then found by meaning as well as by words. Unset: by words alone.",
    ),
    variable("RAG_CACHE_TTL", "3600", "How long found examples are kept for the same words."),
    variable(
        "ATTUNE_CORPUS",
        "",
        "A file of your own examples beside the ones inside of the binary. Unset: `corpus.jsonl` in the data directory, where there is one.",
    ),
    variable(
        "ATTUNE_PROTOCOL",
        "trt-stage-1",
        "The protocol that new sessions follow: the id of one inside of the binary (`trt-stage-1`, `breathing`), or the path of your own file.",
    ),
    variable(
        "ATTUNE_COUNTRY",
        "",
        "Two-letter country whose crisis lines are shown where a session names none. Unset: the international finder.",
    ),
    variable(
        "ATTUNE_CONTACT",
        "",
        "How people reach whoever runs this server, such as an address or a page: told to the public at `/.well-known/crisis-protocol`.",
    ),
    variable(
        "ATTUNE_MODE",
        "supervised",
        "Who stands behind Attune: `supervised`, where clinicians clear a level that pauses and nothing else lowers it, `self_help`, where there are none and two negative re-screens at least 24 h apart do, or `disabled`, where nobody is talked with and danger is answered all the same. Where a session's metadata name a region whose law is stricter, that counts.",
    ),
    variable(
        "ATTUNE_CONSENT",
        "off",
        "`required`: nobody is talked with before they have consented to the current text; danger is answered all the same. `off`: consent is kept where it is given, and nobody is asked for it.",
    ),
    variable(
        "ATTUNE_CONSENT_FILE",
        "",
        "A file with your own text to consent to, `version` and `text` in TOML; the same on all servers. Unset: the one inside of the binary.",
    ),
    variable(
        "DUTY_HOURS",
        "",
        "When somebody of the team is on duty, like `Mon-Fri 09:00-17:00 Europe/Berlin`; several are separated by `;`. The crisis dialogue says so then, and at no other time. Unset: nobody is. With `self_help` it warns: there is no team.",
    ),
    variable(
        "ALERT_WEBHOOK_URL",
        "",
        "Where each open alert is told of by a signed POST, at once and again until somebody has seen it. No redirect is followed and no proxy used. Also as `ALERT_WEBHOOK_URL_FILE`.",
    ),
    variable(
        "ALERT_WEBHOOK_URL_2",
        "",
        "The same for alerts that nobody has seen after `ALERT_ESCALATE_AFTER`. Also as `ALERT_WEBHOOK_URL_2_FILE`.",
    ),
    variable(
        "ALERT_WEBHOOK_SECRET",
        "",
        "What webhooks are signed with: `whsec_` and 24 to 64 bytes in base64. Also as `ALERT_WEBHOOK_SECRET_FILE`. Unset: made of the deployment's secret; `attune alerts secret` tells it.",
    ),
    variable(
        "ALERT_SMTP_URL",
        "",
        "The mail server through which open alerts are told of: `smtps://user:password@host`, or `smtp://` where the server takes STARTTLS. Without TLS only on this machine, or with `?tls=none` behind it. Also as `ALERT_SMTP_URL_FILE`.",
    ),
    variable("ALERT_MAIL_FROM", "", "The address that those mails come from."),
    variable("ALERT_MAIL_TO", "", "The addresses that they go to, up to 10, comma-separated."),
    variable("ALERT_MAIL_TO_2", "", "The same for alerts that nobody has seen after `ALERT_ESCALATE_AFTER`."),
    variable(
        "ALERT_REPEAT",
        "10m",
        "From one notice of an open alert that arrived to the next, from 1 s to 1 d.",
    ),
    variable(
        "ALERT_ESCALATE_AFTER",
        "30m",
        "How old an open alert is before the second addresses are told too, from 1 s to 1 d.",
    ),
    variable(
        "ATTUNE_CORS_ORIGINS",
        "",
        "Origins, comma-separated, whose pages may call the server from a browser.",
    ),
    variable("ATTUNE_WORKERS", "", "HTTP worker threads. Unset: one for each core."),
    variable(
        "ATTUNE_LOG",
        "info,fjall=warn,lsm_tree=warn",
        "Log filter: a level, or `target=level` pairs, comma-separated.",
    ),
    variable("ATTUNE_LOG_FORMAT", "text", "`text` or `json`."),
    variable("SESSION_TTL", "86400", "How long a session stands without a turn."),
    variable(
        "SESSION_MAX_AGE",
        "2592000",
        "How long a session stands at all, but for one that danger holds.",
    ),
    variable(
        "SESSION_IDLE",
        "",
        "Idle time after which a session counts as expired. Unset: 23/24 of its TTL.",
    ),
    variable("HISTORY_MAX", "50", "Exchanges kept for a session, 1 to 1000."),
    variable("RATE_LIMIT_PER_MINUTE", "10", "Turns for a session in one window; 0 switches the limit off."),
    variable("RATE_LIMIT_WINDOW_MS", "60000", "The window of the limit above."),
    variable("LOCK_TTL_MS", "10000", "How long a turn's lease stands without renewal."),
    variable("LOCK_WAIT_MS", "5000", "How long a turn waits for the one before it; 0: not at all."),
    variable("QUEUE_MAX", "100", "Turns that may wait for one session."),
    variable("IDEMPOTENCY_TTL", "86400", "How long a reply is kept for a repeated `Idempotency-Key`."),
    variable("ALERT_TTL", "30d", "How long an alert is kept after it was dealt with, from 1 h to ten years."),
    variable(
        "SAFETY_MEMORY_TTL",
        "30d",
        "How long it is kept of a client, after the level was cleared, that there was one. Before, nothing ends it.",
    ),
    variable("DAILY_COUNTERS_TTL", "30d", "How long the counters of a day are kept, from 1 d to ten years."),
    variable(
        "EVENTS_TTL",
        "24h",
        "How long it is kept what happened, for subscribers that were away. It names sessions, and holds no words.",
    ),
    variable("EVENTS_MAX", "100000", "Events that are kept at most; the oldest go first."),
    variable(
        "WEBHOOK_URLS",
        "",
        "Who is told of what happens: up to 10 addresses, separated by commas, that each event is sent to, signed under `ALERT_WEBHOOK_SECRET`. Also as `WEBHOOK_URLS_FILE`.",
    ),
    variable("WEBHOOK_EVENTS", "", "Of these kinds alone, separated by commas. Unset: of all."),
    variable("TURN_DEADLINE_MS", "30000", "The longest a turn may take in all."),
    variable("INDEX_SWEEP_MS", "5000", "How often expired sessions are swept out."),
    variable(
        "ADDRESS_RATE_PER_SECOND",
        "",
        "Requests a second from one address; 0: no limit. Unset: 0 on a loopback address, else 50.",
    ),
    variable("ADDRESS_BURST", "200", "Requests that one address may send at once."),
    variable(
        "TRUSTED_PROXIES",
        "",
        "Networks, comma-separated, whose `Forwarded` and `X-Forwarded-For` headers name the caller's address.",
    ),
    variable(
        "SLOW_SENDER_MS",
        "10000",
        "How long a caller may take to send its headers, and again its body.",
    ),
    variable(
        "SSE_HEARTBEAT_MS",
        "15000",
        "How long a stream of events is silent before it says that it is still there.",
    ),
    variable(
        "SOCKET_HEARTBEAT_MS",
        "30000",
        "How often a WebSocket is told that it stands, and pinged; one that has not answered by the next is ended.",
    ),
    variable(
        "SLOW_READER_MS",
        "10000",
        "How long a WebSocket may leave unread what it is sent, before it is cut off.",
    ),
    variable("CONNECTIONS_MAX", "10000", "WebSockets of this server in all; 0 takes none."),
    variable(
        "CONNECTIONS_PER_CALLER",
        "32",
        "WebSockets of one session's client; those of an API key, and of an open server, count for each session that they speak in.",
    ),
    variable(
        "CONNECTIONS_PER_ADDRESS",
        "",
        "WebSockets from one address; 0: no limit. Unset: 0 on a loopback address, else 200.",
    ),
    variable("SHUTDOWN_MS", "10000", "How long running turns may take to finish after SIGTERM."),
];

/// Secrets that may also be named by a file.
const WITH_FILE: &[&str] = &[
    "ATTUNE_SECRET",
    "ATTUNE_BOOTSTRAP_KEY",
    "ATTUNE_API_KEY",
    "ATTUNE_PASSWORD",
    "REDIS_URL",
    "REDIS_PASSWORD",
    "OPENAI_API_KEY",
    "ALERT_WEBHOOK_URL",
    "ALERT_WEBHOOK_URL_2",
    "ALERT_WEBHOOK_SECRET",
    "ALERT_SMTP_URL",
];

/// A warning for every `ATTUNE_*` name that is none of ours, with the nearest that is.
pub(super) fn unknown_names(variables: &BTreeMap<String, String>) -> Vec<Warning> {
    variables
        .keys()
        .filter(|name| name.starts_with("ATTUNE_") && !is_known(name))
        .map(|name| Warning {
            what: format!("{name} is not a variable of Attune; the nearest is {}", nearest(name)),
            mend: "correct the name, or remove it",
        })
        .collect()
}

fn is_known(name: &str) -> bool {
    let plain = name.strip_suffix("_FILE").filter(|plain| WITH_FILE.contains(plain)).unwrap_or(name);
    VARIABLES.iter().any(|variable| variable.name == plain)
}

fn nearest(name: &str) -> &'static str {
    let names = VARIABLES.iter().map(|variable| variable.name);
    names.min_by_key(|known| strsim::levenshtein(known, name)).unwrap_or_default()
}
