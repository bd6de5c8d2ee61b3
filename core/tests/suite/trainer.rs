//! The trainer: accumulation, schedules, early stopping, resuming, rows, L-BFGS, the learning-rate finder.

use std::cell::RefCell;
use std::ops::ControlFlow;
use std::rc::Rc;

use chainrule_core::random::{Generator, Stream};
use chainrule_core::{
    Accuracy, Activation, Adam, Average, BinaryCrossEntropy, Callback, CrossEntropy, Dataset, EarlyStopping,
    Epoch, Error, F1, Lbfgs, LogLoss, Loss, MeanSquaredError, Metric, Monitor, Network, Optimizer, Plateau,
    RateFinder, RunState, Sgd, Split, Step, Trainer, evaluate, evaluate_rows, optimizer_by_name,
};
use chainrule_naive::Naive;
use ndarray::{Array2, Axis};

use crate::common::{bits, circle, measured, network};

#[test]
fn batches_together_are_one_batch() {
    let (x, labels) = circle(50);
    let weights: Vec<f64> = (0..50).map(|i| f64::from(i % 5) + 0.5).collect();
    let data = Dataset::classes(&x, &labels).unwrap();
    for data in [data, data.weighted(&weights).unwrap()] {
        let train = |batch: usize, accumulate: usize| {
            let mut network = network();
            // 50 rows are batches of 6, of which four make a step: 24, 24 and 2.
            let history = Trainer::new(CrossEntropy, Sgd::new(0.5).momentum(0.9))
                .epochs(3)
                .batch_size(batch)
                .accumulate(accumulate)
                .fit(&mut network, &Naive, &data)
                .unwrap();
            (network, history.last().unwrap().train.clone())
        };
        let ((whole, of_whole), (parts, of_parts)) = (train(24, 1), train(6, 4));
        for (a, b) in whole.parameters().iter().zip(parts.parameters()) {
            assert!((a - b).abs() < 1e-12, "{a}, {b}");
        }
        assert!((of_whole.loss - of_parts.loss).abs() < 1e-12);
        assert_eq!(of_whole.accuracy, of_parts.accuracy);
    }
}

#[test]
fn the_best_network_is_given_back() {
    let (x, labels) = circle(40);
    let data = Dataset::classes(&x, &labels).unwrap();
    let best = RefCell::new((f64::INFINITY, Vec::new(), 0));
    let mut network = network();
    // Far too large a rate: the loss jumps.
    let history = Trainer::new(CrossEntropy, Sgd::new(6.0))
        .epochs(200)
        .batch_size(8)
        .validation(data)
        .early_stopping(EarlyStopping::new(7))
        .on_epoch(|epoch, network| {
            let loss = epoch.validation.as_ref().unwrap().loss;
            let mut best = best.borrow_mut();
            if loss < best.0 {
                *best = (loss, network.parameters().to_vec(), epoch.epoch);
            }
            ControlFlow::Continue(())
        })
        .fit(&mut network, &Naive, &data)
        .unwrap();
    let (_, parameters, epoch) = best.into_inner();
    assert_eq!(history.len(), epoch + 7, "seven epochs without improvement after the best");
    assert!(history.len() < 200);
    assert_eq!(network.parameters(), parameters);
}

#[test]
fn a_metric_can_be_monitored() {
    let (x, labels) = circle(40);
    let data = Dataset::classes(&x, &labels).unwrap();
    let trainer =
        || Trainer::new(CrossEntropy, Sgd::new(1.0)).epochs(30).validation(data).metric(F1(Average::Macro));
    let mut network = network();
    let mut by_f1 = trainer().monitor(Monitor::Metric("f1-macro".to_owned())).early_stopping(EarlyStopping {
        patience: 3,
        min_delta: 0.0,
        restore_best: true,
    });
    let history = by_f1.fit(&mut network, &Naive, &data).unwrap();
    let f1 = |epoch: &Epoch| epoch.validation.as_ref().unwrap().metrics[0].1;
    let most = history.iter().map(f1).fold(0.0, f64::max);
    let best = by_f1.state().unwrap().stopping.best.as_ref().unwrap();
    assert!((best.value - most).abs() < 1e-15);
    let mut other = trainer().monitor(Monitor::Metric("f2".to_owned()));
    let error = other.fit(&mut network, &Naive, &data).unwrap_err();
    assert!(error.to_string().contains("f1-macro"), "{error}");
}

