//! Writes the files that `tests/make.py` runs in onnxruntime, and what chainrule computes of them.
//!
//!     cargo run -p chainrule-onnx --example export_fixtures -- FOLDER

use std::path::{Path, PathBuf};

use chainrule_core::Scalar;
use chainrule_naive::Naive;
use chainrule_onnx::to_onnx;
use serde_json::json;

#[path = "../tests/suite/common.rs"]
mod common;

use common::{Case, cases, inputs, outputs, single};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let folder: PathBuf = std::env::args().nth(1).ok_or("which folder?")?.into();
    std::fs::create_dir_all(&folder)?;
    write(&folder, cases::<f32>())?;
    write(&folder, cases::<f64>())?;
    write(&folder, single())
}

fn write<T: Scalar>(folder: &Path, cases: Vec<Case<T>>) -> Result<(), Box<dyn std::error::Error>> {
    for case in cases {
        std::fs::write(folder.join(format!("{}.onnx", case.name)), to_onnx(&case.network, &case.options)?)?;
        let rows = |x: &ndarray::Array2<T>| -> Vec<Vec<f64>> {
            x.rows().into_iter().map(|row| row.iter().map(|x| x.as_f64()).collect()).collect()
        };
        let json = json!({ "inputs": rows(&inputs()), "outputs": rows(&outputs(&Naive, &case)?) });
        std::fs::write(folder.join(format!("{}.json", case.name)), json.to_string())?;
    }
    Ok(())
}
