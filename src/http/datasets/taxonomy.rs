//! Pairs made of a taxonomy.

use axum::extract::{Request, State};
use axum::response::Response;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};

use crate::analysis::AnalysisError;
use crate::analysis::taxonomy::{self, MadeTables};
use crate::http::auth::caller::Caller;
use crate::http::datasets::body::{DatasetBody, TableForm};
use crate::http::datasets::options::{DatasetMeta, OptionsBody};
use crate::http::datasets::upload::{self, Sent};
use crate::http::error::{ApiError, Code, Result};
use crate::http::extract::{self, Query};
use crate::http::models::find::resolve_or_default;
use crate::http::reply::created;
use crate::http::state::AppState;
use tables::Problem;
use tables::taxonomy::{Counts, HeldOut, Recipe, Targets};

/// The fields beside a table's own.
const OWN: [&str; 8] =
    ["targets", "seed", "per_concept", "per_kind", "held_out", "hard_negatives", "model", "language"];

/// How pairs are made of a taxonomy.
#[derive(Default, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
#[serde(default)]
struct Making {
    /// The cosine of each kind of pairs: `description=1,alternative=0.7,sibling=none`, an object of these, or the
    /// word `tutorial`. What is not named: 1, 0.7, 0.4 (sibling), 0.2 (cousin), 0 (far).
    #[param(value_type = Option<String>, example = "tutorial")]
    targets: Value,
    /// Another seed draws other pairs; 0 by default.
    #[param(value_type = Option<u64>)]
    seed: Value,
    /// Pairs of each kind that begin at one concept, at most: 1 to 100; 2 by default.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 100)]
    per_concept: Value,
    /// Pairs of each kind, at most.
    #[param(value_type = Option<usize>, minimum = 1, maximum = 2000000)]
    per_kind: Value,
    /// What is kept from training and stored as a benchmark: a share of the concepts (`0.1`), in whole groups, or
    /// groups' ids.
    #[param(value_type = Option<String>, example = "0.1")]
    held_out: Value,
    /// Whether pairs come on top that share no group and that the model takes for alike.
    #[param(value_type = Option<bool>)]
    hard_negatives: Value,
    /// The model that finds them; without one, the alias `default`.
    model: Option<String>,
    /// One of a SKOS file's languages; without it, the one that names most concepts.
    language: Option<String>,
}

/// A dataset that was made.
#[derive(Serialize, ToSchema)]
#[schema(as = DatasetOfTaxonomy)]
struct MadeBody {
    #[serde(flatten)]
    dataset: DatasetBody,
    /// Pairs of each kind.
    #[schema(value_type = std::collections::BTreeMap<String, usize>)]
    made: Counts,
    /// The benchmark of what is held out, if something is. None of its texts is in the dataset.
    held_out_id: Option<String>,
    /// Concepts that were read.
    concepts: usize,
    /// What could not be made, and why.
    notes: Vec<String>,
    /// What of the taxonomy was left out or mended, the first hundred.
    problems: Vec<Problem>,
    problems_total: usize,
}

