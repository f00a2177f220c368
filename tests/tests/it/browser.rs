//! The page in a real browser, over the whole stack: a file goes in, a question is asked, and the sentence, the chart,
//! the rows and the SQL come out, without an error in the console and without an accessibility violation.

use crate::support::{Process, Stack, tool};
use anyhow::{Context, Result, bail, ensure};
use fantoccini::{
    Client, ClientBuilder, Locator,
    actions::{InputSource, MouseActions, PointerAction},
    key::Key,
    wd::WebDriverCompatibleCommand,
};
use hyper_util::client::legacy::connect::HttpConnector;
use serde_json::{Value, json};
use std::{
    path::PathBuf,
    process::Command,
    time::{Duration, Instant},
};

/// How long the page may take for anything. Generous: a busy machine is no failure.
const PATIENCE: Duration = Duration::from_secs(60);
const TRY_AGAIN_AFTER: Duration = Duration::from_millis(50);

/// A day after the last concert of [`SHOWS`].
const TODAY: &str = "2001-01-15";

/// Eleven concerts of 1999 that have an attendance, one that has none, and two of other years.
const SHOWS: &str = "\
date,band,place,town,land,people
1999-01-16,Sigur Rós,Gamla Bíó,Reykjavík,IS,620
1999-02-11,Low,The Orpheum,Boston,US,2100
1999-03-05,Low,Fillmore,San Francisco,US,1150
1999-03-27,\"Godspeed, You\",La Sala Rossa,Montreal,CA,250
1999-04-30,Low,Red Barn,Denver,US,9500
1999-05-08,Sigur Rós,\"The {b} \"\"Room\"\"\",Austin,US,480
1999-06-12,Low,Harbor Arena,Seattle,US,17400
1999-07-03,Sigur Rós,Civic Stage,Chicago,US,3200
1999-08-21,Low,<b>Antler</b>,Austin,US,650
1999-09-18,Low,Lakeside Hall,Chicago,US,1900
1999-10-09,Sigur Rós,The Foundry,Chicago,US,90
1999-11-20,Low,The Foundry,Chicago,US,
2000-02-02,Low,Harbor Arena,Seattle,US,16100
2000-05-19,Sigur Rós,Civic Stage,Chicago,US,3600
";

const MAPPING: &str = r#"
[source]
format = "csv"

[artists]
artist_id = { key = ["band"] }
name = { column = "band" }

[venues]
venue_id = { key = ["place", "town"] }
name = { column = "place" }
city = { column = "town" }
country = { column = "land" }

[concerts]
concert_id = { key = ["date", "band"] }
artist_id = { key = ["band"] }
venue_id = { key = ["place", "town"] }
event_date = { column = "date" }
total_attendance = { column = "people" }
"#;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Screen {
    Desktop,
    Phone,
}

/// A headless browser with its driver and a profile of its own; all three end with this value.
struct Browser {
    client: Client,
    _driver: Process,
    _profile: tempfile::TempDir,
}

impl Browser {
    async fn start(screen: Screen) -> Result<Browser> {
        let mut command = Command::new(tool("CONCERT_CHROMEDRIVER")?);
        command.arg("--port=0");
        let (driver, port) = Process::start("chromedriver", command, |line| {
            let port = line.strip_prefix("ChromeDriver was started successfully on port ")?;
            port.trim_end_matches('.').parse::<u16>().ok()
        })?;
        let profile = tempfile::tempdir()?;
        let mut options = json!({
            "binary": tool("CONCERT_CHROMIUM")?,
            "args": [
                "--headless=new", "--no-sandbox", "--disable-gpu", "--disable-quic", "--disable-dev-shm-usage",
                "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync",
                "--window-size=1360,900", "--force-device-scale-factor=1",
                format!("--user-data-dir={}", profile.path().display()),
            ],
        });
        if screen == Screen::Phone {
            options["mobileEmulation"] =
                json!({"deviceMetrics": {"width": 390, "height": 844, "pixelRatio": 2.0, "touch": true}});
        }
        let Value::Object(capabilities) = json!({
            "browserName": "chrome",
            "goog:chromeOptions": options,
            "goog:loggingPrefs": {"browser": "ALL"},
        }) else {
            bail!("capabilities are an object");
        };
        // WebDriver is spoken to over plain http on this machine.
        let client = ClientBuilder::new(HttpConnector::new())
            .capabilities(capabilities)
            .connect(&format!("http://127.0.0.1:{port}"))
            .await?;
        Ok(Browser {
            client,
            _driver: driver,
            _profile: profile,
        })
    }

