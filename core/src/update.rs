//! The updates of optimisers, element by element, and the sums that go with them: what [`Backend::update`] and
//! [`Backend::dot`] compute unless a backend has its own.
//!
//! Each formula uses +, −, ×, ÷ and √ alone, each rounded by itself, in the order in which it is written here and without fused
//! multiply-add. A backend that follows it lane by lane gets the same bits.
//!
//! [`Backend::update`]: crate::Backend::update
//! [`Backend::dot`]: crate::Backend::dot

use crate::Scalar;

/// What an optimiser does to each parameter w with its gradient Δw and its state.
///
/// First the gradient is made ready: g = clip(scale Δw, ±bound) + l2 w + l1 sign(w), where terms with a factor of 0 are left out, and the
/// parameter shrinks: w ← shrink w. Then the rule changes w and the state by g.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Update<T> {
    /// A factor of the gradient: clipping by the global norm, and 1 otherwise.
    pub scale: T,
    /// What the gradient is clipped to, from below and above; infinite without clipping.
    pub bound: T,
    /// Weight decay as part of the gradient: that of l2/2 · w² is added.
    pub l2: T,
    /// The gradient of l1 |w| is added, which is 0 at 0.
    pub l1: T,
    /// Decoupled weight decay: the parameter is multiplied by this before the rule.
    pub shrink: T,
    /// The rule.
    pub rule: Rule<T>,
}

