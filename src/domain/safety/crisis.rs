//! The crisis dialogue: what Attune says to somebody in danger. It asks one thing at a time, asks nothing twice, and
//! when it has asked everything it stays. It never ends a conversation and needs nothing but its own data.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::answer::Answer;
use super::level::Level;
use super::resources::{Resource, Resources};
use super::rules::Tier;
use super::screen::Screening;
use super::texts::CrisisTexts;

/// After so many refusals nothing more is asked about the danger itself.
const REFUSALS_MAX: u8 = 2;
/// Every so many replies the line is named again.
const LINE_EVERY: u32 = 3;

/// Where the crisis dialogue stands in a session. Bounded: its keys are the dialogue's own names.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "independent facts of the dialogue, each stored by its name"
)]
pub struct CrisisPlace {
    /// How many replies the dialogue gave.
    pub replies: u32,
    /// How many safety questions stood in other replies.
    pub safety_questions: u32,
    /// The topics asked about, by name.
    pub asked: BTreeSet<String>,
    /// The topic of the last question, while its answer is awaited.
    pub awaiting: Option<String>,
    pub refusals: u8,
    /// The imminent script has begun.
    pub imminent: bool,
    /// Something has already been done or taken.
    pub hurt: bool,
    /// The person said that help was called or comes; the number is not pressed on them any more.
    pub help_coming: bool,
    pub resources_shown: bool,
    /// Which variant of each text was said last.
    pub said: BTreeMap<String, u16>,
}

/// What the dialogue answers to.
#[derive(Clone, Copy)]
pub struct Said<'a> {
    pub text: &'a str,
    pub screening: &'a Screening,
    /// The level that counts, after this text.
    pub level: Level,
    /// The person's country by its two-letter code, where it is known.
    pub country: Option<&'a str>,
}

/// What the dialogue says, and what follows from the answer it read.
#[derive(Clone, PartialEq, Eq)]
pub struct CrisisReply {
    pub text: String,
    pub place: CrisisPlace,
    pub decision: &'static str,
    pub resources: Vec<Resource>,
    /// The level that counts after the answer was read: never below the one given; a yes to plan, intent, means or
    /// time makes it crisis. The caller raises where it is higher.
    pub level: Level,
}

/// What the dialogue asks about, in its order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Topic {
    /// In the safety question of a reply at elevated.
    Elevated,
    /// Whether somebody else is in danger right now.
    TheirDanger,
    Today,
    MeaningOfMethod,
    Suicide,
    AlreadyHurt,
    Plan,
    Intent,
    Means,
    Time,
    Distance,
    Company,
    Obstacle,
    Person,
    Professional,
    Coping,
    SafetyPlan,
}

impl Topic {
    pub(super) const ALL: [Self; 17] = [
        Self::Elevated,
        Self::TheirDanger,
        Self::Today,
        Self::MeaningOfMethod,
        Self::Suicide,
        Self::AlreadyHurt,
        Self::Plan,
        Self::Intent,
        Self::Means,
        Self::Time,
        Self::Distance,
        Self::Company,
        Self::Obstacle,
        Self::Person,
        Self::Professional,
        Self::Coping,
        Self::SafetyPlan,
    ];
    const DANGER: [Self; 4] = [Self::Plan, Self::Intent, Self::Means, Self::Time];
    const IMMINENT: [Self; 3] = [Self::AlreadyHurt, Self::Distance, Self::Company];
    const HURT: [Self; 1] = [Self::Obstacle];
    const SUPPORT: [Self; 5] =
        [Self::Person, Self::Professional, Self::Obstacle, Self::Coping, Self::SafetyPlan];

    pub(super) const fn texts(self) -> &'static str {
        match self {
            Self::Elevated => "ask_elevated",
            Self::TheirDanger => "ask_their_danger",
            Self::Today => "ask_today",
            Self::MeaningOfMethod => "ask_meaning_of_method",
            Self::Suicide => "ask_suicide",
            Self::AlreadyHurt => "ask_already_hurt",
            Self::Plan => "ask_plan",
            Self::Intent => "ask_intent",
            Self::Means => "ask_means",
            Self::Time => "ask_time",
            Self::Distance => "ask_distance",
            Self::Company => "ask_company",
            Self::Obstacle => "ask_obstacle",
            Self::Person => "ask_person",
            Self::Professional => "ask_professional",
            Self::Coping => "ask_coping",
            Self::SafetyPlan => "ask_safety_plan",
        }
    }

    /// What a yes to it makes of the level.
    const fn level_of_yes(self) -> Level {
        match self {
            Self::Today | Self::AlreadyHurt | Self::Plan | Self::Intent | Self::Means | Self::Time => {
                Level::Crisis
            }
            Self::MeaningOfMethod | Self::Suicide | Self::Elevated => Level::High,
            Self::TheirDanger
            | Self::Distance
            | Self::Company
            | Self::Obstacle
            | Self::Person
            | Self::Professional
            | Self::Coping
            | Self::SafetyPlan => Level::None,
        }
    }

    fn awaited(place: &CrisisPlace) -> Option<Self> {
        let name = place.awaiting.as_deref()?;
        Self::ALL.into_iter().find(|topic| topic.texts() == name)
    }
}

