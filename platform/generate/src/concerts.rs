//! What each night draws: prices, demand, attendance and the box office.

use crate::{
    GenerateOptions,
    calendar::{Offsets, SECONDS_PER_DAY, day_number, month, weekday},
    cities::CITIES,
    random::{Part, Streams, normal, unit},
    tours::{AHEAD_DAYS, Night},
    world::{Artist, GENRES, World},
};
use rand::Rng;
use std::collections::HashMap;

const CANCELLED: f64 = 0.02;

/// Demand by weekday (Monday first) and by month (January first), relative to the mean.
pub const WEEKDAY: [f64; 7] = [0.80, 0.82, 0.88, 0.98, 1.18, 1.26, 0.98];
const MONTH: [f64; 12] = [0.86, 0.90, 0.97, 1.0, 1.04, 1.10, 1.14, 1.08, 1.02, 1.0, 0.96, 0.93];
/// How many percent demand falls for a percent that a night is dearer than usual for its artist and room.
const PRICE_ELASTICITY: f64 = 0.7;
/// The standard deviation of how much dearer or cheaper a night is than usual, as a logarithm.
const DEARNESS: f64 = 0.18;
/// Prices rise by this in a year.
const INFLATION: f64 = 0.03;
/// Demand grows with this power of a city's size; 1 is the median city's.
const CITY_POWER: f64 = 0.22;
const MEDIAN_METRO_THOUSANDS: f64 = 2_300.0;
/// The logarithm's standard deviation of what nothing here explains.
const NOISE: f64 = 0.28;
/// Demand lost to each other concert of the same genre in the same city within these days, and the most that counts.
const COMPETITION: f64 = 0.08;
const COMPETITION_DAYS: i32 = 7;
const MOST_RIVALS: usize = 6;
/// The end of one-price rooms and of two-price rooms, in people.
const SMALL_ROOM: u32 = 800;
const LARGE_ROOM: u32 = 5_000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    Scheduled,
    Completed,
    Cancelled,
}

impl Status {
    pub fn name(self) -> &'static str {
        match self {
            Status::Scheduled => "scheduled",
            Status::Completed => "completed",
            Status::Cancelled => "cancelled",
        }
    }
}

/// A kind of seat: its price relative to the first kind's, and its share of the tickets.
pub struct Tier {
    pub name: &'static str,
    factor: f64,
    pub share: f64,
}

const fn tier(name: &'static str, factor: f64, share: f64) -> Tier {
    Tier { name, factor, share }
}

const ONE_TIER: &[Tier] = &[tier("general", 1.0, 1.0)];
const TWO_TIERS: &[Tier] = &[tier("standard", 1.0, 0.78), tier("premium", 1.55, 0.22)];
const THREE_TIERS: &[Tier] = &[
    tier("standard", 1.0, 0.70),
    tier("premium", 1.6, 0.24),
    tier("vip", 3.2, 0.06),
];

/// Larger rooms have more kinds of seats.
pub fn tiers_of(capacity: u32) -> &'static [Tier] {
    match capacity {
        0..SMALL_ROOM => ONE_TIER,
        SMALL_ROOM..LARGE_ROOM => TWO_TIERS,
        _ => THREE_TIERS,
    }
}

pub struct Concert {
    pub artist: u32,
    pub venue: u32,
    /// Days since 1970-01-01; the day is the venue's.
    pub day: i32,
    pub announced: i32,
    /// Seconds since 1970-01-01, UTC.
    pub starts_at: i64,
    pub status: Status,
    /// Tickets that are sold when the night begins: what people want, cut at the capacity of the room.
    pub tickets: u32,
    /// What people want, relative to the capacity.
    pub pressure: f32,
    /// The price of the first tier, in cents.
    base_cents: u32,
    capacity: u32,
}

impl Concert {
    pub fn tiers(&self) -> &'static [Tier] {
        tiers_of(self.capacity)
    }

    /// Prices end on half a dollar.
    pub fn cents(&self, tier: &Tier) -> i64 {
        let half_dollars = f64::from(self.base_cents) / 50.0 * tier.factor;
        half_dollars.round() as i64 * 50
    }

    /// Box-office revenue in cents: the attendance spread over the tiers by their shares, the rest in the first.
    pub fn revenue_cents(&self) -> i64 {
        let Some((first, others)) = self.tiers().split_first() else {
            return 0;
        };
        let (mut left, mut cents) = (i64::from(self.tickets), 0);
        for tier in others {
            let sold = (f64::from(self.tickets) * tier.share).floor() as i64;
            left -= sold;
            cents += sold * self.cents(tier);
        }
        cents + left * self.cents(first)
    }
}

