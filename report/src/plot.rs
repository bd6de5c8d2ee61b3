//! Plots, as SVG and PNG.

pub(crate) mod confusion;
pub(crate) mod curves;
pub(crate) mod fits;
pub(crate) mod histograms;

use std::io;
use std::sync::Arc;

use maud::html;
use plotters::coord::Shift;
use plotters::prelude::*;
use resvg::{tiny_skia, usvg};

use crate::text::{clean, number};
use crate::{Error, Result};

// The colours of plots. The page's style sheet knows them by these values, and has others for dark screens.
const PAPER: RGBColor = RGBColor(0xff, 0xff, 0xff);
const INK: RGBColor = RGBColor(0x1c, 0x23, 0x2b);
const MUTED: RGBColor = RGBColor(0x5b, 0x66, 0x73);
const GRID: RGBColor = RGBColor(0xdd, 0xe2, 0xe8);
const BLUE: RGBColor = RGBColor(0x1f, 0x6f, 0xb4);
const ORANGE: RGBColor = RGBColor(0xc4, 0x4e, 0x14);
const GREEN: RGBColor = RGBColor(0x2c, 0x7a, 0x3f);
const PURPLE: RGBColor = RGBColor(0x6d, 0x4a, 0xa8);

/// The letters of plots as PNG.
const FONT: &[u8] = include_bytes!("../assets/DejaVuSans.subset.ttf");
/// Pixels of a PNG for a unit of the SVG.
const SCALE: f32 = 2.0;
/// The longest side of a PNG in pixels.
const LARGEST: f32 = 16_000.0;

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;
type Drawn = std::result::Result<(), DrawingAreaErrorKind<io::Error>>;

/// A plot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Plot {
    svg: String,
    description: String,
}

impl Plot {
    /// Draws on white paper of that size. The description is what a reader hears who does not see the plot.
    fn draw(size: (u32, u32), description: String, draw: impl Fn(&Area<'_>) -> Drawn) -> Result<Self> {
        let mut svg = String::new();
        {
            let area = SVGBackend::with_string(&mut svg, size).into_drawing_area();
            let drawn = area.fill(&PAPER).and_then(|()| draw(&area)).and_then(|()| area.present());
            drawn.map_err(Error::format("a plot"))?;
        }
        // As SVG has it: the title is the first element.
        let title = html! { title { (clean(&description)) } }.into_string();
        let svg = svg.replacen("<svg ", "<svg role=\"img\" ", 1).replacen('>', &format!(">\n{title}"), 1);
        Ok(Self { svg, description })
    }

    /// The plot as an SVG file.
    #[must_use]
    pub fn svg(&self) -> &str {
        &self.svg
    }

    /// What is to be seen, in words.
    #[must_use]
    pub fn description(&self) -> &str {
        &self.description
    }

    /// The plot as a PNG file, two pixels for a unit of the SVG.
    ///
    /// # Errors
    /// [`Error::Format`] if it has no room in memory.
    pub fn to_png(&self) -> Result<Vec<u8>> {
        let mut options = usvg::Options::default();
        let fonts = Arc::make_mut(&mut options.fontdb);
        fonts.load_font_data(FONT.to_vec());
        fonts.set_sans_serif_family("DejaVu Sans");
        // The font has Latin, Greek and Cyrillic letters; others are looked for among those of the system.
        if self.svg.chars().any(|c| c > '\u{45f}' && !('\u{2000}'..'\u{2300}').contains(&c)) {
            fonts.load_system_fonts();
        }
        let tree = usvg::Tree::from_str(&self.svg, &options).map_err(Error::format("a PNG"))?;
        let size = tree.size();
        let scale = SCALE.min(LARGEST / size.width().max(size.height()));
        let too_large = || Error::format("a PNG")("there is no room for so many pixels");
        let pixels = size.to_int_size().scale_by(scale).ok_or_else(too_large)?;
        let mut pixmap = tiny_skia::Pixmap::new(pixels.width(), pixels.height()).ok_or_else(too_large)?;
        let transform = tiny_skia::Transform::from_scale(scale, scale);
        resvg::render(&tree, transform, &mut pixmap.as_mut());
        pixmap.encode_png().map_err(Error::format("a PNG"))
    }
}

/// Letters of a size and colour.
fn letters(size: i32, colour: RGBColor) -> TextStyle<'static> {
    ("sans-serif", size).into_font().color(&colour)
}

/// A range that has some length and shows all values, which are finite.
fn range(values: impl Iterator<Item = f64> + Clone) -> (f64, f64) {
    let low = values.clone().fold(f64::INFINITY, f64::min);
    let high = values.fold(f64::NEG_INFINITY, f64::max);
    if low > high {
        return (0.0, 1.0);
    }
    let pad = if high > low { (high - low) * 0.04 } else { low.abs().max(1e-300) * 0.5 };
    (low - pad, high + pad)
}

/// The number at a tick of an axis from `low` to `high`: 0 is computed there as something of no size.
fn tick(value: f64, low: f64, high: f64) -> String {
    number(if value.abs() < (high - low) * 1e-9 { 0.0 } else { value })
}

/// Whether a value can be drawn: finite, and small enough for the difference of two such to be so as well.
fn drawable(value: f64) -> bool {
    value.abs() <= 1e300
}

/// The axes of all charts.
macro_rules! axes {
    ($chart:expr, $x:expr, $y:expr) => {
        $chart
            .configure_mesh()
            .light_line_style(&PAPER)
            .bold_line_style(&GRID)
            .axis_style(&MUTED)
            .label_style(letters(12, MUTED))
            .axis_desc_style(letters(13, MUTED))
            .x_desc($x)
            .y_desc($y)
    };
}
use axes;
