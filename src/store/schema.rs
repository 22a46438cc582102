//! The schema: what a database is brought up to, and what it was before, kept beside it.

use std::path::{Path, PathBuf};

use sqlx::SqliteConnection;
use sqlx::migrate::Migrator;

use super::{Result, StoreError, now};

static MIGRATIONS: Migrator = sqlx::migrate!();

/// Copies from before a change of the schema that are kept.
const COPIES: usize = 2;
/// Between a database's name and the number of the change that a copy is from before.
const BEFORE: &str = ".before-";
/// From here on what is deleted is overwritten; what was deleted before is still in the pages that are free.
const OVERWRITES: i64 = 8;

/// The newest schema that this program knows.
pub(crate) fn newest() -> i64 {
    MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or_default()
}

/// The schema of a database; `None` where nothing is in it yet.
pub(super) async fn of(connection: &mut SqliteConnection) -> Result<Option<i64>> {
    let there: bool = sqlx::query_scalar("select exists (select 1 from sqlite_master where name = '_sqlx_migrations')")
        .fetch_one(&mut *connection)
        .await?;
    if !there {
        return Ok(None);
    }
    Ok(sqlx::query_scalar("select max(version) from _sqlx_migrations where success").fetch_one(connection).await?)
}

/// Refuses a database that a newer program has changed.
pub(super) async fn refuse_newer(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    let Some(found) = of(connection).await?.filter(|found| *found > newest()) else { return Ok(()) };
    // From the schema on that knows it.
    let version = sqlx::query_scalar("select version from program order by first_at desc, version desc limit 1");
    let version: Option<String> = version.fetch_optional(connection).await.ok().flatten();
    let wrote = version.as_deref().map_or_else(|| "a newer version".to_owned(), |version| format!("version {version}"));
    let copies = copies(path);
    let back = match copies.last() {
        Some(copy) => format!(", or go back to {} (docs/operations.md tells how)", copy.display()),
        None => ", or restore a backup that this version made".to_owned(),
    };
    Err(StoreError::other(format!(
        "a newer Shamisen ({wrote}, schema {found}) has worked on {}, and this is version {} (schema {}): use that version or a newer one{back}",
        path.display(),
        env!("CARGO_PKG_VERSION"),
        newest()
    )))
}

/// Brings a database up to date. One that is there and is about to change is copied first. Only who holds the data
/// folder may call this: nothing else keeps two programs from doing it at once.
pub(super) async fn migrate(connection: &mut SqliteConnection, path: &Path) -> Result<()> {
    refuse_newer(connection, path).await?;
    let before = of(connection).await?;
    let next = MIGRATIONS.iter().map(|migration| migration.version).find(|version| Some(*version) > before);
    if let (Some(before), Some(next)) = (before, next) {
        let copy = with_ending(path, &format!("{BEFORE}{next}"));
        keep(connection, &copy).await?;
        forget_copies(path);
        tracing::info!(
            from = before,
            to = newest(),
            copy = %copy.display(),
            "the database is of an older version and is brought up to date; what it was is kept in the copy"
        );
    }
    MIGRATIONS.run(&mut *connection).await.map_err(StoreError::other)?;
    if before.is_some_and(|before| before < OVERWRITES) {
        sqlx::query("vacuum").execute(&mut *connection).await?;
    }
    sign(connection).await
}

/// Remembers that this version of the program has worked here.
async fn sign(connection: &mut SqliteConnection) -> Result<()> {
    let known: bool = sqlx::query_scalar("select exists (select 1 from program where version = $1)")
        .bind(env!("CARGO_PKG_VERSION"))
        .fetch_one(&mut *connection)
        .await?;
    if !known {
        let sign = sqlx::query("insert into program (version, first_at) values ($1, $2) on conflict do nothing");
        sign.bind(env!("CARGO_PKG_VERSION")).bind(now()).execute(connection).await?;
    }
    Ok(())
}

/// A copy of the database, complete or absent.
async fn keep(connection: &mut SqliteConnection, copy: &Path) -> Result<()> {
    let draft = with_ending(copy, ".draft");
    copy_into(connection, &draft).await?;
    std::fs::rename(&draft, copy).map_err(sqlx::Error::Io)?;
    sync(copy.parent().unwrap_or(Path::new("."))).map_err(sqlx::Error::Io)?;
    Ok(())
}

/// Writes the database as it is at one instant into a file and sees it onto the disk; what an earlier try left there
/// goes. Writers go on meanwhile.
pub(super) async fn copy_into(connection: &mut SqliteConnection, to: &Path) -> Result<()> {
    let name = to.to_str().ok_or_else(|| StoreError::other(format!("{} is not UTF-8", to.display())))?;
    match std::fs::remove_file(to) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(sqlx::Error::Io(error).into()),
        _ => {}
    }
    sqlx::query("vacuum into $1").bind(name).execute(connection).await?;
    // SQLite itself does not. No connection is open to the copy, whose locks this would let go.
    Ok(sync(to).map_err(sqlx::Error::Io)?)
}

fn sync(path: &Path) -> std::io::Result<()> {
    std::fs::File::open(path)?.sync_all()
}

/// The copies of a database from before changes of its schema, the oldest first.
pub(crate) fn copies(path: &Path) -> Vec<PathBuf> {
    let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned() + BEFORE;
    let entries = std::fs::read_dir(path.parent().unwrap_or(Path::new("."))).into_iter().flatten().flatten();
    let number = |path: &Path| path.file_name()?.to_str()?.strip_prefix(&name)?.parse::<i64>().ok();
    let mut found: Vec<(i64, PathBuf)> =
        entries.map(|entry| entry.path()).filter_map(|path| Some((number(&path)?, path))).collect();
    found.sort();
    found.into_iter().map(|(_, path)| path).collect()
}

fn forget_copies(path: &Path) {
    let copies = copies(path);
    for old in &copies[..copies.len().saturating_sub(COPIES)] {
        // What stays costs only space.
        let _ = std::fs::remove_file(old);
    }
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(ending);
    PathBuf::from(name)
}
