//! `shamisen train --run DIR`: the trainer, which the supervisor starts.

use std::io::Read;
use std::process::ExitCode;

use rustix::process::{Signal, getpid, kill_process, nice};

use crate::config::Train;
use crate::jobs;

pub(super) fn train(config: &Train) -> anyhow::Result<ExitCode> {
    yield_to_others();
    end_with_the_server();
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    tch::set_num_interop_threads(1);
    tch::set_num_threads(i32::try_from(threads)?);
    let succeeded = jobs::run(&config.run, &mut std::io::stdout().lock())?;
    Ok(if succeeded { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Lets serving go first on the processors, and this process first where memory runs out. Where the
/// system refuses, training still works.
fn yield_to_others() {
    let _ = nice(19);
    let _ = std::fs::write("/proc/self/oom_score_adj", "800");
}

/// The server holds the other end of standard input. When that ends, the server is gone, however it
/// went: another one will run this job, and nobody reads what this process computes.
fn end_with_the_server() {
    std::thread::spawn(|| {
        let mut nothing = [0; 64];
        while matches!(std::io::stdin().read(&mut nothing), Ok(1..)) {}
        let _ = kill_process(getpid(), Signal::KILL);
    });
}
