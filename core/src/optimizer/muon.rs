//! Muon.

use super::settings::{common, optimizer};
use super::state::of_range;
use super::{Adam, Decay, Optimizer, OptimizerState, Part, scalars_of};
use crate::layer::{matrix, matrix_mut};
use crate::{Accumulate, Backend, Descent, Result, Scalar};

optimizer! {
    /// Muon (Jordan et al. 2024): momentum whose matrix is made orthogonal, for the weights of dense layers; AdamW for all other
    /// parameters, with the same weight decay.
    ///
    /// For a weight matrix n_j × n_k: B ← μ B + (1 − μ) G; U = G + μ (B − G), or B without Nesterov; O is U with all singular values
    /// near 1, by steps of Newton and Schulz, X ← a X + (b X Xᵀ + c (X Xᵀ)²) X, that begin with X = U / ‖U‖; W ← (1 − α d) W −
    /// α √max(1, n_j / n_k) O. PyTorch's `Muon`, which however rounds X to bfloat16; here it stays what the network is.
    /// With `match_rms` the factor is 0.2 √max(n_j, n_k) instead, so that a learning rate found for AdamW fits (Liu et al.,
    /// arXiv 2502.16982).
    Muon, 1e-3 {
        /// With the weight decay d, beside the gradient.
        weight_decay: f64 = 0.1, "weight-decay", NonNegative;
        /// With the momentum μ.
        momentum: f64 = 0.95, "momentum", Fraction;
        /// With Nesterov's momentum.
        nesterov: bool = true, "nesterov", Flag;
        /// With so many steps of Newton and Schulz.
        iterations: usize = 5, "iterations", Count;
        /// With ‖U‖ taken to be at least this.
        epsilon: f64 = 1e-7, "epsilon", Positive;
        /// With steps as large as those of AdamW.
        match_rms: bool = false, "match-rms", Flag;
        /// With this learning rate of AdamW for what is no matrix, as a factor of Muon's.
        adam_rate: f64 = 1.0, "adam-rate", NonNegative;
    }
}

/// The coefficients of Newton and Schulz's step: PyTorch's, from Jordan.
const A: f64 = 3.4445;
const B: f64 = -4.7750;
const C: f64 = 2.0315;

impl Muon {
    /// The rows and columns of a matrix as it lies in memory: one row for each input.
    fn shape(part: &Part) -> Option<(usize, usize)> {
        let parameter = part.named.parameter;
        parameter.columns.map(|columns| (columns, parameter.rows)).filter(|&(r, c)| r * c > 0)
    }

    /// How many of the scalars are in matrices.
    fn in_matrices(parts: &[Part]) -> usize {
        parts.iter().filter_map(Self::shape).map(|(r, c)| r * c).sum()
    }

    /// The scalars that the largest matrix needs to be made orthogonal in.
    fn room(parts: &[Part]) -> usize {
        let room = |(r, c): (usize, usize)| 3 * r * c + 2 * r.min(c) * r.min(c);
        parts.iter().filter_map(Self::shape).map(room).max().unwrap_or(0)
    }

    /// U, made orthogonal, in the first columns × rows scalars of `work`; `update` holds U.
    fn orthogonalize<T: Scalar>(
        &self,
        backend: &dyn Backend<T>,
        (rows, columns): (usize, usize),
        update: &[T],
        work: &mut [T],
    ) -> Result<()> {
        let (small, large) = (rows.min(columns), rows.max(columns));
        let (x, rest) = work.split_at_mut(small * large);
        let (next, rest) = rest.split_at_mut(small * large);
        let (gram, rest) = rest.split_at_mut(small * small);
        let square = &mut rest[..small * small];
        let norm = backend.dot(update, update)?.sqrt().max(self.epsilon);
        let (scale, update) = (T::of(1.0 / norm), matrix(update, rows, columns));
        let mut begin = matrix_mut(x, small, large);
        // The shorter side first: X Xᵀ is then small.
        if rows > columns {
            begin.assign(&update.t());
        } else {
            begin.assign(&update);
        }
        begin.mapv_inplace(|x| scale * x);
        for _ in 0..self.iterations {
            let from = matrix(x, small, large);
            // X Xᵀ, then b X Xᵀ + c (X Xᵀ)².
            backend.matmul(&from, &from.t(), Accumulate::Replace, &mut matrix_mut(gram, small, small))?;
            let of = matrix(gram, small, small);
            backend.matmul(&of, &of, Accumulate::Replace, &mut matrix_mut(square, small, small))?;
            backend.descend(Descent { rate: T::of(-B), decay: T::of(C) }, gram, square)?;
            // a X + that times X.
            for (next, &x) in next.iter_mut().zip(&*x) {
                *next = T::of(A) * x;
            }
            let polynomial = matrix(square, small, small);
            backend.matmul(&polynomial, &from, Accumulate::Add, &mut matrix_mut(next, small, large))?;
            x.copy_from_slice(next);
        }
        Ok(())
    }
}

