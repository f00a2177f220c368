//! The analysis by itself: profiles that are written down here, and what is made of them.

use concert_catalogue::{
    Looked,
    analysis::{keys, references},
    infer,
    profile::{ColumnProfile, Evidence, Place, TableProfile},
};
use concert_contract::{
    catalogue::{Aggregate, Catalogue, Unit},
    table::{Cell, ColumnType},
};
use std::collections::BTreeMap;

fn column(name: &str, column_type: ColumnType, filled: u64, distinct: u64) -> ColumnProfile {
    ColumnProfile {
        name: name.to_owned(),
        column_type,
        is_percent: false,
        doubts: Vec::new(),
        filled,
        distinct,
        is_exact: true,
        least: Cell::Null,
        greatest: Cell::Null,
        average_length: if column_type == ColumnType::Text { 8.0 } else { 0.0 },
        top: Vec::new(),
    }
}

fn number(name: &str, filled: u64, distinct: u64, range: (i64, i64)) -> ColumnProfile {
    ColumnProfile {
        least: Cell::Integer(range.0),
        greatest: Cell::Integer(range.1),
        ..column(name, ColumnType::Integer, filled, distinct)
    }
}

fn table(name: &str, row_count: u64, columns: Vec<ColumnProfile>) -> TableProfile {
    TableProfile {
        name: name.to_owned(),
        row_count,
        columns,
        doubts: Vec::new(),
        declared_key: None,
        declared_references: Vec::new(),
    }
}

fn catalogue(tables: Vec<TableProfile>, evidence: Evidence) -> Catalogue {
    let looked = Looked { tables, evidence };
    infer("test", &looked, "nothing")
        .unwrap_or_else(|error| panic!("{error}"))
        .catalogue
}

#[test]
fn numbers_are_added_up_or_averaged_by_their_names() {
    use Aggregate::{Average, Sum};
    for (name, first) in [
        ("total_amount", Sum),
        ("qty", Sum),
        ("num_rooms", Sum),
        ("number_of_visitors", Sum),
        ("goals", Sum),
        ("unit_price", Average),
        ("age", Average),
        ("avg_speed", Average),
        ("tax_rate", Average),
        ("gpa", Average),
        ("temp", Average),
        ("salary", Average),
    ] {
        let things = table(
            "things",
            100,
            vec![number("id", 100, 100, (1, 100)), number(name, 100, 90, (0, 5000))],
        );
        let catalogue = catalogue(vec![things], Evidence::default());
        let of = format!("things.{name}");
        let metric = catalogue.metrics.iter().find(|metric| metric.sources[0].of == of);
        let aggregate = metric.map(|metric| metric.sources[0].aggregate);
        assert_eq!(aggregate, Some(first), "{name}");
    }
}

#[test]
fn codes_years_and_places_are_not_summed_up() {
    for (name, range) in [
        ("zip_code", (10_000, 99_999)),
        ("phone", (1_000_000, 9_999_999)),
        ("room_number", (1, 400)),
        ("year", (1990, 2020)),
        ("founded", (1850, 2020)),
        ("latitude", (-90, 90)),
        ("rank", (1, 100)),
        ("customer_id", (1, 100)),
    ] {
        let things = table(
            "things",
            100,
            vec![number("id", 100, 100, (1, 100)), number(name, 100, 60, range)],
        );
        let catalogue = catalogue(vec![things], Evidence::default());
        let of = format!("things.{name}");
        let metric = catalogue.metrics.iter().find(|metric| metric.sources[0].of == of);
        assert!(metric.is_none(), "{name}: {metric:?}");
    }
}

#[test]
fn money_is_in_the_currency_of_its_row() {
    let currency = ColumnProfile {
        top: vec![("USD".to_owned(), 60), ("EUR".to_owned(), 40)],
        average_length: 3.0,
        ..column("currency", ColumnType::Text, 100, 2)
    };
    let payments = table(
        "payments",
        100,
        vec![
            number("id", 100, 100, (1, 100)),
            number("amount", 100, 90, (1, 500)),
            currency,
        ],
    );
    let catalogue = catalogue(vec![payments], Evidence::default());
    let amount = catalogue.metric("amount").expect("amount");
    assert_eq!(amount.unit, Unit::Currency);
    assert_eq!(amount.sources[0].currency.as_deref(), Some("payments.currency"));
    assert!(amount.synonyms.contains(&"revenue".to_owned()), "{:?}", amount.synonyms);
}

#[test]
fn whole_numbers_that_happen_to_be_among_each_other_are_no_reference() {
    let grades = table(
        "grades",
        200,
        vec![number("id", 200, 200, (1, 200)), number("points", 200, 20, (1, 20))],
    );
    let rooms = table(
        "rooms",
        50,
        vec![number("id", 50, 50, (1, 50)), number("seats", 50, 30, (10, 90))],
    );
    let keys: BTreeMap<String, keys::Key> = [&grades, &rooms]
        .iter()
        .map(|table| (table.name.clone(), keys::choose(table, &Evidence::default())))
        .collect();
    assert_eq!(keys["rooms"].columns, ["id"]);
    assert_eq!(references::candidates(&[grades, rooms], &keys), []);
}

