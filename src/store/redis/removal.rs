//! stub
use super::*;
impl Inner { pub(super) async fn delete(&self, _k: &SessionKey) -> Result<Option<Receipt>, StoreError> { todo!() } 
pub(super) async fn sweep(&self) -> Result<Swept, StoreError> { todo!() } }
