//! A question as tokens, and words made comparable: case, accents, possessives and plurals aside.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Longer questions are cut here for planning; the API refuses them before.
const MAX_TOKENS: usize = 200;

/// One word of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Token {
    /// As it was written.
    pub text: String,
    /// Lower case, without accents and possessive.
    pub norm: String,
    /// `norm` in the singular.
    pub stem: String,
    /// A comma or its like stands before it.
    pub after_comma: bool,
    /// A dash stands between it and the word before, and nothing else.
    pub after_dash: bool,
    /// Taken for another word than the one that was written.
    pub is_corrected: bool,
}

impl Token {
    /// Written with a capital letter.
    pub fn is_capital(&self) -> bool {
        self.text.chars().next().is_some_and(char::is_uppercase)
    }

    /// Written in capitals only, as codes are.
    pub fn is_upper(&self) -> bool {
        self.text.chars().any(char::is_alphabetic) && !self.text.chars().any(char::is_lowercase)
    }

    pub fn is_plural(&self) -> bool {
        self.norm != self.stem
    }
}

pub(crate) fn tokens(text: &str) -> Vec<Token> {
    let chars = full_words(text.chars().filter(|c| !is_invisible(*c)).map(plain_char).collect());
    let is_sign = |c: char| matches!(c, '<' | '>' | '=' | '≤' | '≥');
    let mut tokens: Vec<Token> = Vec::new();
    let mut word = String::new();
    // What stands between two words.
    let mut between = String::new();
    let mut push = |word: &mut String, between: &mut String| {
        if !word.is_empty() {
            let gap = std::mem::take(between);
            // "-3" is a number below zero, unless it closes a range.
            let closes = tokens
                .last()
                .is_some_and(|before| before.text.ends_with(|c: char| c.is_ascii_digit()));
            if gap.ends_with('-') && gap.len() > 1 && !closes && word.starts_with(|c: char| c.is_ascii_digit()) {
                word.insert(0, '-');
            }
            tokens.push(token(std::mem::take(word), &gap));
        }
        tokens.len() >= MAX_TOKENS
    };
    for (at, c) in chars.iter().copied().enumerate() {
        let before = at.checked_sub(1).and_then(|i| chars.get(i));
        let after = chars.get(at + 1);
        let between_digits = before.is_some_and(char::is_ascii_digit) && after.is_some_and(char::is_ascii_digit);
        let between_letters = before.is_some_and(|c| c.is_alphanumeric()) && after.is_some_and(|c| c.is_alphanumeric());
        let is_abbreviation =
            c == '.' && before.is_some_and(|c| c.is_alphabetic()) && (word.chars().count() == 1 || word.contains('.'));
        let keep = c.is_alphanumeric()
            || is_combining_mark(c)
            || matches!(c, '$' | '€' | '£' | '¥' | '%' | '&')
            || (c == '+' && before.is_some_and(char::is_ascii_digit))
            || (c == '\'' && between_letters && after.is_some_and(|c| c.is_alphabetic()))
            || (matches!(c, ':' | '.' | ',' | '/' | '-') && between_digits)
            || is_abbreviation;
        let is_full = if is_sign(c) {
            // A comparison in signs is a word of its own.
            let cut = !word.chars().all(is_sign) && push(&mut word, &mut between);
            word.push(c);
            cut || !after.copied().is_some_and(is_sign) && push(&mut word, &mut between)
        } else if keep {
            word.push(c);
            false
        } else {
            let cut = push(&mut word, &mut between);
            between.push(c);
            cut
        };
        if is_full {
            return tokens;
        }
    }
    push(&mut word, &mut between);
    tokens
}

/// Marks of direction, joiners and soft hyphens, which stand inside words and are not seen.
fn is_invisible(c: char) -> bool {
    matches!(c, '\u{ad}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2060}'..='\u{2064}' | '\u{feff}')
}

