//! One suite for every runtime of the edge: the same requests, the same answers, whatever serves them. It runs live
//! against native (inside `concert up`), the Worker in workerd and the Spin component in wasmtime, which all speak to
//! the same local AWS.

use crate::{
    conformance_history,
    runtimes::{self, Runtime},
    support::Stack,
    upstream,
};
use anyhow::{Context, Result, bail, ensure};
use concert_contract::{
    api::{CatalogueAnswer, DryRunAnswer, HealthAnswer, HealthState, QueryAnswer},
    chat::{ChatAnswer, ChatEvent, TurnState},
    error::ErrorEnvelope,
};
use reqwest::{Client, Method, Response, redirect::Policy};
use serde_json::{Value, json};
use std::{collections::BTreeMap, fs, path::Path, time::Duration};

/// The clock of every runtime.
pub const TODAY: &str = "2026-03-31";
/// A hang is a failure; a busy machine is none.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(120);
/// More than one page of 200 rows.
const CONCERTS: usize = 240;

#[tokio::test(flavor = "multi_thread")]
async fn the_same_edge_everywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_data(folder.path())?;
    let stack = Stack::start(&[folder.path().to_owned()], None, TODAY)?;
    let settings = runtimes::with_store(&stack.aws_url);
    let worker = runtimes::worker(&settings)?;
    let spin = runtimes::spin(&settings)?;
    run(&stack.base_url, "native").await?;
    run(&worker.base_url, "worker").await?;
    run(&spin.base_url, "spin").await
}

