//! Makes REPORT.md and its charts from the lines that `scripts/compare` has written.
//!
//! ```text
//! peer-report RESULTS.jsonl FOLDER
//! ```

mod charts;
mod markdown;
mod parts;
mod results;
mod roof;

use std::error::Error;
use std::fs;
use std::path::PathBuf;

use clap::Parser;

#[derive(Debug, Parser)]
struct Arguments {
    /// What scripts/compare has measured
    results: PathBuf,
    /// Where REPORT.md goes, and the charts in a folder report beside it
    folder: PathBuf,
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    let results = results::Results::read(&fs::read_to_string(&arguments.results)?)?;
    let folder = arguments.folder.join("report");
    fs::create_dir_all(&folder)?;
    let bandwidths = roof::bandwidths();
    let charts = charts::draw(&results, bandwidths, &folder)?;
    fs::write(arguments.folder.join("REPORT.md"), markdown::report(&results, bandwidths, &charts))?;
    Ok(())
}