/// "w/o" and "w/" in full.
fn full_words(chars: Vec<char>) -> Vec<char> {
    if !chars.contains(&'/') {
        return chars;
    }
    let mut full = Vec::with_capacity(chars.len());
    let mut at = 0;
    while let Some(c) = chars.get(at) {
        let opens = at == 0 || chars.get(at - 1).is_some_and(|c| c.is_whitespace());
        let next = |offset: usize| chars.get(at + offset).copied();
        match (opens, c.to_ascii_lowercase(), next(1), next(2), next(3)) {
            (true, 'w', Some('/'), Some('o' | 'O'), end) if end.is_none_or(char::is_whitespace) => {
                full.extend("without".chars());
                at += 3;
            }
            (true, 'w', Some('/'), ..) => {
                full.extend("with ".chars());
                at += 2;
            }
            _ => {
                full.push(*c);
                at += 1;
            }
        }
    }
    full
}

fn token(text: String, gap: &str) -> Token {
    let mut norm = fold(&text);
    // "'25" is a year.
    if gap.ends_with('\'') && norm.len() == 2 && norm.chars().all(|c| c.is_ascii_digit()) {
        norm.insert_str(0, "20");
    }
    let stem = stem(&norm);
    Token {
        text,
        norm,
        stem,
        after_comma: gap.contains([',', ';', '+', '/']),
        after_dash: gap.trim() == "-",
        is_corrected: false,
    }
}

/// Typographic quotes and dashes as their plain kin.
fn plain_char(c: char) -> char {
    match c {
        '\u{2018}' | '\u{2019}' | '\u{02bc}' | '`' | '\u{00b4}' => '\'',
        '\u{2010}'..='\u{2015}' | '\u{2212}' => '-',
        other => other,
    }
}

/// Lower case, without accents, dots of abbreviations and a possessive.
fn fold(text: &str) -> String {
    // Most words are plain, and a catalogue has hundreds of them.
    let lower: String = if text.is_ascii() {
        text.to_ascii_lowercase()
    } else {
        text.nfkd()
            .filter(|c| !is_combining_mark(*c))
            .flat_map(char::to_lowercase)
            .collect()
    };
    let owned = lower.strip_suffix("'s").unwrap_or(&lower).replace('\'', "");
    let has_digit = owned.chars().any(|c| c.is_ascii_digit());
    if has_digit {
        owned.trim_end_matches('.').to_owned()
    } else {
        owned.replace('.', "")
    }
}

/// The singular of an English word, roughly: enough that both numbers of one word come out the same.
pub(crate) fn stem(word: &str) -> String {
    const SHORTEST: usize = 4;
    if word.chars().count() < SHORTEST || !word.is_ascii() {
        return word.to_owned();
    }
    if let Some(root) = word.strip_suffix("ies") {
        return format!("{root}y");
    }
    for ending in ["sses", "xes", "ches", "shes"] {
        if let Some(root) = word.strip_suffix(ending) {
            return format!("{root}{}", ending.trim_end_matches("es"));
        }
    }
    match word.strip_suffix('s') {
        Some(root) if !root.ends_with(['s', 'u', 'i']) => root.to_owned(),
        _ => word.to_owned(),
    }
}

/// A whole number from a word or digits: `twenty`, `1,000`, `5k`; `None` for anything else.
pub(crate) fn number(word: &str) -> Option<f64> {
    const NAMES: [(&str, f64); 34] = [
        ("zero", 0.0),
        ("one", 1.0),
        ("two", 2.0),
        ("three", 3.0),
        ("four", 4.0),
        ("five", 5.0),
        ("six", 6.0),
        ("seven", 7.0),
        ("eight", 8.0),
        ("nine", 9.0),
        ("ten", 10.0),
        ("eleven", 11.0),
        ("twelve", 12.0),
        ("thirteen", 13.0),
        ("fourteen", 14.0),
        ("fifteen", 15.0),
        ("sixteen", 16.0),
        ("seventeen", 17.0),
        ("eighteen", 18.0),
        ("nineteen", 19.0),
        ("twenty", 20.0),
        ("thirty", 30.0),
        ("forty", 40.0),
        ("fifty", 50.0),
        ("sixty", 60.0),
        ("seventy", 70.0),
        ("eighty", 80.0),
        ("ninety", 90.0),
        ("hundred", 100.0),
        ("thousand", 1000.0),
        ("million", 1_000_000.0),
        ("dozen", 12.0),
        ("once", 1.0),
        ("twice", 2.0),
    ];
    if let Some((_, value)) = NAMES.iter().find(|(name, _)| *name == word) {
        return Some(*value);
    }
    let digits = word
        .trim_start_matches(['$', '€', '£', '¥'])
        .trim_end_matches(['+', '%', '€', '$', '£']);
    let (digits, factor) = match digits.strip_suffix('k') {
        Some(rest) => (rest, 1000.0),
        None => digits
            .strip_suffix('m')
            .map_or((digits, 1.0), |rest| (rest, 1_000_000.0)),
    };
    if !digits.starts_with(|c: char| c.is_ascii_digit())
        || !digits.bytes().all(|b| b.is_ascii_digit() || b == b',' || b == b'.')
    {
        return None;
    }
    let value: f64 = digits.replace(',', "").parse().ok()?;
    Some(value * factor)
}

