use super::*;

/// The models that an alias meant, move by move.
async fn meant(store: &Store, name: &str) -> Vec<String> {
    let moves = store.alias_history(name).await.unwrap().moves;
    assert!(moves.iter().map(|step| step.seq).eq(1..=moves.len() as i64));
    moves.into_iter().map(|step| step.model_id).collect()
}

async fn with_models(ids: &[&str]) -> World {
    let world = World::open().await;
    for id in ids {
        world.upsert_model(&model(id)).await.unwrap();
    }
    world
}

#[tokio::test]
async fn an_alias_means_the_model_it_was_set_to_last_and_remembers_the_others() {
    let world = with_models(&["a", "b"]).await;
    assert!(world.alias("prod").await.unwrap().is_none());
    world.point("prod", &["a", "b", "b", "a"]).await;
    let alias = world.alias("prod").await.unwrap().unwrap();
    assert_eq!((alias.name.as_str(), alias.model_id.as_str()), ("prod", "a"));
    // Where it points already, it does not move.
    assert_eq!(meant(&world, "prod").await, ["a", "b", "a"]);
    let moves = world.alias_history("prod").await.unwrap().moves;
    assert_eq!(moves.iter().map(|step| step.back_to).collect::<Vec<_>>(), [None, Some(1), Some(2)]);
    assert!(moves.iter().all(|step| step.reason == MoveReason::Set && !step.deleted));
    assert_eq!(*world.aliases().await.unwrap(), [("prod".to_owned(), "a".to_owned())]);
}

#[tokio::test]
async fn an_alias_never_means_a_model_that_is_not_there() {
    let world = World::open().await;
    let tuned = world.tuned("ft_1").await;
    assert!(matches!(world.delete_model(&tuned.model_id).await.unwrap(), Deletion::Deleted(_)));
    for id in ["ft_1", "nobody"] {
        assert!(!world.set_alias("prod", id).await.unwrap());
    }
    assert!(world.alias("prod").await.unwrap().is_none() && meant(&world, "prod").await.is_empty());
}

#[tokio::test]
async fn a_first_alias_is_set_where_there_is_none() {
    let world = with_models(&["a"]).await;
    world.set_first_alias("default", "base").await.unwrap();
    world.set_first_alias("default", "a").await.unwrap();
    assert_eq!(meant(&world, "default").await, ["base"]);
}

#[tokio::test]
async fn an_alias_goes_back_move_by_move_until_nothing_is_before() {
    let world = with_models(&["a", "b", "c"]).await;
    world.point("prod", &["a", "b", "c"]).await;
    assert_eq!(world.roll_back("prod").await, Rollback::Moved("b".to_owned()));
    assert_eq!(world.roll_back("prod").await, Rollback::Moved("a".to_owned()));
    assert_eq!(world.roll_back("prod").await, Rollback::NothingBefore);
    assert_eq!(meant(&world, "prod").await, ["a", "b", "c", "b", "a"]);
    assert_eq!(world.alias_history("prod").await.unwrap().moves[4].reason, MoveReason::Rollback);
    // A move after that goes back to where it was.
    world.set_alias("prod", "c").await.unwrap();
    assert_eq!(world.roll_back("prod").await, Rollback::Moved("a".to_owned()));
}

#[tokio::test]
async fn a_rollback_passes_over_models_that_were_deleted() {
    let world = with_models(&["a"]).await;
    world.tuned("ft_1").await;
    world.point("prod", &["a", "ft_1", "base"]).await;
    world.delete_model("ft_1").await.unwrap();
    let moves = world.alias_history("prod").await.unwrap().moves;
    assert_eq!(moves.iter().map(|step| step.deleted).collect::<Vec<_>>(), [false, true, false]);
    assert_eq!(world.roll_back("prod").await, Rollback::Moved("a".to_owned()));
}

