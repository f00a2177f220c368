//! The names that Redshift gives to a query's columns.

use super::last;
use datafusion::sql::sqlparser::ast::{Expr, Ident, Query, Select, SelectItem, SetExpr};
use std::collections::BTreeSet;

/// An alias, a column's name, a function's name, else `?column?`. `None` where a `*` makes their number unknown here;
/// an entry is `None` where the engine's own name serves.
///
/// Redshift lets two columns have one name, the engine does not: what has no name gets an alias of its own.
pub(super) fn name_columns(query: &mut Query) -> Option<Vec<Option<String>>> {
    let mut body = query.body.as_mut();
    let select: &mut Select = loop {
        match body {
            SetExpr::Select(select) => break select,
            SetExpr::Query(query) => body = query.body.as_mut(),
            SetExpr::SetOperation { left, .. } => body = left,
            _ => return None,
        }
    };
    let mut names = BTreeSet::new();
    let mut columns = BTreeSet::new();
    let mut labels = Vec::with_capacity(select.projection.len());
    for (i, item) in select.projection.iter_mut().enumerate() {
        labels.push(match item {
            SelectItem::ExprWithAlias { alias, .. } => {
                // Two columns may have one name in Redshift.
                let label = alias.value.to_lowercase();
                if names.insert(label.clone()) {
                    None
                } else {
                    *alias = Ident::with_quote('"', format!("{label} {}", i + 1));
                    Some(label)
                }
            }
            SelectItem::UnnamedExpr(expr) => {
                let label = label(expr);
                if is_column(expr) {
                    names.insert(label.clone());
                    // Columns of two tables are told apart; the same one twice is not.
                    if !columns.insert(expr.to_string().to_lowercase()) {
                        *item = SelectItem::ExprWithAlias {
                            expr: expr.clone(),
                            alias: Ident::with_quote('"', format!("{label} {}", i + 1)),
                        };
                    }
                } else {
                    // A cast of a column is named like the column, and GROUP BY means the column by that name.
                    let unique = label != "?column?" && !is_cast(expr) && names.insert(label.clone());
                    let alias = if unique {
                        label.clone()
                    } else {
                        format!("{label} {}", i + 1)
                    };
                    *item = SelectItem::ExprWithAlias {
                        expr: expr.clone(),
                        alias: Ident::with_quote('"', alias),
                    };
                }
                Some(label)
            }
            _ => return None,
        });
    }
    Some(labels)
}

/// Whether an alias was made here, and not given by a person.
pub(super) fn is_made(alias: &Ident, expr: &Expr) -> bool {
    let label = label(expr);
    alias.quote_style.is_some() && (alias.value == label || alias.value.starts_with(&format!("{label} ")))
}

fn is_column(expr: &Expr) -> bool {
    match expr {
        Expr::Identifier(ident) => !(ident.quote_style.is_none() && ident.value.eq_ignore_ascii_case("sysdate")),
        Expr::CompoundIdentifier(_) => true,
        Expr::Nested(inner) => is_column(inner),
        _ => false,
    }
}

fn is_cast(expr: &Expr) -> bool {
    match expr {
        Expr::Cast { .. } | Expr::Convert { .. } => true,
        Expr::Nested(inner) => is_cast(inner),
        _ => false,
    }
}

fn label(expr: &Expr) -> String {
    match expr {
        Expr::Identifier(ident) => ident.value.to_lowercase(),
        Expr::CompoundIdentifier(parts) => parts.last().map(|ident| ident.value.to_lowercase()).unwrap_or_default(),
        Expr::Nested(inner) => label(inner),
        Expr::Cast { expr, data_type, .. } => cast_label(expr, &data_type.to_string()),
        Expr::Convert {
            expr,
            data_type: Some(data_type),
            ..
        } => cast_label(expr, &data_type.to_string()),
        Expr::Function(function) => {
            let name = last(&function.name).unwrap_or("?column?").to_lowercase();
            // Some functions are other names of what Redshift calls them inside.
            match name.as_str() {
                "nvl" => "coalesce".to_owned(),
                "decode" => "case".to_owned(),
                "datediff" => "date_diff".to_owned(),
                "dateadd" => "date_add".to_owned(),
                "date_part" => "pgdate_part".to_owned(),
                "char_length" | "character_length" | "textlen" => "length".to_owned(),
                _ => name,
            }
        }
        Expr::Extract { .. } => "date_part".to_owned(),
        Expr::Case { .. } => "case".to_owned(),
        Expr::Ceil { .. } => "ceil".to_owned(),
        Expr::Floor { .. } => "floor".to_owned(),
        Expr::Position { .. } => "position".to_owned(),
        Expr::Substring { .. } => "substring".to_owned(),
        Expr::Trim { .. } => "btrim".to_owned(),
        Expr::AtTimeZone { .. } => "timezone".to_owned(),
        Expr::TypedString(typed) => type_label(&typed.data_type.to_string()),
        Expr::Exists { .. } => "exists".to_owned(),
        _ => "?column?".to_owned(),
    }
}

/// A cast is named like what it casts, and a cast literal like its type.
fn cast_label(expr: &Expr, data_type: &str) -> String {
    match label(expr).as_str() {
        "?column?" => type_label(data_type),
        name => name.to_owned(),
    }
}

/// The short name of a type: what a column of a cast literal is called.
fn type_label(data_type: &str) -> String {
    let name = data_type.split('(').next().unwrap_or_default().trim().to_lowercase();
    match name.as_str() {
        "smallint" | "int2" => "int2",
        "integer" | "int" | "int4" => "int4",
        "bigint" | "int8" => "int8",
        "decimal" | "numeric" | "dec" => "numeric",
        "real" | "float4" => "float4",
        "double precision" | "double" | "float" | "float8" => "float8",
        "boolean" | "bool" => "bool",
        "character" | "char" | "bpchar" | "nchar" => "bpchar",
        "character varying" | "varchar" | "nvarchar" => "varchar",
        "timestamp with time zone" | "timestamptz" => "timestamptz",
        other => other.split(' ').next().unwrap_or_default(),
    }
    .to_owned()
}
