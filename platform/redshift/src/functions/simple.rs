//! A small frame for scalar functions: what their arguments are brought to, what they return, and one function over
//! arrays. What Redshift converts by itself is converted here, so that the functions see few types.

use crate::types::SqlType;
use arrow::{
    array::{Array, ArrayRef, AsArray, Float64Array, Int64Array, StringArray, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, Date32Type, Field, FieldRef, Float64Type, Int64Type, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    common::{DataFusionError, Result, ScalarValue, config::ConfigOptions, exec_err, internal_err, plan_err},
    logical_expr::{
        ColumnarValue, ReturnFieldArgs, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility,
    },
};
use std::{
    hash::{Hash, Hasher},
    sync::Arc,
};

pub(super) const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(super) fn micros_utc() -> DataType {
    DataType::Timestamp(TimeUnit::Microsecond, Some(Arc::from("UTC")))
}

/// What an argument is brought to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Int,
    Float,
    /// Any number, as it is; a text is read as a double.
    Number,
    /// A date, a timestamp with or without zone, or a text that is read as a timestamp.
    Moment,
    Bool,
    /// Left alone: its value decides about the type of the result.
    Literal,
    Any,
}

/// What a result is, from the types of the arguments and from those that are literals.
pub(super) type Returns = fn(&[DataType], &[Option<&ScalarValue>]) -> Result<DataType>;

#[derive(Debug)]
pub(super) struct Simple {
    pub name: &'static str,
    /// The last one may repeat, if `repeats`.
    pub kinds: &'static [Kind],
    /// How many arguments there must be at least.
    pub required: usize,
    pub repeats: bool,
    pub returns: Returns,
    pub run: fn(&Args) -> Result<ArrayRef>,
    pub signature: Signature,
}

impl PartialEq for Simple {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Simple {}

impl Hash for Simple {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.name.hash(state);
    }
}

/// A function whose arguments are all required.
pub(super) fn simple(
    name: &'static str,
    kinds: &'static [Kind],
    returns: Returns,
    run: fn(&Args) -> Result<ArrayRef>,
) -> Simple {
    Simple {
        name,
        kinds,
        required: kinds.len(),
        repeats: false,
        returns,
        run,
        signature: Signature::user_defined(Volatility::Immutable),
    }
}

impl Simple {
    pub fn required(self, required: usize) -> Simple {
        Simple { required, ..self }
    }

    pub fn repeats(self) -> Simple {
        Simple { repeats: true, ..self }
    }

    pub fn udf(self) -> ScalarUDF {
        ScalarUDF::from(self)
    }

    fn kind(&self, at: usize) -> Option<Kind> {
        match self.kinds.get(at) {
            Some(kind) => Some(*kind),
            None if self.repeats => self.kinds.last().copied(),
            None => None,
        }
    }

    fn no_such(&self, types: &[DataType]) -> String {
        let names: Vec<String> = types
            .iter()
            .map(|one| SqlType::of_arrow(one).long_name().to_owned())
            .collect();
        format!("function {}({}) does not exist", self.name, names.join(", "))
    }
}

impl ScalarUDFImpl for Simple {
    fn name(&self) -> &str {
        self.name
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, types: &[DataType]) -> Result<DataType> {
        (self.returns)(types, &vec![None; types.len()])
    }

    fn return_field_from_args(&self, args: ReturnFieldArgs) -> Result<FieldRef> {
        let types: Vec<DataType> = args.arg_fields.iter().map(|field| field.data_type().clone()).collect();
        let returned = (self.returns)(&types, args.scalar_arguments)?;
        Ok(Arc::new(Field::new(self.name, returned, true)))
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        if types.len() < self.required {
            return plan_err!("{}", self.no_such(types));
        }
        let mut coerced = Vec::with_capacity(types.len());
        for (at, from) in types.iter().enumerate() {
            let Some(to) = self.kind(at).and_then(|kind| coerce(kind, from)) else {
                return plan_err!("{}", self.no_such(types));
            };
            coerced.push(to);
        }
        Ok(coerced)
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        // What is the same for all rows is computed once.
        let constant = args.args.iter().all(|arg| matches!(arg, ColumnarValue::Scalar(_)));
        let rows = if constant { 1 } else { args.number_rows };
        let columns = args
            .args
            .iter()
            .map(|value| value.to_array(rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let result = (self.run)(&Args {
            columns,
            rows,
            returned: args.return_field.data_type().clone(),
            config: &args.config_options,
        })?;
        if constant {
            return Ok(ColumnarValue::Scalar(ScalarValue::try_from_array(&result, 0)?));
        }
        Ok(ColumnarValue::Array(result))
    }
}

fn coerce(kind: Kind, from: &DataType) -> Option<DataType> {
    let is_text = matches!(from, DataType::Utf8 | DataType::LargeUtf8 | DataType::Utf8View);
    let null = from.is_null();
    Some(match kind {
        Kind::Text if is_text || null || from.is_numeric() || from.is_temporal() || *from == DataType::Boolean => {
            DataType::Utf8
        }
        Kind::Int if from.is_numeric() || is_text || null => DataType::Int64,
        Kind::Float if from.is_numeric() || is_text || null => DataType::Float64,
        Kind::Number if from.is_numeric() => from.clone(),
        Kind::Number if is_text || null => DataType::Float64,
        Kind::Moment => match from {
            DataType::Date32 => DataType::Date32,
            DataType::Date64 => DataType::Date32,
            DataType::Timestamp(_, None) => MICROSECONDS,
            DataType::Timestamp(_, Some(_)) => micros_utc(),
            _ if null => MICROSECONDS,
            _ if is_text => DataType::Utf8,
            _ => return None,
        },
        Kind::Bool if *from == DataType::Boolean || null => DataType::Boolean,
        Kind::Literal | Kind::Any => from.clone(),
        _ => return None,
    })
}

/// A call's arguments as arrays of one length.
pub(super) struct Args<'a> {
    pub columns: Vec<ArrayRef>,
    pub rows: usize,
    pub returned: DataType,
    pub config: &'a ConfigOptions,
}

impl Args<'_> {
    pub fn column(&self, at: usize) -> Result<&ArrayRef> {
        match self.columns.get(at) {
            Some(column) => Ok(column),
            None => internal_err!("argument {at} is missing"),
        }
    }

