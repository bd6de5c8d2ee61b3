//! The report of a run.

use std::fs;
use std::path::{Path, PathBuf};

use chainrule_core::{
    Accumulate, Epoch, Evaluation, Loss, Mode, Scalar, Targets, Weighted, Workspace, check,
};
use chainrule_model::write_atomically;
use ndarray::Axis;

use crate::answers::{Answers, answers};
use crate::plot::{confusion, curves, histograms};
use crate::{Confusion, Error, EventWriter, Fit, Histogram, Mistake, Plot, Result, Run, page};

/// The most rows that the gradients are computed on.
const GRADIENT_ROWS: usize = 1024;

/// All that is told of a run. It can be put together by hand as well; what is empty is left out of the page.
#[derive(Clone, Debug, Default)]
pub struct RunReport {
    /// What was trained.
    pub title: String,
    /// What the data are called that confusion, mistakes and gradients are about, such as `test`.
    pub data_name: String,
    /// Results by name.
    pub results: Vec<(String, String)>,
    /// Settings by name.
    pub settings: Vec<(String, String)>,
    /// The epochs.
    pub history: Vec<Epoch>,
    /// What test data gave after each of them, where they were measured.
    pub tests: Vec<Option<Evaluation>>,
    /// What is taken for what, where the network tells classes.
    pub confusion: Option<Confusion>,
    /// The worst mistakes, the worst first.
    pub mistakes: Vec<Mistake>,
    /// The answers beside what they should be, where these are numbers.
    pub fits: Vec<Fit>,
    /// The parameters by name, layer after layer.
    pub parameters: Vec<Histogram>,
    /// The gradients of the loss by them: as many, in the same order.
    pub gradients: Vec<Histogram>,
}

impl RunReport {
    /// Measures a run: the answers to its data, and the gradient of the mean loss on these, or on 1,024 rows that are evenly spread
    /// over them.
    ///
    /// # Errors
    /// [`Error::Network`] if the network, the loss and the data do not fit each other, [`Error::Picture`] if the inputs are no
    /// pictures of that size.
    pub fn from_run<T: Scalar>(run: &Run<'_, '_, T>) -> Result<Self> {
        if let Some(rows) = run.rows {
            check::row_numbers("a row of the data set", rows, run.data.len())?;
        }
        let Answers { confusion, mistakes, fits } = answers(run)?;
        let gradient = gradient(run)?;
        let named = run.network.named_parameters();
        let of = |values: &[T]| {
            named.iter().map(|named| Histogram::new(&*named.name, &values[named.range.clone()])).collect()
        };
        Ok(Self {
            title: run.title.to_owned(),
            data_name: run.data_name.to_owned(),
            results: run.results.clone(),
            settings: run.settings.clone(),
            history: run.history.to_vec(),
            tests: run.tests.to_vec(),
            confusion,
            mistakes,
            fits,
            parameters: of(run.network.parameters()),
            gradients: of(&gradient),
        })
    }

    /// The page: HTML that needs nothing else, no script and no network.
    ///
    /// # Errors
    /// [`Error::Format`] if a plot or a picture cannot be made.
    pub fn to_html(&self) -> Result<String> {
        page::page(self)
    }

    /// Writes the page to a file, whole or not at all.
    ///
    /// # Errors
    /// [`Error::Format`] as [`RunReport::to_html`], [`Error::File`] if the file cannot be written.
    pub fn write(&self, path: impl AsRef<Path>) -> Result<()> {
        Ok(write_atomically(path.as_ref(), self.to_html()?.as_bytes())?)
    }

    /// The curves of the loss, the accuracy, the metrics and the learning rate over the epochs; none without an epoch.
    ///
    /// # Errors
    /// [`Error::Format`] if the plot cannot be made.
    pub fn curves(&self) -> Result<Option<Plot>> {
        curves::all(&self.title, &self.history, &self.tests)
    }

    /// The confusion matrix, where the network tells classes.
    ///
    /// # Errors
    /// [`Error::Format`] if the plot cannot be made.
    pub fn confusion_plot(&self) -> Result<Option<Plot>> {
        self.confusion.as_ref().map(confusion::plot).transpose()
    }

