//! Optimisers against the sequences of PyTorch (and Lion's against its paper's algorithm): 1,001 steps in f64 agree to 10⁻⁹ relative.
//! `fixtures/make_baselines.py` made the sequences.

use chainrule_core::{
    Accumulate, Activation, Adadelta, Adagrad, Adam, Adamax, Backend, Error, Gradients, Group, Lbfgs, Lion,
    Loss, Mode, Muon, Nadam, Network, OPTIMIZER_NAMES, Optimizer, OptimizerState, Radam, Result, RmsProp,
    Rprop, Score, Sgd, Targets, Workspace, optimizer_by_name,
};
use chainrule_naive::Naive;
use ndarray::{Array2, ArrayRef2, array};

/// The sum of all outputs, or half the sum of squares of what they lack to the targets.
#[derive(Debug)]
struct Sum {
    pull: bool,
}

impl Loss<f64> for Sum {
    fn name(&self) -> &'static str {
        "sum"
    }

    fn evaluate(
        &self,
        _backend: &dyn Backend<f64>,
        outputs: &ArrayRef2<f64>,
        targets: Targets<'_, f64>,
        delta: Option<&mut ArrayRef2<f64>>,
    ) -> Result<Score> {
        let Targets::Values(targets) = targets else { panic!("values") };
        let lack = outputs.to_owned() - targets;
        let loss = if self.pull { 0.5 * lack.iter().map(|x| x * x).sum::<f64>() } else { outputs.sum() };
        if let Some(delta) = delta {
            if self.pull {
                delta.assign(&lack);
            } else {
                delta.fill(1.0);
            }
        }
        Ok(Score { loss, correct: None })
    }
}

/// The problem of the baselines.
struct Problem {
    network: Network<f64>,
    workspace: Workspace<f64>,
    loss: Sum,
    inputs: Array2<f64>,
    targets: Array2<f64>,
}

impl Problem {
    fn new(pull: bool) -> Self {
        let mut network =
            Network::builder(2).dense(3, Activation::Sigmoid).dense(1, Activation::Sigmoid).build(0).unwrap();
        let initial = row(include_str!("../fixtures/optimizers.csv").lines().next().unwrap()).values;
        network.parameters_mut().copy_from_slice(&ours(&initial));
        let workspace = Workspace::new(&network, 3).unwrap();
        let inputs = array![[0.1, 0.2], [0.3, 0.4], [0.5, 0.6]];
        Self { network, workspace, loss: Sum { pull }, inputs, targets: array![[0.2], [0.5], [0.7]] }
    }

    fn gradient(&mut self) -> (f64, &[f64]) {
        let targets = Targets::Values(self.targets.view());
        let (mode, how) = (Mode::Evaluate, Accumulate::Replace);
        let score = self
            .network
            .gradient(&Naive, &self.loss, &self.inputs, targets, mode, how, &mut self.workspace)
            .unwrap();
        (score.loss, self.workspace.gradient())
    }

    fn step(&mut self, optimizer: &mut dyn Optimizer<f64>, state: &mut OptimizerState<f64>) {
        self.gradient();
        optimizer.step(&Naive, state, self.workspace.gradient(), self.network.parameters_mut()).unwrap();
    }
}

/// From PyTorch's order, W row after row, to ours, column after column: only the first matrix has both.
fn ours(theirs: &[f64]) -> Vec<f64> {
    let mut ours = theirs.to_vec();
    for (row, column) in (0..3).flat_map(|row| [(row, 0), (row, 1)]) {
        ours[column * 3 + row] = theirs[row * 2 + column];
    }
    ours
}

struct Row {
    name: &'static str,
    pull: bool,
    step: usize,
    values: Vec<f64>,
}

fn row(line: &'static str) -> Row {
    let mut fields = line.split(',');
    let name = fields.next().unwrap();
    let pull = fields.next().unwrap() == "1";
    let step = fields.next().unwrap().parse().unwrap();
    Row { name, pull, step, values: fields.map(|x| x.parse().unwrap()).collect() }
}

/// Biases decay as well, as all parameters in PyTorch do.
fn all_decay() -> Gradients {
    Gradients::default().group(Group::new("*").decay(1.0))
}

