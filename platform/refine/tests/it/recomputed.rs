//! The marts of a generated world, computed a second time in Rust from the published tables, in another way: row by
//! row, with the formulas of docs/data.md.

use crate::support::{Bench, TODAY};
use arrow::{
    array::{Array, AsArray as _, RecordBatch},
    datatypes::{Date32Type, Decimal128Type, Float64Type, Int32Type, Int64Type, TimestampMicrosecondType},
};
use jiff::{Timestamp, tz::TimeZone};
use std::collections::{BTreeMap, BTreeSet};

/// Sums of floats differ in their last digits with the order.
const TOLERANCE: f64 = 1e-9;

fn text(batch: &RecordBatch, name: &str, row: usize) -> Option<String> {
    let array = batch.column_by_name(name).expect("there").as_string::<i32>();
    (!array.is_null(row)).then(|| array.value(row).to_owned())
}

macro_rules! value {
    ($batch:expr, $name:expr, $row:expr, $kind:ty) => {{
        let array = $batch.column_by_name($name).expect("there").as_primitive::<$kind>();
        (!array.is_null($row)).then(|| array.value($row))
    }};
}

#[derive(Clone, Debug)]
struct Concert {
    artist: String,
    venue: String,
    day: i32,
    announced: Option<i32>,
    status: String,
    attendance: Option<i64>,
    revenue: Option<i128>,
    currency: String,
}

#[derive(Debug)]
struct Sale {
    concert: String,
    customer: Option<String>,
    quantity: i64,
    /// In hundredths, for all its tickets.
    amount: i128,
    currency: String,
    /// The venue's.
    day: i32,
}

struct World {
    artists: Vec<String>,
    /// Capacity and time zone.
    venues: BTreeMap<String, (Option<i64>, Option<String>)>,
    concerts: BTreeMap<String, Concert>,
    sales: Vec<Sale>,
}

impl World {
    async fn read(bench: &Bench) -> World {
        let mut world = World {
            artists: Vec::new(),
            venues: BTreeMap::new(),
            concerts: BTreeMap::new(),
            sales: Vec::new(),
        };
        for batch in bench.batches("SELECT * FROM artists ORDER BY artist_id").await {
            world
                .artists
                .extend((0..batch.num_rows()).filter_map(|row| text(&batch, "artist_id", row)));
        }
        for batch in bench.batches("SELECT * FROM venues").await {
            for row in 0..batch.num_rows() {
                let capacity = value!(batch, "capacity", row, Int32Type).map(i64::from);
                world.venues.insert(
                    text(&batch, "venue_id", row).expect("a key"),
                    (capacity.filter(|seats| *seats > 0), text(&batch, "timezone", row)),
                );
            }
        }
        for batch in bench.batches("SELECT * FROM concerts").await {
            for row in 0..batch.num_rows() {
                let of = |name| text(&batch, name, row).expect("required");
                world.concerts.insert(
                    of("concert_id"),
                    Concert {
                        artist: of("artist_id"),
                        venue: of("venue_id"),
                        day: value!(batch, "event_date", row, Date32Type).expect("required"),
                        announced: value!(batch, "announced_at", row, Date32Type),
                        status: of("status"),
                        attendance: value!(batch, "total_attendance", row, Int32Type).map(i64::from),
                        revenue: value!(batch, "revenue", row, Decimal128Type),
                        currency: of("currency"),
                    },
                );
            }
        }
        for batch in bench.batches("SELECT * FROM ticket_sales").await {
            for row in 0..batch.num_rows() {
                let concert = text(&batch, "concert_id", row).expect("required");
                let zone = world.venues[&world.concerts[&concert].venue].1.clone();
                let zone = zone.map_or(TimeZone::UTC, |name| TimeZone::get(&name).expect("a zone"));
                let at = value!(batch, "purchase_timestamp", row, TimestampMicrosecondType).expect("required");
                let day = Timestamp::from_microsecond(at).expect("in range").to_zoned(zone).date();
                let quantity = i64::from(value!(batch, "quantity", row, Int32Type).expect("required"));
                let price = value!(batch, "unit_price", row, Decimal128Type).expect("required");
                world.sales.push(Sale {
                    concert,
                    customer: text(&batch, "customer_id", row),
                    quantity,
                    amount: price * i128::from(quantity),
                    currency: text(&batch, "currency", row).expect("required"),
                    day: concert_lake::time::days_since_epoch(day),
                });
            }
        }
        world
    }

