//! The marts: SQL files that are run over the tables of one publication, and the function that they need beyond SQL.
//! docs/data.md, "Marts", says in words what they compute.

use crate::{
    Error, METHOD, Result,
    content::{Digest, day_column, frame, hex, integer, rows, side_by_side},
    write,
};
use arrow::array::{Array as _, ArrayRef, AsArray as _, Date32Array};
use arrow::datatypes::{DataType, TimeUnit, TimestampMicrosecondType};
use concert_lake::{
    Layer, Snapshot, Staged, TableWriter, Writer,
    schema::{ARTIST_PERFORMANCE, DAILY_SALES, TableDef, VENUE_POPULARITY},
};
use datafusion::{
    catalog::MemorySchemaProvider,
    common::ScalarValue,
    error::DataFusionError,
    logical_expr::{ColumnarValue, Volatility, create_udf},
    prelude::SessionContext,
};
use futures::FutureExt as _;
use jiff::{Timestamp, civil::Date, tz::TimeZone};
use sha2::{Digest as _, Sha256};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// The schema that holds what several marts read and nobody else.
const WORK: &str = "work";

const MICROSECONDS_A_SECOND: i64 = 1_000_000;
const MICROSECONDS_A_DAY: i64 = 86_400 * MICROSECONDS_A_SECOND;

struct Mart {
    table: &'static TableDef,
    sql: &'static str,
    /// The published tables that it is made from, directly or through a view.
    sources: &'static [&'static str],
    views: &'static [(&'static str, &'static str)],
}

const VIEWS: [(&str, &str); 2] = [
    ("concert_tickets", include_str!("../sql/concert_tickets.sql")),
    ("concert_takings", include_str!("../sql/concert_takings.sql")),
];

const MARTS: [Mart; 3] = [
    Mart {
        table: &DAILY_SALES,
        sql: include_str!("../sql/daily_sales.sql"),
        sources: &["ticket_sales", "concerts", "venues"],
        views: &[],
    },
    Mart {
        table: &VENUE_POPULARITY,
        sql: include_str!("../sql/venue_popularity.sql"),
        sources: &["venues", "concerts", "daily_sales"],
        views: &VIEWS,
    },
    Mart {
        table: &ARTIST_PERFORMANCE,
        sql: include_str!("../sql/artist_performance.sql"),
        sources: &["artists", "concerts", "venues", "ticket_sales", "daily_sales"],
        views: &VIEWS,
    },
];

/// Makes those marts anew whose inputs changed, and returns what was seen of each that was written.
pub async fn build(
    writer: &mut Writer,
    before: &Snapshot,
    fingerprints: &mut BTreeMap<String, String>,
    today: Date,
    now: Timestamp,
) -> Result<Vec<Digest>> {
    let facts = Facts::read(&session(writer).await?, today).await?;
    let mut written = Vec::new();
    let mut waiting: Vec<&'static Mart> = MARTS.iter().collect();
    while !waiting.is_empty() {
        // Those that read none of the others are made side by side.
        let names: Vec<&str> = waiting.iter().map(|mart| mart.table.name).collect();
        let (ready, later): (Vec<_>, Vec<_>) = waiting
            .into_iter()
            .partition(|mart| !mart.sources.iter().any(|source| names.contains(source)));
        let mut works = Vec::new();
        for mart in ready {
            let inputs = mart.inputs(fingerprints, &facts);
            let unchanged = before.fingerprints.get(mart.table.name) == Some(&inputs);
            fingerprints.insert(mart.table.name.to_owned(), inputs);
            if !unchanged {
                let to = writer.stage(Layer::ConcertDw, mart.table.name)?;
                // The session is opened anew: a mart may read the one before.
                works.push(mart.make(session(writer).await?, facts.parameters(now), to).boxed());
            }
        }
        for (digest, staged) in side_by_side(works).await? {
            writer.replace_staged(staged).await?;
            written.push(digest);
        }
        waiting = later;
    }
    Ok(written)
}

