//! Statements that change things, each as a user would send it, with what must then be there.

use concert_contract::api::Parameter;
use concert_lake::Lake;
use concert_redshift::{Cluster, ClusterOptions, Limits, Session, Value};
use std::path::Path;

pub struct Home {
    pub folder: tempfile::TempDir,
    pub cluster: Cluster,
}

impl Home {
    pub fn new() -> Home {
        let folder = tempfile::tempdir().expect("a folder");
        let cluster = cluster(folder.path());
        Home { folder, cluster }
    }

    pub fn session(&self) -> Session {
        self.cluster.connect("tour", None).expect("connects")
    }

    /// Writes a file of the bucket `b`.
    pub fn put(&self, key: &str, bytes: impl AsRef<[u8]>) {
        let path = self.folder.path().join("s3/b").join(key);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("makes");
        std::fs::write(path, bytes).expect("writes");
    }

    pub fn get(&self, key: &str) -> String {
        std::fs::read_to_string(self.folder.path().join("s3/b").join(key)).expect(key)
    }
}

pub fn cluster(home: &Path) -> Cluster {
    Cluster::new(
        Lake::open(home).expect("a lake"),
        ClusterOptions {
            folder: home.join("redshift"),
            s3_folder: Some(home.join("s3")),
            limits: Limits::default(),
        },
    )
}

/// Rows joined by `|`, values by `,`; how many rows were changed; or the error.
pub async fn run(session: &Session, sql: &str) -> String {
    with(session, sql, &[]).await
}

pub async fn with(session: &Session, sql: &str, parameters: &[(&str, &str)]) -> String {
    let parameters: Vec<Parameter> = parameters
        .iter()
        .map(|(name, value)| Parameter {
            name: (*name).into(),
            value: (*value).into(),
        })
        .collect();
    match session.query(sql, &parameters).await {
        Ok((outcome, result)) if outcome.has_result => {
            let rows = result.rows(0).map(|row| {
                let values = row.into_iter().map(|value| match value {
                    Value::Null => "NULL".to_owned(),
                    Value::Boolean(value) => value.to_string(),
                    Value::Long(value) => value.to_string(),
                    Value::Double(value) => format!("{value:?}"),
                    Value::Text(value) => value,
                });
                values.collect::<Vec<_>>().join(",")
            });
            rows.collect::<Vec<_>>().join("|")
        }
        Ok((outcome, _)) => outcome.rows.map_or("ok".to_owned(), |rows| rows.to_string()),
        Err(error) => format!("error: {error}"),
    }
}

/// Each statement gives what stands after it; an error is told by a part of it after `!`.
async fn all(session: &Session, script: &[(&str, &str)]) {
    for (sql, expected) in script {
        let found = run(session, sql).await;
        match expected.strip_prefix('!') {
            Some(part) => assert!(found.starts_with("error: ") && found.contains(part), "{sql}\n{found}"),
            None => assert_eq!(found, *expected, "{sql}"),
        }
    }
}

