//! The `OpenAPI` 3.1 description, made from the handlers, with what every operation may answer added to each.

use utoipa::openapi::path::Operation;
use utoipa::openapi::{ContentBuilder, Ref, RefOr, ResponseBuilder};
use utoipa::{Modify, OpenApi};

use super::{alerts, health, input, lists, problem, session, statement, turns};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "Attune",
        description = "A therapy conversation server. Every path but `/input` is served without `/api/v1` too."
    ),
    paths(
        input::input, input::session_input, session::create, session::read, session::status, session::history,
        session::extend, session::pause, session::resume, session::complete, session::delete, lists::sessions,
        turns::read, turns::stop, alerts::report, alerts::list, alerts::acknowledge,
        lists::daily, lists::yearly, lists::resources, statement::crisis_protocol, health::livez, health::readyz, health::health, health::metrics
    ),
    components(schemas(problem::Body)),
    modifiers(&Common)
)]
pub struct Description;

/// Adds the problems that any operation may answer, and those that come with a body or an id.
struct Common;

const ANY: &[u16] = &[414, 429, 431, 500, 503];
const WITH_BODY: &[u16] = &[400, 408, 413, 415, 422];

impl Modify for Common {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        for (path, item) in &mut openapi.paths.paths {
            let operations = [&mut item.get, &mut item.post, &mut item.delete];
            for operation in operations.into_iter().flatten() {
                add(operation, ANY);
                if operation.request_body.is_some() {
                    add(operation, WITH_BODY);
                }
                if operation.parameters.as_ref().is_some_and(|parameters| !parameters.is_empty()) {
                    add(operation, &[422]);
                }
                if path.contains("{id}") {
                    add(operation, &[404]);
                }
            }
        }
    }
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
