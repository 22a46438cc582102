use super::*;

#[tokio::test]
async fn a_models_row_is_refreshed_and_keeps_its_name_its_age_and_its_pin() {
    let world = World::open().await;
    let before = world.store.model("base").await.unwrap().unwrap();
    assert_eq!((before.kind, before.base_model, before.job_id, before.pinned), (Kind::Base, None, None, false));
    world.pin_model("base", true).await.unwrap();
    let changed = ModelRow {
        name: "another".to_owned(),
        fingerprint: "new".to_owned(),
        dimensions: 8,
        max_tokens: 9,
        bytes: 10,
        ..model("base")
    };
    world.upsert_model(&changed).await.unwrap();
    let after = world.store.model("base").await.unwrap().unwrap();
    assert_eq!((after.fingerprint.as_str(), after.dimensions, after.max_tokens, after.bytes), ("new", 8, 9, 10));
    assert_eq!((after.name.as_str(), after.created_at, after.pinned), ("base", before.created_at, true));
    assert_eq!(world.models().await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_model_that_comes_back_is_there_again() {
    let world = World::open().await;
    let made = ModelRow { kind: Kind::Tuned, base_model: Some("base".to_owned()), ..model("made") };
    world.upsert_model(&made).await.unwrap();
    assert_eq!(world.delete_model("made").await.unwrap(), Deletion::Deleted(Left::default()));
    assert!(world.store.model("made").await.unwrap().is_none() && world.was_deleted("made").await.unwrap());
    world.upsert_model(&made).await.unwrap();
    assert!(world.store.model("made").await.unwrap().is_some() && !world.was_deleted("made").await.unwrap());
}

#[tokio::test]
async fn a_name_belongs_to_one_model() {
    let world = World::open().await;
    let claim = world.claimed_as("job_1", "occupations", &world.job()).await;
    world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap();
    let refused = world.upsert_model(&model("occupations")).await.unwrap_err();
    assert!(matches!(&refused, StoreError::Taken { what } if what == "name"), "{refused:?}");
}

#[tokio::test]
async fn a_model_is_found_by_alias_then_by_its_id_then_by_name() {
    let world = World::open().await;
    let found = async |wanted| world.store.model(wanted).await.unwrap().map(|row| row.model_id);
    let claim = world.claimed_as("job_1", "word", &world.job()).await;
    world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap();
    assert_eq!((found("word").await.as_deref(), found("nobody").await), (Some("ft_1"), None));
    world.set_alias("word", "base").await.unwrap();
    assert_eq!(found("word").await.as_deref(), Some("base"));
    world.upsert_model(&ModelRow { name: "its name".to_owned(), ..model("word") }).await.unwrap();
    assert_eq!(found("word").await.as_deref(), Some("base"), "a folder that came later takes no alias's requests");
    assert_eq!(world.store.model_of_id("word").await.unwrap().unwrap().model_id, "word");
    world.delete_alias("word").await.unwrap();
    assert_eq!(found("word").await.as_deref(), Some("word"));
}

#[tokio::test]
async fn models_are_listed_the_newest_first_without_those_that_were_deleted() {
    let world = World::open().await;
    world.tuned("ft_1").await;
    world.tuned("ft_2").await;
    world.alter("update model set created_at = created_at + 5000 where model_id = 'ft_1'").await;
    let ids = async || -> Vec<String> { world.models().await.unwrap().into_iter().map(|row| row.model_id).collect() };
    assert_eq!(ids().await[0], "ft_1");
    world.delete_model("ft_1").await.unwrap();
    assert_eq!(ids().await, ["ft_2", "base"]);
}

#[tokio::test]
async fn a_name_is_taken_by_models_and_by_jobs_that_promise_it() {
    let world = World::open().await;
    let taken = async |name| world.model_name_taken(name).await.unwrap();
    world.insert_job("job_1", "word", &world.job()).await.unwrap();
    assert!(taken("word").await && taken("base").await && !taken("nobody").await);
    let claim = world.claim_job().await.unwrap().unwrap();
    world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap();
    assert!(taken("word").await && taken("ft_1").await);
    world.delete_model("ft_1").await.unwrap();
    // Its name is free again, its id is not.
    assert!(!taken("word").await && taken("ft_1").await);
}

#[tokio::test]
async fn a_model_is_pinned_where_it_is_there() {
    let world = World::open().await;
    let pinned = async || world.store.model("base").await.unwrap().unwrap().pinned;
    assert!(world.pin_model("base", true).await.unwrap() && pinned().await);
    assert!(world.pin_model("base", false).await.unwrap() && !pinned().await);
    world.tuned("ft_1").await;
    world.delete_model("ft_1").await.unwrap();
    assert!(!world.pin_model("ft_1", true).await.unwrap() && !world.pin_model("nobody", true).await.unwrap());
}

#[tokio::test]
async fn a_model_is_deleted_where_nothing_needs_it() {
    let world = World::open().await;
    assert_eq!(world.delete_model("nobody").await.unwrap(), Deletion::Unknown);
    assert_eq!(world.delete_model("base").await.unwrap(), Deletion::IsBase);
    let model = world.tuned("ft_1").await;
    for alias in ["prod", "canary"] {
        world.set_alias(alias, "ft_1").await.unwrap();
    }
    let needed = Deletion::HasAliases(vec!["canary".to_owned(), "prod".to_owned()]);
    assert_eq!(world.delete_model("ft_1").await.unwrap(), needed);
    for alias in ["prod", "canary"] {
        world.delete_alias(alias).await.unwrap();
    }
    world.insert_job("job_2", "job_2", &JobRequest { model, ..world.job() }).await.unwrap();
    assert_eq!(world.delete_model("ft_1").await.unwrap(), Deletion::InUse(vec!["job_2".to_owned()]));
    world.cancel_job("job_2").await.unwrap();
    world.pin_model("ft_1", true).await.unwrap();
    assert!(!world.was_deleted("ft_1").await.unwrap());
    let left = Left { datasets: vec!["ds_0".to_owned()], jobs: vec!["job_1".to_owned()], models: Vec::new() };
    assert_eq!(world.delete_model("ft_1").await.unwrap(), Deletion::Deleted(left));
    assert_eq!(world.delete_model("ft_1").await.unwrap(), Deletion::Unknown);
    assert!(world.was_deleted("ft_1").await.unwrap() && !world.was_deleted("base").await.unwrap());
    // The job that made it still says so.
    assert_eq!(world.row("job_1").await.status, Status::Succeeded);
}

#[tokio::test]
async fn each_change_of_models_or_aliases_raises_their_version_and_nothing_else_does() {
    let world = World::open().await;
    let mut seen = world.models_version();
    let mut rises = |what: &str| {
        assert!(world.models_version() > seen, "{what}");
        seen = world.models_version();
    };
    world.upsert_model(&model("a")).await.unwrap();
    rises("upsert_model");
    world.pin_model("a", true).await.unwrap();
    rises("pin_model");
    world.set_first_alias("default", "a").await.unwrap();
    rises("set_first_alias");
    for id in ["a", "base"] {
        world.set_alias("prod", id).await.unwrap();
        rises("set_alias");
    }
    world.roll_back("prod").await;
    rises("roll_alias_back");
    world.delete_alias("prod").await.unwrap();
    rises("delete_alias");
    let claim = world.claimed("job_1").await;
    let before = world.models_version();
    world.finish_job(&claim, &tuned("ft_1", &claim), &json!({}), None).await.unwrap();
    rises("finish_job");
    assert!(world.models_version() > before);
    world.delete_model("ft_1").await.unwrap();
    rises("delete_model");

    let still = world.models_version();
    world.models().await.unwrap();
    world.aliases().await.unwrap();
    world.claimed("job_2").await;
    world.store_table(table("ds_1")).await.unwrap();
    assert_eq!(world.models_version(), still);
    // What is of one store is of its clones.
    world.store.clone().pin_model("a", false).await.unwrap();
    assert!(world.models_version() > still);
}
