//! `shamisen key create | list | revoke`

use std::fs::File;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, bail};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use super::folder;
use crate::bounds::{KeyName, length_outside};
use crate::config::key::{KeyCommand, KeyCreate, KeyScope};
use crate::keys::{KeyLimits, Keyring, Scope, end_of_life};
use crate::store::{self, Store, now};

pub(super) fn key(command: &KeyCommand) -> anyhow::Result<ExitCode> {
    let data = match command {
        KeyCommand::Create(config) => &config.data,
        KeyCommand::List(config) => &config.data,
        KeyCommand::Revoke(config) => &config.data,
    };
    folder::private(data);
    tokio::runtime::Builder::new_current_thread().enable_all().build()?.block_on(run(command))?;
    Ok(ExitCode::SUCCESS)
}

async fn run(command: &KeyCommand) -> anyhow::Result<()> {
    match command {
        KeyCommand::Create(config) => create(config).await,
        KeyCommand::List(config) => list(&existing(&config.data).await?).await,
        KeyCommand::Revoke(config) => revoke(&existing(&config.data).await?, &config.id).await,
    }
}

async fn open(data: &Path) -> anyhow::Result<Store> {
    let database = data.join("shamisen.db");
    let schema = store::schema_of(&database).await.context("the database cannot be read")?;
    // Only who keeps servers out changes what is in the database: one that runs may be of another version.
    let _held = if schema == Some(store::newest_schema()) { None } else { Some(unserved(data)?) };
    Store::open(&database).await.context("the database cannot be opened")
}

fn unserved(data: &Path) -> anyhow::Result<File> {
    folder::hold(data)?.with_context(|| {
        format!(
            "the server in {} is of another version than this program ({}): use the `shamisen` that the server was started with, or stop it first",
            data.display(),
            env!("CARGO_PKG_VERSION")
        )
    })
}

async fn existing(data: &Path) -> anyhow::Result<Store> {
    if !data.join("shamisen.db").exists() {
        bail!("there is no database in {}. Name the server's data folder with --data or SHAMISEN_DATA", data.display());
    }
    open(data).await
}

/// Prints the key alone, so that a script can take it, and says the rest beside.
#[expect(clippy::print_stdout, reason = "the key is this command's output")]
async fn create(config: &KeyCreate) -> anyhow::Result<()> {
    let expires_at = match config.expires.as_deref().map(end_of_life) {
        Some(None) => bail!("--expires takes days, hours or minutes, as in 90d, 12h, 30m"),
        end => end.flatten(),
    };
    let name = config.name.trim();
    if length_outside(name, &KeyName::RANGE).is_some() || name.chars().any(char::is_control) {
        bail!("--name takes 1 to 100 characters that say whose the key is, or what it is for");
    }
    // Keys may be made before the server's first start.
    std::fs::create_dir_all(&config.data).with_context(|| format!("{} cannot be made", config.data.display()))?;
    let store = open(&config.data).await?;
    let mut scopes: Vec<Scope> = config.scope.iter().map(|scope| of(*scope)).collect();
    scopes.dedup();
    let limits = KeyLimits {
        tokens_per_minute: config.tokens_per_minute,
        requests_at_once: config.requests_at_once,
        jobs_waiting: config.jobs_waiting,
    };
    let key = Keyring::new(store.clone()).create(name, &scopes, expires_at, limits).await?;
    store.close().await;
    eprintln!("{} was made. This is the key; it is shown once and kept nowhere:", key.row.key_id);
    println!("{}", key.text);
    Ok(())
}

fn of(scope: KeyScope) -> Scope {
    match scope {
        KeyScope::Embed => Scope::Embed,
        KeyScope::Train => Scope::Train,
        KeyScope::Metrics => Scope::Metrics,
        KeyScope::Admin => Scope::Admin,
    }
}

#[expect(clippy::print_stdout, reason = "the list is this command's output")]
async fn list(store: &Store) -> anyhow::Result<()> {
    let at = now();
    let keys = store.api_keys().await?;
    for row in &keys.unreadable {
        eprintln!("{} is there and cannot be read: it lets nobody in. {}", row.id, row.detail);
    }
    for key in keys {
        let used = key.last_used_at.map_or_else(|| "never used".to_owned(), |time| format!("used {}", minute(time)));
        let end = key.expires_at.map_or_else(String::new, |time| format!("  until {}", minute(time)));
        let limits = [
            (key.tokens_per_minute, "tokens a minute"),
            (key.requests_at_once, "requests at once"),
            (key.jobs_waiting, "jobs waiting"),
        ];
        let limits =
            limits.map(|(limit, of)| limit.map_or_else(String::new, |limit| format!("  {limit} {of}"))).concat();
        println!(
            "{}  {:<8} {:<20} {}  made {}  {used}{end}{limits}",
            key.key_id,
            key.status(at),
            key.scopes.join(","),
            key.name,
            minute(key.created_at),
        );
    }
    store.close().await;
    Ok(())
}

/// To the minute, in UTC.
pub(super) fn minute(milliseconds: i64) -> String {
    let time = OffsetDateTime::from_unix_timestamp(milliseconds / 60_000 * 60).ok();
    time.and_then(|time| time.format(&Rfc3339).ok()).unwrap_or_default()
}

async fn revoke(store: &Store, id: &str) -> anyhow::Result<()> {
    let revoked = store.revoke_api_key(id).await?;
    store.close().await;
    if !revoked {
        bail!("there is no key {id:?}; `shamisen key list` shows the keys that there are");
    }
    eprintln!("{id} is revoked; a running server refuses it within a second or two.");
    Ok(())
}
