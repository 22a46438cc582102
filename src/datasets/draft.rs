//! A table on its way onto the disk.

use std::path::{Path, PathBuf};

use tokio::fs::File;
use tokio::io::{AsyncWriteExt, BufWriter};

use crate::ml::sha256::Sha256Hex;
use crate::store;
use tables::source::Input;

/// Of a table's first bytes, so many are kept: they tell how it is written.
const HEAD: usize = 256;
/// Bytes that are gathered before they go to the disk.
const AT_ONCE: usize = 1 << 20;

/// A file that is being written while its SHA-256 is taken. What is not finished is removed.
#[derive(Debug)]
pub struct Draft {
    file: BufWriter<File>,
    hash: Sha256Hex,
    received: Received,
}

/// A table on disk that belongs to no dataset yet. Its file goes when this goes, unless a dataset took it.
#[derive(Debug)]
pub struct Received {
    pub(super) path: PathBuf,
    /// Of its bytes, in hex.
    pub sha256: String,
    pub bytes: u64,
    /// The first of them.
    pub head: Vec<u8>,
}

impl Draft {
    pub(super) async fn create(folder: &Path) -> std::io::Result<Self> {
        let path = folder.join(format!("{}.draft", store::new_id("ds")));
        let received = Received { path, sha256: String::new(), bytes: 0, head: Vec::new() };
        let file = File::create_new(&received.path).await?;
        Ok(Self { file: BufWriter::with_capacity(AT_ONCE, file), hash: Sha256Hex::default(), received })
    }

    pub async fn write(&mut self, bytes: &[u8]) -> std::io::Result<()> {
        let head = &mut self.received.head;
        head.extend_from_slice(&bytes[..bytes.len().min(HEAD - head.len())]);
        self.received.bytes += bytes.len() as u64;
        self.hash.update(bytes);
        self.file.write_all(bytes).await
    }

    pub fn bytes(&self) -> u64 {
        self.received.bytes
    }

    /// Sees all bytes onto the disk.
    pub async fn finish(mut self) -> std::io::Result<Received> {
        self.file.flush().await?;
        self.file.get_ref().sync_all().await?;
        self.received.sha256 = self.hash.finish();
        Ok(self.received)
    }
}

impl Received {
    pub fn input(&self) -> Input {
        Input::File(self.path.clone())
    }
}

impl Drop for Received {
    fn drop(&mut self) {
        // A file that a dataset took has another name. What stays behind is removed at the next start.
        let _ = std::fs::remove_file(&self.path);
    }
}

/// Pairs on disk that belong to no dataset yet. Their file goes when this goes, unless a dataset took it.
#[derive(Debug)]
pub struct PairsDraft(pub(super) PathBuf);

impl Drop for PairsDraft {
    fn drop(&mut self) {
        // As above.
        let _ = std::fs::remove_file(&self.0);
    }
}
