//! Answers beside what they should be.

use plotters::prelude::*;

use super::{BLUE, GRID, INK, MUTED, PAPER, Plot, axes, drawable, letters, range, tick};
use crate::text::shortened;
use crate::{Fit, Result};

/// The plot of an output: the answers over what they should be, and the line where they are the same.
pub(crate) fn plot(fit: &Fit) -> Result<Plot> {
    let points: Vec<_> = fit.points.iter().copied().filter(|&(y, a)| drawable(y) && drawable(a)).collect();
    let name = shortened(&fit.name, 40);
    let description = format!("{name}: {} answers over what they should be.", points.len());
    let (low, high) = range(points.iter().flat_map(|&(y, a)| [y, a]));
    Plot::draw((400, 360), description, |area| {
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
            .x_label_formatter(&|&x| tick(x, low, high))
            .y_label_formatter(&|&y| tick(y, low, high))
            .draw()?;
        chart.draw_series(LineSeries::new([(low, low), (high, high)], MUTED.stroke_width(1)))?;
        chart.draw_series(points.iter().map(|&point| Circle::new(point, 2, BLUE.mix(0.6).filled())))?;
        Ok(())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zero_is_told_as_such() {
        let points = vec![(-0.545_454_545_454_545_4, 0.3), (0.454_545_454_545_454_5, -0.53)];
        let plot = plot(&Fit { name: "y".to_owned(), points }).unwrap();
        assert!(plot.svg().contains("\n0\n") && !plot.svg().contains("e-17"), "{}", plot.svg());
    }
}
