//! A case is a few sizes, layouts and a seed; all arrays of a check come from it, and a failure prints it.

use std::env;
use std::fmt::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};

use chainrule_core::{Accumulate, Activation, Scalar};
use proptest::prelude::*;
use proptest::sample::select;
use proptest::test_runner::{RngSeed, TestError, TestRunner};

use crate::layout::{Layout, Matrix, Vector};

/// What kind of numbers the arrays hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Values {
    /// Whole numbers from −4 to 4.
    Integers,
    /// From −1 to 1.
    Uniform,
    /// Of either sign and of magnitudes from 2⁻¹² to 2¹².
    Wide,
    /// As [`Values::Uniform`], but one in three is 0 and one in twelve is NaN or infinite.
    Special,
    /// Of either sign, and about the smallest numbers: from below the smallest normal one to above that over ε.
    Tiny,
}

/// Sizes, layouts and a seed from which the arguments of one call are made.
#[derive(Clone, Debug, PartialEq)]
pub struct Case {
    /// Three sizes. What they stand for is the check's to say.
    pub m: usize,
    /// The second size, that of a product's sum.
    pub k: usize,
    /// The third size.
    pub n: usize,
    /// A layout for each operand, inputs first.
    pub layouts: [Layout; 5],
    /// Replace or Add.
    pub how: Accumulate,
    /// The activation.
    pub activation: Activation,
    /// Whether optional operands are given.
    pub options: [bool; 2],
    /// What numbers the arrays hold.
    pub values: Values,
    /// The seed of these numbers.
    pub seed: u64,
}

impl Case {
    /// A case of contiguous arrays.
    #[must_use]
    pub fn new(m: usize, k: usize, n: usize) -> Self {
        Self {
            m,
            k,
            n,
            layouts: [Layout::Contiguous; 5],
            how: Accumulate::Replace,
            activation: Activation::Sigmoid,
            options: [true; 2],
            values: Values::Uniform,
            seed: 1,
        }
    }

    /// The source of this case's numbers.
    #[must_use]
    pub fn random(&self) -> Random {
        Random { state: self.seed, values: self.values }
    }

    pub(crate) fn input<T: Scalar>(
        &self,
        slot: usize,
        dim: (usize, usize),
        random: &mut Random,
    ) -> Matrix<T> {
        Matrix::input(self.layouts[slot], dim, || random.number())
    }

    pub(crate) fn output<T: Scalar>(
        &self,
        slot: usize,
        dim: (usize, usize),
        random: &mut Random,
    ) -> Matrix<T> {
        let replace = self.how == Accumulate::Replace;
        Matrix::output(self.layouts[slot], dim, || if replace { T::nan() } else { random.number() })
    }

    pub(crate) fn vector_input<T: Scalar>(
        &self,
        slot: usize,
        length: usize,
        random: &mut Random,
    ) -> Vector<T> {
        Vector::input(self.layouts[slot], length, || random.number())
    }

    pub(crate) fn vector_output<T: Scalar>(
        &self,
        slot: usize,
        length: usize,
        random: &mut Random,
    ) -> Vector<T> {
        let replace = self.how == Accumulate::Replace;
        Vector::output(self.layouts[slot], length, || if replace { T::nan() } else { random.number() })
    }

    fn describe(&self, operands: &Operands) -> String {
        let mut text = format!("m = {}, k = {}, n = {}", self.m, self.k, self.n);
        for (name, layout) in operands.names().zip(self.layouts) {
            let _ = write!(text, ", {name} {layout}");
        }
        if operands.accumulates {
            let _ = write!(text, ", {:?}", self.how);
        }
        if operands.activates {
            let _ = write!(text, ", {}", self.activation);
        }
        for (name, given) in operands.options.iter().zip(self.options) {
            let _ = write!(text, ", {} {name}", if given { "with" } else { "without" });
        }
        let _ = write!(text, ", values {:?} from seed {}", self.values, self.seed);
        text
    }
}

/// The operands of a method: which of a case's fields matter, and what to call them.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Operands {
    pub(crate) inputs: &'static [&'static str],
    pub(crate) outputs: &'static [&'static str],
    pub(crate) options: &'static [&'static str],
    pub(crate) accumulates: bool,
    pub(crate) activates: bool,
}

impl Operands {
    fn names(&self) -> impl Iterator<Item = &'static str> {
        self.inputs.iter().chain(self.outputs).copied()
    }

    fn layouts(&self, slot: usize) -> &'static [Layout] {
        if slot < self.inputs.len() { Layout::INPUTS } else { Layout::OUTPUTS }
    }

    fn modes(&self) -> &'static [Accumulate] {
        if self.accumulates { &[Accumulate::Replace, Accumulate::Add] } else { &[Accumulate::Replace] }
    }
}

