//! L-BFGS on functions whose minima are known.

use chainrule_core::{Activation, Lbfgs, Minimize, Network, OptimizerState};
use chainrule_naive::Naive;

/// Rosenbrock's valley, whose minimum is 0 at (1, 1).
fn rosenbrock(w: &[f64], gradient: &mut [f64]) -> f64 {
    let (x, y) = (w[0], w[1]);
    gradient[0] = -2.0 * (1.0 - x) - 400.0 * x * (y - x * x);
    gradient[1] = 200.0 * (y - x * x);
    (1.0 - x).powi(2) + 100.0 * (y - x * x).powi(2)
}

fn one_by_one() -> Network<f64> {
    Network::builder(1).dense(1, Activation::Identity).build(1).unwrap()
}

#[test]
fn the_valley_is_walked_to_its_end() {
    let mut w = [-1.2, 1.0];
    let mut state = OptimizerState::new(&one_by_one());
    let mut lbfgs = Lbfgs::default().change_tolerance(1e-15);
    let mut evaluations = 0;
    let mut objective = |w: &[f64], gradient: &mut [f64]| {
        evaluations += 1;
        Ok(rosenbrock(w, gradient))
    };
    for _ in 0..3 {
        lbfgs.minimize(&Naive, &mut state, &mut objective, &mut w).unwrap();
    }
    assert!((w[0] - 1.0).abs() < 1e-8 && (w[1] - 1.0).abs() < 1e-8, "{w:?}");
    assert!(evaluations < 75, "{evaluations}");
}

#[test]
fn a_history_longer_than_remembered_still_leads_there() {
    let mut w = [-1.2, 1.0];
    let mut state = OptimizerState::new(&one_by_one());
    let mut lbfgs = Lbfgs::default().history(2).change_tolerance(1e-15);
    let mut objective = |w: &[f64], gradient: &mut [f64]| Ok(rosenbrock(w, gradient));
    for _ in 0..6 {
        lbfgs.minimize(&Naive, &mut state, &mut objective, &mut w).unwrap();
    }
    assert!((w[0] - 1.0).abs() < 1e-6 && (w[1] - 1.0).abs() < 1e-6, "{w:?}");
}

#[test]
fn a_loss_without_a_number_far_out_is_not_walked_into() {
    // √(1 − w) − 3 √w falls until 1 and has no value beyond, where the first step would lead.
    let mut objective = |w: &[f64], gradient: &mut [f64]| {
        let x = w[0];
        (gradient[0], gradient[1]) = (-0.5 / (1.0 - x).sqrt() - 1.5 / x.sqrt(), 0.0);
        Ok((1.0 - x).sqrt() - 3.0 * x.sqrt())
    };
    let mut w = [0.5, 0.0];
    let mut state = OptimizerState::new(&one_by_one());
    Lbfgs::new(50.0).minimize(&Naive, &mut state, &mut objective, &mut w).unwrap();
    assert!(w[0] > 0.5 && w[0] <= 1.0, "{w:?}");
}

#[test]
fn a_loss_that_is_not_finite_changes_nothing() {
    let mut w = [0.25, 0.5];
    let mut state = OptimizerState::new(&one_by_one());
    let loss = Lbfgs::default().minimize(&Naive, &mut state, &mut |_, _| Ok(f64::NAN), &mut w).unwrap();
    assert!(loss.is_nan());
    assert_eq!(w.map(f64::to_bits), [0.25_f64, 0.5].map(f64::to_bits));
}