/// Make a dataset of a taxonomy.
///
/// The body is a table with a row a concept (`id`, `parent`, `label`, `alt_labels`, `description`; ESCO's and O*NET's
/// own names; Japanese ones), or SKOS in Turtle or JSON-LD. Pairs of labels and descriptions, alternative labels,
/// siblings, cousins and unrelated concepts are made of it, with the similarity that each kind asks for, as angular
/// similarities.
#[utoipa::path(
    post,
    path = "/datasets/from-taxonomy",
    tag = "Data",
    params(DatasetMeta, OptionsBody, Making),
    request_body(content(
        (String = "text/csv", example = "id,parent,label,alt_labels,description\n2512.1,2512,software developer,programmer|coder,Software developers write programs.\n"),
        (Vec<u8> = "application/octet-stream"),
        (TableForm = "multipart/form-data"),
    )),
    responses(
        (status = 201, description = "The pairs are made and stored.", body = MadeBody,
            headers(("Location" = String, description = "The dataset's path."))),
        (status = 422, description = "No pairs can be made of this file, or a field cannot be used."),
        (status = 503, description = "As many tables as may be at once are being worked on."),
    )
)]
pub(super) async fn create_from_taxonomy(
    State(state): State<AppState>,
    caller: Caller,
    Query(query): Query<Map<String, Value>>,
    request: Request,
) -> Result<Response> {
    let sent = upload::receive(&state, query, &OWN, request).await?;
    let Sent { table, label, wanted, others, .. } = sent;
    let making: Making = serde_json::from_value(Value::Object(others))
        .map_err(|error| extract::data_error(&error.to_string(), "the request"))?;
    let (recipe, hard_negatives) = recipe(&making)?;
    let model = match hard_negatives {
        true => Some(resolve_or_default(&state, making.model.as_deref()).await?),
        false => None,
    };
    let part = table.part;
    let making = taxonomy::Making {
        name: table.label(label.name.as_ref()),
        table: table.received,
        file_name: table.file_name,
        read_as: wanted.choices().read_as,
        language: making.language,
        recipe,
        model,
        context: upload::inspect_context(&state, true).await?,
    };
    let made = state.analysis.make_pairs(making, caller.key.as_ref()).await;
    let MadeTables { taxonomy, made, dataset, held_out } = made.map_err(|error| match error {
        AnalysisError::Datasets(error) => ApiError::of_table(error, part),
        error => error.into(),
    })?;
    let path = format!("/datasets/{}", dataset.dataset_id);
    let body = MadeBody {
        dataset: dataset.into(),
        made: made.counts,
        held_out_id: held_out.map(|held_out| held_out.dataset_id),
        concepts: taxonomy.concepts.len(),
        notes: made.notes,
        problems: taxonomy.problems,
        problems_total: taxonomy.problems_total,
    };
    Ok(created(true, path, body))
}

/// The recipe, and whether hard negatives are wanted. Values come as JSON or as a form's text.
fn recipe(making: &Making) -> Result<(Recipe, bool)> {
    let usual = Recipe::default();
    let targets = match &making.targets {
        Value::Null => usual.targets,
        Value::String(text) if !text.trim_start().starts_with('{') => {
            Targets::parse(text).map_err(|error| not_usable("targets", &error.to_string()))?
        }
        other => {
            let targets: Targets = parsed(other, "targets")?.unwrap_or_default();
            targets.check().map_err(|error| not_usable("targets", &error.to_string()))?;
            targets
        }
    };
    let held_out = match &making.held_out {
        Value::Null => HeldOut::Nothing,
        Value::Array(_) => HeldOut::Groups(parsed(&making.held_out, "held_out")?.unwrap_or_default()),
        Value::String(text) => HeldOut::parse(text).map_err(|error| not_usable("held_out", &error.to_string()))?,
        other => HeldOut::parse(&other.to_string()).map_err(|error| not_usable("held_out", &error.to_string()))?,
    };
    let recipe = Recipe {
        targets,
        per_concept: parsed(&making.per_concept, "per_concept")?.unwrap_or(usual.per_concept),
        per_kind: parsed(&making.per_kind, "per_kind")?,
        held_out,
        seed: parsed(&making.seed, "seed")?.unwrap_or(usual.seed),
    };
    recipe.check().map_err(|error| not_usable(error.bound.name, &error.to_string()))?;
    Ok((recipe, parsed(&making.hard_negatives, "hard_negatives")?.unwrap_or(false)))
}

/// A value as it stands in JSON, or out of text that is JSON; `None` for null and blank text.
fn parsed<T: serde::de::DeserializeOwned>(value: &Value, name: &str) -> Result<Option<T>> {
    let read = match value {
        Value::Null => return Ok(None),
        Value::String(text) if text.trim().is_empty() => return Ok(None),
        Value::String(text) => serde_json::from_str(text),
        value => T::deserialize(value),
    };
    read.map(Some).map_err(|error| {
        let error = error.to_string();
        not_usable(name, error.split(" at line ").next().unwrap_or_default())
    })
}

fn not_usable(field: &str, why: &str) -> ApiError {
    ApiError::about(Code::TaxonomyRecipeUnusable, field, format!("The field {field} cannot be used: {why}."))
}
