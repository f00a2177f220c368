//! Customers with a home, a favourite genre and a habit of going out, and who of them buys for which concert.
//!
//! Nobody is kept in memory: a customer is a number, and what is known of them follows from it. The numbers lie in
//! blocks, one for each city and favourite genre, the most active first; so those who live near and like the genre
//! are found by arithmetic, however many there are. What is written is another number, which tells nothing.

use crate::{
    GenerateOptions,
    calendar::day_number,
    cities::{CITIES, distance_km},
    random::{Choice, Part, Permutation, Streams, fraction, hash, unit},
    world::{Artist, GENRES, NEAR_GENRES},
};
use rand_chacha::ChaCha8Rng;

/// A segment, its share of the customers, and how much more than others they take dear seats.
pub struct Segment {
    pub name: &'static str,
    share: f64,
    pub dear: f64,
}

/// The most active first.
pub const SEGMENTS: &[Segment] = &[
    Segment {
        name: "vip",
        share: 0.05,
        dear: 1.8,
    },
    Segment {
        name: "enthusiast",
        share: 0.12,
        dear: 1.0,
    },
    Segment {
        name: "regular",
        share: 0.28,
        dear: 0.8,
    },
    Segment {
        name: "casual",
        share: 0.55,
        dear: 0.65,
    },
];
/// The share of customers whose segment says nothing about how often they buy.
const SEGMENT_NOISE: f64 = 0.1;

/// Why a purchase is made by whom: a follower of the artist, a regular of the venue, a lover of the genre, or anybody.
const FOLLOWER: f64 = 0.30;
const REGULAR: f64 = 0.20;
const GENRE_LOVER: f64 = 0.35;
/// The part of a block that follows an artist, and that keeps coming to a venue.
const FOLLOWERS: f64 = 0.06;
const REGULARS: f64 = 0.04;
/// How much likelier somebody comes whose favourite genre is the concert's, or one near it, than somebody else.
const OWN_GENRE: f64 = 20.0;
const NEAR_GENRE: f64 = 3.5;
/// People come from around: the weight of a city falls by e for as many kilometres, down to a floor for travellers.
const REACH_KM: f64 = 70.0;
const TRAVELLERS: f64 = 0.001;
/// How uneven activity is: the first tenth of a block makes about 0.1^(1/2) of its purchases.
const ACTIVITY_POWER: i32 = 2;
/// Share of the customers that were there before the first day, and since when, in days.
const JOINED_BEFORE: f64 = 0.6;
const JOINED_DAYS: f64 = 1_500.0;
/// Share of the purchases whose customer is known.
const KNOWN: f64 = 0.92;
/// Somebody who had not joined yet is passed over this often; after that the purchase is a guest's.
const TRIES: usize = 4;

/// Customers for each purchase: most buy a few times.
const CUSTOMERS_PER_SALE: f64 = 0.25;

pub struct Customers {
    count: u64,
    /// Where the block of a city and a genre begins; one more than there are blocks.
    blocks: Vec<u64>,
    ids: Permutation,
    key: u64,
    today: i32,
    from: i32,
    /// Which cities buyers come from, by the concert's city.
    homes: Vec<Choice>,
    /// Which genre the buyers like best, by the concert's genre.
    tastes: Vec<Choice>,
}

/// Who could be asked first for a purchase.
pub struct Crowd<'a> {
    pub city: usize,
    pub artist: u64,
    pub venue: u64,
    pub about: &'a Artist,
}

impl Customers {
    pub fn new(options: &GenerateOptions, streams: &Streams, sales: u64) -> Customers {
        let count = if sales == 0 {
            0
        } else {
            ((sales as f64 * CUSTOMERS_PER_SALE) as u64).max(1)
        };
        let people: f64 = CITIES.iter().map(|city| city.metro_thousands).sum();
        let share: f64 = GENRES.iter().map(|genre| genre.share).sum();
        let mut blocks = vec![0];
        let mut reached = 0.0;
        for city in CITIES {
            for genre in GENRES {
                reached += city.metro_thousands / people * genre.share / share;
                blocks.push(((reached * count as f64).round() as u64).min(count));
            }
        }
        if let Some(end) = blocks.last_mut() {
            *end = count;
        }
        let near = |a: usize, b: usize| NEAR_GENRES.contains(&(a, b)) || NEAR_GENRES.contains(&(b, a));
        let key = streams.key(Part::Customers);
        Customers {
            count,
            blocks,
            ids: Permutation::new(key, count),
            key,
            today: day_number(options.as_of),
            from: day_number(options.from),
            homes: CITIES
                .iter()
                .map(|to| {
                    Choice::new(
                        CITIES.iter().map(|from| {
                            from.metro_thousands * (libm::exp(-distance_km(from, to) / REACH_KM) + TRAVELLERS)
                        }),
                    )
                })
                .collect(),
            tastes: (0..GENRES.len())
                .map(|of| {
                    Choice::new(GENRES.iter().enumerate().map(|(genre, g)| {
                        let pull = match genre {
                            _ if genre == of => OWN_GENRE,
                            _ if near(genre, of) => NEAR_GENRE,
                            _ => 1.0,
                        };
                        g.share * pull
                    }))
                })
                .collect(),
        }
    }

    pub fn count(&self) -> u64 {
        self.count
    }

