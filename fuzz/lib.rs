//! What is tried on the crate that reads tables, and on the sources of the program that need nothing of libtorch.

use std::panic;
use std::sync::Once;

use tables::choices::{FileOptions, TableOptions};
use tables::inspect::{InspectContext, inspect, store};
use tables::source::{Input, Source};
use tables::{Stop, stored};
use tables::taxonomy::{File, Recipe, Taxonomy, make};

pub use tables::choices::FileFormat;

#[allow(dead_code)]
#[path = "../src/ml/encoder/protobuf.rs"]
mod protobuf;
#[allow(dead_code)]
#[path = "../src/ml/encoder/sentencepiece.rs"]
mod sentencepiece;

/// Reads a table to its end, whatever the bytes are. It must neither panic nor run on without end.
///
/// libFuzzer's own hook ends the process at every panic. The program catches those of the libraries that read
/// workbooks and Parquet, and tells that the file cannot be read; only a panic that comes out of `read` is a fault.
pub fn read(bytes: &[u8], format: Option<FileFormat>) {
    let_panics_be_caught();
    let read_as = FileOptions { format, ..FileOptions::default() };
    if let Ok(source) = Source::open(&Input::bytes(bytes.into()), &read_as) {
        // A list of rows without a fault grows; a fault of the table is the last.
        source.take(1_000_000).for_each(drop);
    }
}

fn let_panics_be_caught() {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(|_| ())));
}

/// Reads a taxonomy whose file has a name with one of the endings, and makes pairs of it.
pub fn taxonomy(bytes: &[u8]) {
    let_panics_be_caught();
    let Some((&ending, bytes)) = bytes.split_first() else { return };
    let name = ["csv", "ttl", "jsonld", "tsv", "", "rdf"][usize::from(ending) % 6];
    let file = File { name: Some(format!("taxonomy.{name}")), input: Input::bytes(bytes.into()) };
    if let Ok(taxonomy) = Taxonomy::read(&[file], &FileOptions::default(), None) {
        let _ = make(&taxonomy, &Recipe::default(), None, &Stop::NEVER);
    }
}

/// Reads pairs as they are kept, and what is read of them once more.
pub fn stored_pairs(bytes: &[u8]) {
    for pair in stored::pairs(bytes) {
        let Ok(stored::StoredPair { pair, line }) = pair else { return };
        let mut writer = stored::Writer::new(Vec::new()).expect("memory can be written");
        writer.write(&pair, line).expect("memory can be written");
        let written = writer.finish().expect("memory can be written");
        let again = stored::pairs(&written[..]).next().expect("one was written").expect("it is ours");
        assert_eq!(again.pair, pair);
    }
}

/// Reads a small table as somebody's JSON says.
pub fn choices(bytes: &[u8]) {
    let_panics_be_caught();
    let (choices, table) = match bytes.iter().position(|&byte| byte == 0) {
        Some(end) => (&bytes[..end], &bytes[end + 1..]),
        None => (bytes, &b"base,ref,similarity\nnurse,clerk,0.5\nclerk,nurse,high\n"[..]),
    };
    let Ok(options) = serde_json::from_slice::<TableOptions>(choices) else { return };
    let input = Input::bytes(table.into());
    if let Ok(inspection) = inspect(&input, &options, &InspectContext::default()) {
        let _ = store(&input, &inspection, &mut Vec::new());
        // What an inspection says of its choices is read the same way ever after.
        let again = inspect(&input, &inspection.choices, &InspectContext::default()).map(|again| again.choices);
        assert_eq!(again.ok().as_ref(), Some(&inspection.choices));
    }
}

/// Reads a SentencePiece model and cuts texts with it.
pub fn sentencepiece(bytes: &[u8]) {
    if let Ok(model) = sentencepiece::SentencePiece::parse(bytes) {
        for text in ["", "a nurse", "看護師 データ", "\u{fffd}\0 é", &String::from_utf8_lossy(bytes)] {
            let ids = model.encode(text);
            assert!(ids.iter().all(|&id| id < model.pieces()));
        }
    }
}
