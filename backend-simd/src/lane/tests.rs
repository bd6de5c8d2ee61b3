//! Every operation of every available instruction set against scalars.

use crate::isa::{Element, Isa, Kernel, Ready};
use crate::lane::Lane;

/// Sixteen results, the first `LANES` of which count.
type Lanes<T> = [T; 16];

/// Runs each operation once on the first lanes of its operands.
struct Operations<T> {
    a: Lanes<T>,
    b: Lanes<T>,
    c: Lanes<T>,
}

impl<T: Element> Kernel<T> for Operations<T> {
    type Output = (usize, bool, Vec<(&'static str, Lanes<T>)>);

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) -> Self::Output {
        // SAFETY: the set is enabled; the arrays hold sixteen scalars, no register holds more.
        unsafe {
            let (a, b, c) = (L::load(self.a.as_ptr()), L::load(self.b.as_ptr()), L::load(self.c.as_ptr()));
            let (yes, no) = (L::splat(T::ONE), L::splat(T::ZERO));
            // Where numbers are so large that the next one is 1 away, a sum is rounded to an integer.
            let shift = L::splat(T::from_f64(if size_of::<T>() == 4 {
                1.5 * 2_f64.powi(23)
            } else {
                1.5 * 2_f64.powi(52)
            }));
            let results = [
                ("splat", L::splat(self.a[0])),
                ("add", a.add(b)),
                ("sub", a.sub(b)),
                ("mul", a.mul(b)),
                ("div", a.div(b)),
                ("sqrt", a.mul(a).sqrt()),
                ("mul_add", a.mul_add(b, c)),
                ("neg_mul_add", a.neg_mul_add(b, c)),
                ("max", a.max(b)),
                ("min", a.min(b)),
                ("lt", L::select(a.lt(b), yes, no)),
                ("le", L::select(a.le(b), yes, no)),
                ("eq", L::select(a.eq(b), yes, no)),
                ("bits", a.and(b).or(c)),
                ("exp2_int", a.add(shift).sub(shift).exp2_int()),
                ("exponent", a.mul(a).exponent()),
                ("mantissa", a.mul(a).mantissa()),
            ];
            let store = |(name, x): (&'static str, L)| {
                let mut out = [T::ZERO; 16];
                x.store(out.as_mut_ptr());
                (name, out)
            };
            (L::LANES, L::FUSED, results.map(store).to_vec())
        }
    }
}

/// Loads and stores the first `n` lanes for every `n`, transposes a square, sums the lanes.
struct Movements;

impl<T: Element> Kernel<T> for Movements {
    type Output = ();

