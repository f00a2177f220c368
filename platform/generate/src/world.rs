//! The world before anyone plays: artists and venues, small enough to be held in memory and made one after the other,
//! since no two may share a name. Customers are in [`crate::customers`].

use crate::{
    GenerateOptions,
    calendar::day_number,
    cities::CITIES,
    names::{self, Names},
    random::{Choice, Part, Permutation, Streams, normal, unit},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;

/// A genre: how common it is among artists, and by how much its draw changes in a year.
pub struct Genre {
    pub name: &'static str,
    pub share: f64,
    pub yearly_trend: f64,
    solo: f64,
}

const fn genre(name: &'static str, share: f64, yearly_trend: f64, solo: f64) -> Genre {
    Genre {
        name,
        share,
        yearly_trend,
        solo,
    }
}

pub const GENRES: &[Genre] = &[
    genre("Rock", 0.18, -0.05, 0.1),
    genre("Indie", 0.15, 0.02, 0.3),
    genre("Pop", 0.13, 0.05, 0.8),
    genre("Hip-Hop", 0.11, 0.0, 0.85),
    genre("Country", 0.10, 0.10, 0.75),
    genre("Electronic", 0.08, 0.04, 0.7),
    genre("R&B", 0.07, 0.01, 0.85),
    genre("Metal", 0.06, -0.06, 0.02),
    genre("Folk", 0.05, 0.0, 0.6),
    genre("Latin", 0.04, 0.16, 0.7),
    genre("Jazz", 0.03, -0.03, 0.5),
];

/// Genres whose listeners like each other's: Rock and Indie, Rock and Metal, and so on.
pub const NEAR_GENRES: &[(usize, usize)] = &[
    (0, 1),
    (0, 7),
    (1, 5),
    (1, 8),
    (2, 5),
    (2, 6),
    (2, 9),
    (3, 6),
    (4, 8),
    (6, 10),
];

/// A kind of venue: how common, its median capacity, the spread of its logarithm, and the limits.
pub struct VenueType {
    pub name: &'static str,
    share: f64,
    median: f64,
    spread: f64,
    limits: (f64, f64),
}

const fn kind(name: &'static str, share: f64, median: f64, spread: f64, limits: (f64, f64)) -> VenueType {
    VenueType {
        name,
        share,
        median,
        spread,
        limits,
    }
}

pub const VENUE_TYPES: &[VenueType] = &[
    kind("club", 0.46, 550.0, 0.55, (100.0, 2_000.0)),
    kind("theater", 0.31, 2_100.0, 0.4, (600.0, 6_000.0)),
    kind("arena", 0.11, 14_500.0, 0.25, (7_000.0, 22_000.0)),
    kind("outdoor", 0.09, 8_000.0, 0.6, (2_000.0, 30_000.0)),
    kind("stadium", 0.03, 48_000.0, 0.2, (30_000.0, 80_000.0)),
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

/// The most popular artist's expected demand for one night in a city of median size, in tickets.
const TOP_DRAW: f64 = 48_000.0;
/// The exponent of the heavy tail: the artist of rank r draws about r^-0.65 of the first.
const TAIL: f64 = 0.65;
/// The standard deviation of how much an artist's own draw grows in a year, as a logarithm.
const GROWTH: f64 = 0.12;
/// The standard deviation of the error in a popularity score, in points.
const POPULARITY_NOISE: f64 = 4.0;
/// Share of venues whose capacity nobody reported.
const CAPACITY_UNKNOWN: f64 = 0.02;

pub struct Artist {
    pub name: String,
    pub genre: usize,
    pub second_genre: Option<usize>,
    /// 0 to 100, a noisy view of the draw.
    pub popularity: f64,
    /// Expected tickets for one night in a city of median size on the day that the data is made on.
    pub draw: f64,
    /// By how much the draw's logarithm grows in a year.
    pub growth: f64,
    /// Days since 1970-01-01.
    pub formation: i32,
    pub home: usize,
    pub members: Vec<String>,
}

pub struct Venue {
    pub name: String,
    pub city: usize,
    pub venue_type: usize,
    pub capacity: u32,
    pub capacity_known: bool,
    pub amenities: Vec<&'static str>,
    /// Degrees, rounded to five digits (a metre).
    pub latitude: f64,
    pub longitude: f64,
}

pub struct World {
    pub artists: Vec<Artist>,
    pub venues: Vec<Venue>,
}

impl World {
    pub fn new(options: &GenerateOptions, streams: &Streams) -> World {
        World {
            artists: artists(options, streams),
            venues: venues(options, streams),
        }
    }

    pub fn city_of(&self, venue: u32) -> usize {
        self.venues[venue as usize].city
    }
}

fn artists(options: &GenerateOptions, streams: &Streams) -> Vec<Artist> {
    let genres = Choice::new(GENRES.iter().map(|g| g.share));
    let homes = Choice::new(CITIES.iter().map(|c| c.metro_thousands));
    let mut names = Names::default();
    // Ranks in an order that looks random, so that an id tells nothing.
    let ranks = Permutation::new(streams.key(Part::Artists), u64::from(options.artists));
    let all = libm::log(f64::from(options.artists) + 1.0);
    let today = day_number(options.as_of);
    (0..options.artists)
        .map(|index| {
            let mut rng = streams.stream(Part::Artists, u64::from(index));
            let rank = ranks.forward(u64::from(index)) as f64 + 1.0;
            let genre = genres.draw(&mut rng);
            let solo = unit(&mut rng) < GENRES[genre].solo;
            let popularity = 100.0 * (1.0 - libm::log(rank) / all) + POPULARITY_NOISE * normal(&mut rng);
            let second_genre = (unit(&mut rng) < 0.35)
                .then(|| genres.draw(&mut rng))
                .filter(|second| *second != genre);
            let name = names.artist(&mut rng, solo);
            let mut members = if solo {
                vec![name.clone()]
            } else {
                (0..rng.random_range(2..=5)).map(|_| names::person(&mut rng)).collect()
            };
            // Two members of one band can share an invented name; the table's key allows it once.
            members.sort();
            members.dedup();
            Artist {
                name,
                genre,
                second_genre,
                popularity: (popularity.clamp(1.0, 100.0) * 10.0).round() / 10.0,
                draw: TOP_DRAW * libm::pow(rank, -TAIL),
                growth: GROWTH * normal(&mut rng),
                formation: today - rng.random_range(400..=(365 * 35)),
                home: homes.draw(&mut rng),
                members,
            }
        })
        .collect()
}

fn venues(options: &GenerateOptions, streams: &Streams) -> Vec<Venue> {
    let types = Choice::new(VENUE_TYPES.iter().map(|t| t.share));
    // Halls grow more slowly than cities.
    let cities = Choice::new(CITIES.iter().map(|c| libm::pow(c.metro_thousands, 0.7)));
    let mut names: Vec<Names> = CITIES.iter().map(|_| Names::default()).collect();
    (0..options.venues)
        .map(|index| {
            let mut rng = streams.stream(Part::Venues, u64::from(index));
            let city = cities.draw(&mut rng);
            let venue_type = types.draw(&mut rng);
            let kind = &VENUE_TYPES[venue_type];
            let capacity = kind.median * libm::exp(kind.spread * normal(&mut rng));
            let capacity = capacity.clamp(kind.limits.0, kind.limits.1);
            // Capacities are licensed in round numbers.
            let step = if capacity < 1_000.0 { 10.0 } else { 50.0 };
            // Venues stand around the centre of their city, most within ten kilometres.
            let degrees = |rng: &mut ChaCha8Rng, centre: f64| ((centre + 0.04 * normal(rng)) * 1e5).round() / 1e5;
            Venue {
                name: names[city].venue(&mut rng, kind.name, CITIES[city].name),
                city,
                venue_type,
                capacity: ((capacity / step).round() * step) as u32,
                capacity_known: unit(&mut rng) >= CAPACITY_UNKNOWN,
                latitude: degrees(&mut rng, CITIES[city].latitude),
                longitude: degrees(&mut rng, CITIES[city].longitude),
                amenities: AMENITIES.iter().copied().filter(|_| unit(&mut rng) < 0.45).collect(),
            }
        })
        .collect()
}
