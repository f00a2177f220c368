//! What each of Redshift's functions is here: another name, other arguments, or an expression.

use super::{
    build::{argument, as_text, binary, call, case, null, number, text},
    last,
    parts::part_to_text,
};
use crate::{error::RedshiftError, types::SqlType};
use datafusion::sql::sqlparser::ast::{
    BinaryOperator, CaseWhen, DuplicateTreatment, Expr, Function, FunctionArg, FunctionArgExpr, FunctionArguments,
    Ident, ObjectName, Value, WindowType,
};

/// A function without brackets or a namesake of one.
pub(super) fn rewrite_function(function: &mut Function) -> Result<Option<Expr>, RedshiftError> {
    let name = match function.name.0.as_slice() {
        [_] => last(&function.name),
        // `pg_catalog.version()` and the like.
        [schema, _]
            if schema
                .as_ident()
                .is_some_and(|s| s.value.eq_ignore_ascii_case("pg_catalog")) =>
        {
            last(&function.name)
        }
        _ => None,
    };
    let Some(name) = name.map(str::to_lowercase) else {
        return Ok(None);
    };
    if let Some(done) = aggregate(function, &name)? {
        return Ok(done);
    }
    let Some(args) = plain_arguments(function) else {
        return Ok(None);
    };
    let plain = function.over.is_none() && function.filter.is_none() && function.within_group.is_empty();
    if !plain {
        return Ok(None);
    }
    scalar(&name, args)
}

fn scalar(name: &str, mut args: Vec<Expr>) -> Result<Option<Expr>, RedshiftError> {
    let rewritten = match (name, args.len()) {
        ("getdate" | "sysdate", 0) => current_time(),
        ("current_timestamp" | "now", 0) => call("now", args),
        ("nvl" | "isnull", _) => call("coalesce", args),
        ("nvl2", 3) => {
            let mut args = args.into_iter();
            let mut next = || args.next().unwrap_or_else(null);
            let (subject, some, none) = (next(), next(), next());
            case(
                vec![CaseWhen {
                    condition: Expr::IsNotNull(Box::new(subject)),
                    result: some,
                }],
                Some(none),
            )
        }
        ("decode", count) if count >= 3 => decode(args),
        ("len" | "length" | "char_length" | "textlen", 1) => call("character_length", args),
        ("octetindex", 2) => call("strpos", args),
        ("charindex", 2) => {
            args.swap(0, 1);
            call("strpos", args)
        }
        ("substr", _) => call("substring", args),
        ("concat", 2) => {
            let (right, left) = (args.pop().unwrap_or_else(null), args.pop().unwrap_or_else(null));
            binary(left, BinaryOperator::StringConcat, right)
        }
        ("concat", count) => {
            return Err(RedshiftError::NotSupported(format!(
                "function concat takes two arguments, not {count}: write a || b || c"
            )));
        }
        ("mod", 2) => {
            let (right, left) = (args.pop().unwrap_or_else(null), args.pop().unwrap_or_else(null));
            binary(left, BinaryOperator::Modulo, right)
        }
        // DATE_PART gives a double with fractions of seconds, EXTRACT an integer.
        ("date_part" | "datepart" | "pgdate_part", 2) => {
            part_to_text(&mut args[0])?;
            call("pgdate_part", args)
        }
        ("date_trunc", 2) => {
            part_to_text(&mut args[0])?;
            call("date_trunc", args)
        }
        ("dateadd" | "date_add", 3) => {
            part_to_text(&mut args[0])?;
            call("dateadd", args)
        }
        ("datediff" | "date_diff", 3) => {
            part_to_text(&mut args[0])?;
            call("datediff", args)
        }
        ("ceiling", 1) => call("ceil", args),
        ("pow", 2) => call("power", args),
        ("dexp", 1) => call("exp", args),
        ("dlog1", 1) => call("ln", args),
        ("dlog10", 1) => call("log", args),
        ("sha" | "func_sha1", 1) => call("sha1", args),
        ("sha2", 2) => {
            let bits = args.pop().map(|bits| bits.to_string());
            let algorithm = match bits.as_deref() {
                Some("0" | "256") => "sha256",
                Some("224") => "sha224",
                Some("384") => "sha384",
                Some("512") => "sha512",
                other => {
                    return Err(RedshiftError::NotSupported(format!(
                        "sha2 takes 0, 224, 256, 384 or 512 bits, not {}",
                        other.unwrap_or_default()
                    )));
                }
            };
            args.push(text(algorithm));
            call("encode", vec![call("digest", args), text("hex")])
        }
        ("trim", 1) => call("btrim", args),
        ("position", 2) => {
            args.swap(0, 1);
            call("strpos", args)
        }
        ("database", 0) => call("current_database", args),
        _ => return Ok(None),
    };
    Ok(Some(rewritten))
}