impl Mart {
    async fn make(
        &self,
        session: SessionContext,
        parameters: Vec<(&'static str, ScalarValue)>,
        to: TableWriter,
    ) -> Result<(Digest, Staged)> {
        for (name, sql) in self.views {
            let view = frame(&session, sql)
                .await?
                .with_param_values(parameters.clone())
                .map_err(|source| Error::query(sql, source))?;
            session
                .register_table(format!("{WORK}.{name}"), view.into_view())
                .map_err(|source| Error::query(sql, source))?;
        }
        let rows = frame(&session, self.sql)
            .await?
            .with_param_values(parameters)
            .map_err(|source| Error::query(self.sql, source))?
            .execute_stream()
            .await
            .map_err(|source| Error::query(self.sql, source))?;
        write(to, self.table, rows).await
    }

    /// What this mart is a function of, in one hash.
    fn inputs(&self, fingerprints: &BTreeMap<String, String>, facts: &Facts) -> String {
        let mut hash = Sha256::new();
        let mut add = |text: &str| {
            hash.update((text.len() as u64).to_be_bytes());
            hash.update(text.as_bytes());
        };
        add(self.sql);
        for (name, sql) in self.views {
            add(name);
            add(sql);
        }
        // A table's fingerprint ends with that of its content; before that stands where it came from.
        for source in self.sources {
            let fingerprint = fingerprints.get(*source).map_or("", String::as_str);
            add(fingerprint.rsplit(' ').next().unwrap_or_default());
        }
        add(&format!("{facts:?}"));
        format!("{METHOD} {}", hex(&hash.finalize()))
    }
}

/// What the files ask of the data as a whole.
#[derive(Clone, Copy, Debug)]
struct Facts {
    /// The last day with a completed concert, in days since 1970-01-01.
    last_day: Option<i32>,
    has_attendance: bool,
    has_revenue: bool,
}

impl Facts {
    async fn read(session: &SessionContext, today: Date) -> Result<Facts> {
        let sql = format!(
            "SELECT max(CASE WHEN status = 'completed' AND event_date <= DATE '{today}' THEN event_date END), \
             count(total_attendance), count(revenue) FROM concerts"
        );
        let batches = rows(session, &sql).await?;
        let first = batches.first().filter(|batch| batch.num_rows() > 0);
        Ok(Facts {
            last_day: first.and_then(|batch| day_column(batch, 0, 0)),
            has_attendance: first.is_some_and(|batch| integer(batch, 1, 0) > 0),
            has_revenue: first.is_some_and(|batch| integer(batch, 2, 0) > 0),
        })
    }

