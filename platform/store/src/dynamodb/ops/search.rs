//! Query and Scan: one page at a time over a table or an index.

use super::capacity::{Capacity, read_units};
use crate::dynamodb::{
    Dynamo, PAGE_MAX_BYTES,
    engine::{Range, Snapshot},
    error::{DynamoError, invalid, invalid_parameter},
    expression::{
        Comparator, Condition, KeyCondition, Placeholders, Projection, Role, SortCondition, condition, keys, projection,
    },
    key,
    request::{CAPACITY, Constraints, read, refuse_legacy, table_name},
    schema::{Index, IndexProjection, KeySchema, Table},
    value::{Item, Value, item_from_json, item_size_bytes, item_to_json},
};
use serde::Deserialize;
use serde_json::{Map, Value as Json, json};

const SELECT: [&str; 4] = [
    "ALL_ATTRIBUTES",
    "ALL_PROJECTED_ATTRIBUTES",
    "SPECIFIC_ATTRIBUTES",
    "COUNT",
];
const SEGMENTS_MAX: i64 = 1_000_000;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct SearchRequest {
    table_name: Option<String>,
    index_name: Option<String>,
    key_condition_expression: Option<String>,
    filter_expression: Option<String>,
    projection_expression: Option<String>,
    expression_attribute_names: Option<Map<String, Json>>,
    expression_attribute_values: Option<Map<String, Json>>,
    limit: Option<i64>,
    exclusive_start_key: Option<Json>,
    scan_index_forward: Option<bool>,
    consistent_read: Option<bool>,
    select: Option<String>,
    segment: Option<i64>,
    total_segments: Option<i64>,
    return_consumed_capacity: Option<String>,
}

/// The expressions of a request, read.
struct Expressions {
    keys: Option<KeyCondition>,
    filter: Option<Condition>,
    projection: Option<Projection>,
}

impl SearchRequest {
    fn constraints(&self) -> Result<(), DynamoError> {
        let mut constraints = Constraints::default();
        constraints.table(&self.table_name);
        constraints.name("indexName", &self.index_name);
        constraints.at_least("limit", self.limit, 1);
        constraints.one_of("select", &self.select, &SELECT);
        constraints.one_of("returnConsumedCapacity", &self.return_consumed_capacity, &CAPACITY);
        constraints.at_least("totalSegments", self.total_segments, 1);
        constraints.at_most("totalSegments", self.total_segments, SEGMENTS_MAX);
        constraints.at_least("segment", self.segment, 0);
        constraints.at_most("segment", self.segment, SEGMENTS_MAX - 1);
        constraints.finish()
    }

    fn expressions(&self, query: bool) -> Result<Expressions, DynamoError> {
        let all = [
            (Role::Projection, &self.projection_expression),
            (Role::Filter, &self.filter_expression),
            (Role::KeyCondition, &self.key_condition_expression),
        ];
        let mut placeholders = Placeholders::new(
            self.expression_attribute_names.as_ref(),
            self.expression_attribute_values.as_ref(),
            if query { &all } else { &all[..2] },
        )?;
        if query && self.key_condition_expression.is_none() {
            return Err(invalid(
                "Either the KeyConditions or KeyConditionExpression parameter must be specified in the request.",
            ));
        }
        let keys = match query {
            true => placeholders.parse_optional(Role::KeyCondition, &self.key_condition_expression, keys::parse)?,
            false => None,
        };
        let filter = placeholders.parse_optional(Role::Filter, &self.filter_expression, condition::parse)?;
        let projection =
            placeholders.parse_optional(Role::Projection, &self.projection_expression, projection::parse)?;
        placeholders.refuse_unused()?;
        Ok(Expressions {
            keys,
            filter,
            projection,
        })
    }

