//! Assessment: a screening joined with what is remembered. It decides before anything else, and only ever upward.

use super::level::Level;
use super::screen::Screening;

/// The most rule ids that an assessment names.
const WHY_MAX: usize = 20;
/// The reason where no rule spoke but the answer to a safety question did.
const ANSWERED: &str = "answer.to_safety_question";

/// What Attune does about danger in this turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Action {
    /// Nothing in this text, and nothing remembered that pauses.
    Continue,
    /// The reply holds one direct, kind question; resources once.
    SafetyQuestion,
    /// The protocol waits for the next question of a re-screen.
    Rescreen,
    /// The crisis dialogue answers.
    Crisis,
}

#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Assessment {
    /// The level that counts after this text.
    pub level: Level,
    pub rose: bool,
    /// The rules that spoke, by id; never text.
    pub why: Vec<String>,
    pub action: Action,
    /// The level that the text shows as the answer to a safety question.
    pub answered: Level,
    /// The text does no more than answer a safety question; it answers nothing else that was asked.
    pub answers_only: bool,
}

/// Joins what the text shows with the level that counted before it. The level never falls here: a text that shows
/// nothing, or takes something back, changes nothing.
#[must_use]
pub fn assess(screening: &Screening, counted: Level) -> Assessment {
    let level = counted.max(screening.level);
    Assessment {
        level,
        rose: level > counted,
        why: screening.hits.iter().take(WHY_MAX).map(|hit| hit.rule.clone()).collect(),
        action: action(level, screening.level),
        answered: Level::None,
        answers_only: false,
    }
}

impl Assessment {
    /// The same, where the answer to a safety question says more than the text by itself.
    pub(super) fn with_answer(mut self, answered: Level, counted: Level) -> Self {
        self.answered = answered;
        self.level = self.level.max(answered);
        self.rose = self.level > counted;
        self.action = action(self.level, answered);
        self.why.truncate(WHY_MAX - 1);
        self.why.push(ANSWERED.to_owned());
        self
    }
}

fn action(level: Level, shown: Level) -> Action {
    if level.pauses() {
        Action::Crisis
    } else if shown > Level::None {
        Action::SafetyQuestion
    } else {
        Action::Continue
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(level: Level) -> Screening {
        Screening { level, ..Screening::default() }
    }

    #[test]
    fn no_text_lowers_a_level() {
        for counted in Level::ALL {
            for text in Level::ALL {
                let assessment = assess(&shown(text), counted);
                assert_eq!(assessment.level, counted.max(text));
                assert_eq!(assessment.rose, text > counted);
            }
        }
    }

    #[test]
    fn a_remembered_elevated_level_goes_on_when_the_text_shows_nothing() {
        assert_eq!(assess(&shown(Level::None), Level::Elevated).action, Action::Continue);
        assert_eq!(assess(&shown(Level::Elevated), Level::Elevated).action, Action::SafetyQuestion);
    }

    #[test]
    fn a_remembered_high_level_is_answered_by_the_crisis_dialogue_whatever_the_text() {
        assert_eq!(assess(&shown(Level::None), Level::High).action, Action::Crisis);
        assert_eq!(assess(&shown(Level::Crisis), Level::None).action, Action::Crisis);
    }
}
