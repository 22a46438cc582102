//! A database as files are: copied, looked at, told about. None of this changes it.

use std::path::Path;

use sqlx::sqlite::{SqliteConnectOptions, SqliteConnection};
use sqlx::{ConnectOptions, Connection};

use super::{Result, Status, StoreError, schema};

/// What a database says there is.
#[derive(Clone, Debug, Default)]
pub(crate) struct Contents {
    pub(crate) schema: i64,
    /// Ids with the hash of the user's file.
    pub(crate) datasets: Vec<(String, String)>,
    /// Ids with their fingerprints.
    pub(crate) models: Vec<(String, String)>,
    /// Ids.
    pub(crate) deleted_models: Vec<String>,
    pub(crate) jobs: Vec<(String, Status)>,
    pub(crate) keys: i64,
    pub(crate) aliases: i64,
}

/// What came of looking at a database.
#[derive(Clone, Debug)]
pub(crate) struct Examination {
    /// What is wrong with its pages and references, in SQLite's words.
    pub(crate) damage: Vec<String>,
    /// `None` where it is of a schema that this program cannot read, or too damaged.
    pub(crate) contents: Option<Contents>,
    /// `None` where nothing is in it.
    pub(crate) schema: Option<i64>,
}

async fn connect(path: &Path, read_only: bool) -> Result<SqliteConnection> {
    let options = SqliteConnectOptions::new()
        .filename(path)
        .read_only(read_only)
        .pragma("trusted_schema", "off")
        .pragma("cell_size_check", "on")
        .pragma("secure_delete", "on");
    Ok(options.connect().await?)
}

/// The schema of the database in a file; `None` where there is no file or nothing in it.
pub(crate) async fn schema_of(path: &Path) -> Result<Option<i64>> {
    if !path.exists() {
        return Ok(None);
    }
    let mut connection = connect(path, true).await?;
    let found = schema::of(&mut connection).await?;
    connection.close().await?;
    Ok(found)
}

/// Writes the database in the file `from` as it is at one instant to the file `to`, also while a server works, and looks
/// at what was written. Checkpoints of jobs are no part of it.
///
/// # Errors
/// Where the database is damaged, of a newer schema, or cannot be read.
pub(crate) async fn snapshot(from: &Path, to: &Path) -> Result<Contents> {
    let mut connection = connect(from, true).await?;
    schema::refuse_newer(&mut connection, from).await?;
    schema::copy_into(&mut connection, to).await?;
    connection.close().await?;
    let mut copy = connect(to, false).await?;
    // One file, with nothing beside it.
    sqlx::query("pragma journal_mode = delete").execute(&mut copy).await?;
    sqlx::query("delete from checkpoint").execute(&mut copy).await?;
    copy.close().await?;
    let Examination { damage, contents, .. } = examine(to).await?;
    match contents {
        Some(contents) if damage.is_empty() => Ok(contents),
        _ => Err(StoreError::other(format!("the database is damaged: {}", damage.join("; ")))),
    }
}

/// Looks at every page of the database in a file and at what it says.
pub(crate) async fn examine(path: &Path) -> Result<Examination> {
    let mut connection = connect(path, true).await?;
    let looked = look(&mut connection).await;
    connection.close().await?;
    looked
}

async fn look(connection: &mut SqliteConnection) -> Result<Examination> {
    let check = sqlx::query_scalar("pragma integrity_check(20)").fetch_all(&mut *connection).await;
    let mut damage: Vec<String> = match check {
        Ok(told) => told,
        // Damage can be such that not even the check goes on.
        Err(error) => return Ok(Examination { damage: vec![error.to_string()], contents: None, schema: None }),
    };
    damage.retain(|line| line != "ok");
    let dangling: Vec<(String, String)> =
        sqlx::query_as(r#"select "table", parent from pragma_foreign_key_check limit 20"#)
            .fetch_all(&mut *connection)
            .await
            .unwrap_or_default();
    damage.extend(dangling.into_iter().map(|(table, parent)| format!("a row of {table} refers to no row of {parent}")));
    let schema = schema::of(connection).await.ok().flatten();
    let contents = match schema {
        Some(found) if found <= schema::newest() => match read(connection, found).await {
            Ok(contents) => Some(contents),
            Err(error) => {
                damage.push(error.to_string());
                None
            }
        },
        _ => None,
    };
    Ok(Examination { damage, contents, schema })
}

async fn read(connection: &mut SqliteConnection, schema: i64) -> Result<Contents> {
    let tombs: bool =
        sqlx::query_scalar("select exists (select 1 from pragma_table_info('dataset') where name = 'deleted_at')")
            .fetch_one(&mut *connection)
            .await?;
    let datasets = if tombs {
        "select dataset_id, sha256 from dataset where deleted_at is null order by dataset_id"
    } else {
        "select dataset_id, sha256 from dataset order by dataset_id"
    };
    let models = "select model_id, fingerprint from model where deleted_at is null order by model_id";
    let deleted = "select model_id from model where deleted_at is not null";
    Ok(Contents {
        schema,
        datasets: sqlx::query_as(datasets).fetch_all(&mut *connection).await?,
        models: sqlx::query_as(models).fetch_all(&mut *connection).await?,
        deleted_models: sqlx::query_scalar(deleted).fetch_all(&mut *connection).await?,
        jobs: sqlx::query_as("select job_id, status from job order by job_id").fetch_all(&mut *connection).await?,
        keys: sqlx::query_scalar("select count(*) from api_key").fetch_one(&mut *connection).await?,
        aliases: sqlx::query_scalar("select count(*) from alias").fetch_one(&mut *connection).await?,
    })
}
