//! Reads the records of an XML document as a stream: each element that a path of names leads to becomes a JSON value,
//! attributes under `@name`, text beside them under `#text`, and elements of one name as a list. Names are taken
//! without their namespace's prefix. Entities that a document declares itself are not expanded, so that no document can
//! grow while it is read.

use crate::{
    MAX_RECORD_BYTES,
    input::Text,
    json::{Cut, Fault},
    mapping::Encoding,
    path::TEXT_KEY,
};
use encoding_rs::WINDOWS_1252;
use quick_xml::{
    Reader,
    escape::{resolve_predefined_entity, unescape},
    events::{BytesStart, Event},
};
use serde_json::{Map, Value};
use std::{
    borrow::Cow,
    io::{self, BufRead, Read},
};

/// How deep the elements of a record may lie in each other, as in JSON.
const MAX_DEPTH: usize = 128;

pub struct Elements {
    reader: Reader<Tee>,
    encoding: Encoding,
    /// The names that lead to a record, the root's first; empty: every child of the root is one.
    path: Vec<String>,
    /// The elements that are open around the records.
    open: Vec<String>,
    buffer: Vec<u8>,
    done: bool,
    pub found_any: bool,
}

/// A record that was read to its end.
pub struct Element {
    pub cut: Cut,
    /// The value, or what is wrong with this record alone.
    pub value: Result<Value, String>,
}

struct Node {
    name: String,
    children: Map<String, Value>,
    text: String,
}

impl Elements {
    pub fn new(input: Text, path: Vec<String>, encoding: Encoding) -> Elements {
        let mut reader = Reader::from_reader(Tee {
            inner: input,
            kept: Vec::new(),
            line: 1,
            piece_bytes: 0,
        });
        reader.config_mut().allow_dangling_amp = true;
        Elements {
            reader,
            encoding,
            path,
            open: Vec::new(),
            buffer: Vec::new(),
            done: false,
            found_any: false,
        }
    }

    pub fn input(&mut self) -> &mut Text {
        &mut self.reader.get_mut().inner
    }

    /// Reads the next record; its text is then in `raw`.
    ///
    /// # Errors
    /// [`Fault::Broken`] where the document is not well-formed.
    pub fn next(&mut self, raw: &mut Vec<u8>) -> Result<Option<Element>, Fault> {
        while !self.done {
            let tee = self.reader.get_mut();
            tee.kept.clear();
            tee.piece_bytes = 0;
            let line = tee.line;
            self.buffer.clear();
            let event = self.reader.read_event_into(&mut self.buffer);
            let event = event.map_err(|e| broken(e, self.reader.get_ref().line))?.into_owned();
            match event {
                Event::Decl(declaration) => {
                    if let Some(Ok(encoding)) = declaration.encoding() {
                        self.encoding = match encoding.to_ascii_lowercase().as_slice() {
                            b"utf-8" | b"utf8" | b"us-ascii" => self.encoding,
                            b"iso-8859-1" | b"latin1" | b"windows-1252" => Encoding::Latin1,
                            other => {
                                let message = format!("the encoding {} is not read", String::from_utf8_lossy(other));
                                return Err(Fault::Broken { line, message });
                            }
                        };
                    }
                }
                Event::Start(tag) if self.is_record(&tag) => {
                    self.found_any = true;
                    return self.record(&tag, line, false, raw).map(Some);
                }
                Event::Empty(tag) if self.is_record(&tag) => {
                    self.found_any = true;
                    return self.record(&tag, line, true, raw).map(Some);
                }
                Event::Start(tag) => {
                    if self.open.len() >= MAX_DEPTH {
                        let message = format!("more than {MAX_DEPTH} elements lie in each other");
                        return Err(Fault::Broken { line, message });
                    }
                    let name = local_name(&tag);
                    self.open.push(name);
                }
                Event::End(_) => {
                    self.open.pop();
                }
                Event::Eof => {
                    self.done = true;
                    if let Some(name) = self.open.last() {
                        let message = format!("the document ends inside of <{name}>");
                        return Err(Fault::Broken { line, message });
                    }
                }
                _ => {}
            }
        }
        Ok(None)
    }

