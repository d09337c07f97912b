//! What the clients say: a conversation of somebody who goes along, so that a rule decides nearly every turn, and that
//! takes a new session before the stage is through.

const WALK: &[&str] = &[
    "Hello there",
    "I want to feel calm and sure of myself at work",
    "Yes, I can see myself there with a smile",
    "Sure, go on",
    "Yes, that makes sense",
    "My boss shouts in every meeting and I feel so anxious",
    "My chest gets tight",
    "Right in the middle of my chest",
    "Like a heavy weight",
    "Yes, I can feel it right now",
    "When he walks towards my desk I freeze",
    "No, that's everything",
    "Yes, let's try",
    "I feel a bit calmer",
    "It feels softer now",
];

/// How many turns a session has.
pub const TURNS: usize = WALK.len();

/// What is said as the `n`th words of a session.
pub fn words(n: usize) -> &'static str {
    WALK[n % TURNS]
}
