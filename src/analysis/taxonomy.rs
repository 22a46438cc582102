//! Pairs made of a taxonomy and stored as tables: what is learned, and what is held out to measure it.

use std::sync::Arc;

use tables::Stop;
use tables::checks::Knowledge;
use tables::choices::{FileOptions, LowestMeans, Scale, TableOptions};
use tables::taxonomy::{self, File, Made, MadePair, Recipe, Taxonomy, VectorsOf};
use tokio::sync::{mpsc, oneshot};

use super::{Analysis, AnalysisError, Result, written_here};
use crate::datasets::{DatasetError, DatasetStore, Received, Upload};
use crate::store::{Dataset, ModelRow, Purpose};
use tables::inspect::InspectContext;

/// Texts whose vectors one request may ask for.
const MOST_TEXTS: usize = 50_000;

/// A taxonomy, and what is to be made of it.
pub(crate) struct Making {
    pub(crate) name: String,
    pub(crate) table: Received,
    pub(crate) file_name: Option<String>,
    pub(crate) read_as: FileOptions,
    /// One of the languages of its texts.
    pub(crate) language: Option<String>,
    pub(crate) recipe: Recipe,
    /// The model that finds hard negatives, where they are wanted.
    pub(crate) model: Option<ModelRow>,
    /// What the dataset is looked at with.
    pub(crate) context: InspectContext,
}

pub(crate) struct MadeTables {
    pub(crate) taxonomy: Taxonomy,
    /// Without the pairs, which are stored.
    pub(crate) made: Made,
    pub(crate) dataset: Dataset,
    /// The benchmark, where something is held out.
    pub(crate) held_out: Option<Dataset>,
}

/// Texts whose vectors the thread that makes pairs waits for.
type Ask = (Vec<String>, oneshot::Sender<(Vec<f32>, usize)>);

impl Analysis {
    /// Makes pairs of a taxonomy and stores them: both tables or none.
    pub(crate) async fn make_pairs(&self, making: Making, caller: Option<&Arc<str>>) -> Result<MadeTables> {
        let Making { name, table, file_name, read_as, language, recipe, model, context } = making;
        let _turn = self.taxonomies.turn().await?;
        let (ask, mut asked) = mpsc::channel::<Ask>(1);
        let ask = model.is_some().then_some(ask);
        let datasets = self.datasets.clone();
        let work = move |stop: &Stop| {
            let file = File { name: file_name, input: table.input().until(stop) };
            let taxonomy = Taxonomy::read(&[file], &read_as, language.as_deref())?;
            let mut vectors = ask.map(|ask| move |texts: &[&str]| vectors(&ask, texts));
            let vectors = vectors.as_mut().map(|vectors| vectors as &mut VectorsOf<'_>);
            let mut made = taxonomy::make(&taxonomy, &recipe, vectors, stop)?;
            // From here on the pairs are on the disk.
            let (pairs, held_out) = (std::mem::take(&mut made.pairs), std::mem::take(&mut made.held_out));
            let held_out = if held_out.is_empty() { None } else { Some(written(&datasets, &held_out)?) };
            Ok::<_, AnalysisError>((taxonomy, made, written(&datasets, &pairs)?, held_out))
        };
        let answers = async move {
            while let (Some((texts, answer)), Some(row)) = (asked.recv().await, &model) {
                if texts.len() > MOST_TEXTS {
                    return Err(AnalysisError::TooManyTexts { texts: texts.len(), most: MOST_TEXTS });
                }
                let embedded = self.embed(row, &texts, caller).await?;
                let _ = answer.send((embedded.vectors, embedded.dimensions));
            }
            Ok(())
        };
        let (made, answered) = tokio::join!(self.datasets.beside(work), answers);
        // What the model says is told as it is, not as a problem of the table.
        answered?;
        let (taxonomy, made, pairs, held_out) = made?;
        // A benchmark may have a text of another one.
        let knowledge = Knowledge { most_tokens: context.knowledge.most_tokens, ..Knowledge::default() };
        let held_out_context = InspectContext { knowledge, ..context.clone() };
        let held_out_name = format!("{name} (held out)");
        let mut uploads = vec![upload(name, Purpose::Training, pairs, context)];
        uploads.extend(held_out.map(|table| upload(held_out_name, Purpose::Benchmark, table, held_out_context)));
        let mut stored = self.datasets.add_all(uploads).await?.into_iter().map(|(dataset, _)| dataset);
        let dataset = stored.next().expect("a dataset for each upload");
        let held_out = stored.next();
        if let Some(held_out) = &held_out {
            // They are of one taxonomy, and share its texts.
            self.datasets.record_descent(held_out, &dataset).await?;
            self.datasets.record_descent(&dataset, held_out).await?;
        }
        Ok(MadeTables { taxonomy, made, dataset, held_out })
    }
}

/// Pairs as a table on the disk.
fn written(datasets: &DatasetStore, pairs: &[MadePair]) -> Result<Received, DatasetError> {
    let mut draft = datasets.draft()?;
    taxonomy::write(pairs, &mut draft)?;
    Ok(draft.finish()?)
}

/// That table, which says what its scores mean.
fn upload(name: String, purpose: Purpose, table: Received, context: InspectContext) -> Upload {
    let for_training = purpose == Purpose::Training;
    let choices = TableOptions {
        read_as: written_here(),
        scale: for_training.then_some(Scale { lowest: 0.0, highest: 1.0 }),
        lowest_means: for_training.then_some(LowestMeans::Angular),
        ..TableOptions::default()
    };
    Upload { name, purpose, table, choices, context, version_of: None }
}

/// Asks for texts' vectors and waits for them.
fn vectors(ask: &mpsc::Sender<Ask>, texts: &[&str]) -> Result<(Vec<f32>, usize), String> {
    let (answer, vectors) = oneshot::channel();
    let texts = texts.iter().map(|text| (*text).to_owned()).collect();
    // Nobody answers where the client went away or the model failed; what it said is told then.
    let sent = ask.blocking_send((texts, answer));
    sent.map_err(|error| error.to_string())?;
    vectors.blocking_recv().map_err(|error| error.to_string())
}
