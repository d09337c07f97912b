//! stub
use super::*;
impl Inner {
    pub(super) async fn snapshot(&self, _key: &SessionKey) -> Result<Option<Snapshot>, StoreError> { todo!() }
    pub(super) async fn history(&self, _key: &SessionKey, _b: Option<u32>, _l: usize) -> Result<Option<HistoryPage>, StoreError> { todo!() }
}
