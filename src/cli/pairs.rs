//! `shamisen pairs FILE..`

use std::fs::File;
use std::io::BufWriter;
use std::path::Path;
use std::process::ExitCode;
use std::sync::Arc;

use anyhow::{Context, bail};
use indicatif::ProgressBar;

use crate::config::Pairs;
use crate::ml::encoder::{Model, TokenCache, encode_all};
use crate::registry;
use tables::choices::FileOptions;
use tables::source::Input;
use tables::taxonomy::{self, Counts, HeldOut, Made, MadePair, Recipe, Targets, Taxonomy, VectorsOf};
use tables::{Problems, Stop};

/// Texts whose vectors are made between two steps of the bar.
const AT_ONCE: usize = 512;
/// Problems that are shown one by one.
const SHOWN: usize = 10;

pub(super) fn pairs(config: &Pairs) -> anyhow::Result<ExitCode> {
    let targets = Targets::parse(&config.targets).context("--targets cannot be used")?;
    let held_out = config.held_out.as_deref().map(HeldOut::parse).transpose().context("--held-out cannot be used")?;
    let held_out = held_out.unwrap_or(HeldOut::Nothing);
    let holds_out = held_out != HeldOut::Nothing;
    // Before the work, not after it.
    let recipe =
        Recipe { targets, per_concept: config.per_concept, per_kind: config.per_kind, held_out, seed: config.seed };
    recipe.check().map_err(|error| anyhow::anyhow!("--{} {error}", error.bound.name.replace('_', "-")))?;
    for file in [Some(&config.out), holds_out.then_some(&config.held_out_out)].into_iter().flatten() {
        if file.exists() && !config.overwrite {
            bail!("{} is there already; name another file, or say --overwrite", file.display());
        }
    }
    let files = config
        .files
        .iter()
        .map(|file| taxonomy::File { name: file.to_str().map(str::to_owned), input: Input::file(file.clone()) });
    let files: Vec<taxonomy::File> = files.collect();
    let taxonomy = Taxonomy::read(&files, &FileOptions::default(), config.language.as_deref())
        .map_err(|problems| told(&problems))?;
    tell_taxonomy(&taxonomy);
    let model = if config.hard_negatives { Some(load(config)?) } else { None };
    let mut vectors = model.as_ref().map(|model| |texts: &[&str]| vectors(model, texts));
    let vectors = vectors.as_mut().map(|vectors| vectors as &mut VectorsOf<'_>);
    let made = taxonomy::make(&taxonomy, &recipe, vectors, &Stop::NEVER).map_err(|problems| told(&problems))?;
    write(&config.out, &made.pairs)?;
    if holds_out {
        write(&config.held_out_out, &made.held_out)?;
    }
    tell_made(&made, config, holds_out);
    Ok(ExitCode::SUCCESS)
}

/// What is wrong and what to do, in one error.
fn told(problems: &Problems) -> anyhow::Error {
    anyhow::anyhow!("{} {}", problems.what, problems.hint.trim_end_matches('.'))
}

/// A model by its id in the data folder, or by its own folder.
fn load(config: &Pairs) -> anyhow::Result<Model> {
    let folder = Path::new(&config.model);
    let apart = folder.parent().zip(folder.file_name().and_then(|name| name.to_str()));
    let mut model = match apart.filter(|_| folder.is_dir()) {
        Some((models, id)) => registry::load_by_id(models, id)?,
        None => registry::load_by_id(&config.data.join("models"), &config.model)?,
    };
    model.encoder.prepare_inference(&Arc::new(TokenCache::default()));
    Ok(model)
}

/// Vectors of length 1, with a bar.
fn vectors(model: &Model, texts: &[&str]) -> Result<(Vec<f32>, usize), String> {
    let bar = ProgressBar::new(texts.len() as u64);
    let mut values: Vec<f32> = Vec::new();
    for some in texts.chunks(AT_ONCE) {
        let tokens: Vec<Vec<u32>> = some.iter().map(|text| model.tokenize(text).ids).collect();
        let tokens: Vec<&[u32]> = tokens.iter().map(Vec::as_slice).collect();
        let vectors = encode_all(&*model.encoder, &tokens).flatten(0, -1);
        values.extend(Vec::<f32>::try_from(vectors).map_err(|error| error.to_string())?);
        bar.inc(some.len() as u64);
    }
    bar.finish_and_clear();
    let width = values.len() / texts.len().max(1);
    Ok((values, width))
}

fn write(file: &Path, pairs: &[MadePair]) -> anyhow::Result<()> {
    let what = || format!("{} cannot be written", file.display());
    taxonomy::write(pairs, BufWriter::new(File::create(file).with_context(what)?)).with_context(what)
}

#[expect(clippy::print_stdout, reason = "what was made is this command's output")]
fn tell_taxonomy(taxonomy: &Taxonomy) {
    let described = taxonomy.concepts.iter().filter(|concept| concept.description.is_some()).count();
    let alternatives: usize = taxonomy.concepts.iter().map(|concept| concept.alternatives.len()).sum();
    println!("{} concepts, {described} with a description, {alternatives} alternative labels", taxonomy.concepts.len());
    for problem in taxonomy.problems.iter().take(SHOWN) {
        let place = if problem.row > 0 { format!("row {}: ", problem.row) } else { String::new() };
        println!("  {place}{}", problem.message);
    }
    if taxonomy.problems_total > SHOWN {
        println!("  and {} more", taxonomy.problems_total - SHOWN);
    }
}

#[expect(clippy::print_stdout, reason = "what was made is this command's output")]
fn tell_made(made: &Made, config: &Pairs, holds_out: bool) {
    println!("{}: {} pairs ({})", config.out.display(), made.pairs.len(), counts(&made.counts));
    if holds_out {
        println!(
            "{}: {} pairs of {} concepts ({})",
            config.held_out_out.display(),
            made.held_out.len(),
            made.held_out_concepts,
            counts(&made.held_out_counts)
        );
    }
    for note in &made.notes {
        println!("{note}");
    }
}

fn counts(counts: &Counts) -> String {
    let told = counts.iter().map(|(kind, count)| format!("{count} {}", tables::choices::name_of(kind)));
    told.collect::<Vec<_>>().join(", ")
}