/// The rule of an optimiser for one element, with every number that is the same for all elements already worked out.
///
/// s₀, s₁ and s₂ are the element's states; [`Rule::states`] tells which of them a rule has. A complement such as 1 − β is a
/// field of its own, since it is rounded but once that way.
///
/// A state that fades while no gradient comes, as those of a unit that is never active do, becomes 0 once it is less than
/// [`Rule::least_mean`], or [`Rule::least_square`] if it is a mean of squares. Else it would never get there: rounding keeps it at
/// a few of the smallest numbers, and most processors take a hundred times as long for a sum or product of such numbers.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Rule<T> {
    /// w ← w − rate g.
    Descent {
        /// The learning rate.
        rate: T,
    },
    /// s₀ ← momentum s₀ + gain g; w ← w − rate s₀, or with Nesterov w ← w − rate (g + momentum s₀).
    Momentum {
        /// The learning rate.
        rate: T,
        /// The momentum μ.
        momentum: T,
        /// 1 − dampening, and 1 in the first step.
        gain: T,
        /// Whether the step looks ahead.
        nesterov: bool,
    },
    /// s₀ ← s₀ + g²; w ← w − rate g / (√s₀ + ε).
    Adagrad {
        /// The learning rate.
        rate: T,
        /// ε.
        epsilon: T,
    },
    /// s₀ ← ρ s₀ + (1 − ρ) g²; d = √(s₁ + ε) / √(s₀ + ε) g; s₁ ← ρ s₁ + (1 − ρ) d²; w ← w − rate d.
    Adadelta {
        /// The learning rate.
        rate: T,
        /// ρ.
        rho: T,
        /// 1 − ρ.
        gain: T,
        /// ε.
        epsilon: T,
    },
    /// s₀ ← α s₀ + (1 − α) g²; v = √s₀ + ε; w ← w − rate g / v.
    ///
    /// Centred: s₁ ← s₁ + (1 − α) (g − s₁) and v = √(s₀ − s₁²) + ε. With momentum: s₂ ← momentum s₂ + g / v; w ← w − rate s₂.
    RmsProp {
        /// The learning rate.
        rate: T,
        /// α.
        alpha: T,
        /// 1 − α.
        gain: T,
        /// ε.
        epsilon: T,
        /// The momentum; 0 for none.
        momentum: T,
        /// Whether the variance is that about the mean.
        centered: bool,
    },
    /// s₀ ← s₀ + (1 − β₁) (g − s₀); s₁ ← β₂ s₁ + (1 − β₂) g²; w ← w − rate s₀ / (root √s₁ + ε).
    ///
    /// AMSGrad: s₂ ← max(s₂, s₁) stands for s₁ in the denominator.
    Adam {
        /// The learning rate over 1 − β₁ᵗ.
        rate: T,
        /// 1 − β₁.
        gain1: T,
        /// β₂.
        beta2: T,
        /// 1 − β₂.
        gain2: T,
        /// 1 / √(1 − β₂ᵗ).
        root: T,
        /// ε.
        epsilon: T,
        /// Whether the largest second moment counts.
        amsgrad: bool,
    },
    /// s₀ ← s₀ + (1 − β₁) (g − s₀); s₁ ← max(β₂ s₁, |g| + ε); w ← w − rate s₀ / s₁.
    Adamax {
        /// The learning rate over 1 − β₁ᵗ.
        rate: T,
        /// 1 − β₁.
        gain1: T,
        /// β₂.
        beta2: T,
        /// ε.
        epsilon: T,
    },
    /// s₀ ← s₀ + (1 − β₁) (g − s₀); s₁ ← β₂ s₁ + (1 − β₂) g²; v = root √s₁ + ε; w ← w − rate g / v − ahead s₀ / v.
    Nadam {
        /// α (1 − μₜ) / (1 − Πμ).
        rate: T,
        /// α μₜ₊₁ / (1 − Πμ μₜ₊₁).
        ahead: T,
        /// 1 − β₁.
        gain1: T,
        /// β₂.
        beta2: T,
        /// 1 − β₂.
        gain2: T,
        /// 1 / √(1 − β₂ᵗ).
        root: T,
        /// ε.
        epsilon: T,
    },
    /// s₀ ← s₀ + (1 − β₁) (g − s₀); s₁ ← β₂ s₁ + (1 − β₂) g²; w ← w − rate s₀ / (√s₁ + ε), or w ← w − rate s₀ as long as
    /// too little is known of the variance.
    Radam {
        /// α / (1 − β₁ᵗ), times √(1 − β₂ᵗ) and the rectification where it applies.
        rate: T,
        /// 1 − β₁.
        gain1: T,
        /// β₂.
        beta2: T,
        /// 1 − β₂.
        gain2: T,
        /// ε.
        epsilon: T,
        /// Whether the variance is known well enough.
        rectified: bool,
    },
    /// w ← w − rate sign(β₁ s₀ + (1 − β₁) g); s₀ ← β₂ s₀ + (1 − β₂) g.
    Lion {
        /// The learning rate.
        rate: T,
        /// β₁.
        beta1: T,
        /// 1 − β₁.
        gain1: T,
        /// β₂.
        beta2: T,
        /// 1 − β₂.
        gain2: T,
    },
    /// With p = g s₀: s₁ ← clip(s₁ × (grow where p > 0, shrink where p < 0, else 1), min, max); g ← 0 where p < 0;
    /// w ← w − s₁ sign(g); s₀ ← g.
    Rprop {
        /// η⁻.
        shrink: T,
        /// η⁺.
        grow: T,
        /// The smallest step.
        min: T,
        /// The largest step.
        max: T,
    },
}

impl<T: Scalar> Rule<T> {
    /// A mean of gradients below this counts as 0: 2⁻¹⁰³ in `f32`, 2⁻⁹⁷⁰ in `f64`. Its products with the numbers of a rule
    /// are normal numbers from there on.
    #[must_use]
    pub fn least_mean() -> T {
        T::min_positive_value() / T::epsilon()
    }

    /// A mean of squares below this counts as 0: the smallest normal number, 2⁻¹²⁶ in `f32`, 2⁻¹⁰²² in `f64`.
    #[must_use]
    pub fn least_square() -> T {
        T::min_positive_value()
    }

