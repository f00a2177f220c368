//! Records of text files: fields between delimiters, CSV, fixed widths, JSON objects.

use super::{
    Fault,
    text::{JsonHow, Record},
};
use crate::{
    catalog::Column,
    command::{Copy, CopyFormat},
};
use std::io::{BufRead, BufReader, Read};

/// The longest record that is read.
const RECORD_MAX_BYTES: usize = 16 << 20;

/// Reads one record after the other.
pub(super) struct Lines<'a> {
    input: BufReader<Box<dyn Read + Send>>,
    copy: &'a Copy,
    json: Option<JsonHow>,
    columns: &'a [Column],
    line: i64,
    skip: usize,
}

type Next = Result<Option<Result<Record, Fault>>, String>;

impl<'a> Lines<'a> {
    pub fn new(bytes: Box<dyn Read + Send>, copy: &'a Copy, json: Option<JsonHow>, columns: &'a [Column]) -> Lines<'a> {
        Lines {
            input: BufReader::with_capacity(1 << 16, bytes),
            copy,
            json,
            columns,
            line: 0,
            skip: copy.ignore_header,
        }
    }

    /// The next record, or what is wrong with it; nothing at the end. An error means that the file cannot be read on.
    pub fn next(&mut self) -> Next {
        if self.json.is_some() {
            return self.next_object();
        }
        loop {
            let line = self.line + 1;
            let Some(bytes) = self.record()? else { return Ok(None) };
            if self.skip > 0 {
                self.skip -= 1;
                continue;
            }
            if self.copy.ignore_blank_lines && bytes.iter().all(u8::is_ascii_whitespace) {
                continue;
            }
            let text = match self.decode(bytes, line) {
                Ok(text) => text,
                Err(fault) => return Ok(Some(Err(fault))),
            };
            return Ok(Some(self.split(text, line)));
        }
    }

    /// The bytes of a record without its end. A line break within quotes, or after a backslash, does not end one.
    fn record(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut bytes = Vec::new();
        loop {
            let before = bytes.len();
            let read = self
                .input
                .read_until(b'\n', &mut bytes)
                .map_err(|error| format!("cannot read on after line {}: {error}", self.line))?;
            if read == 0 {
                return Ok((before > 0).then_some(bytes));
            }
            if bytes.len() > RECORD_MAX_BYTES {
                return Err(format!(
                    "a record that begins before line {} is longer than {} MB",
                    self.line + 1,
                    RECORD_MAX_BYTES >> 20
                ));
            }
            self.line += 1;
            if self.goes_on(&bytes) {
                continue;
            }
            while matches!(bytes.last(), Some(b'\n')) {
                bytes.pop();
            }
            if bytes.last() == Some(&b'\r') {
                bytes.pop();
            }
            return Ok(Some(bytes));
        }
    }

    fn goes_on(&self, bytes: &[u8]) -> bool {
        match &self.copy.format {
            CopyFormat::Csv { quote } => {
                let mut buffer = [0; 4];
                let quote = quote.encode_utf8(&mut buffer).as_bytes();
                bytes.windows(quote.len()).filter(|window| *window == quote).count() % 2 == 1
            }
            _ if self.copy.escape => {
                let end = bytes.len().saturating_sub(1);
                bytes[..end].iter().rev().take_while(|byte| **byte == b'\\').count() % 2 == 1
            }
            _ => false,
        }
    }

    fn decode(&self, bytes: Vec<u8>, line: i64) -> Result<String, Fault> {
        match String::from_utf8(bytes) {
            Ok(text) => Ok(text),
            Err(error) => match self.copy.accept_invalid {
                Some(replacement) => {
                    let text = String::from_utf8_lossy(error.as_bytes());
                    Ok(text.replace(char::REPLACEMENT_CHARACTER, &replacement.to_string()))
                }
                None => Err(Fault {
                    line,
                    column: None,
                    position: i64::try_from(error.utf8_error().valid_up_to()).unwrap_or(0),
                    raw_line: String::from_utf8_lossy(error.as_bytes()).into_owned(),
                    raw_field: String::new(),
                    code: 1211,
                    reason: "String contains invalid or unsupported UTF8 codepoints.".to_owned(),
                }),
            },
        }
    }

    fn split(&self, raw: String, line: i64) -> Result<Record, Fault> {
        let mut record = Record {
            line,
            ..Record::default()
        };
        let null = self.copy.null_as.as_deref();
        let is_null = |text: &str| match null {
            Some(null) => text == null || (null == "\\0" && text == "\0"),
            None => text == "\\N",
        };
        match &self.copy.format {
            CopyFormat::FixedWidth(widths) => {
                let mut rest = raw.as_str();
                let mut position = 0;
                for (_, width) in widths {
                    let end = rest.char_indices().nth(*width).map_or(rest.len(), |(at, _)| at);
                    let (field, after) = rest.split_at(end);
                    record
                        .fields
                        .push((!is_null(field)).then(|| field.trim_end_matches(' ').to_owned()));
                    record.positions.push(position);
                    position += i64::try_from(*width).unwrap_or(0);
                    rest = after;
                }
            }
            CopyFormat::Csv { quote } => {
                if let Err(reason) = csv_fields(&raw, self.copy.delimiter, *quote, &mut record, &is_null) {
                    return Err(Fault {
                        line,
                        column: None,
                        position: 0,
                        raw_line: raw,
                        raw_field: String::new(),
                        code: 1217,
                        reason,
                    });
                }
            }
            _ => self.delimited(&raw, &mut record, &is_null),
        }
        record.raw = raw;
        Ok(record)
    }

    fn delimited(&self, raw: &str, record: &mut Record, is_null: &dyn Fn(&str) -> bool) {
        let delimiter = self.copy.delimiter;
        let mut field = String::new();
        let mut start = 0;
        let mut characters = raw.char_indices().peekable();
        let mut in_quotes: Option<char> = None;
        let mut at_start = true;
        let mut escaped = false;
        let mut push = |field: &mut String, start: usize, escaped: bool| {
            let text = std::mem::take(field);
            record.positions.push(i64::try_from(start).unwrap_or(0));
            record.fields.push((escaped || !is_null(&text)).then_some(text));
        };
        while let Some((at, c)) = characters.next() {
            if self.copy.remove_quotes && at_start && (c == '"' || c == '\'') {
                in_quotes = Some(c);
                at_start = false;
            } else if in_quotes == Some(c) {
                in_quotes = None;
            } else if self.copy.escape && c == '\\' {
                at_start = false;
                match characters.peek() {
                    // \N is NULL even here.
                    Some((_, 'N')) if field.is_empty() => field.push(c),
                    Some(_) => {
                        if let Some((_, next)) = characters.next() {
                            field.push(next);
                            escaped = true;
                        }
                    }
                    None => field.push(c),
                }
            } else if c == delimiter && in_quotes.is_none() {
                push(&mut field, start, escaped);
                start = at + c.len_utf8();
                at_start = true;
                escaped = false;
            } else {
                at_start = false;
                field.push(c);
            }
        }
        push(&mut field, start, escaped);
        // A delimiter at the end of a line ends its last field.
        if record.fields.len() == self.columns.len() + 1 && raw.ends_with(delimiter) {
            record.fields.pop();
            record.positions.pop();
        }
    }

    fn next_object(&mut self) -> Next {
        let Some(text) = self.object_text()? else {
            return Ok(None);
        };
        let line = self.line;
        let fault = |text: String, reason: String| Fault {
            line,
            column: None,
            position: 0,
            raw_line: text,
            raw_field: String::new(),
            code: 1220,
            reason,
        };
        let text = match self.decode(text, line) {
            Ok(text) => text,
            Err(fault) => return Ok(Some(Err(fault))),
        };
        let object: serde_json::Value = match serde_json::from_str(&text) {
            Ok(object) => object,
            Err(error) => return Ok(Some(Err(fault(text, format!("Invalid JSON: {error}"))))),
        };
        let Some(how) = &self.json else { return Ok(None) };
        let null = self.copy.null_as.as_deref();
        let fields = self
            .columns
            .iter()
            .enumerate()
            .map(|(at, column)| match how.value(&object, &column.name, at) {
                None | Some(serde_json::Value::Null) => None,
                Some(serde_json::Value::String(text)) => Some(text.clone()).filter(|text| null != Some(text)),
                Some(other) => Some(other.to_string()),
            })
            .collect();
        Ok(Some(Ok(Record {
            line,
            fields,
            positions: vec![0; self.columns.len()],
            raw: text,
        })))
    }

    /// The bytes of the next object or list, wherever lines break. A list of objects is not one record, and Redshift
    /// refuses it; here it is read as its objects.
    fn object_text(&mut self) -> Result<Option<Vec<u8>>, String> {
        let mut bytes = Vec::new();
        let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
        loop {
            let buffer = self
                .input
                .fill_buf()
                .map_err(|error| format!("cannot read on after line {}: {error}", self.line))?;
            if buffer.is_empty() {
                return Ok((!bytes.is_empty()).then_some(bytes));
            }
            let mut used = 0;
            let mut done = false;
            for byte in buffer {
                used += 1;
                if *byte == b'\n' {
                    self.line += 1;
                }
                if bytes.is_empty() && (byte.is_ascii_whitespace() || matches!(byte, b',' | b'[' | b']')) {
                    continue;
                }
                bytes.push(*byte);
                if in_text {
                    match (*byte, escaped) {
                        (_, true) => escaped = false,
                        (b'\\', false) => escaped = true,
                        (b'"', false) => in_text = false,
                        _ => {}
                    }
                    continue;
                }
                match byte {
                    b'"' => in_text = true,
                    b'{' | b'[' => depth += 1,
                    b'}' | b']' => {
                        depth = depth.saturating_sub(1);
                        if depth == 0 {
                            done = true;
                            break;
                        }
                    }
                    // What is no object ends with its line.
                    b'\n' if depth == 0 => {
                        done = true;
                        break;
                    }
                    _ => {}
                }
            }
            self.input.consume(used);
            if bytes.len() > RECORD_MAX_BYTES {
                return Err(format!(
                    "an object before line {} is longer than {} MB",
                    self.line + 1,
                    RECORD_MAX_BYTES >> 20
                ));
            }
            if done {
                // The line break after the object belongs to it.
                return Ok(Some(bytes));
            }
        }
    }
}

