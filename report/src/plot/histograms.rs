//! Histograms of parameters and gradients.

use plotters::prelude::*;

use super::{Area, BLUE, Drawn, GRID, INK, MUTED, ORANGE, PAPER, Plot, axes, letters, tick};
use crate::text::{count, number, shortened};
use crate::{Histogram, Result};

/// The size of a chart.
const SIZE: (u32, u32) = (400, 200);
/// The most rows of charts in one plot.
const ROWS: usize = 40;

/// One histogram: that of a parameter, or of its gradient.
pub(crate) fn one(histogram: &Histogram, gradient: bool) -> Result<Plot> {
    Plot::draw(SIZE, describe(histogram, gradient), |area| draw(area, histogram, gradient))
}

/// The parameters on the left, their gradients on the right.
pub(crate) fn all(parameters: &[Histogram], gradients: &[Histogram]) -> Result<Option<Plot>> {
    let rows = parameters.len().max(gradients.len()).min(ROWS);
    let Ok(height) = u32::try_from(rows) else { return Ok(None) };
    if rows == 0 {
        return Ok(None);
    }
    let described = "Histograms of the parameters of each layer (left) and of their gradients (right).";
    let plot = Plot::draw((2 * SIZE.0, height * SIZE.1), described.to_owned(), |area| {
        let parts = area.split_evenly((rows, 2));
        let of = |histograms: &[Histogram], side: usize| {
            let each = histograms.iter().take(rows).enumerate();
            each.map(move |(row, histogram)| (2 * row + side, histogram.clone())).collect::<Vec<_>>()
        };
        let both = of(parameters, 0).into_iter().chain(of(gradients, 1));
        both.into_iter().try_for_each(|(part, histogram)| draw(&parts[part], &histogram, part % 2 == 1))
    })?;
    Ok(Some(plot))
}

/// What a histogram says in words.
pub(crate) fn describe(histogram: &Histogram, gradient: bool) -> String {
    let Histogram { name, min, max, .. } = histogram;
    let (mean, deviation) = (number(histogram.mean()), number(histogram.deviation()));
    format!(
        "Histogram of {}{name}: {} from {} to {}, mean {mean}, standard deviation {deviation}.",
        if gradient { "the gradient of " } else { "" },
        count(histogram.count),
        number(*min),
        number(*max),
    )
}

fn draw(area: &Area<'_>, histogram: &Histogram, gradient: bool) -> Drawn {
    let Histogram { low, high, bins, .. } = histogram;
    let most = bins.iter().max().copied().unwrap_or(0).max(1);
    // What has no bins has an axis all the same, and so have values that the plotting library has no numbers for.
    let (low, high) = if high > low && high - low < 1e300 { (*low, *high) } else { (0.0, 1.0) };
    let bins: &[u64] = if (low, high) == (histogram.low, histogram.high) { bins } else { &[] };
    let name = shortened(&histogram.name, 40);
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .margin_right(18)
        .caption(if gradient { format!("gradient of {name}") } else { name }, letters(14, INK))
        .x_label_area_size(24)
        .y_label_area_size(58)
        .build_cartesian_2d(low..high, 0..most + most / 20 + 1)?;
    axes!(chart, "", "")
        .disable_x_mesh()
        .x_labels(6)
        .y_labels(4)
        .x_label_formatter(&|&x| tick(x, low, high))
        .y_label_formatter(&|&y| if y < 100_000 { count(y) } else { number(y as f64) })
        .draw()?;
    let colour = if gradient { ORANGE } else { BLUE };
    let width = (high - low) / bins.len().max(1) as f64;
    let filled = bins.iter().enumerate().filter(|&(_, &n)| n > 0);
    chart.draw_series(filled.map(|(bin, &n)| {
        let left = low + bin as f64 * width;
        let mut bar = Rectangle::new([(left, 0), (left + width, n)], colour.filled());
        bar.set_margin(0, 0, 0, 1);
        bar
    }))?;
    Ok(())
}
