//! A `Query` in one line that a person can read and a URL can carry as it is.
//!
//! It is Rison (<https://github.com/Nanonid/rison>) without the outermost brackets: objects are `(key:value,…)`, lists
//! `!(a,b)`, true, false and null `!t`, `!f`, `!n`, texts stand bare where they can and in `'…'` otherwise, with `!`
//! before `'` and `!`. What a URL's query cannot hold is percent-encoded, `%` among it, so that decoding the URL
//! changes nothing: `version:1,metrics:!(revenue),dimensions:!(city),grain:month`.

use super::{QUERY_MAX_BYTES, Query, QueryError, QueryErrorCode};
use serde_json::{Map, Number, Value};

/// Deeper lists and objects are refused, so that no link can exhaust the stack.
const MAX_DEPTH: usize = 64;

impl Query {
    /// The query in one line of characters that need no escape in a URL.
    pub fn to_compact(&self) -> String {
        let mut text = String::new();
        if let Ok(Value::Object(fields)) = serde_json::to_value(self) {
            write_fields(&fields, &mut text);
        }
        text
    }

    /// Reads what [`Query::to_compact`] wrote, whether or not a browser has decoded its percent signs.
    ///
    /// # Errors
    /// `bad_query` with the place in the text, or with the field that is wrong; `unsupported_version`.
    pub fn from_compact(text: &str) -> Result<Query, QueryError> {
        let bad = |message: String| {
            QueryError::new(QueryErrorCode::BadQuery, "", message)
                .suggest("Open the link again from where it was made, or ask the question anew.")
        };
        if text.len() > QUERY_MAX_BYTES {
            return Err(bad(format!(
                "The link's query is {} bytes long; at most {QUERY_MAX_BYTES} are read.",
                text.len()
            )));
        }
        let decoded = decode_percent(text).ok_or_else(|| bad("The link's query is not UTF-8 text.".to_owned()))?;
        let mut parser = Parser { text: &decoded, at: 0 };
        let value = parser
            .fields(0, None)
            .map_err(|message| bad(format!("The link's query cannot be read: {message}.")))?;
        let query: Query = serde_json::from_value(Value::Object(value))
            .map_err(|error| bad(format!("This is not a query: {error}.")))?;
        query.check_version()?;
        Ok(query)
    }
}

fn write_fields(fields: &Map<String, Value>, text: &mut String) {
    for (index, (key, value)) in fields.iter().enumerate() {
        if index > 0 {
            text.push(',');
        }
        write_text(key, text);
        text.push(':');
        write_value(value, text);
    }
}

fn write_value(value: &Value, text: &mut String) {
    match value {
        Value::Null => text.push_str("!n"),
        Value::Bool(true) => text.push_str("!t"),
        Value::Bool(false) => text.push_str("!f"),
        // An exponent's sign: + means a space in a form's URL.
        Value::Number(number) => text.push_str(&number.to_string().replace('+', "")),
        Value::String(string) => write_text(string, text),
        Value::Array(items) => {
            text.push_str("!(");
            for (index, item) in items.iter().enumerate() {
                if index > 0 {
                    text.push(',');
                }
                write_value(item, text);
            }
            text.push(')');
        }
        Value::Object(fields) => {
            text.push('(');
            write_fields(fields, text);
            text.push(')');
        }
    }
}

/// A character that a bare text may hold: the letters of a name. Everything else is quoted.
fn is_bare(c: char) -> bool {
    c.is_ascii_alphanumeric() || matches!(c, '_' | '.' | '~' | '-')
}

fn write_text(string: &str, text: &mut String) {
    if string.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_') && string.chars().all(is_bare) {
        text.push_str(string);
        return;
    }
    text.push('\'');
    for c in string.chars() {
        match c {
            '\'' | '!' => {
                text.push('!');
                text.push(c);
            }
            c if is_bare(c) || matches!(c, '(' | ')' | ',' | ':' | '*' | '@' | '$') => text.push(c),
            c => {
                let mut bytes = [0; 4];
                for byte in c.encode_utf8(&mut bytes).bytes() {
                    text.push_str(&format!("%{byte:02X}"));
                }
            }
        }
    }
    text.push('\'');
}