/// Whether a network ends with its link function or leaves it to the loss, metrics are the same.
#[test]
fn metrics_of_logits_are_those_of_probabilities() {
    let (x, labels) = circle(60);
    let data = Dataset::classes(&x, &labels).unwrap();
    let two = |softmax: bool| {
        let builder = Network::<f64>::builder(2).dense(2, Activation::Identity);
        if softmax { builder.softmax() } else { builder }.build(4).unwrap()
    };
    let one = |g| Network::<f64>::builder(2).dense(1, g).build(4).unwrap();
    let measured = |network: &Network<f64>, loss: &dyn Loss<f64>| {
        let metrics: [Box<dyn Metric<f64>>; 2] = [Box::new(Accuracy), Box::new(LogLoss)];
        evaluate(network, &Naive, loss, &data, &metrics).unwrap()
    };
    let binary = BinaryCrossEntropy::default();
    let by_softmax = measured(&two(true), &CrossEntropy);
    let by_sigmoid = measured(&one(Activation::Sigmoid), &binary);
    assert_eq!(measured(&two(false), &CrossEntropy), by_softmax);
    assert_eq!(measured(&one(Activation::Identity), &binary), by_sigmoid);
    assert_eq!(by_softmax.accuracy, Some(by_softmax.metrics[0].1));
    for evaluation in [by_softmax, by_sigmoid] {
        let (_, log_loss) = &evaluation.metrics[1];
        assert!((log_loss - evaluation.loss).abs() < 1e-12, "{evaluation:?}");
    }
}

type Kept = Rc<RefCell<Option<(RunState<f64>, Network<f64>)>>>;

/// Keeps what the run consists of after some step, and breaks off there.
struct Interrupt {
    after: u64,
    kept: Kept,
}

impl Callback<f64> for Interrupt {
    fn on_step(&mut self, _: &Step, run: &RunState<f64>, network: &Network<f64>) -> ControlFlow<()> {
        if run.steps == self.after {
            *self.kept.borrow_mut() = Some((run.clone(), network.clone()));
            return ControlFlow::Break(());
        }
        ControlFlow::Continue(())
    }
}

#[test]
fn a_run_goes_on_with_the_same_bits_from_any_step() {
    let (x, labels) = circle(50);
    let data = Dataset::classes(&x, &labels).unwrap();
    let start = || {
        Network::<f64>::builder(2)
            .batch_norm()
            .dense(8, Activation::Tanh)
            .dropout(0.2)
            .dense(2, Activation::Identity)
            .softmax()
            .build(3)
            .unwrap()
    };
    for name in ["sgd", "adam", "nadam", "lbfgs"] {
        let trainer = || {
            let mut optimizer = optimizer_by_name::<f64>(name).unwrap();
            optimizer.set("learning-rate", if name == "sgd" { 0.5 } else { 0.05 }).unwrap();
            Trainer::new(CrossEntropy, optimizer)
                .epochs(6)
                .batch_size(8)
                .schedule("warm-up:5,0.1 then exponential:0.99".parse().unwrap())
                .reduce_on_plateau(Plateau { patience: 1, factor: 0.5, ..Plateau::default() })
                .early_stopping(EarlyStopping::new(4))
                .validation(data)
        };
        let (mut whole, mut trainer_of_whole) = (start(), trainer());
        let history = trainer_of_whole.fit(&mut whole, &Naive, &data).unwrap();
        let steps = trainer_of_whole.state().unwrap().steps;
        for after in 1..=steps {
            let kept = Kept::default();
            trainer()
                .callback(Interrupt { after, kept: kept.clone() })
                .fit(&mut start(), &Naive, &data)
                .unwrap();
            let (state, mut network) = kept.take().unwrap();
            let resumed = trainer().resume(state).fit(&mut network, &Naive, &data).unwrap();
            assert_eq!(bits(&network), bits(&whole), "{name}, step {after} of {steps}");
            assert_eq!(network.buffers(), whole.buffers(), "{name}, step {after}");
            assert_eq!(measured(&resumed), measured(&history), "{name}, step {after}");
        }
    }
}