fn years(days: i32) -> f64 {
    f64::from(days) / 365.25
}

/// What an artist draws in a city on an average night, `days` after the day that the data is made on.
pub fn expected_draw(artist: &Artist, city: usize, days: i32) -> f64 {
    let trend = libm::log(1.0 + GENRES[artist.genre].yearly_trend) + artist.growth;
    let size = libm::pow(CITIES[city].metro_thousands / MEDIAN_METRO_THOUSANDS, CITY_POWER);
    artist.draw * size * libm::exp(trend * years(days))
}

/// Prices, demand, attendance and status of the planned nights, which are sorted by day.
pub fn concerts(options: &GenerateOptions, streams: &Streams, world: &World, nights: &[Night]) -> Vec<Concert> {
    let today = day_number(options.as_of);
    let last = today + AHEAD_DAYS + 1;
    let zones: HashMap<&str, Offsets> = CITIES
        .iter()
        .map(|city| {
            (
                city.timezone,
                Offsets::new(city.timezone, day_number(options.from), last),
            )
        })
        .collect();
    let rivals = rivals(world, nights);
    nights
        .iter()
        .zip(rivals)
        .zip(0..)
        .map(|((night, rivals), index)| {
            let mut rng = streams.stream(Part::Concerts, index);
            let artist = &world.artists[night.artist as usize];
            let venue = &world.venues[night.venue as usize];
            let capacity = f64::from(venue.capacity);
            let ahead = night.day - today;
            let usual = 14.0 + 0.55 * artist.popularity + 6.0 * libm::log10(capacity);
            let usual = usual * libm::pow(1.0 + INFLATION, years(ahead));
            let dearness = libm::exp(DEARNESS * normal(&mut rng));
            let demand = expected_draw(artist, venue.city, ahead)
                * WEEKDAY[weekday(night.day)]
                * MONTH[month(night.day)]
                * libm::pow(dearness, -PRICE_ELASTICITY)
                * libm::pow(1.0 - COMPETITION, rivals as f64)
                * libm::exp(NOISE * normal(&mut rng));
            let status = match (ahead < 0, unit(&mut rng) < CANCELLED) {
                (_, true) => Status::Cancelled,
                (true, false) => Status::Completed,
                (false, false) => Status::Scheduled,
            };
            // 19:00 to 20:30 on the venue's clock.
            let local = i64::from(night.day) * SECONDS_PER_DAY + 3_600 * 19 + 1_800 * rng.random_range(0..4);
            Concert {
                artist: night.artist,
                venue: night.venue,
                day: night.day,
                announced: night.announced,
                starts_at: zones
                    .get(CITIES[venue.city].timezone)
                    .map_or(local, |zone| zone.to_utc(local)),
                status,
                tickets: demand.round().clamp(1.0, capacity) as u32,
                pressure: (demand / capacity) as f32,
                base_cents: (usual * dearness * 2.0).round() as u32 * 50,
                capacity: venue.capacity,
            }
        })
        .collect()
}

/// For each night, how many others of the same genre are in the same city within a week.
fn rivals(world: &World, nights: &[Night]) -> Vec<usize> {
    let place = |night: &Night| (world.city_of(night.venue), world.artists[night.artist as usize].genre);
    let mut by_place: HashMap<(usize, usize), Vec<(i32, u32)>> = HashMap::new();
    for night in nights {
        by_place
            .entry(place(night))
            .or_default()
            .push((night.day, night.artist));
    }
    nights
        .iter()
        .map(|night| {
            let there = by_place.get(&place(night)).map(Vec::as_slice).unwrap_or_default();
            let from = there.partition_point(|(day, _)| *day < night.day - COMPETITION_DAYS);
            there[from..]
                .iter()
                .take_while(|(day, _)| *day <= night.day + COMPETITION_DAYS)
                .filter(|(_, artist)| *artist != night.artist)
                .take(MOST_RIVALS)
                .count()
        })
        .collect()
}
