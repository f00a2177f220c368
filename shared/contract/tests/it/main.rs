mod catalogue;
mod explain;
mod insight;
mod query;
mod support;

mod sql;
