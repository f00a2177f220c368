//! A result as a card: chart, table and SQL behind tabs, and below them where the numbers come from.

use crate::{
    api, browser,
    chart::{self, ChartView},
    csv,
    names::Names,
    numbers, sql,
    state::State,
    words,
};
use concert_contract::{
    chart::ChartKind,
    chat::ToolResult,
    table::{Cell, Table},
};
use leptos::prelude::*;
use std::cmp::Ordering;
use wasm_bindgen_futures::spawn_local;

/// Rows that are put on the page at once.
const ROWS_MAX: usize = 1000;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Tab {
    /// A number set large.
    Figure,
    Chart,
    Table,
    Sql,
}

impl Tab {
    fn label(self) -> &'static str {
        match self {
            Tab::Figure => "Figure",
            Tab::Chart => "Chart",
            Tab::Table => "Table",
            Tab::Sql => "SQL",
        }
    }
}

/// `key` tells the cards of a page apart.
#[component]
pub fn Figure(result: ToolResult, key: String) -> impl IntoView {
    let state = State::get();
    let first = result.table.clone().unwrap_or_default();
    let table = RwSignal::new(first.clone());
    let cursor = RwSignal::new(result.next_cursor.clone());
    let title = result.title.clone().filter(|title| !title.is_empty());
    let chart = result.chart.clone().filter(|chart| chart::can_draw(&first, chart));
    let figure = chart.is_none().then(|| large(&result, &first)).flatten();
    let has_picture = chart.is_some() || figure.is_some();

    let mut tabs = Vec::new();
    let picture = if figure.is_some() { Tab::Figure } else { Tab::Chart };
    if has_picture {
        tabs.push(picture);
    }
    tabs.push(Tab::Table);
    if result.sql.is_some() {
        tabs.push(Tab::Sql);
    }
    let tab = RwSignal::new(tabs[0]);

    let unit = {
        let columns = result.chart.as_ref().map(|chart| chart.y.clone()).unwrap_or_default();
        // A figure has its heading below it.
        let columns = if figure.is_some() { Vec::new() } else { columns };
        move || Names::get(state).headings(&table.read().columns, &columns)
    };
    let label = format!(
        "Chart. {} The table tab has the same numbers.",
        result
            .summary
            .clone()
            .unwrap_or_else(|| title.clone().unwrap_or_default())
    );
    let statement = result.sql.clone().unwrap_or_default();
    let panel = {
        let key = key.clone();
        move |tab: Tab| format!("{key}-{}", tab.label())
    };
    let table_id = StoredValue::new(panel(Tab::Table));
    let provenance = provenance(&result, state, table);
    let whole = StoredValue::new(result.clone());
    let tables = sql::tables(&statement);
    let name = title
        .clone()
        .unwrap_or_else(|| tables.first().cloned().unwrap_or_else(|| "rows".to_owned()));

    view! {
        <section class="card fig" role="group" aria-label=title.clone().unwrap_or_else(|| "Result".to_owned())>
            <header>
                <Tabs tabs tab panel=panel.clone() />
                <span class="push xs">{unit}</span>
            </header>
            {has_picture.then(|| {
                let id = panel(picture);
                view! {
                    <div
                        role="tabpanel"
                        class="panel"
                        id=id.clone()
                        aria-labelledby=format!("{id}-tab")
                        hidden=move || tab.get() != picture
                    >
                        {figure}
                        {chart.map(|chart| view! { <ChartView table=table chart label /> })}
                    </div>
                }
            })}
            <Show when=move || tab.get() == Tab::Table>
                <div
                    role="tabpanel"
                    class="panel"
                    id=table_id.get_value()
                    aria-labelledby=format!("{}-tab", table_id.get_value())
                >
                    <Rows table />
                    <MoreRows result=whole table cursor />
                </div>
            </Show>
            {result.sql.is_some().then(|| {
                let id = panel(Tab::Sql);
                view! {
                    <div
                        role="tabpanel"
                        class="panel"
                        id=id.clone()
                        aria-labelledby=format!("{id}-tab")
                        hidden=move || tab.get() != Tab::Sql
                    >
                        <Statement sql=statement.clone() />
                    </div>
                }
            })}
            <div class="foot">
                <span class="xs">{provenance}</span>
                <span class="push">
                    <CopyButton text=Signal::derive({
                        let statement = statement.clone();
                        move || match tab.get() {
                            Tab::Sql => statement.clone(),
                            Tab::Figure | Tab::Chart | Tab::Table => csv::to_csv(&table.read()),
                        }
                    }) />
                    <button
                        type="button"
                        class="btn quiet"
                        title="Save the rows as a CSV file"
                        on:click=move |_| {
                            let _ = browser::save(&file_name(&name), "text/csv", &csv::to_csv(&table.read_untracked()));
                        }
                    >
                        "CSV"
                    </button>
                </span>
            </div>
        </section>
    }
}