#[tokio::test]
async fn a_rollback_is_refused_where_the_alias_or_the_model_changed_meanwhile() {
    let world = with_models(&["a"]).await;
    world.tuned("ft_1").await;
    world.point("prod", &["a", "ft_1", "base"]).await;
    let history = world.alias_history("prod").await.unwrap();
    let to = history.previous().unwrap();
    assert_eq!(to.model_id, "ft_1");
    let seen = history.moves.last().unwrap().seq;
    // The model goes between the look and the move.
    world.delete_model("ft_1").await.unwrap();
    assert_eq!(world.roll_alias_back("prod", seen, to).await.unwrap(), Rollback::NothingBefore);
    // Somebody else moves it.
    world.set_alias("prod", "a").await.unwrap();
    assert_eq!(world.roll_alias_back("prod", seen, &history.moves[0]).await.unwrap(), Rollback::Changed);
    // Somebody else deletes it.
    let seen = world.alias_history("prod").await.unwrap().moves.last().unwrap().seq;
    world.delete_alias("prod").await.unwrap();
    assert_eq!(world.roll_alias_back("prod", seen, &history.moves[0]).await.unwrap(), Rollback::Changed);
    assert_eq!(meant(&world, "prod").await, ["a", "ft_1", "base", "a"]);
    assert!(world.alias("prod").await.unwrap().is_none());
}

#[tokio::test]
async fn of_many_rollbacks_at_a_time_one_moves() {
    let world = with_models(&["a", "b"]).await;
    world.point("prod", &["a", "b", "base"]).await;
    let history = world.alias_history("prod").await.unwrap();
    let (seen, to) = (history.moves.last().unwrap().seq, history.previous().unwrap());
    let rollbacks = (0..6).map(|_| world.roll_alias_back("prod", seen, to));
    let results = futures_util::future::join_all(rollbacks).await;
    let moved = results.into_iter().filter(|result| *result.as_ref().unwrap() != Rollback::Changed).count();
    assert_eq!((moved, meant(&world, "prod").await.len()), (1, 4));
}

#[tokio::test]
async fn an_alias_that_is_made_anew_has_no_way_back_to_what_it_meant_before() {
    let world = with_models(&["a"]).await;
    world.point("prod", &["a", "base"]).await;
    assert!(world.delete_alias("prod").await.unwrap());
    assert!(!world.delete_alias("prod").await.unwrap());
    assert!(world.alias("prod").await.unwrap().is_none() && world.aliases().await.unwrap().is_empty());
    world.set_alias("prod", "a").await.unwrap();
    assert_eq!(meant(&world, "prod").await, ["a", "base", "a"]);
    assert_eq!(world.roll_back("prod").await, Rollback::NothingBefore);
}

#[tokio::test]
async fn a_name_is_an_alias_as_soon_as_a_job_promises_it() {
    let world = World::open().await;
    assert!(!world.alias_exists("prod").await.unwrap());
    world.insert_job("job_1", "job_1", &world.job_for("prod")).await.unwrap();
    assert!(world.alias_exists("prod").await.unwrap());
    world.cancel_job("job_1").await.unwrap();
    assert!(!world.alias_exists("prod").await.unwrap());
    world.set_alias("prod", "base").await.unwrap();
    assert!(world.alias_exists("prod").await.unwrap());
}

#[tokio::test]
async fn all_aliases_are_told_at_once_with_what_each_was() {
    let world = with_models(&["a", "b"]).await;
    assert!(world.alias_histories().await.unwrap().is_empty());
    for (name, id) in [("prod", "a"), ("canary", "b"), ("prod", "b"), ("gone", "a"), ("prod", "base")] {
        world.set_alias(name, id).await.unwrap();
    }
    world.delete_alias("gone").await.unwrap();
    let all = world.alias_histories().await.unwrap();
    assert_eq!(all.iter().map(|(alias, _)| alias.name.as_str()).collect::<Vec<_>>(), ["canary", "prod"]);
    for (alias, history) in all.iter() {
        let alone = world.alias(&alias.name).await.unwrap().unwrap();
        assert_eq!((&alias.model_id, alias.updated_at), (&alone.model_id, alone.updated_at));
        let alone = world.alias_history(&alias.name).await.unwrap();
        assert_eq!(format!("{history:?}"), format!("{alone:?}"));
    }
    assert_eq!(all[1].1.previous().unwrap().model_id, "b");
}
