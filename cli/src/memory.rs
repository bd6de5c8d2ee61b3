//! How much memory the program has and has had.

use std::fs;

/// The most memory that the program has had so far, in bytes, where the system tells.
pub(crate) fn peak_memory() -> Option<u64> {
    resident("VmHWM:")
}

/// The memory that the program has, in bytes, where the system tells.
pub(crate) fn memory_now() -> Option<u64> {
    resident("VmRSS:")
}

fn resident(what: &str) -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix(what))?;
    Some(1024 * line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[cfg(target_os = "linux")]
    #[test]
    fn linux_tells() {
        let held = vec![1_u8; 64 << 20];
        let size = held.len() as u64;
        assert!(memory_now().unwrap() > size && peak_memory().unwrap() > size);
        drop(held);
        assert!(peak_memory().unwrap() > size, "the peak stays");
    }
}
