//! `training.json` in a tuned model's folder: how the model came to be, for its card.

use std::path::Path;

use serde::Serialize;
use serde_json::Value;

use super::message::Report;
use super::spec::{RunSpec, Table};
use crate::ml::Result;
use crate::ml::encoder::ModelCard;
use crate::ml::files::write_json;
use crate::ml::train::{RecipeFacts, TrainConfig};
use crate::registry::TRAINING;
use tables::choices::{FileFormat, LowestMeans};

/// The part of a report that holds texts of the table.
const ROWS_TEXTS: &str = "movers";

/// All that it takes to do the run again, and what it came to. No path of the machine is in it.
#[derive(Serialize)]
pub(super) struct TrainingRecord<'a> {
    name: &'a str,
    fingerprint: &'a str,
    base: Tuned<'a>,
    dataset: Learned<'a>,
    benchmark: Option<Learned<'a>>,
    replay: Option<Learned<'a>>,
    validation: Option<Learned<'a>>,
    /// What the recipe asked of `dataset`.
    table: RecipeFacts,
    recipe: &'a str,
    config: &'a TrainConfig,
    titles: &'a [String],
    /// Without the rows' texts: a model that is handed on does not bring the user's table with it.
    report: Value,
    /// Its version, as below.
    shamisen: &'static str,
    libtorch: &'static str,
    threads: i32,
}

#[derive(Serialize)]
struct Tuned<'a> {
    name: &'a str,
    fingerprint: &'a str,
}

/// A table, known by the bytes of the user's own file, and what its scores were taken for.
#[derive(Serialize)]
struct Learned<'a> {
    name: &'a str,
    format: FileFormat,
    sha256: &'a str,
    lowest_means: Option<LowestMeans>,
}

impl<'a> Learned<'a> {
    fn new(table: &'a Table) -> Self {
        let Table { name, format, sha256, lowest_means, .. } = table;
        Self { name, format: *format, sha256, lowest_means: *lowest_means }
    }
}

impl<'a> TrainingRecord<'a> {
    /// Of a run that tuned `base` to `tuned`.
    pub(super) fn new(
        spec: &'a RunSpec,
        table: RecipeFacts,
        base: &'a ModelCard,
        tuned: &'a ModelCard,
        report: &Report,
    ) -> Self {
        let mut report = serde_json::to_value(report).expect("messages are plain structs");
        if let Some(report) = report.as_object_mut() {
            report.remove(ROWS_TEXTS);
        }
        Self {
            name: &tuned.name,
            fingerprint: &tuned.fingerprint,
            base: Tuned { name: &base.name, fingerprint: &base.fingerprint },
            dataset: Learned::new(&spec.dataset),
            benchmark: spec.benchmark.as_ref().map(Learned::new),
            replay: spec.replay.as_ref().map(Learned::new),
            validation: spec.validation.as_ref().map(Learned::new),
            table,
            recipe: &spec.recipe,
            config: &spec.config,
            titles: &spec.titles,
            report,
            shamisen: env!("CARGO_PKG_VERSION"),
            libtorch: env!("SHAMISEN_LIBTORCH"),
            threads: tch::get_num_threads(),
        }
    }

    /// Writes the file into the model's folder and sees it onto the disk.
    pub(super) fn write(&self, folder: &Path) -> Result<()> {
        write_json(&folder.join(TRAINING), self)
    }
}
