//! Why a metric changed: how much of the change each value of a dimension brought about, and which dimension tells
//! the most. Pure arithmetic over figures of two periods; whoever calls it has asked for them.
//!
//! A sum is split by plain differences. A ratio of sums is split into *mix* (the groups' weights moved) and *rate*
//! (the groups' own ratios moved), after Kitagawa, "Components of a Difference Between Two Rates" (Journal of the
//! American Statistical Association 50, 1955), in its symmetric form, which leaves no remainder. Dimensions are
//! ranked by surprise, after Bhagwan et al., "Adtributor: Revenue Debugging in Advertising Systems" (NSDI 2014).

use serde::{Deserialize, Serialize};
use std::cmp::Ordering;

/// The figures of one group, or of the whole, in one period.
#[derive(Clone, Copy, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Sums {
    /// The metric itself where it is a sum or a count; the numerator of a ratio.
    pub of: f64,
    /// The denominator of a ratio; none for a sum.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub over: Option<f64>,
}

impl Sums {
    /// The metric's figure. None for a ratio over nothing.
    pub fn figure(self) -> Option<f64> {
        match self.over {
            None => Some(self.of),
            Some(over) if over != 0.0 => Some(self.of / over),
            Some(_) => None,
        }
    }
}

/// One value of a dimension, before and after.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// None where the value is not known.
    pub value: Option<String>,
    pub before: Sums,
    pub after: Sums,
}

/// The figures of one dimension. Groups that are in one period only have zeros in the other.
#[derive(Clone, Debug, PartialEq)]
pub struct Split {
    pub dimension: String,
    pub groups: Vec<Group>,
}

/// What one value of a dimension did to the metric.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Contribution {
    /// None where the value is not known.
    pub value: Option<String>,
    /// The group's own figure; none for a ratio over nothing.
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// How much of the change of the whole it brought about, in the metric's unit.
    pub change: f64,
    /// `change` as a share of the whole's change: 0.4 is two fifths of it; negative where it went the other way.
    pub share: Option<f64>,
    /// For a ratio: the part of `change` that comes from the group's weight in the whole.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mix: Option<f64>,
    /// For a ratio: the part of `change` that comes from the group's own ratio.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rate: Option<f64>,
    /// The group's share of the whole (of a ratio's denominator), before and after.
    pub weight_before: f64,
    pub weight_after: f64,
}

/// The change by one dimension.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Breakdown {
    pub dimension: String,
    /// The largest contributions, whichever way they went.
    pub contributions: Vec<Contribution>,
    /// What all other values together brought about, and how many they are.
    pub others: f64,
    pub others_count: usize,
    /// What the values do not add up to: rows that have several values of the dimension, or none. 0 where they do.
    pub residual: f64,
    /// How far the values' shares of the whole moved, 0 (not at all) to 1.
    pub surprise: f64,
}

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Explanation {
    pub before: Option<f64>,
    pub after: Option<f64>,
    /// `after - before`; none where one of them is not known.
    pub change: Option<f64>,
    /// `change / before`; none where that is nothing.
    pub change_share: Option<f64>,
    /// The dimension that tells the most comes first.
    pub by: Vec<Breakdown>,
}

/// A value that brought about less than this share of the change explains nothing (Adtributor's T_EEP).
const LEAST_SHARE: f64 = 0.1;
/// Values are taken until together they explain this share of the change (Adtributor's T_EP).
const ENOUGH_SHARE: f64 = 0.67;

/// Splits the change of the whole by each dimension, and puts the dimension that tells the most first.
///
/// `most` is the number of contributions that are named in each dimension; the rest is summed up in `others`. Of
/// every breakdown, the contributions, `others` and `residual` add up to the whole's change.
pub fn explain(before: Sums, after: Sums, splits: &[Split], most: usize) -> Explanation {
    let change = match (before.figure(), after.figure()) {
        (Some(before), Some(after)) => Some(after - before),
        _ => None,
    };
    let mut by: Vec<(f64, Breakdown)> = splits
        .iter()
        .map(|split| {
            let breakdown = breakdown(before, after, change, split, most);
            (telling(change, split, before, after), breakdown)
        })
        .collect();
    by.sort_by(|(a, x), (b, y)| {
        b.partial_cmp(a)
            .unwrap_or(Ordering::Equal)
            .then_with(|| y.surprise.partial_cmp(&x.surprise).unwrap_or(Ordering::Equal))
            .then_with(|| x.dimension.cmp(&y.dimension))
    });
    Explanation {
        before: before.figure(),
        after: after.figure(),
        change,
        change_share: change
            .zip(before.figure())
            .and_then(|(change, before)| share(change, before.abs())),
        by: by.into_iter().map(|(_, breakdown)| breakdown).collect(),
    }
}

