use super::*;

fn left(datasets: &[&str], jobs: &[&str], models: &[&str]) -> Left {
    let owned = |ids: &[&str]| ids.iter().map(|id| (*id).to_owned()).collect();
    Left { datasets: owned(datasets), jobs: owned(jobs), models: owned(models) }
}

/// How many rows a condition holds for.
async fn count(world: &World, sql: &'static str) -> i64 {
    sqlx::query_scalar(sql).fetch_one(&world.reader).await.unwrap()
}

#[tokio::test]
async fn a_dataset_of_jobs_that_are_over_leaves_a_row_that_tells_nothing_until_they_go() {
    let world = World::open().await;
    let named = Dataset { name: "secret".to_owned(), ..table("ds_1") };
    let secret = world.store_table(named.clone()).await.unwrap().0;
    let version = Dataset { version_of: Some("ds_1".to_owned()), ..table("ds_2") };
    world.store_table(version).await.unwrap();
    world.remember_dataset_request("key", &"1".repeat(64), "ds_1").await.unwrap();
    let claim = world.claimed_as("job_1", "job_1", &JobRequest { dataset: secret.clone(), ..world.job() }).await;
    assert!(matches!(world.delete_dataset("ds_1").await.unwrap_err(), StoreError::Referenced));
    assert!(world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap());

    let (file, told) = world.delete_dataset("ds_1").await.unwrap();
    assert_eq!((file, told), (Some(secret.sha256.clone()), left(&["ds_2"], &["job_1"], &["ft_1"])));
    assert!(world.store.dataset("ds_1").await.unwrap().is_none());
    assert_eq!(world.dataset_request("key").await.unwrap(), None);
    let other = world.store.dataset("ds_2").await.unwrap().unwrap();
    assert_eq!((other.version, other.version_of, other.latest), (2, None, true));
    assert_eq!(world.dataset_files().await.unwrap().len(), 2);
    let job = world.row("job_1").await;
    assert_eq!((job.dataset_id.as_str(), job.dataset_name.as_str()), ("ds_1", "ds_1"));
    let telling = "select count(*) from dataset where dataset_id = 'ds_1'
                      and (name = 'secret' or sha256 <> printf('%064d', 0) or columns is not null or findings <> '[]')";
    assert_eq!(count(&world, telling).await, 0);
    // It is gone for whoever names it, and the same bytes are a new dataset.
    assert_eq!(world.delete_dataset("ds_1").await.unwrap(), (None, Left::default()));
    let again = world.insert_job("job_2", "job_2", &JobRequest { dataset: secret, ..world.job() }).await;
    assert!(matches!(again.unwrap_err(), StoreError::Gone));
    let version = Dataset { version_of: Some("ds_1".to_owned()), ..table("ds_3") };
    assert!(matches!(world.store_table(version).await.unwrap_err(), StoreError::Gone));
    assert!(world.store_table(Dataset { dataset_id: "ds_4".to_owned(), ..named }).await.unwrap().1);

    assert_eq!(world.delete_job("job_1").await.unwrap(), JobDeletion::Deleted(left(&[], &[], &["ft_1"])));
    assert_eq!(count(&world, "select count(*) from dataset where dataset_id = 'ds_1'").await, 0);
}

#[tokio::test]
async fn a_job_goes_when_it_is_over_and_its_model_stays() {
    let world = World::open().await;
    world.queue(&["job_2"]).await;
    assert_eq!(world.delete_job("nobody").await.unwrap(), JobDeletion::Unknown);
    assert_eq!(world.delete_job("job_2").await.unwrap(), JobDeletion::NotOver);
    let claim = world.claim_job().await.unwrap().unwrap();
    assert_eq!(world.delete_job("job_2").await.unwrap(), JobDeletion::NotOver);
    world.record_checkpoint(&claim, 1, &"a".repeat(64)).await.unwrap();
    world.finish_job(&claim, &tuned("ft_2", &claim), &json!({ "text": "secret" }), None).await.unwrap();
    let before = world.models_version();
    assert_eq!(world.delete_job("job_2").await.unwrap(), JobDeletion::Deleted(left(&["ds_0"], &[], &["ft_2"])));
    assert!(world.models_version() > before);
    assert!(world.store.job("job_2").await.unwrap().is_none() && world.told("job_2").await.is_empty());
    assert!(world.checkpoints("job_2").await.unwrap().is_empty());
    let model = world.store.model("ft_2").await.unwrap().unwrap();
    assert_eq!((model.name.as_str(), model.job_id), ("job_2", None));
    // The model still knows what it learnt from, and the table what learnt from it.
    assert_eq!(world.delete_dataset("ds_0").await.unwrap().1, left(&[], &[], &["ft_2"]));
    assert_eq!(world.delete_model("ft_2").await.unwrap(), Deletion::Deleted(Left::default()));
    assert_eq!(count(&world, "select count(*) from descent").await, 0);
}

