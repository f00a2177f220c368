//! Rules as SQL: one statement for all rules of a table, whose rows are the records that break one. What a rule reads
//! of other tables is joined by key, one row each, so that a record is never judged twice.

use super::{Bound, Check, Now, Operand, Part, Rule, way};
use concert_lake::schema::{Kind, TableDef};
use datafusion::{
    arrow::datatypes::DataType,
    common::{DFSchema, TableReference},
    prelude::SessionContext,
};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap},
    fmt::Write as _,
    sync::{Arc, LazyLock},
};

/// Stands between the parts of a key that is made of several columns; it occurs in no text that people write.
pub const KEY_SEPARATOR: char = '\u{1f}';

/// Which tables hold rows. A table of no row at all says nothing: its source was not loaded yet.
#[derive(Debug, Default)]
pub struct Filled {
    pub clean: BTreeSet<&'static str>,
    pub stage: BTreeSet<&'static str>,
    /// Tables of which records are in quarantine, by where those stand: `clean.quarantine`, `stage.quarantine`.
    pub quarantines: Vec<(String, &'static str)>,
}

impl Filled {
    fn any(&self, table: &str) -> bool {
        self.clean.contains(table) || self.stage.contains(table)
    }
}

/// A statement that finds the records that break one of `rules`.
pub struct Plan<'a> {
    pub sql: String,
    pub rules: Vec<&'a Rule>,
    /// The values that the messages need, in the order of their columns.
    pub operands: Vec<Operand>,
    /// For each rule, the column that holds the key of the record that has its values already.
    pub owners: Vec<Option<usize>>,
}

impl Plan<'_> {
    /// The column of the rule's flag.
    pub fn flag(&self, rule: usize) -> usize {
        1 + rule
    }

    /// The column of an operand's value.
    pub fn value(&self, operand: Operand) -> Option<usize> {
        let at = self
            .operands
            .iter()
            .position(|known| known.table.name == operand.table.name && known.column.name == operand.column.name)?;
        Some(1 + self.rules.len() + at)
    }
}

