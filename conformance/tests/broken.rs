//! Backends that are broken on purpose, each in one way that real ones were: the suite must notice every one.

use std::sync::atomic::{AtomicU64, Ordering};

use chainrule_conformance::{check_all, checks};
use chainrule_core::{
    Accumulate, Activation, Backend, Descent, Result, Scalar, Score, Slope, Targets, Update, check,
};
use chainrule_naive::Naive;
use ndarray::{ArrayRef1, ArrayRef2};

/// What is wrong with a backend.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Fault {
    DropsTheRemainder,
    DropsTheLastLaneOfTheSum,
    ReadsStaleOutput,
    MultipliesStaleOutputByZero,
    IgnoresAdd,
    TransposesTheResult,
    AssumesContiguousRows,
    WritesPastTheRow,
    SkipsZeros,
    WritesBeforeTheShapeCheck,
    NeverChecksShapes,
    ForgetsTheBiasGradient,
    KeepsTheOldBiasGradient,
    NoMaximumInSoftmax,
    WrongSlopeOfTanh,
    RoughSigmoid,
    ReluLosesNan,
    IgnoresDecay,
    DecaysBiases,
    WritesBeforeTheLabelCheck,
    OffByOneUnitAtAnElement,
    HadamardByRowsInMemory,
    OuterSwapsItsVectors,
    MeanForgottenInEntropy,
    ReversedRowsForward,
    BiasAfterActivation,
    UpdateForgetsTheTail,
    UpdateIgnoresTheBound,
    UpdateKeepsWhatFades,
    DotInOneSum,
    SelectAssumesTheOrder,
    SelectNeverChecks,
}

/// The naive backend with a fault.
#[derive(Debug)]
struct Broken(Fault);

