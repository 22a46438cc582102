//! A finished model becomes one that requests find.

use std::path::Path;
use std::sync::Arc;

use futures_util::future::BoxFuture;

use super::journal::persist;
use super::message::{Note, Report};
use super::outcome::Outcome;
use super::queue::{JobQueue, model_id};
use super::spec::RunSpec;
use crate::ml::encoder::ModelCard;
use crate::ml::eval::Verdict;
use crate::registry::ModelRegistry;
use crate::store::{AliasResult, Job, JobError, Kind, ModelRow, Status, StoreError, now};

/// Makes a model ready to answer before an alias moves to it, or says why it cannot be. Jobs know nothing of
/// serving: who starts the supervisor gives this.
pub(crate) type MakeReady = Arc<dyn Fn(ModelRow) -> BoxFuture<'static, Result<(), Note>> + Send + Sync>;

/// Moves a job's model to its place and registers it, or says how else the claim ended. The row is what counts: a
/// folder without one is removed here or at the next start.
pub(super) async fn publish(
    queue: &JobQueue,
    make_ready: &MakeReady,
    job: &Job,
    folder: &Path,
    (card, report): (ModelCard, Report),
) -> Result<(), Outcome> {
    let JobQueue { store, models, .. } = queue;
    let unstored = |error: std::io::Error| {
        tracing::error!(job = job.job_id, %error, "the job's model cannot be stored");
        Outcome::of_file(&error, "The tuned model cannot be stored")
    };
    let model_id = model_id(&job.job_id);
    let Ok(Some(base)) = persist(job, || store.model_of_id(&job.base_model)).await else {
        return Err(unstored(std::io::Error::other("its base model is gone")));
    };
    let bytes = models.publish(RunSpec::finished(folder), &model_id).await.map_err(unstored)?;
    let model = ModelRow {
        model_id: model_id.clone(),
        name: job.name.clone(),
        kind: Kind::Tuned,
        base_model: Some(ModelRegistry::root(&base).to_owned()),
        job_id: Some(job.job_id.clone()),
        fingerprint: card.fingerprint,
        dimensions: card.dimensions,
        max_tokens: card.max_tokens as i64,
        bytes,
        created_at: now(),
        pinned: false,
    };
    let alias = match &job.alias {
        Some(alias) => Some(alias_result(make_ready, job, alias, &model, &report).await),
        None => None,
    };
    let report_json = serde_json::to_value(&report).expect("reports are plain structs");
    let why = match persist(job, || store.finish_job(job, &model, &report_json, alias.as_ref())).await {
        Ok(true) => {
            tracing::info!(job = job.job_id, model = model_id, seconds = report.seconds, "job succeeded");
            return Ok(());
        }
        Ok(false) => {
            match persist(job, || store.job(&job.job_id)).await.ok().flatten() {
                // It was written, and the answer was lost.
                Some(now) if now.status == Status::Succeeded && now.lease_token == job.lease_token => return Ok(()),
                Some(now) if now.lease_token == job.lease_token => Outcome::Cancelled,
                // The folder is the other claim's now.
                _ => return Err(Outcome::LeaseLost),
            }
        }
        Err(StoreError::Taken { .. }) => Outcome::Failed(name_taken(&job.name)),
        Err(error) => unstored(std::io::Error::other(error)),
    };
    if let Err(error) = models.discard(&model_id).await {
        tracing::warn!(model = model_id, %error, "the folder of a model that has no row cannot be removed");
    }
    Err(why)
}

fn name_taken(name: &str) -> JobError {
    JobError {
        code: "name_taken_meanwhile".to_owned(),
        message: format!("While the job ran, another model took the name {name:?}. The tuned model was not kept."),
        hint: "Post the job again with another name; to let one name follow the newest model, use an alias.".to_owned(),
    }
}

/// Whether the job's alias may move to its model. One that may is in memory and has been asked what it is
/// before the move, so that no request waits for it.
async fn alias_result(
    make_ready: &MakeReady,
    job: &Job,
    alias: &str,
    model: &ModelRow,
    report: &Report,
) -> AliasResult {
    let verdict = report.assessment.verdict.overall;
    let stays = |code: &str, why: String| {
        let message = format!("The alias {alias:?} stays where it was: {why}");
        AliasResult { moved: false, code: code.to_owned(), message }
    };
    if job.alias_if.is_some() && verdict != Verdict::Win {
        let verdict = serde_json::to_value(verdict).ok();
        let verdict = verdict.as_ref().and_then(|verdict| verdict.as_str()).unwrap_or_default();
        return stays("not_a_win", format!("it was to move only with a win, and the report's verdict is {verdict}."));
    }
    match make_ready(model.clone()).await {
        Ok(()) => AliasResult {
            moved: true,
            code: "moved".to_owned(),
            message: format!("The alias {alias:?} means this model now."),
        },
        Err(Note { code, message }) => stays(&code, message),
    }
}
