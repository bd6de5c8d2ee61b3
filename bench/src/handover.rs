//! How long a word takes from one core to another.

use std::sync::atomic::AtomicU32;
use std::sync::atomic::Ordering::{Acquire, Release};
use std::time::Instant;
use std::{hint, thread};

/// Round trips of one measurement, of which there are several.
const ROUND_TRIPS: u32 = 2000;

/// Nanoseconds that a word takes to another thread and its answer back, between two threads of the cores that this process may use.
///
/// A training step on two threads has a few such trips at least. Cores that share a cache need some 60 ns; between others it is several times
/// that, and virtual machines move from the one to the other.
#[must_use]
pub fn handover_ns() -> f64 {
    let word = AtomicU32::new(0);
    let wait = |value| {
        let mut spins = 0_u32;
        while word.load(Acquire) != value {
            spins += 1;
            if spins.is_multiple_of(1 << 14) {
                // Both threads may have one core.
                thread::yield_now();
            } else {
                hint::spin_loop();
            }
        }
    };
    let mut best = f64::INFINITY;
    for _ in 0..5 {
        word.store(0, Release);
        let seconds = thread::scope(|scope| {
            scope.spawn(|| {
                for trip in 0..ROUND_TRIPS {
                    wait(2 * trip + 1);
                    word.store(2 * trip + 2, Release);
                }
            });
            // The other thread takes a while to start.
            word.store(1, Release);
            wait(2);
            let start = Instant::now();
            for trip in 1..ROUND_TRIPS {
                word.store(2 * trip + 1, Release);
                wait(2 * trip + 2);
            }
            start.elapsed().as_secs_f64()
        });
        best = best.min(1e9 * seconds / f64::from(ROUND_TRIPS - 1));
    }
    best
}