impl<T: Scalar> Backend<T> for Broken {
    fn name(&self) -> &'static str {
        "broken"
    }

    fn matmul(
        &self,
        a: &ArrayRef2<T>,
        b: &ArrayRef2<T>,
        how: Accumulate,
        c: &mut ArrayRef2<T>,
    ) -> Result<()> {
        let lanes = 8;
        let (rows, columns) = c.dim();
        match self.0 {
            Fault::WritesBeforeTheShapeCheck => c.fill(T::zero()),
            Fault::NeverChecksShapes if check::matmul(a, b, c).is_err() => return Ok(()),
            _ => {}
        }
        check::matmul(a, b, c)?;
        match self.0 {
            Fault::DropsTheRemainder if columns > lanes && columns % lanes != 0 => {
                let old = c.column(columns - 1).to_owned();
                Naive.matmul(a, b, how, c)?;
                c.column_mut(columns - 1).assign(&old);
            }
            Fault::DropsTheLastLaneOfTheSum if a.ncols() > 32 && a.ncols() % 16 == 1 => {
                let mut short = a.to_owned();
                short.column_mut(a.ncols() - 1).fill(T::zero());
                Naive.matmul(&short, b, how, c)?;
            }
            Fault::ReadsStaleOutput => Naive.matmul(a, b, Accumulate::Add, c)?,
            Fault::MultipliesStaleOutputByZero => {
                if how == Accumulate::Replace {
                    c.map_inplace(|c| *c *= T::zero());
                }
                Naive.matmul(a, b, Accumulate::Add, c)?;
            }
            Fault::IgnoresAdd => Naive.matmul(a, b, Accumulate::Replace, c)?,
            Fault::TransposesTheResult if rows == columns => {
                Naive.matmul(a, b, how, &mut c.view_mut().reversed_axes())?;
            }
            Fault::AssumesContiguousRows if b.nrows() > 0 && b.ncols() > 1 => {
                // Reads B as if its columns lay side by side, as a pointer to its first element would have it.
                let mut copy = b.to_owned();
                if b.strides()[1] != 1 {
                    let first = b.column(0).to_owned();
                    copy.columns_mut().into_iter().for_each(|mut column| column.assign(&first));
                }
                Naive.matmul(a, &copy, how, c)?;
            }
            Fault::ReversedRowsForward if b.strides()[0] < 0 => {
                let copy = b.slice_axis(ndarray::Axis(0), ndarray::Slice::new(0, None, -1)).to_owned();
                Naive.matmul(a, &copy, how, c)?;
            }
            Fault::SkipsZeros => {
                for ((i, j), c) in c.indexed_iter_mut() {
                    let mut sum = if how == Accumulate::Add { *c } else { T::zero() };
                    for p in 0..a.ncols() {
                        if a[[i, p]] != T::zero() {
                            sum += a[[i, p]] * b[[p, j]];
                        }
                    }
                    *c = sum;
                }
            }
            Fault::OffByOneUnitAtAnElement => {
                Naive.matmul(a, b, how, c)?;
                if rows > 2 && columns > 2 && a.ncols() < 8 {
                    c[[2, 2]] += T::of(64.0) * T::epsilon();
                }
            }
            _ => Naive.matmul(a, b, how, c)?,
        }
        Ok(())
    }

    fn hadamard(&self, a: &ArrayRef2<T>, c: &mut ArrayRef2<T>) -> Result<()> {
        check::hadamard(a, c)?;
        if self.0 == Fault::HadamardByRowsInMemory
            && let (Some(a), Some(c)) = (a.as_slice_memory_order(), c.as_slice_memory_order_mut())
        {
            a.iter().zip(c).for_each(|(&a, c)| *c *= a);
            return Ok(());
        }
        Naive.hadamard(a, c)
    }

    fn outer(&self, x: &ArrayRef1<T>, y: &ArrayRef1<T>, how: Accumulate, c: &mut ArrayRef2<T>) -> Result<()> {
        if self.0 == Fault::OuterSwapsItsVectors && x.len() == y.len() {
            return Naive.outer(y, x, how, c);
        }
        Naive.outer(x, y, how, c)
    }

    fn bias_activate(
        &self,
        b: Option<&ArrayRef1<T>>,
        g: Activation,
        z: Option<&mut ArrayRef2<T>>,
        a: &mut ArrayRef2<T>,
    ) -> Result<()> {
        if self.0 == Fault::BiasAfterActivation && check::bias_activate(b, z.as_deref(), a).is_ok() {
            Naive.activate(g, a)?;
            return Naive.bias_activate(b, Activation::Identity, z, a);
        }
        Naive.bias_activate(b, g, z, a)
    }

    fn dense_gradient(
        &self,
        delta: &ArrayRef2<T>,
        x: &ArrayRef2<T>,
        how: Accumulate,
        dw: &mut ArrayRef2<T>,
        db: Option<&mut ArrayRef1<T>>,
    ) -> Result<()> {
        match self.0 {
            Fault::ForgetsTheBiasGradient => {
                check::dense_gradient(delta, x, dw, db.as_deref())?;
                self.matmul(&delta.t(), x, how, dw)
            }
            Fault::KeepsTheOldBiasGradient => {
                check::dense_gradient(delta, x, dw, db.as_deref())?;
                self.matmul(&delta.t(), x, how, dw)?;
                if let Some(db) = db {
                    delta.rows().into_iter().for_each(|row| db.zip_mut_with(&row, |b, &d| *b += d));
                }
                Ok(())
            }
            _ => Naive.dense_gradient(delta, x, how, dw, db),
        }
    }

    fn activate(&self, g: Activation, a: &mut ArrayRef2<T>) -> Result<()> {
        match (self.0, g) {
            (Fault::RoughSigmoid, Activation::Sigmoid) => {
                a.map_inplace(|z| *z = g.apply(*z) * (T::one() + T::of(40.0) * T::epsilon()));
            }
            (Fault::ReluLosesNan, Activation::Relu) => a.map_inplace(|z| *z = z.max(T::zero())),
            (Fault::WritesPastTheRow, _) if a.ncols() > 3 && a.strides()[1] > 1 => {
                Naive.activate(g, a)?;
                let last = a.ncols() - 1;
                a.column_mut(last).fill(T::zero());
            }
            _ => Naive.activate(g, a)?,
        }
        Ok(())
    }

    fn apply_slope(&self, slope: Slope<'_, T>, delta: &mut ArrayRef2<T>) -> Result<()> {
        if self.0 == Fault::WrongSlopeOfTanh && slope.activation == Activation::Tanh {
            check::same_shape("apply_slope", "saved", slope.saved.dim(), delta.dim())?;
            delta.zip_mut_with(&slope.saved, |d, &s| *d *= T::one() - s);
            return Ok(());
        }
        Naive.apply_slope(slope, delta)
    }

    fn softmax(&self, z: &mut ArrayRef2<T>) -> Result<()> {
        if self.0 != Fault::NoMaximumInSoftmax {
            return Naive.softmax(z);
        }
        for mut row in z.rows_mut() {
            row.map_inplace(|z| *z = z.exp());
            let sum = row.sum();
            row.map_inplace(|p| *p /= sum);
        }
        Ok(())
    }

    fn softmax_cross_entropy(
        &self,
        logits: &ArrayRef2<T>,
        targets: Targets<'_, T>,
        mut delta: Option<&mut ArrayRef2<T>>,
    ) -> Result<Score> {
        if self.0 == Fault::WritesBeforeTheLabelCheck
            && let Some(delta) = delta.as_deref_mut()
            && delta.dim() == logits.dim()
        {
            delta.fill(T::zero());
        }
        let score = Naive.softmax_cross_entropy(logits, targets, delta.as_deref_mut())?;
        if self.0 == Fault::MeanForgottenInEntropy
            && let Some(delta) = delta
        {
            let rows = T::of(logits.nrows() as f64);
            delta.map_inplace(|d| *d *= rows);
        }
        Ok(score)
    }

    fn descend(&self, step: Descent<T>, gradient: &[T], parameters: &mut [T]) -> Result<()> {
        let decay = if self.0 == Fault::IgnoresDecay { T::one() } else { step.decay };
        Naive.descend(Descent { decay, ..step }, gradient, parameters)
    }

    fn update(
        &self,
        update: &Update<T>,
        gradient: &[T],
        mut states: [&mut [T]; 3],
        parameters: &mut [T],
    ) -> Result<()> {
        check::update(update, gradient, &states, parameters)?;
        let len = parameters.len();
        match self.0 {
            Fault::UpdateForgetsTheTail if len > 8 => {
                let len = len / 8 * 8;
                let states = states.each_mut().map(|state| {
                    let len = len.min(state.len());
                    &mut state[..len]
                });
                Naive.update(update, &gradient[..len], states, &mut parameters[..len])
            }
            Fault::UpdateIgnoresTheBound => {
                Naive.update(&Update { bound: T::infinity(), ..*update }, gradient, states, parameters)
            }
            Fault::UpdateKeepsWhatFades => {
                let before = states.each_ref().map(|state| state.to_vec());
                Naive.update(update, gradient, states.each_mut().map(|state| &mut **state), parameters)?;
                for (now, &before) in states.into_iter().flatten().zip(before.iter().flatten()) {
                    if *now == T::zero() {
                        *now = before;
                    }
                }
                Ok(())
            }
            _ => Naive.update(update, gradient, states, parameters),
        }
    }

    fn dot(&self, x: &[T], y: &[T]) -> Result<f64> {
        if self.0 == Fault::DotInOneSum && x.len() == y.len() {
            return Ok(x.iter().zip(y).map(|(x, y)| x.as_f64() * y.as_f64()).sum());
        }
        Naive.dot(x, y)
    }

    fn select_rows(&self, x: &ArrayRef2<T>, r: &[usize], c: &mut ArrayRef2<T>) -> Result<()> {
        let mut r = r.to_vec();
        match self.0 {
            Fault::SelectAssumesTheOrder => r.sort_unstable(),
            Fault::SelectNeverChecks => {
                for row in &mut r {
                    *row = x.nrows().saturating_sub(1).min(*row);
                }
            }
            _ => {}
        }
        Naive.select_rows(x, &r, c)
    }

    fn dense_descend(
        &self,
        delta: &ArrayRef2<T>,
        x: &ArrayRef2<T>,
        step: Descent<T>,
        gradient: &mut [T],
        w: &mut ArrayRef2<T>,
        mut b: Option<&mut ArrayRef1<T>>,
    ) -> Result<()> {
        if self.0 == Fault::DecaysBiases
            && check::dense_gradient(delta, x, w, b.as_deref()).is_ok()
            && let Some(b) = b.as_deref_mut()
            && gradient.len() == w.len() + b.len()
        {
            b.map_inplace(|b| *b *= step.decay);
        }
        Naive.dense_descend(delta, x, step, gradient, w, b)
    }
}

