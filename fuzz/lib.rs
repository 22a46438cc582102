//! `src/ml/dataset` by itself, without libtorch, and what is tried on it.

#[allow(dead_code, missing_docs)]
#[path = "."]
pub mod ml {
    #[path = "../src/ml/dataset/mod.rs"]
    pub mod dataset;
}

use ml::dataset::source::{FileFormat, Input, ReadAs, Source};

/// Reads a table to its end, whatever the bytes are. It must neither panic nor run on without end.
pub fn read(bytes: &[u8], format: Option<FileFormat>) {
    let read_as = ReadAs { format, ..ReadAs::default() };
    if let Ok(source) = Source::open(&Input::Bytes(bytes.into()), &read_as) {
        // A list of rows without a fault grows; a fault of the table is the last.
        source.take(1_000_000).for_each(drop);
    }
}