    fn is_record(&self, tag: &BytesStart<'_>) -> bool {
        if self.path.is_empty() {
            return self.open.len() == 1;
        }
        self.open.len() + 1 == self.path.len()
            && self.path.last().is_some_and(|last| *last == local_name(tag))
            && self.path.iter().zip(&self.open).all(|(wanted, name)| wanted == name)
    }

    fn record(&mut self, tag: &BytesStart<'_>, line: u64, empty: bool, raw: &mut Vec<u8>) -> Result<Element, Fault> {
        let mut fault = None;
        let mut stack = vec![self.node(tag, &mut fault)];
        let mut whole = true;
        // Of a record that is too long or too deep only the elements are counted, to find its end.
        let mut open = 1;
        let mut value = Value::Null;
        if empty {
            value = close(&mut stack).unwrap_or_default();
            open = 0;
        }
        while open > 0 {
            self.buffer.clear();
            self.reader.get_mut().piece_bytes = 0;
            let event = self.reader.read_event_into(&mut self.buffer);
            let event = event.map_err(|e| broken(e, self.reader.get_ref().line))?.into_owned();
            let tee = self.reader.get_mut();
            if tee.kept.len() > MAX_RECORD_BYTES {
                whole = false;
                tee.kept.truncate(MAX_RECORD_BYTES);
            }
            if fault.is_none() && open > MAX_DEPTH {
                fault = Some(format!("more than {MAX_DEPTH} elements lie in each other"));
            }
            let keep = whole && fault.is_none();
            match event {
                Event::Start(tag) => {
                    open += 1;
                    if keep {
                        let node = self.node(&tag, &mut fault);
                        stack.push(node);
                    }
                }
                Event::Empty(tag) if keep => {
                    let node = self.node(&tag, &mut fault);
                    stack.push(node);
                    close(&mut stack);
                }
                Event::End(_) => {
                    open -= 1;
                    if keep && let Some(closed) = close(&mut stack) {
                        value = closed;
                    }
                }
                Event::Text(text) if keep => self.text(&text, &mut stack, &mut fault),
                Event::CData(text) if keep => self.text(&text, &mut stack, &mut fault),
                Event::GeneralRef(reference) if keep => {
                    let resolved = match reference.resolve_char_ref() {
                        Ok(Some(character)) => Some(character.to_string()),
                        Ok(None) => std::str::from_utf8(&reference)
                            .ok()
                            .and_then(resolve_predefined_entity)
                            .map(str::to_owned),
                        Err(_) => None,
                    };
                    match (resolved, stack.last_mut()) {
                        (Some(text), Some(node)) => node.text.push_str(&text),
                        (None, _) => {
                            let name = String::from_utf8_lossy(&reference).into_owned();
                            fault = Some(format!("the entity &{name}; is not known"));
                        }
                        _ => {}
                    }
                }
                Event::Eof => {
                    let line = self.reader.get_ref().line;
                    let message = "the document ends inside of a record".to_owned();
                    return Err(Fault::Broken { line, message });
                }
                _ => {}
            }
        }
        raw.clear();
        let kept = &self.reader.get_ref().kept;
        raw.extend_from_slice(&kept[..kept.len().min(MAX_RECORD_BYTES)]);
        Ok(Element {
            cut: Cut { line, whole },
            value: match fault {
                Some(fault) => Err(fault),
                None => Ok(value),
            },
        })
    }

    fn node(&self, tag: &BytesStart<'_>, fault: &mut Option<String>) -> Node {
        let mut node = Node {
            name: local_name(tag),
            children: Map::new(),
            text: String::new(),
        };
        for attribute in tag.attributes() {
            let read = match &attribute {
                Ok(attribute) => self
                    .decode(&attribute.value)
                    .and_then(|text| unescape(&text).map(Cow::into_owned).map_err(|e| e.to_string())),
                Err(e) => Err(e.to_string()),
            };
            match (attribute, read) {
                (Ok(attribute), Ok(text)) => {
                    let name = String::from_utf8_lossy(attribute.key.local_name().as_ref()).into_owned();
                    node.children.insert(format!("@{name}"), Value::String(text));
                }
                (_, Err(message)) => {
                    fault.get_or_insert(format!("an attribute of <{}> does not read: {message}", node.name));
                }
                _ => {}
            }
        }
        node
    }

