//! stub
#[derive(Clone, Copy)]
pub enum Language { English }
impl Language { pub fn code(self) -> &'static str { "en" } }
pub fn written_in(_text: &str) -> Option<Language> { None }
