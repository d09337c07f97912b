use super::*;

fn texts(lines: &[Line]) -> String {
    lines.iter().map(|line| line.text.as_str()).collect::<Vec<_>>().join("\n")
}

fn widest(lines: &[Line]) -> usize {
    lines.iter().map(|line| line.text.chars().count()).max().unwrap_or_default()
}

fn line_of(name: &str) -> Resource {
    Resource {
        name: name.to_owned(),
        call: Some("116 123".to_owned()),
        text: Some("HELLO to 85258".to_owned()),
        chat: Some("https://lines.example.org/chat/with/a/long/path".to_owned()),
        hours: "day and night, free".to_owned(),
    }
}

fn refused(error: &str, retry_after_seconds: Option<u64>) -> Problem {
    let resources = vec![line_of("Listeners")];
    Problem { error: error.to_owned(), message: "One moment.".to_owned(), resources, retry_after_seconds }
}

#[test]
fn the_box_holds_every_way_to_be_heard_and_fits_the_terminal() {
    let lines = resources(&[line_of("Listeners"), line_of("Others")], 30);
    let shown = texts(&lines);
    let edge = "=".repeat(30);
    assert_eq!(shown.matches(&edge).count(), 2);
    for part in ["Listeners (day and night,\nfree)", "Others", "- call 116 123", "- text HELLO to 85258"] {
        assert!(shown.contains(part), "{shown}");
    }
    assert!(
        shown.lines().any(|line| line.trim() == "https://lines.example.org/chat/with/a/long/path"),
        "{shown}"
    );
    assert!(lines.iter().all(|line| line.text.chars().count() <= 30 || line.text.contains("https://")));
    assert!(shown.is_ascii() && shown.replace('\n', " ").contains("alone with this"));
    assert!(lines.iter().any(|line| line.tone == Tone::Strong));
}

#[test]
fn without_lines_there_is_no_box_and_without_a_width_a_small_one() {
    assert!(resources(&[], 80).is_empty());
    let lines = resources(&[line_of("Listeners")], usize::MAX);
    assert!(texts(&lines).contains(&"=".repeat(EDGE)) && widest(&lines) < 80);
}

#[test]
fn the_line_behind_a_reply_tells_what_is_out_of_the_ordinary() {
    let mut turn = Turn {
        turn: Some(3),
        session_id: "s".to_owned(),
        status: "active".to_owned(),
        responder: "scripted".to_owned(),
        session_progress: super::super::wire::Progress { current_substate: "1.1_goal_and_vision".to_owned() },
        ..Turn::default()
    };
    turn.safety.level = "none".to_owned();
    assert_eq!(behind(&turn, "s", &[], 80), [Line::dim("[1.1_goal_and_vision, turn 3, scripted]")]);
    turn.safety.level = "crisis".to_owned();
    turn.safety.resources = vec![line_of("Listeners")];
    turn.status = "paused".to_owned();
    (turn.turn, turn.truncated) = (None, true);
    let lines = behind(&turn, "old", &[], 200);
    let shown = texts(&lines);
    assert!(shown.ends_with("[1.1_goal_and_vision, not stored, paused, level crisis, scripted]"), "{shown}");
    assert!(
        shown.contains("only its beginning") && shown.contains("attune chat s") && shown.contains("116 123")
    );
}

#[test]
fn lines_that_are_known_are_told_in_short_and_new_ones_whole() {
    let mut turn = Turn::default();
    turn.safety.resources = vec![line_of("Listeners"), line_of("Others")];
    let again = texts(&behind(&turn, "", &[line_of("Listeners"), line_of("Others")], 200));
    assert!(
        again.contains("still: Listeners, call 116 123, text HELLO to 85258, write at https://"),
        "{again}"
    );
    assert!(again.matches("====").count() > 1 && again.contains("/state") && !again.contains("Others"));
    assert!(texts(&behind(&turn, "", &[line_of("Listeners")], 200)).contains("Others"));
}

