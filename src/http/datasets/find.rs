//! A dataset by its id.

use crate::datasets::DatasetError;
use crate::http::error::{ApiError, Code, Result};
use crate::http::reply::deleted::LeftBody;
use crate::http::state::AppState;
use crate::store::{Dataset, StoreError};

/// A dataset by its id, or an error about the field that named it.
pub(crate) async fn find(state: &AppState, id: &str, param: &str) -> Result<Dataset> {
    state.store.dataset(id).await?.ok_or_else(|| {
        let detail = format!("There is no dataset {id:?}.");
        ApiError::about(Code::DatasetNotFound, param, detail)
    })
}

/// Removes a dataset that nothing needs. What is left of it.
pub(crate) async fn remove(state: &AppState, id: &str) -> Result<LeftBody> {
    let dataset = find(state, id, "id").await?;
    if state.limits.default_benchmark.as_ref() == Some(&dataset.dataset_id) {
        return Err(ApiError::of(Code::DatasetInUse)
            .detail("The server was started with this benchmark, and every job is measured with it.")
            .hint("Start the server without SHAMISEN_STS first."));
    }
    match state.datasets.remove(&dataset).await {
        Ok(left) => Ok(LeftBody::after(state, left).await),
        Err(DatasetError::Store(StoreError::Referenced)) => {
            Err(ApiError::of(Code::DatasetInUse).detail("A job that is queued or running uses this dataset."))
        }
        Err(error) => Err(error.into()),
    }
}
