//! all-MiniLM-L6-v2, against figures of sentence-transformers and PyTorch.

use serde::Deserialize;
use shamisen::ml::encoder::Encoder;
use shamisen::ml::encoder::{Model, RaggedBatch, encode, encode_all};
use shamisen::ml::eval::{self, token_pairs};
use shamisen::ml::train::{
    Checkpoint, ClipKind, EpochRecord, EpsilonMode, LossKind, Observer, OptimizerKind, Schedule, Step, TokenPair,
    TrainConfig, TrainData, train,
};
use tables::Scores;

use crate::fixtures::{minilm, public_data, public_table};

#[derive(Deserialize)]
struct Embeddings {
    cases: Vec<Case>,
}

#[derive(Deserialize)]
struct Case {
    text: String,
    ids: Vec<u32>,
    embedding: Vec<f32>,
}

#[test]
fn minilm_gives_the_ids_and_vectors_of_sentence_transformers() {
    let Some(golden) = public_data("golden/minilm_embeddings.json") else { return };
    let golden: Embeddings = serde_json::from_slice(&golden).unwrap();
    let model = minilm();
    assert_eq!(model.encoder.max_tokens(), 256);
    for Case { text, ids, embedding } in golden.cases {
        let tokens = model.tokenize(&text);
        assert_eq!(tokens.ids, ids, "ids of {text:?}");
        let vector: Vec<Vec<f32>> = encode(&*model.encoder, &RaggedBatch::new([ids.as_slice()])).try_into().unwrap();
        let furthest = vector[0].iter().zip(&embedding).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        // The figures have seven decimals.
        assert!(furthest < 1e-6, "{text:?}: {furthest}");
    }
}

#[test]
fn minilm_meets_its_published_score_on_the_sts_benchmark() {
    let Some(table) = public_table("data/sts/stsb-en-dev.csv", Scores::Any) else { return };
    let model = minilm();
    let found = eval::benchmark(&*model.encoder, "", &token_pairs(&model, &table)).pearson.unwrap();
    assert!((found - 0.8696).abs() < 0.0005, "{found}");
}

#[test]
fn a_short_text_beside_a_long_one_has_the_vector_that_it_has_alone() {
    let model = minilm();
    let long = "the quick brown fox jumps over the lazy dog ".repeat(40);
    let texts: Vec<Vec<u32>> =
        ["a", "nurse", long.as_str(), "head of department", ""].iter().map(|text| model.tokenize(text).ids).collect();
    assert_eq!(texts[2].len(), 256);
    let texts: Vec<&[u32]> = texts.iter().map(Vec::as_slice).collect();
    let together: Vec<Vec<f32>> = encode_all(&*model.encoder, &texts).try_into().unwrap();
    for (text, vector) in texts.iter().zip(&together) {
        let alone: Vec<Vec<f32>> = encode(&*model.encoder, &RaggedBatch::new([*text])).try_into().unwrap();
        assert!(vector.iter().zip(&alone[0]).all(|(a, b)| (a - b).abs() < 1e-6));
    }
}

#[derive(Deserialize)]
struct Training {
    rows: Vec<(String, String, f64)>,
    step_losses: Vec<f64>,
}

#[derive(Default)]
struct Losses(Vec<f64>);

impl Observer for Losses {
    fn step(&mut self, step: Step, _: &dyn Fn() -> Checkpoint) -> shamisen::ml::Result<()> {
        self.0.push(step.loss);
        Ok(())
    }

    fn epoch(&mut self, _: &EpochRecord, _: &dyn Encoder) -> shamisen::ml::Result<()> {
        Ok(())
    }
}

pub(crate) fn config() -> TrainConfig {
    TrainConfig {
        loss: LossKind::CosineMse,
        optimizer: OptimizerKind::AdamW,
        learning_rate: 2e-5,
        beta_2: 0.999,
        epsilon: 1e-8,
        epsilon_mode: EpsilonMode::Torch,
        clip: ClipKind::Global,
        schedule: Schedule::Constant,
        early_stopping: None,
        collapse_alarm: false,
        epochs: 1,
        batch_size: 8,
        shuffle: false,
        dropout: Some(0.0),
        ..TrainConfig::default()
    }
}

fn losses(mut model: Model, pairs: &[TokenPair], config: &TrainConfig) -> (Vec<f64>, Model) {
    let data = TrainData { training: pairs, validation: &pairs[..4], ..TrainData::default() };
    let mut losses = Losses::default();
    train(&mut *model.encoder, &data, config, &mut losses, None).unwrap();
    (losses.0, model)
}

