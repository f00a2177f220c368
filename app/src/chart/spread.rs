//! How one number is spread over many rows, and where rows lie on the Earth.

use super::plan::{
    Drawing, Look, PLOT_HEIGHT_PX, POINTS_MAX, Sheet, axis_label, base, color, finish, left_out, number, plain,
    silent_axis, value_axis,
};
use charming::{
    component::{Axis, Grid},
    element::{AxisType, Emphasis, ItemStyle, SplitLine, Tooltip, Trigger},
    series::{Bar, Scatter},
};
use concert_contract::table::Cell;
use serde_json::json;

/// Bars of a histogram at most.
const BINS_MAX: f64 = 24.0;

/// The bounds of the bars of a histogram: round numbers, as wide as Freedman and Diaconis say ("On the Histogram as a
/// Density Estimator", 1981), so that neither chance nor averaging hides the shape. `values` are sorted.
fn bounds(values: &[f64]) -> Vec<f64> {
    let (Some(least), Some(most)) = (values.first().copied(), values.last().copied()) else {
        return Vec::new();
    };
    let quartile = |share: f64| {
        values
            .get(((values.len() - 1) as f64 * share).round() as usize)
            .copied()
    };
    let middle_half = quartile(0.75).unwrap_or(most) - quartile(0.25).unwrap_or(least);
    let ideal = 2.0 * middle_half / (values.len() as f64).cbrt();
    let width = round_up(ideal.max((most - least) / BINS_MAX));
    if !(width.is_finite() && width > 0.0) {
        return vec![least, least + 1.0];
    }
    let first = (least / width).floor() * width;
    let count = ((most - first) / width).floor() as usize + 1;
    (0..=count).map(|at| first + at as f64 * width).collect()
}

/// The next of 1, 2, 5, 10, 20, 50 …
fn round_up(width: f64) -> f64 {
    let size = 10f64.powf(width.log10().floor());
    [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * size)
        .find(|step| *step >= width)
        .unwrap_or(width)
}

/// Upright bars of how many rows have a number of which size.
pub(super) fn histogram(sheet: &Sheet, y: usize, look: &Look) -> Option<Drawing> {
    let mut values: Vec<f64> = sheet.table.rows.iter().filter_map(|row| number(row, y)).collect();
    values.sort_by(f64::total_cmp);
    let bounds = bounds(&values);
    let written: Vec<String> = bounds
        .iter()
        .map(|bound| plain(&sheet.styles.tick(*bound, y)))
        .collect();
    let counts: Vec<usize> = bounds
        .windows(2)
        .map(|bin| {
            values
                .iter()
                .filter(|value| bin[0] <= **value && **value < bin[1])
                .count()
        })
        .collect();
    if counts.is_empty() {
        return None;
    }
    let names: Vec<String> = written.windows(2).map(|bin| bin[0].clone()).collect();
    let tips = written
        .windows(2)
        .zip(&counts)
        .map(|(bin, count)| format!("{} to under {}\n{count} rows", bin[0], bin[1]))
        .collect();
    let option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(Grid::new().left(44).right(4).top(16).bottom(28))
        .x_axis(
            silent_axis()
                .type_(AxisType::Category)
                .data(names)
                .axis_label(axis_label(look)),
        )
        .y_axis(value_axis(look))
        .series(
            Bar::new()
                .item_style(ItemStyle::new().color(color(&look.data[0])).border_radius(1))
                .emphasis(Emphasis::new().item_style(ItemStyle::new().opacity(0.85)))
                .data(counts.iter().map(|count| *count as i64).collect::<Vec<i64>>()),
        );
    Some(Drawing {
        option: finish(option, look, |value| {
            value["grid"][0]["outerBoundsMode"] = json!("none");
            // Neighbours touch: the sizes follow each other without a gap.
            value["series"][0]["barCategoryGap"] = json!("4%");
            value["xAxis"]["axisLabel"]["hideOverlap"] = json!(true);
            value["yAxis"]["minInterval"] = json!(1);
        }),
        height_px: PLOT_HEIGHT_PX,
        tips: vec![tips],
        axes: [None, None],
        legend: Vec::new(),
        ramp: None,
        left_out: None,
    })
}