    /// The histograms of the parameters (left) and of their gradients (right); of the first 40 parameters, if there are more. None without any.
    ///
    /// # Errors
    /// [`Error::Format`] if the plot cannot be made.
    pub fn histograms(&self) -> Result<Option<Plot>> {
        histograms::all(&self.parameters, &self.gradients)
    }

    /// Writes the page and the plots of a finished run into a folder, which is made if it isn't there, each whole or not at all: `report.html`,
    /// and `curves`, `confusion` and `histograms` as `.svg` and `.png`. Returns their paths.
    ///
    /// Event files and `metrics.csv`, which grow while a run goes on, are written by an [`EventWriter`] and by
    /// [`Metrics`](crate::Metrics).
    ///
    /// # Errors
    /// [`Error::Format`] as [`RunReport::to_html`], [`Error::File`] if a file cannot be written.
    pub fn write_folder(&self, folder: impl AsRef<Path>) -> Result<Vec<PathBuf>> {
        let folder = folder.as_ref();
        fs::create_dir_all(folder).map_err(|cause| Error::writing(folder, cause))?;
        let page = folder.join("report.html");
        self.write(&page)?;
        let mut paths = vec![page];
        let plots = [
            ("curves", self.curves()?),
            ("confusion", self.confusion_plot()?),
            ("histograms", self.histograms()?),
        ];
        for (name, plot) in plots {
            let Some(plot) = plot else { continue };
            for (ending, bytes) in [("svg", plot.svg().as_bytes().to_vec()), ("png", plot.to_png()?)] {
                let path = folder.join(format!("{name}.{ending}"));
                write_atomically(&path, &bytes)?;
                paths.push(path);
            }
        }
        Ok(paths)
    }

    /// Writes the histograms of the parameters and of their gradients at a step: `weights/0.weight`, `gradients/0.weight`, ….
    ///
    /// # Errors
    /// [`Error::File`] if the file cannot be written.
    pub fn write_histograms(&self, events: &mut EventWriter, step: u64) -> Result<()> {
        for (group, histograms) in [("weights", &self.parameters), ("gradients", &self.gradients)] {
            for histogram in histograms {
                events.histogram(&format!("{group}/{}", histogram.name), step, histogram)?;
            }
        }
        Ok(())
    }
}

/// The gradient of the mean loss on rows that are evenly spread over the data; without a row, no values.
fn gradient<T: Scalar>(run: &Run<'_, '_, T>) -> Result<Vec<T>> {
    let n = run.rows.map_or(run.data.len(), <[usize]>::len);
    let batch = n.min(GRADIENT_ROWS);
    if batch == 0 {
        return Ok(vec![T::nan(); run.network.parameters().len()]);
    }
    let place = |i: usize| i * n / batch;
    let rows: Vec<usize> = (0..batch).map(|i| run.rows.map_or(place(i), |rows| rows[place(i)])).collect();
    let inputs = run.data.inputs().select(Axis(0), &rows);
    let (labels, values);
    let targets = match run.data.targets() {
        Targets::Classes(all) => {
            labels = rows.iter().map(|&row| all[row]).collect::<Vec<_>>();
            Targets::Classes(&labels)
        }
        Targets::Values(all) => {
            values = all.select(Axis(0), &rows);
            Targets::Values(values.view())
        }
    };
    let weights: Option<Vec<T>> =
        run.data.weights().map(|weights| rows.iter().map(|&row| weights[row]).collect());
    let weighted = weights.as_deref().map(|weights| Weighted::new(run.loss, weights));
    let loss: &dyn Loss<T> = weighted.as_ref().map_or(run.loss, |weighted| weighted);
    let mut workspace = Workspace::new(run.network, batch)?;
    let (mode, how) = (Mode::Evaluate, Accumulate::Replace);
    run.network.gradient(run.backend, loss, &inputs, targets, mode, how, &mut workspace)?;
    Ok(workspace.gradient().to_vec())
}
