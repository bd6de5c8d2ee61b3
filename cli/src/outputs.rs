//! The files that a command writes.

use std::path::Path;

use chainrule_model::check_writable;

use crate::failure::Failure;

/// Fails if a file could not be written, or is one of those that the command reads: nobody means to lose these.
pub(crate) fn check<'a>(out: &Path, inputs: impl IntoIterator<Item = &'a Path>) -> Result<(), Failure> {
    check_writable(out)?;
    let Ok(there) = out.canonicalize() else { return Ok(()) };
    let is_there = |input: &&Path| input.canonicalize().is_ok_and(|input| input == there);
    inputs.into_iter().find(is_there).map_or(Ok(()), |input| {
        let (out, input) = (out.display(), input.display());
        Err(Failure::Usage(format!(
            "writing `{out}` would replace `{input}`, which is read; expected another file"
        )))
    })
}
