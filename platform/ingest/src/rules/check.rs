//! Judges the rows of a load by the rules of their table. The session holds `stage.<table>`, the typed rows with
//! `_ordinal BIGINT`, and `clean.<table>`, what is there already; nothing is written.

use super::{
    Check, Message, Now, Operand, Part, Rule, RuleCount, Rules, Severity,
    sql::{self, Filled, KEY_SEPARATOR, Plan},
};
use crate::{
    Error, Result,
    judge::{self, Judge},
    value::shown,
};
use concert_lake::{
    schema::{Kind, MODEL, QUARANTINE, TableDef},
    time,
};
use datafusion::{
    arrow::{
        array::{Array as _, AsArray as _, RecordBatch},
        datatypes::{Date32Type, Int64Type},
        util::display::{ArrayFormatter, FormatOptions},
    },
    common::TableReference,
    error::DataFusionError,
    execution::SendableRecordBatchStream,
    physical_plan::execute_stream,
    prelude::SessionContext,
};
use futures::{StreamExt as _, stream::BoxStream};
use jiff::{Unit, civil::Date};
use std::sync::{Arc, Mutex, PoisonError};
use tokio::sync::OnceCell;

/// How many records that break a warning are described; all are counted.
const DESCRIBED_WARNINGS: u64 = 100;

/// A record that breaks a rule.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Failure {
    /// The row's `_ordinal`; none where the rule speaks of the table as a whole.
    pub ordinal: Option<i64>,
    pub rule: Arc<str>,
    pub severity: Severity,
    /// The model's column that is to blame, where one is.
    pub column: Option<&'static str>,
    /// What was found, in one sentence that begins with the column.
    pub message: String,
}

/// Judges all staged rows of a table. A record that breaks several rules has several failures, one behind the other,
/// in the order of the rules; of each warning the first hundred records are described. The counts are complete, and
/// hold every rule that was judged.
///
/// # Errors
/// [`Error::Rule`] names the rule that the engine could not judge.
pub async fn check(
    context: &SessionContext,
    table: &'static TableDef,
    rules: &Rules,
    now: Now,
) -> Result<(Vec<Failure>, Vec<RuleCount>)> {
    let filled = filled(context).await?;
    let mut checking = Checking::begin(context, table, rules, &filled, now).await?;
    let mut failures = Vec::new();
    while let Some(more) = checking.next().await? {
        failures.extend(more);
    }
    Ok((failures, checking.counts()))
}

/// The judgement of one table, batch by batch: however many records break a rule, few are held in memory.
pub struct Checking<'a> {
    context: &'a SessionContext,
    rules: Vec<&'a Rule>,
    records: Vec<u64>,
    now: Now,
    filled: &'a Filled,
    running: Option<(Plan<'a>, SendableRecordBatchStream)>,
    waiting: Vec<Failure>,
}

