//! A database of each released version, brought up to date.

use sqlx::ConnectOptions;
use sqlx::sqlite::SqliteConnection;

use super::*;
use crate::store::{copies_of, newest_schema};

/// Version 0.1.0 before its release: datasets, versions, a request; jobs that succeeded, one over the other's model, one
/// that ran and one that waited when its server was killed; a key.
const SCHEMA_6: &str = include_str!("../../../tests/fixtures/schema_6.sql");

async fn connect(path: &Path) -> SqliteConnection {
    SqliteConnectOptions::new().filename(path).create_if_missing(true).connect().await.unwrap()
}

/// A database as an earlier version left it.
async fn earlier(folder: &TempDir, dump: &'static str) -> std::path::PathBuf {
    let path = folder.path().join("shamisen.db");
    let mut connection = connect(&path).await;
    sqlx::raw_sql(dump).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    path
}

#[tokio::test]
async fn a_database_of_an_earlier_version_is_brought_up_to_date_and_kept_as_it_was() {
    let folder = TempDir::new().unwrap();
    let path = earlier(&folder, SCHEMA_6).await;
    let before = examine(&path).await.unwrap().contents.unwrap();
    let store = Store::open(&path).await.unwrap();

    let Examination { damage, contents, schema } = examine(&path).await.unwrap();
    let contents = contents.unwrap();
    assert_eq!((damage, schema), (Vec::<String>::new(), Some(newest_schema())));
    assert_eq!(
        (&contents.datasets, &contents.models, &contents.jobs),
        (&before.datasets, &before.models, &before.jobs)
    );
    assert_eq!((before.schema, before.datasets.len(), before.models.len(), before.jobs.len()), (6, 3, 3, 4));
    assert_eq!((contents.keys, contents.aliases), (1, 2));

    // The copy is what it was, and nothing else is kept of it.
    let [copy] = &copies_of(&path)[..] else { panic!("{:?}", copies_of(&path)) };
    assert_eq!(store.copies(), [copy.file_name().unwrap().to_str().unwrap()]);
    let kept = examine(copy).await.unwrap();
    assert_eq!((kept.damage, kept.schema), (Vec::<String>::new(), Some(6)));
    assert_eq!(kept.contents.unwrap().jobs, before.jobs);

    // Everything behaves as if it had been made by this version.
    let jobs = store.jobs(None, 10).await.unwrap();
    let [waits, left, again, tuned] = &jobs[..] else { panic!("{jobs:?}") };
    assert_eq!((again.status, tuned.status), (Status::Succeeded, Status::Succeeded));
    assert!(jobs.iter().all(|job| job.objection().is_none()));
    assert_eq!(store.recover_jobs(None, "the server stopped").await.unwrap(), [left.job_id.as_str()]);
    assert_eq!(store.queued_jobs().await.unwrap(), [left.job_id.as_str(), waits.job_id.as_str()]);
    assert_eq!(store.model("prod").await.unwrap().unwrap().name, "tuned");
    assert!(store.report(&tuned.job_id).await.unwrap().is_some());
    assert_eq!(store.job_of_key("job").await.unwrap().unwrap().job_id, tuned.job_id);
    // What the second model learnt from is known, also what its base learnt from: both tables, and that model.
    let first = store.dataset_request("once").await.unwrap().unwrap().1;
    let refused = store.delete_dataset(&first).await.unwrap_err();
    assert!(matches!(refused, StoreError::Referenced), "a job that waits needs it: {refused}");
    store.cancel_job(&waits.job_id).await.unwrap();
    let (file, told) = store.delete_dataset(&first).await.unwrap();
    assert_eq!(file, None, "the benchmark has the same bytes");
    assert_eq!((told.jobs.len(), told.models.len(), told.datasets.len()), (2, 2, 2));
    assert!(store.datasets().await.unwrap().iter().all(|dataset| dataset.dataset_id != first));
}

