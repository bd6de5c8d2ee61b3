//! An encoder as it may lie in a file, before it is believed.

use super::{Coding, Feature, MAX_CLASSES, Target};
use serde::Deserialize;
use std::collections::HashSet;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Encoder {
    width: usize,
    features: Vec<Feature>,
    targets: Target,
    missing: Vec<String>,
    unknown_as_zeros: bool,
}

impl TryFrom<Encoder> for super::Encoder {
    type Error = String;

    fn try_from(encoder: Encoder) -> Result<Self, String> {
        let Encoder { width, features, targets, missing, unknown_as_zeros } = encoder;
        if features.is_empty() {
            return Err("found no features, expected at least one".to_owned());
        }
        let mut columns: Vec<usize> = features.iter().map(|feature| feature.column).collect();
        match &targets {
            Target::None => {}
            Target::Classes { column, classes, .. } => {
                columns.push(*column);
                distinct("classes", classes)?;
            }
            Target::Values { columns: values } if values.is_empty() => {
                return Err("found no targets, expected at least one".to_owned());
            }
            Target::Values { columns: values } => columns.extend(values.iter().map(|(_, column)| *column)),
        }
        let mut seen = HashSet::new();
        if let Some(column) =
            columns.into_iter().find(|&column| column == 0 || column > width || !seen.insert(column))
        {
            return Err(format!("found column {column}, expected each from 1 to {width} once"));
        }
        for feature in &features {
            match &feature.coding {
                Coding::Number { fill: Some(value) } if !value.is_finite() => {
                    return Err(format!("found {value} to fill in, expected a finite number"));
                }
                Coding::Number { .. } => {}
                Coding::OneHot { categories, fill } => {
                    distinct("categories", categories)?;
                    if fill.as_ref().is_some_and(|fill| !categories.contains(fill)) {
                        return Err("found a category to fill in that is not among the categories".to_owned());
                    }
                }
            }
        }
        Ok(Self { width, features, targets, missing, unknown_as_zeros })
    }
}

fn distinct(what: &str, names: &[String]) -> Result<(), String> {
    let different: HashSet<&String> = names.iter().collect();
    // A constant that was added may be one more than a file can have.
    if names.is_empty() || names.len() > MAX_CLASSES + 1 || different.len() < names.len() {
        return Err(format!(
            "found {} {what} of which {} are different, expected 1 to {MAX_CLASSES}, all different",
            names.len(),
            different.len()
        ));
    }
    Ok(())
}
