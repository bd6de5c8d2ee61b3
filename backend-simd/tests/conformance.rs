//! The published suite for backends, on every instruction set of this kind of machine (on the portable one for those that it lacks).

use chainrule_simd::{Isa, Simd};

fn on(isa: Isa) -> Simd {
    let isa = if isa.is_available() { isa } else { Isa::Portable };
    Simd::builder().isa(isa).build().expect("it is available")
}

chainrule_conformance::conformance!(portable_f32, crate::on(crate::Isa::Portable), f32);
chainrule_conformance::conformance!(portable_f64, crate::on(crate::Isa::Portable), f64);

#[cfg(target_arch = "x86_64")]
mod x86_64 {
    chainrule_conformance::conformance!(avx2_f32, crate::on(crate::Isa::Avx2), f32);
    chainrule_conformance::conformance!(avx2_f64, crate::on(crate::Isa::Avx2), f64);
    chainrule_conformance::conformance!(avx512_f32, crate::on(crate::Isa::Avx512), f32);
    chainrule_conformance::conformance!(avx512_f64, crate::on(crate::Isa::Avx512), f64);
}

#[cfg(target_arch = "aarch64")]
mod aarch64 {
    chainrule_conformance::conformance!(neon_f32, crate::on(crate::Isa::Neon), f32);
    chainrule_conformance::conformance!(neon_f64, crate::on(crate::Isa::Neon), f64);
}
