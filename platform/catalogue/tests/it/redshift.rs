//! A schema behind the signed Redshift Data API, as it is served on this machine.

use concert_aws::Credentials;
use concert_catalogue::{Error, RedshiftOptions, RedshiftSchema, infer_redshift};
use concert_contract::{
    catalogue::{CONCERT_DW, Catalogue},
    money::Currency,
};
use concert_ingest::IngestOptions;
use concert_lake::Lake;
use concert_local::{LocalAws, LocalAwsOptions};
use concert_refine::PublishOptions;
use jiff::civil::date;
use std::{fs, path::Path, time::Duration};

fn catalogue() -> Catalogue {
    Catalogue::from_toml(CONCERT_DW).expect("the built-in catalogue")
}

/// A lake with three concerts of two artists.
async fn lake(home: &Path) -> Lake {
    let lake = Lake::open(home).expect("a lake");
    let files = home.join("files");
    fs::create_dir(&files).expect("a folder");
    for (name, content) in [
        ("artists.csv", "artist_id,name,genre\na1,Nova,rock\na2,Iron,jazz\n"),
        (
            "venues.csv",
            "venue_id,name,city,country,capacity\nv1,The Hall,Leeds,GB,300\nv2,Barn,York,GB,120\n",
        ),
        (
            "concerts.csv",
            "concert_id,artist_id,venue_id,event_date,total_attendance,revenue,currency\n\
             c1,a1,v1,2020-01-02,200,4000.00,GBP\nc2,a2,v1,2020-02-03,150,2500.00,GBP\nc3,a1,v2,2021-05-06,90,900.00,GBP\n",
        ),
    ] {
        fs::write(files.join(name), content).expect("writes");
    }
    let (today, wait) = (date(2022, 1, 1), Duration::from_secs(10));
    let options = IngestOptions {
        files: vec![files],
        mapping: None,
        today,
        currency: Currency::USD,
        wait,
        progress: None,
    };
    concert_ingest::ingest(&lake, &options).await.expect("ingests");
    concert_refine::publish(&lake, &catalogue(), &PublishOptions { today, wait })
        .await
        .expect("publishes");
    lake
}

#[tokio::test]
async fn a_schema_is_inferred_through_the_data_api() {
    let home = tempfile::tempdir().expect("a folder");
    let aws = LocalAws::new(LocalAwsOptions {
        access_key: "key".to_owned(),
        secret_key: "secret".to_owned(),
        ..LocalAwsOptions::new(lake(home.path()).await, catalogue())
    })
    .expect("starts");
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.expect("a port");
    let endpoint = format!("http://{}", listener.local_addr().expect("an address"));
    let server = tokio::spawn(async move { aws.serve(listener).await });
    let options = |secret: &str, schema: &str| RedshiftOptions {
        region: "us-east-1".to_owned(),
        endpoint: endpoint.clone(),
        credentials: Credentials {
            access_key_id: "key".to_owned(),
            secret_access_key: secret.to_owned(),
            session_token: None,
        },
        workgroup: "concert".to_owned(),
        database: "dev".to_owned(),
        schema: schema.to_owned(),
    };

    let schema = RedshiftSchema::open(options("secret", "concert_dw"))
        .await
        .expect("opens");
    let inferred = infer_redshift(&schema, "concert_dw", |_| {}).await.expect("infers");
    let catalogue = inferred.catalogue;
    assert_eq!(catalogue.tables["concerts"].key, ["concert_id"]);
    assert_eq!(catalogue.tables["concerts"].time.as_deref(), Some("event_date"));
    let joins: Vec<String> = catalogue
        .joins
        .iter()
        .map(|join| format!("{} > {}", join.from, join.to))
        .collect();
    for join in [
        "concerts.artist_id > artists.artist_id",
        "concerts.venue_id > venues.venue_id",
    ] {
        assert!(joins.contains(&join.to_owned()), "{joins:?}");
    }
    let revenue = catalogue.metric("revenue").expect("revenue");
    assert_eq!(revenue.sources[0].currency.as_deref(), Some("concerts.currency"));

    let refused = RedshiftSchema::open(options("another", "concert_dw"))
        .await
        .err()
        .expect("refuses");
    assert!(refused.to_string().contains("InvalidSignatureException"), "{refused}");
    let missing = RedshiftSchema::open(options("secret", "nowhere"))
        .await
        .err()
        .expect("refuses");
    assert!(
        matches!(&missing, Error::Redshift(message) if message.contains("nowhere")),
        "{missing}"
    );
    server.abort();
}
