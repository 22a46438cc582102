use super::*;

fn key(id: &str, created_at: i64) -> ApiKeyRow {
    ApiKeyRow {
        key_id: id.to_owned(),
        name: "app".to_owned(),
        secret_sha256: "0".repeat(64),
        scopes: vec!["embed".to_owned(), "train".to_owned()],
        created_at,
        expires_at: Some(50),
        last_used_at: None,
        revoked_at: None,
        tokens_per_minute: Some(1000),
        requests_at_once: None,
        jobs_waiting: Some(3),
    }
}

#[tokio::test]
async fn keys_are_listed_the_newest_first_with_all_that_is_known_of_them() {
    let world = World::open().await;
    assert!(world.api_keys().await.unwrap().is_empty());
    for (id, created_at) in [("key_1", 10), ("key_2", 20), ("key_3", 20)] {
        world.insert_api_key(&key(id, created_at)).await.unwrap();
    }
    let keys = world.api_keys().await.unwrap();
    assert_eq!(keys.iter().map(|key| key.key_id.as_str()).collect::<Vec<_>>(), ["key_3", "key_2", "key_1"]);
    assert_eq!(format!("{:?}", keys[2]), format!("{:?}", key("key_1", 10)));
    assert!(matches!(world.insert_api_key(&key("key_1", 30)).await.unwrap_err(), StoreError::Taken { .. }));
}

#[tokio::test]
async fn a_key_is_revoked_for_ever_and_once() {
    let world = World::open().await;
    world.insert_api_key(&key("key_1", 10)).await.unwrap();
    let status = async |at| world.api_keys().await.unwrap()[0].status(at);
    assert_eq!((status(49).await, status(50).await), ("active", "expired"));
    assert!(world.revoke_api_key("key_1").await.unwrap() && !world.revoke_api_key("key_9").await.unwrap());
    assert_eq!(status(49).await, "revoked");
    world.alter("update api_key set revoked_at = 5").await;
    assert!(world.revoke_api_key("key_1").await.unwrap());
    assert_eq!(world.api_keys().await.unwrap()[0].revoked_at, Some(5));
}

#[tokio::test]
async fn the_last_use_of_a_key_never_goes_back() {
    let world = World::open().await;
    world.insert_api_key(&key("key_1", 10)).await.unwrap();
    for (at, last) in [(30, 30), (20, 30), (40, 40)] {
        world.touch_api_key("key_1", at).await.unwrap();
        assert_eq!(world.api_keys().await.unwrap()[0].last_used_at, Some(last));
    }
    world.touch_api_key("key_9", 40).await.unwrap();
}
