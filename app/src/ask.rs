//! *Ask*: the questions of a conversation with their answers, and the box to write the next one in.

use crate::{
    answer::Answer,
    frame::{self, Head},
    icons::Icon,
    numbers,
    state::{Loaded, State},
    words,
};
use concert_contract::chat::MESSAGE_MAX_CHARS;
use leptos::{html, prelude::*};
use leptos_router::{
    NavigateOptions,
    hooks::{use_navigate, use_query_map},
};

/// Tables that the platform keeps about the data, which are no data.
const ABOUT_THE_DATA: [&str; 2] = ["catalogue_values", "publication"];
/// Suggested questions on the first visit.
const QUESTIONS_MAX: usize = 4;
/// From here on the box says how many characters are left.
const NEARLY_TOO_LONG_CHARS: usize = MESSAGE_MAX_CHARS - 500;

/// The address that asks `question`.
pub fn address(question: &str) -> String {
    format!("/?q={}", String::from(js_sys::encode_uri_component(question)))
}

#[component]
pub fn Ask() -> impl IntoView {
    let state = State::get();
    let query = use_query_map();
    let navigate = use_navigate();

    // A question in the address is asked once, in a conversation of its own. The address is then plain again: going
    // back and forth or reloading must not ask what was not asked.
    Effect::new(move |_| {
        if let Some(question) = query.read().get("q").filter(|question| !question.trim().is_empty()) {
            state.current.set(None);
            state.ask(&question);
            navigate(
                "/",
                NavigateOptions {
                    replace: true,
                    scroll: false,
                    ..NavigateOptions::default()
                },
            );
        }
    });

    let title = move || {
        state
            .open()
            .map_or_else(|| "Ask".to_owned(), |conversation| conversation.title)
    };
    Effect::new(move |_| document().set_title(&format!("{} · Concert", title())));
    let exchanges = move || {
        state
            .open()
            .map(|conversation| conversation.exchanges.get())
            .unwrap_or_default()
    };

    view! {
        <main id="main" class="main ask" tabindex="-1">
            <Head title=Signal::derive(title)>
                <Show when=move || state.current.get().is_some()>
                    <ShareLink />
                    <button type="button" class="btn quiet" on:click=move |_| state.new_question()>
                        {Icon::Plus.view(16)}
                        "New question"
                    </button>
                </Show>
            </Head>
            <div class="thread">
                <Show when=move || state.current.get().is_some() fallback=Welcome>
                    <For each=exchanges key=|exchange| exchange.id let:exchange>
                        <Answer exchange />
                    </For>
                </Show>
            </div>
            <Composer />
        </main>
    }
}

/// Copies an address that asks the conversation's first question.
#[component]
fn ShareLink() -> impl IntoView {
    let state = State::get();
    let link = move || {
        let origin = window().location().origin().unwrap_or_default();
        state
            .open()
            .map(|conversation| format!("{origin}{}", address(&conversation.title)))
            .unwrap_or_default()
    };
    view! {
        <span class="hide-s">
            <crate::figure::CopyButton text=Signal::derive(link) label="Copy link" />
        </span>
    }
}

/// The first visit: what this is, what data there is, what can be asked of it.
#[component]
fn Welcome() -> impl IntoView {
    let state = State::get();
    let questions = move || match &*state.catalogue.read() {
        Loaded::Loading => (0..QUESTIONS_MAX)
            .map(|_| view! { <li class="bone bone-question" aria-hidden="true"></li> }.into_any())
            .collect::<Vec<_>>(),
        Loaded::Failed(problem) => {
            let words = words::problem(problem);
            vec![
                view! {
                    <li class="whole">
                        <div class="problem" role="alert">
                            <p><strong>{words.what}</strong></p>
                            <p>
                                "What data is loaded is not known. Check that the server is running, then try again."
                            </p>
                            <button type="button" class="btn" on:click=move |_| state.load_catalogue()>
                                "Try again"
                            </button>
                        </div>
                    </li>
                }
                .into_any(),
            ]
        }
        Loaded::Ready(catalogue) => {
            let ask = |label: String| {
                let asked = label.clone();
                view! {
                    <li>
                        <button type="button" class="question" on:click=move |_| state.ask(&asked)>
                            <span>{label}</span>
                            {Icon::Up.view(16)}
                        </button>
                    </li>
                }
                .into_any()
            };
            catalogue
                .questions
                .iter()
                .take(QUESTIONS_MAX)
                .map(|question| ask(question.label.clone()))
                .collect()
        }
    };
    let empty = move || matches!(&*state.catalogue.read(), Loaded::Ready(catalogue) if catalogue.data.tables.iter().all(|table| table.row_count == 0));
    view! {
        <section class="welcome">
            <h2>"Ask about concerts in plain words"</h2>
            <p class="muted">
                "The answer comes as a sentence, a chart, the rows and the SQL behind them, so that each number can be checked."
            </p>
            <Show
                when=move || !empty()
                fallback=|| {
                    view! {
                        <div class="note">
                            <p>
                                <strong>"No data is loaded yet."</strong> " Bring a file with "
                                <code>"concert ingest FILES --mapping M.toml"</code> ", or make some with "
                                <code>"concert generate"</code> " and ingest the folder that it names. "
                                "This page shows within a minute what can be asked."
                            </p>
                        </div>
                    }
                }
            >
                <ul class="questions">{questions}</ul>
                <LoadedData />
            </Show>
        </section>
    }
}

