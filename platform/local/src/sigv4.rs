//! Signature Version 4 from the server's side: the canonical request is rebuilt from what arrived and signed with the
//! secret that the access key stands for. Written from AWS's description; it shares nothing with the clients' signers
//! in this repository, so that an error in one cannot hide in the other.

use crate::{
    error::{AwsError, Protocol},
    service::query_pairs,
};
use hmac::{Hmac, Mac};
use http::{HeaderMap, Method, Uri};
use jiff::{SignedDuration, Timestamp, fmt::strtime, tz::TimeZone};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

const ALGORITHM: &str = "AWS4-HMAC-SHA256";
const TERMINATOR: &str = "aws4_request";
/// How far a request's clock may be from this one's.
const SKEW_MAX: SignedDuration = SignedDuration::from_mins(5);
/// The longest life of a presigned address.
const EXPIRES_MAX_SECONDS: i64 = 7 * 24 * 3600;

/// RFC 3986's unreserved characters stay as they are.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'_').remove(b'.').remove(b'~');
const PATH: &AsciiSet = &UNRESERVED.remove(b'/');

/// Whose requests are accepted.
#[derive(Clone)]
pub(crate) struct Credentials {
    pub access_key: String,
    pub secret_key: String,
    /// Of a temporary key.
    pub session_token: Option<String>,
    pub region: String,
}

/// A request as it arrived.
pub(crate) struct Received<'a> {
    pub method: &'a Method,
    pub uri: &'a Uri,
    pub headers: &'a HeaderMap,
    pub body: &'a [u8],
}

/// What a request says of its own signature.
struct Claim {
    access_key: String,
    /// date, region, service, terminator
    scope: [String; 4],
    signed_headers: Vec<String>,
    signature: String,
    /// `20260101T000000Z`
    time: String,
    session_token: Option<String>,
    /// Set for a presigned address.
    expires_seconds: Option<i64>,
}

/// Checks that `request` was signed for `service` with the secret of `credentials`.
///
/// # Errors
/// AWS's own: no signature, an incomplete one, an unknown access key, a scope of another region, service or day, a
/// clock that is off, a body that is not the one that was signed, a signature that does not match.
pub(crate) fn verify(
    request: &Received<'_>,
    service: &str,
    protocol: Protocol,
    credentials: &Credentials,
    now: Timestamp,
) -> Result<(), AwsError> {
    let invalid = |message: String| AwsError::identity(protocol, "InvalidSignatureException", message);
    let claim = claim(request, protocol)?;
    let same = |given: &str, own: &str| bool::from(given.as_bytes().ct_eq(own.as_bytes()));
    let own_token = credentials.session_token.as_deref().unwrap_or_default();
    // A token with a lasting key is refused as a temporary key without one is.
    if !same(&claim.access_key, &credentials.access_key)
        || !same(claim.session_token.as_deref().unwrap_or_default(), own_token)
    {
        return Err(AwsError::identity(
            protocol,
            "UnrecognizedClientException",
            "The security token included in the request is invalid.",
        ));
    }
    let [date, region, scope_service, terminator] = &claim.scope;
    if terminator != TERMINATOR {
        return Err(invalid(format!(
            "Credential should be scoped with a valid terminator: '{TERMINATOR}', not '{terminator}'."
        )));
    }
    if *region != credentials.region {
        return Err(invalid(format!(
            "Credential should be scoped to a valid region, not '{region}'. This endpoint is in '{}'.",
            credentials.region
        )));
    }
    if scope_service != service {
        return Err(invalid(format!(
            "Credential should be scoped to correct service: '{service}'."
        )));
    }
    let time = parse_time(&claim.time).ok_or_else(|| {
        AwsError::identity(
            protocol,
            "IncompleteSignatureException",
            format!("Date must be in ISO-8601 'basic format'. Got '{}'.", claim.time),
        )
    })?;
    let signed_at = format_time(time);
    let day = signed_at.get(..8).unwrap_or_default();
    if day != date {
        return Err(invalid(format!(
            "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of date from HTTP: '{date}' != \
             '{day}', from '{}'.",
            claim.time
        )));
    }
    check_time(&claim, time, now).map_err(invalid)?;
    check_signed_headers(request, &claim).map_err(invalid)?;

    let payload = hex::encode(Sha256::digest(request.body));
    // `UNSIGNED-PAYLOAD` and the `STREAMING-…` forms are S3's, and of a few operations whose model says so. None of the
    // services here has one: their bodies are always signed.
    if header(request.headers, "x-amz-content-sha256").is_some_and(|declared| declared != payload) {
        return Err(invalid(
            "The provided 'x-amz-content-sha256' header does not match what was computed.".into(),
        ));
    }
    let canonical = canonical_request(request, &claim, &payload);
    let to_sign = format!(
        "{ALGORITHM}\n{}\n{}\n{}",
        signed_at,
        claim.scope.join("/"),
        hex::encode(Sha256::digest(canonical.as_bytes()))
    );
    let expected = hex::encode(sign(&credentials.secret_key, &claim.scope, &to_sign));
    if !bool::from(expected.as_bytes().ct_eq(claim.signature.as_bytes())) {
        return Err(invalid(
            "The request signature we calculated does not match the signature you provided. Check your AWS Secret \
             Access Key and signing method. Consult the service documentation for details."
                .to_owned(),
        ));
    }
    Ok(())
}

