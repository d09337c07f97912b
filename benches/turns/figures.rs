//! Medians and percentiles.

use std::time::Duration;

pub fn median(figures: Vec<f64>) -> f64 {
    percentile(figures, 50)
}

/// The smallest figure that so many in a hundred do not exceed.
pub fn percentile(mut figures: Vec<f64>, hundredth: usize) -> f64 {
    figures.sort_by(f64::total_cmp);
    let at = (figures.len() * hundredth).div_ceil(100).saturating_sub(1);
    figures.get(at).copied().unwrap_or_default()
}

pub fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1_000.0
}