#[test]
fn one_epoch_after_the_other_is_the_whole_run() {
    let (x, labels) = circle(50);
    let data = Dataset::classes(&x, &labels).unwrap();
    let trainer = || {
        Trainer::new(CrossEntropy, Adam::new(0.01)).epochs(3).schedule("exponential:0.95".parse().unwrap())
    };
    let (mut whole, mut parts) = (network(), network());
    let history = trainer().fit(&mut whole, &Naive, &data).unwrap();
    let mut by_parts = trainer();
    let epochs: Vec<_> =
        (0..3).map(|_| by_parts.partial_fit(&mut parts, &Naive, &data).unwrap().unwrap()).collect();
    assert_eq!(bits(&parts), bits(&whole));
    assert_eq!(measured(&epochs), measured(&history));
    // A new fit begins anew.
    let mut again = network();
    by_parts.fit(&mut again, &Naive, &data).unwrap();
    assert_eq!(bits(&again), bits(&whole));
}

#[test]
fn rows_are_trained_on_as_if_they_were_all() {
    let (x, labels) = circle(60);
    let data = Dataset::classes(&x, &labels).unwrap();
    let split = Split::stratified(&labels, 0.25, 0.2, 1).unwrap();
    let copy =
        |rows: &[usize]| (x.select(Axis(0), rows), rows.iter().map(|&i| labels[i]).collect::<Vec<_>>());
    let ((train_x, train_y), (validation_x, validation_y)) = (copy(&split.train), copy(&split.validation));
    let (train, validation) = (
        Dataset::classes(&train_x, &train_y).unwrap(),
        Dataset::classes(&validation_x, &validation_y).unwrap(),
    );
    let trainer =
        || Trainer::new(CrossEntropy, Sgd::new(0.5)).epochs(4).batch_size(7).l2(0.1).metric(Accuracy);
    let (mut of_rows, mut of_copies) = (network(), network());
    let by_rows = trainer()
        .validation_rows(data, split.validation.clone())
        .fit_rows(&mut of_rows, &Naive, &data, &split.train)
        .unwrap();
    let by_copies = trainer().validation(validation).fit(&mut of_copies, &Naive, &train).unwrap();
    assert_eq!(bits(&of_rows), bits(&of_copies));
    assert_eq!(measured(&by_rows), measured(&by_copies));
    let metrics = |history: &[Epoch]| history[3].validation.as_ref().unwrap().metrics.clone();
    assert_eq!(metrics(&by_rows), metrics(&by_copies));
    let mut trainer = trainer();
    for rows in [vec![60], vec![]] {
        assert!(trainer.fit_rows(&mut of_rows, &Naive, &data, &rows).is_err());
        assert!(evaluate_rows(&of_rows, &Naive, &CrossEntropy, &data, &rows, &[]).is_err());
    }
}

#[test]
fn schedules_rule_the_steps() {
    let (x, labels) = circle(20);
    let data = Dataset::classes(&x, &labels).unwrap();
    let rates = RefCell::new(Vec::new());
    let mut network = network();
    let mut trainer = Trainer::new(CrossEntropy, Sgd::new(0.5))
        .epochs(3)
        .batch_size(10)
        .schedule_by_epoch("step:1,0.1".parse().unwrap())
        .schedule("exponential:0.5".parse().unwrap())
        .on_step(|step| {
            rates.borrow_mut().push(step.learning_rate);
            ControlFlow::Continue(())
        });
    trainer.fit(&mut network, &Naive, &data).unwrap();
    assert!(
        (trainer.optimizer().learning_rate() - 0.5).abs() < 1e-15,
        "the optimiser has its own rate again"
    );
    drop(trainer);
    let expected = [0.5, 0.25, 0.0125, 0.00625, 3.125e-4, 1.5625e-4];
    let rates = rates.into_inner();
    assert_eq!(rates.len(), 6);
    for (found, expected) in rates.iter().zip(expected) {
        assert!((found / expected - 1.0).abs() < 1e-12, "{rates:?}");
    }
}

