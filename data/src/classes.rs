//! How classes are numbered.

use crate::labelled::numbers;
use num_traits::ToPrimitive;

/// More classes than this are taken for a mistake: a column of identifiers, say, where the classes should be.
pub const MAX_CLASSES: usize = 65_536;

/// For each of these distinct texts the class it is, and the classes' names: non-negative whole numbers as they are, else
/// the places in sorted order, by value if all are whole numbers.
///
/// # Errors
/// The place of a text that is no class, and what was expected in its stead.
pub(crate) fn numbering(met: &[String]) -> Result<(Vec<usize>, Vec<String>), (usize, String)> {
    let values = met
        .iter()
        .enumerate()
        .map(|(place, name)| whole_number(name).map_err(|expected| (place, expected)))
        .collect::<Result<Option<Vec<f64>>, _>>()?;
    match values {
        Some(values) if values.iter().all(|&value| value >= 0.0) => as_they_are(&values),
        Some(values) => Ok(ranked(&values, f64::total_cmp)),
        None => Ok(ranked(met, Ord::cmp)),
    }
}

/// Labels that are the classes' own numbers.
fn as_they_are(values: &[f64]) -> Result<(Vec<usize>, Vec<String>), (usize, String)> {
    let label_of = values
        .iter()
        .enumerate()
        .map(|(place, value)| {
            let label = value.to_usize().filter(|&label| label < MAX_CLASSES);
            label.ok_or_else(|| (place, format!("a class's number below {MAX_CLASSES}")))
        })
        .collect::<Result<Vec<usize>, _>>()?;
    let classes = label_of.iter().max().map_or(0, |greatest| greatest + 1);
    Ok((label_of, numbers(classes)))
}

/// Labels that are the classes' places when they are sorted; equal ones share a place.
fn ranked<C: Clone + PartialEq + ToString>(
    classes: &[C],
    order: impl Fn(&C, &C) -> std::cmp::Ordering,
) -> (Vec<usize>, Vec<String>) {
    let mut sorted = classes.to_vec();
    sorted.sort_by(&order);
    sorted.dedup();
    let label_of =
        classes.iter().map(|class| sorted.partition_point(|other| order(other, class).is_lt())).collect();
    (label_of, sorted.iter().map(ToString::to_string).collect())
}

/// The value of a class that is written as a whole number; an error for other numbers, nothing for text.
pub(crate) fn whole_number(name: &str) -> Result<Option<f64>, String> {
    match name.parse::<f64>() {
        // Adding 0 makes −0 a plain 0.
        Ok(value) if value.fract() == 0.0 => Ok(Some(value + 0.0)),
        Ok(_) => Err("a whole number or a text, for a class".to_owned()),
        Err(_) => Ok(None),
    }
}
