//! Rows that cannot be read: each is told, and hides no other.

use super::*;

/// The rows that can be read, and those that cannot.
fn ids<T>(rows: &Rows<T>, id: impl Fn(&T) -> &str) -> (Vec<String>, Vec<String>) {
    let unreadable = rows.unreadable.iter().map(|row| format!("{}: {}", row.id, row.detail)).collect();
    (rows.iter().map(|row| id(row).to_owned()).collect(), unreadable)
}

/// The same with what is expected.
fn are<T>(rows: &Rows<T>, id: impl Fn(&T) -> &str, readable: &[&str], unreadable: &[&str]) {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    assert_eq!(ids(rows, id), (owned(readable), owned(unreadable)));
}

#[tokio::test]
async fn a_job_that_cannot_be_read_hides_no_other() {
    let world = World::open().await;
    world.queue(&["job_1", "job_2", "job_3"]).await;
    world.alter("pragma ignore_check_constraints = on").await;
    for (damage, detail) in [
        (r#"update job set titles = '["a"' where job_id = 'job_2'"#, "job_2: Its titles cannot be read."),
        (
            "update job set titles = '[]', openai = '{\"metadata\"' where job_id = 'job_2'",
            "job_2: Its openai cannot be read.",
        ),
        ("update job set openai = null, phase = 'dancing' where job_id = 'job_2'", "job_2: Its phase cannot be read."),
        (
            "update job set phase = null, recipe = cast(x'ff' as text) where job_id = 'job_2'",
            "job_2: Its recipe cannot be read.",
        ),
    ] {
        world.alter(damage).await;
        let id: fn(&Job) -> &str = |job| &job.job_id;
        are(&world.jobs(None, 10).await.unwrap(), id, &["job_3", "job_1"], &[detail]);
        are(&world.jobs_page(None, &BTreeMap::new(), 10).await.unwrap(), id, &["job_3", "job_1"], &[detail]);
        // Whoever asks for it alone is told.
        let error = world.store.job("job_2").await.unwrap_err();
        assert!(matches!(error, StoreError::Unreadable(_)), "{error}");
    }
    let wanted = BTreeMap::from([("team".to_owned(), "a".to_owned())]);
    assert!(world.jobs_page(None, &wanted, 10).await.unwrap().is_none());
}

#[tokio::test]
async fn a_queued_job_that_cannot_be_read_has_failed_and_holds_up_no_other() {
    let world = World::open().await;
    world.queue(&["job_1", "job_2", "job_3"]).await;
    world.alter(r#"update job set titles = '["a"', created_at = 1 where job_id = 'job_1'"#).await;
    world.alter("update job set titles = cast(x'ff' as text), created_at = 2 where job_id = 'job_2'").await;
    assert_eq!(world.claim_job().await.unwrap().unwrap().job_id, "job_3");
    assert!(world.claim_job().await.unwrap().is_none());
    for id in ["job_1", "job_2"] {
        let (kind, data) = world.last_told(id).await;
        assert_eq!((kind.as_str(), &data["code"]), ("failed", &json!("row_not_readable")));
    }
    let mut counts = world.job_counts().await.unwrap();
    counts.sort_by_key(|(_, count)| *count);
    assert_eq!(counts, [(Status::Running, 1), (Status::Failed, 2)]);
}

#[tokio::test]
async fn a_page_goes_on_past_rows_that_cannot_be_read() {
    let world = World::open().await;
    world.queue(&["job_1", "job_2", "job_3", "job_4"]).await;
    world.alter("update job set titles = '[' where job_id in ('job_2', 'job_4')").await;
    let page = async |after: Option<&str>, limit: usize| {
        let (rows, more) = world.jobs_page(after, &BTreeMap::new(), limit + 1).await.unwrap().first(limit);
        let readable: Vec<String> = rows.iter().map(|job| job.job_id.clone()).collect();
        (readable.join(" "), rows.unreadable.iter().map(|row| row.id.as_str()).collect::<Vec<_>>().join(" "), more)
    };
    let is = |readable: &str, unreadable: &str, more| (readable.to_owned(), unreadable.to_owned(), more);
    assert_eq!(page(None, 1).await, is("", "job_4", true));
    assert_eq!(page(None, 2).await, is("job_3", "job_4", true));
    assert_eq!(page(Some("job_3"), 1).await, is("", "job_2", true));
    assert_eq!(page(Some("job_3"), 2).await, is("job_1", "job_2", false));
}

#[tokio::test]
async fn a_dataset_that_cannot_be_read_hides_no_other() {
    let world = World::open().await;
    world.store_table(table("ds_1")).await.unwrap();
    world.store_table(Dataset { version_of: Some("ds_1".to_owned()), ..table("ds_2") }).await.unwrap();
    world.alter("pragma ignore_check_constraints = on").await;
    let id: fn(&Dataset) -> &str = |dataset| &dataset.dataset_id;
    for (damage, detail) in [
        ("update dataset set kind = 'pair_rank' where dataset_id = 'ds_1'", "ds_1: Its kind cannot be read."),
        (
            "update dataset set kind = 'triplet', scores = '{' where dataset_id = 'ds_1'",
            "ds_1: Its scores cannot be read.",
        ),
    ] {
        world.alter(damage).await;
        are(&world.datasets().await.unwrap(), id, &["ds_2", "ds_0"], &[detail]);
        are(&world.dataset_versions("ds_1").await.unwrap(), id, &["ds_2"], &[detail]);
        assert!(matches!(world.store.dataset("ds_1").await.unwrap_err(), StoreError::Unreadable(_)));
    }
    // Its files are known all the same.
    assert_eq!(world.dataset_files().await.unwrap().len(), 3);
}

#[tokio::test]
async fn a_model_an_alias_or_a_key_that_cannot_be_read_hides_no_other() {
    let world = World::open().await;
    for id in ["a", "b"] {
        world.upsert_model(&model(id)).await.unwrap();
        world.set_alias(&format!("to_{id}"), id).await.unwrap();
    }
    world.alter("pragma ignore_check_constraints = on").await;
    world.alter("update model set kind = 'odd', created_at = 1 where model_id = 'a'").await;
    world.alter("update model set created_at = 2 where model_id = 'base'").await;
    let of_model: fn(&ModelRow) -> &str = |model| &model.model_id;
    are(&world.models().await.unwrap(), of_model, &["b", "base"], &["a: Its kind cannot be read."]);
    assert!(matches!(world.model("a").await.unwrap_err(), StoreError::Unreadable(_)));
    assert_eq!(world.model("b").await.unwrap().unwrap().model_id, "b");

    world.point("to_b", &["base", "b"]).await;
    world.alter("update alias_move set reason = 'whim' where name = 'to_b' and seq = 2").await;
    let moves = world.alias_history("to_b").await.unwrap().moves;
    let reasons: Vec<MoveReason> = moves.iter().map(|step| step.reason).collect();
    assert_eq!(reasons, [MoveReason::Set, MoveReason::Unreadable, MoveReason::Set]);
    // A move whose model is nowhere hides neither its alias nor the other moves, and is no way back.
    world.alter("pragma foreign_keys = off").await;
    world.alter("update alias_move set model_id = 'nobody' where name = 'to_b' and seq = 2").await;
    let histories = world.alias_histories().await.unwrap();
    assert_eq!(histories.iter().map(|(alias, _)| alias.name.as_str()).collect::<Vec<_>>(), ["to_a", "to_b"]);
    assert_eq!((histories[1].1.moves.len(), histories[1].1.previous().is_none()), (3, true));

    for id in ["key_1", "key_2"] {
        let row = ApiKeyRow {
            key_id: id.to_owned(),
            name: id.to_owned(),
            secret_sha256: "0".repeat(64),
            scopes: vec!["embed".to_owned()],
            created_at: 1,
            expires_at: None,
            last_used_at: None,
            revoked_at: None,
            tokens_per_minute: None,
            requests_at_once: None,
            jobs_waiting: None,
        };
        world.insert_api_key(&row).await.unwrap();
    }
    world.alter("update api_key set scopes = 'all' where key_id = 'key_1'").await;
    let of_key: fn(&ApiKeyRow) -> &str = |key| &key.key_id;
    are(&world.api_keys().await.unwrap(), of_key, &["key_2"], &["key_1: Its scopes cannot be read."]);
}

#[tokio::test]
async fn an_event_that_cannot_be_read_keeps_its_place_and_its_type() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    world.release_job(&claim, Release::Interrupted { reason: "a stop" }).await.unwrap();
    world.alter("update job_event set data = '{\"attempt\"' where seq = 2").await;
    let events = world.events_after("job_1", 0, 10).await.unwrap();
    assert_eq!(events.iter().map(|event| event.seq).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!((events[1].r#type.as_str(), &events[1].data), ("started", &json!({ "unreadable": true })));
    assert_eq!(events[1].told::<QueueEvent>(), None);
    // The last one ends whoever follows, readable or not.
    world.cancel_job("job_1").await.unwrap();
    world.alter("update job_event set data = '' where seq = 4").await;
    assert!(world.events_before("job_1", None, 1).await.unwrap()[0].is_last());
}

#[tokio::test]
async fn progress_and_checkpoints_that_cannot_be_read_are_none() {
    let world = World::open().await;
    let claim = world.claimed("job_1").await;
    for step in [5, 10] {
        world.record_checkpoint(&claim, step, &"0".repeat(64)).await.unwrap();
    }
    world.alter("pragma ignore_check_constraints = on").await;
    world.alter("update checkpoint set manifest_sha256 = cast(x'ff' as text) where step = 10").await;
    let steps = world.checkpoints("job_1").await.unwrap();
    assert_eq!(steps.iter().map(|row| row.step).collect::<Vec<_>>(), [5]);
    world.alter("update job set phase = 'training', progress = '{\"step\"'").await;
    assert_eq!(world.training_progress().await.unwrap(), None);
}