/// A number that may be of several words: `twenty five`, `two hundred`, `5 thousand`; and how many words it took.
pub(crate) fn number_at(tokens: &[Token], at: usize) -> Option<(f64, usize)> {
    let word = |offset: usize| tokens.get(at + offset).map(|token| token.norm.as_str());
    let large = |word: Option<&str>| match word? {
        "hundred" => Some(100.0),
        "thousand" => Some(1000.0),
        "million" => Some(1_000_000.0),
        "dozen" => Some(12.0),
        _ => None,
    };
    // "half a million", "a thousand", "a couple of"
    match (word(0)?, word(1), word(2)) {
        ("half", Some("a"), third) => return large(third).map(|value| (value / 2.0, 3)),
        ("a", Some("couple"), Some("of")) => return Some((2.0, 3)),
        ("a", second, _) => return large(second).map(|value| (value, 2)),
        _ => {}
    }
    let first = tokens.get(at)?;
    let mut value = number(&first.norm)?;
    let mut length = 1;
    while let Some(next) = tokens.get(at + length) {
        let factor = match next.norm.as_str() {
            "hundred" => 100.0,
            "thousand" => 1000.0,
            "million" | "mil" | "mio" | "mn" | "mm" => 1_000_000.0,
            "billion" | "bn" => 1_000_000_000.0,
            "dozen" => 12.0,
            "k" => 1000.0,
            _ => {
                let tens = (20.0..=90.0).contains(&value)
                    && value % 10.0 == 0.0
                    && first.norm.starts_with(|c: char| c.is_alphabetic());
                match number(&next.norm) {
                    Some(unit)
                        if tens
                            && (1.0..=9.0).contains(&unit)
                            && next.norm.starts_with(|c: char| c.is_alphabetic()) =>
                    {
                        value += unit;
                        length += 1;
                        continue;
                    }
                    _ => break,
                }
            }
        };
        value *= factor;
        length += 1;
    }
    // "75 percent"
    match (word(length), word(length + 1)) {
        (Some("percent" | "pct" | "%"), _) => length += 1,
        (Some("per"), Some("cent")) => length += 2,
        _ => {}
    }
    Some((value, length))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_made_comparable() {
        let norms = |text: &str| tokens(text).into_iter().map(|t| t.norm).collect::<Vec<_>>();
        assert_eq!(
            norms("Fugazi’s shows at the 9:30 Club, D.C.?"),
            ["fugazi", "shows", "at", "the", "9:30", "club", "dc"]
        );
        assert_eq!(
            norms("Café 1,000 1988–1992 hip-hop 20+"),
            ["cafe", "1,000", "1988-1992", "hip", "hop", "20+"]
        );
        for (many, one) in [
            ("cities", "city"),
            ("venues", "venue"),
            ("boxes", "box"),
            ("bus", "bus"),
            ("less", "less"),
        ] {
            assert_eq!(stem(many), one);
        }
    }

    #[test]
    fn numbers_are_read_as_digits_and_as_words() {
        for (text, expected, length) in [
            ("twenty five x", 25.0, 2),
            ("1,500", 1500.0, 1),
            ("two hundred", 200.0, 2),
            ("5k", 5000.0, 1),
            ("3 thousand", 3000.0, 2),
        ] {
            assert_eq!(number_at(&tokens(text), 0), Some((expected, length)), "{text}");
        }
        for text in ["venue", "9:30", "90s", "1988-1992"] {
            assert_eq!(number_at(&tokens(text), 0), None, "{text}");
        }
    }
}
