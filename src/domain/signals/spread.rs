//! Phrases written short: `i (just|really)? want` stands for `i want`, `i just want` and `i really want`.

/// The most phrases that one may stand for.
const SPREAD_MAX: usize = 1_000;

/// All phrases that a short form stands for: `(a|b c)` one of these, `(a|b)?` or none. Parentheses do not nest.
///
/// # Errors
/// Why it cannot be read.
pub(super) fn spread(phrase: &str) -> Result<Vec<String>, String> {
    let mut spread = vec![String::new()];
    let mut rest = phrase;
    while let Some((before, inner)) = rest.split_once('(') {
        let (inner, after) = inner
            .split_once(')')
            .ok_or_else(|| format!("'{phrase}' has a parenthesis that is not closed"))?;
        let (optional, after) = after.strip_prefix('?').map_or((false, after), |after| (true, after));
        let choices = inner.split('|').chain(optional.then_some(""));
        let heads = spread.iter().map(|head| joined(head, before)).collect::<Vec<_>>();
        spread = choices.flat_map(|choice| heads.iter().map(move |head| joined(head, choice))).collect();
        if spread.len() > SPREAD_MAX {
            return Err(format!("'{phrase}' stands for more than {SPREAD_MAX} phrases"));
        }
        rest = after;
    }
    Ok(spread.iter().map(|head| joined(head, rest)).collect())
}

fn joined(head: &str, tail: &str) -> String {
    let words = head.split(' ').chain(tail.split(' ')).filter(|word| !word.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::spread;

    #[test]
    fn every_choice_and_every_absence_is_a_phrase() {
        assert_eq!(spread("plain words").as_deref(), Ok(["plain words".to_owned()].as_slice()));
        let phrases = spread("i (just|really)? want (it|this) now").expect("well-formed");
        assert_eq!(phrases.len(), 6);
        assert!(phrases.contains(&"i want it now".to_owned()));
        assert!(phrases.contains(&"i really want this now".to_owned()));
    }

    #[test]
    fn what_cannot_be_read_says_why() {
        assert!(spread("i (want").is_err());
        assert!(spread(&"(a|b|c|d|e|f|g|h) ".repeat(4)).is_err());
    }
}
