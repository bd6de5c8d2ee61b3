//! Addresses as kernels want them computed: the compiler would derive each from the one before, an instruction apiece.

/// The same pointer or distance, of which the compiler no longer knows how it came about.
macro_rules! opaque {
    ($value:expr) => {{
        #[allow(unused_mut, reason = "changed where there is such an instruction")]
        let mut value = $value;
        #[cfg(all(any(target_arch = "x86_64", target_arch = "aarch64"), not(miri)))]
        #[allow(clippy::pointers_in_nomem_asm_block, reason = "nothing is read through the pointer")]
        {
            // SAFETY, of the block that this stands in: an empty instruction, which leaves the value in its register as it is.
            std::arch::asm!("/* {} */", inout(reg) value, options(pure, nomem, nostack, preserves_flags));
        }
        value
    }};
}
pub(super) use opaque;

/// A distance and the multiples of it that an address has none for, each in a register of which the compiler does not know that.
pub(crate) struct Multiples {
    once: isize,
    thrice: isize,
    five_times: isize,
}

impl Multiples {
    /// Those of a distance in bytes.
    #[inline(always)]
    pub(crate) fn of(distance: isize) -> Self {
        // SAFETY: see `opaque`.
        unsafe {
            Self {
                once: opaque!(distance),
                thrice: opaque!(distance.wrapping_mul(3)),
                five_times: opaque!(distance.wrapping_mul(5)),
            }
        }
    }

    /// The address so many distances after this one, up to 6.
    #[inline(always)]
    pub(crate) fn after<T>(&self, n: usize, from: *const T) -> *const T {
        from.wrapping_byte_offset(self.times(n))
    }

    /// So many times the distance, up to 6.
    #[inline(always)]
    fn times(&self, n: usize) -> isize {
        match n {
            0 => 0,
            1 => self.once,
            2 => self.once.wrapping_mul(2),
            3 => self.thrice,
            4 => self.once.wrapping_mul(4),
            5 => self.five_times,
            _ => self.thrice.wrapping_mul(2),
        }
    }
}
