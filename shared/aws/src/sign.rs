//! Signature Version 4 over `http` requests. The caller passes the time in, because the clock of wasm32-unknown-unknown
//! panics, and gets the signed request back.

use aws_credential_types::Credentials as SigningCredentials;
use aws_sigv4::{
    http_request::{
        self, PayloadChecksumKind, PercentEncodingMode, SessionTokenMode, SignableBody, SignableRequest,
        SignatureLocation, SigningInstructions, SigningSettings, UriPathNormalizationMode,
    },
    sign::v4,
};
use aws_smithy_runtime_api::client::identity::Identity;
use bytes::Bytes;
use http::{HeaderValue, Request, Uri};
use std::{
    fmt,
    time::{Duration, UNIX_EPOCH},
};

/// A key to sign with. `Debug` shows the key's id and nothing secret.
#[derive(Clone, PartialEq, Eq)]
pub struct Credentials {
    pub access_key_id: String,
    pub secret_access_key: String,
    /// Of temporary credentials; sent along as `x-amz-security-token`.
    pub session_token: Option<String>,
}

impl fmt::Debug for Credentials {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Credentials")
            .field("access_key_id", &self.access_key_id)
            .finish_non_exhaustive()
    }
}

/// For what a signature holds, and how the service wants its path.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Scope<'a> {
    pub region: &'a str,
    /// The signing name: `bedrock`, although the host is `bedrock-runtime`.
    pub service: &'a str,
    /// Every service but S3 encodes the path of the wire once more when it checks the signature.
    pub path: PathRule,
    /// Sends the body's digest as `x-amz-content-sha256`: S3 wants it, and a signed CloudFront origin.
    pub send_digest: bool,
    pub session_token: TokenRule,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PathRule {
    /// Encoded twice, `.` and `..` resolved.
    Twice,
    /// Encoded twice, taken as it stands otherwise.
    TwiceAsIs,
    /// As on the wire: S3.
    Once,
}

/// Whether the session token is part of what is signed, or added after.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenRule {
    Signed,
    AddedAfter,
}