    /// Which of the states s₀, s₁ and s₂ the rule has.
    #[must_use]
    pub fn states(&self) -> [bool; 3] {
        match self {
            Self::Descent { .. } => [false; 3],
            Self::Momentum { .. } | Self::Adagrad { .. } | Self::Lion { .. } => [true, false, false],
            Self::RmsProp { centered, momentum, .. } => [true, *centered, *momentum != T::zero()],
            Self::Adam { amsgrad, .. } => [true, true, *amsgrad],
            Self::Adadelta { .. }
            | Self::Adamax { .. }
            | Self::Nadam { .. }
            | Self::Radam { .. }
            | Self::Rprop { .. } => [true, true, false],
        }
    }
}

/// 1, −1, or x itself for ±0 and NaN.
#[inline]
fn sign<T: Scalar>(x: T) -> T {
    if x > T::zero() {
        T::one()
    } else if x < T::zero() {
        -T::one()
    } else {
        x
    }
}

/// The larger one; NaN if either is.
#[inline]
fn larger<T: Scalar>(x: T, y: T) -> T {
    if y > x || y.is_nan() { y } else { x }
}

/// x, but no further from 0 than `bound`; NaN stays.
#[inline]
fn clip<T: Scalar>(x: T, bound: T) -> T {
    if x > bound {
        bound
    } else if x < -bound {
        -bound
    } else {
        x
    }
}

/// x, or 0 if it is no mean of gradients to speak of.
#[inline]
fn mean<T: Scalar>(x: T) -> T {
    if x.abs() < Rule::least_mean() { T::zero() } else { x }
}

/// x, or 0 if it is no mean of squares to speak of.
#[inline]
fn square<T: Scalar>(x: T) -> T {
    if x.abs() < Rule::least_square() { T::zero() } else { x }
}

impl<T: Scalar> Update<T> {
    /// The rule alone.
    #[must_use]
    pub fn new(rule: Rule<T>) -> Self {
        let (zero, one) = (T::zero(), T::one());
        Self { scale: one, bound: T::infinity(), l2: zero, l1: zero, shrink: one, rule }
    }

