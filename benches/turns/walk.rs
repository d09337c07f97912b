//! What the clients of the measurement say: a conversation of somebody who works along, about 200 characters a turn.

/// One conversation from the first words to the end of the stage.
const WALK: &[&str] = &[
    "Hello, I'm not sure how this works",
    "I want to feel calm and at ease",
    "Yes, I see myself calm and laughing with my daughter, that feels right",
    "Yes, that's fine, go ahead",
    "Yes, that makes sense to me",
    "My job has been so stressful, I get anxious and my chest gets tight",
    "I notice a tightness in my chest",
    "Right in the middle of my chest",
    "It's a heavy pressure, like a weight",
    "Yes, I can feel it right now",
    "It happens when my boss calls, I think I will fail and then my chest tightens",
    "No, nothing else, that's everything",
    "Yes, I'd like to try that",
    "I feel calmer now",
    "I noticed my shoulders dropped and I feel lighter",
];

/// What people tell besides; it fills a turn up to the usual length.
const BESIDES: &[&str] = &[
    "The train was late again this morning, and I sat on the platform with my coffee for half an hour, looking at the people.",
    "My sister came by on Saturday with the children, we cooked together and then watched an old film until they fell asleep.",
    "There is a new team at the office since March, and everybody there talks over everybody else in the morning meeting.",
    "I walked home along the river yesterday, it was already dark, and I kept thinking about what you asked me last time.",
    "It rained all weekend here, so I stayed in, read a little, called my mother, and went to bed earlier than I usually do.",
    "Our neighbour has started to practise the trumpet in the evening, which would be funny if the walls were not so thin.",
    "I wrote a few things down on paper as I waited, because otherwise I forget them as soon as somebody talks to me.",
];

/// How many turns a conversation has.
pub const TURNS: u64 = WALK.len() as u64;

/// What is said as the `n`th words of conversation `session`.
pub fn words(session: u64, n: u64) -> String {
    let pick = |list: &[&'static str], at: u64| list[usize::try_from(at).expect("small") % list.len()];
    let (said, besides) = (pick(WALK, n), pick(BESIDES, session + n));
    // Short words get a second sentence, so that every turn is about as long.
    if said.len() < 50 {
        let more = pick(BESIDES, session + n + 3).split(',').next().unwrap_or_default();
        return format!("{said}. {besides} {more}.");
    }
    format!("{said}. {besides}")
}
