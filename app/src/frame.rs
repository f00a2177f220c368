//! What stands around every page: the sidebar, the tab bar on a phone, the state of the data, the theme, and the two
//! dialogs (help, and what the tab bar has no room for).

use crate::{
    browser,
    icons::{self, Icon},
    numbers,
    state::{Loaded, State},
    theme::Theme,
    words,
};
use concert_contract::api::DataState;
use leptos::{html, prelude::*};
use leptos_router::components::A;

/// A place that the frame leads to.
pub struct Place {
    pub path: &'static str,
    pub label: &'static str,
    pub icon: Icon,
}

pub const PLACES: [Place; 7] = [
    Place {
        path: "/",
        label: "Ask",
        icon: Icon::Ask,
    },
    Place {
        path: "/overview",
        label: "Overview",
        icon: Icon::Overview,
    },
    Place {
        path: "/venues",
        label: "Venues",
        icon: Icon::Venues,
    },
    Place {
        path: "/artists",
        label: "Artists",
        icon: Icon::Artists,
    },
    Place {
        path: "/forecast",
        label: "Forecast",
        icon: Icon::Forecast,
    },
    Place {
        path: "/recommend",
        label: "Recommend",
        icon: Icon::Recommend,
    },
    Place {
        path: "/explore",
        label: "Explore",
        icon: Icon::Explore,
    },
];

/// The places that the tab bar has room for, beside "More".
const TABS: [&str; 4] = ["/", "/overview", "/venues", "/forecast"];

fn link(place: &'static Place, size: u32) -> impl IntoView {
    view! { <A href=place.path exact=true>{place.icon.view(size)}{place.label}</A> }
}

#[component]
pub fn Sidebar() -> impl IntoView {
    view! {
        <aside class="side">
            <A href="/" attr:class="brand" exact=true>{icons::brand()}"Concert"</A>
            <nav class="nav" aria-label="Main">{PLACES.iter().map(|place| link(place, 18)).collect_view()}</nav>
            <Conversations />
            <ThemeSwitch name="theme" />
            <DataLine />
        </aside>
    }
}

#[component]
fn Conversations() -> impl IntoView {
    let state = State::get();
    let navigate = leptos_router::hooks::use_navigate();
    view! {
        <div class="conv">
            <Show when=move || !state.conversations.read().is_empty()>
                <h2>"This visit"</h2>
            </Show>
            <For each=move || state.conversations.get() key=|conversation| conversation.id let:conversation>
                <button
                    type="button"
                    aria-current=move || (state.current.get() == Some(conversation.id)).then_some("true")
                    on:click={
                        let navigate = navigate.clone();
                        move |_| {
                            state.current.set(Some(conversation.id));
                            navigate("/", Default::default());
                        }
                    }
                >
                    {conversation.title.clone()}
                </button>
            </For>
        </div>
    }
}

/// What data there is, to which day, how fresh; or why nothing is known of it.
#[component]
pub fn DataLine() -> impl IntoView {
    let state = State::get();
    view! {
        <div class="state">
            {move || match &*state.catalogue.read() {
                _ if !state.online.get() => {
                    view! {
                        <span class="dot warn"></span>
                        <span>"Offline. What you see stays; new questions need the connection."</span>
                    }
                        .into_any()
                }
                Loaded::Loading => view! { <span class="bone bone-line" aria-hidden="true"></span> }.into_any(),
                Loaded::Failed(problem) => {
                    view! {
                        <span class="dot bad"></span>
                        <span>
                            {words::problem(problem).what} " "
                            <button type="button" class="linklike" on:click=move |_| state.load_catalogue()>
                                "Try again"
                            </button>
                        </span>
                    }
                        .into_any()
                }
                Loaded::Ready(catalogue) => {
                    state.minutes.track();
                    let [loaded, until, fresh] = data_words(&catalogue.data, browser::now_ms());
                    let dot = if catalogue.data.snapshot_id.is_empty() { "dot warn" } else { "dot" };
                    view! {
                        <span class=dot></span>
                        <span class="facts"><span>{loaded}</span> " " <span>{until}</span> " " <span>{fresh}</span></span>
                    }
                        .into_any()
                }
            }}
        </div>
    }
}

