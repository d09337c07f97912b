//! Where a command finds what it asks for: a running server, else the store itself.

use std::time::Duration;

use serde_json::Value;

use crate::config::Config;

use super::offline::Offline;
use super::{Failure, login, to_server};

const PATIENCE: Duration = Duration::from_secs(10);

pub(super) enum Source {
    Server {
        client: reqwest::Client,
        url: String,
        /// Whether somebody logged in for this command, who is to be logged out behind it.
        is_logged_in: bool,
    },
    Store(Box<Offline>),
}

impl Source {
    /// A running server, or the store, which is made where there is none: for what comes before the first start.
    pub async fn make(config: &Config) -> Result<Self, Failure> {
        Self::of(config, Offline::make).await
    }

    pub async fn find(config: &Config) -> Result<Self, Failure> {
        Self::of(config, Offline::open).await
    }

    async fn of(
        config: &Config,
        open: impl AsyncFnOnce(&Config) -> Result<Offline, Failure>,
    ) -> Result<Self, Failure> {
        let client = to_server(patient(), config).build().map_err(Failure::of)?;
        let url = config.url.trim_end_matches('/').to_owned();
        match client.get(format!("{url}/livez")).send().await {
            Ok(_answers) => match &config.login {
                Some(who) => {
                    let client = login::log_in(config, who, &url).await?;
                    Ok(Self::Server { client, url, is_logged_in: true })
                }
                None => Ok(Self::Server { client, url, is_logged_in: false }),
            },
            Err(error) if error.is_connect() => Ok(Self::Store(Box::new(open(config).await?))),
            Err(error) => Err(Failure::of(error)),
        }
    }

    pub async fn close(self) -> Result<(), Failure> {
        match self {
            Self::Store(offline) => offline.close().await,
            Self::Server { client, url, is_logged_in: true } => {
                answer(client.post(url_of(&url, &["logout"], None)?)).await.map(drop)
            }
            Self::Server { is_logged_in: false, .. } => Ok(()),
        }
    }
}

/// A client that gives up in time.
pub(super) fn patient() -> reqwest::ClientBuilder {
    reqwest::Client::builder().timeout(PATIENCE)
}

/// The address of a path, each of whose parts is one, whatever somebody typed.
pub(super) fn url_of(url: &str, parts: &[&str], org: Option<&str>) -> Result<reqwest::Url, Failure> {
    let mut url = reqwest::Url::parse(url).map_err(Failure::of)?;
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(["api", "v1"]).extend(parts);
    }
    if let Some(org) = org {
        url.query_pairs_mut().append_pair("organisation", org);
    }
    Ok(url)
}

/// The address of a list's first page.
pub(super) fn page_url(
    path: &str,
    limit: usize,
    filters: &[(&str, Option<&str>)],
) -> Result<reqwest::Url, Failure> {
    let mut url = reqwest::Url::parse(path).map_err(Failure::of)?;
    url.query_pairs_mut().append_pair("limit", &limit.to_string());
    for (name, value) in filters.iter().filter_map(|(name, value)| Some((name, (*value)?))) {
        url.query_pairs_mut().append_pair(name, value);
    }
    Ok(url)
}

pub(super) fn unknown_path() -> Failure {
    Failure::Said("the server does not know this path".to_owned())
}

/// The JSON of an answer; `None` for a 404.
pub(super) async fn answer(request: reqwest::RequestBuilder) -> Result<Option<Value>, Failure> {
    let response = request.send().await.map_err(Failure::of)?;
    let status = response.status();
    let body: Value = serde_json::from_slice(&response.bytes().await.map_err(Failure::of)?)
        .map_err(|_| Failure::Said(format!("the server answered {status} without JSON")))?;
    if status.as_u16() == 404 {
        return Ok(None);
    }
    if !status.is_success() {
        return Err(Failure::Said(format!("the server answered {status}: {}", detail(&body))));
    }
    Ok(Some(body))
}

/// What a problem says, field by field where it does.
fn detail(body: &Value) -> String {
    let errors = body["errors"].as_array().into_iter().flatten();
    let fields: Vec<String> = errors
        .filter_map(|error| Some(format!("{} {}", error["field"].as_str()?, error["message"].as_str()?)))
        .collect();
    if fields.is_empty() {
        return body["detail"].as_str().unwrap_or("no detail").to_owned();
    }
    fields.join("; ")
}
