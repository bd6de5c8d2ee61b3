//! A fixed small network, every intermediate of the six equations asserted, on every linked backend.
//!
//! The network and the figures to nine digits are those of Matt Mazur's *A Step by Step Backpropagation Example* (2015): 2-2-2,
//! sigmoid, quadratic loss. The intermediates that he rounds or leaves out follow from the equations with a pocket calculator.

use chainrule::{
    Accumulate, Activation, Backend, Descent, Mode, Network, Quadratic, Slope, Targets, Workspace,
};
use ndarray::{Array1, Array2, Axis, array};

/// The figures are given to nine digits after the point.
const TOLERANCE: f64 = 6e-10;

fn assert_close(what: &str, found: &Array2<f64>, expected: &Array2<f64>, tolerance: f64) {
    assert_eq!(found.dim(), expected.dim(), "{what}");
    for (found, expected) in found.iter().zip(expected) {
        assert!((found - expected).abs() <= tolerance, "{what}: {found}, expected {expected}");
    }
}

struct Example {
    w: [Array2<f64>; 2],
    b: [Array1<f64>; 2],
    x: Array2<f64>,
    y: Array2<f64>,
}

fn example() -> Example {
    Example {
        w: [array![[0.15, 0.20], [0.25, 0.30]], array![[0.40, 0.45], [0.50, 0.55]]],
        b: [array![0.35, 0.35], array![0.60, 0.60]],
        x: array![[0.05, 0.10]],
        y: array![[0.01, 0.99]],
    }
}

/// The six equations, each by the backend's own operation.
#[test]
fn each_equation() {
    for backend in chainrule::backends::<f64>() {
        let Example { w, b, x, y } = example();
        let mut z: [Array2<f64>; 2] = [Array2::zeros((1, 2)), Array2::zeros((1, 2))];
        let mut a = z.clone();
        let sigmoid = Activation::Sigmoid;
        let replace = Accumulate::Replace;

        // z = W a + b, a = g(z)
        backend.dense_forward(&x, &w[0], Some(&b[0]), sigmoid, Some(&mut z[0]), &mut a[0]).unwrap();
        assert_close("z_1", &z[0], &array![[0.3775, 0.3925]], 1e-15);
        assert_close("a_1", &a[0], &array![[0.593_269_992, 0.596_884_378]], TOLERANCE);
        let a_1 = a[0].clone();
        backend.dense_forward(&a_1, &w[1], Some(&b[1]), sigmoid, Some(&mut z[1]), &mut a[1]).unwrap();
        assert_close("z_y", &z[1], &array![[1.105_905_967, 1.224_921_404]], TOLERANCE);
        assert_close("a_y", &a[1], &array![[0.751_365_070, 0.772_928_465]], TOLERANCE);

        // Δa_y = ∂L/∂a_y
        let mut delta_y = Array2::zeros((1, 2));
        let score = chainrule::Loss::evaluate(
            &Quadratic,
            &*backend,
            &a[1],
            Targets::Values(y.view()),
            Some(&mut delta_y),
        );
        assert!((score.unwrap().loss - 0.298_371_109).abs() < TOLERANCE);
        assert_close("Δa_y", &delta_y, &array![[0.741_365_070, -0.217_071_535]], TOLERANCE);

        // δ_y = Δa_y ⊙ g′(z_y)
        let slope = Slope { activation: sigmoid, saved: a[1].view() };
        backend.apply_slope(slope, &mut delta_y).unwrap();
        assert_close("δ_y", &delta_y, &array![[0.138_498_562, -0.038_098_236]], TOLERANCE);

        // ΔW = δ ⊗ a, as an outer product and as a matrix product
        let expected = array![[0.082_167_041, 0.082_667_628], [-0.022_602_540, -0.022_740_242]];
        let mut dw = Array2::from_elem((2, 2), f64::NAN);
        backend.outer(&delta_y.row(0), &a_1.row(0), replace, &mut dw).unwrap();
        assert_close("ΔW_y, outer product", &dw, &expected, TOLERANCE);
        let mut db = Array1::from_elem(2, f64::NAN);
        backend.dense_gradient(&delta_y, &a_1, replace, &mut dw, Some(&mut db)).unwrap();
        assert_close("ΔW_y, matrix product", &dw, &expected, TOLERANCE);
        assert_close("Δb_y", &db.insert_axis(Axis(0)), &delta_y, 0.0);

        // Δa_1 = Wᵀ δ_y, δ_1 = Δa_1 ⊙ g′(z_1)
        let mut delta_1 = Array2::from_elem((1, 2), f64::NAN);
        backend.dense_backward(&delta_y, &w[1], None, &mut delta_1).unwrap();
        assert_close("Δa_1", &delta_1, &array![[0.036_350_306, 0.041_370_323]], TOLERANCE);
        let slope = Slope { activation: sigmoid, saved: a_1.view() };
        backend.dense_backward(&delta_y, &w[1], Some(slope), &mut delta_1).unwrap();
        assert_close("δ_1", &delta_1, &array![[0.008_771_355, 0.009_954_255]], TOLERANCE);

        // ΔW_1 = δ_1 ⊗ x
        backend.dense_gradient(&delta_1, &x, replace, &mut dw, None).unwrap();
        let expected = array![[0.000_438_568, 0.000_877_135], [0.000_497_713, 0.000_995_425]];
        assert_close("ΔW_1", &dw, &expected, TOLERANCE);

        // W′ = W − α ΔW
        let mut w_1 = w[0].clone();
        let step = Descent { rate: 0.5, decay: 1.0 };
        backend.descend(step, dw.as_slice().unwrap(), w_1.as_slice_mut().unwrap()).unwrap();
        let expected = array![[0.149_780_716, 0.199_561_432], [0.249_751_144, 0.299_502_287]];
        assert_close("W′_1", &w_1, &expected, TOLERANCE);
    }
}

