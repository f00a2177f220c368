//! From a table and a chart choice to an ECharts option, as a value. Bars start at zero and are sorted by value, what
//! can be said directly needs no legend, the unit stands in the card's header and not on each tick.

use super::spread::{histogram, map};
use crate::numbers::{self, Styles};
use charming::{
    Chart as Options,
    component::{Axis, Grid},
    datatype::{CompositeValue, DataPointItem},
    element::{
        AxisLabel, AxisLine, AxisPointer, AxisPointerType, AxisTick, AxisType, BoundaryGap, Color, Emphasis, ItemStyle,
        Label, LabelPosition, LineStyle, SplitLine, Symbol, Tooltip, Trigger,
    },
    series::{Bar, Line, Scatter},
};
use concert_contract::{
    chart::{Chart, ChartKind},
    query::Grain,
    table::{Cell, ColumnType, Table},
};
use jiff::civil::Date;
use serde_json::{Value, json};

/// Bars that are drawn at most; the table has the others.
pub const BARS_MAX: usize = 25;
/// Points that are drawn at most: more than there are pixels.
pub(super) const POINTS_MAX: usize = 2000;
/// Lines or stacks at most, as many as there are colours told apart.
const SERIES_MAX: usize = 6;
/// Columns that are labelled directly; with more, an axis says the values.
const DIRECT_LABELS_MAX: usize = 12;
const BAR_STEP_PX: f64 = 34.0;
pub(super) const PLOT_HEIGHT_PX: f64 = 280.0;

/// What the page looks like at the moment of drawing.
#[derive(Clone, Debug, PartialEq)]
pub struct Look {
    pub width_px: f64,
    pub font: String,
    pub ink: String,
    pub ink_3: String,
    pub line: String,
    pub surface: String,
    /// The data colours, in order of use.
    pub data: Vec<String>,
    /// The colours from little to much.
    pub ramp: Vec<String>,
    /// Whether bars and lines grow when they are first drawn.
    pub grow: bool,
}

impl Default for Look {
    fn default() -> Self {
        let ink = || "#000".to_owned();
        Look {
            width_px: 640.0,
            font: "sans-serif".to_owned(),
            ink: ink(),
            ink_3: ink(),
            line: ink(),
            surface: "#fff".to_owned(),
            data: vec![ink(); SERIES_MAX],
            ramp: vec![ink(); 6],
            grow: false,
        }
    }
}

#[derive(Clone, Debug, PartialEq)]
pub struct Drawing {
    pub option: Value,
    pub height_px: f64,
    /// What a series and a point of it say when pointed at: `[series][point]`.
    pub tips: Vec<Vec<String>>,
    /// The columns whose numbers the x and the y axis show, where they show numbers.
    pub axes: [Option<usize>; 2],
    /// Names of the series where a legend is needed, in the colours' order.
    pub legend: Vec<String>,
    /// The least and the most, where colours stand for values.
    pub ramp: Option<(String, String)>,
    /// A sentence about what is left out of the drawing.
    pub left_out: Option<String>,
}

/// None where the chart names columns that are not there, has no numbers, or is of a kind that is shown as a table.
pub fn draw(table: &Table, chart: &Chart, styles: &Styles, look: &Look) -> Option<Drawing> {
    let y = chart
        .y
        .iter()
        .map(|name| table.column_index(name))
        .collect::<Option<Vec<_>>>()?;
    let first_y = *y.first()?;
    if chart.kind == ChartKind::Histogram {
        return histogram(&Sheet { table, styles }, first_y, look);
    }
    let x = table.column_index(chart.x.as_deref()?)?;
    if !y.iter().any(|y| table.rows.iter().any(|row| number(row, *y).is_some())) {
        return None;
    }
    let series = match &chart.series {
        Some(name) => Some(table.column_index(name)?),
        None => None,
    };
    match chart.kind {
        ChartKind::Bar => Some(bars(&Sheet { table, styles }, x, &y, look)),
        ChartKind::Column => Some(columns(&Sheet { table, styles }, x, &y, look)),
        ChartKind::Line => Some(lines(&Sheet { table, styles }, x, &y, series, look)),
        ChartKind::Scatter => Some(scatter(&Sheet { table, styles }, x, first_y, look)),
        ChartKind::StackedBar => Some(stacks(&Sheet { table, styles }, x, first_y, series?, look)),
        ChartKind::Heatmap => heatmap(&Sheet { table, styles }, x, first_y, series?, look),
        ChartKind::Map => map(&Sheet { table, styles }, x, &y, look),
        ChartKind::Number | ChartKind::Histogram => None,
    }
}

pub(super) fn number(row: &[Cell], column: usize) -> Option<f64> {
    row.get(column)?.as_f64()
}

/// A table and how its cells are written.
pub(super) struct Sheet<'a> {
    pub(super) table: &'a Table,
    pub(super) styles: &'a Styles,
}

