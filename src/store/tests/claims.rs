use super::*;

fn progress(step: usize) -> Progress {
    Progress { epoch: 1, epochs: 2, step, total_steps: 20, loss: 0.5, fraction: 0.1, seconds_remaining: 9.0 }
}

fn failure() -> JobError {
    JobError { code: "disk_full".to_owned(), message: "Full.".to_owned(), hint: "Make room.".to_owned() }
}

#[tokio::test]
async fn a_claim_takes_the_oldest_job_and_says_so() {
    let world = World::open().await;
    assert!(world.claim_job().await.unwrap().is_none());
    world.queue(&["job_1", "job_2"]).await;
    let job = world.claim_job().await.unwrap().unwrap();
    assert_eq!((job.job_id.as_str(), job.status, job.phase), ("job_1", Status::Running, Some(Phase::Loading)));
    assert_eq!((job.lease_token, job.attempt, job.crashes), (1, 1, 0));
    assert!(job.started_at.is_some());
    let started = world.events_after("job_1", 1, 1).await.unwrap().remove(0);
    assert_eq!((started.r#type.as_str(), started.data), ("started", json!({ "attempt": 1 })));
    assert_eq!(world.claim_job().await.unwrap().unwrap().job_id, "job_2");
    assert!(world.claim_job().await.unwrap().is_none());
}

#[tokio::test]
async fn a_job_is_claimed_by_one_of_many() {
    let world = World::open().await;
    world.queue(&["job_0", "job_1", "job_2", "job_3", "job_4", "job_5"]).await;
    let others = world.reopened().await;
    let claims = (0..12).map(|number| if number % 2 == 0 { world.claim_job() } else { others.claim_job() });
    let claims = futures_util::future::join_all(claims).await;
    let mut ids: Vec<String> = claims.into_iter().filter_map(|claim| claim.unwrap()).map(|job| job.job_id).collect();
    ids.sort();
    assert_eq!(ids, ["job_0", "job_1", "job_2", "job_3", "job_4", "job_5"]);
}

#[tokio::test]
async fn each_claim_has_a_token_that_no_other_had() {
    let world = World::open().await;
    let mut claim = world.claimed("job_1").await;
    let (first, started) = (claim.lease_token, claim.started_at);
    for number in 1..4 {
        claim = world.claimed_again(&claim).await;
        assert_eq!((claim.lease_token, claim.attempt), (first + number, 1 + number));
    }
    // A job began when it was first claimed.
    assert_eq!(claim.started_at, started);
}

#[tokio::test]
async fn a_writer_that_was_superseded_changes_nothing_and_is_told() {
    let world = World::open().await;
    let old = world.claimed("job_1").await;
    let new = world.claimed_again(&old).await;
    let told = world.told("job_1").await;

    let event = world.record_event(&old, "log", &json!({}), Some(Phase::Saving), Some(progress(3))).await;
    assert!(!event.unwrap());
    assert!(world.record_checkpoint(&old, 5, &"0".repeat(64)).await.unwrap().is_none());
    assert!(!world.finish_job(&old, &tuned("ft_1", &old), &json!({}), None).await.unwrap());
    assert_eq!(world.release_job(&old, Release::Crashed { reason: "a crash" }).await.unwrap(), None);
    assert_eq!(world.release_job(&old, Release::Failed(&failure())).await.unwrap(), None);

    let job = world.row("job_1").await;
    assert_eq!((job.status, job.phase, job.progress), (Status::Running, Some(Phase::Loading), None));
    assert_eq!((job.lease_token, job.crashes, job.error), (new.lease_token, 0, None));
    assert_eq!(world.told("job_1").await, told);
    assert!(world.checkpoints("job_1").await.unwrap().is_empty());
    assert!(world.store.model("ft_1").await.unwrap().is_none());
    // Whoever holds it goes on.
    assert!(world.record_event(&new, "log", &json!({}), None, None).await.unwrap());
}

#[tokio::test]
async fn a_job_that_is_over_takes_no_more_events() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.release_job(&claim, Release::Failed(&failure())).await.unwrap();
    assert!(!world.record_event(&claim, "log", &json!({}), None, None).await.unwrap());
    assert!(world.record_checkpoint(&claim, 5, &"0".repeat(64)).await.unwrap().is_none());
    assert_eq!(world.told("job_1").await, ["queued", "started", "failed"]);
}

#[tokio::test]
async fn an_event_brings_a_phase_or_progress_and_leaves_the_others_as_they_are() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.record_event(&claim, "phase", &json!({}), Some(Phase::BaseEval), None).await.unwrap();
    assert_eq!(world.row("job_1").await.phase, Some(Phase::BaseEval));
    assert_eq!(world.training_progress().await.unwrap(), None);
    world.record_event(&claim, "progress", &json!({}), Some(Phase::Training), Some(progress(3))).await.unwrap();
    world.record_event(&claim, "log", &json!({}), None, None).await.unwrap();
    let job = world.row("job_1").await;
    assert_eq!((job.phase, job.progress), (Some(Phase::Training), Some(progress(3))));
    assert_eq!(world.training_progress().await.unwrap(), Some(progress(3)));
    world.record_event(&claim, "phase", &json!({}), Some(Phase::Saving), None).await.unwrap();
    assert_eq!(world.training_progress().await.unwrap(), None);
}

