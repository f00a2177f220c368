//! The store as its callers meet it: operations by name and JSON.

mod durable;
mod expressions;
mod items;
mod memory;
mod model;
mod search;
mod support;
mod tables;
mod transactions;
