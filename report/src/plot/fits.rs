//! Answers beside what they should be.

use plotters::prelude::*;

use super::{BLUE, GRID, INK, MUTED, PAPER, Plot, axes, drawable, letters, range};
use crate::text::{number, shortened};
use crate::{Fit, Result};

/// The plot of an output: the answers over what they should be, and the line where they are the same.
pub(crate) fn plot(fit: &Fit) -> Result<Plot> {
    let points: Vec<_> = fit.points.iter().copied().filter(|&(y, a)| drawable(y) && drawable(a)).collect();
    let name = shortened(&fit.name, 40);
    let description = format!("{name}: {} answers over what they should be.", points.len());
    let (low, high) = range(points.iter().flat_map(|&(y, a)| [y, a]));
    Plot::draw((460, 400), description, |area| {
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(18)
            .caption(&name, letters(14, INK))
            .x_label_area_size(38)
            .y_label_area_size(62)
            .build_cartesian_2d(low..high, low..high)?;
        axes!(chart, "true", "predicted")
            .x_labels(6)
            .y_labels(6)
            .x_label_formatter(&|&x| number(x))
            .y_label_formatter(&|&y| number(y))
            .draw()?;
        chart.draw_series(LineSeries::new([(low, low), (high, high)], MUTED.stroke_width(1)))?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 2, BLUE.mix(0.6).filled())))?;
        Ok(())
    })
}
