//! One reply while it is put together: parts in an order, and what the place is after them. At most one part asks.

use super::place::CrisisPlace;
use super::rescreen::Rescreen;
use super::topic::{Topic, names};
use super::{CrisisTexts, Said};
use crate::domain::language::written_in;
use crate::domain::safety::answer::{Answer, Barrier};
use crate::domain::safety::level::Level;
use crate::domain::safety::resources::Resources;
use crate::domain::safety::rules::{Rules, Tier};

/// Every so many replies the line is named again.
const LINE_EVERY: u32 = 3;
/// The texts that say that this is an AI.
const TELL_AI: [&str; 4] = ["ai", "ai_on_duty", "ack_asks_if_human", "ack_asks_if_human_on_duty"];
/// So many ways of saying a part are tried before the next part is said in another way.
const CHOICES: u16 = 5;

pub(super) struct Speech<'a> {
    texts: &'a CrisisTexts,
    place: CrisisPlace,
    said: Said<'a>,
    answer: Answer,
    awaited: Option<Topic>,
    line: &'a str,
    emergency: &'a str,
    seed: u64,
    attempt: u16,
    asks: bool,
    tells_ai: bool,
    parts: Vec<String>,
}

/// A reply that is put together, and the place after it.
pub(super) struct Finished {
    pub text: String,
    pub place: CrisisPlace,
    pub tells_ai: bool,
}

impl<'a> Speech<'a> {
    /// `choice`: the seed of the first words, and how often they were chosen already.
    pub fn of(
        texts: &'a CrisisTexts,
        place: &CrisisPlace,
        said: &Said<'a>,
        resources: &'a Resources,
        choice: (u64, u16),
    ) -> Self {
        Self {
            texts,
            awaited: Topic::awaited(place),
            place: place.clone(),
            answer: texts.answers.read(said.text),
            said: *said,
            line: resources.line(said.country),
            emergency: resources.emergency(said.country),
            seed: choice.0,
            attempt: choice.1,
            asks: false,
            tells_ai: false,
            parts: Vec::new(),
        }
    }

    pub fn words(mut self) -> Finished {
        match self.place.rescreen {
            Some(rescreen) => self.rescreen(rescreen),
            None if self.said.level.pauses() => self.support(),
            None => self.safety_question(),
        }
        // Behind all that is more urgent.
        if self.said.is_ai_due && !self.tells_ai {
            self.tell_ai();
        }
        if self.asks {
            self.place.questions_running = self.place.questions_running.saturating_add(1);
        } else {
            self.place.questions_running = 0;
            self.place.awaiting = None;
        }
        Finished { text: self.parts.join("\n\n"), place: self.place, tells_ai: self.tells_ai }
    }

    fn say(&mut self, name: &'static str) {
        // The parts take turns in being chosen anew, so that every combination comes up.
        let place = u32::try_from(self.parts.len()).unwrap_or(u32::MAX).min(2);
        let passed_over = self.attempt / CHOICES.pow(place);
        let text = self.texts.next(name, &mut self.place, (self.seed, passed_over));
        self.parts.push(text.replace("{line}", self.line).replace("{emergency}", self.emergency));
        self.tells_ai |= TELL_AI.contains(&name);
    }

    fn ask(&mut self, topic: Topic) {
        self.say(topic.texts());
        self.place.settle(topic);
        self.await_answer(topic);
    }

    fn await_answer(&mut self, topic: Topic) {
        self.place.awaiting = Some(topic.texts().to_owned());
        self.asks = true;
    }

    /// The reply at elevated, within the protocol.
    fn safety_question(&mut self) {
        let third_person = self.said.screening.third_person;
        if self.awaited == Some(Topic::TheirDanger) && self.said.screening.level == Level::None {
            self.their_danger();
        } else {
            self.say(if third_person { "open_third_person" } else { "open_elevated" });
            if third_person {
                self.say("third_person_help");
            }
            if !self.place.resources_shown {
                self.say("line");
            }
            self.question_or_support(if third_person { Topic::TheirDanger } else { Topic::Elevated });
        }
        self.place.safety_questions = self.place.safety_questions.saturating_add(1);
    }

    fn question_or_support(&mut self, topic: Topic) {
        if self.place.is_tired_of_questions() {
            self.say("support");
        } else {
            self.ask(topic);
        }
    }

    /// What to do for somebody else who is in danger now, or may be.
    fn their_danger(&mut self) {
        self.say(if self.answer == Answer::Yes { "third_person_now" } else { "third_person_unsure" });
        self.say("line");
    }

