//! Functions of texts that the engine lacks or has otherwise.

use super::simple::{Args, Kind, Simple, gives_bool, gives_int, gives_text, simple, text};
use arrow::array::{Array, ArrayRef, BooleanArray, Int32Array, StringArray};
use datafusion::common::{Result, exec_err};
use std::sync::Arc;

pub(super) fn all() -> Vec<Simple> {
    use Kind::{Bool, Int, Text};
    vec![
        simple("quote_ident", &[Text], gives_text, |args| {
            text(args, |name| Ok(Some(quote_ident(name))))
        }),
        simple("quote_literal", &[Text], gives_text, |args| {
            text(args, |value| Ok(Some(quote_literal(value))))
        }),
        simple("sha1", &[Text], gives_text, |args| {
            text(args, |value| Ok(Some(sha1(value.as_bytes()))))
        }),
        simple("left", &[Text, Int], gives_text, |args| {
            with_count(args, |value, count| match usize::try_from(count) {
                Ok(count) => value.chars().take(count).collect(),
                Err(_) => {
                    let keep = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
                    let length = value.chars().count();
                    value.chars().take(length.saturating_sub(keep)).collect()
                }
            })
        }),
        simple("right", &[Text, Int], gives_text, |args| {
            with_count(args, |value, count| {
                let length = value.chars().count();
                let take = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
                let skip = if count >= 0 { length.saturating_sub(take) } else { take };
                value.chars().skip(skip).collect()
            })
        }),
        simple("split_part", &[Text, Text, Int], gives_text, split_part),
        simple("json_extract_path_text", &[Text, Kind::Any], gives_text, json_path)
            .required(2)
            .repeats(),
        simple(
            "json_extract_array_element_text",
            &[Text, Int, Bool],
            gives_text,
            json_element,
        )
        .required(2),
        simple("json_array_length", &[Text, Bool], gives_int, json_length).required(1),
        simple("is_valid_json", &[Text], gives_bool, |args| {
            json_is(args, |value| value.is_object())
        }),
        simple("is_valid_json_array", &[Text], gives_bool, |args| {
            json_is(args, |value| value.is_array())
        }),
        simple("json_parse", &[Text], gives_text, |args| {
            text(args, |json| match serde_json::from_str::<serde_json::Value>(json) {
                Ok(value) => Ok(Some(value.to_string())),
                Err(error) => exec_err!("Invalid JSON: {error} in {}", short(json)),
            })
        }),
        simple("json_serialize", &[Text], gives_text, |args| {
            text(args, |json| Ok(Some(json.to_owned())))
        }),
        simple("json_typeof", &[Text], gives_text, |args| {
            text(args, |json| {
                Ok(serde_json::from_str(json).ok().map(|value: serde_json::Value| {
                    match value {
                        serde_json::Value::Null => "null",
                        serde_json::Value::Bool(_) => "boolean",
                        serde_json::Value::Number(_) => "number",
                        serde_json::Value::String(_) => "string",
                        serde_json::Value::Array(_) => "array",
                        serde_json::Value::Object(_) => "object",
                    }
                    .to_owned()
                }))
            })
        }),
    ]
}

fn with_count(args: &Args, f: impl Fn(&str, i64) -> String) -> Result<ArrayRef> {
    let (texts, counts) = (args.texts(0)?, args.ints(1)?);
    let values: StringArray = texts
        .iter()
        .zip(&counts)
        .map(|pair| match pair {
            (Some(text), Some(count)) => Some(f(text, count)),
            _ => None,
        })
        .collect();
    Ok(Arc::new(values))
}

/// In quotes if it is not a plain lower-case name.
fn quote_ident(name: &str) -> String {
    let plain = name.starts_with(|c: char| c.is_ascii_lowercase() || c == '_')
        && name
            .chars()
            .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
    if plain {
        name.to_owned()
    } else {
        format!("\"{}\"", name.replace('"', "\"\""))
    }
}

