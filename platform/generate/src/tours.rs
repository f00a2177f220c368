//! Who plays where and when: artists go from city to city on tours that do not cross, announced all at once.

use crate::{
    GenerateOptions,
    calendar::{day_number, month, weekday},
    cities::{CITIES, distance_km},
    concerts::{WEEKDAY, expected_draw},
    random::{Choice, Part, Streams, unit},
    world::{VENUE_TYPES, World},
};
use rand::Rng;
use rand_chacha::ChaCha8Rng;
use std::collections::HashSet;

/// How far ahead of `as_of` concerts are known, in days.
pub const AHEAD_DAYS: i32 = 180;
/// Share of the concerts that lie ahead.
const AHEAD_SHARE: f64 = 0.08;
/// A concert is announced this many days before, at least and at most.
const ANNOUNCED_DAYS: (i32, i32) = (30, 300);
/// A tour is announced this many days before its first night, at least and at most; most often halfway.
const LEAD_DAYS: (f64, f64) = (30.0, 240.0);
/// The typical leg of a tour, in kilometres: farther cities are less likely to come next.
const LEG_KM: f64 = 450.0;
/// How far a tour moves in a day.
const KM_PER_DAY: f64 = 900.0;
const STOPS: (usize, usize) = (4, 16);
/// The most days that a tour of as many stops takes, about: some tours are underway when a stretch of days begins.
const TOUR_DAYS: i32 = 35;
/// An artist rests this many days between two tours.
const REST_DAYS: i32 = 4;
/// A hall is passed over if its capacity is more than this factor (as a logarithm) off what the artist needs.
const MISFIT: f64 = 2.3;
/// Bookers aim above the expected demand.
const ROOM_TO_SPARE: f64 = 1.6;
/// How many stops are tried for each concert that is wanted before the venues count as booked out.
const TRIES_PER_CONCERT: u64 = 40;

/// Where and when one night of a tour takes place. Days count from 1970-01-01.
#[derive(Clone, Copy, Debug)]
pub struct Night {
    pub artist: u32,
    pub venue: u32,
    pub day: i32,
    pub announced: i32,
}

/// A stretch of days and how many concerts belong in it.
struct Window {
    from: i32,
    to: i32,
    count: usize,
}

/// All nights, by day and venue. They are fewer than asked for where the venues are booked out.
pub fn nights(options: &GenerateOptions, streams: &Streams, world: &World) -> Vec<Night> {
    if world.artists.is_empty() || world.venues.is_empty() {
        return Vec::new();
    }
    let today = day_number(options.as_of);
    let ahead = (f64::from(options.concerts) * AHEAD_SHARE).round() as usize;
    let windows = [
        Window {
            from: day_number(options.from),
            to: today - 1,
            count: options.concerts as usize - ahead,
        },
        Window {
            from: today + 1,
            to: today + AHEAD_DAYS,
            count: ahead,
        },
    ];
    let mut router = Router::new(world, today);
    for window in &windows {
        router.fill(streams, window);
    }
    router.nights.sort_unstable_by_key(|night| (night.day, night.venue));
    router.nights
}

struct Router<'a> {
    world: &'a World,
    today: i32,
    /// Venues of each city.
    by_city: Vec<Vec<u32>>,
    /// Which cities come first, and which come after each.
    first: Choice,
    next: Vec<Choice>,
    busy_venues: HashSet<(u32, i32)>,
    /// First and last day of each artist's tours.
    tours: Vec<Vec<(i32, i32)>>,
    tour: u64,
    nights: Vec<Night>,
}

impl<'a> Router<'a> {
    fn new(world: &'a World, today: i32) -> Self {
        let mut by_city = vec![Vec::new(); CITIES.len()];
        for (venue, index) in world.venues.iter().zip(0..) {
            by_city[venue.city].push(index);
        }
        let pull = |city: usize, power: f64| {
            if by_city[city].is_empty() {
                0.0
            } else {
                libm::pow(CITIES[city].metro_thousands, power)
            }
        };
        let first = Choice::new((0..CITIES.len()).map(|city| pull(city, 0.6)));
        let next = CITIES
            .iter()
            .map(|from| {
                Choice::new(
                    CITIES
                        .iter()
                        .enumerate()
                        .map(|(city, to)| libm::exp(-distance_km(from, to) / LEG_KM) * pull(city, 0.5)),
                )
            })
            .collect();
        Router {
            world,
            today,
            by_city,
            first,
            next,
            busy_venues: HashSet::new(),
            tours: vec![Vec::new(); world.artists.len()],
            tour: 0,
            nights: Vec::new(),
        }
    }

