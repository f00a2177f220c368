//! How much one person or address may ask: a token bucket and a count for the day, in the memory of this instance. The
//! host's own limiter, where it has one, counts over all instances.

use crate::{
    failure::Failure,
    limits::{GUEST_RATE_DIVISOR, RATE_KEPT_MAX},
    settings::Rate,
};
use std::collections::HashMap;

const DAY_MS: u64 = 24 * 60 * 60 * 1000;

/// Whom requests are counted for.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum Who {
    Guest(String),
    Person(String),
    Address(String),
}

#[derive(Debug, Default)]
pub struct Rates {
    counted: HashMap<Who, Counted>,
}

#[derive(Clone, Copy, Debug)]
struct Counted {
    /// Thousandths of a request that may be asked at once.
    left_milli: u64,
    at_ms: u64,
    day: u64,
    of_day: u32,
}

impl Rates {
    /// Counts a request.
    ///
    /// # Errors
    /// 429 with the time until the next one may come.
    pub fn count(&mut self, who: Who, rate: Rate, now_ms: u64) -> Result<(), Failure> {
        let rate = match who {
            Who::Guest(_) => Rate {
                milli_per_second: (rate.milli_per_second / u64::from(GUEST_RATE_DIVISOR)).max(1),
                burst: (rate.burst / GUEST_RATE_DIVISOR).max(1),
                per_day: (rate.per_day / GUEST_RATE_DIVISOR).max(1),
            },
            Who::Person(_) | Who::Address(_) => rate,
        };
        if self.counted.len() >= RATE_KEPT_MAX && !self.counted.contains_key(&who) {
            self.forget(rate, now_ms);
        }
        let day = now_ms / DAY_MS;
        let full_milli = u64::from(rate.burst) * 1000;
        let counted = self.counted.entry(who).or_insert(Counted {
            left_milli: full_milli,
            at_ms: now_ms,
            day,
            of_day: 0,
        });
        let more_milli = now_ms
            .saturating_sub(counted.at_ms)
            .saturating_mul(rate.milli_per_second)
            / 1000;
        // The bucket's clock stands until there is anything to add, so that no part is lost.
        if more_milli > 0 {
            counted.left_milli = counted.left_milli.saturating_add(more_milli).min(full_milli);
            counted.at_ms = now_ms;
        }
        if counted.day != day {
            counted.day = day;
            counted.of_day = 0;
        }
        if counted.of_day >= rate.per_day {
            let seconds = (DAY_MS - now_ms % DAY_MS).div_ceil(1000);
            return Err(too_many(seconds, "Come back tomorrow."));
        }
        if counted.left_milli < 1000 {
            let wait_ms = ((1000 - counted.left_milli) * 1000).div_ceil(rate.milli_per_second.max(1));
            return Err(too_many(wait_ms.div_ceil(1000), "Ask more slowly."));
        }
        counted.left_milli -= 1000;
        counted.of_day += 1;
        Ok(())
    }

    /// Makes room: whoever has not asked for as long as a bucket takes to fill loses nothing but the count of the day;
    /// where that is not enough, those who asked longest ago.
    fn forget(&mut self, rate: Rate, now_ms: u64) {
        let full_after_ms = u64::from(rate.burst) * 1_000_000 / rate.milli_per_second.max(1);
        self.counted
            .retain(|_, counted| now_ms.saturating_sub(counted.at_ms) < full_after_ms);
        if self.counted.len() < RATE_KEPT_MAX {
            return;
        }
        let mut times: Vec<u64> = self.counted.values().map(|counted| counted.at_ms).collect();
        let middle = times.len() / 2;
        let (_, median, _) = times.select_nth_unstable(middle);
        let median = *median;
        self.counted.retain(|_, counted| counted.at_ms > median);
    }
}

fn too_many(seconds: u64, action: &str) -> Failure {
    Failure::limit(
        "too_many_requests",
        "You ask more often than you may.",
        u32::try_from(seconds.max(1)).unwrap_or(u32::MAX),
    )
    .with_action(action)
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: Rate = Rate {
        milli_per_second: 10_000,
        burst: 20,
        per_day: 50,
    };

    fn person(name: &str) -> Who {
        Who::Person(name.into())
    }

    #[test]
    fn a_burst_is_let_through_and_then_the_rate() {
        let mut rates = Rates::default();
        for _ in 0..20 {
            rates.count(person("a"), RATE, 0).unwrap();
        }
        let refused = rates.count(person("a"), RATE, 0).unwrap_err();
        assert_eq!((refused.status.as_u16(), refused.retry_after_s), (429, Some(1)));
        rates.count(person("b"), RATE, 0).unwrap();
        assert!(rates.count(person("a"), RATE, 99).is_err());
        rates.count(person("a"), RATE, 100).unwrap();
        assert!(rates.count(person("a"), RATE, 100).is_err());
    }

    #[test]
    fn a_day_has_an_end() {
        let mut rates = Rates::default();
        for at in 0..50 {
            rates.count(person("a"), RATE, at * 1_000).unwrap();
        }
        let refused = rates.count(person("a"), RATE, 50_000).unwrap_err();
        assert_eq!(refused.retry_after_s, Some(86_350));
        rates.count(person("a"), RATE, DAY_MS).unwrap();
    }

    #[test]
    fn guests_get_less() {
        let mut rates = Rates::default();
        for _ in 0..4 {
            rates.count(Who::Guest("g".into()), RATE, 0).unwrap();
        }
        assert!(rates.count(Who::Guest("g".into()), RATE, 0).is_err());
    }

    #[test]
    fn memory_is_bounded_whoever_asks() {
        let mut rates = Rates::default();
        for at in 0..3 * RATE_KEPT_MAX as u64 {
            rates.count(Who::Guest(at.to_string()), RATE, at / 100).unwrap();
        }
        assert!(rates.counted.len() <= RATE_KEPT_MAX);
    }
}
