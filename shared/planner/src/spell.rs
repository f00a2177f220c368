//! Misspelt and shortened words: each word that means nothing here is compared with the words that do, and taken for the
//! nearest one of them. A word of the data's own names is left to linking, which knows whole names.

use crate::{
    index::{Lexicon, Source, ValueIndex, tolerance},
    text::Token,
};

/// Shorter words are too near to too many others.
const SHORTEST_TYPO_CHARS: usize = 4;
/// A word that says nothing by itself is long enough to be told from others from here on.
const LONG_FILLER_CHARS: usize = 5;
/// How short the beginning of a word may be that stands for all of it: "rev", "att".
const SHORTEST_PREFIX_CHARS: usize = 3;
/// How long a word must be that its beginning can stand for.
const SHORTEST_SHORTENED_CHARS: usize = 6;
/// Names of so many words are compared with the neighbours of a word before it is taken for a misspelling.
const MOST_NAME_WORDS: usize = 3;

/// Replaces what is misspelt by what is meant. `text` stays as it was written; `is_corrected` says which words were.
pub(crate) fn correct(tokens: &mut [Token], lexicon: &Lexicon, values: &ValueIndex) {
    for token in tokens.iter_mut() {
        if let Some((_, word)) = SHORT_FORMS.iter().find(|(short, _)| *short == token.norm) {
            token.norm = (*word).to_owned();
            token.stem = crate::text::stem(word);
        }
    }
    for at in 0..tokens.len() {
        let Some(token) = tokens.get(at) else { continue };
        if !is_known(token, lexicon, values)
            && let Some(base) = base_form(token, lexicon)
            && let Some(token) = tokens.get_mut(at)
        {
            token.stem.clone_from(&base);
            token.norm = base;
            continue;
        }
        let Some(token) = tokens.get(at) else { continue };
        if is_known(token, lexicon, values) || is_near_name(tokens, at, lexicon, values) {
            continue;
        }
        let neighbours = Neighbours {
            before: at.checked_sub(1).and_then(|i| tokens.get(i)).map(|t| t.stem.as_str()),
            after: tokens.get(at + 1).map(|t| t.stem.as_str()),
        };
        let Some(word) = nearest(token, &neighbours, lexicon) else {
            continue;
        };
        if let Some(token) = tokens.get_mut(at) {
            let is_plural = token.norm.ends_with('s') && !word.ends_with('s');
            token.norm = if is_plural { format!("{word}s") } else { word.clone() };
            token.stem = word;
            token.is_corrected = true;
        }
    }
}

/// How words are written by people in a hurry.
const SHORT_FORMS: &[(&str, &str)] = &[
    ("tix", "tickets"),
    ("tkts", "tickets"),
    ("tkt", "ticket"),
    ("ppl", "people"),
    ("qtr", "quarter"),
    ("qtrs", "quarters"),
    ("qtrly", "quarterly"),
    ("mth", "month"),
    ("mths", "months"),
    ("mthly", "monthly"),
    ("yrs", "years"),
    ("wkly", "weekly"),
    ("wknd", "weekend"),
    ("wknds", "weekends"),
    ("pls", "please"),
    ("plz", "please"),
    ("thx", "thanks"),
    ("ttl", "total"),
    ("tot", "total"),
    ("num", "number"),
    ("nr", "number"),
    ("bw", "between"),
    ("btwn", "between"),
    ("w", "with"),
    ("tmrw", "tomorrow"),
    ("tmr", "tomorrow"),
    ("yday", "yesterday"),
    ("abt", "about"),
    ("incl", "including"),
    ("excl", "excluding"),
    ("approx", "about"),
    ("vrs", "versus"),
    ("perf", "performance"),
];

/// The words beside a misspelt one: "mny" behind "how" is "many" and not "money".
struct Neighbours<'a> {
    before: Option<&'a str>,
    after: Option<&'a str>,
}

impl Neighbours<'_> {
    fn fit(&self, word: &str, lexicon: &Lexicon) -> bool {
        self.before.is_some_and(|before| lexicon.has_pair(before, word))
            || self.after.is_some_and(|after| lexicon.has_pair(word, after))
    }
}

fn is_known(token: &Token, lexicon: &Lexicon, values: &ValueIndex) -> bool {
    !token.norm.chars().all(|c| c.is_ascii_lowercase())
        || token.norm.len() < 2
        || lexicon.knows(token)
        || values.has_word(&token.norm)
}

/// "attending" and "attends" are forms of "attend".
fn base_form(token: &Token, lexicon: &Lexicon) -> Option<String> {
    const SHORTEST: usize = 4;
    ["ing", "ed", "es", "d"].iter().find_map(|ending| {
        let root = token.norm.strip_suffix(ending).filter(|root| root.len() >= SHORTEST)?;
        [root.to_owned(), format!("{root}e")]
            .into_iter()
            .find(|word| lexicon.is_word(word))
    })
}

