//! Reading bodies: bounded in size and time, and decoded so that every fault has its own clear problem.

use std::fmt;
use std::time::Duration;

use tokio::time::Instant;

use actix_web::HttpRequest;
use actix_web::http::header;
use actix_web::web::{Bytes, BytesMut, Payload};
use futures_util::StreamExt as _;
use serde::de::{DeserializeOwned, Visitor};
use serde::{Deserialize, Deserializer};

use super::credentials::still_stands;
use super::problem::{Code, FieldError, Problem};

/// Bounds of a body in bytes: routes that take a person's words read more, so that danger is seen in all of it.
pub const INPUT_MAX_BYTES: usize = 256 * 1024;
pub const OTHER_MAX_BYTES: usize = 64 * 1024;

/// A credential is looked at before the body. Where that takes longer than this to arrive, it is looked at again: what was
/// revoked meanwhile must not do what the body asks for.
const LATE: Duration = Duration::from_millis(50);

/// Reads a JSON body whole.
pub async fn read(
    request: &HttpRequest,
    payload: Payload,
    max_bytes: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    let began = Instant::now();
    let body = whole(request, payload, max_bytes, patience).await?;
    if began.elapsed() > LATE {
        still_stands(request).await?;
    }
    Ok(body)
}

/// The same for what a person says. Where the store does not tell whether the credential stands, the words are read first.
pub async fn read_words(
    request: &HttpRequest,
    payload: Payload,
    patience: Duration,
) -> Result<Bytes, Problem> {
    let began = Instant::now();
    let body = whole(request, payload, INPUT_MAX_BYTES, patience).await?;
    if began.elapsed() > LATE {
        still_stands(request)
            .await
            .or_else(|problem| if problem.is_of_store() { Ok(()) } else { Err(problem) })?;
    }
    Ok(body)
}

async fn whole(
    request: &HttpRequest,
    payload: Payload,
    max_bytes: usize,
    patience: Duration,
) -> Result<Bytes, Problem> {
    check_content_type(request)?;
    let announced = request.headers().get(header::CONTENT_LENGTH);
    let announced = announced.and_then(|length| length.to_str().ok()?.parse::<usize>().ok());
    if announced.is_some_and(|length| length > max_bytes) {
        return Err(too_large(max_bytes));
    }
    tokio::time::timeout(patience, gather(payload, max_bytes))
        .await
        .map_err(|_elapsed| Problem::new(Code::SlowSender, "the body did not arrive in time"))?
}

async fn gather(mut payload: Payload, max_bytes: usize) -> Result<Bytes, Problem> {
    let mut body = BytesMut::new();
    while let Some(chunk) = payload.next().await {
        let chunk =
            chunk.map_err(|_broken| Problem::new(Code::InvalidJson, "the body ended before it was whole"))?;
        if body.len() + chunk.len() > max_bytes {
            return Err(too_large(max_bytes));
        }
        body.extend_from_slice(&chunk);
    }
    Ok(body.freeze())
}

fn too_large(max_bytes: usize) -> Problem {
    Problem::new(Code::BodyTooLarge, format!("at most {} KiB are read", max_bytes / 1024))
}

/// No content type at all is taken for JSON; another one is refused.
fn check_content_type(request: &HttpRequest) -> Result<(), Problem> {
    if request.headers().contains_key(header::CONTENT_ENCODING) {
        return Err(Problem::new(Code::UnsupportedMediaType, "send the body without Content-Encoding"));
    }
    let Some(value) = request.headers().get(header::CONTENT_TYPE) else { return Ok(()) };
    let value = value.to_str().unwrap_or_default();
    let kind = value.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    if kind == "application/json" || (kind.starts_with("application/") && kind.ends_with("+json")) {
        return Ok(());
    }
    Err(Problem::new(Code::UnsupportedMediaType, "send Content-Type: application/json"))
}

/// Decodes a JSON object that may be left out, or be null.
pub fn decode_if_any<T: DeserializeOwned>(body: &[u8]) -> Result<Option<T>, Problem> {
    match body.trim_ascii() {
        b"" | b"null" => Ok(None),
        _ => decode(body).map(Some),
    }
}

/// Decodes a JSON object. Unknown members are ignored.
pub fn decode<T: DeserializeOwned>(body: &[u8]) -> Result<T, Problem> {
    let mut deserializer = serde_json::Deserializer::from_slice(body);
    let value =
        serde_path_to_error::deserialize(Object::new(&mut deserializer)).map_err(|error| fault(&error))?;
    deserializer.end().map_err(|error| not_json(&error))?;
    Ok(value)
}

fn fault(error: &serde_path_to_error::Error<serde_json::Error>) -> Problem {
    let inner = error.inner();
    match inner.classify() {
        serde_json::error::Category::Data => {
            let path = error.path().to_string();
            let field = if path == "." { named_field(inner).unwrap_or(path) } else { path };
            Problem::invalid_fields(vec![FieldError { field, message: expectation(inner) }])
        }
        serde_json::error::Category::Io
        | serde_json::error::Category::Syntax
        | serde_json::error::Category::Eof => not_json(inner),
    }
}

fn not_json(error: &serde_json::Error) -> Problem {
    Problem::new(Code::InvalidJson, format!("not JSON at line {}, column {}", error.line(), error.column()))
}

/// The field of an error that belongs to the object and not to a value in it.
fn named_field(error: &serde_json::Error) -> Option<String> {
    let text = error.to_string();
    let rest = text.strip_prefix("missing field `").or_else(|| text.strip_prefix("duplicate field `"))?;
    rest.split('`').next().map(str::to_owned)
}

