//! The updates of optimisers lane by lane, and the dot product: the bits of their definitions in the core.
//!
//! Every operation is rounded by itself, in the order that [`Rule`] states, so that all instruction sets agree, those without
//! fused multiply-add too.

use std::mem::MaybeUninit;

use chainrule_core::{Rule, Scalar, Update};

use crate::elementwise::{read, write};
use crate::gemm::Engine;
use crate::isa::{Kernel, Ready};
use crate::lane::Lane;
use crate::threads;
use crate::vmath::{Real, abs};

/// 1, −1, or x itself for ±0 and NaN.
#[inline(always)]
unsafe fn sign<T: Real, L: Lane<Elem = T>>(x: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let (zero, one) = (L::splat(T::ZERO), L::splat(T::ONE));
        L::select(zero.lt(x), one, L::select(x.lt(zero), zero.sub(one), x))
    }
}

/// The larger one; NaN if either is.
#[inline(always)]
unsafe fn larger<L: Lane>(x: L, y: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { L::select(x.lt(y), y, L::select(y.eq(y), x, y)) }
}

/// x, but no further from 0 than `bound`; NaN stays.
#[inline(always)]
unsafe fn clip<T: Real, L: Lane<Elem = T>>(x: L, bound: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe {
        let low = L::splat(T::ZERO).sub(bound);
        L::select(bound.lt(x), bound, L::select(x.lt(low), low, x))
    }
}

/// x, or 0 if its magnitude is less than `least`; NaN stays.
#[inline(always)]
unsafe fn flush<T: Real, L: Lane<Elem = T>>(x: L, least: L) -> L {
    // SAFETY: the caller enables the set of `L`.
    unsafe { L::select(abs(x).lt(least), L::splat(T::ZERO), x) }
}

/// An update of `len` parameters from each of the pointers on; those of states that the rule has none of are not followed.
#[derive(Clone, Copy)]
struct Step<'a, T> {
    update: &'a Update<T>,
    gradient: *const T,
    states: [*mut T; 3],
    parameters: *mut T,
    len: usize,
}

// SAFETY: pointers are no more than addresses; whoever follows them vouches for them, and that threads have parts of their own.
unsafe impl<T: Send + Sync> Send for Step<'_, T> {}
// SAFETY: as above.
unsafe impl<T: Send + Sync> Sync for Step<'_, T> {}

impl<T: Real> Step<'_, T> {
    /// The part of `len` parameters from `start` on.
    fn part(&self, start: usize, len: usize) -> Self {
        Self {
            gradient: self.gradient.wrapping_add(start),
            states: self.states.map(|state| state.wrapping_add(start)),
            parameters: self.parameters.wrapping_add(start),
            len,
            ..*self
        }
    }

    /// Writes the gradient made ready, clip(scale Δw, ±bound) + l2 w + l1 sign(w), to `to`.
    ///
    /// # Safety
    ///
    /// The pointers are valid for `len` elements, and `to` overlaps none of them; the set of `L` is enabled.
    #[inline(always)]
    unsafe fn ready<L: Lane<Elem = T>>(&self, to: *mut T) {
        let Update { scale, bound, l2, l1, .. } = *self.update;
        let mut i = 0;
        while i < self.len {
            let n = L::LANES.min(self.len - i);
            // SAFETY: the caller's contract.
            unsafe {
                let w = read::<T, L>(self.parameters.add(i), 1, n);
                let change = read::<T, L>(self.gradient.add(i), 1, n);
                let mut g = clip(L::splat(scale).mul(change), L::splat(bound));
                if l2 != T::ZERO {
                    g = g.add(L::splat(l2).mul(w));
                }
                if l1 != T::ZERO {
                    g = g.add(L::splat(l1).mul(sign(w)));
                }
                write(g, to.add(i), 1, n);
            }
            i += n;
        }
    }
}

/// Elements whose gradient is made ready before the rule comes to them.
const READY: usize = 512;

