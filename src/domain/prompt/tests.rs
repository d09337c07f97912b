use super::*;
use crate::domain::exchange::{Exchange, Responder};
use crate::domain::protocol::{Protocol, SHIPPED};
use crate::domain::safety::Level;
use crate::domain::time::Timestamp;

fn shipped() -> Prompts {
    Prompts::parse(ENGLISH).expect("the shipped prompts")
}

fn exchange(turn: u32, words: usize) -> Exchange {
    Exchange {
        was_turn: None,
        turn,
        timestamp: Timestamp::default(),
        client_input: format!("client {turn} {}", "word ".repeat(words)),
        therapist_response: format!("reply {turn}"),
        navigation_decision: "clarify_goal".to_owned(),
        rag_query: None,
        current_substate: String::new(),
        safety_level: Level::None,
        responder: Responder::Model,
        told: None,
    }
}

fn ask<'a>(recent: &'a [Exchange], text: &'a str) -> Ask<'a> {
    let (draft, canary) = ("What would you like to feel?", "0123456789abcdef01234567");
    Ask { decision: "clarify_goal", draft, examples: &[EXAMPLE], recent, text, canary }
}

const EXAMPLE: Example<'_> =
    Example { client: "It is loud at home.", therapist: "What would quiet feel like?" };
const ROOMY: Budget = Budget { context_tokens: 8_192, reply_tokens: 200 };

#[test]
fn every_decision_of_the_protocol_has_a_task_or_is_left_to_the_script() {
    for source in SHIPPED {
        let protocol = Protocol::parse(source).expect("a shipped protocol");
        assert_eq!(shipped().unknown(protocol.decisions()), [""; 0].into());
    }
}

#[test]
fn a_prompt_is_the_system_then_the_exchanges_then_the_clients_words() {
    let recent = [exchange(1, 3), exchange(2, 3)];
    let prompt = shipped().reply(&ask(&recent, "I want calm"), ROOMY).expect("it has a task");
    let roles: Vec<Role> = prompt.messages.iter().map(|message| message.role).collect();
    assert_eq!(roles, [Role::System, Role::User, Role::Assistant, Role::User, Role::Assistant, Role::User]);
    assert_eq!((prompt.exchanges_seen, prompt.truncated), (2, false));
    let system = &prompt.messages[0].text;
    for whole in ["0123456789abcdef01234567", "What would you like to feel?", "What would quiet feel like?"] {
        assert!(system.contains(whole), "{whole}");
    }
    assert!(!system.contains('{') && !system.contains("I want calm") && !system.contains("client 1"));
    assert_eq!(prompt.messages[5].text, "I want calm");
}

#[test]
fn a_decision_of_the_script_has_no_prompt() {
    let ask = Ask { decision: "disclose_ai", ..ask(&[], "are you human?") };
    assert!(shipped().reply(&ask, ROOMY).is_none());
}

#[test]
fn what_does_not_fit_is_left_out_from_the_oldest_exchange_on_and_the_system_stays_whole() {
    let recent: Vec<Exchange> = (1..=10).map(|turn| exchange(turn, 120)).collect();
    let whole = shipped().reply(&ask(&recent, "now"), ROOMY).expect("a task");
    for context_tokens in [2_048, 2_300, 2_600] {
        let budget = Budget { context_tokens, reply_tokens: 200 };
        let prompt = shipped().reply(&ask(&recent, "now"), budget).expect("a task");
        assert!(prompt.truncated && prompt.tokens <= context_tokens - 200);
        assert_eq!(prompt.messages[0], whole.messages[0], "the system's message");
        assert!((1..10).contains(&prompt.exchanges_seen));
        let first = 10 - prompt.exchanges_seen + 1;
        assert!(prompt.messages[1].text.starts_with(&format!("client {first} ")), "the newest are kept");
    }
}

#[test]
fn a_text_longer_than_the_context_keeps_its_beginning_and_its_end() {
    let text = format!("BEGIN {} END", "long ".repeat(1_500));
    let budget = Budget { context_tokens: 2_048, reply_tokens: 200 };
    let prompt = shipped().reply(&ask(&[exchange(1, 3)], &text), budget).expect("a task");
    let last = &prompt.messages.last().expect("the client's").text;
    assert!(last.starts_with("BEGIN ") && last.ends_with(" END") && last.len() < text.len());
    assert!(prompt.truncated && prompt.exchanges_seen == 0 && prompt.tokens <= 2_048 - 200);
    assert!(!prompt.messages[0].text.contains("quiet"), "examples go before a client's words do");
}

#[test]
fn silence_is_a_message_too() {
    let prompt = shipped().reply(&ask(&[], " \n"), ROOMY).expect("a task");
    assert_eq!(prompt.messages[1].text, "(silence)");
}

#[test]
fn a_choice_is_put_as_a_closed_list_beside_the_last_words() {
    let recent = [exchange(1, 1), exchange(2, 1)];
    let options = [("goal_told", "says what they want"), ("neither", "none of these")];
    let messages = shipped().choice(options.into_iter(), &recent, "hm", "feedfeed", ROOMY);
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    assert!(texts[0].contains("- goal_told: says what they want\n- neither: none of these"));
    assert_eq!(texts[1..], ["reply 2", "hm"]);
}

#[test]
fn a_slot_that_is_missing_or_twice_is_a_fault() {
    let twice = ENGLISH.replacen("does: {task}", "does: {task} {task}", 1);
    let missing = ENGLISH.replacen("\n{options}", "", 1);
    let unknown = ENGLISH.replacen("script = ", "scripts = ", 1);
    for (source, at) in [(twice, "system"), (missing, "choose"), (unknown, "prompts")] {
        let faults = Prompts::parse(&source).expect_err("a fault");
        assert_eq!(faults[0].at, at);
    }
}

#[test]
fn no_message_shows_its_text_in_debug_output() {
    let message = Message { role: Role::User, text: "a secret".to_owned() };
    assert!(!format!("{message:?}").contains("secret"));
}
