//! Rules judged over tables in memory, and every way in which a file of rules can be wrong.

use super::*;
use arrow::{
    array::RecordBatch,
    datatypes::{DataType, Field, Schema, SchemaRef},
    json::ReaderBuilder,
};
use concert_lake::schema::QUARANTINE;
use datafusion::{
    catalog::{MemTable, MemorySchemaProvider, SchemaProvider},
    prelude::SessionContext,
};
use jiff::civil::date;
use proptest::prelude::*;
use std::sync::Arc;

const NOW: Now = Now {
    today: date(2024, 6, 1),
};

fn batch(schema: SchemaRef, lines: &[&str]) -> RecordBatch {
    let text = lines.join("\n");
    let mut reader = ReaderBuilder::new(Arc::clone(&schema))
        .build(text.as_bytes())
        .expect("reads");
    reader
        .next()
        .transpose()
        .expect("rows")
        .unwrap_or_else(|| RecordBatch::new_empty(schema))
}

/// A session over tables in memory. Staged rows get their place as `_ordinal`.
struct World {
    context: SessionContext,
    stage: Arc<MemorySchemaProvider>,
    clean: Arc<MemorySchemaProvider>,
}

impl World {
    fn new() -> World {
        let context = SessionContext::new();
        let catalog = context.catalog("datafusion").expect("the default");
        let (stage, clean) = (
            Arc::new(MemorySchemaProvider::new()),
            Arc::new(MemorySchemaProvider::new()),
        );
        catalog
            .register_schema("stage", Arc::clone(&stage) as _)
            .expect("registers");
        catalog
            .register_schema("clean", Arc::clone(&clean) as _)
            .expect("registers");
        for table in &MODEL {
            let empty = MemTable::try_new(table.arrow_schema(), vec![vec![]]).expect("a table");
            clean
                .register_table(table.name.to_owned(), Arc::new(empty))
                .expect("registers");
        }
        World { context, stage, clean }
    }

    fn clean(self, table: &'static str, lines: &[&str]) -> World {
        let def = MODEL
            .iter()
            .chain([&QUARANTINE])
            .find(|def| def.name == table)
            .expect("a table");
        let rows = batch(def.arrow_schema(), lines);
        let rows = MemTable::try_new(def.arrow_schema(), vec![vec![rows]]).expect("a table");
        self.clean.deregister_table(table).expect("deregisters");
        self.clean
            .register_table(table.to_owned(), Arc::new(rows))
            .expect("registers");
        self
    }

    fn stage(self, table: &'static str, lines: &[&str]) -> World {
        let def = MODEL.iter().find(|def| def.name == table).expect("a table");
        let mut fields: Vec<Arc<Field>> = def.arrow_schema().fields().iter().cloned().collect();
        fields.push(Arc::new(Field::new("_ordinal", DataType::Int64, false)));
        let numbered: Vec<String> = lines
            .iter()
            .enumerate()
            .map(|(at, line)| format!("{},\"_ordinal\":{at}}}", line.trim_end_matches('}')))
            .collect();
        let numbered: Vec<&str> = numbered.iter().map(String::as_str).collect();
        let schema = Arc::new(Schema::new(fields));
        let rows = batch(Arc::clone(&schema), &numbered);
        let rows = MemTable::try_new(schema, vec![vec![rows]]).expect("a table");
        self.stage
            .register_table(table.to_owned(), Arc::new(rows))
            .expect("registers");
        self
    }

    async fn judge(&self, table: &str, rules: &Rules) -> Result<(Vec<Failure>, Vec<RuleCount>)> {
        let table = MODEL.iter().find(|def| def.name == table).expect("a table");
        check(&self.context, table, rules, NOW).await
    }

    /// `ordinal rule: message` of every failure, in the order of the rows.
    async fn found(&self, table: &str, rules: &Rules) -> Vec<String> {
        let (mut failures, _) = self.judge(table, rules).await.expect("judges");
        failures.sort_by_key(|failure| failure.ordinal);
        failures
            .iter()
            .map(|f| format!("{} {}: {}", f.ordinal.unwrap_or(-1), f.rule, f.message))
            .collect()
    }
}

