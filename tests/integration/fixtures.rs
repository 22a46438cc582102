//! What several tests need: the real model, imported once, and public data where it is present.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::LazyLock;

use shamisen::ml::encoder::{self, Model};
use tables::{PairDataset, Scores};
use tempfile::TempDir;

/// The base model's folder, imported from the set-up's ONNX file.
pub(crate) static BASE_FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("use-multilingual-v3");
    if !folder.exists() {
        let onnx = Path::new(env!("CARGO_MANIFEST_DIR")).join("deps/use-multilingual-v3-onnx/model.onnx");
        assert!(onnx.exists(), "the base model is not there; run `make deps` first");
        encoder::import_use_multilingual(&onnx, &folder, "use-multilingual-v3").expect("the model is imported");
    }
    folder
});

/// The base model, loaded anew: each test may change its own.
pub(crate) fn base() -> Model {
    encoder::load(&BASE_FOLDER).expect("the base model loads")
}

/// all-MiniLM-L6-v2's folder, imported from the set-up's copy.
pub(crate) static MINILM_FOLDER: LazyLock<PathBuf> = LazyLock::new(|| {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("all-minilm-l6-v2");
    if !folder.exists() {
        let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("deps/all-MiniLM-L6-v2");
        assert!(source.exists(), "all-MiniLM-L6-v2 is not there; run `make deps` first");
        encoder::import_transformer(&source, &folder, "all-minilm-l6-v2", None).expect("the model is imported");
    }
    folder
});

/// all-MiniLM-L6-v2, loaded anew.
pub(crate) fn minilm() -> Model {
    encoder::load(&MINILM_FOLDER).expect("all-MiniLM-L6-v2 loads")
}

/// A file of the public data sets that the project may not ship, from `SHAMISEN_TEST_DATA`. A test
/// that gets `None` says so and ends.
pub(crate) fn public_data(file: &str) -> Option<Vec<u8>> {
    let folder = std::env::var_os("SHAMISEN_TEST_DATA").map(PathBuf::from);
    let bytes = folder.and_then(|folder| std::fs::read(folder.join(file)).ok());
    if bytes.is_none() {
        eprintln!("SKIPPED: {file} is not there (SHAMISEN_TEST_DATA names its folder)");
    }
    bytes
}

/// The same as a table.
pub(crate) fn public_table(file: &str, scores: Scores) -> Option<PairDataset> {
    Some(tables::read(&public_data(file)?, scores).expect("public data is well formed"))
}

/// A data folder with Universal Sentence Encoder.
pub(crate) fn real_data() -> TempDir {
    let data = TempDir::new().unwrap();
    let models = data.path().join("models");
    std::fs::create_dir(&models).unwrap();
    std::os::unix::fs::symlink(&*BASE_FOLDER, models.join("use-multilingual-v3")).unwrap();
    data
}

/// The interpreter of an environment of `reference_env.py`, which is made on the first call.
pub(crate) fn python(environment: &str) -> PathBuf {
    script("python3", "reference_env.py", &[Path::new(environment)]).trim().into()
}

/// What one of the repository's scripts prints.
pub(crate) fn script(python: impl AsRef<Path>, name: &str, arguments: &[&Path]) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("scripts").join(name);
    let run = Command::new(python.as_ref()).arg(path).args(arguments).stderr(Stdio::inherit()).output().unwrap();
    assert!(run.status.success(), "{name} failed; its own words are above");
    String::from_utf8(run.stdout).unwrap()
}