impl Sheet<'_> {
    /// What a row is called, as plain text for ECharts.
    fn name(&self, row: &[Cell], column: usize) -> String {
        match row.get(column) {
            None | Some(Cell::Null) => "not known".to_owned(),
            Some(_) => plain(&self.styles.exact(row, column)),
        }
    }

    fn short(&self, row: &[Cell], column: usize) -> String {
        plain(&self.styles.short(row, column))
    }

    /// What stands in the box at the pointer: the name, then the number exactly.
    fn tip(&self, row: &[Cell], x: usize, y: usize, series: Option<usize>) -> String {
        let series = series
            .map(|series| format!(", {}", self.name(row, series)))
            .unwrap_or_default();
        format!("{}{series}\n{}", self.name(row, x), plain(&self.styles.exact(row, y)))
    }
}

/// ECharts reads `{…}` in texts as a template or a style: in names it is neither.
pub(super) fn plain(text: &str) -> String {
    text.replace('{', "(").replace('}', ")")
}

pub(super) fn color(value: &str) -> Color {
    Color::from(value)
}

/// A width for `text` at 12 px, in pixels. Canvas could measure it; an estimate keeps this a pure function. It is made
/// for a wide font: a little too much room is not seen, a cut name is.
fn width_of(text: &str) -> f64 {
    let width = |c: char| match c {
        'i' | 'l' | 'j' | 't' | 'f' | 'r' | '.' | ',' | '\'' | '|' | ' ' => 4.6,
        'm' | 'w' | 'M' | 'W' | '@' | '%' => 11.8,
        'A'..='Z' => 9.0,
        _ if c.is_ascii() => 7.7,
        _ => 9.0,
    };
    text.chars().map(width).sum()
}

pub(super) fn base(look: &Look) -> Options {
    Options::new()
        .animation(look.grow)
        .animation_duration(200)
        .animation_duration_update(0)
        .background_color(color("transparent"))
}

/// The one function that every option passes through: texts in the page's font, and a tooltip that is drawn on the
/// canvas. One made of HTML would carry inline styles, which the content security policy forbids.
pub(super) fn finish(option: Options, look: &Look, mend: impl FnOnce(&mut Value)) -> Value {
    // The option is made of strings, numbers and lists: it always serialises.
    let mut value = serde_json::to_value(&option).unwrap_or_default();
    value["textStyle"] = json!({"fontFamily": look.font});
    if value["tooltip"].is_null() {
        value["tooltip"] = json!({});
    }
    let tooltip = &mut value["tooltip"];
    tooltip["renderMode"] = json!("richText");
    tooltip["confine"] = json!(true);
    tooltip["backgroundColor"] = json!(look.surface);
    tooltip["borderColor"] = json!(look.line);
    tooltip["borderWidth"] = json!(1);
    tooltip["padding"] = json!([8, 12]);
    tooltip["shadowBlur"] = json!(0);
    tooltip["textStyle"] = json!({"color": look.ink, "fontSize": 12, "lineHeight": 18, "fontFamily": look.font});
    tooltip["transitionDuration"] = json!(0);
    mend(&mut value);
    value
}

