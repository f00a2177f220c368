//! Purchases: a sample of the tickets that were sold, along each concert's sales curve.

use crate::{
    GenerateOptions,
    concerts::{Concert, Status, days_between},
    world::{World, rng, weighted},
};
use jiff::{Timestamp, ToSpan, civil::Date, tz::TimeZone};
use rand::{Rng, prelude::Distribution};
use rand_chacha::ChaCha8Rng;

/// Shares of a concert's sales in the burst when it is announced, in the lull, and in the last days.
const BURST: f64 = 0.34;
const LULL: f64 = 0.26;
/// The mean length of the burst and of the last rise, as a part of the time on sale.
const BURST_MEAN: f64 = 0.06;
const RISE_MEAN: f64 = 0.08;
const QUANTITIES: [f64; 6] = [0.27, 0.46, 0.10, 0.12, 0.03, 0.02];
const CHANNELS: &[(&str, f64)] = &[("web", 0.52), ("mobile", 0.34), ("box office", 0.08), ("partner", 0.06)];
/// Share of the purchases whose customer is known, and of those made by people from the concert's city.
const KNOWN_CUSTOMER: f64 = 0.9;
const LOCAL: f64 = 0.72;
const SECONDS_PER_DAY: f64 = 86_400.0;

pub struct Sale {
    pub concert: usize,
    pub customer: Option<usize>,
    pub tier: usize,
    pub quantity: u32,
    pub channel: &'static str,
    pub at: Timestamp,
}

/// The purchases, and which part of all tickets they are.
pub fn sales(options: &GenerateOptions, world: &World, concerts: &[Concert]) -> (Vec<Sale>, f64) {
    // A concert ahead has sold only what its curve says until `as_of`.
    let sold: Vec<f64> = concerts
        .iter()
        .map(|concert| match concert.status {
            Status::Cancelled => 0.0,
            Status::Completed => f64::from(concert.attendance),
            Status::Scheduled => f64::from(concert.attendance) * curve(elapsed(concert, options.as_of)),
        })
        .collect();
    let all: f64 = sold.iter().sum();
    if all <= 0.0 || options.sales == 0 {
        return (Vec::new(), 0.0);
    }
    let mut rng = rng(options.seed, 5);
    let concert_of = weighted(sold.iter().copied());
    let quantities = weighted(QUANTITIES);
    let channels = weighted(CHANNELS.iter().map(|c| c.1));
    let mut by_city = vec![Vec::new(); crate::cities::CITIES.len()];
    for (i, customer) in world.customers.iter().enumerate() {
        by_city[customer.city].push(i);
    }
    let mut sales: Vec<Sale> = (0..options.sales)
        .map(|_| {
            let index = concert_of.sample(&mut rng);
            let concert = &concerts[index];
            Sale {
                concert: index,
                customer: customer(&mut rng, world, &by_city[world.venues[concert.venue].city]),
                tier: weighted(concert.tiers.iter().map(|tier| tier.share)).sample(&mut rng),
                quantity: quantities.sample(&mut rng) as u32 + 1,
                channel: CHANNELS[channels.sample(&mut rng)].0,
                at: purchased(&mut rng, concert, options.as_of),
            }
        })
        .collect();
    sales.sort_by_key(|sale| (sale.at, sale.concert));
    let sampled: f64 = sales.iter().map(|sale| f64::from(sale.quantity)).sum();
    (sales, (sampled / all).min(1.0))
}

/// Enthusiasts buy again and again: the index is squared towards the front of the list.
fn customer(rng: &mut ChaCha8Rng, world: &World, local: &[usize]) -> Option<usize> {
    if world.customers.is_empty() || !rng.random_bool(KNOWN_CUSTOMER) {
        return None;
    }
    let front = rng.random::<f64>().powi(2);
    let at = |count: usize| ((front * count as f64) as usize).min(count - 1);
    if !local.is_empty() && rng.random_bool(LOCAL) {
        Some(local[at(local.len())])
    } else {
        Some(at(world.customers.len()))
    }
}

fn days_on_sale(concert: &Concert) -> f64 {
    days_between(concert.announced, concert.date).max(1) as f64
}

/// How much of its time on sale is over on `day`: 0 to 1.
fn elapsed(concert: &Concert, day: Date) -> f64 {
    let days = days_between(concert.announced, day) as f64;
    (days / days_on_sale(concert)).clamp(0.0, 1.0)
}

/// The part of the tickets that is sold when a part `t` of the time is over: burst, lull, last rise.
fn curve(t: f64) -> f64 {
    let burst = (1.0 - (-t / BURST_MEAN).exp()) / (1.0 - (-1.0 / BURST_MEAN).exp());
    let rise = ((-(1.0 - t) / RISE_MEAN).exp() - (-1.0 / RISE_MEAN).exp()) / (1.0 - (-1.0 / RISE_MEAN).exp());
    BURST * burst + LULL * t + (1.0 - BURST - LULL) * rise
}

/// Draws a moment on the curve that lies before the end of `as_of`, by bisecting the curve.
fn purchased(rng: &mut ChaCha8Rng, concert: &Concert, as_of: Date) -> Timestamp {
    let limit = if concert.status == Status::Scheduled {
        elapsed(concert, as_of)
    } else {
        1.0
    };
    let goal = rng.random::<f64>() * curve(limit);
    let (mut low, mut high) = (0.0, limit);
    for _ in 0..30 {
        let middle = (low + high) / 2.0;
        if curve(middle) < goal {
            low = middle
        } else {
            high = middle
        }
    }
    let start = concert
        .announced
        .to_zoned(TimeZone::UTC)
        .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp());
    let seconds = (low * days_on_sale(concert) * SECONDS_PER_DAY) as i64;
    start.saturating_add(seconds.seconds()).unwrap_or(start)
}
