//! stub
use super::*;
impl Inner { pub(super) async fn list(&self, _q: &ListQuery) -> Result<ListPage, StoreError> { todo!() } }