/// A small generator (Steele, Lea and Flood's SplitMix64) of the numbers of a case.
#[derive(Clone, Debug)]
pub struct Random {
    state: u64,
    values: Values,
}

impl Random {
    pub(crate) fn next(&mut self) -> u64 {
        self.state = self.state.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let z = (self.state ^ (self.state >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        let z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }

    /// From 0 to below 1.
    pub(crate) fn unit(&mut self) -> f64 {
        (self.next() >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// From 0 to below `n`.
    #[expect(clippy::cast_possible_truncation, reason = "less than n, which is a usize")]
    pub(crate) fn below(&mut self, n: usize) -> usize {
        (self.next() % n as u64) as usize
    }

    /// A number of the kind that the case asks for.
    pub fn number<T: Scalar>(&mut self) -> T {
        let uniform = 2.0 * self.unit() - 1.0;
        T::of(match self.values {
            Values::Integers => self.below(9) as f64 - 4.0,
            Values::Uniform => uniform,
            Values::Wide => uniform.signum() * (24.0 * self.unit() - 12.0).exp2(),
            Values::Tiny => {
                let (least, step) = (T::min_positive_value().as_f64().log2(), T::epsilon().as_f64().log2());
                uniform.signum() * (least - 8.0 + self.unit() * (16.0 - step)).exp2()
            }
            Values::Special => match self.below(36) {
                0 => f64::NAN,
                1 => f64::INFINITY,
                2 => f64::NEG_INFINITY,
                3..=12 => 0.0,
                13..=14 => -0.0,
                _ => uniform,
            },
        })
    }

    /// A number of magnitude up to 8, where activations bend, or now and then far outside.
    pub(crate) fn logit<T: Scalar>(&mut self) -> T {
        if self.values == Values::Special {
            return self.number();
        }
        let scale = [1.0, 8.0, 8.0, 40.0][self.below(4)];
        T::of(scale * (2.0 * self.unit() - 1.0))
    }
}

/// Every length around the width of a vector register: 0 to 67, and about 128 and 256.
pub fn lengths() -> impl Iterator<Item = usize> {
    (0..=67).chain(127..=129).chain(255..=257)
}

/// Strategy for one size: small ones above all, and every border of [`lengths`].
pub fn length() -> impl Strategy<Value = usize> {
    prop_oneof![
        6 => 0..=9_usize,
        4 => 10..=67_usize,
        1 => select(&[127, 128, 129, 255, 256, 257][..]),
    ]
}

/// Strategy for a case with `inputs` operands to read and up to five in all; the others are to be written.
pub fn case(inputs: usize) -> impl Strategy<Value = Case> {
    let layout = move |slot| select(if slot < inputs { Layout::INPUTS } else { Layout::OUTPUTS });
    let layouts = (layout(0), layout(1), layout(2), layout(3), layout(4));
    let how = select(&[Accumulate::Replace, Accumulate::Add][..]);
    let values = select(&[Values::Integers, Values::Uniform, Values::Wide][..]);
    let options = (any::<bool>(), any::<bool>());
    let sizes = (length(), length(), length());
    (sizes, layouts, how, values, options, select(&Activation::ALL[..]), 0..1000_u64).prop_map(
        |((m, k, n), (a, b, c, d, e), how, values, options, activation, seed)| {
            let mut case = Case::new(m, k, n);
            // Large in one direction only: what is large in all takes the time of many small cases.
            while case.m * case.k * case.n > 60_000 {
                let largest = case.m.max(case.k).max(case.n);
                for size in [&mut case.m, &mut case.k, &mut case.n] {
                    if *size == largest {
                        *size /= 2;
                    }
                }
            }
            case.layouts = [a, b, c, d, e];
            Case { how, values, options: options.into(), activation, seed, ..case }
        },
    )
}

/// The cases that are tried before any random one, from small to large.
fn systematic(operands: &Operands) -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |case: Case, how: Accumulate| {
        let turn = cases.len();
        cases.push(Case {
            how,
            activation: Activation::ALL[turn % Activation::ALL.len()],
            options: [turn % 3 != 2, turn % 5 < 3],
            ..case
        });
    };
    for &how in operands.modes() {
        for (m, k, n) in (0..27).map(|i| ([0, 1, 3][i / 9], [0, 1, 3][i / 3 % 3], [0, 1, 3][i % 3])) {
            add(Case::new(m, k, n), how);
        }
        for length in lengths() {
            add(Case::new(length, 3, 2), how);
            add(Case::new(3, length, 2), how);
            add(Case::new(2, 3, length), how);
            if length < 20 {
                add(Case::new(length, length, length), how);
            }
        }
        for (m, k, n) in [(5, 7, 6), (1, 9, 9), (9, 9, 1), (19, 34, 37)] {
            for slot in 0..operands.names().count() {
                for &layout in operands.layouts(slot) {
                    let mut case = Case::new(m, k, n);
                    case.layouts[slot] = layout;
                    add(case, how);
                }
            }
            for &layout in Layout::OUTPUTS {
                add(Case { layouts: [layout; 5], ..Case::new(m, k, n) }, how);
            }
        }
        let slots = operands.names().count();
        for (first, second) in (0..slots).flat_map(|i| (0..i).map(move |j| (j, i))) {
            for &one in operands.layouts(first) {
                for &other in operands.layouts(second) {
                    let mut case = Case::new(4, 5, 9);
                    (case.layouts[first], case.layouts[second]) = (one, other);
                    add(case, how);
                }
            }
        }
        // Over the borders of the blocks that a product may be cut into.
        for (m, k, n) in
            [(9, 1025, 17), (65, 513, 33), (259, 17, 131), (131, 260, 70), (3, 40, 1030), (2100, 7, 5)]
        {
            add(Case::new(m, k, n), how);
        }
    }
    cases
}

/// What a check found: the case and what was wrong.
pub(crate) type Outcome = Result<(), Flaw>;

/// A case that a backend gets wrong.
#[derive(Clone, Debug)]
pub(crate) struct Flaw {
    pub(crate) case: String,
    pub(crate) message: String,
}

/// Runs a check over the systematic cases, then over random ones, which are shrunk if they fail. With `special` the
/// arrays hold NaN, infinities and zeros.
pub(crate) fn explore(
    operands: &Operands,
    special: bool,
    run: impl Fn(&Case) -> Result<(), String>,
) -> Outcome {
    let values = |case: &Case| if special { Values::Special } else { case.values };
    for mut case in systematic(operands) {
        case.values = values(&case);
        attempt(|| case.describe(operands), || run(&case))?;
    }
    let strategy = case(operands.inputs.len()).prop_map(|mut case| {
        case.values = values(&case);
        if !operands.accumulates {
            case.how = Accumulate::Replace;
        }
        case
    });
    let outcome = TestRunner::new(config()).run(&strategy, |case| {
        attempt(|| case.describe(operands), || run(&case)).map_err(|flaw| TestCaseError::fail(flaw.message))
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(reason, case)) => {
            Err(Flaw { case: case.describe(operands), message: reason.to_string() })
        }
        Err(TestError::Abort(reason)) => {
            Err(Flaw { case: "no case".to_owned(), message: reason.to_string() })
        }
    }
}

/// Runs a check of a product over cases that are much longer than wide, in memory either way: what a backend decides by how much there is
/// to compute has to hold for these as well.
pub(crate) fn lopsided(operands: &Operands, run: impl Fn(&Case) -> Result<(), String>) -> Outcome {
    for (m, k, n) in [(1, 9, 30_000), (30_000, 3, 3), (2, 30_000, 5)] {
        for layout in [Layout::Contiguous, Layout::Transposed] {
            let case = Case { layouts: [layout; 5], ..Case::new(m, k, n) };
            attempt(|| case.describe(operands), || run(&case))?;
        }
    }
    Ok(())
}

/// Runs one case; a panic is a flaw as well.
pub(crate) fn attempt(case: impl Fn() -> String, run: impl FnOnce() -> Result<(), String>) -> Outcome {
    let outcome = catch_unwind(AssertUnwindSafe(run)).unwrap_or_else(|panic| {
        let text = panic.downcast_ref::<String>().map(String::as_str);
        let text = text.or_else(|| panic.downcast_ref::<&str>().copied());
        Err(format!("panicked: {}", text.unwrap_or("without a message")))
    });
    outcome.map_err(|message| Flaw { case: case(), message })
}

/// Few enough cases to be quick, the same ones in every run, unless the environment asks for something else.
fn config() -> ProptestConfig {
    let mut config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    if env::var_os("PROPTEST_CASES").is_none() {
        config.cases = 128;
    }
    if env::var_os("PROPTEST_RNG_SEED").is_none() {
        config.rng_seed = RngSeed::Fixed(1986);
    }
    config
}
