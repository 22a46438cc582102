//! What is tried on the crate that reads tables.

use std::panic;
use std::sync::Once;

use tables::choices::FileOptions;
use tables::source::{Input, Source};

pub use tables::choices::FileFormat;

/// Reads a table to its end, whatever the bytes are. It must neither panic nor run on without end.
///
/// libFuzzer's own hook ends the process at every panic. The program catches those of the libraries that read
/// workbooks and Parquet, and tells that the file cannot be read; only a panic that comes out of `read` is a fault.
pub fn read(bytes: &[u8], format: Option<FileFormat>) {
    static HOOK: Once = Once::new();
    HOOK.call_once(|| panic::set_hook(Box::new(|_| ())));
    let read_as = FileOptions { format, ..FileOptions::default() };
    if let Ok(source) = Source::open(&Input::bytes(bytes.into()), &read_as) {
        // A list of rows without a fault grows; a fault of the table is the last.
        source.take(1_000_000).for_each(drop);
    }
}