fn quote_literal(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

fn split_part(args: &Args) -> Result<ArrayRef> {
    let (texts, delimiters, parts) = (args.texts(0)?, args.texts(1)?, args.ints(2)?);
    let values: Result<StringArray> = (0..args.rows)
        .map(|row| {
            if texts.is_null(row) || delimiters.is_null(row) || parts.is_null(row) {
                return Ok(None);
            }
            let Some(part) = usize::try_from(parts.value(row))
                .ok()
                .and_then(|part| part.checked_sub(1))
            else {
                return exec_err!("field position must be greater than zero");
            };
            let (text, delimiter) = (texts.value(row), delimiters.value(row));
            let found = if delimiter.is_empty() {
                (part == 0).then_some(text)
            } else {
                text.split(delimiter).nth(part)
            };
            // Beyond the last part is an empty text.
            Ok(Some(found.unwrap_or_default().to_owned()))
        })
        .collect();
    Ok(Arc::new(values?))
}

fn short(text: &str) -> String {
    text.chars().take(40).collect()
}

/// What a member is as text: texts without quotes, all else as JSON; NULL stays NULL.
fn json_text(value: &serde_json::Value) -> Option<String> {
    match value {
        serde_json::Value::Null => None,
        serde_json::Value::String(text) => Some(text.clone()),
        other => Some(other.to_string()),
    }
}

/// `JSON_EXTRACT_PATH_TEXT(json, 'a', 'b' [, null_if_invalid])`: an empty text where the path leads nowhere.
fn json_path(args: &Args) -> Result<ArrayRef> {
    let json = args.texts(0)?;
    let last = args.len() - 1;
    let lenient = args.column(last)?.data_type() == &arrow::datatypes::DataType::Boolean;
    let steps = (1..if lenient { last } else { last + 1 })
        .map(|at| args.texts(at))
        .collect::<Result<Vec<StringArray>>>()?;
    let null_if_invalid = lenient && args.texts(last)?.iter().flatten().any(|flag| flag == "true");
    let values: Result<StringArray> = (0..args.rows)
        .map(|row| {
            if json.is_null(row) || steps.iter().any(|step| step.is_null(row)) {
                return Ok(None);
            }
            let text = json.value(row);
            let parsed = match serde_json::from_str::<serde_json::Value>(text) {
                Ok(parsed) => parsed,
                Err(_) if null_if_invalid => return Ok(None),
                Err(_) => return exec_err!("JSON parsing error: invalid json object {}", short(text)),
            };
            let mut at = Some(&parsed);
            for step in &steps {
                let step = step.value(row);
                at = at.and_then(|value| match value {
                    serde_json::Value::Object(members) => members.get(step),
                    serde_json::Value::Array(elements) => step.parse::<usize>().ok().and_then(|i| elements.get(i)),
                    _ => None,
                });
            }
            Ok(match at {
                Some(value) => json_text(value),
                None => Some(String::new()),
            })
        })
        .collect();
    Ok(Arc::new(values?))
}

fn array_of(text: &str) -> Option<Vec<serde_json::Value>> {
    serde_json::from_str(text).ok()
}

fn lenient(args: &Args, at: usize) -> Result<bool> {
    Ok(args.len() > at && args.texts(at)?.iter().flatten().any(|flag| flag == "true"))
}

fn json_element(args: &Args) -> Result<ArrayRef> {
    let (json, positions) = (args.texts(0)?, args.ints(1)?);
    let null_if_invalid = lenient(args, 2)?;
    let values: Result<StringArray> = json
        .iter()
        .zip(&positions)
        .map(|pair| {
            let (Some(text), Some(position)) = pair else {
                return Ok(None);
            };
            let Some(elements) = array_of(text) else {
                if null_if_invalid {
                    return Ok(None);
                }
                return exec_err!("JSON parsing error: invalid json array {}", short(text));
            };
            let element = usize::try_from(position)
                .ok()
                .and_then(|position| elements.get(position));
            Ok(match element {
                Some(value) => json_text(value),
                None => Some(String::new()),
            })
        })
        .collect();
    Ok(Arc::new(values?))
}

fn json_length(args: &Args) -> Result<ArrayRef> {
    let null_if_invalid = lenient(args, 1)?;
    let values: Result<Int32Array> = args
        .texts(0)?
        .iter()
        .map(|text| {
            let Some(text) = text else { return Ok(None) };
            match array_of(text) {
                Some(elements) => Ok(i32::try_from(elements.len()).ok()),
                None if null_if_invalid => Ok(None),
                None => exec_err!("JSON parsing error: invalid json array {}", short(text)),
            }
        })
        .collect();
    Ok(Arc::new(values?))
}

fn json_is(args: &Args, f: impl Fn(&serde_json::Value) -> bool) -> Result<ArrayRef> {
    let values: BooleanArray = args
        .texts(0)?
        .iter()
        .map(|text| text.map(|text| serde_json::from_str(text).is_ok_and(|value| f(&value))))
        .collect();
    Ok(Arc::new(values))
}

/// SHA-1 (FIPS 180-4) in hexadecimal: no longer safe, and what Redshift's FUNC_SHA1 gives.
fn sha1(message: &[u8]) -> String {
    let mut state: [u32; 5] = [0x6745_2301, 0xefcd_ab89, 0x98ba_dcfe, 0x1032_5476, 0xc3d2_e1f0];
    let mut padded = message.to_vec();
    padded.push(0x80);
    while padded.len() % 64 != 56 {
        padded.push(0);
    }
    padded.extend_from_slice(&(message.len() as u64 * 8).to_be_bytes());
    for block in padded.chunks_exact(64) {
        let mut words = [0_u32; 80];
        for (word, bytes) in words.iter_mut().zip(block.chunks_exact(4)) {
            *word = bytes.iter().fold(0, |word, byte| word << 8 | u32::from(*byte));
        }
        for at in 16..80 {
            words[at] = (words[at - 3] ^ words[at - 8] ^ words[at - 14] ^ words[at - 16]).rotate_left(1);
        }
        let [mut a, mut b, mut c, mut d, mut e] = state;
        for (at, word) in words.iter().enumerate() {
            let (mix, constant) = match at {
                0..20 => (b & c | !b & d, 0x5a82_7999),
                20..40 => (b ^ c ^ d, 0x6ed9_eba1),
                40..60 => (b & c | b & d | c & d, 0x8f1b_bcdc),
                _ => (b ^ c ^ d, 0xca62_c1d6_u32),
            };
            let next = a
                .rotate_left(5)
                .wrapping_add(mix)
                .wrapping_add(e)
                .wrapping_add(constant)
                .wrapping_add(*word);
            (e, d, c, b, a) = (d, c, b.rotate_left(30), a, next);
        }
        for (sum, add) in state.iter_mut().zip([a, b, c, d, e]) {
            *sum = sum.wrapping_add(add);
        }
    }
    state.iter().map(|word| format!("{word:08x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The examples of FIPS 180.
    #[test]
    fn sha1_of_the_standards_examples() {
        assert_eq!(sha1(b"abc"), "a9993e364706816aba3e25717850c26c9cd0d89d");
        assert_eq!(sha1(b""), "da39a3ee5e6b4b0d3255bfef95601890afd80709");
        assert_eq!(
            sha1(b"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq"),
            "84983e441c3bd26ebaae4aa1f95129e5e54670f1"
        );
    }
}