pub(crate) fn pairs(model: &Model, rows: &[(String, String, f64)]) -> Vec<TokenPair> {
    let pair = |(row, (left, right, score)): (usize, &(String, String, f64))| TokenPair {
        left: model.tokenize(left).ids,
        right: model.tokenize(right).ids,
        score: *score,
        row,
        ..TokenPair::default()
    };
    rows.iter().enumerate().map(pair).collect()
}

fn apart(a: &[f64], b: &[f64]) -> f64 {
    assert_eq!(a.len(), b.len());
    a.iter().zip(b).map(|(a, b)| (a - b).abs()).fold(0.0, f64::max)
}

#[test]
fn training_minilm_gives_the_losses_of_pytorch_step_by_step() {
    let Some(golden) = public_data("golden/minilm_training.json") else { return };
    let golden: Training = serde_json::from_slice(&golden).unwrap();
    let model = minilm();
    let pairs = pairs(&model, &golden.rows);
    let (whole, trained) = losses(model, &pairs, &config());
    assert!(apart(&whole, &golden.step_losses) < 1e-5, "{whole:?} {:?}", golden.step_losses);

    // Less memory gives the same numbers.
    for less in [
        TrainConfig { gradient_checkpointing: true, ..config() },
        TrainConfig { mini_batch: Some(3), ..config() },
        TrainConfig { mini_batch: Some(3), gradient_checkpointing: true, ..config() },
    ] {
        let (found, model) = losses(minilm(), &pairs, &less);
        assert!(apart(&found, &whole) < 2e-6, "{found:?} {whole:?}");
        for ((name, a), (_, b)) in model.encoder.variables().iter().zip(trained.encoder.variables()) {
            // A step moves a weight by 2e-5 at most.
            let furthest = (a - b).abs().max().double_value(&[]);
            assert!(furthest < 1e-5 || name.contains("key.bias"), "{name}: {furthest}");
        }
    }
}

pub(crate) fn own_rows() -> Vec<(String, String, f64)> {
    let jobs = ["nurse", "midwife", "baker", "pastry chef", "welder", "metal worker", "teacher", "head of school"];
    let row = |at: usize| {
        let (left, right) = (jobs[at % 8], jobs[(at * 3 + 1) % 8]);
        (left.to_owned(), format!("{right} number {at}"), [0.1, 0.9, 0.5][at % 3])
    };
    (0..24).map(row).collect()
}

#[test]
fn dropout_is_a_function_of_seed_and_step() {
    let model = minilm();
    let pairs = pairs(&model, &own_rows());
    let of = |dropout, seed, gradient_checkpointing| {
        let config = TrainConfig { dropout, seed, gradient_checkpointing, ..config() };
        losses(minilm(), &pairs, &config).0
    };
    let dropped = of(None, 1, false);
    assert_eq!(dropped, of(None, 1, false));
    assert!(apart(&dropped, &of(None, 2, false)) > 1e-4, "another seed drops others");
    assert!(apart(&dropped, &of(Some(0.0), 1, false)) > 1e-4, "the model's own rate is not zero");
    assert!(apart(&dropped, &of(None, 1, true)) < 2e-6, "a block that is done again drops the same");
}

#[test]
fn a_head_alone_learns_over_features_that_are_computed_once() {
    let model = minilm();
    let pairs = pairs(&model, &own_rows());
    let config = TrainConfig { head_only: true, dropout: None, learning_rate: 1e-3, epochs: 8, ..config() };
    let before = model.encoder.variables();
    let (found, tuned) = losses(minilm(), &pairs, &config);
    let of_epoch = |epoch: usize| found[epoch * 3..epoch * 3 + 3].iter().sum::<f64>();
    assert!(of_epoch(7) < of_epoch(0) * 0.9, "{found:?}");
    let after = tuned.encoder.variables();
    assert_eq!(after.len(), before.len() + 2);
    assert!(before.iter().zip(&after).all(|((_, a), (_, b))| a == b), "nothing but the head moved");
    // At first the head changes nothing.
    let (all, _) = losses(minilm(), &pairs, &TrainConfig { head_only: false, dropout: Some(0.0), ..config });
    assert!((all[0] - found[0]).abs() < 1e-6);
}
