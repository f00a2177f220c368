//! Functions that Redshift has and the engine does not, or has otherwise, and the operators and casts whose types and
//! errors are Redshift's. [`crate::dialect`] writes statements in these functions' names.

mod aggregate;
mod arithmetic;
mod calendar;
mod cast;
mod dates;
mod format;
mod numbers;
mod patterns;
mod simple;
mod system;
mod texts;

pub(crate) use cast::{CAST, encode_type};

use crate::{dialect::Operators, error::RedshiftError};
use arithmetic::Arithmetic;
use cast::CastTo;
use datafusion::{
    execution::FunctionRegistry,
    logical_expr::{Operator, ScalarUDF, planner::ExprPlanner},
    prelude::SessionContext,
};
use simple::Simple;
use std::sync::{Arc, LazyLock};

/// The arithmetic operators by Redshift's rules.
static OPERATORS: LazyLock<[(Operator, Arc<ScalarUDF>); 5]> = LazyLock::new(|| {
    [
        (Operator::Plus, "plus"),
        (Operator::Minus, "minus"),
        (Operator::Multiply, "times"),
        (Operator::Divide, "divided_by"),
        (Operator::Modulo, "modulo"),
    ]
    .map(|(op, name)| (op, Arc::new(ScalarUDF::from(Arithmetic::new(op, name)))))
});

static CAST_FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(CastTo::new())));

/// The function that casts stand for.
pub(crate) fn cast_function() -> Arc<ScalarUDF> {
    Arc::clone(&CAST_FUNCTION)
}

/// The function that stands for an operator.
pub(crate) fn operator(op: Operator) -> Option<Arc<ScalarUDF>> {
    let found = OPERATORS.iter().find(|(known, _)| *known == op);
    found.map(|(_, function)| Arc::clone(function))
}

/// Gives a session Redshift's functions and operators.
///
/// # Errors
/// The engine does not take an operator.
pub(crate) fn register(context: &SessionContext) -> Result<(), RedshiftError> {
    let functions = [
        dates::all(),
        format::all(),
        numbers::all(),
        patterns::all(),
        system::all(),
        texts::all(),
    ];
    for function in functions.into_iter().flatten().map(Simple::udf) {
        context.register_udf(function);
    }
    for (_, function) in OPERATORS.iter() {
        context.register_udf(function.as_ref().clone());
    }
    context.register_udf(cast_function().as_ref().clone());
    aggregate::register(context);
    let state = context.state_ref();
    let planner: Arc<dyn ExprPlanner> = Arc::new(Operators);
    state.write().register_expr_planner(planner)?;
    Ok(())
}
