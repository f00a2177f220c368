//! Cuts JSON into records without holding more than one of them: the elements of the array that a path leads to, the
//! values of a file that holds several, or the lines of JSON Lines. What a record holds is not judged here, so that a
//! broken one costs only itself.

use crate::{MAX_RECORD_BYTES, input::Text};
use std::io::{self, BufRead as _};

#[derive(Debug)]
pub enum Fault {
    Io(io::Error),
    /// The document itself makes no sense; where the next record begins is not known.
    Broken {
        line: u64,
        message: String,
    },
}

impl From<io::Error> for Fault {
    fn from(e: io::Error) -> Fault {
        Fault::Io(e)
    }
}

/// A record, whose text is in `raw`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Cut {
    /// The line that it begins on, from 1.
    pub line: u64,
    /// False if it is longer than [`MAX_RECORD_BYTES`]; then `raw` holds its beginning.
    pub whole: bool,
}

/// The records of JSON documents.
pub struct Documents {
    input: Text,
    path: Vec<String>,
    state: State,
    line: u64,
    /// The part of the path at which a document ended without it.
    pub missing: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Start,
    /// Inside of the array of records, before the first one.
    First,
    Elements,
    Values,
    Single,
    Done,
}

impl Documents {
    pub fn new(input: Text, path: Vec<String>) -> Documents {
        Documents {
            input,
            path,
            state: State::Start,
            line: 1,
            missing: None,
        }
    }

    pub fn input(&mut self) -> &mut Text {
        &mut self.input
    }

    /// Cuts out the next record.
    ///
    /// # Errors
    /// [`Fault::Broken`] where the text between records is no JSON or ends too early.
    pub fn next(&mut self, raw: &mut Vec<u8>) -> Result<Option<Cut>, Fault> {
        loop {
            match self.state {
                State::Done => return Ok(None),
                State::Start => self.start(raw)?,
                State::First | State::Elements => {
                    let Some(mut byte) = self.token()? else {
                        return Err(self.broken("the document ends inside of its list of records"));
                    };
                    if byte == b']' {
                        self.take();
                        // Behind a list at the top another document may follow.
                        self.state = if self.path.is_empty() {
                            State::Start
                        } else {
                            State::Done
                        };
                        continue;
                    }
                    if self.state == State::Elements {
                        if byte != b',' {
                            return Err(self.broken("there is no comma between two records"));
                        }
                        self.take();
                        byte = self.token()?.unwrap_or(b']');
                    }
                    if byte == b']' {
                        return Err(self.broken("there is no record behind the last comma"));
                    }
                    self.state = State::Elements;
                    return self.value(Some(raw)).map(Some);
                }
                State::Values => {
                    if self.token()?.is_none() {
                        self.state = State::Done;
                        continue;
                    }
                    return self.value(Some(raw)).map(Some);
                }
                State::Single => {
                    self.state = State::Done;
                    return self.value(Some(raw)).map(Some);
                }
            }
        }
    }

    /// Goes to where the records are.
    fn start(&mut self, scratch: &mut Vec<u8>) -> Result<(), Fault> {
        for part in self.path.clone() {
            if !self.enter(&part, scratch)? {
                self.missing = Some(part);
                self.state = State::Done;
                return Ok(());
            }
        }
        self.state = match self.token()? {
            None if self.path.is_empty() => State::Done,
            None => return Err(self.broken("the document ends before its records")),
            Some(b'[') => {
                self.take();
                State::First
            }
            Some(_) if self.path.is_empty() => State::Values,
            Some(_) => State::Single,
        };
        Ok(())
    }

    /// Goes to the value of a key in the object that comes next; false if it is not in it.
    fn enter(&mut self, key: &str, scratch: &mut Vec<u8>) -> Result<bool, Fault> {
        match self.token()? {
            Some(b'{') => self.take(),
            None => return Ok(false),
            Some(_) => return Err(self.broken(&format!("the way to the records needs an object that has {key:?}"))),
        }
        if self.token()? == Some(b'}') {
            self.take();
            return Ok(false);
        }
        loop {
            if self.token()? != Some(b'"') {
                return Err(self.broken("there is no key in quotes"));
            }
            self.value(Some(scratch))?;
            let found: String = serde_json::from_slice(scratch).map_err(|e| self.broken(&e.to_string()))?;
            if self.token()? != Some(b':') {
                return Err(self.broken("there is no colon behind a key"));
            }
            self.take();
            if found == key {
                return Ok(true);
            }
            self.token()?;
            self.value(None)?;
            match self.token()? {
                Some(b',') => {
                    self.take();
                }
                Some(b'}') => {
                    self.take();
                    return Ok(false);
                }
                _ => return Err(self.broken("there is no comma between two keys")),
            }
        }
    }

    /// The next byte that is no white space; it is not taken.
    fn token(&mut self) -> Result<Option<u8>, Fault> {
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                return Ok(None);
            }
            let blank = available
                .iter()
                .position(|b| !b.is_ascii_whitespace())
                .unwrap_or(available.len());
            let found = available.get(blank).copied();
            self.line += lines(&available[..blank]);
            self.input.consume(blank);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn take(&mut self) {
        self.input.consume(1);
    }