    /// Whether the gradient is ready as it comes.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        (self.scale, self.bound) == (T::one(), T::infinity()) && (self.l2, self.l1) == (T::zero(), T::zero())
    }

    /// The gradient made ready: clip(scale Δw, ±bound) + l2 w + l1 sign(w), without terms whose factor is 0.
    #[inline]
    #[must_use]
    pub fn ready(&self, gradient: T, w: T) -> T {
        let mut g = clip(self.scale * gradient, self.bound);
        if self.l2 != T::zero() {
            g += self.l2 * w;
        }
        if self.l1 != T::zero() {
            g += self.l1 * sign(w);
        }
        g
    }

    /// The update over slices by its definition, for backends that do not know the rule. Lengths are as
    /// [`check::update`](crate::check::update) has them; what is longer than the rest is not touched beyond.
    #[expect(clippy::too_many_lines, reason = "the formulas of all rules, one after the other")]
    pub fn apply(&self, gradient: &[T], [s0, s1, s2]: [&mut [T]; 3], parameters: &mut [T]) {
        /// Runs the formula over all elements, with those of the states that are named.
        macro_rules! each {
            (|$g:ident, $w:ident| $formula:block) => {
                for (&dw, w) in gradient.iter().zip(parameters) {
                    let $g = self.ready(dw, *w);
                    let $w = self.shrink * *w;
                    *w = $formula;
                }
            };
            (|$g:ident, $a:ident, $w:ident| $formula:block) => {
                for ((&dw, $a), w) in gradient.iter().zip(s0).zip(parameters) {
                    let $g = self.ready(dw, *w);
                    let $w = self.shrink * *w;
                    *w = $formula;
                }
            };
            (|$g:ident, $a:ident, $b:ident, $w:ident| $formula:block) => {
                for (((&dw, $a), $b), w) in gradient.iter().zip(s0).zip(s1).zip(parameters) {
                    let $g = self.ready(dw, *w);
                    let $w = self.shrink * *w;
                    *w = $formula;
                }
            };
        }
        match self.rule {
            Rule::Descent { rate } => each!(|g, w| { w - rate * g }),
            Rule::Momentum { rate, momentum, gain, nesterov: false } => each!(|g, s, w| {
                *s = mean(momentum * *s + gain * g);
                w - rate * *s
            }),
            Rule::Momentum { rate, momentum, gain, nesterov: true } => each!(|g, s, w| {
                *s = mean(momentum * *s + gain * g);
                w - rate * (g + momentum * *s)
            }),
            Rule::Adagrad { rate, epsilon } => each!(|g, s, w| {
                *s += g * g;
                w - rate * g / (s.sqrt() + epsilon)
            }),
            Rule::Adadelta { rate, rho, gain, epsilon } => each!(|g, s, a, w| {
                *s = square(rho * *s + gain * (g * g));
                let d = (*a + epsilon).sqrt() / (*s + epsilon).sqrt() * g;
                *a = square(rho * *a + gain * (d * d));
                w - rate * d
            }),
            Rule::RmsProp { rate, alpha, gain, epsilon, momentum, centered: false } => {
                if momentum == T::zero() {
                    each!(|g, s, w| {
                        *s = square(alpha * *s + gain * (g * g));
                        w - rate * (g / (s.sqrt() + epsilon))
                    });
                } else {
                    for (((&dw, s), b), w) in gradient.iter().zip(s0).zip(s2).zip(parameters) {
                        let g = self.ready(dw, *w);
                        *s = square(alpha * *s + gain * (g * g));
                        *b = mean(momentum * *b + g / (s.sqrt() + epsilon));
                        *w = self.shrink * *w - rate * *b;
                    }
                }
            }
            Rule::RmsProp { rate, alpha, gain, epsilon, momentum, centered: true } => {
                let centered = |g: T, s: &mut T, m: &mut T| {
                    *s = square(alpha * *s + gain * (g * g));
                    *m = mean(*m + gain * (g - *m));
                    g / ((*s - *m * *m).sqrt() + epsilon)
                };
                if momentum == T::zero() {
                    each!(|g, s, m, w| { w - rate * centered(g, s, m) });
                } else {
                    for ((((&dw, s), m), b), w) in gradient.iter().zip(s0).zip(s1).zip(s2).zip(parameters) {
                        *b = mean(momentum * *b + centered(self.ready(dw, *w), s, m));
                        *w = self.shrink * *w - rate * *b;
                    }
                }
            }
            Rule::Adam { rate, gain1, beta2, gain2, root, epsilon, amsgrad: false } => {
                each!(|g, m, v, w| {
                    *m = mean(*m + gain1 * (g - *m));
                    *v = square(beta2 * *v + gain2 * (g * g));
                    w - rate * *m / (root * v.sqrt() + epsilon)
                });
            }
            Rule::Adam { rate, gain1, beta2, gain2, root, epsilon, amsgrad: true } => {
                for ((((&dw, m), v), most), w) in gradient.iter().zip(s0).zip(s1).zip(s2).zip(parameters) {
                    let g = self.ready(dw, *w);
                    *m = mean(*m + gain1 * (g - *m));
                    *v = square(beta2 * *v + gain2 * (g * g));
                    *most = larger(*most, *v);
                    *w = self.shrink * *w - rate * *m / (root * most.sqrt() + epsilon);
                }
            }
            Rule::Adamax { rate, gain1, beta2, epsilon } => each!(|g, m, u, w| {
                *m = mean(*m + gain1 * (g - *m));
                *u = larger(beta2 * *u, g.abs() + epsilon);
                w - rate * *m / *u
            }),
            Rule::Nadam { rate, ahead, gain1, beta2, gain2, root, epsilon } => each!(|g, m, v, w| {
                *m = mean(*m + gain1 * (g - *m));
                *v = square(beta2 * *v + gain2 * (g * g));
                w - (rate * g + ahead * *m) / (root * v.sqrt() + epsilon)
            }),
            Rule::Radam { rate, gain1, beta2, gain2, epsilon, rectified: true } => each!(|g, m, v, w| {
                *m = mean(*m + gain1 * (g - *m));
                *v = square(beta2 * *v + gain2 * (g * g));
                w - rate * *m / (v.sqrt() + epsilon)
            }),
            Rule::Radam { rate, gain1, beta2, gain2, epsilon: _, rectified: false } => {
                each!(|g, m, v, w| {
                    *m = mean(*m + gain1 * (g - *m));
                    *v = square(beta2 * *v + gain2 * (g * g));
                    w - rate * *m
                });
            }
            Rule::Lion { rate, beta1, gain1, beta2, gain2 } => each!(|g, m, w| {
                let to = sign(beta1 * *m + gain1 * g);
                *m = mean(beta2 * *m + gain2 * g);
                w - rate * to
            }),
            Rule::Rprop { shrink, grow, min, max } => each!(|g, before, size, w| {
                let p = g * *before;
                let factor = if p > T::zero() {
                    grow
                } else if p < T::zero() {
                    shrink
                } else {
                    T::one()
                };
                let bigger = larger(*size * factor, min);
                *size = if bigger > max { max } else { bigger };
                *before = if p < T::zero() { T::zero() } else { g };
                w - *size * sign(*before)
            }),
        }
    }
}

