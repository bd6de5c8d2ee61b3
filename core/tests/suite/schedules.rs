//! Schedules against those of PyTorch, and scikit-learn's inverse scaling. `fixtures/make_baselines.py` made the sequences.

use chainrule_core::{OneCycle, Plateau, PlateauState, Schedule};

fn rows() -> Vec<(&'static str, Vec<f64>)> {
    let row = |line: &'static str| {
        let (name, numbers) = line.split_once(',').unwrap();
        (name, numbers.split(',').map(|x| x.parse().unwrap()).collect())
    };
    include_str!("../fixtures/schedules.csv").lines().map(row).collect()
}

fn agree(name: &str, t: usize, found: f64, expected: f64) {
    assert!((found - expected).abs() <= 1e-12 * expected.abs() + 1e-15, "{name}, {t}: {found}, {expected}");
}

fn schedule(name: &str) -> Option<Schedule> {
    let text = match name {
        "constant" => "constant",
        "step" => "step:3,0.1",
        "multi-step" => "multi-step:0.5,2,5,11",
        "exponential" => "exponential:0.9",
        "polynomial" => "polynomial:12,2",
        "cosine" => "cosine:10,0.01",
        "restarts" => "cosine-restarts:4,2,0.01",
        "restarts alike" => "cosine-restarts:5,1",
        "warm-up" => "warm-up:5,0.1",
        "one-cycle" => "one-cycle:20",
        "one-cycle three" => {
            let mut cycle = OneCycle::new(25);
            (cycle.rise, cycle.start, cycle.end) = (0.4, 10.0, 100.0);
            (cycle.linear, cycle.three_phases) = (true, true);
            return Some(Schedule::OneCycle(cycle));
        }
        "chained" => "warm-up:4,0.25 * exponential:0.9",
        "sequence" => "warm-up:4,0.25 then exponential:0.9",
        "inverse-scaling" => "inverse-scaling:0.5",
        _ => return None,
    };
    Some(text.parse().unwrap())
}

#[test]
fn schedules_are_those_of_pytorch() {
    let mut seen = 0;
    for (name, rates) in rows() {
        let Some(schedule) = schedule(name) else { continue };
        seen += 1;
        for (t, &expected) in rates.iter().enumerate() {
            // PyTorch's cosine rises again after its end; ours stays there.
            let expected = if name == "cosine" && t > 10 { 0.01 } else { expected };
            agree(name, t, schedule.rate(0.5, t as u64), expected);
        }
    }
    assert_eq!(seen, 14);
}

#[test]
fn plateaus_are_those_of_pytorch() {
    let rows = rows();
    let losses = &rows[0].1;
    let usual = Plateau { factor: 0.5, patience: 1, ..Plateau::default() };
    for (name, plateau) in [
        ("plateau", Plateau { patience: 2, ..usual }),
        ("plateau cooldown", Plateau { factor: 0.1, cooldown: 2, minimum: 0.004, ..usual }),
        ("plateau absolute", Plateau { threshold: 0.03, relative: false, ..usual }),
        ("plateau max", Plateau { maximize: true, ..usual }),
    ] {
        plateau.check().unwrap();
        let (_, rates) = rows.iter().find(|row| row.0 == name).unwrap();
        let mut state = PlateauState::default();
        for (t, (&loss, &expected)) in losses.iter().zip(rates).enumerate() {
            plateau.observe(&mut state, loss, 0.5);
            agree(name, t, 0.5 * state.scale, expected);
        }
    }
    for wrong in [Plateau { factor: 1.0, ..usual }, Plateau { minimum: f64::NAN, ..usual }] {
        assert!(wrong.check().is_err());
    }
}

#[test]
fn far_steps_are_no_trouble() {
    for text in ["step:1,0.5", "cosine-restarts:1,2", "cosine-restarts:3,1", "one-cycle:10", "polynomial:1,1"]
    {
        let rate = text.parse::<Schedule>().unwrap().rate(0.5, u64::MAX);
        assert!((0.0..=0.5).contains(&rate), "{text}: {rate}");
    }
}