    pub fn len(&self) -> usize {
        self.columns.len()
    }

    pub fn texts(&self, at: usize) -> Result<StringArray> {
        let column = self.column(at)?;
        Ok(match column.data_type() {
            DataType::Utf8 => column.as_string::<i32>().clone(),
            _ => cast(column, &DataType::Utf8)?.as_string::<i32>().clone(),
        })
    }

    pub fn ints(&self, at: usize) -> Result<Int64Array> {
        Ok(cast(self.column(at)?, &DataType::Int64)?
            .as_primitive::<Int64Type>()
            .clone())
    }

    pub fn floats(&self, at: usize) -> Result<Float64Array> {
        Ok(cast(self.column(at)?, &DataType::Float64)?
            .as_primitive::<Float64Type>()
            .clone())
    }

    /// Microseconds since 1970.
    pub fn moments(&self, at: usize) -> Result<TimestampMicrosecondArray> {
        moments(self.column(at)?)
    }
}

/// Microseconds since 1970 of dates, timestamps and texts.
pub(super) fn moments(column: &ArrayRef) -> Result<TimestampMicrosecondArray> {
    Ok(match column.data_type() {
        DataType::Date32 => column
            .as_primitive::<Date32Type>()
            .unary(|days| i64::from(days) * super::calendar::DAY),
        DataType::Utf8 => {
            let read = SqlType::Timestamp
                .parse(column.as_string::<i32>().iter())
                .map_err(own)?;
            read.as_primitive::<TimestampMicrosecondType>().clone()
        }
        DataType::Timestamp(TimeUnit::Microsecond, _) => column
            .as_primitive::<TimestampMicrosecondType>()
            .clone()
            .with_timezone_opt(None::<Arc<str>>),
        _ => cast(column, &MICROSECONDS)?
            .as_primitive::<TimestampMicrosecondType>()
            .clone(),
    })
}

/// An error of this crate, as the engine carries it.
pub(super) fn own(error: crate::RedshiftError) -> DataFusionError {
    match error {
        crate::RedshiftError::Statement(error) => error,
        other => DataFusionError::Execution(other.to_string()),
    }
}

pub(super) fn float(args: &Args, f: impl Fn(f64) -> Result<f64>) -> Result<ArrayRef> {
    let values: Result<Float64Array> = args.floats(0)?.iter().map(|x| x.map(&f).transpose()).collect();
    Ok(Arc::new(values?))
}

pub(super) fn text(args: &Args, f: impl Fn(&str) -> Result<Option<String>>) -> Result<ArrayRef> {
    let texts = args.texts(0)?;
    let values: Result<StringArray> = texts.iter().map(|text| text.map_or(Ok(None), &f)).collect();
    Ok(Arc::new(values?))
}

/// A double that is a number, or Redshift's words.
pub(super) fn finite(value: f64) -> Result<f64> {
    if value.is_finite() {
        Ok(value)
    } else {
        exec_err!("value out of range: overflow")
    }
}

pub(super) fn gives_text(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Utf8)
}

pub(super) fn gives_float(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Float64)
}

pub(super) fn gives_int(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Int32)
}

pub(super) fn gives_bigint(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Int64)
}

pub(super) fn gives_bool(_: &[DataType], _: &[Option<&ScalarValue>]) -> Result<DataType> {
    Ok(DataType::Boolean)
}
