//! Shapes that do not fit: each method says so and has not written anything.

use chainrule_core::{Accumulate, Activation, Backend, Descent, Scalar, Slope, Targets};
use ndarray::{Array1, Array2};

use crate::case::{Outcome, attempt};
use crate::compare::refused;
use crate::layout::{Layout, Matrix, Vector, bits};

/// Runs a call with each of its sizes wrong in turn. Every size must stand for a dimension that another one shares.
fn each_wrong<const N: usize>(
    names: [&str; N],
    right: [usize; N],
    run: impl Fn([usize; N]) -> Result<(), String>,
) -> Outcome {
    for i in 0..N {
        for wrong in [right[i] + 1, right[i] - 1, 0, 2 * right[i]] {
            let mut sizes = right;
            sizes[i] = wrong;
            attempt(
                || {
                    format!(
                        "{} are {wrong} instead of {}; all sizes: {names:?} = {sizes:?}",
                        names[i], right[i]
                    )
                },
                || run(sizes),
            )?;
        }
    }
    Ok(())
}

fn input<T: Scalar>(rows: usize, columns: usize) -> Array2<T> {
    Array2::from_elem((rows, columns), T::of(0.5))
}

fn output<T: Scalar>(rows: usize, columns: usize) -> Matrix<T> {
    Matrix::output(Layout::Sliced, (rows, columns), || T::of(0.25))
}

fn vector<T: Scalar>(length: usize) -> Vector<T> {
    Vector::output(Layout::Sliced, length, || T::of(0.25))
}

/// Sizes below and above the width of a lane.
const SIZES: [(usize, usize, usize); 3] = [(3, 5, 4), (1, 2, 3), (17, 33, 20)];
const MODES: [Accumulate; 2] = [Accumulate::Replace, Accumulate::Add];

pub(crate) fn matmul_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = ["A's rows", "A's columns", "B's rows", "B's columns", "C's rows", "C's columns"];
    for (m, k, n) in SIZES {
        for how in MODES {
            let run = |[ar, ac, br, bc, cr, cc]: [usize; 6]| {
                let mut c = output::<T>(cr, cc);
                refused(backend.matmul(&input(ar, ac), &input(br, bc), how, &mut c.view_mut()))?;
                c.untouched("C")
            };
            each_wrong(names, [m, k, k, n, m, n], run)?;
            attempt(|| format!("C is {n} × {m} instead of {m} × {n}"), || run([m, k, k, n, n, m]))?;
        }
    }
    Ok(())
}

pub(crate) fn hadamard_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for (m, _, n) in SIZES {
        let run = |[ar, ac, cr, cc]: [usize; 4]| {
            let mut c = output::<T>(cr, cc);
            refused(backend.hadamard(&input(ar, ac), &mut c.view_mut()))?;
            c.untouched("C")
        };
        each_wrong(["A's rows", "A's columns", "C's rows", "C's columns"], [m, n, m, n], run)?;
        attempt(|| format!("C is {n} × {m} instead of {m} × {n}"), || run([m, n, n, m]))?;
    }
    Ok(())
}

pub(crate) fn outer_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    for (m, _, n) in SIZES {
        for how in MODES {
            let run = |[x, y, cr, cc]: [usize; 4]| {
                let (x, y) = (Array1::from_elem(x, T::one()), Array1::from_elem(y, T::one()));
                let mut c = output::<T>(cr, cc);
                refused(backend.outer(&x, &y, how, &mut c.view_mut()))?;
                c.untouched("C")
            };
            each_wrong(["x's elements", "y's elements", "C's rows", "C's columns"], [m, n, m, n], run)?;
            attempt(|| format!("C is {n} × {m} instead of {m} × {n}"), || run([m, n, n, m]))?;
        }
    }
    Ok(())
}

