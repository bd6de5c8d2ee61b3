//! A check of gradients by central differences.

use std::fmt;

use ndarray::ArrayRef2;

use crate::{Accumulate, Backend, Loss, Mode, Network, Result, Targets, Workspace};

/// How far backpropagation is from central differences.
#[derive(Clone, Debug, PartialEq)]
#[non_exhaustive]
pub struct GradientCheck {
    /// The parameter with the largest relative error, by name: `0.weight[3, 17]`.
    pub worst: String,
    /// Its gradient by backpropagation.
    pub analytic: f64,
    /// Its gradient by central differences, (L(w + h) − L(w − h)) / 2h.
    pub numeric: f64,
    /// |analytic − numeric|, divided by the larger of the two's absolute values, but not by less than a thousandth of the
    /// largest gradient of all or 10⁻⁴ of the loss, below which differences drown in rounding: they are only good to
    /// about ε L / h = 2·10⁻¹¹ L.
    pub relative_error: f64,
    /// How many parameters were compared: all of them.
    pub parameters: usize,
}

impl fmt::Display for GradientCheck {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "worst of {} parameters: {}, by backpropagation {:e}, by central differences {:e}, relative error {:.1e}",
            self.parameters, self.worst, self.analytic, self.numeric, self.relative_error
        )
    }
}

/// Compares the gradient of the mean loss by every parameter with central differences, in f64.
///
/// The differences are taken at h = 10⁻⁵ max(1, |w|), where their error is about 10⁻¹⁰ for a smooth network. An activation with a
/// kink, such as ReLU, shows a larger one where some z lies within h of it.
///
/// ```
/// use chainrule_core::{Activation, CrossEntropy, Network, Targets, gradient_check};
/// use chainrule_naive::Naive;
/// use ndarray::array;
///
/// let network = Network::<f64>::builder(2).dense(3, Activation::Tanh).dense(2, Activation::Identity).build(1)?;
/// let x = array![[0.5, -1.0], [2.0, 0.1]];
/// let check = gradient_check(&network, &Naive, &CrossEntropy, &x, Targets::Classes(&[0, 1]))?;
/// assert!(check.relative_error < 1e-7, "{check}");
/// # Ok::<(), chainrule_core::Error>(())
/// ```
///
/// # Errors
/// As [`Network::gradient`].
pub fn gradient_check(
    network: &Network<f64>,
    backend: &dyn Backend<f64>,
    loss: &dyn Loss<f64>,
    inputs: &ArrayRef2<f64>,
    targets: Targets<'_, f64>,
) -> Result<GradientCheck> {
    let mut workspace = Workspace::new(network, inputs.nrows().max(1))?;
    // Noise must be the same for every evaluation: that of one step of training.
    let mode = Mode::Train { seed: 0, step: 0 };
    let how = Accumulate::Replace;
    let score = network.gradient(backend, loss, inputs, targets, mode, how, &mut workspace)?;
    let analytic = workspace.gradient().to_vec();
    let mut moved = network.clone();
    let mut numeric = Vec::with_capacity(analytic.len());
    for (i, &w) in network.parameters().iter().enumerate() {
        let h = 1e-5 * w.abs().max(1.0);
        let mut loss_at = |w: f64| {
            moved.parameters_mut()[i] = w;
            moved.gradient(backend, loss, inputs, targets, mode, how, &mut workspace).map(|score| score.loss)
        };
        let difference = loss_at(w + h)? - loss_at(w - h)?;
        numeric.push(difference / ((w + h) - (w - h)));
        moved.parameters_mut()[i] = w;
    }
    let largest = analytic.iter().fold(0.0, |m: f64, g| m.max(g.abs()));
    let floor = (1e-3 * largest).max(1e-4 * score.loss.abs()).max(1e-8);
    let error = |i: usize| {
        let (a, n) = (analytic[i], numeric[i]);
        let error = (a - n).abs() / a.abs().max(n.abs()).max(floor);
        if error.is_nan() { f64::INFINITY } else { error }
    };
    let worst = (0..analytic.len()).max_by(|&i, &j| error(i).total_cmp(&error(j)));
    let named = network.named_parameters();
    let name = |i: usize| named.iter().find(|p| p.range.contains(&i)).map(|p| p.element(i - p.range.start));
    Ok(GradientCheck {
        worst: worst.and_then(name).unwrap_or_else(|| "none".to_owned()),
        analytic: worst.map_or(0.0, |i| analytic[i]),
        numeric: worst.map_or(0.0, |i| numeric[i]),
        relative_error: worst.map_or(0.0, error),
        parameters: analytic.len(),
    })
}