    fn completed(&self) -> impl Iterator<Item = &Concert> {
        self.concerts.values().filter(|concert| concert.status == "completed")
    }

    fn last_day(&self) -> i32 {
        let today = concert_lake::time::days_since_epoch(TODAY);
        self.completed()
            .map(|c| c.day)
            .filter(|day| *day <= today)
            .max()
            .expect("some")
    }
}

/// The main currency's sum and number of concerts.
fn takings<'a>(concerts: impl Iterator<Item = &'a Concert>) -> Option<(i128, i128)> {
    let mut by_currency: BTreeMap<&str, (i128, i128)> = BTreeMap::new();
    for concert in concerts {
        if let Some(revenue) = concert.revenue {
            let sum = by_currency.entry(&concert.currency).or_default();
            *sum = (sum.0 + revenue, sum.1 + 1);
        }
    }
    let most = by_currency.values().map(|sum| sum.1).max()?;
    by_currency.into_values().find(|sum| sum.1 == most)
}

fn mean(values: &[f64]) -> Option<f64> {
    (!values.is_empty()).then(|| values.iter().sum::<f64>() / values.len() as f64)
}

/// The share of the known values that are lower, equal ones counted half; the middle for what is not known.
fn part(value: Option<f64>, all: &[Option<f64>]) -> f64 {
    let Some(value) = value else { return 0.5 };
    let known: Vec<f64> = all.iter().copied().flatten().collect();
    let lower = known.iter().filter(|other| **other < value).count() as f64;
    let equal = known.iter().filter(|other| **other == value).count() as f64;
    (lower + equal / 2.0) / known.len() as f64
}

fn close(a: Option<f64>, b: Option<f64>) -> bool {
    match (a, b) {
        (Some(a), Some(b)) => (a - b).abs() <= TOLERANCE * a.abs().max(1.0),
        (a, b) => a.is_none() && b.is_none(),
    }
}

async fn generated() -> (Bench, World) {
    let bench = Bench::new();
    concert_generate::generate(&crate::support::generated(bench.data.path(), 60, 40, 900, 4_000))
        .expect("makes a world");
    bench.load().await;
    bench.publish(TODAY).await;
    let world = World::read(&bench).await;
    (bench, world)
}

#[tokio::test]
async fn the_marts_of_a_generated_world_are_as_the_formulas_say() {
    let (bench, world) = generated().await;
    daily_sales(&bench, &world).await;
    venues(&bench, &world).await;
    artists(&bench, &world).await;
}

async fn daily_sales(bench: &Bench, world: &World) {
    let mut expected: BTreeMap<(i32, String, String), (i64, i128)> = BTreeMap::new();
    for sale in &world.sales {
        let key = (sale.day, sale.concert.clone(), sale.currency.clone());
        let sum = expected.entry(key).or_default();
        *sum = (sum.0 + sale.quantity, sum.1 + sale.amount);
    }
    let mut found = BTreeMap::new();
    for batch in bench.batches("SELECT * FROM daily_sales").await {
        for row in 0..batch.num_rows() {
            found.insert(
                (
                    value!(batch, "sale_date", row, Date32Type).expect("required"),
                    text(&batch, "concert_id", row).expect("required"),
                    text(&batch, "currency", row).expect("required"),
                ),
                (
                    value!(batch, "tickets", row, Int64Type).expect("required"),
                    value!(batch, "revenue", row, Decimal128Type).expect("required"),
                ),
            );
        }
    }
    assert!(found.len() > 1_000, "{} days and concerts", found.len());
    assert_eq!(found, expected);
}

#[derive(Debug)]
struct Venue {
    id: String,
    rate: Option<f64>,
    crowd: Option<f64>,
    money: Option<i128>,
    frequency: f64,
}

