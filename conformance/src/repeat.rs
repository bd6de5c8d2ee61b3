//! The same arguments give the same bits, from however many threads.

use std::sync::Barrier;
use std::thread;

use chainrule_core::{Accumulate, Activation, Backend, Descent, Scalar, Slope, Targets, Update};
use ndarray::{Array1, Array2};

use crate::case::{Case, Outcome, attempt};
use crate::compare::accepted;
use crate::optimizers::rules;

/// Threads that call at once: more than a small machine has cores, so that they are interrupted in the midst.
const THREADS: usize = 12;

/// What one method answered, bit for bit.
type Answers = Vec<(&'static str, Vec<u64>)>;

fn exact<'a, T: Scalar>(values: impl IntoIterator<Item = &'a T>) -> Vec<u64> {
    values.into_iter().map(|x| x.as_f64().to_bits()).collect()
}

/// Calls every method once, on m × k inputs, n × k weights.
fn everything<T: Scalar>(backend: &dyn Backend<T>, case: &Case) -> Result<Answers, String> {
    let (m, k, n, g) = (case.m, case.k, case.n, case.activation);
    let random = &mut case.random();
    let mut matrix = |rows, columns| Array2::<T>::from_shape_simple_fn((rows, columns), || random.number());
    let (x, w, delta, saved, logits) = (matrix(m, k), matrix(n, k), matrix(m, n), matrix(m, k), matrix(m, n));
    let b: Array1<T> = w.column(0).to_owned();
    let mut answers = Answers::new();

    let mut c = delta.clone();
    accepted(backend.matmul(&x, &w.t(), Accumulate::Replace, &mut c))?;
    answers.push(("matmul", exact(&c)));
    accepted(backend.matmul(&x, &w.t(), Accumulate::Add, &mut c))?;
    answers.push(("matmul with Add", exact(&c)));
    accepted(backend.hadamard(&delta, &mut c))?;
    answers.push(("hadamard", exact(&c)));
    accepted(backend.outer(&x.column(0), &b, Accumulate::Add, &mut c))?;
    answers.push(("outer", exact(&c)));

    let mut z = delta.clone();
    let mut a = delta.clone();
    accepted(backend.dense_forward(&x, &w, Some(&b), g, Some(&mut z), &mut a))?;
    answers.push(("dense_forward", exact(a.iter().chain(&z))));
    accepted(backend.bias_activate(Some(&b), g, None, &mut z))?;
    answers.push(("bias_activate", exact(&z)));
    let mut below = x.clone();
    let slope = Slope { activation: g, saved: saved.view() };
    accepted(backend.dense_backward(&delta, &w, Some(slope), &mut below))?;
    answers.push(("dense_backward", exact(&below)));
    let (mut dw, mut db) = (w.clone(), b.clone());
    accepted(backend.dense_gradient(&delta, &x, Accumulate::Replace, &mut dw, Some(&mut db)))?;
    answers.push(("dense_gradient", exact(dw.iter().chain(&db))));
    let (mut new_w, mut new_b) = (w.clone(), b.clone());
    let step = Descent { rate: T::of(0.125), decay: T::of(0.9) };
    let mut scratch = vec![T::nan(); n * k + n];
    accepted(backend.dense_descend(&delta, &x, step, &mut scratch, &mut new_w, Some(&mut new_b)))?;
    answers.push(("dense_descend", exact(new_w.iter().chain(&new_b))));

    let mut a = x.clone();
    accepted(backend.activate(g, &mut a))?;
    answers.push(("activate", exact(&a)));
    accepted(backend.apply_slope(slope, &mut a))?;
    answers.push(("apply_slope", exact(&a)));
    let r: Vec<usize> = (0..m).map(|i| (7 * i + 3) % m).collect();
    accepted(backend.select_rows(&x, &r, &mut a))?;
    answers.push(("select_rows", exact(&a)));
    let mut p = logits.clone();
    accepted(backend.softmax(&mut p))?;
    answers.push(("softmax", exact(&p)));
    let mut d = delta.clone();
    accepted(backend.softmax_backward(&p, &mut d))?;
    answers.push(("softmax_backward", exact(&d)));
    let mut ln_p = logits.clone();
    accepted(backend.log_softmax(&mut ln_p))?;
    answers.push(("log_softmax", exact(&ln_p)));
    accepted(backend.log_softmax_backward(&ln_p, &mut d))?;
    answers.push(("log_softmax_backward", exact(&d)));
    let labels: Vec<usize> = (0..m).map(|i| i % n).collect();
    let score = accepted(backend.softmax_cross_entropy(&logits, Targets::Classes(&labels), Some(&mut d)))?;
    let mut entropy = exact(&d);
    entropy.push(score.loss.to_bits());
    answers.push(("softmax_cross_entropy", entropy));
    let mut parameters = x.clone();
    accepted(backend.descend(
        step,
        saved.as_slice().expect("a new array"),
        parameters.as_slice_mut().expect("a new array"),
    ))?;
    answers.push(("descend", exact(&parameters)));
    for rule in rules() {
        let mut states = [0.5, 0.75, 0.25].map(|s| vec![T::of(s); x.len()]);
        let mut parameters = x.clone();
        let slice = parameters.as_slice_mut().expect("a new array");
        let gradient = saved.as_slice().expect("a new array");
        accepted(backend.update(&Update::new(rule), gradient, states.each_mut().map(|s| &mut **s), slice))?;
        answers.push(("update", exact(parameters.iter().chain(states.iter().flatten()))));
    }
    let dot =
        accepted(backend.dot(x.as_slice().expect("a new array"), saved.as_slice().expect("a new array")))?;
    answers.push(("dot", vec![dot.to_bits()]));
    Ok(answers)
}

