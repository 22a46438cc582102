//! A data folder of an earlier version.

use std::path::Path;

use rustix::fs::{FlockOperation, flock};
use sqlx::sqlite::SqliteConnectOptions;
use sqlx::{ConnectOptions, Connection, Row};
use tempfile::TempDir;

use super::{shamisen, stderr, stdout};

async fn schema(database: &Path) -> i64 {
    let mut connection = SqliteConnectOptions::new().filename(database).connect().await.unwrap();
    let row = sqlx::query("select max(version) from _sqlx_migrations").fetch_one(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    row.get(0)
}

#[tokio::test]
async fn a_command_beside_a_server_of_an_earlier_version_changes_nothing_and_says_what_to_do() {
    let data = TempDir::new().unwrap();
    let database = data.path().join("shamisen.db");
    let options = SqliteConnectOptions::new().filename(&database).create_if_missing(true);
    let mut connection = options.connect().await.unwrap();
    sqlx::raw_sql(include_str!("../../fixtures/schema_6.sql")).execute(&mut connection).await.unwrap();
    connection.close().await.unwrap();
    // As a server holds it.
    let server = std::fs::File::create(data.path().join("LOCK")).unwrap();
    flock(&server, FlockOperation::LockExclusive).unwrap();
    let refused = shamisen(&["key", "list"], data.path());
    assert!(!refused.status.success() && stderr(&refused).contains("is of another version"), "{}", stderr(&refused));
    assert_eq!(schema(&database).await, 6);
    drop(server);
    let listed = shamisen(&["key", "list"], data.path());
    assert!(listed.status.success() && stdout(&listed).contains("fixture"), "{}", stderr(&listed));
    assert!(schema(&database).await > 6);
    let copies = std::fs::read_dir(data.path()).unwrap().map(|entry| entry.unwrap().path());
    let copies: Vec<_> = copies.filter(|path| path.to_string_lossy().contains(".db.before-")).collect();
    assert_eq!(copies.len(), 1);
    assert_eq!(schema(&copies[0]).await, 6);
}
