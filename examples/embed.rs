//! Texts become vectors, and vectors similarities: load a model's folder, tokenize, encode, compare.
//!
//! ```text
//! cargo run --release --example embed -- data/models/use-multilingual-v3
//! ```
#![expect(clippy::print_stdout, reason = "what an example finds is its output")]

use std::path::Path;

use anyhow::Context;
use shamisen::ml::encoder::{self, RaggedBatch};
use tables::similarity::Similarity;

const TEXTS: [&str; 4] = ["Data Scientist", "Data Analyst", "データ分析担当", "Registered Nurse"];

fn main() -> anyhow::Result<()> {
    let folder = std::env::args().nth(1).context("which model? `make serve` makes data/models/use-multilingual-v3")?;
    let model = encoder::load(Path::new(&folder))?;

    // Ids of all texts one after another: nothing is padded.
    let ids: Vec<Vec<u32>> = TEXTS.iter().map(|text| model.tokenize(text).ids).collect();
    let batch = RaggedBatch::new(ids.iter().map(Vec::as_slice));
    let vectors = encoder::encode(&*model.encoder, &batch); // (N,), (B,) -> (B, D), of length 1
    let vectors: Vec<Vec<f32>> = vectors.try_into()?;

    println!("{}: {} tokens to {} dimensions", model.card.name, batch.tokens(), model.encoder.dimensions());
    for (text, vector) in TEXTS.iter().zip(&vectors).skip(1) {
        println!("{:.3}  {} - {text}", Similarity::Cosine.between(&vectors[0], vector), TEXTS[0]);
    }
    Ok(())
}