impl CrisisTexts {
    /// Answers what was said. The place is the session's, or the default where no store can be asked.
    #[must_use]
    pub fn reply(
        &self,
        place: &CrisisPlace,
        said: &Said<'_>,
        resources: &Resources,
        seed: u64,
    ) -> CrisisReply {
        let answer = self.answers.read(said.text);
        let level = self.level_after(said.level, place, said.text);
        let country = said.country;
        let mut speech = Speech {
            texts: self,
            place: place.clone(),
            screening: said.screening,
            line: resources.line(country),
            emergency: resources.emergency(country),
            seed,
            parts: Vec::new(),
        };
        let decision = if level.pauses() { "crisis_support" } else { "safety_question" };
        let shows = level.pauses() || !place.resources_shown;
        if level.pauses() {
            speech.support(level, answer);
        } else {
            speech.safety_question(answer);
        }
        speech.place.resources_shown = true;
        CrisisReply {
            text: speech.parts.join("\n\n"),
            place: speech.place,
            decision,
            resources: if shows { resources.for_country(country).to_vec() } else { Vec::new() },
            level,
        }
    }

    /// The level that an answer alone leads to, for a text that by itself shows nothing: "yes" after "are you having
    /// thoughts of ending your life?".
    #[must_use]
    pub fn level_of_answer(&self, place: &CrisisPlace, text: &str) -> Level {
        self.level_after(Level::None, place, text)
    }

    /// Whether a text is a short answer to the question that waits, and nothing besides.
    pub(super) fn only_answers(&self, place: &CrisisPlace, text: &str) -> bool {
        Topic::awaited(place).is_some()
            && self.answers.read_short(text).is_some_and(|answer| match answer {
                Answer::Retraction
                | Answer::Refusal
                | Answer::Unsure
                | Answer::No
                | Answer::Yes
                | Answer::Thanks => true,
                Answer::AsksIfHuman
                | Answer::HelpComing
                | Answer::Leaving
                | Answer::Silence
                | Answer::Other => false,
            })
    }

    /// Whether a text says yes to the question whether somebody else is in danger now.
    pub(super) fn tells_of_their_danger(&self, place: &CrisisPlace, text: &str) -> bool {
        Topic::awaited(place) == Some(Topic::TheirDanger) && self.answers.read(text) == Answer::Yes
    }

    fn level_after(&self, level: Level, place: &CrisisPlace, text: &str) -> Level {
        let Some(topic) = Topic::awaited(place) else { return level };
        if self.answers.read(text) == Answer::Yes {
            return level.max(topic.level_of_yes());
        }
        // "Maybe" to whether somebody thinks of suicide is no "no".
        if self.answers.read_short(text) == Some(Answer::Unsure) {
            return level.max(topic.level_of_yes().min(Level::High));
        }
        level
    }
}

/// A reply while it is put together.
struct Speech<'a> {
    texts: &'a CrisisTexts,
    place: CrisisPlace,
    screening: &'a Screening,
    line: &'a str,
    emergency: &'a str,
    seed: u64,
    parts: Vec<String>,
}

