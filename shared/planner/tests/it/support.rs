//! Two sets of values to ask about: one band's concerts of the past, and a promoter's season of many artists.

use concert_contract::{
    api::{DataState, TableState},
    catalogue::{CONCERT_DW, Catalogue, CatalogueValue},
    insight::period_text,
    query::{Direction, FilterClause, HavingClause, Operator, Query, Value},
};
use concert_planner::ValueIndex;
use jiff::civil::{Date, date};

pub const TODAY: Date = Date::constant(2026, 11, 21);

pub struct World {
    pub catalogue: Catalogue,
    pub values: ValueIndex,
    pub state: DataState,
}

fn catalogue() -> Catalogue {
    Catalogue::from_toml(CONCERT_DW).unwrap_or_else(|error| panic!("{error}"))
}

fn values(lists: &[(&str, &[&str])]) -> ValueIndex {
    let mut values = Vec::new();
    for (dimension, names) in lists {
        for (at, name) in names.iter().enumerate() {
            values.push(CatalogueValue {
                dimension: (*dimension).to_owned(),
                value: (*name).to_owned(),
                label: (*name).to_owned(),
                weight: 100 - i64::try_from(at).unwrap_or(0),
                sounds_like: None,
            });
        }
    }
    ValueIndex::new(values)
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

/// A band's list of its own concerts, 1987 to 2002: no revenue, no genre, no capacity.
pub fn band() -> World {
    let days = Some((date(1987, 9, 3), date(2002, 11, 4)));
    World {
        catalogue: catalogue(),
        values: values(&[
            ("artist", &["Fugazi"]),
            (
                "venue",
                &[
                    "Fort Reno",
                    "9:30 Club",
                    "Wilson Center",
                    "First Avenue",
                    "Maxwell's",
                    "The Roxy",
                    "40 Watt",
                    "Sanctuary Theater",
                    "Capitol Theater",
                    "St. Stephen's Church Cafeteria",
                    "Paradiso",
                    "Adelaide University",
                    "University of Maryland",
                    "Live",
                    "Cat's Cradle",
                ],
            ),
            (
                "city",
                &[
                    "Washington",
                    "New York",
                    "Chicago",
                    "London",
                    "Boston",
                    "Leeds",
                    "Berlin",
                    "Paris",
                    "Adelaide",
                    "Nice",
                    "St. Louis",
                    "Buenos Aires",
                    "São Paulo",
                    "Portland",
                ],
            ),
            ("state", &["DC", "CA", "NY", "IL", "OR", "MA", "IN"]),
            ("country", &["US", "GB", "DE", "AU", "FR", "BR", "NZ"]),
            ("currency", &["USD", "GBP", "DEM"]),
            ("status", &["completed"]),
        ]),
        state: DataState {
            snapshot_id: "s1".to_owned(),
            as_of: None,
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
            ],
            currencies: vec!["USD".to_owned(), "GBP".to_owned(), "DEM".to_owned()],
        },
    }
}

/// A promoter's data up to last week, with everything in it.
pub fn promoter() -> World {
    let days = Some((date(2023, 1, 1), date(2026, 11, 15)));
    World {
        catalogue: catalogue(),
        values: values(&[
            (
                "artist",
                &["Nova Tide", "The Paper Kites", "Iron Meadow", "Who", "Silver Lakes"],
            ),
            (
                "venue",
                &[
                    "The Meridian",
                    "Orpheum North",
                    "Civic Stage",
                    "Lakeside Hall",
                    "The Foundry",
                    "Paradise",
                ],
            ),
            (
                "city",
                &["Chicago", "Austin", "New York", "Seattle", "Toronto", "Portland"],
            ),
            ("state", &["IL", "TX", "NY", "WA", "ON", "OR"]),
            ("country", &["US", "CA"]),
            (
                "genre",
                &["rock", "indie rock", "jazz", "hip hop", "electronic", "country"],
            ),
            ("venue_type", &["theater", "club", "arena", "outdoor", "stadium"]),
            ("currency", &["USD"]),
            ("status", &["completed", "scheduled", "cancelled"]),
            ("channel", &["online", "box office", "phone"]),
            ("price_tier", &["VIP", "standard", "balcony"]),
        ]),
        state: DataState {
            snapshot_id: "s2".to_owned(),
            as_of: None,
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
                    "sale_id concert_id customer_id quantity unit_price currency channel price_tier purchase_timestamp",
                ),
            ],
            currencies: vec!["USD".to_owned()],
        },
    }
}

