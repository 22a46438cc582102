//! Models on their way out: `/models/{model}/export` and `/models/{model}/card`.

use std::io::{BufWriter, Write};
use std::path::{Path as FilePath, PathBuf};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures_util::stream;
use serde::Deserialize;
use tokio::sync::{OwnedSemaphorePermit, mpsc};
use utoipa::IntoParams;

use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{Path, Query};
use crate::http::models::find::resolve;
use crate::http::reply::file::attachment;
use crate::http::state::AppState;
use crate::registry::{self, ExportFormat, ModelRegistry};
use crate::store::ModelRow;

/// How long a request waits for its turn to put an export onto the disk.
const LONGEST_WAIT: Duration = Duration::from_secs(30);
/// Bytes that are sent at once.
const CHUNK: usize = 256 << 10;

/// Read a model's card.
///
/// In Markdown: data, recipe, figures before and after, limits.
#[utoipa::path(
    get,
    path = "/models/{model}/card",
    tag = "Models",
    params(("model" = String, Path, description = "The model's id, name or alias.")),
    responses(
        (status = 200, description = "The card.", body = String, content_type = "text/markdown"),
        (status = 404, description = "There is no such model."),
        (status = 500, description = "A file of it is damaged."),
        (status = 503, description = "Its files cannot be read now."),
    )
)]
pub(super) async fn show_card(State(state): State<AppState>, Path(wanted): Path<String>) -> Result<Response> {
    let row = resolve(&state, &wanted).await?;
    let folder = state.models.folder(&row.model_id);
    let card = tokio::task::spawn_blocking(move || registry::card(&folder)).await.map_err(ApiError::internal)?;
    Ok(([(header::CONTENT_TYPE, "text/markdown; charset=utf-8")], card?).into_response())
}

#[derive(Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(deny_unknown_fields)]
pub(super) struct ExportQuery {
    /// What the model is exported as; `folder` unless said.
    #[serde(default)]
    #[param(inline)]
    format: ExportFormat,
}

/// Download a model.
///
/// A tar of one folder, which has the model's id as its name. It is made whole on the disk first, so that
/// what can fail fails with a reason, and then sent.
#[utoipa::path(
    get,
    path = "/models/{model}/export",
    tag = "Models",
    params(("model" = String, Path, description = "The model's id, name or alias."), ExportQuery),
    responses(
        (status = 200, description = "The tar.", body = Vec<u8>, content_type = "application/x-tar",
            headers(("Content-Disposition" = String, description = "`attachment`, with a file name."))),
        (status = 404, description = "There is no such model."),
        (status = 500, description = "A file of it is damaged."),
        (status = 503, description = "Other exports are being made and sent, or its files cannot be read now."),
    )
)]
pub(super) async fn export_model(
    State(state): State<AppState>,
    Path(wanted): Path<String>,
    Query(query): Query<ExportQuery>,
) -> Result<Response> {
    let row = resolve(&state, &wanted).await?;
    let name = row.model_id.clone();
    let turn = tokio::time::timeout(LONGEST_WAIT, state.exporting.clone().acquire_owned()).await;
    let turn = turn.map_err(|_| busy())?.map_err(ApiError::internal)?;
    let registry = state.models.clone();
    let made = tokio::task::spawn_blocking(move || Export::make(&registry, &row, query.format, turn));
    let made = made.await.map_err(ApiError::internal)??;

    let (sender, receiver) = mpsc::channel(2);
    tokio::task::spawn_blocking(move || made.send(&sender));
    let body = stream::unfold(receiver, |mut receiver| async { receiver.recv().await.map(|part| (part, receiver)) });
    Ok(attachment(&format!("{name}.tar"), "application/x-tar", Body::from_stream(body)))
}

fn busy() -> ApiError {
    ApiError::of(Code::ExportsBusy).detail("Other exports are being made and sent, as many as may be at once.")
}

/// An export on the disk. It goes when this goes.
struct Export {
    /// Holds the exported folder alone.
    scratch: PathBuf,
    name: String,
    _turn: OwnedSemaphorePermit,
}

impl Export {
    fn make(
        registry: &ModelRegistry,
        row: &ModelRow,
        format: ExportFormat,
        turn: OwnedSemaphorePermit,
    ) -> Result<Self> {
        let made = Self { scratch: registry.passing_folder(), name: row.model_id.clone(), _turn: turn };
        let (folder, root) = (registry.folder(&row.model_id), registry.folder(ModelRegistry::root(row)));
        registry::export(&folder, &root, format, &made.folder())?;
        Ok(made)
    }

    fn folder(&self) -> PathBuf {
        self.scratch.join(&self.name)
    }

    /// Sends the folder as a tar, a piece at a time, as fast as the client takes it.
    fn send(self, sender: &mpsc::Sender<std::io::Result<Bytes>>) {
        let sent = write_tar(&self.name, &self.folder(), Sending(sender.clone()));
        if let Err(error) = sent {
            // The reply must not look whole. Where the client has gone, nobody hears this.
            let _ = sender.blocking_send(Err(error));
        }
    }
}

impl Drop for Export {
    fn drop(&mut self) {
        // What stays is removed at the next start.
        let _ = std::fs::remove_dir_all(&self.scratch);
    }
}

fn write_tar(name: &str, folder: &FilePath, out: impl Write) -> std::io::Result<()> {
    let mut archive = tar::Builder::new(BufWriter::with_capacity(CHUNK, out));
    // Owners and times of this machine say nothing to another one.
    archive.mode(tar::HeaderMode::Deterministic);
    archive.append_dir_all(name, folder)?;
    archive.into_inner()?.flush()
}

/// Hands what is written to the reply.
struct Sending(mpsc::Sender<std::io::Result<Bytes>>);

impl Write for Sending {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let sent = self.0.blocking_send(Ok(Bytes::copy_from_slice(bytes)));
        sent.map(|()| bytes.len()).map_err(|_| std::io::ErrorKind::BrokenPipe.into())
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}