/// The service that a request says it was signed for, whether or not it was.
pub(crate) fn scope_service(headers: &HeaderMap, uri: &Uri) -> Option<String> {
    let credential = match header(headers, "authorization") {
        Some(text) => text.split_once("Credential=")?.1.split([',', ' ']).next()?.to_owned(),
        None => {
            query_pairs(uri.query())
                .into_iter()
                .find(|(name, _)| name == "X-Amz-Credential")?
                .1
        }
    };
    credential.rsplit('/').nth(1).map(str::to_owned)
}

fn header(headers: &HeaderMap, name: &str) -> Option<String> {
    headers
        .get(name)
        .and_then(|value| value.to_str().ok())
        .map(|value| value.trim().to_owned())
}

fn claim(request: &Received<'_>, protocol: Protocol) -> Result<Claim, AwsError> {
    let incomplete = |message: String| AwsError::identity(protocol, "IncompleteSignatureException", message);
    let Some(authorization) = header(request.headers, "authorization") else {
        return presigned(request).unwrap_or_else(|| {
            Err(AwsError::identity(
                protocol,
                "MissingAuthenticationTokenException",
                "Missing Authentication Token",
            ))
        });
    };
    let Some(fields) = authorization.strip_prefix(ALGORITHM) else {
        return Err(incomplete(format!(
            "Authorization header requires the algorithm {ALGORITHM}."
        )));
    };
    let (mut credential, mut signed_headers, mut signature) = (None, None, None);
    for field in fields.split(',') {
        let Some((name, value)) = field.trim().split_once('=') else {
            return Err(incomplete(format!(
                "'{}' not a valid key=value pair (missing equal-sign) in Authorization header.",
                field.trim()
            )));
        };
        match name {
            "Credential" => credential = Some(value.to_owned()),
            "SignedHeaders" => signed_headers = Some(value.to_owned()),
            "Signature" => signature = Some(value.to_owned()),
            _ => {}
        }
    }
    let time = header(request.headers, "x-amz-date").or_else(|| header(request.headers, "date"));
    let mut missing = Vec::new();
    for (name, value) in [
        ("Credential", &credential),
        ("Signature", &signature),
        ("SignedHeaders", &signed_headers),
    ] {
        if value.is_none() {
            missing.push(format!("Authorization header requires '{name}' parameter."));
        }
    }
    if time.is_none() {
        missing.push("Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.".to_owned());
    }
    match (credential, signed_headers, signature, time) {
        (Some(credential), Some(signed_headers), Some(signature), Some(time)) => {
            let mut claim = claim_of(&credential, &signed_headers, signature, time, None).map_err(incomplete)?;
            claim.session_token = header(request.headers, "x-amz-security-token");
            Ok(claim)
        }
        _ => Err(incomplete(missing.join(" "))),
    }
}

