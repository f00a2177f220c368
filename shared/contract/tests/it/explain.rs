//! The arithmetic of a change, on figures that were worked out by hand.

use concert_contract::explain::{Breakdown, Explanation, Group, Split, Sums, explain};
use proptest::prelude::*;

fn sum(of: f64) -> Sums {
    Sums { of, over: None }
}

fn ratio(of: f64, over: f64) -> Sums {
    Sums { of, over: Some(over) }
}

fn group(value: &str, before: Sums, after: Sums) -> Group {
    Group {
        value: Some(value.to_owned()),
        before,
        after,
    }
}

fn split(dimension: &str, groups: Vec<Group>) -> Split {
    Split {
        dimension: dimension.to_owned(),
        groups,
    }
}

fn of<'a>(explanation: &'a Explanation, dimension: &str) -> &'a Breakdown {
    explanation
        .by
        .iter()
        .find(|by| by.dimension == dimension)
        .expect("the dimension")
}

fn close(a: f64, b: f64) -> bool {
    (a - b).abs() <= 1e-9 * a.abs().max(b.abs()).max(1.0)
}

#[test]
fn a_sum_is_split_by_differences_and_the_dimension_with_the_culprit_comes_first() {
    let weekday = split(
        "weekday",
        vec![
            group("Friday", sum(500.0), sum(450.0)),
            group("Saturday", sum(500.0), sum(450.0)),
        ],
    );
    let venue = split(
        "venue",
        vec![
            group("The Meridian", sum(400.0), sum(280.0)),
            group("Paradise", sum(300.0), sum(310.0)),
            group("Rex", sum(300.0), sum(310.0)),
        ],
    );
    let told = explain(sum(1000.0), sum(900.0), &[weekday, venue], 2);
    assert_eq!(told.change, Some(-100.0));
    assert_eq!(told.change_share, Some(-0.1));
    assert_eq!(told.by[0].dimension, "venue");
    let venue = of(&told, "venue");
    assert_eq!(venue.contributions[0].value.as_deref(), Some("The Meridian"));
    assert_eq!(venue.contributions[0].change, -120.0);
    assert_eq!(venue.contributions[0].share, Some(1.2));
    assert_eq!(venue.contributions[1].share, Some(-0.1));
    assert_eq!((venue.others, venue.others_count, venue.residual), (10.0, 1, 0.0));
}

#[test]
fn a_ratio_is_split_into_mix_and_rate() {
    // Large rooms are fuller than small ones, and neither became fuller; only more of the seats are in small rooms.
    let size = split(
        "size",
        vec![
            group("large", ratio(720.0, 800.0), ratio(360.0, 400.0)),
            group("small", ratio(100.0, 200.0), ratio(300.0, 600.0)),
        ],
    );
    let told = explain(ratio(820.0, 1000.0), ratio(660.0, 1000.0), &[size], 5);
    assert!(close(told.change.expect("a change"), -0.16));
    for contribution in &of(&told, "size").contributions {
        assert!(close(contribution.rate.expect("a rate"), 0.0));
        // (0.4 - 0.8) × (0.9 - 0.74) and (0.6 - 0.2) × (0.5 - 0.74)
        let mix = if contribution.value.as_deref() == Some("large") {
            -0.064
        } else {
            -0.096
        };
        assert!(close(contribution.mix.expect("a mix"), mix), "{contribution:?}");
    }
}

#[test]
fn a_ratio_whose_groups_kept_their_weights_changed_by_rate_alone() {
    let venue = split(
        "venue",
        vec![
            group("a", ratio(50.0, 100.0), ratio(80.0, 100.0)),
            group("b", ratio(70.0, 100.0), ratio(70.0, 100.0)),
        ],
    );
    let told = explain(ratio(120.0, 200.0), ratio(150.0, 200.0), &[venue], 5);
    let venue = of(&told, "venue");
    assert_eq!(venue.contributions[0].value.as_deref(), Some("a"));
    assert!(close(venue.contributions[0].rate.expect("a rate"), 0.15));
    assert!(close(venue.contributions[0].mix.expect("a mix"), 0.0));
    assert_eq!(
        venue.contributions[0].share.map(|share| (share * 100.0).round()),
        Some(100.0)
    );
}

#[test]
fn what_overlapping_groups_do_not_add_up_to_is_said() {
    // A concert with two genres counts for both.
    let genre = split(
        "genre",
        vec![group("rock", sum(60.0), sum(90.0)), group("punk", sum(60.0), sum(90.0))],
    );
    let told = explain(sum(100.0), sum(140.0), &[genre], 5);
    assert_eq!(of(&told, "genre").residual, -20.0);
}

#[test]
fn nothing_before_has_no_percentage_and_no_change_no_culprit() {
    let venue = split("venue", vec![group("a", sum(0.0), sum(10.0))]);
    let told = explain(sum(0.0), sum(10.0), std::slice::from_ref(&venue), 5);
    assert_eq!((told.change, told.change_share), (Some(10.0), None));
    assert_eq!(of(&told, "venue").contributions[0].share, Some(1.0));
    let still = explain(ratio(0.0, 0.0), ratio(1.0, 2.0), &[venue], 5);
    assert_eq!((still.before, still.change), (None, None));
}

proptest! {
    #[test]
    fn contributions_others_and_residual_add_up_to_the_change(
        rows in prop::collection::vec((0u32..1000, 0u32..1000, 0u32..1000, 0u32..1000), 1..20),
        is_ratio: bool,
        most in 0usize..6,
    ) {
        let sums = |of: u32, over: u32| Sums {
            of: f64::from(of),
            over: is_ratio.then(|| f64::from(over)),
        };
        let groups: Vec<Group> = rows
            .iter()
            .enumerate()
            // A numerator without a denominator is no ratio.
            .map(|(at, (a, b, c, d))| {
                let (a, c) = if is_ratio { (*a.min(b), *c.min(d)) } else { (*a, *c) };
                group(&at.to_string(), sums(a, *b), sums(c, *d))
            })
            .collect();
        let whole = |of: fn(&Group) -> Sums| {
            let parts: Vec<Sums> = groups.iter().map(of).collect();
            Sums {
                of: parts.iter().map(|part| part.of).sum(),
                over: is_ratio.then(|| parts.iter().filter_map(|part| part.over).sum()),
            }
        };
        let told = explain(whole(|g| g.before), whole(|g| g.after), &[split("d", groups.clone())], most);
        if let Some(change) = told.change {
            let by = &told.by[0];
            let sum: f64 = by.contributions.iter().map(|c| c.change).sum::<f64>() + by.others;
            prop_assert!((sum - change).abs() <= 1e-6 * change.abs().max(1.0), "{sum} for {change}");
            prop_assert!((0.0..=1.000_001).contains(&by.surprise));
            prop_assert_eq!(by.residual, 0.0);
            prop_assert_eq!(by.contributions.len() + by.others_count, groups.len());
        }
    }
}
