//! Aliases: names that can be moved from one model to another, and back.

use std::collections::HashMap;

use serde::Serialize;
use sqlx::{Sqlite, Transaction};

use super::{Result, Rows, Store, now};

/// Why an alias was moved.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, sqlx::Type, utoipa::ToSchema)]
#[serde(rename_all = "lowercase")]
#[sqlx(rename_all = "lowercase")]
pub enum MoveReason {
    /// Somebody asked for it.
    Set,
    /// A job ended.
    Job,
    /// Somebody took the last move back.
    Rollback,
    /// The row's word is none of these: it is damaged.
    Unreadable,
}

impl From<Vec<u8>> for MoveReason {
    fn from(word: Vec<u8>) -> Self {
        match word.as_slice() {
            b"set" => Self::Set,
            b"job" => Self::Job,
            b"rollback" => Self::Rollback,
            _ => Self::Unreadable,
        }
    }
}

/// One move of an alias.
#[derive(Clone, Debug, sqlx::FromRow)]
pub struct AliasMove {
    /// From 1, in the order of the moves.
    pub seq: i64,
    /// Where it pointed from then on.
    pub model_id: String,
    /// Milliseconds.
    pub at: i64,
    #[sqlx(try_from = "Vec<u8>")]
    pub reason: MoveReason,
    /// The move to whose model a rollback goes.
    pub back_to: Option<i64>,
    /// Whether that model was deleted since.
    pub deleted: bool,
}

/// Moves of aliases, with the columns of [`AliasMove`] and others before them.
macro_rules! moves {
    ($others:literal, $rest:literal) => {
        concat!(
            "select ",
            $others,
            "alias_move.seq, alias_move.model_id, alias_move.at, alias_move.reason, alias_move.back_to,
             model.model_id is null or model.deleted_at is not null as deleted
               from alias_move left join model on model.model_id = alias_move.model_id ",
            $rest
        )
    };
}

#[derive(Clone, Debug, sqlx::FromRow)]
pub struct Alias {
    pub name: String,
    pub model_id: String,
    /// Milliseconds, of the last move.
    pub updated_at: i64,
}

/// What became of a rollback.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Rollback {
    /// The alias means this model again.
    Moved(String),
    /// There is no model before, or it was deleted.
    NothingBefore,
    /// The alias was moved meanwhile.
    Changed,
}

/// The moves of an alias, the oldest first.
#[derive(Clone, Debug, Default)]
pub struct AliasHistory {
    pub moves: Vec<AliasMove>,
}

impl AliasHistory {
    /// The move to whose model a rollback goes: the nearest before whose model is still there and another one.
    pub fn previous(&self) -> Option<&AliasMove> {
        let at = |seq: i64| self.moves.iter().find(|step| step.seq == seq);
        let now = self.moves.last()?;
        let mut candidate = at(now.back_to?)?;
        // `back_to` always points to an earlier move.
        while candidate.deleted || candidate.model_id == now.model_id {
            candidate = at(candidate.back_to?)?;
        }
        Some(candidate)
    }
}

/// Points an alias at a model and remembers where it pointed. One that points there already stays as it is.
pub(super) async fn move_alias(
    tx: &mut Transaction<'static, Sqlite>,
    name: &str,
    model_id: &str,
    reason: MoveReason,
) -> Result<()> {
    let before: Option<String> =
        sqlx::query_scalar("select model_id from alias where name = $1").bind(name).fetch_optional(&mut **tx).await?;
    if before.as_deref() == Some(model_id) {
        return Ok(());
    }
    // What an alias of this name meant before it was deleted is no way back.
    let back_to = match before {
        Some(_) => last_move(tx, name).await?,
        None => None,
    };
    point(tx, name, model_id, reason, back_to).await
}

async fn last_move(tx: &mut Transaction<'static, Sqlite>, name: &str) -> Result<Option<i64>> {
    Ok(sqlx::query_scalar("select max(seq) from alias_move where name = $1").bind(name).fetch_one(&mut **tx).await?)
}

async fn point(
    tx: &mut Transaction<'static, Sqlite>,
    name: &str,
    model_id: &str,
    reason: MoveReason,
    back_to: Option<i64>,
) -> Result<()> {
    sqlx::query(
        "insert into alias (name, model_id, updated_at) values ($1, $2, $3)
         on conflict (name) do update set model_id = excluded.model_id, updated_at = excluded.updated_at",
    )
    .bind(name)
    .bind(model_id)
    .bind(now())
    .execute(&mut **tx)
    .await?;
    sqlx::query(
        "insert into alias_move (name, seq, model_id, at, reason, back_to)
         values ($1, (select coalesce(max(seq), 0) + 1 from alias_move where name = $1), $2, $3, $4, $5)",
    )
    .bind(name)
    .bind(model_id)
    .bind(now())
    .bind(reason)
    .bind(back_to)
    .execute(&mut **tx)
    .await?;
    Ok(())
}

/// A move of an alias.
#[derive(sqlx::FromRow)]
struct MoveOf {
    name: String,
    #[sqlx(flatten)]
    step: AliasMove,
}