impl<T: Real + Scalar> Kernel<T> for Step<'_, T> {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let mut ready = [const { MaybeUninit::<T>::uninit() }; READY];
        let ready = ready.as_mut_ptr().cast::<T>();
        let is_ready = self.update.is_ready();
        let piece = if is_ready { self.len } else { READY };
        let mut start = 0;
        while start < self.len {
            let mut part = self.part(start, piece.min(self.len - start));
            // SAFETY: the caller's contract; there is room for the gradients of a piece.
            unsafe {
                if !is_ready {
                    part.ready::<L>(ready);
                    part.gradient = ready;
                }
                part.rule::<L>();
            }
            start += piece;
        }
    }
}

impl<T: Real + Scalar> Step<'_, T> {
    /// The rule, with gradients that are ready.
    ///
    /// # Safety
    ///
    /// The pointers are valid for `len` elements and do not overlap; the set of `L` is enabled.
    #[inline(always)]
    #[expect(
        clippy::too_many_lines,
        reason = "the formulas of all rules, one after the other, as in the core"
    )]
    unsafe fn rule<L: Lane<Elem = T>>(self) {
        /// Runs the formula over all elements, with those of the states that are named, and their numbers.
        macro_rules! each {
            (|$g:ident, $w:ident $(, $s:ident: $k:literal)*| $formula:block) => {{
                let shrink = L::splat(self.update.shrink);
                let mut i = 0;
                while i < self.len {
                    let n = L::LANES.min(self.len - i);
                    let at = self.parameters.add(i);
                    let $w = read::<T, L>(at, 1, n);
                    let $g = read::<T, L>(self.gradient.add(i), 1, n);
                    let $w = shrink.mul($w);
                    $(let mut $s = read::<T, L>(self.states[$k].add(i), 1, n);)*
                    let new: L = $formula;
                    $(write($s, self.states[$k].add(i), 1, n);)*
                    write(new, at, 1, n);
                    i += n;
                }
            }};
        }
        /// Registers of constants.
        macro_rules! splat {
            ($($x:ident),*) => {
                $(let $x = L::splat($x);)*
            };
        }
        let (least_mean, least_square) = (Rule::least_mean(), Rule::least_square());
        // SAFETY: the pointers are valid for `len` elements and do not overlap; the caller enables the set of `L`.
        unsafe {
            splat!(least_mean, least_square);
            match self.update.rule {
                Rule::Descent { rate } => {
                    splat!(rate);
                    each!(|g, w| { w.sub(rate.mul(g)) });
                }
                Rule::Momentum { rate, momentum, gain, nesterov } => {
                    splat!(rate, momentum, gain);
                    if nesterov {
                        each!(|g, w, s: 0| {
                            s = flush(momentum.mul(s).add(gain.mul(g)), least_mean);
                            w.sub(rate.mul(g.add(momentum.mul(s))))
                        });
                    } else {
                        each!(|g, w, s: 0| {
                            s = flush(momentum.mul(s).add(gain.mul(g)), least_mean);
                            w.sub(rate.mul(s))
                        });
                    }
                }
                Rule::Adagrad { rate, epsilon } => {
                    splat!(rate, epsilon);
                    each!(|g, w, s: 0| {
                        s = s.add(g.mul(g));
                        w.sub(rate.mul(g).div(s.sqrt().add(epsilon)))
                    });
                }
                Rule::Adadelta { rate, rho, gain, epsilon } => {
                    splat!(rate, rho, gain, epsilon);
                    each!(|g, w, s: 0, a: 1| {
                        s = flush(rho.mul(s).add(gain.mul(g.mul(g))), least_square);
                        let d = a.add(epsilon).sqrt().div(s.add(epsilon).sqrt()).mul(g);
                        a = flush(rho.mul(a).add(gain.mul(d.mul(d))), least_square);
                        w.sub(rate.mul(d))
                    });
                }
                Rule::RmsProp { rate, alpha, gain, epsilon, momentum, centered } => {
                    let has_momentum = momentum != T::ZERO;
                    splat!(rate, alpha, gain, epsilon, momentum);
                    match (centered, has_momentum) {
                        (false, false) => each!(|g, w, s: 0| {
                            s = flush(alpha.mul(s).add(gain.mul(g.mul(g))), least_square);
                            w.sub(rate.mul(g.div(s.sqrt().add(epsilon))))
                        }),
                        (false, true) => each!(|g, w, s: 0, b: 2| {
                            s = flush(alpha.mul(s).add(gain.mul(g.mul(g))), least_square);
                            b = flush(momentum.mul(b).add(g.div(s.sqrt().add(epsilon))), least_mean);
                            w.sub(rate.mul(b))
                        }),
                        (true, false) => each!(|g, w, s: 0, m: 1| {
                            s = flush(alpha.mul(s).add(gain.mul(g.mul(g))), least_square);
                            m = flush(m.add(gain.mul(g.sub(m))), least_mean);
                            w.sub(rate.mul(g.div(s.sub(m.mul(m)).sqrt().add(epsilon))))
                        }),
                        (true, true) => each!(|g, w, s: 0, m: 1, b: 2| {
                            s = flush(alpha.mul(s).add(gain.mul(g.mul(g))), least_square);
                            m = flush(m.add(gain.mul(g.sub(m))), least_mean);
                            b = flush(momentum.mul(b).add(g.div(s.sub(m.mul(m)).sqrt().add(epsilon))), least_mean);
                            w.sub(rate.mul(b))
                        }),
                    }
                }
                Rule::Adam { rate, gain1, beta2, gain2, root, epsilon, amsgrad } => {
                    splat!(rate, gain1, beta2, gain2, root, epsilon);
                    if amsgrad {
                        each!(|g, w, m: 0, v: 1, most: 2| {
                            m = flush(m.add(gain1.mul(g.sub(m))), least_mean);
                            v = flush(beta2.mul(v).add(gain2.mul(g.mul(g))), least_square);
                            most = larger(most, v);
                            w.sub(rate.mul(m).div(root.mul(most.sqrt()).add(epsilon)))
                        });
                    } else {
                        each!(|g, w, m: 0, v: 1| {
                            m = flush(m.add(gain1.mul(g.sub(m))), least_mean);
                            v = flush(beta2.mul(v).add(gain2.mul(g.mul(g))), least_square);
                            w.sub(rate.mul(m).div(root.mul(v.sqrt()).add(epsilon)))
                        });
                    }
                }
                Rule::Adamax { rate, gain1, beta2, epsilon } => {
                    splat!(rate, gain1, beta2, epsilon);
                    each!(|g, w, m: 0, u: 1| {
                        m = flush(m.add(gain1.mul(g.sub(m))), least_mean);
                        u = larger(beta2.mul(u), abs(g).add(epsilon));
                        w.sub(rate.mul(m).div(u))
                    });
                }
                Rule::Nadam { rate, ahead, gain1, beta2, gain2, root, epsilon } => {
                    splat!(rate, ahead, gain1, beta2, gain2, root, epsilon);
                    each!(|g, w, m: 0, v: 1| {
                        m = flush(m.add(gain1.mul(g.sub(m))), least_mean);
                        v = flush(beta2.mul(v).add(gain2.mul(g.mul(g))), least_square);
                        w.sub(rate.mul(g).add(ahead.mul(m)).div(root.mul(v.sqrt()).add(epsilon)))
                    });
                }
                Rule::Radam { rate, gain1, beta2, gain2, epsilon, rectified } => {
                    splat!(rate, gain1, beta2, gain2, epsilon);
                    if rectified {
                        each!(|g, w, m: 0, v: 1| {
                            m = flush(m.add(gain1.mul(g.sub(m))), least_mean);
                            v = flush(beta2.mul(v).add(gain2.mul(g.mul(g))), least_square);
                            w.sub(rate.mul(m).div(v.sqrt().add(epsilon)))
                        });
                    } else {
                        each!(|g, w, m: 0, v: 1| {
                            m = flush(m.add(gain1.mul(g.sub(m))), least_mean);
                            v = flush(beta2.mul(v).add(gain2.mul(g.mul(g))), least_square);
                            w.sub(rate.mul(m))
                        });
                    }
                }
                Rule::Lion { rate, beta1, gain1, beta2, gain2 } => {
                    splat!(rate, beta1, gain1, beta2, gain2);
                    each!(|g, w, m: 0| {
                        let to = sign(beta1.mul(m).add(gain1.mul(g)));
                        m = flush(beta2.mul(m).add(gain2.mul(g)), least_mean);
                        w.sub(rate.mul(to))
                    });
                }
                Rule::Rprop { shrink, grow, min, max } => {
                    splat!(shrink, grow, min, max);
                    let (zero, one) = (L::splat(T::ZERO), L::splat(T::ONE));
                    each!(|g, w, before: 0, size: 1| {
                        let p = g.mul(before);
                        let factor = L::select(zero.lt(p), grow, L::select(p.lt(zero), shrink, one));
                        let bigger = larger(size.mul(factor), min);
                        size = L::select(max.lt(bigger), max, bigger);
                        before = L::select(p.lt(zero), zero, g);
                        w.sub(size.mul(sign(before)))
                    });
                }
                // A rule that this crate does not know yet.
                _ => {
                    let has = self.update.rule.states();
                    let [s0, s1, s2] = [0, 1, 2].map(|k| {
                        if has[k] {
                            std::slice::from_raw_parts_mut(self.states[k], self.len)
                        } else {
                            &mut []
                        }
                    });
                    let gradient = std::slice::from_raw_parts(self.gradient, self.len);
                    let parameters = std::slice::from_raw_parts_mut(self.parameters, self.len);
                    let update = Update { shrink: self.update.shrink, ..Update::new(self.update.rule) };
                    update.apply(gradient, [s0, s1, s2], parameters);
                }
            }
        }
    }
}