fn csv_fields(
    raw: &str,
    delimiter: char,
    quote: char,
    record: &mut Record,
    is_null: &dyn Fn(&str) -> bool,
) -> Result<(), String> {
    let mut rest = raw;
    loop {
        record
            .positions
            .push(i64::try_from(raw.len() - rest.len()).unwrap_or(0));
        let (field, after) = if let Some(quoted) = rest.strip_prefix(quote) {
            let mut field = String::new();
            let mut characters = quoted.char_indices();
            let mut end = None;
            while let Some((at, c)) = characters.next() {
                if c != quote {
                    field.push(c);
                } else if quoted[at + c.len_utf8()..].starts_with(quote) {
                    field.push(c);
                    characters.next();
                } else {
                    end = Some(at + c.len_utf8());
                    break;
                }
            }
            let Some(end) = end else {
                return Err("Invalid quote formatting for CSV: a quote is not closed".to_owned());
            };
            let after = &quoted[end..];
            if !after.is_empty() && !after.starts_with(delimiter) {
                return Err("Invalid quote formatting for CSV".to_owned());
            }
            (Some(field), after)
        } else {
            let end = rest.find(delimiter).unwrap_or(rest.len());
            let (field, after) = rest.split_at(end);
            ((!is_null(field)).then(|| field.to_owned()), after)
        };
        record.fields.push(field);
        match after.strip_prefix(delimiter) {
            Some(after) => rest = after,
            None => return Ok(()),
        }
    }
}