fn breakdown(before: Sums, after: Sums, change: Option<f64>, split: &Split, most: usize) -> Breakdown {
    let mut contributions: Vec<Contribution> = split
        .groups
        .iter()
        .map(|group| contribution(before, after, change, group))
        .collect();
    contributions.sort_by(|a, b| {
        let size = b.change.abs().partial_cmp(&a.change.abs()).unwrap_or(Ordering::Equal);
        size.then_with(|| a.value.cmp(&b.value))
    });
    let told: f64 = contributions.iter().map(|c| c.change).sum();
    let rest = contributions.split_off(most.min(contributions.len()));
    let residual = change.map_or(0.0, |change| change - told);
    Breakdown {
        dimension: split.dimension.clone(),
        contributions,
        others: rest.iter().map(|c| c.change).sum(),
        others_count: rest.len(),
        residual: if negligible(residual, before, after) {
            0.0
        } else {
            residual
        },
        surprise: split.groups.iter().map(|group| surprise(before, after, group)).sum(),
    }
}

/// A difference that is nothing but the rounding of sums of floats.
fn negligible(difference: f64, before: Sums, after: Sums) -> bool {
    const ROUNDING: f64 = 1e-9;
    let size = before
        .figure()
        .unwrap_or(0.0)
        .abs()
        .max(after.figure().unwrap_or(0.0).abs());
    difference.abs() <= ROUNDING * size
}

fn contribution(before: Sums, after: Sums, change: Option<f64>, group: &Group) -> Contribution {
    let (weight_before, weight_after) = (weight(group.before, before), weight(group.after, after));
    let (own_before, own_after) = (group.before.figure(), group.after.figure());
    let (told, mix, rate) = match (before.figure(), after.figure(), before.over.is_some()) {
        (_, _, false) => (group.after.of - group.before.of, None, None),
        (Some(whole_before), Some(whole_after), true) => {
            // A group that was not there, or is gone, had no ratio of its own: it moved the whole by being there.
            let first = own_before.or(own_after).unwrap_or(0.0);
            let last = own_after.or(own_before).unwrap_or(0.0);
            let rate = (last - first) * (weight_before + weight_after) / 2.0;
            let mix = (weight_after - weight_before) * ((first + last) / 2.0 - (whole_before + whole_after) / 2.0);
            (mix + rate, Some(mix), Some(rate))
        }
        _ => (0.0, None, None),
    };
    Contribution {
        value: group.value.clone(),
        before: own_before,
        after: own_after,
        change: told,
        share: change.and_then(|change| share(told, change)),
        mix,
        rate,
        weight_before,
        weight_after,
    }
}

/// How large a group is in the whole: its share of the sum, or of a ratio's denominator.
fn weight(group: Sums, whole: Sums) -> f64 {
    let (part, all) = match (group.over, whole.over) {
        (Some(part), Some(all)) => (part, all),
        _ => (group.of, whole.of),
    };
    share(part, all).unwrap_or(0.0)
}

fn share(part: f64, whole: f64) -> Option<f64> {
    let share = part / whole;
    share.is_finite().then_some(share)
}

/// One group's part of the Jensen-Shannon divergence between the two periods' shares, in bits.
fn surprise(before: Sums, after: Sums, group: &Group) -> f64 {
    let p = share(group.before.of, before.of).unwrap_or(0.0).max(0.0);
    let q = share(group.after.of, after.of).unwrap_or(0.0).max(0.0);
    let middle = (p + q) / 2.0;
    let part = |x: f64| {
        if x > 0.0 && middle > 0.0 {
            x / 2.0 * (x / middle).log2()
        } else {
            0.0
        }
    };
    (part(p) + part(q)).max(0.0)
}

/// How much a dimension tells: the surprise of the fewest values that explain enough of the change, per value, so
/// that a dimension in which one value did it comes before one in which a hundred did.
fn telling(change: Option<f64>, split: &Split, before: Sums, after: Sums) -> f64 {
    let Some(change) = change.filter(|change| *change != 0.0) else {
        return 0.0;
    };
    let mut values: Vec<(f64, f64)> = split
        .groups
        .iter()
        .filter_map(|group| {
            let told = contribution(before, after, Some(change), group);
            let share = told.share.filter(|share| *share >= LEAST_SHARE)?;
            // A ratio's values differ by what they did to it, whether or not their sizes moved.
            let surprise = if before.over.is_some() {
                share.min(1.0)
            } else {
                surprise(before, after, group)
            };
            Some((surprise, share))
        })
        .collect();
    values.sort_by(|a, b| b.partial_cmp(a).unwrap_or(Ordering::Equal));
    let (mut surprise, mut explained, mut taken) = (0.0, 0.0, 0.0);
    for (its_surprise, its_share) in values {
        surprise += its_surprise;
        explained += its_share;
        taken += 1.0;
        if explained >= ENOUGH_SHARE {
            break;
        }
    }
    if explained < ENOUGH_SHARE || taken == 0.0 {
        0.0
    } else {
        surprise / taken
    }
}
