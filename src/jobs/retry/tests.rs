use super::*;
use crate::ml::train::TrainConfig;
use crate::store::{JobConfig, Status};

fn job() -> Job {
    Job {
        job_id: "job_1".to_owned(),
        name: "mine".to_owned(),
        status: Status::Running,
        phase: Some(Phase::Training),
        base_model: "base".to_owned(),
        dataset_id: "ds_1".to_owned(),
        dataset_name: "t".to_owned(),
        benchmark_id: None,
        replay_id: None,
        validation_id: None,
        recipe: "tutorial".to_owned(),
        config: JobConfig::from(serde_json::to_string(&TrainConfig::default()).unwrap()),
        titles: vec![],
        alias: None,
        alias_if: None,
        alias_result: None,
        request_sha256: None,
        created_at: 0,
        started_at: None,
        finished_at: None,
        cancel_requested_at: None,
        lease_token: 1,
        attempt: 1,
        crashes: 0,
        crash_log: vec![],
        wait_reason: None,
        next_try_at: None,
        waits: 0,
        micro_batch: None,
        progress: None,
        error: None,
        openai: None,
    }
}

fn failed(next: Next) -> JobError {
    match next {
        Next::Failed(error) => error,
        other => panic!("{other:?}"),
    }
}

fn seconds(next: Next) -> i64 {
    match next {
        Next::Waiting { seconds, .. } => seconds,
        other => panic!("{other:?}"),
    }
}

fn out_of_memory() -> Outcome {
    let used = MemoryUse { peak: 3 << 30, limit: 4 << 30, of: "the machine's memory and swap".to_owned() };
    Outcome::OutOfMemory { how: "it asked for 2.0 GiB more and was refused".to_owned(), used }
}

#[test]
fn the_third_crash_without_progress_ends_a_job_and_says_what_each_was() {
    let died = || Outcome::Died("it was ended by signal 11 (SIGSEGV)".to_owned());
    assert_eq!(Next::of(&job(), died()), Next::Crashed("it was ended by signal 11 (SIGSEGV)".to_owned()));
    let crash_log =
        vec!["it ended early with exit code 101".to_owned(), "it was ended by signal 9 (SIGKILL)".to_owned()];
    let error = failed(Next::of(&Job { crashes: 2, crash_log, ..job() }, died()));
    assert_eq!(error.code, "crash_loop");
    for told in
        ["1. it ended early with exit code 101; ", "2. it was ended by signal 9", "3. it was ended by signal 11"]
    {
        assert!(error.message.contains(told), "{error:?}");
    }
    assert!(!error.message.contains("memory") && !error.hint.contains("memory"), "{error:?}");
}

#[test]
fn a_step_that_takes_the_memory_is_done_in_halves_down_to_one_pair() {
    let mut pairs = vec![];
    let mut job = job();
    while let Next::Smaller { micro_batch, reason } = Next::of(&job, out_of_memory()) {
        assert!(reason.contains("2.0 GiB") && reason.contains("from all 8 together"), "{reason}");
        pairs.push(micro_batch);
        job.micro_batch = Some(micro_batch);
    }
    assert_eq!(pairs, [4, 2, 1]);
    // As many as the settings say at a time, where they say so.
    job.micro_batch = None;
    job.config.settings.mini_batch = Some(6);
    assert!(matches!(Next::of(&job, out_of_memory()), Next::Smaller { micro_batch: 3, .. }));
    // Loading a model takes as much however small the parts of a step are.
    job.phase = Some(Phase::Loading);
    assert!(matches!(Next::of(&job, out_of_memory()), Next::Waiting { code: WaitReason::Memory, .. }));
}

#[test]
fn memory_that_never_suffices_is_told_with_numbers() {
    let waited = Job { micro_batch: Some(1), wait_reason: Some(WaitReason::Memory), waits: 4, ..job() };
    let error = failed(Next::of(&waited, out_of_memory()));
    assert_eq!(error.code, "out_of_memory");
    for told in ["one pair at a time", "5 times", "2.0 GiB more", "up to 3.0 GiB", "4.0 GiB: the machine's memory"] {
        assert!(error.message.contains(told), "{error:?}");
    }
}

#[test]
fn a_job_waits_for_room_for_ever_and_for_files_a_bounded_number_of_times() {
    let full = || Outcome::NoRoom("the server's disk is full".to_owned());
    let files = || Outcome::of_file(&std::io::Error::other("EIO"), "The run's folder cannot be made");
    let waited = |code, waits| Job { wait_reason: Some(code), waits, ..job() };
    // 5 s, doubled each time, a fifth more or less.
    for (waits, expected) in [(0, 4..=6), (1, 8..=12), (3, 32..=48), (4, 48..=72), (99, 48..=72)] {
        assert!(expected.contains(&seconds(Next::of(&waited(WaitReason::DiskFull, waits), full()))), "{waits}");
    }
    for (waits, expected) in [(0, 4..=6), (5, 128..=192), (7, 240..=360)] {
        assert!(expected.contains(&seconds(Next::of(&waited(WaitReason::IoError, waits), files()))), "{waits}");
    }
    let error = failed(Next::of(&waited(WaitReason::IoError, 8), files()));
    assert_eq!(error.code, "file_not_readable");
    assert_eq!(error.message, "The run's folder cannot be made. It was tried 9 times.");
    // Waits for something else do not count.
    assert!((4..=6).contains(&seconds(Next::of(&waited(WaitReason::DiskFull, 99), files()))));
    match Next::of(&job(), files()) {
        Next::Waiting { reason, .. } => assert_eq!(reason, "the run's folder cannot be made"),
        other => panic!("{other:?}"),
    }
    let no_space = std::io::Error::from(std::io::ErrorKind::StorageFull);
    assert!(matches!(Outcome::of_file(&no_space, "It"), Outcome::NoRoom(_)));
}
