//! Errors for services that are not served: AWS's clients read them only in the protocol that they speak, so the request's
//! own looks say which one that is.

use crate::error::{AwsError, Protocol};
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Response, StatusCode, header::CONTENT_TYPE};
use uuid::Uuid;

/// Writes that a service or operation is unknown, in the protocol of whoever asked.
pub(crate) fn response(error: &AwsError, headers: &HeaderMap, scope: Option<&str>, request_id: Uuid) -> Response<Body> {
    let text = |name: &str| {
        headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    };
    if text("smithy-protocol") == "rpc-v2-cbor" {
        return cbor(error);
    }
    if headers.contains_key("x-amz-target") {
        let content_type = text("content-type");
        let protocol = if content_type.starts_with(Protocol::Json10.content_type()) {
            Protocol::Json10
        } else {
            Protocol::Json11
        };
        return error.plain_response(protocol);
    }
    let message = escape(&error.message);
    if text("content-type").starts_with("application/x-www-form-urlencoded") {
        // EC2 has a form of its own.
        let body = if scope == Some("ec2") {
            format!(
                "<Response><Errors><Error><Code>InvalidAction</Code><Message>{message}</Message></Error></Errors>\
                 <RequestID>{request_id}</RequestID></Response>"
            )
        } else {
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            )
        };
        return xml(StatusCode::BAD_REQUEST, body);
    }
    match scope {
        Some("s3" | "s3express" | "s3-outposts") => xml(
            StatusCode::NOT_IMPLEMENTED,
            format!(
                "<Error><Code>NotImplemented</Code><Message>{message}</Message><RequestId>{request_id}</RequestId></Error>"
            ),
        ),
        Some("route53" | "cloudfront") => xml(
            StatusCode::BAD_REQUEST,
            format!(
                "<ErrorResponse><Error><Type>Sender</Type><Code>InvalidAction</Code><Message>{message}</Message></Error>\
                 <RequestId>{request_id}</RequestId></ErrorResponse>"
            ),
        ),
        _ => error.plain_response(Protocol::RestJson),
    }
}

fn xml(status: StatusCode, body: String) -> Response<Body> {
    let mut response = Response::new(Body::from(format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n{body}"
    )));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(CONTENT_TYPE, HeaderValue::from_static("text/xml"));
    response
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
        .replace('"', "&quot;")
}

/// Smithy's RPC over CBOR, which CloudWatch speaks: a map of two texts (RFC 8949).
fn cbor(error: &AwsError) -> Response<Body> {
    let mut body = vec![0xa2];
    for part in ["__type", &error.code, "message", &error.message] {
        // A text of two bytes' length.
        let mut end = part.len().min(usize::from(u16::MAX));
        while !part.is_char_boundary(end) {
            end -= 1;
        }
        let length = u16::try_from(end).unwrap_or(u16::MAX);
        body.push(0x79);
        body.extend_from_slice(&length.to_be_bytes());
        body.extend_from_slice(&part.as_bytes()[..end]);
    }
    let mut response = Response::new(Body::from(body));
    *response.status_mut() = error.status;
    let headers = response.headers_mut();
    headers.insert("smithy-protocol", HeaderValue::from_static("rpc-v2-cbor"));
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/cbor"));
    response
}
