//! What a training run of chainrule leaves to be looked at.
//!
//! | what | by |
//! | --- | --- |
//! | `report.html`: one page that needs nothing else, to be opened in a browser | [`RunReport::to_html`], [`RunReport::write`] |
//! | plots as SVG and PNG | [`RunReport::curves`], [`RunReport::confusion_plot`], [`RunReport::histograms`] |
//! | `metrics.csv`: a line for each epoch | [`Metrics`] |
//! | TensorBoard event files | [`EventWriter`] |
//! | a curve of one line for terminals | [`sparkline`] |
//! | all of the page and the plots | [`RunReport::write_folder`] |
//!
//! Everything is computed from a [`Run`]: the network, its history, and data to measure it on.
//!
//! ```
//! use chainrule_core::{Activation, CrossEntropy, Dataset, Network, Sgd, Trainer};
//! use chainrule_report::{Run, RunReport};
//! # use chainrule_naive::Naive;
//! use ndarray::array;
//!
//! let x = array![[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]];
//! let data = Dataset::classes(&x, &[0, 1, 1, 0])?;
//! let mut network = Network::<f64>::builder(2).dense(8, Activation::Tanh).dense(2, Activation::Identity).softmax().build(1)?;
//! let history = Trainer::new(CrossEntropy, Sgd::new(0.5)).epochs(20).fit(&mut network, &Naive, &data)?;
//!
//! let names = ["no", "yes"].map(str::to_owned);
//! let run = Run::new("exclusive or", &network, &Naive, &CrossEntropy, &data)
//!     .history(&history)
//!     .class_names(&names)
//!     .setting("learning rate", 0.5);
//! let report = RunReport::from_run(&run)?;
//! let html = report.to_html()?;
//! assert!(html.contains("exclusive or") && html.contains("learning rate"));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```
#![forbid(unsafe_code)]

mod answers;
mod csv;
mod error;
mod histogram;
mod page;
mod picture;
mod plot;
mod report;
mod run;
mod sparkline;
mod tensorboard;
mod text;

pub use answers::{Confusion, Fit, Mistake};
pub use csv::{Metrics, named, unnamed};
pub use error::{Error, Result};
pub use histogram::Histogram;
pub use picture::{Channels, Picture};
pub use plot::Plot;
pub use report::RunReport;
pub use run::Run;
pub use sparkline::sparkline;
pub use tensorboard::EventWriter;
