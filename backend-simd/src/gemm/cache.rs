//! Sizes of the caches, read once.

use std::sync::OnceLock;

/// Bytes of the caches that a core can use.
#[derive(Clone, Copy, Debug)]
pub(super) struct Caches {
    pub(super) l2: usize,
    pub(super) l3: usize,
}

impl Caches {
    /// The machine's caches; moderate sizes where it does not tell. They decide over blocks and copies, never over
    /// the order of a sum.
    pub(super) fn get() -> Self {
        static CACHES: OnceLock<Caches> = OnceLock::new();
        *CACHES.get_or_init(|| {
            let l2 = level(2).unwrap_or(512 << 10).clamp(128 << 10, 8 << 20);
            let l3 = level(3).unwrap_or(4 << 20).clamp(2 * l2, 256 << 20);
            Caches { l2, l3 }
        })
    }
}

/// Size of the first core's cache of a level, as Linux reports it.
fn level(level: u32) -> Option<usize> {
    if !cfg!(target_os = "linux") || cfg!(miri) {
        return None;
    }
    (0..8).find_map(|index| {
        let read = |file: &str| {
            std::fs::read_to_string(format!("/sys/devices/system/cpu/cpu0/cache/index{index}/{file}")).ok()
        };
        let is_level = read("level")?.trim().parse() == Ok(level) && read("type")?.trim() != "Instruction";
        let size = read("size")?;
        let kib: usize = size.trim().strip_suffix('K')?.parse().ok()?;
        is_level.then_some(kib << 10)
    })
}
