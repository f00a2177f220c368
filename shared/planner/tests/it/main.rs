mod cases;
mod plans;
mod support;
