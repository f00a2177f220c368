//! AWS's test suite for Signature Version 4, header and query signing.
//!
//! aws-sigv4 leaves five of its cases out of its own tests. Here they are signed too; [`SKIPPED`] says why the library
//! leaves each out, and what it takes to sign it.

use bytes::Bytes;
use concert_aws::{
    Credentials,
    sign::{PathRule, Scope, TokenRule, presign, sign},
};
use http::{HeaderName, HeaderValue, Request, Uri};
use percent_encoding::{AsciiSet, CONTROLS, utf8_percent_encode};
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
    time::Duration,
};

/// The cases that the library itself skips. The reasons are checked, so that none outlives its cause.
const SKIPPED: [(&str, Why); 5] = [
    ("get-header-value-multiline", Why::HeaderHasLines),
    ("get-space-normalized", Why::SpaceInPath),
    ("get-space-unnormalized", Why::SpaceInPath),
    ("get-utf8", Why::OnlyItsParser),
    ("get-vanilla-utf8-query", Why::OnlyItsParser),
];

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Why {
    /// A header over several lines: RFC 7230 took that out of HTTP, and `http` refuses such a value. Joined by a space,
    /// as the canonical request has it, it gets the suite's signature.
    HeaderHasLines,
    /// A raw space in the path: no URI, and `http` refuses it. Encoded it can be sent; the suite then expects a path
    /// that is encoded once, as S3 does it, where every other service encodes what it receives once more.
    SpaceInPath,
    /// Raw letters beyond ASCII: `httparse`, by which the library's tests read requests, refuses them. `http` takes
    /// them, and as they stand they get the suite's signature.
    OnlyItsParser,
}

const RAW: &AsciiSet = &CONTROLS.add(b' ');

#[derive(Deserialize)]
struct Context {
    credentials: ContextCredentials,
    expiration_in_seconds: u64,
    normalize: bool,
    region: String,
    service: String,
    sign_body: bool,
    timestamp: String,
    #[serde(default)]
    omit_session_token: bool,
}

#[derive(Deserialize)]
struct ContextCredentials {
    access_key_id: String,
    secret_access_key: String,
    token: Option<String>,
}

struct Case {
    name: String,
    folder: PathBuf,
    context: Context,
}

impl Case {
    fn read(&self, file: &str) -> String {
        fs::read_to_string(self.folder.join(file)).unwrap_or_else(|error| panic!("{} {file}: {error}", self.name))
    }

    fn credentials(&self) -> Credentials {
        let ContextCredentials {
            access_key_id,
            secret_access_key,
            token,
        } = &self.context.credentials;
        Credentials {
            access_key_id: access_key_id.clone(),
            secret_access_key: secret_access_key.clone(),
            session_token: token.clone(),
        }
    }

    fn scope(&self) -> Scope<'_> {
        Scope {
            path: if self.context.normalize {
                PathRule::Twice
            } else {
                PathRule::TwiceAsIs
            },
            send_digest: self.context.sign_body,
            session_token: if self.context.omit_session_token {
                TokenRule::AddedAfter
            } else {
                TokenRule::Signed
            },
            ..Scope::new(&self.context.region, &self.context.service)
        }
    }
}

fn cases() -> Option<Vec<Case>> {
    let suite = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/sigv4/suite");
    let Ok(folders) = fs::read_dir(&suite) else {
        eprintln!("skipped: AWS's suite is not at {}", suite.display());
        return None;
    };
    let mut cases: Vec<Case> = folders
        .map(|folder| {
            let folder = folder.unwrap().path();
            let context = fs::read_to_string(folder.join("context.json")).unwrap();
            Case {
                name: folder.file_name().unwrap().to_string_lossy().into_owned(),
                context: serde_json::from_str(&context).unwrap(),
                folder,
            }
        })
        .collect();
    cases.sort_by(|a, b| a.name.cmp(&b.name));
    Some(cases)
}

/// What stands in `request.txt`, before any of it has to be HTTP.
struct Raw {
    method: String,
    target: String,
    host: String,
    headers: Vec<(String, String)>,
    body: String,
}

fn raw(text: &str) -> Raw {
    let (head, body) = text.split_once("\n\n").unwrap_or((text.trim_end_matches('\n'), ""));
    let mut lines = head.lines();
    let first = lines.next().unwrap();
    let (method, rest) = first.split_once(' ').unwrap();
    let (target, _) = rest.rsplit_once(' ').unwrap();
    let mut headers: Vec<(String, String)> = Vec::new();
    for line in lines {
        if line.starts_with(' ') {
            let last = headers.last_mut().unwrap();
            last.1.push('\n');
            last.1.push_str(line);
        } else {
            let (name, value) = line.split_once(':').unwrap();
            headers.push((name.to_owned(), value.to_owned()));
        }
    }
    let host = headers
        .iter()
        .position(|(name, _)| name.eq_ignore_ascii_case("host"))
        .unwrap();
    let (_, host) = headers.remove(host);
    Raw {
        method: method.to_owned(),
        target: target.to_owned(),
        host,
        headers,
        body: body.to_owned(),
    }
}

