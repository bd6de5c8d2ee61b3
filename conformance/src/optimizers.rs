//! The updates of optimisers and the dot product: the same bits as the definitions in the core.

use chainrule_core::{Accumulate, Backend, Result as CoreResult, Rule, Scalar, Update};
use ndarray::{ArrayRef1, ArrayRef2};

use crate::case::{Case, Outcome, Values, attempt, lengths};
use crate::compare::{accepted, refused};
use crate::layout::bits;

/// Every rule, with and without each of its options.
pub(crate) fn rules<T: Scalar>() -> Vec<Rule<T>> {
    let [rate, gain, gain1, gain2] = [0.25, 0.1, 0.1, 0.05].map(T::of);
    let [momentum, rho, alpha, beta1, beta2] = [0.9, 0.9, 0.95, 0.9, 0.95].map(T::of);
    let (epsilon, root, ahead) = (T::of(1e-6), T::of(1.3), T::of(0.07));
    let mut rules = vec![
        Rule::Descent { rate },
        Rule::Adagrad { rate, epsilon },
        Rule::Adadelta { rate, rho, gain, epsilon },
        Rule::Adamax { rate, gain1, beta2, epsilon },
        Rule::Nadam { rate, ahead, gain1, beta2, gain2, root, epsilon },
        Rule::Lion { rate, beta1, gain1, beta2, gain2 },
        Rule::Rprop { shrink: T::of(0.5), grow: T::of(1.2), min: T::of(0.1), max: T::of(2.0) },
    ];
    for option in [false, true] {
        rules.extend([
            Rule::Momentum { rate, momentum, gain, nesterov: option },
            Rule::RmsProp { rate, alpha, gain, epsilon, momentum: T::zero(), centered: option },
            Rule::RmsProp { rate, alpha, gain, epsilon, momentum, centered: option },
            Rule::Adam { rate, gain1, beta2, gain2, root, epsilon, amsgrad: option },
            Rule::Radam { rate, gain1, beta2, gain2, epsilon, rectified: option },
        ]);
    }
    rules
}

/// The default bodies of the trait.
#[derive(Debug)]
struct Default;

impl<T: Scalar> Backend<T> for Default {
    fn name(&self) -> &'static str {
        "default"
    }
    fn matmul(
        &self,
        _: &ArrayRef2<T>,
        _: &ArrayRef2<T>,
        _: Accumulate,
        _: &mut ArrayRef2<T>,
    ) -> CoreResult<()> {
        unreachable!("only `update` and `dot` are called")
    }
    fn hadamard(&self, _: &ArrayRef2<T>, _: &mut ArrayRef2<T>) -> CoreResult<()> {
        unreachable!("only `update` and `dot` are called")
    }
    fn outer(
        &self,
        _: &ArrayRef1<T>,
        _: &ArrayRef1<T>,
        _: Accumulate,
        _: &mut ArrayRef2<T>,
    ) -> CoreResult<()> {
        unreachable!("only `update` and `dot` are called")
    }
}

/// Long enough for a backend to take threads of its own.
const LONG: usize = 70_001;

/// What may be wrong with the gradient's preparation: nothing asked for, then everything.
fn prepared<T: Scalar>(rule: Rule<T>) -> [Update<T>; 2] {
    let [scale, bound, l2, l1, shrink] = [0.5, 0.3, 0.01, 0.02, 0.99].map(T::of);
    [Update::new(rule), Update { scale, bound, l2, l1, shrink, rule }]
}

/// Compares an update of slices that start anywhere with its definition; of the states those that the rule has are given, or all.
fn updates<T: Scalar>(backend: &dyn Backend<T>, update: &Update<T>, case: &Case) -> Result<(), String> {
    let random = &mut case.random();
    let len = case.n;
    let has = update.rule.states();
    let start: [usize; 5] = [(); 5].map(|()| random.below(9));
    let squares = matches!(update.rule, Rule::Adagrad { .. } | Rule::Adadelta { .. } | Rule::RmsProp { .. });
    let mut vectors: [Vec<T>; 5] = [0, 1, 2, 3, 4].map(|k| {
        let there = k >= 3 || has[k] || case.options[0];
        let rest = if there { len } else { 0 };
        let number = |x: T| if (k == 0 && squares) || k == 1 || k == 2 { x.abs() } else { x };
        (0..start[k] + rest + 3).map(|_| number(random.number())).collect()
    });
    let mut expected = vectors.clone();
    let run = |backend: &dyn Backend<T>, vectors: &mut [Vec<T>; 5]| {
        let [s0, s1, s2, w, g] = vectors;
        let part = |k: usize, there: bool, vector: &mut Vec<T>| {
            let end = if there || case.options[0] { start[k] + len } else { start[k] };
            start[k]..end.min(vector.len())
        };
        let ranges = (part(0, has[0], s0), part(1, has[1], s1), part(2, has[2], s2));
        let states = [&mut s0[ranges.0], &mut s1[ranges.1], &mut s2[ranges.2]];
        let (g, w) = (&g[start[4]..start[4] + len], &mut w[start[3]..start[3] + len]);
        accepted(backend.update(update, g, states, w))
    };
    run(&Default, &mut expected)?;
    run(backend, &mut vectors)?;
    for (name, (found, expected)) in
        ["s₀", "s₁", "s₂", "W", "the gradient"].iter().zip(vectors.iter().zip(&expected))
    {
        let differs = |(&found, &expected): (&T, &T)| {
            bits(found) != bits(expected) && !(found.is_nan() && expected.is_nan())
        };
        if let Some(i) = found.iter().zip(expected).position(differs) {
            let (found, expected) = (found[i], expected[i]);
            return Err(format!("{name}[{i}] is {found}, expected {expected}, by {:?}", update.rule));
        }
    }
    Ok(())
}

