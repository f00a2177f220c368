//! The marts over small worlds whose figures were worked out by hand.

use crate::support::{Bench, TODAY};
use jiff::civil::date;

const VENUES: &str = "SELECT venue_id, popularity_rank, round(avg_attendance_rate, 6), revenue_per_event, \
                      round(booking_frequency, 6) FROM venue_popularity ORDER BY venue_id";
const ARTISTS: &str = "SELECT artist_id, total_concerts, round(avg_ticket_sales, 4), revenue_generated, \
                       round(fan_engagement_score, 4), growth_trend FROM artist_performance ORDER BY artist_id";
const SALES: &str = "SELECT sale_date, concert_id, tickets, revenue, currency FROM daily_sales ORDER BY 1, 2, 5";

#[tokio::test]
async fn without_data_there_are_no_rows() {
    let bench = Bench::new();
    bench.publish(TODAY).await;
    for query in [VENUES, ARTISTS, SALES] {
        assert_eq!(bench.rows(query).await, [""; 0]);
    }
}

#[tokio::test]
async fn sales_are_summed_by_the_venues_day_the_concert_and_the_currency() {
    let bench = Bench::published(&[
        ("artists", "artist_id,name\na1,Ann\n"),
        (
            "venues",
            "venue_id,name,timezone\nv1,Hall,America/New_York\nv2,Dome,Asia/Tokyo\nv3,Barn,\n",
        ),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date,currency,status\n\
             c1,a1,v1,2024-05-20,USD,\nc2,a1,v2,2024-05-20,JPY,\nc3,a1,v3,2024-05-20,EUR,cancelled\n",
        ),
        (
            "ticket_sales",
            "sale_id,concert_id,quantity,unit_price,currency,purchase_timestamp\n\
             s1,c1,2,10.50,USD,2024-05-02T03:59:59Z\n\
             s2,c1,1,10.50,USD,2024-05-01T04:00:00Z\n\
             s3,c1,1,10.00,EUR,2024-05-01T12:00:00Z\n\
             s4,c1,3,0.01,USD,2024-05-02T04:00:00Z\n\
             s5,c2,1,5000,JPY,2024-05-01T15:00:00Z\n\
             s6,c3,4,7.25,EUR,2024-05-01T23:59:59Z\n",
        ),
    ])
    .await;
    assert_eq!(
        bench.rows(SALES).await,
        [
            // Two purchases of one day in New York, on two days of UTC; what was paid in euros stands apart.
            "2024-05-01 c1 1 10.00 EUR",
            "2024-05-01 c1 3 31.50 USD",
            // The cancelled concert's purchases were made all the same; a venue without a zone has UTC's days.
            "2024-05-01 c3 4 29.00 EUR",
            "2024-05-02 c1 3 0.03 USD",
            "2024-05-02 c2 1 5000.00 JPY",
        ]
    );
}

#[tokio::test]
async fn venues_are_ranked_by_how_full_how_large_and_how_often() {
    let bench = Bench::published(&[
        ("artists", "artist_id,name\na1,Ann\n"),
        (
            "venues",
            "venue_id,name,capacity\nv1,One,100\nv2,Two,200\nv3,Three,0\nv4,Four,50\nv5,Five,100\n",
        ),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date,total_attendance,revenue,currency,status\n\
             c1,a1,v1,2024-01-10,100,1000,USD,\n\
             c2,a1,v1,2024-03-10,50,800,EUR,\n\
             c3,a1,v1,2024-05-01,80,,USD,\n\
             c4,a1,v2,2024-05-05,100,500,USD,\n\
             c5,a1,v2,2024-05-06,,,USD,cancelled\n\
             c6,a1,v3,2024-06-01,30,100,EUR,\n\
             c7,a1,v5,2024-07-01,,,USD,\n\
             c8,a1,v1,2023-01-01,,3000.01,USD,\n",
        ),
    ])
    .await;
    // The last complete day is 2024-06-01; 3, 1, 1, 0 and 0 concerts in the 365 days that end there, 11.99 months.
    // v1: 230 of 300 seats. Two of its three takings are in dollars: (1000.00 + 3000.01) / 2, half a cent up.
    // Parts (how full, how large, how often): v1 .75 .5 .9, v2 .25 .83 .6, v3 .5 .17 .6; v4 and v5 have no crowd yet.
    assert_eq!(
        bench.rows(VENUES).await,
        [
            "v1 1 0.766667 2000.01 0.250171",
            "v2 2 0.5 500.00 0.08339",
            "v3 3 - 100.00 0.08339",
            "v4 4 - - 0.0",
            "v5 5 - - 0.0",
        ]
    );
}

