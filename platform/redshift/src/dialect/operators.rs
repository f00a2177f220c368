//! Where the planner meets an operator whose types are Redshift's, it gets the function that stands for it.

use crate::functions;
use datafusion::{
    common::{DFSchema, Result, ScalarValue},
    logical_expr::{
        Expr, Operator,
        expr::ScalarFunction,
        lit,
        planner::{ExprPlanner, PlannerResult, RawBinaryExpr},
    },
    sql::sqlparser::ast::BinaryOperator,
};

#[derive(Debug)]
pub(crate) struct Operators;

impl ExprPlanner for Operators {
    fn plan_binary_op(&self, expr: RawBinaryExpr, _: &DFSchema) -> Result<PlannerResult<RawBinaryExpr>> {
        let op = match &expr.op {
            BinaryOperator::Plus => Operator::Plus,
            BinaryOperator::Minus => Operator::Minus,
            BinaryOperator::Multiply => Operator::Multiply,
            BinaryOperator::Divide => Operator::Divide,
            BinaryOperator::Modulo => Operator::Modulo,
            _ => return Ok(PlannerResult::Original(expr)),
        };
        // What stands on the left may be such an operator itself: they become one call.
        if let Expr::ScalarFunction(left) = &expr.left
            && let Some(symbols) = symbols(left)
        {
            let values = if left.func.name() == functions::CHAIN { 1 } else { 0 };
            let mut args = vec![lit(format!("{symbols}{op}"))];
            args.extend(left.args.iter().skip(values).cloned());
            args.push(expr.right);
            return Ok(PlannerResult::Planned(functions::chain().call(args)));
        }
        Ok(match functions::operator(op) {
            Some(function) => PlannerResult::Planned(function.call(vec![expr.left, expr.right])),
            None => PlannerResult::Original(expr),
        })
    }
}

/// The operators of a call that stands for some.
fn symbols(call: &ScalarFunction) -> Option<String> {
    if call.func.name() == functions::CHAIN {
        return match call.args.first() {
            Some(Expr::Literal(ScalarValue::Utf8(Some(symbols)), _)) => Some(symbols.clone()),
            _ => None,
        };
    }
    functions::symbol(call.func.name()).map(|op| op.to_string())
}
