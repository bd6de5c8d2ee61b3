//! Checkpoints: what is written, what is read, and what is done when either fails.

use std::cell::RefCell;
use std::fs;
use std::ops::ControlFlow;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use chainrule_core::{
    Activation, Adam, Callback, CrossEntropy, Epoch, Error as Refused, Network, RunState, Sgd, Step, Trainer,
    TrainerConfig,
};
use chainrule_model::{Checkpoint, Checkpointer, Description, Error, Model};
use chainrule_naive::Naive;
use proptest::prelude::*;

use crate::common::{RUNS, circle, data, result, run};

/// Trains a run as it is described, with these callbacks besides.
fn train<'a>(
    (name, checkpoints): (&str, &'a mut Checkpointer),
    from: Option<Checkpoint<f32>>,
    other: impl Callback<f32> + 'a,
) -> (Network<f32>, Vec<Epoch>) {
    let (config, settings) = run(name);
    let (x, labels) = circle(64);
    let (data, train, validation) = data(&x, &labels);
    let trainer = settings.trainer().unwrap().validation_rows(data, validation);
    let (mut network, trainer) = match from {
        Some(from) => (from.network, trainer.resume(from.state)),
        None => (config.build(1).unwrap(), trainer),
    };
    let fit = trainer.callback(checkpoints).callback(other).fit_rows(&mut network, &Naive, &data, &train);
    (network, fit.unwrap())
}

/// Keeps every state of a run.
#[derive(Clone, Default)]
struct Kept(Rc<RefCell<States>>);

type States = Vec<(RunState<f32>, Network<f32>)>;

impl Callback<f32> for Kept {
    fn on_step(&mut self, _: &Step, run: &RunState<f32>, network: &Network<f32>) -> ControlFlow<()> {
        self.0.borrow_mut().push((run.clone(), network.clone()));
        ControlFlow::Continue(())
    }
}

struct Nothing;

impl Callback<f32> for Nothing {}

fn names(folder: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        folder.read_dir().unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

#[test]
fn nothing_of_a_run_is_lost() {
    for name in RUNS {
        let folder = tempfile::tempdir().unwrap();
        let checkpoints = Checkpointer::new(folder.path()).unwrap().every_epoch(false).keep(usize::MAX);
        let mut checkpoints = checkpoints.every(Duration::ZERO);
        let kept = Kept::default();
        train((name, &mut checkpoints), None, kept.clone());
        let kept = kept.0.take();
        for (state, network) in &kept {
            let path = folder.path().join(format!("checkpoint-{:08}.safetensors", state.steps));
            let read = Checkpoint::<f32>::read(&path).unwrap();
            assert_eq!(read.network.parameters(), network.parameters(), "{name}");
            assert_eq!(read.network.buffers(), network.buffers(), "{name}");
            if name == "lbfgs" {
                // Which has a place to work in besides, of which nothing is kept.
                assert!(read.state.optimizer.vectors().eq(state.optimizer.vectors()));
                assert!(read.state.optimizer.scalars().eq(state.optimizer.scalars()));
            } else if state.samples < 48 {
                assert_eq!(read.state, *state, "{name}");
            }
        }
        // At the end of an epoch the time has passed once more, and the file is replaced.
        let last = kept.last().unwrap().0.steps;
        let path = folder.path().join(format!("checkpoint-{last:08}.safetensors"));
        assert_eq!(Checkpoint::<f32>::read(path).unwrap().state.samples, 0, "{name}");
    }
}

#[test]
fn the_last_few_are_kept() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("run").join("checkpoints");
    let (config, settings) = run("sgd");
    let mut checkpoints = Checkpointer::new(&path)
        .unwrap()
        .every_steps(4)
        .keep(2)
        .settings(&settings)
        .unwrap()
        .description(Description { targets: vec!["side".to_owned()], ..Description::default() });
    fs::write(path.join("checkpoint-note.txt"), "mine").unwrap();
    fs::write(path.join("checkpoint-00000099.safetensors"), "of another run").unwrap();
    let (network, _) = train(("sgd", &mut checkpoints), None, Nothing);
    checkpoints.check().unwrap();
    assert!(checkpoints.interrupted().is_none());
    let expected = [
        "checkpoint-00000032.safetensors",
        "checkpoint-00000036.safetensors",
        "checkpoint-00000099.safetensors",
        "checkpoint-note.txt",
    ];
    assert_eq!(names(&path), expected);
    assert_eq!(checkpoints.written(), Some(&*path.join(expected[1])));
    // It is a model file as well.
    let model = Model::read(path.join(expected[1])).unwrap();
    assert_eq!(model.config(), &config);
    assert_eq!(model.description().targets, ["side"]);
    assert_eq!(model.network::<f32>().unwrap().parameters(), network.parameters());
    // The newest that is whole.
    let latest = Checkpoint::<f32>::latest(&path).unwrap().unwrap();
    assert_eq!(latest.path, path.join(expected[1]));
    assert_eq!(latest.checkpoint.state.epoch, 7);
    assert_eq!(latest.checkpoint.settings::<TrainerConfig>().unwrap(), settings);
    assert!(latest.checkpoint.settings::<u8>().is_err());
    assert_eq!(latest.skipped.len(), 1);
    assert!(latest.skipped[0].to_string().contains("checkpoint-00000099"), "{:?}", latest.skipped);
}

