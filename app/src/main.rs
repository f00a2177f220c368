//! The page: a Leptos program in the browser that asks the edge and shows what comes back as a sentence, a chart, a
//! table and SQL. It knows the edge only through `concert-contract`, and draws no conclusion that the edge did not
//! send. Reading streams, Markdown, SQL and charts are functions of values with tests; the components stand around
//! them.

mod answer;
mod api;
mod app;
mod ask;
mod browser;
mod chart;
mod csv;
mod figure;
mod frame;
mod icons;
mod markdown;
mod names;
mod numbers;
mod soon;
mod sql;
mod sse;
mod state;
mod theme;
mod turn;
mod words;

use leptos::prelude::*;

fn main() {
    std::panic::set_hook(Box::new(stopped));
    if let Some(boot) = document().get_element_by_id("boot") {
        boot.remove();
    }
    mount_to_body(app::App);
}

/// After a panic the program is dead, and the page must say so instead of just not answering.
fn stopped(panic: &std::panic::PanicHookInfo) {
    web_sys::console::error_1(&panic.to_string().into());
    if let Some(notice) = document().get_element_by_id("stopped") {
        let _ = notice.remove_attribute("hidden");
    }
}