async fn venues(bench: &Bench, world: &World) {
    let last = world.last_day();
    let held = || world.concerts.values().filter(|concert| concert.status != "cancelled");
    let first = held().map(|concert| concert.day).min().expect("some").max(last - 364);
    let months = (f64::from(last - first + 1) / 30.4375).max(1.0);
    let mut expected: Vec<Venue> = Vec::new();
    for (id, (capacity, _)) in &world.venues {
        let of = || world.completed().filter(|concert| concert.venue == *id);
        let attendances: Vec<f64> = of().filter_map(|c| c.attendance).map(|n| n as f64).collect();
        let booked = held()
            .filter(|c| c.venue == *id && (first..=last).contains(&c.day))
            .count();
        expected.push(Venue {
            id: id.clone(),
            rate: capacity
                .filter(|_| !attendances.is_empty())
                .map(|seats| attendances.iter().sum::<f64>() / (seats as f64 * attendances.len() as f64)),
            crowd: mean(&attendances),
            // Half a cent goes up; no takings are below zero.
            money: takings(of()).map(|(sum, concerts)| (2 * sum + concerts) / (2 * concerts)),
            frequency: booked as f64 / months,
        });
    }
    let column = |of: fn(&Venue) -> Option<f64>| expected.iter().map(of).collect::<Vec<_>>();
    let (rates, crowds) = (column(|v| v.rate), column(|v| v.crowd));
    let frequencies = column(|v| Some(v.frequency));
    let mut ranked: Vec<(bool, f64, &Venue)> = expected
        .iter()
        .map(|venue| {
            let score =
                part(venue.rate, &rates) + part(venue.crowd, &crowds) + part(Some(venue.frequency), &frequencies);
            (venue.rate.is_none() && venue.crowd.is_none(), score, venue)
        })
        .collect();
    ranked.sort_by(|a, b| {
        let floats = |a: Option<f64>, b: Option<f64>| b.partial_cmp(&a).expect("no NaN");
        a.0.cmp(&b.0)
            .then(b.1.total_cmp(&a.1))
            .then(floats(a.2.rate, b.2.rate))
            .then(floats(a.2.crowd, b.2.crowd))
            .then(a.2.id.cmp(&b.2.id))
    });
    let mut rank = 0;
    for batch in bench
        .batches("SELECT * FROM venue_popularity ORDER BY popularity_rank")
        .await
    {
        for row in 0..batch.num_rows() {
            let (_, _, venue) = ranked[rank];
            rank += 1;
            let of = |name| value!(batch, name, row, Float64Type);
            assert_eq!(text(&batch, "venue_id", row).as_ref(), Some(&venue.id), "rank {rank}");
            assert_eq!(value!(batch, "popularity_rank", row, Int64Type), Some(rank as i64));
            assert!(close(of("avg_attendance_rate"), venue.rate), "{venue:?}");
            assert_eq!(
                value!(batch, "revenue_per_event", row, Decimal128Type),
                venue.money,
                "{venue:?}"
            );
            assert!(close(of("booking_frequency"), Some(venue.frequency)), "{venue:?}");
        }
    }
    assert_eq!(rank, world.venues.len());
}

fn engagement(world: &World, artist: &str) -> Option<f64> {
    let (mut people, mut seats) = (0, 0);
    for concert in world.completed().filter(|concert| concert.artist == artist) {
        if let (Some(attendance), (Some(capacity), _)) = (concert.attendance, &world.venues[&concert.venue]) {
            people += attendance;
            seats += capacity;
        }
    }
    let mut concerts_of: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let (mut early, mut all) = (0, 0);
    for sale in &world.sales {
        let concert = &world.concerts[&sale.concert];
        if concert.artist != artist || concert.status == "cancelled" {
            continue;
        }
        if let Some(customer) = &sale.customer {
            concerts_of.entry(customer).or_default().insert(&sale.concert);
        }
        if let (Some(announced), "completed") = (concert.announced, concert.status.as_str()) {
            all += sale.quantity;
            if f64::from(sale.day - announced) <= f64::from(concert.day - announced) / 4.0 {
                early += sale.quantity;
            }
        }
    }
    let again = concerts_of.values().filter(|concerts| concerts.len() > 1).count();
    let parts = [
        (2.0, (seats > 0).then(|| (people as f64 / seats as f64).min(1.0))),
        (
            1.0,
            (!concerts_of.is_empty()).then(|| again as f64 / concerts_of.len() as f64),
        ),
        (1.0, (all > 0).then(|| early as f64 / all as f64)),
    ];
    let known: Vec<(f64, f64)> = parts.iter().filter_map(|(w, part)| Some((*w, (*part)?))).collect();
    let weights: f64 = known.iter().map(|(weight, _)| weight).sum();
    (weights > 0.0).then(|| 100.0 * known.iter().map(|(w, part)| w * part).sum::<f64>() / weights)
}

/// Two-sided 5 % limits of Student's t by degrees of freedom, from tables.
const T_LIMITS: [(usize, f64); 8] = [
    (4, 2.776),
    (5, 2.571),
    (6, 2.447),
    (8, 2.306),
    (10, 2.228),
    (15, 2.131),
    (20, 2.086),
    (40, 2.021),
];

