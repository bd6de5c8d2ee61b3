//! The picture of a training run: loss and accuracy over the epochs, as SVG.

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::failure::Failure;
use crate::report::Record;

const SIZE: (u32, u32) = (900, 400);
const TRAIN: RGBColor = RGBColor(0x1f, 0x77, 0xb4);
const TEST: RGBColor = RGBColor(0xd6, 0x27, 0x28);

/// The learning curves of a run as an SVG picture: the losses on the left, the accuracies on the right.
pub(crate) fn learning_curve(title: &str, records: &[Record]) -> Result<String, Failure> {
    let mut svg = String::new();
    draw(&mut svg, title, records)
        .map_err(|error| Failure::Other(format!("the picture cannot be drawn: {error}")))?;
    Ok(svg)
}

fn draw(svg: &mut String, title: &str, records: &[Record]) -> Result<(), Box<dyn std::error::Error>> {
    let area = SVGBackend::with_string(svg, SIZE).into_drawing_area();
    area.fill(&WHITE)?;
    let area = area.titled(title, ("sans-serif", 18))?;
    let (left, right) = area.split_horizontally(SIZE.0 / 2);
    let points = |value: fn(&Record) -> f64| {
        let finite = records.iter().map(move |record| (record.epoch as f64, value(record)));
        finite.filter(|(_, y)| y.is_finite()).collect::<Vec<_>>()
    };
    let held_out = |r: &Record| r.parts().last().map_or(f64::NAN, |(_, part)| part.loss);
    panel(&left, "loss", [points(|r| r.train.loss), points(held_out)], None)?;
    let accuracies = [points(|r| 100.0 * r.train_accuracy()), points(|r| 100.0 * r.test_accuracy())];
    panel(&right, "accuracy (%)", accuracies, Some(100.0))?;
    area.present()?;
    Ok(())
}

/// One pair of curves. The vertical axis reaches from 0, or, where there is a `top`, to it from a round number below.
fn panel(
    area: &DrawingArea<SVGBackend<'_>, Shift>,
    what: &str,
    [train, test]: [Vec<(f64, f64)>; 2],
    top: Option<f64>,
) -> Result<(), Box<dyn std::error::Error>> {
    let values = || train.iter().chain(&test).map(|&(_, y)| y);
    let epochs = train.iter().chain(&test).map(|&(x, _)| x).fold(2.0, f64::max);
    let (low, high) = match top {
        Some(top) => ((values().fold(top, f64::min) / 10.0).floor() * 10.0, top),
        None => (0.0, values().fold(0.0, f64::max) * 1.05),
    };
    // An axis needs some length.
    let high = if high > low { high } else { low + 1.0 };
    let mut chart = ChartBuilder::on(area)
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(56)
        .build_cartesian_2d(1.0..epochs, low..high)?;
    chart
        .configure_mesh()
        .light_line_style(WHITE)
        .label_style(("sans-serif", 13))
        .x_labels(8)
        .y_labels(8)
        .x_label_formatter(&|x| format!("{x:.0}"))
        .x_desc("epoch")
        .y_desc(what)
        .draw()?;
    for (name, colour, points) in [("train", TRAIN, train), ("test", TEST, test)] {
        // A single epoch makes no line.
        let dot = points.first().copied().filter(|_| points.len() == 1);
        chart
            .draw_series(LineSeries::new(points, colour.stroke_width(2)))?
            .label(name)
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], colour.stroke_width(2)));
        chart.draw_series(dot.map(|point| Circle::new(point, 3, colour.filled())))?;
    }
    let position =
        if top.is_some() { SeriesLabelPosition::LowerRight } else { SeriesLabelPosition::UpperRight };
    chart
        .configure_series_labels()
        .position(position)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .label_font(("sans-serif", 13))
        .draw()?;
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use chainrule::Evaluation;

    fn record(epoch: usize, loss: f64) -> Record {
        let mut record = Record { epoch, test: Some(Evaluation::default()), ..Record::default() };
        record.train.loss = loss;
        record
    }

    #[test]
    fn any_run_can_be_drawn() {
        for losses in [&[][..], &[0.0], &[f64::NAN], &[3.0, 2.0], &[1e300, f64::INFINITY]] {
            let records: Vec<_> =
                losses.iter().enumerate().map(|(index, &loss)| record(index + 1, loss)).collect();
            let svg = learning_curve("<a & b>", &records).unwrap();
            assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"), "{svg}");
            assert!(!svg.contains("<a"), "escaped");
        }
    }
}
