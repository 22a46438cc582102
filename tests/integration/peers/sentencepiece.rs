//! The SentencePiece encoder against SentencePiece itself, on texts that nobody chose.

use std::process::Command;

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use crate::fixtures::{BASE_FOLDER, base, python};

/// Random texts: characters of many scripts, combining marks, odd spaces, runs of digits, whole
/// words of the example table taken apart.
pub(crate) fn texts(count: usize) -> Vec<String> {
    const BLOCKS: [(u32, u32); 18] = [
        (0x20, 0x7e),
        (0x20, 0x7e),
        (0xa0, 0x17f),
        (0x300, 0x36f),
        (0x370, 0x3ff),
        (0x400, 0x4ff),
        (0x5d0, 0x5ea),
        (0x621, 0x64a),
        (0x900, 0x97f),
        (0xe00, 0xe4e),
        (0x1100, 0x11ff),
        (0x2000, 0x206f),
        (0x2150, 0x218f),
        (0x3040, 0x30ff),
        (0x4e00, 0x9fff),
        (0xac00, 0xd7a3),
        (0xff00, 0xffef),
        (0x1f300, 0x1f64f),
    ];
    let example = include_str!("../../../examples/occupations.csv");
    let words: Vec<&str> = example.split([',', ' ', '\n']).collect();
    let mut rng = ChaCha8Rng::seed_from_u64(20_260_101);
    let mut draw = move |bound: usize| (rng.next_u64() % bound as u64) as usize;
    let mut text = move || {
        let mut text = String::new();
        for _ in 0..1 + draw(24) {
            match draw(8) {
                0 => text.push_str(words[draw(words.len())]),
                1 => text.push_str([" ", "  ", "\u{3000}", "\t", "\u{a0}", "\u{200b}", "\n", "\u{2581}"][draw(8)]),
                2 => text.push_str(&"0123456789"[draw(9)..].repeat(1 + draw(3))),
                3 => text.extend(char::from_u32(draw(0x11_0000) as u32).filter(|&c| c != '\0')),
                _ => {
                    let (from, to) = BLOCKS[draw(BLOCKS.len())];
                    text.extend(char::from_u32(from + draw((to - from) as usize) as u32));
                }
            }
        }
        text
    };
    (0..count).map(|_| text()).collect()
}

#[test]
fn ids_equal_sentencepieces_on_random_unicode() {
    let texts = texts(20_000);
    let script = "import json, sys, sentencepiece\n\
                  sp = sentencepiece.SentencePieceProcessor(model_file=sys.argv[1])\n\
                  json.dump(sp.encode(json.load(sys.stdin), add_bos=True, add_eos=True), sys.stdout)";
    let folder = tempfile::TempDir::new().unwrap();
    let input = folder.path().join("texts.json");
    std::fs::write(&input, serde_json::to_vec(&texts).unwrap()).unwrap();
    let run = Command::new(python("formats"))
        .args(["-c", script])
        .arg(BASE_FOLDER.join("sentencepiece.model"))
        .stdin(std::fs::File::open(input).unwrap())
        .output()
        .unwrap();
    assert!(run.status.success(), "{}", String::from_utf8_lossy(&run.stderr));
    let expected: Vec<Vec<u32>> = serde_json::from_slice(&run.stdout).unwrap();
    let model = base();
    for (text, expected) in texts.iter().zip(expected) {
        assert_eq!(model.tokenizer.encode(text).ids, expected, "{text:?}");
    }
}
