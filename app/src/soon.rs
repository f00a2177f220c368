//! The places of the frame that are still to come. Each says so, and what of it can be asked already.

use crate::{
    frame::{Head, Place},
    icons::Icon,
};
use leptos::prelude::*;
use leptos_router::{NavigateOptions, hooks::use_navigate};

/// What a place will show, and a question that already answers a part of it.
fn words(path: &str) -> (&'static str, &'static str) {
    match path {
        "/overview" => ("key figures and what changed most, at a glance", "Attendance by year"),
        "/venues" => (
            "venues ranked by popularity, and what comes next in each",
            "Ten venues with the most concerts",
        ),
        "/artists" => (
            "how each artist draws, and where",
            "Ten best attended concerts by artist",
        ),
        "/forecast" => (
            "ticket sales before a show is announced, with their error",
            "Concerts by month",
        ),
        "/recommend" => ("concerts that fit a customer", "Which genres have the most concerts"),
        _ => ("any metric by any dimension, without words", "Average price by country"),
    }
}

#[component]
pub fn Soon(place: &'static Place) -> impl IntoView {
    let (what, question) = words(place.path);
    let navigate = use_navigate();
    view! {
        <main id="main" class="main" tabindex="-1">
            <Head title=place.label />
            <section class="soon">
                <span class="soon-icon">{place.icon.view(28)}</span>
                <h2>"This page is not there yet"</h2>
                <p class="muted">"It will show "{what}". Until then, Ask answers questions about the same data."</p>
                <button
                    type="button"
                    class="btn"
                    on:click=move |_| navigate(&crate::ask::address(question), NavigateOptions::default())
                >
                    {Icon::Ask.view(16)}
                    {question}
                </button>
            </section>
        </main>
    }
}

#[component]
pub fn NotFound() -> impl IntoView {
    view! {
        <main id="main" class="main" tabindex="-1">
            <Head title="Not found" />
            <section class="soon">
                <h2>"There is no page at this address"</h2>
                <p class="muted">"The link may be old, or a letter of it is missing."</p>
                <a class="btn" href="/">{Icon::Ask.view(16)} "Ask a question"</a>
            </section>
        </main>
    }
}