impl<T: Scalar> Optimizer<T> for Muon {
    common!(|_this| "muon");

    fn check(&self) -> Result<()> {
        self.verify()
    }

    fn state_len(&self, parts: &[Part]) -> usize {
        let (n, in_matrices) = (scalars_of(parts), Self::in_matrices(parts));
        in_matrices + 2 * (n - in_matrices) + Self::room(parts)
    }

    fn step(
        &mut self,
        backend: &dyn Backend<T>,
        state: &mut OptimizerState<T>,
        gradient: &[T],
        parameters: &mut [T],
    ) -> Result<()> {
        let in_matrices = Self::in_matrices(state.parts());
        let others = state.len() - in_matrices;
        let vectors =
            [("momentum_buffer", 0.0, in_matrices), ("exp_avg", 0.0, others), ("exp_avg_sq", 0.0, others)];
        let t = state.begin(&vectors, gradient, parameters)?;
        let (scale, bound) = state.clipping(backend, gradient)?;
        let (l1, adam, decay) = (state.l1(), Adam::new(0.0), Decay::Decoupled(self.weight_decay));
        let room = Self::room(state.parts());
        let (parts, vectors, scratch) = state.split();
        scratch.resize(room, T::zero());
        let (mut matrix_at, mut other_at) = (0, 0);
        for part in parts {
            let range = part.named.range.clone();
            let (gradient, parameters) = (&gradient[range.clone()], &mut parameters[range]);
            let n = gradient.len();
            let rate = self.learning_rate * part.rate;
            let Some((rows, columns)) = Self::shape(part) else {
                let rate = rate * self.adam_rate;
                let update = decay.of(part, rate, l1, adam.rule(rate, t));
                let update = crate::update::Update { scale: T::of(scale), bound: T::of(bound), ..update };
                let at = other_at..other_at + n;
                other_at = at.end;
                let [_, m, v] = vectors else { continue };
                let states = [&mut m.1[at.clone()], &mut v.1[at], &mut []];
                backend.update(&update, gradient, states, parameters)?;
                continue;
            };
            let at = matrix_at..matrix_at + n;
            matrix_at = at.end;
            let momentum = of_range(vectors, 0, at);
            let (update, work) = scratch.split_at_mut(n);
            // The gradient made ready, B and U. The step itself is that of descent along O.
            let fan = if self.match_rms {
                0.2 * (rows.max(columns) as f64).sqrt()
            } else {
                (columns as f64 / rows as f64).max(1.0).sqrt()
            };
            let rule = crate::update::Rule::Descent { rate: T::of(rate * fan) };
            let ready = decay.of(part, rate, l1, rule);
            let ready = crate::update::Update { scale: T::of(scale), bound: T::of(bound), ..ready };
            let (mu, gain) = (T::of(self.momentum), T::of(1.0 - self.momentum));
            for (((u, b), &dw), &w) in update.iter_mut().zip(&mut *momentum).zip(gradient).zip(&*parameters) {
                let g = ready.ready(dw, w);
                *b += gain * (g - *b);
                *u = if self.nesterov { g + mu * (*b - g) } else { *b };
            }
            self.orthogonalize(backend, (rows, columns), update, work)?;
            let descent = Descent { rate: T::of(rate * fan), decay: ready.shrink };
            if rows > columns {
                // O lies turned.
                let turned = matrix(work, columns, rows);
                matrix_mut(update, rows, columns).assign(&turned.t());
                backend.descend(descent, update, parameters)?;
            } else {
                backend.descend(descent, &work[..n], parameters)?;
            }
        }
        Ok(())
    }
}
