//! Initial values of parameters.

use std::fmt;
use std::str::FromStr;

use ndarray::{Array2, ArrayRef2};

use crate::random::Generator;
use crate::{Error, Result, Scalar};

/// How a weight matrix or a bias vector begins.
///
/// n_in and n_out are the layer's inputs (fan-in) and outputs (fan-out); a bias has those of its layer. Values are drawn in
/// f64 and rounded, so that an f32 and an f64 network of one seed are the same up to rounding.
#[derive(Clone, Copy, Debug, PartialEq)]
#[non_exhaustive]
pub enum Initializer {
    /// All 0.
    Zeros,
    /// All the value given.
    Constant(f64),
    /// N(0, σ²) with the standard deviation σ given; Nielsen's first networks take σ = 1.
    Normal(f64),
    /// Uniform in [−limit, limit) with the limit given; Zhang takes ½.
    Uniform(f64),
    /// N(0, 2/(n_in + n_out)). Glorot and Bengio, AISTATS 2010.
    GlorotNormal,
    /// Uniform with the variance of [`Initializer::GlorotNormal`]: limit √(6/(n_in + n_out)).
    GlorotUniform,
    /// N(0, 2/n_in). He et al., arXiv 1502.01852.
    HeNormal,
    /// Uniform with the variance of [`Initializer::HeNormal`]: limit √(6/n_in).
    HeUniform,
    /// N(0, 1/n_in). LeCun et al., *Efficient BackProp*, 1998; Nielsen's chapter 3.
    LecunNormal,
    /// Uniform with the variance of [`Initializer::LecunNormal`]: limit √(3/n_in).
    LecunUniform,
    /// A matrix with orthonormal rows or columns, whichever are fewer, uniformly distributed: the Q of the QR decomposition
    /// (R with a positive diagonal) of a matrix of N(0, 1). Saxe et al., arXiv 1312.6120. For a bias: zeros.
    Orthogonal,
}

impl Initializer {
    /// Every initialiser, with the usual parameters.
    pub const ALL: [Self; 11] = [
        Self::Zeros,
        Self::Constant(0.1),
        Self::Normal(1.0),
        Self::Uniform(0.5),
        Self::GlorotNormal,
        Self::GlorotUniform,
        Self::HeNormal,
        Self::HeUniform,
        Self::LecunNormal,
        Self::LecunUniform,
        Self::Orthogonal,
    ];

    /// Fills a weight matrix W (n_out × n_in), row by row.
    pub fn fill_weights<T: Scalar>(self, generator: &mut Generator, w: &mut ArrayRef2<T>) {
        let (n_out, n_in) = w.dim();
        if self == Self::Orthogonal {
            w.assign(&orthogonal(generator, n_out, n_in).mapv(T::of));
        } else {
            w.map_inplace(|w| *w = T::of(self.draw(generator, n_in, n_out)));
        }
    }

    /// Fills the bias b (n_out) of a layer with n_in inputs.
    pub fn fill_bias<T: Scalar>(self, generator: &mut Generator, n_in: usize, b: &mut [T]) {
        let n_out = b.len();
        for b in b {
            *b = T::of(self.draw(generator, n_in, n_out));
        }
    }

    /// One value. None is drawn where there is no choice.
    fn draw(self, generator: &mut Generator, n_in: usize, n_out: usize) -> f64 {
        let (n_in, n_out) = (n_in.max(1) as f64, n_out as f64);
        let normal = |generator: &mut Generator, variance: f64| variance.sqrt() * generator.normal();
        let uniform = |generator: &mut Generator, limit: f64| limit * (2.0 * generator.uniform() - 1.0);
        match self {
            Self::Zeros | Self::Orthogonal => 0.0,
            Self::Constant(value) => value,
            Self::Normal(deviation) => deviation * generator.normal(),
            Self::Uniform(limit) => uniform(generator, limit),
            Self::GlorotNormal => normal(generator, 2.0 / (n_in + n_out)),
            Self::GlorotUniform => uniform(generator, (6.0 / (n_in + n_out)).sqrt()),
            Self::HeNormal => normal(generator, 2.0 / n_in),
            Self::HeUniform => uniform(generator, (6.0 / n_in).sqrt()),
            Self::LecunNormal => normal(generator, 1.0 / n_in),
            Self::LecunUniform => uniform(generator, (3.0 / n_in).sqrt()),
        }
    }

