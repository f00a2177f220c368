use base64::{Engine, engine::general_purpose::STANDARD};
use concert_aws::eventstream::{Decoder, FRAME_MAX_BYTES, FrameError, Header, HeaderValue, Message, encode};
use proptest::prelude::*;
use serde::Deserialize;
use serde_json::Value;
use std::{
    fs,
    path::{Path, PathBuf},
};

/// A vector: its bytes, and what is in them or why they are refused.
struct Vector {
    name: String,
    bytes: Vec<u8>,
    decoded: String,
}

/// AWS's vectors.
fn vectors(kind: &str) -> Vec<Vector> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/eventstream");
    let Ok(files) = fs::read_dir(folder.join("encoded").join(kind)) else {
        eprintln!("skipped: AWS's event streams are not at {}", folder.display());
        return Vec::new();
    };
    let mut files: Vec<PathBuf> = files.map(|file| file.unwrap().path()).collect();
    files.sort();
    files
        .into_iter()
        .map(|file| {
            let name = file.file_name().unwrap().to_string_lossy().into_owned();
            let decoded = fs::read_to_string(folder.join("decoded").join(kind).join(&name)).unwrap();
            Vector {
                bytes: fs::read(file).unwrap(),
                decoded,
                name,
            }
        })
        .collect()
}

#[derive(Deserialize)]
struct Decoded {
    headers: Vec<DecodedHeader>,
    payload: String,
}

#[derive(Deserialize)]
struct DecodedHeader {
    name: String,
    #[serde(rename = "type")]
    kind: u8,
    value: Value,
}

fn expected(decoded: &str) -> Message {
    let decoded: Decoded = serde_json::from_str(decoded).unwrap();
    let bytes = |value: &Value| STANDARD.decode(value.as_str().unwrap()).unwrap();
    let payload = STANDARD.decode(decoded.payload).unwrap();
    decoded
        .headers
        .into_iter()
        .fold(Message::new(payload), |message, header| {
            let number = header.value.as_i64().unwrap_or_default();
            let value = match header.kind {
                0 => HeaderValue::Bool(true),
                1 => HeaderValue::Bool(false),
                2 => HeaderValue::Byte(number.try_into().unwrap()),
                3 => HeaderValue::Int16(number.try_into().unwrap()),
                4 => HeaderValue::Int32(number.try_into().unwrap()),
                5 => HeaderValue::Int64(number),
                6 => HeaderValue::ByteArray(bytes(&header.value).into()),
                7 => HeaderValue::String(String::from_utf8(bytes(&header.value)).unwrap().into()),
                8 => HeaderValue::Timestamp(aws_smithy_types::DateTime::from_millis(number)),
                9 => HeaderValue::Uuid(u128::from_be_bytes(bytes(&header.value).try_into().unwrap())),
                other => panic!("header type {other}"),
            };
            message.add_header(Header::new(header.name, value))
        })
}