#[test]
fn the_newest_that_is_whole_is_found() {
    let folder = tempfile::tempdir().unwrap();
    assert!(Checkpoint::<f32>::latest(folder.path()).unwrap().is_none());
    assert!(Checkpoint::<f32>::latest(folder.path().join("nowhere")).unwrap().is_none());
    let mut checkpoints = Checkpointer::new(folder.path()).unwrap().keep(3);
    train(("noise", &mut checkpoints), None, Nothing);
    let [old, middle, new] = &*names(folder.path()) else { panic!("{:?}", names(folder.path())) };
    let whole = fs::read(folder.path().join(new)).unwrap();
    for end in (0..whole.len()).step_by(whole.len() / 40) {
        fs::write(folder.path().join(new), &whole[..end]).unwrap();
        let latest = Checkpoint::<f32>::latest(folder.path()).unwrap().unwrap();
        assert!(latest.path.ends_with(middle) && latest.skipped.len() == 1, "{end} bytes");
    }
    for name in [old, middle] {
        fs::write(folder.path().join(name), "damaged").unwrap();
    }
    let error = Checkpoint::<f32>::latest(folder.path()).unwrap_err();
    assert!(error.to_string().contains(new), "{error}");
    fs::write(folder.path().join(new), whole).unwrap();
    let error = Checkpoint::<f64>::latest(folder.path()).unwrap_err();
    assert!(error.to_string().contains("found a run in f32, expected one in f64"), "{error}");
    let model = Model::to_bytes(&run("sgd").0.build::<f32>(1).unwrap(), &Description::default()).unwrap();
    let error = Checkpoint::<f32>::from_bytes(model, "file").unwrap_err();
    assert!(error.to_string().contains("found a model file, expected a checkpoint"), "{error}");
}

#[test]
fn an_interruption_ends_the_run_with_a_checkpoint() {
    let expected = {
        let folder = tempfile::tempdir().unwrap();
        let (network, history) =
            train(("noise", &mut Checkpointer::new(folder.path()).unwrap()), None, Nothing);
        result(&network, &history)
    };
    // In an epoch, at its last step, and in the last epoch.
    for at in [8, 12, 35] {
        let folder = tempfile::tempdir().unwrap();
        let flag = Arc::new(AtomicBool::new(false));
        let mut checkpoints =
            Checkpointer::new(folder.path()).unwrap().every_epoch(false).interrupt(flag.clone());
        // The flag is set in the step before.
        let mut steps = 0;
        train(
            ("noise", &mut checkpoints),
            None,
            OnStep(|| {
                steps += 1;
                flag.store(steps == at - 1, Ordering::Relaxed);
            }),
        );
        assert_eq!(steps, at);
        let path = checkpoints.interrupted().unwrap();
        assert!(path.ends_with(format!("checkpoint-{at:08}.safetensors")), "{}", path.display());
        checkpoints.check().unwrap();
        let from = Checkpoint::latest(folder.path()).unwrap().unwrap().checkpoint;
        let mut checkpoints = Checkpointer::new(folder.path()).unwrap();
        let (network, history) = train(("noise", &mut checkpoints), Some(from), Nothing);
        assert_eq!(result(&network, &history), expected, "{at}");
    }
}

struct OnStep<F>(F);

