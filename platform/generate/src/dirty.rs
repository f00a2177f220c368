//! Damaged data and the truth about it: records of the same artist, venue or concert in up to five sources, each with
//! ids and spellings of its own, and records with typos, missing fields and impossible values.
//!
//! Every column is written as text then, since a day that does not exist fits no type. The truth goes to two files:
//! what was done to which record, and which records are one.

use crate::{
    encode::push_csv,
    frame::{Frame, Kind, Table},
    random::{Choice, Part, Permutation, Streams, unit},
    spelling::{Change, respell, typo},
    tables::{self, ARTISTS, CONCERTS, Made, TABLES, TICKET_SALES, VENUES},
    world::World,
};
use rand::{
    Rng,
    seq::{IndexedRandom, SliceRandom},
};
use rand_chacha::ChaCha8Rng;
use serde::Serialize;

/// Who has records of artists, venues and concerts; each id begins with its source.
pub const SOURCES: [&str; 5] = ["boxoffice", "ticketing", "listings", "promoter", "fansite"];
/// How often each of them is where a thing was recorded first.
const FIRST_SOURCE: [f64; SOURCES.len()] = [0.4, 0.2, 0.15, 0.15, 0.1];
/// How many further sources have a record of a thing that is in several: 1, 2, 3 or 4.
const COPIES: [f64; SOURCES.len() - 1] = [0.5, 0.28, 0.14, 0.08];
/// Share of the parts (genres, members, prices) that a further source has as well.
const PARTS_COPIED: f64 = 0.7;
/// Share of the damaged records that are damaged twice.
const TWICE: f64 = 0.3;
/// A damage that does not fit a record is replaced by another one, this often.
const TRIES: usize = 8;

pub const DAMAGE_HEADER: &str = "table,record_id,source,column,kind,original,damaged\n";
pub const CLUSTER_HEADER: &str = "table,record_id,source,cluster_id\n";

/// What was damaged.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct DirtyReport {
    /// What was asked for: 0 to 1.
    pub rate: f64,
    /// Records that are not as they were.
    pub damaged_records: u64,
    /// Records of things that another source has a record of as well.
    pub duplicate_records: u64,
    /// The folder with the truth, beside the data.
    pub truth: String,
}

/// What is known about the damage of some rows.
#[derive(Default)]
pub struct Truth {
    pub damage: Vec<u8>,
    pub clusters: Vec<u8>,
    pub damaged: u64,
    pub duplicates: u64,
}

/// What several sources have records of.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Thing {
    Artist,
    Venue,
    Concert,
}

const THINGS: [(Thing, &str); 3] = [
    (Thing::Artist, "artist"),
    (Thing::Venue, "venue"),
    (Thing::Concert, "concert"),
];

impl Thing {
    /// What the rows of a table are about, if several sources can have them: its id comes first.
    fn of(table: &Table) -> Option<Thing> {
        let (id, _) = table.columns.first()?;
        let word = id.strip_suffix("_id")?;
        THINGS.iter().find(|(_, name)| *name == word).map(|(thing, _)| *thing)
    }

    fn word(self) -> &'static str {
        THINGS[self as usize].1
    }

    fn clean_id(self, index: usize) -> String {
        match self {
            Thing::Artist => tables::artist_id(index),
            Thing::Venue => tables::venue_id(index),
            Thing::Concert => tables::concert_id(index),
        }
    }
}

/// What can be done to a value of a column.
#[derive(Clone, Copy)]
enum Damage {
    Typo,
    Spelling,
    Missing,
    /// A value that cannot be: of the column's kind, or one of these.
    Impossible,
    OneOf(&'static [&'static str]),
    OverCapacity,
    /// A reference to what is nowhere.
    Dangling,
    /// Another source knows it otherwise, and may be right.
    Differs,
}

const STATUSES: &[&str] = &["postponned", "TBD", "sold out", "unknown", "?"];
const VENUE_KINDS: &[&str] = &["barn", "hall", "parking lot", "n/a"];
const CURRENCIES: &[&str] = &["US$", "Dollars", "XX", "$"];

