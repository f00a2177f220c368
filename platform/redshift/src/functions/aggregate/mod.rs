//! Aggregates that Redshift has otherwise: sums and averages of exact numbers, and those that order their input.

mod exact;
mod sorted;

use datafusion::{logical_expr::AggregateUDF, prelude::SessionContext};

pub(super) fn register(context: &SessionContext) {
    context.register_udaf(AggregateUDF::from(exact::Exact::sum()));
    context.register_udaf(AggregateUDF::from(exact::Exact::average()));
    context.register_udaf(AggregateUDF::from(sorted::Sorted::listagg()));
    context.register_udaf(AggregateUDF::from(sorted::Sorted::percentile_cont()));
    context.register_udaf(AggregateUDF::from(sorted::Sorted::percentile_disc()));
}
