//! The same thing written otherwise, as sources and hands do: articles, abbreviations, case, accents, and typos.

use rand::{Rng, seq::IndexedRandom};
use rand_chacha::ChaCha8Rng;

/// Words that stand for each other; any may be written for any other of its line.
const WORDS: &[&[&str]] = &[
    &["Theater", "Theatre", "Thtr.", "Th."],
    &["Center", "Centre", "Ctr.", "Ctr"],
    &["Amphitheater", "Amphitheatre", "Amph.", "Amphitheater"],
    &["Stadium", "Stad.", "Std."],
    &["Room", "Rm."],
    &["Park", "Pk."],
    &["Field", "Fld."],
    &["Hall", "Music Hall"],
    &["Saint", "St.", "St"],
    &["&", "and", "+", "And"],
    &["Orchestra", "Orch."],
    &["Band", "Bd."],
    &["Harbor", "Harbour"],
];

/// Whole texts that stand for each other.
const WHOLES: &[&[&str]] = &[
    &["New York", "New York City", "NYC", "N.Y."],
    &["Los Angeles", "LA", "L.A."],
    &["San Francisco", "SF", "San Fran"],
    &["Washington", "Washington, D.C.", "Washington DC"],
    &["Philadelphia", "Philly"],
    &["St. Louis", "Saint Louis", "St Louis"],
    &["Las Vegas", "Vegas"],
    &["Minneapolis", "Mpls."],
    &["Hip-Hop", "Hip Hop", "hiphop", "Hip-Hop/Rap"],
    &["R&B", "RnB", "R and B", "R & B"],
    &["Electronic", "Electronica", "EDM"],
    &["Country", "Country Music", "country & western"],
    &["Indie", "Indie Rock", "Alternative"],
    &["Latin", "Latin Pop", "Latino"],
    &["Metal", "Heavy Metal"],
    &["box office", "Box-Office", "boxoffice", "BO"],
    &["mobile", "Mobile App", "app"],
    &["web", "Web", "online", "www"],
];

const ACCENTS: &[(char, char)] = &[
    ('a', 'á'),
    ('e', 'é'),
    ('i', 'í'),
    ('o', 'ö'),
    ('u', 'ü'),
    ('n', 'ñ'),
    ('c', 'ç'),
    ('A', 'Å'),
    ('O', 'Ø'),
    ('E', 'É'),
];

/// Rows of a keyboard: a typo often hits the next key.
const KEYS: [&str; 3] = ["qwertyuiop", "asdfghjkl", "zxcvbnm"];

/// How a text was changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    Spelling,
    Case,
    Unicode,
    Typo,
}

impl Change {
    pub fn name(self) -> &'static str {
        match self {
            Change::Spelling => "spelling",
            Change::Case => "case",
            Change::Unicode => "unicode",
            Change::Typo => "typo",
        }
    }
}

type Rewrite = fn(&mut ChaCha8Rng, &str) -> Option<String>;

/// Other spellings, likelier ones more often.
const REWRITES: &[(Rewrite, Change)] = &[
    (article, Change::Spelling),
    (article, Change::Spelling),
    (word, Change::Spelling),
    (word, Change::Spelling),
    (word, Change::Spelling),
    (whole, Change::Spelling),
    (whole, Change::Spelling),
    (last_name_first, Change::Spelling),
    (punctuation, Change::Spelling),
    (upper, Change::Case),
    (lower, Change::Case),
    (accent, Change::Unicode),
    (decomposed, Change::Unicode),
    (spaces, Change::Unicode),
];
const TRIES: usize = 24;

/// Another spelling of a text, and what was done; none where nothing can be.
pub fn respell(rng: &mut ChaCha8Rng, text: &str) -> Option<(String, Change)> {
    if text.is_empty() {
        return None;
    }
    (0..TRIES).find_map(|_| {
        let (rewrite, change) = REWRITES.choose(rng)?;
        rewrite(rng, text)
            .filter(|other| other != text)
            .map(|other| (other, *change))
    })
}

/// A text with a slip of the hand in it: two letters swapped, one left out, doubled, or hit beside.
pub fn typo(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    let letters: Vec<char> = text.chars().collect();
    if letters.len() < 3 {
        return None;
    }
    (0..TRIES).find_map(|_| {
        let mut other = letters.clone();
        // The first letter is seldom missed.
        let at = rng.random_range(1..letters.len());
        match rng.random_range(0..4) {
            0 => other.swap(at - 1, at),
            1 => {
                other.remove(at);
            }
            2 => other.insert(at, letters[at]),
            _ => other[at] = beside(rng, letters[at])?,
        }
        let other: String = other.into_iter().collect();
        (other != text).then_some(other)
    })
}

fn beside(rng: &mut ChaCha8Rng, letter: char) -> Option<char> {
    let lower = letter.to_ascii_lowercase();
    let row = KEYS.iter().find(|row| row.contains(lower))?;
    let at = row.find(lower)?;
    let near: Vec<char> = [at.checked_sub(1), Some(at + 1)]
        .into_iter()
        .flatten()
        .filter_map(|at| row.chars().nth(at))
        .collect();
    let hit = near.choose(rng)?;
    Some(if letter.is_ascii_uppercase() {
        hit.to_ascii_uppercase()
    } else {
        *hit
    })
}