    /// The name that [`FromStr`] reads, without parameters.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::Zeros => "zeros",
            Self::Constant(_) => "constant",
            Self::Normal(_) => "normal",
            Self::Uniform(_) => "uniform",
            Self::GlorotNormal => "glorot-normal",
            Self::GlorotUniform => "glorot-uniform",
            Self::HeNormal => "he-normal",
            Self::HeUniform => "he-uniform",
            Self::LecunNormal => "lecun-normal",
            Self::LecunUniform => "lecun-uniform",
            Self::Orthogonal => "orthogonal",
        }
    }

    fn parameter(self) -> Option<f64> {
        match self {
            Self::Constant(x) | Self::Normal(x) | Self::Uniform(x) => Some(x),
            _ => None,
        }
    }

    /// Refuses parameters out of range.
    pub(crate) fn check(self) -> Result<()> {
        match self.parameter() {
            Some(x) if !x.is_finite() || (x < 0.0 && !matches!(self, Self::Constant(_))) => {
                Err(Error::setting("the parameter of an initialiser", x, "a finite number of at least 0"))
            }
            _ => Ok(()),
        }
    }
}

/// The matrix N(0, 1), rows × columns, drawn row by row, whose QR decomposition gives
/// [`Initializer::Orthogonal`]: tall as it is, or the transpose of it where `rows < columns`.
#[must_use]
pub fn gaussian(generator: &mut Generator, rows: usize, columns: usize) -> Array2<f64> {
    let mut a = Array2::zeros((rows, columns));
    a.map_inplace(|a| *a = generator.normal());
    a
}

/// [`Initializer::Orthogonal`] by Householder reflections.
fn orthogonal(generator: &mut Generator, rows: usize, columns: usize) -> Array2<f64> {
    let a = gaussian(generator, rows, columns);
    if rows < columns {
        orthonormal_columns(a.reversed_axes()).reversed_axes()
    } else {
        orthonormal_columns(a)
    }
}

/// The Q (m × n, m ≥ n) of the QR decomposition of `a` with a positive diagonal of R.
fn orthonormal_columns(mut a: Array2<f64>) -> Array2<f64> {
    let (m, n) = a.dim();
    // H_n … H_1 A = R, with H_k = 1 − 2 v vᵀ; each v is kept in its column of `a`, from the diagonal down.
    let mut signs = vec![1.0; n];
    for k in 0..n {
        let norm = libm::sqrt((k..m).map(|i| a[[i, k]] * a[[i, k]]).sum());
        // R's diagonal becomes −sign · norm.
        let sign = if a[[k, k]] < 0.0 { -1.0 } else { 1.0 };
        signs[k] = -sign;
        a[[k, k]] += sign * norm;
        let length = libm::sqrt((k..m).map(|i| a[[i, k]] * a[[i, k]]).sum());
        if length > 0.0 {
            (k..m).for_each(|i| a[[i, k]] /= length);
        }
        for j in k + 1..n {
            let dot: f64 = (k..m).map(|i| a[[i, k]] * a[[i, j]]).sum();
            (k..m).for_each(|i| a[[i, j]] -= 2.0 * dot * a[[i, k]]);
        }
    }
    // Q = H_1 … H_n applied to the first n columns of the identity, with the signs that make R's diagonal positive.
    let mut q = Array2::zeros((m, n));
    for j in 0..n {
        q[[j, j]] = signs[j];
        for k in (0..=j).rev() {
            let dot: f64 = (k..m).map(|i| a[[i, k]] * q[[i, j]]).sum();
            (k..m).for_each(|i| q[[i, j]] -= 2.0 * dot * a[[i, k]]);
        }
    }
    q
}