#[tokio::test]
async fn what_was_made_of_a_table_is_told_however_far_off_it_is() {
    let world = World::open().await;
    let mined = world.store_table(table("ds_1")).await.unwrap().0;
    world.record_descent("ds_1", "ds_0").await.unwrap();
    world.record_descent("ds_1", "ds_0").await.unwrap();
    let first = world.claimed_as("job_1", "job_1", &JobRequest { dataset: mined, ..world.job() }).await;
    let model = tuned("ft_1", &first);
    world.finish_job(&first, &model, &json!({}), None).await.unwrap();
    let other = world.store_table(table("ds_2")).await.unwrap().0;
    let second = world.claimed_as("job_2", "job_2", &JobRequest { dataset: other, model, ..world.job() }).await;
    world.finish_job(&second, &tuned("ft_2", &second), &json!({}), None).await.unwrap();
    for job in ["job_1", "job_2"] {
        world.delete_job(job).await.unwrap();
    }
    assert_eq!(world.delete_dataset("ds_0").await.unwrap().1, left(&["ds_1"], &[], &["ft_1", "ft_2"]));
    let Deletion::Deleted(told) = world.delete_model("ft_1").await.unwrap() else { panic!("not deleted") };
    assert_eq!(told, left(&["ds_1"], &[], &["ft_2"]));
    assert_eq!(world.delete_dataset("ds_1").await.unwrap().1, left(&[], &[], &["ft_2"]));
}

#[tokio::test]
async fn events_of_jobs_that_were_over_go_but_for_the_last() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.claimed("job_2").await;
    world.record_event(&claim, "log", &json!({}), None, None).await.unwrap();
    world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap();
    let over = world.row("job_1").await.finished_at.unwrap();
    assert_eq!(world.forget_events(over).await.unwrap(), 0);
    assert_eq!(world.jobs_over_before(over, 10).await.unwrap(), [""; 0]);
    assert_eq!(world.jobs_over_before(over + 1, 10).await.unwrap(), ["job_1"]);
    assert_eq!(world.forget_events(over + 1).await.unwrap(), 3);
    assert_eq!(world.forget_events(over + 1).await.unwrap(), 0);
    assert_eq!(world.told("job_1").await, ["succeeded"]);
    assert_eq!(world.told("job_2").await, ["queued", "started"]);
}

/// Whether a word stands anywhere in the files of a store.
fn holds(world: &World, word: &str) -> bool {
    let files = std::fs::read_dir(world.folder.path()).unwrap().map(|entry| entry.unwrap().path());
    files
        .map(|file| std::fs::read(file).unwrap())
        .any(|bytes| bytes.windows(word.len()).any(|part| part == word.as_bytes()))
}

#[tokio::test]
async fn what_was_deleted_is_in_no_file_when_the_log_is_cut_off() {
    let world = World::open().await;
    let canary = "a canary in the mine";
    for job in 0..8 {
        let claim = world.claimed(&format!("job_{job}")).await;
        for length in [10, 3000, 9000] {
            let text = format!("{canary} {}", "x".repeat(length));
            world.record_event(&claim, "log", &json!({ "text": text }), None, None).await.unwrap();
        }
        let report = json!({ "text": vec![canary; 500] });
        world.finish_job(&claim, &tuned(&format!("ft_{job}"), &claim), &report, None).await.unwrap();
    }
    for job in 0..8 {
        assert!(holds(&world, canary));
        world.delete_job(&format!("job_{job}")).await.unwrap();
    }
    // Somebody who reads for long holds the log; it is cut off later.
    let mut reading = world.reader.begin().await.unwrap();
    sqlx::query("select count(*) from job").fetch_one(&mut *reading).await.unwrap();
    world.upsert_model(&model("other")).await.unwrap();
    world.cut_log().await.unwrap();
    assert!(holds(&world, canary));
    reading.rollback().await.unwrap();
    world.cut_log_if_due().await.unwrap();
    assert!(!holds(&world, canary));
}
