//! Purchases: a sample of the tickets that were sold, along each concert's sales curve.
//!
//! Every concert has its own stream, so that concerts can be made in any order and on any number of threads.

use crate::{
    GenerateError,
    calendar::{Offsets, SECONDS_PER_DAY, day_number},
    cities::CITIES,
    concerts::{Concert, Status},
    customers::Crowd,
    frame::Frame,
    random::{Choice, Part, exponential, unit},
    tables::{CURRENCY, Made, Rows, TICKET_SALES, push_concert_id, push_customer_id},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::{
    collections::HashMap,
    ops::Range,
    sync::atomic::{AtomicU64, Ordering},
};

/// About as many rows are made at once: a row group of a Parquet file, as large as DuckDB makes them.
const ROWS_AT_ONCE: u64 = 122_880;

/// Share of a concert's sales in the burst after it was announced: this much, and this much more for each time that
/// people want all seats of the room.
const BURST: f64 = 0.20;
const BURST_OF_PRESSURE: f64 = 0.22;
const MOST_PRESSURE: f64 = 1.3;
/// Share of the sales that are spread evenly.
const LULL: f64 = 0.28;
/// The mean length of the burst and of the last rise, in days.
const BURST_DAYS: f64 = 3.5;
const RISE_DAYS: f64 = 5.0;
/// Sales begin at this hour of the venue's clock, and with as many hours on average to the first purchases.
const OPEN_HOUR: i64 = 10;
const FIRST_HOURS: f64 = 2.5;
/// The last tickets are sold in this part of the concert's day, from an hour on.
const LAST_DAY: f64 = 0.8;
const LAST_DAY_HOURS: (f64, f64) = (7.5, 18.9);
/// Purchases by the hour of the venue's clock.
const HOURS: [f64; 24] = [
    1.5, 0.8, 0.4, 0.2, 0.2, 0.4, 1.0, 2.2, 3.6, 4.8, 5.6, 5.8, 6.4, 6.0, 5.2, 4.9, 5.0, 5.4, 6.2, 7.4, 8.2, 8.0, 6.2,
    3.4,
];
/// Tickets of one purchase: 1, 2, … where the purchases are a sample.
const QUANTITIES: [f64; 6] = [0.27, 0.46, 0.10, 0.12, 0.03, 0.02];

/// Shares of the channels; the web has the rest. Mobile grows every year, and the box office sells at the last moment.
const PARTNER: f64 = 0.06;
const MOBILE: f64 = 0.38;
const MOBILE_A_YEAR: f64 = 0.05;
const BOX_OFFICE: f64 = 0.05;
const BOX_OFFICE_LATE: f64 = 0.22;
const LATE_SECONDS: i64 = 2 * SECONDS_PER_DAY;

/// How a concert's tickets sell over its days on sale.
struct Curve {
    /// From the announcement to the doors, in days.
    span: f64,
    burst: f64,
    rise: f64,
}

impl Curve {
    fn new(concert: &Concert) -> Curve {
        let pressure = f64::from(concert.pressure).min(MOST_PRESSURE);
        let burst = BURST + BURST_OF_PRESSURE * pressure;
        Curve {
            span: f64::from(concert.day - concert.announced) + LAST_DAY,
            burst,
            rise: 1.0 - LULL - burst,
        }
    }

    /// The shares of the three parts that are sold when `days` are over.
    fn parts(&self, days: f64) -> [f64; 3] {
        let all = |mean: f64| 1.0 - libm::exp(-self.span / mean);
        let burst = (1.0 - libm::exp(-days / BURST_DAYS)) / all(BURST_DAYS);
        let rise = (libm::exp((days - self.span) / RISE_DAYS) - libm::exp(-self.span / RISE_DAYS)) / all(RISE_DAYS);
        [self.burst * burst, LULL * days / self.span, self.rise * rise]
    }

    /// Draws how many days are over at a purchase that is made before `days` are.
    fn draw(&self, rng: &mut ChaCha8Rng, days: f64) -> f64 {
        let parts = self.parts(days);
        let mut which = unit(rng) * (parts[0] + parts[1] + parts[2]);
        if which < parts[0] {
            return BURST_DAYS * exponential(rng, days / BURST_DAYS);
        }
        which -= parts[0];
        if which < parts[1] {
            return unit(rng) * days;
        }
        days - RISE_DAYS * exponential(rng, days / RISE_DAYS)
    }
}

/// Which purchases are made.
pub struct Plan {
    /// Purchases of each concert, and the number of the first one.
    counts: Vec<u32>,
    first: Vec<u64>,
    /// Tickets that each concert has sold by the day that the data is made on.
    sold: Vec<u32>,
    quantities: Choice,
    hours: Choice,
    zones: HashMap<&'static str, Offsets>,
    today: i32,
    pub sales: u64,
    pub tickets: u64,
    /// All purchases of this world, of which `sales` are made.
    pub purchases: u64,
    /// Tickets of the purchases that were made so far.
    sampled: AtomicU64,
}

impl Plan {
    /// Spreads the purchases over the concerts in proportion to the tickets that each has sold.
    ///
    /// # Errors
    /// [`GenerateError::TooManySales`] where not even a ticket each is left. With `at_most`, as many are made as there
    /// are tickets.
    pub fn new(options: &crate::GenerateOptions, concerts: &[Concert]) -> Result<Plan, GenerateError> {
        let today = day_number(options.as_of);
        let sold: Vec<u32> = concerts
            .iter()
            .map(|concert| match concert.status {
                Status::Cancelled => 0,
                Status::Completed => concert.tickets,
                Status::Scheduled => {
                    let curve = Curve::new(concert);
                    let parts = curve.parts(f64::from(today - concert.announced).min(curve.span));
                    (f64::from(concert.tickets) * parts.iter().sum::<f64>()) as u32
                }
            })
            .collect();
        let tickets: u64 = sold.iter().copied().map(u64::from).sum();
        let sales = match options.sales {
            crate::Sales::Exactly(wanted) if wanted > tickets => {
                return Err(GenerateError::TooManySales {
                    wanted,
                    most: tickets,
                    concerts: options.concerts,
                });
            }
            crate::Sales::Exactly(sales) => sales,
            crate::Sales::AtMost(most) => most.min(tickets),
        };
        let mut counts = Vec::with_capacity(concerts.len());
        let mut first = Vec::with_capacity(concerts.len());
        // Rounding the running sum instead of each share: the counts add up to what was asked for, and no concert
        // has more purchases than tickets.
        let (mut reached, mut given) = (0_u128, 0_u64);
        for sold in &sold {
            reached += u128::from(*sold);
            let until = (reached * u128::from(sales))
                .checked_div(u128::from(tickets))
                .unwrap_or(0) as u64;
            first.push(given + 1);
            counts.push((until - given) as u32);
            given = until;
        }
        let natural = mean(&QUANTITIES);
        let room = if sales == 0 {
            f64::MAX
        } else {
            tickets as f64 / sales as f64
        };
        let quantities = tilted(room.min(natural));
        let first_day = concerts.iter().map(|concert| concert.announced).min().unwrap_or(today);
        Ok(Plan {
            counts,
            first,
            sold,
            purchases: ((tickets as f64 / mean(&quantities)).round() as u64).max(sales),
            quantities: Choice::new(quantities),
            hours: Choice::new(HOURS),
            zones: CITIES
                .iter()
                .map(|city| (city.timezone, Offsets::new(city.timezone, first_day, today)))
                .collect(),
            today,
            sales,
            tickets,
            sampled: AtomicU64::new(0),
        })
    }

    /// Stretches of concerts whose purchases are made at once.
    pub fn stretches(&self) -> Vec<Range<usize>> {
        let mut stretches = Vec::new();
        let (mut begin, mut rows) = (0, 0);
        for (index, count) in self.counts.iter().enumerate() {
            rows += u64::from(*count);
            if rows >= ROWS_AT_ONCE {
                stretches.push(begin..index + 1);
                (begin, rows) = (index + 1, 0);
            }
        }
        if rows > 0 {
            stretches.push(begin..self.counts.len());
        }
        stretches
    }

    /// How many purchases are made of a stretch of concerts.
    pub fn rows(&self, stretch: &Range<usize>) -> u64 {
        self.counts[stretch.clone()].iter().copied().map(u64::from).sum()
    }

    /// The part of all tickets that the purchases which were made are.
    pub fn ticket_fraction(&self) -> f64 {
        if self.tickets == 0 {
            return 0.0;
        }
        self.sampled.load(Ordering::Relaxed) as f64 / self.tickets as f64
    }

    /// The purchases of some concerts, each concert's by time.
    pub fn rows_of(&self, made: &Made, stretch: Range<usize>) -> Rows {
        let mut frame = Frame::new(&TICKET_SALES);
        let mut about = Vec::new();
        let mut times = Vec::new();
        let mut sampled = 0;
        for index in stretch {
            if self.counts[index] > 0 {
                sampled += self.concert(made, index, &mut times, &mut frame);
                about.resize(frame.rows(), index);
            }
        }
        self.sampled.fetch_add(sampled, Ordering::Relaxed);
        Rows { frame, about }
    }

    fn concert(&self, made: &Made, index: usize, times: &mut Vec<i64>, frame: &mut Frame) -> u64 {
        let concert = &made.concerts[index];
        let artist = &made.world.artists[concert.artist as usize];
        let city = made.world.city_of(concert.venue);
        let mut rng = made.streams.stream(Part::Sales, index as u64);
        let rng = &mut rng;
        self.times(rng, concert, city, self.counts[index], times);

        let crowd = Crowd {
            city,
            artist: u64::from(concert.artist),
            venue: u64::from(concert.venue),
            about: artist,
        };
        let tiers = concert.tiers();
        let cents: Vec<i64> = tiers.iter().map(|tier| concert.cents(tier)).collect();
        let mut left = self.sold[index];
        let mut sampled = 0;
        let mut to_come = self.counts[index];
        for (sale, at) in (self.first[index]..).zip(times.iter().copied()) {
            to_come -= 1;
            // One ticket is kept for each purchase to come.
            let most = left - to_come;
            let quantity = (self.quantities.draw(rng) as u32 + 1).min(most);
            left -= quantity;
            sampled += u64::from(quantity);
            let buyer = made.customers.buyer(rng, &crowd, at.div_euclid(SECONDS_PER_DAY) as i32);
            let segment = buyer.map(|buyer| made.customers.segment(buyer));
            let tier = pick_tier(rng, tiers, segment.map_or(1.0, |segment| segment.dear));
            let channel = self.channel(rng, concert, at);

            let [
                sale_id,
                concert_id,
                customer_id,
                price_tier,
                quantity_column,
                unit_price,
                currency,
                channel_column,
                purchase_timestamp,
                customer_segment,
                created_at,
            ] = &mut frame.columns[..]
            else {
                return sampled;
            };
            sale_id.numbered("sale-", sale, 9);
            push_concert_id(concert_id, index);
            push_customer_id(customer_id, buyer.map(|buyer| made.customers.number(buyer)));
            price_tier.text(tiers[tier].name);
            quantity_column.integer(Some(quantity as i32));
            unit_price.long(Some(cents[tier]));
            currency.text(CURRENCY);
            channel_column.text(channel);
            purchase_timestamp.long(Some(at));
            customer_segment.maybe_text(segment.map(|segment| segment.name));
            created_at.long(Some(at));
        }
        sampled
    }

    /// The seconds of UTC at which a concert's purchases are made, sorted. None lies after the day that the data is
    /// made on has begun.
    fn times(&self, rng: &mut ChaCha8Rng, concert: &Concert, city: usize, count: u32, times: &mut Vec<i64>) {
        let curve = Curve::new(concert);
        let end = i64::from(self.today) * SECONDS_PER_DAY;
        let limit = f64::from(self.today - concert.announced).min(curve.span);
        let zone = self.zones.get(CITIES[city].timezone);
        let utc = |local: i64| zone.map_or(local, |zone| zone.to_utc(local));
        let opens = utc(i64::from(concert.announced) * SECONDS_PER_DAY + 3_600 * OPEN_HOUR);
        times.clear();
        for _ in 0..count {
            let days = curve.draw(rng, limit);
            let whole = days.floor();
            let day = concert.announced + whole as i32;
            if day == concert.announced {
                let seconds = ((end - opens) as f64).min(3_600.0 * 13.0);
                let mean = 3_600.0 * FIRST_HOURS;
                times.push(opens + (mean * exponential(rng, seconds / mean)) as i64);
                continue;
            }
            let second = if day >= concert.day {
                let part = (days - whole) / LAST_DAY;
                let hour = LAST_DAY_HOURS.0 + (LAST_DAY_HOURS.1 - LAST_DAY_HOURS.0) * part.min(1.0);
                (hour * 3_600.0) as i64
            } else {
                3_600 * self.hours.draw(rng) as i64 + rng.random_range(0..3_600)
            };
            let at = utc(i64::from(day) * SECONDS_PER_DAY + second);
            // The evening of the last day is the next one in UTC; half a day earlier it is daytime on the same day.
            times.push(if at < end { at } else { at - SECONDS_PER_DAY / 2 }.min(end - 1));
        }
        times.sort_unstable();
    }

    fn channel(&self, rng: &mut ChaCha8Rng, concert: &Concert, at: i64) -> &'static str {
        let years = (at as f64 / SECONDS_PER_DAY as f64 - f64::from(self.today)) / 365.25;
        let late = concert.starts_at - at < LATE_SECONDS;
        let shares = [
            ("box office", if late { BOX_OFFICE_LATE } else { BOX_OFFICE }),
            ("partner", PARTNER),
            ("mobile", (MOBILE + MOBILE_A_YEAR * years).clamp(0.05, 0.6)),
        ];
        let mut which = unit(rng);
        for (channel, share) in shares {
            if which < share {
                return channel;
            }
            which -= share;
        }
        "web"
    }
}

