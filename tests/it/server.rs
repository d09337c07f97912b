//! A server in this process, on a free port and a directory of its own, and a client for it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use attune::app::App;
use attune::clock::{Clock, Entropy, ManualClock};
use attune::config::Config;
use attune::domain::time::Timestamp;
use attune::store::Store;
use reqwest::header::{HeaderName, HeaderValue};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::openapi;

/// A server that is stopped by [`Server::stop`], or killed with the test.
pub struct Server {
    app: Option<App>,
    pub clock: ManualClock,
    pub client: reqwest::Client,
    base: String,
    variables: BTreeMap<String, String>,
    data: Arc<TempDir>,
    seed: u64,
}

/// When a server's clock begins.
pub fn start() -> Timestamp {
    Timestamp::parse("2026-03-01T12:00:00Z").expect("a time")
}

const SEED: u64 = 7;

/// An answer, read whole.
#[derive(Debug)]
pub struct Answer {
    pub status: StatusCode,
    pub headers: reqwest::header::HeaderMap,
    pub bytes: Vec<u8>,
}

impl Answer {
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.bytes).unwrap_or(Value::Null)
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// The body of a 200.
    pub fn ok(&self) -> Value {
        assert_eq!(self.status, 200, "{}", self.json()["detail"]);
        self.json()
    }

    /// The body of a problem, with everything that every problem has.
    pub fn problem(&self, status: u16, error: &str) -> Value {
        let body = self.json();
        assert_eq!(
            (self.status.as_u16(), body["error"].as_str()),
            (status, Some(error)),
            "{}",
            body["detail"]
        );
        assert_eq!(self.header("content-type"), Some("application/problem+json"));
        for field in ["type", "title", "detail", "instance", "message", "timestamp"] {
            assert!(body[field].is_string(), "{field} is missing");
        }
        assert_eq!(body["status"], status);
        body
    }
}

impl Server {
    pub async fn start() -> Self {
        Self::with(&[]).await
    }

    /// A server with some variables set; no limit on turns unless one is.
    pub async fn with(variables: &[(&str, &str)]) -> Self {
        let owned = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
        let mut all: BTreeMap<String, String> =
            [("ATTUNE_ADDR", "127.0.0.1:0"), ("RATE_LIMIT_PER_MINUTE", "0"), ("ATTUNE_WORKERS", "2")]
                .map(owned)
                .into();
        all.extend(variables.iter().copied().map(owned));
        let data = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        let start = start();
        Self::run(all, data, ManualClock::at(start), SEED).await
    }

    /// One that needs a credential, with an app's key in a header of every request.
    pub async fn with_key() -> Self {
        let bootstrap = format!("attune_key_{}", "A".repeat(43));
        let mut server =
            Self::with(&[("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", &bootstrap)]).await;
        let made =
            server.request(Method::POST, "/keys").bearer_auth(bootstrap).json(&json!({ "label": "an app" }));
        let key = server.send(made).await.ok()["key"].as_str().expect("a key").to_owned();
        let headers = [(HeaderName::from_static("x-api-key"), HeaderValue::from_str(&key).expect("plain"))];
        let client = reqwest::Client::builder().default_headers(headers.into_iter().collect());
        server.client = client.build().expect("a client");
        server
    }

    /// A second server beside this one, with the same variables and clock: of one deployment where these name a Redis.
    pub async fn another(&self) -> Self {
        let data = Arc::new(tempfile::tempdir().expect("a temporary directory"));
        Self::run(self.variables.clone(), data, self.clock.clone(), self.seed + 1).await
    }

    /// Works on its store while it is stopped, and starts it again.
    pub async fn while_stopped(mut self, work: impl AsyncFnOnce(&dyn Store)) -> Self {
        self.stop().await;
        let mut variables = self.variables.clone();
        variables.insert("ATTUNE_DATA".to_owned(), self.data.path().display().to_string());
        let config = Config::from_variables(variables).expect("a sound configuration");
        let knowledge = attune::app::open_knowledge(&config).expect("sound");
        let (clock, entropy) = (Arc::new(self.clock.clone()) as Arc<dyn Clock>, Arc::new(Entropy::system()));
        let opened =
            attune::app::open_store(&config, &knowledge.protocols, &clock, &entropy).await.expect("it opens");
        work(&*opened.store).await;
        opened.store.close().await.expect("it closes");
        drop(opened);
        self.restart().await
    }

    async fn run(
        variables: BTreeMap<String, String>,
        data: Arc<TempDir>,
        clock: ManualClock,
        seed: u64,
    ) -> Self {
        let mut with_data = variables.clone();
        with_data.insert("ATTUNE_DATA".to_owned(), data.path().display().to_string());
        let config = Config::from_variables(with_data).expect("a sound configuration");
        let app = App::start_with(&config, Arc::new(clock.clone()), Arc::new(Entropy::seeded(seed)))
            .await
            .expect("the server starts");
        let base = format!("http://{}", app.addr);
        Self { app: Some(app), clock, client: reqwest::Client::new(), base, variables, data, seed }
    }