    /// The number that is written for a customer, from 1.
    pub fn number(&self, customer: u64) -> u64 {
        self.ids.forward(customer) + 1
    }

    /// The customer whose number is written.
    pub fn numbered(&self, number: u64) -> u64 {
        self.ids.backward(number - 1)
    }

    fn block(&self, customer: u64) -> usize {
        self.blocks
            .partition_point(|begin| *begin <= customer)
            .saturating_sub(1)
    }

    pub fn home(&self, customer: u64) -> usize {
        self.block(customer) / GENRES.len()
    }

    pub fn segment(&self, customer: u64) -> &'static Segment {
        let block = self.block(customer);
        let (begin, end) = (self.blocks[block], self.blocks[block + 1]);
        let luck = hash(self.key, customer);
        // The place in the block, smeared over the width of one, so that small blocks have all segments as well.
        let place = ((customer - begin) as f64 + fraction(luck)) / (end - begin).max(1) as f64;
        let place = if fraction(hash(luck, 1)) < SEGMENT_NOISE {
            fraction(hash(luck, 2))
        } else {
            place
        };
        let mut reached = 0.0;
        for segment in SEGMENTS {
            reached += segment.share;
            if place < reached {
                return segment;
            }
        }
        &SEGMENTS[SEGMENTS.len() - 1]
    }

    /// The day that a customer joined, before the day that the data is made on.
    pub fn joined(&self, customer: u64) -> i32 {
        let luck = hash(self.key ^ 0x4A4F_494E, customer);
        let place = fraction(luck) / JOINED_BEFORE;
        if place < 1.0 {
            return self.from - 1 - (place * JOINED_DAYS) as i32;
        }
        let place = (fraction(luck) - JOINED_BEFORE) / (1.0 - JOINED_BEFORE);
        self.from + (place * f64::from(self.today - self.from)) as i32
    }

    /// Who makes a purchase on `day`; none for a guest.
    pub fn buyer(&self, rng: &mut ChaCha8Rng, crowd: &Crowd, day: i32) -> Option<u64> {
        if self.count == 0 || unit(rng) >= KNOWN {
            return None;
        }
        (0..TRIES)
            .map(|_| self.candidate(rng, crowd))
            .find(|customer| self.joined(*customer) <= day)
    }

    fn candidate(&self, rng: &mut ChaCha8Rng, crowd: &Crowd) -> u64 {
        let why = unit(rng);
        let home = self.homes[crowd.city].draw(rng);
        let genre = match crowd.about.second_genre {
            Some(second) if unit(rng) < 0.25 => second,
            _ => crowd.about.genre,
        };
        let taste = self.tastes[genre].draw(rng);
        let skewed = unit(rng).powi(ACTIVITY_POWER);
        if why < FOLLOWER {
            let (begin, size) = self.range(home, Some(taste));
            return begin + self.circle(size, FOLLOWERS, hash(self.key ^ crowd.artist, begin), skewed);
        }
        if why < FOLLOWER + REGULAR {
            let (begin, size) = self.range(home, Some(taste));
            return begin + self.circle(size, REGULARS, hash(!self.key ^ crowd.venue, begin), skewed);
        }
        let (begin, size) = self.range(home, (why < FOLLOWER + REGULAR + GENRE_LOVER).then_some(taste));
        begin + ((skewed * size as f64) as u64).min(size - 1)
    }

    /// One of a fixed circle of people in a block: the same few come again and again.
    fn circle(&self, size: u64, part: f64, circle: u64, skewed: f64) -> u64 {
        let people = (size as f64 * part).ceil();
        let who = fraction(hash(circle, (skewed * people) as u64)).powi(ACTIVITY_POWER);
        ((who * size as f64) as u64).min(size - 1)
    }

    /// The customers of a city, of one taste or all; where there are none, those of the city, or everybody.
    fn range(&self, city: usize, taste: Option<usize>) -> (u64, u64) {
        let first = city * GENRES.len();
        let of = |from: usize, to: usize| (self.blocks[from], self.blocks[to] - self.blocks[from]);
        let all = of(first, first + GENRES.len());
        match taste.map(|taste| of(first + taste, first + taste + 1)) {
            Some(block) if block.1 > 0 => block,
            _ if all.1 > 0 => all,
            _ => (0, self.count),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::civil::date;

    #[test]
    fn everybody_has_one_home_and_segments_have_their_shares() {
        let options = GenerateOptions::new(date(2026, 6, 30), "unused");
        for sales in [1, 40, 200_000] {
            let customers = Customers::new(&options, &Streams::new(42), sales);
            let mut people = vec![0_u64; CITIES.len()];
            let mut segments = std::collections::HashMap::<&str, u64>::new();
            for customer in 0..customers.count() {
                people[customers.home(customer)] += 1;
                *segments.entry(customers.segment(customer).name).or_default() += 1;
                assert!(customers.joined(customer) < day_number(options.as_of));
                assert_eq!(customers.numbered(customers.number(customer)), customer);
            }
            assert_eq!(people.iter().sum::<u64>(), customers.count());
            if sales < 1_000 {
                continue;
            }
            assert!(people.iter().all(|people| *people > 0));
            for segment in SEGMENTS {
                let share = segments[segment.name] as f64 / customers.count() as f64;
                assert!((share - segment.share).abs() < 0.05, "{}: {share}", segment.name);
            }
        }
    }
}
