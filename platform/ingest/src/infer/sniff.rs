//! Finds out how a file is written before its columns are looked at: encoding, delimiter and header of CSV, and the
//! ways that may lead to the records of JSON and XML. All of it is judged by the beginning of the file.

use crate::{
    mapping::Encoding,
    records::{RecordReader, Splitter},
};
use quick_xml::{Reader, events::Event};
use std::collections::BTreeMap;

/// How many records are looked at to find the delimiter and the header.
const LOOKED_AT: usize = 200;

const DELIMITERS: [u8; 6] = [b',', b';', b'\t', b'|', b'^', b'~'];

/// How many ways to records are tried.
const MAX_WAYS: usize = 5;

/// UTF-8 unless the beginning is none. `whole` says that nothing was cut off behind it.
pub fn encoding(start: &[u8], whole: bool) -> Encoding {
    match std::str::from_utf8(start) {
        Ok(_) => Encoding::Utf8,
        // A character that was cut in two is no fault of the file.
        Err(e) if e.error_len().is_none() && !whole => Encoding::Utf8,
        Err(_) => Encoding::Latin1,
    }
}

#[derive(Debug, PartialEq, Eq)]
pub struct Dialect {
    pub delimiter: u8,
    pub header: bool,
    /// How many columns the file has.
    pub columns: usize,
    pub doubts: Vec<String>,
}

/// The delimiter that cuts most records into the same number of fields, and whether the first record is a header.
pub fn dialect(start: &[u8], whole: bool) -> Dialect {
    // The last line may be cut in two.
    let end = if whole {
        start.len()
    } else {
        start.iter().rposition(|b| *b == b'\n').map_or(start.len(), |at| at + 1)
    };
    let text = &start[..end];
    let mut best: Option<(f64, u8, Vec<Vec<String>>)> = None;
    for delimiter in DELIMITERS {
        let records = records(text, delimiter);
        let mut counts: BTreeMap<usize, usize> = BTreeMap::new();
        for record in &records {
            *counts.entry(record.len()).or_default() += 1;
        }
        let Some((fields, times)) = counts.into_iter().max_by_key(|(fields, times)| (*times, *fields)) else {
            continue;
        };
        if fields < 2 {
            continue;
        }
        // Evenness first; of two that are even, the one that cuts finer.
        let score = times as f64 / records.len() as f64 + (fields.min(50) as f64) / 200.0;
        if best.as_ref().is_none_or(|(known, ..)| score > *known) {
            best = Some((score, delimiter, records));
        }
    }
    let (delimiter, records) = match best {
        Some((_, delimiter, records)) => (delimiter, records),
        None => (b',', self::records(text, b',')),
    };
    let (header, mut doubts) = header(&records);
    let columns = records.first().map_or(0, Vec::len);
    let uneven = records.iter().filter(|record| record.len() != columns).count();
    if uneven * 10 > records.len() {
        doubts.push(format!(
            "{uneven} of the first {} records have another number of fields than the first: lines before the table, or \
             another delimiter?",
            records.len()
        ));
    }
    Dialect {
        delimiter,
        header,
        columns,
        doubts,
    }
}

fn records(text: &[u8], delimiter: u8) -> Vec<Vec<String>> {
    let mut reader = RecordReader::new(text, delimiter);
    let mut splitter = Splitter::new(delimiter);
    let mut records = Vec::new();
    while records.len() < LOOKED_AT
        && let Ok(Some(record)) = reader.next_record()
    {
        if record.broken.is_some() {
            continue;
        }
        let text = String::from_utf8_lossy(reader.raw()).into_owned();
        splitter.split(&text);
        let fields = (0..splitter.len()).map(|at| splitter.field(at).trim().to_owned());
        records.push(fields.collect());
    }
    records
}

fn is_value(text: &str) -> bool {
    text.parse::<f64>().is_ok()
        || (text.len() >= 8
            && text.bytes().filter(u8::is_ascii_digit).count() >= 4
            && text.contains(['-', '/', '.', ':']))
}