pub(crate) fn dense_forward_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = [
        "X's rows",
        "X's columns",
        "W's rows",
        "W's columns",
        "b's elements",
        "Z's rows",
        "Z's columns",
        "A's rows",
        "A's columns",
    ];
    for (m, k, n) in SIZES {
        each_wrong(names, [m, k, n, k, n, m, n, m, n], |[xr, xc, wr, wc, b, zr, zc, ar, ac]| {
            let (x, w, b) = (input(xr, xc), input(wr, wc), Array1::from_elem(b, T::one()));
            let (mut z, mut a) = (output::<T>(zr, zc), output::<T>(ar, ac));
            refused(backend.dense_forward(
                &x,
                &w,
                Some(&b),
                Activation::Tanh,
                Some(&mut z.view_mut()),
                &mut a.view_mut(),
            ))?;
            z.untouched("Z")?;
            a.untouched("A")
        })?;
        each_wrong(
            ["X's rows", "X's columns", "W's rows", "W's columns", "A's rows", "A's columns"],
            [m, k, n, k, m, n],
            |[xr, xc, wr, wc, ar, ac]| {
                let mut a = output::<T>(ar, ac);
                let (x, w) = (input(xr, xc), input(wr, wc));
                refused(backend.dense_forward(&x, &w, None, Activation::Relu, None, &mut a.view_mut()))?;
                a.untouched("A")
            },
        )?;
    }
    Ok(())
}

pub(crate) fn bias_activate_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = ["b's elements", "Z's rows", "Z's columns", "A's rows", "A's columns"];
    for (m, _, n) in SIZES {
        for g in Activation::ALL {
            each_wrong(names, [n, m, n, m, n], |[b, zr, zc, ar, ac]| {
                let b = Array1::from_elem(b, T::one());
                let (mut z, mut a) = (output::<T>(zr, zc), output::<T>(ar, ac));
                refused(backend.bias_activate(Some(&b), g, Some(&mut z.view_mut()), &mut a.view_mut()))?;
                z.untouched("Z")?;
                a.untouched("A")
            })?;
        }
    }
    Ok(())
}

pub(crate) fn dense_backward_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = [
        "δ's rows",
        "δ's columns",
        "W's rows",
        "W's columns",
        "saved's rows",
        "saved's columns",
        "Δ's rows",
        "Δ's columns",
    ];
    for (m, k, n) in SIZES {
        for with_slope in [false, true] {
            let right = [m, k, k, n, m, n, m, n];
            each_wrong(names, right, |[dr, dc, wr, wc, sr, sc, br, bc]| {
                if !with_slope && (sr, sc) != (m, n) {
                    return Ok(());
                }
                let saved = input::<T>(sr, sc);
                let slope =
                    with_slope.then(|| Slope { activation: Activation::Sigmoid, saved: saved.view() });
                let mut below = output::<T>(br, bc);
                refused(backend.dense_backward(
                    &input(dr, dc),
                    &input(wr, wc),
                    slope,
                    &mut below.view_mut(),
                ))?;
                below.untouched("Δ")
            })?;
        }
    }
    Ok(())
}

pub(crate) fn dense_gradient_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names =
        ["δ's rows", "δ's columns", "X's rows", "X's columns", "ΔW's rows", "ΔW's columns", "Δb's elements"];
    for (m, k, n) in SIZES {
        for how in MODES {
            each_wrong(names, [k, m, k, n, m, n, m], |[dr, dc, xr, xc, wr, wc, b]| {
                let (mut dw, mut db) = (output::<T>(wr, wc), vector::<T>(b));
                let (delta, x) = (input(dr, dc), input(xr, xc));
                refused(backend.dense_gradient(
                    &delta,
                    &x,
                    how,
                    &mut dw.view_mut(),
                    Some(&mut db.view_mut()),
                ))?;
                dw.untouched("ΔW")?;
                db.untouched("Δb")
            })?;
            each_wrong(
                ["δ's rows", "δ's columns", "X's rows", "X's columns", "ΔW's rows", "ΔW's columns"],
                [k, m, k, n, m, n],
                |[dr, dc, xr, xc, wr, wc]| {
                    let mut dw = output::<T>(wr, wc);
                    let (delta, x) = (input(dr, dc), input(xr, xc));
                    refused(backend.dense_gradient(&delta, &x, how, &mut dw.view_mut(), None))?;
                    dw.untouched("ΔW")
                },
            )?;
        }
    }
    Ok(())
}