    async fn open(&self, url: &str) -> Result<()> {
        self.client
            .goto(url)
            .await
            .with_context(|| format!("cannot open {url}"))
    }

    /// What `script` returns.
    async fn run(&self, script: &str, arguments: Vec<Value>) -> Result<Value> {
        self.client
            .execute(script, arguments)
            .await
            .with_context(|| format!("the script failed: {script}"))
    }

    /// Waits until `expression` is neither false, null nor empty, and gives it.
    async fn until(&self, expression: &str) -> Result<Value> {
        let deadline = Instant::now() + PATIENCE;
        let script = format!("return {expression}");
        loop {
            let value = self.run(&script, Vec::new()).await?;
            if !matches!(&value, Value::Null | Value::Bool(false)) && value != json!("") && value != json!([]) {
                return Ok(value);
            }
            if Instant::now() > deadline {
                let page = self.run("return document.body.innerText", Vec::new()).await?;
                bail!(
                    "still {value} after {} s: {expression}\nthe page says:\n{page}",
                    PATIENCE.as_secs()
                );
            }
            tokio::time::sleep(TRY_AGAIN_AFTER).await;
        }
    }

    async fn text(&self, selector: &str) -> Result<String> {
        let value = self
            .until(&format!("document.querySelector({selector:?})?.innerText"))
            .await?;
        Ok(value.as_str().unwrap_or_default().to_owned())
    }

    async fn click(&self, selector: &str) -> Result<()> {
        self.until(&format!("!!document.querySelector({selector:?})")).await?;
        self.client.find(Locator::Css(selector)).await?.click().await?;
        Ok(())
    }

    /// Writes into the composer and sends with Enter, as a person does, and waits for the end of the turn.
    async fn ask(&self, question: &str) -> Result<()> {
        let asked = self
            .run("return document.querySelectorAll('.exchange').length", Vec::new())
            .await?;
        let before = asked.as_u64().unwrap_or_default();
        self.until("!!document.querySelector('#question')").await?;
        let composer = self.client.find(Locator::Css("#question")).await?;
        composer.send_keys(question).await?;
        composer.send_keys(&char::from(Key::Enter).to_string()).await?;
        self.until(&format!(
            "document.querySelectorAll('.exchange').length === {} && \
             ['complete', 'failed', 'stopped'].includes(
                 [...document.querySelectorAll('[data-phase]')].at(-1).dataset.phase)",
            before + 1
        ))
        .await?;
        Ok(())
    }

    /// Pixels of the last chart that have this colour, once it has been drawn and stands still.
    async fn painted(&self, token: &str) -> Result<u64> {
        let script = format!(
            "(() => {{
                const count = {};
                const still = window.paintedBefore === count;
                window.paintedBefore = count;
                return still ? count : null;
            }})()",
            pixels(token)
        );
        Ok(self.until(&script).await?.as_u64().unwrap_or_default())
    }

    async fn pointer_to(&self, x: f64, y: f64) -> Result<()> {
        let there = PointerAction::MoveTo {
            duration: Some(Duration::ZERO),
            x,
            y,
        };
        self.client
            .perform_actions(MouseActions::new("mouse".to_owned()).then(there))
            .await?;
        Ok(())
    }

    /// # Errors
    /// axe-core found a violation; the message names the rule and the elements.
    async fn assert_accessible(&self, state: &str) -> Result<()> {
        let path = tool("CONCERT_NPM")?.join("axe-core/axe.min.js");
        let axe = std::fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        self.run(&axe, Vec::new()).await?;
        let violations = self
            .client
            .execute_async(
                "const done = arguments[arguments.length - 1];
                 axe.run(document, { resultTypes: ['violations'] }).then(
                   ({ violations }) => done(violations.map(({ id, help, nodes }) =>
                     `${id}: ${help}\\n` + nodes.map(({ html, failureSummary }) => `${html}\\n${failureSummary}`).join('\\n'))),
                   (error) => done([String(error)]));",
                Vec::new(),
            )
            .await?;
        ensure!(violations == json!([]), "{state}: {violations:#}");
        Ok(())
    }

    /// # Errors
    /// The console holds an error or a warning of the content security policy.
    async fn assert_quiet(&self) -> Result<()> {
        let log = self.client.issue_cmd(BrowserLog).await?;
        let loud: Vec<&Value> = log
            .as_array()
            .context("the log is a list")?
            .iter()
            .filter(|entry| entry["level"] == "SEVERE" || entry["source"] == "security")
            .collect();
        ensure!(loud.is_empty(), "the console says: {loud:#?}");
        Ok(())
    }

    async fn close(self) -> Result<()> {
        Ok(self.client.close().await?)
    }
}