    fn parameters(&self, now: Timestamp) -> Vec<(&'static str, ScalarValue)> {
        vec![
            ("last_day", ScalarValue::Date32(self.last_day)),
            ("has_attendance", ScalarValue::Boolean(Some(self.has_attendance))),
            ("has_revenue", ScalarValue::Boolean(Some(self.has_revenue))),
            (
                "calculated_at",
                ScalarValue::TimestampMicrosecond(Some(now.as_microsecond()), Some("UTC".into())),
            ),
        ]
    }
}

/// The tables as they are about to be published, with what the files need beside them.
async fn session(writer: &Writer) -> Result<SessionContext> {
    let session = writer.lake().session(&writer.heads(Layer::ConcertDw)).await?;
    if let Some(catalog) = session.state().catalog_list().catalog(concert_lake::CATALOG) {
        catalog
            .register_schema(WORK, Arc::new(MemorySchemaProvider::new()))
            .map_err(|source| Error::query("CREATE SCHEMA work", source))?;
    }
    session.register_udf(create_udf(
        "day_at",
        vec![
            DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            DataType::Utf8,
        ],
        DataType::Date32,
        Volatility::Immutable,
        Arc::new(|arguments| day_at(arguments).map(ColumnarValue::Array)),
    ));
    Ok(session)
}

/// The calendar day of instants where time zones are; without a zone, or with a name that is none, UTC's.
fn day_at(arguments: &[ColumnarValue]) -> Result<ArrayRef, DataFusionError> {
    let arrays = ColumnarValue::values_to_arrays(arguments)?;
    let (Some(instants), Some(zones)) = (
        arrays
            .first()
            .and_then(|array| array.as_primitive_opt::<TimestampMicrosecondType>()),
        arrays.get(1).and_then(|array| array.as_string_opt::<i32>()),
    ) else {
        return Err(DataFusionError::Execution(
            "day_at takes an instant and the name of a time zone".to_owned(),
        ));
    };
    let mut known: HashMap<&str, TimeZone> = HashMap::new();
    let days: Date32Array = (0..instants.len())
        .map(|row| {
            if instants.is_null(row) {
                return None;
            }
            let at = instants.value(row);
            let offset_s = if zones.is_null(row) {
                0
            } else {
                let name = zones.value(row);
                let zone = known
                    .entry(name)
                    .or_insert_with(|| TimeZone::get(name).unwrap_or(TimeZone::UTC));
                zone.to_offset(Timestamp::from_microsecond(at).ok()?).seconds()
            };
            let local = at.checked_add(i64::from(offset_s) * MICROSECONDS_A_SECOND)?;
            i32::try_from(local.div_euclid(MICROSECONDS_A_DAY)).ok()
        })
        .collect();
    Ok(Arc::new(days))
}

#[cfg(test)]
mod tests {
    use super::*;
    use arrow::array::{StringArray, TimestampMicrosecondArray};
    use jiff::civil::date;

    #[test]
    fn a_day_is_the_venues() {
        let cases = [
            (
                Some("2024-06-09T23:30:00Z"),
                Some("America/New_York"),
                Some(date(2024, 6, 9)),
            ),
            (
                Some("2024-06-10T03:30:00Z"),
                Some("America/New_York"),
                Some(date(2024, 6, 9)),
            ),
            (
                Some("2024-06-10T04:00:00Z"),
                Some("America/New_York"),
                Some(date(2024, 6, 10)),
            ),
            (
                Some("2024-06-09T15:00:00Z"),
                Some("Asia/Tokyo"),
                Some(date(2024, 6, 10)),
            ),
            // Winter and summer time of one zone.
            (
                Some("2024-01-10T23:30:00Z"),
                Some("Europe/London"),
                Some(date(2024, 1, 10)),
            ),
            (
                Some("2024-07-10T23:30:00Z"),
                Some("Europe/London"),
                Some(date(2024, 7, 11)),
            ),
            (Some("1969-12-31T23:59:59Z"), None, Some(date(1969, 12, 31))),
            (
                Some("2024-06-09T23:30:00Z"),
                Some("Mars/Olympus"),
                Some(date(2024, 6, 9)),
            ),
            (None, Some("Asia/Tokyo"), None),
        ];
        let instants: TimestampMicrosecondArray = cases
            .iter()
            .map(|case| {
                case.0
                    .map(|at| at.parse::<Timestamp>().expect("an instant").as_microsecond())
            })
            .collect();
        let zones: StringArray = cases.iter().map(|case| case.1).collect();
        let days = day_at(&[
            ColumnarValue::Array(Arc::new(instants.with_timezone("UTC"))),
            ColumnarValue::Array(Arc::new(zones)),
        ])
        .expect("runs");
        let days = days.as_primitive::<arrow::datatypes::Date32Type>();
        for (row, (at, zone, expected)) in cases.iter().enumerate() {
            let day = (!days.is_null(row)).then(|| days.value(row));
            assert_eq!(
                day.and_then(concert_lake::time::date_of_days),
                *expected,
                "{at:?} {zone:?}"
            );
        }
    }
}
