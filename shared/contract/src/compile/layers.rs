//! What stands around the aggregated groups where a query compares, looks back over stretches of time, or keeps the
//! first rows of each group: common table expressions, each over the one before.
//!
//! `answer` has the groups and metrics. `around` brings earlier stretches to the ones they are compared with: they are
//! given the later label and united with the answer, so that groups which are NULL find each other, which no join would
//! let them. `apart` marks rows that are ranked by themselves. `measured` computes over all rows. `placed` chooses rows and counts them within their groups.

use super::{
    clause::{having_sql, number_condition},
    compiler::{Compiler, CurrencyRule, Group, GroupBy, added_type, windowed_type},
    metric::MetricUse,
    order::{OrderBy, direction_sql},
    parts::{aliased, null_of, push_list},
    period::Shift,
    scope::day_of,
    values::{Operand, condition},
};
use crate::{
    query::{Added, Comparison, Direction, FilterClause, Grain, MetricFilter, QueryError, QueryErrorCode, Window},
    table::ColumnType,
};

impl Compiler<'_> {
    pub fn layered(&mut self, order: &[OrderBy]) -> Result<String, QueryError> {
        let names = self.group_names();
        let mut layers = vec![("answer", self.core(None)?)];
        let averages = self.moving_averages();
        let mut last = "answer";
        if !self.shifts.is_empty() || !averages.is_empty() {
            layers.push(("around", self.around(&names, &averages)?));
            last = "around";
        }
        if let Some(apart) = self.apart(&names, last) {
            layers.push(("apart", apart));
            last = "apart";
        }
        layers.push(("measured", self.measured(&names, last)));
        last = "measured";
        let mut conditions = self.row_conditions(&names)?;
        if let Some(placed) = self.placed(&names, &conditions) {
            layers.push(("placed", placed));
            last = "placed";
            conditions = vec![format!(
                "place_in_group <= {}",
                self.query.top.as_ref().map_or(0, |top| top.n)
            )];
        }
        let mut columns: Vec<String> = self.groups.iter().filter_map(|group| group.name.clone()).collect();
        columns.extend(self.number_names());
        let written: Vec<String> = layers
            .iter()
            .map(|(name, sql)| format!("{name} AS (\n  {}\n)", sql.replace('\n', "\n  ")))
            .collect();
        let mut sql = format!(
            "WITH {}\nSELECT {}\nFROM {last}",
            written.join(",\n"),
            columns.join(", ")
        );
        push_list(&mut sql, "WHERE", &conditions, "\n  AND ");
        let order: Vec<String> = order
            .iter()
            .filter_map(|by| match by {
                OrderBy::Name(name, direction) => Some(format!("{name} {}", direction_sql(*direction))),
                OrderBy::Key(index, direction) => names
                    .get(*index)
                    .map(|name| format!("{name} {}", direction_sql(*direction))),
                OrderBy::Rows => None,
            })
            .collect();
        self.finish(&mut sql, &order);
        Ok(sql)
    }

    /// The metrics with a moving average: their place and the number of stretches.
    fn moving_averages(&self) -> Vec<(usize, u32)> {
        self.query
            .metrics
            .iter()
            .enumerate()
            .filter_map(|(index, metric)| match metric.window {
                Some(Window::MovingAverage(count)) => Some((index, count)),
                _ => None,
            })
            .collect()
    }

    /// The name of the earlier value of a metric, in a comparison that looks back.
    fn earlier_name(comparison: Comparison, used: &MetricUse<'_>) -> String {
        let added = if comparison == Comparison::PreviousPeriod {
            Added::Before
        } else {
            Added::LastYear
        };
        format!("{}{}", used.name, added.suffix())
    }

    fn is_compared(&self, index: usize) -> bool {
        self.query
            .metrics
            .get(index)
            .is_some_and(|metric| metric.window.is_none())
    }

    fn around(&self, names: &[String], averages: &[(usize, u32)]) -> Result<String, QueryError> {
        // Every column of the union after the groups: its name, what it holds, and how rows of a group are put together.
        struct Slot {
            name: String,
            holds: ColumnType,
            together: String,
        }
        let mut slots: Vec<Slot> = Vec::new();
        for used in &self.metrics {
            slots.push(Slot {
                name: used.name.clone(),
                holds: used.holds,
                together: format!("MAX({})", used.name),
            });
        }
        for (comparison, _) in &self.shifts {
            for (_, used) in self
                .metrics
                .iter()
                .enumerate()
                .filter(|(index, _)| self.is_compared(*index))
            {
                let name = Self::earlier_name(*comparison, used);
                let together = if used.is_count() {
                    format!("COALESCE(MAX({name}), 0)")
                } else {
                    format!("MAX({name})")
                };
                slots.push(Slot {
                    name,
                    holds: used.holds,
                    together,
                });
            }
        }
        for (index, _) in averages {
            let name = format!("looked_back_{index}");
            slots.push(Slot {
                together: format!("AVG({name})"),
                name,
                holds: ColumnType::Float,
            });
        }
        let row = |groups: &[String], values: &[(String, String)], is_row: u8, from: &str, wheres: &[String]| {
            let mut items: Vec<String> = groups
                .iter()
                .zip(names)
                .map(|(sql, name)| if sql == name { name.clone() } else { aliased(sql, name) })
                .collect();
            for slot in &slots {
                let value = values.iter().find(|(name, _)| *name == slot.name);
                items.push(match value {
                    Some((name, sql)) if name == sql => name.clone(),
                    Some((name, sql)) => aliased(sql, name),
                    None => aliased(&null_of(slot.holds), &slot.name),
                });
            }
            items.push(format!("{is_row} AS is_row"));
            let mut sql = format!("SELECT {}\nFROM {from}", items.join(", "));
            push_list(&mut sql, "WHERE", wheres, " AND ");
            sql
        };
        let own: Vec<(String, String)> = self
            .metrics
            .iter()
            .map(|used| (used.name.clone(), used.name.clone()))
            .collect();
        let mut united = vec![row(names, &own, 1, "answer", &[])];
        for (comparison, shift) in &self.shifts {
            let core = self.core(Some(*shift))?;
            let values: Vec<(String, String)> = self
                .metrics
                .iter()
                .enumerate()
                .filter(|(index, _)| self.is_compared(*index))
                .map(|(_, used)| (Self::earlier_name(*comparison, used), used.name.clone()))
                .collect();
            let (groups, wheres) = self.relabelled(names, *shift);
            united.push(row(
                &groups,
                &values,
                0,
                &format!("(\n  {}\n) AS earlier", core.replace('\n', "\n  ")),
                &wheres,
            ));
        }
        for (index, count) in averages {
            let Some(used) = self.metrics.get(*index) else { continue };
            let steps: Vec<String> = (0..*count)
                .map(|step| {
                    if step == 0 {
                        "SELECT 0 AS step".to_owned()
                    } else {
                        format!("SELECT {step}")
                    }
                })
                .collect();
            let grain = self.query.grain.unwrap_or(Grain::Day);
            let groups: Vec<String> = self
                .groups
                .iter()
                .zip(names)
                .map(|(group, name)| match group.what {
                    GroupBy::Grain(Grain::Year) => format!("{name} + steps.step"),
                    GroupBy::Grain(_) => format!("CAST(DATEADD({}, steps.step, {name}) AS DATE)", grain.name()),
                    _ => name.clone(),
                })
                .collect();
            let values = vec![(
                format!("looked_back_{index}"),
                format!("CAST({} AS DOUBLE PRECISION)", used.name),
            )];
            let wheres = self.has_stretch(names);
            united.push(row(
                &groups,
                &values,
                0,
                &format!("answer CROSS JOIN ({}) AS steps", steps.join(" UNION ALL ")),
                &wheres,
            ));
        }
        let mut items: Vec<String> = Vec::new();
        let mut group_by = Vec::new();
        for (at, (group, name)) in self.groups.iter().zip(names).enumerate() {
            if self.is_taken_currency(group) {
                items.push(format!("MAX({name}) AS {name}"));
            } else {
                items.push(name.clone());
                group_by.push((at + 1).to_string());
            }
        }
        items.extend(slots.iter().map(|slot| aliased(&slot.together, &slot.name)));
        let united: Vec<String> = united
            .iter()
            .map(|sql| format!("  {}", sql.replace('\n', "\n  ")))
            .collect();
        let mut sql = format!(
            "SELECT\n  {}\nFROM (\n{}\n) AS united",
            items.join(",\n  "),
            united.join("\n  UNION ALL\n")
        );
        push_list(&mut sql, "GROUP BY", &group_by, ", ");
        sql.push_str("\nHAVING MAX(is_row) = 1");
        Ok(sql)
    }

    fn has_stretch(&self, names: &[String]) -> Vec<String> {
        self.groups
            .iter()
            .zip(names)
            .filter(|(group, _)| matches!(group.what, GroupBy::Grain(_)))
            .map(|(_, name)| format!("{name} IS NOT NULL"))
            .collect()
    }

    /// The groups of an earlier stretch under the label of the later one.
    fn relabelled(&self, names: &[String], shift: Shift) -> (Vec<String>, Vec<String>) {
        let mut wheres = Vec::new();
        let groups = self
            .groups
            .iter()
            .zip(names)
            .map(|(group, name)| match group.what {
                GroupBy::Grain(_) => {
                    wheres.push(shift.has_label(name));
                    shift.label(name)
                }
                _ => name.clone(),
            })
            .collect();
        (groups, wheres)
    }

    /// The rows that belong together in shares, ranks and averages: those of one stretch of time, where there are
    /// other dimensions, and of one currency. Where `apart`, rows without a value of a dimension by themselves.
    fn partition(&self, names: &[String], apart: bool) -> Vec<String> {
        let mut partition = Vec::new();
        for (group, name) in self.groups.iter().zip(names) {
            let splits = match group.what {
                GroupBy::Grain(_) => !self.dimensions.is_empty(),
                GroupBy::Currency => {
                    matches!(self.currency, CurrencyRule::Group(_))
                        && (self.currency == CurrencyRule::Group(true)
                            || self.dimensions.len() > 1
                            || self.query.grain.is_some())
                }
                _ => false,
            };
            if splits {
                partition.push(name.clone());
            }
        }
        if apart && self.needs_apart() {
            partition.push("is_apart".to_owned());
        }
        partition
    }

    fn needs_apart(&self) -> bool {
        self.added
            .iter()
            .any(|added| matches!(added.added, Added::Rank | Added::Peers | Added::PeersDifference))
            && self.groups.iter().any(|group| self.is_asked(group))
    }

    /// Marks the rows without a value of a dimension, which are ranked by themselves. It is a column of its own because
    /// DataFusion does not plan windows whose partitions are expressions.
    fn apart(&self, names: &[String], from: &str) -> Option<String> {
        let unknown: Vec<String> = self
            .groups
            .iter()
            .zip(names)
            .filter(|(group, _)| self.is_asked(group))
            .map(|(_, name)| format!("{name} IS NULL"))
            .collect();
        self.needs_apart().then(|| {
            format!(
                "SELECT {from}.*, CASE WHEN {} THEN 1 ELSE 0 END AS is_apart\nFROM {from}",
                unknown.join(" OR ")
            )
        })
    }

    fn measured(&self, names: &[String], from: &str) -> String {
        let mut items: Vec<String> = names.to_vec();
        let double = |sql: &str| format!("CAST({sql} AS DOUBLE PRECISION)");
        let money = |sql: String, holds: ColumnType| {
            if holds == ColumnType::Decimal {
                format!("CAST(ROUND({sql}, 2) AS DECIMAL(14, 2))")
            } else {
                sql
            }
        };
        for (index, used) in self.metrics.iter().enumerate() {
            let name = &used.name;
            match self.query.metrics.get(index).and_then(|metric| metric.window) {
                None => items.push(name.clone()),
                Some(Window::RunningTotal) => {
                    let others: Vec<String> = self
                        .groups
                        .iter()
                        .zip(names)
                        .filter(|(group, _)| !matches!(group.what, GroupBy::Grain(_)) && !self.is_taken_currency(group))
                        .map(|(_, name)| name.clone())
                        .collect();
                    let grain = self.query.grain.map_or("1", Grain::name);
                    items.push(aliased(
                        &format!(
                            "SUM({name}) OVER ({}ORDER BY {grain} ASC NULLS LAST ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW)",
                            partition_by(&others)
                        ),
                        name,
                    ));
                }
                Some(window @ Window::MovingAverage(_)) => {
                    let sql = money(format!("looked_back_{index}"), windowed_type(used, Some(window)));
                    items.push(aliased(&sql, name));
                }
            }
        }
        let shared = partition_by(&self.partition(names, false));
        let ranked = partition_by(&self.partition(names, true));
        for added in &self.added {
            let Some(used) = self.metrics.get(added.metric) else {
                continue;
            };
            let value = &used.name;
            let before = |what: Added| format!("{value}{}", what.suffix());
            let change = |earlier: Added| format!("{value} - {}", before(earlier));
            let percent = |earlier: Added| {
                format!(
                    "100.0 * ({} - {}) / NULLIF(ABS({}), 0)",
                    double(value),
                    double(&before(earlier)),
                    double(&before(earlier))
                )
            };
            let peers = format!(
                "(SUM({d}) OVER ({ranked}) - COALESCE({d}, 0)) / NULLIF(COUNT({value}) OVER ({ranked}) - CASE WHEN {value} IS NULL THEN 0 ELSE 1 END, 0)",
                ranked = ranked.trim_end(),
                d = double(value)
            );
            let sql = match added.added {
                Added::Before | Added::LastYear => added.name.clone(),
                Added::Change => change(Added::Before),
                Added::ChangePercent => percent(Added::Before),
                Added::LastYearChange => change(Added::LastYear),
                Added::LastYearChangePercent => percent(Added::LastYear),
                Added::Share => format!(
                    "100.0 * {d} / NULLIF(SUM({d}) OVER ({}), 0)",
                    shared.trim_end(),
                    d = double(value)
                ),
                Added::Rank => {
                    format!(
                        "CASE WHEN {value} IS NOT NULL THEN RANK() OVER ({ranked}ORDER BY {value} DESC NULLS LAST) END"
                    )
                }
                Added::Peers => money(peers, added_type(used, Added::Peers)),
                Added::PeersDifference => money(
                    format!("{} - {peers}", double(value)),
                    added_type(used, Added::PeersDifference),
                ),
            };
            items.push(if sql == added.name {
                sql
            } else {
                aliased(&sql, &added.name)
            });
        }
        format!("SELECT\n  {}\nFROM {from}", items.join(",\n  "))
    }

    /// Which of the measured rows are shown: by the conditions on numbers, the focus, and for a ranking those that
    /// have a value of every dimension asked for.
    fn row_conditions(&self, names: &[String]) -> Result<Vec<String>, QueryError> {
        let mut conditions = Vec::new();
        if self.is_ranking() {
            conditions.extend(
                self.groups
                    .iter()
                    .zip(names)
                    .filter(|(group, _)| self.is_asked(group))
                    .map(|(_, name)| format!("{name} IS NOT NULL")),
            );
        }
        for (index, clause) in self.query.focus.iter().enumerate() {
            conditions.push(self.focus_sql(clause, &format!("focus[{index}]"))?);
        }
        let mut single = |filter: &MetricFilter, path: &str| -> Result<String, QueryError> {
            let of_metric = self
                .metrics
                .iter()
                .enumerate()
                .find(|(_, used)| used.name == filter.metric)
                .map(|(index, used)| {
                    let window = self.query.metrics.get(index).and_then(|metric| metric.window);
                    (windowed_type(used, window), used.metric.label.clone())
                });
            let of_added = || {
                let added = self.added.iter().find(|added| added.name == filter.metric)?;
                let used = self.metrics.get(added.metric)?;
                Some((added_type(used, added.added), added.name.clone()))
            };
            let Some((holds, label)) = of_metric.or_else(of_added) else {
                return Ok("TRUE".to_owned());
            };
            number_condition(self.world, filter, &filter.metric, holds, &label, path)
        };
        for (index, clause) in self.query.having.iter().enumerate() {
            conditions.push(having_sql(clause, &format!("having[{index}]"), &mut single)?);
        }
        Ok(conditions)
    }

    fn focus_sql(&self, clause: &FilterClause, path: &str) -> Result<String, QueryError> {
        let each = |parts: &[FilterClause], name: &str| -> Result<Vec<String>, QueryError> {
            parts
                .iter()
                .enumerate()
                .map(|(index, part)| self.focus_sql(part, &format!("{path}.{name}[{index}]")))
                .collect()
        };
        match clause {
            FilterClause::Is(filter) => {
                let is_it = |group: &&Group<'_>| group.name.as_deref() == Some(filter.dimension.as_str());
                let dimension = self.world.dimension(&filter.dimension, &format!("{path}.dimension"))?;
                if !self.groups.iter().any(|group| is_it(&group)) {
                    return Err(QueryError::new(
                        QueryErrorCode::BadQuery,
                        format!("{path}.dimension"),
                        format!("The answer has no column {:?}.", filter.dimension),
                    ));
                }
                let day = format!("CAST({} AS DATE)", dimension.name);
                let operand = Operand {
                    sql: if dimension.column_type == ColumnType::Timestamp {
                        &day
                    } else {
                        &dimension.name
                    },
                    holds: day_of(dimension.column_type),
                    hint: &dimension.name,
                    label: &dimension.label,
                    path,
                };
                condition(
                    &operand,
                    filter.op,
                    &filter.values,
                    &mut self.world.parameters.borrow_mut(),
                )
            }
            FilterClause::Any { any } => Ok(format!("({})", each(any, "any")?.join(" OR "))),
            FilterClause::All { all } => Ok(format!("({})", each(all, "all")?.join(" AND "))),
            FilterClause::Not { not } => Ok(format!("NOT ({})", self.focus_sql(not, &format!("{path}.not"))?)),
            FilterClause::Exists { .. } | FilterClause::Than { .. } => Err(QueryError::new(
                QueryErrorCode::BadQuery,
                path,
                "A focus is on values of the answer's own dimensions.",
            )),
        }
    }

    /// The measured rows that are shown, counted within their groups.
    fn placed(&self, names: &[String], conditions: &[String]) -> Option<String> {
        let top = self.query.top.as_ref()?;
        let by = top.by.clone().or_else(|| self.number_names().first().cloned())?;
        let mut partition = Vec::new();
        let mut order = vec![format!("{by} {}", direction_sql(top.direction))];
        for (group, name) in self.groups.iter().zip(names) {
            let per = match &group.what {
                GroupBy::Grain(grain) => top.per.iter().any(|per| per == grain.name()),
                GroupBy::Key(_, dimension) => top.per.contains(&dimension.name),
                GroupBy::Row(_) => false,
                GroupBy::Dimension(_) => group.name.as_ref().is_some_and(|name| top.per.contains(name)),
                GroupBy::Currency => {
                    self.currency == CurrencyRule::Group(true)
                        || group.name.as_ref().is_some_and(|name| top.per.contains(name))
                }
            };
            if per {
                partition.push(name.clone());
            } else if !self.is_taken_currency(group) {
                order.push(format!("{name} {}", direction_sql(Direction::Ascending)));
            }
        }
        let mut sql = format!(
            "SELECT measured.*, ROW_NUMBER() OVER ({}ORDER BY {}) AS place_in_group\nFROM measured",
            partition_by(&partition),
            order.join(", ")
        );
        push_list(&mut sql, "WHERE", conditions, "\n  AND ");
        Some(sql)
    }
}

fn partition_by(columns: &[String]) -> String {
    if columns.is_empty() {
        String::new()
    } else {
        format!("PARTITION BY {} ", columns.join(", "))
    }
}
