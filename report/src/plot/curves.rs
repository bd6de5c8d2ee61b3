//! Curves over the epochs.

use chainrule_core::{Epoch, Evaluation};
use plotters::prelude::*;

use super::{
    Area, BLUE, Drawn, GREEN, GRID, INK, MUTED, ORANGE, PAPER, PURPLE, Plot, axes, drawable, letters, range,
    tick,
};
use crate::Result;
use crate::csv::{accuracy, metric, metric_names};
use crate::text::{clean, number, shortened};

/// The size of a chart.
const SIZE: (u32, u32) = (400, 270);
/// The most points of a curve: more than there are pixels.
const POINTS: usize = 1000;
/// Losses that differ by more than this factor are drawn by their logarithms.
const MAGNITUDES: f64 = 50.0;

/// A chart of some curves over the epochs.
struct Panel {
    what: String,
    curves: Vec<Curve>,
    /// Whether values are fractions, told as percentages.
    percent: bool,
    /// Whether the values are logarithms to base 10.
    logarithms: bool,
}

struct Curve {
    name: &'static str,
    colour: RGBColor,
    points: Vec<(usize, f64)>,
}

/// A plot for each chart: loss, accuracy, each metric, learning rate.
pub(crate) fn each(history: &[Epoch], tests: &[Option<Evaluation>]) -> Result<Vec<Plot>> {
    let draw = |panel: &Panel| Plot::draw(SIZE, panel.describe(), |area| panel.draw(area));
    panels(history, tests).iter().map(draw).collect()
}

/// All charts in one plot.
pub(crate) fn all(title: &str, history: &[Epoch], tests: &[Option<Evaluation>]) -> Result<Option<Plot>> {
    let panels = panels(history, tests);
    let Ok(rows) = u32::try_from(panels.len().div_ceil(2)) else { return Ok(None) };
    if rows == 0 {
        return Ok(None);
    }
    let title = shortened(title, 100);
    let described = panels.iter().map(Panel::describe).collect::<Vec<_>>().join(" ");
    let plot = Plot::draw((2 * SIZE.0, rows * SIZE.1 + 40), format!("{title}. {described}"), |area| {
        let area = area.titled(&title, letters(18, INK))?;
        let parts = area.split_evenly((panels.len().div_ceil(2), 2));
        panels.iter().zip(&parts).try_for_each(|(panel, part)| panel.draw(part))
    })?;
    Ok(Some(plot))
}

fn panels(history: &[Epoch], tests: &[Option<Evaluation>]) -> Vec<Panel> {
    let parts = |what: &str, percent: bool, of: &dyn Fn(&Evaluation) -> Option<f64>| {
        let train = points(history, |_, epoch| of(&epoch.train));
        let validation = points(history, |_, epoch| epoch.validation.as_ref().and_then(of));
        let test = points(history, |index, _| tests.get(index)?.as_ref().and_then(of));
        let curves = [("train", BLUE, train), ("validation", ORANGE, validation), ("test", GREEN, test)];
        Panel::new(what, curves.map(|(name, colour, points)| Curve { name, colour, points }).into(), percent)
    };
    let rate = points(history, |_, epoch| Some(epoch.learning_rate));
    let rate = vec![Curve { name: "learning rate", colour: PURPLE, points: rate }];
    let mut panels = vec![
        parts("loss", false, &|evaluation| Some(evaluation.loss)).by_logarithms(),
        parts("accuracy (%)", true, &accuracy),
    ];
    panels.extend(metric_names(history, tests).iter().map(|name| parts(name, false, &|of| metric(of, name))));
    panels.push(Panel::new("learning rate", rate, false));
    panels.retain(|panel| !panel.curves.is_empty());
    panels
}

/// The values of some epochs that can be drawn, the last among them.
fn points(history: &[Epoch], value: impl Fn(usize, &Epoch) -> Option<f64>) -> Vec<(usize, f64)> {
    let step = history.len().div_ceil(POINTS).max(1);
    let chosen = history.iter().enumerate().rev().step_by(step);
    let mut points: Vec<_> =
        chosen.filter_map(|(index, epoch)| Some((epoch.epoch, value(index, epoch)?))).collect();
    points.retain(|&(_, value)| drawable(value));
    points.reverse();
    points
}