#[tokio::test]
async fn only_the_last_copies_are_kept_and_a_new_database_has_none() {
    let folder = TempDir::new().unwrap();
    let path = earlier(&folder, SCHEMA_6).await;
    for number in [2, 3, 4] {
        std::fs::write(folder.path().join(format!("shamisen.db.before-{number}")), "x").unwrap();
    }
    std::fs::write(folder.path().join("shamisen.db.before-lunch"), "x").unwrap();
    Store::open(&path).await.unwrap().close().await;
    let copies = copies_of(&path);
    assert_eq!((copies.len(), copies[0].file_name().unwrap().to_str().unwrap()), (2, "shamisen.db.before-4"));
    assert!(folder.path().join("shamisen.db.before-lunch").exists());
    // Opened again, it does not change.
    Store::open(&path).await.unwrap().close().await;
    assert_eq!(copies_of(&path), copies);
    let world = World::open().await;
    assert_eq!(world.copies(), [""; 0]);
}

#[tokio::test]
async fn a_schema_that_is_newer_than_this_program_is_refused_with_the_version_that_it_takes() {
    let world = World::open().await;
    world.alter("insert into program (version, first_at) values ('9.8.7', 9999999999999)").await;
    world
        .alter(
            "insert into _sqlx_migrations (version, description, success, checksum, execution_time)
             values (999, 'newer', true, x'00', 0)",
        )
        .await;
    world.close().await;
    let path = world.folder.path().join("store.db");
    let error = Store::open(&path).await.unwrap_err().to_string();
    for word in ["version 9.8.7", "schema 999", env!("CARGO_PKG_VERSION"), "restore a backup"] {
        assert!(error.contains(word), "{word}: {error}");
    }
    assert_eq!(schema_of(&path).await.unwrap(), Some(999));
    std::fs::write(world.folder.path().join("store.db.before-8"), "x").unwrap();
    let error = Store::open(&path).await.unwrap_err().to_string();
    assert!(error.contains("go back to") && error.contains("store.db.before-8"), "{error}");
    let error = snapshot(&path, &world.folder.path().join("copy")).await.unwrap_err().to_string();
    assert!(error.contains("version 9.8.7"), "{error}");
}

#[tokio::test]
async fn a_snapshot_is_the_database_at_one_instant_and_has_no_checkpoints() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.record_checkpoint(&claim, 1, &"a".repeat(64)).await.unwrap();
    let (from, to) = (world.folder.path().join("store.db"), world.folder.path().join("copy.db"));
    // Somebody else writes just now: what is not committed is not in it.
    let held = world.begin().await.unwrap();
    let contents = snapshot(&from, &to).await.unwrap();
    held.rollback().await.unwrap();
    assert_eq!(contents.jobs, [("job_1".to_owned(), Status::Running)]);
    assert_eq!((contents.schema, contents.datasets.len()), (newest_schema(), 1));
    assert_eq!(world.checkpoints("job_1").await.unwrap().len(), 1);
    let copy = Store::open(&to).await.unwrap();
    assert!(copy.checkpoints("job_1").await.unwrap().is_empty());
    assert_eq!(schema_of(&world.folder.path().join("absent")).await.unwrap(), None);
}

#[tokio::test]
async fn a_damaged_database_is_told_and_makes_no_snapshot() {
    let world = World::open().await;
    for number in 0..200 {
        world.upsert_model(&model(&format!("model_{number}"))).await.unwrap();
    }
    world.close().await;
    let path = world.folder.path().join("store.db");
    let mut bytes = std::fs::read(&path).unwrap();
    let half = bytes.len() / 2 / 4096 * 4096;
    bytes[half..half + 4096].fill(0x55);
    std::fs::write(&path, bytes).unwrap();
    assert!(!examine(&path).await.unwrap().damage.is_empty());
    assert!(snapshot(&path, &world.folder.path().join("copy.db")).await.is_err());
}