/// What happens to the columns of a table, each entry as often as another.
fn damages(table: &str) -> &'static [(&'static str, Damage)] {
    use Damage::{Dangling, Impossible, Missing, OneOf, OverCapacity, Spelling, Typo};
    match table {
        "artists" => &[
            ("name", Typo),
            ("name", Typo),
            ("name", Spelling),
            ("name", Spelling),
            ("name", Missing),
            ("genre", Spelling),
            ("genre", Missing),
            ("popularity_score", Impossible),
            ("popularity_score", Missing),
            ("formation_date", Impossible),
            ("formation_date", Missing),
            ("home_city", Typo),
            ("home_city", Missing),
        ],
        "artist_genres" => &[("genre", Spelling), ("genre", Typo)],
        "artist_members" => &[("member", Spelling), ("member", Typo)],
        "venues" => &[
            ("name", Typo),
            ("name", Typo),
            ("name", Spelling),
            ("name", Spelling),
            ("name", Missing),
            ("city", Spelling),
            ("city", Typo),
            ("city", Missing),
            ("state", Missing),
            ("latitude", Impossible),
            ("longitude", Missing),
            ("timezone", Missing),
            ("capacity", Impossible),
            ("capacity", Missing),
            ("venue_type", OneOf(VENUE_KINDS)),
        ],
        "venue_amenities" => &[("amenity", Spelling), ("amenity", Typo)],
        "customers" => &[
            ("segment", Typo),
            ("segment", Missing),
            ("city", Spelling),
            ("city", Typo),
            ("city", Missing),
            ("state", Missing),
            ("joined_at", Impossible),
            ("joined_at", Missing),
        ],
        "concerts" => &[
            ("artist_id", Dangling),
            ("artist_id", Missing),
            ("venue_id", Dangling),
            ("event_date", Impossible),
            ("event_date", Missing),
            ("starts_at", Impossible),
            ("starts_at", Missing),
            ("announced_at", Impossible),
            ("status", OneOf(STATUSES)),
            ("total_attendance", OverCapacity),
            ("total_attendance", OverCapacity),
            ("total_attendance", Impossible),
            ("total_attendance", Missing),
            ("revenue", Impossible),
            ("revenue", Missing),
            ("currency", OneOf(CURRENCIES)),
        ],
        "concert_prices" => &[
            ("price", Impossible),
            ("price", Impossible),
            ("price", Missing),
            ("currency", OneOf(CURRENCIES)),
        ],
        "ticket_sales" => &[
            ("concert_id", Dangling),
            ("concert_id", Missing),
            ("customer_id", Missing),
            ("price_tier", Typo),
            ("price_tier", Missing),
            ("quantity", Impossible),
            ("unit_price", Impossible),
            ("unit_price", Missing),
            ("currency", OneOf(CURRENCIES)),
            ("channel", Spelling),
            ("channel", Missing),
            ("purchase_timestamp", Impossible),
            ("customer_segment", Missing),
        ],
        _ => &[],
    }
}

/// What a further source does to its record of the same thing, and how often.
fn copy_changes(table: &str) -> &'static [(&'static str, Damage, f64)] {
    use Damage::{Differs, Missing, Spelling, Typo};
    match table {
        "artists" => &[
            ("name", Spelling, 0.75),
            ("name", Typo, 0.15),
            ("genre", Spelling, 0.2),
            ("genre", Missing, 0.2),
            ("popularity_score", Differs, 0.4),
            ("popularity_score", Missing, 0.5),
            ("formation_date", Missing, 0.4),
            ("home_city", Spelling, 0.15),
            ("home_city", Missing, 0.3),
            ("home_country", Missing, 0.3),
        ],
        "venues" => &[
            ("name", Spelling, 0.75),
            ("name", Typo, 0.15),
            ("city", Spelling, 0.25),
            ("state", Missing, 0.15),
            ("latitude", Differs, 0.6),
            ("longitude", Differs, 0.6),
            ("timezone", Missing, 0.5),
            ("capacity", Differs, 0.3),
            ("capacity", Missing, 0.35),
            ("venue_type", Missing, 0.4),
        ],
        "concerts" => &[
            ("event_date", Differs, 0.05),
            ("starts_at", Missing, 0.4),
            ("announced_at", Missing, 0.5),
            ("total_attendance", Differs, 0.3),
            ("total_attendance", Missing, 0.35),
            ("revenue", Missing, 0.7),
        ],
        _ => &[],
    }
}

pub struct Dirt {
    rate: f64,
    streams: Streams,
    first: Choice,
    copies: Choice,
    /// Numbers of a thing's records, by thing and source: nothing of one source's is in another's.
    numbers: [[Permutation; SOURCES.len()]; THINGS.len()],
    counts: [usize; THINGS.len()],
}