/// What was expected, without the value that was found: it may be a person's words.
fn expectation(error: &serde_json::Error) -> String {
    let text = error.to_string();
    if text.starts_with("missing field") {
        return "is required".to_owned();
    }
    if text.starts_with("duplicate field") {
        return "stands there twice".to_owned();
    }
    let expected = text.rsplit_once("expected ").map_or("another type", |(_, expected)| expected);
    match expected.split(" at line ").next().unwrap_or(expected) {
        "u8" | "u16" | "u32" | "u64" | "usize" => "must be a whole number, not below zero".to_owned(),
        // Our names for things say nothing to a caller.
        expected if expected.starts_with("struct ") => "must be an object".to_owned(),
        expected => format!("must be {expected}"),
    }
}

/// A deserializer that takes only objects where a struct is asked for: plain serde would take arrays too.
struct Object<D>(D);

impl<D> Object<D> {
    fn new(inner: D) -> Self {
        Self(inner)
    }
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Object<D> {
    type Error = D::Error;

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_map(visitor)
    }

    serde::forward_to_deserialize_any! {
        bool i8 i16 i32 i64 i128 u8 u16 u32 u64 u128 f32 f64 char str string bytes byte_buf option unit
        unit_struct newtype_struct seq tuple tuple_struct map struct enum identifier ignored_any
    }
}

/// A person's words. Half of a surrogate pair, as a cut-off emoji leaves it, is read as U+FFFD and refuses nothing.
#[derive(Debug, Clone)]
pub struct Text(pub String);

impl<'de> Deserialize<'de> for Text {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Lossy;
        impl Visitor<'_> for Lossy {
            type Value = Text;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string")
            }

            fn visit_str<E: serde::de::Error>(self, text: &str) -> Result<Text, E> {
                Ok(Text(text.to_owned()))
            }

            fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Text, E> {
                Ok(Text(String::from_utf8_lossy(bytes).into_owned()))
            }
        }
        // Asked for bytes, the JSON reader hands lone surrogates on instead of refusing the whole body.
        deserializer.deserialize_byte_buf(Lossy)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, Deserialize)]
    struct Words {
        user_input: Text,
        #[serde(default)]
        count: u8,
    }

    fn code(body: &str) -> Option<(Code, String)> {
        let problem = decode::<Words>(body.as_bytes()).err()?;
        Some((problem.code, problem.errors.first().map(|error| error.field.clone()).unwrap_or_default()))
    }

    #[test]
    fn unknown_members_are_ignored() {
        let words: Words = decode(br#"{"user_input":"hi","extra":[1,{"a":null}]}"#).expect("fits");
        assert_eq!((words.user_input.0.as_str(), words.count), ("hi", 0));
    }

    #[test]
    fn half_a_surrogate_pair_refuses_nothing() {
        let words: Words = decode(br#"{"user_input":"hi \ud83d"}"#).expect("read as a replacement");
        assert!(words.user_input.0.starts_with("hi \u{fffd}"));
        let whole: Words = decode(br#"{"user_input":"hi \ud83d\ude42 \u0000"}"#).expect("fits");
        assert_eq!(whole.user_input.0, "hi \u{1f642} \0");
    }

    #[test]
    fn what_is_not_json_and_what_does_not_fit_are_told_apart() {
        for bad in ["", "{", "nonsense", "{\"user_input\":\"a\"} x", "\u{feff}{}"] {
            assert_eq!(code(bad).map(|(code, _)| code), Some(Code::InvalidJson), "{bad:?}");
        }
        let deep = format!("{{\"user_input\":\"a\",\"x\":{}", "[".repeat(10_000));
        assert_eq!(code(&deep).map(|(code, _)| code), Some(Code::InvalidJson));
        let misfit =
            |body: &str| code(body).filter(|(code, _)| *code == Code::InvalidRequest).map(|(_, f)| f);
        assert_eq!(misfit("{}").as_deref(), Some("user_input"));
        assert_eq!(misfit("{\"user_input\":5}").as_deref(), Some("user_input"));
        assert_eq!(misfit("{\"user_input\":null}").as_deref(), Some("user_input"));
        assert_eq!(misfit("{\"user_input\":[104,105]}").as_deref(), Some("user_input"));
        assert_eq!(misfit("{\"user_input\":\"a\",\"count\":300}").as_deref(), Some("count"));
        for bad in ["[\"a\"]", "\"a\"", "null", "7"] {
            assert!(misfit(bad).is_some(), "{bad}");
            let problem = decode::<Words>(bad.as_bytes()).expect_err("no object");
            assert!(problem.detail.ends_with("must be an object"), "{}", problem.detail);
        }
    }

    #[test]
    fn a_body_that_may_be_left_out_may_be_null() {
        for none in ["", " \n", "null", " null "] {
            assert!(decode_if_any::<Words>(none.as_bytes()).is_ok_and(|words| words.is_none()), "{none:?}");
        }
        assert!(decode_if_any::<Words>(br#"{"user_input":"a"}"#).is_ok_and(|words| words.is_some()));
        assert!(decode_if_any::<Words>(b"nul").is_err());
    }

    #[test]
    fn an_error_never_repeats_what_was_written() {
        let problem = decode::<Words>(br#"{"user_input":"a","count":"my secret"}"#).expect_err("no number");
        assert!(!format!("{problem:?}").contains("my secret"));
    }
}