impl Speech<'_> {
    fn say(&mut self, name: &'static str) {
        let text = self.texts.next(name, &mut self.place, self.seed);
        self.parts.push(text.replace("{line}", self.line).replace("{emergency}", self.emergency));
    }

    fn ask(&mut self, topic: Topic) {
        self.say(topic.texts());
        self.place.asked.insert(topic.texts().to_owned());
        self.place.awaiting = Some(topic.texts().to_owned());
    }

    fn safety_question(&mut self, answer: Answer) {
        if answer == Answer::Yes && Topic::awaited(&self.place) == Some(Topic::TheirDanger) {
            self.say("ack_yes");
            self.say("third_person_help");
            self.place.awaiting = None;
            return;
        }
        let third_person = self.screening.third_person;
        self.say(if third_person { "open_third_person" } else { "open_elevated" });
        if third_person {
            self.say("third_person_help");
        }
        if !self.place.resources_shown {
            self.say("line");
        }
        self.ask(if third_person { Topic::TheirDanger } else { Topic::Elevated });
        self.place.safety_questions = self.place.safety_questions.saturating_add(1);
    }

    fn support(&mut self, level: Level, answer: Answer) {
        let entering = level == Level::Crisis && !self.place.imminent;
        self.place.imminent |= level == Level::Crisis;
        if self.place.replies == 0 {
            self.open();
        } else {
            self.go_on(answer, entering);
        }
        self.place.replies = self.place.replies.saturating_add(1);
    }

    /// The first reply: warmth, that this is an AI, a line, one direct question.
    fn open(&mut self) {
        let (opening, topic) = if self.screening.shows(Tier::Attempt) {
            self.is_hurt();
            ("open_crisis", Topic::Company)
        } else if self.place.imminent {
            ("open_crisis", Topic::AlreadyHurt)
        } else if self.screening.shows(Tier::MethodAsked) && !self.screening.shows(Tier::Active) {
            ("open_method", Topic::MeaningOfMethod)
        } else if self.screening.shows(Tier::SelfHarm) && !self.screening.shows(Tier::Active) {
            ("open_self_harm", Topic::Suicide)
        } else {
            ("open_high", Topic::Today)
        };
        self.say(opening);
        if self.place.hurt {
            self.say("hurt");
        } else if self.place.imminent {
            self.say("emergency");
        }
        self.say("ai");
        self.say("line");
        self.ask(topic);
    }

    fn go_on(&mut self, answer: Answer, entering: bool) {
        let hurt = answer == Answer::Yes && Topic::awaited(&self.place) == Some(Topic::AlreadyHurt);
        if hurt || self.screening.shows(Tier::Attempt) {
            self.is_hurt();
        }
        self.place.help_coming |= answer == Answer::HelpComing;
        if answer == Answer::Refusal {
            self.place.refusals = self.place.refusals.saturating_add(1);
        }
        let topic = self.next_topic();
        self.say(if hurt { "hurt" } else { self.heard(answer).texts() });
        if entering && !hurt && !self.place.help_coming {
            self.say("emergency");
        } else if self.reminds(topic) && !hurt {
            self.say("now_imminent");
        }
        match topic {
            Some(topic) => self.ask(topic),
            None => self.stay(),
        }
        let names_line = matches!(answer, Answer::AsksIfHuman | Answer::Leaving | Answer::Retraction);
        if names_line || self.place.replies.is_multiple_of(LINE_EVERY) {
            self.say("line");
        }
    }

    fn is_hurt(&mut self) {
        self.place.hurt = true;
        self.place.asked.insert(Topic::AlreadyHurt.texts().to_owned());
    }

    /// A yes or no that answers no question is not thanked for as one.
    fn heard(&self, answer: Answer) -> Answer {
        let answers_nothing = self.place.awaiting.is_none() && matches!(answer, Answer::Yes | Answer::No);
        if answers_nothing { Answer::Other } else { answer }
    }

    /// Whether to remind of the emergency number: always while there is something to ask, then every other time; not
    /// when help is on its way.
    fn reminds(&self, topic: Option<Topic>) -> bool {
        self.place.imminent
            && !self.place.help_coming
            && (topic.is_some() || self.place.replies.is_multiple_of(2))
    }

    fn next_topic(&self) -> Option<Topic> {
        if self.place.help_coming && self.place.imminent {
            return None;
        }
        let imminent: &[Topic] = match (self.place.imminent, self.place.hurt) {
            (true, true) => &[Topic::Company],
            (true, false) => &Topic::IMMINENT,
            (false, _) => &[],
        };
        // Whoever is in danger now is not questioned about it any further, nor is one who keeps refusing.
        let spared = self.place.imminent || self.place.refusals >= REFUSALS_MAX;
        let danger: &[Topic] = if spared { &[] } else { &Topic::DANGER };
        // Whoever has taken something needs help to come, not what eases an evening.
        let support: &[Topic] = if self.place.hurt { &Topic::HURT } else { &Topic::SUPPORT };
        let mut topics = imminent.iter().chain(danger).chain(support);
        topics.find(|topic| !self.place.asked.contains(topic.texts())).copied()
    }

    fn stay(&mut self) {
        self.place.awaiting = None;
        self.say(match (self.place.imminent, self.place.help_coming) {
            (true, true) => "stay_help_coming",
            (true, false) => "stay_crisis",
            (false, _) => "stay_high",
        });
    }
}