/// A row that is being damaged.
struct Row<'a> {
    table: &'static Table,
    source: Option<usize>,
    id: String,
    cells: Vec<Option<String>>,
    truth: &'a mut Truth,
    touched: bool,
}

impl Dirt {
    pub fn new(rate: f64, streams: &Streams, world: &World, concerts: usize) -> Dirt {
        let counts = [world.artists.len(), world.venues.len(), concerts];
        let key = streams.key(Part::DirtyCopies);
        let number = |thing: usize, source: usize| {
            let key = key.wrapping_add((thing * SOURCES.len() + source) as u64);
            Permutation::new(key, counts[thing] as u64)
        };
        Dirt {
            rate,
            streams: streams.clone(),
            first: Choice::new(FIRST_SOURCE),
            copies: Choice::new(COPIES),
            numbers: std::array::from_fn(|thing| std::array::from_fn(|source| number(thing, source))),
            counts,
        }
    }

    /// The sources that have a record of a thing; the first one's is the thing as it is.
    fn sources(&self, thing: Thing, index: usize) -> Vec<usize> {
        let mut rng = self
            .streams
            .stream(Part::DirtyCopies, (thing as u64) << 48 | index as u64);
        let first = self.first.draw(&mut rng);
        let mut sources = vec![first];
        if unit(&mut rng) < self.rate {
            let mut others: Vec<usize> = (0..SOURCES.len()).filter(|source| *source != first).collect();
            others.shuffle(&mut rng);
            others.truncate(self.copies.draw(&mut rng) + 1);
            sources.extend(others);
        }
        sources
    }

    fn record_id(&self, thing: Thing, source: usize, index: usize) -> String {
        let number = self.numbers[thing as usize][source].forward(index as u64) + 1;
        format!("{}-{}-{number:06}", SOURCES[source], thing.word())
    }

    /// The id by which a source names a thing: its own record's, or that of the source that had it first.
    fn reference(&self, thing: Thing, source: usize, index: usize) -> String {
        let sources = self.sources(thing, index);
        let source = if sources.contains(&source) { source } else { sources[0] };
        self.record_id(thing, source, index)
    }

    /// The rows as the sources have them, as text. `about` names the thing of each row; rows of one thing follow each
    /// other.
    pub fn damage(&self, made: &Made, table: usize, clean: &Frame, about: &[usize], truth: &mut Truth) -> Frame {
        let mut dirty = Frame::of_text(TABLES[table]);
        let mut rng = self.streams.stream(Part::DirtyRows, 0);
        let thing = Thing::of(clean.table);
        let is_sale = std::ptr::eq(clean.table, &TICKET_SALES);
        let mut last = None;
        let mut sources = Vec::new();
        // Which record of a concert its sales name.
        let mut concert_ids: Vec<String> = Vec::new();
        for (row, index) in about.iter().copied().enumerate() {
            if last.replace(index) != Some(index) {
                rng = self
                    .streams
                    .stream(Part::DirtyRows, (table as u64) << 48 | index as u64);
                if let Some(thing) = thing {
                    sources = self.sources(thing, index);
                }
                if is_sale {
                    let sources = self.sources(Thing::Concert, index).into_iter();
                    concert_ids = sources
                        .map(|source| self.record_id(Thing::Concert, source, index))
                        .collect();
                }
            }
            if is_sale {
                let concert = concert_ids.choose(&mut rng).cloned();
                self.plain(&mut rng, made, clean, row, index, concert, truth, &mut dirty);
                continue;
            }
            match thing {
                None => self.plain(&mut rng, made, clean, row, index, None, truth, &mut dirty),
                Some(thing) => self.records(&mut rng, made, clean, row, (thing, index), &sources, truth, &mut dirty),
            }
        }
        dirty
    }

