//! Misspelt and shortened words: each word that means nothing here is compared with the words that do, and taken for the
//! nearest one of them. A word of the data's own names is left to linking, which knows whole names.

use crate::{
    index::{Lexicon, Source, ValueIndex, is_anagram, tolerance},
    text::Token,
};

/// Shorter words are too near to too many others.
const SHORTEST_TYPO_CHARS: usize = 4;
/// Words of so many letters and fewer differ by less than longer ones.
const SHORT_CHARS: usize = 5;
/// From so many letters on two of them may have changed places, however far apart.
const SHORTEST_ANAGRAM_CHARS: usize = 6;
/// A word that says nothing by itself is long enough to be told from others from here on.
const LONG_FILLER_CHARS: usize = 5;
/// How short the beginning of a word may be that stands for all of it: "rev", "att".
const SHORTEST_PREFIX_CHARS: usize = 3;
/// How long a word must be that its beginning can stand for.
const SHORTEST_SHORTENED_CHARS: usize = 6;
/// Names of so many words are compared with the neighbours of a word before it is taken for a misspelling.
const MOST_NAME_WORDS: usize = 3;

/// Replaces what is misspelt by what is meant. `text` stays as it was written; `is_corrected` says which words were.
pub(crate) fn correct(tokens: &mut Vec<Token>, lexicon: &Lexicon, values: &ValueIndex) {
    expand(tokens, lexicon, values);
    for at in 0..tokens.len() {
        if let Some(word) = little_word(tokens, at, lexicon, values)
            && let Some(token) = tokens.get_mut(at)
        {
            word.clone_into(&mut token.norm);
            token.stem = crate::text::stem(word);
            token.is_corrected = true;
        }
    }
    for at in 0..tokens.len() {
        let Some(token) = tokens.get(at) else { continue };
        if is_known(token, lexicon, values) {
            continue;
        }
        if let Some(base) = base_form(token, lexicon) {
            if let Some(token) = tokens.get_mut(at) {
                token.stem.clone_from(&base);
                token.norm = base;
            }
            continue;
        }
        let token = token.clone();
        let neighbours = Neighbours {
            before: at.checked_sub(1).and_then(|i| tokens.get(i)).map(|t| t.stem.as_str()),
            after: tokens.get(at + 1).map(|t| t.stem.as_str()),
        };
        let word = nearest(&token, &neighbours, lexicon);
        let distance = word.as_ref().map(|word| strsim::damerau_levenshtein(word, &token.stem));
        if let Some((from, words)) = near_name(tokens, at, distance, values) {
            for (offset, word) in words.into_iter().enumerate() {
                if let Some(token) = tokens.get_mut(from + offset).filter(|token| token.norm != word) {
                    token.stem = crate::text::stem(&word);
                    token.norm = word;
                    token.is_corrected = true;
                }
            }
            continue;
        }
        if let (Some(word), Some(token)) = (word, tokens.get_mut(at)) {
            let is_plural = token.norm.ends_with('s') && !word.ends_with('s');
            token.norm = if is_plural { format!("{word}s") } else { word.clone() };
            token.stem = word;
            token.is_corrected = true;
        }
    }
}

/// The words that hold a sentence together, whose letters are easily swapped.
const LITTLE_WORDS: [&str; 22] = [
    "the", "of", "for", "from", "and", "by", "in", "at", "to", "with", "per", "how", "what", "which", "have", "had",
    "was", "were", "each", "than", "that", "over",
];

/// "teh", "fo", "adn", and "form" where no phrase has that word: a little word whose letters changed places.
fn little_word(tokens: &[Token], at: usize, lexicon: &Lexicon, values: &ValueIndex) -> Option<&'static str> {
    let token = tokens.get(at)?;
    let word = token.norm.as_str();
    if word.len() < 2 || token.is_upper() || values.has_word(word) || LITTLE_WORDS.contains(&word) {
        return None;
    }
    let meant = LITTLE_WORDS.into_iter().find(|little| is_swap(word, little))?;
    let alone = lexicon.find(std::slice::from_ref(token)).next().is_some();
    let neighbour = |index: Option<usize>| index.and_then(|index| tokens.get(index));
    let is_in_phrase = neighbour(at.checked_sub(1)).is_some_and(|before| lexicon.has_pair(&before.stem, &token.stem))
        || neighbour(Some(at + 1)).is_some_and(|after| lexicon.has_pair(&token.stem, &after.stem));
    let is_word = lexicon.knows(token) && (alone || is_in_phrase);
    // "pre 2020" is a time, "revenue pre ticket" is none.
    let is_time = crate::times::is_time_word(word)
        && neighbour(Some(at + 1)).is_some_and(|after| after.norm.starts_with(|c: char| c.is_ascii_digit()));
    (!is_word && !is_time).then_some(meant)
}

/// Short forms in full, and words that were written as one as two: "atleast", "top10".
fn expand(tokens: &mut Vec<Token>, lexicon: &Lexicon, values: &ValueIndex) {
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        if let Some((_, word)) = SHORT_FORMS.iter().find(|(short, _)| *short == token.norm) {
            let word = (*word).to_owned();
            if let Some(token) = tokens.get_mut(at) {
                token.stem = crate::text::stem(&word);
                token.norm = word;
            }
        } else if token.norm == "then"
            && at
                .checked_sub(1)
                .and_then(|before| tokens.get(before))
                .is_some_and(|before| MORE.contains(&before.norm.as_str()))
        {
            // "more then 20"
            if let Some(token) = tokens.get_mut(at) {
                "than".clone_into(&mut token.norm);
                "than".clone_into(&mut token.stem);
            }
        } else if let Some((first, second)) = two_words(token, lexicon, values) {
            let piece = |word: &str| Token {
                norm: word.to_owned(),
                stem: crate::text::stem(word),
                ..token.clone()
            };
            let pieces = [
                piece(&first),
                Token {
                    after_comma: false,
                    ..piece(&second)
                },
            ];
            tokens.splice(at..=at, pieces);
            at += 1;
        }
        at += 1;
    }
}

