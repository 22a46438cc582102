//! Whether what is written is kept.

use std::time::Duration;

use super::faults::why;
use super::*;

/// Waits until the watch has seen it, for as long as it takes.
async fn told(store: &Store, wanted: Option<Why>) {
    let watch = store.watch();
    let seen = async {
        while store.writing().err().as_ref().and_then(why) != wanted {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::select! {
        () = watch => {}
        () = seen => {}
    }
}

#[tokio::test]
async fn a_write_is_refused_where_the_file_was_removed_and_goes_on_when_it_is_back() {
    let world = World::open().await;
    let (file, away) = (world.file().to_owned(), world.folder.path().join("away.db"));
    std::fs::rename(&file, &away).unwrap();
    assert_eq!(why(&world.set_alias("prod", "base").await.unwrap_err()), Some(Why::Gone));
    told(&world, Some(Why::Gone)).await;
    // What was read stays readable.
    assert!(world.store.dataset("ds_0").await.unwrap().is_some());
    std::fs::rename(&away, &file).unwrap();
    told(&world, None).await;
    assert!(world.set_alias("prod", "base").await.unwrap());
}

#[tokio::test]
async fn a_file_in_the_place_of_the_database_takes_no_write() {
    let world = World::open().await;
    let other = world.folder.path().join("other.db");
    std::fs::copy(world.file(), &other).unwrap();
    std::fs::rename(&other, world.file()).unwrap();
    assert_eq!(why(&world.set_alias("prod", "base").await.unwrap_err()), Some(Why::Gone));
    assert_eq!(why(&world.probe().await.unwrap_err()), Some(Why::Gone));
}

#[tokio::test]
async fn what_was_begun_before_the_file_went_is_not_committed() {
    let world = World::open().await;
    for lost in ["store.db", "store.db-wal"] {
        let (from, away) = (world.folder.path().join(lost), world.folder.path().join("away"));
        let mut tx = world.begin().await.unwrap();
        sqlx::query("update model set pinned = 1").execute(&mut *tx).await.unwrap();
        std::fs::rename(&from, &away).unwrap();
        let error = StoreError::from(tx.commit().await.unwrap_err());
        assert_eq!(why(&error), Some(Why::Gone), "{lost}: {error}");
        std::fs::rename(&away, &from).unwrap();
        // The writer is in no transaction that is over.
        world.probe().await.unwrap();
        assert!(!world.model("base").await.unwrap().unwrap().pinned, "{lost}");
    }
}

#[tokio::test]
async fn a_write_that_failed_is_told_until_one_succeeds() {
    let world = World::open().await;
    assert!(world.writing().is_ok());
    let other = world.reopened().await;
    let held = other.begin().await.unwrap();
    world.alter("pragma busy_timeout = 0").await;
    assert!(world.claim_job().await.is_err());
    told(&world, Some(Why::Busy)).await;
    held.commit().await.unwrap();
    told(&world, None).await;
    world.probe().await.unwrap();
}

#[tokio::test]
async fn whoever_asks_whether_writing_goes_has_it_tried() {
    let world = World::open().await;
    let other = world.reopened().await;
    world.alter("pragma busy_timeout = 0").await;
    let held = other.begin().await.unwrap();
    // No write has failed; asking is enough.
    told(&world, Some(Why::Busy)).await;
    drop(held);
}

#[tokio::test]
async fn damage_is_found_in_a_database_that_can_still_be_opened() {
    let world = World::open().await;
    world.check().await.unwrap();
    let mut tx = world.begin().await.unwrap();
    for n in 0..500 {
        let id = format!("job_{n}");
        sqlx::query("insert into dataset_request values ($1, $2, 'ds_0')")
            .bind(id)
            .bind("0".repeat(64))
            .execute(&mut *tx)
            .await
            .unwrap();
    }
    tx.commit().await.unwrap();
    world.close().await;
    // A page in the middle of the requests.
    let mut bytes = std::fs::read(world.file()).unwrap();
    let place = bytes.windows(8).position(|part| part == b"job_250\0" || part.starts_with(b"job_250")).unwrap();
    let page = place / 4096 * 4096;
    bytes[page..page + 64].fill(0x5a);
    std::fs::write(world.file(), bytes).unwrap();
    let damaged = world.reopened().await;
    let error = damaged.check().await.unwrap_err();
    assert!(matches!(error, StoreError::Damaged(_)), "{error}");
    assert!(error.to_string().contains("shamisen restore"), "{error}");
}
