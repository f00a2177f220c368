//! Which failures may be tried again, and after how long. Both are pure: the caller draws the random number and sleeps.

use crate::ServiceError;

/// Tries in all, the first included: AWS's own clients make three.
pub const MAX_ATTEMPTS: u32 = 3;
/// The first wait is at most this long.
pub const BACKOFF_BASE_MS: u64 = 100;
/// And no wait is longer, unless the service itself asks for more.
pub const BACKOFF_CAP_MS: u64 = 5_000;
/// A service that asks for a longer wait than this gets no second try within one request.
pub const RETRY_AFTER_CAP_MS: u64 = 10_000;

/// Throttling and faults of the service; never a refusal.
pub fn is_retryable(error: &ServiceError) -> bool {
    is_throttling(error) || matches!(error.status, 500 | 502 | 503 | 504) || is_transient_code(&error.code)
}

/// The service asks for fewer requests.
pub fn is_throttling(error: &ServiceError) -> bool {
    error.status == 429
        || matches!(
            error.code.as_str(),
            "ThrottlingException"
                | "Throttling"
                | "ThrottledException"
                | "RequestThrottled"
                | "RequestThrottledException"
                | "TooManyRequestsException"
                | "ProvisionedThroughputExceededException"
                | "RequestLimitExceeded"
                | "BandwidthLimitExceeded"
                | "LimitExceededException"
                | "SlowDown"
                | "PriorRequestNotComplete"
                | "EC2ThrottledException"
                | "ActiveStatementsExceededException"
                | "ActiveSessionsExceededException"
        )
}

fn is_transient_code(code: &str) -> bool {
    matches!(
        code,
        "RequestTimeout"
            | "RequestTimeoutException"
            | "InternalServerException"
            | "InternalServerError"
            | "InternalFailure"
            | "ServiceUnavailable"
            | "ServiceUnavailableException"
            | "ModelNotReadyException"
            | "ModelTimeoutException"
    )
}

/// How long to wait before try `attempt + 1`, in milliseconds: full jitter, so anything from nothing to the bound that
/// doubles with each try (Brooker, "Exponential Backoff and Jitter", 2015). `attempt` counts from 1; `random` is
/// uniform over all of `u32`. What the service asked for is a lower bound.
pub fn backoff_ms(attempt: u32, random: u32, retry_after_s: Option<u32>) -> u64 {
    let doubled = BACKOFF_BASE_MS.saturating_mul(1u64.checked_shl(attempt.saturating_sub(1)).unwrap_or(u64::MAX));
    let bound = doubled.min(BACKOFF_CAP_MS);
    let jittered = (u64::from(random) * (bound + 1)) >> 32;
    let asked = u64::from(retry_after_s.unwrap_or(0)) * 1000;
    jittered.max(asked.min(RETRY_AFTER_CAP_MS))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(status: u16, code: &str) -> ServiceError {
        ServiceError {
            status,
            code: code.into(),
            message: String::new(),
            request_id: None,
            retry_after_s: None,
        }
    }

    #[test]
    fn faults_and_throttling_are_tried_again_and_refusals_are_not() {
        for (status, code, expected) in [
            (400, "ThrottlingException", true),
            (429, "Status429", true),
            (503, "ServiceUnavailableException", true),
            (502, "Status502", true),
            (400, "ValidationException", false),
            (403, "AccessDeniedException", false),
            (403, "InvalidSignatureException", false),
            (404, "ResourceNotFoundException", false),
        ] {
            assert_eq!(is_retryable(&error(status, code)), expected, "{status} {code}");
        }
    }

    #[test]
    fn the_wait_doubles_is_jittered_over_its_whole_range_and_is_capped() {
        assert_eq!(backoff_ms(1, 0, None), 0);
        assert_eq!(backoff_ms(1, u32::MAX, None), 100);
        assert_eq!(backoff_ms(2, u32::MAX, None), 200);
        assert_eq!(backoff_ms(3, u32::MAX / 2, None), 200);
        assert_eq!(backoff_ms(40, u32::MAX, None), BACKOFF_CAP_MS);
        assert_eq!(backoff_ms(u32::MAX, u32::MAX, None), BACKOFF_CAP_MS);
        assert_eq!(backoff_ms(1, 0, Some(2)), 2_000);
        assert_eq!(backoff_ms(1, 0, Some(3_600)), RETRY_AFTER_CAP_MS);
    }
}
