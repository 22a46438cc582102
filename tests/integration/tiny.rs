//! A model for claims that are not about numbers: a server with it starts in a moment, and jobs learn in one.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::LazyLock;
use std::time::UNIX_EPOCH;

use serde_json::{Map, Value, json};
use tempfile::TempDir;

use crate::app::{App, PROGRAM};
use crate::published::{Sizes, tokenizer};

/// Its id, which is also its name.
pub(crate) const TINY: &str = "tiny";

/// It reads as much of a text as Universal Sentence Encoder does, byte by byte.
const SIZES: Sizes = Sizes { vocabulary: 4 + 256, positions: 512, layers: 2, hidden: 16 };

/// Dimensions of its vectors.
pub(crate) const DIMENSIONS: usize = SIZES.hidden;

/// A data folder with the model alone, as a server that was stopped leaves it. Of this build of the program: another
/// one may keep another database.
static DATA: LazyLock<PathBuf> = LazyLock::new(|| {
    let built = std::fs::metadata(PROGRAM).and_then(|program| program.modified()).unwrap();
    let built = built.duration_since(UNIX_EPOCH).unwrap().as_nanos();
    let target = Path::new(env!("CARGO_TARGET_TMPDIR"));
    let folder = target.join(format!("tiny-{built}"));
    if !folder.exists() {
        let (published, data) = (TempDir::new_in(target).unwrap(), TempDir::new_in(target).unwrap());
        publish(published.path());
        let mut import = Command::new(PROGRAM);
        import.args(["model", "import"]).arg(published.path()).args(["--name", TINY, "--data"]).arg(data.path());
        let import = import.output().unwrap();
        assert!(import.status.success(), "{}", String::from_utf8_lossy(&import.stderr));
        let (data, _) = App::over(data, &[]).stop();
        // Where another process was faster, its folder stays.
        let _ = std::fs::rename(data.keep(), &folder);
    }
    folder
});

/// Puts the model into a data folder without models.
pub(crate) fn put_into(data: &Path) {
    std::fs::create_dir_all(data.join("models")).unwrap();
    std::os::unix::fs::symlink(DATA.join("models").join(TINY), data.join("models").join(TINY)).unwrap();
    let database = data.join("shamisen.db");
    if !database.exists() {
        std::fs::copy(DATA.join("shamisen.db"), database).unwrap();
    }
}

/// The same with files of its own, which a test may spoil.
pub(crate) fn copy_into(data: &Path) {
    let (database, models) = (data.join("shamisen.db"), data.join("models"));
    copy(&DATA.join("models").join(TINY), &models.join(TINY));
    std::fs::copy(DATA.join("shamisen.db"), database).unwrap();
}

/// Copies a folder and those below.
pub(crate) fn copy(from: &Path, to: &Path) {
    // In one moment, as a server that looks on would have it.
    let draft = to.with_extension("draft");
    std::fs::create_dir_all(&draft).unwrap();
    for entry in std::fs::read_dir(from).unwrap() {
        let (path, name) = entry.map(|entry| (entry.path(), entry.file_name())).unwrap();
        if path.is_dir() {
            copy(&path, &draft.join(name));
        } else {
            std::fs::copy(path, draft.join(name)).unwrap();
        }
    }
    std::fs::rename(draft, to).unwrap();
}

fn publish(folder: &Path) {
    let number = |tensor: usize, place: usize, name: &str| {
        // Numbers from -1 to 1 without a pattern.
        let mixed = ((tensor << 32 | place) as u64).wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        let mixed = (mixed ^ (mixed >> 31)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let x = ((mixed >> 40) as f32 - (1 << 23) as f32) / (1 << 23) as f32;
        match name {
            _ if name.ends_with("LayerNorm.weight") => 1.0,
            _ if name.ends_with("bias") => 0.0,
            // The sum of 16 of their products has about the size of one number.
            _ => 0.5 * x,
        }
    };
    SIZES.save(folder, &SIZES.tensors(number), &tokenizer(&pre_tokenizer(), &bytes()));
    SIZES.save_modules(folder);
}

fn pre_tokenizer() -> Value {
    json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false, "use_regex": false })
}

/// Every byte is a token, so that there is no text that it cannot tell from another.
fn bytes() -> Value {
    let mut vocabulary: Map<String, Value> = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
        .iter()
        .zip(0..)
        .map(|(name, id)| ((*name).to_owned(), id.into()))
        .collect();
    // As GPT-2 writes bytes: those that can be seen as they are, the others as characters from U+0100 on.
    let seen = |byte: &u32| matches!(byte, 0x21..=0x7e | 0xa1..=0xac | 0xae..=0xff);
    let others = (0..256).filter(|byte| !seen(byte)).zip(0x100..).map(|(_, character)| character);
    for (character, id) in (0..256).filter(seen).chain(others).zip(4..) {
        vocabulary.insert(char::from_u32(character).unwrap().to_string(), id.into());
    }
    json!({ "type": "BPE", "vocab": vocabulary, "merges": [], "unk_token": "[UNK]" })
}