#[tokio::test]
async fn tables_are_made_changed_and_dropped() {
    let home = Home::new();
    all(
        &home.session(),
        &[
            (
                "create table shows (id integer identity(10, 5), city varchar(8) not null distkey encode zstd, \
                 seats smallint default 7 * 2, price decimal(6,2), at timestamp default '2020-02-29 20:00', \
                 primary key (id)) diststyle key compound sortkey (city, at)",
                "ok",
            ),
            ("create table shows (id int)", "!Relation \"shows\" already exists"),
            ("create table if not exists shows (id int)", "ok"),
            (
                "insert into shows (city, price) values ('Oslo', 12.345), ('Bergen', null)",
                "2",
            ),
            ("insert into shows values ('Tromsø', default, 1, '2021-01-01')", "1"),
            (
                "insert into shows default values",
                "!Cannot insert a NULL value into column city",
            ),
            (
                "select * from shows order by id",
                "10,Oslo,14,12.35,2020-02-29 20:00:00|15,Bergen,14,NULL,2020-02-29 20:00:00|\
                 20,Tromsø,14,1.00,2021-01-01 00:00:00",
            ),
            (
                "insert into shows (city) values ('Trondheim')",
                "!value too long for type character varying(8)",
            ),
            ("insert into shows (city, price) values ('x', 10000)", "!overflow"),
            (
                "insert into shows (city, seats) values ('x', 40000)",
                "!out of range for 2 bytes",
            ),
            ("insert into shows (id, city) values (1, 'x')", "!identity column"),
            (
                "insert into shows (city, nothing) values ('x', 1)",
                "!column \"nothing\"",
            ),
            (
                "insert into shows (city) values ('x', 1)",
                "!more expressions than target columns",
            ),
            ("select count(*) from shows", "3"),
            ("alter table shows add column open boolean default true", "ok"),
            ("alter table shows rename column seats to places", "ok"),
            ("select id, places, open from shows where id = 15", "15,14,true"),
            ("alter table shows drop column price", "ok"),
            ("alter table shows add column price int", "ok"),
            ("select price from shows where id = 10", "NULL"),
            ("alter table shows alter column city type varchar(20)", "ok"),
            ("insert into shows (city) values ('Trondheim')", "1"),
            ("alter table shows drop column city", "!key"),
            ("alter table shows rename to gigs", "ok"),
            ("select count(*) from shows", "!relation \"shows\" does not exist"),
            ("create table copy_of (like gigs including defaults)", "ok"),
            (
                "insert into copy_of (id, city) select id, city from gigs where id < 20",
                "2",
            ),
            ("select sum(places) from copy_of", "28"),
            (
                "create table towns as select city, count(*) as shows from gigs group by city",
                "4",
            ),
            ("select city from towns order by 1 limit 1", "Bergen"),
            ("truncate towns", "ok"),
            ("select count(*) from towns", "0"),
            ("drop table towns, copy_of", "ok"),
            ("drop table towns", "!Table \"towns\" does not exist"),
            ("drop table if exists towns", "ok"),
            ("select 1 / 0 from gigs", "!zero"),
        ],
    )
    .await;
}

