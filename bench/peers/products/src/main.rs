//! Matrix products C ← A B of the libraries that chainrule is compared with, each on one shape at a time.
//!
//! Rust's libraries are compiled in; C's are loaded when the program runs, from where the system's loader finds them or from
//! `--library FILE`, so that a missing one stops nobody.

mod foreign;
mod rust;

use std::error::Error;
use std::time::{Duration, Instant};

use clap::{Parser, ValueEnum};

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Form {
    #[value(name = "NN")]
    Nn,
    /// B lies as n × k.
    #[value(name = "NT")]
    Nt,
    /// A lies as k × m.
    #[value(name = "TN")]
    Tn,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Library {
    Gemm,
    Matrixmultiply,
    Faer,
    Openblas,
    Blis,
    Onednn,
}

#[derive(Debug, Parser)]
struct Arguments {
    #[arg(long)]
    peer: Library,
    /// M,K,N: an M × K by a K × N matrix
    #[arg(long)]
    gemm: String,
    #[arg(long, default_value = "NN")]
    form: Form,
    #[arg(long, default_value = "f32")]
    dtype: String,
    #[arg(long, default_value_t = 1)]
    threads: usize,
    #[arg(long, default_value_t = 1.0)]
    seconds: f64,
    /// The file of a C library
    #[arg(long)]
    library: Option<String>,
    /// Measure whenever a line is read from standard input, and print a line each time
    #[arg(long)]
    turns: bool,
}

/// A matrix as it lies in memory, with its strides.
#[derive(Clone, Copy)]
struct Strides {
    row: isize,
    column: isize,
}

/// The operands of a product, all row by row as the form says.
struct Operands<T> {
    m: usize,
    k: usize,
    n: usize,
    form: Form,
    a: Vec<T>,
    b: Vec<T>,
    c: Vec<T>,
}

impl<T: From<f32>> Operands<T> {
    fn new((m, k, n): (usize, usize, usize), form: Form) -> Self {
        let numbers =
            |stream, count| peers_common::numbers(stream, count).into_iter().map(T::from).collect::<Vec<T>>();
        Self { m, k, n, form, a: numbers(0, m * k), b: numbers(1, k * n), c: numbers(2, m * n) }
    }

    fn a_strides(&self) -> Strides {
        match self.form {
            Form::Tn => Strides { row: 1, column: self.m.cast_signed() },
            _ => Strides { row: self.k.cast_signed(), column: 1 },
        }
    }

    fn b_strides(&self) -> Strides {
        match self.form {
            Form::Nt => Strides { row: 1, column: self.k.cast_signed() },
            _ => Strides { row: self.n.cast_signed(), column: 1 },
        }
    }
}

/// The element types.
trait Element: From<f32> + Into<f64> + Copy + rust::Multiply {
    const NAME: &'static str;
}

impl Element for f32 {
    const NAME: &'static str = "f32";
}

impl Element for f64 {
    const NAME: &'static str = "f64";
}

type Product<T> = Box<dyn FnMut(&mut Operands<T>)>;

/// The largest error relative to the sum of the magnitudes, of some entries of C.
fn error<T: Element>(operands: &Operands<T>) -> f64 {
    let (a, b) = (operands.a_strides(), operands.b_strides());
    let at = |values: &[T], strides: Strides, row: usize, column: usize| -> f64 {
        values[row * strides.row.unsigned_abs() + column * strides.column.unsigned_abs()].into()
    };
    let entry = |i: usize, j: usize| {
        let (mut sum, mut size) = (0.0, f64::MIN_POSITIVE);
        for l in 0..operands.k {
            let term = at(&operands.a, a, i, l) * at(&operands.b, b, l, j);
            sum += term;
            size += term.abs();
        }
        let c: f64 = operands.c[i * operands.n + j].into();
        (c - sum).abs() / size
    };
    let some = (0..64).map(|i| entry(i * 7 % operands.m, i * 13 % operands.n));
    some.fold(0.0, f64::max)
}

fn measure<T: Element>(arguments: &Arguments) -> Result<(), Box<dyn Error>> {
    let shape: Vec<usize> = arguments.gemm.split(',').map(str::parse).collect::<Result<_, _>>()?;
    let &[m, k, n] = shape.as_slice() else { return Err("a product has three sizes".into()) };
    let mut operands = Operands::<T>::new((m, k, n), arguments.form);
    let (mut product, version): (Product<T>, String) = match arguments.peer {
        Library::Gemm => (rust::gemm(arguments.threads), "0.19.0".to_owned()),
        Library::Matrixmultiply => (rust::matrixmultiply(), "0.3.11".to_owned()),
        Library::Faer => (rust::faer(arguments.threads), "0.24.4".to_owned()),
        foreign => foreign::load(foreign, arguments.library.as_deref(), arguments.threads)?,
    };
    product(&mut operands);
    let error = error(&operands);
    if error.is_nan() || error > 1e-4 {
        return Err(format!("a wrong product: relative error {error}").into());
    }
    // As many products as take some five milliseconds, so that the clock's own time does not count.
    let mut times = 1;
    loop {
        let begun = Instant::now();
        (0..times).for_each(|_| product(&mut operands));
        if begun.elapsed() >= Duration::from_millis(5) {
            break;
        }
        times *= 2;
    }
    let time = Duration::try_from_secs_f64(arguments.seconds)?;
    let flops = 2.0 * (operands.m * operands.k * operands.n) as f64;
    for turn in peers_common::turns(arguments.turns) {
        turn?;
        let seconds = peers_common::median_seconds(time, || (0..times).for_each(|_| product(&mut operands)));
        let seconds = seconds / f64::from(times);
        let line = serde_json::json!({
            "peer": format!("{:?}", arguments.peer).to_lowercase(),
            "setting": arguments.library.as_deref().map_or("default", |_| "library"),
            "build": peers_common::build(),
            "version": version,
            "gemm": format!("{}x{}x{}", operands.m, operands.k, operands.n),
            "form": format!("{:?}", arguments.form).to_uppercase(),
            "dtype": T::NAME,
            "threads": arguments.threads,
            "gflops": peers_common::rounded(flops / seconds / 1e9),
            "peak_rss_mb": peers_common::rounded(peers_common::peak_rss_megabytes()),
            "us_per_step": peers_common::rounded(seconds * 1e6),
        });
        println!("{line}");
    }
    Ok(())
}

fn main() -> Result<(), Box<dyn Error>> {
    let arguments = Arguments::parse();
    // SAFETY: no other thread runs yet, and no library has read them.
    unsafe {
        for name in [
            "RAYON_NUM_THREADS",
            "MATMUL_NUM_THREADS",
            "OPENBLAS_NUM_THREADS",
            "OMP_NUM_THREADS",
            "BLIS_NUM_THREADS",
        ] {
            std::env::set_var(name, arguments.threads.to_string());
        }
    }
    match arguments.dtype.as_str() {
        "f32" => measure::<f32>(&arguments),
        "f64" => measure::<f64>(&arguments),
        other => Err(format!("no element type \"{other}\"").into()),
    }
}
