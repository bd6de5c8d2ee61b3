//! The backends: choosing one, and the list of them.

use std::io::Write as _;
use std::sync::Arc;

use chainrule::{Backend, Linked};
use rayon::ThreadPoolBuilder;
use serde_json::json;

use crate::args::{BackendsArgs, MachineArgs};
use crate::failure::Failure;
use crate::report::table;

impl MachineArgs {
    /// The backend asked for, else the fastest.
    pub(crate) fn backend<T: Linked>(&self) -> Result<Arc<dyn Backend<T>>, Failure> {
        check_isa()?;
        Ok(match &self.backend {
            Some(name) => chainrule::backend(name)?,
            None => chainrule::default_backend()?,
        })
    }

    /// Runs `run` where no more threads than asked for are to be had: backends take those of rayon's current pool.
    pub(crate) fn install<R: Send>(
        &self,
        run: impl FnOnce() -> Result<R, Failure> + Send,
    ) -> Result<R, Failure> {
        let Some(threads) = self.threads else { return run() };
        let pool = ThreadPoolBuilder::new().num_threads(usize::from(threads)).build().map_err(|error| {
            Failure::Other(format!("{threads} threads cannot be started (--threads {threads}): {error}"))
        })?;
        pool.install(run)
    }
}

/// Refuses an instruction set in the environment that there is not. (The simd backend, which cannot fail where it is made, would
/// take the best one instead.)
#[cfg_attr(
    not(feature = "simd"),
    expect(clippy::unnecessary_wraps, reason = "without the simd backend nothing reads the variable")
)]
pub(crate) fn check_isa() -> Result<(), Failure> {
    #[cfg(feature = "simd")]
    chainrule::simd::Isa::from_env()
        .map_err(|error| Failure::Usage(format!("{}: {error}", chainrule::simd::ISA_VARIABLE)))?;
    Ok(())
}

/// `chainrule backends`.
pub(crate) fn command(args: &BackendsArgs) -> Result<(), Failure> {
    check_isa()?;
    let linked = chainrule::backends::<f32>();
    let mut out = std::io::stdout().lock();
    if args.told.json {
        let list = linked.iter().enumerate().map(|(place, backend)| {
            json!({
                "name": backend.name(),
                "isa": backend.isa(),
                "threads": backend.threads(),
                "default": place == 0,
            })
        });
        writeln!(out, "{}", json!({ "backends": list.collect::<Vec<_>>() }))?;
    } else if linked.is_empty() {
        let none =
            "no backend is linked: build with the feature naive, simd, openblas-system or openblas-static";
        writeln!(out, "{none}")?;
    } else {
        let mut table = table(&["backend", "instruction set", "threads", ""]);
        for (place, backend) in linked.iter().enumerate() {
            table.add_row([
                backend.name(),
                backend.isa(),
                &backend.threads().to_string(),
                if place == 0 { "default" } else { "" },
            ]);
        }
        writeln!(out, "{table}")?;
    }
    Ok(())
}