#[tokio::test]
async fn the_last_two_checkpoints_are_kept_over_all_claims() {
    let world = World::open().await;
    let mut claim = world.claimed("job_1").await;
    let manifest = "0".repeat(64);
    let steps =
        |rows: &[CheckpointRow]| -> Vec<(i64, i64)> { rows.iter().map(|row| (row.lease_token, row.step)).collect() };
    for step in [10, 20] {
        assert_eq!(steps(&world.record_checkpoint(&claim, step, &manifest).await.unwrap().unwrap()), []);
    }
    assert_eq!(steps(&world.record_checkpoint(&claim, 30, &manifest).await.unwrap().unwrap()), [(1, 10)]);
    world.release_job(&claim, Release::Crashed { reason: "a crash" }).await.unwrap();
    claim = world.claim_job().await.unwrap().unwrap();
    // A run that goes on from an earlier step: what it saves is newer all the same.
    assert_eq!(steps(&world.record_checkpoint(&claim, 25, &manifest).await.unwrap().unwrap()), [(1, 20)]);
    let kept = world.checkpoints("job_1").await.unwrap();
    assert_eq!(steps(&kept), [(2, 25), (1, 30)]);
    assert_eq!((kept[0].job_id.as_str(), kept[0].manifest_sha256.as_str()), ("job_1", manifest.as_str()));
    assert_eq!(world.last_told("job_1").await, ("checkpoint".to_owned(), json!({ "step": 25 })));
}

#[tokio::test]
async fn checkpoints_of_jobs_that_are_over_are_forgotten_and_no_others() {
    let world = World::open().await;
    let manifest = "0".repeat(64);
    let over = world.claimed("job_1").await;
    let running = world.claimed("job_2").await;
    let waiting = world.claimed("job_3").await;
    for claim in [&over, &running, &waiting] {
        world.record_checkpoint(claim, 1, &manifest).await.unwrap();
    }
    world.release_job(&over, Release::Failed(&failure())).await.unwrap();
    world.release_job(&waiting, Release::Interrupted { reason: "a stop" }).await.unwrap();
    world.forget_checkpoints().await.unwrap();
    let left = async |id| world.checkpoints(id).await.unwrap().len();
    assert_eq!((left("job_1").await, left("job_2").await, left("job_3").await), (0, 1, 1));
}

