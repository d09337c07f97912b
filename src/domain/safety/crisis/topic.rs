//! What the dialogue asks about, and what an answer to it means.

use super::place::CrisisPlace;
use crate::domain::safety::answer::Answer;
use crate::domain::safety::level::Level;

/// In the order of the dialogue.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::domain::safety) enum Topic {
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
    Person,
    Professional,
    Obstacle,
    Coping,
    Warning,
    Eases,
    Whom,
    Place,
    RescreenWish,
    RescreenThoughts,
    RescreenPlan,
    RescreenIntent,
}

impl Topic {
    pub const ALL: [Self; 24] = [
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
        Self::Person,
        Self::Professional,
        Self::Obstacle,
        Self::Coping,
        Self::Warning,
        Self::Eases,
        Self::Whom,
        Self::Place,
        Self::RescreenWish,
        Self::RescreenThoughts,
        Self::RescreenPlan,
        Self::RescreenIntent,
    ];
    pub(super) const DANGER: [Self; 4] = [Self::Plan, Self::Intent, Self::Means, Self::Time];
    pub(super) const IMMINENT: [Self; 3] = [Self::AlreadyHurt, Self::Distance, Self::Company];
    pub(super) const HURT: [Self; 1] = [Self::Obstacle];
    pub(super) const SUPPORT: [Self; 8] = [
        Self::Person,
        Self::Professional,
        Self::Obstacle,
        Self::Coping,
        Self::Warning,
        Self::Eases,
        Self::Whom,
        Self::Place,
    ];

    pub const fn texts(self) -> &'static str {
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
            Self::Person => "ask_person",
            Self::Professional => "ask_professional",
            Self::Obstacle => "ask_obstacle",
            Self::Coping => "ask_coping",
            Self::Warning => "ask_warning",
            Self::Eases => "ask_eases",
            Self::Whom => "ask_whom",
            Self::Place => "ask_place",
            Self::RescreenWish => "ask_rescreen_wish",
            Self::RescreenThoughts => "ask_rescreen_thoughts",
            Self::RescreenPlan => "ask_rescreen_plan",
            Self::RescreenIntent => "ask_rescreen_intent",
        }
    }

    /// What a yes to it makes of the level.
    pub(super) const fn level_of_yes(self) -> Level {
        match self {
            Self::Today
            | Self::AlreadyHurt
            | Self::Plan
            | Self::Intent
            | Self::Means
            | Self::Time
            | Self::RescreenPlan
            | Self::RescreenIntent => Level::Crisis,
            Self::MeaningOfMethod | Self::Suicide | Self::Elevated | Self::RescreenThoughts => Level::High,
            Self::RescreenWish => Level::Elevated,
            Self::TheirDanger
            | Self::Distance
            | Self::Company
            | Self::Person
            | Self::Professional
            | Self::Obstacle
            | Self::Coping
            | Self::Warning
            | Self::Eases
            | Self::Whom
            | Self::Place => Level::None,
        }
    }

    /// The part of the safety plan that an answer to it names, and the topics that this settles.
    pub(super) const fn part(self) -> Option<(&'static str, Option<Self>)> {
        match self {
            Self::Warning => Some(("part_warning", None)),
            Self::Coping => Some(("part_eases", Some(Self::Eases))),
            Self::Eases => Some(("part_eases", None)),
            Self::Person => Some(("part_whom", Some(Self::Whom))),
            Self::Whom => Some(("part_whom", None)),
            Self::Place => Some(("part_place", None)),
            Self::Elevated
            | Self::TheirDanger
            | Self::Today
            | Self::MeaningOfMethod
            | Self::Suicide
            | Self::AlreadyHurt
            | Self::Plan
            | Self::Intent
            | Self::Means
            | Self::Time
            | Self::Distance
            | Self::Company
            | Self::Professional
            | Self::Obstacle
            | Self::RescreenWish
            | Self::RescreenThoughts
            | Self::RescreenPlan
            | Self::RescreenIntent => None,
        }
    }

    pub(super) fn awaited(place: &CrisisPlace) -> Option<Self> {
        let name = place.awaiting.as_deref()?;
        Self::ALL.into_iter().find(|topic| topic.texts() == name)
    }
}

/// Up to so many words a yes is no more than that.
const BARE_YES_WORDS: usize = 2;

/// Whether an answer names what was asked for.
pub(super) fn names(answer: Answer, text: &str) -> bool {
    match answer {
        Answer::Called | Answer::Other => true,
        Answer::Yes => text.split_whitespace().count() > BARE_YES_WORDS,
        Answer::AsksIfHuman
        | Answer::HelpComing
        | Answer::Safe
        | Answer::Retraction
        | Answer::Anger
        | Answer::Refusal
        | Answer::Leaving
        | Answer::Unsure
        | Answer::No
        | Answer::Thanks
        | Answer::Silence => false,
    }
}
