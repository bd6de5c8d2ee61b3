//! Learns handwritten digits and leaves what there is to be looked at in a folder: the page, plots, `metrics.csv`, event files.
//!
//!     cargo run --release -p chainrule-report --example report -- [FOLDER]

use std::path::PathBuf;

use chainrule::{Activation, Adam, CrossEntropy, Dataset, F1, Network, Trainer};
use chainrule_data::digits_split;
use chainrule_report::{EventWriter, Metrics, Run, RunReport, sparkline};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder = std::env::args_os()
        .nth(1)
        .map_or_else(|| std::env::temp_dir().join("chainrule-report"), PathBuf::from);
    let digits = digits_split::<f32>(1);
    let train = Dataset::classes(digits.train.inputs(), digits.train.labels())?;
    let test = Dataset::classes(digits.test.inputs(), digits.test.labels())?;
    let backend = chainrule::default_backend()?;

    let mut network = Network::builder(64)
        .dense(32, Activation::Relu)
        .dense(10, Activation::Identity)
        .softmax()
        .build(1)?;
    let mut events = EventWriter::create(folder.join("tensorboard"), 0)?;
    let history = Trainer::new(CrossEntropy, Adam::new(0.003))
        .epochs(30)
        .schedule("cosine:1350".parse()?)
        .validation(test)
        .metric(F1(chainrule::Average::Macro))
        .fit(&mut network, &*backend, &train)?;
    history.iter().try_for_each(|epoch| events.epoch(epoch))?;

    let run = Run::new("digits: 64-32-10, ReLU and softmax", &network, &*backend, &CrossEntropy, &test)
        .history(&history)
        .class_names(digits.test.class_names())
        .pictures(8, 8)
        .setting("data", "the embedded digits, 8 × 8 pixels")
        .setting("optimiser", "Adam, learning rate 0.003, cosine schedule")
        .setting("batch", 32)
        .setting("seed", 1)
        .setting("backend", backend.name());
    let report = RunReport::from_run(&run)?;
    report.write_histograms(&mut events, 30)?;
    let mut files = report.write_folder(&folder)?;
    files.push(folder.join("metrics.csv"));
    Metrics::of_history(&history).write(folder.join("metrics.csv"))?;

    let losses: Vec<_> = history.iter().map(|epoch| epoch.train.loss.log10()).collect();
    println!("loss {}", sparkline(&losses, 40));
    for file in files.iter().map(PathBuf::as_path).chain([events.path()]) {
        println!("{}", file.display());
    }
    Ok(())
}
