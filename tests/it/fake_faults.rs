//! Each fault of the fake model's server is the fault that its name says, through both APIs.

use std::collections::BTreeSet;
use std::time::Duration;

use reqwest::{Client, RequestBuilder};
use serde_json::{Value, json};

use crate::fake::{Ended, FLOOD_BYTES, FakeModel, Fault, Reply, Script};

/// How long nothing must come, where nothing may.
const MOMENT: Duration = Duration::from_millis(60);
const REPLY: &str = "What do you notice?";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Api {
    Ollama,
    OpenAi,
}

const BOTH: [Api; 2] = [Api::Ollama, Api::OpenAi];

/// How a body went on after its headers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Then {
    Ended,
    Silent,
    Cut,
}

#[derive(Debug)]
struct Outcome {
    status: u16,
    content_type: String,
    body: Vec<u8>,
    then: Then,
}

impl Outcome {
    fn text(&self) -> &str {
        std::str::from_utf8(&self.body).expect("text")
    }

    /// What every line or event holds, as far as it is JSON.
    fn objects(&self) -> Vec<Value> {
        let lines = self.text().lines().map(|line| line.trim_start_matches("data: "));
        lines.filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    fn all(&self, of: impl Fn(&Value) -> &Value) -> String {
        self.objects().iter().filter_map(|object| of(object).as_str()).collect()
    }

    fn words(&self, api: Api) -> String {
        match api {
            Api::Ollama => self.all(|line| &line["message"]["content"]),
            Api::OpenAi => self.all(|event| &event["choices"][0]["delta"]["content"]),
        }
    }

    fn thoughts(&self, api: Api) -> String {
        match api {
            Api::Ollama => self.all(|line| &line["message"]["thinking"]),
            Api::OpenAi => self.all(|event| &event["choices"][0]["delta"]["reasoning"]),
        }
    }

    /// Whether the sign of a whole reply is there.
    fn is_done(&self, api: Api) -> bool {
        match api {
            Api::Ollama => self.objects().last().is_some_and(|line| line["done"] == true),
            Api::OpenAi => self.text().ends_with("data: [DONE]\n\n"),
        }
    }
}

fn request(fake: &FakeModel, api: Api) -> RequestBuilder {
    let messages = json!([{ "role": "user", "content": "I feel tense." }]);
    let body = json!({ "model": "llama3.1", "messages": messages, "stream": true });
    let url = match api {
        Api::Ollama => format!("{}/api/chat", fake.url()),
        Api::OpenAi => format!("{}/chat/completions", fake.openai_url()),
    };
    Client::new().post(url).json(&body)
}

async fn failing(fault: Fault) -> FakeModel {
    FakeModel::with(Script { reply: Reply::always(REPLY), fault: Some(fault), ..Script::default() }).await
}

async fn ask(fake: &FakeModel, api: Api) -> Outcome {
    let mut response = request(fake, api).send().await.expect("headers");
    let content_type = response.headers()["content-type"].to_str().expect("text").to_owned();
    let mut outcome =
        Outcome { status: response.status().as_u16(), content_type, body: Vec::new(), then: Then::Ended };
    loop {
        match tokio::time::timeout(MOMENT * 4, response.chunk()).await {
            Ok(Ok(Some(chunk))) => outcome.body.extend(chunk),
            Ok(Ok(None)) => return outcome,
            Ok(Err(_)) => return Outcome { then: Then::Cut, ..outcome },
            Err(_) => return Outcome { then: Then::Silent, ..outcome },
        }
    }
}

async fn outcome(fault: Fault, api: Api) -> Outcome {
    ask(&failing(fault).await, api).await
}

#[test]
fn every_fault_has_a_name_of_its_own_by_which_it_is_found() {
    let names: BTreeSet<String> = Fault::ALL.iter().map(ToString::to_string).collect();
    assert_eq!(names.len(), Fault::ALL.len());
    assert!(Fault::ALL.into_iter().all(|fault| Fault::named(&fault.to_string()) == Some(fault)));
    assert!(
        names
            .iter()
            .all(|name| name.chars().all(|c| c.is_ascii_lowercase() || c == '-' || c.is_ascii_digit()))
    );
    assert_eq!(Fault::named("none"), None);
}

#[tokio::test]
async fn without_a_fault_both_streams_are_whole() {
    for api in BOTH {
        let fake = FakeModel::with(Script { reply: Reply::always(REPLY), ..Script::default() }).await;
        let outcome = ask(&fake, api).await;
        assert_eq!((outcome.status, outcome.then, outcome.words(api).as_str()), (200, Then::Ended, REPLY));
        assert!(outcome.is_done(api));
    }
}

#[tokio::test]
async fn a_stall_before_the_headers_sends_nothing() {
    for api in BOTH {
        let fake = failing(Fault::StallBeforeHeaders).await;
        assert!(tokio::time::timeout(MOMENT, request(&fake, api).send()).await.is_err());
        let seen = fake.wait_for(|seen| seen.len() == 1 && seen[0].gone_at().is_some()).await;
        assert_eq!(seen[0].sent_bytes, 0);
    }
}

#[tokio::test]
async fn streams_break_as_their_fault_says_after_two_chunks() {
    for api in BOTH {
        for (fault, then) in [(Fault::StallMidStream, Then::Silent), (Fault::CutConnection, Then::Cut)] {
            let fake = failing(fault).await;
            let outcome = ask(&fake, api).await;
            assert_eq!((outcome.status, outcome.then), (200, then), "{fault}");
            assert_eq!(outcome.objects().len(), 2, "{fault}");
            assert!(!outcome.is_done(api));
            let seen = fake.wait_for(|seen| !seen[0].is_running()).await;
            assert_eq!(matches!(seen[0].ended, Ended::Closed(_)), then == Then::Cut);
        }
    }
}

#[tokio::test]
async fn streams_end_soundly_and_too_early_as_their_fault_says() {
    for api in BOTH {
        let without_done = outcome(Fault::EndsWithoutDone, api).await;
        assert_eq!((without_done.then, without_done.words(api).as_str()), (Then::Ended, REPLY));
        assert!(!without_done.is_done(api));
        let error = outcome(Fault::ErrorLine, api).await;
        let objects = error.objects();
        assert_eq!((error.status, error.then, objects.len()), (200, Then::Ended, 3));
        assert!(!objects[2]["error"].is_null() && !error.is_done(api));
        assert_eq!(objects[2]["error"].is_string(), api == Api::Ollama);
    }
}

#[tokio::test]
async fn every_status_comes_with_the_body_of_its_api() {
    for fault in Fault::ALL {
        let Fault::Status(status) = fault else { continue };
        for api in BOTH {
            let outcome = outcome(fault, api).await;
            assert_eq!((outcome.status, outcome.then), (status, Then::Ended));
            if status == 403 {
                assert!(outcome.body.is_empty());
                continue;
            }
            let body: Value = serde_json::from_slice(&outcome.body).expect("JSON");
            let message = if api == Api::Ollama { &body["error"] } else { &body["error"]["message"] };
            assert!(message.as_str().is_some_and(|message| !message.is_empty()), "{fault}");
        }
    }
}

#[tokio::test]
async fn the_first_two_requests_fail_and_those_after_them_do_not() {
    let fake = failing(Fault::FirstFail).await;
    let mut seen = Vec::new();
    for api in [Api::Ollama, Api::OpenAi, Api::Ollama, Api::OpenAi] {
        seen.push(ask(&fake, api).await.status);
    }
    assert_eq!(seen, [503, 503, 200, 200]);
}

#[tokio::test]
async fn what_is_thought_is_no_word_of_the_reply_unless_it_stands_in_it() {
    for api in BOTH {
        let said = |outcome: &Outcome| (outcome.words(api), !outcome.thoughts(api).is_empty());
        let cases = [
            (Fault::EmptyReply, String::new(), false),
            (Fault::OnlyThinking, String::new(), true),
            (Fault::ThinkingThenReply, REPLY.to_owned(), true),
            (Fault::NullContent, REPLY.to_owned(), false),
            (Fault::ToolCalls, String::new(), false),
        ];
        for (fault, words, thinks) in cases {
            let outcome = outcome(fault, api).await;
            assert_eq!(said(&outcome), (words, thinks), "{fault}");
            assert!(outcome.is_done(api), "{fault}");
            assert_eq!(outcome.text().contains(r#""content":null"#), fault == Fault::NullContent);
            assert_eq!(outcome.text().contains("tool_calls"), fault == Fault::ToolCalls);
        }
        let inline = outcome(Fault::InlineThinking, api).await;
        let words = inline.words(api);
        assert!(words.starts_with("<think>\n") && words.ends_with(&format!("\n</think>\n\n{REPLY}")));
    }
}

#[tokio::test]
async fn floods_end_at_their_bound_and_one_of_them_is_a_single_line() {
    for api in BOTH {
        for fault in [Fault::HugeReply, Fault::HugeLine] {
            let fake = failing(fault).await;
            let outcome = ask(&fake, api).await;
            assert_eq!(outcome.then, Then::Ended);
            assert!(outcome.body.len() > FLOOD_BYTES / 10 * 9 && outcome.body.len() <= FLOOD_BYTES);
            let lines = outcome.body.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()).count();
            assert_eq!(lines == 1, fault == Fault::HugeLine);
            assert!(!outcome.text()[outcome.body.len() - 300..].contains("done\":true"));
        }
    }
}

#[tokio::test]
async fn a_client_that_leaves_a_flood_is_not_sent_the_rest() {
    let fake = failing(Fault::HugeReply).await;
    let mut response = request(&fake, Api::Ollama).send().await.expect("headers");
    response.chunk().await.expect("a chunk");
    drop(response);
    let seen = fake.wait_for(|seen| seen[0].gone_at().is_some()).await;
    assert!(seen[0].sent_bytes < FLOOD_BYTES);
}

#[tokio::test]
async fn bodies_are_unreadable_as_their_fault_says() {
    for api in BOTH {
        let sound =
            ask(&FakeModel::with(Script { reply: Reply::always(REPLY), ..Script::default() }).await, api)
                .await;
        let broken = outcome(Fault::WrongJson, api).await;
        assert_eq!(broken.objects().len(), sound.objects().len());
        assert!(broken.is_done(api) && broken.body.len() > sound.body.len());
        let garbage = outcome(Fault::Garbage, api).await;
        assert_eq!((garbage.status, &garbage.content_type), (200, &sound.content_type));
        assert!(std::str::from_utf8(&garbage.body).is_err());
        let page = outcome(Fault::HtmlPage, api).await;
        assert_eq!((page.status, page.content_type.as_str()), (200, "text/html"));
        assert!(page.text().starts_with("<!DOCTYPE html>"));
        let mistaken = outcome(Fault::WrongContentType, api).await;
        assert_eq!(mistaken.content_type, "application/octet-stream");
        assert_eq!((mistaken.words(api).as_str(), mistaken.is_done(api)), (REPLY, true));
    }
}

#[tokio::test]
async fn a_drip_is_a_byte_at_a_time() {
    let fake = failing(Fault::SlowDrip).await;
    let mut response = request(&fake, Api::Ollama).send().await.expect("headers");
    for expected in b"{\"m" {
        assert_eq!(response.chunk().await.expect("a chunk").as_deref(), Some(&[*expected][..]));
    }
    drop(response);
    let seen = fake.wait_for(|seen| seen[0].gone_at().is_some()).await;
    let gaps = seen[0].chunks_at.windows(2).map(|pair| pair[1].duration_since(pair[0]));
    assert!(gaps.into_iter().all(|gap| gap >= Duration::from_millis(15)));
}
