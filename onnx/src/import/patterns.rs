//! Functions that other programs write as several nodes, and that chainrule writes so in double precision.
//!
//! A pattern is the tree of operators that a function of x consists of. It fits a value if the nodes behind it make that tree, with one
//! and the same x in all places.

use std::f64::consts::{FRAC_1_SQRT_2, FRAC_2_SQRT_PI};

use chainrule_core::Activation;

use super::graph::{Graph, is_onnx};
use super::steps::What;
use crate::export::selu_constants;

/// A tree of operators.
#[derive(Debug)]
enum Pattern {
    /// x.
    X,
    /// This constant.
    Is(f64),
    /// Any constant number, which is kept in the place given.
    Number(usize),
    /// Any constant tensor, which is kept.
    Tensor,
    /// An operator of these.
    Op(&'static str, &'static [Pattern]),
    /// One or the other.
    Either(&'static [Pattern]),
}

use Pattern::{Either, Is, Number, Op, Tensor, X};

/// √(2/π), as 2/√π · 1/√2.
const SQRT_2_OVER_PI: f64 = FRAC_2_SQRT_PI * FRAC_1_SQRT_2;

const ONE_PLUS_EXP_OF_NEGATIVE: Pattern = Op("Add", &[Op("Exp", &[Op("Mul", &[X, Is(-1.0)])]), Is(1.0)]);
const SIGMOID: Pattern = Op("Div", &[Is(1.0), ONE_PLUS_EXP_OF_NEGATIVE]);
const SILU: Pattern =
    Either(&[Op("Mul", &[X, Op("Sigmoid", &[X])]), Op("Div", &[X, ONE_PLUS_EXP_OF_NEGATIVE])]);
const SOFTSIGN: Pattern = Op("Div", &[X, Op("Add", &[Op("Abs", &[X]), Is(1.0)])]);
const CLIPPED: Pattern = Op("Clip", &[Op("Add", &[X, Is(3.0)]), Is(0.0), Is(6.0)]);
const HARD_SIGMOID: Pattern = Op("Mul", &[CLIPPED, Is(1.0 / 6.0)]);
const HARD_SWISH: Pattern = Either(&[
    Op("Mul", &[X, HARD_SIGMOID]),
    Op("Mul", &[X, Op("HardSigmoid", &[X])]),
    Op("Mul", &[Op("Mul", &[X, CLIPPED]), Is(1.0 / 6.0)]),
]);
const RELU: Pattern = Op("Relu", &[X]);
const RELU6: Pattern = Op("Min", &[Op("Relu", &[X]), Is(6.0)]);
const SOFTPLUS: Pattern = Either(&[
    Op("Log", &[Op("Add", &[Op("Exp", &[X]), Is(1.0)])]),
    Op(
        "Add",
        &[
            Op("Relu", &[X]),
            Op("Log", &[Op("Add", &[Op("Exp", &[Op("Mul", &[Op("Abs", &[X]), Is(-1.0)])]), Is(1.0)])]),
        ],
    ),
]);
/// PyTorch's, which takes z itself above 20.
const SOFTPLUS_TO_20: Pattern = Op("Where", &[Op("Greater", &[X, Is(20.0)]), X, Op("Softplus", &[X])]);
const MISH: Pattern = Op("Mul", &[X, Op("Tanh", &[Either(&[Op("Softplus", &[X]), SOFTPLUS])])]);

/// x/2 (1 + …) in the orders in which its three factors are multiplied.
macro_rules! half_of_x_times {
    ($gate:ident) => {
        Either(&[
            Op("Mul", &[Op("Mul", &[X, $gate]), Is(0.5)]),
            Op("Mul", &[Op("Mul", &[X, Is(0.5)]), $gate]),
            Op("Mul", &[X, Op("Mul", &[$gate, Is(0.5)])]),
        ])
    };
}

const ERF_GATE: Pattern = Op("Add", &[Op("Erf", &[Op("Mul", &[X, Is(FRAC_1_SQRT_2)])]), Is(1.0)]);
const GELU: Pattern = half_of_x_times!(ERF_GATE);
const CUBE: Pattern = Either(&[Op("Pow", &[X, Is(3.0)]), Op("Mul", &[Op("Mul", &[X, X]), X])]);
const TANH_GATE: Pattern = Op(
    "Add",
    &[
        Op("Tanh", &[Op("Mul", &[Op("Add", &[X, Op("Mul", &[CUBE, Is(0.044_715)])]), Is(SQRT_2_OVER_PI)])]),
        Is(1.0),
    ],
);
const GELU_TANH: Pattern = half_of_x_times!(TANH_GATE);

const BELOW: Pattern = Op("Min", &[X, Is(0.0)]);
/// max(x, 0) + α (e^(min(x, 0)/s) − 1), α in place 0 and 1/s in place 1.
const ELU: Pattern = Op(
    "Add",
    &[
        Op("Relu", &[X]),
        Op(
            "Mul",
            &[
                Op("Add", &[Op("Exp", &[Either(&[BELOW, Op("Mul", &[BELOW, Number(1)])])]), Is(-1.0)]),
                Number(0),
            ],
        ),
    ],
);
const SELU: Pattern = Op("Mul", &[ELU, Number(2)]);
const TWO_SLOPES: Pattern = Op("Add", &[Op("Relu", &[X]), Op("Mul", &[BELOW, Tensor])]);

/// max(x, slope x), which is leaky ReLU for slopes up to 1.
const LARGER: Pattern = Op("Max", &[X, Op("Mul", &[X, Number(0)])]);

const MEAN_SQUARE: Pattern = Op("Sqrt", &[Op("Add", &[Op("ReduceMean", &[Op("Mul", &[X, X])]), Number(0)])]);
const RMS_NORM: Pattern =
    Either(&[Op("Div", &[X, MEAN_SQUARE]), Op("Mul", &[X, Op("Div", &[Is(1.0), MEAN_SQUARE])])]);
const CENTRED: Pattern = Op("Sub", &[X, Op("ReduceMean", &[X])]);
const LAYER_NORM: Pattern = Op(
    "Div",
    &[CENTRED, Op("Sqrt", &[Op("Add", &[Op("ReduceMean", &[Op("Mul", &[CENTRED, CENTRED])]), Number(0)])])],
);

/// What fitted.
#[derive(Clone, Debug, Default)]
struct Found<'a> {
    x: Option<&'a str>,
    numbers: [Option<f64>; 3],
    tensor: Option<&'a str>,
}