/// The same through the network: the gradient in both forms, and a step.
#[test]
fn the_whole_network() {
    for backend in chainrule::backends::<f64>() {
        let backend: &dyn Backend<f64> = &*backend;
        let Example { w, b, x, y } = example();
        let sigmoid = Activation::Sigmoid;
        let mut network = Network::<f64>::builder(2).dense(2, sigmoid).dense(2, sigmoid).build(0).unwrap();
        for layer in 0..2 {
            network.weights_mut(layer).unwrap().assign(&w[layer]);
            network.bias_mut(layer).unwrap().assign(&b[layer]);
        }
        let targets = Targets::Values(y.view());
        let mode = Mode::Evaluate;
        let mut workspace = Workspace::new(&network, 1).unwrap();
        // W_1 and W_y column after column, each with its b behind it.
        #[rustfmt::skip]
        let expected = array![[
            0.000_438_568, 0.000_497_713, 0.000_877_135, 0.000_995_425, 0.008_771_355, 0.009_954_255,
            0.082_167_041, -0.022_602_540, 0.082_667_628, -0.022_740_242, 0.138_498_562, -0.038_098_236,
        ]];
        let replace = Accumulate::Replace;
        network.gradient(backend, &Quadratic, &x, targets, mode, replace, &mut workspace).unwrap();
        let found = Array2::from_shape_vec((1, 12), workspace.gradient().to_vec()).unwrap();
        assert_close("gradient by the batch", &found, &expected, TOLERANCE);
        network.gradient_by_example(backend, &Quadratic, &x, targets, mode, &mut workspace).unwrap();
        let found = Array2::from_shape_vec((1, 12), workspace.gradient().to_vec()).unwrap();
        assert_close("gradient by example", &found, &expected, TOLERANCE);

        let step = Descent { rate: 0.5, decay: 1.0 };
        network.descend(backend, &Quadratic, &x, targets, mode, step, &mut workspace).unwrap();
        let w_y = array![[0.358_916_480, 0.408_666_186], [0.511_301_270, 0.561_370_121]];
        assert_close("W′_y", &network.weights(1).unwrap().to_owned(), &w_y, TOLERANCE);
        let w_1 = array![[0.149_780_716, 0.199_561_432], [0.249_751_144, 0.299_502_287]];
        assert_close("W′_1", &network.weights(0).unwrap().to_owned(), &w_1, TOLERANCE);
    }
}
