//! Loads as a user sees them, on lakes of their own.

mod any_bytes;
mod faults;
mod faulty;
mod formats;
mod judged;
mod limits;
mod load;
mod mappings;
mod quarantine;
mod real;
mod sources;
mod stopped;
mod support;
