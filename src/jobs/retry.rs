//! What becomes of a claim that ended without a model: another turn at once, one after a while, or none.

use super::memory::size;
use super::message::MemoryUse;
use super::outcome::{LESS_MEMORY, OUT_OF_MEMORY, Outcome};
use crate::store::{Job, JobError, Phase, Release, WaitReason, now};

/// Trainers that may die under a job, without progress in between, before it is given up.
const MOST_CRASHES: i64 = 3;
/// Waits in a row, without progress in between, for files that cannot be read or written: a quarter of an hour.
const MOST_WAITS_FOR_FILES: i64 = 8;
/// The same for memory that is not there: a minute and a half.
const MOST_WAITS_FOR_MEMORY: i64 = 4;

/// What becomes of a job.
#[derive(Debug, PartialEq)]
pub(super) enum Next {
    Interrupted(&'static str),
    Crashed(String),
    Smaller { reason: String, micro_batch: i64 },
    Waiting { code: WaitReason, reason: String, seconds: i64 },
    Failed(JobError),
}

impl Next {
    pub(super) fn release(&self) -> Release<'_> {
        match self {
            Self::Interrupted(reason) => Release::Interrupted { reason },
            Self::Crashed(reason) => Release::Crashed { reason },
            Self::Smaller { reason, micro_batch } => Release::Smaller { reason, micro_batch: *micro_batch },
            Self::Waiting { code, reason, seconds } => Release::Waiting { code: *code, reason, seconds: *seconds },
            Self::Failed(error) => Release::Failed(error),
        }
    }

    /// `job`: its row as it is now.
    pub(super) fn of(job: &Job, outcome: Outcome) -> Self {
        match outcome {
            // The store sees the request for it.
            Outcome::Cancelled | Outcome::Done(_) | Outcome::LeaseLost => Self::Interrupted("cancelled"),
            Outcome::Stopping => Self::Interrupted("the server stopped"),
            Outcome::Failed(error) => Self::Failed(error),
            Outcome::NoRoom(reason) => wait(job, WaitReason::DiskFull, reason),
            Outcome::Files(error) if waits(job, WaitReason::IoError) >= MOST_WAITS_FOR_FILES => {
                let message = format!("{} It was tried {} times.", error.message, MOST_WAITS_FOR_FILES + 1);
                Self::Failed(JobError { message, ..error })
            }
            Outcome::Files(error) => wait(job, WaitReason::IoError, clause(&error.message)),
            Outcome::OutOfMemory { how, used } => for_memory(job, &how, &used),
            Outcome::Died(how) => after_crash(job, how),
        }
    }
}

fn after_crash(job: &Job, how: String) -> Next {
    if job.crashes + 1 < MOST_CRASHES {
        return Next::Crashed(how);
    }
    let each = job.crash_log.iter().map(String::as_str).chain([how.as_str()]);
    let each: Vec<String> = (1..).zip(each).map(|(number, how)| format!("{number}. {how}")).collect();
    Next::Failed(JobError {
        code: "crash_loop".to_owned(),
        message: format!(
            "The trainer died {MOST_CRASHES} times without getting further in between: {}.",
            each.join("; ")
        ),
        hint: "The server's log has the trainer's own last words. Post the job again when the cause is mended."
            .to_owned(),
    })
}

/// Steps in smaller parts where a step took the memory; otherwise another turn when others may take less of it.
fn for_memory(job: &Job, how: &str, used: &MemoryUse) -> Next {
    let config = &job.config.settings;
    let asked = config.mini_batch.unwrap_or(config.batch_size) as i64;
    let pairs = job.micro_batch.unwrap_or(asked);
    if job.phase == Some(Phase::Training) && pairs > 1 && !config.head_only {
        let micro_batch = pairs / 2;
        let reason = format!(
            "memory ran out ({how}); from here on {micro_batch} instead of {pairs} pairs are computed at a time, a step still learns from all {} together, and takes longer",
            config.batch_size
        );
        return Next::Smaller { reason, micro_batch };
    }
    if waits(job, WaitReason::Memory) < MOST_WAITS_FOR_MEMORY {
        return wait(job, WaitReason::Memory, format!("memory ran out ({how})"));
    }
    let taken = match used.peak {
        0 => String::new(),
        peak => format!(" It had taken up to {}.", size(peak)),
    };
    let bound = match used.limit {
        0 => String::new(),
        limit => format!(" There is at most {}: {}.", size(limit), used.of),
    };
    let parts = if pairs == 1 { ", one pair at a time" } else { "" };
    Next::Failed(JobError {
        code: OUT_OF_MEMORY.to_owned(),
        message: format!(
            "The memory did not suffice for the training{parts}, tried {} times in a row: {how}.{taken}{bound}",
            MOST_WAITS_FOR_MEMORY + 1
        ),
        hint: LESS_MEMORY.to_owned(),
    })
}

/// How often it has waited for this already.
fn waits(job: &Job, code: WaitReason) -> i64 {
    if job.wait_reason == Some(code) { job.waits } else { 0 }
}

fn wait(job: &Job, code: WaitReason, reason: String) -> Next {
    // Whoever makes room wants to see the job go on.
    let longest = if code == WaitReason::DiskFull { 60 } else { 300 };
    let seconds = (5_i64 << waits(job, code).min(6)).min(longest);
    // Jobs that wait for one thing do not come all at once.
    let seconds = seconds + seconds * (now() % 41 - 20) / 100;
    Next::Waiting { code, reason, seconds }
}

/// A sentence as a part of another.
fn clause(sentence: &str) -> String {
    let sentence = sentence.trim_end_matches('.');
    let mut characters = sentence.chars();
    characters.next().map_or_else(String::new, |first| first.to_lowercase().chain(characters).collect())
}

#[cfg(test)]
mod tests;
