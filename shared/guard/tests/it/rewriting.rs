//! The statement to run: which text it is, word for word.

use crate::support::{policy, with_roles};
use concert_guard::{Code, Policy, check};

#[track_caller]
fn runs(sql: &str, policy: &Policy, expected: &str) {
    match check(sql, policy) {
        Ok(guarded) => assert_eq!(guarded.sql, expected),
        Err(refusal) => panic!("{refusal}"),
    }
}

fn small(max_rows: u64) -> Policy {
    policy().with_max_rows(max_rows)
}

#[test]
fn every_statement_gets_a_row_limit() {
    let policy = small(100);
    for (sql, expected) in [
        ("SELECT 1", "SELECT 1 LIMIT 100"),
        ("SELECT 1 ;", "SELECT 1 LIMIT 100"),
        ("SELECT 1 LIMIT 5", "SELECT 1 LIMIT 5"),
        ("SELECT 1 LIMIT 500", "SELECT 1 LIMIT 100"),
        ("SELECT 1 LIMIT ALL", "SELECT 1 LIMIT 100"),
        ("SELECT 1 limit all offset 3", "SELECT 1 limit 100 offset 3"),
        ("SELECT 1 OFFSET 3 LIMIT 500", "SELECT 1 OFFSET 3 LIMIT 100"),
        ("SELECT 1 OFFSET 3", "SELECT 1 OFFSET 3 LIMIT 100"),
        ("SELECT 1 FETCH FIRST 5 ROWS ONLY", "SELECT 1 LIMIT 5"),
        ("SELECT 1 FETCH NEXT 500 ROWS ONLY", "SELECT 1 LIMIT 100"),
        ("SELECT 1 FETCH FIRST ROW ONLY", "SELECT 1 LIMIT 1"),
        ("SELECT TOP 5 1", "SELECT TOP 5 1"),
        ("SELECT TOP 500 1", "SELECT TOP 100 1"),
        ("SELECT TOP (500) 1", "SELECT TOP (100) 1"),
        ("(SELECT 1 LIMIT 500)", "(SELECT 1 LIMIT 500) LIMIT 100"),
        (
            "SELECT TOP 500 1 UNION ALL SELECT 2",
            "SELECT TOP 500 1 UNION ALL SELECT 2 LIMIT 100",
        ),
        (
            "SELECT * FROM (SELECT 1 AS a LIMIT 500) x",
            "SELECT * FROM (SELECT 1 AS a LIMIT 500) x LIMIT 100",
        ),
        (
            "SELECT 1 AS \"limit\" ORDER BY \"limit\"",
            "SELECT 1 AS \"limit\" ORDER BY \"limit\" LIMIT 100",
        ),
        ("SELECT 1 LIMIT 0", "SELECT 1 LIMIT 0"),
    ] {
        runs(sql, &policy, expected);
    }
}

#[test]
fn tables_are_named_with_their_schema() {
    let policy = small(9);
    for (sql, expected) in [
        ("SELECT name FROM venues", "SELECT name FROM concert_dw.venues LIMIT 9"),
        (
            "SELECT v.name FROM Venues v",
            "SELECT v.name FROM concert_dw.venues v LIMIT 9",
        ),
        (
            "SELECT concert_dw.venues.name FROM \"CONCERT_DW\".\"VENUES\"",
            "SELECT venues.name FROM concert_dw.venues LIMIT 9",
        ),
        (
            "WITH venues AS (SELECT name FROM venues) SELECT name FROM venues",
            "WITH venues AS (SELECT name FROM concert_dw.venues) SELECT name FROM venues LIMIT 9",
        ),
    ] {
        runs(sql, &policy, expected);
    }
}

#[test]
fn words_that_only_quotes_parted_stay_apart() {
    let policy = small(9);
    for (sql, expected) in [
        (
            "SELECT name FROM\"venues\"_secret",
            "SELECT name FROM concert_dw.venues _secret LIMIT 9",
        ),
        (
            "SELECT name FROM\"venues\"WHERE\"venues\".name = 'x'",
            "SELECT name FROM concert_dw.venues WHERE\"venues\".name = 'x' LIMIT 9",
        ),
        (
            "SELECT\"concert_dw\".venues.name FROM venues",
            "SELECT venues.name FROM concert_dw.venues LIMIT 9",
        ),
    ] {
        runs(sql, &policy, expected);
    }
}

#[test]
fn a_star_reaches_the_columns_of_the_catalogue_only() {
    runs(
        "SELECT * FROM concert_prices",
        &small(9),
        "SELECT * FROM (SELECT concert_id, currency, price, tier FROM concert_dw.concert_prices) AS concert_prices LIMIT 9",
    );
    runs(
        "SELECT p.* FROM concert_prices AS p JOIN concerts USING (concert_id) WHERE concerts.status = 'x'",
        &small(9),
        "SELECT p.* FROM (SELECT concert_id, currency, price, tier FROM concert_dw.concert_prices) AS p JOIN (SELECT \
         announced_at, artist_id, concert_id, created_at, currency, event_date, revenue, starts_at, status, \
         total_attendance, updated_at, venue_id FROM concert_dw.concerts) AS concerts USING (concert_id) WHERE \
         concerts.status = 'x' LIMIT 9",
    );
    runs(
        "SELECT * FROM concert_prices PIVOT (AVG(price) FOR tier IN ('vip'))",
        &small(9),
        "SELECT * FROM (SELECT concert_id, currency, price, tier FROM concert_dw.concert_prices) PIVOT (AVG(price) FOR \
         tier IN ('vip')) LIMIT 9",
    );
}

