//! How much memory a process may have, and whether the kernel took one for want of it.

use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::message::{MemoryUse, Message};
use crate::ml::pulse;

/// A bound on memory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Limit {
    pub(super) bytes: u64,
    /// Whose it is.
    pub(super) of: &'static str,
}

/// The narrowest bound on this process and those that it starts: the machine's memory and swap, its control group's
/// (cgroup), its address space. `None` where none can be read.
pub(super) fn limit() -> Option<Limit> {
    let of_machine = || {
        let read = std::fs::read_to_string("/proc/meminfo").ok()?;
        Some(kilobytes(&read, "MemTotal:")? + kilobytes(&read, "SwapTotal:").unwrap_or(0))
    };
    let of_groups = || groups().iter().filter_map(|group| group_limit(group)).min();
    let machine = of_machine().map(|bytes| Limit { bytes, of: "the machine's memory and swap" });
    let groups = of_groups().map(|bytes| Limit { bytes, of: "the memory of its control group (cgroup)" });
    let space = getrlimit(Resource::As).current.map(|bytes| Limit { bytes, of: "its address space (ulimit -v)" });
    [machine, groups, space].into_iter().flatten().min_by_key(|limit| limit.bytes)
}

/// How often the kernel killed a process for want of memory, as far as can be seen from here. Only whether it grows
/// has a meaning.
pub(super) fn kills() -> u64 {
    let count = |path: PathBuf| Some(count_of(&std::fs::read_to_string(path).ok()?, "oom_kill"));
    let of_groups =
        groups().into_iter().flat_map(|group| [group.join("memory.events"), group.join("memory.oom_control")]);
    of_groups.chain([PathBuf::from("/proc/vmstat")]).filter_map(count).sum()
}

/// The folders of this process' control groups that bound memory, of either version, and those above them.
fn groups() -> Vec<PathBuf> {
    let read = std::fs::read_to_string("/proc/self/cgroup").unwrap_or_default();
    let mut groups = Vec::new();
    for line in read.lines() {
        let mut parts = line.splitn(3, ':').skip(1);
        let (Some(controllers), Some(path)) = (parts.next(), parts.next()) else { continue };
        let root = match controllers {
            "" => PathBuf::from("/sys/fs/cgroup"),
            named if named.split(',').any(|name| name == "memory") => PathBuf::from("/sys/fs/cgroup/memory"),
            _ => continue,
        };
        // Inside a container the path may be that outside: what is not there is passed over.
        let own = root.join(path.trim_start_matches('/'));
        groups.extend(own.ancestors().take_while(|above| above.starts_with(&root)).map(PathBuf::from));
    }
    groups
}

/// Memory and swap of a group in bytes, `None` where they are not bounded.
fn group_limit(group: &Path) -> Option<u64> {
    let number = |file: &str| std::fs::read_to_string(group.join(file)).ok()?.trim().parse::<u64>().ok();
    if let Some(most) = number("memory.max") {
        // Swap that is not bounded is the machine's.
        return Some(most.saturating_add(number("memory.swap.max")?));
    }
    number("memory.memsw.limit_in_bytes")
}

fn kilobytes(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(1024 * line.split_whitespace().next()?.parse::<u64>().ok()?)
}

fn count_of(text: &str, name: &str) -> u64 {
    let lines = text.lines().filter_map(|line| line.strip_prefix(name)?.strip_prefix(' ')?.trim().parse::<u64>().ok());
    lines.sum()
}

/// What this process took and may have.
fn used() -> MemoryUse {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let peak = kilobytes(&status, "VmHWM:").unwrap_or(0);
    let limit = limit().unwrap_or(Limit { bytes: 0, of: "" });
    MemoryUse { peak, limit: limit.bytes, of: limit.of.to_owned() }
}

/// Tells once a second that the run gets on, but only where it does: what computes counts its signs of life, and this
/// passes on whether the count grew. Ends with whoever listens.
pub(crate) fn tell_signs_of_life(say: impl Fn(&Message) -> std::io::Result<()>) {
    let mut seen = 0;
    loop {
        let beats = pulse::beats();
        if beats != seen {
            seen = beats;
            if say(&Message::Alive(used())).is_err() {
                return;
            }
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}

/// Bytes as people read them.
pub(super) fn size(bytes: u64) -> String {
    let mebibytes = bytes as f64 / f64::from(1 << 20);
    if mebibytes < 1024.0 { format!("{mebibytes:.0} MiB") } else { format!("{:.1} GiB", mebibytes / 1024.0) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernels_numbers_are_read() {
        let meminfo = "MemTotal:        2048 kB\nSwapTotal:        1024 kB\n";
        assert_eq!(kilobytes(meminfo, "MemTotal:"), Some(2 << 20));
        assert_eq!(kilobytes(meminfo, "SwapTotal:"), Some(1 << 20));
        assert_eq!(count_of("low 1\noom 7\noom_kill 3\noom_group_kill 9\n", "oom_kill"), 3);
        assert!(limit().unwrap().bytes > 0);
        assert_eq!((size(5 << 20).as_str(), size(3 << 29).as_str()), ("5 MiB", "1.5 GiB"));
    }

    #[test]
    fn a_group_is_bounded_where_both_its_memory_and_its_swap_are() {
        let group = tempfile::TempDir::new().unwrap();
        let path = group.path().to_owned();
        assert_eq!(group_limit(&path), None);
        std::fs::write(path.join("memory.max"), "1000\n").unwrap();
        std::fs::write(path.join("memory.swap.max"), "max\n").unwrap();
        assert_eq!(group_limit(&path), None);
        std::fs::write(path.join("memory.swap.max"), "24\n").unwrap();
        assert_eq!(group_limit(&path), Some(1024));
    }
}