/// "Top venues, 1999" → `top-venues-1999.csv`.
fn file_name(title: &str) -> String {
    let words: Vec<&str> = title
        .split(|c: char| !c.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .collect();
    let name = words.join("-").to_lowercase();
    format!("{}.csv", if name.is_empty() { "rows" } else { &name })
}

/// A single number, set large.
fn large(result: &ToolResult, table: &Table) -> Option<AnyView> {
    let chart = result.chart.as_ref().filter(|chart| chart.kind == ChartKind::Number)?;
    let row = table.rows.first()?;
    let state = State::get();
    let row = row.clone();
    let figures = chart.y.iter().filter_map(|name| {
        let at = table.column_index(name)?;
        let (columns, row) = (table.columns.clone(), row.clone());
        Some(move || {
            let names = Names::get(state);
            let styles = names.styles(&columns);
            view! {
                <div class="number" title=styles.exact(&row, at)>
                    <span class="value">{styles.short(&row, at)}</span>
                    <span class="small muted">{names.heading(&columns[at])}</span>
                </div>
            }
        })
    });
    Some(view! { <div class="numbers">{figures.collect::<Vec<_>>()}</div> }.into_any())
}

/// "concerts, artists · 10 rows · data to 3 Nov 2002".
fn provenance(result: &ToolResult, state: State, table: RwSignal<Table>) -> impl Fn() -> String + Send + Sync + use<> {
    let tables = sql::tables(result.sql.as_deref().unwrap_or_default()).join(", ");
    move || {
        let (rows, more) = table.with(|table| (table.rows.len(), table.truncated));
        let mut parts = Vec::new();
        if !tables.is_empty() {
            parts.push(tables.clone());
        }
        let unit = if rows == 1 { "row" } else { "rows" };
        let first = if more { "first " } else { "" };
        parts.push(format!("{first}{} {unit}", numbers::integer(rows as i64)));
        if let Some(day) = Names::get(state).last_day() {
            parts.push(format!("data to {}", numbers::date(day)));
        }
        parts.join(" · ")
    }
}

#[component]
fn Tabs(
    tabs: Vec<Tab>,
    tab: RwSignal<Tab>,
    panel: impl Fn(Tab) -> String + Clone + Send + Sync + 'static,
) -> impl IntoView {
    let list = tabs.clone();
    let move_to = {
        let panel = panel.clone();
        move |event: web_sys::KeyboardEvent| {
            let at = list.iter().position(|item| *item == tab.get_untracked()).unwrap_or(0);
            let to = match event.key().as_str() {
                "ArrowRight" => (at + 1) % list.len(),
                "ArrowLeft" => (at + list.len() - 1) % list.len(),
                "Home" => 0,
                "End" => list.len() - 1,
                _ => return,
            };
            event.prevent_default();
            tab.set(list[to]);
            browser::focus(&format!("[id=\"{}-tab\"]", panel(list[to])));
        }
    };
    view! {
        <div class="tabs" role="tablist" aria-label="How to show it" on:keydown=move_to>
            {tabs
                .into_iter()
                .map(|this| {
                    let id = panel(this);
                    view! {
                        <button
                            type="button"
                            role="tab"
                            id=format!("{id}-tab")
                            aria-controls=move || (tab.get() == this).then(|| id.clone())
                            aria-selected=move || if tab.get() == this { "true" } else { "false" }
                            tabindex=move || if tab.get() == this { "0" } else { "-1" }
                            on:click=move |_| tab.set(this)
                        >
                            {this.label()}
                        </button>
                    }
                })
                .collect_view()}
        </div>
    }
}

/// Says for two seconds whether it worked.
#[component]
pub fn CopyButton(#[prop(into)] text: Signal<String>, #[prop(default = "Copy")] label: &'static str) -> impl IntoView {
    let said = RwSignal::new(None::<&'static str>);
    let copy = move |_| {
        let text = text.get_untracked();
        spawn_local(async move {
            let done = browser::copy(&text).await;
            let _ = said.try_set(Some(if done { "Copied" } else { "Not allowed here" }));
            set_timeout(
                move || {
                    let _ = said.try_set(None);
                },
                std::time::Duration::from_secs(2),
            );
        });
    };
    view! {
        <button type="button" class="btn quiet" on:click=copy>
            <span aria-live="polite">{move || said.get().unwrap_or(label)}</span>
        </button>
    }
}

#[component]
fn Statement(sql: String) -> impl IntoView {
    let piece = |(kind, text): (sql::Kind, &str)| {
        let text = text.to_owned();
        match kind {
            sql::Kind::Plain => text.into_any(),
            sql::Kind::Keyword => view! { <span class="kw">{text}</span> }.into_any(),
            sql::Kind::Text => view! { <span class="str">{text}</span> }.into_any(),
            sql::Kind::Number => view! { <span class="lit">{text}</span> }.into_any(),
            sql::Kind::Parameter => view! { <span class="par">{text}</span> }.into_any(),
        }
    };
    view! {
        <pre class="sql" tabindex="0" aria-label="SQL">
            <code>{sql::pieces(&sql).into_iter().map(piece).collect_view()}</code>
        </pre>
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Sort {
    column: usize,
    descending: bool,
}

/// Numbers by value, everything else by letter, what is not known last in either direction.
fn compare(a: &Cell, b: &Cell, descending: bool) -> Ordering {
    let order = match (a.is_null(), b.is_null()) {
        (true, true) => return Ordering::Equal,
        (true, false) => return Ordering::Greater,
        (false, true) => return Ordering::Less,
        (false, false) => match (a.as_f64(), b.as_f64()) {
            (Some(a), Some(b)) => a.total_cmp(&b),
            _ => csv::exact(a).to_lowercase().cmp(&csv::exact(b).to_lowercase()),
        },
    };
    if descending { order.reverse() } else { order }
}

#[component]
fn Rows(table: RwSignal<Table>) -> impl IntoView {
    let state = State::get();
    let sort = RwSignal::new(None::<Sort>);
    let order = Memo::new(move |_| {
        let table = table.read();
        let mut order: Vec<usize> = (0..table.rows.len().min(ROWS_MAX)).collect();
        if let Some(Sort { column, descending }) = sort.get() {
            let cell = |row: usize| table.rows[row].get(column).unwrap_or(&Cell::Null);
            order.sort_by(|a, b| compare(cell(*a), cell(*b), descending));
        }
        order
    });
    let columns = table.with_untracked(|table| table.columns.clone());
    let few = columns.len() <= 3;
    let styles = {
        let columns = columns.clone();
        Memo::new(move |_| Names::get(state).styles(&columns))
    };
    let heads = columns.into_iter().enumerate().map(|(index, column)| {
        let is_number = move || styles.read().is_figure(index);
        let state_of = move || match sort.get() {
            Some(sort) if sort.column == index => Some(if sort.descending { "descending" } else { "ascending" }),
            _ => None,
        };
        // Numbers are first sought by their largest.
        let turn = move |_| {
            sort.update(|sort| {
                *sort = Some(match *sort {
                    Some(Sort { column, descending }) if column == index => Sort {
                        column,
                        descending: !descending,
                    },
                    _ => Sort {
                        column: index,
                        descending: untrack(is_number),
                    },
                });
            });
        };
        view! {
            <th scope="col" class:num=is_number aria-sort=state_of>
                <button type="button" on:click=turn>
                    {move || Names::get(state).heading(&column)}
                    <span class="arrow" aria-hidden="true">
                        {move || match state_of() {
                            Some("descending") => "↓",
                            Some(_) => "↑",
                            None => "",
                        }}
                    </span>
                </button>
            </th>
        }
    });
    let heads = heads.collect::<Vec<_>>();
    let body = move || {
        let table = table.read();
        let styles = styles.read();
        let row = |row: &usize| {
            let cells = table.rows[*row].iter().enumerate().map(|(index, cell)| {
                let is_number = styles.is_figure(index);
                let shown = if cell.is_null() {
                    view! { <span class="none">"not known"</span> }.into_any()
                } else {
                    styles.exact(&table.rows[*row], index).into_any()
                };
                match index {
                    0 => view! { <th scope="row" class:num=is_number>{shown}</th> }.into_any(),
                    _ => view! { <td class:num=is_number>{shown}</td> }.into_any(),
                }
            });
            view! { <tr>{cells.collect::<Vec<_>>()}</tr> }
        };
        order.read().iter().map(row).collect::<Vec<_>>()
    };
    view! {
        <Show when=move || table.read().rows.is_empty()>
            <p class="empty">"No rows match what was asked. The SQL shows what was looked for."</p>
        </Show>
        <div class="scroll" tabindex="0" role="group" aria-label="Rows" class:gone=move || table.read().rows.is_empty()>
            <table class:few=few>
                <thead>
                    <tr>{heads}</tr>
                </thead>
                <tbody>{body}</tbody>
            </table>
        </div>
    }
}

/// The rows that follow, when there are any.
#[component]
fn MoreRows(
    result: StoredValue<ToolResult>,
    table: RwSignal<Table>,
    cursor: RwSignal<Option<String>>,
) -> impl IntoView {
    let loading = RwSignal::new(false);
    let problem = RwSignal::new(None);
    let fetch = move |_| {
        let (Some(at), Some(query)) = (cursor.get_untracked(), result.with_value(|result| result.query.clone())) else {
            return;
        };
        loading.set(true);
        problem.set(None);
        spawn_local(async move {
            match api::more_rows(&query, at).await {
                Ok((more, next)) => {
                    let _ = table.try_update(|table| {
                        table.rows.extend(more.rows);
                        table.row_count = table.rows.len() as u64;
                        table.truncated = more.truncated;
                    });
                    cursor.try_set(next);
                }
                Err(found) => {
                    problem.try_set(Some(words::problem(&found)));
                }
            }
            loading.try_set(false);
        });
    };
    let can = move || {
        cursor.read().is_some()
            && result.with_value(|result| result.query.is_some())
            && table.read().rows.len() < ROWS_MAX
    };
    view! {
        <Show when=can>
            <div class="more-rows">
                <button type="button" class="btn" disabled=move || loading.get() on:click=fetch>
                    {move || if loading.get() { "Loading rows" } else { "More rows" }}
                </button>
                {move || problem.get().map(|words| view! { <span class="small muted">{words.what} " " {words.then}</span> })}
            </div>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unknown_values_sort_last_in_both_directions() {
        let cells = [Cell::Null, Cell::Integer(2), Cell::Integer(10)];
        let sorted = |descending| {
            let mut cells = cells.clone();
            cells.sort_by(|a, b| compare(a, b, descending));
            cells.map(|cell| cell.as_f64())
        };
        assert_eq!(sorted(false), [Some(2.0), Some(10.0), None]);
        assert_eq!(sorted(true), [Some(10.0), Some(2.0), None]);
    }

    #[test]
    fn a_file_is_named_by_its_title() {
        assert_eq!(file_name("Top venues, 1999"), "top-venues-1999.csv");
        assert_eq!(file_name("…"), "rows.csv");
    }
}
