//! One question and its answer: the steps taken, the sentence, what was asked as chips, the figures, what was not
//! understood, and what to ask next.

use crate::{
    figure::{CopyButton, Figure},
    icons::Icon,
    markdown::Markdown,
    names::Names,
    numbers, sql,
    state::{Exchange, State},
    turn::{Phase, Step},
    words,
};
use concert_contract::{
    chat::{Suggestion, ToolResult, Understood},
    insight::Chip,
};
use leptos::{html, prelude::*};

/// Below this confidence the reading of the question is shown unasked.
const SURE: f64 = 0.9;

#[component]
pub fn Answer(exchange: Exchange) -> impl IntoView {
    let state = State::get();
    let id = exchange.id;
    let turn = exchange.turn.clone();
    let root = NodeRef::<html::Div>::new();

    // A new question goes to the top, so that its answer has room to grow without anything moving.
    Effect::new(move |_| {
        if let Some(root) = root.get() {
            request_animation_frame(move || root.scroll_into_view());
        }
    });

    let of = |read: fn(&crate::turn::Turn) -> String| {
        let turn = turn.clone();
        Memo::new(move |_| read(&turn.read()))
    };
    let text = of(|turn| turn.words());
    let steps = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().steps.clone())
    };
    let phase = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().phase)
    };
    let running = move || matches!(phase.get(), Phase::Waiting | Phase::Streaming);
    // Each result by itself and by its call's id: a card stays as it is while text comes in.
    let results = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().results().cloned().collect::<Vec<_>>())
    };
    let not_understood = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().not_understood.clone())
    };
    let reading = {
        let turn = turn.clone();
        Memo::new(move |_| turn.with(|turn| (turn.understood.clone(), turn.confidence.unwrap_or(1.0) < SURE)))
    };
    let clarify = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().clarify.clone())
    };
    let follow_ups = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().follow_ups.clone())
    };
    let problem = {
        let turn = turn.clone();
        Memo::new(move |_| turn.read().problem.clone())
    };
    let retry = {
        let exchange = exchange.clone();
        move || state.retry(&exchange)
    };
    let again = retry.clone();

    view! {
        <div class="exchange" node_ref=root>
            <h2 class="q"><span class="visually-hidden">"Question: "</span>{exchange.question.clone()}</h2>
            <article class="a" aria-label="Answer" data-phase=move || format!("{:?}", phase.get()).to_lowercase()>
                <Steps steps=steps running=Signal::derive(running) />
                <div class="words" aria-live="polite" aria-busy=move || if running() { "true" } else { "false" }>
                    <Markdown text=text />
                    {move || clarify.get().map(|clarify| view! { <p class="lead">{clarify.question}</p> })}
                </div>
                {move || {
                    clarify.get().map(|clarify| view! { <Suggestions list=clarify.choices label="Choose what is meant" /> })
                }}
                <For each=move || results.get() key=|result| result.id.clone() let:result>
                    <Asked result=result.clone() />
                    <Figure key=format!("figure-{id}-{}", dom_id(&result.id)) result=result />
                </For>
                {move || {
                    let words = not_understood.get();
                    (!words.is_empty()).then(|| {
                        let quoted: Vec<String> = words.iter().map(|word| format!("“{word}”")).collect();
                        view! { <p class="note">"I did not use: "{words::list(&quoted)}"."</p> }
                    })
                }}
                {move || {
                    let (understood, unsure) = reading.get();
                    (!running() && !understood.is_empty()).then(|| reading_of(understood, unsure))
                }}
                {move || {
                    (phase.get() == Phase::Stopped).then(|| {
                        let retry = again.clone();
                        view! {
                            <p class="note">
                                "Stopped. What had come by then is shown. "
                                <button type="button" class="linklike" on:click=move |_| retry()>"Ask again"</button>
                            </p>
                        }
                    })
                }}
                {move || {
                    problem.get().map(|problem| {
                        let words = words::problem(&problem);
                        let retry = retry.clone();
                        view! {
                            <div class="problem" role="alert">
                                <p><strong>{words.what}</strong></p>
                                <p>{words.then}</p>
                                <div class="actions">
                                    {words.retry.then(|| view! {
                                        <button type="button" class="btn" on:click=move |_| retry()>"Ask again"</button>
                                    })}
                                    {words.reference.map(|reference| view! {
                                        <span class="reference">
                                            <span class="xs">"Reference " <code>{reference.clone()}</code></span>
                                            <CopyButton text=Signal::derive(move || reference.clone()) />
                                        </span>
                                    })}
                                </div>
                            </div>
                        }
                    })
                }}
                {move || {
                    let list = follow_ups.get();
                    (!running() && !list.is_empty())
                        .then(|| view! { <Suggestions list label="What to ask next" /> })
                }}
            </article>
        </div>
    }
}

