//! A job loses nothing and is never stuck: what it does where something is missing.

use super::*;
use crate::store::WaitReason;

/// Says that it fails with a code the first time, and succeeds from then on.
fn fail_once(code: &str) -> String {
    let error = json!({ "type": "failed", "code": code, "message": "It cannot.", "hint": "" });
    format!(r#"[ -e "$HERE/died" ] || {{ touch "$HERE/died"; say '{error}'; exit 1; }}"#)
}

/// Ends early once, and says why on its standard error, with thousands of frames behind it.
fn complain_once(words: &str) -> String {
    format!(r#"[ -e "$HERE/died" ] || {{ touch "$HERE/died"; echo "{words}" >&2; seq 2000 >&2; exit 101; }}"#)
}

impl Shop {
    /// Lets the time come that jobs wait for.
    async fn wind_on(&self) {
        self.queue.store.alter("update job set next_try_at = 1 where next_try_at is not null").await;
        self.queue.wake();
    }
}

fn requeued(events: &[Event]) -> Option<&Value> {
    events.iter().find(|event| event.r#type == "requeued").map(|event| &event.data)
}

#[tokio::test]
async fn a_job_whose_disk_is_full_or_whose_files_fail_waits_and_goes_on_by_itself() {
    for (code, reason) in [("disk_full", WaitReason::DiskFull), ("file_not_readable", WaitReason::IoError)] {
        let shop = Shop::open(&format!("{BEGIN}{}\n{SUCCEED}", fail_once(code))).await;
        let job = shop.post().await;
        shop.go();
        let (row, events) =
            shop.wait(&job, |job, events| job.status == Status::Queued && requeued(events).is_some()).await;
        assert_eq!((row.status, row.wait_reason, row.crashes), (Status::Queued, Some(reason), 0));
        assert!(row.next_try_at.is_some() && requeued(&events).unwrap()["seconds"].as_i64() >= Some(4));
        // Others have their turn meanwhile.
        let other = shop.post_as("other").await;
        assert_eq!(shop.over(&other).await.0.status, Status::Succeeded);
        assert_eq!(shop.queue.store.job(&job.job_id).await.unwrap().unwrap().status, Status::Queued);
        shop.wind_on().await;
        let (row, _) = shop.over(&job).await;
        assert_eq!((row.status, row.attempt), (Status::Succeeded, 2));
        shop.close().await;
    }
}

#[tokio::test]
async fn a_run_whose_folder_cannot_be_made_waits() {
    let shop = Shop::open(SUCCEED).await;
    let (runs, aside) = (shop.folder.path().join("runs"), shop.folder.path().join("aside"));
    std::fs::rename(&runs, &aside).unwrap();
    std::fs::write(&runs, "in the way").unwrap();
    let job = shop.post().await;
    let (row, _) = shop.wait(&job, |job, events| job.status == Status::Queued && requeued(events).is_some()).await;
    assert_eq!((row.status, row.wait_reason), (Status::Queued, Some(WaitReason::IoError)));
    std::fs::remove_file(&runs).unwrap();
    std::fs::rename(&aside, &runs).unwrap();
    shop.wind_on().await;
    assert_eq!(shop.over(&job).await.0.status, Status::Succeeded);
    shop.close().await;
}

#[tokio::test]
async fn a_step_that_is_refused_memory_is_done_again_in_halves_of_its_batch() {
    let words = "DefaultCPUAllocator: can't allocate memory: you tried to allocate 8589934592 bytes";
    let keep = r#"cp "$RUN/run.json" "$HERE/last.json""#;
    let shop = Shop::open(&format!("{BEGIN}{keep}\n{}\n{SUCCEED}", complain_once(words))).await;
    let job = shop.post().await;
    shop.go();
    let (row, events) = shop.over(&job).await;
    assert_eq!((row.status, row.crashes, row.micro_batch), (Status::Succeeded, 0, Some(4)));
    let told = requeued(&events).unwrap();
    assert_eq!(told["code"], "memory");
    assert!(told["reason"].as_str().unwrap().contains("asked for 8.0 GiB more"), "{told}");
    let spec: Value = serde_json::from_slice(&std::fs::read(shop.folder.path().join("last.json")).unwrap()).unwrap();
    // What the user asked for stays.
    assert_eq!((&spec["micro_batch"], &spec["config"]["batch_size"]), (&json!(4), &json!(8)));
    shop.close().await;
}

#[tokio::test]
async fn a_trainer_that_gives_no_sign_of_life_is_ended_and_the_job_goes_on() {
    let stop = r#"[ -e "$HERE/died" ] || { touch "$HERE/died"; kill -STOP $$; }"#;
    let shop = Shop::with_patience(2, Path::new(TRAINER), &format!("{BEGIN}{stop}\n{SUCCEED}")).await;
    let job = shop.post().await;
    shop.go();
    let (row, events) = shop.over(&job).await;
    assert_eq!((row.status, row.attempt, row.crashes), (Status::Succeeded, 2, 1));
    let reason = requeued(&events).unwrap()["reason"].as_str().unwrap();
    assert_eq!(reason, "it gave no sign of life for 2 s and was ended");
    shop.close().await;
}

#[tokio::test]
async fn a_job_that_is_called_running_and_that_nobody_works_on_goes_on() {
    let shop = Shop::open(&format!("{BEGIN}{SUCCEED}")).await;
    let first = shop.post().await;
    shop.begun(&first).await;
    let job = shop.post_as("other").await;
    // A hand in the database.
    shop.queue.store.alter("update job set status = 'running', lease_token = 7 where name = 'other'").await;
    shop.go();
    let (row, events) = shop.over(&job).await;
    assert_eq!((row.status, row.lease_token), (Status::Succeeded, 8));
    assert_eq!(requeued(&events).unwrap()["reason"], "nobody worked on it");
    shop.close().await;
}

#[tokio::test]
async fn cancelling_a_job_that_nobody_works_on_ends_it_at_once() {
    let shop = Shop::open(BEGIN).await;
    let first = shop.post().await;
    let running = shop.begun(&first).await;
    let job = shop.post_as("other").await;
    shop.queue.store.alter("update job set status = 'running' where name = 'other'").await;
    assert_eq!(shop.queue.cancel(&job.job_id).await.unwrap().status, Status::Cancelled);
    // One that is worked on is ended by who works on it.
    let asked = shop.queue.cancel(&running.job_id).await.unwrap();
    assert_eq!((asked.status, asked.cancel_requested_at.is_some()), (Status::Running, true));
    assert_eq!(shop.over(&first).await.0.status, Status::Cancelled);
    shop.close().await;
}

#[tokio::test]
async fn a_server_whose_database_is_away_at_its_start_recovers_its_jobs_when_it_is_back() {
    let shop = Shop::open(&format!("{BEGIN}{SUCCEED}")).await;
    let job = shop.post().await;
    shop.begun(&job).await;
    // Killed: nothing is written any more.
    shop.supervisor.as_ref().unwrap().abort();
    shop.queue.lay_down().await;
    shop.queue.store.refuse_writes(1);
    shop.go();
    let again = shop.supervisor(600, Path::new(TRAINER));
    let stop = CancellationToken::new();
    let running = tokio::spawn(again.run(stop.clone()));
    let (row, _) = shop.over(&job).await;
    assert_eq!((row.status, row.attempt), (Status::Succeeded, 2));
    assert_eq!(shop.queue.store.refusals_left(), 0);
    stop.cancel();
    running.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_job_that_can_never_fit_is_refused_with_numbers() {
    let shop = Shop::open(SUCCEED).await;
    // Two tensors of 4 TiB, in a file of holes.
    let numbers: u64 = 1 << 40;
    let (bytes, all) = (4 * numbers, 8 * numbers);
    let header = json!({
        "a": { "dtype": "F32", "shape": [numbers], "data_offsets": [0, bytes] },
        "b": { "dtype": "F32", "shape": [numbers], "data_offsets": [bytes, all] },
    })
    .to_string();
    let model = shop.folder.path().join("models/base");
    std::fs::create_dir(&model).unwrap();
    let file = std::fs::File::create(model.join("model.safetensors")).unwrap();
    std::io::Write::write_all(&mut &file, &[&(header.len() as u64).to_le_bytes()[..], header.as_bytes()].concat())
        .unwrap();
    if file.set_len(8 + header.len() as u64 + all).is_err() {
        eprintln!("SKIPPED: this file system has no files of 8 TiB");
        return shop.close().await;
    }
    let refused = shop.enqueue("mine").await.unwrap_err();
    assert!(matches!(refused, QueueError::TooLarge(TooLarge::Memory { .. })), "{refused:?}");
    let told = refused.to_string();
    assert!(told.contains("at least 16384.0 GiB of memory, and the"), "{told}");
    shop.close().await;
}
