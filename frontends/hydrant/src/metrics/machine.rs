//! How much memory this machine has.

use std::fs;
use std::io::{self, ErrorKind};

/// What the kernel says of the machine's memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Machine {
    /// All of it, in bytes; of the machine, not of a control group.
    pub(crate) memory_bytes: u64,
    /// What could be had, in bytes.
    pub(crate) available_bytes: u64,
}

impl Machine {
    /// As it is now.
    ///
    /// # Errors
    /// `/proc/meminfo` cannot be read.
    pub(crate) fn read() -> io::Result<Self> {
        let said = fs::read_to_string("/proc/meminfo")?;
        let of = |name| {
            let problem = || io::Error::new(ErrorKind::InvalidData, format!("no {name}"));
            bytes(&said, name).ok_or_else(problem)
        };
        Ok(Self {
            memory_bytes: of("MemTotal:")?,
            available_bytes: of("MemAvailable:")?,
        })
    }
}

/// Lines are names, numbers and `kB`, which are KiB.
fn bytes(said: &str, name: &str) -> Option<u64> {
    let line = said.lines().find_map(|line| line.strip_prefix(name))?;
    let number: u64 = line.trim().strip_suffix("kB")?.trim().parse().ok()?;
    number.checked_mul(1024)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_are_found_by_their_names() {
        let said = "MemTotal:       16384 kB\nMemAvailable:    1 kB\nHugePages_Total:  0\n";
        assert_eq!(bytes(said, "MemTotal:"), Some(16 << 20));
        assert_eq!(bytes(said, "MemAvailable:"), Some(1024));
        assert_eq!(bytes(said, "HugePages_Total:"), None);
        assert_eq!(bytes(said, "MemFree:"), None);
        let machine = Machine::read().unwrap();
        assert!(machine.available_bytes < machine.memory_bytes);
    }
}