fn optimizer(name: &str) -> Box<dyn Optimizer<f64>> {
    match name {
        "sgd" => Box::new(Sgd::new(0.1)),
        "sgd decay" => Box::new(Sgd::new(0.1).weight_decay(1e-2)),
        "sgd decay momentum" => Box::new(Sgd::new(0.1).momentum(0.9).weight_decay(1e-2)),
        "sgd decay nesterov" => Box::new(Sgd::new(0.1).momentum(0.9).weight_decay(1e-6).nesterov(true)),
        "sgd dampening" => Box::new(Sgd::new(0.5).momentum(0.9).dampening(0.5)),
        "adagrad" => Box::new(Adagrad::new(1.0)),
        "adagrad decay" => Box::new(Adagrad::new(1.0).weight_decay(1e-2)),
        "adagrad decay rate-decay" => Box::new(Adagrad::new(1.0).weight_decay(1e-6).rate_decay(1e-3)),
        "adagrad initial" => Box::new(Adagrad::new(0.1).initial(0.1)),
        "adadelta" => Box::new(Adadelta::default()),
        "adadelta decay" => Box::new(Adadelta::new(0.5).rho(0.8).weight_decay(1e-3)),
        "rmsprop" => Box::new(RmsProp::new(0.1)),
        "rmsprop decay" => Box::new(RmsProp::new(0.1).weight_decay(1e-2)),
        "rmsprop decay centered" => Box::new(RmsProp::new(0.1).weight_decay(1e-6).centered(true)),
        "rmsprop decay centered momentum" => {
            Box::new(RmsProp::new(0.1).weight_decay(1e-6).centered(true).momentum(0.9))
        }
        "adam" => Box::new(Adam::new(1.0)),
        "adam decay" => Box::new(Adam::new(1.0).weight_decay(1e-2)),
        "adam decay amsgrad" => Box::new(Adam::new(1.0).weight_decay(1e-6).amsgrad(true)),
        "adam small" => Box::new(Adam::default()),
        "adamw" => Box::new(Adam::adamw(1.0)),
        "adamw without" => Box::new(Adam::adamw(1.0).weight_decay(0.0)),
        "adamw amsgrad" => Box::new(Adam::adamw(0.01).amsgrad(true)),
        "adamax" => Box::new(Adamax::default()),
        "adamax decay" => Box::new(Adamax::new(0.1).weight_decay(1e-2)),
        "nadam" => Box::new(Nadam::default()),
        "nadam decay" => Box::new(Nadam::new(0.1).weight_decay(1e-2)),
        "nadam decoupled" => Box::new(Nadam::new(0.1).weight_decay(1e-2).decoupled(true)),
        "radam" => Box::new(Radam::default()),
        "radam decay" => Box::new(Radam::new(0.1).weight_decay(1e-2)),
        "radam decoupled" => Box::new(Radam::new(0.1).weight_decay(1e-2).decoupled(true)),
        "rprop" => Box::new(Rprop::default()),
        "rprop pull" => Box::new(Rprop::new(1e-3).shrink(0.6).grow(1.1).smallest(1e-5).largest(0.1)),
        "lion" => Box::new(Lion::new(1e-3)),
        "lion decay" => Box::new(Lion::new(1e-2).weight_decay(0.1)),
        "muon" => Box::new(Muon::default()),
        "muon match" => {
            Box::new(Muon::new(1e-2).adam_rate(0.3).weight_decay(0.0).nesterov(false).match_rms(true))
        }
        "sgd clip-norm" | "sgd clip-value" => Box::new(Sgd::new(0.5)),
        _ => panic!("a baseline without an optimiser: {name}"),
    }
}

fn relative_error(found: &[f64], expected: &[f64]) -> f64 {
    assert_eq!(found.len(), expected.len());
    let error = |(a, b): (&f64, &f64)| {
        let error = (a - b).abs() / b.abs();
        if error.is_nan() { f64::INFINITY } else { error }
    };
    found.iter().zip(expected).map(error).fold(0.0, f64::max)
}