/// Another catalogue altogether.
pub fn bakery() -> World {
    let catalogue = Catalogue::from_toml(include_str!("cases/bakery.toml")).unwrap_or_else(|error| panic!("{error}"));
    World {
        catalogue,
        values: values(&[
            ("product", &["Country Loaf", "Baguette", "Croissant"]),
            ("kind", &["rye", "wheat", "pastry"]),
            ("shop", &["Corner Bakery", "Mill Street"]),
            ("town", &["Ghent", "Bruges"]),
        ]),
        state: DataState {
            tables: vec![
                table(
                    "sales",
                    900,
                    Some((date(2024, 1, 1), date(2026, 11, 1))),
                    "sale_id sold_on pieces amount currency",
                ),
                table("products", 20, None, "product_id name kind"),
                table("shops", 5, None, "shop_id name town"),
            ],
            currencies: vec!["EUR".to_owned()],
            ..DataState::default()
        },
    }
}

/// A catalogue of things, as it is inferred for tables that nobody has described.
pub fn college() -> World {
    let catalogue = Catalogue::from_toml(include_str!("cases/college.toml")).unwrap_or_else(|error| panic!("{error}"));
    World {
        catalogue,
        values: values(&[
            ("student", &["Ola", "Pia", "Quin", "Rosa", "Sven", "Tove", "Uwe"]),
            ("course", &["Calculus", "Algebra", "Databases", "Compilers", "Optics"]),
            ("instructor", &["Prof. Alder", "Dr. Birch", "Prof. Cedar"]),
            ("department", &["Mathematics", "Computing", "Physics"]),
            ("home_country", &["Norway", "Sweden", "Ireland", "Germany", "Denmark"]),
        ]),
        state: DataState {
            tables: vec![
                table(
                    "students",
                    7,
                    None,
                    "student_id name home_country entry_year birth_date",
                ),
                table("courses", 5, None, "course_id title credits department instructor_id"),
                table("instructors", 3, None, "instructor_id full_name rank office"),
                table(
                    "enrolments",
                    15,
                    Some((date(2020, 10, 1), date(2022, 10, 1))),
                    "student_id course_id enrolled_on grade",
                ),
            ],
            ..DataState::default()
        },
    }
}

fn value(value: &Value) -> String {
    match value {
        Value::Text(text) => text.clone(),
        Value::Integer(number) => number.to_string(),
        Value::Number(number) => number.to_string(),
        Value::Boolean(value) => value.to_string(),
    }
}

fn operator(op: Operator) -> String {
    serde_json::to_string(&op)
        .unwrap_or_default()
        .trim_matches('"')
        .to_owned()
}

/// A query on one line.
pub fn line(query: &Query) -> String {
    let mut parts = vec![match &query.of {
        Some(of) if query.distinct => format!("different of {of}"),
        Some(of) => format!("each of {of}"),
        None => query.metric_names().join(" + "),
    }];
    let mut groups = query.dimensions.clone();
    groups.extend(query.grain.map(|grain| format!("@{}", grain.name())));
    if !groups.is_empty() {
        parts.push(format!("by {}", groups.join(", ")));
    }
    for filter in query.conditions() {
        let values: Vec<String> = filter.values.iter().map(value).collect();
        let told = format!("{} {} {}", filter.dimension, operator(filter.op), values.join(" / "));
        parts.push(told.trim_end().to_owned());
    }
    let compact = |clause: &FilterClause| {
        let one = Query {
            filters: vec![clause.clone()],
            ..Query::default()
        };
        let text = one.to_compact();
        text.split_once("filters:")
            .map_or(text.clone(), |(_, filters)| filters.to_owned())
    };
    for clause in query.filters.iter().filter(|clause| clause.single().is_none()) {
        parts.push(compact(clause));
    }
    for clause in &query.focus {
        parts.push(format!("focus {}", compact(clause)));
    }
    for having in query.having.iter().filter_map(HavingClause::single) {
        let values: Vec<String> = having.values.iter().map(value).collect();
        parts.push(format!(
            "having {} {} {}",
            having.metric,
            operator(having.op),
            values.join(" / ")
        ));
    }
    parts.extend(query.period.as_ref().map(period_text));
    for comparison in &query.compare {
        parts.push(format!("compare {comparison:?}"));
    }
    if let Some(top) = &query.top {
        let by = top.by.as_deref().unwrap_or_default();
        parts.push(format!(
            "top {} {:?} by {by} per {}",
            top.n,
            top.direction,
            top.per.join(", ")
        ));
    }
    for order in &query.order {
        let direction = if order.direction == Direction::Descending {
            "desc"
        } else {
            "asc"
        };
        parts.push(format!("order {} {direction}", order.by));
    }
    parts.extend(query.limit.map(|limit| format!("limit {limit}")));
    parts.join(" | ")
}
