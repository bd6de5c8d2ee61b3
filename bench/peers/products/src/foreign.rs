//! The libraries that are written in C: CBLAS of OpenBLAS and BLIS, and oneDNN's product.

use std::error::Error;
use std::ffi::{CStr, c_char, c_int};

use libloading::os::unix::{Library as Loaded, RTLD_GLOBAL, RTLD_NOW};

use crate::{Element, Form, Library, Operands, Product};

const ROW_MAJOR: c_int = 101;
const NO_TRANS: c_int = 111;
const TRANS: c_int = 112;

/// `cblas_?gemm`, whose sizes are `I`.
type Cblas<T, I> =
    unsafe extern "C" fn(c_int, c_int, c_int, I, I, I, T, *const T, I, *const T, I, T, *mut T, I);
/// `dnnl_sgemm`: row-major, as its documentation says.
type Dnnl = unsafe extern "C" fn(
    c_char,
    c_char,
    i64,
    i64,
    i64,
    f32,
    *const f32,
    i64,
    *const f32,
    i64,
    f32,
    *mut f32,
    i64,
) -> c_int;

/// The product of a C library, and its version.
pub(crate) fn load<T: Element>(
    library: Library,
    file: Option<&str>,
    threads: usize,
) -> Result<(Product<T>, String), Box<dyn Error>> {
    let default = match library {
        Library::Blis => "libblis.so.4",
        Library::Onednn => "libdnnl.so.2",
        _ => "libopenblas.so.0",
    };
    // SAFETY: what a library does when it is loaded is its own business; it stays loaded.
    let loaded = unsafe { Loaded::open(Some(file.unwrap_or(default)), RTLD_NOW | RTLD_GLOBAL)? };
    let loaded: &'static Loaded = Box::leak(Box::new(loaded));
    if library == Library::Onednn {
        if T::NAME != "f32" {
            return Err("oneDNN multiplies f32 alone".into());
        }
        // SAFETY: the type is that of its header.
        let function: Dnnl = unsafe { *loaded.get(b"dnnl_sgemm\0")? };
        let product = move |operands: &mut Operands<T>| dnnl(function, operands);
        return Ok((Box::new(product), version(library, loaded)));
    }
    let letter = if T::NAME == "f32" { 's' } else { 'd' };
    // The library in NumPy's and SciPy's wheels adds to the names, and its sizes have 64 bits where the name says so.
    for (before, after, long) in [("", "", false), ("scipy_", "64_", true), ("scipy_", "", false)] {
        let symbol = format!("{before}cblas_{letter}gemm{after}\0");
        // SAFETY: it is only turned into a pointer here.
        let Ok(function) = (unsafe { loaded.get::<*const ()>(symbol.as_bytes()) }) else { continue };
        let function = *function;
        let set = format!("{before}openblas_set_num_threads{after}\0");
        // SAFETY: the type is that of its header.
        if let Ok(set) = unsafe { loaded.get::<unsafe extern "C" fn(c_int)>(set.as_bytes()) } {
            // SAFETY: any number will do.
            unsafe { set(c_int::try_from(threads)?) };
        }
        // SAFETY: the symbol's name says its type.
        let product = move |operands: &mut Operands<T>| unsafe { T::cblas(function, long, operands) };
        return Ok((Box::new(product), version(library, loaded)));
    }
    Err("no CBLAS in that library".into())
}

/// What the library says of itself.
fn version(library: Library, loaded: &Loaded) -> String {
    #[repr(C)]
    struct DnnlVersion {
        major: c_int,
        minor: c_int,
        patch: c_int,
    }
    // SAFETY: the types are those of the headers; the texts are constants.
    unsafe {
        let text = |names: &[&str]| {
            let function =
                |name: &&str| loaded.get::<unsafe extern "C" fn() -> *const c_char>(name.as_bytes()).ok();
            let function = names.iter().find_map(function)?;
            Some(CStr::from_ptr(function()).to_string_lossy().trim().to_owned())
        };
        let found = match library {
            Library::Onednn => loaded
                .get::<unsafe extern "C" fn() -> *const DnnlVersion>(b"dnnl_version\0")
                .ok()
                .map(|function| &*function())
                .map(|version| format!("{}.{}.{}", version.major, version.minor, version.patch)),
            Library::Blis => text(&["bli_info_get_version_str\0"]),
            _ => text(&[
                "openblas_get_config\0",
                "scipy_openblas_get_config64_\0",
                "scipy_openblas_get_config\0",
            ]),
        };
        // Of OpenBLAS's configuration: its version, and the processor whose kernels it chose.
        let found = found.map(|text| {
            let words: Vec<&str> = text.split_whitespace().filter(|word| *word != "OpenBLAS").collect();
            let end = words.iter().position(|word| word.starts_with("MAX_THREADS"));
            match (words.first(), end.and_then(|end| words.get(end.checked_sub(1)?))) {
                (Some(version), Some(core)) => format!("{version} ({core})"),
                _ => text,
            }
        });
        found.unwrap_or_else(|| "unknown".to_owned())
    }
}

fn dnnl<T: Element>(function: Dnnl, operands: &mut Operands<T>) {
    let [m, k, n] =
        [operands.m, operands.k, operands.n].map(|size| i64::try_from(size).expect("sizes are small"));
    let letter = |transposed: bool| if transposed { b'T' } else { b'N' }.cast_signed() as c_char;
    let (at, bt) = (operands.form == Form::Tn, operands.form == Form::Nt);
    let (lda, ldb) = (if at { m } else { k }, if bt { k } else { n });
    // SAFETY: T is f32, as `load` has checked; the sizes are those of the slices.
    let status = unsafe {
        function(
            letter(at),
            letter(bt),
            m,
            n,
            k,
            1.0,
            operands.a.as_ptr().cast(),
            lda,
            operands.b.as_ptr().cast(),
            ldb,
            0.0,
            operands.c.as_mut_ptr().cast(),
            n,
        )
    };
    assert_eq!(status, 0, "oneDNN refuses");
}

/// C ← A B by a function of CBLAS, whose sizes are `long` or not.
///
/// # Safety
/// The function is `cblas_?gemm` of that element type and those sizes.
pub(crate) unsafe fn cblas<T: From<f32>>(function: *const (), long: bool, operands: &mut Operands<T>) {
    let trans = |transposed| if transposed { TRANS } else { NO_TRANS };
    let (at, bt) = (operands.form == Form::Tn, operands.form == Form::Nt);
    let (m, k, n) = (operands.m, operands.k, operands.n);
    let (lda, ldb) = (if at { m } else { k }, if bt { k } else { n });
    let (a, b, c) = (operands.a.as_ptr(), operands.b.as_ptr(), operands.c.as_mut_ptr());
    let (one, zero) = (T::from(1.0), T::from(0.0));
    macro_rules! call {
        ($size:ty) => {{
            let size = |x: usize| <$size>::try_from(x).expect("sizes are small");
            // SAFETY: as this function asks; the sizes are those of the slices.
            unsafe {
                let function = std::mem::transmute::<*const (), Cblas<T, $size>>(function);
                let (m, k, n) = (size(m), size(k), size(n));
                function(
                    ROW_MAJOR,
                    trans(at),
                    trans(bt),
                    m,
                    n,
                    k,
                    one,
                    a,
                    size(lda),
                    b,
                    size(ldb),
                    zero,
                    c,
                    n,
                );
            }
        }};
    }
    if long { call!(i64) } else { call!(c_int) }
}