/// Parameters that one thread updates in a nanosecond, for the decision to share work.
const PACE: usize = 1;

/// Parameters of which a thread takes whole multiples: pages are not shared.
const PIECE: usize = 4096;

/// The update of every parameter and its states, on several threads if that pays.
///
/// # Panics
///
/// If the lengths differ.
pub(crate) fn update<T: Real + Scalar>(
    engine: Engine,
    update: &Update<T>,
    gradient: &[T],
    mut states: [&mut [T]; 3],
    parameters: &mut [T],
) {
    let len = parameters.len();
    let fits = states.iter().zip(update.rule.states()).all(|(state, has)| !has || state.len() == len);
    assert!(gradient.len() == len && fits, "a change and a state for each parameter");
    let states = states.each_mut().map(|state| state.as_mut_ptr());
    let (gradient, parameters) = (gradient.as_ptr(), parameters.as_mut_ptr());
    let step = Step { update, gradient, states, parameters, len };
    let ways = threads::ways(engine.threads, len / PACE);
    if ways <= 1 {
        return engine.isa.dispatch(step);
    }
    let piece = len.div_ceil(ways).next_multiple_of(PIECE);
    threads::parallel_for(len.div_ceil(piece), &|part| {
        let start = part * piece;
        engine.isa.dispatch(step.part(start, piece.min(len - start)));
    });
}

