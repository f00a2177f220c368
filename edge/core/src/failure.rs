//! What can go wrong while a request is answered. The message for the person and the text for the log are two fields,
//! so that what a service said cannot slip into an answer.

use concert_aws::{ServiceError, retry};
use concert_contract::error::{ErrorCategory, ErrorEnvelope};
use http::StatusCode;

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    pub status: StatusCode,
    /// Stable, in snake case.
    pub code: &'static str,
    pub category: ErrorCategory,
    /// For the person in front of the page.
    pub message: String,
    pub suggested_action: Option<String>,
    pub retry_after_s: Option<u32>,
    /// For the log.
    pub internal: Option<String>,
    /// Methods that the route does take.
    pub allow: Option<&'static str>,
}

/// Where nobody said how long to wait.
const RETRY_AFTER_S: u32 = 5;

impl Failure {
    fn new(status: StatusCode, code: &'static str, category: ErrorCategory, message: impl Into<String>) -> Failure {
        Failure {
            status,
            code,
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

    /// The service answered with something that cannot be read.
    pub fn upstream_broken(service: &str, internal: impl Into<String>) -> Failure {
        Failure {
            code: "upstream_broken",
            message: format!("{service} broke off in the middle of its answer."),
            ..Failure::unreachable(service, internal)
        }
    }

    pub fn timeout(service: &str, internal: impl Into<String>) -> Failure {
        Failure {
            status: StatusCode::GATEWAY_TIMEOUT,
            code: "upstream_timeout",
            message: format!("{service} took too long to answer."),
            ..Failure::unreachable(service, internal)
        }
    }

    /// The service refused.
    pub fn refused(service: &str, error: &ServiceError) -> Failure {
        let internal = error.to_string();
        if retry::is_throttling(error) {
            return Failure {
                status: StatusCode::SERVICE_UNAVAILABLE,
                code: "upstream_throttled",
                message: format!("{service} is busy."),
                retry_after_s: Some(error.retry_after_s.unwrap_or(RETRY_AFTER_S)),
                ..Failure::unreachable(service, internal)
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
            code,
            message: message.into(),
            ..self
        }
    }

    pub fn with_action(mut self, action: impl Into<String>) -> Failure {
        self.suggested_action = Some(action.into());
        self
    }

    pub fn with_internal(mut self, internal: impl Into<String>) -> Failure {
        self.internal = Some(internal.into());
        self
    }

    pub fn envelope(&self, now_ms: u64, correlation_id: &str) -> ErrorEnvelope {
        ErrorEnvelope {
            error_code: self.code.to_owned(),
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
