//! The one sender of webhooks: a POST, signed by the convention of Standard Webhooks, and judged by its status alone.
//!
//! Verifies certificates, follows no redirect, uses no proxy, and reads no body. It tries once: whoever has something to
//! send keeps it until it is delivered, and tries again under the same id.

use std::sync::Arc;
use std::time::Duration;

use reqwest::header::{CONTENT_TYPE, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Client, Url};

use super::Missed;
use crate::access::WebhookKey;
use crate::domain::time::Timestamp;

const CONNECT_MAX: Duration = Duration::from_secs(5);
/// From the first byte sent to the status.
const ANSWER_MAX: Duration = Duration::from_secs(10);
/// A receiver may close an idle connection at any moment: none is kept for long.
const IDLE_MAX: Duration = Duration::from_secs(5);

/// What came of one try.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Posted {
    /// Any 2xx.
    Delivered,
    /// Something that may pass: nobody answers, or the receiver says that it cannot now.
    TryAgain(Missed),
    /// The receiver does not take it as it is, or is another one now.
    GivenUp(Missed),
}

impl Posted {
    /// As the figures call it.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Delivered => "delivered",
            Self::TryAgain(_) => "failed",
            Self::GivenUp(_) => "refused",
        }
    }

    /// For whoever never gives up.
    pub const fn arrived(self) -> Result<(), Missed> {
        match self {
            Self::Delivered => Ok(()),
            Self::TryAgain(missed) | Self::GivenUp(missed) => Err(missed),
        }
    }
}

/// Why there can be no such endpoint. Its address is not repeated: it may hold a secret.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum EndpointFault {
    #[error("a URL like https://example.com/attune is expected")]
    Url,
    #[error("no certificates were found on this machine: an address behind https cannot be verified")]
    Certificates,
}

/// A receiver, and a client of its own: what one does harms no other.
pub struct Endpoint {
    client: Client,
    url: Url,
    key: Arc<WebhookKey>,
}

impl Endpoint {
    /// `url` comes from whoever runs the server. One that comes with a request has to be looked at first.
    pub fn open(url: &str, key: Arc<WebhookKey>) -> Result<Self, EndpointFault> {
        let url = Url::parse(url).map_err(|_| EndpointFault::Url)?;
        if !["http", "https"].contains(&url.scheme()) || !url.has_host() {
            return Err(EndpointFault::Url);
        }
        let builder = Client::builder()
            .connect_timeout(CONNECT_MAX)
            .timeout(ANSWER_MAX)
            .redirect(Policy::none())
            .no_proxy()
            .pool_idle_timeout(IDLE_MAX);
        // Where nothing is to be verified, a small image without any certificates is enough.
        let builder = if url.scheme() == "http" { builder.tls_certs_only([]) } else { builder };
        let client = builder.build().map_err(|_| EndpointFault::Certificates)?;
        Ok(Self { client, url, key })
    }

    /// Sends `body`, which is JSON, once. What is sent again has the same `id`, by which the receiver knows it.
    pub async fn post(&self, id: &str, at: Timestamp, body: Vec<u8>) -> Posted {
        let at_s = at.millis().div_euclid(1_000);
        let signature = self.key.sign(id, at_s, &body);
        let request = self
            .client
            .post(self.url.clone())
            .header(CONTENT_TYPE, HeaderValue::from_static("application/json"))
            .header("webhook-id", id)
            .header("webhook-timestamp", at_s)
            .header("webhook-signature", signature)
            .body(body);
        match request.send().await {
            Ok(answer) => judged(answer.status().as_u16()),
            Err(error) => Posted::TryAgain(why(&error)),
        }
    }
}

const fn judged(status: u16) -> Posted {
    match status {
        200..=299 => Posted::Delivered,
        300..=399 => Posted::GivenUp(Missed::Redirected(status)),
        // Too slow, too early, too much: the receiver asks for another try.
        408 | 425 | 429 => Posted::TryAgain(Missed::Answered(status)),
        400..=499 => Posted::GivenUp(Missed::Answered(status)),
        _ => Posted::TryAgain(Missed::Answered(status)),
    }
}

/// The error's own text names the address.
fn why(error: &reqwest::Error) -> Missed {
    if error.is_timeout() {
        return Missed::TimedOut;
    }
    if !error.is_connect() {
        return Missed::Broken;
    }
    let source = |error: &dyn std::error::Error| format!("{error:?}");
    if source(error).contains("InvalidCertificate") { Missed::Untrusted } else { Missed::Unreachable }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_2xx_is_delivered_and_what_may_pass_is_tried_again() {
        for status in [200, 202, 204, 299] {
            assert_eq!(judged(status), Posted::Delivered);
        }
        for status in [408, 425, 429, 500, 502, 503, 599] {
            assert_eq!(judged(status), Posted::TryAgain(Missed::Answered(status)));
        }
        for status in [400, 401, 404, 410, 413] {
            assert_eq!(judged(status), Posted::GivenUp(Missed::Answered(status)));
        }
        assert_eq!(judged(307), Posted::GivenUp(Missed::Redirected(307)));
    }

    #[test]
    fn what_is_no_address_is_told_without_repeating_it() {
        let key = || Arc::new(WebhookKey::parse("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw").expect("a key"));
        for bad in ["", "example.com", "ftp://example.com", "https://"] {
            assert!(matches!(Endpoint::open(bad, key()), Err(EndpointFault::Url)), "{bad}");
        }
        assert!(Endpoint::open("http://127.0.0.1:1/a?token=b", key()).is_ok());
    }
}
