//! Which path does what, and what is refused: the contents page of both APIs.

use serde_json::{Value, json as object};

use super::asked::Asked;
use super::fault::Fault;
use super::http::Request;
use super::ollama::{self, Ollama};
use super::openai::{self, OpenAi};
use super::score::{Answer, Step};
use super::script::Script;
use super::seen::Entry;
use super::told::{Finish, Told};
use super::vectors;
use super::wire::{Frame, JSON, Wire, json, stream};

const TEXT: &str = "text/plain; charset=utf-8";

/// Whose form an answer has.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Api {
    Ollama,
    OpenAi,
}

/// Why there is no answer.
pub struct Refused(pub u16, pub String);

type Answered = Result<Answer, Refused>;

pub fn steps(request: &Request, entry: &mut Entry) -> Vec<Step> {
    let script = entry.record.script();
    let api = if request.path.starts_with("/v1/") { Api::OpenAi } else { Api::Ollama };
    let chat = |api| Post { api, script: &script, request };
    match (request.method.as_str(), request.path.as_str()) {
        ("GET", "/") => Answer::whole(200, TEXT, b"Ollama is running".to_vec()).steps(&script),
        ("HEAD", "/") => {
            let mut steps = Answer::whole(200, TEXT, b"Ollama is running".to_vec()).steps(&script);
            steps.truncate(1);
            steps
        }
        ("GET", path) if LOOKS.contains(&path) => {
            let answered = authorised(request, &script).map(|()| look(path, &script, entry));
            answer(api, answered).steps(&script)
        }
        ("POST", "/api/chat" | "/v1/chat/completions") => chat(api).steps(entry, Post::chat),
        ("POST", "/api/embed" | "/v1/embeddings") => chat(api).steps(entry, Post::embed),
        (_, path) if is_known(path) => not_there(405, "405 method not allowed").steps(&script),
        _ => not_there(404, "404 page not found").steps(&script),
    }
}

const LOOKS: [&str; 4] = ["/api/version", "/api/tags", "/api/ps", "/v1/models"];
const POSTS: [&str; 4] = ["/api/chat", "/v1/chat/completions", "/api/embed", "/v1/embeddings"];

fn is_known(path: &str) -> bool {
    path == "/" || LOOKS.contains(&path) || POSTS.contains(&path)
}

fn not_there(status: u16, text: &str) -> Answer {
    Answer::whole(status, TEXT, text.as_bytes().to_vec())
}

fn look(path: &str, script: &Script, entry: &Entry) -> Answer {
    let known = script.models.iter().cloned();
    let body = match path {
        "/api/version" => object!({ "version": "0.0.0" }),
        "/api/tags" => ollama::models(known, false),
        "/api/ps" => ollama::models(entry.record.loaded().into_iter(), true),
        _ => openai::models(known),
    };
    Answer::whole(200, JSON, json(&body))
}

fn authorised(request: &Request, script: &Script) -> Result<(), Refused> {
    let may = script.bearer.is_none() || script.bearer == request.bearer;
    if may { Ok(()) } else { Err(Refused(401, "unauthorized".to_owned())) }
}

fn answer(api: Api, answered: Answered) -> Answer {
    answered.unwrap_or_else(|Refused(status, message)| {
        let body = match api {
            // A foreign host is told nothing.
            _ if status == 403 => Frame::new(),
            Api::Ollama => ollama::error(&message),
            Api::OpenAi => openai::error(status, &message),
        };
        Answer::whole(status, JSON, body)
    })
}

/// A request that asks for something.
struct Post<'a> {
    api: Api,
    script: &'a Script,
    request: &'a Request,
}

