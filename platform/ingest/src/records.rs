//! Splits a delimited file into records without ever holding more than one of them, and finds its way back after a
//! broken one. A record keeps the bytes that it came as, so that a fault can be shown with its original text.

use csv_core::{ReadRecordResult, Reader, ReaderBuilder, Terminator};
use memchr::{memchr, memchr_iter};
use std::io::{self, BufRead};

/// The longest record that is read, in bytes. The widest real one that we met has 9 KB; a longer one is nearly
/// always a quote that was never closed, or a file that has no lines.
pub const MAX_RECORD_BYTES: usize = 1 << 20;

/// What is wrong with the shape of a record.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Broken {
    /// More than [`MAX_RECORD_BYTES`] without an end.
    TooLong,
    /// A quote that is opened and not closed.
    Unclosed,
}

/// A record as it stands in the file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Record {
    /// The line that it begins on, from 1.
    pub line: u64,
    pub broken: Option<Broken>,
}

pub struct RecordReader<R> {
    input: R,
    delimiter: u8,
    /// The bytes of the current record, without its line end. Of one that is too long, the beginning.
    raw: Vec<u8>,
    /// Where the first physical line of `raw` ends, when it has several.
    first_line_end: Option<usize>,
    /// Bytes that were read ahead and belong to later records.
    carry: Vec<u8>,
    carry_at: usize,
    next_line: u64,
    /// Whether the input ends where the file ends, and is not a block of it that others follow.
    ends_with_file: bool,
    /// What stands at the end of a block and goes on in the next one, and the line that it begins on.
    unfinished: Option<(u64, Vec<u8>)>,
}

enum Line {
    Whole,
    /// The last one, which no line end follows; empty at the end of the file.
    Last,
    TooLong,
}

impl<R: BufRead> RecordReader<R> {
    pub fn new(input: R, delimiter: u8) -> RecordReader<R> {
        RecordReader {
            input,
            delimiter,
            raw: Vec::new(),
            first_line_end: None,
            carry: Vec::new(),
            carry_at: 0,
            next_line: 1,
            ends_with_file: true,
            unfinished: None,
        }
    }

    /// Reads a block of a file: a piece that begins with a record, on line `line`, and ends with a line's end, or with
    /// the file's if it is the last one.
    pub fn of_block(block: R, delimiter: u8, line: u64, ends_with_file: bool) -> RecordReader<R> {
        RecordReader {
            next_line: line,
            ends_with_file,
            ..RecordReader::new(block, delimiter)
        }
    }

    /// After the last record of a block: the bytes of a record that goes on behind the block, with its line.
    pub fn take_unfinished(&mut self) -> Option<(u64, Vec<u8>)> {
        self.unfinished.take()
    }

    /// What is read from.
    pub fn input(&mut self) -> &mut R {
        &mut self.input
    }

    /// What was read ahead of the next record, and the line that this one begins on. It goes on in the input.
    pub fn take_ahead(&mut self) -> (Vec<u8>, u64) {
        let ahead = self.carry.split_off(self.carry_at);
        self.carry.clear();
        self.carry_at = 0;
        (ahead, self.next_line)
    }

    /// The bytes of the record that was returned last.
    pub fn raw(&self) -> &[u8] {
        &self.raw
    }

    /// The next record that is not blank; none at the end.
    pub fn next_record(&mut self) -> io::Result<Option<Record>> {
        loop {
            self.raw.clear();
            self.first_line_end = None;
            let line = self.next_line;
            let mut quotes = QuoteState::FieldStart;
            let mut scanned = 0;
            loop {
                match self.read_line()? {
                    Line::TooLong => {
                        if self.first_line_end.is_some() {
                            return Ok(Some(self.give_up_on_first_line(line, false)));
                        }
                        self.skip_line()?;
                        self.next_line += 1;
                        return Ok(Some(Record {
                            line,
                            broken: Some(Broken::TooLong),
                        }));
                    }
                    Line::Last if self.raw.is_empty() => return Ok(None),
                    end @ (Line::Whole | Line::Last) => {
                        self.next_line += 1;
                        quotes = quotes.after(&self.raw[scanned..], self.delimiter);
                        scanned = self.raw.len();
                        if quotes != QuoteState::Inside {
                            break;
                        }
                        let at_end = matches!(end, Line::Last) || self.at_end()?;
                        if at_end && !self.ends_with_file {
                            self.unfinished = Some((line, std::mem::take(&mut self.raw)));
                            return Ok(None);
                        }
                        if at_end && self.first_line_end.is_none() {
                            self.trim_line_end();
                            return Ok(Some(Record {
                                line,
                                broken: Some(Broken::Unclosed),
                            }));
                        }
                        if at_end {
                            return Ok(Some(self.give_up_on_first_line(line, false)));
                        }
                        self.first_line_end.get_or_insert(scanned);
                    }
                }
            }
            self.trim_line_end();
            if self.raw.iter().all(u8::is_ascii_whitespace) && !self.raw.contains(&self.delimiter) {
                continue;
            }
            return Ok(Some(Record { line, broken: None }));
        }
    }

