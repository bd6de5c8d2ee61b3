//! L-BFGS with a line search for the strong Wolfe conditions.

use super::settings::{common, optimizer};
use super::state::Vectors;
use super::{Minimize, Objective, Optimizer, OptimizerState, Part, scalars_of};
use crate::{Backend, Descent, Error, Result, Scalar};

mod search;

use search::Line;

optimizer! {
    /// L-BFGS (Liu and Nocedal 1989), for whole data sets as batches: the direction is −H g, where H approximates the inverse of the Hessian
    /// from the last changes s of the parameters and y of the gradient (Nocedal and Wright, *Numerical Optimization*, algorithm
    /// 7.4); how far to go, a line search finds by the strong Wolfe conditions with c₁ = 10⁻⁴ and c₂ = 0.9.
    ///
    /// One step makes up to `iterations` of these; each evaluates loss and gradient once or a few times. PyTorch's `LBFGS` with
    /// `line_search_fn="strong_wolfe"`. Its state is two vectors for each of the `history` changes. It takes no clipping, no L1 term
    /// and no groups with learning rates of their own.
    Lbfgs, 1.0 {
        /// With the weight decay d: d/2 Σ w² is part of the loss.
        weight_decay: f64 = 0.0, "weight-decay", NonNegative;
        /// With so many iterations a step.
        iterations: usize = 20, "iterations", Count;
        /// With so many changes remembered.
        history: usize = 100, "history", Count;
        /// At an end where no element of the gradient is larger.
        gradient_tolerance: f64 = 1e-7, "gradient-tolerance", NonNegative;
        /// At an end of the step where parameters or loss change by less.
        change_tolerance: f64 = 1e-9, "change-tolerance", NonNegative;
        /// With a line search; without, each iteration goes as far as the learning rate says.
        line_search: bool = true, "line-search", Flag;
    }
}

impl<T: Scalar> Optimizer<T> for Lbfgs {
    common!(|_this| "lbfgs");

    fn check(&self) -> Result<()> {
        self.verify()
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        let (n, history) = (scalars_of(parts), self.history);
        // The state's vectors, the place to work in, and the parameters that the objective is asked about.
        (2 * n + 2 * n * history + history) + (6 * n + history) + n
    }

    /// L-BFGS cannot go by a gradient alone.
    fn step(
        &mut self,
        _backend: &dyn Backend<T>,
        _state: &mut OptimizerState<T>,
        _gradient: &[T],
        _parameters: &mut [T],
    ) -> Result<()> {
        Err(Error::setting("the optimiser of a step by a gradient", "lbfgs", "one that needs no loss"))
    }

    fn minimizer(&mut self) -> Option<&mut dyn Minimize<T>> {
        Some(self)
    }
}

/// The places of the vectors in the state.
const DIRECTION: usize = 0;
const PREVIOUS: usize = 1;

/// |x|∞.
fn largest<T: Scalar>(x: &[T]) -> f64 {
    x.iter().fold(0.0, |most, x| if x.as_f64().abs() > most { x.as_f64().abs() } else { most })
}

/// y ← y + factor x.
fn add<T: Scalar>(backend: &dyn Backend<T>, factor: f64, x: &[T], y: &mut [T]) -> Result<()> {
    backend.descend(Descent { rate: T::of(-factor), decay: T::one() }, x, y)
}

impl Lbfgs {
    /// H: from the gradient to the direction −H g, after the last change has been remembered.
    fn direct<T: Scalar>(
        &self,
        backend: &dyn Backend<T>,
        vectors: &mut Vectors<T>,
        scalars: &mut Memory,
        gradient: &[T],
        scratch: &mut [T],
        n: usize,
    ) -> Result<()> {
        let [direction, previous, changes, steps, rho] = vectors else { return Ok(()) };
        let d = &mut direction.1;
        // y = g − g₋, s = t d, in places of their own until they are known to be worth remembering.
        let (y, s) = scratch[..2 * n].split_at_mut(n);
        for (((y, s), (&g, &before)), &d) in
            y.iter_mut().zip(&mut *s).zip(gradient.iter().zip(&previous.1)).zip(&*d)
        {
            *y = g - before;
            *s = d * T::of(scalars.length);
        }
        let ys = backend.dot(y, s)?;
        if ys > 1e-10 {
            let place = if scalars.count < self.history {
                scalars.count += 1;
                scalars.count - 1
            } else {
                scalars.first = (scalars.first + 1) % self.history;
                (scalars.first + self.history - 1) % self.history
            };
            changes.1[place * n..][..n].copy_from_slice(y);
            steps.1[place * n..][..n].copy_from_slice(s);
            rho.1[place] = T::of(1.0 / ys);
            scalars.diagonal = ys / backend.dot(y, y)?;
        }
        let alphas = &mut scratch[2 * n..][..self.history];
        for (d, &g) in d.iter_mut().zip(gradient) {
            *d = -g;
        }
        let place = |i: usize| (scalars.first + i) % self.history;
        for at in (0..scalars.count).rev().map(place) {
            let alpha = backend.dot(&steps.1[at * n..][..n], d)? * rho.1[at].as_f64();
            alphas[at] = T::of(alpha);
            add(backend, -alpha, &changes.1[at * n..][..n], d)?;
        }
        let diagonal = T::of(scalars.diagonal);
        for d in d.iter_mut() {
            *d *= diagonal;
        }
        for at in (0..scalars.count).map(place) {
            let beta = backend.dot(&changes.1[at * n..][..n], d)? * rho.1[at].as_f64();
            add(backend, alphas[at].as_f64() - beta, &steps.1[at * n..][..n], d)?;
        }
        Ok(())
    }
}

