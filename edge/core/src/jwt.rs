//! Tokens: a JWT signed with RS256 by a key of the configured issuer. Algorithm and issuer are fixed by the settings;
//! nothing that a token says chooses an algorithm, a key's address or an issuer (RFC 8725). Keys come from the issuer's
//! JWKS and are kept; a key id that is not known has them read again, at most once a minute.

use crate::{
    Level,
    failure::Failure,
    limits::{KEYS_MAX_AGE_MS, KEYS_REFETCH_MS, STORE_TIMEOUT_MS, TOKEN_LEEWAY_S, TOKEN_MAX_BYTES},
    lock,
    settings::Jwt,
    upstream::{Context, collect},
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::Request;
use num_bigint::BigUint;
use serde::Deserialize;
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::{collections::BTreeMap, sync::Arc};

/// What stands before the hash in a signature: the DER of `DigestInfo` for SHA-256 (RFC 8017, section 9.2).
const SHA256_PREFIX: [u8; 19] = [
    0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20,
];
/// Shorter keys are broken or soon will be, longer ones only cost time.
const KEY_BITS: std::ops::RangeInclusive<u64> = 2_048..=8_192;
/// Keys of one issuer that are kept.
const KEYS_MAX: usize = 32;

/// The issuer's keys, as they were last read.
#[derive(Clone, Debug, Default)]
pub struct Keys {
    by_id: Arc<BTreeMap<String, Key>>,
    /// When they were read, and when that was last tried; 0 for never.
    read_at_ms: u64,
    tried_at_ms: u64,
}

#[derive(Clone, Debug, PartialEq)]
struct Key {
    modulus: BigUint,
    exponent: BigUint,
}

/// Who a token is of.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Claims {
    pub subject: String,
    /// The values of the role claim, in its order.
    pub roles: Vec<String>,
}

/// Checks a token.
///
/// # Errors
/// 401 for whatever is wrong with it; what it was stands in the log. 502 if the issuer's keys cannot be read.
pub async fn verify(context: &Context, settings: &Jwt, token: &str) -> Result<Claims, Failure> {
    let invalid = |reason: &str| {
        Failure::unauthorized("invalid_token", "This token is not accepted.")
            .with_action("Sign in again.")
            .with_internal(format!("token: {reason}"))
    };
    let parts = Parts::read(token).map_err(invalid)?;
    let now_ms = context.host.now_ms();
    let known = lock(&context.edge.keys).clone();
    let is_fresh = known.read_at_ms > 0 && now_ms.saturating_sub(known.read_at_ms) < KEYS_MAX_AGE_MS;
    let key = known.by_id.get(&parts.key_id).cloned();
    let may_ask = known.tried_at_ms == 0 || now_ms.saturating_sub(known.tried_at_ms) >= KEYS_REFETCH_MS;
    let key = match key {
        Some(key) if is_fresh || !may_ask => Some(key),
        stale if may_ask => match read_keys(context, settings, now_ms).await {
            Ok(keys) => keys.get(&parts.key_id).cloned(),
            // Keys that were good an hour ago are better than nobody's coming in.
            Err(failure) => match stale {
                Some(key) => Some(key),
                None => return Err(failure),
            },
        },
        _ => None,
    };
    let key = key.ok_or_else(|| invalid("no such key"))?;
    if !key.has_signed(&parts.signed, &parts.signature) {
        return Err(invalid("wrong signature"));
    }
    check(&parts.payload, settings, now_ms / 1000).map_err(invalid)
}

async fn read_keys(context: &Context, settings: &Jwt, now_ms: u64) -> Result<Arc<BTreeMap<String, Key>>, Failure> {
    lock(&context.edge.keys).tried_at_ms = now_ms;
    let unreachable = |reason: String| {
        context.log(Level::Error, &format!("keys of the token issuer: {reason}"));
        Failure::unreachable("The sign-in service", reason)
    };
    let address = format!("{}/.well-known/jwks.json", settings.issuer);
    let request = Request::get(&address)
        .header(http::header::ACCEPT, "application/json")
        .body(Bytes::new())
        .map_err(|error| unreachable(error.to_string()))?;
    let response = context
        .within(STORE_TIMEOUT_MS, context.host.send(request))
        .await
        .ok_or_else(|| unreachable(format!("no answer within {STORE_TIMEOUT_MS} ms")))?
        .map_err(|error| unreachable(error.to_string()))?;
    if !response.status().is_success() {
        return Err(unreachable(format!("status {}", response.status())));
    }
    let body = collect(context, response.into_body(), STORE_TIMEOUT_MS)
        .await
        .map_err(|error| unreachable(error.describe()))?;
    let keys = Arc::new(keys(&body).ok_or_else(|| unreachable("not a key set".to_owned()))?);
    *lock(&context.edge.keys) = Keys {
        by_id: keys.clone(),
        read_at_ms: now_ms,
        tried_at_ms: now_ms,
    };
    Ok(keys)
}

