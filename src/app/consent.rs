//! The text that people consent to, where whoever runs Attune has their own.

use std::path::Path;

use crate::domain::consent::ConsentText;

use super::StartError;

pub fn read(file: &Path) -> Result<ConsentText, StartError> {
    let refused = |fault: String| StartError::Consent { file: file.display().to_string(), fault };
    let source = std::fs::read_to_string(file).map_err(|error| refused(error.to_string()))?;
    ConsentText::parse(&source).map_err(|fault| refused(fault.to_string()))
}
