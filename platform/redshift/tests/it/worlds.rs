//! Small random worlds: three schemas with rows in which values repeat, are missing, or belong to nothing, and the state
//! of their data as a publication would tell it.

use crate::naive::{Db, Row, Tab, V};
use arrow::{
    array::{
        ArrayRef, BooleanArray, Date32Array, Decimal128Array, Float64Array, Int64Array, StringArray,
        TimestampMicrosecondArray,
    },
    datatypes::{DataType, Field, Schema, TimeUnit},
    record_batch::RecordBatch,
};
use concert_contract::{
    api::{DataState, TableState},
    catalogue::Catalogue,
    table::ColumnType,
};
use concert_redshift::{Limits, Tables};
use datafusion::{catalog::TableProvider, datasource::MemTable};
use jiff::civil::{Date, DateTime};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

pub const TODAY: Date = Date::constant(2024, 5, 20);

/// Xorshift: the same numbers on every machine.
pub struct Dice(u64);

impl Dice {
    pub fn new(seed: u64) -> Dice {
        Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1)
    }

    pub fn below(&mut self, end: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from((self.0 >> 16) % end.max(1) as u64).expect("a small number")
    }

    pub fn one_in(&mut self, n: usize) -> bool {
        self.below(n) == 0
    }

    pub fn pick<'t, T>(&mut self, items: &'t [T]) -> &'t T {
        &items[self.below(items.len())]
    }
}

impl Dice {
    fn word<'t>(&mut self, words: &[&'t str]) -> &'t str {
        words[self.below(words.len())]
    }
}

pub struct World {
    pub name: &'static str,
    pub catalogue: Catalogue,
    pub db: Db,
    pub state: DataState,
    /// The same, without roll-ups.
    pub plain_state: DataState,
    pub tables: Tables,
}

pub const NAMES: [&str; 3] = ["tour", "market", "log"];

