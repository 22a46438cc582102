//! The trainer as a child process: started on a run's folder, heard line by line, asked to end.

use std::path::Path;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use rustix::process::{Pid, Resource, Signal, getrlimit, kill_process};
use tokio::io::{AsyncBufReadExt, AsyncReadExt, BufReader, Lines};
use tokio::process::{Child, ChildStderr, ChildStdin, ChildStdout, Command};
use tokio::task::JoinHandle;

use super::message::Message;

/// Between the polite signal and the last one.
pub(super) const GRACE: Duration = Duration::from_secs(10);

/// A trainer on a folder, about to be started.
pub(super) fn command(program: &Path, folder: &Path) -> Command {
    let mut command = Command::new(program);
    command
        .arg("train")
        .arg("--run")
        .arg(folder)
        // libtorch's threads wait for each other by spinning. Where something else wants the
        // processors too, long spins starve the thread that is waited for: with two busy
        // neighbours a job took 99 s by default and 25 s so, and idle neighbours cost nothing.
        .env("GOMP_SPINCOUNT", "1000")
        // A step's gradients take the memory of the last one's: glibc would give each back to the system and
        // ask for it anew, an eighth of a step of MiniLM in batches of 8.
        .env("MALLOC_MMAP_THRESHOLD_", "33554432")
        .env("MALLOC_TRIM_THRESHOLD_", "1073741824")
        // Where memory runs out, a panic that looks for its backtrace is refused memory while it holds the lock of
        // all messages, and waits for itself for ever.
        .env("RUST_BACKTRACE", "0")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        // A signal to the server's group (Ctrl-C in a terminal) is the server's to pass on.
        .process_group(0)
        .kill_on_drop(true);
    if getrlimit(Resource::As).current.is_some() {
        // Where the address space is bounded: glibc would reserve 64 MiB of it for each thread.
        command.env("MALLOC_ARENA_MAX", "1");
    }
    command
}

pub(super) struct Trainer {
    child: Child,
    /// Held open: its end is the trainer's sign that the server is gone.
    _stdin: Option<ChildStdin>,
    lines: Lines<BufReader<ChildStdout>>,
    complaints: JoinHandle<String>,
}

impl Trainer {
    pub(super) fn start(program: &Path, folder: &Path) -> std::io::Result<Self> {
        let mut child = command(program, folder).spawn()?;
        let (Some(stdout), Some(stderr)) = (child.stdout.take(), child.stderr.take()) else {
            return Err(std::io::Error::other("it has no standard output"));
        };
        let lines = BufReader::new(stdout).lines();
        Ok(Self { _stdin: child.stdin.take(), child, lines, complaints: tokio::spawn(tail(stderr)) })
    }

    /// What it says next, `None` when it says no more. Nothing is lost where nobody waits to the end.
    pub(super) async fn message(&mut self) -> Option<Message> {
        loop {
            let line = match self.lines.next_line().await {
                Ok(line) => line?,
                Err(error) => {
                    tracing::warn!(%error, "the trainer cannot be heard");
                    return None;
                }
            };
            match serde_json::from_str(&line) {
                Ok(message) => return Some(message),
                Err(error) => tracing::warn!(%error, "a line of the trainer's cannot be read"),
            }
        }
    }

    pub(super) fn signal(&self, signal: Signal) {
        if let Some(pid) = self.child.id().and_then(|pid| i32::try_from(pid).ok()).and_then(Pid::from_raw) {
            // It may have ended by itself meanwhile.
            let _ = kill_process(pid, signal);
        }
    }

    /// Its status and its complaints when it has ended.
    pub(super) async fn ended(mut self) -> std::io::Result<(ExitStatus, String)> {
        let status = self.child.wait().await?;
        Ok((status, self.complaints.await.unwrap_or_default()))
    }
}

/// The last 64 KiB of what the trainer complains about: libtorch's frames follow its words.
async fn tail(mut stderr: ChildStderr) -> String {
    let mut tail = Vec::new();
    let mut chunk = [0; 4096];
    while let Ok(read @ 1..) = stderr.read(&mut chunk).await {
        tail.extend_from_slice(&chunk[..read]);
        tail.drain(..tail.len().saturating_sub(65536));
    }
    String::from_utf8_lossy(&tail).trim().to_owned()
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;

    use super::*;

    #[test]
    fn a_trainer_out_of_memory_looks_for_no_backtrace() {
        let trainer = command(Path::new("shamisen"), Path::new("run"));
        let told = trainer.as_std().get_envs().find(|(name, _)| *name == "RUST_BACKTRACE").and_then(|(_, value)| value);
        assert_eq!(told, Some(OsStr::new("0")), "whatever the server's own says");
    }
}