/// What data is loaded, table by table.
#[component]
fn LoadedData() -> impl IntoView {
    let state = State::get();
    move || match &*state.catalogue.read() {
        Loaded::Ready(catalogue) => {
            let mut tables: Vec<_> = catalogue
                .data
                .tables
                .iter()
                .filter(|table| table.row_count > 0 && !ABOUT_THE_DATA.contains(&table.table_name.as_str()))
                .collect();
            tables.sort_by_key(|table| std::cmp::Reverse(table.row_count));
            let words: Vec<String> = tables
                .iter()
                .take(4)
                .map(|table| words::counted(table.row_count, &table.table_name))
                .collect();
            let days = catalogue.data.tables.iter().filter_map(|table| table.first_day).min();
            let until = catalogue.data.last_complete_day.map(numbers::date);
            let span = match (days.map(numbers::date), until) {
                (Some(from), Some(to)) => format!(", from {from} to {to}"),
                (None, Some(to)) => format!(", to {to}"),
                _ => String::new(),
            };
            Some(view! { <p class="small muted">{format!("Loaded: {}{span}.", words::list(&words))}</p> })
        }
        Loaded::Loading | Loaded::Failed(_) => None,
    }
}

#[component]
fn Composer() -> impl IntoView {
    let state = State::get();
    let text = RwSignal::new(String::new());
    let area = NodeRef::<html::Textarea>::new();
    let length = Memo::new(move |_| text.read().chars().count());
    let too_long = move || length.get() > MESSAGE_MAX_CHARS;
    let can_send = move || !text.read().trim().is_empty() && !too_long() && state.online.get() && !state.is_running();

    // The box is as high as its text, up to what the style sheet allows.
    Effect::new(move |_| {
        text.track();
        if let Some(area) = area.get() {
            let style = web_sys::HtmlElement::style(&area);
            let _ = style.set_property("height", "auto");
            let _ = style.set_property("height", &format!("{}px", area.scroll_height()));
        }
    });

    let send = move || {
        if untrack(can_send) {
            state.ask(&text.get_untracked());
            text.set(String::new());
        }
    };
    let on_key = move |event: web_sys::KeyboardEvent| {
        // Enter that ends a word in an input method is no Enter.
        if event.key() == "Enter" && !event.shift_key() && !event.is_composing() {
            event.prevent_default();
            send();
        }
    };

    view! {
        <form
            class="composer"
            aria-label="Question"
            on:submit=move |event| {
                event.prevent_default();
                send();
            }
        >
            <div class="box">
                <label class="visually-hidden" for="question">"Your question"</label>
                <textarea
                    id="question"
                    node_ref=area
                    rows="1"
                    placeholder="Ask about artists, venues, prices …"
                    autocomplete="off"
                    enterkeyhint="send"
                    prop:value=move || text.get()
                    on:input=move |event| text.set(event_target_value(&event))
                    on:keydown=on_key
                    aria-describedby="composer-hint"
                    aria-invalid=move || too_long().then_some("true")
                ></textarea>
                <div class="row">
                    <span class="chip hide-s">
                        <span>"Data"</span>
                        <b>{move || data_name(state)}</b>
                    </span>
                    <span class="xs" id="composer-hint" class:bad=too_long>
                        {move || hint(length.get(), state.online.get())}
                    </span>
                    <Show
                        when=move || state.is_running()
                        fallback=move || {
                            view! {
                                <button
                                    type="submit"
                                    class="send push"
                                    aria-label="Send"
                                    aria-disabled=move || if can_send() { "false" } else { "true" }
                                >
                                    {Icon::Up.view(18)}
                                </button>
                            }
                        }
                    >
                        <button type="button" class="send stop push" aria-label="Stop the answer" on:click=move |_| state.stop()>
                            {Icon::Stop.view(18)}
                        </button>
                    </Show>
                </div>
            </div>
        </form>
    }
}

fn hint(chars: usize, online: bool) -> AnyView {
    if chars > MESSAGE_MAX_CHARS {
        let over = numbers::integer((chars - MESSAGE_MAX_CHARS) as i64);
        return format!(
            "{over} characters too long; a question has at most {}.",
            numbers::integer(MESSAGE_MAX_CHARS as i64)
        )
        .into_any();
    }
    if !online {
        return "Offline. The question can be sent when the connection is back.".into_any();
    }
    if chars > NEARLY_TOO_LONG_CHARS {
        return format!("{} characters left", MESSAGE_MAX_CHARS - chars).into_any();
    }
    view! { <span class="hide-s">"Enter to send · Shift+Enter for a new line · ? for help"</span> }.into_any()
}

fn data_name(state: State) -> String {
    match &*state.catalogue.read() {
        Loaded::Ready(catalogue) if catalogue.data.snapshot_id.is_empty() => "none yet".to_owned(),
        Loaded::Ready(catalogue) => {
            let [loaded, ..] = frame::data_words(&catalogue.data, crate::browser::now_ms());
            loaded
        }
        Loaded::Loading => "…".to_owned(),
        Loaded::Failed(_) => "not known".to_owned(),
    }
}