type Build = for<'a> fn(&Graph<'a>, &Found<'a>) -> Option<What<'a>>;

static PATTERNS: &[(Pattern, Build)] = &[
    (SIGMOID, |_, _| Some(What::Activation(Activation::Sigmoid))),
    (SILU, |_, _| Some(What::Activation(Activation::Silu))),
    (SOFTSIGN, |_, _| Some(What::Activation(Activation::Softsign))),
    (HARD_SIGMOID, |_, _| Some(What::Activation(Activation::HardSigmoid))),
    (HARD_SWISH, |_, _| Some(What::Activation(Activation::HardSwish))),
    (RELU, |_, _| Some(What::Activation(Activation::Relu))),
    (RELU6, |_, _| Some(What::Activation(Activation::Relu6))),
    (SOFTPLUS, |_, _| Some(What::Activation(Activation::Softplus))),
    (SOFTPLUS_TO_20, |_, _| Some(What::Activation(Activation::Softplus))),
    (MISH, |_, _| Some(What::Activation(Activation::Mish))),
    (GELU, |_, _| Some(What::Activation(Activation::Gelu))),
    (GELU_TANH, |_, _| Some(What::Activation(Activation::GeluTanh))),
    (ELU, |_, found| {
        let alpha = found.numbers[0]?;
        match found.numbers[1] {
            None => Some(What::Activation(Activation::Elu(alpha))),
            Some(inverse) => near(alpha * inverse, 1.0).then_some(What::Activation(Activation::Celu(alpha))),
        }
    }),
    (SELU, |_, found| {
        let (alpha, gamma) = selu_constants();
        let fits =
            near(found.numbers[0]?, alpha) && near(found.numbers[2]?, gamma) && found.numbers[1].is_none();
        fits.then_some(What::Activation(Activation::Selu))
    }),
    (TWO_SLOPES, |graph, found| {
        let slope = found.tensor?;
        match graph.number(slope) {
            // A slope that is trained has a dimension.
            Some(number) if number >= 0.0 && graph.dims(slope)?.is_empty() => {
                Some(What::Activation(Activation::LeakyRelu(number)))
            }
            _ => Some(What::Prelu(slope)),
        }
    }),
    (LARGER, |_, found| {
        let slope = found.numbers[0]?;
        (0.0..=1.0).contains(&slope).then_some(What::Activation(Activation::LeakyRelu(slope)))
    }),
    // Of what is centred, layer normalisation is RMS normalisation, and so comes first.
    (LAYER_NORM, |_, found| {
        Some(What::LayerNorm { epsilon: found.numbers[0]?, axis: -1, scale: None, bias: None })
    }),
    (RMS_NORM, |_, found| Some(What::RmsNorm { epsilon: found.numbers[0]?, axis: -1, scale: None })),
];

/// What the nodes behind a value amount to, and its x.
pub(super) fn recognise<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(What<'a>, &'a str)> {
    PATTERNS.iter().find_map(|(pattern, build)| {
        let mut found = Found::default();
        let fits = fits(graph, pattern, Part::Value(value), &mut found);
        if fits { Some((build(graph, &found)?, found.x?)) } else { None }
    })
}

/// A value, or a number that stands for one.
#[derive(Clone, Copy, Debug)]
enum Part<'a> {
    Value(&'a str),
    Number(f64),
}

