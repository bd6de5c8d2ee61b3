//! The naive backend and the reference conform.
use chainrule_conformance::{Reference, conformance};
use chainrule_naive::Naive;

conformance!(naive_f32, Naive, f32);
conformance!(naive_f64, Naive, f64);
conformance!(reference, Reference, f64);