pub(super) fn silent_axis() -> Axis {
    Axis::new()
        .axis_line(AxisLine::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .split_line(SplitLine::new().show(false))
}

pub(super) fn axis_label(look: &Look) -> AxisLabel {
    AxisLabel::new().color(color(&look.ink_3)).font_size(11)
}

pub(super) fn value_axis(look: &Look) -> Axis {
    Axis::new()
        .type_(AxisType::Value)
        .split_number(3)
        .axis_line(AxisLine::new().show(false))
        .axis_tick(AxisTick::new().show(false))
        .axis_label(axis_label(look))
        .split_line(SplitLine::new().line_style(LineStyle::new().color(color(&look.line))))
}

pub(super) fn left_out(shown: usize, of: usize, what: &str) -> Option<String> {
    (shown < of).then(|| format!("The first {shown} of {of} {what} are drawn; the table has all of them."))
}

/// The largest first, unless the rows were asked for with the smallest first.
fn sorted_by_value(table: &Table, y: usize) -> Vec<&Vec<Cell>> {
    let value = |row: &Vec<Cell>| number(row, y).unwrap_or_default();
    let mut rows: Vec<_> = table.rows.iter().filter(|row| number(row, y).is_some()).collect();
    if !rows.is_sorted_by(|a, b| value(a) <= value(b)) {
        rows.sort_by(|a, b| value(b).total_cmp(&value(a)));
    }
    rows
}

/// The direct label of each data item, which the typed options have no field for.
fn label_items(series: &mut Value, labels: &[String]) {
    let Some(items) = series["data"].as_array_mut() else {
        return;
    };
    for (item, label) in items.iter_mut().zip(labels) {
        item["label"] = json!({"formatter": plain(label)});
    }
}

// The longest bar is as long as the card is wide.
fn bars(sheet: &Sheet, x: usize, y: &[usize], look: &Look) -> Drawing {
    let table = sheet.table;
    let rows = sorted_by_value(table, y[0]);
    let shown = &rows[..rows.len().min(BARS_MAX)];
    let names: Vec<String> = shown.iter().map(|row| sheet.name(row, x)).collect();
    let labels: Vec<Vec<String>> = y
        .iter()
        .map(|y| shown.iter().map(|row| sheet.short(row, *y)).collect())
        .collect();
    let left = (widest(&names) + 16.0).min(look.width_px * 0.4).max(40.0);
    let right = labels.iter().map(|labels| widest(labels)).fold(0.0, f64::max) + 16.0;
    // The first measure is read first; those beside it are thinner.
    let mut option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(Grid::new().left(left).right(right).top(4).bottom(4))
        .x_axis(Axis::new().type_(AxisType::Value).show(false).max("dataMax"))
        .y_axis(
            silent_axis()
                .type_(AxisType::Category)
                .inverse(true)
                .data(names.clone())
                .axis_label(AxisLabel::new().color(color(&look.ink)).font_size(12).interval(0)),
        );
    for (index, y) in y.iter().enumerate() {
        option = option.series(
            Bar::new()
                .name(numbers::words(&table.columns[*y].name))
                .bar_width(if index == 0 { 16 } else { 10 })
                .bar_gap("20%")
                .label(
                    Label::new()
                        .show(true)
                        .position(LabelPosition::Right)
                        .color(color(if index == 0 { &look.ink } else { &look.ink_3 }))
                        .font_size(if index == 0 { 12 } else { 11 })
                        .distance(8),
                )
                .item_style(
                    ItemStyle::new()
                        .color(color(&look.data[index % look.data.len()]))
                        .border_radius(2),
                )
                .emphasis(Emphasis::new().item_style(ItemStyle::new().opacity(0.85)))
                .data(items(shown, &names, *y)),
        );
    }
    let option = finish(option, look, |value| {
        names_at_the_left(value, left);
        for (index, labels) in labels.iter().enumerate() {
            label_items(&mut value["series"][index], labels);
        }
    });
    Drawing {
        option,
        height_px: shown.len() as f64 * (BAR_STEP_PX + 14.0 * (y.len() - 1) as f64) + 8.0,
        tips: tips(sheet, shown, x, y),
        axes: [None, None],
        legend: series_names(table, y),
        ramp: None,
        left_out: left_out(shown.len(), rows.len(), "bars"),
    }
}

fn columns(sheet: &Sheet, x: usize, y: &[usize], look: &Look) -> Drawing {
    let table = sheet.table;
    let has_any = |row: &&Vec<Cell>| y.iter().any(|y| number(row, *y).is_some());
    let rows: Vec<_> = table.rows.iter().filter(has_any).take(POINTS_MAX).collect();
    let names: Vec<String> = rows.iter().map(|row| sheet.name(row, x)).collect();
    let labels: Vec<String> = rows.iter().map(|row| sheet.short(row, y[0])).collect();
    // Direct labels, where each has room above its column.
    let step_px = look.width_px / rows.len().max(1) as f64;
    let direct = y.len() == 1 && rows.len() <= DIRECT_LABELS_MAX && widest(&labels) + 6.0 < step_px;
    // Names that do not fit side by side are written as far as they tell them apart.
    let short_names = widest(&names) + 8.0 > step_px;
    let shown_names: Vec<String> = if short_names {
        names.iter().map(|name| name.chars().take(3).collect()).collect()
    } else {
        names.clone()
    };
    let are_told_apart = shown_names
        .iter()
        .enumerate()
        .all(|(at, name)| !shown_names[..at].contains(name));
    let mut option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(
            Grid::new()
                .left(if direct { 0 } else { 44 })
                .right(4)
                .top(24)
                .bottom(28),
        )
        .x_axis(
            silent_axis()
                .type_(AxisType::Category)
                .data(if are_told_apart { shown_names } else { names.clone() })
                .axis_label(axis_label(look)),
        )
        .y_axis(if direct {
            Axis::new().type_(AxisType::Value).show(false)
        } else {
            value_axis(look)
        });
    for (index, y) in y.iter().enumerate() {
        option = option.series(
            Bar::new()
                .name(numbers::words(&table.columns[*y].name))
                .label(
                    Label::new()
                        .show(direct)
                        .position(LabelPosition::Top)
                        .color(color(&look.ink))
                        .font_size(12),
                )
                .item_style(
                    ItemStyle::new()
                        .color(color(&look.data[index % look.data.len()]))
                        .border_radius(2),
                )
                .emphasis(Emphasis::new().item_style(ItemStyle::new().opacity(0.85)))
                .data(items(&rows, &names, *y)),
        );
    }
    let option = finish(option, look, |value| {
        value["grid"][0]["outerBoundsMode"] = json!("none");
        value["series"][0]["barMaxWidth"] = json!(48);
        value["series"][0]["barCategoryGap"] = json!("38%");
        if direct {
            label_items(&mut value["series"][0], &labels);
        }
    });
    Drawing {
        option,
        height_px: PLOT_HEIGHT_PX,
        tips: tips(sheet, &rows, x, y),
        axes: [None, (!direct).then_some(y[0])],
        legend: series_names(table, y),
        ramp: None,
        left_out: left_out(rows.len(), table.rows.len(), "columns"),
    }
}

fn widest(texts: &[String]) -> f64 {
    texts.iter().map(|text| width_of(text)).fold(0.0, f64::max).ceil()
}

fn items(rows: &[&Vec<Cell>], names: &[String], y: usize) -> Vec<DataPointItem> {
    let item =
        |(row, name): (&&Vec<Cell>, &String)| DataPointItem::new(CompositeValue::from(number(row, y))).name(name);
    rows.iter().zip(names).map(item).collect()
}

fn tips(sheet: &Sheet, rows: &[&Vec<Cell>], x: usize, y: &[usize]) -> Vec<Vec<String>> {
    y.iter()
        .map(|y| rows.iter().map(|row| sheet.tip(row, x, *y, None)).collect())
        .collect()
}

/// A legend is needed only where there are several.
fn series_names(table: &Table, y: &[usize]) -> Vec<String> {
    if y.len() < 2 {
        Vec::new()
    } else {
        y.iter().map(|y| numbers::words(&table.columns[*y].name)).collect()
    }
}

/// Names of bars begin at the card's left edge, as a reader's eye does.
fn names_at_the_left(value: &mut Value, left_px: f64) {
    let label = &mut value["yAxis"]["axisLabel"];
    label["align"] = json!("left");
    label["margin"] = json!(left_px);
    label["width"] = json!(left_px - 12.0);
    label["overflow"] = json!("truncate");
    value["grid"][0]["outerBoundsMode"] = json!("none");
}

/// One line: its name, and for each stretch of time the row, if there is one.
struct Track<'a> {
    name: String,
    y: usize,
    points: Vec<Option<&'a Vec<Cell>>>,
}

