//! The scale of a table's numbers, told by all of them.

use std::collections::HashMap;

use crate::choices::Scale;
use crate::similarity::Similarity;

/// Different numbers that are counted one by one. A table with more has no steps to go by.
const MOST_DISTINCT: usize = 10_000;

/// The scales that people use, narrow ones first.
const USUAL: [Scale; 5] = [
    Scale { lowest: 0.0, highest: 1.0 },
    Scale { lowest: -1.0, highest: 1.0 },
    Scale { lowest: 0.0, highest: 5.0 },
    Scale { lowest: 0.0, highest: 10.0 },
    Scale { lowest: 0.0, highest: 100.0 },
];

impl Scale {
    /// Whether a number lies on it. Rounding of the last digit takes nothing off it.
    pub fn holds(self, number: f64) -> bool {
        let (least, most) = self.ends();
        let slack = 1e-9 * (most - least);
        number >= least - slack && number <= most + slack
    }

    /// Its smaller and its larger number: a scale falls where small numbers mean alike.
    pub fn ends(self) -> (f64, f64) {
        (self.lowest.min(self.highest), self.lowest.max(self.highest))
    }

    /// A number's place, 0 to 1.
    pub fn place(self, number: f64) -> f64 {
        if self.lowest == 0.0 && self.highest == 1.0 {
            return number.clamp(0.0, 1.0);
        }
        ((number - self.lowest) / (self.highest - self.lowest)).clamp(0.0, 1.0)
    }

    /// The number at a place.
    pub fn at(self, place: f64) -> f64 {
        self.lowest + place * (self.highest - self.lowest)
    }
}

#[derive(Debug, Default)]
pub(crate) struct Numbers {
    count: usize,
    lowest: f64,
    highest: f64,
    inside: [usize; USUAL.len()],
    distinct: HashMap<u64, usize>,
    uncounted: bool,
}

impl Numbers {
    pub(crate) fn add(&mut self, number: f64) {
        if self.count == 0 {
            (self.lowest, self.highest) = (number, number);
        }
        self.count += 1;
        self.lowest = self.lowest.min(number);
        self.highest = self.highest.max(number);
        for (scale, inside) in USUAL.iter().zip(&mut self.inside) {
            *inside += usize::from(scale.holds(number));
        }
        // 0 and -0 are one number.
        let bits = (number + 0.0).to_bits();
        if self.distinct.len() < MOST_DISTINCT || self.distinct.contains_key(&bits) {
            *self.distinct.entry(bits).or_default() += 1;
        } else {
            self.uncounted = true;
        }
    }

    /// The scale on which these numbers probably lie. A few that lie outside are mistakes and widen nothing.
    pub(crate) fn scale(&self) -> Scale {
        if self.count == 0 {
            return USUAL[0];
        }
        let usual = (0..USUAL.len()).find(|&place| self.few_outside(place)).map(|place| USUAL[place]);
        let Some(scale) = usual else {
            let wider = self.lowest < self.highest;
            return Scale { lowest: self.lowest, highest: if wider { self.highest } else { self.lowest + 1.0 } };
        };
        if scale.lowest == 0.0 && (5.0..=10.0).contains(&scale.highest) {
            self.steps(scale).unwrap_or(scale)
        } else {
            scale
        }
    }

    /// Whether so few numbers lie outside a usual scale that they are mistakes: at most one in a hundred, or at most
    /// one in twenty where it is the same one or two numbers again and again.
    fn few_outside(&self, place: usize) -> bool {
        let outside = self.count - self.inside[place];
        if outside * 100 <= self.count {
            return true;
        }
        let different = self.counted().filter(|(number, _)| !USUAL[place].holds(*number)).count();
        outside * 20 <= self.count && !self.uncounted && different <= 2
    }

    fn counted(&self) -> impl Iterator<Item = (f64, usize)> {
        self.distinct.iter().map(|(bits, count)| (f64::from_bits(*bits), *count))
    }

    /// The ends of a scale whose steps are all in use: 1 to 5, 1 to 7, 0 to 3.
    fn steps(&self, within: Scale) -> Option<Scale> {
        let mut steps: Vec<f64> =
            self.counted().map(|(number, _)| number).filter(|number| within.holds(*number)).collect();
        steps.sort_by(f64::total_cmp);
        let (first, last) = (*steps.first()?, *steps.last()?);
        let whole = !self.uncounted && steps.iter().all(|step| step.fract() == 0.0);
        if first == 1.0 && last == 5.0 && (steps.len() >= 4 || !whole && self.count >= 50) {
            return Some(Scale { lowest: 1.0, highest: 5.0 });
        }
        let all = whole && first <= 1.0 && steps.len() as f64 == last - first + 1.0 && steps.len() > 1;
        all.then_some(Scale { lowest: first, highest: last })
    }

    /// The different numbers, where all are whole and there are at most ten.
    pub(crate) fn few_whole(&self) -> Option<Vec<f64>> {
        if self.uncounted || self.distinct.len() > 10 {
            return None;
        }
        let mut numbers: Vec<f64> = self.counted().map(|(number, _)| number).collect();
        numbers.sort_by(f64::total_cmp);
        numbers.iter().all(|number| number.fract() == 0.0).then_some(numbers)
    }