/// Aggregates and windows: `Some(None)` where the call is done, in place or as it stands.
#[allow(clippy::option_option)]
fn aggregate(function: &mut Function, name: &str) -> Result<Option<Option<Expr>>, RedshiftError> {
    match name {
        "listagg" => {
            sorted(function, "listagg", |function| {
                if arguments(function).len() == 1 {
                    arguments(function).push(argument(text("")));
                }
                Ok(())
            })?;
            Ok(Some(None))
        }
        "percentile_cont" | "percentile_disc" => {
            if function.within_group.len() != 1 {
                return Err(RedshiftError::NotSupported(format!(
                    "{name} takes WITHIN GROUP (ORDER BY x) with one expression"
                )));
            }
            sorted(function, name, |_| Ok(()))?;
            Ok(Some(None))
        }
        "median" => {
            let Some(mut args) = plain_arguments(function).filter(|args| args.len() == 1) else {
                return Err(RedshiftError::NotSupported("median takes one argument".to_owned()));
            };
            let subject = args.pop().unwrap_or_else(null);
            function.name = ObjectName::from(vec![Ident::new("percentile_cont")]);
            *arguments(function) = vec![
                argument(Expr::value(Value::Number("0.5".to_owned(), false))),
                argument(text("asc nulls last")),
                argument(subject),
            ];
            Ok(Some(None))
        }
        "ratio_to_report" => {
            let (Some(mut args), Some(over)) = (plain_arguments(function), function.over.clone()) else {
                return Err(RedshiftError::NotSupported(
                    "ratio_to_report takes one expression and OVER (PARTITION BY ...)".to_owned(),
                ));
            };
            let subject = args.pop().unwrap_or_else(null);
            let Expr::Function(mut total) = call("sum", vec![subject.clone()]) else {
                return Ok(None);
            };
            total.over = Some(over);
            let total = as_double(Expr::Function(total));
            let share = binary(
                as_double(subject),
                BinaryOperator::Divide,
                call("nullif", vec![total, number(0)]),
            );
            Ok(Some(Some(Expr::Nested(Box::new(share)))))
        }
        _ => {
            let renamed = match name {
                "any_value" => "min",
                "variance" => "var_samp",
                "var_pop" => "var_pop",
                "stddev" => "stddev_samp",
                "bool_and" | "every" => "bool_and",
                "bool_or" => "bool_or",
                _ => name,
            };
            if AGGREGATES.contains(&renamed) {
                check_frame(function)?;
                if renamed != name {
                    function.name = ObjectName::from(vec![Ident::new(renamed)]);
                    return Ok(Some(None));
                }
            }
            Ok(None)
        }
    }
}

const AGGREGATES: [&str; 15] = [
    "sum",
    "avg",
    "count",
    "min",
    "max",
    "stddev_samp",
    "stddev_pop",
    "var_samp",
    "var_pop",
    "bool_and",
    "bool_or",
    "bit_and",
    "bit_or",
    "median",
    "any_value",
];

/// "If an ORDER BY clause is used for an aggregate function, an explicit frame clause is required."
fn check_frame(function: &Function) -> Result<(), RedshiftError> {
    match &function.over {
        Some(WindowType::WindowSpec(window)) if !window.order_by.is_empty() && window.window_frame.is_none() => {
            Err(RedshiftError::NotSupported(
                "Aggregate window functions with an ORDER BY clause require a frame clause".to_owned(),
            ))
        }
        _ => Ok(()),
    }
}