/// The request, if it is one in HTTP.
fn request(raw: &Raw) -> Result<Request<Bytes>, http::Error> {
    let uri: Uri = format!("https://{}{}", raw.host, raw.target).parse()?;
    let mut request = Request::builder()
        .method(raw.method.as_str())
        .uri(uri)
        .body(Bytes::from(raw.body.clone()))?;
    for (name, value) in &raw.headers {
        request.headers_mut().append(
            HeaderName::from_bytes(name.as_bytes())?,
            HeaderValue::from_bytes(value.as_bytes())?,
        );
    }
    Ok(request)
}

/// The changes that [`SKIPPED`] speaks of.
fn sendable(mut raw: Raw) -> Raw {
    raw.target = utf8_percent_encode(&raw.target, RAW).to_string();
    for (_, value) in &mut raw.headers {
        *value = value.split('\n').map(str::trim).collect::<Vec<_>>().join(" ");
    }
    raw
}

fn now_ms(timestamp: &str) -> u64 {
    assert_eq!(
        timestamp, "2015-08-30T12:36:00Z",
        "every case of the suite has this time"
    );
    1_440_938_160_000
}

/// The signature of the headers, and the whole `Authorization`.
fn header_signature(case: &Case, request: Request<Bytes>, scope: &Scope<'_>) -> (String, String) {
    let signed = sign(request, &case.credentials(), scope, now_ms(&case.context.timestamp)).unwrap();
    if let Some(token) = &case.context.credentials.token {
        assert_eq!(
            signed.headers()["x-amz-security-token"],
            token.as_str(),
            "{}",
            case.name
        );
    }
    let authorization = signed.headers()["authorization"].to_str().unwrap();
    (
        authorization.rsplit_once("Signature=").unwrap().1.to_owned(),
        authorization.to_owned(),
    )
}

fn parameters(query: &str) -> BTreeMap<String, String> {
    query
        .split('&')
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(k, v)| (k.into(), v.into()))
        .collect()
}

fn query_parameters(case: &Case, request: Request<Bytes>, scope: &Scope<'_>) -> BTreeMap<String, String> {
    let expires = Duration::from_secs(case.context.expiration_in_seconds);
    let signed = presign(
        request,
        &case.credentials(),
        scope,
        now_ms(&case.context.timestamp),
        expires,
    )
    .unwrap();
    parameters(&utf8_percent_encode(signed.uri().query().unwrap(), RAW).to_string())
}

#[test]
fn the_whole_suite_is_signed_as_aws_signs_it() {
    let Some(cases) = cases() else { return };
    let mut signed = 0;
    for case in &cases {
        let raw_request = raw(&case.read("request.txt"));
        let mut scope = case.scope();
        let why = SKIPPED.iter().find(|(name, _)| *name == case.name).map(|(_, why)| *why);
        let expected = case.read("header-signature.txt").trim().to_owned();
        let as_it_stands = request(&raw_request);
        let made = match why {
            None | Some(Why::OnlyItsParser) => as_it_stands.unwrap_or_else(|error| panic!("{}: {error}", case.name)),
            Some(Why::HeaderHasLines | Why::SpaceInPath) => {
                assert!(as_it_stands.is_err(), "{} needs no change any more", case.name);
                request(&sendable(raw_request)).unwrap()
            }
        };
        if why == Some(Why::SpaceInPath) {
            assert_ne!(
                header_signature(case, made.clone(), &scope).0,
                expected,
                "{}",
                case.name
            );
            scope.path = PathRule::Once;
        }
        let (signature, authorization) = header_signature(case, made.clone(), &scope);
        assert_eq!(signature, expected, "{}", case.name);
        let whole = case.read("header-signed-request.txt");
        let line = whole
            .lines()
            .find_map(|line| line.strip_prefix("Authorization:"))
            .unwrap();
        assert_eq!(authorization, line.trim(), "{}", case.name);

        let found = query_parameters(case, made, &scope);
        assert_eq!(
            found["X-Amz-Signature"],
            case.read("query-signature.txt").trim(),
            "{}",
            case.name
        );
        let whole = raw(&case.read("query-signed-request.txt"));
        let whole = utf8_percent_encode(whole.target.split_once('?').unwrap().1, RAW).to_string();
        assert_eq!(found, parameters(&whole), "{}", case.name);
        signed += 1;
    }
    assert_eq!(signed, cases.len());
    assert!(signed >= 38, "the suite has 38 cases, here are {signed}");
    for (name, _) in SKIPPED {
        assert!(
            cases.iter().any(|case| case.name == name),
            "{name} is no case of the suite"
        );
    }
}
