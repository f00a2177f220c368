//! Keys as bytes that sort as DynamoDB sorts: by a hash of the partition key, then the partition key, then the sort
//! key by its type. A scan walks the hashes, so that its segments are ranges of them.

use super::value::Value;

/// Escaped so that a shorter value sorts first and no value is a beginning of another.
fn push_closed(bytes: &[u8], out: &mut Vec<u8>) {
    push_escaped(bytes, out);
    out.extend_from_slice(&[0, 0]);
}

fn push_escaped(bytes: &[u8], out: &mut Vec<u8>) {
    for byte in bytes {
        out.push(*byte);
        if *byte == 0 {
            out.push(0xFF);
        }
    }
}

fn push_key_value(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::S(text) => push_closed(text.as_bytes(), out),
        Value::B(bytes) => push_closed(bytes, out),
        Value::N(number) => number.encode_ordered(out),
        // Keys are checked against their schema before they come here.
        _ => push_closed(&[], out),
    }
}

/// FNV-1a over the encoded value, finished with murmur3's mixer so that the high bits are even too. Part of the
/// format on disk.
pub(crate) fn hash(encoded: &[u8]) -> u64 {
    let mut hash = encoded.iter().fold(0xcbf2_9ce4_8422_2325u64, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    });
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xff51_afd7_ed55_8ccd);
    hash ^= hash >> 33;
    hash = hash.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    hash ^ (hash >> 33)
}

/// Everything of one table or index begins with its number.
pub(crate) fn space(id: u32) -> Vec<u8> {
    id.to_be_bytes().to_vec()
}

/// The beginning that all keys of one partition share.
pub(crate) fn partition(id: u32, partition_key: &Value) -> Vec<u8> {
    let mut encoded = Vec::new();
    push_key_value(partition_key, &mut encoded);
    let mut out = space(id);
    out.extend_from_slice(&hash(&encoded).to_be_bytes());
    out.extend_from_slice(&encoded);
    out
}

/// The whole key of an item in a table.
pub(crate) fn item(id: u32, partition_key: &Value, sort_key: Option<&Value>) -> Vec<u8> {
    let mut out = partition(id, partition_key);
    if let Some(sort_key) = sort_key {
        push_key_value(sort_key, &mut out);
    }
    out
}

/// The key of an item in an index: the index's own key, then the table's, since many items may share the first.
pub(crate) fn index(id: u32, partition_key: &Value, sort_key: Option<&Value>, primary: &[u8]) -> Vec<u8> {
    let mut out = item(id, partition_key, sort_key);
    out.extend_from_slice(primary);
    out
}

/// A partition's prefix followed by a sort key's whole encoding.
pub(crate) fn with_sort(partition: &[u8], sort_key: &Value) -> Vec<u8> {
    let mut out = partition.to_vec();
    push_key_value(sort_key, &mut out);
    out
}

/// A partition's prefix followed by the beginning of a sort key.
pub(crate) fn with_sort_prefix(partition: &[u8], prefix: &[u8]) -> Vec<u8> {
    let mut out = partition.to_vec();
    push_escaped(prefix, &mut out);
    out
}

/// The least key greater than every key that begins so; none where there is no such key.
pub(crate) fn after_prefix(prefix: &[u8]) -> Option<Vec<u8>> {
    let mut out = prefix.to_vec();
    while let Some(last) = out.pop() {
        if last < 0xFF {
            out.push(last + 1);
            return Some(out);
        }
    }
    None
}

/// The keys of one segment of a parallel scan, as a half-open range.
pub(crate) fn segment(id: u32, segment: u32, total: u32) -> (Vec<u8>, Option<Vec<u8>>) {
    let bound = |number: u32| {
        let hash = (u128::from(number) << 64) / u128::from(total.max(1));
        u64::try_from(hash).ok().map(|hash| {
            let mut out = space(id);
            out.extend_from_slice(&hash.to_be_bytes());
            out
        })
    };
    (
        bound(segment).unwrap_or_else(|| space(id)),
        bound(segment + 1).or_else(|| after_prefix(&space(id))),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dynamodb::number::Number;
    use proptest::prelude::*;

    fn number() -> impl Strategy<Value = Number> {
        (any::<bool>(), "[0-9]{1,20}", -140i32..120).prop_filter_map("in range", |(negative, digits, power)| {
            format!("{}{digits}e{power}", if negative { "-" } else { "" })
                .parse()
                .ok()
        })
    }

    proptest! {
        #[test]
        fn keys_of_numbers_sort_as_numbers(left in number(), right in number()) {
            let key = |value: Number| item(1, &Value::string("p"), Some(&Value::N(value)));
            prop_assert_eq!(key(left).cmp(&key(right)), left.cmp(&right));
        }

        #[test]
        fn keys_of_bytes_sort_as_bytes(left in prop::collection::vec(0u8..3, 0..6), right in prop::collection::vec(0u8..3, 0..6)) {
            let key = |value: &Vec<u8>| index(1, &Value::string("p"), Some(&Value::B(value.clone())), b"primary");
            prop_assert_eq!(key(&left).cmp(&key(&right)), left.cmp(&right));
        }

        #[test]
        fn a_prefix_bounds_what_begins_with_it(text in ".{0,6}", rest in ".{0,4}", other in ".{0,8}") {
            let base = partition(7, &Value::string("p"));
            let low = with_sort_prefix(&base, text.as_bytes());
            let high = after_prefix(&low).expect("the table's number is small");
            let inside = |value: &str| {
                let key = with_sort(&base, &Value::string(value));
                low <= key && key < high
            };
            let longer = format!("{text}{rest}");
            prop_assert!(inside(&longer));
            prop_assert_eq!(inside(&other), other.starts_with(&text));
        }
    }

    #[test]
    fn segments_cover_every_key_once() {
        for total in [1, 2, 3, 7, 1_000_000] {
            let (first, _) = segment(3, 0, total);
            assert!(first <= item(3, &Value::string(""), None));
            for number in 1..total.min(8) {
                assert_eq!(segment(3, number - 1, total).1, Some(segment(3, number, total).0));
            }
            assert_eq!(segment(3, total - 1, total).1, Some(space(4)));
        }
    }
}