/// An expression: how many pixels of the last answer's chart have exactly the colour of this design token.
fn pixels(token: &str) -> String {
    format!(
        "(() => {{
            const canvas = [...document.querySelectorAll('.exchange:last-child canvas')].at(-1);
            if (!canvas || !canvas.width) return null;
            const color = getComputedStyle(document.documentElement).getPropertyValue({token:?}).trim();
            const [r, g, b] = [1, 3, 5].map((at) => parseInt(color.slice(at, at + 2), 16));
            const {{ data }} = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height);
            let count = 0;
            for (let at = 0; at < data.length; at += 4)
                if (data[at + 3] === 255 && data[at] === r && data[at + 1] === g && data[at + 2] === b) count += 1;
            return count;
        }})()"
    )
}

/// ChromeDriver's own command for the console's entries since the last call.
#[derive(Debug)]
struct BrowserLog;

impl WebDriverCompatibleCommand for BrowserLog {
    fn endpoint(&self, base_url: &url::Url, session: Option<&str>) -> Result<url::Url, url::ParseError> {
        base_url.join(&format!("session/{}/se/log", session.unwrap_or_default()))
    }

    fn method_and_body(&self, _: &url::Url) -> (http::Method, Option<String>) {
        (http::Method::POST, Some(json!({"type": "browser"}).to_string()))
    }
}

/// The stack with [`SHOWS`] in it.
fn stack(folder: &tempfile::TempDir) -> Result<Stack> {
    let file: PathBuf = folder.path().join("shows.csv");
    let mapping = folder.path().join("shows.toml");
    std::fs::write(&file, SHOWS)?;
    std::fs::write(&mapping, MAPPING)?;
    Stack::start(&[file], Some(&mapping), TODAY)
}