/// The RSA keys for signatures in a JWKS (RFC 7517), by id.
fn keys(body: &[u8]) -> Option<BTreeMap<String, Key>> {
    #[derive(Deserialize)]
    struct Set {
        keys: Vec<Value>,
    }
    let set: Set = serde_json::from_slice(body).ok()?;
    let key = |key: &Value| {
        let field = |name: &str| key.get(name).and_then(Value::as_str);
        let fits = field("kty") == Some("RSA")
            && field("use").is_none_or(|usage| usage == "sig")
            && field("alg").is_none_or(|algorithm| algorithm == "RS256");
        let number = |name: &str| Some(BigUint::from_bytes_be(&URL_SAFE_NO_PAD.decode(field(name)?).ok()?));
        let (modulus, exponent) = (number("n")?, number("e")?);
        let is_sound = KEY_BITS.contains(&modulus.bits())
            && exponent.bits() <= 32
            && exponent.bit(0)
            && exponent > BigUint::from(2u8);
        (fits && is_sound).then(|| Some((field("kid")?.to_owned(), Key { modulus, exponent })))?
    };
    Some(set.keys.iter().filter_map(key).take(KEYS_MAX).collect())
}

impl Key {
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 8017, section 8.2.2): what the signature should be is made and compared as a
    /// whole, so that nothing of it is parsed. All of it is public, so time tells nothing.
    fn has_signed(&self, message: &[u8], signature: &[u8]) -> bool {
        let length = self.modulus.bits().div_ceil(8) as usize;
        let number = BigUint::from_bytes_be(signature);
        if signature.len() != length || number >= self.modulus {
            return false;
        }
        let opened = number.modpow(&self.exponent, &self.modulus).to_bytes_be();
        let Some(padding) = length.checked_sub(SHA256_PREFIX.len() + 32 + 3) else {
            return false;
        };
        // The leading zero byte is no part of the number.
        let mut expected = vec![1];
        expected.resize(1 + padding, 0xff);
        expected.push(0);
        expected.extend(SHA256_PREFIX);
        expected.extend(Sha256::digest(message));
        opened == expected
    }
}

struct Parts {
    key_id: String,
    payload: Value,
    signed: Vec<u8>,
    signature: Vec<u8>,
}

impl Parts {
    fn read(token: &str) -> Result<Parts, &'static str> {
        if token.len() > TOKEN_MAX_BYTES {
            return Err("too long");
        }
        let mut parts = token.split('.');
        let (Some(header), Some(payload), Some(signature), None) =
            (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err("not three parts");
        };
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| "not base64");
        let head: Value = serde_json::from_slice(&decode(header)?).map_err(|_| "a header that is no JSON")?;
        if head.get("alg").and_then(Value::as_str) != Some("RS256") {
            return Err("another algorithm");
        }
        // Extensions that must be understood are not.
        if head.get("crit").is_some() {
            return Err("a critical extension");
        }
        let key_id = head.get("kid").and_then(Value::as_str).ok_or("no key id")?;
        Ok(Parts {
            key_id: key_id.to_owned(),
            payload: serde_json::from_slice(&decode(payload)?).map_err(|_| "a payload that is no JSON")?,
            signed: token.as_bytes()[..header.len() + 1 + payload.len()].to_vec(),
            signature: decode(signature)?,
        })
    }
}