fn agree(found: &Answers, expected: &Answers) -> Result<(), String> {
    for ((method, found), (_, expected)) in found.iter().zip(expected) {
        if let Some(i) = (0..expected.len()).find(|&i| found[i] != expected[i]) {
            let (found, expected) = (f64::from_bits(found[i]), f64::from_bits(expected[i]));
            return Err(format!("{method} gave {found} where it had given {expected} before (element {i})"));
        }
    }
    Ok(())
}

/// From latency to several blocks. The last one is large enough for a backend to take threads of its own.
fn cases() -> Vec<Case> {
    let sizes =
        [(1, 1, 1), (3, 5, 2), (17, 33, 20), (64, 65, 40), (32, 300, 48), (2100, 9, 20), (160, 130, 140)];
    sizes
        .into_iter()
        .zip(Activation::ALL.into_iter().skip(1))
        .map(|((m, k, n), activation)| Case { activation, ..Case::new(m, k, n) })
        .collect()
}

fn describe(case: &Case) -> String {
    format!("m = {}, k = {}, n = {}, {}", case.m, case.k, case.n, case.activation)
}

pub(crate) fn same_bits_twice<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let mut before = Vec::new();
    for case in cases() {
        attempt(
            || describe(&case),
            || {
                before.push(everything(backend, &case)?);
                Ok(())
            },
        )?;
    }
    // Backwards, so that what a call leaves behind differs.
    for (case, before) in cases().iter().zip(&before).rev() {
        attempt(|| describe(case), || agree(&everything(backend, case)?, before))?;
    }
    Ok(())
}

pub(crate) fn same_bits_from_threads<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let cases = cases();
    let describe = || format!("{THREADS} threads at once");
    let serial = cases.iter().map(|case| everything(backend, case));
    let mut expected = Vec::new();
    attempt(describe, || {
        expected = serial.collect::<Result<_, _>>()?;
        Ok(())
    })?;
    let barrier = Barrier::new(THREADS);
    let turn = |thread: usize| {
        barrier.wait();
        for round in 0..8 {
            for i in 0..cases.len() {
                let i = (i + thread) % cases.len();
                if i + 1 == cases.len() && round != 3 {
                    continue; // The large one takes its time: once.
                }
                agree(&everything(backend, &cases[i])?, &expected[i])
                    .map_err(|error| format!("{}: {error}", self::describe(&cases[i])))?;
            }
        }
        Ok(())
    };
    let turn = &turn;
    attempt(describe, || {
        thread::scope(|scope| {
            let threads: Vec<_> = (0..THREADS).map(|i| scope.spawn(move || turn(i))).collect();
            let join = |thread: thread::ScopedJoinHandle<'_, _>| {
                thread.join().unwrap_or_else(|_| Err("a thread panicked".to_owned()))
            };
            threads.into_iter().map(join).collect::<Vec<_>>().into_iter().collect()
        })
    })
}

pub(crate) fn presents_itself<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    attempt(
        || "name, isa and threads".to_owned(),
        || match (backend.name(), backend.isa(), backend.threads()) {
            ("", _, _) => Err("the name is empty".to_owned()),
            (_, "", _) => Err("the instruction set is empty, expected \"-\"".to_owned()),
            (_, _, 0) => Err("it uses 0 threads, expected at least 1".to_owned()),
            _ => Ok(()),
        },
    )
}
