//! ndarray's feature `blas` stays off: with it `.dot()` anywhere in the build would call BLAS, and a test of this
//! backend against plain loops would test BLAS against itself.

use std::env;
use std::process::Command;

#[test]
fn ndarray_does_not_use_blas() {
    // With the features of this very build, whose packages are there.
    let features = [
        ("openblas-system", cfg!(feature = "openblas-system")),
        ("openblas-static", cfg!(feature = "openblas-static")),
        ("openblas-source", cfg!(feature = "openblas-source")),
    ];
    for features in features.into_iter().filter_map(|(name, on)| on.then_some(name)).chain([""]) {
        let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
        let output = Command::new(cargo)
            .args([
                "tree",
                "--offline",
                "--edges",
                "features,normal",
                "--invert",
                "ndarray",
                "--features",
                features,
            ])
            .current_dir(env!("CARGO_MANIFEST_DIR"))
            .output()
            .expect("cargo runs");
        let tree = String::from_utf8_lossy(&output.stdout);
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        assert!(tree.contains("ndarray feature \"std\""), "{tree}");
        assert!(!tree.contains("ndarray feature \"blas\""), "with {features:?}:\n{tree}");
        assert!(!tree.contains("ndarray-linalg feature \"blas\""), "with {features:?}:\n{tree}");
    }
}