/// Orders whose `column` holds values of which `share` are customers' keys.
fn orders(column_name: &str, share: f64) -> Catalogue {
    let customers = table(
        "customers",
        50,
        vec![number("id", 50, 50, (1, 50)), column("name", ColumnType::Text, 50, 50)],
    );
    let orders = table(
        "orders",
        300,
        vec![number("id", 300, 300, (1, 300)), number(column_name, 300, 40, (1, 50))],
    );
    let mut evidence = Evidence::default();
    for to in ["id", "name"] {
        let share = if to == "id" { share } else { 0.0 };
        evidence
            .contained
            .insert((Place::new("orders", column_name), Place::new("customers", to)), share);
    }
    catalogue(vec![customers, orders], evidence)
}

#[test]
fn references_are_found_by_their_names_and_borne_out_by_values() {
    for (name, share, found) in [
        ("customer_id", 1.0, true),
        ("customerid", 1.0, true),
        ("cust_id", 1.0, true),
        ("client_id", 1.0, true),
        ("billing_customer_id", 0.995, true),
        ("customer", 1.0, true),
        // Too many that are no customers.
        ("customer_id", 0.97, false),
        // Nothing says that it is one.
        ("warehouse_id", 1.0, false),
        ("quantity", 1.0, false),
    ] {
        let catalogue = orders(name, share);
        assert_eq!(catalogue.joins.len(), usize::from(found), "{name} {share}");
    }
}

#[test]
fn keys_of_several_columns_are_the_fewest_that_tell_rows_apart() {
    let lines = table(
        "lines",
        90,
        vec![
            number("order_id", 90, 30, (1, 30)),
            number("line_no", 90, 5, (1, 5)),
            number("product_id", 90, 10, (1, 10)),
            number("quantity", 90, 9, (1, 9)),
        ],
    );
    let candidates = keys::candidates(&lines);
    assert_eq!(candidates[0], ["order_id", "line_no"]);
    // Products of 5 and 10 values cannot tell 90 rows apart.
    assert!(!candidates.contains(&vec!["line_no".to_owned(), "product_id".to_owned()]));
    let mut evidence = Evidence::default();
    for columns in &candidates {
        let is_key = columns.len() == 3;
        evidence.unique.insert(("lines".to_owned(), columns.clone()), is_key);
    }
    let key = keys::choose(&lines, &evidence);
    assert_eq!((key.columns.len(), key.is_unique), (3, true));
    for unique in evidence.unique.values_mut() {
        *unique = false;
    }
    let none = keys::choose(&lines, &evidence);
    assert!(
        !none.is_unique && none.why.contains("nothing tells the 90 rows apart"),
        "{none:?}"
    );
}

#[test]
fn an_estimate_is_no_proof_of_a_key() {
    let mut events = table(
        "events",
        5_000_000,
        vec![number("id", 5_000_000, 4_950_000, (1, 9_000_000))],
    );
    events.columns[0].is_exact = false;
    let mut evidence = Evidence::default();
    assert!(!keys::choose(&events, &evidence).is_unique);
    evidence
        .unique
        .insert(("events".to_owned(), vec!["id".to_owned()]), true);
    assert!(keys::choose(&events, &evidence).is_unique);
}

#[test]
fn names_that_are_words_of_sql_or_no_words_at_all_give_a_catalogue() {
    let tables = vec![
        table(
            "order_",
            3,
            vec![number("group_", 3, 3, (1, 3)), column("user_", ColumnType::Text, 3, 2)],
        ),
        table("x", 0, vec![column("a", ColumnType::Text, 0, 0)]),
        table(
            "y_2",
            1,
            vec![
                column("average", ColumnType::Float, 1, 1),
                column("highest", ColumnType::Float, 1, 1),
            ],
        ),
        table(
            "staff",
            2,
            vec![number("id", 2, 2, (1, 2)), column("name", ColumnType::Text, 2, 2)],
        ),
    ];
    let catalogue = catalogue(tables, Evidence::default());
    assert!(
        catalogue.metric("staff_count").is_some(),
        "one word for one and for many"
    );
}

#[test]
fn numbered_columns_and_versions_in_names_are_no_things() {
    let mut columns = vec![number("id", 50, 50, (1, 50))];
    columns.extend((1..=8).map(|n| column(&format!("track_{n}"), ColumnType::Text, 50, 20)));
    let catalogue = catalogue(vec![table("gigs_v2", 50, columns)], Evidence::default());
    assert!(catalogue.metric("gigs").is_some());
    assert!(
        !catalogue
            .dimensions
            .iter()
            .any(|dimension| dimension.name.starts_with("track"))
    );
}
