//! A few signatures worked out by other programs, compiled in. Sources: `get-vanilla`, `get-vanilla-with-session-token`
//! and `post-vanilla` are AWS's documented example (suite of 2015); the ones with model ids come from botocore 1.43
//! (`SigV4Auth` over the same request).

use bytes::Bytes;
use concert_aws::{
    Credentials,
    sign::{Scope, sign},
};
use http::Request;
use serde::Deserialize;

#[derive(Deserialize)]
struct Vector {
    name: String,
    method: String,
    uri: String,
    body: String,
    headers: Vec<(String, String)>,
    region: String,
    service: String,
    now_ms: u64,
    access_key_id: String,
    secret_access_key: String,
    session_token: Option<String>,
    signed_headers: String,
    signature: String,
}

#[test]
fn signatures_are_those_of_other_programs() {
    let vectors: Vec<Vector> = serde_json::from_str(include_str!("../data/signatures.json")).unwrap();
    assert!(vectors.len() >= 6);
    for vector in vectors {
        let mut request = Request::builder().method(vector.method.as_str()).uri(&vector.uri);
        for (name, value) in &vector.headers {
            request = request.header(name, value);
        }
        let request = request.body(Bytes::from(vector.body)).unwrap();
        let credentials = Credentials {
            access_key_id: vector.access_key_id,
            secret_access_key: vector.secret_access_key,
            session_token: vector.session_token,
        };
        let scope = Scope::new(&vector.region, &vector.service);
        let signed = sign(request, &credentials, &scope, vector.now_ms).unwrap();
        let authorization = signed.headers()["authorization"].to_str().unwrap();
        let expected = format!(
            "SignedHeaders={}, Signature={}",
            vector.signed_headers, vector.signature
        );
        assert!(authorization.ends_with(&expected), "{}: {authorization}", vector.name);
    }
}
