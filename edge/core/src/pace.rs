//! Bounds on what goes out: one pacer for each operation that AWS gives a quota, and a breaker for each service that
//! leaves it alone while it fails.

use std::collections::VecDeque;

/// The window that a quota counts in, with a little more for the way there.
const WINDOW_MS: u64 = 1_020;

/// At most so many calls in every second. Calls are given their time in the order in which they ask.
#[derive(Debug)]
pub struct Pacer {
    /// 0: no bound.
    per_second: usize,
    /// When the last calls went out or will, the oldest first.
    times_ms: VecDeque<u64>,
}

impl Pacer {
    pub fn new(per_second: u32) -> Pacer {
        Pacer {
            per_second: per_second as usize,
            times_ms: VecDeque::new(),
        }
    }

    /// Takes the next free time and says how long it is until then. None if that is more than `max_wait_ms`; nothing is
    /// taken then.
    pub fn reserve(&mut self, now_ms: u64, max_wait_ms: u64) -> Option<u64> {
        if self.per_second == 0 {
            return Some(0);
        }
        let free_at_ms = match self.times_ms.len().checked_sub(self.per_second) {
            None => now_ms,
            Some(at) => self
                .times_ms
                .get(at)
                .map_or(now_ms, |earlier| earlier + WINDOW_MS)
                .max(now_ms),
        };
        // No call goes out before one that asked earlier.
        let at_ms = free_at_ms.max(self.times_ms.back().copied().unwrap_or(0));
        let wait_ms = at_ms - now_ms;
        if wait_ms > max_wait_ms {
            return None;
        }
        self.times_ms.push_back(at_ms);
        while self.times_ms.len() > self.per_second {
            self.times_ms.pop_front();
        }
        Some(wait_ms)
    }
}

/// Counts the failures of one service in a row.
#[derive(Clone, Copy, Debug, Default)]
pub struct Breaker {
    failures: u32,
    open_until_ms: u64,
}

impl Breaker {
    /// How long the service is still left alone; 0 if it may be called. The first call after that is let through alone:
    /// until it has an answer, the others wait as long again.
    pub fn closed_for_ms(&mut self, now_ms: u64, open_ms: u64) -> u64 {
        if self.open_until_ms == 0 {
            return 0;
        }
        let left_ms = self.open_until_ms.saturating_sub(now_ms);
        if left_ms == 0 {
            self.open_until_ms = now_ms + open_ms;
        }
        left_ms
    }

    pub fn succeeded(&mut self) {
        *self = Breaker::default();
    }

    pub fn failed(&mut self, now_ms: u64, failures_max: u32, open_ms: u64) {
        self.failures = self.failures.saturating_add(1);
        if self.failures >= failures_max {
            self.open_until_ms = now_ms + open_ms;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_second_has_more_calls_than_the_quota() {
        let mut pacer = Pacer::new(3);
        let mut times = Vec::new();
        for at in [0, 0, 0, 0, 10, 500, 500, 900, 2_500, 2_500] {
            times.push(at + pacer.reserve(at, 60_000).unwrap());
        }
        assert!(times.is_sorted(), "{times:?}");
        for window in times.windows(4) {
            assert!(window[3] - window[0] >= 1_000, "{times:?}");
        }
        assert_eq!(&times[..3], [0, 0, 0], "a burst that the quota allows does not wait");
    }

    #[test]
    fn whoever_would_wait_too_long_takes_no_place() {
        let mut pacer = Pacer::new(1);
        assert_eq!(pacer.reserve(0, 100), Some(0));
        assert_eq!(pacer.reserve(0, 100), None);
        assert_eq!(pacer.reserve(1_000, 100), Some(20));
        assert_eq!(Pacer::new(0).reserve(0, 0), Some(0));
    }

    #[test]
    fn a_service_that_fails_is_left_alone_and_then_tried_by_one_call() {
        let mut breaker = Breaker::default();
        breaker.failed(0, 2, 1_000);
        assert_eq!(breaker.closed_for_ms(0, 1_000), 0);
        breaker.failed(0, 2, 1_000);
        assert_eq!(breaker.closed_for_ms(400, 1_000), 600);
        assert_eq!(breaker.closed_for_ms(1_000, 1_000), 0, "one call tries");
        assert_eq!(breaker.closed_for_ms(1_001, 1_000), 999, "the others wait for it");
        breaker.succeeded();
        assert_eq!(breaker.closed_for_ms(1_001, 1_000), 0);
    }
}
