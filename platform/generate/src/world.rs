//! The world before anyone plays: artists, venues and customers.

use crate::{GenerateOptions, cities::CITIES, names};
use jiff::{ToSpan, civil::Date};
use rand::{Rng, SeedableRng, distr::weighted::WeightedIndex, prelude::Distribution};
use rand_chacha::ChaCha8Rng;
use rand_distr::Normal;
use std::collections::HashSet;

/// A genre: how common it is among artists, and by how much its draw changes in a year.
pub struct Genre {
    pub name: &'static str,
    share: f64,
    pub yearly_trend: f64,
    solo: f64,
}

pub const GENRES: &[Genre] = &[
    Genre {
        name: "Rock",
        share: 0.18,
        yearly_trend: -0.03,
        solo: 0.1,
    },
    Genre {
        name: "Indie",
        share: 0.15,
        yearly_trend: 0.02,
        solo: 0.3,
    },
    Genre {
        name: "Pop",
        share: 0.13,
        yearly_trend: 0.04,
        solo: 0.8,
    },
    Genre {
        name: "Hip-Hop",
        share: 0.11,
        yearly_trend: 0.02,
        solo: 0.85,
    },
    Genre {
        name: "Country",
        share: 0.10,
        yearly_trend: 0.06,
        solo: 0.75,
    },
    Genre {
        name: "Electronic",
        share: 0.08,
        yearly_trend: 0.03,
        solo: 0.7,
    },
    Genre {
        name: "R&B",
        share: 0.07,
        yearly_trend: 0.01,
        solo: 0.85,
    },
    Genre {
        name: "Metal",
        share: 0.06,
        yearly_trend: -0.02,
        solo: 0.02,
    },
    Genre {
        name: "Folk",
        share: 0.05,
        yearly_trend: 0.0,
        solo: 0.6,
    },
    Genre {
        name: "Latin",
        share: 0.04,
        yearly_trend: 0.10,
        solo: 0.7,
    },
    Genre {
        name: "Jazz",
        share: 0.03,
        yearly_trend: -0.02,
        solo: 0.5,
    },
];

/// A kind of venue: how common, its median capacity, the spread of its logarithm, and the limits.
pub struct VenueType {
    pub name: &'static str,
    share: f64,
    median: f64,
    spread: f64,
    limits: (f64, f64),
}

pub const VENUE_TYPES: &[VenueType] = &[
    VenueType {
        name: "club",
        share: 0.46,
        median: 550.0,
        spread: 0.55,
        limits: (100.0, 2_000.0),
    },
    VenueType {
        name: "theater",
        share: 0.31,
        median: 2_100.0,
        spread: 0.4,
        limits: (600.0, 6_000.0),
    },
    VenueType {
        name: "arena",
        share: 0.11,
        median: 14_500.0,
        spread: 0.25,
        limits: (7_000.0, 22_000.0),
    },
    VenueType {
        name: "outdoor",
        share: 0.09,
        median: 8_000.0,
        spread: 0.6,
        limits: (2_000.0, 30_000.0),
    },
    VenueType {
        name: "stadium",
        share: 0.03,
        median: 48_000.0,
        spread: 0.2,
        limits: (30_000.0, 80_000.0),
    },
];

const AMENITIES: &[&str] = &[
    "parking",
    "accessible seating",
    "bar",
    "food",
    "coat check",
    "vip lounge",
    "transit",
];
pub const SEGMENTS: &[(&str, f64)] = &[("casual", 0.55), ("regular", 0.28), ("enthusiast", 0.12), ("vip", 0.05)];

/// The most popular artist's expected demand for one night in a city of median size, in tickets.
const TOP_DRAW: f64 = 38_000.0;
/// The exponent of the heavy tail: the artist of rank r draws about r^-0.75 of the first.
const TAIL: f64 = 0.75;
/// Share of venues whose capacity nobody reported.
const CAPACITY_UNKNOWN: f64 = 0.02;

pub struct Artist {
    pub id: String,
    pub name: String,
    pub genre: usize,
    pub second_genre: Option<usize>,
    /// 0 to 100, a noisy view of the draw.
    pub popularity: f64,
    /// Expected tickets for one night in a city of median size.
    pub draw: f64,
    pub formation: Date,
    pub home: usize,
    pub members: Vec<String>,
}

pub struct Venue {
    pub id: String,
    pub name: String,
    pub city: usize,
    pub venue_type: usize,
    pub capacity: u32,
    pub capacity_known: bool,
    pub amenities: Vec<&'static str>,
}

pub struct Customer {
    pub id: String,
    pub segment: &'static str,
    pub city: usize,
    pub joined: Date,
}

pub struct World {
    pub artists: Vec<Artist>,
    pub venues: Vec<Venue>,
    pub customers: Vec<Customer>,
}