impl<'a> Checking<'a> {
    /// # Errors
    /// [`Error::Rule`].
    pub async fn begin(
        context: &'a SessionContext,
        table: &'static TableDef,
        rules: &'a Rules,
        filled: &'a Filled,
        now: Now,
    ) -> Result<Checking<'a>> {
        let rules: Vec<&Rule> = rules.of(table.name).collect();
        let mut checking = Checking {
            context,
            records: vec![0; rules.len()],
            rules,
            now,
            filled,
            running: None,
            waiting: Vec::new(),
        };
        if checking.rules.is_empty() || !filled.stage.contains(table.name) {
            return Ok(checking);
        }
        if let Some(plan) = sql::plan(table, &checking.rules, filled, now) {
            match stream(context, &plan.sql).await {
                Ok(stream) => checking.running = Some((plan, stream)),
                Err(error) => return Err(checking.blame(error).await),
            }
        }
        checking.judge_freshness().await?;
        Ok(checking)
    }

    /// The next failures; none at the end. A record's failures come together.
    ///
    /// # Errors
    /// [`Error::Rule`].
    pub async fn next(&mut self) -> Result<Option<Vec<Failure>>> {
        if !self.waiting.is_empty() {
            return Ok(Some(std::mem::take(&mut self.waiting)));
        }
        let Some((plan, mut stream)) = self.running.take() else {
            return Ok(None);
        };
        match stream.next().await {
            None => Ok(None),
            Some(Ok(batch)) => {
                let failures = self.failures(&plan, &batch);
                self.running = Some((plan, stream));
                Ok(Some(failures?))
            }
            Some(Err(error)) => Err(self.blame(error).await),
        }
    }

    /// How many records broke each rule so far, in the order of the rules.
    pub fn counts(&self) -> Vec<RuleCount> {
        self.rules
            .iter()
            .zip(&self.records)
            .map(|(rule, records)| RuleCount {
                rule: rule.name.to_string(),
                table: rule.table.name.to_owned(),
                severity: rule.severity,
                records: *records,
            })
            .collect()
    }

    fn count(&mut self, rule: &Rule) -> u64 {
        let at = self.rules.iter().position(|known| known.name == rule.name);
        match at.and_then(|at| self.records.get_mut(at)) {
            Some(records) => {
                *records += 1;
                *records
            }
            None => 0,
        }
    }

    fn failures(&mut self, plan: &Plan<'a>, batch: &RecordBatch) -> Result<Vec<Failure>> {
        let format = FormatOptions::new().with_display_error(true).with_null("nothing");
        let Some(first) = plan.rules.first() else {
            return Ok(Vec::new());
        };
        let failed = |e| Error::rule(first, DataFusionError::ArrowError(Box::new(e), None));
        let mut values = Vec::with_capacity(batch.num_columns());
        for column in batch.columns() {
            values.push(ArrayFormatter::try_new(column.as_ref(), &format).map_err(failed)?);
        }
        let ordinals = batch.column(0).as_primitive_opt::<Int64Type>();
        let mut failures = Vec::new();
        for row in 0..batch.num_rows() {
            let ordinal = ordinals.map(|ordinals| ordinals.value(row));
            for (index, rule) in plan.rules.iter().enumerate() {
                let flags = batch.column(plan.flag(index)).as_boolean_opt();
                if !flags.is_some_and(|flags| flags.is_valid(row) && flags.value(row)) {
                    continue;
                }
                if self.count(rule) > DESCRIBED_WARNINGS && rule.severity == Severity::Warning {
                    continue;
                }
                let value = |operand: Operand| {
                    let text = plan.value(operand).and_then(|column| {
                        let text = values.get(column)?.value(row).to_string();
                        let is_null = batch.column(column).is_null(row);
                        Some(match operand.column.kind {
                            Kind::Text | Kind::Binary if !is_null => shown(&text),
                            _ => text,
                        })
                    });
                    text.unwrap_or_default()
                };
                let owner = plan.owners[index].and_then(|column| Some(values.get(column)?.value(row).to_string()));
                failures.push(Failure {
                    ordinal,
                    rule: Arc::clone(&rule.name),
                    severity: rule.severity,
                    column: rule.column.map(|column| column.name),
                    message: describe(rule, &value, owner.as_deref()),
                });
            }
        }
        Ok(failures)
    }

    async fn judge_freshness(&mut self) -> Result<()> {
        for rule in self.rules.clone() {
            let (Check::Fresh { max_age_days }, Some(column)) = (&rule.check, rule.column) else {
                continue;
            };
            let Some(sql) = sql::newest(rule, self.filled) else {
                continue;
            };
            let batches = collect(self.context, &sql).await.map_err(|e| Error::rule(rule, e))?;
            let newest = batches.first().and_then(|batch| {
                let days = batch.column(0).as_primitive_opt::<Date32Type>()?;
                (batch.num_rows() > 0 && days.is_valid(0)).then(|| time::date_of_days(days.value(0)))?
            });
            if let Some(newest) = newest
                && let age = days_between(newest, self.now.today)
                && age > i64::from(*max_age_days)
            {
                self.count(rule);
                self.waiting.push(Failure {
                    ordinal: None,
                    rule: Arc::clone(&rule.name),
                    severity: rule.severity,
                    column: Some(column.name),
                    message: format!(
                        "{}: the newest is {newest}, {age} days ago; it should be at most {max_age_days}",
                        column.name
                    ),
                });
            }
        }
        Ok(())
    }

    /// Which rule it was that the engine stumbled over.
    async fn blame(&mut self, error: DataFusionError) -> Error {
        for rule in &self.rules {
            if let Some(plan) = sql::plan(rule.table, &[rule], self.filled, self.now)
                && let Err(error) = collect(self.context, &plan.sql).await
            {
                return Error::rule(rule, error);
            }
        }
        match self.rules.first() {
            Some(rule) => Error::Rule {
                rule: format!("{} (or another)", rule.name),
                table: rule.table.name,
                source: Box::new(error),
            },
            None => Error::Rule {
                rule: String::new(),
                table: "",
                source: Box::new(error),
            },
        }
    }
}

