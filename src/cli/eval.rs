//! `shamisen eval --benchmark FILE`, `shamisen eval --retrieval FILE`

use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};

use crate::config::Eval;
use crate::ml::encoder::{Model, TokenCache};
use crate::ml::eval::{self, token_pairs};
use crate::registry;
use tables::choices::TableOptions;
use tables::source::Input;
use tables::{self, PairDataset, Scores, TableKind};

pub(super) fn eval(config: &Eval) -> anyhow::Result<ExitCode> {
    let mut model = registry::load_by_id(&config.data.join("models"), &config.model)?;
    model.encoder.prepare_inference(&Arc::new(TokenCache::default()));
    if let Some(file) = &config.benchmark {
        benchmark(&model, file)?;
    }
    if let Some(file) = &config.retrieval {
        retrieval(&model, file, config)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn read(file: &Path, scores: Scores) -> anyhow::Result<PairDataset> {
    let input = Input::file(file.to_owned());
    tables::read_with(&input, &TableOptions::default(), scores).with_context(|| file.display().to_string())
}

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn benchmark(model: &Model, file: &Path) -> anyhow::Result<()> {
    let table = read(file, Scores::Any)?;
    if table.kind == TableKind::Labelled {
        let found = eval::label_scores(&*model.encoder, &token_pairs(model, &table));
        let found = found.with_context(|| format!("{}: no two texts have the same label", file.display()))?;
        println!(
            "{}: {} texts of {} labels, nearest neighbour {:.4}, nearest class centre {:.4}, mean average precision {:.4}",
            file.display(),
            found.texts,
            found.labels,
            found.nearest_neighbour,
            found.nearest_centre,
            found.mean_average_precision
        );
        return Ok(());
    }
    let result = eval::benchmark(&*model.encoder, &file.display().to_string(), &token_pairs(model, &table));
    let told = |value: Option<f64>| value.map_or("cannot be measured".to_owned(), |value| format!("{value:.4}"));
    println!(
        "{}: {} pairs, Pearson {}, Spearman {}",
        result.name,
        result.pairs,
        told(result.pearson),
        told(result.spearman)
    );
    Ok(())
}

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
fn retrieval(model: &Model, file: &Path, config: &Eval) -> anyhow::Result<()> {
    let table = read(file, Scores::Unit)?;
    if table.kind != TableKind::PairPositive {
        bail!("{}: name the two columns query and positive", file.display());
    }
    let pairs = token_pairs(model, &table);
    let tokens = |text: &str| model.tokenize(text).ids;
    let corpus: Vec<Vec<u32>> = match &config.corpus {
        Some(file) => texts(file, &config.corpus_column)?.iter().map(|text| tokens(text)).collect(),
        None => Vec::new(),
    };
    let queries: Vec<(&[u32], &[u32])> = pairs.iter().map(|pair| (&pair.left[..], &pair.right[..])).collect();
    // Every target is among the texts, whatever the corpus.
    let corpus: Vec<&[u32]> =
        corpus.iter().map(Vec::as_slice).chain(queries.iter().map(|(_, target)| *target)).collect();
    let found = eval::retrieval(&*model.encoder, &queries, &corpus).context("there are no queries")?;
    println!(
        "{}: {} queries among {} texts, MRR {:.4}, accuracy@1 {:.4}",
        file.display(),
        found.queries,
        found.candidates,
        found.mrr,
        found.accuracy_at_1
    );
    Ok(())
}

fn texts(file: &Path, column: &str) -> anyhow::Result<Vec<String>> {
    let what = || format!("{} cannot be read", file.display());
    let mut reader = csv::Reader::from_path(file).with_context(what)?;
    let place = reader.headers().with_context(what)?.iter().position(|name| name.trim() == column);
    let place = place.with_context(|| format!("{} has no column {column:?}", file.display()))?;
    reader.records().map(|record| Ok(record.with_context(what)?[place].to_owned())).collect()
}
