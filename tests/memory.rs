//! A training run takes as much memory as `Trainer::memory` states.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

use chainrule::{
    Activation, CrossEntropy, Dataset, EarlyStopping, Linked, MeanSquaredError, Network, OPTIMIZER_NAMES,
    Targets, Trainer, TrainingMemory, optimizer_by_name,
};
use common::{labels, normal};

/// Counts the bytes that are allocated, and the most that were.
struct Counting;

static NOW: AtomicUsize = AtomicUsize::new(0);
static MOST: AtomicUsize = AtomicUsize::new(0);

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        let now = NOW.fetch_add(layout.size(), Relaxed) + layout.size();
        MOST.fetch_max(now, Relaxed);
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        NOW.fetch_sub(layout.size(), Relaxed);
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

/// The most bytes that were allocated during `work` and not before it.
fn most_of(work: impl FnOnce()) -> usize {
    let before = NOW.load(Relaxed);
    MOST.store(before, Relaxed);
    work();
    MOST.load(Relaxed) - before
}

/// Names, parts of the state, the history: not worth a name in the statement.
const BOOKKEEPING: usize = 12_000;

fn holds<T: Linked>(
    what: &str,
    mut network: Network<T>,
    data: &Dataset<'_, T>,
    rows: Option<&[usize]>,
    trainer: impl Fn() -> Trainer<'static, T>,
) {
    for backend in chainrule::backends::<T>() {
        let mut fit = |trainer: &mut Trainer<'_, T>| match rows {
            Some(rows) => drop(trainer.fit_rows(&mut network, &*backend, data, rows).unwrap()),
            None => drop(trainer.fit(&mut network, &*backend, data).unwrap()),
        };
        // The backend's own buffers have their size after a first run.
        fit(&mut trainer());
        let mut again = trainer();
        let found = most_of(|| fit(&mut again));
        let stated: TrainingMemory = again.memory(&network, data, rows.map(<[usize]>::len));
        // The network and the data were there before.
        let own = size_of_val(network.parameters()) + 64 + size_of_val(network.buffers());
        let new = stated.total() - stated.data - own;
        let place = format!(
            "{what}, {} {}: took {found}, stated {stated:?}, {new} of it new",
            backend.name(),
            T::NAME
        );
        assert!(found >= new && found <= new + BOOKKEEPING, "{place}");
    }
}

fn network<T: Linked>() -> Network<T> {
    Network::builder(90)
        .dense(70, Activation::Gelu)
        .batch_norm()
        .dense(50, Activation::Tanh)
        .dense(10, Activation::Identity)
        .build(1)
        .unwrap()
}

/// On one thread: another's own buffers have their size when it has first helped, which may be in a later run.
#[test]
fn a_run_takes_what_is_stated() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(all_runs_take_what_is_stated);
}

fn all_runs_take_what_is_stated() {
    let (x, y) = (normal::<f32>(200, 90, 1), labels(200, 10, 1));
    let data = Dataset::classes(&x, &y).unwrap();
    for name in OPTIMIZER_NAMES {
        let trainer =
            || Trainer::new(CrossEntropy, optimizer_by_name::<f32>(name).unwrap()).epochs(2).batch_size(64);
        holds(name, network(), &data, None, trainer);
    }
    let adam = || optimizer_by_name::<f32>("adam").unwrap();
    let plain = || Trainer::new(CrossEntropy, adam()).epochs(2).batch_size(64);
    holds("in order", network(), &data, None, || plain().shuffle(false));
    holds("accumulated", network(), &data, None, || plain().accumulate(3));
    let rows: Vec<usize> = (0..150).collect();
    holds("of rows", network(), &data, Some(&rows), plain);

    let x: &'static _ = Box::leak(Box::new(normal::<f64>(130, 90, 1)));
    let values: &'static _ = Box::leak(Box::new(normal::<f64>(130, 10, 2)));
    let data = Dataset::values(x, values).unwrap();
    let plain = || {
        Trainer::new(MeanSquaredError, optimizer_by_name::<f64>("sgd").unwrap())
            .epochs(3)
            .batch_size(32)
            .validation(data)
            .early_stopping(EarlyStopping::new(5))
    };
    assert!(matches!(data.targets(), Targets::Values(_)));
    holds("with validation", network(), &data, None, plain);
    let rows: Vec<usize> = (0..100).collect();
    holds("with validation on rows", network(), &data, None, || plain().validation_rows(data, rows.clone()));
}