fn built_in() -> Rules {
    Rules::built_in().expect("the built-in rules read")
}

fn with(text: &str) -> Result<Rules> {
    Rules::parse(Some((Path::new("my.toml"), text)))
}

#[test]
fn the_built_in_rules_make_sense_and_are_named_after_their_table() {
    let rules = built_in();
    assert!(rules.iter().count() > 40);
    for rule in rules.iter() {
        assert!(rule.name.starts_with(&format!("{}.", rule.table.name)), "{}", rule.name);
    }
}

#[tokio::test]
async fn the_models_constraints_hold_row_by_row() {
    let world = World::new()
        .clean("artists", &[r#"{"artist_id":"a1","name":"A","formation_date":"2000-01-01","spotify_id":"s1"}"#])
        .clean("venues", &[r#"{"venue_id":"v1","name":"V","capacity":100}"#])
        .stage(
            "venues",
            &[
                r#"{"venue_id":"v1","name":"V","city":"Ulm"}"#,
                r#"{"venue_id":"v2","capacity":-5,"latitude":91.0,"longitude":-200.5,"venue_type":"barn"}"#,
                r#"{"venue_id":"v3","name":"W","latitude":0.0,"longitude":0.0,"country":"Germany","timezone":"CET time"}"#,
            ],
        )
        .stage(
            "concerts",
            &[
                r#"{"concert_id":"c0","artist_id":"a1","venue_id":"v1","event_date":"2024-05-01","total_attendance":105}"#,
                r#"{"concert_id":"c1","artist_id":"a1","venue_id":"v1","event_date":"2024-05-02","total_attendance":106}"#,
                r#"{"concert_id":"c2","artist_id":"a9","venue_id":"v9","event_date":"2024-05-03","total_attendance":-1}"#,
                r#"{"concert_id":"c3","artist_id":"a1","venue_id":"v3","event_date":"2024-05-04","total_attendance":9999999}"#,
                r#"{"concert_id":"c4","artist_id":"a1","venue_id":"v1","event_date":"1999-12-31","announced_at":"2000-01-01"}"#,
                r#"{"concert_id":"c5","artist_id":"a1","venue_id":"v1","currency":"$","revenue":"-0.01"}"#,
                r#"{"concert_id":"c6","artist_id":"a1","venue_id":"v1","event_date":"2024-05-01","status":"done"}"#,
            ],
        );
    let rules = built_in();
    assert_eq!(
        world.found("venues", &rules).await,
        [
            "1 venues.name.required: name: there is no value, and every row must have one",
            "1 venues.capacity.range: capacity: -5 is less than 0",
            "1 venues.latitude.range: latitude: 91.0 is not between -90 and 90",
            "1 venues.longitude.range: longitude: -200.5 is not between -180 and 180",
            "1 venues.venue_type.one_of: venue_type: \"barn\" is none of arena, theater, club, outdoor, stadium",
            "2 venues.latitude.not_null_island: latitude: 0.0, 0.0 lies in the sea: the place is not known",
            "2 venues.country.code: country: \"Germany\" is no country code of two letters, such as US",
            "2 venues.timezone.name: timezone: \"CET time\" is no time zone's name, such as America/Chicago",
        ]
    );
    // The capacity is the one that is known, though the staged row of the venue does not say it.
    assert_eq!(
        world.found("concerts", &rules).await,
        [
            "1 concerts.total_attendance.within_capacity: total_attendance: 106 is more than 5 % above the venue's \
             capacity of 100",
            "2 concerts.artist_id.known: artist_id: artists has no row \"a9\". Load it, then run concert quarantine replay",
            "2 concerts.venue_id.known: venue_id: venues has no row \"v9\". Load it, then run concert quarantine replay",
            "2 concerts.total_attendance.range: total_attendance: -1 is less than 0",
            "4 concerts.announced_at.not_after_event: announced_at: 2000-01-01 is after event_date 1999-12-31",
            "4 concerts.event_date.after_formation: event_date: 1999-12-31 is before artists.formation_date 2000-01-01",
            "5 concerts.event_date.required: event_date: there is no value, and every row must have one",
            "5 concerts.revenue.range: revenue: -0.01 is less than 0",
            "5 concerts.currency.code: currency: \"$\" is not a currency code of three letters, such as USD",
            "6 concerts.status.one_of: status: \"done\" is none of scheduled, completed, cancelled",
            "6 concerts.same_night.unique: artist_id: \"a1\", \"v1\", 2024-05-01 is there already, in the row \"c0\"",
        ]
    );
    let (_, counts) = world.judge("venues", &rules).await.expect("judges");
    let count = |name: &str| {
        counts
            .iter()
            .find(|count| count.rule == name)
            .map(|count| count.records)
    };
    assert_eq!(count("venues.latitude.range"), Some(1));
    assert_eq!(
        count("venues.ticketmaster_id.unique"),
        Some(0),
        "a rule that all keep is counted too"
    );
}

#[tokio::test]
async fn a_rule_reads_through_several_references() {
    let world = World::new()
        .clean("venues", &[r#"{"venue_id":"v1","name":"V","capacity":10}"#])
        .clean("concerts", &[r#"{"concert_id":"c1","venue_id":"v1","event_date":"2024-05-01"}"#])
        .stage(
            "ticket_sales",
            &[
                r#"{"sale_id":"1","concert_id":"c1","quantity":11,"unit_price":"1","currency":"USD","purchase_timestamp":"2024-05-03T23:00:00Z"}"#,
                r#"{"sale_id":"2","concert_id":"c1","quantity":1,"unit_price":"1","currency":"USD","purchase_timestamp":"2024-05-04T00:00:00Z"}"#,
            ],
        );
    let rules = with(
        "[[rule]]\nname = \"mine\"\ntable = \"ticket_sales\"\ncheck = \"quantity <= venues.capacity\"\n\
         [[rule]]\nname = \"ticket_sales.purchase_timestamp.fresh\"\nfresh_days = 20\n",
    )
    .expect("reads");
    assert_eq!(
        world.found("ticket_sales", &rules).await,
        [
            "-1 ticket_sales.purchase_timestamp.fresh: purchase_timestamp: the newest is 2024-05-04, 28 days ago; it \
             should be at most 20",
            "0 mine: quantity: quantity <= venues.capacity does not hold: quantity is 11, venues.capacity is 10",
            "1 ticket_sales.purchase_timestamp.not_after_event: purchase_timestamp: 2024-05-04T00:00:00Z is more than 2 \
             days after concerts.event_date 2024-05-01",
        ]
    );
}

#[tokio::test]
async fn a_reference_is_satisfied_by_what_is_there_what_comes_and_what_is_put_aside() {
    let sales = |id: &str| format!(r#"{{"artist_id":"{id}","genre":"x"}}"#);
    let rows = ["old", "new", "aside", "nobody"].map(sales);
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    let rules = built_in();
    let world = World::new().stage("artist_genres", &rows);
    assert_eq!(
        world.found("artist_genres", &rules).await,
        [""; 0],
        "no artist at all: not loaded yet"
    );
    let world = world
        .clean("artists", &[r#"{"artist_id":"old","name":"A"}"#])
        .stage("artists", &[r#"{"artist_id":"new","name":"B"}"#])
        .clean(
            "quarantine",
            &[r#"{"quarantine_id":"q","table_name":"artists","record_key":"aside","rule":"type.date"}"#],
        );
    let found = world.found("artist_genres", &rules).await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0].starts_with("3 artist_genres.artist_id.known: artist_id: artists has no row \"nobody\""),
        "{found:?}"
    );
}

#[tokio::test]
async fn unique_speaks_of_other_keys_and_names_the_one_that_was_first() {
    let world = World::new()
        .clean("artists", &[r#"{"artist_id":"a1","name":"A","spotify_id":"s1"}"#])
        .stage(
            "artists",
            &[
                r#"{"artist_id":"a1","name":"A","spotify_id":"s1"}"#,
                r#"{"artist_id":"a2","name":"B","spotify_id":"s1"}"#,
                r#"{"artist_id":"a3","name":"C","spotify_id":"s3"}"#,
                r#"{"artist_id":"a3","name":"C","spotify_id":"s3"}"#,
                r#"{"artist_id":"a4","name":"D"}"#,
                r#"{"artist_id":"a5","name":"E"}"#,
            ],
        );
    assert_eq!(
        world.found("artists", &built_in()).await,
        ["1 artists.spotify_id.unique: spotify_id: \"s1\" is there already, in the row \"a1\""]
    );
}

#[tokio::test]
async fn a_users_rule_changes_switches_off_and_adds() {
    let world = World::new().stage(
        "venues",
        &[
            r#"{"venue_id":"v1","capacity":-5,"venue_type":"barn"}"#,
            r#"{"venue_id":"x","name":"B","capacity":0}"#,
        ],
    );
    let rules = with(
        r#"
[[rule]]
name = "venues.name.required"
enabled = false
[[rule]]
name = "venues.capacity.range"
severity = "warning"
[[rule]]
name = "venues.venue_type.one_of"
one_of = ["barn"]
[[rule]]
name = "our_ids"
table = "venues"
column = "venue_id"
matches = "^v"
message = "{venue_id} (of {name}) is none of ours"
[[rule]]
name = "nonsense.divides"
table = "venues"
check = "10 / capacity > 0 and cast(name as int) is null"
"#,
    )
    .expect("reads");
    let (failures, _) = world.judge("venues", &rules).await.expect("judges");
    let found: Vec<_> = failures.iter().map(|f| (f.ordinal, &*f.rule, f.severity)).collect();
    assert_eq!(
        found,
        [
            (Some(0), "venues.capacity.range", Severity::Warning),
            (Some(0), "nonsense.divides", Severity::Error),
            (Some(1), "our_ids", Severity::Error),
        ]
    );
    assert_eq!(failures[2].message, "venue_id: \"x\" (of \"B\") is none of ours");
}

#[tokio::test]
async fn many_records_that_break_a_warning_are_counted_and_some_are_described() {
    let rows: Vec<String> = (0..1500)
        .map(|n| format!(r#"{{"venue_id":"v{n}","name":"V","country":"Nowhere"}}"#))
        .collect();
    let rows: Vec<&str> = rows.iter().map(String::as_str).collect();
    // The reader gives batches of 1024 rows; the first is enough.
    let world = World::new().stage("venues", &rows[..1000]);
    let (failures, counts) = world.judge("venues", &built_in()).await.expect("judges");
    assert_eq!(failures.len(), 100);
    assert_eq!(counts.iter().map(|count| count.records).sum::<u64>(), 1000);
}

#[test]
fn a_wrong_rule_is_refused_at_its_line_and_column() {
    // What stands behind `name = "mine"` and `table = "concerts"` on lines 3 and on.
    let cases = [
        (
            "colum = \"revenue\"",
            "line 4, column 1: a rule has no key colum. Did you mean \"column\"?",
        ),
        (
            "column = \"revenu\"\nrequired = true",
            "line 4, column 10: concerts has no column revenu. Did you mean \"revenue\"?",
        ),
        (
            "column = \"revenue\"",
            "line 2, column 8: give exactly one of required, range",
        ),
        ("required = true", "line 2, column 8: required needs the column"),
        (
            "column = \"status\"\nrange = { min = 1 }",
            "line 5, column 9: range is for numbers and days, and status is none",
        ),
        (
            "column = \"revenue\"\nrange = { mim = 1 }",
            "line 5, column 17: range has no mim. Did you mean \"min\"?",
        ),
        (
            "column = \"revenue\"\nrange = { min = \"1\" }",
            "revenue is compared with a number, and this is a text",
        ),
        (
            "column = \"event_date\"\nrange = { min = 5 }",
            "compared with a date such as 1900-01-01",
        ),
        (
            "column = \"status\"\nmatches = \"[\"",
            "line 5, column 11: the pattern does not read",
        ),
        ("column = \"status\"\none_of = []", "one_of must be a list"),
        (
            "column = \"status\"\none_of = [\"a\", 5]",
            "line 5, column 16: an element of one_of must be a text",
        ),
        (
            "column = \"status\"\nreferences = \"venues\"",
            "status refers to no other table: artist_id and venue_id does",
        ),
        (
            "column = \"venue_id\"\nreferences = \"artists\"",
            "venue_id leads to venues, not to artists",
        ),
        ("unique = [\"concert_id\"]", "is the key of concerts"),
        ("order = [\"event_date\"]", "order has two columns"),
        ("order = [\"revenue\", \"event_date\"]", "compare numbers with check"),
        (
            "order = [\"announced_at\", \"event_date\"]\ntolerance_days = -1",
            "line 5, column 18: tolerance_days must be",
        ),
        (
            "column = \"event_date\"\nfresh_days = 3",
            "write severity = \"warning\"",
        ),
        (
            "severity = \"fatal\"\ncheck = \"revenue > 0\"",
            "severity is \"error\" or \"warning\", not \"fatal\"",
        ),
        (
            "check = \"revenue > venue.capacity\"",
            "line 4, column 20: there is no table venue. Did you mean \"venues\"?",
        ),
        (
            "check = '''\nrevenue > 0\n  and capacity > 5'''",
            "line 6, column 7: concerts has no column capacity. Did you mean venues.capacity?",
        ),
        ("check = \"revenue + 1\"", "the expression gives Decimal"),
        (
            "check = \"status > event_date + interval '1 day' and starts_at\"",
            "line 4, column 9: mine: ",
        ),
        ("check = \"venues.capacity > 5\"", "reads no column of concerts itself"),
        (
            "message = \"{revenu}\"\ncheck = \"revenue > 0\"",
            "line 4, column 11: message: concerts has no column revenu",
        ),
        (
            "message = \"{revenue\"\ncheck = \"revenue > 0\"",
            "a brace is opened and not closed",
        ),
        ("check = \"revenue > 0\"\nenabled = \"no\"", "enabled is true or false"),
        ("table = \"concerts\"", "duplicate key"),
        ("check = ", "line 4, column "),
        (
            "check = \"revenue > 0\"\n[[rule]]\nname = \"mine\"\ntable = \"venues\"",
            "there are two rules named mine",
        ),
        (
            "check = \"revenue > 0\"\n[[rule]]\nname = \"concerts.revenue.rang\"\nenabled = false",
            "Did you mean \"concerts.revenue.range\"?",
        ),
        (
            "check = \"revenue > 0\"\n[[rule]]\ntable = \"venues\"",
            "line 5, column 1: a rule needs a name",
        ),
        (
            "check = \"revenue > 0\"\n[rules]\na = 1",
            "line 5, column 2: rules is no key here. Did you mean \"rule\"?",
        ),
    ];
    for (rest, wanted) in cases {
        let text = format!("[[rule]]\nname = \"mine\"\ntable = \"concerts\"\n{rest}\n");
        let message = with(&text).expect_err(rest).to_string();
        assert!(message.starts_with("my.toml, line "), "{rest}: {message}");
        assert!(message.contains(wanted), "{rest}:\n{message}\nnot {wanted}");
    }
    for (name, wanted) in [
        ("concert", "there is no table concert. Did you mean \"concerts\"?"),
        ("publication", "there is no table"),
    ] {
        let text = format!("[[rule]]\nname = \"m\"\ntable = \"{name}\"\nunique = [\"x\"]\n");
        let message = with(&text).expect_err(name).to_string();
        assert!(
            message.contains("my.toml, line 3, column 9") && message.contains(wanted),
            "{message}"
        );
    }
}

#[tokio::test]
async fn a_rule_that_the_engine_cannot_judge_is_named() {
    let world = World::new().stage("venues", &[r#"{"venue_id":"v1","name":"B"}"#]);
    let rules =
        with("[[rule]]\nname = \"mine\"\ntable = \"venues\"\ncheck = \"name !~ city || '('\"\n").expect("reads");
    match world.judge("venues", &rules).await {
        // A pattern that is made of values is known when the values are.
        Err(error) => assert!(
            error
                .to_string()
                .contains("the rule mine of venues could not be judged"),
            "{error}"
        ),
        Ok((failures, _)) => assert!(failures.iter().all(|failure| &*failure.rule != "mine"), "{failures:?}"),
    }
}

fn texts() -> impl Strategy<Value = String> {
    let key = proptest::sample::select(vec![
        "name",
        "table",
        "column",
        "severity",
        "enabled",
        "message",
        "check",
        "range",
        "one_of",
        "unique",
        "order",
        "fresh_days",
        "required",
        "matches",
        "references",
        "tolerance_days",
        "other",
    ]);
    let value = prop_oneof![
        proptest::sample::select(vec![
            "\"concerts\"",
            "\"venues\"",
            "\"revenue\"",
            "true",
            "5",
            "-1.5",
            "1999-01-01",
            "[\"revenue\"]",
            "{ min = 1 }",
            "[\"announced_at\", \"event_date\"]",
            "\"warning\"",
            "\"revenue > venues.capacity\"",
            "\"{revenue} is bad\"",
            "nan",
            "0xFF",
            "[1]",
            "{}",
            "'(('",
            "\"a.b\"",
        ])
        .prop_map(str::to_owned),
        "\"[ -~äß]{0,20}\"".prop_map(|text| text),
    ];
    let line = (key, value).prop_map(|(key, value)| format!("{key} = {value}\n"));
    proptest::collection::vec(prop_oneof![5 => line, 1 => Just("[[rule]]\n".to_owned())], 0..8)
        .prop_map(|lines| format!("[[rule]]\n{}", lines.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(if std::env::var_os("CONCERT_LONG").is_some() { 5000 } else { 150 }))]

    #[test]
    fn any_rules_are_read_or_refused_at_a_place(text in prop_oneof![texts(), ".{0,200}"]) {
        if let Err(error) = with(&text) {
            let message = error.to_string();
            prop_assert!(message.starts_with("my.toml, line "), "{message}");
        }
    }

    #[test]
    fn any_expression_is_read_or_refused(text in prop_oneof![
        ".{0,80}",
        "(revenue|venues\\.capacity|status|'[a-z\\\\']{0,3}'|[0-9]{1,3}|\\(|\\)|<|>|=|\\+|/|and|or|not|is null|case when|then|end|cast\\(|between|in| ){1,14}",
    ]) {
        let toml = format!("[[rule]]\nname = \"m\"\ntable = \"concerts\"\ncheck = {}\n", toml::Value::String(text));
        if let Err(error) = with(&toml) {
            prop_assert!(error.to_string().starts_with("my.toml, line "), "{error}");
        }
    }
}

fn table(name: &str) -> &'static TableDef {
    MODEL.iter().find(|table| table.name == name).expect("a table")
}

#[test]
fn references_follow_from_the_keys() {
    let of = |name| {
        references(table(name))
            .map(|(c, t)| format!("{}→{}", c.name, t.name))
            .collect::<Vec<_>>()
    };
    assert_eq!(of("concerts"), ["artist_id→artists", "venue_id→venues"]);
    assert_eq!(of("ticket_sales"), ["concert_id→concerts", "customer_id→customers"]);
    assert_eq!(of("artist_genres"), ["artist_id→artists"]);
    assert_eq!(of("venues"), [""; 0]);
}

#[test]
fn a_way_leads_through_several_tables() {
    let steps = way(table("ticket_sales"), table("venues")).expect("a way");
    let shown: Vec<String> = steps
        .iter()
        .map(|(a, c, b)| format!("{}.{}→{}", a.name, c.name, b.name))
        .collect();
    assert_eq!(shown, ["ticket_sales.concert_id→concerts", "concerts.venue_id→venues"]);
    assert!(way(table("venues"), table("concerts")).is_none());
}

#[test]
fn an_operand_that_is_not_there_is_answered_with_the_nearest() {
    let concerts = table("concerts");
    assert!(operand(concerts, "venues.capacity").is_ok());
    for (text, wanted) in [
        (
            "capacity",
            "concerts has no column capacity. Did you mean venues.capacity? ",
        ),
        ("total_attendence", "Did you mean \"total_attendance\"? "),
        (
            "venues.capcity",
            "venues has no column capcity. Did you mean \"capacity\"? ",
        ),
        ("venue.capacity", "there is no table venue. Did you mean \"venues\"? "),
        (
            "customers.city",
            "a row of concerts does not refer to a row of customers",
        ),
    ] {
        let message = operand(concerts, text).expect_err(text);
        assert!(message.contains(wanted), "{message}");
    }
}