/// The statement for those rules of a table that can be judged record by record; none if there is none.
pub fn plan<'a>(table: &'static TableDef, rules: &[&'a Rule], filled: &Filled, now: Now) -> Option<Plan<'a>> {
    let rules: Vec<&Rule> = rules
        .iter()
        .copied()
        .filter(|rule| match &rule.check {
            Check::Fresh { .. } => false,
            Check::References(other) => filled.any(other.name),
            _ => true,
        })
        .collect();
    if rules.is_empty() {
        return None;
    }
    let mut operands: Vec<Operand> = Vec::new();
    let mut uniques = Vec::new();
    let mut owners = Vec::new();
    for rule in &rules {
        for operand in reads(rule) {
            let known = operands
                .iter()
                .any(|known| known.table.name == operand.table.name && known.column.name == operand.column.name);
            if !known {
                operands.push(operand);
            }
        }
        match &rule.check {
            Check::Unique(columns) => {
                owners.push(Some(uniques.len()));
                uniques.push(columns);
            }
            _ => owners.push(None),
        }
    }

    // What is read of each table that is referred to, and in which order they are joined.
    let mut joined: Vec<&'static TableDef> = Vec::new();
    let mut on: Vec<String> = Vec::new();
    let mut columns: BTreeMap<&str, BTreeSet<&str>> = BTreeMap::new();
    let referred = rules.iter().filter_map(|rule| match &rule.check {
        Check::References(other) => Some(*other),
        _ => None,
    });
    for other in operands.iter().map(|operand| operand.table).chain(referred) {
        for (from, column, to) in way(table, other).unwrap_or_default() {
            if from.name != table.name {
                columns.entry(from.name).or_default().insert(column.name);
            }
            columns.entry(to.name).or_default();
            if !joined.iter().any(|known| known.name == to.name) {
                joined.push(to);
                on.push(format!("{}.{} = {}.{}", from.name, column.name, to.name, column.name));
            }
        }
    }
    for operand in &operands {
        if let Some(columns) = columns.get_mut(operand.table.name) {
            columns.insert(operand.column.name);
        }
    }

    let key = key_of(table, table.name);
    let mut select = format!("SELECT {}._ordinal AS _ordinal", table.name);
    for (index, rule) in rules.iter().enumerate() {
        let condition = match owners[index] {
            Some(unique) => format!("u{unique}.owner <> {key}"),
            None => condition(rule, now),
        };
        let _ = write!(select, ", ({condition}) IS TRUE AS f{index}");
    }
    for (index, operand) in operands.iter().enumerate() {
        let _ = write!(select, ", {}.{} AS v{index}", operand.table.name, operand.column.name);
    }
    for unique in 0..uniques.len() {
        let _ = write!(select, ", u{unique}.owner AS o{unique}");
    }
    let _ = write!(select, " FROM stage.{0} AS {0}", table.name);
    for (other, on) in joined.iter().zip(&on) {
        let columns = columns.get(other.name).cloned().unwrap_or_default();
        let _ = write!(
            select,
            " LEFT JOIN ({}) AS {} ON {on}",
            referred_rows(other, &columns, filled),
            other.name
        );
    }
    for (unique, columns) in uniques.iter().enumerate() {
        let same: Vec<String> = columns
            .iter()
            .enumerate()
            .map(|(at, column)| format!("{}.{} = u{unique}.c{at}", table.name, column.name))
            .collect();
        let columns: Vec<&str> = columns.iter().map(|column| column.name).collect();
        let _ = write!(
            select,
            " LEFT JOIN ({}) AS u{unique} ON {}",
            owners_of(table, &columns, filled),
            same.join(" AND ")
        );
    }
    let flags: Vec<String> = (0..rules.len()).map(|index| format!("f{index}")).collect();
    let first_owner = 1 + rules.len() + operands.len();
    Some(Plan {
        sql: format!("SELECT * FROM ({select}) WHERE {}", flags.join(" OR ")),
        rules,
        operands,
        owners: owners
            .into_iter()
            .map(|owner| owner.map(|unique| first_owner + unique))
            .collect(),
    })
}

/// The newest value of a column among the rows that are there and those that come.
pub fn newest(rule: &Rule, filled: &Filled) -> Option<String> {
    let (table, column) = (rule.table, rule.column?);
    let sources: Vec<String> = [("clean", &filled.clean), ("stage", &filled.stage)]
        .into_iter()
        .filter(|(_, tables)| tables.contains(table.name))
        .map(|(schema, _)| format!("SELECT {} AS c FROM {schema}.{}", column.name, table.name))
        .collect();
    if sources.is_empty() {
        return None;
    }
    Some(format!(
        "SELECT CAST(max(c) AS DATE) FROM ({})",
        sources.join(" UNION ALL ")
    ))
}

/// What a rule reads: for its condition and for its message.
fn reads(rule: &Rule) -> Vec<Operand> {
    let own = |column| Operand {
        table: rule.table,
        column,
    };
    let mut operands: Vec<Operand> = rule.column.map(own).into_iter().collect();
    match &rule.check {
        Check::Order { first, second, .. } => operands.extend([*first, *second]),
        Check::Expression(expression) => operands.extend(&expression.operands),
        Check::Unique(columns) => operands.extend(columns.iter().copied().map(own)),
        _ => {}
    }
    for part in rule.message.iter().flat_map(|message| &message.parts) {
        if let Part::Value(operand) = part {
            operands.push(*operand);
        }
    }
    operands
}

/// What is true of a record that breaks the rule. What is not known breaks none.
fn condition(rule: &Rule, now: Now) -> String {
    let column = rule
        .column
        .map(|column| format!("{}.{}", rule.table.name, column.name))
        .unwrap_or_default();
    let outside = |bound: &Option<Bound>, closed: &str, open: &str| {
        bound.as_ref().map(|bound| {
            let operator = if bound.open { open } else { closed };
            format!("{column} {operator} {}", bound.literal)
        })
    };
    match &rule.check {
        Check::Required => format!("{column} IS NULL"),
        Check::Range { low, high } => {
            let sides: Vec<String> = [outside(low, "<", "<="), outside(high, ">", ">=")]
                .into_iter()
                .flatten()
                .collect();
            sides.join(" OR ")
        }
        Check::OneOf(texts) => {
            let texts: Vec<String> = texts.iter().map(|text| literal(text)).collect();
            format!("{column} NOT IN ({})", texts.join(", "))
        }
        Check::Matches(pattern) => format!("{column} !~ {}", literal(pattern)),
        Check::References(other) => {
            let key = other.key.first().copied().unwrap_or_default();
            format!("{column} IS NOT NULL AND {}.{key} IS NULL", other.name)
        }
        Check::Order {
            first,
            second,
            tolerance_days,
        } => {
            let instants = [first, second]
                .iter()
                .all(|operand| operand.column.kind == Kind::Timestamp);
            let of = |operand: &Operand| {
                let name = format!("{}.{}", operand.table.name, operand.column.name);
                // An instant and a day are compared as days.
                if instants || operand.column.kind == Kind::Date {
                    name
                } else {
                    format!("CAST({name} AS DATE)")
                }
            };
            match tolerance_days {
                0 => format!("{} > {}", of(first), of(second)),
                days => format!("{} > {} + INTERVAL '{days} days'", of(first), of(second)),
            }
        }
        Check::Expression(expression) => format!("({}) IS FALSE", expression.sql(now.today)),
        // These two are no conditions of a single record.
        Check::Unique(_) | Check::Fresh { .. } => "FALSE".to_owned(),
    }
}

/// One row for each key of a table that is referred to. Of what is there and what comes, the last value counts, as in
/// the merge; a record in quarantine is known by its key alone.
fn referred_rows(table: &TableDef, columns: &BTreeSet<&str>, filled: &Filled) -> String {
    let key = table.key.first().copied().unwrap_or_default();
    let others: Vec<&str> = columns.iter().copied().filter(|column| *column != key).collect();
    let list = |of: &dyn Fn(&str) -> String| others.iter().map(|column| of(column)).collect::<String>();
    let plain = list(&|column| format!(", {column}"));
    let mut sources = Vec::new();
    if filled.clean.contains(table.name) {
        sources.push(format!(
            "SELECT {key}{plain}, CAST(-1 AS BIGINT) AS _ordinal FROM clean.{}",
            table.name
        ));
    }
    if filled.stage.contains(table.name) {
        sources.push(format!("SELECT {key}{plain}, _ordinal FROM stage.{}", table.name));
    }
    if sources.is_empty() {
        // Nothing is known; the columns have their types all the same.
        return format!("SELECT {key}{plain} FROM clean.{} WHERE FALSE", table.name);
    }
    for (place, of) in &filled.quarantines {
        if *of == table.name {
            let nothing = list(&|column| format!(", NULL AS {column}"));
            sources.push(format!(
                "SELECT record_key AS {key}{nothing}, CAST(-2 AS BIGINT) AS _ordinal FROM {place} \
                 WHERE table_name = {} AND record_key IS NOT NULL",
                literal(table.name)
            ));
        }
    }
    let last = list(&|column| {
        format!(", last_value({column} ORDER BY _ordinal) FILTER (WHERE {column} IS NOT NULL) AS {column}")
    });
    format!(
        "SELECT {key}{last} FROM ({}) GROUP BY {key}",
        sources.join(" UNION ALL ")
    )
}

/// For values that more than one key has: the key that had them first.
fn owners_of(table: &TableDef, columns: &[&str], filled: &Filled) -> String {
    let key = key_of(table, "");
    let values: Vec<String> = columns
        .iter()
        .enumerate()
        .map(|(at, column)| format!("{column} AS c{at}"))
        .collect();
    let values = values.join(", ");
    let mut sources = vec![format!(
        "SELECT {key} AS k, {values}, _ordinal FROM stage.{}",
        table.name
    )];
    if filled.clean.contains(table.name) {
        sources.push(format!(
            "SELECT {key} AS k, {values}, CAST(-1 AS BIGINT) AS _ordinal FROM clean.{}",
            table.name
        ));
    }
    let names: Vec<String> = (0..columns.len()).map(|at| format!("c{at}")).collect();
    let given: Vec<String> = names.iter().map(|name| format!("{name} IS NOT NULL")).collect();
    format!(
        "SELECT {0}, first_value(k ORDER BY _ordinal, k) AS owner FROM ({1}) WHERE {2} GROUP BY {0} \
         HAVING count(DISTINCT k) > 1",
        names.join(", "),
        sources.join(" UNION ALL "),
        given.join(" AND ")
    )
}

/// A row's key as one text.
pub fn key_of(table: &TableDef, alias: &str) -> String {
    let point = if alias.is_empty() { "" } else { "." };
    let parts: Vec<String> = table
        .key
        .iter()
        .map(|column| format!("{alias}{point}{column}"))
        .collect();
    parts.join(&format!(" || {} || ", literal(&KEY_SEPARATOR.to_string())))
}

/// A text as SQL writes it.
pub fn literal(text: &str) -> String {
    format!("'{}'", text.replace('\'', "''"))
}

/// Whether the engine makes sense of the rule: its names are there, and its types go together.
pub fn try_out(rule: &Rule) -> Result<(), String> {
    static CONTEXT: LazyLock<SessionContext> = LazyLock::new(SessionContext::new);
    if matches!(
        rule.check,
        Check::Unique(_) | Check::Fresh { .. } | Check::References(_)
    ) {
        return Ok(());
    }
    let now = Now {
        today: jiff::civil::date(2000, 1, 1),
    };
    let mut fields = Vec::new();
    for table in super::reachable(rule.table) {
        for column in table.columns() {
            fields.push((Some(TableReference::bare(table.name)), Arc::new(column.field())));
        }
    }
    let plain = |e: datafusion::error::DataFusionError| e.strip_backtrace();
    let schema = DFSchema::new_with_metadata(fields, HashMap::new()).map_err(plain)?;
    let sql = match &rule.check {
        Check::Expression(expression) => expression.sql(now.today),
        _ => condition(rule, now),
    };
    let expression = CONTEXT.parse_sql_expr(&sql, &schema).map_err(plain)?;
    let physical = CONTEXT.create_physical_expr(expression, &schema).map_err(plain)?;
    match physical.data_type(schema.as_arrow()).map_err(plain)? {
        DataType::Boolean => Ok(()),
        other => Err(format!(
            "the expression gives {other}, and a rule is true or false: compare it with something"
        )),
    }
}
