//! A share of a whole, with what chance leaves open about it.

use serde::Serialize;

/// The normal deviate of 95 %.
const Z: f64 = 1.959_963_984_540_054;

/// `count` out of `of`, with the 95 % interval of Wilson. Without a whole there is no share.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Share {
    pub count: usize,
    pub of: usize,
    pub share: Option<f64>,
    pub low: Option<f64>,
    pub high: Option<f64>,
}

impl Share {
    #[must_use]
    pub fn of(count: usize, of: usize) -> Self {
        if of == 0 {
            return Self { count, of, share: None, low: None, high: None };
        }
        let (whole, share) = (as_f64(of), as_f64(count) / as_f64(of));
        let scale = 1.0 + Z * Z / whole;
        let centre = (share + Z * Z / (2.0 * whole)) / scale;
        let reach = Z / scale * (share * (1.0 - share) / whole + Z * Z / (4.0 * whole * whole)).sqrt();
        let low = if count == 0 { 0.0 } else { (centre - reach).max(0.0) };
        let high = if count == of { 1.0 } else { (centre + reach).min(1.0) };
        Self { count, of, share: Some(share), low: Some(low), high: Some(high) }
    }
}

#[expect(clippy::cast_precision_loss, reason = "nobody labels 2^52 texts")]
pub(super) const fn as_f64(count: usize) -> f64 {
    count as f64
}

impl std::fmt::Display for Share {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match (self.share, self.low, self.high) {
            (Some(share), Some(low), Some(high)) => {
                write!(f, "{share:.3}  {}/{}  ({low:.3} to {high:.3})", self.count, self.of)
            }
            _ => f.write_str("-  (there is none)"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn near(found: Option<f64>, meant: f64) -> bool {
        found.is_some_and(|found| (found - meant).abs() < 5e-4)
    }

    #[test]
    fn the_interval_is_wilsons() {
        let half = Share::of(5, 10);
        assert!(near(half.low, 0.2366) && near(half.high, 0.7634), "{half}");
        let all = Share::of(20, 20);
        assert!(near(all.low, 0.8389) && all.high == Some(1.0), "{all}");
        let none = Share::of(0, 300);
        assert!(none.low == Some(0.0) && near(none.high, 0.0126), "{none}");
    }

    #[test]
    fn nothing_out_of_nothing_is_no_share() {
        assert_eq!(Share::of(0, 0).share, None);
    }
}
