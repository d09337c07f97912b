//! Where nobody is talked with: the mode says no, or there is no consent. The input is refused and nothing of it is
//! stored. Danger is never refused: it is answered at once, its words are stored nowhere, and the level is raised.

use std::sync::Arc;
use std::time::Duration;

use moka::sync::Cache;

use crate::domain::consent::{Consent, ConsentChange, ConsentRule};
use crate::domain::id::SessionKey;
use crate::domain::safety::{Action, Assessment, CrisisPlace, CrisisReply, Level, Mode, Moment, Region};
use crate::domain::session::{Meta, Session};
use crate::domain::time::Timestamp;
use crate::store::{Abandon, StoreError};

use super::begin::Working;
use super::compose::{self, Known};
use super::input::Admitted;
use super::{Answer, Refused, Turns};
use super::{commit, danger, decide};

/// Why nobody is talked with where no row says it.
const BY_CHOICE: &str = "nobody is talked with here";
/// How long, and for how many sessions, it is known where a dialogue stands that is stored nowhere.
const KEPT_FOR: Duration = Duration::from_hours(1);
const KEPT_MAX: u64 = 10_000;

/// Where crisis dialogues stand that are stored nowhere, so that "yes" is read as the answer to what was asked, and
/// nothing is said twice in a row. No word of a person. In this server's memory alone: another one begins anew.
pub struct Unstored(Cache<SessionKey, CrisisPlace>);

impl Default for Unstored {
    fn default() -> Self {
        Self(Cache::builder().max_capacity(KEPT_MAX).time_to_live(KEPT_FOR).build())
    }
}

/// The mode that holds for a session: this server's, or a stricter one of the place that its metadata name.
pub(super) fn mode_of(turns: &Turns, meta: Option<&Meta>, now: Timestamp) -> Mode {
    let own = turns.settings.mode;
    stricter(turns, meta, now).map_or(own, |region| region.mode)
}

fn stricter<'a>(turns: &'a Turns, meta: Option<&Meta>, now: Timestamp) -> Option<&'a Region> {
    let region = meta.and_then(|meta| turns.knowledge.regions.strictest(meta, now));
    region.filter(|region| region.mode > turns.settings.mode)
}

/// Whether this session may be talked in. Asked whenever a turn stands on new ground.
pub(super) fn check(turns: &Turns, working: &Working) -> Result<(), Refused> {
    let (meta, now) = (working.meta(), turns.clock.now());
    match mode_of(turns, meta, now) {
        Mode::SelfHelp | Mode::Supervised => {}
        Mode::Disabled => {
            let why = stricter(turns, meta, now).map_or(BY_CHOICE, |region| &region.why);
            return Err(Refused::Unavailable(why.to_owned()));
        }
    }
    match turns.settings.consent {
        ConsentRule::Off => Ok(()),
        ConsentRule::Required if stands(turns, working.consent()) => Ok(()),
        ConsentRule::Required => Err(Refused::ConsentRequired),
    }
}

fn stands(turns: &Turns, consent: Option<&Consent>) -> bool {
    consent.is_some_and(|consent| consent.stands_for(&turns.knowledge.consent))
}

/// The answer to an input that [`check`] has refused: the refusal, or in danger the crisis dialogue. Whoever is in danger
/// already, or was asked about it, is answered too. The lease and the permit are given back first.
pub(super) async fn answer(
    turns: &Arc<Turns>,
    admitted: &Admitted,
    working: Working,
    refused: Refused,
) -> Result<Answer, Refused> {
    let mut session = decide::session_before(turns, &working, turns.clock.now());
    if let Some(place) = turns.unstored.0.get(&working.key) {
        session.crisis = place;
    }
    let assessment = assess(turns, admitted, &working, &mut session);
    let counted = std::mem::replace(&mut session.level, assessment.level);
    let key = working.key.clone();
    release(turns, working).await;
    match assessment.action {
        Action::Continue => return Err(refused),
        Action::SafetyQuestion | Action::Rescreen | Action::Crisis => {}
    }
    tracing::info!(%refused, "a crisis reply goes out unstored, where nobody is talked with");
    let country = compose::country_of(turns, &session);
    let (reply, CrisisReply { place, level, .. }) =
        compose::unrecorded(turns, admitted, &Known::of(&session, country.clone()));
    turns.unstored.0.insert(key, place);
    let level = level.max(assessment.level);
    if level > counted {
        danger::raise_to(turns, &admitted.key, level, assessment.why).await;
    }
    turns.metrics.crisis_reply_unstored();
    // Best effort, as all counters are.
    let _lost =
        turns.store.count(&admitted.key.org, commit::referrals(turns, country.as_deref(), &reply)).await;
    Ok(Answer { body: reply.bytes(), replayed: false, quota: None })
}

fn assess(turns: &Turns, admitted: &Admitted, working: &Working, session: &mut Session) -> Assessment {
    let now = turns.clock.now();
    let moment = Moment {
        counted: session.level,
        answered: Level::None,
        memory: working.memory(),
        mode: mode_of(turns, Some(&session.meta), now),
        now,
        is_going_on: session.status.is_going_on(),
        // What only chooses the moment of a re-screen: none is begun here.
        is_hard: true,
        nonce: 0,
    };
    let safety = &turns.knowledge.safety;
    safety.assess(&mut session.crisis, &admitted.text, &admitted.screening, &moment)
}

async fn release(turns: &Turns, working: Working) {
    let Working { key, mut hold, .. } = working;
    // Where the answer is lost, the hold abandons it again.
    if turns.store.abandon(&key, hold.lease, Abandon::Failed).await.is_ok() {
        hold.settle();
    }
}

/// A successor took its predecessor's consent over. Where that was withdrawn while its first turn was on its way, nobody
/// saw the successor yet: it is withdrawn there too.
pub(super) async fn follow_withdrawal(turns: &Turns, working: &Working) {
    if let Err(error) = try_to_follow(turns, working).await {
        tracing::error!(session = %working.key.id, %error, "whether a consent was withdrawn meanwhile is not known");
    }
}

async fn try_to_follow(turns: &Turns, working: &Working) -> Result<(), StoreError> {
    let Some(before) = working.begun.predecessor.as_deref() else { return Ok(()) };
    if before.consent.as_ref().is_none_or(|consent| consent.revoked_at.is_some()) {
        return Ok(());
    }
    let key = working.key.with_id(before.id.clone());
    let now = turns.store.read(&key).await?.and_then(|snapshot| snapshot.session.consent.clone());
    if now.is_some_and(|consent| consent.revoked_at.is_some()) {
        turns.store.consent(&working.key, ConsentChange::Revoke).await?;
    }
    Ok(())
}
