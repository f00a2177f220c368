//! What an AWS service says when it refuses: status, code and message, out of the two JSON protocols' headers and
//! bodies.

use http::{HeaderMap, header::RETRY_AFTER};
use serde::Deserialize;

/// Only so much of a body that is no JSON is kept for the log.
const BODY_EXCERPT_CHARS: usize = 300;

/// An answer that is not a success. Its text is for the log: it can hold names of resources and accounts.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{code} ({status}): {message}")]
pub struct ServiceError {
    pub status: u16,
    /// Without namespace and address: `ThrottlingException`.
    pub code: String,
    pub message: String,
    pub request_id: Option<String>,
    /// Seconds, where the service said so.
    pub retry_after_s: Option<u32>,
}

#[derive(Deserialize, Default)]
struct Body {
    #[serde(rename = "__type", default)]
    kind: Option<String>,
    #[serde(default)]
    code: Option<String>,
    #[serde(default, alias = "Message", alias = "errorMessage")]
    message: Option<String>,
}

impl ServiceError {
    /// Reads the header `x-amzn-errortype` first and the body's `__type` or `code` after that. Any body will do.
    pub fn decode(status: u16, headers: &HeaderMap, body: &[u8]) -> ServiceError {
        let header = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let parsed: Option<Body> = serde_json::from_slice(body).ok();
        let is_json = parsed.is_some();
        let parsed = parsed.unwrap_or_default();
        let code = header("x-amzn-errortype")
            .or(parsed.kind.as_deref())
            .or(parsed.code.as_deref());
        let message = parsed.message.unwrap_or_else(|| {
            if is_json {
                String::new()
            } else {
                String::from_utf8_lossy(body).chars().take(BODY_EXCERPT_CHARS).collect()
            }
        });
        ServiceError {
            status,
            code: code.map_or_else(|| format!("Status{status}"), |code| bare_code(code).to_owned()),
            message,
            request_id: header("x-amzn-requestid").map(str::to_owned),
            retry_after_s: header(RETRY_AFTER.as_str()).and_then(|seconds| seconds.parse().ok()),
        }
    }

    /// The request itself is wrong or not allowed: the same request will fail again.
    pub fn is_callers_fault(&self) -> bool {
        (400..500).contains(&self.status) && !crate::retry::is_retryable(self)
    }
}

/// `aws.protocoltests#FooError:http://internal.amazon.com/…` is `FooError`.
fn bare_code(code: &str) -> &str {
    let code = code.split(':').next().unwrap_or(code);
    code.rsplit('#').next().unwrap_or(code).trim()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The forms that the AWS JSON and REST-JSON protocol tests list.
    #[test]
    fn the_code_is_found_wherever_a_service_puts_it() {
        type Headers = &'static [(&'static str, &'static str)];
        let cases: [(Headers, &str, &str); 7] = [
            (&[("x-amzn-errortype", "FooError")], "", "FooError"),
            (
                &[("x-amzn-errortype", "FooError:http://internal.amazon.com/coral/")],
                "{}",
                "FooError",
            ),
            (
                &[("x-amzn-errortype", "ns#FooError:http://internal.amazon.com/")],
                r#"{"__type":"Other"}"#,
                "FooError",
            ),
            (&[], r#"{"__type":"aws.protocoltests#FooError"}"#, "FooError"),
            (&[], r#"{"__type":"FooError","Message":"m"}"#, "FooError"),
            (&[], r#"{"code":"FooError","message":"m"}"#, "FooError"),
            (&[], "<html>bad gateway</html>", "Status502"),
        ];
        for (headers, body, code) in cases {
            let mut map = HeaderMap::new();
            for (name, value) in headers {
                map.insert(
                    http::HeaderName::from_bytes(name.as_bytes()).unwrap(),
                    value.parse().unwrap(),
                );
            }
            assert_eq!(
                ServiceError::decode(502, &map, body.as_bytes()).code,
                code,
                "{headers:?} {body}"
            );
        }
    }

    #[test]
    fn both_spellings_of_message_are_read_and_other_bodies_are_cut() {
        for body in [r#"{"message":"no"}"#, r#"{"Message":"no"}"#] {
            assert_eq!(
                ServiceError::decode(400, &HeaderMap::new(), body.as_bytes()).message,
                "no"
            );
        }
        let long = "x".repeat(10_000);
        assert_eq!(
            ServiceError::decode(500, &HeaderMap::new(), long.as_bytes())
                .message
                .len(),
            BODY_EXCERPT_CHARS
        );
    }
}