impl World {
    pub fn new(which: usize, seed: u64) -> World {
        let mut dice = Dice::new(seed);
        let (name, text) = match which {
            0 => ("tour", include_str!("catalogues/tour.toml")),
            1 => ("market", include_str!("catalogues/market.toml")),
            _ => ("log", include_str!("catalogues/log.toml")),
        };
        let catalogue = Catalogue::from_toml(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        let mut db = Db::new();
        match name {
            "tour" => tour(&catalogue, &mut dice, &mut db),
            "market" => market(&catalogue, &mut dice, &mut db),
            _ => log(&catalogue, &mut dice, &mut db),
        }
        let state = state(&catalogue, &db, &mut dice);
        let mut plain_state = state.clone();
        plain_state
            .tables
            .retain(|table| !catalogue.rollups.iter().any(|rollup| rollup.table == table.table_name));
        let tables = tables(&catalogue, &db);
        World {
            name,
            catalogue,
            db,
            state,
            plain_state,
            tables,
        }
    }
}

fn text(value: &str) -> V {
    V::Text(value.to_owned())
}

/// A value, or none in one of `n`.
fn or_none(dice: &mut Dice, n: usize, value: V) -> V {
    if dice.one_in(n) { V::Null } else { value }
}

fn day(dice: &mut Dice) -> V {
    // Two years with a leap day, so that every grain has several stretches; many fall close together.
    let first = Date::constant(2023, 1, 28);
    let days = if dice.one_in(2) {
        dice.below(60) + 380
    } else {
        dice.below(500)
    };
    let span = jiff::Span::new().days(i64::try_from(days).expect("small"));
    text(&first.checked_add(span).expect("a day").to_string())
}

fn moment(dice: &mut Dice) -> V {
    let V::Text(day) = day(dice) else { return V::Null };
    let hour = *dice.pick(&[0, 9, 23]);
    let minute = *dice.pick(&[0, 59]);
    text(&format!("{day}T{hour:02}:{minute:02}:00Z"))
}

fn number(dice: &mut Dice, end: usize) -> V {
    V::Num(dice.below(end) as f64)
}

fn add(catalogue: &Catalogue, db: &mut Db, table: &str, columns: &[&str], rows: Vec<Row>) {
    let definition = &catalogue.tables[table];
    let columns: Vec<(String, ColumnType)> = columns
        .iter()
        .map(|name| ((*name).to_owned(), definition.columns[*name]))
        .collect();
    assert_eq!(columns.len(), definition.columns.len(), "{table}");
    db.insert(table.to_owned(), Tab { columns, rows });
}

fn size(dice: &mut Dice, most: usize) -> usize {
    if dice.one_in(12) { 0 } else { dice.below(most) + 1 }
}

fn tour(catalogue: &Catalogue, dice: &mut Dice, db: &mut Db) {
    let currencies: &[&str] = match dice.below(3) {
        0 => &["USD"],
        1 => &["USD", "EUR"],
        _ => &["USD", "EUR", "GBP"],
    };
    let artists: Vec<Row> = (0..size(dice, 4))
        .map(|i| {
            let name = text(dice.word(&["Ash", "Birch", "Ash"]));
            let genre = text(dice.word(&["rock", "jazz"]));
            vec![text(&format!("a{i}")), or_none(dice, 8, name), or_none(dice, 4, genre)]
        })
        .collect();
    let venues: Vec<Row> = (0..size(dice, 5))
        .map(|i| {
            let name = text(dice.word(&["Hall", "Barn", "Dome"]));
            let city = text(dice.word(&["Springfield", "Ulm", "Ürk"]));
            let country = text(dice.word(&["US", "DE", "FR"]));
            let capacity = V::Num(*dice.pick(&[0.0, 5.0, 10.0, 20.0]));
            let zone = text(dice.word(&["America/Chicago", "Asia/Tokyo", "Europe/Berlin"]));
            vec![
                text(&format!("v{i}")),
                name,
                or_none(dice, 6, city),
                or_none(dice, 6, country),
                or_none(dice, 5, capacity),
                or_none(dice, 4, zone),
            ]
        })
        .collect();
    let mut amenities = BTreeSet::new();
    for _ in 0..size(dice, 8) {
        amenities.insert((format!("v{}", dice.below(6)), *dice.pick(&["bar", "parking", "lift"])));
    }
    let mut tags = BTreeSet::new();
    for _ in 0..size(dice, 6) {
        tags.insert((format!("a{}", dice.below(4)), *dice.pick(&["loud", "quiet"])));
    }
    let concerts: Vec<Row> = (0..size(dice, 14))
        .map(|i| {
            let artist = text(&format!("a{}", dice.below(4)));
            let venue = text(&format!("v{}", dice.below(6)));
            let date = day(dice);
            let announced = day(dice);
            let status = text(dice.word(&["completed", "scheduled", "cancelled"]));
            let attendance = number(dice, 21);
            let revenue = V::Num(dice.below(40_000) as f64 / 100.0);
            let currency = text(dice.word(currencies));
            vec![
                text(&format!("c{i}")),
                or_none(dice, 9, artist),
                or_none(dice, 9, venue),
                or_none(dice, 9, date),
                or_none(dice, 3, announced),
                or_none(dice, 9, status),
                or_none(dice, 4, attendance),
                or_none(dice, 4, revenue),
                or_none(dice, 12, currency),
            ]
        })
        .collect();
    let sales: Vec<Row> = (0..size(dice, 24))
        .map(|i| {
            let concert = text(&format!("c{}", dice.below(12)));
            let channel = text(dice.word(&["web", "phone"]));
            let quantity = number(dice, 5);
            let price = V::Num(dice.below(5_000) as f64 / 100.0);
            let currency = text(dice.word(currencies));
            let bought = moment(dice);
            vec![
                text(&format!("s{i}")),
                or_none(dice, 10, concert),
                or_none(dice, 6, channel),
                or_none(dice, 8, quantity),
                or_none(dice, 8, price),
                or_none(dice, 12, currency),
                or_none(dice, 10, bought),
            ]
        })
        .collect();
    let pairs = |set: BTreeSet<(String, &str)>| set.iter().map(|(a, b)| vec![text(a), text(b)]).collect();
    add(catalogue, db, "artists", &["artist_id", "name", "genre"], artists);
    add(catalogue, db, "artist_tags", &["artist_id", "tag"], pairs(tags));
    add(
        catalogue,
        db,
        "venues",
        &["venue_id", "name", "city", "country", "capacity", "zone"],
        venues,
    );
    add(catalogue, db, "amenities", &["venue_id", "amenity"], pairs(amenities));
    add(
        catalogue,
        db,
        "concerts",
        &[
            "concert_id",
            "artist_id",
            "venue_id",
            "event_date",
            "announced_at",
            "status",
            "attendance",
            "revenue",
            "currency",
        ],
        concerts,
    );
    add(
        catalogue,
        db,
        "sales",
        &[
            "sale_id",
            "concert_id",
            "channel",
            "quantity",
            "unit_price",
            "currency",
            "bought_at",
        ],
        sales,
    );
    let sales = &db["sales"].rows;
    let concerts = &db["concerts"];
    let venues = &db["venues"];
    // The day of a purchase is that of the concert's venue.
    let local = |row: &Row| -> V {
        let V::Text(at) = &row[6] else { return V::Null };
        let found = |table: &Tab, key: &V| {
            table
                .rows
                .iter()
                .find(|row| row[0] == *key && !key.eq(&V::Null))
                .cloned()
        };
        let venue = found(concerts, &row[1]).and_then(|concert| found(venues, &concert[2]));
        let zone = match venue.map(|venue| venue[5].clone()) {
            Some(V::Text(zone)) => zone,
            _ => "UTC".to_owned(),
        };
        let at: DateTime = at.trim_end_matches('Z').parse().expect("an instant");
        let instant = at.to_zoned(jiff::tz::TimeZone::UTC).expect("UTC").timestamp();
        let zone = jiff::tz::TimeZone::get(&zone).expect("a zone");
        V::Text(instant.to_zoned(zone).date().to_string())
    };
    let amount = |row: &Row| match (&row[3], &row[4]) {
        (V::Num(q), V::Num(p)) => V::Num(q * p),
        _ => V::Null,
    };
    let by_day = roll_up(
        sales,
        |row| vec![local(row), row[1].clone(), row[5].clone()],
        &[
            &|rows| sum(rows.iter().map(|row| row[3].clone())),
            &|rows| sum(rows.iter().map(|row| amount(row))),
            &|rows| V::Num(rows.len() as f64),
        ],
    );
    let by_channel = roll_up(
        sales,
        |row| vec![local(row), row[2].clone()],
        &[&|rows| sum(rows.iter().map(|row| row[3].clone())), &|rows| {
            V::Num(rows.len() as f64)
        }],
    );
    add(
        catalogue,
        db,
        "day_sales",
        &["sale_day", "concert_id", "currency", "tickets", "takings", "purchases"],
        by_day,
    );
    add(
        catalogue,
        db,
        "channel_sales",
        &["sale_day", "channel", "tickets", "purchases"],
        by_channel,
    );
}

fn market(catalogue: &Catalogue, dice: &mut Dice, db: &mut Db) {
    let regions: Vec<Row> = (0..3)
        .map(|i| {
            let name = text(["north", "south", "east"][i]);
            vec![text(&format!("r{i}")), or_none(dice, 8, name)]
        })
        .collect();
    let users: Vec<Row> = (0..size(dice, 5))
        .map(|i| {
            let name = text(dice.word(&["Ann", "Bob", "Ann"]));
            let region = text(&format!("r{}", dice.below(4)));
            let firm = V::Bool(dice.one_in(2));
            vec![
                text(&format!("u{i}")),
                or_none(dice, 8, name),
                or_none(dice, 6, region),
                or_none(dice, 5, firm),
            ]
        })
        .collect();
    let mut badges = BTreeSet::new();
    for _ in 0..size(dice, 6) {
        badges.insert((format!("u{}", dice.below(5)), *dice.pick(&["gold", "new"])));
    }
    let trades: Vec<Row> = (0..size(dice, 20))
        .map(|i| {
            let buyer = text(&format!("u{}", dice.below(5)));
            let seller = text(&format!("u{}", dice.below(5)));
            let date = day(dice);
            let amount = number(dice, 10);
            let fee = V::Num(dice.below(1000) as f64 / 100.0);
            let weight = V::Num(dice.below(100) as f64 / 8.0);
            vec![
                text(&format!("t{i}")),
                or_none(dice, 9, buyer),
                or_none(dice, 9, seller),
                or_none(dice, 9, date),
                or_none(dice, 6, amount),
                or_none(dice, 6, fee),
                or_none(dice, 6, weight),
            ]
        })
        .collect();
    let by_day = roll_up(
        &trades,
        |row| vec![row[1].clone(), row[3].clone()],
        &[&|rows| sum(rows.iter().map(|row| row[4].clone())), &|rows| {
            V::Num(rows.len() as f64)
        }],
    );
    add(catalogue, db, "regions", &["region_id", "region"], regions);
    add(
        catalogue,
        db,
        "users",
        &["user_id", "name", "region_id", "is_firm"],
        users,
    );
    let badges = badges.iter().map(|(a, b)| vec![text(a), text(b)]).collect();
    add(catalogue, db, "badges", &["user_id", "badge"], badges);
    add(
        catalogue,
        db,
        "trades",
        &["trade_id", "buyer_id", "seller_id", "day", "amount", "fee", "weight"],
        trades,
    );
    add(
        catalogue,
        db,
        "buyer_days",
        &["buyer_id", "day", "amount", "trades"],
        by_day,
    );
}

fn log(catalogue: &Catalogue, dice: &mut Dice, db: &mut Db) {
    let readings: Vec<Row> = (0..size(dice, 24))
        .map(|i| {
            let site = text(dice.word(&["", "mill", "Mill", "a%_b"]));
            let sensor = text(dice.word(&["x", "y"]));
            let taken = moment(dice);
            let value = V::Num(dice.below(12) as f64 - 3.0);
            let manual = V::Bool(dice.one_in(2));
            vec![
                text(&format!("r{i}")),
                or_none(dice, 3, site),
                or_none(dice, 3, sensor),
                or_none(dice, 4, taken),
                or_none(dice, 4, value),
                or_none(dice, 4, manual),
            ]
        })
        .collect();
    add(
        catalogue,
        db,
        "readings",
        &["reading_id", "site", "sensor", "taken_at", "value", "is_manual"],
        readings,
    );
}

fn day_of(value: &V) -> V {
    match value {
        V::Text(text) => V::Text(text[..10].to_owned()),
        other => other.clone(),
    }
}

fn sum(values: impl Iterator<Item = V>) -> V {
    let mut total = None;
    for value in values {
        if let V::Num(x) = value {
            total = Some(total.unwrap_or(0.0) + x);
        }
    }
    total.map_or(V::Null, V::Num)
}

type Measure<'m> = &'m dyn Fn(&[&Row]) -> V;

fn roll_up(rows: &[Row], key: impl Fn(&Row) -> Row, measures: &[Measure<'_>]) -> Vec<Row> {
    let mut groups: BTreeMap<String, (Row, Vec<&Row>)> = BTreeMap::new();
    for row in rows {
        let values = key(row);
        groups
            .entry(format!("{values:?}"))
            .or_insert_with(|| (values, Vec::new()))
            .1
            .push(row);
    }
    groups
        .into_values()
        .map(|(mut values, rows)| {
            values.extend(measures.iter().map(|measure| measure(&rows)));
            values
        })
        .collect()
}

fn state(catalogue: &Catalogue, db: &Db, dice: &mut Dice) -> DataState {
    let mut state = DataState {
        snapshot_id: "s".to_owned(),
        as_of: None,
        last_complete_day: None,
        tables: Vec::new(),
        currencies: Vec::new(),
    };
    for (name, table) in db {
        let time = catalogue.tables[name].time.as_ref();
        let mut days: Vec<Date> = time
            .map(|time| {
                let at = table.at(time);
                table
                    .rows
                    .iter()
                    .filter_map(|row| match day_of(&row[at]) {
                        V::Text(day) => day.parse().ok(),
                        _ => None,
                    })
                    .collect()
            })
            .unwrap_or_default();
        days.sort();
        // Sometimes the last days are not whole yet.
        let last = days
            .len()
            .checked_sub(1 + dice.below(3))
            .and_then(|at| days.get(at))
            .copied();
        state.tables.push(TableState {
            table_name: name.clone(),
            row_count: table.rows.len() as u64,
            first_day: days.first().copied(),
            last_complete_day: last,
            filled_columns: table
                .columns
                .iter()
                .enumerate()
                .filter(|(at, _)| table.rows.iter().any(|row| row[*at] != V::Null))
                .map(|(_, (name, _))| name.clone())
                .collect(),
        });
    }
    state.last_complete_day = state.tables.iter().filter_map(|table| table.last_complete_day).max();
    if let Some(currency) = catalogue.currency_dimension() {
        let mut codes = BTreeSet::new();
        // All that occur anywhere: amounts of every table come in them.
        for (name, table) in db {
            if let Some(at) = table.columns.iter().position(|(column, _)| column == "currency")
                && !catalogue.rollups.iter().any(|rollup| rollup.table == *name)
            {
                codes.extend(table.rows.iter().filter_map(|row| match &row[at] {
                    V::Text(code) => Some(code.clone()),
                    _ => None,
                }));
            }
        }
        assert_eq!(currency.name, "currency");
        state.currencies = codes.into_iter().collect();
    }
    state
}

fn tables(catalogue: &Catalogue, db: &Db) -> Tables {
    let provided = db.iter().map(|(name, table)| {
        let mut fields = Vec::new();
        let mut arrays: Vec<ArrayRef> = Vec::new();
        for (at, (column, holds)) in table.columns.iter().enumerate() {
            let values = || table.rows.iter().map(|row| row[at].clone());
            let texts = || {
                values().map(|value| match value {
                    V::Text(text) => Some(text),
                    _ => None,
                })
            };
            let numbers = || {
                values().map(|value| match value {
                    V::Num(x) => Some(x),
                    _ => None,
                })
            };
            let array: ArrayRef = match holds {
                ColumnType::Text => Arc::new(texts().collect::<StringArray>()),
                ColumnType::Integer => Arc::new(numbers().map(|x| x.map(|x| x as i64)).collect::<Int64Array>()),
                ColumnType::Float => Arc::new(numbers().collect::<Float64Array>()),
                ColumnType::Decimal => Arc::new(
                    numbers()
                        .map(|x| x.map(|x| (x * 100.0).round() as i128))
                        .collect::<Decimal128Array>()
                        .with_precision_and_scale(14, 2)
                        .expect("two digits"),
                ),
                ColumnType::Boolean => Arc::new(
                    values()
                        .map(|value| match value {
                            V::Bool(b) => Some(b),
                            _ => None,
                        })
                        .collect::<BooleanArray>(),
                ),
                ColumnType::Date => Arc::new(
                    texts()
                        .map(|text| {
                            text.map(|text| {
                                let day: Date = text.parse().expect("a day");
                                Date::constant(1970, 1, 1).until(day).expect("days").get_days()
                            })
                        })
                        .collect::<Date32Array>(),
                ),
                ColumnType::Timestamp => Arc::new(
                    texts()
                        .map(|text| {
                            text.map(|text| {
                                let at: DateTime = text.trim_end_matches('Z').parse().expect("an instant");
                                at.to_zoned(jiff::tz::TimeZone::UTC)
                                    .expect("UTC")
                                    .timestamp()
                                    .as_microsecond()
                            })
                        })
                        .collect::<TimestampMicrosecondArray>(),
                ),
            };
            let data_type = match holds {
                ColumnType::Timestamp => DataType::Timestamp(TimeUnit::Microsecond, None),
                _ => array.data_type().clone(),
            };
            fields.push(Field::new(column, data_type, true));
            arrays.push(array);
        }
        let schema = Arc::new(Schema::new(fields));
        let batch = RecordBatch::try_new(Arc::clone(&schema), arrays).expect("a batch");
        let table: Arc<dyn TableProvider> = Arc::new(MemTable::try_new(schema, vec![vec![batch]]).expect("a table"));
        (name.clone(), table)
    });
    Tables::new(&catalogue.schema, provided, Limits::default()).expect("tables")
}