    /// Says that the last record, which spans several lines, makes no sense as one: its first line is taken as the
    /// record, and reading goes on behind it. False if it had only one line.
    pub fn retreat_to_first_line(&mut self, record: Record) -> bool {
        if self.first_line_end.is_none() {
            return false;
        }
        self.give_up_on_first_line(record.line, true);
        true
    }

    /// `lost_line_end` says that `raw` was trimmed already. At the end of the file that makes a blank line at most.
    fn give_up_on_first_line(&mut self, line: u64, lost_line_end: bool) -> Record {
        if let Some(end) = self.first_line_end.take() {
            let mut rest = self.raw.split_off(end);
            if lost_line_end {
                rest.push(b'\n');
            }
            rest.extend_from_slice(&self.carry[self.carry_at..]);
            self.carry = rest;
            self.carry_at = 0;
            self.next_line = line + 1;
        }
        self.trim_line_end();
        Record {
            line,
            broken: Some(Broken::Unclosed),
        }
    }

    fn trim_line_end(&mut self) {
        if self.raw.last() == Some(&b'\n') {
            self.raw.pop();
        }
        if self.raw.last() == Some(&b'\r') {
            self.raw.pop();
        }
    }

    fn at_end(&mut self) -> io::Result<bool> {
        Ok(self.carry_at == self.carry.len() && self.input.fill_buf()?.is_empty())
    }

    /// Appends the next physical line, its end included, to `raw`.
    fn read_line(&mut self) -> io::Result<Line> {
        loop {
            let from_carry = self.carry_at < self.carry.len();
            let available = if from_carry {
                &self.carry[self.carry_at..]
            } else {
                self.input.fill_buf()?
            };
            if available.is_empty() {
                return Ok(Line::Last);
            }
            let (end, whole) = match memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            let room = MAX_RECORD_BYTES - self.raw.len();
            if end > room {
                // Its beginning is kept, to be shown. Behind earlier lines of a record it is read once more.
                if self.first_line_end.is_none() {
                    self.raw.extend_from_slice(&available[..room]);
                    self.consume(room, from_carry);
                }
                return Ok(Line::TooLong);
            }
            self.raw.extend_from_slice(&available[..end]);
            self.consume(end, from_carry);
            if whole {
                return Ok(Line::Whole);
            }
        }
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let from_carry = self.carry_at < self.carry.len();
            let available = if from_carry {
                &self.carry[self.carry_at..]
            } else {
                self.input.fill_buf()?
            };
            if available.is_empty() {
                return Ok(());
            }
            let (end, whole) = match memchr(b'\n', available) {
                Some(at) => (at + 1, true),
                None => (available.len(), false),
            };
            self.consume(end, from_carry);
            if whole {
                return Ok(());
            }
        }
    }

    fn consume(&mut self, bytes: usize, from_carry: bool) {
        if from_carry {
            self.carry_at += bytes;
            if self.carry_at == self.carry.len() {
                self.carry.clear();
                self.carry_at = 0;
            }
        } else {
            self.input.consume(bytes);
        }
    }
}

/// Where in the quoting the scanner is. A quote opens a field only at the field's beginning, as in every reader of
/// CSV that people use: `5" pipe` is text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum QuoteState {
    FieldStart,
    Unquoted,
    Inside,
    /// Behind a quote inside a quoted field: its end, or half of an escaped quote.
    Closing,
}

