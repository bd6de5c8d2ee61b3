//! The rows of a shuffled batch, fetched from all over the data set.

use ndarray::ArrayRef2;

use crate::dense::is_halved;
use crate::gemm::view::{MatMut, MatRef};
use crate::gemm::{self, Engine};
use crate::threads;

/// Bytes a nanosecond that one thread copies at least, for the decision to share it.
const PACE: usize = 8;

impl Engine {
    /// C_i ← X_(r_i). Each thread copies what it will read in the products that follow, which is then in its own cache.
    pub(crate) fn select_rows<T: Copy + Send + Sync>(
        self,
        x: &ArrayRef2<T>,
        r: &[usize],
        c: &mut ArrayRef2<T>,
    ) {
        let (x, c) = (MatRef::new(x), MatMut::new(c));
        let nanoseconds = c.rows.saturating_mul(c.cols).saturating_mul(size_of::<T>()) / PACE;
        let halved = is_halved(c.rows, c.cols);
        let ways = if halved {
            threads::ways_in_place(self.threads, nanoseconds, 0).min(2)
        } else {
            threads::ways(self.threads, nanoseconds)
        };
        threads::parallel_for(ways, &|part| {
            let (rows, cols) = if halved {
                (0..c.rows, gemm::share(c.cols, ways, gemm::UNIT, part))
            } else {
                (gemm::share(c.rows, ways, 1, part), 0..c.cols)
            };
            for i in rows {
                let (from, to) =
                    (x.block(r[i], cols.start, 1, cols.len()), c.block(i, cols.start, 1, cols.len()));
                // SAFETY: the arrays are borrowed until this function returns, r_i was found to be a row of X, and parts do not overlap.
                unsafe { copy_row(from, to) };
            }
        });
    }
}

/// # Safety
///
/// Both are valid, of one row each and of one length.
unsafe fn copy_row<T: Copy>(x: MatRef<T>, c: MatMut<T>) {
    // SAFETY: the caller's contract; arrays do not overlap where one of them is mutably borrowed.
    unsafe {
        if x.col == 1 && c.col == 1 {
            x.ptr.copy_to_nonoverlapping(c.ptr, c.cols);
        } else {
            for j in 0..c.cols {
                *c.at(0, j) = *x.at(0, j);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use chainrule_core::Backend;
    use ndarray::{Array2, s};

    use crate::Simd;

    /// Enough rows and columns to be shared, in each of the ways.
    #[test]
    fn threads_copy_all_of_it() {
        let x = Array2::from_shape_fn((301, 700), |(i, j)| (i * 1000 + j) as f64);
        for (rows, cols) in [(7, 700), (40, 700), (299, 700), (300, 31), (3, 20)] {
            let x = x.slice(s![.., ..cols]);
            let r: Vec<usize> = (0..rows).map(|i| (i * 97 + 300) % 301).collect();
            let expected = x.select(ndarray::Axis(0), &r);
            for threads in [1, 2, 3, 8] {
                let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
                pool.install(|| {
                    for _ in 0..if cfg!(miri) { 1 } else { 100 } {
                        let mut c = Array2::from_elem((rows, cols), f64::NAN);
                        Simd::new().select_rows(&x, &r, &mut c).unwrap();
                        assert!(c == expected, "{rows} rows of {cols}, {threads} threads");
                    }
                });
            }
        }
    }
}
