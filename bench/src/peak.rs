//! The limits of the machine, measured in the run that they are held against.

use std::hint::black_box;
use std::thread;
use std::time::Instant;

use chainrule::Scalar;

/// Independent chains of multiply-adds: more than latency times issue width on any processor, few enough for 16 registers.
const CHAINS: usize = 12;
/// Multiply-adds of each chain in one call: a few microseconds.
const LENGTH: usize = 4096;

/// One of the loops below; what it gives depends on its argument, which keeps it from being left out.
type Loop = fn(f64) -> f64;

/// A loop of `CHAINS` × `LENGTH` multiply-adds over registers of one instruction set, as a function.
#[cfg(target_arch = "x86_64")]
macro_rules! chains {
    ($name:ident, $set:literal, $scalar:ty, $splat:ident, $fma:ident, $add:ident, $first:ident) => {
        #[target_feature(enable = $set)]
        fn $name(seed: f64) -> f64 {
            use std::arch::x86_64::{$add, $first, $fma, $splat};
            let value = |x: f64| <$scalar as Scalar>::of(x);
            // Chains that differ, or the compiler would compute one for all.
            let mut sums: [_; CHAINS] = std::array::from_fn(|i| $splat(value(seed + i as f64)));
            let (factor, term) = ($splat(value(0.5 * seed)), $splat(value(seed)));
            for _ in 0..LENGTH {
                for sum in &mut sums {
                    *sum = $fma(*sum, factor, term);
                }
            }
            let mut total = sums[0];
            for &sum in &sums[1..] {
                total = $add(total, sum);
            }
            Scalar::as_f64($first(total))
        }
    };
}

#[cfg(target_arch = "x86_64")]
mod x86 {
    use super::{CHAINS, LENGTH, Loop, Scalar};
    chains!(avx512_f32, "avx512f", f32, _mm512_set1_ps, _mm512_fmadd_ps, _mm512_add_ps, _mm512_cvtss_f32);
    chains!(avx512_f64, "avx512f", f64, _mm512_set1_pd, _mm512_fmadd_pd, _mm512_add_pd, _mm512_cvtsd_f64);
    chains!(avx2_f32, "avx2,fma", f32, _mm256_set1_ps, _mm256_fmadd_ps, _mm256_add_ps, _mm256_cvtss_f32);
    chains!(avx2_f64, "avx2,fma", f64, _mm256_set1_pd, _mm256_fmadd_pd, _mm256_add_pd, _mm256_cvtsd_f64);

    /// The widest set that this machine has: how many lanes of `T`, and the loop.
    pub(super) fn widest<T: Scalar>() -> Option<(usize, Loop)> {
        let single = size_of::<T>() == size_of::<f32>();
        if is_x86_feature_detected!("avx512f") {
            // SAFETY: the machine has the set, as was just found.
            let run = if single { |x| unsafe { avx512_f32(x) } } else { |x| unsafe { avx512_f64(x) } };
            return Some((64 / size_of::<T>(), run));
        }
        if is_x86_feature_detected!("avx2") && is_x86_feature_detected!("fma") {
            // SAFETY: the machine has both sets, as was just found.
            let run = if single { |x| unsafe { avx2_f32(x) } } else { |x| unsafe { avx2_f64(x) } };
            return Some((32 / size_of::<T>(), run));
        }
        None
    }
}

/// The same over arrays, for the compiler to put into the registers that the target guarantees.
fn guaranteed<T: Scalar>(seed: f64) -> f64 {
    const LANES: usize = 4;
    let mut sums = [[T::zero(); LANES]; CHAINS];
    for (i, sum) in sums.iter_mut().flatten().enumerate() {
        *sum = T::of(seed + i as f64);
    }
    let (factor, term) = (T::of(0.5 * seed), T::of(seed));
    for _ in 0..LENGTH {
        for sum in sums.iter_mut().flatten() {
            // Every AArch64 has it as one instruction; elsewhere that would be a call.
            *sum =
                if cfg!(target_arch = "aarch64") { sum.mul_add(factor, term) } else { *sum * factor + term };
        }
    }
    sums.iter().flatten().map(|sum| sum.as_f64()).sum()
}

fn widest<T: Scalar>() -> (usize, Loop) {
    #[cfg(target_arch = "x86_64")]
    if let Some(found) = x86::widest::<T>() {
        return found;
    }
    (4, guaranteed::<T>)
}

/// The limit of this machine for multiply-adds of `T` on that many threads, in 10⁹ operations a second: the best of a
/// few tries of some milliseconds, in the widest registers that this machine has.
#[must_use]
pub fn peak_gflops<T: Scalar>(threads: usize) -> f64 {
    const CALLS: usize = 600;
    let (lanes, run) = widest::<T>();
    let flops = (2 * lanes * CHAINS * LENGTH * CALLS) as f64;
    let one = || {
        let begun = Instant::now();
        for _ in 0..CALLS {
            black_box(run(black_box(1.0)));
        }
        flops / begun.elapsed().as_secs_f64() / 1e9
    };
    let together = || {
        thread::scope(|scope| {
            let others: Vec<_> = (1..threads).map(|_| scope.spawn(one)).collect();
            one() + others.into_iter().map(|other| other.join().unwrap_or(0.0)).sum::<f64>()
        })
    };
    (0..8).map(|_| together()).fold(0.0, f64::max)
}

/// The most memory that this process has had resident, in 10⁶ bytes, where the system tells it.
#[must_use]
pub fn peak_rss_megabytes() -> Option<f64> {
    let status = std::fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    let kibibytes: f64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(kibibytes * 1024.0 / 1e6)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_limit_is_found() {
        assert!(peak_gflops::<f32>(1) > 0.1);
        assert!(peak_gflops::<f64>(2) > 0.1);
    }

    #[test]
    fn the_loops_compute_what_they_say() {
        // x ← x/2 + 1 goes to 2, in every lane of every chain.
        for (_, run) in [widest::<f32>(), widest::<f64>()] {
            let found = run(1.0);
            assert!((found - 2.0 * CHAINS as f64).abs() < 1e-5, "{found}");
        }
        assert!((guaranteed::<f64>(1.0) - 8.0 * CHAINS as f64).abs() < 1e-9);
    }
}
