//! The running server, asked over HTTP. Shows nothing; no error of it holds a person's words.

use std::time::Duration;

use reqwest::header::{ACCEPT, RETRY_AFTER};
use reqwest::{Client, RequestBuilder, Response};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::to_server;
use super::wire::{Created, History, Problem, Resource, Resources, Session, Stopped};
use crate::config::Config;

const CONNECT_PATIENCE: Duration = Duration::from_secs(5);
/// Longer than a stream is silent by default before it says that it is still there.
const SILENCE_MAX: Duration = Duration::from_mins(1);
/// For everything but a turn.
const PATIENCE: Duration = Duration::from_secs(10);

/// Why there is no answer.
pub enum Unanswered {
    /// Nobody is there.
    Away,
    /// The connection broke, or nothing came for too long: it may have been done all the same.
    Lost,
    Refused(Problem),
}

/// One message, sent again with the same key and bytes until it is answered.
#[derive(Clone)]
pub struct Said {
    pub session: String,
    pub text: String,
    pub key: String,
}

#[derive(Clone)]
pub struct Server {
    client: Client,
    url: String,
}

impl Server {
    pub fn at(config: &Config) -> Result<Self, reqwest::Error> {
        let patient = Client::builder().connect_timeout(CONNECT_PATIENCE).read_timeout(SILENCE_MAX);
        let client = to_server(patient, config).build()?;
        Ok(Self { client, url: config.url.trim_end_matches('/').to_owned() })
    }

    pub fn url(&self) -> &str {
        &self.url
    }

    pub async fn create(&self, id: Option<&str>, key: &str) -> Result<Created, Unanswered> {
        let body = json!({ "session_id": id, "metadata": { "platform": "terminal" } });
        let request =
            self.client.post(self.path("session/create")).header("idempotency-key", key).json(&body);
        read(answer(request.timeout(PATIENCE)).await?).await
    }

    /// `None`: it is not known.
    pub async fn session(&self, id: &str) -> Result<Option<Session>, Unanswered> {
        self.look(&format!("session/{id}")).await
    }

    /// The latest exchanges; `None` where the session is not known.
    pub async fn history(&self, id: &str, limit: u32) -> Result<Option<History>, Unanswered> {
        self.look(&format!("session/{id}/history?limit={limit}")).await
    }

    /// The crisis lines of a country, else the ones that the server shows.
    pub async fn resources(&self, country: &Value) -> Result<Vec<Resource>, Unanswered> {
        let country = country.as_str().filter(|code| code.bytes().all(|byte| byte.is_ascii_alphabetic()));
        let query = country.map(|code| format!("?country={code}")).unwrap_or_default();
        let found: Option<Resources> = self.look(&format!("resources{query}")).await?;
        Ok(found.unwrap_or_default().resources)
    }

    /// Whether a turn was at work and was stopped.
    pub async fn stop(&self, id: &str) -> Result<bool, Unanswered> {
        let request = self.client.delete(self.path(&format!("session/{id}/turn"))).timeout(PATIENCE);
        let stopped: Stopped = read(answer(request).await?).await?;
        Ok(stopped.stopped)
    }

    /// Says something. The answer is a stream of events; what comes behind `last_seen` is told.
    pub async fn say(&self, said: &Said, last_seen: Option<&str>) -> Result<Response, Unanswered> {
        let body = json!({ "session_id": said.session, "user_input": said.text });
        let mut request =
            self.client.post(self.path("input")).header("idempotency-key", &said.key).json(&body);
        request = request.header(ACCEPT, "text/event-stream");
        if let Some(id) = last_seen {
            request = request.header("last-event-id", id);
        }
        answer(request).await
    }

    async fn look<T: DeserializeOwned>(&self, path: &str) -> Result<Option<T>, Unanswered> {
        match answer(self.client.get(self.path(path)).timeout(PATIENCE)).await {
            Ok(response) => read(response).await.map(Some),
            Err(Unanswered::Refused(problem)) if problem.error == "not_found" => Ok(None),
            Err(unanswered) => Err(unanswered),
        }
    }

    fn path(&self, path: &str) -> String {
        format!("{}/api/v1/{path}", self.url)
    }
}

/// A refused answer is read whole.
async fn answer(request: RequestBuilder) -> Result<Response, Unanswered> {
    let response = request.send().await.map_err(|error| {
        if error.is_connect() || error.is_builder() { Unanswered::Away } else { Unanswered::Lost }
    })?;
    let status = response.status();
    if status.is_success() {
        return Ok(response);
    }
    let retry_after = response.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok());
    let retry_after = retry_after.map(str::to_owned);
    let body = response.bytes().await.map_err(|_| Unanswered::Lost)?;
    Err(Unanswered::Refused(Problem::read(status.as_u16(), retry_after.as_deref(), &body)))
}

async fn read<T: DeserializeOwned>(response: Response) -> Result<T, Unanswered> {
    let status = response.status().as_u16();
    let body = response.bytes().await.map_err(|_| Unanswered::Lost)?;
    serde_json::from_slice(&body).map_err(|_| Unanswered::Refused(Problem::read(status, None, &[])))
}