fn each_update<T: Scalar>(backend: &dyn Backend<T>, values: &[Values]) -> Outcome {
    for update in rules::<T>().into_iter().flat_map(prepared) {
        let lengths = lengths().filter(|n| *n < 40 || *n > 120).chain([1000]);
        // The last case is long, once for each rule.
        let long = (update.shrink == T::one()).then_some(LONG);
        for (turn, n) in lengths.chain(long).enumerate() {
            let case = Case { values: values[turn % values.len()], seed: turn as u64, ..Case::new(1, 1, n) };
            let case = Case { options: [turn % 2 == 0; 2], ..case };
            attempt(|| format!("{n} parameters, {update:?}"), || updates(backend, &update, &case))?;
        }
    }
    Ok(())
}

pub(crate) fn update_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    each_update(backend, &[Values::Uniform, Values::Wide, Values::Integers, Values::Tiny])
}

pub(crate) fn update_special<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    each_update(backend, &[Values::Special])
}

pub(crate) fn update_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for rule in rules::<T>() {
        let has = rule.states();
        for wrong in 0..5 {
            for by in [-1_isize, 1] {
                if wrong < 3 && !has[wrong] {
                    continue;
                }
                let len = |k: usize| if k == wrong { 5_usize.wrapping_add_signed(by) } else { 5 };
                let mut s: [Vec<T>; 3] = [0, 1, 2].map(|k| vec![T::of(0.25); len(k)]);
                let (mut w, g) = (vec![T::of(0.25); len(3)], vec![T::one(); len(4)]);
                let run = || {
                    let [s0, s1, s2] = &mut s;
                    refused(backend.update(&Update::new(rule), &g, [s0, s1, s2], &mut w))?;
                    if s.iter().flatten().chain(&w).any(|&x| bits(x) != bits(T::of(0.25))) {
                        return Err("something was written to".to_owned());
                    }
                    Ok(())
                };
                let name = ["s₀", "s₁", "s₂", "W", "the gradient"][wrong];
                attempt(|| format!("{name} too {}, {rule:?}", if by < 0 { "short" } else { "long" }), run)?;
            }
        }
    }
    Ok(())
}

pub(crate) fn dot_values<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for values in [Values::Integers, Values::Uniform, Values::Wide, Values::Special] {
        for n in lengths().chain([1000, LONG]) {
            let case = Case { values, seed: n as u64, ..Case::new(1, n, 1) };
            let run = || {
                let random = &mut case.random();
                let (first, second) = (random.below(9), random.below(9));
                let x: Vec<T> = (0..first + n).map(|_| random.number()).collect();
                let y: Vec<T> = (0..second + n).map(|_| random.number()).collect();
                let (x, y) = (&x[first..], &y[second..]);
                let (found, expected) = (accepted(backend.dot(x, y))?, accepted(Default.dot(x, y))?);
                if found.to_bits() == expected.to_bits() || (found.is_nan() && expected.is_nan()) {
                    return Ok(());
                }
                Err(format!("the dot product is {found}, expected {expected}"))
            };
            attempt(|| format!("{n} elements, values {values:?}"), run)?;
        }
    }
    Ok(())
}

pub(crate) fn dot_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for (n, m) in [(0, 1), (1, 0), (4, 5), (17, 16)] {
        let (x, y) = (vec![T::one(); n], vec![T::one(); m]);
        attempt(|| format!("{n} and {m} elements"), || refused(backend.dot(&x, &y)))?;
    }
    Ok(())
}
