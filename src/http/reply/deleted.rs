//! What a deletion says: that it is done, and what it leaves.

use serde::Serialize;
use utoipa::ToSchema;

use crate::http::state::AppState;
use crate::store::Left;

/// What was deleted.
#[derive(Serialize, ToSchema)]
pub(crate) struct Deleted {
    id: String,
    #[schema(example = true)]
    deleted: bool,
    left: LeftBody,
}

impl Deleted {
    pub(crate) fn new(id: String, left: LeftBody) -> Self {
        Self { id, deleted: true, left }
    }
}

/// What still holds a part of what was deleted, and goes when it is deleted itself.
#[derive(Serialize, ToSchema)]
#[schema(as = Left)]
pub(crate) struct LeftBody {
    /// Tables: of a dataset, those of the same bytes, its other versions and what was made of it; of a job or a model,
    /// those that it learnt from.
    datasets: Vec<String>,
    /// Jobs that are over. Their reports show rows, and name the titles.
    jobs: Vec<String>,
    /// Tuned models: weights that learnt from it, and the dozen texts of the table that such a model is checked with.
    models: Vec<String>,
    /// Copies of the database from before an upgrade, in the data folder.
    copies: Vec<String>,
    /// The same in words.
    message: String,
}

impl LeftBody {
    /// Of something whose rows and files are gone. Takes it out of what is kept in memory, and out of the database's
    /// log.
    pub(crate) async fn after(state: &AppState, left: Left) -> Self {
        state.analysis.forget();
        state.engine.forget();
        if let Err(error) = state.store.cut_log().await {
            tracing::warn!(%error, "the database's log cannot be cut off now; it is tried again");
        }
        let Left { datasets, jobs, models } = left;
        let copies = state.store.copies();
        let message = message(&[("datasets", &datasets), ("jobs", &jobs), ("models", &models), ("copies", &copies)]);
        Self { datasets, jobs, models, copies, message }
    }
}

fn message(left: &[(&str, &Vec<String>)]) -> String {
    let told: Vec<String> = left
        .iter()
        .filter(|(_, ids)| !ids.is_empty())
        .map(|(what, ids)| match *what {
            "datasets" => format!("the datasets {} hold texts of it", ids.join(", ")),
            "jobs" => format!("the reports of the jobs {} tell of it", ids.join(", ")),
            "models" => format!("the models {} have learnt from it", ids.join(", ")),
            _ => format!("{}, from before an upgrade, may hold it", ids.join(", ")),
        })
        .collect();
    if told.is_empty() {
        return "Nothing of it is left in the data folder. Backups that were made before still hold it.".to_owned();
    }
    format!(
        "It is gone, and this is left until it is deleted too: {}. Backups that were made before still hold it.",
        told.join("; ")
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_left_is_told_in_words() {
        let (none, one) = (Vec::new(), vec!["ft_1".to_owned()]);
        assert!(message(&[("datasets", &none), ("models", &none)]).starts_with("Nothing of it is left"));
        let told = message(&[("datasets", &none), ("models", &one)]);
        assert!(told.contains(": the models ft_1 have learnt from it. Backups"), "{told}");
    }
}
