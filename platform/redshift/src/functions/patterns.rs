//! Regular expressions: REGEXP_SUBSTR, REGEXP_INSTR, REGEXP_COUNT, REGEXP_REPLACE and SIMILAR TO.

use super::simple::{Args, Kind, Simple, gives_bool, gives_int, gives_text, simple};
use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, StringArray};
use datafusion::common::{Result, exec_err};
use regex::{Regex, RegexBuilder};
use std::{borrow::Cow, sync::Arc};

/// A pattern of a statement may not take more than this to hold.
const COMPILED_MAX_BYTES: usize = 1 << 20;

pub(super) fn all() -> Vec<Simple> {
    use Kind::{Int, Text};
    vec![
        simple("regexp_substr", &[Text, Text, Int, Int, Text], gives_text, substr).required(2),
        simple("regexp_instr", &[Text, Text, Int, Int, Int, Text], gives_int, instr).required(2),
        simple("regexp_count", &[Text, Text, Int, Text], gives_int, count).required(2),
        simple("regexp_replace", &[Text, Text, Text, Int, Text], gives_text, replace).required(2),
        simple("similar_to", &[Text, Text, Text], gives_bool, similar).required(2),
    ]
}

/// The pattern compiled last: nearly always there is only one.
#[derive(Default)]
struct Compiled {
    last: Option<(String, String, Regex)>,
}

impl Compiled {
    fn get(&mut self, pattern: &str, flags: &str) -> Result<&Regex> {
        let known = matches!(&self.last, Some((p, f, _)) if p == pattern && f == flags);
        if !known {
            let built = RegexBuilder::new(pattern)
                .case_insensitive(flags.contains('i'))
                .size_limit(COMPILED_MAX_BYTES)
                .build();
            let regex = match built {
                Ok(regex) => regex,
                Err(_) if flags.contains('p') && pattern.contains("(?") => {
                    return exec_err!(
                        "look-around of the PCRE dialect (p) is not there: {pattern} needs another way of writing"
                    );
                }
                Err(error) => {
                    let text = error.to_string();
                    let reason = text
                        .lines()
                        .last()
                        .unwrap_or_default()
                        .trim_start_matches("error: ")
                        .to_owned();
                    return exec_err!("invalid regular expression {pattern}: {reason}");
                }
            };
            self.last = Some((pattern.to_owned(), flags.to_owned(), regex));
        }
        match &self.last {
            Some((_, _, regex)) => Ok(regex),
            None => exec_err!("invalid regular expression {pattern}"),
        }
    }
}

/// Where a search that begins at a character begins in bytes; nothing if the text is shorter.
fn start(text: &str, position: i64) -> Option<usize> {
    let skip = usize::try_from(position.max(1) - 1).unwrap_or(usize::MAX);
    match text.char_indices().nth(skip) {
        Some((at, _)) => Some(at),
        None => (skip == 0).then_some(0),
    }
}

/// The arguments of a row, with those that may be left out.
struct Row<'a> {
    text: &'a str,
    pattern: &'a str,
}

struct Optional {
    texts: Vec<Option<StringArray>>,
    ints: Vec<Option<arrow::array::Int64Array>>,
}

impl Optional {
    fn of(args: &Args, texts: &[usize], ints: &[usize]) -> Result<Optional> {
        let present = |at: &usize| *at < args.len();
        Ok(Optional {
            texts: texts
                .iter()
                .map(|at| present(at).then(|| args.texts(*at)).transpose())
                .collect::<Result<_>>()?,
            ints: ints
                .iter()
                .map(|at| present(at).then(|| args.ints(*at)).transpose())
                .collect::<Result<_>>()?,
        })
    }

    fn is_null(&self, row: usize) -> bool {
        self.texts.iter().flatten().any(|one| one.is_null(row))
            || self.ints.iter().flatten().any(|one| one.is_null(row))
    }

    fn text(&self, at: usize, row: usize) -> &str {
        self.texts
            .get(at)
            .and_then(Option::as_ref)
            .map_or("", |texts| texts.value(row))
    }

    fn int(&self, at: usize, row: usize, missing: i64) -> i64 {
        self.ints
            .get(at)
            .and_then(Option::as_ref)
            .map_or(missing, |ints| ints.value(row))
    }
}

fn rows<T>(
    args: &Args,
    optional: &Optional,
    mut f: impl FnMut(Row, usize, &mut Compiled) -> Result<Option<T>>,
) -> Result<Vec<Option<T>>> {
    let (texts, patterns) = (args.texts(0)?, args.texts(1)?);
    let mut compiled = Compiled::default();
    (0..args.rows)
        .map(|row| {
            if texts.is_null(row) || patterns.is_null(row) || optional.is_null(row) {
                return Ok(None);
            }
            f(
                Row {
                    text: texts.value(row),
                    pattern: patterns.value(row),
                },
                row,
                &mut compiled,
            )
        })
        .collect()
}

