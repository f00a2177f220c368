//! The world as CSV files that `concert ingest` takes as they are: one file for each table, columns as headers.

use crate::{
    GenerateError, GenerateOptions,
    cities::CITIES,
    concerts::{Concert, Status},
    sales::Sale,
    world::{GENRES, VENUE_TYPES, World},
};
use jiff::civil::Date;
use std::{collections::BTreeMap, fs::File, path::Path};

const COUNTRY: &str = "US";
const CURRENCY: &str = "USD";

struct Sheet {
    writer: csv::Writer<File>,
    path: std::path::PathBuf,
    rows: u64,
}

impl Sheet {
    fn create(folder: &Path, table: &str, header: &[&str]) -> Result<Sheet, GenerateError> {
        let path = folder.join(format!("{table}.csv"));
        let file = File::create(&path).map_err(|source| GenerateError::Write {
            path: path.clone(),
            source,
        })?;
        let mut sheet = Sheet {
            writer: csv::Writer::from_writer(file),
            path,
            rows: 0,
        };
        sheet.put(header)?;
        Ok(sheet)
    }

    fn put<T: AsRef<[u8]>>(&mut self, record: &[T]) -> Result<(), GenerateError> {
        self.writer.write_record(record).map_err(|error| GenerateError::Write {
            path: self.path.clone(),
            source: error.into(),
        })
    }

    fn row<const N: usize>(&mut self, record: [String; N]) -> Result<(), GenerateError> {
        self.rows += 1;
        self.put(&record)
    }

    fn finish(mut self) -> Result<u64, GenerateError> {
        self.writer.flush().map_err(|source| GenerateError::Write {
            path: self.path.clone(),
            source,
        })?;
        Ok(self.rows)
    }
}

fn money(cents: i64) -> String {
    format!("{}.{:02}", cents / 100, cents % 100)
}

fn optional<T: ToString>(value: Option<T>) -> String {
    value.map_or_else(String::new, |value| value.to_string())
}

/// The moment at which everything was written down: midnight of `as_of`, so that the same day gives the same bytes.
fn midnight(day: Date) -> String {
    format!("{day}T00:00:00Z")
}

/// Writes all files and gives the rows of each.
pub fn write(
    options: &GenerateOptions,
    world: &World,
    concerts: &[Concert],
    sales: &[Sale],
) -> Result<BTreeMap<String, u64>, GenerateError> {
    let folder = options.out.as_path();
    std::fs::create_dir_all(folder).map_err(|source| GenerateError::Write {
        path: folder.to_owned(),
        source,
    })?;
    let mut rows = BTreeMap::new();
    artists(folder, options, world, &mut rows)?;
    venues(folder, options, world, &mut rows)?;
    customers(folder, world, &mut rows)?;
    write_concerts(folder, options, world, concerts, &mut rows)?;
    write_sales(folder, world, concerts, sales, &mut rows)?;
    Ok(rows)
}

type Rows = BTreeMap<String, u64>;

fn artists(folder: &Path, options: &GenerateOptions, world: &World, rows: &mut Rows) -> Result<(), GenerateError> {
    let mut sheet = Sheet::create(
        folder,
        "artists",
        &[
            "artist_id",
            "name",
            "genre",
            "popularity_score",
            "formation_date",
            "home_city",
            "home_country",
            "created_at",
            "updated_at",
        ],
    )?;
    let mut genres = Sheet::create(folder, "artist_genres", &["artist_id", "genre"])?;
    let mut members = Sheet::create(folder, "artist_members", &["artist_id", "member"])?;
    let at = midnight(options.as_of);
    for artist in &world.artists {
        sheet.row([
            artist.id.clone(),
            artist.name.clone(),
            GENRES[artist.genre].name.to_owned(),
            format!("{:.1}", artist.popularity),
            artist.formation.to_string(),
            CITIES[artist.home].name.to_owned(),
            COUNTRY.to_owned(),
            at.clone(),
            at.clone(),
        ])?;
        for genre in [Some(artist.genre), artist.second_genre].into_iter().flatten() {
            genres.row([artist.id.clone(), GENRES[genre].name.to_owned()])?;
        }
        // Two members of one band can share an invented name; the table's key allows it once.
        let unique: std::collections::BTreeSet<&String> = artist.members.iter().collect();
        for member in unique {
            members.row([artist.id.clone(), member.clone()])?;
        }
    }
    rows.insert("artists".to_owned(), sheet.finish()?);
    rows.insert("artist_genres".to_owned(), genres.finish()?);
    rows.insert("artist_members".to_owned(), members.finish()?);
    Ok(())
}