/// How many partial sums [`dot`] has.
const SUMS: usize = 16;

/// Σ x_i y_i in f64, in an order that depends on the length alone: the sum of the i with one remainder modulo 16 for each of 16
/// partial sums, in the order of i; then these by halves, s_j + s_(j+8), s_j + s_(j+4), s_j + s_(j+2), s_0 + s_1.
pub(crate) fn dot<T: Scalar>(x: &[T], y: &[T]) -> f64 {
    let mut sums = [0.0; SUMS];
    let (xs, ys) = (x.chunks_exact(SUMS), y.chunks_exact(SUMS));
    let rest = (xs.remainder(), ys.remainder());
    for (x, y) in xs.zip(ys) {
        for j in 0..SUMS {
            sums[j] += x[j].as_f64() * y[j].as_f64();
        }
    }
    for (j, (x, y)) in rest.0.iter().zip(rest.1).enumerate() {
        sums[j] += x.as_f64() * y.as_f64();
    }
    for half in [8, 4, 2, 1] {
        for j in 0..half {
            sums[j] += sums[j + half];
        }
    }
    sums[0]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_dot_product_has_the_order_it_says() {
        for n in [0, 1, 15, 16, 17, 33, 100] {
            let x: Vec<f32> = (0..n).map(|i| (i as f32 * 0.7).sin()).collect();
            let y: Vec<f32> = (0..n).map(|i| (i as f32 * 1.3).cos() * 1e3).collect();
            let partial = |j: usize| {
                (j..n).step_by(16).map(|i| f64::from(x[i]) * f64::from(y[i])).fold(0.0, |sum, p| sum + p)
            };
            let four = |j: usize| (partial(j) + partial(j + 8)) + (partial(j + 4) + partial(j + 12));
            let expected = (four(0) + four(2)) + (four(1) + four(3));
            assert_eq!(dot(&x, &y).to_bits(), expected.to_bits(), "{n}");
        }
        // Squares that f32 has no numbers for.
        assert!((dot(&[1e30_f32], &[1e30]) / 1e60 - 1.0).abs() < 1e-6);
    }

    #[test]
    fn the_gradient_is_made_ready_by_hand() {
        let update = Update {
            scale: 0.5,
            bound: 1.0,
            l2: 0.1,
            l1: 0.01,
            shrink: 0.9,
            rule: Rule::Descent { rate: 2.0 },
        };
        let mut w = [10.0, -10.0, 0.0];
        update.apply(&[0.6, -4.0, f64::NAN], [&mut [], &mut [], &mut []], &mut w);
        // g = 0.3 + 1 + 0.01; g = −1 − 1 − 0.01.
        assert_eq!(w[..2], [9.0 - 2.0 * 1.31, -9.0 + 2.0 * 2.01]);
        assert!(w[2].is_nan(), "NaN goes through clipping");
    }

    #[test]
    fn a_state_without_gradients_fades_to_zero() {
        let (rate, epsilon, gain, gain1, gain2) = (0.1, 1e-8, 0.1, 0.1, 0.1);
        let (beta1, beta2, rho, alpha, momentum, root) = (0.9, 0.9, 0.9, 0.9, 0.9, 1.0);
        for rule in [
            Rule::Momentum { rate, momentum, gain, nesterov: true },
            Rule::Adadelta { rate, rho, gain, epsilon },
            Rule::RmsProp { rate, alpha, gain, epsilon, momentum, centered: true },
            Rule::Adam { rate, gain1, beta2, gain2, root, epsilon, amsgrad: false },
            Rule::Nadam { rate, ahead: 0.1, gain1, beta2, gain2, root, epsilon },
            Rule::Radam { rate, gain1, beta2, gain2, epsilon, rectified: true },
            Rule::Lion { rate, beta1, gain1, beta2, gain2 },
        ] {
            let mut states = [[0.5_f32, 0.25]; 3];
            let mut w = [1.0, 1.0];
            for _ in 0..1500 {
                let [s0, s1, s2] = &mut states;
                Update::new(rule).apply(&[0.0, 0.0], [s0, s1, s2], &mut w);
            }
            for (state, _) in states.iter().zip(rule.states()).filter(|(_, has)| *has) {
                assert_eq!(state.map(f32::to_bits), [0, 0], "{rule:?}");
            }
        }
    }

    #[test]
    fn terms_that_are_not_asked_for_are_not_added() {
        let mut w = [f32::INFINITY, -0.0];
        let update = Update::new(Rule::Descent { rate: 1.0 });
        assert!(update.is_ready());
        update.apply(&[1.0, 0.0], [&mut [], &mut [], &mut []], &mut w);
        assert_eq!(w.map(f32::to_bits), [f32::INFINITY, -0.0].map(f32::to_bits));
    }

    #[test]
    fn nan_goes_through_every_rule() {
        let (rate, epsilon) = (0.1, 1e-8);
        let (gain, gain1, gain2) = (0.1, 0.1, 0.1);
        let (beta1, beta2, rho, alpha, momentum, root) = (0.9, 0.9, 0.9, 0.9, 0.9, 1.0);
        for rule in [
            Rule::Momentum { rate, momentum, gain, nesterov: true },
            Rule::Adagrad { rate, epsilon },
            Rule::Adadelta { rate, rho, gain, epsilon },
            Rule::RmsProp { rate, alpha, gain, epsilon, momentum, centered: true },
            Rule::Adam { rate, gain1, beta2, gain2, root, epsilon, amsgrad: true },
            Rule::Adamax { rate, gain1, beta2, epsilon },
            Rule::Nadam { rate, ahead: 0.1, gain1, beta2, gain2, root, epsilon },
            Rule::Radam { rate, gain1, beta2, gain2, epsilon, rectified: true },
            Rule::Lion { rate, beta1, gain1, beta2, gain2 },
            Rule::Rprop { shrink: 0.5, grow: 1.2, min: 1e-6, max: 50.0 },
        ] {
            let mut states = [[0.5; 2]; 3];
            let mut w = [1.0_f64; 2];
            let [s0, s1, s2] = &mut states;
            Update::new(rule).apply(&[f64::NAN, 0.25], [s0, s1, s2], &mut w);
            assert!(w[0].is_nan() && w[1].is_finite() && (w[1] - 1.0).abs() > 0.0, "{rule:?}: {w:?}");
        }
    }
}