#[tokio::test(flavor = "multi_thread")]
async fn a_question_is_answered_with_sentence_chart_rows_and_sql() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let stack = stack(&folder)?;
    let browser = Browser::start(Screen::Desktop).await?;

    // The first visit: what this is, what can be asked, what data is loaded.
    browser.open(&format!("{}/?theme=light", stack.base_url)).await?;
    browser
        .until("document.querySelectorAll('button.question').length === 4")
        .await?;
    let welcome = browser.text("main").await?;
    assert!(welcome.contains("14 concerts"), "{welcome}");
    browser.assert_accessible("the first visit, light").await?;

    browser.ask("ten best attended concerts in 1999").await?;
    let sentence = browser.text(".words").await?;
    assert!(sentence.contains("17,400"), "{sentence}");
    assert!(
        sentence.contains("Harbor Arena") || sentence.contains("Low"),
        "{sentence}"
    );
    let chips = browser.text(".chips").await?.replace('\n', " ");
    assert!(chips.contains("Attendance") && chips.contains("1999"), "{chips}");

    // Ten bars, the longest 62 % of 760 pixels and 16 high: far more than text alone would leave.
    let painted = browser.painted("--d1").await?;
    assert!(
        painted > 8_000,
        "only {painted} pixels of the chart have the data colour"
    );

    // Pointing at a bar writes its exact value onto the canvas, and puts no element with inline styles beside it.
    let ink = browser.painted("--ink").await?;
    let place = browser
        .run(
            "const box = document.querySelector('canvas').getBoundingClientRect();
             return [box.x + box.width / 2, box.y + 20]",
            Vec::new(),
        )
        .await?;
    let at = |index: usize| place[index].as_f64().map(f64::round).context("a number");
    browser.pointer_to(at(0)?, at(1)?).await?;
    browser.until(&format!("({}) > {ink}", pixels("--ink"))).await?;
    browser
        .until("document.querySelector('.canvas').innerText === ''")
        .await?;
    browser.pointer_to(5.0, 5.0).await?;
    browser.assert_accessible("an answer with a chart, light").await?;

    // The rows, and another order of them.
    browser.click("[role=tab]:nth-child(2)").await?;
    let people = "[...document.querySelectorAll('tbody tr')].map((row) => row.lastElementChild.innerText)";
    let rows = browser.until(people).await?;
    let expected = [
        "17,400", "9,500", "3,200", "2,100", "1,900", "1,150", "650", "620", "480", "250",
    ]
    .map(str::to_owned);
    assert_eq!(rows, json!(expected));
    let table = browser.text("tbody").await?;
    for name in ["Gamla Bíó", "<b>Antler</b>", "The {b} \"Room\"", "Godspeed, You"] {
        assert!(table.contains(name), "{name} is not in {table}");
    }
    browser.click("thead th:last-child button").await?;
    browser.click("thead th:last-child button").await?;
    browser
        .until("document.querySelector('thead th:last-child').ariaSort === 'ascending'")
        .await?;
    let turned: Vec<String> = expected.iter().rev().cloned().collect();
    assert_eq!(browser.until(people).await?, json!(turned));
    browser.assert_accessible("the rows, light").await?;

    // The statement that made it, by the keyboard.
    let tab = browser.client.find(Locator::Css("[role=tab]:nth-child(2)")).await?;
    tab.send_keys(&char::from(Key::Right).to_string()).await?;
    browser
        .until("document.querySelector('[role=tab]:nth-child(3)').ariaSelected === 'true'")
        .await?;
    let sql = browser.text("pre.sql").await?;
    assert!(sql.contains("concert_dw.concerts") && sql.contains("LIMIT"), "{sql}");
    assert!(
        !sql.contains("1999-01-01"),
        "values are parameters, never part of the statement: {sql}"
    );

    // Dark: the chart is drawn anew in its colours.
    browser.click("[role=tab]:first-child").await?;
    browser.click(".side .themes label:nth-of-type(2)").await?;
    browser
        .until("document.documentElement.dataset.theme === 'dark'")
        .await?;
    browser
        .until("getComputedStyle(document.documentElement).getPropertyValue('--d1').trim() === '#6aa9e6'")
        .await?;
    let painted = browser.painted("--d1").await?;
    assert!(
        painted > 8_000,
        "only {painted} pixels of the dark chart have the data colour"
    );
    browser.assert_accessible("an answer with a chart, dark").await?;
    browser.assert_quiet().await?;

    // A question in the address, with a word that nobody knows.
    browser
        .open(&format!(
            "{}/?theme=dark&q=groovy%20attendance%20by%20year",
            stack.base_url
        ))
        .await?;
    browser.until("document.querySelector('[data-phase=complete]')").await?;
    let note = browser.text(".note").await?;
    assert!(note.contains("groovy"), "{note}");
    assert!(browser.painted("--d1").await? > 200, "a line is drawn");
    browser
        .assert_accessible("a line and a word that was not understood, dark")
        .await?;

    // Without a server the page says so, and keeps the question.
    browser.assert_quiet().await?;
    drop(stack);
    browser.ask("attendance by city").await?;
    let problem = browser.text(".problem").await?;
    assert!(
        problem.contains("does not answer") && problem.contains("Ask again"),
        "{problem}"
    );
    browser.assert_accessible("an error, dark").await?;
    browser.close().await
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_fits_a_phone() -> Result<()> {
    let folder = tempfile::tempdir()?;
    let stack = stack(&folder)?;
    let browser = Browser::start(Screen::Phone).await?;
    for theme in ["light", "dark"] {
        browser.open(&format!("{}/?theme={theme}", stack.base_url)).await?;
        browser
            .until("document.querySelectorAll('button.question').length === 4")
            .await?;
        browser
            .assert_accessible(&format!("the first visit on a phone, {theme}"))
            .await?;
        browser.ask("ten best attended concerts in 1999").await?;
        assert!(browser.painted("--d1").await? > 2_000, "a chart is drawn");
        browser
            .assert_accessible(&format!("an answer on a phone, {theme}"))
            .await?;
        // Nothing is wider than the screen, and what is touched is large enough.
        let widths = browser
            .run("return [document.documentElement.scrollWidth, innerWidth]", Vec::new())
            .await?;
        assert_eq!(widths[0], widths[1], "the page scrolls sideways");
        let small = browser
            .run(
                "return [...document.querySelectorAll('.btn, .send, .tabbar > *, .question')]
                   .filter((each) => each.offsetParent && each.getBoundingClientRect().height < 39.5)
                   .map((each) => each.outerHTML.slice(0, 120))",
                Vec::new(),
            )
            .await?;
        assert_eq!(small, json!([]), "targets are at least 40 px high");
        browser.click(".exchange:last-child [role=tab]:nth-child(2)").await?;
        browser
            .until("document.querySelectorAll('tbody tr').length === 10")
            .await?;
        browser
            .assert_accessible(&format!("the rows on a phone, {theme}"))
            .await?;
    }
    browser
        .open(&format!("{}/forecast?theme=light", stack.base_url))
        .await?;
    let soon = browser.text("main").await?;
    assert!(soon.contains("not there yet"), "{soon}");
    browser
        .assert_accessible("a place that is still to come, on a phone")
        .await?;
    browser.assert_quiet().await?;
    browser.close().await
}
