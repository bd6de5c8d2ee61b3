//! What decides over blocks, copies and the shapes of tiles, but never over the order of a sum: read from the machine once.

use std::sync::OnceLock;

/// The properties of a core.
#[derive(Clone, Copy, Debug)]
pub(super) struct Machine {
    /// Bytes of the second-level cache.
    pub(super) l2: usize,
    /// Bytes of the third-level cache.
    pub(super) l3: usize,
    /// Lines in a set of the first-level cache.
    pub(super) l1_ways: usize,
    /// Whether registers of 512 bits pass through units of 256, so that half of one takes half the time.
    pub(super) splits: bool,
}

impl Machine {
    /// This machine; moderate sizes where it does not tell.
    pub(super) fn get() -> Self {
        static MACHINE: OnceLock<Machine> = OnceLock::new();
        let machine = *MACHINE.get_or_init(|| {
            let size = |level| Some(report(level, "size")?.strip_suffix('K')?.parse::<usize>().ok()? << 10);
            let l2 = size(2).unwrap_or(512 << 10).clamp(128 << 10, 8 << 20);
            let l3 = size(3).unwrap_or(4 << 20).clamp(2 * l2, 256 << 20);
            let l1_ways = report(1, "ways_of_associativity").and_then(|ways| ways.parse().ok());
            Machine { l2, l3, l1_ways: l1_ways.unwrap_or(8).clamp(4, 64), splits: splits() }
        });
        #[cfg(test)]
        let machine = Machine { splits: SPLITS.get().unwrap_or(machine.splits), ..machine };
        machine
    }
}

#[cfg(test)]
thread_local! {
    /// What a test has the processor say of its registers.
    pub(super) static SPLITS: std::cell::Cell<Option<bool>> = const { std::cell::Cell::new(None) };
}

/// Whether this is AMD's family 19h (Zen 4), which computes with registers of 512 bits in two steps.
fn splits() -> bool {
    #[cfg(all(target_arch = "x86_64", not(miri)))]
    {
        use std::arch::x86_64::__cpuid;
        #[allow(unused_unsafe, reason = "newer compilers call it safe")]
        // SAFETY: every x86-64 processor has the instruction, and these leaves.
        let (vendor, version) = unsafe { (__cpuid(0).ebx, __cpuid(1).eax) };
        let family = (version >> 8 & 0xF) + (version >> 20 & 0xFF);
        vendor == u32::from_le_bytes(*b"Auth") && family == 0x19
    }
    #[cfg(not(all(target_arch = "x86_64", not(miri))))]
    false
}

/// What Linux reports of the first core's cache of a level.
fn report(level: u32, property: &str) -> Option<String> {
    if !cfg!(target_os = "linux") || cfg!(miri) {
        return None;
    }
    (0..8).find_map(|index| {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}")).ok()
        };
        let is_level = read("level")?.trim().parse() == Ok(level) && read("type")?.trim() != "Instruction";
        if is_level { Some(read(property)?.trim().to_owned()) } else { None }
    })
}
