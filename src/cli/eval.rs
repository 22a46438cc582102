//! `shamisen eval --benchmark FILE`

use std::process::ExitCode;

use anyhow::Context;

use crate::config::Eval;
use crate::ml::dataset::{self, Format, Scores};
use crate::ml::eval;
use crate::registry;

#[expect(clippy::print_stdout, reason = "the figures are this command's output")]
pub(super) fn eval(config: &Eval) -> anyhow::Result<ExitCode> {
    let bytes =
        std::fs::read(&config.benchmark).with_context(|| format!("{} cannot be read", config.benchmark.display()))?;
    let table = dataset::read(&bytes, Format::Csv, Scores::Any)?;
    let model = registry::load_by_id(&config.data.join("models"), &config.model)?;
    let result =
        eval::benchmark(&*model.encoder, &config.benchmark.display().to_string(), &eval::token_pairs(&model, &table));
    let told = |value: Option<f64>| value.map_or("cannot be measured".to_owned(), |value| format!("{value:.4}"));
    println!(
        "{}: {} pairs, Pearson {}, Spearman {}",
        result.name,
        result.pairs,
        told(result.pearson),
        told(result.spearman)
    );
    Ok(ExitCode::SUCCESS)
}
