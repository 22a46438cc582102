//! SHA-256 in hexadecimal: names of files, fingerprints of models.

use std::io::Read;

use sha2::{Digest, Sha256};

/// A SHA-256 that is taken piece by piece.
#[derive(Clone, Debug, Default)]
pub struct Sha256Hex(Sha256);

impl Sha256Hex {
    /// Hashes some bytes.
    pub fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    /// Hashes a file or stream to its end, a mebibyte at a time.
    pub fn update_from(&mut self, mut source: impl Read) -> std::io::Result<()> {
        let mut chunk = vec![0; 1 << 20];
        loop {
            match source.read(&mut chunk)? {
                0 => return Ok(()),
                read => self.0.update(&chunk[..read]),
            }
        }
    }

    /// 64 hexadecimal digits.
    pub fn finish(self) -> String {
        self.0.finalize().iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// The SHA-256 of bytes in hexadecimal.
pub fn sha256(bytes: &[u8]) -> String {
    let mut hash = Sha256Hex::default();
    hash.update(bytes);
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hash_is_the_standards_however_the_bytes_come() {
        // FIPS 180-2, appendix B.1.
        let abc = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad";
        assert_eq!(sha256(b"abc"), abc);
        let mut hash = Sha256Hex::default();
        hash.update(b"a");
        hash.update_from(&b"bc"[..]).unwrap();
        assert_eq!(hash.finish(), abc);
    }
}