#[test]
fn a_refusal_says_when_to_try_again_and_shows_who_listens() {
    let shown = texts(&problem(&refused("rate_limited", Some(42)), 80));
    assert!(shown.starts_with("One moment.\nIn 42 seconds, /again sends the same words.\n"), "{shown}");
    assert!(shown.contains("116 123") && shown.ends_with("[rate_limited]"), "{shown}");
    let shown = texts(&problem(&refused("deadline", None), 80));
    assert!(shown.starts_with("One moment.\n/again sends the same words.\n"), "{shown}");
    let shown = texts(&problem(&refused("text_too_long", None), 80));
    assert!(!shown.contains("/again") && shown.contains("116 123"), "{shown}");
}

#[test]
fn who_stops_a_reply_is_not_told_off() {
    assert_eq!(texts(&problem(&refused(STOPPED, None), 80)), "One moment.\n/again sends the same words.");
    assert!(crate::http::problem::Code::ALL.iter().any(|code| code.row().error == STOPPED));
}

#[test]
fn exchanges_are_shown_in_the_order_in_which_they_were_said() {
    let exchange = |turn: u32| Exchange {
        turn,
        client_input: format!("said {turn}\u{1b}[2J"),
        therapist_response: format!("answered {turn}"),
    };
    let shown = texts(&history(&[exchange(2), exchange(1)], 80));
    assert_eq!(
        shown,
        "[turn 1]\nYou: said 1[2J\nAttune: answered 1\n[turn 2]\nYou: said 2[2J\nAttune: answered 2"
    );
}

#[test]
fn coming_back_shows_where_it_stands_and_that_nobody_human_answers() {
    let mut session =
        Session { session_id: "me".to_owned(), turn_count: 1, step: "goal".to_owned(), ..Session::default() };
    session.remaining_ttl = Some(86_000);
    let shown = texts(&resumed(&session, &[], usize::MAX));
    assert!(
        shown.contains("not a person") && shown.contains("Session me") && shown.contains("1 turn so far")
    );
    assert!(shown.contains("step goal") && shown.contains("kept for 23 hours"), "{shown}");
    session.remaining_ttl = None;
    assert!(texts(&state(&session, usize::MAX)).contains("until the danger is cleared"));
}

#[test]
fn a_time_is_told_to_the_minute_where_it_is_known_to_be_one() {
    assert_eq!(moment("2026-11-21T06:34:24.573566+00:00"), "2026-11-21 06:34 UTC");
    assert_eq!(
        ["", "yesterday", "2026-11-21T06:34:24Z"].map(moment),
        ["", "yesterday", "2026-11-21T06:34:24Z"]
    );
}

#[test]
fn spans_are_told_in_the_unit_that_fits() {
    let told = [1, 90, 150, 7_199, 7_200, 200_000].map(span);
    assert_eq!(told, ["1 second", "90 seconds", "2 minutes", "119 minutes", "2 hours", "2 days"]);
}

#[test]
fn every_page_keeps_to_a_narrow_terminal() {
    let created = Created {
        session_id: "0123456789".to_owned(),
        status: "paused".to_owned(),
        disclosure: super::super::wire::Disclosure { text: "word ".repeat(50) },
    };
    let pages =
        [help(30), opening(&created, 30), lost(30), goodbye("me", 30), problem(&refused("busy", None), 30)];
    for page in pages {
        let wide = page.iter().find(|line| line.text.chars().count() > 30 && !line.text.contains("https://"));
        assert!(wide.is_none(), "{wide:?}");
    }
    assert!(texts(&opening(&created, 80)).contains("attune chat 0123456789"));
}

#[test]
fn the_help_names_every_command() {
    let shown = texts(&help(80));
    for command in ["/help", "/state", "/history", "/stop", "/again", "/quit", "//", "Ctrl-C", "Ctrl-D", "\\"]
    {
        assert!(shown.contains(command), "{command}");
    }
}
