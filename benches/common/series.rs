//! What was measured in each round.

use std::collections::BTreeMap;

/// One figure for each round. A round that failed has none.
#[derive(Clone, Debug, Default)]
pub struct Series(BTreeMap<usize, f64>);

impl Series {
    /// Note what a round gave.
    pub fn note(&mut self, round: usize, value: f64) {
        self.0.insert(round, value);
    }

    /// How many rounds gave a figure.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Median, least and most. `None` without a figure.
    pub fn spread(&self) -> Option<(f64, f64, f64)> {
        let mut values: Vec<f64> = self.0.values().copied().collect();
        values.sort_by(f64::total_cmp);
        let middle = values.len() / 2;
        let (least, most) = (*values.first()?, *values.last()?);
        let median = if values.len() % 2 == 1 { values[middle] } else { (values[middle - 1] + values[middle]) / 2.0 };
        Some((median, least, most))
    }

    /// The ratio in each round, so that what slows a whole round down falls out.
    pub fn per(&self, other: &Self) -> Self {
        let ratio = |(round, value): (&usize, &f64)| other.0.get(round).map(|other| (*round, value / other));
        Self(self.0.iter().filter_map(ratio).collect())
    }

    /// The same in another unit.
    pub fn times(&self, factor: f64) -> Self {
        Self(self.0.iter().map(|(round, value)| (*round, value * factor)).collect())
    }
}
