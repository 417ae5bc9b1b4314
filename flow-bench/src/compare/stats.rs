//! What many runs come to.

use serde::Serialize;

/// Median, least and most.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) min: f64,
    pub(crate) max: f64,
}

impl Spread {
    /// Of at least one figure.
    pub(crate) fn of(mut figures: Vec<f64>) -> Self {
        figures.sort_by(f64::total_cmp);
        let half = figures.len() / 2;
        let median = match figures.len() % 2 {
            0 => f64::midpoint(figures[half - 1], figures[half]),
            _ => figures[half],
        };
        Self {
            median,
            min: figures[0],
            max: figures[figures.len() - 1],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::Spread;

    #[test]
    fn the_median_is_in_the_middle() {
        let odd = Spread::of(vec![3.0, 1.0, 9.0]);
        assert_eq!((odd.min, odd.median, odd.max), (1.0, 3.0, 9.0));
        assert_eq!(Spread::of(vec![4.0, 1.0, 9.0, 2.0]).median, 3.0);
        assert_eq!(Spread::of(vec![7.0]).median, 7.0);
    }
}
