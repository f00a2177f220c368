//! Cuts the text of a file into blocks of whole lines, so that several threads can read one file. Where a record goes on
//! behind the end of its block, its reader says so and the next block is read once more with that record in front of it
//! ([`crate::records::RecordReader::of_block`]): the records are exactly those of one reader.

use crate::{input::Text, records::MAX_RECORD_BYTES};
use bytes::Bytes;
use memchr::{memchr, memchr_iter, memrchr};
use std::io::{self, BufRead as _, Read as _};

/// How much of a file one thread reads at a time, in bytes: some ten thousand records of a usual table. Smaller blocks
/// make smaller Arrow batches, which cost more to write.
pub const BLOCK_BYTES: usize = 2 << 20;

/// A piece of a file that ends with a line's end, or with the file's.
#[derive(Clone, Debug)]
pub struct Block {
    pub bytes: Bytes,
    /// The line that it begins on, from 1.
    pub line: u64,
    pub ends_with_file: bool,
}

impl Block {
    /// The same block with what an earlier one left unfinished in front of it.
    pub fn behind(self, line: u64, mut unfinished: Vec<u8>) -> Block {
        unfinished.extend_from_slice(&self.bytes);
        Block {
            bytes: unfinished.into(),
            line,
            ends_with_file: self.ends_with_file,
        }
    }
}

pub struct Cutter {
    text: Text,
    /// What was read behind the last line's end.
    rest: Vec<u8>,
    next_line: u64,
    block_bytes: usize,
    done: bool,
}

impl Cutter {
    /// Cuts `text`, which goes on behind `rest` on line `line`.
    pub fn new(text: Text, rest: Vec<u8>, line: u64) -> Cutter {
        Cutter {
            text,
            rest,
            next_line: line,
            block_bytes: BLOCK_BYTES,
            done: false,
        }
    }

    /// The same with blocks of another size.
    pub fn of(self, block_bytes: usize) -> Cutter {
        Cutter { block_bytes, ..self }
    }

    /// The next block; none behind the last.
    ///
    /// # Errors
    /// When the file cannot be read on.
    pub fn next(&mut self) -> io::Result<Option<Block>> {
        if self.done {
            return Ok(None);
        }
        let mut bytes = std::mem::take(&mut self.rest);
        // Whether no line ends in what was read before.
        let mut searched = false;
        let cut = loop {
            let missing = self.block_bytes.saturating_sub(bytes.len());
            let wanted = if missing == 0 { self.block_bytes } else { missing };
            let before = bytes.len();
            bytes.reserve(wanted);
            let read = (&mut self.text).take(wanted as u64).read_to_end(&mut bytes)?;
            if read == 0 {
                self.done = true;
                break bytes.len();
            }
            if bytes.len() < self.block_bytes {
                continue;
            }
            match memrchr(b'\n', if searched { &bytes[before..] } else { &bytes }) {
                Some(at) if searched => break before + at + 1,
                Some(at) => break at + 1,
                None if bytes.len() > MAX_RECORD_BYTES => {
                    // No record is that long: what is beyond is told from the beginning, which is kept.
                    bytes.truncate(MAX_RECORD_BYTES + 1);
                    self.skip_line()?;
                    bytes.push(b'\n');
                    break bytes.len();
                }
                None => searched = true,
            }
        };
        self.rest = bytes.split_off(cut);
        let line = self.next_line;
        self.next_line += memchr_iter(b'\n', &bytes).count() as u64;
        Ok(Some(Block {
            bytes: bytes.into(),
            line,
            ends_with_file: self.done,
        }))
    }

    fn skip_line(&mut self) -> io::Result<()> {
        loop {
            let available = self.text.fill_buf()?;
            if available.is_empty() {
                return Ok(());
            }
            match memchr(b'\n', available) {
                Some(at) => {
                    self.text.consume(at + 1);
                    return Ok(());
                }
                None => {
                    let length = available.len();
                    self.text.consume(length);
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::records::{Broken, RecordReader};
    use proptest::prelude::*;
    use std::io::Cursor;

    type Seen = Vec<(u64, Option<Broken>, Vec<u8>)>;

    fn drain<R: io::BufRead>(reader: &mut RecordReader<R>, into: &mut Seen) {
        while let Some(record) = reader.next_record().expect("memory reads") {
            into.push((record.line, record.broken, reader.raw().to_vec()));
        }
    }

    fn in_blocks(text: &[u8], block_bytes: usize) -> Seen {
        let mut cutter = Cutter::new(Box::new(Cursor::new(text.to_vec())), Vec::new(), 1).of(block_bytes);
        let (mut seen, mut unfinished) = (Vec::new(), None);
        while let Some(mut block) = cutter.next().expect("memory reads") {
            if let Some((line, bytes)) = unfinished.take() {
                block = block.behind(line, bytes);
            }
            let mut reader = RecordReader::of_block(&block.bytes[..], b',', block.line, block.ends_with_file);
            drain(&mut reader, &mut seen);
            unfinished = reader.take_unfinished();
        }
        assert_eq!(unfinished, None, "the last block leaves nothing");
        seen
    }

    fn whole(text: &[u8]) -> Seen {
        let mut seen = Vec::new();
        drain(&mut RecordReader::new(text, b','), &mut seen);
        seen
    }

    proptest! {
        #[test]
        fn blocks_give_the_records_of_the_whole_file(
            text in proptest::collection::vec(
                prop_oneof![4 => Just(b'"'), 4 => Just(b','), 6 => Just(b'\n'), 1 => Just(b'\r'), 6 => Just(b'a'),
                    1 => any::<u8>()], 0..400),
            block_bytes in 1usize..80,
        ) {
            prop_assert_eq!(in_blocks(&text, block_bytes), whole(&text));
        }
    }

    #[test]
    fn a_line_longer_than_a_block_and_one_beyond_the_limit_are_told_alike() {
        let mut text = b"1,\"a\nb\"\n".to_vec();
        text.extend_from_slice(&vec![b'x'; 3 * MAX_RECORD_BYTES]);
        text.extend_from_slice(b"\n2,c\n\"open\n");
        text.extend_from_slice(&vec![b'y'; MAX_RECORD_BYTES + 10]);
        text.extend_from_slice(b"\n3,d");
        let wanted = whole(&text);
        assert_eq!(wanted.len(), 6);
        for block_bytes in [64 << 10, MAX_RECORD_BYTES + 1, 2 << 20] {
            let found = in_blocks(&text, block_bytes);
            assert!(found == wanted, "blocks of {block_bytes}");
        }
    }
}