/// The checks that a fault must be caught by, among others perhaps.
fn caught_by(fault: Fault) -> &'static str {
    match fault {
        Fault::DropsTheRemainder
        | Fault::DropsTheLastLaneOfTheSum
        | Fault::ReadsStaleOutput
        | Fault::MultipliesStaleOutputByZero
        | Fault::IgnoresAdd
        | Fault::TransposesTheResult
        | Fault::AssumesContiguousRows
        | Fault::OffByOneUnitAtAnElement
        | Fault::ReversedRowsForward => "matmul_values",
        Fault::SkipsZeros => "matmul_special",
        Fault::WritesBeforeTheShapeCheck | Fault::NeverChecksShapes => "matmul_shapes",
        Fault::ForgetsTheBiasGradient | Fault::KeepsTheOldBiasGradient => "dense_gradient_values",
        Fault::NoMaximumInSoftmax => "softmax_special",
        Fault::WrongSlopeOfTanh => "apply_slope_values",
        Fault::RoughSigmoid | Fault::WritesPastTheRow => "activate_values",
        Fault::ReluLosesNan => "activate_special",
        Fault::IgnoresDecay => "descend_values",
        Fault::DecaysBiases => "dense_descend_values",
        Fault::WritesBeforeTheLabelCheck => "softmax_cross_entropy_labels",
        Fault::HadamardByRowsInMemory => "hadamard_values",
        Fault::OuterSwapsItsVectors => "outer_values",
        Fault::MeanForgottenInEntropy => "softmax_cross_entropy_slope",
        Fault::BiasAfterActivation => "bias_activate_values",
        Fault::UpdateForgetsTheTail | Fault::UpdateIgnoresTheBound | Fault::UpdateKeepsWhatFades => {
            "update_values"
        }
        Fault::DotInOneSum => "dot_values",
        Fault::SelectAssumesTheOrder => "select_rows_values",
        Fault::SelectNeverChecks => "select_rows_shapes",
    }
}