    pub async fn stop(&mut self) {
        if let Some(app) = self.app.take() {
            assert!(app.stop().await, "every turn finished");
        }
    }

    /// Stops it and starts it again on the same data.
    pub async fn restart(mut self) -> Self {
        self.stop().await;
        // No two processes deal out the same leases.
        let seed = self.seed + 100;
        Self::run(self.variables.clone(), Arc::clone(&self.data), self.clock.clone(), seed).await
    }

    /// The same with some variables set anew.
    pub async fn restart_with(mut self, variables: &[(&str, &str)]) -> Self {
        self.variables
            .extend(variables.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        self.restart().await
    }

    /// Every byte that lies in its directory.
    pub fn files(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        let mut directories = vec![self.data.path().to_path_buf()];
        while let Some(directory) = directories.pop() {
            for entry in std::fs::read_dir(directory).expect("a directory").flatten() {
                let path = entry.path();
                if path.is_dir() {
                    directories.push(path);
                } else {
                    bytes.extend(std::fs::read(path).expect("readable"));
                }
            }
        }
        bytes
    }

    /// Where its embedded store lies.
    pub fn store_directory(&self) -> std::path::PathBuf {
        self.data.path().join("store")
    }

    /// Every key and value of its store, which it has to stop for.
    pub async fn tables(&mut self) -> String {
        use fjall::Readable as _;
        self.stop().await;
        let database = fjall::Database::builder(self.data.path().join("store")).open().expect("it opens");
        let (snapshot, mut all) = (database.snapshot(), Vec::new());
        for name in database.list_keyspace_names() {
            let table = database.keyspace(&name, fjall::KeyspaceCreateOptions::default).expect("it is there");
            for entry in snapshot.iter(&table) {
                let (key, value) = entry.into_inner().expect("readable");
                all.extend(key.iter().chain(value.iter()).chain(b"\n"));
            }
        }
        assert!(!all.is_empty());
        String::from_utf8_lossy(&all).into_owned()
    }

    pub fn addr(&self) -> &str {
        self.base.strip_prefix("http://").unwrap_or(&self.base)
    }

    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base)
    }

    /// Sends a request; its status has to stand in the `OpenAPI` description.
    pub async fn send(&self, request: reqwest::RequestBuilder) -> Answer {
        let request = request.build().expect("a sound request");
        let (method, path) = (request.method().clone(), request.url().path().to_owned());
        let mut response = self.client.execute(request).await.expect("the server answers");
        let (status, headers) = (response.status(), response.headers().clone());
        let bytes = if status == 200 && path.ends_with("/events") {
            // A stream that goes on for ever: its beginning is enough.
            response.chunk().await.expect("a beginning").unwrap_or_default()
        } else {
            response.bytes().await.expect("a whole body")
        };
        let answer = Answer { status, headers, bytes: bytes.to_vec() };
        openapi::assert_described(&method, &path, answer.status.as_u16());
        answer
    }

    pub fn request(&self, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.client.request(method, self.url(path)).timeout(Duration::from_mins(1))
    }

    pub async fn get(&self, path: &str) -> Answer {
        self.send(self.request(Method::GET, path)).await
    }

    pub async fn delete(&self, path: &str) -> Answer {
        self.send(self.request(Method::DELETE, path)).await
    }

    pub async fn post(&self, path: &str, body: &Value) -> Answer {
        self.send(self.request(Method::POST, path).json(body)).await
    }

    /// A raw body with the JSON content type.
    pub async fn post_bytes(&self, path: &str, body: impl Into<Vec<u8>>) -> Answer {
        let request = self.request(Method::POST, path).header("content-type", "application/json");
        self.send(request.body(body.into())).await
    }

    pub async fn input(&self, session: &str, text: &str) -> Answer {
        self.post("/api/v1/input", &json!({ "session_id": session, "user_input": text })).await
    }

    pub async fn input_with_key(&self, session: &str, text: &str, key: &str) -> Answer {
        let body = json!({ "session_id": session, "user_input": text });
        self.send(self.request(Method::POST, "/api/v1/input").header("idempotency-key", key).json(&body))
            .await
    }

    pub async fn create(&self, body: &Value) -> Answer {
        self.post("/api/v1/session/create", body).await
    }

    pub async fn session(&self, session: &str) -> Value {
        self.get(&format!("/api/v1/session/{session}")).await.ok()
    }

    pub async fn history(&self, session: &str) -> Vec<Value> {
        let page = self.get(&format!("/api/v1/session/{session}/history?limit=50")).await.ok();
        page["exchanges"].as_array().cloned().unwrap_or_default()
    }
}
