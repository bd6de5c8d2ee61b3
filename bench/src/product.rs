//! Matrix products.

use std::fmt;
use std::str::FromStr;

use chainrule::random::{Generator, Stream};
use chainrule::{Accumulate, Backend, Result, Scalar};
use ndarray::{Array2, ArrayView2};

use crate::random_matrix;

/// How the operands of C ← A B lie in memory; C itself lies row by row.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum Form {
    /// A and B row by row: how a change in activation is computed, δ W.
    #[value(name = "NN")]
    Nn,
    /// B column by column, that is n × k row by row: how a layer goes forward, X Wᵀ.
    #[value(name = "NT")]
    Nt,
    /// A column by column, that is k × m row by row: how a change in weights is computed, δᵀ X.
    #[value(name = "TN")]
    Tn,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 3] = [Self::Nn, Self::Nt, Self::Tn];
}

impl fmt::Display for Form {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Nn => "NN",
            Self::Nt => "NT",
            Self::Tn => "TN",
        })
    }
}

/// The shape of a product: A m × k, B k × n, C m × n.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Shape {
    /// Rows of A and C.
    pub m: usize,
    /// Columns of A, rows of B.
    pub k: usize,
    /// Columns of B and C.
    pub n: usize,
}

impl Shape {
    const fn new(m: usize, k: usize, n: usize) -> Self {
        Self { m, k, n }
    }

    /// Multiplications and additions.
    #[must_use]
    pub fn flops(self) -> u64 {
        2 * (self.m * self.k * self.n) as u64
    }
}

impl fmt::Display for Shape {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}x{}x{}", self.m, self.k, self.n)
    }
}

impl FromStr for Shape {
    type Err = String;

    fn from_str(text: &str) -> std::result::Result<Self, String> {
        let sizes: Option<Vec<usize>> = text.split(',').map(|size| size.trim().parse().ok()).collect();
        match sizes.as_deref() {
            Some(&[m, k, n]) if m.checked_mul(k).and_then(|mk| mk.checked_mul(n)).is_some() => {
                Ok(Self { m, k, n })
            }
            _ => Err(format!("\"{text}\" is no shape, expected M,K,N such as 128,784,512")),
        }
    }
}

/// The shapes that layers of the workloads have, and squares.
pub const SHAPES: [Shape; 15] = [
    Shape::new(1, 784, 128),
    Shape::new(8, 4, 16),
    Shape::new(10, 784, 30),
    Shape::new(32, 784, 128),
    Shape::new(128, 784, 512),
    Shape::new(128, 512, 512),
    Shape::new(128, 512, 10),
    Shape::new(512, 1024, 2048),
    Shape::new(512, 2048, 2048),
    Shape::new(16, 16, 16),
    Shape::new(32, 32, 32),
    Shape::new(64, 64, 64),
    Shape::new(256, 256, 256),
    Shape::new(1024, 1024, 1024),
    Shape::new(2048, 2048, 2048),
];

/// The operands of one product, as they lie in memory.
#[derive(Clone, Debug)]
pub struct Operands<T> {
    form: Form,
    a: Array2<T>,
    b: Array2<T>,
    c: Array2<T>,
}

impl<T: Scalar> Operands<T> {
    /// Random operands.
    #[must_use]
    pub fn new(Shape { m, k, n }: Shape, form: Form) -> Self {
        let mut generator = Generator::new(1, Stream::Initial);
        let (a, b) = match form {
            Form::Nn => ((m, k), (k, n)),
            Form::Nt => ((m, k), (n, k)),
            Form::Tn => ((k, m), (k, n)),
        };
        Self {
            form,
            a: random_matrix(&mut generator, a.0, a.1),
            b: random_matrix(&mut generator, b.0, b.1),
            c: Array2::zeros((m, n)),
        }
    }

    /// C ← A B.
    ///
    /// # Errors
    /// What the backend refuses.
    pub fn multiply(&mut self, backend: &dyn Backend<T>) -> Result<()> {
        let (a, b) = (self.a.view(), self.b.view());
        let (a, b) = match self.form {
            Form::Nn => (a, b),
            Form::Nt => (a, b.reversed_axes()),
            Form::Tn => (a.reversed_axes(), b),
        };
        backend.matmul(&a, &b, Accumulate::Replace, &mut self.c)
    }

    /// C of the last product.
    #[must_use]
    pub fn c(&self) -> ArrayView2<'_, T> {
        self.c.view()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_have_their_shapes_on_every_backend() {
        for backend in chainrule::backends::<f64>() {
            for form in Form::ALL {
                let shape = Shape::new(2, 5, 3);
                let mut operands = Operands::<f64>::new(shape, form);
                operands.multiply(&*backend).unwrap();
                assert_eq!(operands.c().dim(), (2, 3));
                assert!(operands.c().iter().all(|&c| c != 0.0 && c.abs() <= 5.0), "{form}");
            }
        }
    }

    #[test]
    fn shapes_are_read() {
        assert_eq!("128, 784,512".parse(), Ok(Shape::new(128, 784, 512)));
        for bad in ["", "1,2", "1,2,x", "1,2,3,4", "4294967296,4294967296,2"] {
            assert!(bad.parse::<Shape>().is_err(), "{bad}");
        }
    }
}
