pub struct Rail;
pub struct Secrets;
pub struct Reading;
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Class { Leak }
impl Class { pub const fn as_str(self) -> &'static str { "leak" } }
impl Rail { pub fn read(&self, _s: &Secrets) -> Reading { Reading } }
impl Reading { pub fn push(&mut self, c: &str) -> Result<String, Class> { Ok(c.to_owned()) } pub fn finish(&mut self) -> Result<String, Class> { Ok(String::new()) } }
