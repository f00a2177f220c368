//! The whole page: what it remembers, where its addresses lead, and the keys that work everywhere.

use crate::{
    ask::Ask,
    browser,
    frame::{self, Help, More, PLACES, Sidebar, TabBar},
    soon::{NotFound, Soon},
    state::State,
    theme,
};
use leptos::{ev, html, prelude::*};
use leptos_router::{
    components::{Route, Router, Routes},
    path,
};
use wasm_bindgen::JsCast;

const MINUTE: std::time::Duration = std::time::Duration::from_secs(60);
/// The state of the data is read again this often, so that a new publication shows without a reload.
const CATALOGUE_MINUTES: u32 = 5;

#[component]
pub fn App() -> impl IntoView {
    let state = State::new();
    provide_context(state);
    let help = NodeRef::<html::Dialog>::new();
    let more = NodeRef::<html::Dialog>::new();

    Effect::new(move |_| {
        let theme = state.theme.get();
        theme.show();
        // Said only after the colours have changed: charts read them.
        state.dark.set(theme.is_dark());
    });
    theme::on_system_change(move || {
        let theme = state.theme.get_untracked();
        theme.show();
        state.dark.set(theme.is_dark());
    });
    window_event_listener(ev::online, move |_| {
        state.online.set(true);
        state.load_catalogue();
    });
    window_event_listener(ev::offline, move |_| state.online.set(false));
    window_event_listener(ev::keydown, move |event| on_key(&event, state, help));
    set_interval(
        move || {
            state.minutes.update(|minutes| *minutes += 1);
            // While there is no data somebody is about to bring it.
            if state.is_empty() || state.minutes.get_untracked().is_multiple_of(CATALOGUE_MINUTES) {
                state.load_catalogue();
            }
        },
        MINUTE,
    );
    state.load_catalogue();

    let skip = |event: web_sys::MouseEvent| {
        event.prevent_default();
        browser::focus("#main");
    };
    view! {
        <nav aria-label="Shortcut">
            <a class="skip" href="#main" on:click=skip>"Skip to the content"</a>
        </nav>
        <Router>
            <div class="app">
                <Sidebar />
                <Routes fallback=NotFound>
                    <Route path=path!("/") view=Ask />
                    <Route path=path!("/overview") view=|| view! { <Soon place=&PLACES[1] /> } />
                    <Route path=path!("/venues") view=|| view! { <Soon place=&PLACES[2] /> } />
                    <Route path=path!("/artists") view=|| view! { <Soon place=&PLACES[3] /> } />
                    <Route path=path!("/forecast") view=|| view! { <Soon place=&PLACES[4] /> } />
                    <Route path=path!("/recommend") view=|| view! { <Soon place=&PLACES[5] /> } />
                    <Route path=path!("/explore") view=|| view! { <Soon place=&PLACES[6] /> } />
                </Routes>
                <TabBar more />
            </div>
            <More dialog=more />
        </Router>
        <Help dialog=help />
    }
}

fn on_key(event: &web_sys::KeyboardEvent, state: State, help: NodeRef<html::Dialog>) {
    if event.ctrl_key() || event.meta_key() || event.alt_key() || event.default_prevented() {
        return;
    }
    let writing = event
        .target()
        .and_then(|target| target.dyn_into::<web_sys::Element>().ok())
        .is_some_and(|element| ["INPUT", "TEXTAREA", "SELECT"].contains(&element.tag_name().as_str()));
    let dialog = document().query_selector("dialog[open]").ok().flatten().is_some();
    match event.key().as_str() {
        "Escape" if !dialog && untrack(|| state.is_running()) => state.stop(),
        "/" if !writing && !dialog => {
            event.prevent_default();
            browser::focus("#question");
        }
        "?" if !writing && !dialog => frame::show(help),
        _ => {}
    }
}
