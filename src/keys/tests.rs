use super::*;

async fn keyring() -> (tempfile::TempDir, Keyring) {
    let folder = tempfile::TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("test.db")).await.unwrap();
    (folder, Keyring::new(store))
}

async fn refusal(keyring: &Keyring, presented: Option<&str>) -> Option<Refusal> {
    match keyring.check(presented).await.unwrap() {
        Entry::Refused(refusal) => Some(refusal),
        Entry::Open | Entry::Known(_) => None,
    }
}

#[tokio::test]
async fn only_the_whole_key_lets_in() {
    let (_folder, keyring) = keyring().await;
    assert!(matches!(keyring.check(Some("anything")).await.unwrap(), Entry::Open));
    let key = keyring.create("app", &[Scope::Embed], None, KeyLimits::default()).await.unwrap();
    assert!(
        matches!(keyring.check(Some(&key.text)).await.unwrap(), Entry::Known(found) if *found.id == *key.row.key_id)
    );
    assert_eq!(refusal(&keyring, None).await, Some(Refusal::Missing));
    let (head, last) = key.text.split_at(key.text.len() - 1);
    let other = if last == "A" { "B" } else { "A" };
    let id = key.text.split('_').nth(1).unwrap();
    for wrong in ["", "sk_", "sk__", head, &format!("{head}{other}"), &format!("sk_{id}_"), &key.text[3..]] {
        assert_eq!(refusal(&keyring, Some(wrong)).await, Some(Refusal::Unknown), "{wrong:?}");
    }
    assert!(!key.row.secret_sha256.contains(key.text.rsplit('_').next().unwrap()));
}

#[tokio::test]
async fn a_key_ends_when_its_time_is_over_or_it_is_revoked() {
    let (_folder, keyring) = keyring().await;
    let none = KeyLimits::default();
    let old = keyring.create("old", &[Scope::Embed], Some(now() - 1), none).await.unwrap();
    let key = keyring.create("app", &[Scope::Train], None, none).await.unwrap();
    assert_eq!(refusal(&keyring, Some(&old.text)).await, Some(Refusal::Expired));
    assert_eq!(refusal(&keyring, Some(&key.text)).await, None);
    assert!(keyring.revoke(&key.row.key_id).await.unwrap());
    assert!(!keyring.revoke("key_0").await.unwrap());
    assert_eq!(refusal(&keyring, Some(&key.text)).await, Some(Refusal::Revoked));
    // Taking keys back opens nothing.
    keyring.revoke(&old.row.key_id).await.unwrap();
    assert_eq!(refusal(&keyring, None).await, Some(Refusal::Missing));
}

#[tokio::test]
async fn admin_may_everything_and_others_what_they_are_for() {
    let (_folder, keyring) = keyring().await;
    let of = async |scopes: &[Scope]| {
        let key = keyring.create("k", scopes, None, KeyLimits::default()).await.unwrap();
        let Entry::Known(key) = keyring.check(Some(&key.text)).await.unwrap() else { panic!("a good key") };
        key
    };
    assert!(of(&[Scope::Admin]).await.may(&[Scope::Train]) && of(&[Scope::Admin]).await.may(&[]));
    assert!(of(&[Scope::Embed]).await.may(&[Scope::Train, Scope::Embed]));
    assert!(!of(&[Scope::Embed]).await.may(&[Scope::Train]) && !of(&[]).await.may(&[Scope::Embed]));
}

#[tokio::test]
async fn what_a_key_has_used_is_remembered_when_the_keys_are_read_again() {
    let (_folder, keyring) = keyring().await;
    let limits = KeyLimits { tokens_per_minute: Some(60), ..KeyLimits::default() };
    let key = keyring.create("k", &[Scope::Embed], None, limits).await.unwrap();
    let meter = async || match keyring.check(Some(&key.text)).await.unwrap() {
        Entry::Known(key) => key.meter.clone().unwrap(),
        other => panic!("{other:?}"),
    };
    let now = Instant::now();
    meter().await.enter(now).unwrap().spend(1000, now);
    keyring.forget().await;
    assert!(meter().await.enter(now).is_err());
}

#[tokio::test]
async fn a_database_that_lost_its_keys_opens_no_door() {
    let (folder, keyring) = keyring().await;
    keyring.create("app", &[Scope::Embed], None, KeyLimits::default()).await.unwrap();
    // A folder whose keys are older than the marker gets it, too.
    let marker = folder.path().join(MARKER);
    std::fs::remove_file(&marker).unwrap();
    assert!(Keyring::new(keyring.store.clone()).in_use().await.unwrap() && marker.exists());

    keyring.store.alter("delete from api_key").await;
    let emptied = Keyring::new(keyring.store.clone());
    for told in [
        emptied.check(None).await.map(|_| ()),
        emptied.create("b", &[Scope::Admin], None, KeyLimits::default()).await.map(|_| ()),
    ] {
        assert!(matches!(&told, Err(StoreError::KeysLost(file)) if *file == marker), "{told:?}");
    }
    std::fs::remove_file(&marker).unwrap();
    assert!(matches!(emptied.check(None).await.unwrap(), Entry::Open));
}

#[tokio::test]
async fn a_key_that_cannot_be_read_lets_nobody_in_and_keeps_the_doors_shut() {
    let (_folder, keyring) = keyring().await;
    let key = keyring.create("app", &[Scope::Embed], None, KeyLimits::default()).await.unwrap();
    keyring.store.alter("update api_key set scopes = '[\"embed\"'").await;
    let after = Keyring::new(keyring.store.clone());
    assert_eq!(refusal(&after, None).await, Some(Refusal::Missing));
    assert_eq!(refusal(&after, Some(&key.text)).await, Some(Refusal::Unknown));
}

#[test]
fn a_life_is_told_in_days_hours_or_minutes() {
    let lasts = |text| end_of_life(text).map(|end| (end - now() + 500) / 1000);
    assert_eq!((lasts("90d"), lasts("2h"), lasts("5m")), (Some(90 * 86_400), Some(7200), Some(300)));
    for wrong in ["", "d", "90", "-1d", "0d", "1y", "1.5h", "+5d", "05d", "100000d", "日"] {
        assert_eq!(lasts(wrong), None, "{wrong:?}");
    }
}