    fn check_select(&self, table: &Table, index: Option<&Index>) -> Result<(), DynamoError> {
        let projection = self.projection_expression.is_some();
        match self.select.as_deref() {
            Some("SPECIFIC_ATTRIBUTES") if !projection => Err(invalid(
                "Must specify the AttributesToGet or ProjectionExpression when choosing to get SPECIFIC_ATTRIBUTES",
            )),
            Some("COUNT") if projection => Err(invalid(
                "Cannot specify the ProjectionExpression when choosing to get only the Count",
            )),
            Some(select @ ("ALL_ATTRIBUTES" | "ALL_PROJECTED_ATTRIBUTES")) if projection => Err(invalid(format!(
                "Cannot specify the ProjectionExpression when choosing to get {select}"
            ))),
            Some("ALL_PROJECTED_ATTRIBUTES") if index.is_none() => Err(invalid(
                "ALL_PROJECTED_ATTRIBUTES can be used only when Querying using an IndexName",
            )),
            Some("ALL_ATTRIBUTES") => match index {
                Some(index) if !index.local && index.projection != IndexProjection::All => {
                    Err(invalid_parameter(format_args!(
                        "Select type ALL_ATTRIBUTES is not supported for global secondary index {} for table {} \
                         because its projection type is not ALL",
                        index.name, table.name
                    )))
                }
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }
}

/// What is walked: a table, or one of its indexes.
struct Source<'a> {
    table: &'a Table,
    index: Option<&'a Index>,
}

impl Source<'_> {
    fn key(&self) -> &KeySchema {
        self.index.map_or(&self.table.key, |index| &index.key)
    }

    fn id(&self) -> u32 {
        self.index.map_or(self.table.id, |index| index.id)
    }

    /// Names that a start key must have, no more and no less.
    fn start_names(&self) -> Vec<&str> {
        let mut names: Vec<&str> = self.table.key.names().chain(self.key().names()).collect();
        names.sort_unstable();
        names.dedup();
        names
    }

    /// The place of a start key in what is walked.
    fn start_key(&self, start: &Item) -> Result<Vec<u8>, DynamoError> {
        let refused = || invalid("The provided starting key is invalid");
        let names = self.start_names();
        if names.len() != start.len() || !names.iter().all(|name| start.contains_key(*name)) {
            return Err(refused());
        }
        let primary = self.table.check_key(&self.table.key_of(start)).map_err(|_| refused())?;
        match self.index {
            None => Ok(primary),
            Some(index) => self.table.index_key_bytes(index, start, &primary).ok_or_else(refused),
        }
    }

    /// What an item is known by where a page ends.
    fn last_key(&self, item: &Item) -> Item {
        self.start_names()
            .into_iter()
            .filter_map(|name| Some((name.to_owned(), item.get(name)?.clone())))
            .collect()
    }

    /// The range that a key condition asks for.
    fn range(&self, condition: &KeyCondition) -> Result<Range, DynamoError> {
        let key = self.key();
        let find = |name: &str| condition.0.iter().find(|(key, _)| key == name).map(|(_, sort)| sort);
        let missed = |name: &str| invalid(format!("Query condition missed key schema element: {name}"));
        let known = condition.0.iter().filter(|(name, _)| key.contains(name)).count();
        let partition = match find(&key.partition) {
            Some(SortCondition::Compare(Comparator::Equal, value)) => value,
            Some(_) => return Err(invalid("Query key condition not supported")),
            None => return Err(missed(&key.partition)),
        };
        if known < condition.0.len() {
            return Err(match &key.sort {
                Some(sort) if find(sort).is_none() => missed(sort),
                _ => invalid(format!(
                    "The number of query conditions ({}) exceeds the number of key attributes defined in the schema \
                     ({})",
                    condition.0.len(),
                    key.names().count()
                )),
            });
        }
        let sort = key.sort.as_ref().and_then(|name| Some((name, find(name)?)));
        self.check_value(&key.partition, partition)?;
        if let Some((name, sort)) = &sort {
            for value in sort.values() {
                self.check_value(name, value)?;
            }
        }
        let prefix = key::partition(self.id(), partition);
        let end = || key::after_prefix(&prefix);
        let at = |value: &Value| key::with_sort(&prefix, value);
        let after = |value: &Value| key::after_prefix(&at(value)).unwrap_or_else(|| at(value));
        Ok(match sort.map(|(_, sort)| sort) {
            None => Range::prefix(prefix),
            Some(SortCondition::Compare(comparator, value)) => match comparator {
                Comparator::Equal | Comparator::NotEqual => Range::prefix(at(value)),
                Comparator::Less => Range::new(prefix.clone(), Some(at(value))),
                Comparator::LessOrEqual => Range::new(prefix.clone(), Some(after(value))),
                Comparator::Greater => Range::new(after(value), end()),
                Comparator::GreaterOrEqual => Range::new(at(value), end()),
            },
            Some(SortCondition::Between(low, high)) => Range::new(at(low), Some(after(high))),
            Some(SortCondition::BeginsWith(Value::S(text))) => {
                Range::prefix(key::with_sort_prefix(&prefix, text.as_bytes()))
            }
            Some(SortCondition::BeginsWith(Value::B(bytes))) => Range::prefix(key::with_sort_prefix(&prefix, bytes)),
            Some(SortCondition::BeginsWith(_)) => return Err(invalid("Query key condition not supported")),
        })
    }

