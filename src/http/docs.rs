//! The description as JSON and as a page. Every asset of the page is inside the binary.

use actix_web::http::header;
use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, middleware};
use utoipa::OpenApi as _;
use utoipa_swagger_ui::{Config, Url};

use super::openapi::Description;

pub const OPENAPI_PATH: &str = "/openapi.json";

/// The page's own scripts and styles, and nothing from elsewhere; it writes styles into its elements.
const PAGE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; \
    img-src 'self' data:; connect-src 'self'; frame-ancestors 'none'";

pub async fn description() -> HttpResponse {
    HttpResponse::Ok().json(Description::openapi())
}

pub async fn to_the_page() -> HttpResponse {
    HttpResponse::TemporaryRedirect().insert_header((header::LOCATION, "/docs/")).finish()
}

async fn asset(path: web::Path<String>) -> HttpResponse {
    let config = std::sync::Arc::new(Config::new([Url::new("Attune", OPENAPI_PATH)]));
    match utoipa_swagger_ui::serve(&path, config) {
        Ok(Some(file)) => HttpResponse::Ok().content_type(file.content_type).body(file.bytes.into_owned()),
        Ok(None) | Err(_) => HttpResponse::NotFound().finish(),
    }
}

pub fn page(config: &mut ServiceConfig) {
    let policy = middleware::DefaultHeaders::new().add((header::CONTENT_SECURITY_POLICY, PAGE_POLICY));
    config.service(web::resource("/docs/{file:.*}").wrap(policy).route(web::get().to(asset)));
}
