//! What is inferred of each schema: keys, joins, and what its columns are for.

use crate::support::{inferred, inferred_anew, schema_folder};
use concert_contract::catalogue::{Aggregate, Catalogue};
use std::collections::BTreeSet;

/// What a schema must come to. Joins are all of them; the others are a choice.
struct Expected {
    schema: &'static str,
    keys: &'static [(&'static str, &'static str)],
    joins: &'static [&'static str],
    /// Metric, aggregate and what it is of.
    metrics: &'static [(&'static str, Aggregate, &'static str)],
    /// Dimension, column, and the next coarser dimension.
    dimensions: &'static [(&'static str, &'static str, Option<&'static str>)],
    times: &'static [(&'static str, &'static str)],
}

const EXPECTED: &[Expected] = &[
    Expected {
        schema: "company",
        keys: &[("employees", "employee_id"), ("departments", "id")],
        joins: &["employees.dept_id > departments.id"],
        metrics: &[
            ("employees", Aggregate::Count, "employees.employee_id"),
            ("average_salary", Aggregate::Average, "employees.salary"),
            ("total_salary", Aggregate::Sum, "employees.salary"),
            ("total_budget", Aggregate::Sum, "departments.budget"),
        ],
        dimensions: &[
            ("employee", "employees.last_name", None),
            ("department", "departments.name", None),
            ("location", "departments.location", None),
            ("gender", "employees.gender", None),
            ("manager", "employees.manager_id", None),
        ],
        times: &[("employees", "hire_date")],
    },
    Expected {
        schema: "world",
        keys: &[
            ("city", "id"),
            ("country", "code"),
            ("country_language", "country_code, language"),
        ],
        joins: &[
            "city.country_code > country.code",
            "country_language.country_code > country.code",
        ],
        metrics: &[
            ("population", Aggregate::Sum, "country.population"),
            ("city_population", Aggregate::Sum, "city.population"),
            ("surface_area", Aggregate::Sum, "country.surface_area"),
            ("average_life_expectancy", Aggregate::Average, "country.life_expectancy"),
            // "percentage" alone is a word of questions.
            (
                "average_country_language_percentage",
                Aggregate::Average,
                "country_language.percentage",
            ),
            ("continents", Aggregate::CountDistinct, "country.continent"),
        ],
        dimensions: &[
            ("city", "city.name", Some("country")),
            ("country", "country.name", Some("region")),
            ("region", "country.region", Some("continent")),
            ("continent", "country.continent", None),
            ("language", "country_language.language", None),
            ("official", "country_language.is_official", None),
            ("indep_year", "country.indep_year", None),
        ],
        times: &[],
    },
    Expected {
        schema: "flights",
        keys: &[
            ("airlines", "uid"),
            ("airports", "airport_code"),
            ("flights", "flight_no, airline"),
        ],
        joins: &[
            "flights.airline > airlines.uid",
            "flights.dest_airport > airports.airport_code",
            "flights.source_airport > airports.airport_code",
        ],
        metrics: &[("flights", Aggregate::Count, "flights.airline")],
        dimensions: &[
            ("airline", "airlines.airline", None),
            ("source_airport", "airports.airport_name", None),
            ("destination_airport", "airports.airport_name", None),
            ("city", "airports.city", Some("country")),
        ],
        times: &[],
    },
    Expected {
        schema: "shop",
        keys: &[
            ("orders", "id"),
            ("order_items", "order_id, line"),
            ("products", "id"),
            ("customers", "id"),
        ],
        joins: &[
            "order_items.order_id > orders.id",
            "order_items.product_id > products.id",
            "orders.customer_id > customers.id",
            "products.category_id > categories.id",
        ],
        metrics: &[
            (
                "revenue",
                Aggregate::Sum,
                "order_items.quantity * order_items.unit_price",
            ),
            ("quantity", Aggregate::Sum, "order_items.quantity"),
            ("orders", Aggregate::Count, "orders.id"),
        ],
        dimensions: &[
            ("product", "products.name", Some("category")),
            ("category", "categories.name", None),
            ("customer", "customers.name", None),
            ("city", "customers.city", Some("country")),
            ("status", "orders.status", None),
        ],
        times: &[("orders", "order_date"), ("customers", "signup_date")],
    },
    Expected {
        schema: "college",
        keys: &[
            ("enrolments", "student_id, course_id"),
            ("students", "student_id"),
            ("courses", "course_id"),
        ],
        joins: &[
            "courses.instructor_id > instructors.instructor_id",
            "enrolments.course_id > courses.course_id",
            "enrolments.student_id > students.student_id",
        ],
        metrics: &[
            ("average_grade", Aggregate::Average, "enrolments.grade"),
            ("students", Aggregate::Count, "students.student_id"),
        ],
        dimensions: &[
            ("course", "courses.title", None),
            ("student", "students.name", None),
            ("instructor", "instructors.full_name", None),
            ("entry_year", "students.entry_year", None),
        ],
        // The day of birth is not when a student happened.
        times: &[("enrolments", "enrolled_on")],
    },
    Expected {
        schema: "singers",
        keys: &[
            ("singer_in_concert", "concert_id, singer_id"),
            ("concert", "concert_id"),
        ],
        joins: &[
            "concert.stadium_id > stadium.stadium_id",
            "singer_in_concert.concert_id > concert.concert_id",
            "singer_in_concert.singer_id > singer.singer_id",
        ],
        metrics: &[
            ("concerts", Aggregate::Count, "concert.concert_id"),
            ("average_age", Aggregate::Average, "singer.age"),
            ("total_capacity", Aggregate::Sum, "stadium.capacity"),
        ],
        dimensions: &[
            ("stadium", "stadium.name", None),
            ("singer", "singer.name", None),
            ("male", "singer.is_male", None),
        ],
        times: &[],
    },
    Expected {
        schema: "cars",
        // Names of cars refer to a model by its name, so that this is what tells models apart.
        keys: &[
            ("model_list", "model"),
            ("car_makers", "id"),
            ("cars_data", "id"),
            ("car_names", "make_id"),
        ],
        joins: &[
            "car_makers.country > countries.country_id",
            "car_names.model > model_list.model",
            "cars_data.id > car_names.make_id",
            "countries.continent > continents.cont_id",
            "model_list.maker > car_makers.id",
        ],
        metrics: &[
            ("average_horsepower", Aggregate::Average, "cars_data.horsepower"),
            ("average_mpg", Aggregate::Average, "cars_data.mpg"),
        ],
        dimensions: &[
            ("cylinders", "cars_data.cylinders", None),
            ("country", "countries.country_name", Some("continent")),
        ],
        times: &[],
    },
    Expected {
        schema: "bank",
        keys: &[
            ("transactions", "tx_id"),
            ("accounts", "account_no"),
            ("clients", "client_id"),
        ],
        joins: &[
            "accounts.client_id > clients.client_id",
            "transactions.account_no > accounts.account_no",
        ],
        metrics: &[("amount", Aggregate::Sum, "transactions.amount")],
        dimensions: &[
            ("client", "clients.client_name", None),
            ("currency", "transactions.currency", None),
            ("branch_city", "accounts.branch_city", None),
            ("branch_open", "accounts.branch_open", None),
        ],
        times: &[("transactions", "booked_at"), ("clients", "joined")],
    },
];

