//! stub
use super::*;
#[derive(Default)] pub(super) struct Counters;
impl Inner { pub(super) fn count(&self, _o: &OrgId, _e: &[Counter]) {} 
pub(super) async fn write_counters(&self) {} 
pub(super) async fn flush_counters(&self) -> Result<(), StoreError> {Ok(())}
pub(super) async fn daily(&self, _o: &OrgId, _f: &str, _t: &str) -> Result<Vec<DailyCounters>, StoreError> { todo!() }
pub(super) async fn keep_protocol(&self, _v: &ProtocolVersion) -> Result<(), StoreError> { Ok(()) }
pub(super) async fn stored_protocols(&self) -> Result<Vec<ProtocolVersion>, StoreError> { Ok(vec![]) } }
