//! Commands that people are told to go on with: to be pasted into a shell, wherever this program lies.

use std::path::Path;

use crate::args::Header;
use crate::arrays::is_archive;
use crate::failure::Failure;
use crate::plan::Plan;
use crate::source::Source;

/// The command that goes on with a run.
pub(crate) fn resume_command(run: &Path) -> Result<String, Failure> {
    let program = std::env::args_os().next().unwrap_or_else(|| "chainrule".into());
    quoted(&[
        program.to_string_lossy().into_owned(),
        "train".to_owned(),
        "--resume".to_owned(),
        run.display().to_string(),
    ])
}

fn quoted(words: &[String]) -> Result<String, Failure> {
    shlex::try_join(words.iter().map(String::as_str))
        .map_err(|_| Failure::Other("a file's name holds a NUL character".to_owned()))
}

/// The command that uses the network: to be pasted into a shell, wherever this program lies.
pub(crate) fn use_command(model: &Path, plan: &Plan) -> Result<String, Failure> {
    let program = std::env::args_os().next().unwrap_or_else(|| "chainrule".into());
    let path = |path: &Path| path.as_os_str().to_string_lossy().into_owned();
    let mut words = vec![program.to_string_lossy().into_owned(), "predict".to_owned(), path(model)];
    let section = &plan.config.data;
    match &plan.source {
        Source::Digits => words.push("digits".to_owned()),
        Source::Mnist(_) => {
            words.push("mnist".to_owned());
            if let Some(folder) = &section.data_dir {
                words.extend(["--data-dir".to_owned(), path(folder)]);
            }
        }
        Source::Table(paths) => {
            words.extend(paths.last().map(|last| path(last)));
            if let Some(skip) = section.skip {
                words.extend(["--skip".to_owned(), skip.to_string()]);
            }
            if let Some(header) = section.header.filter(|&header| header != Header::Auto) {
                words.extend(["--header".to_owned(), header.to_string()]);
            }
        }
        Source::Arrays(paths) => {
            // Of two NPY files the first has the inputs, of two archives the last is to test with.
            let data = if paths.iter().any(|path| is_archive(path)) { paths.last() } else { paths.first() };
            words.extend(data.map(|data| path(data)));
            if !section.arrays.is_empty() {
                words.extend(["--arrays".to_owned(), section.arrays.join(",")]);
            }
        }
    }
    quoted(&words)
}
