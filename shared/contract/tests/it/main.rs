mod catalogue;
mod support;

mod sql;
