//! The labels under which examples are filed: one closed list, shared by the protocol that asks for them and the corpus
//! that has them. Knows no example.

use std::collections::BTreeMap;
use std::sync::LazyLock;

const LIST: &str = include_str!("../../prompts/corpus/labels.toml");

/// Each label with what the reply does under it. A list that could not be read would know no label, and every check would
/// say so.
static LABELS: LazyLock<BTreeMap<String, String>> =
    LazyLock::new(|| toml::from_str(LIST).unwrap_or_default());

/// All labels, each with what the reply does under it.
pub fn all() -> impl Iterator<Item = (&'static str, &'static str)> {
    LABELS.iter().map(|(label, purpose)| (label.as_str(), purpose.as_str()))
}

#[must_use]
pub fn is_known(label: &str) -> bool {
    LABELS.contains_key(label)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_list_can_be_read_and_every_label_says_what_it_is_for() {
        assert_eq!(all().count(), 28);
        assert!(all().all(|(label, purpose)| label.starts_with("dr_q_") && purpose.len() > 20));
    }

    #[test]
    fn a_label_is_known_whole_or_not_at_all() {
        assert!(is_known("dr_q_ready"));
        assert!(!is_known("dr_q_read") && !is_known("dr_q_ready ") && !is_known(""));
    }
}
