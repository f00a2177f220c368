//! A chart on the page: ECharts is fetched with the first one, drawn anew when the theme or the width changes, and
//! disposed of with its element.

use super::plan::{self, Drawing, Look};
use crate::{browser, names::Names, numbers::Styles, state::State};
use concert_contract::{chart::Chart, table::Table};
use js_sys::{Array, Function, Promise, Reflect};
use leptos::{html, prelude::*};
use std::cell::RefCell;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{HtmlElement, HtmlMetaElement, HtmlScriptElement, ResizeObserver};

#[wasm_bindgen]
extern "C" {
    type ECharts;

    #[wasm_bindgen(js_namespace = concertCharts, js_name = init, catch)]
    fn init(element: &HtmlElement) -> Result<ECharts, JsValue>;

    #[wasm_bindgen(method, js_name = setOption, catch)]
    fn set_option(this: &ECharts, option: &JsValue, not_merge: bool) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn resize(this: &ECharts) -> Result<(), JsValue>;

    #[wasm_bindgen(method, catch)]
    fn dispose(this: &ECharts) -> Result<(), JsValue>;
}

thread_local! {
    /// The script's loading, shared by all charts that wait for it.
    static LOADING: RefCell<Option<Promise>> = const { RefCell::new(None) };
}

/// Fetches ECharts once, from the address and with the integrity that the page's head names.
async fn load() -> Result<(), JsValue> {
    if Reflect::has(&js_sys::global(), &"concertCharts".into())? {
        return Ok(());
    }
    let loading = LOADING.with_borrow_mut(|loading| loading.get_or_insert_with(begin_loading).clone());
    let end = JsFuture::from(loading).await;
    if end.is_err() {
        // The next chart, or the button, tries anew.
        LOADING.with_borrow_mut(Option::take);
    }
    end.map(|_| ())
}

fn begin_loading() -> Promise {
    Promise::new(&mut |loaded, failed| {
        if let Err(error) = insert_script(&loaded, &failed) {
            let _ = failed.call1(&JsValue::NULL, &error);
        }
    })
}

fn insert_script(loaded: &Function, failed: &Function) -> Result<(), JsValue> {
    let missing = || JsValue::from_str("the page has no <meta name=\"concert-echarts\">");
    let meta: HtmlMetaElement = document()
        .query_selector("meta[name=concert-echarts]")?
        .ok_or_else(missing)?
        .unchecked_into();
    let script: HtmlScriptElement = document().create_element("script")?.unchecked_into();
    script.set_src(&meta.content());
    if let Some(integrity) = meta.get_attribute("data-integrity") {
        script.set_attribute("integrity", &integrity)?;
        script.set_attribute("crossorigin", "anonymous")?;
    }
    script.add_event_listener_with_callback("load", loaded)?;
    script.add_event_listener_with_callback("error", failed)?;
    document().head().ok_or_else(missing)?.append_child(&script)?;
    Ok(())
}

/// An instance of ECharts with the Rust functions that its option calls; dropping it frees both.
struct Drawn {
    chart: ECharts,
    functions: Vec<Closure<dyn Fn(JsValue) -> JsValue>>,
}

impl Drop for Drawn {
    fn drop(&mut self) {
        let _ = self.chart.dispose();
    }
}

fn look(width_px: f64, grow: bool) -> Look {
    let data = ["--d1", "--d2", "--d3", "--d4", "--d5", "--d6"]
        .map(browser::token)
        .to_vec();
    Look {
        width_px,
        font: browser::token("--font"),
        ink: browser::token("--ink"),
        ink_3: browser::token("--ink-3"),
        line: browser::token("--line"),
        surface: browser::token("--surface"),
        data,
        ramp: ["--r1", "--r2", "--r3", "--r4", "--r5", "--r6"]
            .map(browser::token)
            .to_vec(),
        grow: grow && !browser::prefers("(prefers-reduced-motion: reduce)"),
    }
}

fn draw(drawn: &mut Drawn, drawing: Drawing, styles: &Styles) -> Result<(), JsValue> {
    let option = js_sys::JSON::parse(&drawing.option.to_string())?;
    let mut functions = Vec::new();
    let tips = drawing.tips;
    let tip = Closure::<dyn Fn(JsValue) -> JsValue>::new(move |pointed: JsValue| tip_of(&tips, &pointed).into());
    set(&option, &["tooltip", "formatter"], tip.as_ref());
    functions.push(tip);
    for (axis, column) in ["xAxis", "yAxis"].into_iter().zip(drawing.axes) {
        let Some(column) = column else { continue };
        let styles = styles.clone();
        let tick = Closure::<dyn Fn(JsValue) -> JsValue>::new(move |value: JsValue| {
            value
                .as_f64()
                .map(|value| styles.tick(value, column))
                .unwrap_or_default()
                .into()
        });
        set(&option, &[axis, "axisLabel", "formatter"], tick.as_ref());
        functions.push(tick);
    }
    drawn.chart.resize()?;
    drawn.chart.set_option(&option, true)?;
    // Only now does nothing call the earlier ones any more.
    drawn.functions = functions;
    Ok(())
}