fn substr(args: &Args) -> Result<ArrayRef> {
    let optional = Optional::of(args, &[4], &[2, 3])?;
    let values = rows(args, &optional, |Row { text, pattern }, row, compiled| {
        let (position, occurrence, flags) = (optional.int(0, row, 1), optional.int(1, row, 1), optional.text(0, row));
        let regex = compiled.get(pattern, flags)?;
        let Some(occurrence) = usize::try_from(occurrence).ok().and_then(|n| n.checked_sub(1)) else {
            return Ok(None);
        };
        let Some(from) = start(text, position) else {
            return Ok(Some(String::new()));
        };
        let found = regex.captures_iter(&text[from..]).nth(occurrence).and_then(|captures| {
            let group = usize::from(flags.contains('e') && captures.len() > 1);
            captures.get(group).map(|one| one.as_str().to_owned())
        });
        // Nothing found is an empty text.
        Ok(Some(found.unwrap_or_default()))
    })?;
    Ok(Arc::new(values.into_iter().collect::<StringArray>()))
}

fn instr(args: &Args) -> Result<ArrayRef> {
    let optional = Optional::of(args, &[5], &[2, 3, 4])?;
    let values = rows(args, &optional, |Row { text, pattern }, row, compiled| {
        let regex = compiled.get(pattern, optional.text(0, row))?;
        let (position, occurrence, option) = (
            optional.int(0, row, 1),
            optional.int(1, row, 1),
            optional.int(2, row, 0),
        );
        let Some(occurrence) = usize::try_from(occurrence).ok().and_then(|n| n.checked_sub(1)) else {
            return Ok(Some(0));
        };
        let Some(from) = start(text, position) else {
            return Ok(Some(0));
        };
        let Some(found) = regex.find_iter(&text[from..]).nth(occurrence) else {
            return Ok(Some(0));
        };
        // 1 asks for the character after the match.
        let end = from + if option == 1 { found.end() } else { found.start() };
        Ok(i32::try_from(text[..end].chars().count() + 1).ok())
    })?;
    Ok(Arc::new(values.into_iter().collect::<Int32Array>()))
}

fn count(args: &Args) -> Result<ArrayRef> {
    let optional = Optional::of(args, &[3], &[2])?;
    let values = rows(args, &optional, |Row { text, pattern }, row, compiled| {
        let regex = compiled.get(pattern, optional.text(0, row))?;
        let found = start(text, optional.int(0, row, 1)).map_or(0, |from| regex.find_iter(&text[from..]).count());
        Ok(i32::try_from(found).ok())
    })?;
    Ok(Arc::new(values.into_iter().collect::<Int32Array>()))
}

fn replace(args: &Args) -> Result<ArrayRef> {
    let optional = Optional::of(args, &[2, 4], &[3])?;
    let values = rows(args, &optional, |Row { text, pattern }, row, compiled| {
        let regex = compiled.get(pattern, optional.text(1, row))?;
        let replacement = replacement(optional.text(0, row));
        let Some(from) = start(text, optional.int(0, row, 1)) else {
            return Ok(Some(text.to_owned()));
        };
        let (before, rest) = text.split_at(from);
        Ok(Some(format!(
            "{before}{}",
            regex.replace_all(rest, replacement.as_ref())
        )))
    })?;
    Ok(Arc::new(values.into_iter().collect::<StringArray>()))
}

/// `$1` and `\1` stand for a group, any other dollar sign for itself.
fn replacement(text: &str) -> Cow<'_, str> {
    if !text.contains(['$', '\\']) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + 4);
    let mut chars = text.chars().peekable();
    while let Some(next) = chars.next() {
        match (next, chars.peek()) {
            ('$' | '\\', Some(digit)) if digit.is_ascii_digit() => {
                out.push_str("${");
                out.push(*digit);
                out.push('}');
                chars.next();
            }
            ('\\', Some('\\')) => {
                out.push('\\');
                chars.next();
            }
            ('$', _) => out.push_str("$$"),
            (other, _) => out.push(other),
        }
    }
    Cow::Owned(out)
}

fn similar(args: &Args) -> Result<ArrayRef> {
    let optional = Optional::of(args, &[2], &[])?;
    let has_escape = args.len() > 2;
    let values = rows(args, &optional, |Row { text, pattern }, row, compiled| {
        let escape = if has_escape {
            optional.text(0, row).chars().next()
        } else {
            Some('\\')
        };
        let regex = compiled.get(&similar_pattern(pattern, escape), "")?;
        Ok(Some(regex.is_match(text)))
    })?;
    Ok(Arc::new(values.into_iter().collect::<BooleanArray>()))
}

/// SQL's own regular expressions: `%` and `_` as in LIKE, `| * + ? { } ( ) [ ]` as usual, all else for itself; the
/// whole text must match.
fn similar_pattern(pattern: &str, escape: Option<char>) -> String {
    let mut out = String::from("^(?s:");
    let mut chars = pattern.chars();
    let mut in_class = false;
    while let Some(next) = chars.next() {
        match next {
            _ if Some(next) == escape => {
                if let Some(literal) = chars.next() {
                    out.push_str(&regex::escape(literal.encode_utf8(&mut [0; 4])));
                }
            }
            '[' => {
                in_class = true;
                out.push('[');
            }
            ']' => {
                in_class = false;
                out.push(']');
            }
            other if in_class => out.push(other),
            '%' => out.push_str(".*"),
            '_' => out.push('.'),
            '|' | '*' | '+' | '?' | '{' | '}' | '(' | ')' => out.push(next),
            other => out.push_str(&regex::escape(other.encode_utf8(&mut [0; 4]))),
        }
    }
    out.push_str(")$");
    out
}