    /// Reads the value that comes next to its end.
    fn value(&mut self, mut keep: Option<&mut Vec<u8>>) -> Result<Cut, Fault> {
        if let Some(raw) = &mut keep {
            raw.clear();
        }
        let mut cut = Cut {
            line: self.line,
            whole: true,
        };
        let mut scan = Scan::default();
        loop {
            let available = self.input.fill_buf()?;
            if available.is_empty() {
                if scan.is_bare() {
                    return Ok(cut);
                }
                return Err(self.broken(&format!(
                    "the document ends inside of the value that begins on line {}",
                    cut.line
                )));
            }
            let mut used = 0;
            let mut ended = false;
            for byte in available {
                match scan.step(*byte) {
                    Step::On => used += 1,
                    Step::Last => {
                        used += 1;
                        ended = true;
                        break;
                    }
                    Step::Behind => {
                        ended = true;
                        break;
                    }
                }
            }
            if let Some(raw) = &mut keep {
                let room = MAX_RECORD_BYTES - raw.len();
                cut.whole &= used <= room;
                raw.extend_from_slice(&available[..used.min(room)]);
            }
            self.line += lines(&available[..used]);
            self.input.consume(used);
            if ended && !scan.started {
                return Err(self.broken("there is no value where one must stand"));
            }
            if ended {
                return Ok(cut);
            }
        }
    }

    fn broken(&self, message: &str) -> Fault {
        Fault::Broken {
            line: self.line,
            message: message.to_owned(),
        }
    }
}

fn lines(bytes: &[u8]) -> u64 {
    memchr::memchr_iter(b'\n', bytes).count() as u64
}

/// Finds the end of a value by its brackets and quotes.
#[derive(Default)]
struct Scan {
    depth: u64,
    in_string: bool,
    escaped: bool,
    /// A number or a word outside of brackets and quotes: it ends where something else begins.
    bare: bool,
    started: bool,
}

enum Step {
    On,
    /// The byte is the value's last one.
    Last,
    /// The byte stands behind the value.
    Behind,
}

impl Scan {
    fn is_bare(&self) -> bool {
        self.bare && self.depth == 0
    }

    fn step(&mut self, byte: u8) -> Step {
        let step = self.classify(byte);
        self.started |= !matches!(step, Step::Behind);
        step
    }

    fn classify(&mut self, byte: u8) -> Step {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => {
                    self.in_string = false;
                    if self.depth == 0 {
                        return Step::Last;
                    }
                }
                _ => {}
            }
            return Step::On;
        }
        match byte {
            b'{' | b'[' if !self.is_bare() => self.depth += 1,
            b'}' | b']' if self.depth > 0 => {
                self.depth -= 1;
                if self.depth == 0 {
                    return Step::Last;
                }
            }
            b'"' if !self.is_bare() => self.in_string = true,
            _ if self.depth > 0 => {}
            b',' | b':' | b'}' | b']' | b'{' | b'[' | b'"' | b' ' | b'\t' | b'\r' | b'\n' => return Step::Behind,
            _ => self.bare = true,
        }
        Step::On
    }
}

/// The lines of JSON Lines that are not blank.
pub struct Lines {
    input: Text,
    line: u64,
}

impl Lines {
    /// Reads the lines of `input`, the first of which is line `first` of its file.
    pub fn new(input: Text, first: u64) -> Lines {
        Lines {
            input,
            line: first.saturating_sub(1),
        }
    }

