//! The values of the catalogue in memory, and the search among them that `suggest` and the agent's `look_up` share.

use crate::limits::SUGGEST_MAX_CHARS;
use concert_contract::catalogue::{Catalogue, CatalogueValue};
use std::cmp::Reverse;
use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Names that differ more than this are not the same name with a slip (Jaro-Winkler, 0 to 1).
const SIMILAR_MIN: f64 = 0.87;

/// The values of one snapshot, with the names that they are found by.
#[derive(Debug, Default)]
pub struct Values {
    values: Vec<CatalogueValue>,
    /// Of each value, folded: the value, its label, and other words for it.
    names: Vec<Vec<String>>,
}

impl Values {
    pub fn new(mut values: Vec<CatalogueValue>, catalogue: &Catalogue) -> Values {
        let names = values
            .iter_mut()
            .map(|value| {
                let dimension = catalogue.dimension(&value.dimension);
                let mut names = vec![fold(&value.value), fold(&value.label)];
                if let Some(others) = dimension.and_then(|dimension| dimension.aliases.get(&value.value)) {
                    names.extend(others.iter().map(|other| fold(other)));
                }
                if let Some(name) = dimension.and_then(|dimension| dimension.name_of(&value.value)) {
                    value.label = name;
                }
                names.dedup();
                names
            })
            .collect();
        Values { values, names }
    }

    pub fn all(&self) -> &[CatalogueValue] {
        &self.values
    }

    /// The values of dimensions that `is_sought` takes that are, begin with or contain `text`, the best first and equal
    /// ones by weight; where those are too few, also those that nearly are.
    pub fn find(&self, text: &str, is_sought: impl Fn(&str) -> bool, limit: usize) -> Vec<&CatalogueValue> {
        let sought = fold(&text.chars().take(SUGGEST_MAX_CHARS).collect::<String>());
        let word = format!(" {sought}");
        let candidates: Vec<(&CatalogueValue, &[String])> = self
            .values
            .iter()
            .zip(&self.names)
            .filter(|(value, _)| is_sought(&value.dimension))
            .map(|(value, names)| (value, names.as_slice()))
            .collect();
        let mut found: Vec<(u32, &CatalogueValue)> = candidates
            .iter()
            .filter_map(|(value, names)| Some((distance(&sought, &word, names)?, *value)))
            .collect();
        if found.len() < limit {
            // Likeness takes far longer than the rest, so it is looked at only where it is needed.
            let similar: Vec<_> = candidates
                .iter()
                .filter(|(_, names)| distance(&sought, &word, names).is_none())
                .filter_map(|(value, names)| Some((unlikeness(&sought, names)?, *value)))
                .collect();
            found.extend(similar);
        }
        found.sort_by_key(|(distance, value)| (*distance, Reverse(value.weight), &value.label));
        found.into_iter().take(limit).map(|(_, value)| value).collect()
    }
}

/// 0 for the name itself, more for less of a likeness, none for another. `word` is `sought` after a space.
fn distance(sought: &str, word: &str, names: &[String]) -> Option<u32> {
    let nearest = names.iter().filter_map(|name| {
        if name == sought {
            Some(0)
        } else if name.starts_with(sought) {
            Some(1)
        } else if name.contains(word) {
            Some(2)
        } else {
            name.contains(sought).then_some(3)
        }
    });
    nearest.min()
}

/// As [`distance`], for names with a slip: nearer ones first, all of them after the others.
fn unlikeness(sought: &str, names: &[String]) -> Option<u32> {
    let likeness = names
        .iter()
        .map(|name| strsim::jaro_winkler(name, sought))
        .fold(0.0, f64::max);
    (likeness >= SIMILAR_MIN).then(|| 4 + ((1.0 - likeness) * 1_000.0).round() as u32)
}

/// Letters and digits in lower case, words apart by one space, accents left out, `&` read as "and".
fn fold(text: &str) -> String {
    let mut folded = String::with_capacity(text.len());
    for char in text.nfd().filter(|char| !is_combining_mark(*char)) {
        if char.is_alphanumeric() {
            folded.extend(char.to_lowercase());
        } else if char == '&' {
            folded.push_str(" and ");
        } else if char != '\'' && char != '’' && !folded.ends_with(' ') {
            folded.push(' ');
        }
    }
    folded.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::catalogue::CONCERT_DW;

    fn value(dimension: &str, value: &str, weight: i64) -> CatalogueValue {
        CatalogueValue {
            dimension: dimension.into(),
            value: value.into(),
            label: value.into(),
            weight,
            sounds_like: None,
        }
    }

    #[test]
    fn values_are_found_by_beginning_word_part_and_slip() {
        let values = Values::new(
            vec![
                value("city", "Washington", 90),
                value("city", "São Paulo", 5),
                value("country", "DE", 7),
                value("venue", "9:30 Club", 20),
                value("venue", "Wash House", 3),
                value("artist", "Belle & Sebastian", 4),
            ],
            &Catalogue::from_toml(CONCERT_DW).unwrap(),
        );
        let found = |text: &str, dimension: Option<&str>| -> Vec<String> {
            values
                .find(text, |name| dimension.is_none_or(|dimension| dimension == name), 10)
                .into_iter()
                .map(|found| found.value.clone())
                .collect()
        };
        assert_eq!(found("wash", None), ["Washington", "Wash House"]);
        assert_eq!(found("wash", Some("venue")), ["Wash House"]);
        assert_eq!(found("sao paulo", None), ["São Paulo"]);
        assert_eq!(found("club", None), ["9:30 Club"]);
        assert_eq!(found("Washingtn", None), ["Washington"]);
        assert_eq!(found("belle and sebastian", None), ["Belle & Sebastian"]);
        assert_eq!(found("german", None), ["DE"]);
        assert_eq!(values.find("germany", |_| true, 1)[0].label, "Germany");
        assert_eq!(found("zzz", None), [""; 0]);
        assert_eq!(values.find("", |_| true, 2).len(), 2);
    }
}
