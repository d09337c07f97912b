use proptest::prelude::*;

use crate::llm::think::Spoken;

fn said(pieces: &[&str]) -> String {
    let mut spoken = Spoken::default();
    let mut text = String::new();
    for piece in pieces {
        if let Some(piece) = spoken.push((*piece).to_owned()) {
            assert!(!piece.is_empty());
            text.push_str(&piece);
        }
    }
    text + &spoken.rest().unwrap_or_default()
}

#[test]
fn thoughts_at_the_start_are_kept_out() {
    for (text, kept) in [
        ("<think>hm, 1 < 2</think>Hello", "Hello"),
        (" \n<think></think>\n\n Hello you ", "Hello you "),
        ("<think>a</think>\n<think>b</think> Hello", "Hello"),
        ("Hello <think>not at the start</think>", "Hello <think>not at the start</think>"),
        ("<thinking>", "<thinking>"),
        ("< think>", "< think>"),
        ("<thi", "<thi"),
        ("<think>never closed </thin", ""),
        (" \n", ""),
        ("<think>x</think> ", ""),
    ] {
        assert_eq!(said(&[text]), kept);
    }
}

proptest! {
    #[test]
    fn thoughts_are_kept_out_wherever_they_were_cut(
        text in "( |<think>(a|ä|<|</think|€){0,5}</think>){0,3}[<thinkä> /]{0,8}",
        cuts in prop::collection::vec(any::<prop::sample::Index>(), 0..8),
    ) {
        let chars: Vec<String> = text.chars().map(String::from).collect();
        let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut.index(chars.len() + 1)).collect();
        cuts.extend([0, chars.len()]);
        cuts.sort_unstable();
        let pieces: Vec<String> = cuts.windows(2).map(|pair| chars[pair[0]..pair[1]].concat()).collect();
        let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
        prop_assert_eq!(said(&pieces), said(&[&text]));
    }
}
