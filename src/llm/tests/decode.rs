use proptest::prelude::*;

use crate::llm::decode::{Event, Events, LINE_BYTES_MAX, Lines, Unreadable};

fn lines_of(pieces: &[&[u8]]) -> Vec<Result<String, Unreadable>> {
    let (mut lines, mut found) = (Lines::default(), Vec::new());
    for piece in pieces {
        lines.push(piece);
        while let Some(line) = lines.next_line() {
            let is_over = line.is_err();
            found.push(line.map(str::to_owned));
            if is_over {
                return found;
            }
        }
    }
    found
}

fn events_of(pieces: &[&[u8]]) -> Result<Vec<Event>, Unreadable> {
    let (mut events, mut found) = (Events::default(), Vec::new());
    for piece in pieces {
        events.push(piece);
        while let Some(event) = events.next_event() {
            found.push(event?);
        }
    }
    Ok(found)
}

fn event(name: Option<&str>, id: Option<&str>, data: &str) -> Event {
    Event { name: name.map(str::to_owned), id: id.map(str::to_owned), data: data.to_owned() }
}

/// `bytes` in pieces that end at `cuts`.
fn pieces<'a>(bytes: &'a [u8], cuts: &[usize]) -> Vec<&'a [u8]> {
    let mut cuts: Vec<usize> = cuts.iter().map(|cut| cut % (bytes.len() + 1)).collect();
    cuts.sort_unstable();
    cuts.push(bytes.len());
    let mut begin = 0;
    cuts.into_iter().map(|end| &bytes[std::mem::replace(&mut begin, end)..end]).collect()
}

proptest! {
    #[test]
    fn lines_do_not_depend_on_where_the_bytes_were_cut(
        text in "[ab ä€𝄞\r\n]{0,60}",
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        prop_assert_eq!(lines_of(&pieces(text.as_bytes(), &cuts)), lines_of(&[text.as_bytes()]));
    }

    #[test]
    fn events_do_not_depend_on_where_the_bytes_were_cut(
        text in "((data|event|id|:|x)(: ?)?[aä€ :]{0,4}(\r\n|\n|\r){1,2}){0,12}",
        cuts in prop::collection::vec(any::<usize>(), 0..12),
    ) {
        prop_assert_eq!(events_of(&pieces(text.as_bytes(), &cuts)), events_of(&[text.as_bytes()]));
    }

    #[test]
    fn any_bytes_are_read_without_a_panic(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        let _lines = lines_of(&[&bytes]);
        let _events = events_of(&[&bytes]);
    }

    #[test]
    fn lines_are_what_the_standard_library_finds(text in "[aä\n]{0,40}") {
        let expected: Vec<_> = text.split_inclusive('\n').filter_map(|line| line.strip_suffix('\n')).collect();
        let found: Vec<_> = lines_of(&[text.as_bytes()]).into_iter().map(Result::unwrap).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn a_line_ends_with_lf_or_cr_or_both() {
    let found = lines_of(&[b"a\nb\r\nc\rd\r", b"\n\r\ne"]);
    assert_eq!(found, ["a", "b", "c", "d", ""].map(|line| Ok(line.to_owned())));
}

#[test]
fn a_line_without_an_end_is_given_up() {
    let longest = vec![b'a'; LINE_BYTES_MAX];
    assert_eq!(lines_of(&[&longest]), []);
    assert_eq!(lines_of(&[&longest, b"\n"]).len(), 1);
    assert_eq!(lines_of(&[&longest, b"a"]), [Err(Unreadable)]);
    assert_eq!(lines_of(&[&[&longest[..], b"a\n"].concat()]), [Err(Unreadable)]);
}

#[test]
fn bytes_that_are_no_utf8_are_unreadable() {
    assert_eq!(lines_of(&[b"ok\n\xc3\n"]), [Ok("ok".to_owned()), Err(Unreadable)]);
}

#[test]
fn an_event_has_a_name_an_id_and_data() {
    let text = "\u{feff}: a comment\n\nevent: delta\nid: 7\ndata: one\ndata:two\ndata:  three\n\ndata\n\n";
    let found = events_of(&[text.as_bytes()]).expect("readable");
    assert_eq!(found, [event(Some("delta"), Some("7"), "one\ntwo\n three"), event(None, Some("7"), "")]);
}

#[test]
fn fields_that_nobody_knows_and_events_without_data_are_passed_over() {
    let text = b"event: lost\n\nretry: 5\ndata: {\"a\": \"b:c\"}\nid: \0\n\ndata: half";
    assert_eq!(events_of(&[text]).expect("readable"), [event(None, None, "{\"a\": \"b:c\"}")]);
}

#[test]
fn an_event_of_too_many_lines_is_given_up() {
    let line = format!("data: {}\n", "a".repeat(1_000));
    let few = format!("{}\n", line.repeat(200));
    assert_eq!(events_of(&[few.as_bytes()]).map(|found| found.len()), Ok(1));
    let many = format!("{}\n", line.repeat(300));
    assert_eq!(events_of(&[many.as_bytes()]), Err(Unreadable));
}

#[test]
fn an_event_does_not_show_its_data() {
    assert_eq!(format!("{:?}", event(Some("delta"), None, "my secret")), "event Some(\"delta\") of 9 bytes");
}
