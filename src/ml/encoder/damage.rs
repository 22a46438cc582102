//! Files of models, damaged at random: whatever the bytes are, a reader says what is wrong or reads them. What needs
//! no libtorch has fuzzers besides (`fuzz/`).

use std::path::Path;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};
use serde_json::json;

use super::card::{CONFIG, MODULES, WEIGHTS};
use super::model_files::ModelFiles;
use super::protobuf::{self, Message};
use super::sentencepiece::SentencePiece;
use super::transformer::Description;
use super::weights::{self, Stored, WeightFile};
use super::{CARD, read_card};

/// A whole file's bytes, cut off, with bits flipped, and with a piece of them in another place.
fn damaged(whole: &[u8], tries: usize, seed: u64) -> impl Iterator<Item = Vec<u8>> {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let mut below = move |length: usize| (random.next_u64() % length.max(1) as u64) as usize;
    (0..tries).map(move |_| {
        let mut bytes = whole.to_vec();
        match below(4) {
            0 => bytes.truncate(below(whole.len())),
            1 => {
                let (from, to) = (below(whole.len()), below(whole.len()));
                bytes.splice(to..to, whole[from..].iter().copied().take(64));
            }
            _ => {
                for _ in 0..=below(8) {
                    bytes[below(whole.len())] ^= 1 << below(8);
                }
            }
        }
        bytes
    })
}

fn sentencepiece() -> Vec<u8> {
    let piece = |text: &str, score: f32, kind: i64| Message::default().bytes(1, text).float(2, score).integer(3, kind);
    let pieces = [("<unk>", 0.0, 2), ("<s>", 0.0, 3), ("</s>", 0.0, 3), ("\u{2581}nurse", -4.0, 1), ("看", -5.0, 1)];
    let model = pieces
        .iter()
        .fold(Message::default(), |model, &(text, score, kind)| model.message(1, &piece(text, score, kind)));
    model
        .message(2, &Message::default().integer(3, 1))
        .message(3, &Message::default().integer(3, 1))
        .as_bytes()
        .to_vec()
}

#[test]
fn a_sentencepiece_model_that_says_a_piece_twice_or_without_text_is_refused() {
    let piece = |text: &str| Message::default().bytes(1, text).float(2, -1.0).integer(3, 1);
    for text in ["\u{2581}nurse", ""] {
        let mut model = sentencepiece();
        model.extend(Message::default().message(1, &piece(text)).as_bytes());
        assert!(SentencePiece::parse(&model).is_err(), "{text:?}");
    }
}

#[test]
fn no_damage_to_a_sentencepiece_model_ends_in_a_panic() {
    let whole = sentencepiece();
    assert!(SentencePiece::parse(&whole).is_ok());
    let mut read = 0;
    for bytes in damaged(&whole, 20_000, 1) {
        let _ = protobuf::fields(&bytes);
        if let Ok(model) = SentencePiece::parse(&bytes) {
            read += 1;
            let ids = model.encode("a nurse 看護師");
            assert!(ids.iter().all(|&id| id < model.pieces()), "{ids:?} of {}", model.pieces());
        }
    }
    assert!(read > 100, "{read} of them were read: the others say nothing of what comes after the reading");
}

/// Gives a reader the damaged bytes of one file of a folder.
fn each(folder: &Path, name: &str, whole: &[u8], tries: usize, read: impl Fn(&Path)) {
    for bytes in damaged(whole, tries, 2) {
        // A new file: ext4 brings one that is written over onto the disk at once.
        let _ = std::fs::remove_file(folder.join(name));
        std::fs::write(folder.join(name), bytes).unwrap();
        read(folder);
    }
}

#[test]
fn no_damage_to_a_models_folder_ends_in_a_panic() {
    let folder = tempfile::TempDir::new().unwrap();
    let folder = folder.path();
    let tensors = [
        ("table.ids".to_owned(), Stored::integers(&[1, 5, 9])),
        ("table.rows".to_owned(), Stored::floats(&[3, 2], [0.5; 6])),
        ("kernel".to_owned(), Stored::floats(&[4], [1.0; 4])),
    ];
    weights::write(&folder.join(WEIGHTS), &tensors.into()).unwrap();
    let whole = std::fs::read(folder.join(WEIGHTS)).unwrap();
    each(folder, WEIGHTS, &whole, 4000, |folder| {
        if let Ok(file) = WeightFile::open(&folder.join(WEIGHTS)) {
            for name in file.names() {
                let _ = (
                    file.raw(&name).map(|(_, bytes)| bytes.len()),
                    file.integers(&name),
                    file.floats(&name, &[3, 2]),
                    WeightFile::open(&folder.join(WEIGHTS))
                        .and_then(|file| file.into_matrix(&name))
                        .map(|matrix| matrix.size()),
                );
            }
        }
    });

    let card = json!({ "name": "nurses", "fingerprint": "ab".repeat(32), "dimensions": 16, "max_tokens": 512, "base_fingerprint": null });
    each(folder, CARD, card.to_string().as_bytes(), 4000, |folder| drop(read_card(folder)));

    let modules = json!([{ "idx": 0, "name": "0", "path": "", "type": "sentence_transformers.models.Transformer" },
                         { "idx": 1, "name": "1", "path": "1_Pooling", "type": "sentence_transformers.models.Pooling" }]);
    let pooling =
        json!({ "word_embedding_dimension": 16, "pooling_mode_cls_token": false, "pooling_mode_mean_tokens": true });
    let config = json!({ "model_type": "bert", "vocab_size": 260, "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
                         "intermediate_size": 32, "hidden_act": "gelu", "layer_norm_eps": 1e-12, "max_position_embeddings": 512, "type_vocab_size": 2 });
    std::fs::create_dir(folder.join("1_Pooling")).unwrap();
    let files = [(CONFIG, &config), (MODULES, &modules), ("1_Pooling/config.json", &pooling)];
    let put = || files.iter().for_each(|(name, value)| std::fs::write(folder.join(name), value.to_string()).unwrap());
    put();
    assert!(
        Description::read(&ModelFiles::draft(folder)).is_ok(),
        "{:?}",
        Description::read(&ModelFiles::draft(folder)).err()
    );
    for (name, value) in &files {
        each(folder, name, value.to_string().as_bytes(), 2000, |folder| {
            drop(Description::read(&ModelFiles::draft(folder)))
        });
        put();
    }
}
