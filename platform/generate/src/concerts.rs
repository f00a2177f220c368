//! Concerts: tours that go from city to city, and what each night drew.

use crate::{
    GenerateOptions,
    cities::{CITIES, distance_km},
    world::{Artist, GENRES, VENUE_TYPES, Venue, World, normal, rng, weighted},
};
use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Weekday, time},
    tz::TimeZone,
};
use rand::{Rng, prelude::Distribution};
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

/// History before `as_of`, and how far ahead concerts are on sale, in days.
const HISTORY_DAYS: i64 = 1_280;
const AHEAD_DAYS: i64 = 180;
/// Share of the concerts that lie ahead.
const SCHEDULED: f64 = 0.08;
const CANCELLED: f64 = 0.02;
/// A concert is announced this many days before, at least and at most.
const ANNOUNCED_DAYS: (i64, i64) = (30, 300);
/// The typical leg of a tour, in kilometres: farther cities are less likely to come next.
const LEG_KM: f64 = 450.0;
const STOPS: (usize, usize) = (5, 22);
/// Tours that find no free venue in this many steps are given up.
const TRIES_PER_CONCERT: u32 = 40;

/// Demand by weekday (Monday first) and by month (January first), relative to the mean.
pub const WEEKDAY: [f64; 7] = [0.80, 0.82, 0.88, 0.98, 1.18, 1.26, 0.98];
pub const MONTH: [f64; 12] = [0.86, 0.90, 0.97, 1.0, 1.04, 1.10, 1.14, 1.08, 1.02, 1.0, 0.96, 0.93];
/// How many percent demand falls for a percent that a night is dearer than usual for its artist.
const PRICE_ELASTICITY: f64 = 0.5;
/// Demand grows with this power of a city's size.
const CITY_POWER: f64 = 0.22;
/// The logarithm's standard deviation of what nothing here explains.
const NOISE: f64 = 0.28;
/// Demand lost to each other concert of the same genre in the same city within a week.
const COMPETITION: f64 = 0.07;

pub struct Concert {
    pub id: String,
    pub artist: usize,
    pub venue: usize,
    pub date: Date,
    pub starts_at: Timestamp,
    pub announced: Date,
    pub status: Status,
    /// Tickets that people wanted, cut at the capacity of the room.
    pub attendance: u32,
    /// Tier, price in cents, share of the tickets.
    pub tiers: Vec<Tier>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
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

pub struct Tier {
    pub name: &'static str,
    pub cents: i64,
    pub share: f64,
}

impl Concert {
    /// Box-office revenue in cents: the attendance spread over the tiers, the rest in the first.
    pub fn revenue_cents(&self) -> i64 {
        let mut left = i64::from(self.attendance);
        let mut cents = 0;
        for tier in self.tiers.iter().skip(1) {
            let sold = (f64::from(self.attendance) * tier.share).floor() as i64;
            left -= sold;
            cents += sold * tier.cents;
        }
        cents + left * self.tiers.first().map_or(0, |tier| tier.cents)
    }
}

/// A stretch of days and how many concerts belong in it.
struct Window {
    from: Date,
    to: Date,
    count: usize,
}

pub fn concerts(options: &GenerateOptions, world: &World) -> Vec<Concert> {
    if world.artists.is_empty() || world.venues.is_empty() {
        return Vec::new();
    }
    let mut rng = rng(options.seed, 4);
    let ahead = (f64::from(options.concerts) * SCHEDULED).round() as usize;
    let windows = [
        Window {
            from: options.as_of.saturating_sub(HISTORY_DAYS.days()),
            to: options.as_of.saturating_sub(1.days()),
            count: options.concerts as usize - ahead,
        },
        Window {
            from: options.as_of.saturating_add(1.days()),
            to: options.as_of.saturating_add(AHEAD_DAYS.days()),
            count: ahead,
        },
    ];
    let mut router = Router::new(world);
    let mut nights = Vec::with_capacity(options.concerts as usize);
    for window in &windows {
        router.fill(&mut rng, window, &mut nights);
    }
    nights.sort_by_key(|night| (night.date, night.venue));
    finish(&mut rng, options, world, nights)
}

/// Where and when one night of a tour takes place.
struct Night {
    artist: usize,
    venue: usize,
    date: Date,
}

struct Router<'a> {
    world: &'a World,
    /// Venues of each city.
    by_city: Vec<Vec<usize>>,
    /// Who and where is taken on a day.
    busy_venues: HashSet<(usize, Date)>,
    busy_artists: HashSet<(usize, Date)>,
}