#[test]
fn rules_of_a_role_stand_in_place_of_the_table() {
    let guest = Policy::of(&with_roles(), Some("guest")).unwrap().with_max_rows(9);
    runs(
        "SELECT t.quantity FROM ticket_sales t",
        &guest,
        "SELECT t.quantity FROM (SELECT channel, concert_id, created_at, currency, customer_segment, price_tier, \
         purchase_timestamp, quantity, sale_id FROM concert_dw.ticket_sales WHERE (concert_id IN (SELECT concert_id FROM \
         concert_dw.concerts WHERE venue_id IN (SELECT venue_id FROM concert_dw.venues WHERE city = 'Chi''cago' || \
         CHR(92) || '')) AND concert_id IN (SELECT concert_id FROM concert_dw.concerts WHERE status <> 'cancelled'))) t \
         LIMIT 9",
    );
}

#[test]
fn what_a_role_may_not_see_is_refused_by_name() {
    let booker = Policy::of(&with_roles(), Some("booker")).unwrap();
    for (sql, code) in [
        ("SELECT revenue FROM concerts", Code::HiddenColumn),
        ("SELECT c.revenue FROM concerts c", Code::HiddenColumn),
        ("SELECT \"REVENUE\" FROM concerts", Code::HiddenColumn),
        ("SELECT concert_dw.concerts.revenue FROM concerts", Code::HiddenColumn),
        ("SELECT COUNT(*) FROM concerts WHERE revenue > 0", Code::HiddenColumn),
        ("SELECT concert_id FROM concerts ORDER BY revenue", Code::HiddenColumn),
        ("SELECT x.revenue FROM (SELECT * FROM concerts) x", Code::UnknownColumn),
        (
            "WITH c AS (SELECT * FROM concerts) SELECT revenue FROM c",
            Code::UnknownColumn,
        ),
        ("SELECT SUM(revenue) OVER () FROM concerts", Code::HiddenColumn),
        (
            "SELECT 1 FROM venues v WHERE EXISTS (SELECT 1 FROM concerts c WHERE c.venue_id = v.venue_id AND revenue > 1)",
            Code::HiddenColumn,
        ),
        (
            "SELECT * FROM concerts c JOIN venues v USING (revenue)",
            Code::UnknownColumn,
        ),
        ("SELECT * EXCLUDE (revenue) FROM concerts", Code::UnknownColumn),
        ("SELECT COUNT(*) FROM ticket_sales", Code::HiddenTable),
        ("SELECT COUNT(*) FROM concert_dw.ticket_sales", Code::HiddenTable),
        (
            "SELECT name FROM artists WHERE popularity_score > 50",
            Code::HiddenColumn,
        ),
        (
            "SELECT * FROM concerts PIVOT (SUM(revenue) FOR status IN ('x'))",
            Code::HiddenColumn,
        ),
        (
            "SELECT c.l FROM concerts AS c (a, b, c, d, e, f, g, h, i, j, k, l)",
            Code::UnknownColumn,
        ),
    ] {
        match check(sql, &booker) {
            Ok(guarded) => panic!("{}", guarded.sql),
            Err(refusal) => assert_eq!(refusal.code, code, "{sql}: {refusal}"),
        }
    }
}

#[test]
fn a_role_that_is_not_there_sees_nothing() {
    let error = Policy::of(&with_roles(), Some("admin")).unwrap_err();
    assert_eq!(
        error.to_string(),
        "the catalogue has no role \"admin\"; it has booker, guest, open"
    );
}

#[test]
fn refusals_say_where() {
    for (sql, line, column, offset, word) in [
        ("SELECT nam FROM venues", 1, 8, 7, "name"),
        ("SELECT name\nFROM venuess", 2, 6, 17, "venues"),
        ("SELECT 'é',\n  nam FROM venues", 2, 3, 15, "name"),
        ("SELECT name FROM venues WHERE 'ü' = cty", 1, 37, 37, "city"),
        ("SELECT uper(name) FROM venues", 1, 8, 7, "upper"),
    ] {
        let refusal = check(sql, &policy()).unwrap_err();
        assert_eq!(
            (refusal.line, refusal.column, refusal.offset),
            (line, column, offset),
            "{sql}: {refusal}"
        );
        assert!(refusal.reason.contains(&format!("Did you mean {word}?")), "{refusal}");
    }
}

#[test]
fn what_is_used_is_told() {
    let guarded = check(
        "WITH c AS (SELECT venue_id, event_date FROM concerts) SELECT v.name FROM c JOIN venues v USING (venue_id)",
        &policy(),
    )
    .unwrap();
    let told: Vec<String> = guarded
        .tables
        .iter()
        .map(|(table, columns)| format!("{table}: {}", columns.iter().cloned().collect::<Vec<_>>().join(" ")))
        .collect();
    assert_eq!(told, ["concerts: event_date venue_id", "venues: name venue_id"]);
}