/// Whether the word belongs to a name of the data that is spelt almost so.
fn is_near_name(tokens: &[Token], at: usize, lexicon: &Lexicon, values: &ValueIndex) -> bool {
    let Some(token) = tokens.get(at) else { return false };
    let alone = values.similar(std::slice::from_ref(token));
    if let Some((_, distance)) = alone {
        let alone = Neighbours {
            before: None,
            after: None,
        };
        let nearer = nearest(token, &alone, lexicon)
            .is_some_and(|word| strsim::damerau_levenshtein(&word, &token.stem) < distance);
        return !nearer;
    }
    (2..=MOST_NAME_WORDS).any(|length| {
        (at.saturating_sub(length - 1)..=at).any(|from| {
            tokens
                .get(from..from + length)
                .is_some_and(|words| values.similar(words).is_some())
        })
    })
}

fn nearest(token: &Token, neighbours: &Neighbours<'_>, lexicon: &Lexicon) -> Option<String> {
    let one = token.stem.strip_suffix('s').filter(|one| one.len() >= SHORTEST_TYPO_CHARS);
    typo(&token.stem, neighbours, lexicon)
        // "venus": the s of a plural is kept where the word ends in "us".
        .or_else(|| typo(one?, neighbours, lexicon))
        .or_else(|| skeleton(token, neighbours, lexicon))
        .or_else(|| shortened(token, lexicon))
}

/// The word that a slip of the finger made this one of.
fn typo(written: &str, neighbours: &Neighbours<'_>, lexicon: &Lexicon) -> Option<String> {
    let letter = written.chars().next()?;
    let most = tolerance(written.len()).unwrap_or(1);
    lexicon
        .vocabulary()
        .filter(|(word, _)| word.starts_with(letter) && word.len().abs_diff(written.len()) <= most)
        .filter_map(|(word, source)| {
            let distance = strsim::damerau_levenshtein(word, written);
            let fits = (1..=most).contains(&distance)
                && is_slip(written, word, distance)
                // What would say nothing by itself is taken only where it can hardly be anything else.
                && match source {
                    Source::Filler => {
                        is_swap(written, word) || word.len() >= LONG_FILLER_CHARS && is_close_slip(written, word)
                    }
                    Source::Month => is_close_slip(written, word),
                    _ => true,
                };
            fits.then(|| (distance, !neighbours.fit(word, lexicon), source, word))
        })
        .min()
        .map(|(.., word)| word.to_owned())
}

/// Whether short words differ by what fingers do: a letter left out, doubled or swapped. A letter for another makes
/// another word of them ("stage" is no misspelt "state"), unless both are vowels.
fn is_slip(written: &str, meant: &str, distance: usize) -> bool {
    const SHORT_CHARS: usize = 5;
    if written.len() > SHORT_CHARS || distance != 1 || is_swap(written, meant) {
        return true;
    }
    let is_vowel_for_vowel = written.len() == meant.len()
        && written
            .chars()
            .zip(meant.chars())
            .filter(|(a, b)| a != b)
            .all(|(a, b)| is_vowel(a) && is_vowel(b));
    written.len() >= SHORTEST_TYPO_CHARS && (is_close_slip(written, meant) || is_vowel_for_vowel)
}

/// A letter left out, doubled or swapped, and none for another: "merch" is no March.
fn is_close_slip(written: &str, meant: &str) -> bool {
    if is_swap(written, meant) {
        return true;
    }
    let is_left_out = meant.len() == written.len() + 1;
    let is_doubled = written.len() > meant.len()
        && written
            .as_bytes()
            .windows(2)
            .any(|pair| matches!(pair, [a, b] if a == b));
    is_left_out || is_doubled
}

fn is_swap(written: &str, meant: &str) -> bool {
    let sorted = |word: &str| {
        let mut letters: Vec<char> = word.chars().collect();
        letters.sort_unstable();
        letters
    };
    sorted(written) == sorted(meant)
}

fn is_vowel(c: char) -> bool {
    matches!(c, 'a' | 'e' | 'i' | 'o' | 'u' | 'y')
}

/// The word whose consonants these are: "lst", "mny", "yr".
fn skeleton(token: &Token, neighbours: &Neighbours<'_>, lexicon: &Lexicon) -> Option<String> {
    let is_left_out = |c: char| is_vowel(c) && c != 'y';
    let written = token.norm.as_str();
    if written.chars().any(is_left_out) {
        return None;
    }
    let singular = written.strip_suffix('s').filter(|rest| rest.len() > 1);
    lexicon
        .vocabulary()
        .filter(|(_, source)| *source != Source::Filler)
        .filter_map(|(word, source)| {
            let mut letters = word.chars();
            let first = letters.next()?;
            let bones: String = std::iter::once(first)
                .chain(letters.filter(|c| !is_left_out(*c)))
                .collect();
            let fits = bones == written || singular.is_some_and(|one| bones == one);
            (fits && word.len() > written.len()).then(|| (!neighbours.fit(word, lexicon), source, word.len(), word))
        })
        .min()
        .map(|(.., word)| word.to_owned())
}

/// The word of the catalogue that this is the beginning of, where all such words mean one thing.
fn shortened(token: &Token, lexicon: &Lexicon) -> Option<String> {
    if token.norm.len() < SHORTEST_PREFIX_CHARS || token.is_capital() {
        return None;
    }
    lexicon
        .only_word_with_prefix(&token.norm, SHORTEST_SHORTENED_CHARS)
        .map(str::to_owned)
}
