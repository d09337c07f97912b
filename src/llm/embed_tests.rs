use std::sync::Arc;

use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::*;

const PATIENT: Duration = Duration::from_secs(30);
const MOMENT: Duration = Duration::from_millis(50);

/// A server that answers every request with the same bytes, or with nothing at all, and notes what it was asked.
struct Fake {
    url: String,
    asked: Arc<Mutex<Vec<Value>>>,
}

impl Fake {
    async fn answering(status: &'static str, body: String) -> Self {
        Self::start(Some(format!(
            "HTTP/1.1 {status}\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
            body.len()
        )))
        .await
    }

    async fn silent() -> Self {
        Self::start(None).await
    }

    #[expect(clippy::disallowed_methods, reason = "it ends with the test's runtime")]
    async fn start(answer: Option<String>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
        let url = format!("http://{}", listener.local_addr().expect("bound"));
        let asked = Arc::new(Mutex::new(Vec::new()));
        let notes = Arc::clone(&asked);
        tokio::spawn(async move {
            let mut kept = Vec::new();
            while let Ok((mut stream, _)) = listener.accept().await {
                let asked = request(&mut stream).await;
                notes.lock().push(asked);
                match &answer {
                    // Who has heard enough hangs up.
                    Some(answer) => drop(stream.write_all(answer.as_bytes()).await),
                    None => kept.push(stream),
                }
            }
        });
        Self { url, asked }
    }

    fn times(&self) -> usize {
        self.asked.lock().len()
    }
}

/// The JSON of one request.
async fn request(stream: &mut TcpStream) -> Value {
    let mut bytes = Vec::new();
    loop {
        let read = stream.read_buf(&mut bytes).await.expect("bytes");
        let text = String::from_utf8_lossy(&bytes);
        let body = text.split_once("\r\n\r\n").map(|(_, body)| body).unwrap_or_default();
        if let Ok(value) = serde_json::from_str(body) {
            assert!(text.starts_with("POST /api/embed "));
            return value;
        }
        assert!(read > 0, "no request");
    }
}

fn client(servers: &[&Fake]) -> OllamaEmbed {
    let servers = servers.iter().map(|server| server.url.clone()).collect();
    OllamaEmbed::new("nomic".to_owned(), servers).expect("a client")
}

fn vectors(vectors: &[[f32; 2]]) -> String {
    json!({"model": "nomic", "embeddings": vectors, "total_duration": 1}).to_string()
}

#[tokio::test]
async fn texts_go_out_together_and_their_vectors_come_back_in_order() {
    let server = Fake::answering("200 OK", vectors(&[[1.0, 0.0], [0.25, -1.5]])).await;
    let found = client(&[&server]).embed(&["one", "two"], PATIENT).await;
    assert_eq!(found, Ok(vec![vec![1.0, 0.0], vec![0.25, -1.5]]));
    let asked = json!({"model": "nomic", "input": ["one", "two"], "keep_alive": "30m"});
    assert_eq!(*server.asked.lock(), [asked]);
}

#[tokio::test]
async fn a_refusal_is_told_by_its_status_and_no_redirect_is_followed() {
    let cases = [
        ("404 Not Found", ModelError::Refused(404)),
        ("400 Bad Request", ModelError::Refused(400)),
        ("307 Temporary Redirect", ModelError::Refused(307)),
        ("429 Too Many Requests", ModelError::Overloaded),
        ("503 Service Unavailable", ModelError::Overloaded),
        ("500 Internal Server Error", ModelError::Failed),
    ];
    for (status, error) in cases {
        let server = Fake::answering(status, r#"{"error":"no"}"#.to_owned()).await;
        assert_eq!(client(&[&server]).embed(&["one"], PATIENT).await, Err(error), "{status}");
    }
}

#[tokio::test]
async fn what_is_not_a_vector_for_each_text_is_garbled() {
    for body in [vectors(&[]), vectors(&[[1.0, 0.0], [0.0, 1.0]]), "{}".to_owned(), "hello".to_owned()] {
        let server = Fake::answering("200 OK", body).await;
        assert_eq!(client(&[&server]).embed(&["one"], PATIENT).await, Err(ModelError::Garbled));
    }
}

#[tokio::test]
async fn an_answer_without_end_is_not_read_to_its_end() {
    let server = Fake::answering("200 OK", "[".repeat(BYTES_PER_TEXT + 1)).await;
    assert_eq!(client(&[&server]).embed(&["one"], PATIENT).await, Err(ModelError::Endless));
}

#[tokio::test]
async fn where_one_server_fails_the_next_is_asked_and_stays_the_first() {
    let (broken, sound) = (
        Fake::answering("500 Internal Server Error", String::new()).await,
        Fake::answering("200 OK", vectors(&[[1.0, 0.0]])).await,
    );
    let embed = client(&[&broken, &sound]);
    for _ in 0..3 {
        assert!(embed.embed(&["one"], PATIENT).await.is_ok());
    }
    assert_eq!((broken.times(), sound.times()), (1, 3));
}

#[tokio::test]
async fn a_silent_server_costs_the_deadline_once_and_then_its_neighbour_is_asked() {
    let (silent, sound) = (Fake::silent().await, Fake::answering("200 OK", vectors(&[[1.0, 0.0]])).await);
    let embed = client(&[&silent, &sound]);
    assert_eq!(embed.embed(&["one"], MOMENT).await, Err(ModelError::Slow(Waiting::Whole)));
    assert!(embed.embed(&["one"], PATIENT).await.is_ok());
    assert_eq!(sound.times(), 1);
}

#[tokio::test]
async fn where_nobody_listens_the_model_is_away() {
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("bound"));
    drop(listener);
    let embed = OllamaEmbed::new("nomic".to_owned(), vec![url]).expect("a client");
    assert_eq!(embed.embed(&["one"], PATIENT).await, Err(ModelError::Away));
}