/// `f(a) WITHIN GROUP (ORDER BY k1 DESC, k2)` becomes `f(a, 'desc nulls first,asc nulls last', k1, k2)`, which
/// aggregates and windows both take.
fn sorted(
    function: &mut Function,
    name: &str,
    complete: impl Fn(&mut Function) -> Result<(), RedshiftError>,
) -> Result<(), RedshiftError> {
    let mut order = Vec::new();
    let mut keys = Vec::new();
    for key in std::mem::take(&mut function.within_group) {
        let descending = key.options.asc == Some(false);
        let nulls_first = key.options.nulls_first.unwrap_or(descending);
        order.push(format!(
            "{} nulls {}",
            if descending { "desc" } else { "asc" },
            if nulls_first { "first" } else { "last" }
        ));
        keys.push(argument(key.expr));
    }
    function.name = ObjectName::from(vec![Ident::new(name)]);
    complete(function)?;
    let distinct = match &mut function.args {
        FunctionArguments::List(list) => list.duplicate_treatment.take() == Some(DuplicateTreatment::Distinct),
        _ => false,
    };
    if distinct {
        order.insert(0, "distinct".to_owned());
    }
    let args = arguments(function);
    args.push(argument(text(&order.join(","))));
    args.append(&mut keys);
    Ok(())
}

/// The list of a call's arguments, made if there is none.
fn arguments(function: &mut Function) -> &mut Vec<FunctionArg> {
    if !matches!(function.args, FunctionArguments::List(_))
        && let Expr::Function(empty) = call("", Vec::new())
    {
        function.args = empty.args;
    }
    match &mut function.args {
        FunctionArguments::List(list) => &mut list.args,
        _ => unreachable!("it was just made a list"),
    }
}

/// SYSDATE and GETDATE(): the statement's time.
pub(super) fn current_time() -> Expr {
    cast_to(call("now", Vec::new()), SqlType::Timestamp)
}

/// A cast, in the words of [`crate::functions`].
pub(super) fn cast_to(expr: Expr, target: SqlType) -> Expr {
    call(
        crate::functions::CAST,
        vec![expr, text(&crate::functions::encode_type(target))],
    )
}

fn as_double(expr: Expr) -> Expr {
    cast_to(expr, SqlType::Double)
}

/// A call's arguments, if they are plain expressions.
fn plain_arguments(function: &Function) -> Option<Vec<Expr>> {
    let FunctionArguments::List(list) = &function.args else {
        return matches!(function.args, FunctionArguments::None).then(Vec::new);
    };
    if list.duplicate_treatment.is_some() || !list.clauses.is_empty() {
        return None;
    }
    list.args
        .iter()
        .map(|arg| match arg {
            FunctionArg::Unnamed(FunctionArgExpr::Expr(expr)) => Some(expr.clone()),
            _ => None,
        })
        .collect()
}

/// `DECODE(x, a, 1, b, 2, 3)` compares so that NULL equals NULL.
fn decode(args: Vec<Expr>) -> Expr {
    let mut args = args.into_iter();
    let subject = args.next().unwrap_or_else(null);
    let rest: Vec<Expr> = args.collect();
    let mut conditions = Vec::new();
    let pairs = rest.chunks_exact(2);
    let otherwise = pairs.remainder().first().cloned();
    for pair in pairs {
        let literal =
            matches!(&pair[0], Expr::Value(value) if value.value != Value::Null) || as_text(&pair[0]).is_some();
        conditions.push(CaseWhen {
            // A literal is never NULL, and plain equality is what indexes and statistics know.
            condition: if literal {
                binary(subject.clone(), BinaryOperator::Eq, pair[0].clone())
            } else {
                Expr::IsNotDistinctFrom(Box::new(subject.clone()), Box::new(pair[0].clone()))
            },
            result: pair[1].clone(),
        });
    }
    case(conditions, otherwise)
}