    fn check_value(&self, name: &str, value: &Value) -> Result<(), DynamoError> {
        let wanted = self.table.attributes.get(name).map(|kind| kind.name());
        if wanted != Some(value.type_name()) {
            return Err(invalid_parameter("Condition parameter type does not match schema type"));
        }
        let empty = match value {
            Value::S(text) if text.is_empty() => "string",
            Value::B(bytes) if bytes.is_empty() => "binary",
            _ => return Ok(()),
        };
        Err(invalid(format!(
            "One or more parameter values are not valid. The AttributeValue for a key attribute cannot contain an \
             empty {empty} value. Key: {name}"
        )))
    }
}

/// What a page came to.
#[derive(Default)]
struct Page {
    items: Vec<Item>,
    count: usize,
    scanned: usize,
    bytes: usize,
    last: Option<Item>,
}

impl Dynamo {
    pub(in crate::dynamodb) fn query(&self, request: &Json) -> Result<Json, DynamoError> {
        self.search(request, true)
    }

    pub(in crate::dynamodb) fn scan(&self, request: &Json) -> Result<Json, DynamoError> {
        self.search(request, false)
    }

    fn search(&self, request: &Json, query: bool) -> Result<Json, DynamoError> {
        refuse_legacy(request)?;
        let request: SearchRequest = read(request)?;
        request.constraints()?;
        let segment = match query {
            true => None,
            false => segment(&request)?,
        };
        let expressions = request.expressions(query)?;
        let start = request.exclusive_start_key.as_ref().map(item_from_json).transpose()?;
        let snapshot = Snapshot::new(&self.store.read()?)?;
        let table = snapshot.table(table_name(request.table_name.as_deref().unwrap_or_default()))?;
        let index = match &request.index_name {
            None => None,
            Some(name) => Some(
                table
                    .index(name)
                    .ok_or_else(|| invalid(format!("The table does not have the specified index: {name}")))?,
            ),
        };
        if request.consistent_read == Some(true) && index.is_some_and(|index| !index.local) {
            return Err(invalid(
                "Consistent reads are not supported on global secondary indexes",
            ));
        }
        request.check_select(&table, index)?;
        let source = Source { table: &table, index };
        check_projected(&source, &expressions)?;
        let mut range = match &expressions.keys {
            Some(keys) => {
                let range = source.range(keys)?;
                check_filter(&source, &expressions)?;
                range
            }
            None => match segment {
                Some((segment, total)) => {
                    let (from, to) = key::segment(source.id(), segment, total);
                    Range::new(from, to)
                }
                None => Range::prefix(key::space(source.id())),
            },
        };
        let forward = request.scan_index_forward != Some(false) || !query;
        if let Some(start) = &start {
            let at = source.start_key(start)?;
            if !range.contains(&at) {
                return Err(outside(&source, &expressions, start, segment));
            }
            range = range.after(at, forward);
        }
        let page = read_page(&snapshot, &source, &request, &expressions, &range, forward)?;
        Ok(answer(&source, &request, page))
    }
}

fn segment(request: &SearchRequest) -> Result<Option<(u32, u32)>, DynamoError> {
    match (request.segment, request.total_segments) {
        (None, None) => Ok(None),
        (Some(_), None) => Err(invalid(
            "The TotalSegments parameter is required but was not present in the request when Segment parameter is \
             present",
        )),
        (None, Some(_)) => Err(invalid(
            "The Segment parameter is required but was not present in the request when parameter TotalSegments is \
             present",
        )),
        (Some(segment), Some(total)) if segment >= total => Err(invalid(format!(
            "The Segment parameter is zero-based and must be less than parameter TotalSegments: Segment: {segment} is \
             not less than TotalSegments: {total}"
        ))),
        (Some(segment), Some(total)) => Ok(u32::try_from(segment).ok().zip(u32::try_from(total).ok())),
    }
}