    pub fn input(&mut self) -> &mut Text {
        &mut self.input
    }

    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self, raw: &mut Vec<u8>) -> io::Result<Option<Cut>> {
        loop {
            raw.clear();
            let mut whole = true;
            let mut any = false;
            loop {
                let available = self.input.fill_buf()?;
                if available.is_empty() {
                    break;
                }
                any = true;
                let (end, used) = match memchr::memchr(b'\n', available) {
                    Some(at) => (at, at + 1),
                    None => (available.len(), available.len()),
                };
                let room = MAX_RECORD_BYTES - raw.len();
                whole &= end <= room;
                raw.extend_from_slice(&available[..end.min(room)]);
                let ended = used > end;
                self.input.consume(used);
                if ended {
                    break;
                }
            }
            if !any {
                return Ok(None);
            }
            self.line += 1;
            if raw.last() == Some(&b'\r') {
                raw.pop();
            }
            if !whole || !raw.iter().all(u8::is_ascii_whitespace) {
                return Ok(Some(Cut { line: self.line, whole }));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::io::Cursor;

    fn cut(text: &[u8], path: &[&str]) -> Result<Vec<(u64, String)>, String> {
        let path = path.iter().map(|p| (*p).to_owned()).collect();
        let mut documents = Documents::new(Box::new(Cursor::new(text.to_vec())), path);
        let mut raw = Vec::new();
        let mut out = Vec::new();
        loop {
            match documents.next(&mut raw) {
                Ok(Some(cut)) => out.push((cut.line, String::from_utf8_lossy(&raw).into_owned())),
                Ok(None) => return Ok(out),
                Err(Fault::Broken { line, message }) => return Err(format!("{line}: {message}")),
                Err(Fault::Io(e)) => return Err(e.to_string()),
            }
        }
    }

    #[test]
    fn records_are_the_elements_that_the_path_leads_to() {
        /// A document, the path to its records, and what comes of it with its lines.
        type Case<'a> = (&'a str, &'a [&'a str], &'a [(u64, &'a str)]);
        let cases: [Case<'_>; 9] = [
            (
                "[1, {\"a\": \"]\\\"\"},\n [2]]",
                &[],
                &[(1, "1"), (1, "{\"a\": \"]\\\"\"}"), (2, "[2]")],
            ),
            ("{\"a\": 1}", &[], &[(1, "{\"a\": 1}")]),
            ("{\"a\": 1}\n{\"a\": 2}", &[], &[(1, "{\"a\": 1}"), (2, "{\"a\": 2}")]),
            ("[1][2]", &[], &[(1, "1"), (1, "2")]),
            ("[]", &[], &[]),
            ("", &[], &[]),
            (
                "{\"x\": [{\"e\": [0]}], \"p\":\n{\"e\": [5,\n\"s\"]}, \"z\": 1}",
                &["p", "e"],
                &[(2, "5"), (3, "\"s\"")],
            ),
            ("{\"p\": {\"id\": 1}}", &["p"], &[(1, "{\"id\": 1}")]),
            ("{\"errors\": []}", &["p"], &[]),
        ];
        for (text, path, wanted) in cases {
            let wanted: Vec<(u64, String)> = wanted.iter().map(|(l, t)| (*l, (*t).to_owned())).collect();
            assert_eq!(cut(text.as_bytes(), path), Ok(wanted), "{text}");
        }
    }

    #[test]
    fn a_document_that_breaks_off_is_an_error_with_its_line() {
        for (text, path, wanted) in [
            (
                "[1,\n{\"a\"",
                vec![],
                "2: the document ends inside of the value that begins on line 2",
            ),
            ("[1 2]", vec![], "1: there is no comma"),
            ("[1,]", vec![], "1: there is no record behind"),
            ("[1", vec![], "1: the document ends inside of its list"),
            ("[,1]", vec![], "1: there is no value"),
            ("{\"a\" 1}", vec!["b"], "1: there is no colon"),
            (
                "[1]",
                vec!["b"],
                "1: the way to the records needs an object that has \"b\"",
            ),
            ("]", vec![], "1: there is no value"),
        ] {
            let message = cut(text.as_bytes(), &path).expect_err(text);
            assert!(message.starts_with(wanted), "{text}: {message}");
        }
    }

    #[test]
    fn a_record_beyond_the_limit_is_skipped_and_the_next_one_is_read() {
        let mut text = b"[\"".to_vec();
        text.resize(3 * MAX_RECORD_BYTES, b'x');
        text.extend_from_slice(b"\",7]");
        let mut documents = Documents::new(Box::new(Cursor::new(text)), Vec::new());
        let mut raw = Vec::new();
        let first = documents.next(&mut raw).expect("reads").expect("there");
        assert!(!first.whole && raw.len() == MAX_RECORD_BYTES);
        assert!(documents.next(&mut raw).expect("reads").expect("there").whole);
        assert_eq!(raw, b"7");
    }

    #[test]
    fn lines_keep_their_number() {
        let text = b"{\"a\":1}\r\n\n  \n{\"a\":2}";
        let mut lines = Lines::new(Box::new(Cursor::new(text.to_vec())), 1);
        let mut raw = Vec::new();
        let mut found = Vec::new();
        while let Some(cut) = lines.next(&mut raw).expect("reads") {
            found.push((cut.line, String::from_utf8_lossy(&raw).into_owned()));
        }
        assert_eq!(found, [(1, "{\"a\":1}".to_owned()), (4, "{\"a\":2}".to_owned())]);
    }

    proptest! {
        #[test]
        fn any_bytes_come_to_an_end(text in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b'{'), Just(b'}'), Just(b'['), Just(b']'), Just(b','), Just(b':'),
                Just(b'\\'), Just(b'\n'), Just(b'a'), any::<u8>()], 0..200)) {
            for path in [&[][..], &["a"][..]] {
                if let Ok(records) = cut(&text, path) {
                    prop_assert!(records.len() <= text.len());
                }
            }
        }

        #[test]
        fn what_serde_writes_is_cut_where_it_was_put_together(
            texts in proptest::collection::vec("[a\"\\\\\\[\\]{},: \n]{0,8}", 0..6)
        ) {
            let document = serde_json::json!({"skip": texts, "list": texts});
            let cut = cut(document.to_string().as_bytes(), &["list"]).expect("cuts");
            let read: Vec<String> =
                cut.iter().map(|(_, raw)| serde_json::from_str(raw).expect("reads")).collect();
            prop_assert_eq!(read, texts);
        }
    }
}