impl QuoteState {
    fn after(mut self, line: &[u8], delimiter: u8) -> QuoteState {
        // Most lines hold no quote; then nothing changes unless a quoted field goes on.
        if self != QuoteState::Inside && memchr(b'"', line).is_none() {
            return QuoteState::Unquoted;
        }
        for &byte in line {
            self = match (self, byte) {
                (QuoteState::FieldStart, b'"') | (QuoteState::Closing, b'"') => QuoteState::Inside,
                (QuoteState::Inside, b'"') => QuoteState::Closing,
                (QuoteState::Inside, _) => QuoteState::Inside,
                (_, byte) if byte == delimiter => QuoteState::FieldStart,
                _ => QuoteState::Unquoted,
            };
        }
        self
    }
}

/// Splits one record into fields; keeps its buffers between records.
pub struct Splitter {
    reader: Reader,
    delimiter: u8,
    input: Vec<u8>,
    output: Vec<u8>,
    /// The record's text: as it stands, or its fields one after the other where some were quoted.
    text: String,
    ends: Vec<usize>,
    count: usize,
    /// How many bytes of `text` stand between two fields.
    gap: usize,
}

impl Splitter {
    pub fn new(delimiter: u8) -> Splitter {
        let reader = ReaderBuilder::new()
            .delimiter(delimiter)
            .terminator(Terminator::Any(b'\n'))
            .build();
        Splitter {
            reader,
            delimiter,
            input: Vec::new(),
            output: Vec::new(),
            text: String::new(),
            ends: vec![0; 64],
            count: 0,
            gap: 0,
        }
    }

    /// Splits `record`; the fields are then read with [`Splitter::field`].
    pub fn split(&mut self, record: &str) {
        self.text.clear();
        if memchr(b'"', record.as_bytes()).is_none() {
            // Without quotes a field ends where the next delimiter stands: most records are cut here.
            self.text.push_str(record);
            self.count = 0;
            self.gap = 1;
            for end in memchr_iter(self.delimiter, record.as_bytes()).chain([record.len()]) {
                if self.count == self.ends.len() {
                    self.ends.resize(self.ends.len() * 2, 0);
                }
                self.ends[self.count] = end;
                self.count += 1;
            }
            return;
        }
        let length = self.unquote(record.as_bytes());
        self.gap = 0;
        // Fields are cut and quotes are taken out at ASCII characters, which leaves the rest valid.
        match std::str::from_utf8(&self.output[..length]) {
            Ok(text) => self.text.push_str(text),
            Err(_) => self.count = 0,
        }
    }

    /// The first field of `record` that is not valid UTF-8.
    pub fn first_not_utf8(&mut self, record: &[u8]) -> Option<usize> {
        self.unquote(record);
        let starts = std::iter::once(&0).chain(&self.ends);
        let found = starts
            .zip(&self.ends[..self.count])
            .position(|(start, end)| std::str::from_utf8(&self.output[*start..*end]).is_err());
        self.text.clear();
        self.count = 0;
        found
    }

    /// Puts the fields into `output` without their quotes and says how many bytes they are.
    fn unquote(&mut self, record: &[u8]) -> usize {
        self.input.clear();
        self.input.extend_from_slice(record);
        self.input.push(b'\n');
        self.output.resize(self.input.len(), 0);
        self.reader.reset();
        let (mut input_at, mut output_at, mut ends_at) = (0, 0, 0);
        loop {
            let (outcome, read, written, ended) = self.reader.read_record(
                &self.input[input_at..],
                &mut self.output[output_at..],
                &mut self.ends[ends_at..],
            );
            input_at += read;
            output_at += written;
            ends_at += ended;
            match outcome {
                ReadRecordResult::OutputEndsFull => self.ends.resize(self.ends.len() * 2, 0),
                ReadRecordResult::OutputFull => self.output.resize(self.output.len() * 2, 0),
                // An empty input tells the reader that nothing follows.
                ReadRecordResult::InputEmpty => {}
                ReadRecordResult::Record | ReadRecordResult::End => break,
            }
        }
        self.count = ends_at;
        output_at
    }

    pub fn len(&self) -> usize {
        self.count
    }

