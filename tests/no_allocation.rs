//! A warm training step allocates nothing, on any linked backend with one thread.

mod common;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;

use chainrule::{
    Accumulate, Activation, Descent, Gradients, Linked, Loss, Mode, Network, NetworkBuilder, OPTIMIZER_NAMES,
    Optimizer, OptimizerState, Sgd, Targets, Weighted, Workspace,
};
use common::{labels, loss, normal};

struct Counting;

thread_local! {
    static ALLOCATIONS: Cell<usize> = const { Cell::new(0) };
}

#[expect(unsafe_code, reason = "an allocator is unsafe by nature")]
// SAFETY: every call is handed to the system's allocator unchanged; counting touches no memory of the caller.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.with(|n| n.set(n.get() + 1));
        // SAFETY: the caller keeps the contract of `alloc`.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        // SAFETY: the caller keeps the contract of `dealloc`.
        unsafe { System.dealloc(pointer, layout) }
    }
}

#[global_allocator]
static ALLOCATOR: Counting = Counting;

fn allocations(work: impl FnOnce()) -> usize {
    let before = ALLOCATIONS.with(Cell::get);
    work();
    ALLOCATIONS.with(Cell::get) - before
}

fn steps<T: Linked>() {
    for (sizes, batch) in [(vec![4, 16, 16, 3], 8), (vec![100, 70, 10], 33), (vec![300, 257, 129, 10], 64)] {
        for activation in Activation::ALL {
            let mut builder = Network::<T>::builder(sizes[0]);
            for &size in &sizes[1..sizes.len() - 1] {
                builder = builder.dense(size, activation);
            }
            let outputs = sizes[sizes.len() - 1];
            let mut network = builder.dense(outputs, Activation::Identity).softmax().build(1).unwrap();
            let (x, y) = (normal::<T>(batch, sizes[0], 1), labels(batch, outputs, 1));
            let targets = Targets::Classes(&y);
            let mut workspace = Workspace::new(&network, batch).unwrap();
            let mut state = OptimizerState::new(&network);
            for backend in chainrule::backends::<T>() {
                // Plain loops have no path of their own for large sizes, and no hurry.
                if backend.name() == "naive" && batch > 50 {
                    continue;
                }
                for name in common::LOSSES {
                    let loss: Box<dyn Loss<T>> = loss(name);
                    let mode = Mode::Train { seed: 1, step: 1 };
                    let step = Descent { rate: T::of(0.01), decay: T::of(0.99) };
                    let mut sgd = Sgd::new(0.01).weight_decay(0.1);
                    let mut once = || {
                        network.descend(&*backend, &*loss, &x, targets, mode, step, &mut workspace).unwrap();
                        let how = Accumulate::Replace;
                        network.gradient(&*backend, &*loss, &x, targets, mode, how, &mut workspace).unwrap();
                        let gradient = workspace.gradient();
                        sgd.step(&*backend, &mut state, gradient, network.parameters_mut()).unwrap();
                        network.forward(&*backend, &x, &mut workspace).unwrap();
                        network.score(&*backend, &*loss, &x, targets, &mut workspace).unwrap();
                    };
                    once();
                    let count = allocations(once);
                    let place = format!("{} {} {sizes:?} {activation} {name}", backend.name(), T::NAME);
                    assert_eq!(count, 0, "{place}");
                }
            }
        }
    }
}

/// The same for layers of every kind, and with weights of the rows.
fn layers<T: Linked>() {
    let (rows, n) = (16, 20);
    let mut network = Network::<T>::builder(n)
        .batch_norm()
        .dense(n, Activation::Identity)
        .layer_norm()
        .prelu()
        .residual(|block| {
            let inner = |block: NetworkBuilder<T>| block.rms_norm().dense(n, Activation::Mish).dropout(0.5);
            block.dense(30, Activation::Gelu).batch_norm().dense(n, Activation::Tanh).residual(inner)
        })
        .activation(Activation::HardSwish)
        .dense(4, Activation::Identity)
        .log_softmax()
        .build(1)
        .unwrap();
    let (x, y) = (normal::<T>(rows, n, 1), labels(rows, 4, 1));
    let targets = Targets::Classes(&y);
    let weights = vec![T::of(0.5); rows];
    let mut workspace = Workspace::new(&network, rows).unwrap();
    for backend in chainrule::backends::<T>() {
        for loss in [loss("cross-entropy"), loss("kl-divergence"), loss("cross-entropy:0.1")] {
            let mode = Mode::Train { seed: 1, step: 1 };
            let step = Descent { rate: T::of(0.01), decay: T::of(0.99) };
            let weighted = Weighted::new(&*loss, &weights);
            let mut once = || {
                network.descend(&*backend, &weighted, &x, targets, mode, step, &mut workspace).unwrap();
                let how = Accumulate::Add;
                network.gradient(&*backend, &*loss, &x, targets, mode, how, &mut workspace).unwrap();
                network.update_buffers(&workspace);
                network.forward(&*backend, &x, &mut workspace).unwrap();
            };
            once();
            let count = allocations(once);
            assert_eq!(count, 0, "{} {} {}", backend.name(), T::NAME, loss.name());
        }
    }
}

/// A warm step of every optimiser, with clipping by the global norm where it takes that.
fn optimizers<T: Linked>() {
    let mut network =
        Network::<T>::builder(9).dense(7, Activation::Tanh).dense(12, Activation::Identity).build(1).unwrap();
    let gradient: Vec<T> = normal(1, network.parameters().len(), 1).into_iter().collect();
    for backend in chainrule::backends::<T>() {
        for name in OPTIMIZER_NAMES {
            let mut optimizer = chainrule::optimizer_by_name::<T>(name).unwrap();
            let clipping = Gradients::default();
            let clipping = if name == "lbfgs" { clipping } else { clipping.clip_norm(1.0) };
            let mut state = OptimizerState::with(&network, clipping).unwrap();
            // ½ Σ w², whose gradient is w.
            let mut objective = |w: &[T], gradient: &mut [T]| {
                gradient.copy_from_slice(w);
                Ok(0.5 * backend.dot(w, w)?)
            };
            let mut once = || {
                let parameters = network.parameters_mut();
                match optimizer.minimizer() {
                    Some(lbfgs) => drop(lbfgs.minimize(&*backend, &mut state, &mut objective, parameters)),
                    None => optimizer.step(&*backend, &mut state, &gradient, parameters).unwrap(),
                }
            };
            once();
            assert_eq!(allocations(once), 0, "{name} {} {}", backend.name(), T::NAME);
        }
    }
}

/// All of it, on one thread, whose allocations alone are counted.
fn nothing<T: Linked>() {
    let pool = rayon::ThreadPoolBuilder::new().num_threads(1).build().unwrap();
    pool.install(|| {
        assert_ne!(allocations(|| drop(std::hint::black_box(vec![1]))), 0, "the counter counts");
        steps::<T>();
        layers::<T>();
        optimizers::<T>();
    });
}

#[test]
fn a_warm_step_allocates_nothing() {
    nothing::<f32>();
}

#[test]
fn a_warm_step_allocates_nothing_in_f64() {
    nothing::<f64>();
}