/// What AWS refuses, and what breaks on the way, is the same envelope everywhere. The native edge has its own tests of
/// this, with an AWS of its own.
#[tokio::test(flavor = "multi_thread")]
async fn the_same_failures_everywhere() -> Result<()> {
    let folder = tempfile::tempdir()?;
    write_data(folder.path())?;
    let stack = Stack::start(&[folder.path().to_owned()], None, TODAY)?;
    let wrong_key = runtimes::spin(&runtimes::settings(&stack.aws_url, "another-secret"))?;
    refused(&wrong_key.base_url).await.context("spin, wrong key")?;
    for (name, start) in [
        (
            "worker",
            runtimes::worker as fn(&[(&'static str, String)]) -> Result<Runtime>,
        ),
        ("spin", runtimes::spin),
    ] {
        let upstream = upstream::Broken::start().await?;
        let runtime = start(&runtimes::settings(&upstream.url, "concert-local-secret"))?;
        breaks_off(&runtime.base_url)
            .await
            .with_context(|| format!("{name}, upstream that breaks off"))?;
        upstream.stop().await;
        unreachable(&runtime.base_url)
            .await
            .with_context(|| format!("{name}, nothing upstream"))?;
    }
    Ok(())
}

/// Three artists, four venues in three cities, 240 concerts in two years: figures that can be added up by hand.
fn write_data(folder: &Path) -> Result<()> {
    fs::write(
        folder.join("artists.csv"),
        "artist_id,name,genre\na1,The Lamps,rock\na2,Nordlicht,electronic\na3,\"Quay, The\",rock\n",
    )?;
    fs::write(
        folder.join("venues.csv"),
        "venue_id,name,city,state,country,capacity\nv1,Blue Hall,Chicago,IL,US,1000\nv2,Red Club,Chicago,IL,US,400\n\
         v3,Hafenhalle,Hamburg,,DE,2000\nv4,Old Mill,Leeds,,GB,500\n",
    )?;
    let mut concerts = "concert_id,artist_id,venue_id,event_date,status,total_attendance,revenue,currency\n".to_owned();
    for at in 0..CONCERTS {
        let (year, month, day) = (2023 + at / 120, at % 12 + 1, at % 28 + 1);
        let (artist, venue) = (at % 3 + 1, at % 4 + 1);
        let attendance = 100 + at;
        concerts.push_str(&format!(
            "c{at},a{artist},v{venue},{year}-{month:02}-{day:02},completed,{attendance},{}.50,USD\n",
            attendance * 20
        ));
    }
    fs::write(folder.join("concerts.csv"), concerts)?;
    Ok(())
}

/// The attendance of the concerts at these venues, by the rule of [`write_data`].
fn attendance(venues: &[usize]) -> i64 {
    (0..CONCERTS)
        .filter(|at| venues.contains(&(at % 4 + 1)))
        .map(|at| 100 + at as i64)
        .sum()
}

/// An answer, read to its end.
pub struct Seen {
    pub status: u16,
    pub headers: BTreeMap<String, String>,
    pub body: String,
}

impl Seen {
    async fn read(response: Response) -> Result<Seen> {
        Ok(Seen {
            status: response.status().as_u16(),
            headers: response
                .headers()
                .iter()
                .map(|(name, value)| (name.to_string(), String::from_utf8_lossy(value.as_bytes()).into_owned()))
                .collect(),
            body: response.text().await?,
        })
    }

    pub fn header(&self, name: &str) -> Result<&str> {
        self.headers
            .get(name)
            .map(String::as_str)
            .with_context(|| format!("no header {name}"))
    }

    pub fn json<T: serde::de::DeserializeOwned>(&self) -> Result<T> {
        serde_json::from_str(&self.body).with_context(|| self.body.clone())
    }

    pub fn envelope(&self) -> Result<ErrorEnvelope> {
        let envelope: ErrorEnvelope = self.json()?;
        ensure!(self.header("content-type")? == "application/json", "{:?}", self.headers);
        ensure!(
            self.header("x-correlation-id")? == envelope.correlation_id,
            "the correlation id is another"
        );
        ensure!(
            !envelope.error_message.is_empty() && envelope.timestamp.ends_with('Z'),
            "{envelope:?}"
        );
        Ok(envelope)
    }

    /// The events, whose ids must count from 1 under the turn's own id.
    pub fn events(&self) -> Result<Vec<ChatEvent>> {
        let mut events = Vec::new();
        let mut turn_id = String::new();
        for record in self
            .body
            .split("\n\n")
            .filter(|record| !record.is_empty() && !record.starts_with(':'))
        {
            let field = |name: &str| {
                record
                    .lines()
                    .find_map(|line| line.strip_prefix(name))
                    .with_context(|| record.to_owned())
            };
            let event = ChatEvent::parse(field("event: ")?, field("data: ")?).with_context(|| record.to_owned())?;
            if let ChatEvent::Ack { turn, .. } = &event {
                turn_id.clone_from(turn);
            }
            events.push(event);
            ensure!(field("id: ")? == format!("{turn_id}.{}", events.len()), "{record}");
        }
        Ok(events)
    }
}

fn client() -> Result<Client> {
    Ok(Client::builder()
        .no_proxy()
        .redirect(Policy::none())
        .timeout(REQUEST_TIMEOUT)
        .build()?)
}

pub async fn send(
    client: &Client,
    method: Method,
    url: String,
    headers: &[(&str, &str)],
    body: impl Into<reqwest::Body>,
) -> Result<Seen> {
    let mut request = client.request(method, &url).body(body);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    Seen::read(request.send().await.with_context(|| url.clone())?).await
}

/// A request and what its answer must be.
struct Case {
    what: &'static str,
    method: Method,
    path: &'static str,
    headers: &'static [(&'static str, &'static str)],
    body: Vec<u8>,
    expected: Expected,
}

type Check = Box<dyn Fn(&Seen) -> Result<()>>;

enum Expected {
    /// A success, and what must hold of it.
    Ok(Check),
    /// Status, error code and a part of the message or of what to do.
    Refused(u16, &'static str, &'static str),
}

fn get(what: &'static str, path: &'static str, check: impl Fn(&Seen) -> Result<()> + 'static) -> Case {
    Case {
        what,
        method: Method::GET,
        path,
        headers: &[],
        body: Vec::new(),
        expected: Expected::Ok(Box::new(check)),
    }
}

fn post(what: &'static str, path: &'static str, body: Value, check: impl Fn(&Seen) -> Result<()> + 'static) -> Case {
    let body = body.to_string().into_bytes();
    Case {
        what,
        method: Method::POST,
        path,
        headers: &[("content-type", "application/json")],
        body,
        expected: Expected::Ok(Box::new(check)),
    }
}

fn refusal(
    method: Method,
    path: &'static str,
    body: impl Into<Vec<u8>>,
    status: u16,
    code: &'static str,
    part: &'static str,
) -> Case {
    Case {
        what: code,
        method,
        path,
        headers: &[],
        body: body.into(),
        expected: Expected::Refused(status, code, part),
    }
}

fn rows(seen: &Seen) -> Result<Value> {
    Ok(seen.json::<Value>()?["rows"].clone())
}

fn cases(runtime: &str) -> Vec<Case> {
    // Plain wasmtime tells a component neither scheme nor host, so that it must take the connection for a public one.
    let is_secure = runtime == "spin";
    let runtime = runtime.to_owned();
    let by_city = json!({"metrics": ["attendance"], "dimensions": ["city"], "order": [{"by": "attendance", "direction": "desc"}]});
    let cities = json!([
        ["Chicago", attendance(&[1, 2])],
        ["Leeds", attendance(&[4])],
        ["Hamburg", attendance(&[3])]
    ]);
    let (get_, post_) = (Method::GET, Method::POST);
    vec![
        get("health", "/api/health", move |seen| {
            let health: HealthAnswer = seen.json()?;
            ensure!(
                health.state == HealthState::Up && health.runtime == runtime,
                "{}",
                seen.body
            );
            ensure!(
                health.dependencies.len() == 3 && health.dependencies.iter().all(|d| d.age_ms <= 5_000),
                "{}",
                seen.body
            );
            Ok(())
        }),
        get("health without the prefix", "/health", |seen| {
            seen.json::<HealthAnswer>().map(drop)
        }),
        get("the catalogue and its cookie", "/api/catalogue", move |seen| {
            let catalogue: CatalogueAnswer = seen.json()?;
            ensure!(
                !catalogue.data.snapshot_id.is_empty() && !catalogue.questions.is_empty(),
                "{}",
                seen.body
            );
            let concerts = catalogue.data.table("concerts").context("no table concerts")?;
            ensure!(concerts.row_count == CONCERTS as u64, "{}", seen.body);
            let cookie = seen.header("set-cookie")?;
            ensure!(
                cookie.contains("HttpOnly") && cookie.contains("SameSite=Lax"),
                "{cookie}"
            );
            ensure!(cookie.contains("Secure") == is_secure, "{cookie}");
            ensure!(seen.header("cache-control")? == "no-store");
            Ok(())
        }),
        get(
            "values that begin like a text",
            "/api/suggest?q=blue+h&limit=3",
            |seen| {
                let values = seen.json::<Value>()?["values"].clone();
                ensure!(
                    values[0]["value"] == "Blue Hall" && values[0]["dimension"] == "venue",
                    "{}",
                    seen.body
                );
                Ok(())
            },
        ),
        get(
            "values nearly like a text",
            "/api/suggest?q=Hamburk&dimension=city",
            |seen| {
                ensure!(
                    seen.json::<Value>()?["values"][0]["value"] == "Hamburg",
                    "{}",
                    seen.body
                );
                Ok(())
            },
        ),
        post("a query", "/api/query", by_city.clone(), move |seen| {
            ensure!(rows(seen)? == cities, "{}", seen.body);
            let answer: QueryAnswer = seen.json()?;
            ensure!(
                answer.sql.contains("SELECT") && answer.as_of.is_some() && answer.next_cursor.is_none(),
                "{}",
                seen.body
            );
            Ok(())
        }),
        post(
            "a query with a filter, a condition and money",
            "/api/query",
            json!({
                "metrics": ["revenue"], "dimensions": ["venue"], "order": [{"by": "revenue", "direction": "desc"}], "limit": 1,
                "filters": [{"dimension": "city", "op": "=", "values": ["Chicago"]}],
                "having": [{"metric": "concerts", "op": ">", "values": [1]}],
            }),
            |seen| {
                let answer: QueryAnswer = seen.json()?;
                ensure!(answer.table.rows.len() == 1, "{}", seen.body);
                let at = answer.table.column_index("revenue").context("no column revenue")?;
                ensure!(answer.table.columns[at].unit.as_deref() == Some("USD"), "{}", seen.body);
                // Money keeps its scale: 60 concerts with 50 cents each.
                let revenue = (0..CONCERTS)
                    .filter(|at| at % 4 == 1)
                    .map(|at| (100 + at) * 20)
                    .sum::<usize>()
                    + 30;
                ensure!(seen.body.contains(&format!("{revenue}.00")), "{revenue} {}", seen.body);
                Ok(())
            },
        ),
        post(
            "a relative period, by the clock that was set",
            "/api/query",
            json!({
                "metrics": ["concerts"], "period": {"kind": "relative", "unit": "year", "offset": -2, "count": 1},
            }),
            |seen| {
                ensure!(rows(seen)? == json!([[120]]), "{}", seen.body);
                Ok(())
            },
        ),
        post(
            "a dry run",
            "/api/query?dry_run=true",
            json!({
                "metrics": ["concerts"], "filters": [{"dimension": "city", "op": "=", "values": ["Robert'); DROP TABLE concerts;--"]}],
            }),
            |seen| {
                let dry: DryRunAnswer = seen.json()?;
                ensure!(
                    !dry.sql.contains("DROP") && dry.parameters.iter().any(|p| p.value.contains("DROP")),
                    "{}",
                    seen.body
                );
                Ok(())
            },
        ),
        post(
            "a value that is no statement",
            "/api/query",
            json!({
                "metrics": ["concerts"], "filters": [{"dimension": "city", "op": "=", "values": ["Robert'); DROP TABLE concerts;--"]}],
            }),
            |seen| {
                ensure!(rows(seen)? == json!([[0]]), "{}", seen.body);
                Ok(())
            },
        ),
        post(
            "a turn as events",
            "/api/chat",
            json!({"message": "attendance by city", "conversation_id": "c-1"}),
            turn,
        ),
        post(
            "a turn whose words are not all understood",
            "/api/chat",
            json!({"message": "attendance by city flurbish"}),
            |seen| {
                let heard = seen.events()?.into_iter().find_map(|event| match event {
                    ChatEvent::FollowUps { not_understood, .. } => Some(not_understood),
                    _ => None,
                });
                ensure!(
                    heard
                        .context("no follow_ups")?
                        .iter()
                        .any(|word| word.contains("flurbish")),
                    "{}",
                    seen.body
                );
                Ok(())
            },
        ),
        post(
            "a turn as JSON",
            "/chat",
            json!({"message": "attendance by year"}),
            |seen| {
                let answer: ChatAnswer = seen.json()?;
                let result = answer.results.first().context("no result")?;
                ensure!(
                    !answer.text.is_empty() && result.table.as_ref().is_some_and(|table| table.rows.len() == 2),
                    "{}",
                    seen.body
                );
                ensure!(
                    result.chart.is_some() && result.sql.is_some() && result.summary.is_some(),
                    "{}",
                    seen.body
                );
                Ok(())
            },
        ),
        refusal(get_.clone(), "/api/nothing", "", 404, "not_found", "/api/nothing"),
        refusal(post_.clone(), "/api/health", "", 405, "method_not_allowed", "GET"),
        refusal(
            post_.clone(),
            "/api/query",
            "SELECT 1",
            400,
            "bad_query",
            "line 1 column 1",
        ),
        refusal(
            post_.clone(),
            "/api/query",
            r#"{"metrics": ["concerts"], "sql": ""}"#,
            400,
            "bad_query",
            "sql",
        ),
        refusal(
            post_.clone(),
            "/api/query",
            r#"{"metrics": ["atendance"]}"#,
            400,
            "unknown_metric",
            "attendance",
        ),
        refusal(
            post_.clone(),
            "/api/query",
            r#"{"metrics": ["concerts"], "dimensions": ["citty"]}"#,
            400,
            "unknown_dimension",
            "city",
        ),
        refusal(
            post_.clone(),
            "/api/query",
            r#"{"metrics": ["concerts"], "cursor": "abc.def"}"#,
            400,
            "invalid_cursor",
            "cursor",
        ),
        refusal(
            post_.clone(),
            "/api/query",
            vec![b'"', 0xff, b'"'],
            400,
            "bad_query",
            "byte 1",
        ),
        refusal(
            post_.clone(),
            "/api/query",
            vec![b' '; 300 * 1024],
            413,
            "body_too_large",
            "262144 bytes",
        ),
        refusal(post_.clone(), "/api/chat", "hello", 400, "bad_request", "line 1"),
        refusal(
            post_.clone(),
            "/api/chat",
            r#"{"message": ""}"#,
            400,
            "empty_message",
            "question",
        ),
        refusal(
            post_.clone(),
            "/api/sql",
            r#"{"sql": "DROP TABLE concerts"}"#,
            400,
            "not_a_query",
            "line 1, column 1",
        ),
        refusal(get_.clone(), "/api/chat/t/events", "", 404, "not_found", "turn"),
        refusal(post_.clone(), "/api/chat/t/stop", "", 404, "not_found", "turn"),
        refusal(
            get_.clone(),
            "/api/history/no-such",
            "",
            404,
            "not_found",
            "conversation",
        ),
        refusal(
            get_.clone(),
            "/api/history?cursor=x",
            "",
            400,
            "invalid_cursor",
            "cursor",
        ),
        refusal(Method::DELETE, "/api/memory/mem-none", "", 404, "not_found", "memory"),
        refusal(Method::PUT, "/api/history/c", "", 405, "method_not_allowed", "PATCH"),
        refusal(post_, "/api/feedback", "{}", 400, "bad_request", "message_id"),
        get("the description of the API", "/api/openapi.json", |seen| {
            let document: Value = seen.json()?;
            ensure!(
                document["openapi"]
                    .as_str()
                    .is_some_and(|version| version.starts_with("3.1")),
                "{}",
                document["openapi"]
            );
            ensure!(document["paths"]["/api/chat"]["post"].is_object(), "no chat in it");
            Ok(())
        }),
        get("headers that keep a browser safe", "/api/health", |seen| {
            ensure!(seen.header("x-content-type-options")? == "nosniff");
            ensure!(seen.header("content-security-policy")?.contains("default-src 'none'"));
            ensure!(seen.header("referrer-policy")? == "no-referrer");
            ensure!(seen.header("permissions-policy")?.contains("camera=()"));
            Ok(())
        }),
        refusal(get_, "/api/suggest?limit=many", "", 400, "bad_parameter", "limit"),
    ]
}

/// A question with a tool call, from `ack` to `done`.
fn turn(seen: &Seen) -> Result<()> {
    ensure!(
        seen.header("content-type")?.starts_with("text/event-stream"),
        "{:?}",
        seen.headers
    );
    let events = seen.events()?;
    let names: Vec<&str> = events
        .iter()
        .map(ChatEvent::name)
        .filter(|name| *name != "text")
        .collect();
    ensure!(
        names == ["ack", "tool_call", "tool_result", "usage", "follow_ups", "done"],
        "{}",
        seen.body
    );
    ensure!(
        matches!(&events[0], ChatEvent::Ack { conversation_id, .. } if conversation_id == "c-1"),
        "{}",
        seen.body
    );
    ensure!(
        matches!(
            events.last(),
            Some(ChatEvent::Done {
                state: TurnState::Complete
            })
        ),
        "{}",
        seen.body
    );
    let text: String = events
        .iter()
        .filter_map(|event| match event {
            ChatEvent::Text { delta } => Some(delta.as_str()),
            _ => None,
        })
        .collect();
    ensure!(text.contains("Chicago"), "{text}");
    let result = events.iter().find_map(|event| match event {
        ChatEvent::ToolResult(result) => Some(result),
        _ => None,
    });
    let result = result.context("no tool_result")?;
    let table = result.table.as_ref().context("no table")?;
    ensure!(
        table.rows.len() == 3 && result.chart.is_some() && result.sql.is_some(),
        "{}",
        seen.body
    );
    Ok(())
}

/// Runs every case against `base_url`, which has no slash at its end.
pub async fn run(base_url: &str, runtime: &str) -> Result<()> {
    let client = client()?;
    for case in cases(runtime) {
        let Case {
            what,
            method,
            path,
            headers,
            body,
            expected,
        } = case;
        let about = || format!("{runtime}: {what} ({method} {path})");
        let seen = send(&client, method.clone(), format!("{base_url}{path}"), headers, body)
            .await
            .with_context(about)?;
        let result = match &expected {
            Expected::Ok(check) if seen.status == 200 => check(&seen),
            Expected::Ok(_) => Err(anyhow::anyhow!("status {}: {}", seen.status, seen.body)),
            Expected::Refused(status, code, part) => seen.envelope().and_then(|envelope| {
                ensure!(
                    (seen.status, envelope.error_code.as_str()) == (*status, *code),
                    "{} {}",
                    seen.status,
                    seen.body
                );
                ensure!(seen.body.contains(part), "no word of {part:?}: {}", seen.body);
                Ok(())
            }),
        };
        result.with_context(about)?;
    }
    paging(&client, base_url)
        .await
        .with_context(|| format!("{runtime}: paging"))?;
    streaming(&client, base_url)
        .await
        .with_context(|| format!("{runtime}: streaming"))?;
    together(&client, base_url)
        .await
        .with_context(|| format!("{runtime}: requests at the same time"))?;
    conformance_history::run(&client, base_url)
        .await
        .with_context(|| format!("{runtime}: conversations"))?;
    eprintln!("{runtime}: every case holds");
    Ok(())
}

/// Every row once over all pages; a cursor is worth nothing to someone else.
async fn paging(client: &Client, base_url: &str) -> Result<()> {
    let url = format!("{base_url}/api/query");
    let mut query = json!({"metrics": ["attendance"], "dimensions": ["concert"], "order": [{"by": "attendance", "direction": "asc"}]});
    let first = send(client, Method::POST, url.clone(), &[], query.to_string()).await?;
    let cookie = first
        .header("set-cookie")?
        .split(';')
        .next()
        .unwrap_or_default()
        .to_owned();
    let first: QueryAnswer = first.json()?;
    query["cursor"] = json!(first.next_cursor.context("no cursor after the first page")?);
    let stolen = send(client, Method::POST, url.clone(), &[], query.to_string()).await?;
    ensure!(
        (stolen.status, stolen.envelope()?.error_code.as_str()) == (400, "invalid_cursor"),
        "{}",
        stolen.body
    );
    let second = send(client, Method::POST, url, &[("cookie", &cookie)], query.to_string()).await?;
    ensure!(!second.headers.contains_key("set-cookie"), "the guest is known");
    let second: QueryAnswer = second.json()?;
    ensure!(
        second.next_cursor.is_none() && !second.table.truncated,
        "the second page is the last"
    );
    let at = first.table.column_index("attendance").context("no column attendance")?;
    let all: Vec<f64> = [first.table.rows, second.table.rows]
        .concat()
        .iter()
        .filter_map(|row| row[at].as_f64())
        .collect();
    let expected: Vec<f64> = (0..CONCERTS).map(|at| (100 + at) as f64).collect();
    ensure!(all == expected, "{all:?}");
    Ok(())
}

/// The first event is there before the last one is made: nothing on the way collects the answer.
async fn streaming(client: &Client, base_url: &str) -> Result<()> {
    let mut response = client
        .post(format!("{base_url}/api/chat"))
        .body(json!({"message": "attendance by city"}).to_string())
        .send()
        .await?;
    let mut pieces = Vec::new();
    while let Some(piece) = response.chunk().await? {
        pieces.push(String::from_utf8_lossy(&piece).into_owned());
    }
    let first = pieces.first().context("no piece")?;
    ensure!(
        first.contains("event: ack") && !first.contains("event: done"),
        "all came at once: {pieces:?}"
    );
    Ok(())
}

/// One instance serves several requests at once in every runtime.
async fn together(client: &Client, base_url: &str) -> Result<()> {
    let ask = |message: &'static str| async move {
        let body = json!({"message": message}).to_string();
        let seen = send(client, Method::POST, format!("{base_url}/chat"), &[], body).await?;
        let answer: ChatAnswer = seen.json()?;
        answer
            .results
            .first()
            .and_then(|result| result.title.clone())
            .with_context(|| seen.body.clone())
    };
    let (by_city, by_year, by_venue) = tokio::try_join!(
        ask("attendance by city"),
        ask("concerts by year"),
        ask("attendance by venue")
    )?;
    for (title, part) in [(by_city, "city"), (by_year, "year"), (by_venue, "venue")] {
        ensure!(
            title.to_lowercase().contains(part),
            "{title} is the answer to another question"
        );
    }
    Ok(())
}

/// AWS checks the key; its words stay in the log.
async fn refused(base_url: &str) -> Result<()> {
    let client = client()?;
    let health: HealthAnswer = send(&client, Method::GET, format!("{base_url}/api/health"), &[], "")
        .await?
        .json()?;
    ensure!(health.state == HealthState::Down, "{health:?}");
    let seen = send(&client, Method::GET, format!("{base_url}/api/catalogue"), &[], "").await?;
    ensure!(
        (seen.status, seen.envelope()?.error_code.as_str()) == (502, "upstream_refused"),
        "{}",
        seen.body
    );
    ensure!(!seen.body.to_lowercase().contains("signature"), "{}", seen.body);
    failed_turn(&client, base_url, "upstream_refused").await
}

/// The stream is cut inside a frame.
async fn breaks_off(base_url: &str) -> Result<()> {
    failed_turn(&client()?, base_url, "upstream_broken").await
}

async fn unreachable(base_url: &str) -> Result<()> {
    let client = client()?;
    let seen = send(&client, Method::GET, format!("{base_url}/api/catalogue"), &[], "").await?;
    ensure!(
        (seen.status, seen.envelope()?.error_code.as_str()) == (502, "upstream_unavailable"),
        "{}",
        seen.body
    );
    ensure!(
        seen.header("retry-after")?.parse::<u32>().is_ok() && !seen.body.contains("127.0.0.1"),
        "{}",
        seen.body
    );
    failed_turn(&client, base_url, "upstream_unavailable").await
}

async fn failed_turn(client: &Client, base_url: &str, code: &str) -> Result<()> {
    let body = json!({"message": "attendance by city"}).to_string();
    let seen = send(client, Method::POST, format!("{base_url}/api/chat"), &[], body).await?;
    let events = seen.events()?;
    let [
        ..,
        ChatEvent::Error(envelope),
        ChatEvent::Done {
            state: TurnState::Failed,
        },
    ] = events.as_slice()
    else {
        bail!("no error and done at the end: {}", seen.body);
    };
    ensure!(
        envelope.error_code == code && envelope.correlation_id == seen.header("x-correlation-id")?,
        "{}",
        seen.body
    );
    Ok(())
}