/// "8,798 concerts", "to 31 Dec 2008" and "refreshed 2 min ago"; the last two where they are known.
pub fn data_words(data: &DataState, now_ms: f64) -> [String; 3] {
    // The table that has days and the most rows is what the data is about; the others describe it.
    let dated = data.tables.iter().filter(|table| table.last_complete_day.is_some());
    let main = dated.max_by_key(|table| table.row_count);
    let Some(main) = main.or_else(|| data.tables.iter().max_by_key(|table| table.row_count)) else {
        return ["No data is loaded yet".to_owned(), String::new(), String::new()];
    };
    let until = data.last_complete_day.map(|day| format!("to {}", numbers::date(day)));
    let published_ms = data
        .as_of
        .as_deref()
        .map(js_sys::Date::parse)
        .filter(|ms| ms.is_finite());
    let fresh = published_ms.map(|ms| format!("refreshed {}", words::ago(now_ms - ms)));
    [
        words::counted(main.row_count, &main.table_name),
        until.unwrap_or_default(),
        fresh.unwrap_or_default(),
    ]
}

/// Light, dark or system. `name` tells apart the two places where it stands.
#[component]
pub fn ThemeSwitch(name: &'static str) -> impl IntoView {
    let state = State::get();
    let icon = |theme| match theme {
        Theme::Light => Icon::Sun,
        Theme::Dark => Icon::Moon,
        Theme::System => Icon::Screen,
    };
    view! {
        <fieldset class="themes">
            <legend class="visually-hidden">"Colours"</legend>
            {Theme::ALL
                .map(|theme| {
                    view! {
                        <label title=theme.label()>
                            <input
                                type="radio"
                                name=name
                                value=theme.name()
                                prop:checked=move || state.theme.get() == theme
                                on:change=move |_| {
                                    theme.choose();
                                    state.theme.set(theme);
                                }
                            />
                            {icon(theme).view(16)}
                            <span>{theme.label()}</span>
                        </label>
                    }
                })
                .collect_view()}
        </fieldset>
    }
}

/// The sidebar's place on a phone.
#[component]
pub fn TabBar(more: NodeRef<html::Dialog>) -> impl IntoView {
    let tabs = PLACES.iter().filter(|place| TABS.contains(&place.path));
    view! {
        <nav class="tabbar" aria-label="Main">
            {tabs.map(|place| link(place, 20)).collect_view()}
            <button type="button" aria-haspopup="dialog" on:click=move |_| show(more)>
                {Icon::More.view(20)}
                "More"
            </button>
        </nav>
    }
}

/// What the tab bar has no room for.
#[component]
pub fn More(dialog: NodeRef<html::Dialog>) -> impl IntoView {
    let rest = PLACES.iter().filter(|place| !TABS.contains(&place.path));
    view! {
        <dialog class="dialog sheet" node_ref=dialog aria-label="More">
            <DialogHead title="More" dialog />
            <nav class="nav" aria-label="More" on:click=move |_| hide(dialog)>
                {rest.map(|place| link(place, 18)).collect_view()}
            </nav>
            <div class="in-sheet" on:click=move |_| hide(dialog)>
                <Conversations />
            </div>
            <ThemeSwitch name="theme-more" />
            <DataLine />
        </dialog>
    }
}

#[component]
pub fn Help(dialog: NodeRef<html::Dialog>) -> impl IntoView {
    let keys = [
        ("/", "Write a question"),
        ("Enter", "Send it"),
        ("Shift + Enter", "Begin a new line"),
        ("Esc", "Stop the answer, or close this"),
        ("← →", "Change between chart, table and SQL"),
        ("?", "Show this help"),
    ];
    view! {
        <dialog class="dialog" node_ref=dialog aria-label="Help">
            <DialogHead title="Help" dialog />
            <p>
                "Ask in plain words for numbers about the loaded data: which, how many, when, where. "
                "Below each answer stand the figure, its rows and the SQL that made it. "
                "Words that were not understood are said back and not used."
            </p>
            <dl class="keys">
                {keys.map(|(key, what)| view! { <dt><kbd>{key}</kbd></dt><dd>{what}</dd> }).collect_view()}
            </dl>
            <p class="small muted">"Conversations stay in this page until it is closed or reloaded."</p>
        </dialog>
    }
}

#[component]
fn DialogHead(title: &'static str, dialog: NodeRef<html::Dialog>) -> impl IntoView {
    view! {
        <header>
            <h2>{title}</h2>
            <button type="button" class="btn quiet" aria-label="Close" on:click=move |_| hide(dialog)>
                {Icon::Close.view(18)}
            </button>
        </header>
    }
}

pub fn show(dialog: NodeRef<html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked()
        && !dialog.open()
    {
        let _ = dialog.show_modal();
    }
}

pub fn hide(dialog: NodeRef<html::Dialog>) {
    if let Some(dialog) = dialog.get_untracked() {
        dialog.close();
    }
}

/// The line on top of a page. `children` are its actions.
#[component]
pub fn Head(#[prop(into)] title: Signal<String>, #[prop(optional)] children: Option<Children>) -> impl IntoView {
    view! {
        <header class="head">
            <h1>{title}</h1>
            <div class="push">{children.map(|children| children())}</div>
        </header>
    }
}