/// A header names its columns: no numbers, no days, nothing twice, nothing that comes again below it.
fn header(records: &[Vec<String>]) -> (bool, Vec<String>) {
    let Some((first, rest)) = records.split_first() else {
        return (true, Vec::new());
    };
    let filled: Vec<&String> = first.iter().filter(|name| !name.is_empty()).collect();
    if filled.iter().any(|name| is_value(name)) {
        return (false, Vec::new());
    }
    if rest.is_empty() {
        return (true, Vec::new());
    }
    let below = |at: usize| {
        rest.iter()
            .filter_map(move |record| record.get(at))
            .filter(|text| !text.is_empty())
    };
    let typed_below = (0..first.len()).any(|at| {
        let (values, all) = below(at).fold((0, 0), |(values, all), text| {
            (values + usize::from(is_value(text)), all + 1)
        });
        all > 0 && values * 10 >= all * 8
    });
    let known = first.iter().filter(|name| super::is_known_name(name)).count();
    if typed_below || known > 0 {
        return (true, Vec::new());
    }
    let comes_again = (0..first.len()).any(|at| below(at).any(|text| *text == first[at]));
    let doubt = if comes_again {
        "all columns are texts, and the first line's come again below: it is taken for data. If it is a header, write \
         header = true and leave columns out"
    } else {
        "all columns are texts: the first line is taken for a header. If it is data, write header = false and columns"
    };
    (!comes_again, vec![doubt.to_owned()])
}

/// Lists of objects in a JSON document that are reached through objects alone, the longest first, and whether the
/// document is one object. The text may be cut off.
pub fn json_lists(text: &[u8]) -> (Vec<Vec<String>>, bool) {
    enum Open {
        Object,
        Array,
    }
    let mut open: Vec<Open> = Vec::new();
    // The names that lead to where the scanner is; an array has none for its elements.
    let mut path: Vec<Option<String>> = Vec::new();
    let mut key: Option<String> = None;
    let mut lists: BTreeMap<Vec<String>, usize> = BTreeMap::new();
    let mut is_object = false;
    let mut at = 0;
    while at < text.len() {
        match text[at] {
            b'"' => {
                let start = at + 1;
                at = start;
                while at < text.len() && text[at] != b'"' {
                    at += if text[at] == b'\\' { 2 } else { 1 };
                }
                let string = text.get(start..at.min(text.len())).unwrap_or_default();
                let mut behind = at + 1;
                while text.get(behind).is_some_and(u8::is_ascii_whitespace) {
                    behind += 1;
                }
                if text.get(behind) == Some(&b':') && matches!(open.last(), Some(Open::Object)) {
                    let quoted = format!("\"{}\"", String::from_utf8_lossy(string));
                    key = serde_json::from_str(&quoted).ok();
                }
            }
            b'{' => {
                is_object |= open.is_empty();
                if let Some(Open::Array) = open.last() {
                    let (list, above) = path
                        .split_last()
                        .map_or((None, &path[..]), |(list, above)| (list.clone(), above));
                    let names: Option<Vec<String>> = above.iter().cloned().chain([list]).collect();
                    if let Some(names) = names.filter(|names| !names.is_empty()) {
                        *lists.entry(names).or_default() += 1;
                    }
                    path.push(None);
                } else if !open.is_empty() {
                    path.push(key.take());
                }
                open.push(Open::Object);
            }
            b'[' => {
                if !open.is_empty() {
                    path.push(key.take());
                }
                open.push(Open::Array);
            }
            b'}' | b']' => {
                open.pop();
                path.pop();
            }
            _ => {}
        }
        at += 1;
    }
    let mut lists: Vec<(Vec<String>, usize)> = lists.into_iter().collect();
    lists.sort_by(|a, b| b.1.cmp(&a.1).then_with(|| a.0.len().cmp(&b.0.len())));
    lists.truncate(MAX_WAYS);
    (lists.into_iter().map(|(names, _)| names).collect(), is_object)
}