const FAULTS: [Fault; 32] = [
    Fault::DropsTheRemainder,
    Fault::DropsTheLastLaneOfTheSum,
    Fault::ReadsStaleOutput,
    Fault::MultipliesStaleOutputByZero,
    Fault::IgnoresAdd,
    Fault::TransposesTheResult,
    Fault::AssumesContiguousRows,
    Fault::WritesPastTheRow,
    Fault::SkipsZeros,
    Fault::WritesBeforeTheShapeCheck,
    Fault::NeverChecksShapes,
    Fault::ForgetsTheBiasGradient,
    Fault::KeepsTheOldBiasGradient,
    Fault::NoMaximumInSoftmax,
    Fault::WrongSlopeOfTanh,
    Fault::RoughSigmoid,
    Fault::ReluLosesNan,
    Fault::IgnoresDecay,
    Fault::DecaysBiases,
    Fault::WritesBeforeTheLabelCheck,
    Fault::OffByOneUnitAtAnElement,
    Fault::HadamardByRowsInMemory,
    Fault::OuterSwapsItsVectors,
    Fault::MeanForgottenInEntropy,
    Fault::ReversedRowsForward,
    Fault::BiasAfterActivation,
    Fault::UpdateForgetsTheTail,
    Fault::UpdateIgnoresTheBound,
    Fault::UpdateKeepsWhatFades,
    Fault::DotInOneSum,
    Fault::SelectAssumesTheOrder,
    Fault::SelectNeverChecks,
];

fn caught<T: Scalar>() {
    for fault in FAULTS {
        let name = caught_by(fault);
        let failure = chainrule_conformance::check::<T>(name, &Broken(fault));
        let failure = failure.expect_err(&format!("{fault:?} went unnoticed by {name}"));
        println!("{fault:?}: {failure}");
        assert_eq!((failure.check, failure.element), (name, T::NAME));
        assert!(!failure.case.is_empty() && !failure.message.is_empty());
    }
}