/// What each word was taken for; open where it may have been taken wrongly.
fn reading_of(understood: Vec<Understood>, unsure: bool) -> impl IntoView {
    let mut seen: Vec<Understood> = Vec::new();
    for one in understood {
        if !seen.contains(&one) {
            seen.push(one);
        }
    }
    let line = |one: Understood| view! { <li>{format!("“{}”: {}", one.words, one.meaning)}</li> };
    view! {
        <details class="reading" open=unsure>
            <summary>"How I read the question"</summary>
            <ul>{seen.into_iter().map(line).collect::<Vec<_>>()}</ul>
        </details>
    }
}

/// An id as it may stand in the page: what a model's service chose is not trusted to be one.
fn dom_id(id: &str) -> String {
    id.chars()
        .map(|c| if c.is_ascii_alphanumeric() { c } else { '-' })
        .collect()
}

#[component]
fn Steps(steps: Memo<Vec<Step>>, #[prop(into)] running: Signal<bool>) -> impl IntoView {
    view! {
        <div class="steps">
            {move || {
                let waiting = steps.read().is_empty() && running.get();
                waiting.then(|| view! { <p class="step"><span class="pulse"></span>"Reading the question"</p> })
            }}
            {move || steps.get().iter().map(step).collect::<Vec<_>>()}
        </div>
    }
}

fn step(step: &Step) -> impl IntoView + use<> {
    let Some(result) = &step.result else {
        return view! { <p class="step"><span class="pulse"></span>{doing(&step.tool)}" …"</p> }.into_any();
    };
    if let Some(error) = &result.error {
        // The turn goes on after this: the model may try another way.
        return view! { <p class="step failed">"× "{error.error_message.clone()}</p> }.into_any();
    }
    view! { <p class="step">{Icon::Check.view(14)}{done(result)}</p> }.into_any()
}

fn doing(tool: &str) -> &'static str {
    match tool {
        "query_data" | "run_sql" => "Querying the data",
        "look_up" => "Looking up names",
        _ => "Working on it",
    }
}

/// "Queried concerts · 38 ms · 10 rows".
fn done(result: &ToolResult) -> String {
    let from = sql::tables(result.sql.as_deref().unwrap_or_default());
    let what = from
        .first()
        .map_or_else(|| "the data".to_owned(), |table| words::table(table));
    let mut parts = vec![format!("Queried {what}")];
    parts.extend(
        result
            .ms
            .map(|ms| format!("{} ms", numbers::integer(i64::try_from(ms).unwrap_or(i64::MAX)))),
    );
    if let Some(table) = &result.table {
        let rows = table.rows.len();
        parts.push(format!(
            "{} {}",
            numbers::integer(rows as i64),
            if rows == 1 { "row" } else { "rows" }
        ));
    }
    parts.join(" · ")
}

/// What was asked, as the query has it.
#[component]
fn Asked(result: ToolResult) -> impl IntoView {
    let state = State::get();
    let query = result.query.clone();
    move || {
        let query = query.as_ref()?;
        let chips = Names::get(state).describe(query);
        let chip = |chip: Chip| view! { <li class="chip"><span>{chip.label}</span><b>{chip.value}</b></li> };
        Some(
            view! { <ul class="chips" aria-label="What was asked">{chips.into_iter().map(chip).collect::<Vec<_>>()}</ul> },
        )
    }
}

#[component]
fn Suggestions(list: Vec<Suggestion>, label: &'static str) -> impl IntoView {
    let state = State::get();
    let button = |Suggestion { label, .. }: Suggestion| {
        let asked = label.clone();
        view! {
            <li><button type="button" class="btn" on:click=move |_| state.ask(&asked)>{label}</button></li>
        }
    };
    view! { <ul class="next" aria-label=label>{list.into_iter().map(button).collect::<Vec<_>>()}</ul> }
}