fn pick_tier(rng: &mut ChaCha8Rng, tiers: &[crate::concerts::Tier], dear: f64) -> usize {
    let mut which = unit(rng);
    for (index, tier) in tiers.iter().enumerate().skip(1) {
        let share = tier.share * dear;
        if which < share {
            return index;
        }
        which -= share;
    }
    0
}

fn mean(weights: &[f64; 6]) -> f64 {
    let total: f64 = weights.iter().sum();
    weights
        .iter()
        .zip(1..)
        .map(|(weight, tickets)| weight * f64::from(tickets))
        .sum::<f64>()
        / total
}

/// The quantities with another mean, which is at most the natural one: each further ticket is less likely by one
/// factor, found by bisection.
fn tilted(wanted: f64) -> [f64; 6] {
    let tilt = |factor: f64| {
        let mut weights = QUANTITIES;
        for (weight, power) in weights.iter_mut().zip(0..) {
            *weight *= libm::pow(factor, f64::from(power));
        }
        weights
    };
    if wanted >= mean(&QUANTITIES) {
        return QUANTITIES;
    }
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if mean(&tilt(middle)) < wanted {
            low = middle;
        } else {
            high = middle;
        }
    }
    tilt(low)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Streams;

    #[test]
    fn quantities_are_tilted_to_the_mean_that_is_wanted() {
        for wanted in [1.0, 1.2, 1.7, 2.2] {
            assert!((mean(&tilted(wanted)) - wanted).abs() < 1e-6, "{wanted}");
        }
        assert_eq!(tilted(9.0), QUANTITIES);
    }

    #[test]
    fn what_is_drawn_follows_the_curve() {
        let curve = Curve {
            span: 120.8,
            burst: 0.4,
            rise: 0.32,
        };
        let total: f64 = curve.parts(curve.span).iter().sum();
        assert!((total - 1.0).abs() < 1e-9);
        let mut rng = Streams::new(3).stream(Part::Sales, 0);
        for limit in [curve.span, 60.0, 3.0] {
            let drawn: Vec<f64> = (0..20_000).map(|_| curve.draw(&mut rng, limit)).collect();
            let whole: f64 = curve.parts(limit).iter().sum();
            for part in [0.1, 0.5, 0.9] {
                let days = part * limit;
                let expected = curve.parts(days).iter().sum::<f64>() / whole;
                let found = drawn.iter().filter(|d| **d < days).count() as f64 / 20_000.0;
                assert!(
                    (found - expected).abs() < 0.02,
                    "{limit} {part}: {found}, not {expected}"
                );
            }
        }
    }
}
