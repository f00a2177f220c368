//! What the quarantine promises: a record is put aside by rule with everything that it needs to come back, comes back
//! when it was mended, and is never lost on the way.

use crate::support::*;
use concert_ingest::{
    ingest_by,
    quarantine::{self, Entry, ExportFormat, Filter, ReplayOptions, ReplayReport, replay},
    rules::Rules,
    validate,
};
use proptest::prelude::*;

fn rules(text: &str) -> Rules {
    Rules::parse(Some((Path::new("my.toml"), text))).expect("reads")
}

impl Bench {
    async fn open(&self) -> Vec<Entry> {
        quarantine::list(&self.lake, &Filter::default()).await.expect("lists")
    }

    /// `source:line rule` of every open entry, in the order of the lines.
    async fn open_rules(&self) -> Vec<String> {
        let mut open: Vec<String> = self
            .open()
            .await
            .iter()
            .map(|e| format!("{}:{} {}", e.source, e.line, e.rule))
            .collect();
        open.sort();
        open
    }

    async fn export(&self, format: ExportFormat) -> String {
        let mut out = Vec::new();
        quarantine::export(&self.lake, &Filter::default(), format, &mut out)
            .await
            .expect("exports");
        String::from_utf8(out).expect("text")
    }

    async fn replay(&self, change: impl FnOnce(&mut ReplayOptions)) -> ReplayReport {
        let mut options = ReplayOptions {
            filter: Filter::default(),
            mapping: None,
            rules: Arc::new(Rules::built_in().expect("reads")),
            from: None,
            today: TODAY,
            currency: Currency::USD,
            wait: Duration::ZERO,
            progress: None,
        };
        change(&mut options);
        let report = replay(&self.lake, &options).await.expect("replays");
        for (table, counts) in &report.tables {
            let accounted = counts.clean + counts.merged + counts.quarantined + counts.unchanged;
            assert_eq!(accounted, counts.records_in, "{table}");
        }
        report
    }
}

const CONCERTS: &str = "concert_id,artist_id,venue_id,event_date,total_attendance\n";

#[tokio::test]
async fn a_rule_puts_a_record_aside_with_its_place_its_reason_and_what_it_needs_to_come_back() {
    let bench = Bench::new();
    let mapping = bench.file(
        "m.toml",
        "[venues]\nvenue_id = { column = \"hall\" }\nname = { column = \"hall\" }\ncapacity = { column = \"seats\" }\n\
         [concerts]\nconcert_id = { column = \"no\" }\nartist_id = { const = \"a\" }\nvenue_id = { column = \"hall\" }\n\
         event_date = { column = \"day\" }\ntotal_attendance = { column = \"crowd\" }\n",
    );
    let file = bench.file(
        "gigs.csv",
        "no,hall,seats,day,crowd\n1,A,100,2024-05-01,100\n2,A,100,2024-05-02,106\n3,A,,2024-05-03,-1\n4,A,,,1\n",
    );
    let report = bench.load(&[file], Some(&mapping)).await.expect("loads");
    assert_eq!(report.tables["concerts"], counts(4, 1, 0, 3, 0));
    assert_eq!(report.tables["venues"], counts(4, 1, 3, 0, 0));
    assert_eq!(
        bench
            .rows("SELECT line, column_name, rule, record_key, element, original FROM quarantine ORDER BY line")
            .await,
        [
            "3|crowd|concerts.total_attendance.within_capacity|2|-|2,A,100,2024-05-02,106",
            "4|crowd|concerts.total_attendance.range|3|-|3,A,,2024-05-03,-1",
            "5|day|concerts.event_date.required|4|-|4,A,,,1",
        ]
    );
    let broken: Vec<_> = report
        .rules
        .iter()
        .filter(|c| c.records > 0)
        .map(|c| (c.rule.as_str(), c.records))
        .collect();
    assert_eq!(
        broken,
        [
            ("concerts.event_date.required", 1),
            ("concerts.total_attendance.range", 1),
            ("concerts.total_attendance.within_capacity", 1),
        ]
    );
    let runs = bench.lake.runs(1).await.expect("reads");
    assert_eq!(runs[0].rules.len(), 3);
    assert_eq!(
        (runs[0].rules[0].severity.as_str(), runs[0].rules[0].records),
        ("error", 1)
    );
}