/// Judges the rows of a load by rules.
pub struct RuleJudge<'a> {
    rules: &'a Rules,
    now: Now,
    /// Looked up once: nothing is written while a load is judged.
    filled: OnceCell<Filled>,
    counts: Mutex<Vec<RuleCount>>,
}

impl<'a> RuleJudge<'a> {
    pub fn new(rules: &'a Rules, today: Date) -> RuleJudge<'a> {
        RuleJudge {
            rules,
            now: Now { today },
            filled: OnceCell::new(),
            counts: Mutex::default(),
        }
    }
}

impl Judge for RuleJudge<'_> {
    fn judge<'a>(
        &'a self,
        session: &'a SessionContext,
        table: &'static TableDef,
    ) -> BoxStream<'a, Result<Vec<judge::Failure>>> {
        enum State<'a> {
            Begin,
            Going(Box<Checking<'a>>),
            Done,
        }
        let next = move |state: State<'a>| async move {
            let begun = match state {
                State::Done => return None,
                State::Going(checking) => Ok(*checking),
                State::Begin => match self.filled.get_or_try_init(|| filled(session)).await {
                    Ok(filled) => Checking::begin(session, table, self.rules, filled, self.now).await,
                    Err(error) => Err(error),
                },
            };
            let mut checking = match begun {
                Ok(checking) => checking,
                Err(error) => return Some((Err(error), State::Done)),
            };
            match checking.next().await {
                Ok(Some(failures)) => {
                    let errors = failures
                        .into_iter()
                        .filter(|failure| failure.severity == Severity::Error);
                    let refused = errors.filter_map(|failure| {
                        Some(judge::Failure {
                            ordinal: failure.ordinal?,
                            rule: failure.rule.to_string(),
                            column: failure.column.map(str::to_owned),
                            message: failure.message,
                        })
                    });
                    Some((Ok(refused.collect()), State::Going(Box::new(checking))))
                }
                Ok(None) => {
                    let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
                    counts.extend(checking.counts());
                    None
                }
                Err(error) => Some((Err(error), State::Done)),
            }
        };
        futures::stream::unfold(State::Begin, next).boxed()
    }

    fn counts(&self) -> Vec<RuleCount> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn days_between(from: Date, to: Date) -> i64 {
    to.since((Unit::Day, from)).map_or(0, |span| i64::from(span.get_days()))
}

/// Which tables hold rows, and which have records in quarantine.
async fn filled(context: &SessionContext) -> Result<Filled> {
    let mut filled = Filled::default();
    for table in &MODEL {
        if has_rows(context, "clean", table.name).await? {
            filled.clean.insert(table.name);
        }
        if has_rows(context, judge::STAGE, table.name).await? {
            filled.stage.insert(table.name);
        }
    }
    for schema in ["clean", judge::STAGE] {
        if !has_rows(context, schema, QUARANTINE.name).await? {
            continue;
        }
        let place = format!("{schema}.{}", QUARANTINE.name);
        let sql = format!("SELECT DISTINCT table_name FROM {place} WHERE record_key IS NOT NULL");
        let failed = |e| Error::lake_query(format!("look into {place}"), e);
        for batch in collect(context, &sql).await.map_err(failed)? {
            let names = batch.column(0).as_string_opt::<i32>();
            for name in names.into_iter().flatten().flatten() {
                // A key of several columns is no value that something could refer to.
                let table = MODEL.iter().find(|table| table.name == name && table.key.len() == 1);
                filled
                    .quarantines
                    .extend(table.map(|table| (place.clone(), table.name)));
            }
        }
    }
    Ok(filled)
}