/// `None` where the bytes are no UTF-8. A percent sign without two digits stands for itself: a browser that decoded the
/// text once must not have changed its meaning, so a written `%` is read back after either.
fn decode_percent(text: &str) -> Option<String> {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, tail)) = rest.split_first() {
        let digit = |at: usize| tail.get(at).and_then(|b| char::from(*b).to_digit(16));
        match (first, digit(0), digit(1)) {
            (b'%', Some(high), Some(low)) => {
                bytes.push(u8::try_from(high * 16 + low).ok()?);
                rest = tail.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(first);
                rest = tail;
            }
        }
    }
    String::from_utf8(bytes).ok()
}

struct Parser<'a> {
    text: &'a str,
    at: usize,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.text.get(self.at..)?.chars().next()
    }

    fn next(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take(&mut self, wanted: char) -> bool {
        let found = self.peek() == Some(wanted);
        if found {
            self.at += wanted.len_utf8();
        }
        found
    }

    fn unexpected(&self, wanted: &str) -> String {
        let found = self.peek().map_or("the end".to_owned(), |c| format!("{c:?}"));
        let position = self.text.get(..self.at).map_or(0, |before| before.chars().count()) + 1;
        format!("expected {wanted} at character {position}, found {found}")
    }

    /// `key:value,…` up to `end`, which is taken; without one, up to the end of the text.
    fn fields(&mut self, depth: usize, end: Option<char>) -> Result<Map<String, Value>, String> {
        let mut fields = Map::new();
        let ended = |parser: &mut Self| match end {
            Some(end) => parser.take(end),
            None => parser.peek().is_none(),
        };
        if ended(self) {
            return Ok(fields);
        }
        loop {
            let key = match self.value(depth)? {
                Value::String(key) => key,
                _ => return Err(self.unexpected("a name before this")),
            };
            if !self.take(':') {
                return Err(self.unexpected("':'"));
            }
            let value = self.value(depth)?;
            if fields.insert(key.clone(), value).is_some() {
                return Err(format!("{key} stands there twice"));
            }
            if ended(self) {
                return Ok(fields);
            }
            if !self.take(',') {
                return Err(self.unexpected("',' or the end"));
            }
        }
    }

    fn value(&mut self, depth: usize) -> Result<Value, String> {
        if depth > MAX_DEPTH {
            return Err(format!("brackets are nested deeper than {MAX_DEPTH}"));
        }
        match self.peek() {
            Some('(') => {
                self.at += 1;
                Ok(Value::Object(self.fields(depth + 1, Some(')'))?))
            }
            Some('\'') => {
                self.at += 1;
                self.quoted()
            }
            Some('!') => {
                self.at += 1;
                match self.next() {
                    Some('t') => Ok(Value::Bool(true)),
                    Some('f') => Ok(Value::Bool(false)),
                    Some('n') => Ok(Value::Null),
                    Some('(') => self.list(depth),
                    _ => Err(self.unexpected("t, f, n or ( after !")),
                }
            }
            Some(c) if is_bare(c) => self.bare(),
            _ => Err(self.unexpected("a value")),
        }
    }

    fn list(&mut self, depth: usize) -> Result<Value, String> {
        let mut items = Vec::new();
        if self.take(')') {
            return Ok(Value::Array(items));
        }
        loop {
            items.push(self.value(depth + 1)?);
            if self.take(')') {
                return Ok(Value::Array(items));
            }
            if !self.take(',') {
                return Err(self.unexpected("',' or ')'"));
            }
        }
    }

    fn quoted(&mut self) -> Result<Value, String> {
        let mut string = String::new();
        loop {
            match self.next() {
                Some('\'') => return Ok(Value::String(string)),
                Some('!') => match self.next() {
                    Some(c @ ('!' | '\'')) => string.push(c),
                    _ => return Err(self.unexpected("! or ' after ! in a text")),
                },
                Some(c) => string.push(c),
                None => return Err(self.unexpected("the closing '")),
            }
        }
    }

    fn bare(&mut self) -> Result<Value, String> {
        let rest = self.text.get(self.at..).unwrap_or("");
        let end = rest.find(|c| !is_bare(c)).unwrap_or(rest.len());
        let word = rest.get(..end).unwrap_or("");
        if word.starts_with(|c: char| c.is_ascii_digit() || c == '-') {
            // Not serde_json's reader, which may miss the last digit of a long fraction.
            let number = match word.parse::<i64>() {
                Ok(integer) => Some(Number::from(integer)),
                Err(_) => word.parse::<f64>().ok().and_then(Number::from_f64),
            };
            let number = number.ok_or_else(|| self.unexpected("a number"))?;
            self.at += end;
            return Ok(Value::Number(number));
        }
        self.at += end;
        Ok(Value::String(word.to_owned()))
    }
}
