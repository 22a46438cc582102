//! The fuzzers' corpus (`fuzz/`), whole, cut off and damaged: what was found once stays found.

use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rand_chacha::ChaCha8Rng;
use rand_chacha::rand_core::{Rng, SeedableRng};

use super::super::*;

/// What the fuzzers do with a file.
fn read(bytes: &[u8]) {
    for format in [None, Some(FileFormat::Csv), Some(FileFormat::Json), Some(FileFormat::Jsonl)] {
        let read_as = FileOptions { format, ..FileOptions::default() };
        if let Ok(source) = Source::open(&Input::bytes(bytes.into()), &read_as) {
            source.take(1_000_000).for_each(drop);
        }
    }
}

fn corpus() -> Vec<PathBuf> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../fuzz/corpus");
    let folders = std::fs::read_dir(root).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> =
        folders.flat_map(|folder| std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path())).collect();
    files.sort();
    files
}

/// Each file of the corpus as it is, cut off, and with bits flipped, in a time that does not depend on what it says
/// of itself.
#[test]
fn no_damage_to_a_file_ends_in_a_panic_or_takes_long() {
    damage(12, 7);
}

/// The same for minutes, for who has no fuzzer.
#[test]
#[ignore = "takes minutes"]
fn no_damage_ends_in_a_panic_in_many_more_rounds() {
    damage(2000, 8);
}

fn damage(rounds: usize, seed: u64) {
    let mut random = ChaCha8Rng::seed_from_u64(seed);
    let files = corpus();
    assert!(files.len() >= 30, "{files:?}");
    for file in files {
        let whole = std::fs::read(&file).unwrap();
        let mut tries = vec![whole.clone()];
        for _ in 0..rounds {
            let length = whole.len().max(1) as u32;
            tries.push(whole[..(random.next_u32() % length) as usize].to_vec());
            let mut damaged = whole.clone();
            for _ in 0..=random.next_u32() % 8 {
                let place = (random.next_u32() % length) as usize;
                damaged[place] ^= 1 << (random.next_u32() % 8);
            }
            tries.push(damaged);
            // A piece of the file once more in another place.
            let mut spliced = whole.clone();
            let from = (random.next_u32() % length) as usize;
            let to = (random.next_u32() % length) as usize;
            spliced.splice(to..to, whole[from..].iter().copied().take(64));
            tries.push(spliced);
        }
        for bytes in tries {
            let begun = Instant::now();
            let read = std::panic::catch_unwind(|| read(&bytes));
            if read.is_err() {
                let kept = tempfile::NamedTempFile::new().unwrap().keep().unwrap().1;
                std::fs::write(&kept, &bytes).unwrap();
                panic!("{} damaged ends in a panic; the bytes are in {}", file.display(), kept.display());
            }
            assert!(begun.elapsed() < Duration::from_secs(10), "{} took {:?}", file.display(), begun.elapsed());
        }
    }
}
