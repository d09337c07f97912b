//! The description tells the truth: what it describes is served, and what is answered it describes.

use std::sync::OnceLock;

use attune::http::openapi::Description;
use reqwest::Method;
use serde_json::Value;
use utoipa::OpenApi as _;

use crate::server::Server;

fn description() -> &'static Value {
    static DESCRIPTION: OnceLock<Value> = OnceLock::new();
    DESCRIPTION.get_or_init(|| serde_json::to_value(Description::openapi()).expect("it is JSON"))
}

/// The described path that a request's path falls under.
fn described_path(path: &str) -> Option<&'static str> {
    let path = path.strip_prefix("/chat").unwrap_or(path);
    let is_of_chats = path.starts_with("/api/") && !path.starts_with("/api/v1/");
    let with_slash = if is_of_chats { format!("{}/", path.trim_end_matches('/')) } else { path.to_owned() };
    let path = with_slash.as_str();
    let versioned = if path.starts_with("/api/") || path == "/metrics" || path.starts_with("/ws/") {
        path.to_owned()
    } else {
        format!("/api/v1{path}")
    };
    let fits = |pattern: &str| {
        let (pattern, path): (Vec<&str>, Vec<&str>) =
            (pattern.split('/').collect(), versioned.split('/').collect());
        pattern.len() == path.len()
            && pattern.iter().zip(&path).all(|(part, given)| part == given || part.starts_with('{'))
    };
    let paths = description()["paths"].as_object().expect("an object");
    // A literal part wins over a parameter, as in the router.
    let mut fitting: Vec<&'static str> =
        paths.keys().map(String::as_str).filter(|pattern| fits(pattern)).collect();
    fitting.sort_by_key(|pattern| pattern.matches('{').count());
    fitting.first().copied()
}

/// Fails when an operation of the description answered with a status that it does not describe.
pub fn assert_described(method: &Method, path: &str, status: u16) {
    let Some(pattern) = described_path(path) else { return };
    let operation = &description()["paths"][pattern][method.as_str().to_ascii_lowercase()];
    if operation.is_null() {
        assert_eq!(status, 405, "{method} {pattern} is not described");
        return;
    }
    assert!(
        !operation["responses"][status.to_string()].is_null(),
        "{method} {pattern} answered {status}, which is not described"
    );
}

#[tokio::test]
async fn every_described_operation_is_served_and_no_other() {
    let server = Server::start().await;
    for (pattern, item) in description()["paths"].as_object().expect("an object") {
        let path = pattern.replace("{id}", "somebody");
        let answer = server.send(server.request(Method::PATCH, &path)).await;
        let problem = answer.problem(405, "method_not_allowed");
        let allowed = answer.header("allow").expect("405 tells what is allowed").to_owned();
        let methods = item.as_object().expect("an object").keys();
        let mut described: Vec<String> = methods.map(|method| method.to_ascii_uppercase()).collect();
        described.retain(|method| ["GET", "POST", "DELETE"].contains(&method.as_str()));
        let mut served: Vec<&str> = allowed.split(", ").collect();
        served.sort_unstable();
        described.sort_unstable();
        assert_eq!(served, described, "{pattern}: {problem}");
    }
}

#[test]
fn every_refusal_is_described_as_a_problem() {
    // Probes say how the server fares, in a body of their own.
    let is_probe = |path: &str| ["/livez", "/readyz", "/health"].iter().any(|probe| path.ends_with(probe));
    for (path, item) in description()["paths"].as_object().expect("an object") {
        for operation in item.as_object().expect("an object").values().filter(|_| !is_probe(path)) {
            let responses = operation["responses"].as_object().expect("an object");
            for (status, response) in responses.iter().filter(|(status, _)| status.as_str() >= "400") {
                let content = response["content"].as_object().expect("an object");
                assert!(content.keys().eq(["application/problem+json"]), "{path} {status}");
            }
        }
    }
}

#[tokio::test]
async fn the_description_is_openapi_3_1_and_its_references_lead_somewhere() {
    let server = Server::start().await;
    let served = server.get("/openapi.json").await.ok();
    assert_eq!(&served, description());
    assert!(served["openapi"].as_str().is_some_and(|version| version.starts_with("3.1")));
    let text = served.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(served.pointer(reference).is_some(), "{reference} leads nowhere");
    }
}

#[tokio::test]
async fn the_page_of_the_description_needs_nothing_from_elsewhere() {
    let server = Server::start().await;
    let page = server.get("/docs/").await;
    assert_eq!(page.status, 200);
    let html = String::from_utf8(page.bytes.clone()).expect("text");
    assert!(!html.contains("http://") && !html.contains("https://"), "no foreign address");
    for asset in ["swagger-ui.css", "swagger-ui-bundle.js", "swagger-initializer.js"] {
        let answer = server.get(&format!("/docs/{asset}")).await;
        assert_eq!(answer.status, 200, "{asset}");
    }
    assert_eq!(server.get("/docs/nothing.js").await.status, 404);
}