    #[inline(always)]
    unsafe fn run<L: Lane<Elem = T>>(self) {
        let number = |i: usize| T::from_f64(i as f64 + 1.0);
        let from: [T; 16] = std::array::from_fn(number);
        for n in 0..=L::LANES {
            let mut whole = [T::from_f64(f64::NAN); 16];
            let mut part = [T::from_f64(-7.0); 16];
            // SAFETY: the set is enabled; the arrays hold sixteen scalars, no register holds more.
            unsafe {
                // The source ends with its `n`-th scalar, so that a checker of memory sees any read past it.
                let exact = from[..n].to_vec();
                L::load_first(exact.as_ptr(), n).store(whole.as_mut_ptr());
                L::load(from.as_ptr()).store_first(part.as_mut_ptr(), n);
            }
            for i in 0..L::LANES {
                assert_eq!(whole[i], if i < n { from[i] } else { T::ZERO });
                assert_eq!(part[i], if i < n { from[i] } else { T::from_f64(-7.0) });
            }
        }
        let s = L::SQUARE;
        let square: Vec<T> = (0..s * (s + 1)).map(number).collect();
        let mut out = vec![T::ZERO; s * (s + 2)];
        // SAFETY: both sides hold `SQUARE` rows of more than `SQUARE` scalars.
        unsafe {
            L::transpose(square.as_ptr(), s.cast_signed() + 1, out.as_mut_ptr(), s.cast_signed() + 2);
        }
        for i in 0..s {
            for j in 0..s {
                assert_eq!(out[j * (s + 2) + i], square[i * (s + 1) + j]);
            }
        }
        // SAFETY: as above; the windows of a register each lie inside the sixteen scalars or repeat the first.
        unsafe {
            let window =
                |i: usize| L::load(from.as_ptr().add(i % (17 - L::LANES))).mul(L::splat(number(3 * i)));
            let eight: [L; 8] = std::array::from_fn(window);
            assert_eq!(L::sum8(eight), eight.map(|x| x.sum()));
        }
        // SAFETY: as above.
        let sum = unsafe { L::load(from.as_ptr()).sum() };
        assert_eq!(sum, T::from_f64((L::LANES * (L::LANES + 1) / 2) as f64));
    }
}

macro_rules! check {
    ($test:ident, $t:ident, $mantissa:literal, $bias:literal) => {
        #[test]
        #[allow(
            clippy::cast_lossless,
            clippy::cast_possible_wrap,
            clippy::float_cmp,
            reason = "small numbers, equal bits"
        )]
        #[allow(clippy::cast_possible_truncation, reason = "exponents are small")]
        fn $test() {
            let magnitude: Lanes<$t> = std::array::from_fn(|i| (i as $t - 7.3) * 1.37 + 0.5 * (i % 3) as $t);
            let other: Lanes<$t> =
                std::array::from_fn(|i| if i % 5 == 1 { magnitude[i] } else { 3.1 - 0.9 * i as $t });
            let third: Lanes<$t> = std::array::from_fn(|i| 0.01 * (i * i) as $t - 1.0);
            for isa in Isa::available() {
                let ready = Ready::new(isa).unwrap();
                let kernel = Operations { a: magnitude, b: other, c: third };
                let (lanes, fused, results) = ready.dispatch(kernel);
                for (name, result) in results {
                    for i in 0..lanes {
                        let (a, b, c) = (magnitude[i], other[i], third[i]);
                        let truth = |x: bool| if x { 1.0 } else { 0.0 };
                        let expected: $t = match name {
                            "splat" => magnitude[0],
                            "add" => a + b,
                            "sub" => a - b,
                            "mul" => a * b,
                            "div" => a / b,
                            "sqrt" => (a * a).sqrt(),
                            "mul_add" if fused => $t::mul_add(a, b, c),
                            "mul_add" => a * b + c,
                            "neg_mul_add" if fused => $t::mul_add(-a, b, c),
                            "neg_mul_add" => c - a * b,
                            "max" => {
                                if a > b {
                                    a
                                } else {
                                    b
                                }
                            }
                            "min" => {
                                if a < b {
                                    a
                                } else {
                                    b
                                }
                            }
                            "lt" => truth(a < b),
                            "le" => truth(a <= b),
                            "eq" => truth(a == b),
                            "bits" => $t::from_bits((a.to_bits() & b.to_bits()) | c.to_bits()),
                            "exp2_int" => $t::powi(2.0, a.round_ties_even() as i32),
                            "exponent" => (((a * a).to_bits() >> $mantissa) as i32 - $bias) as $t,
                            "mantissa" => {
                                let low = (a * a).to_bits() & ((1 << $mantissa) - 1);
                                $t::from_bits(low | (1.0 as $t).to_bits())
                            }
                            _ => unreachable!(),
                        };
                        assert_eq!(
                            result[i].to_bits(),
                            expected.to_bits(),
                            "{isa} {name} lane {i}: {a} {b} {c}"
                        );
                    }
                }
                ready.dispatch::<$t, _>(Movements);
            }
        }
    };
}
check!(f32_operations, f32, 23, 127);
check!(f64_operations, f64, 52, 1023);

#[test]
fn max_and_min_choose_the_second_operand_at_nan_and_between_zeros() {
    for isa in Isa::available() {
        for (a, b) in [(f32::NAN, 2.0), (2.0, f32::NAN), (0.0, -0.0), (-0.0, 0.0)] {
            let kernel = Operations { a: [a; 16], b: [b; 16], c: [0.0; 16] };
            let (_, _, results) = Ready::new(isa).unwrap().dispatch(kernel);
            for (name, result) in results.into_iter().filter(|(name, _)| matches!(*name, "max" | "min")) {
                assert_eq!(result[0].to_bits(), b.to_bits(), "{isa} {name}");
            }
        }
    }
}
