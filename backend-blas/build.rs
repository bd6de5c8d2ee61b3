//! Finds OpenBLAS, or says what to install: better here than as `undefined symbol: cblas_sgemm` from the linker.

use std::env;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

const INSTALL: &str =
    "install libopenblas-dev (Debian, Ubuntu), openblas-devel (Fedora) or openblas (Arch, Homebrew)";

fn main() {
    for variable in ["OPENBLAS_LIB_DIR", "PKG_CONFIG_PATH", "RUSTC_LINKER"] {
        println!("cargo::rerun-if-env-changed={variable}");
    }
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rustc-check-cfg=cfg(openblas)");
    let feature = |name: &str| env::var_os(format!("CARGO_FEATURE_OPENBLAS_{name}")).is_some();
    let (system, archive, source) = (feature("SYSTEM"), feature("STATIC"), feature("SOURCE"));
    if system || archive || source {
        println!("cargo::rustc-cfg=openblas");
    }
    if env::var_os("DOCS_RS").is_some() {
        return;
    }
    if archive {
        link_archive();
    } else if system && !is_installed() {
        println!(
            "cargo::error=OpenBLAS was not found: {INSTALL}, or use the feature openblas-static with an archive in \
             OPENBLAS_LIB_DIR, or openblas-source to build it"
        );
    }
}

/// Whether OpenBLAS can be linked: pkg-config knows it, or a library of nothing but it links. Where this cannot be
/// told (another target than the host, or not a Unix) the answer is left to openblas-src and the linker.
fn is_installed() -> bool {
    if pkg_config::Config::new().cargo_metadata(false).probe("openblas").is_ok() {
        return true;
    }
    let target = env::var("CARGO_CFG_TARGET_OS").unwrap_or_default();
    if env::var("HOST").ok() != env::var("TARGET").ok() || target != "linux" {
        return true;
    }
    let probe = PathBuf::from(env::var_os("OUT_DIR").expect("set by cargo")).join("probe.so");
    let mut command = Command::new(compiler());
    command.args(["-shared", "-o"]).arg(probe).args(["-Wl,--no-as-needed", "-lopenblas"]);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    command.status().is_ok_and(|status| status.success())
}

/// The compiler driver that links.
fn compiler() -> String {
    env::var("RUSTC_LINKER").unwrap_or_else(|_| "cc".to_owned())
}

/// Links `libopenblas.a` and what the Fortran in it needs.
fn link_archive() {
    let named = env::var_os("OPENBLAS_LIB_DIR").map(PathBuf::from);
    let known = pkg_config::get_variable("openblas", "libdir").ok().map(PathBuf::from);
    let usual = archive_of_compiler("libopenblas.a").and_then(|path| path.parent().map(Path::to_owned));
    let folders = [named, known, usual].into_iter().flatten();
    let Some(folder) = folders.into_iter().find(|folder| folder.join("libopenblas.a").is_file()) else {
        println!(
            "cargo::error=libopenblas.a was not found: {INSTALL}, or name its folder in OPENBLAS_LIB_DIR, \
             or use the feature openblas-source to build it"
        );
        return;
    };
    println!("cargo::rustc-link-search=native={}", folder.display());
    println!("cargo::rustc-link-lib=static:-bundle=openblas");
    // gfortran's runtime, and the quadruple precision that it uses on x86, as archives where there are such.
    for library in ["gfortran", "quadmath"] {
        let archive = archive_of_compiler(&format!("lib{library}.a"));
        if let Some(folder) = archive.as_deref().and_then(Path::parent) {
            println!("cargo::rustc-link-search=native={}", folder.display());
            println!("cargo::rustc-link-lib=static:-bundle={library}");
        } else if library == "gfortran" {
            println!(
                "cargo::error=libgfortran.a was not found, which libopenblas.a needs: install gfortran (Debian, \
                 Ubuntu), libgfortran-static (Fedora) or gcc-fortran (Arch)"
            );
        }
    }
    println!("cargo::rustc-link-lib=m");
    println!("cargo::rustc-link-lib=pthread");
}

/// Where the C compiler would take an archive from, if it knows it.
fn archive_of_compiler(name: &str) -> Option<PathBuf> {
    let output = Command::new(compiler()).arg(format!("-print-file-name={name}")).output().ok()?;
    let path = PathBuf::from(String::from_utf8(output.stdout).ok()?.trim());
    path.is_absolute().then_some(path)
}
