//! Sizes of the caches, read once.

use std::sync::OnceLock;

/// Bytes of the caches that a core can use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caches {
    pub(super) l2: usize,
    pub(super) l3: usize,
    /// Lines in a set of the first level.
    pub(super) l1_ways: usize,
}

impl Caches {
    /// The machine's caches; moderate sizes where it does not tell. They decide over blocks and copies, never over
    /// the order of a sum.
    pub(super) fn get() -> Self {
        static CACHES: OnceLock<Caches> = OnceLock::new();
        *CACHES.get_or_init(|| {
            let size = |level| Some(report(level, "size")?.strip_suffix('K')?.parse::<usize>().ok()? << 10);
            let l2 = size(2).unwrap_or(512 << 10).clamp(128 << 10, 8 << 20);
            let l3 = size(3).unwrap_or(4 << 20).clamp(2 * l2, 256 << 20);
            let l1_ways = report(1, "ways_of_associativity").and_then(|ways| ways.parse().ok());
            Caches { l2, l3, l1_ways: l1_ways.unwrap_or(8).clamp(4, 64) }
        })
    }
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