/// A start key that the request could never have been given.
fn outside(source: &Source<'_>, expressions: &Expressions, start: &Item, segment: Option<(u32, u32)>) -> DynamoError {
    let Some(condition) = &expressions.keys else {
        let (segment, total) = segment.unwrap_or((0, 1));
        return invalid(format!(
            "The provided starting key is invalid: Invalid ExclusiveStartKey. Please use ExclusiveStartKey with \
             correct Segment. TotalSegments: {total} Segment: {segment}"
        ));
    };
    let key = source.key();
    let broken = condition
        .0
        .iter()
        .any(|(name, sort)| key.sort.as_ref() == Some(name) && start.get(name).is_some_and(|value| !sort.holds(value)));
    invalid(if broken {
        "The provided starting key does not match the range key predicate"
    } else {
        "The provided starting key is outside query boundaries based on provided conditions"
    })
}

/// A global index has only what it projects.
fn check_projected(source: &Source<'_>, expressions: &Expressions) -> Result<(), DynamoError> {
    let (Some(index), Some(projection)) = (source.index.filter(|index| !index.local), &expressions.projection) else {
        return Ok(());
    };
    let missing: Vec<&str> = projection
        .0
        .iter()
        .map(|path| path.root())
        .filter(|name| !source.table.index_holds(index, name))
        .collect();
    if missing.is_empty() {
        return Ok(());
    }
    Err(invalid_parameter(format_args!(
        "Global secondary index {} does not project [{}]",
        index.name,
        missing.join(", ")
    )))
}

fn check_filter(source: &Source<'_>, expressions: &Expressions) -> Result<(), DynamoError> {
    let Some(filter) = &expressions.filter else {
        return Ok(());
    };
    match filter
        .paths()
        .into_iter()
        .find(|path| source.key().contains(path.root()))
    {
        None => Ok(()),
        Some(path) => Err(invalid(format!(
            "Filter Expression can only contain non-primary key attributes: Primary key attribute: {}",
            path.root()
        ))),
    }
}

fn read_page(
    snapshot: &Snapshot,
    source: &Source<'_>,
    request: &SearchRequest,
    expressions: &Expressions,
    range: &Range,
    forward: bool,
) -> Result<Page, DynamoError> {
    let limit = request
        .limit
        .and_then(|limit| usize::try_from(limit).ok())
        .unwrap_or(usize::MAX);
    let counting = request.select.as_deref() == Some("COUNT");
    // A local index fetches from the table what it lacks; a global one cannot.
    let fetches = request.select.as_deref() == Some("ALL_ATTRIBUTES") || expressions.projection.is_some();
    let mut page = Page::default();
    let (mut full, mut more) = (false, false);
    snapshot.walk(source.index, range, forward, |_, item| {
        if full {
            // The page ends before one that is there.
            more = true;
            return false;
        }
        let item = match source.index {
            Some(index) if !(index.local && fetches) => source.table.projected(index, &item),
            _ => item,
        };
        page.scanned += 1;
        page.bytes += item_size_bytes(&item);
        let last = (page.scanned == limit || page.bytes >= PAGE_MAX_BYTES).then(|| source.last_key(&item));
        if expressions.filter.as_ref().is_none_or(|filter| filter.holds(&item)) {
            page.count += 1;
            if !counting {
                page.items.push(match &expressions.projection {
                    Some(projection) => projection.of(&item),
                    None => item,
                });
            }
        }
        full = last.is_some();
        page.last = last;
        // At a limit DynamoDB stops without looking whether more follows.
        page.scanned < limit
    })?;
    if page.scanned < limit && !more {
        page.last = None;
    }
    Ok(page)
}

fn answer(source: &Source<'_>, request: &SearchRequest, page: Page) -> Json {
    let mut out = json!({ "Count": page.count, "ScannedCount": page.scanned });
    if request.select.as_deref() != Some("COUNT") {
        out["Items"] = json!(page.items.iter().map(item_to_json).collect::<Vec<_>>());
    }
    if let Some(last) = &page.last {
        out["LastEvaluatedKey"] = item_to_json(last);
    }
    let units = read_units(page.bytes, request.consistent_read == Some(true));
    let capacity = match source.index {
        None => Capacity::table(units),
        Some(index) => Capacity::index(&index.name, index.local, units),
    };
    if let Some(capacity) = capacity.to_json(&source.table.name, &request.return_consumed_capacity) {
        out["ConsumedCapacity"] = capacity;
    }
    out
}