impl Store {
    /// All aliases with their moves, by name.
    pub async fn alias_histories(&self) -> Result<Rows<(Alias, AliasHistory)>> {
        let aliases = sqlx::query("select name, model_id, updated_at from alias order by name");
        let aliases: Rows<Alias> = self.each("name", aliases).await?;
        // A name that is no alias any more keeps its moves. A move that cannot be read is no way back.
        let steps = sqlx::query(moves!("alias_move.name, ", "order by alias_move.name, seq"));
        let mut histories: HashMap<String, AliasHistory> = HashMap::new();
        for MoveOf { name, step } in self.each("name", steps).await? {
            histories.entry(name).or_default().moves.push(step);
        }
        Ok(aliases.map(|alias| {
            let history = histories.remove(&alias.name).unwrap_or_default();
            (alias, history)
        }))
    }

    /// All aliases: name and model id, by name.
    pub async fn aliases(&self) -> Result<Rows<(String, String)>> {
        self.each("name", sqlx::query("select name, model_id from alias order by name")).await
    }

    /// An alias by its name.
    pub async fn alias(&self, name: &str) -> Result<Option<Alias>> {
        let alias = sqlx::query_as("select name, model_id, updated_at from alias where name = $1");
        Ok(alias.bind(name).fetch_optional(&self.reader).await?)
    }

    /// An alias's moves.
    pub async fn alias_history(&self, name: &str) -> Result<AliasHistory> {
        let moves = sqlx::query(moves!("alias_move.name, ", "where alias_move.name = $1 order by seq"));
        let moves: Rows<AliasMove> = self.each("name", moves.bind(name)).await?;
        Ok(AliasHistory { moves: moves.into_iter().collect() })
    }

    /// Points an alias at a model. `false` where the model was deleted meanwhile.
    pub async fn set_alias(&self, name: &str, model_id: &str) -> Result<bool> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        if !is_there(&mut tx, model_id).await? {
            return Ok(false);
        }
        move_alias(&mut tx, name, model_id, MoveReason::Set).await?;
        tx.commit().await?;
        Ok(true)
    }

    /// Points an alias at a model unless it points at one already.
    pub async fn set_first_alias(&self, name: &str, model_id: &str) -> Result<()> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        if !points(&mut tx, name).await? {
            move_alias(&mut tx, name, model_id, MoveReason::Set).await?;
        }
        Ok(tx.commit().await?)
    }

    /// Points an alias, whose last move is `now_at`, at the model of its move `to`, one before.
    pub async fn roll_alias_back(&self, name: &str, now_at: i64, to: &AliasMove) -> Result<Rollback> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        if last_move(&mut tx, name).await? != Some(now_at) || !points(&mut tx, name).await? {
            return Ok(Rollback::Changed);
        }
        if !is_there(&mut tx, &to.model_id).await? {
            return Ok(Rollback::NothingBefore);
        }
        point(&mut tx, name, &to.model_id, MoveReason::Rollback, to.back_to).await?;
        tx.commit().await?;
        Ok(Rollback::Moved(to.model_id.clone()))
    }

    /// Removes an alias. `false` where there is none.
    pub async fn delete_alias(&self, name: &str) -> Result<bool> {
        let _changing = self.changing_models();
        let mut tx = self.begin().await?;
        let removed = sqlx::query("delete from alias where name = $1").bind(name).execute(&mut *tx).await?;
        tx.commit().await?;
        Ok(removed.rows_affected() == 1)
    }

    /// Whether a name is an alias, or will be when a job has succeeded.
    pub async fn alias_exists(&self, name: &str) -> Result<bool> {
        let exists = sqlx::query_scalar(
            "select exists (select 1 from alias where name = $1)
                 or exists (select 1 from job where alias = $1 and status in ('queued', 'running'))",
        );
        Ok(exists.bind(name).fetch_one(&self.reader).await?)
    }
}

async fn points(tx: &mut Transaction<'static, Sqlite>, name: &str) -> Result<bool> {
    let points = sqlx::query_scalar("select exists (select 1 from alias where name = $1)");
    Ok(points.bind(name).fetch_one(&mut **tx).await?)
}

async fn is_there(tx: &mut Transaction<'static, Sqlite>, model_id: &str) -> Result<bool> {
    let there = sqlx::query_scalar("select exists (select 1 from model where model_id = $1 and deleted_at is null)");
    Ok(there.bind(model_id).fetch_one(&mut **tx).await?)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(seq: i64, model: &str, back_to: Option<i64>) -> AliasMove {
        AliasMove { seq, model_id: model.to_owned(), at: 0, reason: MoveReason::Set, back_to, deleted: false }
    }

    #[test]
    fn a_rollback_goes_back_move_by_move_and_passes_over_what_was_deleted() {
        let mut history =
            AliasHistory { moves: vec![step(1, "a", None), step(2, "b", Some(1)), step(3, "c", Some(2))] };
        assert_eq!(history.previous().unwrap().model_id, "b");
        // Taken back to b, and once more to a; then there is nothing before.
        history.moves.push(step(4, "b", Some(1)));
        assert_eq!(history.previous().unwrap().model_id, "a");
        history.moves.push(step(5, "a", None));
        assert!(history.previous().is_none());

        let mut gone = AliasHistory { moves: history.moves[..3].to_vec() };
        gone.moves[1].deleted = true;
        assert_eq!(gone.previous().unwrap().model_id, "a");
        assert!(AliasHistory::default().previous().is_none());
    }
}