fn lines(sheet: &Sheet, x: usize, y: &[usize], series: Option<usize>, look: &Look) -> Drawing {
    let table = sheet.table;
    let times = times(table, x);
    let at = |row: &Vec<Cell>| times.iter().position(|time| Some(time) == row.get(x));
    let mut tracks: Vec<Track> = Vec::new();
    let mut left = 0;
    for row in &table.rows {
        let Some(at) = at(row) else { continue };
        for &y in if series.is_some() { &y[..1] } else { y } {
            let name = match series {
                Some(series) => sheet.name(row, series),
                None => numbers::words(&table.columns[y].name),
            };
            let track = match tracks.iter_mut().position(|track| track.name == name) {
                Some(found) => &mut tracks[found],
                None if tracks.len() == SERIES_MAX => {
                    left += 1;
                    continue;
                }
                None => {
                    tracks.push(Track {
                        name,
                        y,
                        points: vec![None; times.len()],
                    });
                    let last = tracks.len() - 1;
                    &mut tracks[last]
                }
            };
            track.points[at] = Some(row);
        }
    }
    let many = tracks.len() > 1;
    let names: Vec<String> = times.iter().map(|time| plain(&sheet.styles.alone(time, x))).collect();
    // Few points can be told apart; many are one line.
    let dots = times.len() <= 40;
    let end_px = if many {
        tracks
            .iter()
            .map(|track| width_of(&track.name))
            .fold(0.0, f64::max)
            .min(140.0)
            + 12.0
    } else {
        // Half of the last name lies beyond the last point.
        (names.last().map_or(0.0, |name| width_of(name)) / 2.0 + 4.0).max(12.0)
    };
    let mut option = base(look)
        .tooltip(
            Tooltip::new().trigger(Trigger::Axis).axis_pointer(
                AxisPointer::new()
                    .type_(AxisPointerType::Line)
                    .line_style(LineStyle::new().color(color(&look.line))),
            ),
        )
        .grid(Grid::new().left(48).right(end_px).top(16).bottom(28))
        .x_axis(
            silent_axis()
                .type_(AxisType::Category)
                .boundary_gap(BoundaryGap::CategoryAxis(false))
                .data(names.clone())
                .axis_label(axis_label(look)),
        )
        .y_axis(value_axis(look));
    for (index, track) in tracks.iter().enumerate() {
        let paint = &look.data[index % look.data.len()];
        let data: Vec<CompositeValue> = track
            .points
            .iter()
            .map(|row| CompositeValue::from(row.and_then(|row| number(row, track.y))))
            .collect();
        option = option.series(
            Line::new()
                .name(plain(&track.name))
                .symbol(Symbol::Circle)
                .symbol_size(if dots { 5.0 } else { 4.0 })
                .show_symbol(dots)
                .connect_nulls(false)
                .line_style(LineStyle::new().color(color(paint)).width(2))
                .item_style(ItemStyle::new().color(color(paint)))
                .data(data),
        );
    }
    let option = finish(option, look, |value| {
        value["grid"][0]["outerBoundsMode"] = json!("none");
        value["xAxis"]["axisLabel"]["hideOverlap"] = json!(true);
        let Some(series) = value["series"].as_array_mut() else {
            return;
        };
        for (index, series) in series.iter_mut().enumerate().filter(|_| many) {
            // The line's name stands at its end instead of in a legend.
            series["endLabel"] = json!({
                "show": true, "formatter": "{a}", "color": look.data[index % look.data.len()], "fontSize": 11,
                "width": end_px - 12.0, "overflow": "truncate",
            });
            series["labelLayout"] = json!({"moveOverlap": "shiftY"});
        }
    });
    let tips = tracks.iter().map(|track| {
        let of = |(point, time): (&Option<&Vec<Cell>>, &Cell)| match point {
            Some(row) => sheet.tip(row, x, track.y, series.or(None)),
            None => format!("{}\nno data", plain(&sheet.styles.alone(time, x))),
        };
        track.points.iter().zip(&times).map(of).collect()
    });
    Drawing {
        option,
        height_px: PLOT_HEIGHT_PX,
        tips: tips.collect(),
        axes: [None, y.first().copied()],
        legend: Vec::new(),
        ramp: None,
        left_out: (left > 0).then(|| format!("The first {SERIES_MAX} lines are drawn; the table has all of them.")),
    }
}