impl<'a> Router<'a> {
    fn new(world: &'a World) -> Self {
        let mut by_city = vec![Vec::new(); CITIES.len()];
        for (i, venue) in world.venues.iter().enumerate() {
            by_city[venue.city].push(i);
        }
        Router {
            world,
            by_city,
            busy_venues: HashSet::new(),
            busy_artists: HashSet::new(),
        }
    }

    /// Sends artists on tours until the window holds its concerts, or no venue is free any more.
    fn fill(&mut self, rng: &mut ChaCha8Rng, window: &Window, nights: &mut Vec<Night>) {
        let days = days_between(window.from, window.to);
        // Popular artists play more, but far less than in proportion to what they draw.
        let artists = weighted(self.world.artists.iter().map(|a| a.draw.powf(0.3)));
        let goal = nights.len() + window.count;
        let mut tries = u32::try_from(window.count).unwrap_or(u32::MAX / TRIES_PER_CONCERT) * TRIES_PER_CONCERT;
        while nights.len() < goal && tries > 0 {
            let artist = artists.sample(rng);
            let mut date = window.from.saturating_add(rng.random_range(0..=days).days());
            let mut city = self.first_city(rng, &self.world.artists[artist]);
            for _ in 0..rng.random_range(STOPS.0..=STOPS.1) {
                tries = tries.saturating_sub(1);
                if date > window.to || nights.len() >= goal {
                    break;
                }
                if let Some(venue) = self.venue(rng, artist, city, date) {
                    self.busy_venues.insert((venue, date));
                    self.busy_artists.insert((artist, date));
                    nights.push(Night { artist, venue, date });
                }
                city = self.next_city(rng, city);
                date = next_date(rng, date);
            }
        }
    }

    fn first_city(&self, rng: &mut ChaCha8Rng, artist: &Artist) -> usize {
        if rng.random_bool(0.3) && !self.by_city[artist.home].is_empty() {
            return artist.home;
        }
        weighted(
            CITIES
                .iter()
                .enumerate()
                .map(|(i, c)| self.rooms(i) * c.metro_thousands.powf(0.6)),
        )
        .sample(rng)
    }

    fn next_city(&self, rng: &mut ChaCha8Rng, from: usize) -> usize {
        weighted(CITIES.iter().enumerate().map(|(i, c)| {
            let near = if i == from {
                0.02
            } else {
                (-distance_km(&CITIES[from], c) / LEG_KM).exp()
            };
            near * self.rooms(i) * c.metro_thousands.powf(0.5)
        }))
        .sample(rng)
    }

    /// 1 where a city has a venue, else 0.
    fn rooms(&self, city: usize) -> f64 {
        if self.by_city[city].is_empty() { 0.0 } else { 1.0 }
    }

    /// A free room of a size that suits the artist: bookers aim a little above the expected demand.
    fn venue(&self, rng: &mut ChaCha8Rng, artist: usize, city: usize, date: Date) -> Option<usize> {
        if self.busy_artists.contains(&(artist, date)) {
            return None;
        }
        let expected = self.world.artists[artist].draw * size_factor(city);
        let free: Vec<usize> = self.by_city[city]
            .iter()
            .copied()
            .filter(|venue| !self.busy_venues.contains(&(*venue, date)))
            .filter(|venue| outdoor_season(&self.world.venues[*venue], date))
            .collect();
        if free.is_empty() {
            return None;
        }
        let misfit = |venue: usize| (f64::from(self.world.venues[venue].capacity) / (expected * 1.25)).ln();
        let choice = weighted(free.iter().map(|venue| (-2.0 * misfit(*venue).powi(2)).exp())).sample(rng);
        // Nobody books a stadium for a band that fills a club.
        (misfit(free[choice]).abs() < 2.3).then(|| free[choice])
    }
}

fn outdoor_season(venue: &Venue, date: Date) -> bool {
    VENUE_TYPES[venue.venue_type].name != "outdoor" || (4..=10).contains(&date.month())
}

/// Calendar days from `a` to `b`; negative where `b` comes first.
pub fn days_between(a: Date, b: Date) -> i64 {
    i64::from((b - a).get_days())
}

/// One to three days on, with a pull towards Thursday to Saturday.
fn next_date(rng: &mut ChaCha8Rng, date: Date) -> Date {
    let gap = weighted((1..=3).map(|gap: i64| {
        let day = date.saturating_add(gap.days()).weekday();
        WEEKDAY[weekday_index(day)].powi(3) / f64::from(u8::try_from(gap).unwrap_or(1))
    }))
    .sample(rng);
    date.saturating_add((gap as i64 + 1).days())
}