/// The claim in a presigned address's query; `None` if there is none.
fn presigned(request: &Received<'_>) -> Option<Result<Claim, AwsError>> {
    let pairs = query_pairs(request.uri.query());
    let find = |name: &str| {
        pairs
            .iter()
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.clone())
    };
    if find("X-Amz-Algorithm")? != ALGORITHM {
        return None;
    }
    let incomplete = |message: String| AwsError::identity(Protocol::RestJson, "IncompleteSignatureException", message);
    let expires = find("X-Amz-Expires").and_then(|seconds| seconds.parse().ok());
    Some(match (find("X-Amz-Credential"), find("X-Amz-SignedHeaders"), find("X-Amz-Signature"), find("X-Amz-Date"), expires)
    {
        (Some(credential), Some(headers), Some(signature), Some(time), Some(expires)) => {
            claim_of(&credential, &headers, signature, time, Some(expires))
                .map(|claim| Claim {
                    session_token: find("X-Amz-Security-Token"),
                    ..claim
                })
                .map_err(incomplete)
        }
        _ => Err(incomplete(
            "AWS query-string parameters must include X-Amz-Algorithm, X-Amz-Credential, X-Amz-Signature, X-Amz-Date, \
             X-Amz-Expires and X-Amz-SignedHeaders."
                .to_owned(),
        )),
    })
}

fn claim_of(
    credential: &str,
    signed_headers: &str,
    signature: String,
    time: String,
    expires_seconds: Option<i64>,
) -> Result<Claim, String> {
    // An access key may hold slashes; the scope is the last four parts.
    let parts: Vec<&str> = credential.rsplitn(5, '/').collect();
    let [terminator, service, region, date, access_key] = parts[..] else {
        return Err(format!(
            "Credential must have exactly 5 slash-delimited elements, got '{credential}'."
        ));
    };
    Ok(Claim {
        access_key: access_key.to_owned(),
        scope: [date, region, service, terminator].map(str::to_owned),
        signed_headers: signed_headers.split(';').map(str::to_ascii_lowercase).collect(),
        signature,
        time,
        session_token: None,
        expires_seconds,
    })
}

/// As the protocol writes it, or as a `Date` header does.
fn parse_time(text: &str) -> Option<Timestamp> {
    let parsed = strtime::parse("%Y%m%dT%H%M%SZ", text).or_else(|_| strtime::parse("%a, %d %b %Y %H:%M:%S GMT", text));
    let civil = parsed.ok()?.to_datetime().ok()?;
    Some(civil.to_zoned(TimeZone::UTC).ok()?.timestamp())
}

fn format_time(time: Timestamp) -> String {
    strtime::format("%Y%m%dT%H%M%SZ", time).unwrap_or_else(|_| time.to_string())
}

fn check_time(claim: &Claim, time: Timestamp, now: Timestamp) -> Result<(), String> {
    let (oldest, newest) = (now - SKEW_MAX, now + SKEW_MAX);
    if time > newest {
        return Err(format!(
            "Signature not yet current: {} is still later than {} ({} + 5 min.)",
            claim.time,
            format_time(newest),
            format_time(now)
        ));
    }
    match claim.expires_seconds {
        None if time < oldest => Err(format!(
            "Signature expired: {} is now earlier than {} ({} - 5 min.)",
            claim.time,
            format_time(oldest),
            format_time(now)
        )),
        Some(seconds) if !(1..=EXPIRES_MAX_SECONDS).contains(&seconds) => {
            Err("X-Amz-Expires must be between 1 and 604800 seconds.".to_owned())
        }
        Some(seconds) if time + SignedDuration::from_secs(seconds) < now => Err(format!(
            "Signature expired: {} lived for {seconds} s, now is {}",
            claim.time,
            format_time(now)
        )),
        _ => Ok(()),
    }
}

