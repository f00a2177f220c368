//! Between reading and settling someone may look at the rows of the whole load and put some aside.

use crate::support::*;

#[tokio::test]
async fn what_a_judge_refuses_is_put_aside_with_its_record_and_the_rest_is_loaded() {
    let bench = Bench::new();
    let before = bench.file("venues.csv", format!("{VENUES_HEADER}v0,Old,Ulm,50,\n"));
    bench.load(&[before], None).await.expect("loads");
    let judge = SqlJudge {
        table: "venues",
        // A row is refused where another table of the load or the rows that are there have something against it.
        refused: "SELECT _ordinal FROM stage.venues WHERE capacity > (SELECT max(capacity) FROM clean.venues) \
                  OR venue_id IN (SELECT artist_id FROM stage.artists)",
    };
    let files = [
        bench.file("artists.csv", "artist_id,name\nv3,A\n"),
        bench.file(
            "venues.csv",
            format!("{VENUES_HEADER}v1,\"Two\nlines\",Ulm,100,\nv2,B,Ulm,50,\nv3,C,Ulm,,\nv4,D,Ulm,x,\nv2,B,Ulm,60,\nv0,New,,51,\nv0,Newer,,49,\n"),
        ),
    ];
    for attempt in ["first", "second"] {
        let report = ingest_judged(&bench.lake, &options(&files, None), Some(&judge))
            .await
            .expect("loads");
        let wanted = if attempt == "first" {
            counts(7, 1, 1, 5, 0)
        } else {
            counts(7, 0, 0, 5, 2)
        };
        assert_eq!(report.tables["venues"], wanted, "{attempt}");
        assert_eq!(
            bench
                .rows("SELECT venue_id, name, capacity FROM venues ORDER BY 1")
                .await,
            ["v0|Newer|49", "v2|B|50"],
            "{attempt}"
        );
        assert_eq!(
            bench
                .rows("SELECT line, rule, column_name, message, original FROM quarantine ORDER BY line")
                .await,
            [
                "2|test.rule|capacity|it is refused|v1,\"Two\nlines\",Ulm,100,",
                "5|test.rule|capacity|it is refused|v3,C,Ulm,,",
                "6|type.number|capacity|capacity: \"x\" is not a whole number|v4,D,Ulm,x,",
                "7|test.rule|capacity|it is refused|v2,B,Ulm,60,",
                "8|test.rule|capacity|it is refused|v0,New,,51,",
            ],
            "{attempt}"
        );
    }
}
