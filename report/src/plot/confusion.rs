//! The confusion matrix.

use ndarray::{Array2, Axis, Slice};
use num_traits::ToPrimitive;
use plotters::prelude::*;
use plotters::style::text_anchor::{HPos, Pos, VPos};

use super::{Area, BLUE, Drawn, GRID, INK, MUTED, ORANGE, PAPER, Plot, letters};
use crate::text::{number, percent, shortened};
use crate::{Confusion, Result};

/// The most classes that are told by name and in numbers.
const NAMED: usize = 30;
/// The most cells of a row; of more classes, neighbours share a cell.
const CELLS: usize = 100;
/// The letters of a name, and the width of a letter.
const NAME: usize = 14;
const LETTER: i32 = 7;

/// The plot: a row for each true class, a column for each predicted one.
pub(crate) fn plot(confusion: &Confusion) -> Result<Plot> {
    let counts = confusion.matrix.counts();
    let classes = counts.nrows();
    let block = classes.div_ceil(CELLS).max(1);
    let cells = together(counts, block);
    let named = classes <= NAMED;
    let names: Vec<_> = confusion.class_names.iter().map(|name| shortened(name, NAME)).collect();
    let n = cells.nrows().to_i32().unwrap_or(0);
    // Room for the names, and for a number in each cell.
    let longest = names.iter().map(|name| name.chars().count()).max().unwrap_or(0).to_i32().unwrap_or(0);
    let margin = if named { 34 + LETTER * longest.max(2) } else { 34 };
    let cell = if named { (440 / n.max(1)).clamp(22, 48) } else { (560 / n.max(1)).clamp(5, 20) };
    let side = margin + n * cell + 12;
    let layout = Layout { cells, names: if named { names } else { Vec::new() }, margin, cell, longest };
    let right = percent(confusion.matrix.accuracy());
    let shared = if block > 1 {
        format!(" A cell stands for {block} classes in either direction.")
    } else {
        String::new()
    };
    let description = format!(
        "Confusion matrix of {classes} classes, rows the true ones, columns the predicted ones; {right} are right.{shared}"
    );
    let side = side.to_u32().unwrap_or(0);
    Plot::draw((side, side), description, |area| layout.draw(area))
}

/// The counts, with `block` classes taken together.
fn together(counts: &Array2<usize>, block: usize) -> Array2<usize> {
    let n = counts.nrows().div_ceil(block);
    let part = |i: usize| Slice::from(i * block..((i + 1) * block).min(counts.nrows()));
    Array2::from_shape_fn((n, n), |(i, j)| {
        counts.slice_axis(Axis(0), part(i)).slice_axis(Axis(1), part(j)).sum()
    })
}

struct Layout {
    cells: Array2<usize>,
    /// Without names there are no numbers either.
    names: Vec<String>,
    margin: i32,
    cell: i32,
    longest: i32,
}

impl Layout {
    fn draw(&self, area: &Area<'_>) -> Drawn {
        let Self { cells, names, margin, cell, .. } = self;
        let at = |index: usize| margin + index.to_i32().unwrap_or(0) * cell;
        let end = at(cells.nrows());
        let text =
            |text: &str, place, style: TextStyle<'_>| area.draw(&Text::new(text.to_owned(), place, style));
        let centred =
            |size, colour: RGBColor| letters(size, colour).pos(Pos::new(HPos::Center, VPos::Center));
        let turned = |style: TextStyle<'static>| style.transform(FontTransform::Rotate270);
        text("predicted", (i32::midpoint(*margin, end), 12), centred(13, MUTED))?;
        text("true", (12, i32::midpoint(*margin, end)), turned(centred(13, MUTED)))?;
        for ((row, column), &count) in cells.indexed_iter().filter(|&(_, &count)| count > 0) {
            // The square root lets rare mistakes be seen.
            let share = count as f64 / cells.row(row).sum().max(1) as f64;
            let strength = 0.08 + 0.92 * share.sqrt();
            let colour = if row == column { BLUE } else { ORANGE };
            let (x, y) = (at(column), at(row));
            let square = Rectangle::new([(x, y), (x + cell, y + cell)], colour.mix(strength).filled());
            area.draw(&square)?;
            if !names.is_empty() {
                let colour = if strength > 0.55 { PAPER } else { INK };
                let number = if count < 10_000 { count.to_string() } else { number(count as f64) };
                let size = if number.len() > 3 { 10 } else { 12 };
                text(&number, (x + cell / 2, y + cell / 2), centred(size, colour))?;
            }
        }
        let lines = if names.is_empty() { vec![0, cells.nrows()] } else { (0..=cells.nrows()).collect() };
        for line in lines.into_iter().map(at) {
            area.draw(&PathElement::new([(*margin, line), (end, line)], GRID))?;
            area.draw(&PathElement::new([(line, *margin), (line, end)], GRID))?;
        }
        let upright = self.longest * LETTER <= *cell;
        for (index, name) in names.iter().enumerate() {
            let middle = at(index) + cell / 2;
            let beside = letters(12, INK).pos(Pos::new(HPos::Right, VPos::Center));
            text(name, (margin - 6, middle), beside)?;
            if upright {
                text(name, (middle, margin - 12), centred(12, INK))?;
            } else {
                let above = letters(12, INK).pos(Pos::new(HPos::Left, VPos::Center));
                text(name, (middle, margin - 6), turned(above))?;
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn neighbours_share_a_cell() {
        let counts = Array2::from_shape_fn((5, 5), |(i, j)| 10 * i + j);
        let cells = together(&counts, 2);
        assert_eq!((cells[[0, 0]], cells[[2, 2]], cells.dim()), (1 + 10 + 11, 44, (3, 3)));
        assert_eq!(cells.sum(), counts.sum());
        assert_eq!(together(&counts, 1), counts);
    }
}