/// Ways to elements of an XML document that come several times and hold others or attributes, the shortest first.
pub fn xml_lists(text: &[u8]) -> Vec<Vec<String>> {
    let mut reader = Reader::from_reader(text);
    reader.config_mut().check_end_names = false;
    reader.config_mut().allow_dangling_amp = true;
    let name_of = |name: &[u8]| {
        let name = String::from_utf8_lossy(name).into_owned();
        name.rsplit(':').next().unwrap_or_default().to_owned()
    };
    let mut path: Vec<String> = Vec::new();
    // How often, and whether anything is inside.
    let mut counts: BTreeMap<Vec<String>, (usize, bool)> = BTreeMap::new();
    let mut buffer = Vec::new();
    loop {
        buffer.clear();
        match reader.read_event_into(&mut buffer) {
            Ok(Event::Start(start)) => {
                if let Some(parent) = counts.get_mut(&path) {
                    parent.1 = true;
                }
                path.push(name_of(start.name().as_ref()));
                let entry = counts.entry(path.clone()).or_default();
                entry.0 += 1;
                entry.1 |= start.attributes().next().is_some();
            }
            Ok(Event::Empty(empty)) => {
                if let Some(parent) = counts.get_mut(&path) {
                    parent.1 = true;
                }
                let mut inner = path.clone();
                inner.push(name_of(empty.name().as_ref()));
                let entry = counts.entry(inner).or_default();
                entry.0 += 1;
                entry.1 |= empty.attributes().next().is_some();
            }
            Ok(Event::End(_)) => {
                path.pop();
            }
            Ok(Event::Eof) | Err(_) => break,
            Ok(_) => {}
        }
    }
    let mut ways: Vec<(Vec<String>, usize)> = counts
        .into_iter()
        .filter(|(path, (times, holds))| path.len() > 1 && *times > 1 && *holds)
        .map(|(path, (times, _))| (path, times))
        .collect();
    ways.sort_by(|a, b| a.0.len().cmp(&b.0.len()).then_with(|| b.1.cmp(&a.1)));
    ways.truncate(MAX_WAYS);
    ways.into_iter().map(|(path, _)| path).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn dialects_are_told_from_the_text() {
        for (text, delimiter, header, columns) in [
            ("a,b\n1,2\n", b',', true, 2),
            ("1|x|2024-01-01\n2|y|2024-01-02\n", b'|', false, 3),
            ("name;city\n\"Hall; The\";Ulm, Donau\nB;C\n", b';', true, 2),
            ("venue\tcity\nA, B\tC, D\n", b'\t', true, 2),
            ("red,blue\nblue,red\nred,blue\n", b',', false, 2),
            ("one\n1\n2\n", b',', true, 1),
        ] {
            let found = dialect(text.as_bytes(), true);
            assert_eq!(
                (found.delimiter, found.header, found.columns),
                (delimiter, header, columns),
                "{text}"
            );
        }
    }

    #[test]
    fn lists_of_json_are_found_the_longest_first() {
        let text =
            br#"{"links": [{"a": 1}], "page": {"shows": [{"acts": [{"x": 1}, {"x": 2}, {"x": 3}]}, {"b": "}\"]"}]}}"#;
        let (lists, is_object) = json_lists(text);
        assert!(is_object);
        assert_eq!(
            lists,
            [vec!["page".to_owned(), "shows".to_owned()], vec!["links".to_owned()]]
        );
        let (lists, is_object) = json_lists(b"[{\"a\": [{}]}, {}]");
        assert!(!is_object && lists.is_empty(), "{lists:?}");
    }

    #[test]
    fn lists_of_xml_are_found_the_shortest_first() {
        let text = b"<c><head><t>x</t></head><list><m:show id='1'><act n='1'/><act n='2'/></m:show><m:show id='2'/></list></c>";
        let ways: Vec<String> = xml_lists(text).iter().map(|way| way.join(".")).collect();
        assert_eq!(ways, ["c.list.show", "c.list.show.act"]);
    }

    proptest! {
        #[test]
        fn any_text_is_looked_at(text in proptest::collection::vec(prop_oneof![
            Just(b'{'), Just(b'['), Just(b'}'), Just(b']'), Just(b'"'), Just(b'\\'), Just(b':'), Just(b','), Just(b'<'), Just(b'>'),
            Just(b'/'), Just(b'\n'), any::<u8>()], 0..120)) {
            json_lists(&text);
            xml_lists(&text);
            dialect(&text, false);
            encoding(&text, true);
        }
    }
}