impl Panel {
    fn new(what: &str, mut curves: Vec<Curve>, percent: bool) -> Self {
        curves.retain(|curve| !curve.points.is_empty());
        if percent {
            curves.iter_mut().flat_map(|curve| &mut curve.points).for_each(|(_, value)| *value *= 100.0);
        }
        Self { what: shortened(what, 40), curves, percent, logarithms: false }
    }

    /// Takes the logarithms of the values if they differ by magnitudes.
    fn by_logarithms(mut self) -> Self {
        let low = self.values().fold(f64::INFINITY, f64::min);
        let high = self.values().fold(0.0, f64::max);
        if low > 0.0 && low.is_finite() && high > MAGNITUDES * low {
            self.curves
                .iter_mut()
                .flat_map(|curve| &mut curve.points)
                .for_each(|(_, value)| *value = value.log10());
            self.logarithms = true;
        }
        self
    }

    fn values(&self) -> impl Iterator<Item = f64> + Clone {
        self.curves.iter().flat_map(|curve| &curve.points).map(|&(_, value)| value)
    }

    fn number(&self, value: f64) -> String {
        number(if self.logarithms { 10.0_f64.powf(value) } else { value })
    }

    fn describe(&self) -> String {
        let ends = |curve: &Curve| {
            let (first, last) = (curve.points[0], curve.points[curve.points.len() - 1]);
            let (a, b) = (self.number(first.1), self.number(last.1));
            format!("{}: {a} in epoch {}, {b} in epoch {}", curve.name, first.0, last.0)
        };
        let curves: Vec<_> = self.curves.iter().map(ends).collect();
        format!("Curve of {} over the epochs. {}.", clean(&self.what), curves.join("; "))
    }

    fn draw(&self, area: &Area<'_>) -> Drawn {
        let (mut low, mut high) = range(self.values());
        if self.percent {
            (low, high) = (low.max(0.0), high.min(100.5));
        }
        let epochs = || self.curves.iter().flat_map(|curve| &curve.points).map(|&(epoch, _)| epoch);
        let first = epochs().min().unwrap_or(1);
        let last = epochs().max().unwrap_or(1).max(first + 1);
        let mut chart = ChartBuilder::on(area)
            .margin(10)
            .margin_right(18)
            .x_label_area_size(38)
            .y_label_area_size(58)
            .build_cartesian_2d(first..last, low..high)?;
        let what = if self.logarithms { format!("{} (logarithmic)", self.what) } else { self.what.clone() };
        axes!(chart, "epoch", what)
            .x_labels(8)
            .y_labels(6)
            .y_label_formatter(&|&value| {
                if self.logarithms { self.number(value) } else { tick(value, low, high) }
            })
            .draw()?;
        for Curve { name, colour, points } in &self.curves {
            let colour = *colour;
            chart
                .draw_series(LineSeries::new(points.iter().copied(), colour.stroke_width(2)))?
                .label(*name)
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 18, y)], colour.stroke_width(2)));
            // Few points are seen better as such; a single one makes no line.
            let dots = points.iter().filter(|_| points.len() <= 12);
            chart.draw_series(dots.map(|&point| Circle::new(point, 3, colour.filled())))?;
        }
        // A curve of what the chart is called needs no other name.
        if self.curves.iter().any(|curve| curve.name != self.what) {
            // Losses and errors fall, and the rest rises.
            let falls = ["loss", "log-loss", "rmse", "mae"].iter().any(|name| self.what.starts_with(name));
            let corner =
                if falls { SeriesLabelPosition::UpperRight } else { SeriesLabelPosition::LowerRight };
            chart
                .configure_series_labels()
                .position(corner)
                .background_style(PAPER.mix(0.85))
                .border_style(GRID)
                .label_font(letters(12, INK))
                .draw()?;
        }
        Ok(())
    }
}
