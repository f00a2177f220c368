//! `CONVERT_TIMEZONE([from,] to, timestamp)`: the clock of one time zone as that of another. The zones are texts of each
//! row, so that a day can be told where its venue is.

use arrow::{
    array::{Array, ArrayRef, AsArray, StringArray, TimestampMicrosecondArray},
    compute::cast,
    datatypes::{DataType, TimeUnit, TimestampMicrosecondType},
};
use datafusion::{
    common::{Result, exec_err, plan_err},
    logical_expr::{ColumnarValue, ScalarFunctionArgs, ScalarUDF, ScalarUDFImpl, Signature, Volatility},
};
use jiff::{Timestamp, tz::TimeZone};
use std::{collections::HashMap, sync::Arc};

const MICROSECONDS: DataType = DataType::Timestamp(TimeUnit::Microsecond, None);

pub(crate) fn convert_timezone() -> ScalarUDF {
    ScalarUDF::from(ConvertTimezone {
        signature: Signature::user_defined(Volatility::Immutable),
    })
}

#[derive(Debug, PartialEq, Eq, Hash)]
struct ConvertTimezone {
    signature: Signature,
}

impl ScalarUDFImpl for ConvertTimezone {
    fn name(&self) -> &str {
        "convert_timezone"
    }

    fn signature(&self) -> &Signature {
        &self.signature
    }

    fn return_type(&self, _: &[DataType]) -> Result<DataType> {
        Ok(MICROSECONDS)
    }

    fn coerce_types(&self, types: &[DataType]) -> Result<Vec<DataType>> {
        match types.len() {
            2 => Ok(vec![DataType::Utf8, MICROSECONDS]),
            3 => Ok(vec![DataType::Utf8, DataType::Utf8, MICROSECONDS]),
            _ => plan_err!("CONVERT_TIMEZONE takes one or two time zones and a timestamp"),
        }
    }

    fn invoke_with_args(&self, args: ScalarFunctionArgs) -> Result<ColumnarValue> {
        let arrays = args
            .args
            .iter()
            .map(|value| value.to_array(args.number_rows))
            .collect::<Result<Vec<ArrayRef>>>()?;
        let (from, to, times) = match arrays.as_slice() {
            [to, times] => (None, to, times),
            [from, to, times] => (Some(text(from)?), to, times),
            _ => return exec_err!("CONVERT_TIMEZONE takes one or two time zones and a timestamp"),
        };
        let to = text(to)?;
        let times = cast(times, &MICROSECONDS)?;
        let times = times.as_primitive::<TimestampMicrosecondType>();
        let mut zones = Zones::default();
        let mut converted = Vec::with_capacity(times.len());
        for row in 0..times.len() {
            let unknown = to.is_null(row) || times.is_null(row) || from.as_ref().is_some_and(|from| from.is_null(row));
            converted.push(if unknown {
                None
            } else {
                let from = from.as_ref().map_or("UTC", |from| from.value(row));
                Some(zones.convert(times.value(row), from, to.value(row))?)
            });
        }
        Ok(ColumnarValue::Array(Arc::new(TimestampMicrosecondArray::from(
            converted,
        ))))
    }
}

fn text(array: &ArrayRef) -> Result<StringArray> {
    Ok(cast(array, &DataType::Utf8)?.as_string::<i32>().clone())
}

/// The zones that were met so far.
#[derive(Default)]
struct Zones(HashMap<String, TimeZone>);

impl Zones {
    fn zone(&mut self, name: &str) -> Result<TimeZone> {
        if let Some(zone) = self.0.get(name) {
            return Ok(zone.clone());
        }
        let Ok(zone) = TimeZone::get(name) else {
            return exec_err!("time zone {name:?} not recognized");
        };
        self.0.insert(name.to_owned(), zone.clone());
        Ok(zone)
    }

    fn convert(&mut self, at: i64, from: &str, to: &str) -> Result<i64> {
        let Ok(clock) = Timestamp::from_microsecond(at) else {
            return exec_err!("timestamp out of range");
        };
        let clock = clock.to_zoned(TimeZone::UTC).datetime();
        let Ok(zoned) = clock.to_zoned(self.zone(from)?) else {
            return exec_err!("timestamp out of range");
        };
        let local = zoned.timestamp().to_zoned(self.zone(to)?).datetime();
        match local.to_zoned(TimeZone::UTC) {
            Ok(zoned) => Ok(zoned.timestamp().as_microsecond()),
            Err(_) => exec_err!("timestamp out of range"),
        }
    }
}