fn venues(folder: &Path, options: &GenerateOptions, world: &World, rows: &mut Rows) -> Result<(), GenerateError> {
    let mut sheet = Sheet::create(
        folder,
        "venues",
        &[
            "venue_id",
            "name",
            "city",
            "state",
            "country",
            "latitude",
            "longitude",
            "timezone",
            "capacity",
            "venue_type",
            "created_at",
            "updated_at",
        ],
    )?;
    let mut amenities = Sheet::create(folder, "venue_amenities", &["venue_id", "amenity"])?;
    let at = midnight(options.as_of);
    for (i, venue) in world.venues.iter().enumerate() {
        let city = &CITIES[venue.city];
        // Venues of one city stand apart: a fixed spiral around its centre, at most some kilometres out.
        let (angle, radius) = (i as f64 * 2.399_963, 0.004 + 0.0011 * (i % 40) as f64);
        sheet.row([
            venue.id.clone(),
            venue.name.clone(),
            city.name.to_owned(),
            city.state.to_owned(),
            COUNTRY.to_owned(),
            format!("{:.5}", city.latitude + radius * angle.sin()),
            format!("{:.5}", city.longitude + radius * angle.cos()),
            city.timezone.to_owned(),
            optional(venue.capacity_known.then_some(venue.capacity)),
            VENUE_TYPES[venue.venue_type].name.to_owned(),
            at.clone(),
            at.clone(),
        ])?;
        for amenity in &venue.amenities {
            amenities.row([venue.id.clone(), (*amenity).to_owned()])?;
        }
    }
    rows.insert("venues".to_owned(), sheet.finish()?);
    rows.insert("venue_amenities".to_owned(), amenities.finish()?);
    Ok(())
}

fn customers(folder: &Path, world: &World, rows: &mut Rows) -> Result<(), GenerateError> {
    let mut sheet = Sheet::create(
        folder,
        "customers",
        &["customer_id", "segment", "city", "state", "joined_at"],
    )?;
    for customer in &world.customers {
        let city = &CITIES[customer.city];
        sheet.row([
            customer.id.clone(),
            customer.segment.to_owned(),
            city.name.to_owned(),
            city.state.to_owned(),
            customer.joined.to_string(),
        ])?;
    }
    rows.insert("customers".to_owned(), sheet.finish()?);
    Ok(())
}

fn write_concerts(
    folder: &Path,
    options: &GenerateOptions,
    world: &World,
    concerts: &[Concert],
    rows: &mut Rows,
) -> Result<(), GenerateError> {
    let mut sheet = Sheet::create(
        folder,
        "concerts",
        &[
            "concert_id",
            "artist_id",
            "venue_id",
            "event_date",
            "starts_at",
            "announced_at",
            "status",
            "total_attendance",
            "revenue",
            "currency",
            "created_at",
            "updated_at",
        ],
    )?;
    let mut prices = Sheet::create(folder, "concert_prices", &["concert_id", "tier", "price", "currency"])?;
    let at = midnight(options.as_of);
    for concert in concerts {
        // The box office is known when the night is over.
        let over = concert.status == Status::Completed;
        sheet.row([
            concert.id.clone(),
            world.artists[concert.artist].id.clone(),
            world.venues[concert.venue].id.clone(),
            concert.date.to_string(),
            concert.starts_at.to_string(),
            concert.announced.to_string(),
            concert.status.name().to_owned(),
            optional(over.then_some(concert.attendance)),
            optional(over.then(|| money(concert.revenue_cents()))),
            CURRENCY.to_owned(),
            at.clone(),
            at.clone(),
        ])?;
        for tier in &concert.tiers {
            prices.row([
                concert.id.clone(),
                tier.name.to_owned(),
                money(tier.cents),
                CURRENCY.to_owned(),
            ])?;
        }
    }
    rows.insert("concerts".to_owned(), sheet.finish()?);
    rows.insert("concert_prices".to_owned(), prices.finish()?);
    Ok(())
}

fn write_sales(
    folder: &Path,
    world: &World,
    concerts: &[Concert],
    sales: &[Sale],
    rows: &mut Rows,
) -> Result<(), GenerateError> {
    let mut sheet = Sheet::create(
        folder,
        "ticket_sales",
        &[
            "sale_id",
            "concert_id",
            "customer_id",
            "price_tier",
            "quantity",
            "unit_price",
            "currency",
            "channel",
            "purchase_timestamp",
            "customer_segment",
            "created_at",
        ],
    )?;
    for (i, sale) in sales.iter().enumerate() {
        let concert = &concerts[sale.concert];
        let tier = &concert.tiers[sale.tier];
        let customer = sale.customer.map(|index| &world.customers[index]);
        sheet.row([
            format!("sale-{:09}", i + 1),
            concert.id.clone(),
            optional(customer.map(|customer| &customer.id)),
            tier.name.to_owned(),
            sale.quantity.to_string(),
            money(tier.cents),
            CURRENCY.to_owned(),
            sale.channel.to_owned(),
            sale.at.to_string(),
            optional(customer.map(|customer| customer.segment)),
            sale.at.to_string(),
        ])?;
    }
    rows.insert("ticket_sales".to_owned(), sheet.finish()?);
    Ok(())
}
