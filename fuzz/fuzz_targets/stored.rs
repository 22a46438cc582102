#![no_main]

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| shamisen_fuzz::stored_pairs(bytes));