/// A generator of its own for each part of the world, so that more venues do not change the artists.
pub fn rng(seed: u64, part: u64) -> ChaCha8Rng {
    let mut rng = ChaCha8Rng::seed_from_u64(seed);
    rng.set_stream(part);
    rng
}

/// Weights that are never all zero; an index of 0 where the list is wrong is impossible for our constants.
pub fn weighted(weights: impl IntoIterator<Item = f64>) -> WeightedIndex<f64> {
    let weights: Vec<f64> = weights.into_iter().map(|w| w.max(f64::MIN_POSITIVE)).collect();
    WeightedIndex::new(weights).unwrap_or_else(|_| unreachable!("every weight is positive and the list is not empty"))
}

/// A sample of the standard normal distribution.
pub fn normal(rng: &mut ChaCha8Rng) -> f64 {
    rng.sample(rand_distr::StandardNormal)
}

impl World {
    pub fn new(options: &GenerateOptions) -> World {
        World {
            artists: artists(options),
            venues: venues(options),
            customers: customers(options),
        }
    }
}

fn days_before(day: Date, days: i64) -> Date {
    day.saturating_sub(days.days())
}

fn artists(options: &GenerateOptions) -> Vec<Artist> {
    let mut rng = rng(options.seed, 1);
    let genres = weighted(GENRES.iter().map(|g| g.share));
    let homes = weighted(CITIES.iter().map(|c| c.metro_thousands));
    let mut taken = HashSet::new();
    let count = f64::from(options.artists);
    // Ranks in a shuffled order, so that an id tells nothing.
    let mut ranks: Vec<u32> = (0..options.artists).collect();
    rand::seq::SliceRandom::shuffle(&mut ranks[..], &mut rng);
    ranks
        .into_iter()
        .enumerate()
        .map(|(i, rank)| {
            let rank = f64::from(rank) + 1.0;
            let genre = genres.sample(&mut rng);
            let solo = rng.random_bool(GENRES[genre].solo);
            let popularity = 100.0 * (1.0 - rank.ln() / (count + 1.0).ln()) + 4.0 * normal(&mut rng);
            let age_days = rng.random_range(400..=(365 * 35));
            let second_genre = rng
                .random_bool(0.35)
                .then(|| genres.sample(&mut rng))
                .filter(|second| *second != genre);
            let name = names::artist(&mut rng, solo, &mut taken);
            let members = if solo {
                vec![name.clone()]
            } else {
                (0..rng.random_range(2..=5)).map(|_| names::person(&mut rng)).collect()
            };
            Artist {
                id: format!("artist-{:05}", i + 1),
                name,
                genre,
                second_genre,
                popularity: popularity.clamp(1.0, 100.0),
                draw: TOP_DRAW * rank.powf(-TAIL),
                formation: days_before(options.as_of, age_days),
                home: homes.sample(&mut rng),
                members,
            }
        })
        .collect()
}

fn venues(options: &GenerateOptions) -> Vec<Venue> {
    let mut rng = rng(options.seed, 2);
    let types = weighted(VENUE_TYPES.iter().map(|t| t.share));
    // Halls grow more slowly than cities.
    let cities = weighted(CITIES.iter().map(|c| c.metro_thousands.powf(0.7)));
    let mut taken: Vec<HashSet<String>> = CITIES.iter().map(|_| HashSet::new()).collect();
    (0..options.venues)
        .map(|i| {
            let city = cities.sample(&mut rng);
            let venue_type = types.sample(&mut rng);
            let kind = &VENUE_TYPES[venue_type];
            let capacity = (kind.median * (kind.spread * normal(&mut rng)).exp()).clamp(kind.limits.0, kind.limits.1);
            // Capacities are licensed in round numbers.
            let step = if capacity < 1_000.0 { 10.0 } else { 50.0 };
            Venue {
                id: format!("venue-{:05}", i + 1),
                name: names::venue(&mut rng, kind.name, CITIES[city].name, &mut taken[city]),
                city,
                venue_type,
                capacity: ((capacity / step).round() * step) as u32,
                capacity_known: !rng.random_bool(CAPACITY_UNKNOWN),
                amenities: AMENITIES.iter().copied().filter(|_| rng.random_bool(0.45)).collect(),
            }
        })
        .collect()
}

fn customers(options: &GenerateOptions) -> Vec<Customer> {
    let mut rng = rng(options.seed, 3);
    let cities = weighted(CITIES.iter().map(|c| c.metro_thousands));
    let segments = weighted(SEGMENTS.iter().map(|s| s.1));
    let joined = Normal::new(900.0, 500.0).unwrap_or_else(|_| unreachable!("the deviation is positive"));
    (0..options.customers())
        .map(|i| Customer {
            id: format!("customer-{:07}", i + 1),
            segment: SEGMENTS[segments.sample(&mut rng)].0,
            city: cities.sample(&mut rng),
            joined: days_before(options.as_of, f64::clamp(rng.sample(joined), 1.0, 3_000.0) as i64),
        })
        .collect()
}
