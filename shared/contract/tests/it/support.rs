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