fn set(option: &JsValue, path: &[&str], function: &JsValue) {
    let Some((last, parents)) = path.split_last() else {
        return;
    };
    let target = parents
        .iter()
        .try_fold(option.clone(), |value, key| Reflect::get(&value, &(*key).into()));
    if let Ok(target) = target
        && target.is_object()
    {
        let _ = Reflect::set(&target, &(*last).into(), function);
    }
}

/// ECharts hands over one point, or a list of them where the pointer is on an axis.
fn tip_of(tips: &[Vec<String>], pointed: &JsValue) -> String {
    let points = if Array::is_array(pointed) {
        Array::from(pointed)
    } else {
        Array::of1(pointed)
    };
    let index = |point: &JsValue, name: &str| {
        Reflect::get(point, &name.into())
            .ok()
            .and_then(|value| value.as_f64())
            .map(|value| value as usize)
    };
    let lines: Vec<&str> = points
        .iter()
        .filter_map(|point| {
            tips.get(index(&point, "seriesIndex")?)?
                .get(index(&point, "dataIndex")?)
                .map(String::as_str)
        })
        .collect();
    lines.join("\n")
}

/// `label` says in words what is drawn.
#[component]
pub fn ChartView(#[prop(into)] table: Signal<Table>, chart: Chart, label: String) -> impl IntoView {
    let state = State::get();
    let holder = NodeRef::<html::Div>::new();
    let width = RwSignal::new(0.0);
    let ready = RwSignal::new(false);
    let failed = RwSignal::new(false);
    let drawn = StoredValue::new_local(None::<Drawn>);
    let styles = Memo::new(move |_| Names::get(state).styles(&table.read().columns));
    let plan = {
        let chart = chart.clone();
        Memo::new(move |_| plan::draw(&table.read(), &chart, &styles.read(), &Look::default()))
    };
    // Before there is a width: the space that the drawing will take, so that nothing below it moves.
    let height_px = move || plan.read().as_ref().map_or(0.0, |drawing| drawing.height_px);

    let fetch = move || {
        failed.set(false);
        spawn_local(async move {
            match load().await {
                Ok(()) => ready.try_set(true),
                Err(_) => failed.try_set(true),
            };
        });
    };
    fetch();

    Effect::new(move |_| {
        let Some(element) = holder.get() else { return };
        let (width_px, grow) = (width.get(), drawn.with_value(Option::is_none));
        // Read again when the colours have changed.
        state.dark.track();
        if !ready.get() || width_px < 1.0 {
            return;
        }
        let Some(drawing) = plan::draw(&table.read(), &chart, &styles.read(), &look(width_px, grow)) else {
            return;
        };
        let end = drawn.try_update_value(|drawn| {
            let drawn = match drawn {
                Some(drawn) => drawn,
                None => drawn.insert(Drawn {
                    chart: init(&element)?,
                    functions: Vec::new(),
                }),
            };
            draw(drawn, drawing, &styles.read())
        });
        if let Some(Err(_)) = end {
            failed.set(true);
        }
    });

    let observer = StoredValue::new_local(None::<(ResizeObserver, Closure<dyn Fn()>)>);
    Effect::new(move |_| {
        let Some(element) = holder.get() else { return };
        let observed = element.clone();
        let closure = Closure::<dyn Fn()>::new(move || {
            let _ = width.try_set(f64::from(observed.client_width()));
        });
        if let Ok(watcher) = ResizeObserver::new(closure.as_ref().unchecked_ref()) {
            watcher.observe(&element);
            observer.set_value(Some((watcher, closure)));
        }
    });
    on_cleanup(move || {
        if let Some(Some((watcher, _))) = observer.try_update_value(Option::take) {
            watcher.disconnect();
        }
        drop(drawn.try_update_value(Option::take));
    });

    view! {
        <div class="plot" class:waiting=move || !ready.get() && !failed.get()>
            <div
                node_ref=holder
                class="canvas"
                class:gone=move || failed.get()
                role="img"
                aria-label=label
                style:height=move || format!("{}px", height_px())
            ></div>
            <Show when=move || failed.get()>
                <p class="small muted">
                    "The chart could not be drawn. The table has the same numbers. "
                    <button type="button" class="linklike" on:click=move |_| fetch()>"Try again"</button>
                </p>
            </Show>
            {move || {
                let names = plan.read().as_ref().map(|drawing| drawing.legend.clone()).unwrap_or_default();
                (!names.is_empty()).then(|| legend(names))
            }}
            {move || {
                plan.read().as_ref().and_then(|drawing| drawing.ramp.clone()).map(|(least, most)| {
                    view! {
                        <p class="ramp xs">
                            <i></i><i></i><i></i><i></i><i></i><i></i>
                            <span>{format!("{least} to {most}")}</span>
                        </p>
                    }
                })
            }}
            {move || {
                plan.read().as_ref().and_then(|drawing| drawing.left_out.clone()).map(|text| {
                    view! { <p class="xs left-out">{text}</p> }
                })
            }}
        </div>
    }
}

fn legend(names: Vec<String>) -> impl IntoView {
    let entry = |(index, name): (usize, String)| {
        view! { <li><span class=format!("swatch d{}", index + 1)></span>{name}</li> }
    };
    view! { <ul class="legend" aria-hidden="true">{names.into_iter().enumerate().map(entry).collect_view()}</ul> }
}
