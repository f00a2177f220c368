//! What can go wrong while a request is answered. The message for the person and the text for the log are two fields,
//! so that what a service said cannot slip into an answer.

use concert_aws::{ServiceError, retry};
use concert_contract::error::{ErrorCategory, ErrorEnvelope};
use http::StatusCode;
use std::borrow::Cow;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: StatusCode,
    /// Stable, in snake case.
    pub code: Cow<'static, str>,
    pub category: ErrorCategory,
    /// For the person in front of the page.
    pub message: String,
    pub suggested_action: Option<String>,
    pub retry_after_s: Option<u32>,
    /// For the log.
    pub internal: Option<Box<str>>,
    /// Methods that the route does take.
    pub allow: Option<&'static str>,
}

/// Where nobody said how long to wait.
const RETRY_AFTER_S: u32 = 5;

impl Failure {
    fn new(
        status: StatusCode,
        code: impl Into<Cow<'static, str>>,
        category: ErrorCategory,
        message: impl Into<String>,
    ) -> Failure {
        Failure {
            status,
            code: code.into(),
            category,
            message: message.into(),
            suggested_action: None,
            retry_after_s: None,
            internal: None,
            allow: None,
        }
    }

    pub fn validation(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::BAD_REQUEST, code, ErrorCategory::Validation, message)
    }

    pub fn too_large(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::PAYLOAD_TOO_LARGE, code, ErrorCategory::Limit, message)
    }

    pub fn too_slow(message: impl Into<String>) -> Failure {
        Failure::new(
            StatusCode::REQUEST_TIMEOUT,
            "body_too_slow",
            ErrorCategory::Limit,
            message,
        )
        .with_action("Send it again.")
    }

    pub fn not_found(message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::NOT_FOUND, "not_found", ErrorCategory::NotFound, message)
    }

    pub fn method_not_allowed(allow: &'static str) -> Failure {
        let message = format!("This address takes {allow}.");
        Failure {
            allow: Some(allow),
            ..Failure::new(
                StatusCode::METHOD_NOT_ALLOWED,
                "method_not_allowed",
                ErrorCategory::Validation,
                message,
            )
        }
    }

    pub fn conflict(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::CONFLICT, code, ErrorCategory::Validation, message)
    }

    pub fn not_available(message: impl Into<String>) -> Failure {
        Failure::new(
            StatusCode::NOT_IMPLEMENTED,
            "not_available_yet",
            ErrorCategory::NotAvailable,
            message,
        )
    }

    pub fn internal(internal: impl Into<String>) -> Failure {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "internal_error",
            ErrorCategory::Internal,
            "Something went wrong on our side.",
        )
        .with_action("Try again. If it happens again, report the correlation id.")
        .with_internal(internal)
    }

    pub fn misconfigured(internal: impl Into<String>) -> Failure {
        Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "not_configured",
            ErrorCategory::NotAvailable,
            "This server is not configured.",
        )
        .with_action("Whoever runs it finds the settings to mend in its log.")
        .with_internal(internal)
    }

    /// The service could not be reached, or broke off.
    pub fn unreachable(service: &str, internal: impl Into<String>) -> Failure {
        Failure {
            retry_after_s: Some(RETRY_AFTER_S),
            ..Failure::new(
                StatusCode::BAD_GATEWAY,
                "upstream_unavailable",
                ErrorCategory::Upstream,
                format!("{service} cannot be reached."),
            )
        }
        .with_action("Try again in a few seconds.")
        .with_internal(internal)
    }

    /// More is asked of the service than it takes.
    pub fn busy(service: &str, internal: impl Into<String>) -> Failure {
        Failure {
            status: StatusCode::SERVICE_UNAVAILABLE,
            code: "upstream_throttled".into(),
            message: format!("{service} is busy."),
            ..Failure::unreachable(service, internal)
        }
    }

    /// Who asks is not known, or not allowed.
    pub fn unauthorized(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::UNAUTHORIZED, code, ErrorCategory::Forbidden, message)
    }

    pub fn forbidden(code: &'static str, message: impl Into<String>) -> Failure {
        Failure::new(StatusCode::FORBIDDEN, code, ErrorCategory::Forbidden, message)
    }

    /// A bound that waiting helps against.
    pub fn limit(code: &'static str, message: impl Into<String>, retry_after_s: u32) -> Failure {
        Failure {
            retry_after_s: Some(retry_after_s),
            ..Failure::new(StatusCode::TOO_MANY_REQUESTS, code, ErrorCategory::Limit, message)
        }
    }

    /// The service answered with something that cannot be read.
    pub fn upstream_broken(service: &str, internal: impl Into<String>) -> Failure {
        Failure {
            code: "upstream_broken".into(),
            message: format!("{service} broke off in the middle of its answer."),
            ..Failure::unreachable(service, internal)
        }
    }

    pub fn timeout(service: &str, internal: impl Into<String>) -> Failure {
        Failure {
            status: StatusCode::GATEWAY_TIMEOUT,
            code: "upstream_timeout".into(),
            message: format!("{service} took too long to answer."),
            ..Failure::unreachable(service, internal)
        }
    }

    /// The service refused.
    pub fn refused(service: &str, error: &ServiceError) -> Failure {
        let internal = error.to_string();
        if retry::is_throttling(error) {
            return Failure {
                retry_after_s: Some(error.retry_after_s.unwrap_or(RETRY_AFTER_S)),
                ..Failure::busy(service, internal)
            };
        }
        if retry::is_retryable(error) {
            return Failure {
                status: StatusCode::SERVICE_UNAVAILABLE,
                message: format!("{service} is not available at the moment."),
                retry_after_s: Some(error.retry_after_s.unwrap_or(RETRY_AFTER_S)),
                ..Failure::unreachable(service, internal)
            };
        }
        Failure::upstream_refused(service, internal)
    }

    /// The service will refuse the same request again.
    pub fn upstream_refused(service: &str, internal: impl Into<String>) -> Failure {
        Failure::new(
            StatusCode::BAD_GATEWAY,
            "upstream_refused",
            ErrorCategory::Upstream,
            format!("{service} refused the request of this server."),
        )
        .with_action("Whoever runs this server finds the reason in its log under the correlation id.")
        .with_internal(internal)
    }

    pub fn with_code(self, code: &'static str, message: impl Into<String>) -> Failure {
        Failure {
            code: code.into(),
            message: message.into(),
            ..self
        }
    }

    pub fn with_action(mut self, action: impl Into<String>) -> Failure {
        self.suggested_action = Some(action.into());
        self
    }

    pub fn with_internal(mut self, internal: impl Into<String>) -> Failure {
        self.internal = Some(internal.into().into_boxed_str());
        self
    }

    /// What a stored envelope says, for a client that gets a status.
    pub fn of_envelope(envelope: ErrorEnvelope) -> Failure {
        let status = match (envelope.error_category, envelope.error_code.as_str()) {
            (_, "upstream_timeout") => StatusCode::GATEWAY_TIMEOUT,
            (_, "upstream_throttled") => StatusCode::SERVICE_UNAVAILABLE,
            (ErrorCategory::Validation, _) => StatusCode::BAD_REQUEST,
            (ErrorCategory::NotFound, _) => StatusCode::NOT_FOUND,
            (ErrorCategory::Forbidden, _) => StatusCode::FORBIDDEN,
            (ErrorCategory::Limit, _) => StatusCode::TOO_MANY_REQUESTS,
            (ErrorCategory::Upstream, _) => StatusCode::BAD_GATEWAY,
            (ErrorCategory::NotAvailable, _) => StatusCode::NOT_IMPLEMENTED,
            (ErrorCategory::Internal, _) => StatusCode::INTERNAL_SERVER_ERROR,
        };
        Failure {
            suggested_action: envelope.suggested_action,
            retry_after_s: envelope.retry_after,
            ..Failure::new(
                status,
                envelope.error_code,
                envelope.error_category,
                envelope.error_message,
            )
        }
    }

    pub fn envelope(&self, now_ms: u64, correlation_id: &str) -> ErrorEnvelope {
        ErrorEnvelope {
            error_code: self.code.clone().into_owned(),
            error_message: self.message.clone(),
            error_category: self.category,
            timestamp: timestamp(now_ms),
            correlation_id: correlation_id.to_owned(),
            retry_after: self.retry_after_s,
            suggested_action: self.suggested_action.clone(),
        }
    }
}

/// RFC 3339 in UTC, to the millisecond.
pub fn timestamp(now_ms: u64) -> String {
    i64::try_from(now_ms)
        .ok()
        .and_then(|ms| jiff::Timestamp::from_millisecond(ms).ok())
        .unwrap_or(jiff::Timestamp::UNIX_EPOCH)
        .strftime("%Y-%m-%dT%H:%M:%S%.3fZ")
        .to_string()
}
