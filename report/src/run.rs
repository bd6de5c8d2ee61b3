//! What a report is made from.

use std::fmt;

use chainrule_core::{Backend, Dataset, Epoch, Evaluation, Loss, Network};
use ndarray::ArrayRef2;

use crate::Channels;

/// What a report is made from: a network, how it was trained, and data to measure it on.
#[derive(Clone)]
pub struct Run<'r, 'd, T> {
    pub(crate) title: &'r str,
    pub(crate) network: &'r Network<T>,
    pub(crate) backend: &'r dyn Backend<T>,
    pub(crate) loss: &'r dyn Loss<T>,
    pub(crate) data: &'r Dataset<'d, T>,
    pub(crate) rows: Option<&'r [usize]>,
    pub(crate) row_numbers: Option<&'r [usize]>,
    pub(crate) data_name: &'r str,
    pub(crate) history: &'r [Epoch],
    pub(crate) tests: &'r [Option<Evaluation>],
    pub(crate) class_names: &'r [String],
    pub(crate) feature_names: &'r [String],
    pub(crate) picture: Option<(Channels, usize, usize)>,
    pub(crate) shown: Option<&'r ArrayRef2<T>>,
    pub(crate) worst: usize,
    pub(crate) settings: Vec<(String, String)>,
    pub(crate) results: Vec<(String, String)>,
}

impl<T> fmt::Debug for Run<'_, '_, T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Run")
            .field("title", &self.title)
            .field("data_name", &self.data_name)
            .field("settings", &self.settings)
            .field("results", &self.results)
            .finish_non_exhaustive()
    }
}

impl<'r, 'd, T> Run<'r, 'd, T> {
    /// A trained network and data that it has not seen, or should now be judged by.
    #[must_use]
    pub fn new(
        title: &'r str,
        network: &'r Network<T>,
        backend: &'r dyn Backend<T>,
        loss: &'r dyn Loss<T>,
        data: &'r Dataset<'d, T>,
    ) -> Self {
        Self {
            title,
            network,
            backend,
            loss,
            data,
            rows: None,
            row_numbers: None,
            data_name: "test",
            history: &[],
            tests: &[],
            class_names: &[],
            feature_names: &[],
            picture: None,
            shown: None,
            worst: 24,
            settings: Vec::new(),
            results: Vec::new(),
        }
    }

    /// Only these rows of the data, such as those of a [`Split`](chainrule_core::Split).
    #[must_use]
    pub fn rows(self, rows: &'r [usize]) -> Self {
        Self { rows: Some(rows), ..self }
    }

    /// What the rows of the data are called, as many as there are: their numbers in a file of which these are a part, say. Else they are counted
    /// from 0.
    #[must_use]
    pub fn row_numbers(self, row_numbers: &'r [usize]) -> Self {
        Self { row_numbers: Some(row_numbers), ..self }
    }

    /// What the data are called, such as `validation`; else it is `test`.
    #[must_use]
    pub fn data_name(self, data_name: &'r str) -> Self {
        Self { data_name, ..self }
    }

    /// The epochs of the training.
    #[must_use]
    pub fn history(self, history: &'r [Epoch]) -> Self {
        Self { history, ..self }
    }

    /// What test data gave after each epoch of the history, where they were measured.
    #[must_use]
    pub fn tests(self, tests: &'r [Option<Evaluation>]) -> Self {
        Self { tests, ..self }
    }

    /// The names of the classes, or of the outputs of a regression. Those that have none are numbered.
    #[must_use]
    pub fn class_names(self, class_names: &'r [String]) -> Self {
        Self { class_names, ..self }
    }

    /// The names of the inputs. Those that have none are numbered.
    #[must_use]
    pub fn feature_names(self, feature_names: &'r [String]) -> Self {
        Self { feature_names, ..self }
    }

    /// The inputs are grey pictures, `width` × `height`, row after row; larger is brighter.
    #[must_use]
    pub fn pictures(self, width: usize, height: usize) -> Self {
        Self { picture: Some((Channels::Grey, width, height)), ..self }
    }

    /// The inputs are pictures with colours, `width` × `height`, row after row; larger is brighter.
    #[must_use]
    pub fn colour_pictures(self, channels: Channels, width: usize, height: usize) -> Self {
        Self { picture: Some((channels, width, height)), ..self }
    }

    /// What is shown of each row of the data where it is not the inputs themselves: the pixels or features before they were scaled, say.
    #[must_use]
    pub fn shown(self, rows: &'r ArrayRef2<T>) -> Self {
        Self { shown: Some(rows), ..self }
    }

    /// How many of the worst mistakes are shown; else it is 24.
    #[must_use]
    pub fn worst(self, worst: usize) -> Self {
        Self { worst, ..self }
    }

    /// A setting of the run, such as the learning rate. They are shown in the order in which they were given.
    #[must_use]
    pub fn setting(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.settings.push((name.into(), value.to_string()));
        self
    }

    /// A result of the run that is a number.
    #[must_use]
    pub fn number(self, name: impl Into<String>, value: f64) -> Self {
        self.result(name, crate::text::number(value))
    }

    /// A result of the run, such as the accuracy on test data, beside those that the history has.
    #[must_use]
    pub fn result(mut self, name: impl Into<String>, value: impl ToString) -> Self {
        self.results.push((name.into(), value.to_string()));
        self
    }
}