    /// The text of field `index`; empty behind the last.
    pub fn field(&self, index: usize) -> &str {
        if index >= self.count {
            return "";
        }
        let start = if index == 0 { 0 } else { self.ends[index - 1] + self.gap };
        self.text.get(start..self.ends[index]).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(text: &[u8]) -> Vec<(u64, Option<Broken>, Vec<String>)> {
        let mut reader = RecordReader::new(text, b',');
        let mut splitter = Splitter::new(b',');
        let mut out = Vec::new();
        while let Some(record) = reader.next_record().expect("memory reads") {
            splitter.split(&String::from_utf8_lossy(reader.raw()));
            let fields = (0..splitter.len()).map(|i| splitter.field(i).to_owned()).collect();
            out.push((record.line, record.broken, fields));
        }
        out
    }

    fn strings(fields: &[&str]) -> Vec<String> {
        fields.iter().map(|f| (*f).to_owned()).collect()
    }

    #[test]
    fn records_keep_their_line_and_quoted_line_ends() {
        let text = b"a,b\r\n\r\n\"x, \"\"y\"\"\nz\",2\n5\" pipe,\"q\"\nlast,";
        assert_eq!(
            read(text),
            [
                (1, None, strings(&["a", "b"])),
                (3, None, strings(&["x, \"y\"\nz", "2"])),
                (5, None, strings(&["5\" pipe", "q"])),
                (6, None, strings(&["last", ""])),
            ]
        );
    }

    #[test]
    fn a_quote_that_is_never_closed_costs_one_line() {
        let text = b"1,\"open\n2,b\n3,c\n";
        let lines: Vec<_> = read(text).into_iter().map(|(line, broken, _)| (line, broken)).collect();
        assert_eq!(lines, [(1, Some(Broken::Unclosed)), (2, None), (3, None)]);
    }

    #[test]
    fn a_line_beyond_the_limit_is_skipped_and_the_next_one_is_read() {
        let mut text = vec![b'x'; 10 * MAX_RECORD_BYTES];
        text.extend_from_slice(b"\n1,2\n");
        let records = read(&text);
        assert_eq!(records.len(), 2);
        assert_eq!((records[0].0, records[0].1), (1, Some(Broken::TooLong)));
        assert_eq!(records[1], (2, None, strings(&["1", "2"])));
    }

    #[test]
    fn an_open_quote_before_a_line_beyond_the_limit_costs_two() {
        let mut text = b"1,\"open\n".to_vec();
        text.resize(text.len() + 10 * MAX_RECORD_BYTES, b'x');
        text.extend_from_slice(b"\n3,c\n");
        let lines: Vec<_> = read(&text)
            .into_iter()
            .map(|(line, broken, _)| (line, broken))
            .collect();
        assert_eq!(
            lines,
            [(1, Some(Broken::Unclosed)), (2, Some(Broken::TooLong)), (3, None)]
        );
    }

    #[test]
    fn an_open_quote_before_much_text_costs_one_line() {
        let mut text = b"1,\"open\n".to_vec();
        let follower = b"2,a long enough line to be repeated until the limit is passed\n";
        let followers = MAX_RECORD_BYTES / follower.len() + 10;
        for _ in 0..followers {
            text.extend_from_slice(follower);
        }
        let records = read(&text);
        assert_eq!(records.len(), followers + 1);
        assert_eq!(records[0].1, Some(Broken::Unclosed));
        assert!(records[1..].iter().all(|r| r.1.is_none()));
        assert_eq!(records[followers].0, followers as u64 + 1);
    }

    proptest! {
        #[test]
        fn any_bytes_are_read_to_their_end(text in proptest::collection::vec(
            prop_oneof![Just(b'"'), Just(b','), Just(b'\n'), Just(b'\r'), Just(b'a'), any::<u8>()], 0..200)) {
            let lines = text.iter().filter(|b| **b == b'\n').count() as u64 + 1;
            let mut last = 0;
            for (line, _, _) in read(&text) {
                prop_assert!(line > last && line <= lines);
                last = line;
            }
        }

        #[test]
        fn what_is_written_as_csv_is_read_back(
            rows in proptest::collection::vec(proptest::collection::vec("[a-c\",\n ]{0,6}", 2..4), 1..6)
        ) {
            let mut text = String::new();
            for row in &rows {
                let quoted: Vec<String> = row.iter().map(|f| format!("\"{}\"", f.replace('"', "\"\""))).collect();
                text.push_str(&quoted.join(","));
                text.push('\n');
            }
            let back: Vec<Vec<String>> = read(text.as_bytes()).into_iter().map(|r| r.2).collect();
            prop_assert_eq!(back, rows);
        }
    }
}