const MORE: [&str; 8] = ["more", "less", "fewer", "greater", "higher", "lower", "better", "worse"];

/// The two words that were written as one.
fn two_words(token: &Token, lexicon: &Lexicon, values: &ValueIndex) -> Option<(String, String)> {
    let word = token.norm.as_str();
    if let Some(digits) = word.find(|c: char| c.is_ascii_digit()) {
        let (letters, number) = word.split_at_checked(digits)?;
        let leads = matches!(
            letters,
            "top" | "bottom" | "first" | "last" | "next" | "best" | "worst" | "fy"
        );
        let is_number = number.chars().all(|c| c.is_ascii_digit());
        return (leads && is_number).then(|| {
            let lead = if letters == "fy" { "in" } else { letters };
            (lead.to_owned(), number.to_owned())
        });
    }
    if is_known(token, lexicon, values) {
        return None;
    }
    (2..word.len().saturating_sub(1)).find_map(|cut| {
        let (first, second) = word.split_at_checked(cut)?;
        lexicon
            .has_pair(first, second)
            .then(|| (first.to_owned(), second.to_owned()))
    })
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
    ("mo", "month"),
    ("mos", "months"),
    ("yesterdays", "yesterday"),
    ("todays", "today"),
    ("tomorrows", "tomorrow"),
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

/// The name of the data that is spelt almost as the words around this one, and where it begins; none where a word of the
/// language is nearer, by so many letters.
fn near_name(
    tokens: &[Token],
    at: usize,
    distance: Option<usize>,
    values: &ValueIndex,
) -> Option<(usize, Vec<String>)> {
    // "jazz and rok": a short word beside a name is one too.
    let joins = |index: Option<usize>| {
        index
            .and_then(|index| tokens.get(index))
            .is_some_and(|token| matches!(token.norm.as_str(), "and" | "or" | "vs" | "versus"))
    };
    let is_joined = joins(at.checked_sub(1)) || joins(Some(at + 1));
    if is_joined && distance.is_none() {
        let word = tokens.get(at)?.norm.as_str();
        if let Some(entry) = values.only_short(word, |name| is_close_slip(word, name)) {
            return Some((at, entry.words.clone()));
        }
    }
    if let Some((entry, own)) = values.similar(std::slice::from_ref(tokens.get(at)?)) {
        let is_nearer = distance.is_some_and(|distance| distance < own);
        return (!is_nearer).then(|| (at, entry.words.clone()));
    }
    (2..=MOST_NAME_WORDS).rev().find_map(|length| {
        (at.saturating_sub(length - 1)..=at).find_map(|from| {
            let words = tokens.get(from..from + length)?;
            let (entry, _) = values.similar(words)?;
            (entry.words.len() == length).then(|| (from, entry.words.clone()))
        })
    })
}

fn nearest(token: &Token, neighbours: &Neighbours<'_>, lexicon: &Lexicon) -> Option<String> {
    let one = token
        .stem
        .strip_suffix('s')
        .filter(|one| one.len() >= SHORTEST_TYPO_CHARS);
    typo(&token.norm, neighbours, lexicon)
        .or_else(|| typo(&token.stem, neighbours, lexicon))
        // "venus": the s of a plural is kept where the word ends in "us".
        .or_else(|| typo(one?, neighbours, lexicon))
        .or_else(|| skeleton(token, neighbours, lexicon))
        .or_else(|| shortened(token, lexicon))
}

/// A word with each doubled letter written once.
fn once(word: &str) -> String {
    let mut letters: Vec<char> = word.chars().collect();
    letters.dedup();
    letters.into_iter().collect()
}

/// The word that a slip of the finger made this one of.
fn typo(written: &str, neighbours: &Neighbours<'_>, lexicon: &Lexicon) -> Option<String> {
    let letter = written.chars().next()?;
    let most = tolerance(written.len()).unwrap_or(1);
    let far = if written.len() >= SHORTEST_ANAGRAM_CHARS {
        most.max(2)
    } else {
        most
    };
    lexicon
        .vocabulary()
        .filter(|(word, _)| word.starts_with(letter) && word.len().abs_diff(written.len()) <= far.max(1))
        .filter_map(|(word, source)| {
            let distance = strsim::damerau_levenshtein(word, written);
            // "chanell" has the right letters, and the wrong one of them twice.
            let is_doubled_elsewhere = distance == 2 && word.len() > SHORT_CHARS && once(written) == once(word);
            // "attendance rte": too short by itself, and told by its neighbour.
            let is_short = written.len() + 1 == SHORTEST_TYPO_CHARS
                && word.len() == SHORTEST_TYPO_CHARS
                && distance == 1
                && neighbours.fit(word, lexicon);
            let fits = ((1..=far).contains(&distance) || is_doubled_elsewhere)
                && (distance <= most || is_anagram(written, word) || is_doubled_elsewhere)
                && (is_slip(written, word, distance) || is_short)
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
    is_anagram(written, meant)
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