#[test]
fn a_thousand_steps_agree_with_pytorch() {
    let mut rows = include_str!("../fixtures/optimizers.csv").lines().skip(1).map(row).peekable();
    let mut names = 0;
    let mut failures = Vec::new();
    while let Some(&Row { name, pull, .. }) = rows.peek() {
        names += 1;
        let mut problem = Problem::new(pull);
        let mut optimizer = optimizer(name);
        let gradients = match name {
            "sgd clip-norm" => all_decay().clip_norm(0.05),
            "sgd clip-value" => all_decay().clip_value(0.02),
            _ => all_decay(),
        };
        let mut state = OptimizerState::with(&problem.network, gradients).unwrap();
        let mut worst: f64 = 0.0;
        for step in 0..=1000 {
            problem.step(&mut *optimizer, &mut state);
            if let Some(row) = rows.next_if(|row| row.name == name && row.step == step) {
                worst = worst.max(relative_error(problem.network.parameters(), &ours(&row.values)));
            }
        }
        println!("{name}: {worst:.1e}");
        if worst > 1e-9 {
            failures.push(format!("{name}: {worst:.1e}"));
        }
        // All samples of this name were met.
        assert!(rows.peek().is_none_or(|row| row.name != name), "{name}");
    }
    assert_eq!(names, 38);
    assert!(failures.is_empty(), "{failures:?}");
}

#[test]
fn lbfgs_agrees_with_pytorch() {
    let mut problem = Problem::new(true);
    let (mut state, mut name) = (OptimizerState::new(&problem.network), "");
    for line in include_str!("../fixtures/lbfgs.csv").lines() {
        // The evaluations so far stand before the parameters.
        let mut row = row(line);
        let evaluations = row.values.remove(0);
        if row.name != name {
            name = row.name;
            problem = Problem::new(row.pull);
            state = OptimizerState::new(&problem.network);
        }
        let mut lbfgs = match name {
            "default" => Lbfgs::default(),
            "short history" => Lbfgs::default().history(3).iterations(8),
            "no line search" => Lbfgs::new(0.5).line_search(false),
            "sum" => Lbfgs::default().iterations(4),
            _ => panic!("{name}"),
        };
        let mut parameters = problem.network.parameters().to_vec();
        let mut count = 0;
        let mut objective = |w: &[f64], gradient: &mut [f64]| {
            count += 1;
            problem.network.parameters_mut().copy_from_slice(w);
            let (loss, g) = problem.gradient();
            gradient.copy_from_slice(g);
            Ok(loss)
        };
        let minimizer = Optimizer::<f64>::minimizer(&mut lbfgs).unwrap();
        minimizer.minimize(&Naive, &mut state, &mut objective, &mut parameters).unwrap();
        problem.network.parameters_mut().copy_from_slice(&parameters);
        let error = relative_error(&parameters, &ours(&row.values));
        println!("lbfgs {name}, step {}: {error:.1e}, {count} evaluations of {evaluations} in all", row.step);
        assert!(error < 1e-6, "{name}, step {}: {error:.1e}", row.step);
    }
}

/// Runs an optimiser for some steps from a state.
fn run(name: &str, steps: usize, from: &mut (Problem, OptimizerState<f64>)) {
    let mut optimizer = optimizer_by_name::<f64>(name).unwrap();
    let (problem, state) = from;
    for _ in 0..steps {
        if let Some(minimizer) = optimizer.minimizer() {
            let mut parameters = problem.network.parameters().to_vec();
            let mut objective = |w: &[f64], gradient: &mut [f64]| {
                problem.network.parameters_mut().copy_from_slice(w);
                let (loss, g) = problem.gradient();
                gradient.copy_from_slice(g);
                Ok(loss)
            };
            minimizer.minimize(&Naive, state, &mut objective, &mut parameters).unwrap();
            problem.network.parameters_mut().copy_from_slice(&parameters);
        } else {
            problem.step(&mut *optimizer, state);
        }
    }
}

#[test]
fn a_state_that_is_taken_back_goes_on_with_the_same_bits() {
    for name in OPTIMIZER_NAMES {
        let start = || {
            let problem = Problem::new(true);
            let state = OptimizerState::new(&problem.network);
            (problem, state)
        };
        let mut whole = start();
        let steps = if name == "lbfgs" { 2 } else { 7 };
        run(name, 2 * steps, &mut whole);
        let mut first = start();
        run(name, steps, &mut first);
        let mut second = start();
        let (problem, state) = &mut second;
        problem.network.parameters_mut().copy_from_slice(first.0.network.parameters());
        let scalars = first.1.scalars().map(|(name, x)| (name.to_owned(), x)).collect();
        let vectors = first.1.vectors().map(|(name, v)| (name.to_owned(), v.to_vec())).collect();
        state.restore(first.1.steps(), scalars, vectors).unwrap();
        run(name, steps, &mut second);
        assert_eq!(second.0.network.parameters(), whole.0.network.parameters(), "{name}");
    }
}

