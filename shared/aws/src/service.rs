//! Which services there are, where they are reached, and how a request to one is built and signed.

use crate::sign::{Credentials, Scope, SignError, sign};
use bytes::Bytes;
use http::{Method, Request, Uri, header::CONTENT_TYPE};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// RFC 3986's unreserved characters are the only ones that stay.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// One path segment or query value, encoded once, as it goes on the wire. A model id keeps its `:` and an ARN its `/`
/// only in this form.
pub fn encode_segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Service {
    RedshiftData,
    BedrockRuntime,
    DynamoDb,
    AgentCore,
}

impl Service {
    /// The first label of the host name.
    pub fn host_prefix(self) -> &'static str {
        match self {
            Service::RedshiftData => "redshift-data",
            Service::BedrockRuntime => "bedrock-runtime",
            Service::DynamoDb => "dynamodb",
            Service::AgentCore => "bedrock-agentcore",
        }
    }

    /// The name in the signature's scope.
    pub fn signing_name(self) -> &'static str {
        match self {
            Service::RedshiftData => "redshift-data",
            Service::BedrockRuntime => "bedrock",
            Service::DynamoDb => "dynamodb",
            Service::AgentCore => "bedrock-agentcore",
        }
    }
}

#[derive(Debug, thiserror::Error)]
pub enum EndpointError {
    #[error("{0:?} is not a region: write it like us-east-1")]
    Region(String),
    #[error("{0:?} is not an endpoint: write http://HOST:PORT or https://HOST, or leave it empty for AWS")]
    Endpoint(String),
}

/// Where AWS is and with what key. With an endpoint, all services are behind that one address.
#[derive(Clone, Debug)]
pub struct Aws {
    region: String,
    /// `scheme://authority`, without a slash at the end.
    endpoint: Option<String>,
    credentials: Credentials,
}

impl Aws {
    /// `endpoint` empty means AWS itself.
    ///
    /// # Errors
    /// A region or an endpoint that is none.
    pub fn new(region: &str, endpoint: &str, credentials: Credentials) -> Result<Aws, EndpointError> {
        let is_region = !region.is_empty() && region.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-');
        if !is_region {
            return Err(EndpointError::Region(region.to_owned()));
        }
        let endpoint = if endpoint.is_empty() {
            None
        } else {
            Some(origin(endpoint)?)
        };
        Ok(Aws {
            region: region.to_owned(),
            endpoint,
            credentials,
        })
    }

    pub fn region(&self) -> &str {
        &self.region
    }

    /// `https://bedrock-runtime.us-east-1.amazonaws.com`, or the configured endpoint.
    pub fn origin(&self, service: Service) -> String {
        self.endpoint.clone().unwrap_or_else(|| {
            let domain = if self.region.starts_with("cn-") {
                "amazonaws.com.cn"
            } else {
                "amazonaws.com"
            };
            format!("https://{}.{}.{domain}", service.host_prefix(), self.region)
        })
    }

    /// A signed POST of `body` to `path`, which begins with `/` and is encoded once. `now_ms` is milliseconds since
    /// 1970.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn post(
        &self,
        service: Service,
        path: &str,
        headers: &[(&'static str, &str)],
        content_type: &'static str,
        body: Vec<u8>,
        now_ms: u64,
    ) -> Result<Request<Bytes>, SignError> {
        let mut with_type = vec![(CONTENT_TYPE.as_str(), content_type)];
        with_type.extend_from_slice(headers);
        self.request(service, Method::POST, path, &with_type, body, now_ms)
    }

    /// A signed request without a body.
    ///
    /// # Errors
    /// See [`SignError`].
    pub fn bare(&self, service: Service, method: Method, path: &str, now_ms: u64) -> Result<Request<Bytes>, SignError> {
        self.request(service, method, path, &[], Vec::new(), now_ms)
    }

    fn request(
        &self,
        service: Service,
        method: Method,
        path: &str,
        headers: &[(&str, &str)],
        body: Vec<u8>,
        now_ms: u64,
    ) -> Result<Request<Bytes>, SignError> {
        let uri = format!("{}{path}", self.origin(service));
        let mut builder = Request::builder().method(method).uri(&uri);
        for (name, value) in headers {
            builder = builder.header(*name, *value);
        }
        let request = builder.body(Bytes::from(body)).map_err(|error| SignError::Request {
            uri,
            reason: error.to_string(),
        })?;
        let scope = Scope::new(&self.region, service.signing_name());
        sign(request, &self.credentials, &scope, now_ms)
    }
}

/// The origin alone. A default port is left out, because clients leave it out of the `Host` that is signed.
fn origin(endpoint: &str) -> Result<String, EndpointError> {
    let wrong = || EndpointError::Endpoint(endpoint.to_owned());
    let uri: Uri = endpoint.parse().map_err(|_| wrong())?;
    let (Some(scheme @ ("http" | "https")), Some(authority)) = (uri.scheme_str(), uri.authority()) else {
        return Err(wrong());
    };
    if !matches!(uri.path(), "" | "/") || uri.query().is_some() || authority.as_str().contains('@') {
        return Err(wrong());
    }
    let default_port = if scheme == "http" { 80 } else { 443 };
    let host = authority.host();
    Ok(match authority.port_u16() {
        Some(port) if port != default_port => format!("{scheme}://{host}:{port}"),
        _ => format!("{scheme}://{host}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        Credentials {
            access_key_id: "AKID".into(),
            secret_access_key: "secret".into(),
            session_token: None,
        }
    }

    #[test]
    fn services_have_their_own_hosts_unless_an_endpoint_stands_for_all() {
        let aws = Aws::new("eu-west-1", "", credentials()).unwrap();
        assert_eq!(
            aws.origin(Service::BedrockRuntime),
            "https://bedrock-runtime.eu-west-1.amazonaws.com"
        );
        let aws = Aws::new("cn-north-1", "", credentials()).unwrap();
        assert_eq!(
            aws.origin(Service::RedshiftData),
            "https://redshift-data.cn-north-1.amazonaws.com.cn"
        );
        for (given, origin) in [
            ("http://127.0.0.1:4566", "http://127.0.0.1:4566"),
            ("http://127.0.0.1:4566/", "http://127.0.0.1:4566"),
            ("https://example.com:443", "https://example.com"),
            ("http://example.com:80/", "http://example.com"),
            ("http://[::1]:4566", "http://[::1]:4566"),
        ] {
            assert_eq!(
                Aws::new("us-east-1", given, credentials())
                    .unwrap()
                    .origin(Service::RedshiftData),
                origin
            );
        }
    }

    #[test]
    fn a_wrong_endpoint_or_region_is_named() {
        for wrong in [
            "localhost:4566",
            "ftp://x",
            "http://x/path",
            "http://user@x",
            "http://",
            "not a url",
        ] {
            let error = Aws::new("us-east-1", wrong, credentials()).unwrap_err();
            assert!(error.to_string().contains(&format!("{wrong:?}")), "{error}");
        }
        assert!(
            Aws::new("us east", "", credentials())
                .unwrap_err()
                .to_string()
                .contains("us east")
        );
    }
}