    /// Sends artists on tours until the window holds its concerts, or no venue is free any more.
    fn fill(&mut self, streams: &Streams, window: &Window) {
        // Popular artists play more, but far less than in proportion to what they draw.
        let artists = Choice::new(self.world.artists.iter().map(|a| libm::pow(a.draw, 0.45)));
        let goal = self.nights.len() + window.count;
        let mut tries = window.count as u64 * TRIES_PER_CONCERT;
        while self.nights.len() < goal && tries > 0 {
            let mut rng = streams.stream(Part::Tours, self.tour);
            self.tour += 1;
            // Of two candidates the one goes who was away less often: few artists never tour.
            let (one, other) = (artists.draw(&mut rng), artists.draw(&mut rng));
            let artist = if self.tours[other].len() < self.tours[one].len() {
                other
            } else {
                one
            };
            tries = tries.saturating_sub(self.tour(&mut rng, artist, window, goal).max(1));
        }
    }

    /// One tour; the number of stops that were tried.
    fn tour(&mut self, rng: &mut ChaCha8Rng, artist: usize, window: &Window, goal: usize) -> u64 {
        let start = rng.random_range((window.from - TOUR_DAYS).min(window.to)..=window.to);
        let halfway = (unit(rng) + unit(rng)) / 2.0;
        let announced = start - (LEAD_DAYS.0 + (LEAD_DAYS.1 - LEAD_DAYS.0) * halfway) as i32;
        // What was not announced yet is not in the data.
        if announced >= self.today {
            return 1;
        }
        let until = self.tours[artist]
            .iter()
            .filter(|tour| tour.1 + REST_DAYS > start)
            .map(|tour| tour.0 - REST_DAYS);
        let until = until.min().unwrap_or(i32::MAX);
        let (mut day, mut city) = (start, self.first_city(rng, artist));
        let mut visited = vec![city];
        let (mut tried, before) = (0, self.nights.len());
        for _ in 0..rng.random_range(STOPS.0..=STOPS.1) {
            tried += 1;
            if day > window.to || day >= until || day - announced > ANNOUNCED_DAYS.1 || self.nights.len() >= goal {
                break;
            }
            if day >= window.from
                && let Some(venue) = self.venue(rng, artist, city, day)
            {
                self.busy_venues.insert((venue, day));
                self.nights.push(Night {
                    artist: artist as u32,
                    venue,
                    day,
                    announced,
                });
            }
            let Some(next) = self.next_city(rng, city, &visited) else {
                break;
            };
            let travel = libm::ceil(distance_km(&CITIES[city], &CITIES[next]) / KM_PER_DAY) as i32;
            day = next_day(rng, day, travel.max(1));
            city = next;
            visited.push(city);
        }
        if day > start || self.nights.len() > before {
            self.tours[artist].push((start, day));
        }
        tried
    }

    fn first_city(&self, rng: &mut ChaCha8Rng, artist: usize) -> usize {
        let home = self.world.artists[artist].home;
        if unit(rng) < 0.3 && !self.by_city[home].is_empty() {
            return home;
        }
        self.first.draw(rng)
    }

    /// A tour plays a city once; it ends where everything near was visited.
    fn next_city(&self, rng: &mut ChaCha8Rng, from: usize, visited: &[usize]) -> Option<usize> {
        (0..12)
            .map(|_| self.next[from].draw(rng))
            .find(|city| !visited.contains(city))
    }

    /// A free room of a size that suits the artist.
    fn venue(&self, rng: &mut ChaCha8Rng, artist: usize, city: usize, day: i32) -> Option<u32> {
        let wanted = expected_draw(&self.world.artists[artist], city, day - self.today) * ROOM_TO_SPARE;
        let free: Vec<(u32, f64)> = self.by_city[city]
            .iter()
            .filter(|venue| !self.busy_venues.contains(&(**venue, day)))
            .filter(|venue| self.in_season(**venue, day))
            .map(|venue| {
                let capacity = f64::from(self.world.venues[*venue as usize].capacity);
                (*venue, libm::log(capacity / wanted))
            })
            // Nobody books a stadium for a band that fills a club.
            .filter(|(_, misfit)| misfit.abs() < MISFIT)
            .collect();
        if free.is_empty() {
            return None;
        }
        let choice = Choice::new(free.iter().map(|(_, misfit)| libm::exp(-2.0 * misfit * misfit)));
        Some(free[choice.draw(rng)].0)
    }

    /// Outdoor stages open from April to October.
    fn in_season(&self, venue: u32, day: i32) -> bool {
        let kind = VENUE_TYPES[self.world.venues[venue as usize].venue_type].name;
        kind != "outdoor" || (3..=9).contains(&month(day))
    }
}

/// `least` to two more days on, with a pull towards Thursday to Saturday.
fn next_day(rng: &mut ChaCha8Rng, day: i32, least: i32) -> i32 {
    let weight = |wait: i32| libm::pow(WEEKDAY[weekday(day + least + wait)], 4.0) / f64::from(wait + 1);
    let waits = Choice::new((0..3).map(weight));
    day + least + waits.draw(rng) as i32
}
