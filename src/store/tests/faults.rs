use std::task::{Context, Waker};

use super::*;

#[tokio::test]
async fn a_store_that_is_opened_again_has_all_that_was_written() {
    let world = World::open().await;
    world.tuned("ft_1").await;
    world.set_alias("prod", "ft_1").await.unwrap();
    world.close().await;
    let store = world.reopened().await;
    store.answers().await.unwrap();
    assert_eq!(store.model("prod").await.unwrap().unwrap().model_id, "ft_1");
    assert_eq!(store.job("job_1").await.unwrap().unwrap().status, Status::Succeeded);
    assert!(world.answers().await.is_err() && world.claim_job().await.is_err());
}

#[tokio::test]
async fn a_schema_that_is_newer_than_this_program_is_not_touched() {
    let world = World::open().await;
    world
        .alter(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (999, 'newer', true, x'00', 0)",
        )
        .await;
    world.close().await;
    let error = Store::open(&world.folder.path().join("store.db")).await.unwrap_err();
    assert!(matches!(error, StoreError::Other(_)) && error.to_string().contains("999"), "{error}");
}

#[tokio::test]
async fn a_store_whose_folder_is_gone_may_come_back() {
    let folder = TempDir::new().unwrap();
    let error = Store::open(&folder.path().join("absent/store.db")).await.unwrap_err();
    assert_eq!(why(&error), Some(Why::Unreachable), "{error}");
}

#[tokio::test]
async fn a_full_disk_is_told_as_what_may_pass_and_writing_goes_on_when_there_is_room() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    let told = world.told("job_1").await;
    world.alter("pragma max_page_count = 1").await;
    let large = json!({ "text": "x".repeat(1 << 20) });
    let error = world.record_event(&claim, "log", &large, None, Some(half())).await.unwrap_err();
    assert_eq!(why(&error), Some(Why::Full), "{error}");
    // Nothing of it was written, and the one writer is in no transaction that is over.
    assert_eq!((world.told("job_1").await, world.row("job_1").await.progress), (told, None));
    world.alter("pragma max_page_count = 1000000").await;
    assert!(world.record_event(&claim, "log", &large, None, Some(half())).await.unwrap());
    assert_eq!(world.row("job_1").await.progress, Some(half()));
}

fn half() -> Progress {
    Progress { epoch: 1, epochs: 2, step: 1, total_steps: 2, loss: 0.5, fraction: 0.5, seconds_remaining: 1.0 }
}

#[tokio::test]
async fn a_store_that_another_process_writes_to_is_told_as_what_may_pass() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    let other = world.reopened().await;
    let held = other.begin().await.unwrap();
    world.alter("pragma busy_timeout = 0").await;
    let error = world.claim_job().await.unwrap_err();
    assert_eq!(why(&error), Some(Why::Busy), "{error}");
    // Reading goes on.
    assert_eq!(world.row("job_1").await.status, Status::Queued);
    held.commit().await.unwrap();
    assert!(world.claim_job().await.unwrap().is_some());
}

#[tokio::test]
async fn a_writer_that_gives_up_halfway_leaves_nothing_behind() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    for polls in 1..20 {
        // Dropped after so many steps, wherever that is.
        let mut claim = Box::pin(world.claim_job());
        for _ in 0..polls {
            if claim.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready() {
                break;
            }
            tokio::task::yield_now().await;
        }
        drop(claim);
        // The one writer is free again.
        world.begin().await.unwrap().rollback().await.unwrap();
        // All or nothing: a job that is claimed has the event that says so.
        let row = world.row("job_1").await;
        let started = world.told("job_1").await.iter().filter(|kind| *kind == "started").count();
        assert_eq!(started, row.attempt as usize);
        if row.status == Status::Running {
            world.release_job(&row, Release::Interrupted { reason: "given up" }).await.unwrap();
        }
    }
    assert_eq!(world.claim_job().await.unwrap().unwrap().job_id, "job_1");
}

/// What may pass of an error.
pub(super) fn why(error: &StoreError) -> Option<Why> {
    match error {
        StoreError::Unavailable(Unavailable { why, .. }) => Some(*why),
        _ => None,
    }
}

#[tokio::test]
async fn a_commit_that_fails_leaves_nothing_behind_and_the_next_write_goes_on() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    // A foreign key that is looked at by the commit alone.
    let mut tx = world.begin().await.unwrap();
    sqlx::query("pragma defer_foreign_keys = on").execute(&mut *tx).await.unwrap();
    sqlx::query("delete from dataset").execute(&mut *tx).await.unwrap();
    assert!(matches!(StoreError::from(tx.commit().await.unwrap_err()), StoreError::Gone));
    assert!(world.store.dataset("ds_0").await.unwrap().is_some());
    assert!(world.claim_job().await.unwrap().is_some());
}

#[tokio::test]
async fn whoever_waits_behind_a_writer_is_told_so_in_seconds() {
    let world = World::open().await;
    let held = world.begin().await.unwrap();
    let begun = std::time::Instant::now();
    let error = world.set_alias("prod", "base").await.unwrap_err();
    assert_eq!(why(&error), Some(Why::Busy), "{error}");
    assert!(begun.elapsed() < 2 * PATIENCE, "{:?}", begun.elapsed());
    held.rollback().await.unwrap();
    assert!(world.set_alias("prod", "base").await.unwrap());
}