impl<'a> Scope<'a> {
    /// What holds for every service but S3.
    pub fn new(region: &'a str, service: &'a str) -> Scope<'a> {
        Scope {
            region,
            service,
            path: PathRule::Twice,
            send_digest: false,
            session_token: TokenRule::Signed,
        }
    }

    /// What S3 wants.
    pub fn s3(region: &'a str) -> Scope<'a> {
        Scope {
            path: PathRule::Once,
            send_digest: true,
            ..Scope::new(region, "s3")
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum SignError {
    #[error("a {0} cannot be sent in a header; check the AWS credentials in the settings")]
    Credential(&'static str),
    #[error("the request to {uri} cannot be signed: {reason}")]
    Request { uri: String, reason: String },
}

/// Signs in the headers: `authorization`, `x-amz-date` and what else the scope asks for are added to the request.
/// `now_ms` is milliseconds since 1970.
///
/// # Errors
/// A credential or a header that HTTP cannot carry.
pub fn sign(
    mut request: Request<Bytes>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    now_ms: u64,
) -> Result<Request<Bytes>, SignError> {
    let instructions = instructions(&request, credentials, scope, now_ms, None)?;
    for (name, value) in instructions.headers() {
        let mut value = HeaderValue::from_str(value).map_err(|error| refused(request.uri(), error))?;
        value.set_sensitive(matches!(name, "authorization" | "x-amz-security-token"));
        let name = http::HeaderName::from_bytes(name.as_bytes()).map_err(|error| refused(request.uri(), error))?;
        request.headers_mut().insert(name, value);
    }
    Ok(request)
}

/// Signs in the query: an address that works for whoever holds it until `expires` has passed.
///
/// # Errors
/// A credential that HTTP cannot carry.
pub fn presign(
    mut request: Request<Bytes>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    now_ms: u64,
    expires: Duration,
) -> Result<Request<Bytes>, SignError> {
    let instructions = instructions(&request, credentials, scope, now_ms, Some(expires))?;
    let mut query = request.uri().query().unwrap_or_default().to_owned();
    for (name, value) in instructions.params() {
        if !query.is_empty() {
            query.push('&');
        }
        query.push_str(name);
        query.push('=');
        query.push_str(&crate::service::encode_segment(value));
    }
    let mut parts = request.uri().clone().into_parts();
    let path_and_query = format!("{}?{query}", request.uri().path());
    parts.path_and_query = Some(path_and_query.parse().map_err(|error| refused(request.uri(), error))?);
    *request.uri_mut() = Uri::from_parts(parts).map_err(|error| refused(request.uri(), error))?;
    Ok(request)
}

fn instructions(
    request: &Request<Bytes>,
    credentials: &Credentials,
    scope: &Scope<'_>,
    now_ms: u64,
    expires: Option<Duration>,
) -> Result<SigningInstructions, SignError> {
    check(credentials)?;
    let identity: Identity = SigningCredentials::new(
        credentials.access_key_id.as_str(),
        credentials.secret_access_key.as_str(),
        credentials.session_token.clone(),
        None,
        "settings",
    )
    .into();
    let mut settings = SigningSettings::default();
    settings.percent_encoding_mode = match scope.path {
        PathRule::Once => PercentEncodingMode::Single,
        PathRule::Twice | PathRule::TwiceAsIs => PercentEncodingMode::Double,
    };
    settings.uri_path_normalization_mode = match scope.path {
        PathRule::Twice => UriPathNormalizationMode::Enabled,
        PathRule::TwiceAsIs | PathRule::Once => UriPathNormalizationMode::Disabled,
    };
    settings.payload_checksum_kind = if scope.send_digest {
        PayloadChecksumKind::XAmzSha256
    } else {
        PayloadChecksumKind::NoHeader
    };
    settings.session_token_mode = match scope.session_token {
        TokenRule::Signed => SessionTokenMode::Include,
        TokenRule::AddedAfter => SessionTokenMode::Exclude,
    };
    if expires.is_some() {
        settings.signature_location = SignatureLocation::QueryParams;
        settings.expires_in = expires;
    }
    let params = v4::SigningParams::builder()
        .identity(&identity)
        .region(scope.region)
        .name(scope.service)
        .time(UNIX_EPOCH + Duration::from_millis(now_ms))
        .settings(settings)
        .build()
        .map_err(|error| refused(request.uri(), error))?
        .into();
    let mut headers = Vec::with_capacity(request.headers().len());
    for (name, value) in request.headers() {
        headers.push((
            name.as_str(),
            value.to_str().map_err(|error| refused(request.uri(), error))?,
        ));
    }
    let signable = SignableRequest::new(
        request.method().as_str(),
        request.uri().to_string(),
        headers.into_iter(),
        SignableBody::Bytes(request.body()),
    )
    .map_err(|error| refused(request.uri(), error))?;
    let output = http_request::sign(signable, &params).map_err(|error| refused(request.uri(), error))?;
    Ok(output.into_parts().0)
}

/// Refuses what would otherwise fail deep inside the signer, without repeating the secret.
fn check(credentials: &Credentials) -> Result<(), SignError> {
    let fits = |text: &str| !text.is_empty() && text.bytes().all(|b| (0x21..0x7f).contains(&b));
    if !fits(&credentials.access_key_id) {
        return Err(SignError::Credential(
            "access key id that is empty or has characters other than visible ASCII",
        ));
    }
    if credentials.secret_access_key.is_empty() {
        return Err(SignError::Credential("secret access key that is empty"));
    }
    match &credentials.session_token {
        Some(token) if !fits(token) => Err(SignError::Credential(
            "session token that is empty or has characters other than visible ASCII",
        )),
        _ => Ok(()),
    }
}

fn refused(uri: &Uri, error: impl fmt::Display) -> SignError {
    SignError::Request {
        uri: uri.to_string(),
        reason: error.to_string(),
    }
}
