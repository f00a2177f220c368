//! AWS's own per-second quotas, for `--aws-quotas`: whoever is to run in the cloud can be tried against them here.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
    time::Instant,
};

/// Calls a second for each account, not adjustable: "Quotas for the Amazon Redshift Data API" in the management guide.
const REDSHIFT_DATA: &[(&str, u32)] = &[
    ("BatchExecuteStatement", 20),
    ("CancelStatement", 3),
    ("DescribeStatement", 100),
    ("DescribeTable", 3),
    ("ExecuteStatement", 30),
    ("GetStatementResult", 20),
    ("GetStatementResultV2", 20),
    ("ListDatabases", 3),
    ("ListSchemas", 3),
    ("ListStatements", 3),
    ("ListTables", 3),
];

/// What an operation may be called a second; none: AWS's quota for it can be raised, or is of another kind.
fn per_second(service: &str, operation: &str) -> Option<u32> {
    let quotas = match service {
        "redshift-data" => REDSHIFT_DATA,
        _ => return None,
    };
    quotas
        .iter()
        .find(|(name, _)| *name == operation)
        .map(|(_, quota)| *quota)
}

/// A bucket of one second's calls, which fills evenly.
struct Bucket {
    calls: f64,
    filled_at: Instant,
}

/// The buckets of all operations that have a quota.
#[derive(Default)]
pub(crate) struct Quotas(Mutex<HashMap<(&'static str, &'static str), Bucket>>);

impl Quotas {
    /// Counts one call; says whether it is within the quota.
    pub fn admit(&self, service: &'static str, operation: &'static str, now: Instant) -> bool {
        let Some(quota) = per_second(service, operation) else {
            return true;
        };
        let quota = f64::from(quota);
        let mut buckets = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let bucket = buckets.entry((service, operation)).or_insert(Bucket {
            calls: quota,
            filled_at: now,
        });
        let passed = now.saturating_duration_since(bucket.filled_at).as_secs_f64();
        bucket.calls = (bucket.calls + passed * quota).min(quota);
        bucket.filled_at = now;
        let admitted = bucket.calls >= 1.0;
        if admitted {
            bucket.calls -= 1.0;
        }
        admitted
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[test]
    fn a_second_holds_its_quota_and_no_more() {
        let quotas = Quotas::default();
        let start = Instant::now();
        let admitted = |operation, after: Duration| quotas.admit("redshift-data", operation, start + after);
        let count = |operation, after| (0..200).filter(|_| admitted(operation, after)).count();
        assert_eq!(count("ExecuteStatement", Duration::ZERO), 30);
        assert_eq!(count("GetStatementResult", Duration::ZERO), 20);
        assert_eq!(count("ExecuteStatement", Duration::from_millis(500)), 15);
        assert_eq!(count("ExecuteStatement", Duration::from_secs(9)), 30);
        assert_eq!(count("ListSessions", Duration::ZERO), 200, "no quota is known of it");
        assert!(quotas.admit("dynamodb", "GetItem", start));
    }
}
