//! Short forms that a configuration file shares with the flags: `optimizer = "adam"`, `early-stopping = 5`, a schedule over the whole run.

use toml::Spanned;
use toml::de::{DeArray, DeTable, DeValue};

use super::WholeRun;

/// Lists of which a single element may stand for the whole.
const LISTS: [(&str, &str); 5] = [
    ("data", "source"),
    ("data", "categorical"),
    ("data", "ignore"),
    ("data", "arrays"),
    ("training", "metrics"),
];

/// Tables of `[training]`, each with the setting that may stand for the whole.
const TABLES: [(&str, &str); 3] =
    [("optimizer", "name"), ("early-stopping", "patience"), ("plateau", "patience")];

/// The schedules of a file whose steps are counted when the data are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct WholeRuns {
    pub(crate) schedule: Option<WholeRun>,
    pub(crate) schedule_by_epoch: Option<WholeRun>,
}

/// Takes the schedules over the whole run out of `[training]`, and writes the other short forms out. Places stay as they are.
pub(super) fn expand(root: &mut DeTable<'_>) -> WholeRuns {
    for (name, key) in LISTS {
        if let Some(value) = section(root, name).and_then(|section| section.get_mut(key))
            && !value.get_ref().is_array()
        {
            replace(value, |element| {
                let mut list = DeArray::new();
                list.push(element);
                DeValue::Array(list)
            });
        }
    }
    let Some(training) = section(root, "training") else { return WholeRuns::default() };
    for (key, setting) in TABLES {
        if let Some(value) = training.get_mut(key)
            && !value.get_ref().is_table()
        {
            replace(value, |value| {
                let mut table = DeTable::new();
                table.insert(Spanned::new(value.span(), setting.into()), value);
                DeValue::Table(table)
            });
        }
    }
    let mut whole = |key: &str| {
        let text = training.get(key)?.get_ref().as_str()?;
        let whole = WholeRun::named(text)?;
        training.remove(key);
        Some(whole)
    };
    WholeRuns { schedule: whole("schedule"), schedule_by_epoch: whole("schedule-by-epoch") }
}

fn section<'a, 'i>(root: &'a mut DeTable<'i>, name: &str) -> Option<&'a mut DeTable<'i>> {
    match root.get_mut(name)?.get_mut() {
        DeValue::Table(section) => Some(section),
        _ => None,
    }
}

/// Puts something in the place of a value that holds it.
fn replace<'i>(value: &mut Spanned<DeValue<'i>>, holding: impl FnOnce(Spanned<DeValue<'i>>) -> DeValue<'i>) {
    let span = value.span();
    let inner = std::mem::replace(value.get_mut(), DeValue::Boolean(false));
    *value.get_mut() = holding(Spanned::new(span, inner));
}