pub(crate) fn dense_descend_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = [
        "δ's rows",
        "δ's columns",
        "X's rows",
        "X's columns",
        "W's rows",
        "W's columns",
        "b's elements",
        "the gradient's elements",
    ];
    let step = Descent { rate: T::of(0.5), decay: T::of(0.5) };
    for (m, k, n) in SIZES {
        let right = [k, m, k, n, m, n, m, m * n + m];
        each_wrong(names, right, |[dr, dc, xr, xc, wr, wc, b, scratch]| {
            let mut w = Matrix::<T>::output(Layout::Contiguous, (wr, wc), || T::of(0.25));
            let mut b = vector::<T>(b);
            let mut gradient = vec![T::of(0.25); scratch];
            refused(backend.dense_descend(
                &input(dr, dc),
                &input(xr, xc),
                step,
                &mut gradient,
                &mut w.view_mut(),
                Some(&mut b.view_mut()),
            ))?;
            if gradient.iter().any(|&g| bits(g) != bits(T::of(0.25))) {
                return Err("the gradient's place was written to".to_owned());
            }
            w.untouched("W")?;
            b.untouched("b")
        })?;
    }
    Ok(())
}

pub(crate) fn apply_slope_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = ["saved's rows", "saved's columns", "δ's rows", "δ's columns"];
    for (m, _, n) in SIZES {
        for activation in Activation::ALL {
            each_wrong(names, [m, n, m, n], |[sr, sc, dr, dc]| {
                let (saved, mut delta) = (input::<T>(sr, sc), output::<T>(dr, dc));
                let slope = Slope { activation, saved: saved.view() };
                refused(backend.apply_slope(slope, &mut delta.view_mut()))?;
                delta.untouched("δ")
            })?;
        }
    }
    Ok(())
}

pub(crate) fn softmax_backward_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = ["p's rows", "p's columns", "Δ's rows", "Δ's columns"];
    for (m, _, n) in SIZES {
        each_wrong(names, [m, n, m, n], |[pr, pc, dr, dc]| {
            let mut delta = output::<T>(dr, dc);
            refused(backend.softmax_backward(&input(pr, pc), &mut delta.view_mut()))?;
            delta.untouched("Δ")
        })?;
    }
    Ok(())
}

pub(crate) fn log_softmax_backward_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names = ["ln p's rows", "ln p's columns", "Δ's rows", "Δ's columns"];
    for (m, _, n) in SIZES {
        each_wrong(names, [m, n, m, n], |[pr, pc, dr, dc]| {
            let mut delta = output::<T>(dr, dc);
            refused(backend.log_softmax_backward(&input(pr, pc), &mut delta.view_mut()))?;
            delta.untouched("Δ")
        })?;
    }
    Ok(())
}

pub(crate) fn softmax_cross_entropy_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let names =
        ["Z's rows", "Z's columns", "the targets' rows", "the targets' columns", "δ's rows", "δ's columns"];
    for (m, _, n) in SIZES {
        each_wrong(names, [m, n, m, n, m, n], |[zr, zc, tr, tc, dr, dc]| {
            let (values, mut delta) = (input::<T>(tr, tc), output::<T>(dr, dc));
            let targets = Targets::Values(values.view());
            refused(backend.softmax_cross_entropy(&input(zr, zc), targets, Some(&mut delta.view_mut())))?;
            delta.untouched("δ")
        })?;
        let names = ["Z's rows", "Z's columns", "the labels' rows", "δ's rows", "δ's columns"];
        each_wrong(names, [m, n, m, m, n], |[zr, zc, tr, dr, dc]| {
            if zc == 0 {
                return Ok(()); // Label 0 is out of range as well: either error is right.
            }
            let (labels, mut delta) = (vec![0; tr], output::<T>(dr, dc));
            let targets = Targets::Classes(&labels);
            refused(backend.softmax_cross_entropy(&input(zr, zc), targets, Some(&mut delta.view_mut())))?;
            delta.untouched("δ")
        })?;
    }
    Ok(())
}

pub(crate) fn descend_shapes<T: Scalar>(backend: &dyn Backend<T>) -> Outcome {
    let step = Descent { rate: T::of(0.5), decay: T::of(0.5) };
    for (_, k, _) in SIZES {
        each_wrong(["the gradient's elements", "W's elements"], [k, k], |[gradient, w]| {
            let mut parameters = vec![T::of(0.25); w];
            refused(backend.descend(step, &vec![T::one(); gradient], &mut parameters))?;
            if parameters.iter().any(|&w| bits(w) != bits(T::of(0.25))) {
                return Err("W was written to".to_owned());
            }
            Ok(())
        })?;
    }
    Ok(())
}
