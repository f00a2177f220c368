//! Server-sent events out of bytes as they come. A piece may end anywhere, within a character or between the two
//! halves of a line's end; what is not yet whole waits here for the next piece.

/// The longest event that is read. A result has at most 200 rows and stays under 300 KB; beyond ten times that the
/// other side is not our edge.
pub const EVENT_MAX_BYTES: usize = 4 * 1024 * 1024;

/// One event: its name (`message` where none was given), its id and its data lines joined by `\n`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Event {
    pub name: String,
    pub id: String,
    pub data: String,
}

/// An event that is longer than [`EVENT_MAX_BYTES`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TooLong;

/// Reads a stream by the rules of the HTML standard: lines end with LF, CR or CRLF, comments and unknown fields are
/// skipped, an empty line ends an event, and an event without data is none.
#[derive(Debug, Default)]
pub struct Reader {
    line: Vec<u8>,
    after_cr: bool,
    begun: bool,
    name: String,
    id: String,
    data: String,
    has_data: bool,
}

impl Reader {
    /// Takes the next bytes and returns the events that they complete.
    ///
    /// # Errors
    /// [`TooLong`]: stop reading, nothing that follows can be trusted.
    pub fn push(&mut self, bytes: &[u8]) -> Result<Vec<Event>, TooLong> {
        let mut events = Vec::new();
        for &byte in bytes {
            // The LF of a CRLF whose CR already ended the line, perhaps in the piece before.
            if std::mem::take(&mut self.after_cr) && byte == b'\n' {
                continue;
            }
            match byte {
                b'\n' | b'\r' => {
                    self.after_cr = byte == b'\r';
                    events.extend(self.end_line());
                }
                _ => self.line.push(byte),
            }
            if self.line.len() + self.data.len() > EVENT_MAX_BYTES {
                return Err(TooLong);
            }
        }
        Ok(events)
    }

    fn end_line(&mut self) -> Option<Event> {
        let bytes = std::mem::take(&mut self.line);
        let line = String::from_utf8_lossy(&bytes);
        let line = if std::mem::replace(&mut self.begun, true) {
            &*line
        } else {
            line.trim_start_matches('\u{feff}')
        };
        if line.is_empty() {
            return self.end_event();
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "event" => self.name = value.to_owned(),
            "id" => self.id = value.to_owned(),
            "data" => {
                if std::mem::replace(&mut self.has_data, true) {
                    self.data.push('\n');
                }
                self.data.push_str(value);
            }
            // A comment (empty field) keeps the connection alive; `retry` is not ours to obey.
            _ => {}
        }
        None
    }

    fn end_event(&mut self) -> Option<Event> {
        let name = std::mem::take(&mut self.name);
        let data = std::mem::take(&mut self.data);
        std::mem::take(&mut self.has_data).then(|| Event {
            name: if name.is_empty() { "message".to_owned() } else { name },
            // The id stays for the events that follow, as the standard has it.
            id: self.id.clone(),
            data,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(name: &str, id: &str, data: &str) -> Event {
        Event {
            name: name.into(),
            id: id.into(),
            data: data.into(),
        }
    }

    const STREAM: &str = "\u{feff}: hello\r\nevent: text\r\nid: t.1\r\ndata: {\"delta\":\"Sigur Rós — 1 049\"}\r\n\r\n\
         retry: 10\rdata:one\rdata: two\r\r\nevent: ping\n\nevent: done\nid\ndata\ndata: x: y\n\ndata: never ended\n";

    fn expected() -> Vec<Event> {
        vec![
            event("text", "t.1", "{\"delta\":\"Sigur Rós — 1 049\"}"),
            event("message", "t.1", "one\ntwo"),
            event("done", "", "\nx: y"),
        ]
    }

    #[test]
    fn every_split_gives_the_same_events() {
        let bytes = STREAM.as_bytes();
        for first in 0..=bytes.len() {
            for second in [
                first,
                (first + 1).min(bytes.len()),
                (first + 7).min(bytes.len()),
                bytes.len(),
            ] {
                let mut reader = Reader::default();
                let mut events = Vec::new();
                for piece in [&bytes[..first], &bytes[first..second], &bytes[second..]] {
                    events.extend(reader.push(piece).unwrap());
                }
                assert_eq!(events, expected(), "split at {first} and {second}");
            }
        }
    }

    #[test]
    fn byte_by_byte_is_the_same() {
        let mut reader = Reader::default();
        let events: Vec<_> = STREAM.bytes().flat_map(|byte| reader.push(&[byte]).unwrap()).collect();
        assert_eq!(events, expected());
    }

    #[test]
    fn bytes_that_are_no_utf8_do_not_stop_the_stream() {
        let mut reader = Reader::default();
        assert_eq!(
            reader.push(b"data: a\xffb\n\n").unwrap(),
            [event("message", "", "a\u{fffd}b")]
        );
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut reader = Reader::default();
        let piece = vec![b'x'; EVENT_MAX_BYTES];
        assert_eq!(reader.push(&piece), Ok(vec![]));
        assert_eq!(reader.push(b"xx"), Err(TooLong));
    }
}
