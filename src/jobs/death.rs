//! How a trainer died, in words, and whether it was for want of memory.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

/// What a process complains of that was refused memory: libtorch, Rust, C++, the system; oneDNN, which finds no room for
/// the code that it makes while it runs.
const REFUSED_MEMORY: [&str; 8] = [
    "can't allocate memory",
    "memory allocation of",
    "bad_alloc",
    "Cannot allocate memory",
    "not enough memory",
    "could not create a primitive",
    "could not execute a primitive",
    "could not create a memory",
];

/// What oneDNN can make on no such machine, however much memory there is.
const IMPOSSIBLE: &str = "primitive descriptor";

/// What one complains of that was refused a thread.
const REFUSED_THREAD: [&str; 2] = ["Thread creation failed", "failed to spawn thread"];

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Death {
    /// A clause: what ended it.
    pub(super) how: String,
    /// Whether memory ran out.
    pub(super) of_memory: bool,
}

impl Death {
    /// `killed`: the kernel took some process for want of memory while this one lived.
    pub(super) fn of(status: ExitStatus, complaints: &str, killed: bool) -> Self {
        let how = match (status.signal(), status.code()) {
            (Some(signal), _) => format!("it was ended by signal {signal} ({})", name_of(signal)),
            (None, Some(code)) => format!("it ended early with exit code {code}"),
            (None, None) => "it ended early".to_owned(),
        };
        if status.signal() == Some(9) && killed {
            return Self { how: format!("{how}: the kernel took its memory"), of_memory: true };
        }
        if let Some(asked) = refused_memory(complaints) {
            return Self { how: format!("{how}: {asked}"), of_memory: true };
        }
        if REFUSED_THREAD.iter().any(|words| complaints.contains(words)) {
            let why = "the system refused it another thread (a limit of threads, of processes or of memory)";
            return Self { how: format!("{how}: {why}"), of_memory: false };
        }
        Self { how, of_memory: false }
    }
}

/// That memory was refused, and how much, where a process complains of it.
pub(super) fn refused_memory(complaints: &str) -> Option<String> {
    let refused = |line: &str| !line.contains(IMPOSSIBLE) && REFUSED_MEMORY.iter().any(|words| line.contains(words));
    let line = complaints.lines().rev().find(|line| refused(line))?;
    // "you tried to allocate 8192000000 bytes", "memory allocation of 8192 bytes failed"
    let words: Vec<&str> = line.split_whitespace().collect();
    let asked = words.windows(2).find(|pair| pair[1].starts_with("bytes")).and_then(|pair| pair[0].parse::<u64>().ok());
    Some(match asked {
        Some(bytes) => format!("it asked for {} more and was refused", super::memory::size(bytes)),
        None => "it asked for more memory and was refused".to_owned(),
    })
}

fn name_of(signal: i32) -> &'static str {
    match signal {
        4 => "SIGILL",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        11 => "SIGSEGV",
        15 => "SIGTERM",
        _ => "another signal",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_death_says_what_it_was_and_only_one_for_want_of_memory_says_memory() {
        let signal = ExitStatus::from_raw;
        let code = |code: i32| ExitStatus::from_raw(code << 8);
        let told = |status, complaints, killed| {
            let Death { how, of_memory } = Death::of(status, complaints, killed);
            (how, of_memory)
        };
        assert_eq!(told(signal(9), "", false), ("it was ended by signal 9 (SIGKILL)".to_owned(), false));
        assert_eq!(
            told(signal(9), "", true),
            ("it was ended by signal 9 (SIGKILL): the kernel took its memory".to_owned(), true)
        );
        assert_eq!(told(signal(11), "", true), ("it was ended by signal 11 (SIGSEGV)".to_owned(), false));
        let torch = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 1073741824 bytes. Error code 12";
        assert_eq!(
            told(code(101), torch, false),
            ("it ended early with exit code 101: it asked for 1.0 GiB more and was refused".to_owned(), true)
        );
        assert!(told(signal(6), "memory allocation of 8192 bytes failed", false).1);
        let primitive = "called `Result::unwrap()` on an `Err` value: Torch(\"could not create a primitive\")";
        assert!(told(code(101), primitive, false).1);
        let descriptor = "Torch(\"could not create a primitive descriptor for an LSTM forward propagation primitive\")";
        assert!(!told(code(101), descriptor, false).1);
        let thread = "libgomp: Thread creation failed: Resource temporarily unavailable";
        let (how, of_memory) = told(code(1), thread, false);
        assert!(how.contains("exit code 1: the system refused it another thread") && !of_memory, "{how}");
    }
}
