//! Worlds to look at, and a little statistics.

use concert_generate::{Format, GenerateOptions, GenerateReport, Sales, Target, generate};
use jiff::civil::{Date, date};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    fs::File,
    path::{Path, PathBuf},
    sync::OnceLock,
};

pub const AS_OF: Date = date(2026, 6, 30);

/// A small world, quickly made.
pub fn small(folder: &Path) -> GenerateOptions {
    GenerateOptions {
        artists: 150,
        venues: 120,
        concerts: 1_500,
        sales: Sales::Exactly(4_000),
        ..GenerateOptions::new(AS_OF, folder)
    }
}

pub type Row = HashMap<String, String>;

pub fn read(folder: &Path, file: &str) -> Vec<Row> {
    let mut reader = csv::Reader::from_path(folder.join(file)).unwrap();
    reader.deserialize().map(Result::unwrap).collect()
}

/// The hash of every file in a folder and the folders in it, by name.
pub fn hashes(folder: &Path) -> BTreeMap<PathBuf, String> {
    let mut hashes = BTreeMap::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(inside) = folders.pop() {
        for entry in std::fs::read_dir(inside).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
                continue;
            }
            let mut hash = Sha256::new();
            std::io::copy(&mut File::open(&path).unwrap(), &mut hash).unwrap();
            let name = path.strip_prefix(folder).unwrap().to_owned();
            hashes.insert(name, format!("{:x}", hash.finalize()));
        }
    }
    hashes
}

pub struct Venue {
    pub city: String,
    pub place: (f64, f64),
    pub capacity: Option<f64>,
}

pub struct Concert {
    pub id: String,
    pub artist: String,
    pub venue: String,
    pub day: Date,
    pub announced: Date,
    pub status: String,
    pub attendance: Option<f64>,
    pub revenue: Option<f64>,
}

pub struct Sale {
    pub concert: String,
    pub customer: Option<String>,
    pub at: jiff::Timestamp,
    pub row: Row,
}

/// The default world, made once, with more purchases.
pub struct World {
    pub report: GenerateReport,
    pub artists: HashMap<String, Row>,
    pub venues: HashMap<String, Venue>,
    pub concerts: Vec<Concert>,
    /// Tier and price, by concert.
    pub prices: HashMap<String, Vec<(String, f64)>>,
    pub customers: HashMap<String, Row>,
    pub sales: Vec<Sale>,
}

pub fn world() -> &'static World {
    static WORLD: OnceLock<World> = OnceLock::new();
    WORLD.get_or_init(|| {
        let folder = tempfile::tempdir().unwrap();
        let out = folder.path();
        let options = GenerateOptions {
            sales: Sales::Exactly(60_000),
            ..GenerateOptions::new(AS_OF, out)
        };
        let report = generate(&options).unwrap();
        assert_eq!((options.format, report.format), (Format::Csv, Format::Csv));
        assert!(matches!(options.target, Target::Folder(_)));
        let by_id = |table: &str, id: &str| -> HashMap<String, Row> {
            read(out, table).into_iter().map(|row| (row[id].clone(), row)).collect()
        };
        let mut prices: HashMap<String, Vec<(String, f64)>> = HashMap::new();
        for row in read(out, "concert_prices.csv") {
            let price = row["price"].parse().unwrap();
            prices
                .entry(row["concert_id"].clone())
                .or_default()
                .push((row["tier"].clone(), price));
        }
        World {
            report,
            artists: by_id("artists.csv", "artist_id"),
            venues: by_id("venues.csv", "venue_id")
                .into_iter()
                .map(|(id, row)| {
                    let venue = Venue {
                        city: format!("{}, {}", row["city"], row["state"]),
                        place: (row["latitude"].parse().unwrap(), row["longitude"].parse().unwrap()),
                        capacity: row["capacity"].parse().ok(),
                    };
                    (id, venue)
                })
                .collect(),
            concerts: read(out, "concerts.csv")
                .into_iter()
                .map(|row| Concert {
                    id: row["concert_id"].clone(),
                    artist: row["artist_id"].clone(),
                    venue: row["venue_id"].clone(),
                    day: row["event_date"].parse().unwrap(),
                    announced: row["announced_at"].parse().unwrap(),
                    status: row["status"].clone(),
                    attendance: row["total_attendance"].parse().ok(),
                    revenue: row["revenue"].parse().ok(),
                })
                .collect(),
            prices,
            customers: by_id("customers.csv", "customer_id"),
            sales: read(out, "ticket_sales.csv")
                .into_iter()
                .map(|row| Sale {
                    concert: row["concert_id"].clone(),
                    customer: Some(row["customer_id"].clone()).filter(|id| !id.is_empty()),
                    at: row["purchase_timestamp"].parse().unwrap(),
                    row,
                })
                .collect(),
        }
    })
}

impl World {
    pub fn genre(&self, concert: &Concert) -> &str {
        &self.artists[&concert.artist]["genre"]
    }

    pub fn city(&self, concert: &Concert) -> &str {
        &self.venues[&concert.venue].city
    }

    pub fn by_id(&self) -> HashMap<&str, &Concert> {
        self.concerts
            .iter()
            .map(|concert| (concert.id.as_str(), concert))
            .collect()
    }
}

pub fn mean(values: impl IntoIterator<Item = f64>) -> f64 {
    let (sum, count) = values
        .into_iter()
        .fold((0.0, 0.0), |(sum, count), x| (sum + x, count + 1.0));
    sum / count
}

pub fn correlation(pairs: &[(f64, f64)]) -> f64 {
    let (x, y) = (mean(pairs.iter().map(|p| p.0)), mean(pairs.iter().map(|p| p.1)));
    let (mut xx, mut yy, mut xy) = (0.0, 0.0, 0.0);
    for (a, b) in pairs {
        xx += (a - x) * (a - x);
        yy += (b - y) * (b - y);
        xy += (a - x) * (b - y);
    }
    xy / f64::sqrt(xx * yy)
}

/// The coefficients of the least squares fit of `y` to the columns of `x`, with a mean of its own for every group.
pub fn regress(rows: &[(&str, Vec<f64>, f64)]) -> Vec<f64> {
    let width = rows[0].1.len();
    let mut means: HashMap<&str, (f64, Vec<f64>)> = HashMap::new();
    for (group, x, y) in rows {
        let (count, sums) = means.entry(group).or_insert_with(|| (0.0, vec![0.0; width + 1]));
        *count += 1.0;
        for (sum, value) in sums.iter_mut().zip(x.iter().chain([y])) {
            *sum += value;
        }
    }
    // The normal equations, solved by elimination.
    let mut a = vec![vec![0.0; width + 1]; width];
    for (group, x, y) in rows {
        let (count, sums) = &means[group];
        let values: Vec<f64> = x
            .iter()
            .chain([y])
            .zip(sums)
            .map(|(value, sum)| value - sum / count)
            .collect();
        for i in 0..width {
            for j in 0..=width {
                a[i][j] += values[i] * values[j];
            }
        }
    }
    for i in 0..width {
        let pivot = a[i].clone();
        for (k, row) in a.iter_mut().enumerate() {
            if k != i {
                let factor = row[i] / pivot[i];
                row.iter_mut().zip(&pivot).for_each(|(value, p)| *value -= factor * p);
            }
        }
    }
    (0..width).map(|i| a[i][width] / a[i][i]).collect()
}