/// The stretches of time in order. Years that have no row are put in, so that a gap is seen as one.
fn times(table: &Table, x: usize) -> Vec<Cell> {
    let mut times: Vec<Cell> = Vec::new();
    for row in &table.rows {
        if let Some(cell) = row.get(x).filter(|cell| !cell.is_null())
            && !times.contains(cell)
        {
            times.push(cell.clone());
        }
    }
    match table.columns[x].column_type {
        ColumnType::Integer => {
            let years = || {
                times
                    .iter()
                    .filter_map(|cell| if let Cell::Integer(n) = cell { Some(*n) } else { None })
            };
            match (years().min(), years().max()) {
                (Some(first), Some(last)) if last - first < POINTS_MAX as i64 => {
                    (first..=last).map(Cell::Integer).collect()
                }
                _ => times,
            }
        }
        // Dates are written year first: the order of their letters is the order of time.
        _ => {
            times.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
            let grain = Grain::ALL
                .into_iter()
                .find(|grain| grain.name() == table.columns[x].name);
            let mut times = grain.and_then(|grain| stretches(&times, grain)).unwrap_or(times);
            times.truncate(POINTS_MAX);
            times
        }
    }
}

/// From the first to the last of these days, each stretch of this length. None where a day is not the first day of
/// such a stretch after the one before: then they are left as they are.
fn stretches(times: &[Cell], grain: Grain) -> Option<Vec<Cell>> {
    let day = |cell: &Cell| cell.as_str()?.parse::<Date>().ok();
    let (mut at, last) = (day(times.first()?)?, day(times.last()?)?);
    let mut found = Vec::new();
    while at <= last && found.len() < POINTS_MAX {
        found.push(Cell::Text(at.to_string()));
        at = match grain {
            Grain::Day => at.tomorrow().ok()?,
            Grain::Week => (0..7).try_fold(at, |day, _| day.tomorrow().ok())?,
            Grain::Month => months_later(at, 1)?,
            Grain::Quarter => months_later(at, 3)?,
            Grain::Year => months_later(at, 12)?,
        };
    }
    times.iter().all(|time| found.contains(time)).then_some(found)
}

fn months_later(day: Date, months: i16) -> Option<Date> {
    let month = i16::from(day.month()) - 1 + months;
    Date::new(day.year() + month / 12, i8::try_from(month % 12 + 1).ok()?, day.day()).ok()
}