    fn text(&self, bytes: &[u8], stack: &mut [Node], fault: &mut Option<String>) {
        match (self.decode(bytes), stack.last_mut()) {
            (Ok(text), Some(node)) => node.text.push_str(&text),
            (Err(message), _) => *fault = Some(message),
            _ => {}
        }
    }

    fn decode<'a>(&self, bytes: &'a [u8]) -> Result<Cow<'a, str>, String> {
        match self.encoding {
            Encoding::Utf8 => std::str::from_utf8(bytes).map(Cow::Borrowed).map_err(|_| {
                "the text is not valid UTF-8; if the file is Latin-1, write encoding = \"latin-1\"".to_owned()
            }),
            Encoding::Latin1 => Ok(WINDOWS_1252.decode_without_bom_handling(bytes).0),
        }
    }
}

fn local_name(tag: &BytesStart<'_>) -> String {
    String::from_utf8_lossy(tag.local_name().as_ref()).into_owned()
}

/// Ends the innermost element and puts it into the one around it; the outermost is returned.
fn close(stack: &mut Vec<Node>) -> Option<Value> {
    let Node {
        name,
        mut children,
        text,
    } = stack.pop()?;
    let text = text.trim();
    let value = if children.is_empty() {
        Value::String(text.to_owned())
    } else {
        if !text.is_empty() {
            children.insert(TEXT_KEY.to_owned(), Value::String(text.to_owned()));
        }
        Value::Object(children)
    };
    let Some(parent) = stack.last_mut() else {
        return Some(value);
    };
    match parent.children.get_mut(&name) {
        None => {
            parent.children.insert(name, value);
        }
        Some(Value::Array(list)) => list.push(value),
        Some(first) => *first = Value::Array(vec![first.take(), value]),
    }
    None
}

fn broken(error: quick_xml::Error, line: u64) -> Fault {
    match error {
        quick_xml::Error::Io(e) => Fault::Io(io::Error::new(e.kind(), e.to_string())),
        other => Fault::Broken {
            line,
            message: other.to_string(),
        },
    }
}

/// Passes the document on and keeps what was taken of it, so that a record can be shown as it stands in the file.
struct Tee {
    inner: Text,
    kept: Vec<u8>,
    line: u64,
    /// How much the reader has taken for the tag or the text that it is reading.
    piece_bytes: usize,
}

impl Read for Tee {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let available = self.fill_buf()?;
        let length = available.len().min(buffer.len());
        buffer[..length].copy_from_slice(&available[..length]);
        self.consume(length);
        Ok(length)
    }
}

impl BufRead for Tee {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        // The reader holds a tag or a text whole: this is what bounds its memory.
        if self.piece_bytes > MAX_RECORD_BYTES {
            let message = format!(
                "line {}: a single tag or text has more than {MAX_RECORD_BYTES} bytes",
                self.line
            );
            return Err(io::Error::new(io::ErrorKind::InvalidData, message));
        }
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        if let Ok(available) = self.inner.fill_buf() {
            let taken = &available[..amount.min(available.len())];
            self.line += memchr::memchr_iter(b'\n', taken).count() as u64;
            self.kept.extend_from_slice(taken);
            self.piece_bytes += taken.len();
        }
        self.inner.consume(amount);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::io::{BufReader, Cursor};

    type Read = Vec<(u64, String, Result<Value, String>)>;