#[tokio::test]
async fn venues_that_are_alike_are_ranked_by_their_ids_and_those_without_a_crowd_come_last() {
    let bench = Bench::published(&[
        ("artists", "artist_id,name\na1,Ann\n"),
        (
            "venues",
            "venue_id,name,capacity\nz,Zed,100\nm,Em,100\na,Ay,100\nempty,No,900\nbusy,Yes,900\n",
        ),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date,total_attendance,status\n\
             c1,a1,z,2024-05-01,40,\nc2,a1,m,2024-05-02,40,\nc3,a1,a,2024-05-03,40,\n\
             c4,a1,busy,2024-05-03,,\nc5,a1,busy,2024-05-04,,\nc6,a1,busy,2024-05-05,,\n",
        ),
    ])
    .await;
    let ranks = "SELECT venue_id FROM venue_popularity ORDER BY popularity_rank";
    assert_eq!(bench.rows(ranks).await, ["a", "m", "z", "busy", "empty"]);
    // Five days of data count as one month.
    let often = "SELECT booking_frequency FROM venue_popularity WHERE venue_id = 'busy'";
    assert_eq!(bench.rows(often).await, ["3.0"]);
}

#[tokio::test]
async fn before_the_first_concert_no_frequency_is_known() {
    let bench = Bench::published(&[
        ("artists", "artist_id,name\na1,Ann\n"),
        ("venues", "venue_id,name,capacity\nv2,Two,100\nv1,One,100\n"),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date,currency\nc1,a1,v2,2024-07-01,USD\n",
        ),
    ])
    .await;
    assert_eq!(bench.rows(VENUES).await, ["v1 1 - - -", "v2 2 - - -"]);
    assert_eq!(bench.rows(ARTISTS).await, ["a1 1 - - - -"]);
}

#[tokio::test]
async fn artists_have_their_concerts_crowds_takings_and_fans() {
    let bench = Bench::published(&[
        (
            "artists",
            "artist_id,name\none,One Concert\nnone,No Concert\noff,Called Off\ntwo,Two Currencies\nfull,Overfull\n",
        ),
        ("venues", "venue_id,name,capacity\nv1,Hall,100\nv2,Field,0\n"),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date,announced_at,total_attendance,revenue,currency,status\n\
             c1,one,v1,2024-01-21,2024-01-01,80,800,USD,\n\
             c2,off,v1,2024-02-01,2024-01-01,,,USD,cancelled\n\
             c3,two,v2,2024-02-02,,10,100.10,USD,\n\
             c4,two,v2,2024-02-03,,20,200.20,EUR,\n\
             c5,two,v2,2024-08-03,,,,EUR,\n\
             c6,full,v1,2024-02-04,2024-02-01,104,,GBP,\n\
             c7,full,v1,2024-02-05,2024-02-01,104,,GBP,\n",
        ),
        (
            "ticket_sales",
            "sale_id,concert_id,customer_id,quantity,unit_price,currency,purchase_timestamp\n\
             s1,c1,k1,2,10,USD,2024-01-06T23:00:00Z\n\
             s2,c1,k2,6,10,USD,2024-01-07T00:00:00Z\n\
             s3,c2,k1,1,10,USD,2024-01-06T00:00:00Z\n\
             s4,c6,k1,1,10,GBP,2024-02-04T00:00:00Z\n\
             s5,c7,k1,1,10,GBP,2024-02-04T00:00:00Z\n\
             s6,c6,k3,1,10,GBP,2024-02-04T00:00:00Z\n\
             s7,c7,k4,1,10,GBP,2024-02-02T00:00:00Z\n\
             s8,c7,,1,10,GBP,2024-02-04T00:00:00Z\n",
        ),
        ("customers", "customer_id\nk1\nk2\nk3\nk4\n"),
    ])
    .await;
    assert_eq!(
        bench.rows(ARTISTS).await,
        [
            // Over capacity is full, no more. One of three known customers came to both; one of five tickets was bought
            // in the first quarter of the time: (2 x 1 + 1/3 + 1/5) / 4.
            "full 2 104.0 - 63.3333 -",
            "none 0 - - - -",
            "off 0 - - - -",
            // 80 of 100 seats, neither customer twice, two of eight tickets early: (2 x 0.8 + 0 + 0.25) / 4.
            "one 1 80.0 800.00 46.25 -",
            // As many concerts in euros as in dollars: the first by name, never the sum. The coming one counts as one.
            "two 3 15.0 200.20 - -",
        ]
    );
}

/// Concerts of one artist, this many days apart, with these attendances.
fn series(artist: &str, days_apart: i64, attendances: &[u32]) -> String {
    let rows = attendances.iter().enumerate().map(|(index, attendance)| {
        let day = date(2022, 1, 1)
            .checked_add(jiff::Span::new().days(days_apart * index as i64))
            .expect("in the calendar");
        format!("{artist}{index},{artist},v1,{day},{attendance}\n")
    });
    rows.collect()
}

