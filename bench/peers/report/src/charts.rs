//! Bar charts and a roofline, as SVG.

use std::error::Error;
use std::path::Path;

use plotters::coord::Shift;
use plotters::prelude::*;

use crate::results::{Results, is_ours, peer};
use crate::roof::{self, Bandwidths};

type Canvas<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = Result<(), Box<dyn Error>>;

const OURS: RGBColor = RGBColor(200, 50, 50);
const COLOURS: [RGBColor; 10] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(140, 86, 75),
    RGBColor(227, 119, 194),
    RGBColor(127, 127, 127),
    RGBColor(188, 189, 34),
    RGBColor(23, 190, 207),
    RGBColor(90, 90, 160),
];

/// Bars of one group: a name, and the best figure of each peer relative to ours.
struct Group {
    name: String,
    bars: Vec<(String, f64)>,
}

/// Draws what there is; gives the names of the files and what they show.
pub(crate) fn draw(
    results: &Results,
    bandwidths: Bandwidths,
    folder: &Path,
) -> Result<Vec<(String, String)>, Box<dyn Error>> {
    let mut charts = Vec::new();
    for threads in results.threads_of("workload") {
        let group = |(name, _): (&str, _)| Group {
            name: name.to_owned(),
            bars: relative(
                results.workload(name, threads).iter().map(|(program, spread, _)| (*program, spread.median)),
            ),
        };
        // Those with a name; the others are too many for a chart.
        let groups: Vec<_> =
            results.workloads().into_iter().filter(|(name, _)| !name.contains(':')).map(group).collect();
        if groups.is_empty() {
            continue;
        }
        let title = format!("Samples per second on {}, chainrule = 1", counted(threads));
        bars(&folder.join(format!("workloads-{threads}.svg")), &title, &groups)?;
        charts.push((format!("workloads-{threads}.svg"), title));
    }
    for threads in results.threads_of("product") {
        let shapes = results.shapes();
        let group = |shape: &&str| {
            // Of the three forms, the mean of the logarithms.
            let mut sums: Vec<(String, f64, u32)> = Vec::new();
            for form in ["NN", "NT", "TN"] {
                let found = results.product(shape, form, threads);
                for (program, ratio) in
                    relative(found.iter().map(|(program, spread, _)| (*program, spread.median)))
                {
                    match sums.iter_mut().find(|sum| sum.0 == program) {
                        Some(sum) => (sum.1, sum.2) = (sum.1 + ratio.ln(), sum.2 + 1),
                        None => sums.push((program, ratio.ln(), 1)),
                    }
                }
            }
            let bars =
                sums.into_iter().map(|(program, sum, count)| (program, (sum / f64::from(count)).exp()));
            Group { name: (*shape).to_owned(), bars: bars.collect() }
        };
        let groups: Vec<_> = shapes.iter().map(group).collect();
        let title = format!("Matrix products (mean of NN, NT, TN) on {}, chainrule = 1", counted(threads));
        bars(&folder.join(format!("products-{threads}.svg")), &title, &groups)?;
        charts.push((format!("products-{threads}.svg"), title));
    }
    if let Some(peak) = results.peak(1) {
        roofline(&folder.join("roofline.svg"), results, bandwidths, peak)?;
        charts.push((
            "roofline.svg".to_owned(),
            "Roofline, one thread: chainrule and the best peer".to_owned(),
        ));
    }
    Ok(charts)
}

fn counted(threads: usize) -> String {
    if threads == 1 { "1 thread".to_owned() } else { format!("{threads} threads") }
}

/// The best of each peer, relative to our best; nothing without ours.
fn relative<'a>(figures: impl Iterator<Item = (&'a str, f64)>) -> Vec<(String, f64)> {
    let mut best: Vec<(String, f64)> = Vec::new();
    for (program, figure) in figures {
        // burn's two backends are two peers.
        let name = if program.starts_with("burn") {
            program.split(' ').take(2).collect::<Vec<_>>().join("-")
        } else {
            peer(program).to_owned()
        };
        match best.iter_mut().find(|(known, _)| *known == name) {
            Some((_, most)) => *most = most.max(figure),
            None => best.push((name, figure)),
        }
    }
    let Some(ours) = best.iter().find(|(name, _)| is_ours(name)).map(|(_, figure)| *figure) else {
        return Vec::new();
    };
    best.into_iter().map(|(name, figure)| (name, figure / ours)).collect()
}