#[test]
fn the_state_of_another_optimiser_is_refused() {
    let mut problem = Problem::new(false);
    let mut state = OptimizerState::new(&problem.network);
    problem.step(&mut Adam::default(), &mut state);
    problem.gradient();
    let gradient = problem.workspace.gradient().to_vec();
    let before = problem.network.parameters().to_vec();
    let parameters = problem.network.parameters_mut();
    let error = Lion::default().step(&Naive, &mut state, &gradient, parameters).unwrap_err();
    assert!(error.to_string().contains("exp_avg of 13, exp_avg_sq of 13"), "{error}");
    let error = Adam::default().step(&Naive, &mut state, &gradient[1..], parameters).unwrap_err();
    assert!(matches!(error, Error::Shape { .. }), "{error}");
    assert_eq!(parameters, before);
    assert!(state.restore(1, Vec::new(), vec![("exp_avg".to_owned(), vec![f64::NAN; 13])]).is_err());
}

#[test]
fn groups_have_rates_and_decays_of_their_own() {
    let problem = Problem::new(false);
    let gradients = Gradients::default()
        .group(Group::new("0.*").rate(0.5).decay(1.0))
        .group(Group::new("*.weight").decay(0.0))
        .l1(0.125);
    let mut state = OptimizerState::with(&problem.network, gradients).unwrap();
    let mut network = problem.network.clone();
    let gradient = vec![1.0; 13];
    Sgd::new(0.25).weight_decay(2.0).step(&Naive, &mut state, &gradient, network.parameters_mut()).unwrap();
    for (i, (&found, &w)) in network.parameters().iter().zip(problem.network.parameters()).enumerate() {
        // 0.weight and 0.bias are the first 9; of the others neither decays, nor has an L1 term.
        let expected = if i < 9 { w - 0.125 * (1.0 + 2.0 * w + 0.125 * w.signum()) } else { w - 0.25 };
        assert!((found - expected).abs() < 1e-15, "{i}: {found}, expected {expected}");
    }
    for wrong in [
        Gradients::default().clip_norm(0.0),
        Gradients::default().clip_value(f64::NAN),
        Gradients::default().l1(-1.0),
        Gradients::default().group(Group::new("*").rate(f64::INFINITY)),
    ] {
        assert!(matches!(OptimizerState::with(&network, wrong), Err(Error::Setting { .. })));
    }
}

#[test]
fn f32_follows_f64() {
    for name in OPTIMIZER_NAMES.into_iter().filter(|&name| name != "lbfgs") {
        let gradients: Vec<Vec<f64>> =
            (0..20).map(|t| (0..13).map(|i| f64::from(t * 13 + i).sin()).collect()).collect();
        let mut wide = Problem::new(false).network;
        let mut narrow = Network::<f32>::builder(2)
            .dense(3, Activation::Sigmoid)
            .dense(1, Activation::Sigmoid)
            .build(0)
            .unwrap();
        #[expect(clippy::cast_possible_truncation, reason = "to f32 on purpose")]
        for (a, b) in narrow.parameters_mut().iter_mut().zip(wide.parameters()) {
            *a = *b as f32;
        }
        let (mut state64, mut state32) = (OptimizerState::new(&wide), OptimizerState::new(&narrow));
        let mut of_f64 = optimizer_by_name::<f64>(name).unwrap();
        let mut of_f32 = optimizer_by_name::<f32>(name).unwrap();
        for gradient in &gradients {
            of_f64.step(&Naive, &mut state64, gradient, wide.parameters_mut()).unwrap();
            #[expect(clippy::cast_possible_truncation, reason = "to f32 on purpose")]
            let gradient: Vec<f32> = gradient.iter().map(|&g| g as f32).collect();
            of_f32.step(&Naive, &mut state32, &gradient, narrow.parameters_mut()).unwrap();
        }
        for (a, b) in narrow.parameters().iter().zip(wide.parameters()) {
            assert!((f64::from(*a) - b).abs() < 1e-5, "{name}: {a}, {b}");
        }
    }
}
