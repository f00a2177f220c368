//! The nearest of the names that are allowed, for errors that say how to mend a call.

/// Names that differ by more than this share of their letters have nothing to do with each other.
const MOST_DIFFERENCE: usize = 2;

/// The name that is most like a wrong one: a part of it, or as few letters away as half of it. None where none is.
pub(super) fn nearest<'a>(wrong: &str, names: &[&'a str]) -> Option<&'a str> {
    let lower = wrong.to_lowercase();
    // `equals`, `gt` and their like are what other query languages call these.
    const OTHER_NAMES: [(&str, &str); 14] = [
        ("equals", "="),
        ("eq", "="),
        ("==", "="),
        ("is", "="),
        ("ne", "!="),
        ("<>", "!="),
        ("gt", ">"),
        ("gte", ">="),
        ("ge", ">="),
        ("lt", "<"),
        ("lte", "<="),
        ("le", "<="),
        ("like", "contains"),
        ("operator", "op"),
    ];
    let other = OTHER_NAMES
        .iter()
        .find(|(name, _)| *name == lower)
        .and_then(|(_, own)| names.iter().copied().find(|name| name == own));
    other.or_else(|| {
        let share = |name: &str| {
            let is_part = name.len() > 1 && (lower.contains(name) || name.contains(lower.as_str()));
            (!is_part, distance(&lower, name))
        };
        names
            .iter()
            .copied()
            .map(|name| (share(name), name))
            .filter(|((is_apart, distance), name)| {
                !is_apart || distance * MOST_DIFFERENCE <= lower.chars().count().max(name.chars().count())
            })
            .min()
            .map(|(_, name)| name)
    })
}

/// How many letters have to be changed, put in or taken out (Levenshtein's distance).
fn distance(a: &str, b: &str) -> usize {
    let b: Vec<char> = b.chars().collect();
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, from) in a.chars().enumerate() {
        let mut before = i;
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
        for (j, to) in b.iter().enumerate() {
            let up = row.get(j + 1).copied().unwrap_or(usize::MAX - 1);
            let left = row.get(j).copied().unwrap_or(usize::MAX - 1);
            let here = (before + usize::from(from != *to)).min(up + 1).min(left + 1);
            before = up;
            if let Some(slot) = row.get_mut(j + 1) {
                *slot = here;
            }
        }
    }
    row.last().copied().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_name_is_a_part_of_the_wrong_one_or_a_few_letters_away() {
        for (wrong, names, expected) in [
            ("metric", &["metrics", "dimensions"][..], Some("metrics")),
            ("months", &["day", "month", "year"], Some("month")),
            ("descending", &["asc", "desc"], Some("desc")),
            (
                "last_year",
                &["previous_period", "same_period_last_year"],
                Some("same_period_last_year"),
            ),
            ("equals", &["=", "in"], Some("=")),
            ("operator", &["dimension", "op", "values"], Some("op")),
            ("grian", &["grain", "limit"], Some("grain")),
            ("colour", &["grain", "limit"], None),
        ] {
            assert_eq!(nearest(wrong, names), expected, "{wrong}");
        }
        assert_eq!(distance("kitten", "sitting"), 3);
        assert_eq!(distance("", "abc"), 3);
    }
}
