//! Jobs that go back into the queue: when their turn comes, and what counts against them.

use super::*;

/// Of a running job, that it got so far.
async fn reach(world: &World, claim: &Job, step: usize) {
    let progress =
        Progress { epoch: 1, epochs: 2, step, total_steps: 99, loss: 0.5, fraction: 0.1, seconds_remaining: 9.0 };
    assert!(world.record_event(claim, "progress", &json!({}), Some(Phase::Training), Some(progress)).await.unwrap());
}

async fn save(world: &World, claim: &Job, step: i64) {
    world.record_checkpoint(claim, step, &"0".repeat(64)).await.unwrap().unwrap();
}

fn waiting(code: WaitReason) -> Release<'static> {
    Release::Waiting { code, reason: "the disk is full", seconds: 60 }
}

#[tokio::test]
async fn a_job_that_waits_has_no_turn_before_its_time_and_others_have_theirs() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.queue(&["job_2"]).await;
    let before = now();
    assert_eq!(world.release_job(&claim, waiting(WaitReason::DiskFull)).await.unwrap(), Some(Status::Queued));
    let job = world.row("job_1").await;
    assert_eq!((job.wait_reason, job.waits, job.crashes), (Some(WaitReason::DiskFull), 1, 0));
    let at = job.next_try_at.unwrap();
    assert!((before + 60_000..=now() + 60_000).contains(&at));
    assert_eq!(world.next_try().await.unwrap(), Some(at));
    let told = json!({ "reason": "the disk is full", "code": "disk_full", "seconds": 60 });
    assert_eq!(world.last_told("job_1").await, ("requeued".to_owned(), told));
    assert_eq!(world.claim_job().await.unwrap().unwrap().job_id, "job_2");
    assert!(world.claim_job().await.unwrap().is_none());
    world.alter("update job set next_try_at = 1").await;
    let job = world.claim_job().await.unwrap().unwrap();
    assert_eq!((job.job_id.as_str(), job.next_try_at), ("job_1", None));
    assert_eq!(world.next_try().await.unwrap(), None);
}

#[tokio::test]
async fn a_clock_that_was_wrong_makes_no_job_wait_for_days() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.release_job(&claim, waiting(WaitReason::IoError)).await.unwrap();
    // A day from now.
    world.alter("update job set next_try_at = next_try_at + 86400000").await;
    assert_eq!(world.claim_job().await.unwrap().unwrap().job_id, "job_1");
}

#[tokio::test]
async fn waits_for_one_thing_are_counted_until_something_else_or_progress_comes() {
    let world = World::open().await;
    let mut claim = world.claimed("job_1").await;
    for (release, waits) in [
        (waiting(WaitReason::DiskFull), 1),
        (waiting(WaitReason::DiskFull), 2),
        (waiting(WaitReason::IoError), 1),
        (waiting(WaitReason::IoError), 2),
    ] {
        world.release_job(&claim, release).await.unwrap();
        assert_eq!(world.row("job_1").await.waits, waits);
        world.alter("update job set next_try_at = null").await;
        claim = world.claim_job().await.unwrap().unwrap();
    }
    save(&world, &claim, 1).await;
    assert_eq!(world.row("job_1").await.waits, 0);
}

#[tokio::test]
async fn crashes_count_until_a_checkpoint_is_past_where_the_last_one_was() {
    let world = World::open().await;
    let mut claim = world.claimed("job_1").await;
    for (reached, saved, crashes) in [(6, 4, 1), (5, 5, 2), (9, 7, 1)] {
        reach(&world, &claim, reached).await;
        save(&world, &claim, saved).await;
        world.release_job(&claim, Release::Crashed { reason: "signal 9" }).await.unwrap();
        assert_eq!(world.row("job_1").await.crashes, crashes, "at {reached}");
        claim = world.claim_job().await.unwrap().unwrap();
    }
    world.release_job(&claim, Release::Crashed { reason: "signal 11" }).await.unwrap();
    assert_eq!(world.row("job_1").await.crash_log, ["signal 9", "signal 11"]);
}

#[tokio::test]
async fn a_job_that_computes_in_smaller_parts_keeps_to_them() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    let smaller = Release::Smaller { reason: "memory ran out", micro_batch: 4 };
    assert_eq!(world.release_job(&claim, smaller).await.unwrap(), Some(Status::Queued));
    let job = world.claim_job().await.unwrap().unwrap();
    assert_eq!((job.micro_batch, job.crashes, job.waits), (Some(4), 0, 0));
    world.release_job(&job, Release::Interrupted { reason: "a stop" }).await.unwrap();
    assert_eq!(world.row("job_1").await.micro_batch, Some(4));
}