/// The frames of `pieces`, and the error that ended them.
fn decode<'a>(pieces: impl IntoIterator<Item = &'a [u8]>) -> (Vec<Message>, Option<FrameError>) {
    let mut decoder = Decoder::new();
    let mut frames = Vec::new();
    for piece in pieces {
        decoder.push(piece);
        loop {
            match decoder.next_frame() {
                Ok(Some(frame)) => frames.push(frame),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    (frames, decoder.finish().err())
}

#[test]
fn positive_vectors_are_decoded_wherever_they_are_split_and_encoded_again() {
    for vector in vectors("positive") {
        let expected = expected(&vector.decoded);
        for at in 0..=vector.bytes.len() {
            let (first, second) = vector.bytes.split_at(at);
            let (frames, error) = decode([first, second]);
            assert!(error.is_none(), "{} split at {at}: {error:?}", vector.name);
            assert_eq!(frames, std::slice::from_ref(&expected), "{} split at {at}", vector.name);
        }
        let (frames, error) = decode(vector.bytes.chunks(1));
        assert!(
            error.is_none() && frames == std::slice::from_ref(&expected),
            "{} byte by byte",
            vector.name
        );
        assert_eq!(encode(&expected).unwrap(), vector.bytes, "{}", vector.name);
    }
}

#[test]
fn negative_vectors_are_refused_wherever_they_are_split_for_the_reason_on_file() {
    for vector in vectors("negative") {
        for at in 0..=vector.bytes.len() {
            let (first, second) = vector.bytes.split_at(at);
            let (frames, error) = decode([first, second]);
            assert!(frames.is_empty(), "{} split at {at}", vector.name);
            let Some(FrameError::Corrupted(reason)) = error else {
                panic!("{} split at {at}: {error:?}", vector.name)
            };
            let part = vector.decoded.split(' ').next().unwrap().to_lowercase();
            assert!(
                reason.contains(&part) && reason.contains("checksum"),
                "{}: {reason}",
                vector.name
            );
        }
    }
}

/// A text and its end, as bytes that another encoder (Python's struct and zlib) made; botocore reads them the same.
const TEXT_STREAM: &str = include_str!("../data/text_stream.base64");

#[test]
fn frames_of_another_encoder_are_decoded_wherever_they_are_split() {
    let bytes = STANDARD.decode(TEXT_STREAM.replace('\n', "")).unwrap();
    let (whole, error) = decode([bytes.as_slice()]);
    assert!(error.is_none(), "{error:?}");
    let payloads: Vec<String> = whole
        .iter()
        .map(|f| String::from_utf8(f.payload().to_vec()).unwrap())
        .collect();
    assert_eq!(
        payloads,
        [
            r#"{"role":"assistant"}"#,
            r#"{"contentBlockIndex":0,"delta":{"text":"Washington, 41\u202f520"}}"#,
            r#"{"contentBlockIndex":0}"#,
            r#"{"stopReason":"end_turn"}"#,
        ]
    );
    for at in 0..=bytes.len() {
        let (first, second) = bytes.split_at(at);
        assert_eq!(decode([first, second]).0, whole, "split at {at}");
        // What is cut off is missed, and what came before is there.
        let (frames, error) = decode([first]);
        assert!(whole.starts_with(&frames), "cut at {at}");
        let ends = whole.iter().scan(0, |end, frame| {
            *end += encode(frame).unwrap().len();
            Some(*end)
        });
        let is_between_frames = at == 0 || ends.into_iter().any(|end| end == at);
        assert_eq!(error.is_none(), is_between_frames, "cut at {at}: {error:?}");
    }
}

proptest! {
    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..400), size in 1usize..50) {
        decode(bytes.chunks(size));
    }

    #[test]
    fn one_wrong_bit_is_always_noticed(bit in 0usize..1000) {
        let message = Message::new(&b"{\"stopReason\":\"end_turn\"}"[..])
            .add_header(Header::new(":event-type", HeaderValue::String("messageStop".into())));
        let mut bytes = encode(&message).unwrap();
        let bit = bit % (bytes.len() * 8);
        bytes[bit / 8] ^= 1 << (bit % 8);
        let (frames, error) = decode([bytes.as_slice()]);
        prop_assert!(frames.is_empty() && error.is_some());
    }
}

#[test]
fn a_frame_of_the_largest_size_is_decoded_and_one_byte_more_is_refused() {
    let message = |payload: usize| encode(&Message::new(vec![b' '; payload])).unwrap();
    let (frames, error) = decode([message(FRAME_MAX_BYTES - 16).as_slice()]);
    assert!(frames.len() == 1 && error.is_none(), "{error:?}");
    let (frames, error) = decode([message(FRAME_MAX_BYTES - 15).as_slice()]);
    assert!(
        frames.is_empty() && matches!(error, Some(FrameError::TooLong { .. })),
        "{error:?}"
    );
}