pub fn weekday_index(day: Weekday) -> usize {
    usize::try_from(day.to_monday_zero_offset()).unwrap_or(0)
}

fn size_factor(city: usize) -> f64 {
    (CITIES[city].metro_thousands / 2_300.0).powf(CITY_POWER)
}

/// Prices, demand, attendance and status of the planned nights.
fn finish(rng: &mut ChaCha8Rng, options: &GenerateOptions, world: &World, nights: Vec<Night>) -> Vec<Concert> {
    let rivals = rivals(world, &nights);
    nights
        .into_iter()
        .zip(rivals)
        .enumerate()
        .map(|(i, (night, rivals))| {
            let artist = &world.artists[night.artist];
            let venue = &world.venues[night.venue];
            let usual_price = 14.0 + 0.55 * artist.popularity + 6.0 * f64::from(venue.capacity).log10();
            let dearness = (0.15 * normal(rng)).exp();
            let tiers = tiers(usual_price * dearness, venue.capacity);
            let years = days_between(options.as_of, night.date) as f64 / 365.25;
            let demand = artist.draw
                * size_factor(venue.city)
                * WEEKDAY[weekday_index(night.date.weekday())]
                * MONTH[usize::try_from(night.date.month() - 1).unwrap_or(0)]
                * (1.0 + GENRES[artist.genre].yearly_trend).powf(years)
                * dearness.powf(-PRICE_ELASTICITY)
                * (1.0 - COMPETITION).powi(rivals)
                * (NOISE * normal(rng)).exp();
            let past = night.date < options.as_of;
            let status = match (past, rng.random_bool(CANCELLED)) {
                (_, true) => Status::Cancelled,
                (true, false) => Status::Completed,
                (false, false) => Status::Scheduled,
            };
            // What is on sale on `as_of` was announced by then.
            let ahead = days_between(options.as_of, night.date);
            let lead = rng.random_range(ANNOUNCED_DAYS.0.max(ahead)..=ANNOUNCED_DAYS.1);
            Concert {
                id: format!("concert-{:06}", i + 1),
                artist: night.artist,
                venue: night.venue,
                date: night.date,
                starts_at: starts_at(rng, CITIES[venue.city].timezone, night.date),
                announced: night.date.saturating_sub(lead.days()),
                status,
                attendance: demand.round().clamp(1.0, f64::from(venue.capacity)) as u32,
                tiers,
            }
        })
        .collect()
}

/// For each night, how many others of the same genre are in the same city within a week. `nights` is sorted by date.
fn rivals(world: &World, nights: &[Night]) -> Vec<i32> {
    let place = |night: &Night| (world.venues[night.venue].city, world.artists[night.artist].genre);
    let near = |a: &Night, b: &Night| days_between(a.date, b.date).abs() <= 7;
    nights
        .iter()
        .enumerate()
        .map(|(i, night)| {
            let before = nights[..i].iter().rev().take_while(|other| near(night, other));
            let after = nights[i + 1..].iter().take_while(|other| near(night, other));
            before
                .chain(after)
                .filter(|other| other.artist != night.artist && place(other) == place(night))
                .fold(0, |count, _| count + 1)
        })
        .collect()
}

/// Doors of larger rooms have more kinds of seats. Prices end on half a dollar.
fn tiers(price: f64, capacity: u32) -> Vec<Tier> {
    let cents = |factor: f64| ((price * factor * 2.0).round() as i64) * 50;
    let tier = |name, factor, share| Tier {
        name,
        cents: cents(factor),
        share,
    };
    match capacity {
        0..800 => vec![tier("general", 1.0, 1.0)],
        800..5_000 => vec![tier("standard", 1.0, 0.78), tier("premium", 1.55, 0.22)],
        _ => vec![
            tier("standard", 1.0, 0.70),
            tier("premium", 1.6, 0.24),
            tier("vip", 3.2, 0.06),
        ],
    }
}

/// 19:00 to 20:30 on the venue's clock.
fn starts_at(rng: &mut ChaCha8Rng, timezone: &str, date: Date) -> Timestamp {
    let half_hours = rng.random_range(0..4_i8);
    let local = date.to_datetime(time(19 + half_hours / 2, 30 * (half_hours % 2), 0, 0));
    let zone = TimeZone::get(timezone).unwrap_or(TimeZone::UTC);
    zone.to_ambiguous_zoned(local)
        .compatible()
        .map_or(Timestamp::UNIX_EPOCH, |zoned| zoned.timestamp())
}