/// Whether a table is there and holds a row. It is scanned as it is: a query would be planned for longer than it runs.
async fn has_rows(context: &SessionContext, schema: &str, table: &str) -> Result<bool> {
    let failed = |e| Error::lake_query(format!("look into {schema}.{table}"), e);
    let place = TableReference::partial(schema, table);
    if !context.table_exist(place.clone()).map_err(failed)? {
        return Ok(false);
    }
    let provider = context.table_provider(place).await.map_err(failed)?;
    let (state, first_column) = (context.state(), vec![0]);
    let plan = provider.scan(&state, Some(&first_column), &[], Some(1)).await;
    let mut rows = execute_stream(plan.map_err(failed)?, context.task_ctx()).map_err(failed)?;
    while let Some(batch) = rows.next().await {
        if batch.map_err(failed)?.num_rows() > 0 {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn collect(context: &SessionContext, sql: &str) -> Result<Vec<RecordBatch>, DataFusionError> {
    context.sql(sql).await?.collect().await
}

async fn stream(context: &SessionContext, sql: &str) -> Result<SendableRecordBatchStream, DataFusionError> {
    context.sql(sql).await?.execute_stream().await
}

/// What is wrong with a record, in one sentence.
fn describe(rule: &Rule, value: &dyn Fn(Operand) -> String, owner: Option<&str>) -> String {
    let own = |column| Operand {
        table: rule.table,
        column,
    };
    let name = |operand: &Operand| {
        if operand.table.name == rule.table.name {
            operand.column.name.to_owned()
        } else {
            format!("{}.{}", operand.table.name, operand.column.name)
        }
    };
    let column = rule.column.map(|column| column.name).unwrap_or_default();
    if let Some(Message { parts }) = &rule.message {
        let text: String = parts
            .iter()
            .map(|part| match part {
                Part::Text(text) => text.clone(),
                Part::Value(operand) => value(*operand),
            })
            .collect();
        return format!("{column}: {text}");
    }
    let found = rule.column.map(|column| value(own(column))).unwrap_or_default();
    let text = match &rule.check {
        Check::Required => "there is no value, and every row must have one".to_owned(),
        Check::Range { low, high } => match (low, high) {
            (Some(low), Some(high)) => format!("{found} is not between {} and {}", low.shown, high.shown),
            (Some(low), None) if low.open => format!("{found} is not more than {}", low.shown),
            (Some(low), None) => format!("{found} is less than {}", low.shown),
            (None, Some(high)) if high.open => format!("{found} is not less than {}", high.shown),
            (None, Some(high)) => format!("{found} is more than {}", high.shown),
            (None, None) => String::new(),
        },
        Check::OneOf(texts) => format!("{found} is none of {}", texts.join(", ")),
        Check::Matches(pattern) => format!("{found} does not fit {pattern}"),
        Check::References(other) => format!(
            "{} has no row {found}. Load it, then run concert quarantine replay",
            other.name
        ),
        Check::Unique(columns) => {
            let values: Vec<String> = columns.iter().map(|column| value(own(column))).collect();
            let owner = owner.unwrap_or_default().replace(KEY_SEPARATOR, ", ");
            format!("{} is there already, in the row {}", values.join(", "), shown(&owner))
        }
        Check::Order {
            first,
            second,
            tolerance_days,
        } => {
            let allowed = match tolerance_days {
                0 => String::new(),
                1 => "more than a day ".to_owned(),
                days => format!("more than {days} days "),
            };
            let (first_name, second_name) = (name(first), name(second));
            let (first, second) = (value(*first), value(*second));
            if first_name == column {
                format!("{first} is {allowed}after {second_name} {second}")
            } else {
                format!("{second} is {allowed}before {first_name} {first}")
            }
        }
        Check::Expression(expression) => {
            let values: Vec<String> = expression
                .operands
                .iter()
                .map(|operand| format!("{} is {}", name(operand), value(*operand)))
                .collect();
            format!("{} does not hold: {}", expression.text, values.join(", "))
        }
        Check::Fresh { .. } => String::new(),
    };
    format!("{column}: {text}")
}