/// Points by longitude and latitude, their area by a number. Degrees are drawn as wide as they are in the middle of
/// the points, so that a country keeps its shape.
pub(super) fn map(sheet: &Sheet, longitude: usize, y: &[usize], look: &Look) -> Option<Drawing> {
    const LARGEST_PX: f64 = 32.0;
    const SMALLEST_PX: f64 = 5.0;
    let latitude = *y.first()?;
    let placed = |row: &&Vec<Cell>| number(row, latitude).is_some() && number(row, longitude).is_some();
    let all: Vec<&Vec<Cell>> = sheet.table.rows.iter().filter(placed).collect();
    let rows: Vec<&Vec<Cell>> = all.iter().copied().take(POINTS_MAX).collect();
    let size = |row: &Vec<Cell>| y.get(1).and_then(|at| number(row, *at)).unwrap_or(0.0).max(0.0);
    let largest = rows.iter().map(|row| size(row)).fold(0.0, f64::max);
    let span = |column: usize| {
        let of = || rows.iter().filter_map(|row| number(row, column));
        (
            of().fold(f64::INFINITY, f64::min),
            of().fold(f64::NEG_INFINITY, f64::max),
        )
    };
    let ((west, east), (south, north)) = (span(longitude), span(latitude));
    if rows.is_empty() {
        return None;
    }
    let shrink = ((south + north) / 2.0).to_radians().cos().max(0.1);
    let (wide, high) = (((east - west) * shrink).max(0.01), (north - south).max(0.01));
    let height_px = (look.width_px * high / wide).clamp(PLOT_HEIGHT_PX, PLOT_HEIGHT_PX * 1.6);
    // The side with room to spare is padded, so that a degree is as long in both directions.
    let scale = (wide / look.width_px).max(high / height_px);
    let (pad_x, pad_y) = (
        (scale * look.width_px - wide) / 2.0 / shrink,
        (scale * height_px - high) / 2.0,
    );
    let axis = |from: f64, to: f64| {
        Axis::new()
            .type_(AxisType::Value)
            .show(false)
            .min(from)
            .max(to)
            .split_line(SplitLine::new().show(false))
    };
    let data: Vec<Vec<f64>> = rows
        .iter()
        .map(|row| {
            [longitude, latitude]
                .iter()
                .filter_map(|column| number(row, *column))
                .collect()
        })
        .collect();
    let option = base(look)
        .tooltip(Tooltip::new().trigger(Trigger::Item))
        .grid(Grid::new().left(20).right(20).top(20).bottom(20))
        .x_axis(axis(west - pad_x, east + pad_x))
        .y_axis(axis(south - pad_y, north + pad_y))
        .series(
            Scatter::new()
                .item_style(ItemStyle::new().color(color(&look.data[0])).opacity(0.55))
                .data(data),
        );
    let tip = |row: &&Vec<Cell>| {
        let told = (0..row.len()).filter(|column| *column != longitude && *column != latitude);
        plain(
            &told
                .map(|column| sheet.styles.exact(row, column))
                .collect::<Vec<_>>()
                .join("\n"),
        )
    };
    Some(Drawing {
        option: finish(option, look, |value| {
            value["grid"][0]["outerBoundsMode"] = json!("none");
            let Some(items) = value["series"][0]["data"].as_array_mut() else {
                return;
            };
            for (item, row) in items.iter_mut().zip(&rows) {
                // The eye compares areas.
                let share = if largest > 0.0 {
                    (size(row) / largest).sqrt()
                } else {
                    0.5
                };
                *item = json!({"value": item, "symbolSize": SMALLEST_PX + (LARGEST_PX - SMALLEST_PX) * share});
            }
        }),
        height_px,
        tips: vec![rows.iter().map(tip).collect()],
        axes: [None, None],
        legend: Vec::new(),
        ramp: None,
        left_out: left_out(rows.len(), all.len(), "points"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bars_of_a_histogram_are_round_and_hold_every_value() {
        for values in [
            vec![5.0],
            vec![1.0, 1.0, 1.0],
            (0..100).map(f64::from).collect(),
            vec![-3.5, 0.0, 12.0, 900.0, 901.0],
        ] {
            let bounds = bounds(&values);
            assert!(bounds.len() <= BINS_MAX as usize + 2, "{bounds:?}");
            let held = |value: &&f64| bounds.windows(2).any(|bin| bin[0] <= **value && **value < bin[1]);
            assert_eq!(values.iter().filter(held).count(), values.len(), "{bounds:?}");
        }
        assert_eq!(round_up(3.0), 5.0);
        assert_eq!(round_up(0.2), 0.2);
        assert_eq!(round_up(70.0), 100.0);
    }
}
