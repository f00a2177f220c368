//! The built-in catalogue and two states of data to ask about.

use concert_contract::{
    api::{DataState, TableState},
    catalogue::{CONCERT_DW, Catalogue},
    compile::{CompileContext, Compiled, compile},
    query::{Query, QueryError},
};
use jiff::civil::{Date, date};
use std::sync::LazyLock;

pub const TODAY: Date = Date::constant(2026, 11, 21);

pub fn catalogue() -> Catalogue {
    Catalogue::from_toml(CONCERT_DW).unwrap_or_else(|error| panic!("{error}"))
}

fn table(name: &str, row_count: u64, days: Option<(Date, Date)>, filled: &str) -> TableState {
    TableState {
        table_name: name.to_owned(),
        row_count,
        first_day: days.map(|(first, _)| first),
        last_complete_day: days.map(|(_, last)| last),
        filled_columns: filled.split_whitespace().map(str::to_owned).collect(),
    }
}

/// Everything is there, in US dollars.
pub fn full() -> DataState {
    let days = Some((date(2022, 1, 1), date(2026, 11, 15)));
    DataState {
        snapshot_id: "s1".to_owned(),
        as_of: Some("2026-11-20T00:00:00Z".to_owned()),
        last_complete_day: Some(date(2026, 11, 15)),
        tables: vec![
            table("artists", 40, None, "artist_id name genre"),
            table(
                "venues",
                30,
                None,
                "venue_id name city state country capacity venue_type",
            ),
            table(
                "concerts",
                2000,
                days,
                "concert_id artist_id venue_id event_date status total_attendance revenue currency",
            ),
            table("concert_prices", 4000, None, "concert_id tier price currency"),
            table(
                "ticket_sales",
                50_000,
                days,
                "sale_id concert_id quantity unit_price currency channel price_tier purchase_timestamp",
            ),
        ],
        currencies: vec!["USD".to_owned()],
    }
}

/// Every table is there, and money comes in two currencies.
pub fn rich() -> DataState {
    let mut state = full();
    let days = Some((date(2022, 1, 1), date(2026, 11, 15)));
    for table in &mut state.tables {
        if table.table_name == "concerts" {
            table.filled_columns.push("announced_at".to_owned());
        }
        if table.table_name == "venues" {
            table.filled_columns.push("timezone".to_owned());
        }
    }
    state.tables.extend([
        table("artist_genres", 90, None, "artist_id genre"),
        table("artist_members", 120, None, "artist_id member"),
        table("venue_amenities", 60, None, "venue_id amenity"),
        table("customers", 900, None, "customer_id segment city state joined_at"),
        table(
            "daily_sales",
            9000,
            days,
            "sale_date concert_id tickets revenue currency",
        ),
        table(
            "venue_popularity",
            30,
            None,
            "venue_id popularity_rank booking_frequency",
        ),
        table(
            "artist_performance",
            40,
            None,
            "artist_id fan_engagement_score growth_trend",
        ),
    ]);
    state.currencies = vec!["USD".to_owned(), "EUR".to_owned()];
    state
}

/// A band's own list of its concerts: no revenue, no purchases, no genre, door prices in many currencies.
pub fn sparse() -> DataState {
    let days = Some((date(1987, 9, 3), date(2002, 11, 4)));
    DataState {
        last_complete_day: Some(date(2002, 11, 4)),
        tables: vec![
            table("artists", 1, None, "artist_id name"),
            table("venues", 600, None, "venue_id name city state country"),
            table(
                "concerts",
                1049,
                days,
                "concert_id artist_id venue_id event_date status total_attendance currency",
            ),
            table("concert_prices", 700, None, "concert_id tier price currency"),
            table("ticket_sales", 0, None, ""),
        ],
        currencies: vec!["USD".to_owned(), "GBP".to_owned(), "DEM".to_owned()],
        ..full()
    }
}

pub fn run(json: &str, state: &DataState) -> Result<Compiled, QueryError> {
    compiled(&Query::from_json(json)?, state)
}

pub fn compiled(query: &Query, state: &DataState) -> Result<Compiled, QueryError> {
    static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(catalogue);
    compile(
        query,
        &CATALOGUE,
        &CompileContext {
            today: TODAY,
            state,
            role: None,
            max_rows: 200,
            offset: 0,
        },
    )
}