/// The numbers of the state.
struct Memory {
    /// The iterations so far.
    iterations: f64,
    /// How far the last one went, t.
    length: f64,
    /// The scale of H before any change is applied.
    diagonal: f64,
    /// The changes remembered, and the place of the oldest.
    count: usize,
    first: usize,
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "clamped to the history")]
fn read<T: Scalar>(state: &mut OptimizerState<T>, history: usize) -> Memory {
    let place = |x: f64, most: usize| (x as usize).min(most);
    Memory {
        iterations: *state.scalar("n_iter", 0.0),
        length: *state.scalar("t", 0.0),
        diagonal: *state.scalar("H_diag", 1.0),
        count: place(*state.scalar("count", 0.0), history),
        first: place(*state.scalar("first", 0.0), history - 1),
    }
}

fn write<T: Scalar>(state: &mut OptimizerState<T>, memory: &Memory) {
    *state.scalar("n_iter", 0.0) = memory.iterations;
    *state.scalar("t", 0.0) = memory.length;
    *state.scalar("H_diag", 1.0) = memory.diagonal;
    *state.scalar("count", 0.0) = memory.count as f64;
    *state.scalar("first", 0.0) = memory.first as f64;
}

impl<T: Scalar> Minimize<T> for Lbfgs {
    fn minimize(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        objective: &mut Objective<'_, T>,
        parameters: &mut [T],
    ) -> Result<f64> {
        let same_rate = state.parts().iter().all(|part| part.rate.total_cmp(&1.0).is_eq());
        if !same_rate || state.l1() != 0.0 || state.clips() {
            let found = "clipping, an L1 term or groups with rates of their own";
            return Err(Error::setting("what lbfgs is asked for besides", found, "none of these"));
        }
        let (n, history) = (parameters.len(), self.history);
        let vectors = [
            ("d", 0.0, n),
            ("prev_flat_grad", 0.0, n),
            ("old_dirs", 0.0, n * history),
            ("old_stps", 0.0, n * history),
            ("ro", 0.0, history),
        ];
        state.begin(&vectors, parameters, parameters)?;
        let mut memory = read(state, history);
        let (parts, vectors, scratch) = state.split();
        scratch.resize(6 * n + history, T::zero());
        let (gradient, work) = scratch.split_at_mut(n);
        // The loss with its decay.
        let decay = self.weight_decay;
        let mut objective = |w: &[T], gradient: &mut [T]| -> Result<f64> {
            let mut loss = objective(w, gradient)?;
            for part in parts.iter().filter(|part| decay * part.decay != 0.0) {
                let w = &w[part.named.range.clone()];
                loss += 0.5 * decay * part.decay * backend.dot(w, w)?;
                add(backend, decay * part.decay, w, &mut gradient[part.named.range.clone()])?;
            }
            Ok(loss)
        };
        let mut loss = objective(parameters, gradient)?;
        let before = loss;
        let most = self.iterations + self.iterations / 4;
        let mut evaluations = 1;
        if !loss.is_finite() || largest(gradient) <= self.gradient_tolerance {
            return Ok(before);
        }
        for iteration in 1..=self.iterations {
            memory.iterations += 1.0;
            let first = memory.iterations < 1.5;
            if first {
                for (d, &g) in vectors[DIRECTION].1.iter_mut().zip(&*gradient) {
                    *d = -g;
                }
            } else {
                self.direct(backend, vectors, &mut memory, gradient, work, n)?;
            }
            vectors[PREVIOUS].1.copy_from_slice(gradient);
            let d = &vectors[DIRECTION].1;
            let sum: f64 = gradient.iter().map(|g| g.as_f64().abs()).sum();
            memory.length = self.learning_rate * if first { (1.0 / sum).min(1.0) } else { 1.0 };
            let previous = loss;
            let slope = backend.dot(gradient, d)?;
            if slope > -self.change_tolerance || slope.is_nan() {
                break;
            }
            if self.line_search {
                let mut line = Line { backend, objective: &mut objective, from: parameters, along: d, work };
                let allowed = most.saturating_sub(evaluations);
                let found =
                    line.search(memory.length, loss, gradient, slope, allowed, self.change_tolerance)?;
                (loss, memory.length) = (found.loss, found.length);
                evaluations += found.evaluations;
                add(backend, memory.length, d, parameters)?;
            } else {
                add(backend, memory.length, d, parameters)?;
                if iteration < self.iterations {
                    loss = objective(parameters, gradient)?;
                    evaluations += 1;
                }
            }
            let moved = largest(d) * memory.length.abs();
            if evaluations >= most
                || largest(gradient) <= self.gradient_tolerance
                || moved <= self.change_tolerance
                || (loss - previous).abs() < self.change_tolerance
            {
                break;
            }
        }
        write(state, &memory);
        Ok(before)
    }
}