/// The number of partial sums of [`dot`].
const SUMS: usize = 16;

/// The dot product of slices of one length.
struct Dot<'a, T>(&'a [T], &'a [T]);

impl<T: Real> Kernel<T> for Dot<'_, T> {
    type Output = f64;

    /// Plain loops, which the compiler makes vector code of with the set that is enabled.
    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) -> f64 {
        let Self(x, y) = self;
        let mut sums = [0.0; SUMS];
        let whole = x.len() / SUMS * SUMS;
        let mut i = 0;
        while i < whole {
            let (x, y) = (&x[i..i + SUMS], &y[i..i + SUMS]);
            for j in 0..SUMS {
                sums[j] += x[j].to_f64() * y[j].to_f64();
            }
            i += SUMS;
        }
        for i in whole..x.len() {
            sums[i - whole] += x[i].to_f64() * y[i].to_f64();
        }
        let mut half = SUMS / 2;
        while half > 0 {
            for j in 0..half {
                sums[j] += sums[j + half];
            }
            half /= 2;
        }
        sums[0]
    }
}

/// Σ x_i y_i in f64, in the order that the core states; that order leaves nothing for a second thread.
///
/// # Panics
///
/// If the lengths differ.
pub(crate) fn dot<T: Real>(isa: Ready, x: &[T], y: &[T]) -> f64 {
    assert_eq!(x.len(), y.len(), "a dot product of vectors of one length");
    isa.dispatch(Dot(x, y))
}
