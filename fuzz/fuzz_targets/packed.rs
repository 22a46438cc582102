#![no_main]

use std::io::Write;

use libfuzzer_sys::fuzz_target;

// As they are, with the beginning of a packed file; and packed, so that what is inside is reached.
fuzz_target!(|bytes: &[u8]| {
    shamisen_fuzz::read(bytes, None);
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    if gzip.write_all(bytes).is_ok()
        && let Ok(packed) = gzip.finish()
    {
        shamisen_fuzz::read(&packed, None);
    }
});