#[tokio::test]
async fn a_trend_is_what_chance_does_not_explain() {
    let cases: [(&str, i64, &[u32], &str); 9] = [
        ("doubling", 90, &[100, 141, 200, 283, 400, 566], "rising"),
        ("halving", 90, &[566, 400, 283, 200, 141, 100], "falling"),
        ("up-and-down", 90, &[100, 200, 100, 200, 100, 200], "steady"),
        ("constant", 90, &[100, 100, 100, 100, 100, 100], "steady"),
        // Regular, and less than 5 % a year.
        ("creeping", 90, &[1000, 1005, 1010, 1015, 1020, 1025], "steady"),
        // A clear line that five concerts do not make certain, and two even less.
        ("short", 90, &[100, 141, 200, 283, 400], "-"),
        ("two-points", 300, &[100, 900], "-"),
        ("six-weeks", 7, &[100, 141, 200, 283, 400, 566], "-"),
        // Days without anybody have no logarithm and are left out.
        ("with-empty-days", 90, &[100, 0, 141, 200, 0, 283, 400, 566], "rising"),
    ];
    let mut artists = "artist_id,name\n".to_owned();
    let mut concerts = "concert_id,artist_id,venue_id,event_date,total_attendance\n".to_owned();
    for (name, days_apart, attendances, _) in &cases {
        artists.push_str(&format!("{name},{name}\n"));
        concerts.push_str(&series(name, *days_apart, attendances));
    }
    let bench = Bench::published(&[
        ("artists", &artists),
        ("venues", "venue_id,name\nv1,Hall\n"),
        ("concerts", &concerts),
    ])
    .await;
    let trends = bench
        .rows("SELECT artist_id, growth_trend FROM artist_performance ORDER BY artist_id")
        .await;
    let mut expected: Vec<String> = cases.iter().map(|case| format!("{} {}", case.0, case.3)).collect();
    expected.sort();
    assert_eq!(trends, expected);
}

#[tokio::test]
async fn without_a_box_office_the_purchases_speak() {
    let bench = Bench::published(&[
        ("artists", "artist_id,name\na1,Ann\n"),
        ("venues", "venue_id,name,capacity\nv1,Hall,100\n"),
        (
            "concerts",
            "concert_id,artist_id,venue_id,event_date,currency\n\
             c1,a1,v1,2024-05-01,USD\nc2,a1,v1,2024-05-02,USD\nc3,a1,v1,2024-07-01,USD\n",
        ),
        (
            "ticket_sales",
            "sale_id,concert_id,quantity,unit_price,currency,purchase_timestamp\n\
             s1,c1,2,10,USD,2024-04-01T10:00:00Z\ns2,c1,1,8,CAD,2024-04-01T10:00:00Z\n\
             s3,c2,3,10.01,USD,2024-04-02T10:00:00Z\ns4,c3,9,10,USD,2024-06-01T10:00:00Z\n",
        ),
    ])
    .await;
    // (2 + 1) and 3 tickets; dollars at both concerts, Canadian ones at one; the coming concert is not over.
    assert_eq!(bench.rows(ARTISTS).await, ["a1 3 3.0 50.03 - -"]);
    // 50.03 / 2, half a cent up.
    assert_eq!(bench.rows(VENUES).await, ["v1 1 - 25.02 2.0"]);
}

#[tokio::test]
async fn a_mart_is_made_anew_only_when_its_sources_change() {
    let bench = Bench::new();
    bench.world();
    bench.load().await;
    let first = bench.publish(TODAY).await;
    bench.file("artists.csv", "artist_id,name,genre\na1,Ann,folk\n");
    bench.load().await;
    let second = bench.publish(TODAY).await;
    assert_ne!(second.tables["artist_performance"], first.tables["artist_performance"]);
    assert_eq!(second.tables["venue_popularity"], first.tables["venue_popularity"]);
    assert_eq!(second.tables["daily_sales"], first.tables["daily_sales"]);

    // July's concert is over then: another last complete day, another year that ends there.
    bench.file(
        "concerts.csv",
        "concert_id,artist_id,venue_id,event_date,total_attendance,status\nc4,a1,v3,2024-07-01,5,completed\n",
    );
    bench.load().await;
    let third = bench.publish(date(2024, 7, 2)).await;
    assert_ne!(third.tables["venue_popularity"], second.tables["venue_popularity"]);
    let rates = "SELECT venue_id FROM venue_popularity WHERE popularity_rank = 1";
    assert_eq!(bench.rows(rates).await.len(), 1);
}