fn bars(path: &Path, title: &str, groups: &[Group]) -> Drawn {
    let mut names: Vec<&str> = Vec::new();
    for (name, _) in groups.iter().flat_map(|group| &group.bars) {
        if !names.contains(&name.as_str()) && !is_ours(name) {
            names.push(name);
        }
    }
    names.sort_unstable();
    names.insert(0, "chainrule");
    let colour = |index: usize| if index == 0 { OURS } else { COLOURS[(index - 1) % COLOURS.len()] };
    let width = 60 + 15 * u32::try_from(groups.len() * (names.len() + 2))?.max(30);
    let all: Canvas = SVGBackend::new(path, (width + 130, 420)).into_drawing_area();
    all.fill(&WHITE)?;
    let (root, legend) = all.split_horizontally(width);
    let most = groups.iter().flat_map(|group| &group.bars).map(|bar| bar.1).fold(1.0, f64::max);
    let step = names.len() as f64 + 2.0;
    let mut chart = ChartBuilder::on(&root)
        .caption(title, ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(28)
        .y_label_area_size(44)
        .build_cartesian_2d(0.0..step * groups.len().max(1) as f64, 0.0..most * 1.05)?;
    chart.configure_mesh().disable_x_mesh().disable_x_axis().y_desc("relative speed").draw()?;
    for (index, name) in names.iter().enumerate() {
        let fill = colour(index).filled();
        let bars = groups.iter().enumerate().filter_map(|(place, group)| {
            let (_, height) = group.bars.iter().find(|(known, _)| known == name)?;
            let left = step * place as f64 + index as f64 + 1.0;
            Some(Rectangle::new([(left, 0.0), (left + 0.9, *height)], fill))
        });
        chart.draw_series(bars)?;
        let y = 50 + 20 * i32::try_from(index)?;
        legend.draw(&Rectangle::new([(8, y), (20, y + 12)], fill))?;
        legend.draw(&Text::new((*name).to_owned(), (28, y), ("sans-serif", 14)))?;
    }
    chart.draw_series(LineSeries::new([(0.0, 1.0), (step * groups.len() as f64, 1.0)], OURS.mix(0.6)))?;
    let area = chart.plotting_area().clone();
    for (place, group) in groups.iter().enumerate() {
        let (x, y) = area.map_coordinate(&(step * place as f64 + step / 2.0 - 0.5, 0.0));
        let style =
            TextStyle::from(("sans-serif", 13).into_font()).pos(plotters::style::text_anchor::Pos::new(
                plotters::style::text_anchor::HPos::Center,
                plotters::style::text_anchor::VPos::Top,
            ));
        root.draw(&Text::new(group.name.clone(), (x, y + 6), style))?;
    }
    all.present()?;
    Ok(())
}

fn roofline(path: &Path, results: &Results, bandwidths: Bandwidths, peak: f64) -> Drawn {
    let root: Canvas = SVGBackend::new(path, (800, 480)).into_drawing_area();
    root.fill(&WHITE)?;
    let (left, right) = (0.2_f64, 1000.0_f64);
    let mut chart = ChartBuilder::on(&root)
        .caption("Roofline, one thread", ("sans-serif", 18))
        .margin(10)
        .x_label_area_size(40)
        .y_label_area_size(50)
        .build_cartesian_2d((left..right).log_scale(), (0.5..peak * 2.0).log_scale())?;
    chart.configure_mesh().x_desc("operations for each byte").y_desc("10⁹ operations a second").draw()?;
    for (bandwidth, name, colour) in [
        (bandwidths.memory, "memory", RGBColor(120, 120, 120)),
        (bandwidths.cache, "second-level cache", RGBColor(60, 60, 60)),
    ] {
        let points = (0..=200).map(|i| left * (right / left).powf(f64::from(i) / 200.0));
        chart
            .draw_series(LineSeries::new(
                points.map(|x| (x, (x * bandwidth).min(peak))),
                colour.stroke_width(2),
            ))?
            .label(format!("{name}: {bandwidth:.0} GB/s, multiply-add: {peak:.0} GFLOP/s"))
            .legend(move |(x, y)| PathElement::new([(x, y), (x + 14, y)], colour.stroke_width(2)));
    }
    let mut ours = Vec::new();
    let mut theirs = Vec::new();
    for (name, _) in results.workloads() {
        let Some(x) = roof::intensity(name) else { continue };
        for (program, _, lines) in results.workload(name, 1) {
            let gflops = crate::results::Spread::of(lines.iter().filter_map(|line| line.gflops));
            let Some(gflops) = gflops else { continue };
            let list = if is_ours(program) { &mut ours } else { &mut theirs };
            // The fastest comes first.
            if list.iter().all(|(known, _, _)| *known != name) {
                list.push((name, x, gflops.median));
            }
        }
    }
    let products: Vec<(f64, f64)> = results
        .shapes()
        .into_iter()
        .filter_map(|shape| {
            let found = results.product(shape, "NN", 1);
            let (_, spread, _) = found.iter().find(|(program, _, _)| is_ours(program))?;
            Some((roof::product_intensity(shape)?, spread.median))
        })
        .collect();
    let grey = COLOURS[0];
    chart
        .draw_series(products.iter().map(|&point| TriangleMarker::new(point, 4, OURS.mix(0.5).filled())))?
        .label("chainrule, products (NN)")
        .legend(|(x, y)| TriangleMarker::new((x + 7, y), 4, OURS.mix(0.5).filled()));
    chart
        .draw_series(theirs.iter().map(|&(_, x, y)| Circle::new((x, y), 4, grey.stroke_width(2))))?
        .label("the best peer")
        .legend(move |(x, y)| Circle::new((x + 7, y), 4, grey.stroke_width(2)));
    chart
        .draw_series(ours.iter().map(|&(name, x, y)| {
            EmptyElement::at((x, y))
                + Circle::new((0, 0), 5, OURS.filled())
                + Text::new(name.to_owned(), (7, -12), ("sans-serif", 13))
        }))?
        .label("chainrule, workloads")
        .legend(|(x, y)| Circle::new((x + 7, y), 5, OURS.filled()));
    chart
        .configure_series_labels()
        .position(SeriesLabelPosition::LowerRight)
        .background_style(WHITE.mix(0.8))
        .border_style(BLACK.mix(0.3))
        .draw()?;
    root.present()?;
    Ok(())
}