    /// Another scale of whole numbers that these may be a part of, where this one was told by few of them.
    pub(crate) fn other_scale(&self, taken: Scale) -> Option<Scale> {
        let numbers = self.few_whole()?;
        let (first, last) = (*numbers.first()?, *numbers.last()?);
        if first < 0.0 || last > 5.0 || last <= 1.0 {
            return None;
        }
        // Of 0 to 5 and of 1 to 5 all that matters is in use; of others nobody knows where they end.
        let other = if first >= 1.0 && taken.highest == 5.0 && taken.lowest == 0.0 {
            Scale { lowest: 1.0, highest: 5.0 }
        } else {
            Scale { lowest: 0.0, highest: 5.0 }
        };
        (taken.highest < 5.0 || taken.lowest < first).then_some(other).filter(|other| *other != taken)
    }

    /// Whether these are the tutorial's scores: angular similarities, `1 - acos(c) / pi` of cosines with at most two
    /// decimals, none below 0.5. Halves and wholes alone would prove nothing, nor would two thirds.
    pub(crate) fn are_angular(&self) -> bool {
        if self.lowest != 0.5 || self.highest > 1.0 || self.uncounted {
            return false;
        }
        let cosine = |score: f64| Similarity::Angular.to_cosine(score);
        let angular = |cosine: f64| Similarity::Angular.of_cosine(cosine);
        let is_angular = |score: f64| (angular((cosine(score) * 100.0).round() / 100.0) - score).abs() <= 1e-6;
        let proves = |score: f64| ![0.5, 2.0 / 3.0, 1.0].iter().any(|common| (common - score).abs() <= 1e-3);
        self.counted().all(|(score, _)| is_angular(score)) && self.counted().any(|(score, _)| proves(score))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn numbers(groups: &[(f64, usize)]) -> Numbers {
        let mut numbers = Numbers::default();
        for &(number, count) in groups {
            (0..count).for_each(|_| numbers.add(number));
        }
        numbers
    }

    fn scale(groups: &[(f64, usize)]) -> (f64, f64) {
        let Scale { lowest, highest } = numbers(groups).scale();
        (lowest, highest)
    }

    #[test]
    fn the_usual_scales_are_told_by_all_numbers() {
        assert_eq!(scale(&[]), (0.0, 1.0));
        assert_eq!(scale(&[(0.5, 1)]), (0.0, 1.0));
        assert_eq!(scale(&[(0.0, 5), (1.0, 5)]), (0.0, 1.0));
        assert_eq!(scale(&[(-0.5, 5), (1.0, 5)]), (-1.0, 1.0));
        assert_eq!(scale(&[(0.0, 2), (2.6, 3), (5.0, 1)]), (0.0, 5.0));
        assert_eq!(scale(&[(1.0, 1), (4.0, 1), (5.0, 1)]), (0.0, 5.0));
        assert_eq!(scale(&[(1.0, 2), (2.0, 2), (3.0, 2), (4.0, 1), (5.0, 1)]), (1.0, 5.0));
        assert_eq!(scale(&[(3.0, 2), (8.5, 3), (10.0, 1)]), (0.0, 10.0));
        assert_eq!(scale(&[(0.0, 2), (85.0, 3), (100.0, 1)]), (0.0, 100.0));
        assert_eq!(scale(&[(-7.0, 2), (250.0, 3)]), (-7.0, 250.0));
        assert_eq!(scale(&[(500.0, 2)]), (500.0, 501.0));
        assert_eq!(scale(&[(1.0, 20), (2.0, 20), (3.0, 20)]), (1.0, 3.0));
    }

    #[test]
    fn a_few_mistakes_do_not_widen_a_scale() {
        assert_eq!(scale(&[(0.0, 50), (2.5, 50), (5.0, 50), (7.0, 3)]), (0.0, 5.0));
        assert_eq!(scale(&[(0.25, 30), (1.0, 30), (50.0, 1)]), (0.0, 1.0));
        assert_eq!(scale(&[(0.0, 60), (1.0, 60), (2.0, 2), (3.0, 2), (4.0, 2), (5.0, 2)]), (0.0, 5.0));
    }

    #[test]
    fn the_tutorials_scores_are_recognised_and_no_others() {
        let tutorial = [(0.5, 63), (0.746_816_688_89, 31), (1.0, 4)];
        assert!(numbers(&tutorial).are_angular());
        assert!(!numbers(&[(0.5, 63), (1.0, 4)]).are_angular());
        assert!(!numbers(&[(0.5, 63), (0.75, 31), (1.0, 4)]).are_angular());
        assert!(!numbers(&[(0.0, 1), (0.5, 63), (0.746_816_688_89, 31)]).are_angular());
        assert!(!numbers(&[(0.5, 1), (0.666_666_7, 31), (1.0, 4)]).are_angular());
    }
}