#[tokio::test]
async fn an_entry_is_closed_when_its_record_comes_mended_and_opened_when_it_comes_as_it_was() {
    let bench = Bench::new();
    let bad = format!("{CONCERTS}c1,a,v,someday,\nc2,a,v,2024-05-02,\nc3,a,v,never,\n");
    let file = bench.file("concerts.csv", &bad);
    bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    assert_eq!(
        bench.open_rules().await,
        ["concerts.csv:2 type.date", "concerts.csv:4 type.date"]
    );
    bench.file(
        "concerts.csv",
        format!("{CONCERTS}c1,a,v,2024-05-01,\nc2,a,v,2024-05-02,\nc3,a,v,never,\n"),
    );
    bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    assert_eq!(bench.open_rules().await, ["concerts.csv:4 type.date"]);
    // Another file knows the concert by its key.
    let other = bench.file("more.csv", format!("{CONCERTS}c3,a,v,2024-05-03,\n"));
    let mapping = "[concerts]\nconcert_id = { column = \"concert_id\" }\nartist_id = { const = \"a\" }\n\
                   venue_id = { const = \"v\" }\nevent_date = { column = \"event_date\" }\n";
    let mapping = bench.file("m.toml", mapping);
    bench.load(&[other], Some(&mapping)).await.expect("loads");
    assert_eq!(bench.open_rules().await, [""; 0]);
    // History is kept, with the run that closed each.
    assert_eq!(bench.rows("SELECT count(*) FROM quarantine").await, ["2"]);
    assert_eq!(
        bench
            .rows("SELECT event, count(DISTINCT run_id) FROM quarantine_events GROUP BY 1")
            .await,
        ["mended|2"]
    );
    bench.file("concerts.csv", &bad);
    bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    assert_eq!(
        bench.open_rules().await,
        ["concerts.csv:2 type.date", "concerts.csv:4 type.date"]
    );
    let pointer = bench.pointer();
    bench.load(&[file], None).await.expect("loads");
    assert_eq!(bench.pointer(), pointer, "the same again changes nothing");
}

#[tokio::test]
async fn a_record_that_breaks_another_rule_later_has_one_entry() {
    let bench = Bench::new();
    let file = bench.file("venues.csv", "venue_id,name,capacity\nv1,A,many\n");
    bench.load(std::slice::from_ref(&file), None).await.expect("loads");
    bench.file("venues.csv", "venue_id,name,capacity\nv1,A,-5\n");
    bench.load(&[file], None).await.expect("loads");
    assert_eq!(bench.open_rules().await, ["venues.csv:2 venues.capacity.range"]);
}

