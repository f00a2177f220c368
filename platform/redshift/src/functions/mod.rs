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

pub(crate) use cast::{CAST, TYPE_KEY, decode_type, encode_type};
pub(crate) use system::SessionUser;

use crate::{dialect::Operators, error::RedshiftError};
pub(crate) use arithmetic::CHAIN;
use arithmetic::{Arithmetic, Chain};
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

static CHAIN_FUNCTION: LazyLock<Arc<ScalarUDF>> = LazyLock::new(|| Arc::new(ScalarUDF::from(Chain::new())));

/// The function that several operators stand for.
pub(crate) fn chain() -> Arc<ScalarUDF> {
    Arc::clone(&CHAIN_FUNCTION)
}

/// The operator that a function stands for.
pub(crate) fn symbol(name: &str) -> Option<Operator> {
    let found = OPERATORS.iter().find(|(_, function)| function.name() == name);
    found.map(|(op, _)| *op)
}

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
    let state = context.state_ref();
    let mut state = state.write();
    for function in functions.into_iter().flatten().map(Simple::udf) {
        // The engine's own goes with its aliases: under one of them it would come back when a session is copied.
        state.deregister_udf(function.name())?;
        state.register_udf(Arc::new(function))?;
    }
    for (_, function) in OPERATORS.iter() {
        state.register_udf(Arc::clone(function))?;
    }
    state.register_udf(cast_function())?;
    state.register_udf(chain())?;
    for function in aggregate::all() {
        state.deregister_udaf(function.name())?;
        state.register_udaf(Arc::new(function))?;
    }
    let planner: Arc<dyn ExprPlanner> = Arc::new(Operators);
    state.register_expr_planner(planner)?;
    Ok(())
}
