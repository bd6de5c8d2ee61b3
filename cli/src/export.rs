//! `chainrule export`.

use std::io::Write as _;

use chainrule::Linked;
use chainrule_model::{ElementType, Model, check_writable, write_atomically};
use chainrule_onnx::{ExportOptions, Preprocess, to_onnx};
use serde_json::json;

use crate::args::ExportArgs;
use crate::failure::Failure;
use crate::known::Known;
use crate::preparation::Scaling;

/// `chainrule export`.
pub(crate) fn command(args: &ExportArgs) -> Result<(), Failure> {
    let model = Model::read(&args.model)?;
    check_writable(&args.onnx)?;
    let bytes = match model.element_type() {
        ElementType::F64 => onnx::<f64>(&model)?,
        _ => onnx::<f32>(&model)?,
    };
    write_atomically(&args.onnx, &bytes)?;
    let mut out = std::io::stdout().lock();
    writeln!(out, "{}: {} bytes of ONNX", args.onnx.display(), bytes.len())?;
    Ok(out.flush()?)
}

fn onnx<T: Linked>(model: &Model) -> Result<Vec<u8>, Failure> {
    let known = Known::<T>::new(model)?;
    let mut options = ExportOptions::default();
    options = match known.preparation.scaling.clone() {
        Scaling::None => options,
        Scaling::Divide { by } => options.preprocess(Preprocess::divide(by)),
        Scaling::Affine { mean, scale } => options.preprocess(Preprocess::Affine { mean, scale }),
    };
    if !known.classes.is_empty() {
        options = options.metadata("classes", json!(known.classes).to_string());
    }
    if let Some(encoder) = &known.preparation.encoder {
        options = options.metadata("inputs", json!(encoder.input_names()).to_string());
    }
    Ok(to_onnx(&known.network, &options)?)
}