#[tokio::test]
async fn a_crash_is_counted_and_an_interruption_is_not() {
    let world = World::open().await;
    let mut claim = world.claimed("job_1").await;
    world.record_event(&claim, "progress", &json!({}), Some(Phase::Training), Some(progress(1))).await.unwrap();
    for (release, crashes) in [
        (Release::Interrupted { reason: "a stop" }, 0),
        (Release::Crashed { reason: "signal 9" }, 1),
        (Release::Interrupted { reason: "a stop" }, 1),
        (Release::Crashed { reason: "signal 9" }, 2),
    ] {
        assert_eq!(world.release_job(&claim, release).await.unwrap(), Some(Status::Queued));
        let job = world.row("job_1").await;
        assert_eq!((job.crashes, job.phase, job.progress, job.finished_at), (crashes, None, None, None));
        let (reason, code) = match release {
            Release::Crashed { .. } => ("signal 9", "retry"),
            _ => ("a stop", "interrupted"),
        };
        let told = json!({ "reason": reason, "code": code });
        assert_eq!(world.last_told("job_1").await, ("requeued".to_owned(), told));
        claim = world.claim_job().await.unwrap().unwrap();
    }
}

#[tokio::test]
async fn a_failed_job_says_why() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    assert_eq!(world.release_job(&claim, Release::Failed(&failure())).await.unwrap(), Some(Status::Failed));
    let job = world.row("job_1").await;
    assert_eq!((job.status, job.error, job.phase), (Status::Failed, Some(failure()), None));
    assert!(job.finished_at.is_some() && world.claim_job().await.unwrap().is_none());
    assert_eq!(world.last_told("job_1").await, ("failed".to_owned(), json!(failure())));
}

#[tokio::test]
async fn a_cancellation_before_the_end_wins_over_a_model_a_failure_and_the_queue() {
    let world = World::open().await;
    for (id, release) in [
        ("job_1", Release::Interrupted { reason: "a stop" }),
        ("job_2", Release::Crashed { reason: "a crash" }),
        ("job_3", Release::Failed(&failure())),
    ] {
        let claim = world.claimed(id).await;
        world.cancel_job(id).await.unwrap();
        assert!(!world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap());
        assert_eq!(world.release_job(&claim, release).await.unwrap(), Some(Status::Cancelled));
        let job = world.row(id).await;
        assert!(job.status == Status::Cancelled && job.finished_at.is_some());
        // It did not fail: it was ended.
        assert_eq!(job.error, None);
        assert_eq!(world.told(id).await, ["queued", "started", "cancelled"]);
    }
    assert!(world.store.model("ft_1").await.unwrap().is_none());
}

#[tokio::test]
async fn a_cancellation_and_an_end_at_the_same_time_make_one_of_both() {
    let world = World::open().await;
    for number in 0..8 {
        let (job_id, model_id) = (format!("job_{number}"), format!("ft_{number}"));
        let claim = world.claimed(&job_id).await;
        let (model, report) = (tuned(&model_id, &claim), json!({}));
        let finish = world.finish_job(&claim, &model, &report, None);
        let cancel = world.cancel_job(&job_id);
        // Now the one is first, and now the other.
        let finished = if number % 2 == 0 { tokio::join!(finish, cancel).0 } else { tokio::join!(cancel, finish).1 };
        let finished = finished.unwrap();
        if !finished {
            world.release_job(&claim, Release::Interrupted { reason: "cancelled" }).await.unwrap();
        }
        let job = world.row(&job_id).await;
        assert_eq!(job.status, if finished { Status::Succeeded } else { Status::Cancelled });
        assert_eq!(world.store.model(&model_id).await.unwrap().is_some(), finished);
    }
}

#[tokio::test]
async fn a_model_its_job_and_its_alias_come_together() {
    let world = World::open().await;
    world.set_alias("prod", "base").await.unwrap();
    let claim = world.claimed_as("job_1", "occupations", &world.job_for("prod")).await;
    assert_eq!(world.report("job_1").await.unwrap(), None);
    let model = ModelRow { bytes: 77, ..tuned("ft_1", &claim) };
    let report = json!({ "seconds": 3, "notes": ["職種"] });
    assert!(world.finish_job(&claim, &model, &report, Some(&moved(true))).await.unwrap());

    let job = world.row("job_1").await;
    assert_eq!((job.status, job.phase, job.alias_result), (Status::Succeeded, None, Some(moved(true))));
    assert!(job.finished_at.is_some());
    assert_eq!(world.report("job_1").await.unwrap(), Some(report));
    let found = world.store.model("ft_1").await.unwrap().unwrap();
    assert_eq!((found.name.as_str(), found.kind, found.bytes), ("occupations", Kind::Tuned, 77));
    assert_eq!((found.base_model.as_deref(), found.job_id.as_deref()), (Some("base"), Some("job_1")));
    assert_eq!(world.alias("prod").await.unwrap().unwrap().model_id, "ft_1");
    assert_eq!(world.alias_history("prod").await.unwrap().moves[1].reason, MoveReason::Job);
    assert_eq!(world.told("job_1").await, ["queued", "started", "alias", "succeeded"]);
    // And once.
    assert!(!world.finish_job(&claim, &model, &json!({}), None).await.unwrap());
}

