//! The tables of the data model: their columns, keys and how values are read. Ingest, refine and the
//! tests read this one description; nothing else spells out a column.

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};
use std::sync::Arc;

/// Digits before and after the point of every money column: DECIMAL(14,2).
pub const MONEY_PRECISION: u8 = 14;
pub const MONEY_SCALE: i8 = 2;

/// A set of tables that is committed together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Layer {
    /// What came in: the raw records, the typed rows under the sources' ids, and the quarantine.
    Clean,
    /// What is published and queried.
    ConcertDw,
}

impl Layer {
    pub const ALL: [Layer; 2] = [Layer::Clean, Layer::ConcertDw];

    /// The schema's name in SQL, which is also the folder's and the pointer's.
    pub fn name(self) -> &'static str {
        match self {
            Layer::Clean => "clean",
            Layer::ConcertDw => "concert_dw",
        }
    }

    pub fn tables(self) -> &'static [TableDef] {
        match self {
            Layer::Clean => &CLEAN,
            Layer::ConcertDw => &CONCERT_DW,
        }
    }

    pub fn table(self, name: &str) -> Option<&'static TableDef> {
        self.tables().iter().find(|table| table.name == name)
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Text,
    Binary,
    Integer,
    BigInt,
    Double,
    /// DECIMAL(14,2) in major units.
    Money,
    Date,
    /// UTC, microseconds.
    Timestamp,
}

impl Kind {
    pub fn arrow(self) -> DataType {
        match self {
            Kind::Text => DataType::Utf8,
            Kind::Binary => DataType::Binary,
            Kind::Integer => DataType::Int32,
            Kind::BigInt => DataType::Int64,
            Kind::Double => DataType::Float64,
            Kind::Money => DataType::Decimal128(MONEY_PRECISION, MONEY_SCALE),
            Kind::Date => DataType::Date32,
            Kind::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
        }
    }
}

/// What is done to a value when it is read. What it must be beyond its type is said by the rules of
/// `platform/ingest/rules/concert_dw.toml`, which a user can change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Reading {
    AsIs,
    /// A word of a short list, which the model writes in lower case.
    LowerCase,
    /// A code, which the model writes in capitals.
    UpperCase,
    /// 0 means that nobody knows.
    ZeroIsUnknown,
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct ColumnDef {
    pub name: &'static str,
    pub kind: Kind,
    pub required: bool,
    pub reading: Reading,
}

impl ColumnDef {
    pub fn field(&self) -> Field {
        Field::new(self.name, self.kind.arrow(), true)
    }

    const fn reading(self, reading: Reading) -> ColumnDef {
        ColumnDef { reading, ..self }
    }
}

const fn required(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef {
        name,
        kind,
        required: true,
        reading: Reading::AsIs,
    }
}

const fn optional(name: &'static str, kind: Kind) -> ColumnDef {
    ColumnDef {
        name,
        kind,
        required: false,
        reading: Reading::AsIs,
    }
}

#[derive(Clone, Copy, Debug)]
pub struct TableDef {
    pub name: &'static str,
    /// The columns that identify a row.
    pub key: &'static [&'static str],
    /// The column whose absence means that a source's row says nothing about this table: a concert without a price
    /// has no row in `concert_prices`, which is no fault.
    pub subject: Option<&'static str>,
    /// The column that holds the day of a row, for tables of things that happen.
    pub day: Option<&'static str>,
    columns: &'static [ColumnDef],
    /// Columns that say where a row came from follow.
    lineage: bool,
}

impl TableDef {
    /// The columns of the model, without lineage.
    pub fn columns(&self) -> &'static [ColumnDef] {
        self.columns
    }

    pub fn column(&self, name: &str) -> Option<&'static ColumnDef> {
        self.columns.iter().find(|column| column.name == name)
    }

    pub fn column_index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| column.name == name)
    }

    /// Every column as it is stored. All are nullable in storage: what is required is judged when a row comes in,
    /// with a reason for the row's owner, and not a second time by the writer of files.
    pub fn arrow_schema(&self) -> SchemaRef {
        let lineage: &[ColumnDef] = if self.lineage { &LINEAGE } else { &[] };
        Arc::new(Schema::new(
            self.columns
                .iter()
                .chain(lineage)
                .map(ColumnDef::field)
                .collect::<Vec<_>>(),
        ))
    }
}

/// Where a clean row came from: the file, the line its record began on, the run, and when that run began. A row that
/// was merged from several records names the last one.
pub const LINEAGE: [ColumnDef; 4] = [
    required("_source", Kind::Text),
    required("_line", Kind::BigInt),
    required("_run_id", Kind::Text),
    required("_arrived_at", Kind::Timestamp),
];

