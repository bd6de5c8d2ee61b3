//! Ctrl-C, and a polite request to end (SIGTERM): training ends after the step at hand. A second one ends the program at once.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, OnceLock};

use crate::failure::{Failure, INTERRUPTED};

/// Set when somebody has asked for the end.
pub(crate) fn flag() -> Arc<AtomicBool> {
    static FLAG: OnceLock<Arc<AtomicBool>> = OnceLock::new();
    FLAG.get_or_init(Arc::default).clone()
}

/// From now on, training ends in peace.
pub(crate) fn catch() -> Result<(), Failure> {
    let flag = flag();
    ctrlc::set_handler(move || {
        if flag.swap(true, Ordering::Relaxed) {
            std::process::exit(i32::from(INTERRUPTED));
        }
    })
    .map_err(|error| Failure::Other(format!("signals cannot be caught: {error}")))
}

/// Whether somebody has asked for the end.
pub(crate) fn requested() -> bool {
    flag().load(Ordering::Relaxed)
}