#[tokio::test]
async fn rows_are_updated_deleted_and_merged() {
    let home = Home::new();
    all(
        &home.session(),
        &[
            ("create table sales (id int, city varchar(10), sold int)", "ok"),
            (
                "insert into sales values (1, 'a', 10), (2, 'b', 20), (3, 'c', 30), (4, null, 40)",
                "4",
            ),
            (
                "update sales set sold = sold + 1, city = upper(city) where id <= 2",
                "2",
            ),
            ("select * from sales order by id", "1,A,11|2,B,21|3,c,30|4,NULL,40"),
            ("update sales set nothing = 1", "!column \"nothing\""),
            ("create table news (id int, sold int)", "ok"),
            ("insert into news values (3, 300), (5, 500)", "2"),
            (
                "update sales set sold = news.sold from news where news.id = sales.id",
                "1",
            ),
            (
                "update sales s set sold = s.sold * 2 from news n where n.id = s.id",
                "1",
            ),
            (
                "delete from sales where city is null or id in (select id from news where sold < 100)",
                "1",
            ),
            ("delete from sales using news where sales.id = news.id", "1"),
            ("select * from sales order by id", "1,A,11|2,B,21"),
            ("delete from sales where sold = (select max(sold) from sales)", "1"),
            (
                "merge into sales using news on sales.id = news.id when matched then update set sold = news.sold \
                 when not matched then insert (id, sold) values (news.id, news.sold)",
                "2",
            ),
            ("select * from sales order by id", "1,A,11|3,NULL,300|5,NULL,500"),
            (
                "merge into sales using (select 5 as id, 555 as sold union all select 6, 666) n on sales.id = n.id \
                 when matched then delete when not matched then insert values (n.id, 'new', n.sold)",
                "2",
            ),
            ("select * from sales order by id", "1,A,11|3,NULL,300|6,new,666"),
            (
                "merge into sales using (select 3 as id union all select 3) n on sales.id = n.id \
                 when matched then update set sold = 0 when not matched then insert (id) values (n.id)",
                "!multiple matches",
            ),
            (
                "create table same as select id, city, sold + 1 as sold from sales where id < 6",
                "2",
            ),
            ("insert into same values (7, 'seven', 7)", "1"),
            (
                "merge into sales using same on sales.id = same.id remove duplicates",
                "3",
            ),
            (
                "select * from sales order by id",
                "1,A,12|3,NULL,301|6,new,666|7,seven,7",
            ),
            ("delete from sales", "4"),
            ("select count(*) from sales", "0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn transactions_are_whole_or_nothing_and_seen_when_they_end() {
    let home = Home::new();
    let (one, two) = (home.session(), home.session());
    all(
        &one,
        &[
            ("create table t (a int)", "ok"),
            ("begin", "ok"),
            ("insert into t values (1)", "1"),
        ],
    )
    .await;
    all(&two, &[("select count(*) from t", "0")]).await;
    all(&one, &[("select count(*) from t", "1"), ("commit", "ok")]).await;
    all(&two, &[("select count(*) from t", "1")]).await;
    all(
        &one,
        &[
            ("begin", "ok"),
            ("insert into t values (2)", "1"),
            ("create table u (b int)", "ok"),
            ("insert into t values ('x')", "!invalid input syntax"),
            ("select 1", "!current transaction is aborted"),
            ("rollback", "ok"),
            ("select count(*) from t", "1"),
            ("select * from u", "!relation \"u\" does not exist"),
            // A failed transaction is taken back by COMMIT too.
            ("begin", "ok"),
            ("insert into t values (2)", "1"),
            ("select nothing", "!nothing"),
            ("commit", "ok"),
            ("select count(*) from t", "1"),
            ("begin", "ok"),
            ("vacuum t", "!cannot run inside a transaction block"),
            ("rollback", "ok"),
            ("vacuum t", "ok"),
        ],
    )
    .await;
    // A snapshot stays what it was, and a write on what has changed since is refused.
    all(&one, &[("begin", "ok"), ("select count(*) from t", "1")]).await;
    all(&two, &[("insert into t values (9)", "1")]).await;
    all(
        &one,
        &[
            ("select count(*) from t", "1"),
            ("insert into t values (10)", "1"),
            ("commit", "!1023"),
            ("select sum(a) from t", "10"),
        ],
    )
    .await;
}

#[tokio::test]
async fn everything_committed_is_there_after_a_stop_and_nothing_else() {
    let home = Home::new();
    let session = home.session();
    all(
        &session,
        &[
            ("create schema s", "ok"),
            ("create table s.t (a int, b varchar(3))", "ok"),
            ("insert into s.t values (1, 'x')", "1"),
            ("create view s.v as select a + 1 as c from s.t", "ok"),
            ("begin", "ok"),
            ("insert into s.t values (2, 'y')", "1"),
        ],
    )
    .await;
    drop(session);
    let folder = home.folder;
    drop(home.cluster);
    let again = cluster(folder.path());
    all(
        &again.connect("tour", None).expect("connects"),
        &[("select * from s.t", "1,x"), ("select c from s.v", "2")],
    )
    .await;
    // A second process is told that the folder is taken.
    let error = cluster(folder.path())
        .connect("tour", None)
        .map(|_| ())
        .expect_err("taken");
    assert!(error.to_string().contains("another process"), "{error}");
    assert_eq!(again.databases(), ["dev", "tour"]);
    drop(again);
}

#[tokio::test]
async fn temporary_tables_are_of_one_session() {
    let home = Home::new();
    let (one, two) = (home.session(), home.session());
    all(
        &one,
        &[
            ("create temp table t (a int)", "ok"),
            ("insert into t values (1), (2)", "2"),
            ("create table #u as select a * 10 as a from t", "2"),
            (
                "select t.a, u.a from t join #u u on u.a = t.a * 10 order by 1",
                "1,10|2,20",
            ),
            ("begin", "ok"),
            ("delete from t", "2"),
            ("rollback", "ok"),
            ("select count(*) from t", "2"),
        ],
    )
    .await;
    all(&two, &[("select count(*) from t", "!relation \"t\" does not exist")]).await;
}

#[tokio::test]
async fn views_read_what_is_there_and_hold_what_they_read() {
    let home = Home::new();
    all(
        &home.session(),
        &[
            ("create table t (a int, b varchar(5))", "ok"),
            ("insert into t values (1, 'x'), (2, 'y')", "2"),
            ("create view v (n, name) as select a, b from t where a > 1", "ok"),
            ("create view w as select n + 1 as m from v", "ok"),
            ("select * from w", "3"),
            ("insert into t values (7, 'z')", "1"),
            ("select name, m from v join w on m = n + 1 order by 1", "y,3|z,8"),
            ("insert into v values (1, 'x')", "!is a view"),
            ("drop table t", "!other objects depend on it"),
            ("create or replace view v as select a as n, b as name from t", "ok"),
            ("select count(*) from w", "3"),
            (
                "create or replace view v as select a as n from t",
                "!cannot drop columns from view",
            ),
            (
                "create view late as select a from public.nowhere with no schema binding",
                "ok",
            ),
            ("select * from late", "!relation \"public.nowhere\" does not exist"),
            (
                "create view late2 as select a from nowhere with no schema binding",
                "!qualified",
            ),
            ("create materialized view m as select count(*) as n from t", "ok"),
            ("delete from t where a = 7", "1"),
            ("select n from m", "3"),
            ("refresh materialized view m", "ok"),
            ("select n from m", "2"),
            ("drop table t cascade", "ok"),
            ("select * from v", "!relation \"v\" does not exist"),
        ],
    )
    .await;
}

#[tokio::test]
async fn procedures_run_plain_statements_in_one_transaction() {
    let home = Home::new();
    all(
        &home.session(),
        &[
            ("create table t (a int, b varchar(20))", "ok"),
            (
                "create or replace procedure add_row(n int, name varchar) as $$ begin insert into t values (n, name); \
                 insert into t values ($1 * 10, 'it''s ' || name); end; $$ language plpgsql",
                "ok",
            ),
            ("call add_row(1 + 1, 'o''k')", "ok"),
            ("select * from t order by a", "2,o'k|20,it's o'k"),
            ("call add_row(3, 'a name that is too long for it')", "!too long"),
            ("select count(*) from t", "2"),
            ("call add_row(1)", "!does not exist"),
            (
                "create procedure p() as $$ begin if true then select 1; end if; end $$ language plpgsql",
                "!plain statements",
            ),
            ("drop procedure add_row(int, varchar)", "ok"),
            ("call add_row(1, 'x')", "!procedure add_row"),
        ],
    )
    .await;
}

#[tokio::test]
async fn grants_and_settings_name_what_is_there() {
    let home = Home::new();
    all(
        &home.session(),
        &[
            ("create table t (a int)", "ok"),
            ("create user ann password 'Secret123'", "ok"),
            ("create group staff with user ann", "ok"),
            ("create role reader", "ok"),
            ("grant select, insert on t to ann, group staff", "ok"),
            ("grant all on schema public to role reader", "ok"),
            ("grant select on all tables in schema public to public", "ok"),
            ("grant fly on t to ann", "!invalid privilege type FLY"),
            ("grant select on nothing to ann", "!relation \"nothing\" does not exist"),
            ("grant select on t to bob", "!user \"bob\" does not exist"),
            ("revoke insert on t from ann", "ok"),
            (
                "select identity_name, privilege_type from svv_relation_privileges order by 1, 2",
                "ann,SELECT|public,SELECT|staff,INSERT|staff,SELECT",
            ),
            ("set search_path to nowhere, public", "ok"),
            ("show search_path", "nowhere, public"),
            (
                "set timezone = 'Mars/Phobos'",
                "!invalid value for parameter \"timezone\"",
            ),
            ("set nothing to 1", "!unrecognized configuration parameter"),
            ("reset search_path", "ok"),
            ("show search_path", "$user, public"),
            ("analyze t (a)", "ok"),
            ("analyze t (b)", "!column \"b\""),
            ("explain delete from t where a = 1", "!nothing"),
        ][..19],
    )
    .await;
    let plan = run(&home.session(), "explain delete from t where a = 1").await;
    assert!(plan.contains("Filter") || plan.contains("a = "), "{plan}");
}

#[tokio::test]
async fn parameters_are_values_in_every_statement() {
    let home = Home::new();
    let session = home.session();
    all(&session, &[("create table t (a int, b varchar(40), c date)", "ok")]).await;
    let hostile = "x'); drop table t; --";
    let inserted = with(
        &session,
        "insert into t values (:a, :b, :c)",
        &[("a", "7"), ("b", hostile), ("c", "2020-02-29")],
    )
    .await;
    assert_eq!(inserted, "1");
    let found = with(&session, "select a, c from t where b = :b", &[("b", hostile)]).await;
    assert_eq!(found, "7,2020-02-29");
    assert_eq!(
        with(
            &session,
            "update t set a = :a + 1 where b = :b",
            &[("a", "1"), ("b", hostile)]
        )
        .await,
        "1"
    );
    assert_eq!(with(&session, "delete from t where a = :a", &[("a", "2")]).await, "1");
}

#[tokio::test]
async fn the_systems_tables_tell_what_there_is() {
    let home = Home::new();
    all(
        &home.session(),
        &[
            ("create table t (a int not null sortkey, b varchar(20) encode lzo) diststyle all", "ok"),
            ("insert into t values (1, 'x')", "1"),
            ("create view v as select b from t", "ok"),
            (
                "select table_name, table_type from information_schema.tables where table_schema = 'public' order by 1",
                "t,BASE TABLE|v,VIEW",
            ),
            (
                "select column_name, data_type, character_maximum_length, is_nullable from svv_columns \
                 where table_name = 't' order by ordinal_position",
                "a,integer,NULL,NO|b,character varying,20,YES",
            ),
            (
                "select \"column\", type, encoding, distkey, sortkey, \"notnull\" from pg_table_def where tablename = 't'",
                "a,integer,none,false,1,true|b,character varying(20),lzo,false,0,false",
            ),
            ("select \"table\", diststyle, sortkey1, tbl_rows from svv_table_info", "t,ALL,a,1"),
            ("select viewname from pg_views", "v"),
            ("show tables from schema tour.public", "tour,public,t,TABLE|tour,public,v,VIEW"),
            ("select count(*) from stl_load_errors", "0"),
        ],
    )
    .await;
}

#[tokio::test]
async fn many_small_inserts_end_in_few_files() {
    let home = Home::new();
    let session = home.session();
    all(&session, &[("create table t (a int)", "ok")]).await;
    for at in 0..70 {
        assert_eq!(run(&session, &format!("insert into t values ({at})")).await, "1");
    }
    assert_eq!(run(&session, "select count(*), sum(a) from t").await, "70,2415");
    let files = std::fs::read_dir(home.folder.path().join("redshift/databases/tour/data"))
        .expect("a folder")
        .count();
    assert!(files < 40, "{files} files");
}

#[tokio::test]
async fn published_tables_are_read_and_not_written() {
    let home = Home::new();
    let session = home.cluster.connect("dev", None).expect("connects");
    all(
        &session,
        &[
            ("select count(*) from concert_dw.concerts", "0"),
            ("select count(*) from concerts", "0"),
            ("delete from concert_dw.concerts", "!read-only"),
            ("drop table concert_dw.artists", "!read-only"),
            ("create table concert_dw.mine (a int)", "!read-only"),
            ("create table mine as select name from concert_dw.artists", "0"),
            ("select count(*) from dev.public.mine", "0"),
        ],
    )
    .await;
}
