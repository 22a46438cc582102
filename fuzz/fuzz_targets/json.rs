#![no_main]

use libfuzzer_sys::fuzz_target;
use shamisen_fuzz::FileFormat;

fuzz_target!(|bytes: &[u8]| {
    shamisen_fuzz::read(bytes, Some(FileFormat::Json));
    shamisen_fuzz::read(bytes, Some(FileFormat::Jsonl));
});
