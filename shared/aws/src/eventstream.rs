//! AWS event streams: bytes in pieces of any size, whole frames out. The prelude's checksum is looked at as soon as it
//! is there, so that a corrupted length is an error at once and not a wait for bytes that never come.

use aws_smithy_eventstream::frame::{DecodedFrame, MessageFrameDecoder, write_message_to};
pub use aws_smithy_types::event_stream::{Header, HeaderValue, Message};
use bytes::{Buf, BytesMut};

/// Bedrock's frames are a few hundred bytes; the protocol allows 16 MB. A frame over this is refused before it is
/// collected.
pub const FRAME_MAX_BYTES: usize = 1024 * 1024;

/// Lengths of the message and of its headers, and a checksum of the two.
const PRELUDE_BYTES: usize = 12;

#[derive(Debug, thiserror::Error)]
pub enum FrameError {
    #[error("the event stream is corrupted: {0}")]
    Corrupted(String),
    #[error("a frame of {bytes} bytes is over the limit of {FRAME_MAX_BYTES} bytes")]
    TooLong { bytes: usize },
    #[error("the event stream ended {missing} inside a frame")]
    Cut { missing: &'static str },
}

/// Collects pieces and hands out frames. After an error nothing more can be read from the stream.
#[derive(Debug, Default)]
pub struct Decoder {
    buffer: BytesMut,
    failed: bool,
}

impl Decoder {
    pub fn new() -> Decoder {
        Decoder::default()
    }

    /// Takes the next piece, however it was cut.
    pub fn push(&mut self, piece: &[u8]) {
        self.buffer.extend_from_slice(piece);
    }

    /// The next whole frame, or none until more bytes come.
    ///
    /// # Errors
    /// A wrong checksum or length, or a frame over [`FRAME_MAX_BYTES`]; the same error state holds from then on.
    pub fn next_frame(&mut self) -> Result<Option<Message>, FrameError> {
        if self.failed {
            return Err(FrameError::Corrupted(
                "nothing can be read after an earlier error".to_owned(),
            ));
        }
        let result = self.decode();
        self.failed = result.is_err();
        result
    }

    fn decode(&mut self) -> Result<Option<Message>, FrameError> {
        let Some(prelude) = self.buffer.get(..PRELUDE_BYTES) else {
            return Ok(None);
        };
        let total_bytes = (&prelude[0..4]).get_u32() as usize;
        let expected = (&prelude[8..12]).get_u32();
        let actual = crc32(&prelude[..8]);
        if expected != actual {
            return Err(FrameError::Corrupted(format!(
                "the prelude's checksum is {actual:08x}, but it says {expected:08x}"
            )));
        }
        if total_bytes > FRAME_MAX_BYTES {
            return Err(FrameError::TooLong { bytes: total_bytes });
        }
        if total_bytes < PRELUDE_BYTES + 4 {
            return Err(FrameError::Corrupted(format!(
                "a frame cannot be {total_bytes} bytes long"
            )));
        }
        if self.buffer.len() < total_bytes {
            return Ok(None);
        }
        let mut frame = self.buffer.split_to(total_bytes).freeze();
        match MessageFrameDecoder::new().decode_frame(&mut frame) {
            Ok(DecodedFrame::Complete(message)) => Ok(Some(message)),
            Ok(DecodedFrame::Incomplete) => Err(FrameError::Corrupted("its length does not fit its parts".to_owned())),
            Err(error) => Err(FrameError::Corrupted(error.to_string())),
        }
    }

    /// To be called when the bytes end.
    ///
    /// # Errors
    /// The stream stopped inside a frame.
    pub fn finish(&self) -> Result<(), FrameError> {
        match self.buffer.len() {
            0 => Ok(()),
            n if n < PRELUDE_BYTES => Err(FrameError::Cut {
                missing: "before its length was known",
            }),
            _ => Err(FrameError::Cut {
                missing: "before its last byte",
            }),
        }
    }
}

/// A frame as bytes: what a server sends and what tests feed to [`Decoder`].
///
/// # Errors
/// A header or payload that does not fit into a frame.
pub fn encode(message: &Message) -> Result<Vec<u8>, FrameError> {
    let mut bytes = Vec::new();
    write_message_to(message, &mut bytes).map_err(|error| FrameError::Corrupted(error.to_string()))?;
    Ok(bytes)
}

/// A header's text, if it is there and is text.
pub fn text_header<'a>(message: &'a Message, name: &str) -> Option<&'a str> {
    let header = message.headers().iter().find(|header| header.name().as_str() == name)?;
    header.value().as_string().ok().map(|text| text.as_str())
}

/// CRC-32 (IEEE 802.3), bit by bit: eight bytes for each frame, so a table would not pay.
fn crc32(bytes: &[u8]) -> u32 {
    let mut crc = u32::MAX;
    for byte in bytes {
        crc ^= u32::from(*byte);
        for _ in 0..8 {
            crc = if crc & 1 == 1 {
                (crc >> 1) ^ 0xEDB8_8320
            } else {
                crc >> 1
            };
        }
    }
    !crc
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_checksum_is_the_one_of_the_standard() {
        assert_eq!(crc32(b"123456789"), 0xCBF4_3926);
    }

    #[test]
    fn a_frame_over_the_limit_is_refused_before_it_is_collected() {
        let mut prelude = Vec::new();
        prelude.extend_from_slice(&(16u32 * 1024 * 1024).to_be_bytes());
        prelude.extend_from_slice(&0u32.to_be_bytes());
        let crc = crc32(&prelude);
        prelude.extend_from_slice(&crc.to_be_bytes());
        let mut decoder = Decoder::new();
        decoder.push(&prelude);
        assert!(matches!(
            decoder.next_frame(),
            Err(FrameError::TooLong { bytes: 16_777_216 })
        ));
        assert!(matches!(decoder.next_frame(), Err(FrameError::Corrupted(_))));
    }

    #[test]
    fn a_length_that_cannot_be_is_an_error() {
        let mut prelude = vec![0, 0, 0, 3, 0, 0, 0, 0];
        let crc = crc32(&prelude);
        prelude.extend_from_slice(&crc.to_be_bytes());
        let mut decoder = Decoder::new();
        decoder.push(&prelude);
        assert!(matches!(decoder.next_frame(), Err(FrameError::Corrupted(_))));
    }
}
