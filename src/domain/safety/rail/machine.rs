//! What no person would write in a talk: markers of roles, markup, code, addresses. Looked for in the text as written.

/// Wherever they stand.
const SIGNS: [&str; 16] = [
    "```", "~~~", "<|", "|>", "[inst", "[/inst", "<<sys", "{", "}", "http:/", "https:/", "ftp:/", "www.",
    "[\"", "&nbsp;", "\\n",
];
/// Who speaks, at the start of a line, before a colon.
const ROLES: [&str; 20] = [
    "user",
    "client",
    "patient",
    "therapist",
    "assistant",
    "system",
    "human",
    "ai",
    "bot",
    "chatbot",
    "counselor",
    "counsellor",
    "attune",
    "model",
    "tool",
    "response",
    "output",
    "input",
    "instruction",
    "reply",
];
/// What the name of a site ends with.
const SITES: [&str; 12] =
    ["com", "org", "net", "info", "io", "gov", "edu", "uk", "de", "app", "health", "dev"];

/// Whether a text holds something that only a machine writes. `joined` is the new sentence behind what went out before
/// it, so that nothing hides between two.
pub(super) fn is_machine(joined: &str, sentence: &str) -> bool {
    let lower = joined.to_ascii_lowercase();
    SIGNS.iter().any(|sign| lower.contains(sign))
        || lower.match_indices('<').any(|(at, _)| is_tag(&lower[at + 1..]))
        || lower.match_indices(['.', '@']).any(|(at, sign)| is_address(&lower[..at], sign, &lower[at + 1..]))
        || sentence.lines().any(|line| begins_with_role(line) || is_heading(line))
}

fn is_tag(rest: &str) -> bool {
    rest.starts_with(|letter: char| letter.is_ascii_alphabetic() || "/!?".contains(letter))
}

fn is_address(before: &str, sign: &str, rest: &str) -> bool {
    let ending: &str =
        &rest[..rest.find(|letter: char| !letter.is_ascii_alphanumeric()).unwrap_or(rest.len())];
    before.ends_with(|letter: char| letter.is_ascii_alphanumeric())
        && if sign == "@" { !ending.is_empty() } else { SITES.contains(&ending) }
}

fn begins_with_role(line: &str) -> bool {
    let bare = line.trim_start_matches(|letter: char| !letter.is_alphanumeric());
    let Some((name, _)) = bare.split_once(':') else { return false };
    let name = name.trim_end_matches(|letter: char| !letter.is_alphanumeric());
    ROLES.iter().any(|role| role.eq_ignore_ascii_case(name))
}

fn is_heading(line: &str) -> bool {
    let line = line.trim_start();
    let rest = line.trim_start_matches('#');
    rest.len() < line.len() && (rest.is_empty() || rest.starts_with(' '))
}

#[cfg(test)]
mod tests {
    use super::is_machine;

    #[test]
    fn what_a_person_would_write_is_no_machines() {
        for text in [
            "I <3 that.",
            "Three things: feet, breath, hands.",
            "It is 3.30 p.m. now.",
            "You said: I can't.",
            "Is it 7 < 8?",
            "The system at home: was it strict?",
        ] {
            assert!(!is_machine(text, text), "{text}");
        }
    }

    #[test]
    fn markup_is_a_machines_wherever_it_stands() {
        for text in
            ["Good. <br>", "- **Client**: no", "calm.org is good", "a@b", "## Next", "x <|end|>", "ok \"}"]
        {
            assert!(is_machine(text, text), "{text}");
        }
        assert!(is_machine("Go to calm.com", "com"));
    }
}
