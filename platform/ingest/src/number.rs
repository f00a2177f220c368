//! Numbers as people write them: `1,234.56`, `1.234,56 €`, `$27,990`. A mapping shows by an example how a source writes
//! its own, and each text is made plain by it or refused; nothing is guessed value by value.

use crate::value::{Fault, shown};
use std::borrow::Cow;

/// Signs that people put between the digits of a number.
const SIGNS: [char; 8] = [',', '.', '\'', '’', '_', ' ', '\u{a0}', '\u{202f}'];

/// How many digits a group has.
const GROUP_DIGITS: usize = 3;

/// A way to write numbers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NumberFormat {
    sample: String,
    /// What may stand in front and behind: a currency's sign, a unit.
    before: String,
    behind: String,
    group: Option<char>,
    point: Option<char>,
}

impl NumberFormat {
    /// Reads an example: of two different signs the last is the decimal one; a single one is, unless three digits follow.
    ///
    /// # Errors
    /// What is wrong with it, and what to write.
    pub fn of(sample: &str) -> Result<NumberFormat, String> {
        let mend = "write one as the source does, such as \"1,234.56\" or \"1.234,56 €\"";
        let (Some(first), Some(last)) = (
            sample.find(|c: char| c.is_ascii_digit()),
            sample.rfind(|c: char| c.is_ascii_digit()),
        ) else {
            return Err(format!("{sample:?} is no number: {mend}"));
        };
        let core = &sample[first..=last];
        let mut signs: Vec<(char, usize)> = Vec::new();
        for c in core.chars() {
            match (c, signs.last_mut()) {
                ('0'..='9', Some((_, digits))) => *digits += 1,
                ('0'..='9', None) => {}
                (sign, _) if SIGNS.contains(&sign) => signs.push((alike(sign), 0)),
                _ => return Err(format!("{sample:?} has {c:?} inside of the number: {mend}")),
            }
        }
        let (group, point) = match signs.as_slice() {
            [] => (None, None),
            [(sign, GROUP_DIGITS)] => (Some(*sign), None),
            [(sign, _)] => (None, Some(*sign)),
            [(group, _), .., (last, _)] if group == last => (Some(*group), None),
            [(group, _), .., (last, _)] => (Some(*group), Some(*last)),
        };
        let format = NumberFormat {
            sample: sample.to_owned(),
            before: sample[..first].trim().to_owned(),
            behind: sample[last + 1..].trim().to_owned(),
            group,
            point,
        };
        match format.plain(sample) {
            Ok(_) => Ok(format),
            Err(_) => Err(format!("{sample:?} does not read: {mend}")),
        }
    }

    /// The number as a program writes it: digits, with a point before the decimals.
    ///
    /// # Errors
    /// `type.number` for a text that is not written so.
    pub fn plain<'a>(&self, text: &'a str) -> Result<Cow<'a, str>, Fault> {
        let fault = || {
            Fault::new(
                "type.number",
                format!("{} is not a number written {}", shown(text), self.sample),
            )
        };
        let mut rest = text.trim();
        let mut negative = false;
        // The sign of a loss stands before that of the currency, or behind it.
        for _ in 0..2 {
            if let Some(after) = rest.strip_prefix(['-', '−']) {
                if negative {
                    return Err(fault());
                }
                negative = true;
                rest = after.trim_start();
            } else if !self.before.is_empty()
                && let Some(after) = rest.strip_prefix(self.before.as_str())
            {
                rest = after.trim_start();
            }
        }
        if !self.behind.is_empty() {
            rest = rest.strip_suffix(self.behind.as_str()).unwrap_or(rest).trim_end();
        }
        if !negative && !rest.is_empty() && rest.bytes().all(|byte| byte.is_ascii_digit()) {
            return Ok(Cow::Borrowed(rest));
        }
        let (whole, fraction) = match self.point.and_then(|point| rest.rsplit_once(point)) {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (rest, None),
        };
        let mut plain = String::with_capacity(rest.len() + 1);
        if negative {
            plain.push('-');
        }
        let mut groups = whole.split(|c: char| Some(alike(c)) == self.group);
        let first = groups.next().unwrap_or_default();
        let mut grouped = false;
        plain.push_str(first);
        for group in groups {
            grouped = true;
            if group.len() != GROUP_DIGITS {
                return Err(fault());
            }
            plain.push_str(group);
        }
        let sizes = !first.is_empty() && (!grouped || first.len() <= GROUP_DIGITS);
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !sizes || !digits(plain.strip_prefix('-').unwrap_or(&plain)) {
            return Err(fault());
        }
        if let Some(fraction) = fraction {
            if fraction.is_empty() || !digits(fraction) {
                return Err(fault());
            }
            plain.push('.');
            plain.push_str(fraction);
        }
        Ok(Cow::Owned(plain))
    }
}

/// Spaces that do not break a line, and an apostrophe that a word processor bent, are written like the plain ones.
fn alike(sign: char) -> char {
    match sign {
        '\u{a0}' | '\u{202f}' => ' ',
        '’' => '\'',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_number_is_read_as_the_example_is_written() {
        for (sample, text, wanted) in [
            ("1,234.56", "27,990.00", Some("27990.00")),
            ("1,234.56", "1,234,567", Some("1234567")),
            ("1,234.56", "575", Some("575")),
            ("1,234.56", "12.5", Some("12.5")),
            ("1,234.56", "1,23", None),
            ("1,234.56", "1234,567", None),
            ("1,234.56", "1.234,56", None),
            ("1,234.56", ",234", None),
            ("1,234.56", "12.", None),
            ("1,234.56", "", None),
            ("1,234.56", "-1,234", Some("-1234")),
            ("1,234.56", "--1", None),
            ("1.234,56", "294.000,00", Some("294000.00")),
            ("1.234,56 €", "75.000,50 €", Some("75000.50")),
            ("1.234,56 €", "75.000,50", Some("75000.50")),
            ("1 234,56", "1\u{202f}234\u{a0}567,8", Some("1234567.8")),
            ("1'234.56", "1’234.50", Some("1234.50")),
            ("$1,234", "$27,990", Some("27990")),
            ("$1,234", "-$5", Some("-5")),
            ("$1,234", "$-5", Some("-5")),
            ("$1,234", "£5", None),
            ("12,5", "3,75", Some("3.75")),
            ("12,5", "3.75", None),
        ] {
            let format = NumberFormat::of(sample).expect(sample);
            let found = format.plain(text).ok();
            assert_eq!(found.as_deref(), wanted, "{text} as {sample}");
        }
    }

    #[test]
    fn an_example_that_makes_no_sense_is_refused() {
        for sample in ["", "€", "12a34", "1,23,456.7.8"] {
            assert!(NumberFormat::of(sample).is_err(), "{sample}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_plain_number_or_a_fault(sample in ".{0,12}", text in ".{0,24}") {
            for sample in [sample.as_str(), "1,234.56", "1.234,56 €", "1 234"] {
                if let Ok(format) = NumberFormat::of(sample)
                    && let Ok(plain) = format.plain(&text)
                {
                    let digits = plain.strip_prefix('-').unwrap_or(&plain);
                    prop_assert!(digits.starts_with(|c: char| c.is_ascii_digit()));
                    prop_assert!(digits.bytes().all(|b| b.is_ascii_digit() || b == b'.'));
                }
            }
        }
    }
}