#[tokio::test]
async fn a_changed_mapping_and_changed_rules_let_records_pass() {
    let bench = Bench::new();
    // The lookup is kept with the mapping: both may be gone when the records are judged again.
    let lookup = bench.file("halls.csv", "code,name\nx,The Hall\n");
    let text = "[venues]\nvenue_id = { column = \"code\" }\nname = { lookup = \"halls\", column = \"code\", take = \"name\" }\n\
                [concerts]\nconcert_id = { column = \"id\" }\nartist_id = { const = \"a\" }\nvenue_id = { column = \"code\" }\n\
                event_date = { column = \"day\" }\ntotal_attendance = { column = \"crowd\" }\n\
                [lookup.halls]\nfile = \"halls.csv\"\nkey = \"code\"\n";
    let mapping = bench.file("m.toml", text);
    let file = bench.file(
        "g.csv",
        "id,code,day,crowd\n1,x,31/05/2024,-1\n2,x,30/05/2024,5\n3,y,2024-05-29,5\n",
    );
    let report = bench
        .load(std::slice::from_ref(&file), Some(&mapping))
        .await
        .expect("loads");
    assert_eq!(report.tables["concerts"].quarantined, 2);
    assert_eq!(report.tables["venues"].quarantined, 1);
    for path in [&lookup, &mapping, &file] {
        std::fs::remove_file(path).expect("removes");
    }
    let same = bench.replay(|_| {}).await;
    assert_eq!((same.closed, same.remaining), (0, 3));
    let mended = bench.file("halls.csv", "code,name\nx,The Hall\ny,Park\n");
    let days = bench.file("days.toml", text.replace("\"day\" }", "\"day\", date = \"%d/%m/%Y\" }"));
    let report = bench.replay(|options| options.mapping = Some(days.clone())).await;
    assert_eq!((report.closed, report.remaining), (2, 1));
    assert_eq!(report.tables["concerts"], counts(2, 1, 0, 1, 0));
    assert_eq!(report.tables["venues"], counts(1, 1, 0, 0, 0));
    assert_eq!(
        bench
            .rows("SELECT name, _source, _line FROM venues WHERE venue_id = 'y'")
            .await,
        ["Park|g.csv|4"]
    );
    std::fs::remove_file(mended).expect("removes");
    // The entry that stays still has the mapping that it came with, which cannot read its day.
    assert_eq!(bench.open_rules().await, ["g.csv:2 type.date"]);
    bench.file("halls.csv", "code,name\nx,The Hall\n");
    let lenient = rules("[[rule]]\nname = \"concerts.total_attendance.range\"\nenabled = false\n");
    let report = bench
        .replay(|options| {
            options.mapping = Some(days.clone());
            options.rules = Arc::new(lenient);
        })
        .await;
    assert_eq!((report.closed, report.remaining), (1, 0));
    assert_eq!(bench.open_rules().await, [""; 0]);
    assert_eq!(
        bench
            .rows("SELECT event, count(*) FROM quarantine_events GROUP BY 1")
            .await,
        ["replayed|3"]
    );
}

#[tokio::test]
async fn a_filter_narrows_what_is_judged() {
    let bench = Bench::new();
    let file = bench.file(
        "venues.csv",
        "venue_id,name,capacity,latitude\nv1,A,-5,\nv2,B,,91\nv3,C,x,\n",
    );
    bench.load(&[file], None).await.expect("loads");
    let by_rule = Filter {
        rule: Some("venues.*.range".to_owned()),
        ..Filter::default()
    };
    assert_eq!(quarantine::list(&bench.lake, &by_rule).await.expect("lists").len(), 2);
    let elsewhere = Filter {
        source: Some("other.csv".to_owned()),
        ..Filter::default()
    };
    assert_eq!(quarantine::list(&bench.lake, &elsewhere).await.expect("lists"), []);
    let lenient = Arc::new(rules("[[rule]]\nname = \"venues.latitude.range\"\nenabled = false\n"));
    let report = bench
        .replay(|options| {
            options.filter = by_rule;
            options.rules = lenient;
        })
        .await;
    assert_eq!((report.closed, report.remaining), (1, 1));
    assert_eq!(
        bench.open_rules().await,
        ["venues.csv:2 venues.capacity.range", "venues.csv:4 type.number"]
    );
}

