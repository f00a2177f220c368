//! Real data of other people, where it is present.

use crate::support::*;

#[tokio::test]
async fn the_fugazi_live_series_loads_whole() {
    let Some(data) = real_data("fugazi") else { return };
    let bench = Bench::new();
    let (file, mapping) = (data.join("fls_data.csv"), mappings().join("fugazi.toml"));
    let report = bench
        .load(std::slice::from_ref(&file), Some(&mapping))
        .await
        .expect("loads");
    assert_eq!(report.tables["artists"], counts(1049, 1, 1048, 0, 0));
    assert_eq!(report.tables["venues"], counts(1049, 749, 300, 0, 0));
    assert_eq!(report.tables["concerts"], counts(1049, 1049, 0, 0, 0));
    assert_eq!(report.tables["concert_prices"], counts(700, 700, 0, 0, 0));
    assert_eq!(
        bench
            .rows("SELECT count(total_attendance), min(event_date), max(event_date), min(status) FROM concerts")
            .await,
        ["917|1987-09-03|2002-11-04|completed"]
    );
    assert_eq!(
        bench.rows("SELECT count(DISTINCT currency) FROM concert_prices").await,
        ["17"]
    );
    assert_eq!(
        bench
            .rows(
                "SELECT v.name, v.city, v.state, v.country, c.total_attendance, p.price, p.currency FROM concerts c \
                   JOIN venues v ON v.venue_id = c.venue_id JOIN concert_prices p ON p.concert_id = c.concert_id \
                   WHERE c.concert_id = 'FLS0001'"
            )
            .await,
        ["Wilson Center|Washington|DC|US|300|5.00|USD"]
    );
    assert_eq!(
        bench
            .rows("SELECT count(*) FROM venues WHERE length(country) <> 2 OR country IS NULL")
            .await,
        ["0"]
    );
    assert_eq!(
        bench.rows("SELECT count(*) FROM venues WHERE latitude IS NULL").await,
        ["25"]
    );
    let pointer = bench.pointer();
    let again = bench.load(&[file], Some(&mapping)).await.expect("loads");
    assert_eq!(again.tables["venues"], counts(1049, 0, 0, 0, 1049));
    assert_eq!(again.tables["concerts"], counts(1049, 0, 0, 0, 1049));
    assert_eq!(again.tables["concert_prices"], counts(700, 0, 0, 0, 700));
    assert_eq!(bench.pointer(), pointer);
}

#[tokio::test]
async fn the_tickit_sample_loads_whole() {
    let Some(data) = real_data("tickit") else { return };
    let bench = Bench::new();
    let files = ["allevents_pipe.txt", "venue_pipe.txt", "category_pipe.txt"].map(|name| data.join(name));
    let mapping = mappings().join("tickit.toml");
    let report = bench.load(&files, Some(&mapping)).await.expect("loads");
    assert_eq!(report.tables["artists"], counts(8798, 576, 8222, 0, 0));
    assert_eq!(report.tables["venues"], counts(202, 202, 0, 0, 0));
    assert_eq!(report.tables["concerts"], counts(8798, 8798, 0, 0, 0));
    // 130 have 0 seats and 15 have none: nobody knows either.
    assert_eq!(
        bench.rows("SELECT count(*) - count(capacity) FROM venues").await,
        ["145"]
    );
    assert_eq!(
        bench
            .rows("SELECT country, count(*) FROM venues GROUP BY 1 ORDER BY 1")
            .await,
        ["CA|8", "US|194"]
    );
    assert_eq!(
        bench
            .rows(
                "SELECT a.name, a.genre, v.name, c.event_date FROM concerts c JOIN artists a ON a.artist_id = \
                   c.artist_id JOIN venues v ON v.venue_id = c.venue_id WHERE c.concert_id = 'tickit-1'"
            )
            .await,
        ["Gotterdammerung|Opera|Lyric Opera House|2008-01-25"]
    );
}

#[tokio::test]
async fn pages_of_ticketmasters_events_load_whole() {
    let Some(data) = real_data("ticketmaster") else { return };
    let bench = Bench::new();
    let files = ["events_2019_page.json", "event_all-200.json", "event_find-404.json"].map(|name| data.join(name));
    let mapping = mappings().join("ticketmaster.toml");
    let report = bench.load(&files, Some(&mapping)).await.expect("loads");
    // 40 events; 5 of them name neither venue nor act, 4 more no act.
    let concerts = report.tables["concerts"];
    assert_eq!((concerts.records_in, concerts.clean, concerts.quarantined), (40, 31, 9));
    assert_eq!(report.tables["concert_prices"].quarantined, 0);
    assert_eq!(
        bench
            .rows(
                "SELECT c.event_date, c.starts_at, c.status, v.name, v.city, v.state, v.timezone, a.name, p.price, \
                 p.currency FROM concerts c JOIN venues v ON c.venue_id = v.venue_id \
                 JOIN artists a ON c.artist_id = a.artist_id JOIN concert_prices p ON c.concert_id = p.concert_id \
                 WHERE c.concert_id = 'tm-vvG1YZ4JMnE9B1'"
            )
            .await,
        ["2020-01-01|-|completed|Cotton Bowl|Dallas|TX|America/Chicago|Bridgestone-NHL Winter Classic®|75.00|USD"]
    );
    let again = bench.load(&files, Some(&mapping)).await.expect("loads again");
    assert!(
        again
            .tables
            .values()
            .all(|counts| counts.clean == 0 && counts.merged == 0),
        "{again:?}"
    );
}

#[tokio::test]
async fn artists_of_spotify_and_musicbrainz_load_whole() {
    let (Some(spotify), Some(musicbrainz)) = (real_data("spotify"), real_data("musicbrainz")) else {
        return;
    };
    let bench = Bench::new();
    let search = spotify.join("artist_search_Arctic_0.json");
    let report = bench
        .load(&[search], Some(&mappings().join("spotify.toml")))
        .await
        .expect("loads");
    assert_eq!(report.tables["artists"], counts(20, 20, 0, 0, 0));
    assert_eq!(report.tables["artist_genres"], counts(16, 16, 0, 0, 0));
    let files = [
        "artist.json",
        "artist_arabic.json",
        "artist_ended.json",
        "artist_null.json",
    ];
    let files = files.map(|name| musicbrainz.join(name));
    let report = bench
        .load(&files, Some(&mappings().join("musicbrainz.toml")))
        .await
        .expect("loads");
    assert_eq!(report.tables["artists"], counts(4, 3, 0, 1, 0));
    assert_eq!(
        bench
            .rows("SELECT name, home_city, formation_date FROM artists WHERE musicbrainz_id IS NOT NULL ORDER BY 1")
            .await,
        [
            "Ed Sheeran|Hebden Bridge|1991-02-17",
            "Serge Gainsbourg|Paris|1928-04-02",
            "محمد منير|Aswān|1954-10-10"
        ]
    );
}