#[tokio::test]
async fn an_alias_that_may_not_move_stays_and_the_job_says_why() {
    let world = World::open().await;
    world.set_alias("prod", "base").await.unwrap();
    let claim = world.claimed_as("job_1", "job_1", &world.job_for("prod")).await;
    let result = AliasResult { code: "not_a_win".to_owned(), ..moved(false) };
    assert!(world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), Some(&result)).await.unwrap());
    assert_eq!(world.alias("prod").await.unwrap().unwrap().model_id, "base");
    let told = world.events_after("job_1", 2, 1).await.unwrap().remove(0);
    assert_eq!(
        (told.r#type.as_str(), &told.data["moved"], &told.data["code"]),
        ("alias", &json!(false), &json!("not_a_win"))
    );
    assert_eq!(world.row("job_1").await.alias_result, Some(result));
}

#[tokio::test]
async fn a_name_that_was_taken_meanwhile_is_told_and_the_claim_is_still_held() {
    let world = World::open().await;
    let claim = world.claimed_as("job_1", "occupations", &world.job_for("prod")).await;
    world.upsert_model(&model("occupations")).await.unwrap();
    let refused = world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), Some(&moved(true))).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Taken { what } if what == "name"), "{refused:?}");
    // All or nothing.
    assert_eq!(world.row("job_1").await.status, Status::Running);
    assert_eq!(world.report("job_1").await.unwrap(), None);
    assert!(world.store.model("ft_1").await.unwrap().is_none() && world.alias("prod").await.unwrap().is_none());
    assert_eq!(world.told("job_1").await, ["queued", "started"]);
    assert_eq!(world.release_job(&claim, Release::Failed(&failure())).await.unwrap(), Some(Status::Failed));
}

#[tokio::test]
async fn a_store_that_is_opened_again_puts_back_what_was_running_and_what_was_to_end_ends() {
    let world = World::open().await;
    let running = world.claimed("job_1").await;
    world.claimed("job_2").await;
    world.cancel_job("job_2").await.unwrap();
    world.tuned("ft_3").await;
    world.queue(&["job_4"]).await;
    let store = world.reopened().await;
    assert_eq!(store.recover_jobs(None, "the server stopped").await.unwrap(), ["job_1", "job_2"]);
    let status = async |id| store.job(id).await.unwrap().unwrap().status;
    assert_eq!((status("job_1").await, status("job_2").await), (Status::Queued, Status::Cancelled));
    assert_eq!((status("job_3").await, status("job_4").await), (Status::Succeeded, Status::Queued));
    let told = json!({ "reason": "the server stopped", "code": "interrupted" });
    assert_eq!(world.last_told("job_1").await, ("requeued".to_owned(), told));
    assert_eq!(world.row("job_1").await.crashes, 0);
    // The writer of before has lost its claim.
    assert!(!world.record_event(&running, "log", &json!({}), None, None).await.unwrap());
    let again = store.claim_job().await.unwrap().unwrap();
    assert_eq!((again.job_id.as_str(), again.lease_token, again.attempt), ("job_1", 2, 2));
    // The one that somebody works on stays.
    let at_work = Some((again.job_id.as_str(), again.lease_token));
    assert!(store.recover_jobs(at_work, "nobody worked on it").await.unwrap().is_empty());
    let superseded = Some((again.job_id.as_str(), again.lease_token - 1));
    assert_eq!(store.recover_jobs(superseded, "nobody worked on it").await.unwrap(), ["job_1"]);
}
