//! Whether a server read less than it was sent: some cut the head of a prompt that does not fit, and answer as if
//! nothing had happened.
//!
//! The estimate of a prompt's tokens is on the high side by a factor that depends on the model and hardly on the text.
//! It is learned from what the server counts; a count that falls far below it is a cut.

/// The least that a server may count of the estimate before anything was learned.
const FLOOR: f64 = 0.4;
/// The least of what was learned.
const OF_LEARNED: f64 = 0.75;
/// How much one answer moves what was learned.
const WEIGHT: f64 = 0.1;
/// Shorter prompts are not judged: what stands around the messages weighs too much in them.
const JUDGED_TOKENS_MIN: u32 = 200;

/// What was learned of a model's way of counting.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Truncation {
    ratio: Option<f64>,
}

impl Truncation {
    /// Whether a prompt of `estimated` tokens, of which the server says that it read `counted`, was cut.
    pub fn is_cut(&mut self, estimated: u32, counted: u32) -> bool {
        if estimated < JUDGED_TOKENS_MIN {
            return false;
        }
        let ratio = f64::from(counted) / f64::from(estimated);
        let least = self.ratio.map_or(FLOOR, |learned| (learned * OF_LEARNED).max(FLOOR));
        if ratio < least {
            return true;
        }
        self.ratio = Some(self.ratio.map_or(ratio, |learned| learned + (ratio - learned) * WEIGHT));
        false
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_count_far_below_the_usual_one_is_a_cut() {
        let mut truncation = Truncation::default();
        for _ in 0..10 {
            assert!(!truncation.is_cut(1_000, 720));
        }
        assert!(!truncation.is_cut(1_000, 600), "texts differ");
        assert!(truncation.is_cut(1_000, 500));
        assert!(!truncation.is_cut(1_000, 720), "a cut teaches nothing");
    }

    #[test]
    fn before_anything_was_learned_only_a_coarse_cut_is_seen() {
        assert!(Truncation::default().is_cut(1_000, 300));
        assert!(!Truncation::default().is_cut(1_000, 450));
        assert!(!Truncation::default().is_cut(100, 1), "too short to judge");
    }
}