#[tokio::test]
async fn an_export_is_mended_by_its_fields_or_by_its_text() {
    for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
        let bench = Bench::new();
        let file = bench.file(
            "venues.csv",
            b"venue_id,name,city,capacity\nv1,\"Hall, \"\"The\"\"\",Ulm,many\nv2,B,K\xf6ln,x\nv3,cut off\nv4,D,Ulm,y\n"
                .as_slice(),
        );
        let mapping = bench.file(
            "m.toml",
            "[source]\nencoding = \"latin-1\"\n[venues]\nvenue_id = { column = \"venue_id\" }\nname = { column = \"name\" }\n\
             city = { column = \"city\" }\ncapacity = { column = \"capacity\" }\n",
        );
        bench.load(&[file], Some(&mapping)).await.expect("loads");
        let exported = bench.export(format).await;
        assert!(exported.contains("K\u{f6}ln"), "the text is readable: {exported}");
        let mended = match format {
            ExportFormat::Csv => exported
                .replace(",many,", ",-,") // nothing: the text before the fields has it too
                .replace("Ulm,many\n", "Ulm,250\n")
                .replace("K\u{f6}ln,x\n", "K\u{f6}ln,300\n")
                .replace("\"v3,cut off\"", "\"v3,C,Bonn,7\""),
            ExportFormat::JsonLines => exported
                .replace("\"capacity\":\"many\"", "\"capacity\":\"250\"")
                .replace("\"capacity\":\"x\"", "\"capacity\":\"300\"")
                .replace("\"v3,cut off\"", "\"v3,C,Bonn,7\""),
        };
        assert_ne!(mended, exported);
        let path = bench.file("mended.txt", mended);
        let report = bench.replay(|options| options.from = Some(path)).await;
        assert_eq!((report.closed, report.remaining), (3, 1), "{exported}");
        assert_eq!(
            bench
                .rows("SELECT venue_id, name, city, capacity FROM venues ORDER BY 1")
                .await,
            ["v1|Hall, \"The\"|Ulm|250", "v2|B|K\u{f6}ln|300", "v3|C|Bonn|7"]
        );
        assert_eq!(bench.open_rules().await, ["venues.csv:5 type.number"]);
    }
}

#[tokio::test]
async fn a_record_of_every_format_stands_alone() {
    let nested = "capacity = { column = \"seats\" }\n";
    let cases = [
        (
            "v.json",
            "json",
            "{\"halls\": [{\"id\": \"v0\",\n \"name\": \"A\"}, {\"id\": \"v1\",\n \"name\": \"B\", \"seats\": \"x\"}]}",
        ),
        (
            "v.jsonl",
            "jsonl",
            "{\"id\": \"v0\", \"name\": \"A\"}\n{\"id\": \"v1\", \"name\": \"B\", \"seats\": \"x\"}\n",
        ),
        (
            "v.xml",
            "xml",
            "<all><hall><id>v0</id><name>A</name></hall><hall><id>v1</id><name>B &amp; C</name><seats>x</seats></hall></all>",
        ),
    ];
    for (name, format, content) in cases {
        let bench = Bench::new();
        let records = if format == "json" { "records = \"halls\"\n" } else { "" };
        let text = format!(
            "[source]\nformat = \"{format}\"\n{records}[venues]\nvenue_id = {{ column = \"id\" }}\n\
             name = {{ column = \"name\" }}\n{nested}"
        );
        let mapping = bench.file("m.toml", &text);
        let file = bench.file(name, content);
        let report = bench.load(&[file], Some(&mapping)).await.expect("loads");
        assert_eq!(report.tables["venues"], counts(2, 1, 0, 1, 0), "{name}");
        let lenient = bench.file("n.toml", text.replace("\"seats\" }", "\"seats\", null = [\"x\"] }"));
        let report = bench.replay(|options| options.mapping = Some(lenient)).await;
        assert_eq!((report.closed, report.remaining), (1, 0), "{name}");
        let name_of = if format == "xml" { "B & C" } else { "B" };
        assert_eq!(
            bench
                .rows("SELECT name, capacity, _line FROM venues WHERE venue_id = 'v1'")
                .await,
            [format!("{name_of}|-|2")]
        );
    }
}

#[tokio::test]
async fn one_of_several_rows_of_a_record_comes_back_alone() {
    let bench = Bench::new();
    let text = "[artists]\nartist_id = { column = \"acts[*].id\" }\nname = { column = \"acts[*].name\" }\n\
                popularity_score = { column = \"acts[*].score\" }\n";
    let mapping = bench.file("m.toml", text);
    let file = bench.file(
        "p.jsonl",
        r#"{"acts": [{"id": "a", "name": "A", "score": "x"}, {"id": "b", "name": "B", "score": 101}, {"id": "c", "name": "C"}]}"#,
    );
    let report = bench.load(&[file], Some(&mapping)).await.expect("loads");
    assert_eq!(report.tables["artists"], counts(3, 1, 0, 2, 0));
    assert_eq!(
        bench
            .rows("SELECT column_name, rule, record_key FROM quarantine ORDER BY record_key")
            .await,
        [
            "acts[0].score|type.number|a",
            "acts[0].score|artists.popularity_score.range|b"
        ]
    );
    let lenient = rules("[[rule]]\nname = \"artists.popularity_score.range\"\nseverity = \"warning\"\n");
    let report = bench.replay(|options| options.rules = Arc::new(lenient)).await;
    assert_eq!((report.closed, report.remaining), (1, 1));
    assert_eq!(bench.rows("SELECT artist_id FROM artists ORDER BY 1").await, ["b", "c"]);
}