/// What is not signed can be changed on the way: the host, and every header that AWS gives a meaning to.
fn check_signed_headers(request: &Received<'_>, claim: &Claim) -> Result<(), String> {
    let signed = |name: &str| claim.signed_headers.iter().any(|signed| signed == name);
    if !signed("host") {
        return Err("'Host' or ':authority' must be a 'SignedHeader' in the AWS Authorization.".to_owned());
    }
    let unsigned: Vec<&str> = request
        .headers
        .keys()
        .map(|name| name.as_str())
        .filter(|name| name.starts_with("x-amz-") && !signed(name))
        .collect();
    if !unsigned.is_empty() {
        return Err(format!(
            "There were headers present in the request which were not signed: {}",
            unsigned.join(", ")
        ));
    }
    Ok(())
}

fn canonical_request(request: &Received<'_>, claim: &Claim, payload_hash: &str) -> String {
    let mut canonical = format!(
        "{}\n{}\n{}\n",
        request.method,
        canonical_path(request.uri.path()),
        canonical_query(request.uri)
    );
    for name in &claim.signed_headers {
        let mut values: Vec<String> = request
            .headers
            .get_all(name.as_str())
            .iter()
            .map(|value| collapse(&String::from_utf8_lossy(value.as_bytes())))
            .collect();
        if name == "host"
            && values.is_empty()
            && let Some(authority) = request.uri.authority()
        {
            values.push(authority.to_string());
        }
        canonical.push_str(&format!("{name}:{}\n", values.join(",")));
    }
    canonical.push_str(&format!("\n{}\n{payload_hash}", claim.signed_headers.join(";")));
    canonical
}

/// Outer blanks go, inner runs of them become one.
fn collapse(value: &str) -> String {
    value.split_ascii_whitespace().collect::<Vec<_>>().join(" ")
}

/// The path as it was sent, cleaned of `.`, `..` and empty segments, and encoded once more: every service but S3
/// signs a path that is encoded twice.
fn canonical_path(path: &str) -> String {
    let mut segments: Vec<&str> = Vec::new();
    for segment in path.split('/') {
        match segment {
            "" | "." => {}
            ".." => {
                segments.pop();
            }
            segment => segments.push(segment),
        }
    }
    let mut clean = format!("/{}", segments.join("/"));
    if path.ends_with('/') && clean.len() > 1 {
        clean.push('/');
    }
    utf8_percent_encode(&clean, PATH).to_string()
}

fn canonical_query(uri: &Uri) -> String {
    let encode = |text: &str| utf8_percent_encode(text, UNRESERVED).to_string();
    let mut pairs: Vec<(String, String)> = query_pairs(uri.query())
        .iter()
        .filter(|(name, _)| name != "X-Amz-Signature")
        .map(|(name, value)| (encode(name), encode(value)))
        .collect();
    pairs.sort();
    pairs
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect::<Vec<_>>()
        .join("&")
}

fn sign(secret: &str, scope: &[String; 4], to_sign: &str) -> Vec<u8> {
    let mut key = format!("AWS4{secret}").into_bytes();
    for part in scope {
        key = hmac(&key, part.as_bytes());
    }
    hmac(&key, to_sign.as_bytes())
}