fn stacks(sheet: &Sheet, x: usize, y: usize, series: usize, look: &Look) -> Drawing {
    let table = sheet.table;
    let mut names: Vec<String> = Vec::new();
    let mut parts: Vec<String> = Vec::new();
    for row in &table.rows {
        let (of, part) = (sheet.name(row, x), sheet.name(row, series));
        if !names.contains(&of) && names.len() < BARS_MAX {
            names.push(of);
        }
        if !parts.contains(&part) && parts.len() < SERIES_MAX {
            parts.push(part);
        }
    }
    let cell = |of: &str, part: &str| {
        table
            .rows
            .iter()
            .find(|row| sheet.name(row, x) == of && sheet.name(row, series) == part)
    };
    let left = (names.iter().map(|name| width_of(name)).fold(0.0, f64::max) + 16.0).min(look.width_px * 0.4);
    let mut option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(Grid::new().left(left).right(16).top(4).bottom(28))
        .x_axis(value_axis(look))
        .y_axis(
            silent_axis()
                .type_(AxisType::Category)
                .inverse(true)
                .data(names.clone())
                .axis_label(AxisLabel::new().color(color(&look.ink)).font_size(12).interval(0)),
        );
    let mut tips = Vec::new();
    for (index, part) in parts.iter().enumerate() {
        let rows: Vec<_> = names.iter().map(|of| cell(of, part)).collect();
        tips.push(
            rows.iter()
                .map(|row| row.map(|row| sheet.tip(row, x, y, Some(series))).unwrap_or_default())
                .collect(),
        );
        let data: Vec<CompositeValue> = rows
            .iter()
            .map(|row| CompositeValue::from(row.and_then(|row| number(row, y))))
            .collect();
        option = option.series(
            Bar::new()
                .name(part.clone())
                .stack("all")
                .bar_width(16)
                .item_style(ItemStyle::new().color(color(&look.data[index % look.data.len()])))
                .data(data),
        );
    }
    let option = finish(option, look, |value| {
        names_at_the_left(value, left);
    });
    let drawn: usize = table
        .rows
        .iter()
        .filter(|row| names.contains(&sheet.name(row, x)) && parts.contains(&sheet.name(row, series)))
        .count();
    Drawing {
        option,
        height_px: names.len() as f64 * BAR_STEP_PX + 36.0,
        tips,
        axes: [Some(y), None],
        legend: parts,
        ramp: None,
        left_out: left_out(drawn, table.rows.len(), "rows"),
    }
}

fn scatter(sheet: &Sheet, x: usize, y: usize, look: &Look) -> Drawing {
    let table = sheet.table;
    let both = |row: &&Vec<Cell>| number(row, x).is_some() && number(row, y).is_some();
    let rows: Vec<_> = table.rows.iter().filter(both).take(POINTS_MAX).collect();
    let data: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| [x, y].iter().filter_map(|column| number(row, *column)).collect())
        .collect();
    let option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(Grid::new().left(48).right(16).top(16).bottom(28))
        .x_axis(value_axis(look).scale(true).split_line(SplitLine::new().show(false)))
        .y_axis(value_axis(look).scale(true))
        .series(
            Scatter::new()
                .symbol_size(8)
                .item_style(ItemStyle::new().color(color(&look.data[0])).opacity(0.7))
                .data(data),
        );
    let all = |row: &&Vec<Cell>| {
        plain(
            &(0..row.len())
                .map(|column| sheet.styles.exact(row, column))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    };
    Drawing {
        option: finish(option, look, |value| {
            value["grid"][0]["outerBoundsMode"] = json!("none")
        }),
        height_px: PLOT_HEIGHT_PX,
        tips: vec![rows.iter().map(all).collect()],
        axes: [Some(x), Some(y)],
        legend: Vec::new(),
        ramp: None,
        left_out: left_out(rows.len(), table.rows.len(), "points"),
    }
}

/// The values of a column: numbers (weekdays, months) in their order, names as they come.
fn values(table: &Table, column: usize) -> Vec<&Cell> {
    let mut found: Vec<&Cell> = Vec::new();
    for cell in table.rows.iter().filter_map(|row| row.get(column)) {
        if !found.contains(&cell) {
            found.push(cell);
        }
    }
    if found.iter().all(|cell| cell.as_f64().is_some()) {
        found.sort_by(|a, b| {
            a.as_f64()
                .unwrap_or_default()
                .total_cmp(&b.as_f64().unwrap_or_default())
        });
    }
    found
}

