//! The store switched by hand, by whoever runs the server: for planned work on Redis, and when it does not come back by itself.

use actix_web::HttpResponse;
use actix_web::web::{Data, Path};

use crate::access::Caller;
use crate::domain::id::OrgId;
use crate::store::Switch;

use super::problem::{Code, Problem};
use super::state::State;
use super::wire::store::StoreBody;

/// Switch this server's store: `reconnect`, `local` or `reject`.
#[utoipa::path(
    post, path = "/api/v1/store/{mode}", tag = "operations",
    params(("mode" = String, Path, description = "`local`: turns go on in the journal, whether Redis answers or not. `reject`: they are refused while it is away. `reconnect`: neither any more")),
    responses((status = 200, description = "Switched, until it is again or the server ends", body = StoreBody))
)]
pub async fn switch(state: Data<State>, caller: Caller, mode: Path<String>) -> Result<HttpResponse, Problem> {
    if caller.org != OrgId::default() {
        return Err(Problem::new(Code::Forbidden, "this is the store of all organisations"));
    }
    let switch = Switch::parse(&mode).ok_or_else(Problem::not_found)?;
    let without = || Problem::invalid("mode", "this server keeps its turns where nothing can go away");
    let fallback = state.store().fallback().ok_or_else(without)?;
    let standing = fallback.switch(switch).await;
    let standing = standing.map_err(|_no_journal| Problem::invalid("mode", "this server has no journal"))?;
    Ok(HttpResponse::Ok().json(StoreBody::of(&standing)))
}
