//! A server whose words a fake model writes, and a reader of its events.

use std::time::{Duration, Instant};

use attune::llm::decode::Events;
use serde_json::{Value, json};

use crate::fake::{FakeModel, Script, Seen};
use crate::redis_server::RedisServer;
use crate::server::{Server, start};

/// How the server speaks to the fake.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Ollama,
    OpenAi,
}

impl Api {
    pub const BOTH: [Self; 2] = [Self::Ollama, Self::OpenAi];

    pub fn variables(self, fake: &FakeModel) -> Vec<(&'static str, String)> {
        match self {
            Self::Ollama => vec![("OLLAMA_BASE_URL", fake.url())],
            Self::OpenAi => {
                vec![("OPENAI_BASE_URL", fake.openai_url()), ("OPENAI_MODEL", "llama3.1".to_owned())]
            }
        }
    }
}

/// A server and the fake that writes its words.
pub struct Scene {
    pub fake: FakeModel,
    pub server: Server,
}

impl Scene {
    pub async fn with(script: Script, variables: &[(&str, &str)]) -> Self {
        Self::over(Api::Ollama, script, variables).await
    }

    pub async fn over(api: Api, script: Script, variables: &[(&str, &str)]) -> Self {
        let fake = FakeModel::with(script).await;
        let server = server(api, &fake, variables).await;
        Self { fake, server }
    }

    /// The replies that were asked for; loading and probing are none, and neither is sorting an answer.
    pub fn asked(&self) -> Vec<Seen> {
        replies(self.fake.requests())
    }
}

pub fn replies(seen: Vec<Seen>) -> Vec<Seen> {
    seen.into_iter().filter(|seen| !messages(seen).is_empty() && !is_choice(seen)).collect()
}

pub fn is_choice(seen: &Seen) -> bool {
    seen.body.as_ref().is_some_and(|body| !body["format"].is_null() || !body["response_format"].is_null())
}

async fn server(api: Api, fake: &FakeModel, variables: &[(&str, &str)]) -> Server {
    let own = api.variables(fake);
    let own = own.iter().map(|(name, value)| (*name, value.as_str()));
    Server::with(&own.chain(variables.iter().copied()).collect::<Vec<_>>()).await
}

/// Two servers over one Redis, and one fake.
pub struct Pair {
    pub fake: FakeModel,
    /// Stopped with the rest.
    _redis: RedisServer,
    pub servers: [Server; 2],
}

impl Pair {
    pub async fn with(script: Script, variables: &[(&str, &str)]) -> Self {
        let fake = FakeModel::with(script).await;
        let redis = RedisServer::with_clock(start());
        let url = redis.url();
        let variables: Vec<_> = variables.iter().copied().chain([("REDIS_URL", url.as_str())]).collect();
        let first = server(Api::Ollama, &fake, &variables).await;
        let second = first.another().await;
        Self { fake, _redis: redis, servers: [first, second] }
    }
}

/// Role and text of each message of a prompt.
pub fn messages(seen: &Seen) -> Vec<(String, String)> {
    let body = seen.body.as_ref().unwrap_or(&Value::Null);
    let text = |message: &Value, name: &str| message[name].as_str().unwrap_or_default().to_owned();
    let messages = body["messages"].as_array().cloned().unwrap_or_default();
    messages.iter().map(|message| (text(message, "role"), text(message, "content"))).collect()
}

/// One event as it came.
#[derive(Clone, PartialEq, Eq)]
pub struct Event {
    pub id: String,
    pub name: String,
    pub data: Value,
    pub at: Instant,
}

impl Event {
    pub fn text(&self) -> &str {
        self.data["text"].as_str().unwrap_or_default()
    }
}

/// A stream of events on its way. Dropping it closes the connection.
pub struct Stream {
    response: reqwest::Response,
    events: Events,
    pub heartbeats: usize,
}

impl Stream {
    /// Asks for a turn as events.
    pub async fn open(server: &Server, session: &str, text: &str, headers: &[(&str, &str)]) -> Self {
        Self::of(post(server, "/api/v1/input", session, text, headers)).await
    }

    pub async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.expect("the server answers");
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "text/event-stream");
        Self { response, events: Events::default(), heartbeats: 0 }
    }

    /// The next event; `None` at the end.
    pub async fn next(&mut self) -> Option<Event> {
        loop {
            if let Some(event) = self.events.next_event() {
                let event = event.expect("readable");
                let data = serde_json::from_str(&event.data).expect("JSON");
                let (id, name) = (event.id.unwrap_or_default(), event.name.unwrap_or_default());
                return Some(Event { id, name, data, at: Instant::now() });
            }
            let bytes = self.response.chunk().await.expect("the stream goes on")?;
            self.heartbeats += usize::from(bytes.starts_with(b":"));
            self.events.push(&bytes);
        }
    }

    pub async fn rest(&mut self) -> Vec<Event> {
        let mut events = Vec::new();
        while let Some(event) = self.next().await {
            events.push(event);
        }
        events
    }
}

pub fn post(
    server: &Server,
    path: &str,
    session: &str,
    text: &str,
    headers: &[(&str, &str)],
) -> reqwest::RequestBuilder {
    let body = json!({ "session_id": session, "user_input": text });
    let request =
        server.request(reqwest::Method::POST, path).json(&body).header("accept", "text/event-stream");
    headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))
}

/// The deltas put together, and the turn at the end.
pub fn told(events: &[Event]) -> (String, Value) {
    let text = events.iter().filter(|event| event.name == "delta").map(Event::text).collect();
    let last = events.last().expect("an event");
    assert_eq!(last.name, "turn");
    (text, last.data.clone())
}

/// Waits until something is so, by looking now and then; what is looked at tells nobody.
pub async fn until(what: &str, mut is_so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}