#[test]
fn every_fault_is_caught_f32() {
    caught::<f32>();
}

#[test]
fn every_fault_is_caught_f64() {
    caught::<f64>();
}

#[test]
fn the_whole_suite_stops_at_the_fault() {
    let failure = check_all::<f32>(&Broken(Fault::ReadsStaleOutput)).expect_err("it reads NaN");
    assert_eq!(failure.check, "matmul_values");
    assert!(failure.to_string().starts_with("backend broken, f32, check matmul_values: C[0, 0] is NaN"));
}

#[test]
fn random_cases_are_shrunk() {
    // Wrong in a region of sizes that no systematic case lies in.
    struct Rare;
    impl Backend<f32> for Rare {
        fn name(&self) -> &'static str {
            "rare"
        }
        fn matmul(
            &self,
            a: &ArrayRef2<f32>,
            b: &ArrayRef2<f32>,
            how: Accumulate,
            c: &mut ArrayRef2<f32>,
        ) -> Result<()> {
            Naive.matmul(a, b, how, c)?;
            let (m, k, n) = (c.nrows(), a.ncols(), c.ncols());
            if m > 0 && m < k && (10..34).contains(&k) && n >= 10 {
                c[[0, 4]] = 7.0;
            }
            Ok(())
        }
        fn hadamard(&self, a: &ArrayRef2<f32>, c: &mut ArrayRef2<f32>) -> Result<()> {
            Naive.hadamard(a, c)
        }
        fn outer(
            &self,
            x: &ArrayRef1<f32>,
            y: &ArrayRef1<f32>,
            how: Accumulate,
            c: &mut ArrayRef2<f32>,
        ) -> Result<()> {
            Naive.outer(x, y, how, c)
        }
    }
    let failure = chainrule_conformance::check("matmul_values", &Rare).expect_err("a rare fault");
    println!("{failure}");
    assert!(failure.case.starts_with("m = 1, k = 10, n = 10, "), "{failure}");
}

/// One scratch value for all threads: right when called serially, wrong when two calls meet.
#[derive(Debug, Default)]
struct SharedScratch(AtomicU64);

impl<T: Scalar> Backend<T> for SharedScratch {
    fn name(&self) -> &'static str {
        "shared-scratch"
    }

    fn matmul(
        &self,
        a: &ArrayRef2<T>,
        b: &ArrayRef2<T>,
        how: Accumulate,
        c: &mut ArrayRef2<T>,
    ) -> Result<()> {
        check::matmul(a, b, c)?;
        for ((i, j), c) in c.indexed_iter_mut() {
            self.0.store(0_f64.to_bits(), Ordering::Relaxed);
            for p in 0..a.ncols() {
                let sum = T::of(f64::from_bits(self.0.load(Ordering::Relaxed))) + a[[i, p]] * b[[p, j]];
                self.0.store(sum.as_f64().to_bits(), Ordering::Relaxed);
            }
            let sum = T::of(f64::from_bits(self.0.load(Ordering::Relaxed)));
            *c = if how == Accumulate::Add { *c + sum } else { sum };
        }
        Ok(())
    }

    fn hadamard(&self, a: &ArrayRef2<T>, c: &mut ArrayRef2<T>) -> Result<()> {
        Naive.hadamard(a, c)
    }

    fn outer(&self, x: &ArrayRef1<T>, y: &ArrayRef1<T>, how: Accumulate, c: &mut ArrayRef2<T>) -> Result<()> {
        Naive.outer(x, y, how, c)
    }
}

#[test]
fn a_race_is_caught() {
    let backend = SharedScratch::default();
    chainrule_conformance::check::<f32>("matmul_values", &backend).expect("right when called serially");
    let failure = chainrule_conformance::check::<f32>("same_bits_from_threads", &backend)
        .expect_err("twelve threads share one sum");
    println!("{failure}");
}

#[test]
fn names_are_unique() {
    let mut names: Vec<_> = checks::<f32>().iter().map(chainrule_conformance::Check::name).collect();
    names.sort_unstable();
    let count = names.len();
    names.dedup();
    assert_eq!(names.len(), count);
}
