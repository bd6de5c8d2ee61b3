//! Whatever the bytes, there is an answer: a network or an error.

use std::path::Path;
use std::sync::LazyLock;

use chainrule_onnx::{Error, from_onnx};
use proptest::prelude::*;
use proptest::test_runner::RngSeed;

/// Exported files: small ones of all layers.
static FILES: LazyLock<Vec<Vec<u8>>> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/exported");
    let mut paths: Vec<_> = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    paths.into_iter().map(|path| std::fs::read(path).unwrap()).collect()
});

/// Neither panics nor takes long; a network that comes out can be asked for its outputs.
fn read(bytes: &[u8]) {
    if let Ok(model) = from_onnx::<f64>(bytes) {
        assert!(model.network.parameters().iter().all(|x| x.is_finite()));
        assert!(model.network.parameters().len() <= bytes.len());
        if model.network.input_size() <= 1000 {
            let x = ndarray::Array2::zeros((2, model.network.input_size()));
            drop(model.predict(&chainrule_naive::Naive, &x));
        }
    }
}

#[test]
fn every_beginning_of_a_file() {
    for file in &*FILES {
        (0..file.len()).step_by(3).for_each(|end| read(&file[..end]));
    }
}

#[test]
fn every_byte_changed() {
    for file in &*FILES {
        for place in 0..file.len() {
            for change in [1, 0x80] {
                let mut file = file.clone();
                file[place] ^= change;
                read(&file);
            }
        }
    }
}

#[test]
fn other_bytes_are_no_model() {
    for bytes in [&b""[..], b"safetensors", b"\\x08", &[0xff; 100]] {
        assert!(matches!(from_onnx::<f32>(bytes), Err(Error::Decode(_))), "{bytes:?}");
    }
}

/// The same cases in every run, unless `PROPTEST_RNG_SEED` or `PROPTEST_CASES` say otherwise.
fn config() -> ProptestConfig {
    let config = ProptestConfig { failure_persistence: None, ..ProptestConfig::default() };
    match config.rng_seed {
        RngSeed::Random => ProptestConfig { rng_seed: RngSeed::Fixed(0), ..config },
        RngSeed::Fixed(_) => config,
    }
}

proptest! {
    #![proptest_config(config())]

    #[test]
    fn random_bytes(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        read(&bytes);
    }

    #[test]
    fn files_spliced_and_mutated(
        (one, other) in (any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        (start, end, place) in (any::<prop::sample::Index>(), any::<prop::sample::Index>(), any::<prop::sample::Index>()),
        changes in proptest::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8),
    ) {
        let (file, other) = (one.get(&FILES), other.get(&FILES));
        let (start, end) = (start.index(other.len()), end.index(other.len()));
        let part = &other[start.min(end)..start.max(end)];
        let (before, after) = file.split_at(place.index(file.len()));
        let mut bytes = [before, part, after].concat();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        read(&bytes);
    }
}