const CREATED_AT: ColumnDef = required("created_at", Kind::Timestamp);
const UPDATED_AT: ColumnDef = required("updated_at", Kind::Timestamp);

const fn table(name: &'static str, key: &'static [&'static str], columns: &'static [ColumnDef]) -> TableDef {
    TableDef {
        name,
        key,
        subject: None,
        day: None,
        columns,
        lineage: false,
    }
}

const fn part(mut def: TableDef, subject: &'static str) -> TableDef {
    def.subject = Some(subject);
    def
}

const fn dated(mut def: TableDef, day: &'static str) -> TableDef {
    def.day = Some(day);
    def
}

const fn with_lineage(mut def: TableDef) -> TableDef {
    def.lineage = true;
    def
}

const ARTISTS: TableDef = table(
    "artists",
    &["artist_id"],
    &[
        required("artist_id", Kind::Text),
        required("name", Kind::Text),
        optional("genre", Kind::Text),
        optional("popularity_score", Kind::Double),
        optional("formation_date", Kind::Date),
        optional("home_city", Kind::Text),
        optional("home_country", Kind::Text),
        optional("spotify_id", Kind::Text),
        optional("musicbrainz_id", Kind::Text),
        CREATED_AT,
        UPDATED_AT,
    ],
);

const ARTIST_GENRES: TableDef = part(
    table(
        "artist_genres",
        &["artist_id", "genre"],
        &[required("artist_id", Kind::Text), required("genre", Kind::Text)],
    ),
    "genre",
);

const ARTIST_MEMBERS: TableDef = part(
    table(
        "artist_members",
        &["artist_id", "member"],
        &[required("artist_id", Kind::Text), required("member", Kind::Text)],
    ),
    "member",
);

const VENUES: TableDef = table(
    "venues",
    &["venue_id"],
    &[
        required("venue_id", Kind::Text),
        required("name", Kind::Text),
        optional("city", Kind::Text),
        optional("state", Kind::Text),
        optional("country", Kind::Text),
        optional("latitude", Kind::Double),
        optional("longitude", Kind::Double),
        optional("timezone", Kind::Text),
        optional("capacity", Kind::Integer).reading(Reading::ZeroIsUnknown),
        optional("venue_type", Kind::Text).reading(Reading::LowerCase),
        optional("ticketmaster_id", Kind::Text),
        CREATED_AT,
        UPDATED_AT,
    ],
);

const VENUE_AMENITIES: TableDef = part(
    table(
        "venue_amenities",
        &["venue_id", "amenity"],
        &[required("venue_id", Kind::Text), required("amenity", Kind::Text)],
    ),
    "amenity",
);

const CONCERTS: TableDef = dated(
    table(
        "concerts",
        &["concert_id"],
        &[
            required("concert_id", Kind::Text),
            required("artist_id", Kind::Text),
            required("venue_id", Kind::Text),
            required("event_date", Kind::Date),
            optional("starts_at", Kind::Timestamp),
            optional("announced_at", Kind::Date),
            required("status", Kind::Text).reading(Reading::LowerCase),
            optional("total_attendance", Kind::Integer),
            optional("revenue", Kind::Money),
            required("currency", Kind::Text).reading(Reading::UpperCase),
            CREATED_AT,
            UPDATED_AT,
        ],
    ),
    "event_date",
);

const CONCERT_PRICES: TableDef = part(
    table(
        "concert_prices",
        &["concert_id", "tier"],
        &[
            required("concert_id", Kind::Text),
            required("tier", Kind::Text),
            required("price", Kind::Money),
            required("currency", Kind::Text).reading(Reading::UpperCase),
        ],
    ),
    "price",
);

const CUSTOMERS: TableDef = table(
    "customers",
    &["customer_id"],
    &[
        required("customer_id", Kind::Text),
        optional("segment", Kind::Text),
        optional("city", Kind::Text),
        optional("state", Kind::Text),
        optional("joined_at", Kind::Date),
    ],
);

const TICKET_SALES: TableDef = dated(
    table(
        "ticket_sales",
        &["sale_id"],
        &[
            required("sale_id", Kind::Text),
            required("concert_id", Kind::Text),
            optional("customer_id", Kind::Text),
            optional("price_tier", Kind::Text),
            required("quantity", Kind::Integer),
            required("unit_price", Kind::Money),
            required("currency", Kind::Text).reading(Reading::UpperCase),
            optional("channel", Kind::Text),
            required("purchase_timestamp", Kind::Timestamp),
            optional("customer_segment", Kind::Text),
            CREATED_AT,
        ],
    ),
    "purchase_timestamp",
);

/// The tables that a source can fill, as the clean layer stores them: the published ones have no lineage.
pub const MODEL: [TableDef; 9] = [
    with_lineage(ARTISTS),
    with_lineage(ARTIST_GENRES),
    with_lineage(ARTIST_MEMBERS),
    with_lineage(VENUES),
    with_lineage(VENUE_AMENITIES),
    with_lineage(CONCERTS),
    with_lineage(CONCERT_PRICES),
    with_lineage(CUSTOMERS),
    with_lineage(TICKET_SALES),
];

/// What did not pass, with the reason.
pub const QUARANTINE: TableDef = table(
    "quarantine",
    &["quarantine_id"],
    &[
        // Made from the source, line, table and text, so that the same bad record is kept once.
        required("quarantine_id", Kind::Text),
        required("table_name", Kind::Text),
        required("source", Kind::Text),
        required("line", Kind::BigInt),
        optional("column_name", Kind::Text),
        required("rule", Kind::Text),
        required("message", Kind::Text),
        required("original", Kind::Text),
        // What a record needs to be judged again. Of several rows in one record, which one it is.
        optional("element", Kind::BigInt),
        // The record's key in its table, where it could be read.
        optional("record_key", Kind::Text),
        optional("file_sha256", Kind::Text),
        optional("reading_id", Kind::Text),
        required("run_id", Kind::Text),
        required("arrived_at", Kind::Timestamp),
    ],
);

/// What became of entries of the quarantine. An entry is open unless its last event closed it; the entry itself stays.
pub const QUARANTINE_EVENTS: TableDef = table(
    "quarantine_events",
    &["quarantine_id", "run_id"],
    &[
        required("quarantine_id", Kind::Text),
        // replayed (it passed when it was judged again), mended (the record came again and was clean), absent (read
        // anew it says nothing about the table), superseded (it came again and breaks another rule now), reopened (the
        // same record came again and was refused).
        required("event", Kind::Text),
        required("run_id", Kind::Text),
        required("happened_at", Kind::Timestamp),
    ],
);

/// Every entry of the quarantine with whether it is open, as a query over the clean layer.
pub const QUARANTINE_STATES: &str = "SELECT q.*, e.event IS NULL OR e.event = 'reopened' AS is_open FROM quarantine q \
     LEFT JOIN (SELECT quarantine_id AS id, last_value(event ORDER BY happened_at, run_id) AS event \
     FROM quarantine_events GROUP BY quarantine_id) e ON e.id = q.quarantine_id";

/// The entries of the quarantine that are open, as a query over the clean layer.
pub const OPEN_QUARANTINE: &str = "SELECT q.* FROM quarantine q \
     LEFT JOIN (SELECT quarantine_id AS id, last_value(event ORDER BY happened_at, run_id) AS event \
     FROM quarantine_events GROUP BY quarantine_id) e ON e.id = q.quarantine_id \
     WHERE e.event IS NULL OR e.event = 'reopened'";

/// Ways in which files were read, so that a record of theirs can be read again alone.
pub const READINGS: TableDef = table(
    "readings",
    &["reading_id"],
    &[
        required("reading_id", Kind::Text),
        required("format", Kind::Text),
        optional("records", Kind::Text),
        optional("delimiter", Kind::Text),
        required("encoding", Kind::Text),
        // The header, as a JSON list.
        optional("columns", Kind::Text),
        // The mapping and its lookup files, by the hash of their content, as a JSON object of name to hash.
        optional("mapping_sha256", Kind::Text),
        required("lookups", Kind::Text),
        required("run_id", Kind::Text),
    ],
);

/// Mappings and lookup files as they were when they were used, by the hash of their bytes.
pub const DOCUMENTS: TableDef = table(
    "documents",
    &["sha256"],
    &[
        required("sha256", Kind::Text),
        required("name", Kind::Text),
        required("content", Kind::Binary),
        required("run_id", Kind::Text),
    ],
);

/// How many records broke each rule in each run.
pub const RUN_RULES: TableDef = table(
    "run_rules",
    &["run_id", "rule", "table_name"],
    &[
        required("rule", Kind::Text),
        required("table_name", Kind::Text),
        required("severity", Kind::Text),
        required("records", Kind::BigInt),
        required("run_id", Kind::Text),
    ],
);

/// Files that were read, by the hash of their bytes.
pub const RAW_FILES: TableDef = table(
    "raw_files",
    &["file_sha256"],
    &[
        required("file_sha256", Kind::Text),
        required("source", Kind::Text),
        required("bytes", Kind::BigInt),
        required("records", Kind::BigInt),
        required("run_id", Kind::Text),
        required("arrived_at", Kind::Timestamp),
    ],
);

/// Records as received, byte for byte.
pub const RAW_RECORDS: TableDef = table(
    "raw_records",
    &["file_sha256", "line"],
    &[
        required("file_sha256", Kind::Text),
        required("line", Kind::BigInt),
        required("record", Kind::Binary),
    ],
);

/// What became of the records of each run, by table: `records_in` is the sum of the others.
pub const RUNS: TableDef = table(
    "runs",
    &["run_id", "table_name"],
    &[
        required("table_name", Kind::Text),
        required("records_in", Kind::BigInt),
        required("clean", Kind::BigInt),
        required("merged", Kind::BigInt),
        required("quarantined", Kind::BigInt),
        required("unchanged", Kind::BigInt),
        required("run_id", Kind::Text),
        required("arrived_at", Kind::Timestamp),
    ],
);

const CLEAN: [TableDef; 17] = [
    MODEL[0],
    MODEL[1],
    MODEL[2],
    MODEL[3],
    MODEL[4],
    MODEL[5],
    MODEL[6],
    MODEL[7],
    MODEL[8],
    QUARANTINE,
    RAW_FILES,
    RAW_RECORDS,
    RUNS,
    QUARANTINE_EVENTS,
    READINGS,
    DOCUMENTS,
    RUN_RULES,
];

/// How popular each venue is; one row for each, made anew at every publication.
pub const VENUE_POPULARITY: TableDef = table(
    "venue_popularity",
    &["venue_id"],
    &[
        required("venue_id", Kind::Text),
        required("popularity_rank", Kind::BigInt),
        optional("avg_attendance_rate", Kind::Double),
        optional("revenue_per_event", Kind::Money),
        optional("booking_frequency", Kind::Double),
        required("calculated_at", Kind::Timestamp),
    ],
);

/// How each artist does; one row for each, made anew at every publication.
pub const ARTIST_PERFORMANCE: TableDef = table(
    "artist_performance",
    &["artist_id"],
    &[
        required("artist_id", Kind::Text),
        required("total_concerts", Kind::BigInt),
        optional("avg_ticket_sales", Kind::Double),
        optional("revenue_generated", Kind::Money),
        optional("fan_engagement_score", Kind::Double),
        optional("growth_trend", Kind::Text),
        required("calculated_at", Kind::Timestamp),
    ],
);

/// The purchases, summed by the day at the venue, the concert and the currency.
pub const DAILY_SALES: TableDef = dated(
    table(
        "daily_sales",
        &["sale_date", "concert_id", "currency"],
        &[
            required("sale_date", Kind::Date),
            required("concert_id", Kind::Text),
            required("tickets", Kind::BigInt),
            required("revenue", Kind::Money),
            required("currency", Kind::Text),
        ],
    ),
    "sale_date",
);

/// The values that dimensions take, for the planner and for suggestions.
pub const CATALOGUE_VALUES: TableDef = table(
    "catalogue_values",
    &["dimension", "value", "label"],
    &[
        required("dimension", Kind::Text),
        required("value", Kind::Text),
        required("label", Kind::Text),
        required("weight", Kind::BigInt),
        optional("sounds_like", Kind::Text),
    ],
);

/// What is published: one row per table.
pub const PUBLICATION: TableDef = table(
    "publication",
    &["table_name"],
    &[
        required("snapshot_id", Kind::Text),
        required("published_at", Kind::Timestamp),
        required("table_name", Kind::Text),
        required("row_count", Kind::BigInt),
        optional("first_day", Kind::Date),
        optional("last_complete_day", Kind::Date),
        required("filled_columns", Kind::Text),
    ],
);

const CONCERT_DW: [TableDef; 14] = [
    ARTISTS,
    ARTIST_GENRES,
    ARTIST_MEMBERS,
    VENUES,
    VENUE_AMENITIES,
    CONCERTS,
    CONCERT_PRICES,
    CUSTOMERS,
    TICKET_SALES,
    VENUE_POPULARITY,
    ARTIST_PERFORMANCE,
    DAILY_SALES,
    CATALOGUE_VALUES,
    PUBLICATION,
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_subjects_and_days_are_columns() {
        for layer in Layer::ALL {
            for table in layer.tables() {
                for name in table.key.iter().chain(&table.subject).chain(&table.day) {
                    assert!(table.column(name).is_some(), "{}.{name}", table.name);
                }
            }
        }
    }

    #[test]
    fn clean_rows_say_where_they_came_from() {
        let schema = Layer::Clean.table("concerts").expect("there").arrow_schema();
        assert!(schema.field_with_name("_line").is_ok());
        let schema = Layer::ConcertDw.table("concerts").expect("there").arrow_schema();
        assert!(schema.field_with_name("_line").is_err());
    }
}