fn hmac(key: &[u8], text: &[u8]) -> Vec<u8> {
    match Hmac::<Sha256>::new_from_slice(key) {
        Ok(mut mac) => {
            mac.update(text);
            mac.finalize().into_bytes().to_vec()
        }
        // HMAC takes keys of every length; an empty signature matches none.
        Err(_) => Vec::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The suite that AWS publishes: a signed request in each folder.
    #[test]
    fn the_requests_of_awss_suite_are_accepted_and_nothing_else() {
        let suite = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigv4/suite");
        let Ok(cases) = std::fs::read_dir(&suite) else {
            eprintln!("skipped: {} is not there", suite.display());
            return;
        };
        let mut checked = 0;
        for case in cases.flatten() {
            let name = case.file_name().to_string_lossy().into_owned();
            let read = |file: &str| {
                std::fs::read_to_string(case.path().join(file))
                    .expect(file)
                    .replace("\r\n", "\n")
            };
            let context: serde_json::Value = serde_json::from_str(&read("context.json")).expect("a context");
            // Paths that are not normalised are how S3 signs.
            if context["normalize"] == false {
                continue;
            }
            for (file, life_minutes) in [("header-signed-request.txt", 5), ("query-signed-request.txt", 60)] {
                let request = read(file);
                let (head, body) = request.split_once("\n\n").unwrap_or((&request, ""));
                let mut lines = head.lines();
                let first = lines.next().expect("a request line");
                let (method, rest) = first.split_once(' ').expect("a method");
                // A space or a bare non-ASCII letter in a target, and folded headers, do not reach a server: http refuses
                // them.
                let Ok(uri) = rest.trim_end_matches(" HTTP/1.1").parse::<Uri>() else {
                    continue;
                };
                let lines: Vec<&str> = lines.collect();
                if lines.iter().any(|line| line.starts_with([' ', '\t'])) {
                    continue;
                }
                let mut headers = HeaderMap::new();
                for line in lines {
                    let (header, value) = line.split_once(':').expect("a header");
                    let header: http::HeaderName = header.parse().expect("a name");
                    headers.append(
                        header,
                        http::HeaderValue::from_bytes(value.as_bytes()).expect("a value"),
                    );
                }
                let method = method.parse::<Method>().expect("a method");
                let text = |key: &str| context["credentials"][key].as_str().expect(key).to_owned();
                let credentials = Credentials {
                    access_key: text("access_key_id"),
                    secret_key: text("secret_access_key"),
                    session_token: context["credentials"]["token"].as_str().map(str::to_owned),
                    region: "us-east-1".to_owned(),
                };
                // One case signs everything but the token; a token that anyone may change is not accepted here.
                let unsigned_token = context["omit_session_token"] == true;
                let now: Timestamp = context["timestamp"].as_str().expect("a time").parse().expect("a time");
                let check = |headers: &HeaderMap, body: &[u8], now: Timestamp| {
                    let received = Received {
                        method: &method,
                        uri: &uri,
                        headers,
                        body,
                    };
                    verify(&received, "service", Protocol::RestJson, &credentials, now).map_err(|error| error.message)
                };
                let answer = check(&headers, body.as_bytes(), now);
                assert_eq!(answer.is_ok(), !unsigned_token, "{name} {file}: {answer:?}");
                assert!(
                    check(&headers, format!("{body}x").as_bytes(), now).is_err(),
                    "{name} {file} with another body"
                );
                assert!(
                    check(
                        &headers,
                        body.as_bytes(),
                        now + SignedDuration::from_mins(life_minutes + 1)
                    )
                    .is_err(),
                    "{name} {file}, late"
                );
                assert!(
                    check(&headers, body.as_bytes(), now - SignedDuration::from_mins(6)).is_err(),
                    "{name} {file}, early"
                );
                headers.insert("host", http::HeaderValue::from_static("elsewhere"));
                assert!(
                    check(&headers, body.as_bytes(), now).is_err(),
                    "{name} {file} to another host"
                );
                checked += 1;
            }
        }
        assert!(checked >= 40, "only {checked} cases were checked");
    }

    #[test]
    fn paths_are_encoded_twice_and_normalised_once() {
        for (path, expected) in [
            ("/", "/"),
            ("", "/"),
            (
                "/model/local.planner-v1%3A0/converse",
                "/model/local.planner-v1%253A0/converse",
            ),
            (
                "/model/arn%3Aaws%3Abedrock%2Fx/converse-stream",
                "/model/arn%253Aaws%253Abedrock%252Fx/converse-stream",
            ),
            ("/a/./b//../c/", "/a/c/"),
            ("/..", "/"),
        ] {
            assert_eq!(canonical_path(path), expected, "{path}");
        }
    }
}
