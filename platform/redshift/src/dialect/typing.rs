//! What the plan is told about types before the engine's own coercion: integer literals are INTEGER where they fit,
//! literal texts beside another type are read as that type, and blanks at the end of a text mean nothing when it is
//! compared.

use super::build_cast;
use crate::types::SqlType;
use arrow::datatypes::DataType;
use datafusion::{
    common::{
        DFSchema, Result, ScalarValue,
        config::ConfigOptions,
        tree_node::{Transformed, TransformedResult, TreeNode},
    },
    functions::string::expr_fn::rtrim,
    logical_expr::{
        BinaryExpr, Expr, ExprSchemable, LogicalPlan, Operator,
        expr::{InList, WindowFunction},
        expr_rewriter::NamePreserver,
        utils::merge_schema,
    },
    optimizer::{Analyzer, AnalyzerRule},
};
use std::sync::Arc;

/// The engine's rules with Redshift's before them.
pub(crate) fn analyzer_rules() -> Vec<Arc<dyn AnalyzerRule + Send + Sync>> {
    let mut rules: Vec<Arc<dyn AnalyzerRule + Send + Sync>> = vec![Arc::new(Typing)];
    rules.extend(Analyzer::new().rules);
    rules
}

#[derive(Debug)]
struct Typing;

impl AnalyzerRule for Typing {
    fn name(&self) -> &str {
        "redshift_types"
    }

    fn analyze(&self, plan: LogicalPlan, _: &ConfigOptions) -> Result<LogicalPlan> {
        // The two parts of a recursive query agreed on their types when it was planned.
        if plan.exists(|node| Ok(matches!(node, LogicalPlan::RecursiveQuery(_))))? {
            return Ok(plan);
        }
        plan.transform_up_with_subqueries(node).data()
    }
}

fn node(plan: LogicalPlan) -> Result<Transformed<LogicalPlan>> {
    if matches!(
        plan,
        LogicalPlan::Limit(_) | LogicalPlan::Values(_) | LogicalPlan::TableScan(_) | LogicalPlan::EmptyRelation(_)
    ) {
        return Ok(Transformed::no(plan));
    }
    let schema = merge_schema(&plan.inputs());
    let names = NamePreserver::new(&plan);
    plan.map_expressions(|expr| {
        let name = names.save(&expr);
        let typed = expr.transform_up(|expr| Ok(typed(expr, &schema)))?;
        Ok(typed.update_data(|expr| name.restore(expr)))
    })?
    .map_data(LogicalPlan::recompute_schema)
}

fn typed(expr: Expr, schema: &DFSchema) -> Transformed<Expr> {
    match expr {
        Expr::Literal(ScalarValue::Int64(Some(value)), metadata) => match i32::try_from(value) {
            Ok(value) => Transformed::yes(Expr::Literal(ScalarValue::Int32(Some(value)), metadata)),
            Err(_) => Transformed::no(Expr::Literal(ScalarValue::Int64(Some(value)), metadata)),
        },
        Expr::Literal(ScalarValue::UInt64(Some(value)), metadata) => {
            let value = ScalarValue::Decimal128(Some(i128::from(value)), 20, 0);
            Transformed::yes(Expr::Literal(value, metadata))
        }
        // LAG, NTILE and the like take their counts as the planner made them.
        Expr::WindowFunction(mut function) => {
            widen_counts(&mut function);
            Transformed::yes(Expr::WindowFunction(function))
        }
        Expr::BinaryExpr(BinaryExpr { left, op, right }) if op.supports_propagation() || is_distinct(op) => {
            let (left, right) = compared(*left, *right, schema);
            Transformed::yes(Expr::BinaryExpr(BinaryExpr {
                left: Box::new(left),
                op,
                right: Box::new(right),
            }))
        }
        Expr::InList(InList { expr, list, negated }) => {
            let list = list
                .into_iter()
                .map(|item| beside(item, expr.get_type(schema).ok().as_ref()))
                .collect();
            Transformed::yes(Expr::InList(InList { expr, list, negated }))
        }
        Expr::Between(mut between) => {
            let data_type = between.expr.get_type(schema).ok();
            *between.low = beside(std::mem::take(&mut *between.low), data_type.as_ref());
            *between.high = beside(std::mem::take(&mut *between.high), data_type.as_ref());
            Transformed::yes(Expr::Between(between))
        }
        other => Transformed::no(other),
    }
}

fn is_distinct(op: Operator) -> bool {
    matches!(op, Operator::IsDistinctFrom | Operator::IsNotDistinctFrom)
}

fn widen_counts(function: &mut WindowFunction) {
    use datafusion::logical_expr::expr::WindowFunctionDefinition;
    if !matches!(function.fun, WindowFunctionDefinition::WindowUDF(_)) {
        return;
    }
    for (at, arg) in function.params.args.iter_mut().enumerate() {
        // The first argument of LAG and the like is the value; of NTILE it is the count.
        if (at == 1 || function.fun.name() == "ntile")
            && let Expr::Literal(ScalarValue::Int32(Some(count)), _) = arg
        {
            *arg = Expr::Literal(ScalarValue::Int64(Some(i64::from(*count))), None);
        }
    }
}

fn is_text(data_type: Option<&DataType>) -> bool {
    matches!(
        data_type,
        Some(DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View)
    )
}

fn compared(left: Expr, right: Expr, schema: &DFSchema) -> (Expr, Expr) {
    let (of_left, of_right) = (left.get_type(schema).ok(), right.get_type(schema).ok());
    if is_text(of_left.as_ref()) && is_text(of_right.as_ref()) && !left.any_column_refs() && !right.any_column_refs() {
        return (blank(left), blank(right));
    }
    (beside(left, of_right.as_ref()), beside(right, of_left.as_ref()))
}

/// An expression without columns, without blanks at its end.
fn blank(expr: Expr) -> Expr {
    match expr {
        Expr::Literal(ScalarValue::Utf8(Some(_)), _) => beside(expr, Some(&DataType::Utf8)),
        // A value that was bound may still be on its way.
        Expr::Placeholder(_) | Expr::ScalarSubquery(_) => expr,
        other => rtrim(vec![other]),
    }
}

/// A literal text as what stands beside it.
fn beside(expr: Expr, other: Option<&DataType>) -> Expr {
    let Expr::Literal(ScalarValue::Utf8(Some(text)), metadata) = expr else {
        return expr;
    };
    let target = match other {
        Some(data_type) if is_text(Some(data_type)) => {
            let trimmed = text.trim_end_matches(' ').to_owned();
            return Expr::Literal(ScalarValue::Utf8(Some(trimmed)), metadata);
        }
        Some(integer) if integer.is_integer() => SqlType::BigInt,
        // Compared as it is written, with all its places.
        Some(DataType::Decimal128(..)) => {
            let places = text.trim().split_once('.').map_or(0, |(_, places)| places.len());
            SqlType::Decimal(38, i8::try_from(places.min(20)).unwrap_or(0))
        }
        Some(DataType::Float32 | DataType::Float64) => SqlType::Double,
        Some(DataType::Boolean) => SqlType::Boolean,
        Some(DataType::Date32) => SqlType::Date,
        Some(DataType::Timestamp(_, None)) => SqlType::Timestamp,
        Some(DataType::Timestamp(_, Some(_))) => SqlType::TimestampTz,
        _ => return Expr::Literal(ScalarValue::Utf8(Some(text)), metadata),
    };
    build_cast(Expr::Literal(ScalarValue::Utf8(Some(text)), metadata), target)
}