    /// A row of which there is one: as it is, or damaged.
    #[expect(
        clippy::too_many_arguments,
        reason = "the place of a row and the places that it goes to"
    )]
    fn plain(
        &self,
        rng: &mut ChaCha8Rng,
        made: &Made,
        clean: &Frame,
        row: usize,
        index: usize,
        concert: Option<String>,
        truth: &mut Truth,
        dirty: &mut Frame,
    ) {
        if unit(rng) >= self.rate {
            for (place, (to, from)) in dirty.columns.iter_mut().zip(&clean.columns).enumerate() {
                match &concert {
                    Some(concert) if place == 1 => to.text(concert),
                    _ => to.copy_text(from, row),
                }
            }
            return;
        }
        let mut record = Row::new(clean, row, None, truth);
        if concert.is_some() {
            record.cells[1] = concert;
        }
        self.spoil(rng, made, index, &mut record);
        record.end(dirty);
    }

    /// The records of a thing, or of a part of it, in all sources that have it.
    #[expect(
        clippy::too_many_arguments,
        reason = "the place of a row and the places that it goes to"
    )]
    fn records(
        &self,
        rng: &mut ChaCha8Rng,
        made: &Made,
        clean: &Frame,
        row: usize,
        (thing, index): (Thing, usize),
        sources: &[usize],
        truth: &mut Truth,
        dirty: &mut Frame,
    ) {
        let is_whole = [&ARTISTS, &VENUES, &CONCERTS]
            .iter()
            .any(|table| std::ptr::eq(*table, clean.table));
        for (copy, source) in sources.iter().copied().enumerate() {
            if copy > 0 && !is_whole && unit(rng) >= PARTS_COPIED {
                continue;
            }
            let id = self.record_id(thing, source, index);
            if is_whole {
                let cells = [clean.table.name, &id, SOURCES[source], &thing.clean_id(index)];
                push_line(&mut truth.clusters, cells.into_iter());
                truth.duplicates += u64::from(copy > 0);
            }
            let mut record = Row::new(clean, row, Some(source), truth);
            record.cells[0] = Some(id);
            if thing == Thing::Concert && is_whole {
                let concert = &made.concerts[index];
                record.cells[1] = Some(self.reference(Thing::Artist, source, concert.artist as usize));
                record.cells[2] = Some(self.reference(Thing::Venue, source, concert.venue as usize));
            }
            record.name();
            if copy > 0 {
                for (column, damage, share) in copy_changes(clean.table.name) {
                    if unit(rng) < *share {
                        self.change(rng, made, index, &mut record, column, *damage);
                    }
                }
            }
            if unit(rng) < self.rate {
                self.spoil(rng, made, index, &mut record);
            }
            record.end(dirty);
        }
    }

    /// One damage or two.
    fn spoil(&self, rng: &mut ChaCha8Rng, made: &Made, index: usize, record: &mut Row) {
        let mut wanted = if unit(rng) < TWICE { 2 } else { 1 };
        for _ in 0..TRIES {
            let Some((column, damage)) = damages(record.table.name).choose(rng) else {
                return;
            };
            if self.change(rng, made, index, record, column, *damage) {
                wanted -= 1;
            }
            if wanted == 0 {
                return;
            }
        }
    }

    /// Whether the damage fitted.
    fn change(
        &self,
        rng: &mut ChaCha8Rng,
        made: &Made,
        index: usize,
        record: &mut Row,
        column: &str,
        damage: Damage,
    ) -> bool {
        let Some(place) = record.table.columns.iter().position(|(name, _)| *name == column) else {
            return false;
        };
        let Some(original) = record.cells[place].clone() else {
            return false;
        };
        let kind = record.table.columns[place].1;
        let found = match damage {
            Damage::Typo => typo(rng, &original).map(|text| (Some(text), Change::Typo.name())),
            Damage::Spelling => respell(rng, &original).map(|(text, change)| (Some(text), change.name())),
            Damage::Missing => Some((None, "missing")),
            Damage::Impossible => impossible(rng, kind, column, &original).map(|text| (Some(text), "impossible")),
            Damage::OneOf(texts) => texts.choose(rng).map(|text| (Some((*text).to_owned()), "impossible")),
            Damage::OverCapacity => {
                let venue = &made.world.venues[made.concerts[index].venue as usize];
                let people = f64::from(venue.capacity) * rng.random_range(1.05..3.0);
                Some((Some(format!("{people:.0}")), "impossible"))
            }
            Damage::Dangling => THINGS
                .iter()
                .find(|(_, word)| column.starts_with(word))
                .map(|(thing, word)| {
                    let number = self.counts[*thing as usize] as u64 + rng.random_range(1..1_000_000);
                    let source = record.source.unwrap_or_else(|| rng.random_range(0..SOURCES.len()));
                    (Some(format!("{}-{word}-{number:06}", SOURCES[source])), "dangling")
                }),
            Damage::Differs => differs(rng, kind, column, &original).map(|text| (Some(text), "differs")),
        };
        match found {
            Some((text, kind)) if text.as_deref() != Some(original.as_str()) => {
                record.set(place, kind, &original, text);
                true
            }
            _ => false,
        }
    }
}