/// Cognito's rules: an access token names its client in `client_id`, an id token in `aud`; other issuers use `aud`.
fn check(payload: &Value, settings: &Jwt, now_s: u64) -> Result<Claims, &'static str> {
    let text = |name: &str| payload.get(name).and_then(Value::as_str);
    if text("iss").map(|issuer| issuer.trim_end_matches('/')) != Some(&settings.issuer) {
        return Err("another issuer");
    }
    let is_audience = |audience: &str| settings.audiences.iter().any(|known| known == audience);
    let is_for_us = match text("token_use") {
        Some("access") => text("client_id").is_some_and(is_audience),
        Some("id") => text("aud").is_some_and(is_audience),
        Some(_) => return Err("another use"),
        None => match payload.get("aud") {
            Some(Value::String(audience)) => is_audience(audience),
            Some(Value::Array(all)) => all.iter().filter_map(Value::as_str).any(is_audience),
            _ => false,
        },
    };
    if !is_for_us {
        return Err("another audience");
    }
    // Numbers of seconds may have a fraction (RFC 7519, section 2).
    let time = |name: &str| {
        payload
            .get(name)
            .map(|value| value.as_f64().ok_or("a time that is none"))
    };
    let now = now_s as f64;
    let leeway = TOKEN_LEEWAY_S as f64;
    match time("exp").transpose()? {
        Some(end) if end + leeway > now => {}
        Some(_) => return Err("expired"),
        None => return Err("no end"),
    }
    if time("nbf").transpose()?.is_some_and(|begin| begin - leeway > now) {
        return Err("not valid yet");
    }
    let subject = text("sub").filter(|subject| !subject.is_empty()).ok_or("no subject")?;
    let roles = match payload.get(&settings.role_claim) {
        Some(Value::String(role)) => vec![role.clone()],
        Some(Value::Array(roles)) => roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    };
    Ok(Claims {
        subject: subject.to_owned(),
        roles,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn settings() -> Jwt {
        Jwt {
            issuer: "https://issuer.example.com/pool".into(),
            audiences: vec!["client-1".into()],
            role_claim: "cognito:groups".into(),
        }
    }

    fn payload(change: impl FnOnce(&mut Value)) -> Value {
        let mut payload = json!({
            "iss": "https://issuer.example.com/pool", "sub": "person", "token_use": "access", "client_id": "client-1",
            "exp": 2_000, "nbf": 500, "cognito:groups": ["booker", "staff"],
        });
        change(&mut payload);
        payload
    }

    /// What is changed in a payload that is good, and how.
    type Changed = (&'static str, fn(&mut Value));

    #[test]
    fn claims_are_taken_by_cognitos_rules() {
        let claims = check(&payload(|_| {}), &settings(), 1_000).unwrap();
        assert_eq!((claims.subject.as_str(), claims.roles.len()), ("person", 2));
        let taken: [Changed; 4] = [
            ("an id token", |p| {
                p["token_use"] = json!("id");
                p["aud"] = json!("client-1");
            }),
            ("another issuer's audience", |p| {
                p.as_object_mut().unwrap().remove("token_use");
                p["aud"] = json!(["x", "client-1"]);
            }),
            ("no role", |p| p["cognito:groups"] = json!(7)),
            ("within the leeway", |p| p["exp"] = json!(941.5)),
        ];
        for (what, change) in taken {
            assert!(check(&payload(change), &settings(), 1_000).is_ok(), "{what}");
        }
    }

    #[test]
    fn every_wrong_claim_is_refused() {
        let refused: [Changed; 13] = [
            ("another issuer", |p| {
                p["iss"] = json!("https://issuer.example.com/other")
            }),
            ("another issuer", |p| {
                p["iss"] = json!(["https://issuer.example.com/pool"])
            }),
            ("another audience", |p| p["client_id"] = json!("client-2")),
            ("another audience", |p| p["token_use"] = json!("id")),
            ("another audience", |p| {
                p.as_object_mut().unwrap().remove("token_use");
            }),
            ("another use", |p| p["token_use"] = json!("refresh")),
            ("expired", |p| p["exp"] = json!(900)),
            ("no end", |p| {
                p.as_object_mut().unwrap().remove("exp");
            }),
            ("a time that is none", |p| p["exp"] = json!("2000")),
            ("not valid yet", |p| p["nbf"] = json!(1_100)),
            ("no subject", |p| p["sub"] = json!("")),
            ("no subject", |p| p["sub"] = json!(7)),
            ("another issuer", |p| *p = json!([])),
        ];
        for (reason, change) in refused {
            assert_eq!(check(&payload(change), &settings(), 1_000), Err(reason));
        }
    }

    #[test]
    fn keys_that_are_weak_or_for_something_else_are_left_out() {
        let strong = URL_SAFE_NO_PAD.encode([0xff; 256]);
        let weak = URL_SAFE_NO_PAD.encode([0xff; 128]);
        let set = json!({"keys": [
            {"kty": "RSA", "kid": "good", "use": "sig", "alg": "RS256", "n": strong, "e": "AQAB"},
            {"kty": "RSA", "kid": "weak", "n": weak, "e": "AQAB"},
            {"kty": "RSA", "kid": "one", "n": strong, "e": "AQ"},
            {"kty": "RSA", "kid": "encryption", "use": "enc", "n": strong, "e": "AQAB"},
            {"kty": "oct", "kid": "secret", "k": "AAAA"},
            {"kty": "RSA", "n": strong, "e": "AQAB"},
            7,
        ]});
        let keys = keys(set.to_string().as_bytes()).unwrap();
        assert_eq!(keys.keys().collect::<Vec<_>>(), ["good"]);
        assert!(super::keys(b"[]").is_none());
    }
}