#[tokio::test]
async fn validate_says_what_a_load_would_do_and_writes_nothing() {
    let bench = Bench::new();
    let file = bench.file(
        "venues.csv",
        "venue_id,name,capacity,country\nv1,A,5,Germany\nv2,,x,\nv3,,6,\nv4,D,-5,\n",
    );
    let files = [file];
    let mine = rules("[[rule]]\nname = \"venues.capacity.range\"\nseverity = \"warning\"\n");
    let report = validate(&bench.lake, &options(&files, None), &mine)
        .await
        .expect("validates");
    assert!(!report.valid);
    assert_eq!(
        (
            report.tables["venues"].records_in,
            report.tables["venues"].passed,
            report.tables["venues"].refused
        ),
        (4, 2, 2)
    );
    let broken: Vec<_> = report
        .rules
        .iter()
        .filter(|c| c.records > 0)
        .map(|c| (c.rule.as_str(), c.severity.name(), c.records))
        .collect();
    assert_eq!(
        broken,
        [
            ("venues.name.required", "error", 1),
            ("venues.capacity.range", "warning", 1),
            ("venues.country.code", "warning", 1),
            ("type.number", "error", 1),
        ]
    );
    assert_eq!(
        report.failures.iter().map(|failure| failure.line).collect::<Vec<_>>(),
        [3, 4]
    );
    assert_eq!(bench.pointer(), None);
    let loaded = ingest_by(&bench.lake, &options(&files, None), &mine)
        .await
        .expect("loads");
    assert_eq!(loaded.tables["venues"].quarantined, report.tables["venues"].refused);
}

#[test]
fn any_record_goes_out_and_comes_back_as_it_was() {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .expect("a runtime");
    let cases = if std::env::var_os("CONCERT_LONG").is_some() {
        200
    } else {
        3
    };
    let mut runner = proptest::test_runner::TestRunner::new(ProptestConfig {
        failure_persistence: None,
        ..ProptestConfig::with_cases(cases)
    });
    let text = proptest::collection::vec("[a-c;,\"' \t\u{e4}\u{2028}]{0,8}|[^\u{0}]{0,12}|=1\\+1|0{3}7", 1..20);
    let outcome = runner.run(&text, |names| {
        let mut content = "venue_id,name,capacity\n".to_owned();
        for (at, name) in names.iter().enumerate() {
            content.push_str(&format!("v{at},\"{}\",none\n", name.replace('"', "\"\"")));
        }
        runtime.block_on(async {
            let bench = Bench::new();
            let file = bench.file("venues.csv", &content);
            let report = bench.load(&[file], None).await.expect("loads");
            assert_eq!(report.tables["venues"].quarantined, names.len() as u64);
            for format in [ExportFormat::Csv, ExportFormat::JsonLines] {
                let exported = bench.export(format).await;
                let path = bench.file("exported", &exported);
                let before = bench.open().await;
                let report = bench.replay(|options| options.from = Some(path)).await;
                assert_eq!((report.closed, report.remaining), (0, names.len() as u64));
                assert_eq!(bench.open().await, before);
            }
            // Mended by the rule: the names are as they were written.
            let mended = bench
                .export(ExportFormat::JsonLines)
                .await
                .replace("\"capacity\":\"none\"", "\"capacity\":\"7\"");
            let path = bench.file("mended", mended);
            let report = bench.replay(|options| options.from = Some(path)).await;
            let named = names.iter().filter(|name| !name.trim().is_empty()).count() as u64;
            assert_eq!(report.closed, named, "{names:?}");
        });
        Ok(())
    });
    outcome.expect("holds");
}
