//! A server that lets nobody in without a credential, and those who have one: an app, an admin, a clinician.

use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::server::{Answer, Server};

/// An admin's key of every server here.
pub const BOOTSTRAP: &str = "attune_key_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA";
pub const PASSWORD: &str = "a password of a test";

/// One that is shut, with nobody but the bearer of the bootstrap key.
pub async fn shut(variables: &[(&str, &str)]) -> Server {
    let own = [("ATTUNE_AUTH", "required"), ("ATTUNE_BOOTSTRAP_KEY", BOOTSTRAP)];
    Server::with(&[&own, variables].concat()).await
}

pub fn text(body: &Value, field: &str) -> String {
    body[field].as_str().unwrap_or_else(|| panic!("no {field}")).to_owned()
}

/// Sends a body, where there is one.
pub async fn send(server: &Server, request: RequestBuilder, body: &Value) -> Answer {
    server.send(if body.is_null() { request } else { request.json(body) }).await
}

pub async fn as_admin(server: &Server, method: Method, path: &str, body: &Value) -> Answer {
    send(server, server.request(method, path).bearer_auth(BOOTSTRAP), body).await
}

pub async fn log_in(server: &Server, name: &str, password: &str) -> Answer {
    server.post("/login", &json!({ "name": name, "password": password })).await
}

/// The cookie as a browser sends it back, and the token that the page sends beside it.
pub struct Login {
    pub cookie: String,
    pub csrf: String,
}

impl Login {
    /// Somebody new, logged in.
    pub async fn of(server: &Server, name: &str, role: &str) -> Self {
        let asked = json!({ "name": name, "role": role, "password": PASSWORD });
        as_admin(server, Method::POST, "/clinicians", &asked).await.ok();
        Self::by(&log_in(server, name, PASSWORD).await)
    }

    pub fn by(answer: &Answer) -> Self {
        let cookie = answer.header("set-cookie").expect("a cookie").split(';').next().expect("its value");
        Self { cookie: cookie.to_owned(), csrf: text(&answer.ok(), "csrf_token") }
    }

    pub fn on(&self, request: RequestBuilder) -> RequestBuilder {
        request.header("cookie", &self.cookie).header("x-csrf-token", &self.csrf)
    }
}

/// A shut server with an app and a clinician, `ana`.
pub struct Clinic {
    pub server: Server,
    pub app: String,
    pub ana: Login,
}

impl Clinic {
    pub async fn open(variables: &[(&str, &str)]) -> Self {
        let server = shut(variables).await;
        let app =
            text(&as_admin(&server, Method::POST, "/keys", &json!({ "label": "app" })).await.ok(), "key");
        let ana = Login::of(&server, "ana", "clinician").await;
        Self { server, app, ana }
    }

    pub async fn say(&self, session: &str, text: &str) -> Value {
        let body = json!({ "session_id": session, "user_input": text });
        self.as_app(Method::POST, "/api/v1/input", &body).await.ok()
    }

    pub async fn as_app(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(&self.server, self.server.request(method, path).bearer_auth(&self.app), body).await
    }

    pub async fn as_admin(&self, method: Method, path: &str, body: &Value) -> Answer {
        as_admin(&self.server, method, path, body).await
    }

    pub async fn as_clinician(&self, method: Method, path: &str, body: &Value) -> Answer {
        send(&self.server, self.ana.on(self.server.request(method, path)), body).await
    }

    /// The whole chain but for the reading of it, once everything is sealed.
    pub async fn records(&self) -> Vec<Value> {
        let mut seen = 0;
        loop {
            let page = self.as_admin(Method::GET, "/audit?limit=500", &Value::Null).await.ok();
            let records = page["records"].as_array().cloned().unwrap_or_default();
            // It is all there once nothing but the reading of it has come.
            let own = |record: &Value| record["action"] == "read_audit";
            let others = records.iter().filter(|record| !own(record)).count();
            if others == seen && records.iter().any(own) {
                return records.into_iter().filter(|record| !own(record)).collect();
            }
            seen = others;
            tokio::time::sleep(std::time::Duration::from_millis(300)).await;
        }
    }
}
