use tables::choices::{LowestMeans, OnBadRow, TableOptions};

use super::*;

fn ids(datasets: Rows<Dataset>) -> Vec<String> {
    datasets.into_iter().map(|dataset| dataset.dataset_id).collect()
}

#[tokio::test]
async fn a_dataset_is_told_as_it_was_stored() {
    let world = World::open().await;
    let choices = r#"{"lowest_means":"angular","on_bad_row":"skip"}"#;
    let new = Dataset {
        name: "職種.xlsx".to_owned(),
        format: FileFormat::Xlsx,
        kind: TableKind::Triplet,
        choices: serde_json::from_str(choices).unwrap(),
        lowest_means: Some(LowestMeans::Angular),
        skipped: 2,
        fixed_out: 3,
        findings: json!([{ "code": "x" }]),
        ..table("ds_1")
    };
    let (dataset, new) = world.store_table(new).await.unwrap();
    assert!(new);
    assert_eq!(format!("{dataset:?}"), format!("{:?}", world.store.dataset("ds_1").await.unwrap().unwrap()));
    assert_eq!((dataset.name.as_str(), dataset.purpose, dataset.bytes), ("職種.xlsx", Purpose::Training, 100));
    assert_eq!((dataset.format, dataset.kind, dataset.rows), (FileFormat::Xlsx, TableKind::Triplet, 20));
    assert_eq!(dataset.columns, Some(vec!["a".to_owned(), "b".to_owned()]));
    assert_eq!((dataset.lowest_means, dataset.skipped, dataset.fixed_out), (Some(LowestMeans::Angular), 2, 3));
    assert_eq!(
        (&dataset.findings, &dataset.choices),
        (&json!([{ "code": "x" }]), &serde_json::from_str(choices).unwrap())
    );
    let read = TableOptions {
        lowest_means: Some(LowestMeans::Angular),
        on_bad_row: OnBadRow::Skip,
        ..TableOptions::default()
    };
    assert_eq!(dataset.choices().unwrap(), read);
    assert_eq!((dataset.family.as_str(), dataset.version, dataset.version_of, dataset.latest), ("ds_1", 1, None, true));
    assert!(world.store.dataset("ds_2").await.unwrap().is_none());
}

