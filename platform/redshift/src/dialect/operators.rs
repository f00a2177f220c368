//! Where the planner meets an operator whose types are Redshift's, it gets the function that stands for it.

use crate::functions;
use datafusion::{
    common::{DFSchema, Result},
    logical_expr::{
        Expr, Operator,
        expr::ScalarFunction,
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
        Ok(match functions::operator(op) {
            Some(function) => PlannerResult::Planned(Expr::ScalarFunction(ScalarFunction::new_udf(
                function,
                vec![expr.left, expr.right],
            ))),
            None => PlannerResult::Original(expr),
        })
    }
}