fn fits<'a>(graph: &Graph<'a>, pattern: &Pattern, part: Part<'a>, found: &mut Found<'a>) -> bool {
    let part = match part {
        Part::Value(value) => Part::Value(graph.resolve(value)),
        number @ Part::Number(_) => number,
    };
    match (pattern, part) {
        (X, Part::Value(value)) => !graph.is_constant(value) && *found.x.get_or_insert(value) == value,
        (Is(expected), _) => number(graph, part).is_some_and(|number| near(number, *expected)),
        (Number(place), _) => {
            found.numbers[*place] = number(graph, part);
            found.numbers[*place].is_some()
        }
        (Tensor, Part::Value(value)) => {
            found.tensor = Some(value);
            graph.is_constant(value)
        }
        (Either(patterns), _) => patterns.iter().any(|pattern| attempt(graph, &[(pattern, part)], found)),
        (Op(op, patterns), Part::Value(value)) => {
            let Some((found_op, parts)) = operation(graph, value) else { return false };
            if found_op != *op || parts.len() != patterns.len() {
                return false;
            }
            let pairs: Vec<_> = patterns.iter().zip(parts).collect();
            attempt(graph, &pairs, found) || (is_commutative(op) && attempt(graph, &swapped(&pairs), found))
        }
        (X | Tensor | Op(..), Part::Number(_)) => false,
    }
}

/// Whether all fit; what was found is kept only then.
fn attempt<'a>(graph: &Graph<'a>, pairs: &[(&Pattern, Part<'a>)], found: &mut Found<'a>) -> bool {
    let mut trial = found.clone();
    let fits = pairs.iter().all(|&(pattern, part)| fits(graph, pattern, part, &mut trial));
    if fits {
        *found = trial;
    }
    fits
}

fn is_commutative(op: &str) -> bool {
    matches!(op, "Add" | "Mul" | "Min" | "Max")
}

fn swapped<'p, 'a>(pairs: &[(&'p Pattern, Part<'a>)]) -> Vec<(&'p Pattern, Part<'a>)> {
    let parts = pairs.iter().rev().map(|&(_, part)| part);
    pairs.iter().map(|&(pattern, _)| pattern).zip(parts).collect()
}

fn number(graph: &Graph<'_>, part: Part<'_>) -> Option<f64> {
    match part {
        Part::Value(value) => graph.number(value),
        Part::Number(number) => Some(number),
    }
}

/// Equal but for what single precision rounds off.
fn near(x: f64, y: f64) -> bool {
    (x - y).abs() <= 1e-6 * y.abs()
}

/// The operator that makes a value and its inputs, in one of the forms that mean the same: division by a number as a multiplication,
/// subtraction as an addition, −x as −1 x, x² as x x, max(x, 0) as Relu, 1/x as a division.
fn operation<'a>(graph: &Graph<'a>, value: &'a str) -> Option<(&'a str, Vec<Part<'a>>)> {
    let (_, node) = graph.maker(value)?;
    if !is_onnx(node) || node.output.first().map(String::as_str) != Some(value) {
        return None;
    }
    let mut parts: Vec<_> = node.input.iter().map(|input| Part::Value(graph.resolve(input))).collect();
    let op = node.op_type.as_str();
    let second = parts.get(1).and_then(|&part| number(graph, part));
    let plain = node.attribute.is_empty();
    Some(match (op, second, parts.len()) {
        ("Div", Some(divisor), 2) => ("Mul", vec![parts[0], Part::Number(1.0 / divisor)]),
        ("Sub", Some(number), 2) => ("Add", vec![parts[0], Part::Number(-number)]),
        ("Neg", _, 1) => ("Mul", vec![parts[0], Part::Number(-1.0)]),
        ("Reciprocal", _, 1) => ("Div", vec![Part::Number(1.0), parts[0]]),
        ("Pow", Some(exponent), 2) if near(exponent, 2.0) => ("Mul", vec![parts[0], parts[0]]),
        ("Max", Some(0.0), 2) => ("Relu", vec![parts[0]]),
        ("ReduceMean", ..) => {
            let attribute = |name: &str| node.attribute.iter().find(|attribute| attribute.name == name);
            let keeps = attribute("keepdims").is_none_or(|keeps| keeps.i == Some(1));
            let last = match (attribute("axes"), parts.get(1)) {
                (Some(axes), None) => axes.ints == [-1] || axes.ints == [1],
                (None, Some(&axes)) => number(graph, axes).is_some_and(|axis| near(axis.abs(), 1.0)),
                _ => false,
            };
            if !keeps || !last {
                return None;
            }
            parts.truncate(1);
            (op, parts)
        }
        ("HardSigmoid", ..) => {
            // Another slope is another function.
            let float =
                |name: &str| node.attribute.iter().find(|attribute| attribute.name == name)?.f.map(f64::from);
            let fits = near(float("alpha")?, 1.0 / 6.0) && float("beta").is_none_or(|beta| near(beta, 0.5));
            return fits.then_some((op, parts));
        }
        _ if plain => (op, parts),
        _ => return None,
    })
}
