//! Loads as a user sees them, on lakes of their own.

mod faulty;
mod formats;
mod load;
mod mappings;
mod real;
mod support;