impl<'a> Row<'a> {
    fn new(clean: &Frame, row: usize, source: Option<usize>, truth: &'a mut Truth) -> Row<'a> {
        let mut record = Row {
            table: clean.table,
            source,
            id: String::new(),
            cells: clean.columns.iter().map(|column| column.cell(row)).collect(),
            truth,
            touched: false,
        };
        record.name();
        record
    }

    /// Takes the record's id from its key as it stands now.
    fn name(&mut self) {
        let keys = self.cells.iter().take(self.table.key_columns);
        let keys: Vec<&str> = keys.map(|cell| cell.as_deref().unwrap_or_default()).collect();
        self.id = keys.join("|");
    }

    fn set(&mut self, place: usize, kind: &str, original: &str, text: Option<String>) {
        let line = [
            self.table.name,
            &self.id,
            self.source.map_or("", |source| SOURCES[source]),
            self.table.columns[place].0,
            kind,
            original,
            text.as_deref().unwrap_or_default(),
        ];
        push_line(&mut self.truth.damage, line.into_iter());
        self.cells[place] = text;
        self.touched = true;
    }

    fn end(self, dirty: &mut Frame) {
        self.truth.damaged += u64::from(self.touched);
        for (column, cell) in dirty.columns.iter_mut().zip(&self.cells) {
            column.maybe_text(cell.as_deref());
        }
    }
}

fn push_line<'a>(out: &mut Vec<u8>, cells: impl Iterator<Item = &'a str>) {
    for (index, cell) in cells.enumerate() {
        if index > 0 {
            out.push(b',');
        }
        push_csv(out, cell.as_bytes());
    }
    out.push(b'\n');
}

/// A value that a column of this kind cannot have.
fn impossible(rng: &mut ChaCha8Rng, kind: Kind, column: &str, original: &str) -> Option<String> {
    match kind {
        Kind::Date => {
            let year = original.get(..4)?;
            let day = ["02-30", "13-05", "04-31", "00-00", "06-00"].choose(rng)?;
            Some(format!("{year}-{day}"))
        }
        Kind::Time => {
            let (day, time) = original.split_once('T')?;
            match rng.random_bool(0.5) {
                true => Some(format!("{day}T25:61:00Z")),
                false => Some(format!("{}-02-30T{time}", day.get(..4)?)),
            }
        }
        Kind::Money => Some(format!("-{original}")),
        Kind::Integer if column == "quantity" => Some(format!("{}", -rng.random_range(0..5))),
        Kind::Integer => Some(format!("-{original}")),
        Kind::Double(_) => {
            let beyond = match column {
                "latitude" => 90.0,
                "longitude" => 180.0,
                _ => 100.0,
            };
            let beyond = beyond + rng.random_range(1.0..80.0);
            Some(format!("{}{beyond:.1}", if rng.random_bool(0.3) { "-" } else { "" }))
        }
        Kind::Text => None,
    }
}

/// What another source could know: a day beside, a rounded crowd, a place across the street.
fn differs(rng: &mut ChaCha8Rng, kind: Kind, column: &str, original: &str) -> Option<String> {
    match kind {
        Kind::Date => {
            let day: jiff::civil::Date = original.parse().ok()?;
            let other = if rng.random_bool(0.5) {
                day.tomorrow()
            } else {
                day.yesterday()
            };
            other.ok().map(|day| day.to_string())
        }
        Kind::Integer => {
            let number: f64 = original.parse().ok()?;
            let step = if number < 500.0 { 10.0 } else { 50.0 };
            let other = number * rng.random_range(0.94..1.04);
            Some(format!("{:.0}", ((other / step).floor() * step).max(1.0)))
        }
        Kind::Double(digits) => {
            let number: f64 = original.parse().ok()?;
            match column {
                "latitude" | "longitude" => Some(format!("{:.digits$}", number + rng.random_range(-0.002..0.002))),
                _ => Some(format!(
                    "{:.digits$}",
                    (number + rng.random_range(-6.0..6.0)).clamp(0.0, 100.0)
                )),
            }
        }
        Kind::Text | Kind::Money | Kind::Time => None,
    }
}
