//! The `OpenAPI` 3.1 description, made from the handlers, with what every operation may answer added to each.

use std::collections::BTreeMap;

use serde_json::{Value, json};
use utoipa::openapi::path::Operation;
use utoipa::openapi::security::{
    ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityRequirement, SecurityScheme,
};
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use crate::access::{self, Access};

use super::{
    alerts, audit, care, chats, clinicians, consent, events, health, input, keys, lists, login, problem,
    rights, session, socket, statement, tokens, turns,
};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Attune",
        description = "A therapy conversation server. Every path but `/input` is served without `/api/v1` too."
    ),
    paths(
        input::input, input::session_input, socket::connect, session::create, session::read, session::status, session::history,
        session::extend, session::pause, session::resume, session::complete, session::delete, lists::sessions,
        events::of_session, events::of_all, rights::export, rights::purge, rights::retention,
        care::clear, care::add_note, care::notes, care::own,
        tokens::mint, tokens::refresh, tokens::revoke, tokens::ticket, keys::create, keys::list, keys::revoke, keys::caller, audit::show, audit::verify,
        clinicians::add, clinicians::list, clinicians::reset, clinicians::remove, login::login, login::logout, login::change_password,
        consent::current, consent::read, consent::give, consent::withdraw,
        chats::redis_status, chats::read, chats::messages, chats::extend, chats::delete, chats::erase, chats::broadcast,
        turns::read, turns::stop, alerts::report, alerts::list, alerts::acknowledge, alerts::test,
        lists::daily, lists::yearly, lists::resources, statement::crisis_protocol, health::livez, health::readyz, health::health, health::metrics
    ),
    components(schemas(problem::Body)),
    modifiers(&Common)
)]
pub struct Description;

/// Adds the problems that any operation may answer, and those that come with a body or an id.
struct Common;

const ANY: &[u16] = &[414, 429, 431, 500, 503];
const GUARDED: &[u16] = &[401, 403];
const WITH_BODY: &[u16] = &[400, 408, 413, 415, 422];

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        let bearer = HttpBuilder::new().scheme(HttpAuthScheme::Bearer).build();
        components.add_security_scheme(SCHEMES[0], SecurityScheme::Http(bearer));
        let header = ApiKey::Header(ApiKeyValue::new("x-api-key"));
        components.add_security_scheme(SCHEMES[1], SecurityScheme::ApiKey(header));
        for (path, item) in &mut openapi.paths.paths {
            let operations = [("GET", &mut item.get), ("POST", &mut item.post), ("DELETE", &mut item.delete)];
            for (method, operation) in operations {
                let Some(operation) = operation else { continue };
                add(operation, ANY);
                if needs_credential(method, path) {
                    add(operation, GUARDED);
                    operation.security =
                        Some(SCHEMES.map(|name| SecurityRequirement::new(name, NO_SCOPES)).into());
                }
                if operation.request_body.is_some() {
                    add(operation, WITH_BODY);
                }
                if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
                    add(operation, &[422]);
                }
                if path.contains('{') || path.ends_with("/input") {
                    add(operation, &[404]);
                }
            }
        }
    }
}

/// The two ways to present one.
const SCHEMES: [&str; 2] = ["bearer", "api_key"];
const NO_SCOPES: [&str; 0] = [];

fn needs_credential(method: &str, path: &str) -> bool {
    let path = path.strip_prefix("/api/v1").unwrap_or(path);
    let rows = access::Operation::ALL.iter().map(|operation| operation.row());
    let mut fitting = rows.filter(|row| row.method == method && row.path == path);
    fitting.any(|row| row.access != Access::Anyone)
}

fn add(operation: &mut Operation, statuses: &[u16]) {
    for status in statuses {
        let problem = ContentBuilder::new().schema(Some(Ref::from_schema_name("Problem"))).build();
        let response = ResponseBuilder::new()
            .description("A problem; its `error` is a code of the documentation's table")
            .content("application/problem+json", problem)
            .build();
        operation.responses.responses.entry(status.to_string()).or_insert(RefOr::T(response));
    }
}

/// The schema of an export by itself, for whoever reads one without the rest of the description.
#[must_use]
pub fn export_schema() -> Value {
    let description = serde_json::to_value(Description::openapi()).unwrap_or_default();
    let schemas = &description["components"]["schemas"];
    let (mut named, mut waiting) = (BTreeMap::new(), vec!["Export".to_owned()]);
    while let Some(name) = waiting.pop() {
        let schema = schemas[&name].clone();
        waiting.extend(
            references(&schema).into_iter().filter(|other| !named.contains_key(other) && *other != name),
        );
        named.insert(name, schema);
    }
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "An export of one session of Attune",
        "$ref": "#/components/schemas/Export",
        "$defs": named,
    });
    point_to_defs(&mut schema);
    schema
}

const COMPONENTS: &str = "#/components/schemas/";

/// The names of the schemas that one refers to.
fn references(schema: &Value) -> Vec<String> {
    match schema {
        Value::Object(members) => {
            let own =
                members.get("$ref").and_then(Value::as_str).and_then(|name| name.strip_prefix(COMPONENTS));
            let deeper = members.values().flat_map(references);
            own.map(str::to_owned).into_iter().chain(deeper).collect()
        }
        Value::Array(items) => items.iter().flat_map(references).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

fn point_to_defs(schema: &mut Value) {
    match schema {
        Value::Object(members) => {
            if let Some(Value::String(name)) = members.get_mut("$ref") {
                *name = name.replace(COMPONENTS, "#/$defs/");
            }
            members.values_mut().for_each(point_to_defs);
        }
        Value::Array(items) => items.iter_mut().for_each(point_to_defs),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}