    fn rescreen(&mut self, rescreen: Rescreen) {
        if self.said.level.pauses() {
            self.place.replies = self.place.replies.saturating_add(1);
        } else {
            self.place.safety_questions = self.place.safety_questions.saturating_add(1);
        }
        let Some(topic) = rescreen.next_topic() else {
            self.say(if rescreen.is_last { "rescreen_passed" } else { "rescreen_noted" });
            self.place.complete_rescreen(self.seed);
            return;
        };
        let is_resting = self.place.is_tired_of_questions();
        self.say(if rescreen.answered == 0 { "rescreen_opening" } else { "ack_no" });
        self.place.rescreen = Some(Rescreen { is_resting, ..rescreen });
        if is_resting {
            self.say("stay_high");
        } else {
            self.say(topic.texts());
            self.await_answer(topic);
        }
    }

    fn support(&mut self) {
        let entering = self.said.level == Level::Crisis && !self.place.imminent;
        self.place.imminent |= self.said.level == Level::Crisis;
        let was_hurt = self.place.hurt;
        self.note();
        if self.place.replies == 0 {
            self.open();
        } else if self.said.screening.third_person {
            self.stand_by_a_helper();
        } else {
            self.go_on(entering, self.place.hurt && !was_hurt);
        }
        self.place.replies = self.place.replies.saturating_add(1);
    }

    /// What the text tells without having been asked, and what it answers.
    fn note(&mut self) {
        let screening = self.said.screening;
        if screening.shows(Tier::PlanMeans) {
            for topic in Topic::DANGER {
                self.place.settle(topic);
            }
        }
        if screening.shows(Tier::Active) {
            self.place.settle(Topic::Suicide);
        }
        let says_hurt = self.answer == Answer::Yes && self.awaited == Some(Topic::AlreadyHurt);
        if says_hurt || screening.shows(Tier::Attempt) {
            self.place.hurt = true;
            self.place.settle(Topic::AlreadyHurt);
        }
        self.place.help_coming |= self.answer == Answer::HelpComing;
        if self.answer == Answer::Called {
            self.place.settle(Topic::Professional);
        }
        if self.answer == Answer::Refusal {
            self.place.refusals = self.place.refusals.saturating_add(1);
        }
        let part = self.awaited.and_then(Topic::part).filter(|_| screening.level == Level::None);
        if let Some((part, settled)) = part.filter(|_| names(self.answer, self.said.text)) {
            self.place.plan.insert(part.to_owned());
            if let Some(topic) = settled {
                self.place.settle(topic);
            }
        }
    }

    /// The first reply: warmth, that this is an AI, a line, one direct question.
    fn open(&mut self) {
        let (opening, topic) = self.opening();
        self.place.questions_running = 0;
        self.say(opening);
        self.tell_language();
        if opening == "open_third_person" {
            self.say("third_person_help");
        } else if self.place.hurt {
            self.say("hurt");
        } else if self.place.imminent {
            self.say("emergency");
        }
        self.tell_ai();
        self.say("line");
        self.ask(topic);
    }

    fn tell_ai(&mut self) {
        self.place.duty_told = self.said.is_on_duty;
        self.say(if self.said.is_on_duty { "ai_on_duty" } else { "ai" });
    }

    fn opening(&self) -> (&'static str, Topic) {
        let screening = self.said.screening;
        let is_silent = screening.level == Level::None && self.awaited.is_none();
        if self.place.hurt {
            ("open_crisis", Topic::Company)
        } else if screening.third_person {
            ("open_third_person", Topic::TheirDanger)
        } else if self.place.imminent {
            (if is_silent { "open_return" } else { "open_crisis" }, Topic::AlreadyHurt)
        } else if screening.shows(Tier::MethodAsked) && !screening.shows(Tier::Active) {
            ("open_method", Topic::MeaningOfMethod)
        } else if screening.shows(Tier::SelfHarm) && !screening.shows(Tier::Active) {
            ("open_self_harm", Topic::Suicide)
        } else {
            (if is_silent { "open_return" } else { "open_high" }, Topic::Today)
        }
    }

    /// Somebody in danger tells of another who is: both count.
    fn stand_by_a_helper(&mut self) {
        self.say("open_third_person");
        self.say("third_person_help");
        if self.place.has_asked(Topic::TheirDanger) {
            self.say("third_person_you");
        } else {
            self.question_or_support(Topic::TheirDanger);
        }
    }