    fn read(text: &[u8], path: &[&str]) -> Result<Read, String> {
        let path = path.iter().map(|p| (*p).to_owned()).collect();
        let text = BufReader::with_capacity(4096, Cursor::new(text.to_vec()));
        let mut elements = Elements::new(Box::new(text), path, Encoding::Utf8);
        let mut raw = Vec::new();
        let mut out = Vec::new();
        loop {
            match elements.next(&mut raw) {
                Ok(Some(element)) => out.push((
                    element.cut.line,
                    String::from_utf8_lossy(&raw).into_owned(),
                    element.value,
                )),
                Ok(None) => return Ok(out),
                Err(Fault::Broken { line, message }) => return Err(format!("{line}: {message}")),
                Err(Fault::Io(e)) => return Err(e.to_string()),
            }
        }
    }

    #[test]
    fn records_become_values_and_keep_their_text() {
        let text = "<?xml version=\"1.0\"?>\n<l:list xmlns:l=\"x\">\n <a id=\"1\">\n  <n>T &amp; U&#33;</n><g>x</g><g \
                    k='&lt;'>y</g><!-- c --></a>\n <b/><a/><a><![CDATA[<raw>]]></a></l:list>";
        let found = read(text.as_bytes(), &["list", "a"]).expect("reads");
        let wanted = [
            (
                3,
                "<a id=\"1\">\n  <n>T &amp; U&#33;</n><g>x</g><g k='&lt;'>y</g><!-- c --></a>",
                json!({"@id": "1", "n": "T & U!", "g": ["x", {"@k": "<", "#text": "y"}]}),
            ),
            (5, "<a/>", json!("")),
            (5, "<a><![CDATA[<raw>]]></a>", json!("<raw>")),
        ];
        assert_eq!(found.len(), wanted.len());
        for (found, (line, raw, value)) in found.into_iter().zip(wanted) {
            assert_eq!(found, (line, raw.to_owned(), Ok(value)));
        }
        assert_eq!(
            read(text.as_bytes(), &[]).expect("reads").len(),
            4,
            "every child of the root"
        );
        assert_eq!(read(text.as_bytes(), &["list", "c"]), Ok(vec![]));
    }

    #[test]
    fn a_record_with_an_unknown_entity_costs_itself_and_a_broken_document_is_an_error() {
        let found = read(b"<l><a>&what;</a><a>1</a></l>", &[]).expect("reads");
        assert_eq!(found[0].2, Err("the entity &what; is not known".to_owned()));
        assert_eq!(found[1].2, Ok(json!("1")));
        for (text, wanted) in [
            ("<l><a>\n<b></a></l>", "2: "),
            ("<l>\n<a>x", "2: the document ends inside of a record"),
            ("<l>\n", "2: the document ends inside of <l>"),
        ] {
            let message = read(text.as_bytes(), &[]).expect_err(text);
            assert!(message.starts_with(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn a_record_beyond_the_limits_costs_itself() {
        let long = "<t>x</t>".repeat(MAX_RECORD_BYTES / 8 + 1);
        let deep = format!("{}{}", "<d>".repeat(MAX_DEPTH + 1), "</d>".repeat(MAX_DEPTH + 1));
        let text = format!("<l><a>{long}</a><a>{deep}</a><a>1</a></l>");
        let mut elements = Elements::new(Box::new(Cursor::new(text.into_bytes())), vec![], Encoding::Utf8);
        let mut raw = Vec::new();
        let mut next = || elements.next(&mut raw).ok().flatten().expect("a record");
        assert!(!next().cut.whole);
        assert!(next().value.is_err_and(|message| message.contains("lie in each other")));
        assert_eq!(next().value, Ok(json!("1")));
        let huge = format!("<l><a>{}</a></l>", "x".repeat(3 * MAX_RECORD_BYTES));
        assert!(
            read(huge.as_bytes(), &[])
                .expect_err("refused")
                .contains("a single tag or text")
        );
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(text in proptest::collection::vec(
            prop_oneof![Just(b'<'), Just(b'>'), Just(b'/'), Just(b'&'), Just(b';'), Just(b'!'), Just(b'['),
                Just(b'"'), Just(b'='), Just(b' '), Just(b'a'), any::<u8>()], 0..200)) {
            let mut document = b"<l>".to_vec();
            document.extend_from_slice(&text);
            let _ = read(&document, &[]);
            let _ = read(&text, &["a"]);
        }
    }
}