#[test]
fn a_plateau_lowers_the_rate() {
    let (x, labels) = circle(20);
    let data = Dataset::classes(&x, &labels).unwrap();
    let mut network = network();
    // A rate of 0 never improves anything; only the state tells.
    let mut trainer = Trainer::new(CrossEntropy, Sgd::new(1e-6))
        .epochs(8)
        .monitor(Monitor::Accuracy)
        .reduce_on_plateau(Plateau { factor: 0.5, patience: 2, ..Plateau::default() });
    let history = trainer.fit(&mut network, &Naive, &data).unwrap();
    let rates: Vec<f64> = history.iter().map(|epoch| epoch.learning_rate / 1e-6).collect();
    for (found, expected) in rates.iter().zip([1.0, 1.0, 1.0, 1.0, 0.5, 0.5, 0.5, 0.25]) {
        assert!((found - expected).abs() < 1e-2, "{rates:?}");
    }
}

#[test]
fn lbfgs_finds_the_least_squares() {
    let mut generator = Generator::new(1, Stream::Initial);
    let x = Array2::from_shape_simple_fn((40, 3), || generator.normal());
    let y = Array2::from_shape_fn((40, 1), |(row, _)| 2.0 * x[[row, 0]] - x[[row, 2]] + 0.5);
    let data = Dataset::values(&x, &y).unwrap();
    for batch in [7, 40] {
        let mut network = Network::builder(3).dense(1, Activation::Identity).build(1).unwrap();
        let history = Trainer::new(MeanSquaredError, Lbfgs::default())
            .epochs(3)
            .batch_size(batch)
            .fit(&mut network, &Naive, &data)
            .unwrap();
        assert!(history[2].train.loss < 1e-12, "{history:?}");
        for (found, expected) in network.parameters().iter().zip([2.0, 0.0, -1.0, 0.5]) {
            assert!((found - expected).abs() < 1e-6, "{:?}", network.parameters());
        }
    }
}

#[test]
fn the_finder_stops_where_the_loss_explodes_and_changes_nothing() {
    let (x, labels) = circle(60);
    let data = Dataset::classes(&x, &labels).unwrap();
    let network = network();
    let before = bits(&network);
    let mut trainer = Trainer::new(CrossEntropy, Sgd::new(0.3)).batch_size(10);
    let finder = RateFinder { start: 1e-4, end: 1e4, ..RateFinder::default() };
    let curve = trainer.find_learning_rate(&network, &Naive, &data, finder).unwrap();
    assert_eq!(bits(&network), before);
    assert!(trainer.state().is_none() && (trainer.optimizer().learning_rate() - 0.3).abs() < 1e-15);
    let (last, suggestion) = (curve.points.last().unwrap().0, curve.suggestion.unwrap());
    assert!(last < 1e3 && curve.points.len() > 30, "{curve:?}");
    assert!((1e-2..10.0).contains(&suggestion), "{suggestion}");
    for wrong in [
        RateFinder { start: 0.0, ..finder },
        RateFinder { end: 1e-5, ..finder },
        RateFinder { steps: 1, ..finder },
        RateFinder { smoothing: 1.0, ..finder },
    ] {
        let error = trainer.find_learning_rate(&network, &Naive, &data, wrong).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
    }
}

#[test]
fn settings_out_of_range_are_refused_before_anything_changes() {
    let (x, labels) = circle(20);
    let data = Dataset::classes(&x, &labels).unwrap();
    let mut network = network();
    let before = bits(&network);
    let trainer = || Trainer::new(CrossEntropy, Sgd::new(0.1));
    for mut wrong in [
        trainer().accumulate(0),
        trainer().batch_size(0),
        trainer().clip_norm(-1.0),
        trainer().clip_value(0.0),
        trainer().l1(f64::NAN),
        trainer().early_stopping(EarlyStopping::new(0)),
        trainer().reduce_on_plateau(Plateau { factor: 2.0, ..Plateau::default() }),
        trainer().schedule(chainrule_core::Schedule::Cosine { steps: 0, minimum: 0.0 }),
        trainer().validation_rows(data, vec![20]),
        Trainer::new(CrossEntropy, Sgd::new(0.1).nesterov(true)),
        Trainer::new(CrossEntropy, Lbfgs::default()).clip_norm(1.0),
    ] {
        let error = wrong.fit(&mut network, &Naive, &data).unwrap_err();
        assert!(matches!(error, Error::Setting { .. }), "{error}");
        assert_eq!(bits(&network), before);
    }
    let mut diverging = Trainer::new(CrossEntropy, Adam::new(f64::MAX)).epochs(5).batch_size(5);
    assert!(matches!(diverging.fit(&mut network, &Naive, &data), Err(Error::Diverged { .. })));
    assert!(diverging.state().is_none());
}
