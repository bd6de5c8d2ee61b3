//! Short forms that a configuration file shares with the flags: a schedule over the whole run, an optimiser by its name alone.

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::WholeRun;

/// The schedules of a file whose steps are counted when the data are known.
#[derive(Clone, Debug, Default)]
pub(crate) struct WholeRuns {
    pub(crate) schedule: Option<WholeRun>,
    pub(crate) schedule_by_epoch: Option<WholeRun>,
}

/// Takes the schedules over the whole run out of `[training]`, and writes `optimizer = "adam"` out as a table. Places stay as they are.
pub(super) fn expand(root: &mut DeTable<'_>) -> WholeRuns {
    let Some(DeValue::Table(training)) = root.get_mut("training").map(Spanned::get_mut) else {
        return WholeRuns::default();
    };
    if let Some(optimizer) = training.get_mut("optimizer")
        && optimizer.get_ref().is_str()
    {
        let span = optimizer.span();
        let name = std::mem::replace(optimizer.get_mut(), DeValue::Table(DeTable::new()));
        if let DeValue::Table(table) = optimizer.get_mut() {
            table.insert(Spanned::new(span.clone(), "name".into()), Spanned::new(span, name));
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