fn article(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    match text.strip_prefix("The ") {
        Some(rest) if rng.random_bool(0.5) => Some(format!("{rest}, The")),
        Some(rest) => Some(rest.to_owned()),
        None if text.contains(' ') => Some(format!("The {text}")),
        None => None,
    }
}

/// One of a line of texts that stand for each other, other than `text`.
fn other_of(rng: &mut ChaCha8Rng, lines: &[&[&str]], text: &str) -> Option<String> {
    let line = lines.iter().find(|line| line.contains(&text))?;
    let others: Vec<&str> = line.iter().copied().filter(|other| *other != text).collect();
    others.choose(rng).map(|other| (*other).to_owned())
}

fn word(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    let words: Vec<&str> = text.split(' ').collect();
    let at = words
        .iter()
        .position(|word| WORDS.iter().any(|line| line.contains(word)))?;
    let other = other_of(rng, WORDS, words[at])?;
    let mut others: Vec<&str> = words;
    others[at] = &other;
    Some(others.join(" "))
}

fn whole(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    other_of(rng, WHOLES, text)
}

/// `Ada Alvarez` is `Alvarez, Ada` or `A. Alvarez` in a list of persons.
fn last_name_first(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    let (first, last) = text.split_once(' ')?;
    let is_name = |word: &str| word.chars().all(char::is_alphabetic) && word.chars().count() > 1;
    if !is_name(first) || !is_name(last) || first == "The" {
        return None;
    }
    match rng.random_bool(0.6) {
        true => Some(format!("{last}, {first}")),
        false => first.chars().next().map(|letter| format!("{letter}. {last}")),
    }
}

fn punctuation(_: &mut ChaCha8Rng, text: &str) -> Option<String> {
    if text.contains(['-', '.', ',', '\'']) {
        return Some(text.replace('-', " ").replace(['.', ',', '\''], ""));
    }
    text.contains(' ').then(|| text.replace(' ', "-"))
}

fn upper(_: &mut ChaCha8Rng, text: &str) -> Option<String> {
    Some(text.to_uppercase())
}

fn lower(_: &mut ChaCha8Rng, text: &str) -> Option<String> {
    Some(text.to_lowercase())
}

fn accent(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    let places: Vec<(usize, char)> = text
        .char_indices()
        .filter_map(|(at, letter)| {
            let accented = ACCENTS.iter().find(|(plain, _)| *plain == letter)?;
            Some((at, accented.1))
        })
        .collect();
    let (at, accented) = places.choose(rng)?;
    Some(format!("{}{accented}{}", &text[..*at], &text[at + 1..]))
}

/// An accent as a character of its own behind the letter, as some systems store it.
fn decomposed(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    let places: Vec<usize> = text
        .char_indices()
        .filter(|(_, letter)| matches!(letter, 'a' | 'e' | 'o' | 'u'))
        .map(|(at, _)| at + 1)
        .collect();
    let at = places.choose(rng)?;
    Some(format!("{}\u{301}{}", &text[..*at], &text[*at..]))
}

/// Spaces that cannot be seen: doubled, unbreakable, or at an end.
fn spaces(rng: &mut ChaCha8Rng, text: &str) -> Option<String> {
    match rng.random_range(0..4) {
        0 if text.contains(' ') => Some(text.replacen(' ', "  ", 1)),
        1 if text.contains(' ') => Some(text.replacen(' ', "\u{a0}", 1)),
        2 => Some(format!(" {text}")),
        _ => Some(format!("{text} ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::{Part, Streams};
    use std::collections::BTreeSet;

    #[test]
    fn a_text_has_many_spellings_and_none_is_itself() {
        let mut rng = Streams::new(5).stream(Part::DirtyRows, 0);
        for (text, expected) in [
            (
                "The Riverside Theater",
                &["Riverside Theater", "Riverside Theater, The", "The Riverside Theatre"][..],
            ),
            (
                "Northgate Center",
                &["Northgate Ctr.", "Northgate Centre", "NORTHGATE CENTER"],
            ),
            ("Ada & the Wolves", &["Ada and the Wolves", "Ada + the Wolves"]),
            ("Ada Alvarez", &["Alvarez, Ada", "A. Alvarez", "ada alvarez"]),
            ("New York", &["NYC", "New York City"]),
        ] {
            let spellings: BTreeSet<String> = (0..400)
                .filter_map(|_| respell(&mut rng, text))
                .map(|(other, _)| other)
                .collect();
            assert!(!spellings.contains(text));
            for spelling in expected {
                assert!(spellings.contains(*spelling), "{spelling} is not among {spellings:?}");
            }
            assert!(spellings.iter().any(|spelling| !spelling.is_ascii()), "{spellings:?}");
        }
        assert_eq!(respell(&mut rng, ""), None);
    }

    #[test]
    fn a_typo_is_one_slip() {
        let mut rng = Streams::new(5).stream(Part::DirtyRows, 1);
        for _ in 0..500 {
            let text = "Quiet Lantern";
            let other = typo(&mut rng, text).unwrap();
            assert_ne!(other, text);
            assert!(other.chars().count().abs_diff(text.chars().count()) <= 1, "{other}");
        }
        assert_eq!(typo(&mut rng, "ab"), None);
        assert!(typo(&mut rng, "日本語の歌").is_some());
    }
}
