//! What words in names usually mean: abbreviations, synonyms, which numbers are averaged and which added up. The
//! words themselves stand in `data/thesaurus.toml`.

use crate::names;
use serde::Deserialize;
use std::{collections::BTreeMap, sync::LazyLock};

const DATA: &str = include_str!("../data/thesaurus.toml");

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Thesaurus {
    abbreviations: BTreeMap<String, String>,
    synonyms: Synonyms,
    pub numbers: Numbers,
    pub sales: Sales,
    pub labels: Words,
    pub free_text: Words,
    pub time: Times,
    pub things: Things,
    roles: BTreeMap<String, Vec<String>>,
    pub leading: Leading,
    pub ladders: Ladders,
    ranks: BTreeMap<String, [Vec<String>; 2]>,
    codes: BTreeMap<String, BTreeMap<String, Vec<String>>>,
    fillers: BTreeMap<String, Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
struct Synonyms {
    groups: Vec<Vec<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Numbers {
    pub added: Vec<String>,
    pub average: Vec<String>,
    pub both: Vec<String>,
    pub code: Vec<String>,
    pub ordinal: Vec<String>,
    pub place: Vec<String>,
    pub year: Vec<String>,
    pub money: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Sales {
    pub tables: Vec<String>,
    pub amounts: Vec<String>,
    pub quantities: Vec<String>,
    pub prices: Vec<String>,
    pub words: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Words {
    pub names: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Times {
    pub best: Vec<String>,
    pub lower: Vec<String>,
    pub never: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Things {
    pub person: Vec<String>,
    pub place: Vec<String>,
    pub at: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Leading {
    pub words: Vec<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Ladders {
    pub steps: Vec<Vec<String>>,
}

/// The thesaurus of this build.
pub fn thesaurus() -> &'static Thesaurus {
    // A test reads the file, so that what is built in can be read.
    static THESAURUS: LazyLock<Thesaurus> = LazyLock::new(|| toml::from_str(DATA).unwrap_or_default());
    &THESAURUS
}

impl Thesaurus {
    /// The words of a name, with short forms written out.
    pub fn words(&self, name: &str) -> Vec<String> {
        parts(name)
            .into_iter()
            .flat_map(|word| match self.abbreviations.get(&word) {
                Some(long) => long.split(' ').map(str::to_owned).collect(),
                None => vec![word],
            })
            .collect()
    }

    /// The words of a name as it is spoken: short forms of one word are written out, others (`gdp`) stay.
    pub fn spoken(&self, name: &str) -> Vec<String> {
        let mut words: Vec<String> = parts(name)
            .into_iter()
            .map(|word| match self.abbreviations.get(&word) {
                Some(long) if !long.contains(' ') => long.clone(),
                _ => word,
            })
            .collect();
        // "num_pages" is the number of pages.
        if let [first, second, ..] = words.as_slice()
            && first == "number"
            && second != "of"
            && second.ends_with('s')
        {
            words.insert(1, "of".to_owned());
        }
        words
    }

    /// A phrase as a label: with a capital first letter, and initials (`GDP`) in capitals.
    pub fn label(&self, phrase: &str) -> String {
        let words: Vec<String> = phrase
            .split(' ')
            .map(|word| {
                let is_initials = self.abbreviations.get(word).is_some_and(|long| long.contains(' '))
                    || matches!(word, "id" | "iq" | "bmi" | "gpa" | "mpg" | "isbn" | "url" | "ip");
                if is_initials {
                    word.to_uppercase()
                } else {
                    word.to_owned()
                }
            })
            .collect();
        names::label(&words.join(" "))
    }

    /// Verbs that go without saying where tables hold these things.
    pub fn fillers<'a>(&'a self, things: &'a [String]) -> impl Iterator<Item = &'a String> {
        let anything = "anything".to_owned();
        std::iter::once(anything)
            .chain(things.iter().cloned())
            .filter_map(|thing| self.fillers.get(&thing))
            .flatten()
    }

    /// Phrases that mean nearly the same as a phrase in the singular.
    pub fn synonyms(&self, phrase: &str) -> Vec<&str> {
        let mut found: Vec<&str> = Vec::new();
        for group in &self.synonyms.groups {
            if group.first().is_some_and(|first| first == phrase) {
                found.extend(group.iter().skip(1).map(String::as_str));
            }
        }
        found
    }

    /// Whether two words mean nearly the same.
    pub fn alike(&self, a: &str, b: &str) -> bool {
        a == b || self.synonyms(a).contains(&b) || self.synonyms(b).contains(&a)
    }

    /// The things that a column of this role leads to: a manager is an employee.
    pub fn role(&self, word: &str) -> &[String] {
        self.roles.get(word).map_or(&[], Vec::as_slice)
    }

    /// Words that rank by a number of this name: of the most and of the least.
    pub fn ranks(&self, words: &[String]) -> Option<&[Vec<String>; 2]> {
        words.iter().rev().find_map(|word| self.ranks.get(word))
    }

    /// What codes in a column of this name stand for.
    pub fn codes(&self, words: &[String]) -> Option<&BTreeMap<String, Vec<String>>> {
        let (last, rest) = words.split_last()?;
        // "country_name" holds countries.
        let of = rest.last().filter(|_| last == "name").unwrap_or(last);
        self.codes.get(of)
    }

    /// Words that rank by a day of this name. The first word says what happened: a birth date is no date like others.
    pub fn ranks_of_day(&self, words: &[String]) -> Option<&[Vec<String>; 2]> {
        words.iter().find_map(|word| self.ranks.get(word))
    }
}

/// The words of a name, where a letter for the first or the last name of somebody counts as the word: `LName`.
fn parts(name: &str) -> Vec<String> {
    let words = names::words(name);
    match words.as_slice() {
        [letter, name] if name == "name" => match letter.as_str() {
            "f" => vec!["first".to_owned(), "name".to_owned()],
            "l" => vec!["last".to_owned(), "name".to_owned()],
            "m" => vec!["middle".to_owned(), "name".to_owned()],
            _ => words,
        },
        _ => words,
    }
}

/// Whether a list has a word.
pub fn has(list: &[String], word: &str) -> bool {
    list.iter().any(|listed| listed == word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_can_be_read() {
        let read: Thesaurus = toml::from_str(DATA).expect("reads");
        assert!(read.synonyms("customer").contains(&"client"));
        assert_eq!(read.words("cust_ord_qty").join(" "), "customer order quantity");
        assert!(read.alike("client", "customer"));
    }
}
