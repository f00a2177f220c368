//! Where to go on in a result: opaque and signed, good for one viewer, one `Query`, one snapshot.

use crate::{
    failure::Failure,
    identity::{Viewer, is_signed, mac},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use concert_contract::query::Query;
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

#[derive(Serialize, Deserialize)]
struct Payload {
    /// The viewer.
    v: String,
    /// The query's digest.
    q: String,
    /// The snapshot.
    s: String,
    /// The rows before.
    o: u64,
}

/// The cursor of the page that begins after `offset` rows. `query` has no cursor itself.
pub fn write(key: &[u8], viewer: &Viewer, query: &Query, snapshot: &str, offset: u64) -> Result<String, Failure> {
    let payload = Payload {
        v: viewer.id.clone(),
        q: digest(query)?,
        s: snapshot.to_owned(),
        o: offset,
    };
    let payload =
        serde_json::to_vec(&payload).map_err(|error| Failure::internal(format!("a cursor as JSON: {error}")))?;
    let signature = URL_SAFE_NO_PAD.encode(mac(key, "cursor", &payload));
    Ok(format!("{}.{signature}", URL_SAFE_NO_PAD.encode(&payload)))
}

/// The rows before the page that `cursor` means.
///
/// # Errors
/// 400 `invalid_cursor` if it was not made here for this viewer and query, 409 `snapshot_changed` if the data is another.
pub fn read(key: &[u8], viewer: &Viewer, query: &Query, snapshot: &str, cursor: &str) -> Result<u64, Failure> {
    let invalid = |reason: &str| {
        Failure::validation("invalid_cursor", "This cursor does not belong to this query.")
            .with_action("Ask again without a cursor.")
            .with_internal(format!("cursor: {reason}"))
    };
    let (payload, signature) = cursor.split_once('.').ok_or_else(|| invalid("no signature"))?;
    let payload = URL_SAFE_NO_PAD.decode(payload).map_err(|_| invalid("not base64"))?;
    let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| invalid("not base64"))?;
    if !is_signed(key, "cursor", &payload, &signature) {
        return Err(invalid("wrong signature"));
    }
    let payload: Payload = serde_json::from_slice(&payload).map_err(|_| invalid("of another version"))?;
    if payload.v != viewer.id {
        return Err(invalid("of another viewer"));
    }
    if payload.q != digest(query)? {
        return Err(invalid("of another query"));
    }
    if payload.s != snapshot {
        return Err(
            Failure::conflict("snapshot_changed", "The data has changed since the first page.")
                .with_action("Ask again without a cursor."),
        );
    }
    Ok(payload.o)
}

fn digest(query: &Query) -> Result<String, Failure> {
    let json = serde_json::to_vec(query).map_err(|error| Failure::internal(format!("a query as JSON: {error}")))?;
    Ok(hex::encode(Sha256::digest(json)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_is_good_for_its_viewer_query_and_snapshot_only() {
        let viewer = |id: &str| Viewer {
            id: id.into(),
            role: "guest".into(),
            kind: crate::identity::Kind::Guest,
        };
        let query = |metric: &str| Query {
            metrics: vec![metric.into()],
            ..Query::default()
        };
        let cursor = write(b"key", &viewer("a"), &query("m"), "s1", 200).unwrap();
        assert_eq!(read(b"key", &viewer("a"), &query("m"), "s1", &cursor), Ok(200));
        let code = |result: Result<u64, Failure>| result.unwrap_err().code;
        assert_eq!(
            code(read(b"other", &viewer("a"), &query("m"), "s1", &cursor)),
            "invalid_cursor"
        );
        assert_eq!(
            code(read(b"key", &viewer("b"), &query("m"), "s1", &cursor)),
            "invalid_cursor"
        );
        assert_eq!(
            code(read(b"key", &viewer("a"), &query("n"), "s1", &cursor)),
            "invalid_cursor"
        );
        assert_eq!(
            code(read(b"key", &viewer("a"), &query("m"), "s2", &cursor)),
            "snapshot_changed"
        );
        for at in 0..cursor.len() {
            let mut bytes = cursor.clone().into_bytes();
            bytes[at] = if bytes[at] == b'A' { b'B' } else { b'A' };
            let tampered = String::from_utf8(bytes).unwrap();
            assert_eq!(
                code(read(b"key", &viewer("a"), &query("m"), "s1", &tampered)),
                "invalid_cursor",
                "{at}"
            );
        }
    }
}
