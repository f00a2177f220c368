//! Aggregates that Redshift has otherwise: sums and averages of exact numbers, and those that order their input.

mod exact;
mod sorted;

use datafusion::logical_expr::AggregateUDF;

pub(super) fn all() -> Vec<AggregateUDF> {
    vec![
        AggregateUDF::from(exact::Exact::sum()),
        AggregateUDF::from(exact::Exact::average()),
        AggregateUDF::from(sorted::Sorted::listagg()),
        AggregateUDF::from(sorted::Sorted::percentile_cont()),
        AggregateUDF::from(sorted::Sorted::percentile_disc()),
    ]
}