    /// `hurt`: it is only now known that something was done.
    fn go_on(&mut self, entering: bool, hurt: bool) {
        if self.awaited == Some(Topic::TheirDanger) && matches!(self.answer, Answer::Yes | Answer::Unsure) {
            self.their_danger();
            return;
        }
        self.acknowledge(hurt);
        let topic = self.place.next_topic().filter(|_| !self.place.is_tired_of_questions());
        self.press(entering, hurt, topic.is_some());
        self.tell_duty();
        match topic {
            Some(topic) => self.ask(topic),
            None if self.reads_plan_back() => self.read_plan_back(),
            None => self.stay(),
        }
        let names_line = matches!(self.answer, Answer::AsksIfHuman | Answer::Leaving | Answer::Retraction);
        let is_awaited = self.place.imminent && self.place.help_coming;
        if !is_awaited && (names_line || self.place.replies.is_multiple_of(LINE_EVERY)) {
            self.say("line");
        }
    }

    fn acknowledge(&mut self, hurt: bool) {
        if hurt {
            self.say("hurt");
        } else if self.tell_language() {
        } else if self.answer == Answer::AsksIfHuman && self.said.is_on_duty {
            self.place.duty_told = true;
            self.say("ack_asks_if_human_on_duty");
        } else if let Some(barrier) = self.barrier() {
            self.place.barriers.insert(barrier.texts().to_owned());
            self.place.settle(Topic::Obstacle);
            // Whoever is in danger now is not told that a doctor's hours will do.
            let is_urgent = barrier == Barrier::Force && self.place.imminent;
            self.say(if is_urgent { "barrier_force_now" } else { barrier.texts() });
        } else {
            self.say(self.heard().texts());
        }
    }

    /// The emergency number, and distance from what could hurt: pressed while nobody is on the way.
    fn press(&mut self, entering: bool, hurt: bool, asks: bool) {
        if !self.place.imminent || self.place.help_coming {
            return;
        }
        if entering && !hurt {
            self.say("emergency");
        } else if !hurt && (asks || self.place.replies.is_multiple_of(2)) {
            self.say("now_imminent");
        }
        if self.place.hurt && !hurt && !self.place.distance_told {
            self.place.distance_told = true;
            self.say("distance");
        }
    }

    /// A barrier that was told and has had no word yet.
    fn barrier(&self) -> Option<Barrier> {
        let is_another_matter =
            matches!(self.answer, Answer::AsksIfHuman | Answer::HelpComing | Answer::Called | Answer::Anger);
        let barrier = self.texts.answers.barrier(self.said.text).filter(|_| !is_another_matter)?;
        (!self.place.barriers.contains(barrier.texts())).then_some(barrier)
    }

    /// A yes or no that answers no question is not thanked for as one.
    fn heard(&self) -> Answer {
        let answers_nothing = self.awaited.is_none() && matches!(self.answer, Answer::Yes | Answer::No);
        if answers_nothing { Answer::Other } else { self.answer }
    }

    /// Says that a language is not read; not in two replies in a row.
    fn tell_language(&mut self) -> bool {
        let tells = !self.place.language_told && is_unassessed(self.said.text);
        self.place.language_told = tells;
        if tells {
            self.say("language_not_read");
        }
        tells
    }

    /// Says when what was said about who is on duty is true no more.
    fn tell_duty(&mut self) {
        if self.said.is_on_duty != self.place.duty_told {
            self.place.duty_told = self.said.is_on_duty;
            self.say(if self.said.is_on_duty { "on_duty" } else { "off_duty" });
        }
    }

    fn reads_plan_back(&self) -> bool {
        self.place.next_topic().is_none() && !self.place.plan.is_empty() && !self.place.plan_read
    }

    /// Names the parts that the person has found; their words are theirs to keep.
    fn read_plan_back(&mut self) {
        self.place.plan_read = true;
        let parts = self.texts.parts(&self.place.plan);
        self.say("plan_back");
        if let Some(last) = self.parts.last_mut() {
            *last = last.replace("{parts}", &parts);
        }
    }

    fn stay(&mut self) {
        self.say(match (self.place.imminent, self.place.help_coming) {
            (true, true) => "stay_help_coming",
            (true, false) => "stay_crisis",
            (false, _) => "stay_high",
        });
    }
}

/// Whether a text is surely in a language that the rules do not assess. In five of these they know a few explicit
/// statements, which is no assessment.
fn is_unassessed(text: &str) -> bool {
    written_in(text).is_some_and(|language| language != Rules::LANGUAGE)
}