/// Cells in rows and columns, their colour from little to much. Drawn as a scatter of rectangles: ECharts' own heatmap
/// would bring its visual map with it, which is larger than all of this.
fn heatmap(sheet: &Sheet, x: usize, y: usize, series: usize, look: &Look) -> Option<Drawing> {
    const CELL_HEIGHT_PX: f64 = 28.0;
    const GAP_PX: f64 = 2.0;
    let table = sheet.table;
    let (across, down) = (values(table, x), values(table, series));
    if across.len() * down.len() > POINTS_MAX || across.len() > BARS_MAX * 2 || down.len() > BARS_MAX {
        return None;
    }
    let name = |cell: &Cell, column| {
        if cell.is_null() {
            "not known".to_owned()
        } else {
            plain(&sheet.styles.alone(cell, column))
        }
    };
    let names: Vec<String> = down.iter().map(|cell| name(cell, series)).collect();
    let rows: Vec<_> = table.rows.iter().filter(|row| number(row, y).is_some()).collect();
    let by_value = |a: &&&Vec<Cell>, b: &&&Vec<Cell>| {
        number(a, y)
            .unwrap_or_default()
            .total_cmp(&number(b, y).unwrap_or_default())
    };
    let (least, most) = (rows.iter().min_by(by_value)?, rows.iter().max_by(by_value)?);
    let (low, high) = (number(least, y)?, number(most, y)?);
    let left = (widest(&names) + 16.0).min(look.width_px * 0.3);
    let width = ((look.width_px - left) / across.len().max(1) as f64).max(4.0);
    let steps = look.ramp.len().max(1);
    let item = |row: &&Vec<Cell>| {
        let at =
            |cells: &[&Cell], column: usize| cells.iter().position(|cell| row.get(column) == Some(cell)).unwrap_or(0);
        let share = if high > low {
            (number(row, y).unwrap_or_default() - low) / (high - low)
        } else {
            1.0
        };
        let step = ((share * steps as f64) as usize).min(steps - 1);
        DataPointItem::new(vec![at(&across, x) as f64, at(&down, series) as f64])
            .item_style(ItemStyle::new().color(color(look.ramp.get(step).unwrap_or(&look.ink))))
    };
    let across_names: Vec<String> = across.iter().map(|cell| name(cell, x)).collect();
    // Where names do not fit above their column, their first letters do.
    let fitting = if widest(&across_names) + 8.0 > width {
        across_names.iter().map(|name| name.chars().take(3).collect()).collect()
    } else {
        across_names
    };
    let option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(Grid::new().left(left).right(0).top(4).bottom(24))
        .x_axis(
            silent_axis()
                .type_(AxisType::Category)
                .data(fitting)
                .axis_label(axis_label(look)),
        )
        .y_axis(
            silent_axis()
                .type_(AxisType::Category)
                .inverse(true)
                .data(names)
                .axis_label(AxisLabel::new().color(color(&look.ink)).font_size(12).interval(0)),
        )
        .series(Scatter::new().data(rows.iter().map(item).collect::<Vec<_>>()));
    let option = finish(option, look, |value| {
        names_at_the_left(value, left);
        value["series"][0]["itemStyle"] = json!({"opacity": 1});
        value["series"][0]["symbol"] = json!("rect");
        value["series"][0]["symbolSize"] = json!([width - GAP_PX, CELL_HEIGHT_PX]);
        value["series"][0]["emphasis"] =
            json!({"scale": false, "itemStyle": {"borderColor": look.ink, "borderWidth": 1}});
    });
    Some(Drawing {
        option,
        height_px: down.len() as f64 * (CELL_HEIGHT_PX + GAP_PX) + 28.0,
        tips: vec![rows.iter().map(|row| sheet.tip(row, x, y, Some(series))).collect()],
        axes: [None, None],
        legend: Vec::new(),
        ramp: Some((sheet.short(least, y), sheet.short(most, y))),
        left_out: None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use concert_contract::table::Column;

    fn table(columns: &[(&str, ColumnType)], rows: Vec<Vec<Cell>>) -> Table {
        let column = |(name, column_type): &(&str, ColumnType)| Column {
            name: (*name).into(),
            column_type: *column_type,
            unit: column_type.is_number().then(|| "count".into()),
        };
        let row_count = rows.len() as u64;
        Table {
            columns: columns.iter().map(column).collect(),
            rows,
            row_count,
            truncated: false,
        }
    }

    fn nothing_known() -> concert_contract::api::CatalogueAnswer {
        serde_json::from_value(json!({
            "version": "", "metrics": [], "dimensions": [], "questions": [],
            "data": {"snapshot_id": "", "as_of": null, "last_complete_day": null, "tables": []},
        }))
        .unwrap()
    }

    fn text(text: &str) -> Cell {
        Cell::Text(text.into())
    }

    fn chart(kind: ChartKind, x: &str, y: &str) -> Chart {
        Chart {
            kind,
            x: Some(x.into()),
            y: vec![y.into()],
            series: None,
            alternatives: vec![],
            x_format: None,
            y_format: None,
        }
    }

    fn venues() -> Table {
        table(
            &[("venue", ColumnType::Text), ("concerts", ColumnType::Integer)],
            vec![
                vec![text("Small {b|x}"), Cell::Integer(3)],
                vec![text("Large"), Cell::Integer(12_345)],
                vec![Cell::Null, Cell::Integer(7)],
                vec![text("Unknown"), Cell::Null],
            ],
        )
    }

    #[test]
    fn bars_are_sorted_and_labelled_and_names_are_no_templates() {
        let drawing = draw(
            &venues(),
            &chart(ChartKind::Bar, "venue", "concerts"),
            &Styles::default(),
            &Look::default(),
        )
        .unwrap();
        assert_eq!(
            drawing.option["yAxis"]["data"],
            json!(["Large", "not known", "Small (b|x)"])
        );
        let data = drawing.option["series"][0]["data"].as_array().unwrap();
        assert_eq!(
            data.iter()
                .map(|item| item["value"].as_f64().unwrap())
                .collect::<Vec<_>>(),
            [12345.0, 7.0, 3.0]
        );
        assert_eq!(data[1]["label"]["formatter"], "7");
        assert_eq!(drawing.tips[0].len(), 3);
        assert!(
            drawing.option["xAxis"]["min"].is_null(),
            "a bar's axis begins at zero by itself"
        );
    }

    #[test]
    fn every_option_draws_its_tooltip_on_the_canvas() {
        for kind in [ChartKind::Bar, ChartKind::Column, ChartKind::Line] {
            let drawing = draw(
                &venues(),
                &chart(kind, "venue", "concerts"),
                &Styles::default(),
                &Look::default(),
            )
            .unwrap();
            assert_eq!(drawing.option["tooltip"]["renderMode"], "richText", "{kind:?}");
        }
    }

    #[test]
    fn a_year_without_rows_is_a_gap() {
        let years = table(
            &[("year", ColumnType::Integer), ("attendance", ColumnType::Integer)],
            vec![
                vec![Cell::Integer(1990), Cell::Integer(5000)],
                vec![Cell::Integer(1988), Cell::Integer(4)],
            ],
        );
        let drawing = draw(
            &years,
            &chart(ChartKind::Line, "year", "attendance"),
            &Styles::of(&years.columns, &nothing_known()),
            &Look::default(),
        )
        .unwrap();
        assert_eq!(drawing.option["xAxis"]["data"], json!(["1988", "1989", "1990"]));
        assert_eq!(drawing.option["series"][0]["data"], json!([4.0, null, 5000.0]));
        assert_eq!(drawing.tips[0][1], "1989\nno data");
    }

    #[test]
    fn a_month_without_rows_is_a_gap_as_well() {
        let months = ["1999-11-01", "2000-02-01"].map(|day| vec![text(day), Cell::Integer(4)]);
        let months = table(
            &[("month", ColumnType::Date), ("attendance", ColumnType::Integer)],
            months.into(),
        );
        let styles = Styles::of(&months.columns, &nothing_known());
        let drawing = draw(
            &months,
            &chart(ChartKind::Line, "month", "attendance"),
            &styles,
            &Look::default(),
        )
        .unwrap();
        assert_eq!(
            drawing.option["xAxis"]["data"],
            json!(["Nov 1999", "Dec 1999", "Jan 2000", "Feb 2000"])
        );
        assert_eq!(drawing.option["series"][0]["data"], json!([4.0, null, null, 4.0]));
        assert_eq!(stretches(&[text("1999-11-01"), text("1999-12-02")], Grain::Month), None);
        assert_eq!(stretches(&[text("no day")], Grain::Week), None);
    }

    #[test]
    fn what_cannot_be_drawn_is_none() {
        let (styles, look) = (Styles::default(), Look::default());
        assert_eq!(
            draw(&venues(), &chart(ChartKind::Bar, "city", "concerts"), &styles, &look),
            None
        );
        assert_eq!(
            draw(
                &venues(),
                &chart(ChartKind::Heatmap, "venue", "concerts"),
                &styles,
                &look
            ),
            None
        );
        assert_eq!(
            draw(&venues(), &chart(ChartKind::Bar, "concerts", "venue"), &styles, &look),
            None
        );
        assert_eq!(
            draw(&table(&[], vec![]), &chart(ChartKind::Line, "a", "b"), &styles, &look),
            None
        );
    }

    #[test]
    fn a_heatmap_puts_weekdays_in_order_and_more_further_along_the_ramp() {
        let cells = table(
            &[
                ("weekday", ColumnType::Integer),
                ("month", ColumnType::Integer),
                ("concerts", ColumnType::Integer),
            ],
            [(7, 2, 9), (1, 1, 0), (1, 2, 4)]
                .map(|row| vec![row.0, row.1, row.2].into_iter().map(Cell::Integer).collect())
                .into(),
        );
        let of = Chart {
            series: Some("month".into()),
            ..chart(ChartKind::Heatmap, "weekday", "concerts")
        };
        let look = Look {
            ramp: ["#0", "#1", "#2"].map(str::to_owned).to_vec(),
            ..Look::default()
        };
        let drawing = draw(&cells, &of, &Styles::default(), &look).unwrap();
        assert_eq!(drawing.option["xAxis"]["data"], json!(["1", "7"]));
        let data = &drawing.option["series"][0]["data"];
        assert_eq!(data[0], json!({"value": [1.0, 1.0], "itemStyle": {"color": "#2"}}));
        assert_eq!(data[1], json!({"value": [0.0, 0.0], "itemStyle": {"color": "#0"}}));
        assert_eq!(data[2]["itemStyle"]["color"], "#1");
        assert_eq!(drawing.ramp, Some(("0".into(), "9".into())));
    }

    #[test]
    fn too_many_bars_are_said_to_be_left_out() {
        let rows = (0..60)
            .map(|n| vec![text(&format!("v{n}")), Cell::Integer(n)])
            .collect();
        let many = table(&[("venue", ColumnType::Text), ("concerts", ColumnType::Integer)], rows);
        let drawing = draw(
            &many,
            &chart(ChartKind::Bar, "venue", "concerts"),
            &Styles::default(),
            &Look::default(),
        )
        .unwrap();
        assert_eq!(drawing.tips[0].len(), BARS_MAX);
        assert!(drawing.left_out.unwrap().contains("25 of 60"));
    }
}