impl Post<'_> {
    /// Delays come before everything, as with a server that is busy.
    fn steps(&self, entry: &mut Entry, serve: fn(&Self, &mut Entry) -> Served) -> Vec<Step> {
        let served = self.admitted(entry).and_then(|()| serve(self, entry));
        let mut steps: Vec<Step> = Vec::new();
        let wait = |time: std::time::Duration| (!time.is_zero()).then_some(Step::Wait(time));
        steps.extend(wait(self.script.delay));
        match served {
            Ok((answer, wire, load)) => {
                steps.extend(wait(load));
                steps.extend(answer.faulty(self.script, wire.as_ref()));
            }
            Err(refused) => steps.extend(answer(self.api, Err(refused)).steps(self.script)),
        }
        steps
    }

    fn admitted(&self, entry: &Entry) -> Result<(), Refused> {
        if let Some(Fault::Status(status)) = self.script.fault {
            return Err(Refused(status, self.reason(status)));
        }
        if entry.record.fails() {
            return Err(Refused(503, self.reason(503)));
        }
        authorised(self.request, self.script)
    }

    /// What a real server says with this status.
    fn reason(&self, status: u16) -> String {
        match status {
            400 => "the input length exceeds the context length".to_owned(),
            401 => "unauthorized".to_owned(),
            404 => not_found(self.body().unwrap_or_default()["model"].as_str().unwrap_or_default()),
            429 => "too many requests".to_owned(),
            499 => "request canceled".to_owned(),
            503 => "server busy, please try again.  maximum pending requests exceeded".to_owned(),
            _ => "model runner has unexpectedly stopped".to_owned(),
        }
    }

    fn body(&self) -> Result<Value, Refused> {
        if self.request.body.is_empty() {
            return Err(refusal("missing request body"));
        }
        serde_json::from_slice(&self.request.body).map_err(|error| refusal(&error.to_string()))
    }

    fn wire(&self, entry: &Entry, model: &str, with_usage: bool) -> Box<dyn Wire> {
        let model = model.to_owned();
        match self.api {
            Api::Ollama => Box::new(Ollama { model }),
            Api::OpenAi => Box::new(OpenAi { id: format!("chatcmpl-{}", entry.number), model, with_usage }),
        }
    }

    fn chat(&self, entry: &mut Entry) -> Served {
        let body = self.body()?;
        let mut asked = match self.api {
            Api::Ollama => ollama::asked(&body).map_err(|message| refusal(&message))?,
            Api::OpenAi => openai::asked(&body),
        };
        let model = self.known(&asked.model)?;
        self.able(&asked)?;
        if asked.messages.is_empty() {
            return self.without_words(&asked, &model, entry);
        }
        let prompt_tokens = self.read(&mut asked)?;
        let load = entry.record.load(&model);
        let turn = if asked.one_of.is_some() { 0 } else { entry.record.next_reply() };
        entry.generates();
        let told = Told::compose(&asked, self.script, turn, prompt_tokens, load);
        if asked.forget {
            entry.record.unload(&model);
        }
        let wire = self.wire(entry, &asked.model, asked.with_usage);
        Ok((self.answered(&told, &asked, wire.as_ref()), wire, load))
    }

    fn answered(&self, told: &Told, asked: &Asked, wire: &dyn Wire) -> Answer {
        if !asked.stream {
            return Answer::whole(200, JSON, wire.whole(told));
        }
        let (frames, closing) = stream(wire, told, &self.script.pieces);
        Answer { status: 200, content_type: wire.stream_type(), is_stream: true, frames, closing }
    }

    fn known(&self, model: &str) -> Result<String, Refused> {
        if model.is_empty() {
            return Err(refusal("model is required"));
        }
        self.script.knows(model).map(str::to_owned).ok_or_else(|| Refused(404, not_found(model)))
    }

    fn able(&self, asked: &Asked) -> Result<(), Refused> {
        let model = &asked.model;
        if model.contains("embed") {
            return Err(refusal(&format!("{model:?} does not support chat")));
        }
        if asked.think == Some(true) && self.script.thinking.is_none() && self.api == Api::Ollama {
            return Err(refusal(&format!("{model:?} does not support thinking")));
        }
        Ok(())
    }

    /// Cuts the prompt to what fits, and says how many tokens are left.
    fn read(&self, asked: &mut Asked) -> Result<u32, Refused> {
        let limit = asked.context_tokens.into_iter().chain(self.script.cuts_at).min();
        if asked.keep_whole && limit.is_some_and(|limit| asked.prompt_tokens() > limit) {
            return Err(refusal("the input length exceeds the context length"));
        }
        Ok(asked.cut_to(limit))
    }

    fn without_words(&self, asked: &Asked, model: &str, entry: &Entry) -> Served {
        if self.api == Api::OpenAi {
            return Err(refusal("[] is too short - 'messages'"));
        }
        let wire = Ollama { model: asked.model.clone() };
        let (finish, load) = if asked.forget {
            entry.record.unload(model);
            (Finish::Unload, std::time::Duration::ZERO)
        } else {
            (Finish::Load, entry.record.load(model))
        };
        Ok((Answer::whole(200, JSON, wire.without_words(finish)), Box::new(wire), load))
    }

    fn embed(&self, entry: &mut Entry) -> Served {
        let body = self.body()?;
        let asked = body["model"].as_str().unwrap_or_default();
        let model = self.known(asked)?;
        let texts = vectors::input(&body).ok_or_else(|| refusal("invalid input type"))?;
        let load = entry.record.load(&model);
        let answer = match self.api {
            Api::Ollama => vectors::of_ollama(asked, &texts, &body, load),
            Api::OpenAi => vectors::of_openai(asked, &texts, &body),
        };
        Ok((Answer::whole(200, JSON, answer), self.wire(entry, asked, false), load))
    }
}

/// A sound answer, the form of the API for what may go wrong with it, and the time that the model takes to load.
type Served = Result<(Answer, Box<dyn Wire>, std::time::Duration), Refused>;

fn refusal(message: &str) -> Refused {
    Refused(400, message.to_owned())
}

fn not_found(model: &str) -> String {
    format!("model '{model}' not found")
}