#[tokio::test]
async fn the_same_bytes_read_in_the_same_way_for_the_same_purpose_are_one_dataset() {
    let world = World::open().await;
    let same = |id| Dataset { sha256: table("ds_1").sha256, ..table(id) };
    assert!(world.store_table(same("ds_1")).await.unwrap().1);
    let (found, new) = world.store_table(same("ds_2")).await.unwrap();
    assert_eq!((found.dataset_id.as_str(), found.name.as_str(), new), ("ds_1", "ds_1", false));
    let otherwise = Dataset { choices: json!({ "on_bad_row": "skip" }), ..same("ds_3") };
    let measured = Dataset { purpose: Purpose::Benchmark, ..same("ds_4") };
    assert!(world.store_table(otherwise).await.unwrap().1 && world.store_table(measured).await.unwrap().1);

    let sha256 = table("ds_1").sha256;
    let same = async |purpose, choices| {
        world.same_dataset(&sha256, purpose, choices).await.unwrap().map(|dataset| dataset.dataset_id)
    };
    assert_eq!(same(Purpose::Training, "{}").await.as_deref(), Some("ds_1"));
    assert_eq!(same(Purpose::Training, r#"{"on_bad_row":"skip"}"#).await.as_deref(), Some("ds_3"));
    assert_eq!(same(Purpose::Benchmark, "{}").await.as_deref(), Some("ds_4"));
    assert_eq!(same(Purpose::Benchmark, r#"{"on_bad_row":"skip"}"#).await, None);
}

#[tokio::test]
async fn of_many_uploads_of_the_same_bytes_one_is_new() {
    let world = World::open().await;
    let names: Vec<String> = (1..8).map(|number| format!("ds_{number}")).collect();
    let same = names.iter().map(|id| Dataset { sha256: table("ds_1").sha256, ..table(id) });
    let stored = futures_util::future::join_all(same.map(|new| world.store_table(new))).await;
    let stored: Vec<(Dataset, bool)> = stored.into_iter().map(Result::unwrap).collect();
    assert_eq!(stored.iter().filter(|(_, new)| *new).count(), 1);
    assert!(stored.iter().all(|(dataset, _)| dataset.dataset_id == stored[0].0.dataset_id));
}

#[tokio::test]
async fn versions_of_a_table_are_one_family_in_the_order_of_their_coming() {
    let world = World::open().await;
    let next = |id, of: &str| Dataset { version_of: Some(of.to_owned()), ..table(id) };
    world.store_table(next("ds_1", "ds_0")).await.unwrap();
    world.store_table(next("ds_2", "ds_1")).await.unwrap();
    // A version of an old one comes after the newest all the same.
    let (latest, _) = world.store_table(next("ds_3", "ds_0")).await.unwrap();
    assert_eq!((latest.family.as_str(), latest.version, latest.latest), ("ds_0", 4, true));
    assert_eq!(latest.version_of.as_deref(), Some("ds_0"));
    let versions = world.dataset_versions("ds_0").await.unwrap();
    assert_eq!(versions.iter().map(|dataset| dataset.version).collect::<Vec<_>>(), [4, 3, 2, 1]);
    assert_eq!(versions.iter().filter(|dataset| dataset.latest).count(), 1);
    assert_eq!(ids(versions), ["ds_3", "ds_2", "ds_1", "ds_0"]);
    assert!(world.dataset_versions("ds_1").await.unwrap().is_empty());
}

#[tokio::test]
async fn a_family_outlives_its_first_version() {
    let world = World::open().await;
    for (id, of) in [("ds_1", "ds_0"), ("ds_2", "ds_1")] {
        world.store_table(Dataset { version_of: Some(of.to_owned()), ..table(id) }).await.unwrap();
    }
    world.delete_dataset("ds_0").await.unwrap();
    let left = world.store.dataset("ds_1").await.unwrap().unwrap();
    assert_eq!((left.family.as_str(), left.version, left.version_of), ("ds_0", 2, None));
    // The newest goes, and the one before it is the newest.
    world.delete_dataset("ds_2").await.unwrap();
    assert!(world.store.dataset("ds_1").await.unwrap().unwrap().latest);
}

#[tokio::test]
async fn a_version_of_what_is_gone_is_refused_and_not_stored() {
    let world = World::open().await;
    let new = Dataset { version_of: Some("ds_9".to_owned()), ..table("ds_1") };
    assert!(matches!(world.store_table(new).await.unwrap_err(), StoreError::Gone));
    assert!(world.store.dataset("ds_1").await.unwrap().is_none());
}

#[tokio::test]
async fn datasets_that_belong_together_are_stored_together_or_not_at_all() {
    let world = World::open().await;
    let (first, gone) = (table("ds_1"), Dataset { version_of: Some("ds_9".to_owned()), ..table("ds_2") });
    let told = world.insert_datasets(&[(&first, "{}"), (&gone, "{}")]).await.unwrap_err();
    assert!(matches!(told, StoreError::Gone));
    assert!(world.store.dataset("ds_1").await.unwrap().is_none());
    world.store_table(first.clone()).await.unwrap();
    let both = world.insert_datasets(&[(&first, "{}"), (&table("ds_2"), "{}")]).await.unwrap();
    let told: Vec<(&str, bool)> = both.iter().map(|(dataset, new)| (dataset.dataset_id.as_str(), *new)).collect();
    assert_eq!(told, [("ds_1", false), ("ds_2", true)]);
}

#[tokio::test]
async fn a_file_goes_with_the_last_dataset_that_has_it() {
    let world = World::open().await;
    let sha256 = table("ds_1").sha256;
    for (id, purpose) in [("ds_1", Purpose::Training), ("ds_2", Purpose::Benchmark)] {
        world.store_table(Dataset { sha256: sha256.clone(), purpose, ..table(id) }).await.unwrap();
    }
    let files = world.dataset_files().await.unwrap();
    assert_eq!(files.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), ["ds_0", "ds_1", "ds_2"]);
    assert!(files[1].1 == sha256 && files[2].1 == sha256);
    let others = Left { datasets: vec!["ds_2".to_owned()], ..Left::default() };
    assert_eq!(world.delete_dataset("ds_1").await.unwrap(), (None, others));
    assert_eq!(world.delete_dataset("ds_1").await.unwrap(), (None, Left::default()));
    assert_eq!(world.delete_dataset("ds_2").await.unwrap().0.as_deref(), Some(sha256.as_str()));
}

#[tokio::test]
async fn a_dataset_that_an_unfinished_job_uses_stays() {
    let world = World::open().await;
    world.queue(&["job_1"]).await;
    assert!(matches!(world.delete_dataset("ds_0").await.unwrap_err(), StoreError::Referenced));
    assert!(world.store.dataset("ds_0").await.unwrap().is_some());
}

#[tokio::test]
async fn a_request_with_a_key_is_remembered_once_and_as_long_as_its_dataset() {
    let world = World::open().await;
    world.store_table(table("ds_1")).await.unwrap();
    let request = "1".repeat(64);
    assert_eq!(world.dataset_request("key").await.unwrap(), None);
    world.remember_dataset_request("key", &request, "ds_1").await.unwrap();
    world.remember_dataset_request("key", &"2".repeat(64), "ds_0").await.unwrap();
    assert_eq!(world.dataset_request("key").await.unwrap(), Some((request, "ds_1".to_owned())));
    world.delete_dataset("ds_1").await.unwrap();
    assert_eq!(world.dataset_request("key").await.unwrap(), None);
}

#[tokio::test]
async fn datasets_are_paged_in_either_direction_and_by_purpose() {
    let world = World::open().await;
    for id in ["ds_1", "ds_2", "ds_3"] {
        let purpose = if id == "ds_2" { Purpose::Benchmark } else { Purpose::Training };
        world.store_table(Dataset { purpose, ..table(id) }).await.unwrap();
    }
    assert_eq!(ids(world.datasets().await.unwrap()), ["ds_3", "ds_2", "ds_1", "ds_0"]);
    let page = async |purpose, after, oldest_first, limit| {
        ids(world.datasets_page(purpose, after, oldest_first, limit).await.unwrap())
    };
    assert_eq!(page(None, None, false, 2).await, ["ds_3", "ds_2"]);
    assert_eq!(page(None, Some("ds_2"), false, 2).await, ["ds_1", "ds_0"]);
    assert_eq!(page(None, None, true, 3).await, ["ds_0", "ds_1", "ds_2"]);
    assert_eq!(page(None, Some("ds_2"), true, 3).await, ["ds_3"]);
    assert_eq!(page(Some(Purpose::Training), None, false, 9).await, ["ds_3", "ds_1", "ds_0"]);
    assert_eq!(page(Some(Purpose::Benchmark), Some("ds_3"), false, 9).await, ["ds_2"]);
}

#[tokio::test]
async fn a_kind_that_this_program_does_not_know_is_an_error_that_names_it() {
    let world = World::open().await;
    world.alter("pragma ignore_check_constraints = on").await;
    for (newer, word) in [
        ("update dataset set kind = 'pair_rank'", "pair_rank"),
        ("update dataset set kind = 'triplet', lowest_means = 'nothing'", "nothing"),
        ("update dataset set lowest_means = null, format = 'arrow'", "arrow"),
    ] {
        world.alter(newer).await;
        let error = world.store.dataset("ds_0").await.unwrap_err();
        assert!(matches!(error, StoreError::Unreadable(_)) && error.to_string().contains(word), "{error}");
    }
    world.alter("update dataset set format = 'json'").await;
    assert_eq!(world.store.dataset("ds_0").await.unwrap().unwrap().kind, TableKind::Triplet);
}

#[tokio::test]
async fn choices_that_cannot_be_read_are_an_error_and_hide_no_dataset() {
    let world = World::open().await;
    world.alter(r#"update dataset set choices = '{"on_bad_row": "guess"}'"#).await;
    let dataset = world.datasets().await.unwrap().remove(0);
    assert_eq!(dataset.choices, json!({ "on_bad_row": "guess" }));
    let error = dataset.choices().unwrap_err().to_string();
    assert!(error.contains("ds_0") && error.contains("guess"), "{error}");
}

#[tokio::test]
async fn a_table_from_before_positives_were_counted_is_taken_to_have_them() {
    let world = World::open().await;
    let facts = world.table.facts(true);
    assert_eq!((facts.kind, facts.rows, facts.positives, facts.transformer), (TableKind::PairScore, 20, 7, true));
    world.alter(r#"update dataset set scores = '{"lowest":0,"highest":1,"mean":0.5,"distinct":3}'"#).await;
    let dataset = world.store.dataset("ds_0").await.unwrap().unwrap();
    assert_eq!((dataset.scores.positives, dataset.facts(false).positives), (None, 20));
    assert_eq!(json!(dataset.scores), json!({ "lowest": 0.0, "highest": 1.0, "mean": 0.5, "distinct": 3 }));
}