#[tokio::test]
async fn keys_joins_measures_and_dimensions_are_found() {
    let mut wrong = Vec::new();
    for expected in EXPECTED {
        let catalogue = inferred(&schema_folder(expected.schema)).await.catalogue;
        wrong.extend(
            differences(expected, &catalogue)
                .into_iter()
                .map(|text| format!("{}: {text}", expected.schema)),
        );
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn differences(expected: &Expected, catalogue: &Catalogue) -> Vec<String> {
    let mut wrong = Vec::new();
    for (table, key) in expected.keys {
        let found = catalogue.tables.get(*table).map(|table| table.key.join(", "));
        if found.as_deref() != Some(key) {
            wrong.push(format!("the key of {table} is {found:?}, not {key}"));
        }
    }
    let joins: BTreeSet<String> = catalogue
        .joins
        .iter()
        .map(|join| format!("{} > {}", join.from, join.to))
        .collect();
    let wanted: BTreeSet<String> = expected.joins.iter().map(|join| (*join).to_owned()).collect();
    if joins != wanted {
        wrong.push(format!("joins {joins:?}"));
    }
    for (name, aggregate, of) in expected.metrics {
        let source = catalogue.metric(name).and_then(|metric| metric.sources.first());
        if !source.is_some_and(|source| source.aggregate == *aggregate && source.of == *of) {
            wrong.push(format!("metric {name} is {source:?}"));
        }
    }
    for (name, column, within) in expected.dimensions {
        let dimension = catalogue.dimension(name);
        if !dimension.is_some_and(|d| d.column.as_deref() == Some(column) && d.within.as_deref() == *within) {
            let found = dimension.map(|d| (&d.column, &d.within));
            wrong.push(format!("dimension {name} is {found:?}"));
        }
    }
    for (name, table) in &catalogue.tables {
        let wanted = expected
            .times
            .iter()
            .find(|(table, _)| table == name)
            .map(|(_, time)| *time);
        if table.time.as_deref() != wanted {
            wrong.push(format!("the time of {name} is {:?}", table.time));
        }
    }
    wrong
}

#[tokio::test]
async fn what_is_inferred_says_why_and_what_is_in_doubt() {
    let company = inferred(&schema_folder("company")).await.toml;
    for said in [
        "# Named for departments; every value is found there.",
        "employees.manager_id looks like a reference to employees.employee_id",
        "but is no join: a table is not joined to itself.",
        "# gender: 2 different values in 14 rows: F, M.",
        "\"F\" = [\"female\", \"women\", \"woman\"]",
    ] {
        assert!(company.contains(said), "{said}\n{company}");
    }
    let flights = inferred(&schema_folder("flights")).await;
    let via = |name: &str| {
        flights
            .catalogue
            .dimension(name)
            .map(|d| d.via.join(" "))
            .unwrap_or_default()
    };
    assert_eq!(via("airport"), "flights.source_airport");
    assert_eq!(via("destination_airport"), "flights.dest_airport");
    assert!(
        flights
            .draft
            .notes
            .iter()
            .any(|note| note.contains("2 chains of joins")),
        "{:?}",
        flights.draft.notes
    );
    // The capital leads back to the cities, so that joins would go round in a circle.
    let world = inferred(&schema_folder("world")).await;
    assert!(
        world
            .draft
            .left_out
            .iter()
            .any(|left_out| left_out.starts_with("country.capital") && left_out.contains("circle")),
        "{:?}",
        world.draft.left_out
    );
}

#[tokio::test]
async fn the_same_files_give_the_same_text() {
    let first = inferred(&schema_folder("world")).await.toml;
    let second = inferred_anew(&schema_folder("world")).await.toml;
    assert_eq!(first, second);
}