/// The trend and by how much the decision was made: the ratio of t to its limit.
fn trend(points: &[(f64, f64)]) -> (Option<&'static str>, f64) {
    let days: Vec<f64> = points.iter().map(|point| point.0 * 365.25).collect();
    let spread = days.iter().copied().fold(f64::MIN, f64::max) - days.iter().copied().fold(f64::MAX, f64::min);
    if points.len() < 6 || spread < 89.5 {
        return (None, 0.0);
    }
    let n = points.len() as f64;
    let (mx, my) = (
        points.iter().map(|p| p.0).sum::<f64>() / n,
        points.iter().map(|p| p.1).sum::<f64>() / n,
    );
    let sxx: f64 = points.iter().map(|p| (p.0 - mx).powi(2)).sum();
    let sxy: f64 = points.iter().map(|p| (p.0 - mx) * (p.1 - my)).sum();
    let slope = sxy / sxx;
    let rest: f64 = points.iter().map(|p| (p.1 - my - slope * (p.0 - mx)).powi(2)).sum();
    let t = slope / (rest / (n - 2.0) / sxx).sqrt();
    // Between the tabled degrees of freedom the limit is interpolated in their reciprocal.
    let df = n - 2.0;
    let above = T_LIMITS.iter().rfind(|row| row.0 as f64 <= df).expect("at least 4");
    let below = T_LIMITS
        .iter()
        .find(|row| row.0 as f64 >= df)
        .unwrap_or(&(1_000_000, 1.960));
    let share = if above.0 == below.0 {
        0.0
    } else {
        (1.0 / above.0 as f64 - 1.0 / df) / (1.0 / above.0 as f64 - 1.0 / below.0 as f64)
    };
    let limit = above.1 + share * (below.1 - above.1);
    let ratio = t.abs() / limit;
    let is_trend = slope.abs() >= 1.05_f64.ln() && ratio > 1.0;
    let word = match (is_trend, slope > 0.0) {
        (false, _) => "steady",
        (true, true) => "rising",
        (true, false) => "falling",
    };
    (Some(word), ratio)
}

async fn artists(bench: &Bench, world: &World) {
    let last = world.last_day();
    let mut seen = BTreeSet::new();
    let mut index = 0;
    for batch in bench
        .batches("SELECT * FROM artist_performance ORDER BY artist_id")
        .await
    {
        for row in 0..batch.num_rows() {
            let artist = &world.artists[index];
            index += 1;
            assert_eq!(text(&batch, "artist_id", row).as_ref(), Some(artist));
            let of = || world.concerts.values().filter(|concert| concert.artist == *artist);
            let completed = || of().filter(|concert| concert.status == "completed");
            let held = of().filter(|concert| concert.status != "cancelled").count();
            assert_eq!(
                value!(batch, "total_concerts", row, Int64Type),
                Some(held as i64),
                "{artist}"
            );
            let tickets: Vec<f64> = completed().filter_map(|c| c.attendance).map(|n| n as f64).collect();
            let float = |name| value!(batch, name, row, Float64Type);
            assert!(close(float("avg_ticket_sales"), mean(&tickets)), "{artist}");
            assert_eq!(
                value!(batch, "revenue_generated", row, Decimal128Type),
                takings(completed()).map(|sum| sum.0),
                "{artist}"
            );
            let score = engagement(world, artist);
            let found = float("fan_engagement_score");
            assert!(close(found, score), "{artist}: {found:?}, and not {score:?}");
            assert!(score.is_none_or(|score| (0.0..=100.0).contains(&score)));
            let points: Vec<(f64, f64)> = completed()
                .filter_map(|c| Some((f64::from(c.day - last) / 365.25, (c.attendance? as f64).ln())))
                .filter(|point| point.1.is_finite())
                .collect();
            let (expected, ratio) = trend(&points);
            let found = text(&batch, "growth_trend", row);
            seen.insert(found.clone());
            // So near to the limit the tables' rounding decides.
            if (ratio - 1.0).abs() > 0.03 {
                assert_eq!(found.as_deref(), expected, "{artist}: {ratio}, {points:?}");
            }
        }
    }
    assert_eq!(index, world.artists.len());
    assert!(seen.len() >= 3, "the world has artists of several trends: {seen:?}");
}
