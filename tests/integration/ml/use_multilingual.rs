//! The base model against reference figures.

use serde_json::Value;
use shamisen::ml::encoder::{RaggedBatch, TruncationDirection, encode, encode_all, tokenize};
use shamisen::ml::eval::{self, token_pairs};
use tables::Scores;
use tables::similarity::cosine;

use crate::fixtures::{base, public_data, public_table};

struct Case {
    text: String,
    ids: Vec<u32>,
    embedding: Option<Vec<f32>>,
}

fn cases(json: &[u8]) -> Vec<Case> {
    let json: Value = serde_json::from_slice(json).unwrap();
    let cases = json["cases"].as_array().unwrap().iter().map(|case| Case {
        text: case["text"].as_str().unwrap().to_owned(),
        ids: serde_json::from_value(case["ids"].clone()).unwrap(),
        embedding: serde_json::from_value(case["embedding"].clone()).unwrap(),
    });
    cases.collect()
}

fn agree(cases: &[Case]) {
    let model = base();
    let mut vectors = 0;
    for Case { text, ids, embedding } in cases {
        assert_eq!(&model.tokenizer.encode(text).ids, ids, "ids of {text:?}");
        let Some(embedding) = embedding else { continue };
        let vector: Vec<Vec<f32>> = encode(&*model.encoder, &RaggedBatch::new([ids.as_slice()])).try_into().unwrap();
        let furthest = vector[0].iter().zip(embedding).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
        assert!(furthest < 2e-5, "{text:?}: a coordinate is off by {furthest}");
        assert!(cosine(&vector[0], embedding) > 0.999999, "{text:?}");
        vectors += 1;
    }
    assert!(vectors >= 8);
}

#[test]
fn ids_and_vectors_equal_the_reference() {
    agree(&cases(include_bytes!("../../fixtures/use_multilingual.json")));
}

#[test]
fn ids_and_vectors_equal_all_reference_cases() {
    if let Some(golden) = public_data("golden/use_m3_embeddings.json") {
        agree(&cases(&golden));
    }
}

#[test]
fn a_texts_vector_does_not_depend_on_its_batch() {
    let model = base();
    let cases = cases(include_bytes!("../../fixtures/use_multilingual.json"));
    let texts: Vec<&[u32]> = cases.iter().map(|case| case.ids.as_slice()).collect();
    let together: Vec<Vec<f32>> = encode_all(&*model.encoder, &texts).try_into().unwrap();
    let turned: Vec<&[u32]> = texts.iter().rev().copied().collect();
    let turned: Vec<Vec<f32>> = encode_all(&*model.encoder, &turned).try_into().unwrap();
    for (index, ids) in texts.iter().enumerate() {
        let alone: Vec<Vec<f32>> = encode(&*model.encoder, &RaggedBatch::new([*ids])).try_into().unwrap();
        for other in [&together[index], &turned[texts.len() - 1 - index]] {
            let furthest = alone[0].iter().zip(other).map(|(a, b)| (a - b).abs()).fold(0.0, f32::max);
            assert!(furthest < 1e-6, "{:?} is off by {furthest} in a batch", cases[index].text);
        }
    }
}

#[test]
fn a_long_text_is_cut_at_the_end_that_was_asked_for_and_keeps_its_markers() {
    let model = base();
    let text = "one two three four five six seven eight nine ten ".repeat(100);
    let whole = model.tokenizer.encode(&text).ids;
    let right = tokenize(&model.tokenizer, "", &text, 512, TruncationDirection::Right);
    let left = tokenize(&model.tokenizer, "", &text, 512, TruncationDirection::Left);
    assert_eq!((right.ids.len(), right.dropped), (512, whole.len() - 512));
    assert_eq!(right.ids[..511], whole[..511]);
    assert_eq!(left.ids[1..], whole[whole.len() - 511..]);
    assert_eq!((left.ids[0], right.ids[511]), (whole[0], whole[whole.len() - 1]));
    assert_eq!(tokenize(&model.tokenizer, "", "short", 512, TruncationDirection::Right).dropped, 0);
}

/// The proof that this is the tutorial's model: STS benchmark dev, Pearson of the cosine (the
/// tutorial logged 0.8325 for English).
#[test]
fn the_sts_benchmark_dev_sets_give_the_known_correlations() {
    let model = base();
    for (file, pearson) in [("data/sts/stsb-en-dev.csv", 0.8346), ("data/sts/stsb-ja-dev.csv", 0.7927)] {
        let Some(table) = public_table(file, Scores::Any) else { return };
        let result = eval::benchmark(&*model.encoder, file, &token_pairs(&model, &table));
        let found = result.pearson.unwrap();
        println!("{file}: {} pairs, Pearson {found:.4}, Spearman {:.4}", result.pairs, result.spearman.unwrap());
        assert!((found - pearson).abs() < 0.0005, "{file}: {found}");
    }
}