impl<F: FnMut()> Callback<f32> for OnStep<F> {
    fn on_step(&mut self, _: &Step, _: &RunState<f32>, _: &Network<f32>) -> ControlFlow<()> {
        (self.0)();
        ControlFlow::Continue(())
    }
}

#[test]
fn a_checkpoint_that_cannot_be_written_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("checkpoints");
    let mut checkpoints = Checkpointer::new(&path).unwrap().every_steps(5);
    let mut steps = 0;
    train(
        ("adam", &mut checkpoints),
        None,
        OnStep(|| {
            steps += 1;
            if steps == 13 {
                fs::remove_dir_all(&path).unwrap();
            }
        }),
    );
    assert_eq!(steps, 15);
    assert!(checkpoints.interrupted().is_none());
    let error = checkpoints.check().unwrap_err();
    let expected = path.join("checkpoint-00000015.safetensors");
    assert!(matches!(&error, Error::File { file, done: "written", .. } if *file == expected), "{error}");
    checkpoints.check().unwrap();
    // Where there can be no folder, it shows before the run.
    fs::write(&path, "a file").unwrap();
    for path in [path.clone(), path.join("checkpoints")] {
        let error = Checkpointer::new(&path).unwrap_err();
        assert!(matches!(error, Error::File { done: "written", .. }), "{error}");
    }
}

#[test]
fn what_is_not_finite_is_no_checkpoint() {
    let folder = tempfile::tempdir().unwrap();
    let (x, labels) = circle(64);
    let (data, ..) = data(&x, &labels);
    let network = || Network::<f32>::builder(2).dense(2, Activation::Identity).softmax().build(1).unwrap();
    let mut checkpoints = Checkpointer::new(folder.path()).unwrap().every_steps(1);
    let mut trainer = Trainer::new(CrossEntropy, Sgd::new(f64::from(f32::MAX))).callback(&mut checkpoints);
    let error = trainer.fit(&mut network(), &Naive, &data).unwrap_err();
    assert!(matches!(error, Refused::Diverged { .. }), "{error}");
    drop(trainer);
    checkpoints.check().unwrap();
    for name in names(folder.path()) {
        Checkpoint::<f32>::read(folder.path().join(name)).unwrap();
    }
    // Squares of gradients that f32 has no room for: Adam stands still, and the run cannot be kept.
    let x = &x * 1e25;
    let data = chainrule_core::Dataset::classes(&x, &labels).unwrap();
    let mut trainer = Trainer::new(CrossEntropy, Adam::new(1e-30)).callback(&mut checkpoints);
    trainer.fit(&mut network(), &Naive, &data).unwrap();
    drop(trainer);
    let error = checkpoints.check().unwrap_err();
    assert!(
        matches!(&error, Error::NotFinite { element, .. } if element.starts_with("run.optimizer.exp_avg_sq[")),
        "{error}"
    );
}

/// A small checkpoint from within an epoch, with all that there is in one.
fn small() -> Vec<u8> {
    let folder = tempfile::tempdir().unwrap();
    let mut checkpoints = Checkpointer::new(folder.path()).unwrap().every_steps(1).keep(100);
    train(("stopping", &mut checkpoints), None, Nothing);
    fs::read(folder.path().join("checkpoint-00000021.safetensors")).unwrap()
}

/// What is accepted can be run.
fn go_on(bytes: Vec<u8>) {
    if let Ok(checkpoint) = Checkpoint::<f32>::from_bytes(bytes, "file") {
        let (_, settings) = run("stopping");
        let settings = TrainerConfig { epochs: 6, ..settings };
        let (x, labels) = circle(64);
        let (data, rows, validation) = data(&x, &labels);
        let mut network = checkpoint.network;
        let trainer = settings.trainer().unwrap().validation_rows(data, validation);
        let _ = trainer.resume(checkpoint.state).fit_rows(&mut network, &Naive, &data, &rows);
    }
}

thread_local! {
    static SMALL: Vec<u8> = small();
}

proptest! {
    #![proptest_config(crate::common::config())]

    #[test]
    fn no_damage_makes_it_panic(damage in crate::common::damage()) {
        go_on(crate::common::damaged(SMALL.with(Clone::clone), damage));
    }

    #[test]
    fn no_numbers_make_it_panic(numbers in crate::common::numbers()) {
        go_on(crate::common::with_numbers(&SMALL.with(Clone::clone), numbers));
    }
}