impl fmt::Display for Initializer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())?;
        self.parameter().map_or(Ok(()), |x| write!(f, ":{x}"))
    }
}

impl FromStr for Initializer {
    type Err = Error;

    /// Reads a name such as `he-normal`, or `uniform:0.5` with its parameter.
    fn from_str(text: &str) -> Result<Self> {
        let unknown = || Error::Unknown {
            what: "initialiser",
            name: text.to_owned(),
            expected: Self::ALL.map(Self::name).join(", "),
        };
        let (name, parameter) = match text.split_once(':') {
            Some((name, parameter)) => (name, Some(parameter.parse().map_err(|_| unknown())?)),
            None => (text, None),
        };
        let known = Self::ALL.into_iter().find(|init| init.name() == name).ok_or_else(unknown)?;
        let initializer = match (known, parameter) {
            (known, None) => known,
            (Self::Constant(_), Some(x)) => Self::Constant(x),
            (Self::Normal(_), Some(x)) => Self::Normal(x),
            (Self::Uniform(_), Some(x)) => Self::Uniform(x),
            (_, Some(_)) => return Err(unknown()),
        };
        initializer.check()?;
        Ok(initializer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::random::Stream;

    #[test]
    fn orthogonal_is_orthonormal() {
        for (rows, columns) in [(1, 1), (5, 5), (7, 3), (3, 7), (40, 30), (1, 6), (0, 3)] {
            let mut w = Array2::<f64>::from_elem((rows, columns), f64::NAN);
            Initializer::Orthogonal.fill_weights(&mut Generator::new(3, Stream::Initial), &mut w);
            let gram = if rows < columns { w.dot(&w.t()) } else { w.t().dot(&w) };
            let error = (gram - Array2::<f64>::eye(rows.min(columns))).mapv(f64::abs);
            assert!(error.iter().all(|&e| e < 1e-14), "{rows}×{columns}: {error}");
        }
    }

    #[test]
    fn orthogonal_has_a_positive_diagonal_of_r() {
        let a = gaussian(&mut Generator::new(5, Stream::Initial), 6, 4);
        let r = orthonormal_columns(a.clone()).t().dot(&a);
        assert!(r.diag().iter().all(|&d| d > 0.0), "{r}");
        assert!((0..4).all(|i| (0..i).all(|j| r[[i, j]].abs() < 1e-14)), "{r}");
    }

    #[test]
    fn variances_are_those_of_the_papers() {
        let (n_out, n_in) = (300, 200);
        for (initializer, variance) in [
            (Initializer::Normal(1.0), 1.0),
            (Initializer::Uniform(0.5), 1.0 / 12.0),
            (Initializer::GlorotNormal, 2.0 / 500.0),
            (Initializer::GlorotUniform, 2.0 / 500.0),
            (Initializer::HeNormal, 2.0 / 200.0),
            (Initializer::HeUniform, 2.0 / 200.0),
            (Initializer::LecunNormal, 1.0 / 200.0),
            (Initializer::LecunUniform, 1.0 / 200.0),
            (Initializer::Orthogonal, 1.0 / 300.0),
        ] {
            let mut w = Array2::<f64>::zeros((n_out, n_in));
            initializer.fill_weights(&mut Generator::new(1, Stream::Initial), &mut w);
            let found = w.iter().map(|w| w * w).sum::<f64>() / (n_out * n_in) as f64;
            assert!((found / variance - 1.0).abs() < 0.03, "{initializer}: {found}, expected {variance}");
        }
    }

    #[test]
    fn names_are_read_back() {
        for initializer in Initializer::ALL {
            assert_eq!(initializer.to_string().parse(), Ok(initializer));
        }
        for bad in ["", "he", "he-normal:2", "uniform:x", "uniform:nan", "normal:-1"] {
            assert!(bad.parse::<Initializer>().is_err(), "{bad}");
        }
    }
}
